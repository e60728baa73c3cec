//! The measured process: this program again, with an order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use valkka::av::FileReader;
use valkka::net::server::{Server, ServerOptions};
use valkka::sink::Sink;
use valkka::source::SourceError;
use valkka::synthetic::{Clip, Player};
use valkka::time::MediaTime;

use crate::floor::Floor;
use crate::load::Load;
use crate::measured;
use crate::server::PATH;

/// The argument before an order.
pub(crate) const WORD: &str = "worker";

/// What the measured process does.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Serves a stream.
    Serve(Load),
    /// Writes a stream to whoever connects.
    Floor(Load),
}

/// Carries an order out until the standard input is closed.
pub(crate) fn run(order: &str) -> io::Result<()> {
    match serde_json::from_str(order)? {
        Order::Serve(load) => {
            let options = ServerOptions {
                max_connections: VIEWERS,
                max_connections_per_peer: VIEWERS,
                ..ServerOptions::default()
            };
            let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), options)?;
            let mount = server.mount(PATH).map_err(io::Error::other)?;
            play_and_answer(load, Arc::new(mount), server.local_addr())
        }
        Order::Floor(load) => {
            let floor = Floor::listen()?;
            let addr = floor.local_addr();
            play_and_answer(load, Arc::new(floor), addr)
        }
    }
}

fn play_and_answer(load: Load, sink: Arc<dyn Sink>, addr: SocketAddr) -> io::Result<()> {
    let reel = fast(FileReader::open(&load.file()?).map_err(io::Error::other)?, load.speed());
    let _player = Player::spawn("player", reel.map_err(io::Error::other)?, sink)?;
    measured::answer_until_closed(addr)
}

/// Footage in memory, `speed` times as fast as it should be.
fn fast(mut file: FileReader, speed: i64) -> Result<Clip, SourceError> {
    let mut frames = Vec::new();
    while let Some(mut frame) = file.read()? {
        frame.time.media = MediaTime::from_ticks(frame.time.media.ticks() / speed);
        frames.push(frame);
    }
    Ok(Clip::new(frames))
}

/// More than ever come, all from one address.
const VIEWERS: usize = 4096;
