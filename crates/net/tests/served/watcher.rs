//! A viewer that sees to it that nothing is missing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use super::client::Client;

/// Reads the first track of a stream on a thread of its own, and fails if a packet is left out.
pub struct Watcher {
    /// How many pictures are enough.
    enough: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Watcher {
    /// Plays `/cam1` of the server at `addr`.
    pub fn start(addr: SocketAddr) -> Self {
        let mut client: Client<TcpStream> = Client::connect(addr);
        client.play();
        Self::of(client)
    }

    /// Reads what `client` plays.
    pub fn of<S: Read + Write + Send + 'static>(mut client: Client<S>) -> Self {
        let enough = Arc::new(AtomicU64::new(u64::MAX));
        let wanted = enough.clone();
        let thread = thread::spawn(move || {
            let (mut pictures, mut last) = (0, None::<u16>);
            while pictures < wanted.load(Ordering::SeqCst) {
                let packet = client.packet().expect("it is not closed");
                if packet.channel == 0 {
                    assert!(last.is_none_or(|last| packet.sequence() == last.wrapping_add(1)));
                    last = Some(packet.sequence());
                    pictures += u64::from(packet.marker());
                }
            }
        });
        Self { enough, thread }
    }

    /// Waits until it has seen so many pictures since it began, all that there were.
    pub fn sees(self, pictures: u64) {
        self.enough.store(pictures, Ordering::SeqCst);
        self.thread.join().unwrap();
    }
}
