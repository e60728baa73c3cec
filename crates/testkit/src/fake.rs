//! RTSP servers that misbehave as told.
//!
//! They speak just enough of the protocol to bring a client to the point where something goes wrong, over TCP
//! with interleaved RTP; one sends by multicast.

mod dialogue;
mod nobody;
mod script;

pub use nobody::Nobody;
pub use script::{Method, Script};

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use dialogue::Dialogue;

use crate::accept::Acceptor;

/// A server on the loopback interface that treats every client as its [`Script`] says, until it is dropped.
#[derive(Debug)]
pub struct Server {
    acceptor: Acceptor,
    requests: Requests,
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
        let requests = Requests::default();
        let noted = requests.clone();
        let acceptor = Acceptor::spawn("fake-server", move |index, stream, connections| {
            let script = scripts.get(index).or(scripts.last()).copied().unwrap_or(Script::Healthy);
            let Ok(mut dialogue) = Dialogue::new(stream, connections.clone(), noted.clone()) else { return };
            // An error is the client leaving in the middle of it, which is all that can happen.
            let _ = script.act(&mut dialogue);
        })?;
        Ok(Self { acceptor, requests })
    }

    /// Its host and port.
    pub fn address(&self) -> SocketAddr {
        self.acceptor.address()
    }

    /// The address of its only stream.
    pub fn url(&self) -> String {
        format!("rtsp://{}/stream", self.address())
    }

    /// The address of its only stream with credentials in it.
    pub fn url_with(&self, username: &str, password: &str) -> String {
        format!("rtsp://{username}:{password}@{}/stream", self.address())
    }

    /// How many connections were made to it so far.
    pub fn connections(&self) -> usize {
        self.acceptor.accepted()
    }

    /// What was asked of it so far, one `METHOD URL` per request (the last thousand).
    pub fn requests(&self) -> Vec<String> {
        self.requests.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What was asked of a server.
#[derive(Clone, Debug, Default)]
struct Requests(Arc<Mutex<Vec<String>>>);

impl Requests {
    fn note(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT_REQUESTS {
            lines.remove(0);
        }
        lines.push(line);
    }
}

const KEPT_REQUESTS: usize = 1000;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpStream;
    use std::time::Duration;

    use super::*;
    use crate::media::{self, bars};
    use crate::picture::Picture;
    use crate::watchdog::Watchdog;
    use crate::{require, wait};

    const SOON: Duration = Duration::from_secs(60);

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
            // The kernel has connected it, also if the server was not awake while it had patience.
            wait::until(SOON, &format!("{script:?}: it was asked"), || server.connections() > 0);
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
