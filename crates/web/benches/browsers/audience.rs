//! Browsers, as far as the service can tell: WebSockets that take live video. Each has a thread.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tungstenite::{Message, WebSocket};

use crate::service::CAMERA;

/// Browsers that watch one camera; they leave when this is dropped.
#[derive(Default)]
pub(crate) struct Audience {
    browsers: Vec<Arc<Shared>>,
    ended: Arc<AtomicBool>,
}

/// What has arrived at one of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    pub(crate) pictures: u64,
    pub(crate) bytes: u64,
}

#[derive(Default)]
struct Shared {
    pictures: AtomicU64,
    bytes: AtomicU64,
}

impl Audience {
    /// Adds one that watches the camera of the service at `address`.
    pub(crate) fn add(&mut self, address: SocketAddr) -> io::Result<()> {
        let stream = TcpStream::connect(address)?;
        let url = format!("ws://{address}/api/live");
        let (mut socket, _) = tungstenite::client(url, stream).map_err(io::Error::other)?;
        let watch = format!(r#"{{"type":"watch","id":1,"camera":"{CAMERA}"}}"#);
        socket.send(Message::text(watch)).map_err(io::Error::other)?;
        let browser = Arc::<Shared>::default();
        self.browsers.push(browser.clone());
        let ended = self.ended.clone();
        thread::Builder::new().name("browser".into()).spawn(move || watch_until(socket, &browser, &ended))?;
        Ok(())
    }

    /// What each has got so far.
    pub(crate) fn counts(&self) -> Vec<Counts> {
        let counts = |browser: &Arc<Shared>| Counts {
            pictures: browser.pictures.load(Ordering::Relaxed),
            bytes: browser.bytes.load(Ordering::Relaxed),
        };
        self.browsers.iter().map(counts).collect()
    }

    /// Waits until all have got pictures.
    pub(crate) fn wait_for_pictures(&self, patience: Duration) -> io::Result<()> {
        let started = Instant::now();
        loop {
            let watching = self.counts().iter().filter(|counts| counts.pictures > 0).count();
            if watching == self.browsers.len() {
                return Ok(());
            }
            if started.elapsed() > patience {
                let all = self.browsers.len();
                return Err(io::Error::other(format!("{watching} of {all} browsers got pictures")));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// Counts what comes. Who is sent away gets no further pictures, and is seen to be behind by that.
fn watch_until(mut socket: WebSocket<TcpStream>, browser: &Shared, ended: &AtomicBool) {
    while !ended.load(Ordering::Relaxed) {
        match socket.read() {
            Ok(Message::Binary(bytes)) => {
                browser.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                browser.pictures.fetch_add(u64::from(bytes[0] != INIT), Ordering::Relaxed);
            }
            Ok(_) => (),
            Err(_) => return,
        }
    }
}

/// The kind of a piece that is no picture, but tells of those that come.
const INIT: u8 = 0;
