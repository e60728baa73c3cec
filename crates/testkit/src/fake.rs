//! RTSP servers that misbehave as told.
//!
//! They speak just enough of the protocol to bring a client to the point where something goes wrong, over TCP
//! with interleaved RTP only.

mod dialogue;
mod script;

pub use script::{Method, Script};

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use dialogue::Dialogue;

/// A server on the loopback interface that treats every client as its [`Script`] says, until it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    stopped: AtomicBool,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// One line per request, `METHOD URL`. The last [`KEPT_REQUESTS`].
    requests: Vec<String>,
    connections: usize,
    /// Of connections that are open: closed to end their threads. Bounded by [`MAX_OPEN`].
    open: Vec<TcpStream>,
}

impl Server {
    /// Starts a server that follows `script`.
    ///
    /// # Errors
    /// If no port can be had.
    pub fn spawn(script: Script) -> io::Result<Self> {
        Self::with_scripts([script])
    }

    /// Starts a server that follows the first script with its first client, the second with its second, and the
    /// last with all that come after.
    ///
    /// # Errors
    /// If no port can be had.
    pub fn with_scripts(scripts: impl Into<Vec<Script>>) -> io::Result<Self> {
        let scripts = scripts.into();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let server = shared.clone();
        thread::Builder::new()
            .name("fake-server".into())
            .spawn(move || serve(&listener, &scripts, &server))?;
        Ok(Self { address, shared })
    }

    /// Its host and port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of its only stream.
    pub fn url(&self) -> String {
        format!("rtsp://{}/stream", self.address)
    }

    /// The address of its only stream with credentials in it.
    pub fn url_with(&self, username: &str, password: &str) -> String {
        format!("rtsp://{username}:{password}@{}/stream", self.address)
    }

    /// How many connections were made to it so far.
    pub fn connections(&self) -> usize {
        self.shared.lock().connections
    }

    /// What was asked of it so far, one `METHOD URL` per request (the last thousand).
    pub fn requests(&self) -> Vec<String> {
        self.shared.lock().requests.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts; if it cannot be reached, it has ended.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        for stream in self.shared.lock().open.drain(..) {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    fn note_request(&self, line: String) {
        let mut seen = self.lock();
        if seen.requests.len() == KEPT_REQUESTS {
            seen.requests.remove(0);
        }
        seen.requests.push(line);
    }
}

fn serve(listener: &TcpListener, scripts: &[Script], shared: &Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept() {
        if shared.is_stopped() {
            return;
        }
        let Ok(handle) = stream.try_clone() else { continue };
        let script = {
            let mut seen = shared.lock();
            let script = scripts.get(seen.connections).or(scripts.last()).copied();
            seen.connections += 1;
            seen.open.retain(|stream| stream.peer_addr().is_ok());
            if seen.open.len() == MAX_OPEN {
                continue;
            }
            seen.open.push(handle);
            script.unwrap_or(Script::Healthy)
        };
        let shared = shared.clone();
        thread::spawn(move || {
            let Ok(mut dialogue) = Dialogue::new(stream, &shared) else { return };
            // An error is the client leaving in the middle of it, which is all that can happen.
            let _ = script.act(&mut dialogue);
            dialogue.close();
        });
    }
}

const KEPT_REQUESTS: usize = 1000;

const MAX_OPEN: usize = 1000;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};

    use super::*;
    use crate::media::{self, bars};
    use crate::picture::Picture;
    use crate::require;
    use crate::watchdog::Watchdog;

    const TCP: [&str; 2] = ["-rtsp_transport", "tcp"];

    #[test]
    fn a_healthy_one_sends_bars() {
        require!(media::available());
        let _watchdog = Watchdog::start(Duration::from_secs(120));
        let server = Server::spawn(Script::Healthy).unwrap();
        let picture = Picture::from_ffmpeg(&TCP, &server.url()).unwrap();
        bars::check(&picture, bars::Area::whole(&picture), 6).unwrap();
        assert_eq!(server.requests()[0], format!("OPTIONS {}", server.url()));
    }

    #[test]
    fn broken_packets_come_in_sound_frames() {
        let _watchdog = Watchdog::start(Duration::from_secs(120));
        let server = Server::spawn(Script::BrokenPackets).unwrap();
        let mut stream = TcpStream::connect(server.address()).unwrap();
        write!(stream, "PLAY {} RTSP/1.0\r\nCSeq: 1\r\n\r\n", server.url()).unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            stream.read_line(&mut line).unwrap();
        }
        let mut channels = HashMap::<u8, usize>::new();
        for _ in 0..100 {
            let mut header = [0; 4];
            stream.read_exact(&mut header).unwrap();
            assert_eq!(header[0], b'$');
            *channels.entry(header[1]).or_default() += 1;
            let mut packet = vec![0; u16::from_be_bytes([header[2], header[3]]).into()];
            stream.read_exact(&mut packet).unwrap();
        }
        assert!(channels[&0] > channels[&1] && channels[&1] > channels[&77], "{channels:?}");
    }

    #[test]
    fn the_others_send_none() {
        require!(media::available());
        let _watchdog = Watchdog::start(Duration::from_secs(120));
        for script in [
            Script::ClosesAfter { pictures: 0 },
            Script::ClosesOn(Method::Options),
            Script::ClosesOn(Method::Setup),
            Script::Refuses(Method::Describe, 404),
            Script::AlwaysUnauthorized,
            Script::Garbage,
            Script::Http,
            Script::WrongCseq,
            Script::GarbageSdp,
            Script::NoTracks,
        ] {
            let server = Server::spawn(script).unwrap();
            // In microseconds; without it, ffmpeg waits for ever.
            let options = [TCP[0], TCP[1], "-timeout", "1000000"];
            let result = Picture::from_ffmpeg(&options, &server.url_with("viewer", "secret"));
            assert!(result.is_err(), "{script:?}");
            assert!(server.connections() > 0, "{script:?}");
        }
    }

    #[test]
    fn each_client_has_its_script() {
        require!(media::available());
        let _watchdog = Watchdog::start(Duration::from_secs(120));
        let server = Server::with_scripts([Script::ClosesOn(Method::Play), Script::Healthy]).unwrap();
        assert!(Picture::from_ffmpeg(&TCP, &server.url()).is_err());
        assert!(Picture::from_ffmpeg(&TCP, &server.url()).is_ok());
        assert_eq!(server.connections(), 2);
    }
}
