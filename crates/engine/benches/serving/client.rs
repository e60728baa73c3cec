//! A viewer's side of RTSP, as little of it as three servers need.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

/// A connection on which requests are made.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    url: String,
    sequence: u32,
    session: Option<String>,
    /// Read, and not yet taken.
    buffer: Vec<u8>,
    /// Packets of the first track that came before the answer to PLAY did.
    early: VecDeque<Vec<u8>>,
}

/// An answer to a request.
struct Response {
    head: String,
    body: String,
}

impl Client {
    pub(crate) fn connect(addr: SocketAddr, url: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            url: url.to_owned(),
            sequence: 0,
            session: None,
            buffer: Vec::new(),
            early: VecDeque::new(),
        })
    }

    /// Asks for the stream; returns the address of its first track.
    pub(crate) fn describe(&mut self) -> io::Result<String> {
        let url = self.url.clone();
        let response = self.request("DESCRIBE", &url, "Accept: application/sdp\r\n")?;
        let base = response.header("content-base").unwrap_or(&url);
        let media = response.body.split("\nm=").nth(1).unwrap_or_default();
        let control = media.lines().find_map(|line| line.strip_prefix("a=control:"));
        let control = control.ok_or_else(|| io::Error::other("a description without a track"))?.trim();
        let absolute = control.starts_with("rtsp://");
        Ok(if absolute { control.to_owned() } else { format!("{}/{control}", base.trim_end_matches('/')) })
    }

    /// Sets the track up to come in this connection.
    pub(crate) fn set_up_tcp(&mut self, track: &str) -> io::Result<()> {
        self.set_up(track, "RTP/AVP/TCP;unicast;interleaved=0-1")
    }

    /// Sets the track up to come to two sockets, for RTP and RTCP.
    pub(crate) fn set_up_udp(&mut self, track: &str) -> io::Result<[UdpSocket; 2]> {
        let (rtp, rtcp) = loop {
            let rtp = UdpSocket::bind(("127.0.0.1", 0))?;
            let port = rtp.local_addr()?.port();
            // Ports are had in pairs, from an even number on.
            if port % 2 == 0
                && let Ok(rtcp) = UdpSocket::bind(("127.0.0.1", port + 1))
            {
                break (rtp, rtcp);
            }
        };
        let port = rtp.local_addr()?.port();
        self.set_up(track, &format!("RTP/AVP;unicast;client_port={port}-{}", port + 1))?;
        Ok([rtp, rtcp])
    }

    fn set_up(&mut self, track: &str, transport: &str) -> io::Result<()> {
        let response = self.request("SETUP", track, &format!("Transport: {transport}\r\n"))?;
        let session = response.header("session").ok_or_else(|| io::Error::other("no session"))?;
        self.session = Some(session.split(';').next().unwrap_or_default().to_owned());
        Ok(())
    }

    /// Has it play.
    pub(crate) fn play(&mut self) -> io::Result<()> {
        let url = self.url.clone();
        self.request("PLAY", &url, "Range: npt=0-\r\n").map(drop)
    }

    /// What was read behind the last answer.
    pub(crate) fn take_buffer(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    fn request(&mut self, method: &str, url: &str, headers: &str) -> io::Result<Response> {
        self.sequence += 1;
        let session = self.session.as_ref().map_or(String::new(), |id| format!("Session: {id}\r\n"));
        let request = format!("{method} {url} RTSP/1.0\r\nCSeq: {}\r\n{session}{headers}\r\n", self.sequence);
        self.stream.write_all(request.as_bytes())?;
        loop {
            while let Some((channel, packet)) = self.take_packet() {
                if channel == 0 {
                    self.early.push_back(packet);
                }
            }
            if let Some(response) = self.take_response() {
                if response.head.starts_with("RTSP/1.0 200") {
                    return Ok(response);
                }
                let status = response.head.lines().next().unwrap_or_default();
                return Err(io::Error::other(format!("{method} {url}: {status}")));
            }
            self.read()?;
        }
    }

    /// Takes an answer out of the buffer, if all of it is there.
    fn take_response(&mut self) -> Option<Response> {
        if self.buffer.starts_with(b"$") {
            return None;
        }
        let end = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        let mut response = Response { head, body: String::new() };
        let length = response.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let body = self.buffer.get(end..end + length)?;
        response.body = String::from_utf8_lossy(body).into_owned();
        self.buffer.drain(..end + length);
        Some(response)
    }

    /// Takes a packet and its channel out of the buffer, if it starts with one and all of it is there.
    fn take_packet(&mut self) -> Option<(u8, Vec<u8>)> {
        let &[b'$', channel, high, low] = self.buffer.first_chunk()? else { return None };
        let end = 4 + usize::from(u16::from_be_bytes([high, low]));
        let packet = self.buffer.get(4..end)?.to_vec();
        self.buffer.drain(..end);
        Some((channel, packet))
    }

    /// Reads the next packet of the first track in this connection, without its frame.
    pub(crate) fn packet(&mut self) -> io::Result<Vec<u8>> {
        if let Some(packet) = self.early.pop_front() {
            return Ok(packet);
        }
        loop {
            match self.take_packet() {
                Some((0, packet)) => return Ok(packet),
                Some(_) => {}
                None => self.read()?,
            }
        }
    }

    fn read(&mut self) -> io::Result<()> {
        let mut bytes = [0; 16 << 10];
        let length = self.stream.read(&mut bytes)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.buffer.extend(&bytes[..length]);
        Ok(())
    }
}

impl Response {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
