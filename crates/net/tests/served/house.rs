//! A server with a stream of every codec.

use std::sync::Arc;

use valkka_core::worker::Worker;
use valkka_net::server::{Mount, Server, ServerOptions};

use super::{ATTEMPTS, Stream, multicast, play, streams};

/// A server that plays each codec under its name, at its real pace; also by multicast.
pub struct House {
    pub server: Server,
    _players: Vec<Worker>,
}

/// A codec by its name, what kind of track (`v` or `a`) it is, and a stream of it.
pub type Codec = (&'static str, char, fn() -> Stream);

/// All that are served.
pub const CODECS: [Codec; 7] = [
    ("h264", 'v', streams::h264),
    ("h265", 'v', streams::h265),
    ("mjpeg", 'v', streams::mjpeg),
    ("aac", 'a', streams::aac),
    ("pcmu", 'a', streams::pcmu),
    ("pcma", 'a', streams::pcma),
    ("opus", 'a', streams::opus),
];

impl House {
    pub fn new() -> Self {
        let options = ServerOptions { multicast: Some(multicast::range()), ..ServerOptions::default() };
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), options).unwrap();
        let open = |(name, _, stream): &Codec| {
            let mount: Mount = server.mount(name).unwrap();
            play(Arc::new(mount), vec![stream()], Arc::default())
        };
        let players = CODECS.iter().map(open).collect();
        Self { server, _players: players }
    }

    pub fn url(&self, codec: &str) -> String {
        format!("rtsp://{}/{codec}", self.server.local_addr())
    }
}

/// Has `watch` play every codec over each of `transports`, several at once, given the address, the kind of track and the
/// transport; fails with the reasons of all that do not play. Over UDP it is tried again: the buffers of viewers overflow
/// where the machine is busy, but not time after time.
pub fn all_play(transports: &[&str], watch: impl Fn(&str, &str, char, &str) -> Result<(), String> + Sync) {
    let house = House::new();
    let failures = std::thread::scope(|scope| {
        let watching: Vec<_> = CODECS
            .iter()
            .map(|(codec, kind, _)| {
                let (house, watch) = (&house, &watch);
                scope.spawn(move || {
                    let play = |transport: &&str| {
                        let attempts = if *transport == "tcp" { 1 } else { ATTEMPTS };
                        let try_once = |_| watch(&house.url(codec), codec, *kind, transport).err();
                        let reason = (0..attempts).map_while(try_once).nth(attempts - 1)?;
                        Some(format!("{codec} over {transport}: {reason}\n"))
                    };
                    transports.iter().filter_map(play).collect::<String>()
                })
            })
            .collect();
        watching.into_iter().map(|watching| watching.join().unwrap()).collect::<String>()
    });
    assert!(failures.is_empty(), "{failures}");
}
