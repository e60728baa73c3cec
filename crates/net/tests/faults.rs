//! Servers that misbehave: each ends in a clear error, without a panic and without eating memory.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use common::fake::{Fake, Peer, SDP};
use common::{Receiving, SOON, receive, receive_with, request};
use valkka_core::source::SourceError;
use valkka_net::{Reconnect, RtspOpener};
use valkka_testkit::watchdog::Watchdog;

fn failure(fake: &Fake) -> String {
    let reason = receive(&fake.url()).failure();
    let prefix = format!("127.0.0.1:{} ", fake.port());
    assert!(reason.starts_with(&prefix), "{reason}");
    assert!(!reason.contains('\n'), "{reason}");
    reason[prefix.len()..].to_owned()
}

/// Receives from `fake` with short deadlines.
fn impatient(fake: &Fake) -> Receiving {
    let mut request = request(&fake.url());
    request.options.connect_timeout = Duration::from_millis(500);
    request.options.silence_timeout = Duration::from_millis(500);
    receive_with(request, Reconnect::Never, Arc::new(RtspOpener))
}

#[test]
fn a_server_that_never_answers() {
    let _watchdog = Watchdog::start(SOON * 2);
    let fake = Fake::start(|peer| {
        loop {
            peer.request()?;
        }
    });
    let receiving = impatient(&fake);
    assert!(receiving.failure().ends_with("sent nothing for 0.5 s"));
    assert!(matches!(*receiving.stream.last_error().unwrap(), SourceError::Silent { .. }));
}

#[test]
fn a_server_that_answers_everything_but_play() {
    let _watchdog = Watchdog::start(SOON * 2);
    let fake = Fake::start(|peer| {
        for _ in 0..2 {
            let request = peer.request()?;
            let headers = match request.headers.get("transport") {
                Some(transport) => format!("Session: 1\r\nTransport: {transport}\r\n"),
                None => "Content-Type: application/sdp\r\n".into(),
            };
            let body = if request.method == "DESCRIBE" { SDP } else { "" };
            peer.answer(&request, "200 OK", &headers, body)?;
        }
        loop {
            peer.request()?;
        }
    });
    assert!(impatient(&fake).failure().ends_with("sent nothing for 0.5 s"));
}

#[test]
fn a_server_that_plays_nothing() {
    let _watchdog = Watchdog::start(SOON * 2);
    let fake = Fake::start(|peer| {
        peer.play()?;
        peer.wait_for_end()
    });
    // Patient until it plays.
    let mut request = request(&fake.url());
    request.options.silence_timeout = Duration::from_millis(500);
    let receiving = receive_with(request, Reconnect::Never, Arc::new(RtspOpener));
    assert!(receiving.failure().ends_with("sent nothing for 0.5 s"));
    let signals = receiving.recorder.wait_signals(2);
    assert_eq!((signals.len(), signals[0].as_str()), (2, "online"), "{signals:?}");
}

#[test]
fn what_is_not_rtsp_is_said_to_be_so() {
    let _watchdog = Watchdog::start(SOON * 2);
    for answer in [
        &b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"[..],
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"\0\0\0\0\0\0\0\0",
        b"RTSP/1.0 99999 What\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: -5\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nCSeq: 77\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Type: application/sdp\r\nContent-Length: 4\r\n\r\n\xff\xfe\xfd\xfc",
    ] {
        let reason = failure(&Fake::saying(answer));
        assert!(reason.starts_with("does not speak proper RTSP: "), "{}: {reason}", answer.escape_ascii());
    }
}

#[test]
fn a_server_that_hangs_up() {
    let _watchdog = Watchdog::start(SOON * 2);
    assert_eq!(
        failure(&Fake::start(|peer| peer.request().map(drop))),
        "does not speak proper RTSP: it closed the connection instead of answering DESCRIBE"
    );
    assert_eq!(failure(&Fake::start(Peer::play)), "ended the stream");
    // In the middle of a packet, as a killed camera does.
    let cut = |peer: &mut Peer| {
        peer.play()?;
        peer.picture(1)?;
        peer.stream.write_all(&[b'$', 0, 4, 0, 0x80, 96])
    };
    assert_eq!(failure(&Fake::start(cut)), "ended the stream");
}

#[test]
fn a_server_without_anything_for_us() {
    let _watchdog = Watchdog::start(SOON * 2);
    let describe = |sdp: &'static str| {
        failure(&Fake::start(move |peer| {
            let request = peer.request()?;
            peer.answer(&request, "200 OK", "Content-Type: application/sdp\r\n", sdp)?;
            peer.wait_for_end()
        }))
    };
    let head = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=fake\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n";
    assert_eq!(describe(head), "has no track that can be used (none at all)");
    let vp8 = format!("{head}m=video 0 RTP/AVP 97\r\na=rtpmap:97 VP8/90000\r\na=control:t\r\n");
    assert_eq!(describe(vp8.leak()), "has no track that can be used (video VP8)");
}

#[test]
fn packets_cut_short_and_nonsense_inside_them() {
    let _watchdog = Watchdog::start(SOON * 2);
    type Send = fn(&mut Peer) -> io::Result<()>;
    let nonsense: [(Send, &str); 6] = [
        (|peer| peer.interleaved(0, &[]), "does not speak"),
        (|peer| peer.interleaved(0, &[0x80, 0x60, 0, 1]), "does not speak"),
        (|peer| peer.interleaved(0, &[0xff; 12]), "does not speak"),
        // A report cut short.
        (|peer| peer.interleaved(1, &[0x80, 200, 0, 6, 1, 2]), "does not speak"),
        // A fragment without a start, and an aggregate that is longer than its packet.
        (|peer| peer.rtp(2, true, &[28, 0x05, 1, 2, 3]), "does not speak"),
        (|peer| peer.rtp(2, true, &[24, 0xff, 0xff, 1]), "does not speak"),
    ];
    for (index, (send, expected)) in nonsense.into_iter().enumerate() {
        let reason = failure(&Fake::start(move |peer| {
            peer.play()?;
            peer.picture(1)?;
            send(peer)?;
            peer.wait_for_end()
        }));
        assert!(reason.starts_with(expected), "{index}: {reason}");
    }
}

#[test]
fn credentials_refused_again_and_again() {
    let _watchdog = Watchdog::start(SOON * 2);
    let fake = Fake::start(|peer| {
        for nonce in 0.. {
            let request = peer.request()?;
            let challenge = format!("WWW-Authenticate: Digest realm=\"cam\", nonce=\"{nonce}\"\r\n");
            peer.answer(&request, "401 Unauthorized", &challenge, "")?;
        }
        Ok(())
    });
    let url = fake.url().replace("rtsp://", "rtsp://user:s3cret@");
    let receiving = receive(&url);
    assert!(receiving.failure().ends_with("refused our credentials"));
    assert_eq!(fake.connections(), 1);
}

#[test]
fn random_bytes_at_any_point_do_no_harm() {
    let _watchdog = Watchdog::start(SOON * 4);
    for seed in 0..200_u64 {
        let fake = Fake::start(move |peer| {
            let mut random = fastrand::Rng::with_seed(seed);
            match random.u8(0..4) {
                0 => drop(peer.request()?),
                1 => {
                    let request = peer.request()?;
                    let mut sdp: Vec<u8> = SDP.into();
                    let place = random.usize(..sdp.len());
                    sdp[place] = random.u8(1..128);
                    let sdp = String::from_utf8_lossy(&sdp).into_owned();
                    peer.answer(&request, "200 OK", "Content-Type: application/sdp\r\n", &sdp)?;
                    return Ok(());
                }
                _ => {
                    peer.play()?;
                    for number in 0..20 {
                        let payload: Vec<u8> = (0..random.usize(1..60)).map(|_| random.u8(..)).collect();
                        peer.rtp(number, random.bool(), &payload)?;
                        let report: Vec<u8> = (0..random.usize(..40)).map(|_| random.u8(..)).collect();
                        if random.u8(..) < 30 {
                            peer.interleaved(1, &report)?;
                        }
                    }
                }
            }
            let bytes: Vec<u8> = (0..300).map(|_| random.u8(..)).collect();
            peer.stream.write_all(&bytes)
        });
        let reason = impatient(&fake).failure();
        assert!(!reason.is_empty(), "seed {seed}");
    }
}
