//! A viewer made by hand, for what well-behaved programs do not do.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::SOON;

/// A connection to a server.
pub struct Client<S = TcpStream> {
    pub stream: S,
    scheme: &'static str,
    buffer: Vec<u8>,
    cseq: u32,
    addr: SocketAddr,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub text: String,
}

/// A packet that came interleaved.
#[derive(Debug)]
pub struct Interleaved {
    pub channel: u8,
    pub data: Vec<u8>,
}

impl Interleaved {
    pub fn sequence(&self) -> u16 {
        u16::from_be_bytes([self.data[2], self.data[3]])
    }

    pub fn timestamp(&self) -> u32 {
        u32::from_be_bytes(self.data[4..8].try_into().unwrap())
    }

    /// Whether it is the last of its picture.
    pub fn marker(&self) -> bool {
        self.data[1] & 0x80 != 0
    }

    /// The type of the H.264 NAL unit that it starts with.
    pub fn nal_type(&self) -> u8 {
        self.data[12] & 0x1f
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.text.lines().skip(1);
        lines
            .filter_map(|line| line.split_once(": "))
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value)
    }
}

impl Client {
    pub fn connect(addr: SocketAddr) -> Self {
        Self::new(TcpStream::connect(addr).unwrap(), addr)
    }

    /// A viewer for which the kernel holds little.
    pub fn with_small_buffer(addr: SocketAddr) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(64 << 10).unwrap();
        socket.connect(&addr.into()).unwrap();
        Self::new(socket.into(), addr)
    }

    fn new(stream: TcpStream, addr: SocketAddr) -> Self {
        stream.set_read_timeout(Some(SOON)).unwrap();
        Self::over(stream, "rtsp", addr)
    }
}

impl<S: Read + Write> Client<S> {
    /// A viewer by way of `stream`, whose reads do not wait for ever.
    pub fn over(stream: S, scheme: &'static str, addr: SocketAddr) -> Self {
        Self { stream, scheme, buffer: Vec::new(), cseq: 0, addr }
    }

    /// Sends a request about `/cam1`, or about what follows it, and returns the answer.
    pub fn ask(&mut self, method: &str, path: &str, headers: &[&str]) -> Answer {
        self.cseq += 1;
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let (scheme, addr, cseq) = (self.scheme, self.addr, self.cseq);
        self.send(
            format!("{method} {scheme}://{addr}{path} RTSP/1.0\r\nCSeq: {cseq}\r\n{headers}\r\n").as_bytes(),
        );
        let answer = self.answer();
        assert_eq!(answer.header("CSeq"), Some(cseq.to_string().as_str()), "{}", answer.text);
        answer
    }

    pub fn send(&mut self, data: &[u8]) {
        self.stream.write_all(data).unwrap();
    }

    /// Sets up the first track interleaved and plays; returns the session's header and the answer to PLAY.
    pub fn play(&mut self) -> (String, Answer) {
        assert_eq!(self.ask("DESCRIBE", "/cam1", &[]).status, 200);
        let answer =
            self.ask("SETUP", "/cam1/trackID=0", &["Transport: RTP/AVP/TCP;unicast;interleaved=0-1"]);
        assert_eq!(answer.status, 200, "{}", answer.text);
        let session = answer.header("Session").unwrap().split(';').next().unwrap();
        let session = format!("Session: {session}");
        let answer = self.ask("PLAY", "/cam1/", &[&session]);
        assert_eq!(answer.status, 200, "{}", answer.text);
        (session, answer)
    }

    /// The next answer; packets before it are passed over.
    pub fn answer(&mut self) -> Answer {
        loop {
            if self.peek(1)[0] == b'$' {
                self.packet().unwrap();
                continue;
            }
            let mut head_bytes = 4;
            while !self.peek(head_bytes).ends_with(b"\r\n\r\n") {
                head_bytes += 1;
            }
            let head = self.take(head_bytes);
            let mut answer = Answer { status: 0, text: String::from_utf8(head).unwrap() };
            let length = answer.header("Content-Length").map_or(0, |length| length.parse().unwrap());
            answer.text.push_str(&String::from_utf8(self.take(length)).unwrap());
            answer.status = answer.text.split(' ').nth(1).unwrap().parse().unwrap();
            return answer;
        }
    }

    /// The next packet; `None` when the server has closed the connection.
    pub fn packet(&mut self) -> Option<Interleaved> {
        if self.fill(1).is_err() {
            return None;
        }
        let head = self.take(4);
        assert_eq!(head[0], b'$');
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        Some(Interleaved { channel: head[1], data: self.take(length) })
    }

    /// Waits until the server has closed the connection; returns what came before.
    pub fn rest(mut self) -> Vec<u8> {
        while self.fill(self.buffer.len() + 1).is_ok() {}
        self.buffer
    }

    fn peek(&mut self, length: usize) -> &[u8] {
        self.fill(length).unwrap();
        &self.buffer[..length]
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        self.fill(length).unwrap();
        self.buffer.drain(..length).collect()
    }

    fn fill(&mut self, length: usize) -> io::Result<()> {
        while self.buffer.len() < length {
            let mut data = [0; 65536];
            match self.stream.read(&mut data) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.buffer.extend(&data[..read]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Err(error),
                // TLS without its goodbye.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(error),
                Err(error) => panic!("{error}"),
            }
        }
        Ok(())
    }
}
