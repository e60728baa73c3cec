//! A scripted RTSP server that behaves as badly as it is told.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Serves each connection with a script, on a thread of its own. Stops when it is dropped.
pub struct Fake {
    addr: SocketAddr,
    stopped: Arc<AtomicBool>,
    connections: Arc<AtomicUsize>,
    acceptor: Option<JoinHandle<()>>,
}

impl Fake {
    pub fn start(script: impl Fn(&mut Peer) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let stopped = Arc::new(AtomicBool::new(false));
        let connections = Arc::new(AtomicUsize::new(0));
        let (stop, count, script) = (stopped.clone(), connections.clone(), Arc::new(script));
        let acceptor = thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(stream) = stream else { continue };
                stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
                stream.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let script = script.clone();
                thread::spawn(move || {
                    let reader = BufReader::new(stream.try_clone().unwrap());
                    // A client that leaves ends the script; that is no failure of the test.
                    let _ = script(&mut Peer { stream, reader });
                });
            }
        });
        Self { addr, stopped, connections, acceptor: Some(acceptor) }
    }

    /// A server that gives `answer` to whatever comes, and then waits.
    pub fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |peer| {
            peer.request()?;
            peer.stream.write_all(&answer)?;
            peer.wait_for_end()
        })
    }

    pub fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/cam", self.addr.port())
    }

    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.addr);
        let _ = self.acceptor.take().unwrap().join();
    }
}

/// One client.
pub struct Peer {
    pub stream: TcpStream,
    reader: BufReader<TcpStream>,
}

pub struct Request {
    pub method: String,
    pub headers: HashMap<String, String>,
}

impl Peer {
    pub fn request(&mut self) -> io::Result<Request> {
        let method = loop {
            let line = self.line()?;
            if !line.is_empty() {
                break line.split(' ').next().unwrap().to_owned();
            }
        };
        let mut headers = HashMap::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        Ok(Request { method, headers })
    }

    pub fn answer(&mut self, request: &Request, status: &str, headers: &str, body: &str) -> io::Result<()> {
        let cseq = &request.headers["cseq"];
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        write!(self.stream, "RTSP/1.0 {status}\r\nCSeq: {cseq}\r\n{headers}{length}\r\n{body}")
    }

    /// Answers up to PLAY as a proper server does. Returns once PLAY was answered.
    pub fn play(&mut self) -> io::Result<()> {
        self.play_as(SDP)
    }

    pub fn play_as(&mut self, sdp: &str) -> io::Result<()> {
        loop {
            let request = self.request()?;
            match request.method.as_str() {
                "DESCRIBE" => {
                    self.answer(&request, "200 OK", "Content-Type: application/sdp\r\n", sdp)?;
                }
                "SETUP" => {
                    let headers = format!("Session: 1234\r\nTransport: {}\r\n", request.headers["transport"]);
                    self.answer(&request, "200 OK", &headers, "")?;
                }
                "PLAY" => return self.answer(&request, "200 OK", "Session: 1234\r\nRange: npt=0-\r\n", ""),
                _ => self.answer(&request, "200 OK", "Session: 1234\r\n", "")?,
            }
        }
    }

    /// Sends a picture, a key frame, in one packet.
    pub fn picture(&mut self, number: u16) -> io::Result<()> {
        self.rtp(number, true, &[0x65, 0x88, 0x84, 0x00, 0x33, 0xff, number as u8 | 1])
    }

    /// Sends an RTP packet of picture `number`.
    pub fn rtp(&mut self, number: u16, marker: bool, payload: &[u8]) -> io::Result<()> {
        let mut packet = vec![0x80, 96 | if marker { 0x80 } else { 0 }];
        packet.extend(number.to_be_bytes());
        packet.extend((u32::from(number) * 3600).to_be_bytes());
        packet.extend(0x1234_5678_u32.to_be_bytes());
        packet.extend(payload);
        self.interleaved(0, &packet)
    }

    pub fn interleaved(&mut self, channel: u8, data: &[u8]) -> io::Result<()> {
        let mut message = vec![b'$', channel];
        message.extend((data.len() as u16).to_be_bytes());
        message.extend(data);
        self.stream.write_all(&message)
    }

    /// Answers what comes until the client leaves.
    pub fn wait_for_end(&mut self) -> io::Result<()> {
        loop {
            let request = self.request()?;
            self.answer(&request, "200 OK", "Session: 1234\r\n", "")?;
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

/// One H.264 track of 64 × 64 pixels, with its parameter sets.
pub const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=fake\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n\
    m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
    a=fmtp:96 packetization-mode=1;profile-level-id=42c00a;sprop-parameter-sets=Z0LACtoQmEA=,aM48gA==\r\n\
    a=control:track1\r\n";
