#![no_main]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use valkka_core::clock::SystemClock;
use valkka_core::codec::{Codec, CodecParams};
use valkka_core::frame::{Body, Frame, Packet, Signal};
use valkka_core::payload::Payload;
use valkka_core::sink::Sink;
use valkka_core::stream::{Slot, Track};
use valkka_net::server::{Mount, Server, ServerOptions};

// What a viewer says to a server that serves one stream: each answer is one, and the connection ends.
fuzz_target!(|data: &[u8]| {
    static SERVER: OnceLock<(Server, Mount)> = OnceLock::new();
    let (server, mount) = SERVER.get_or_init(start);
    let mut viewer = TcpStream::connect(server.local_addr()).expect("the server listens");
    viewer.set_read_timeout(Some(Duration::from_secs(20))).expect("no zero");
    // It slows down whoever says more.
    let data = &data[..data.len().min(1024)];
    // It may have heard enough before the end.
    let said = viewer.write_all(data).and_then(|()| viewer.shutdown(Shutdown::Write));
    mount.put(packet());
    let mut answers = Vec::new();
    let heard = viewer.read_to_end(&mut answers);
    let mut rest = &answers[..];
    while !rest.is_empty() {
        rest = match rest {
            [b'$', _, high, low, rest @ ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                &rest[length.min(rest.len())..]
            }
            _ => {
                assert!(rest.starts_with(b"RTSP/1.0 ") || said.is_err() || heard.is_err(), "{answers:?}");
                let head =
                    rest.windows(4).position(|window| window == b"\r\n\r\n").map_or(rest.len(), |at| at + 4);
                let text = String::from_utf8_lossy(&rest[..head]);
                let body = text.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
                &rest[(head + body.unwrap_or(0)).min(rest.len())..]
            }
        };
    }
});

fn start() -> (Server, Mount) {
    let server = Server::bind(([127, 0, 0, 1], 0).into(), ServerOptions::default()).expect("a free port");
    let mount = server.mount("cam1").expect("a free path");
    mount.put(packet());
    (server, mount)
}

/// Twenty milliseconds of silence.
fn packet() -> Frame {
    static PARAMS: OnceLock<Arc<CodecParams>> = OnceLock::new();
    let params =
        PARAMS.get_or_init(|| Arc::new(CodecParams::audio(Codec::PcmMulaw, 8000, 1, Default::default())));
    let mut frame = Frame::signal(Slot::new(1), SystemClock.now(), Signal::End);
    frame.track = Track::new(0);
    let payload = Payload::copy_from_slice(&[0xff; 160]);
    frame.body = Body::Packet(Packet { params: params.clone(), payload, keyframe: true, lost: 0 });
    frame
}
