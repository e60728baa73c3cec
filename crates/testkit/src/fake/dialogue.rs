//! One connection, from the server's side.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddrV4, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Requests;
use crate::accept::{self, Connections};

/// Reads requests and writes answers.
#[derive(Debug)]
pub(super) struct Dialogue {
    reader: Option<BufReader<TcpStream>>,
    writer: Arc<Mutex<TcpStream>>,
    connections: Connections,
    requests: Requests,
    /// The thread that answers, after [`Self::keep_answering`].
    answering: Option<JoinHandle<()>>,
    /// RTP sequence number of the next packet.
    sequence: u16,
    /// RTP time stamp of the next picture.
    timestamp: u32,
}

/// What a client asks.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    cseq: u64,
    transport: Option<String>,
}

impl Dialogue {
    pub(super) fn new(stream: TcpStream, connections: Connections, requests: Requests) -> io::Result<Self> {
        // A client that no longer reads must not hold this thread for ever.
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let reader = Some(BufReader::new(stream.try_clone()?));
        let writer = Arc::new(Mutex::new(stream));
        Ok(Self { reader, writer, connections, requests, answering: None, sequence: 0, timestamp: 0 })
    }

    /// The next request; `None` when the client leaves.
    pub(super) fn request(&mut self) -> io::Result<Option<Request>> {
        match &mut self.reader {
            Some(reader) => read_request(reader, &self.requests),
            None => Ok(None),
        }
    }

    /// Answers `request` as a good server does.
    pub(super) fn answer(&self, request: &Request) -> io::Result<()> {
        answer(&self.writer, request)
    }

    /// Answers with `status` (code and reason), further header lines and a body.
    pub(super) fn respond(&self, cseq: u64, status: &str, headers: &str, body: &str) -> io::Result<()> {
        respond(&self.writer, cseq, status, headers, body)
    }

    /// Sends bytes as they are.
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        write(&self.writer, bytes)
    }

    /// Sends `bytes` again and again until the client has had enough.
    pub(super) fn flood(&self, bytes: &[u8]) -> io::Result<()> {
        loop {
            self.send(bytes)?;
        }
    }

    /// Sends one RTP packet of the picture's track. Sequence numbers and times are good, whatever the payload is.
    pub(super) fn send_rtp(&mut self, payload: &[u8], marker: bool) -> io::Result<()> {
        let packet = self.rtp(payload, marker);
        self.send_interleaved(0, &packet)
    }

    /// Sends `data` as an interleaved frame (RFC 2326, section 10.12).
    pub(super) fn send_interleaved(&self, channel: u8, data: &[u8]) -> io::Result<()> {
        let length = u16::try_from(data.len()).map_err(io::Error::other)?;
        let mut frame = vec![b'$', channel];
        frame.extend(length.to_be_bytes());
        frame.extend(data);
        self.send(&frame)
    }

    /// The next RTP packet (RFC 3550, section 5.1).
    pub(super) fn rtp(&mut self, payload: &[u8], marker: bool) -> Vec<u8> {
        let mut packet = vec![0x80, PAYLOAD_TYPE | if marker { 0x80 } else { 0 }];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.timestamp.to_be_bytes());
        packet.extend(SSRC.to_be_bytes());
        packet.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        packet
    }

    /// Sends one picture, and waits for as long as it is shown at 25 per second.
    pub(super) fn send_picture(&mut self) -> io::Result<()> {
        let packet = self.picture();
        self.send_interleaved(0, &packet)?;
        thread::sleep(Duration::from_millis(40));
        Ok(())
    }

    /// As [`Self::send_picture`], to a group.
    pub(super) fn send_picture_to(&mut self, group: SocketAddrV4, socket: &UdpSocket) -> io::Result<()> {
        socket.send_to(&self.picture(), group)?;
        thread::sleep(Duration::from_millis(40));
        Ok(())
    }

    fn picture(&mut self) -> Vec<u8> {
        let packet = self.rtp(IDR, true);
        self.timestamp = self.timestamp.wrapping_add(90_000 / 25);
        packet
    }

    /// Waits until the client leaves, without a word.
    pub(super) fn hold(&mut self) -> io::Result<()> {
        if let Some(reader) = &mut self.reader {
            io::copy(reader, &mut io::sink())?;
        }
        Ok(())
    }

    /// Answers everything that is asked from now on, on a thread of its own.
    pub(super) fn keep_answering(&mut self) {
        let Some(mut reader) = self.reader.take() else { return };
        let (writer, requests) = (self.writer.clone(), self.requests.clone());
        self.answering = Some(thread::spawn(move || {
            while let Ok(Some(request)) = read_request(&mut reader, &requests) {
                if answer(&writer, &request).is_err() || request.method == "TEARDOWN" {
                    break;
                }
            }
            accept::close(&writer.lock().unwrap_or_else(PoisonError::into_inner));
        }));
    }

    /// Waits until the client leaves, while its requests are answered.
    pub(super) fn wait_for_the_end(&mut self) {
        if let Some(answering) = self.answering.take() {
            // It does not panic, and there would be nobody to tell.
            let _ = answering.join();
        }
    }

    /// Whether the server is to stop.
    pub(super) fn is_stopped(&self) -> bool {
        self.connections.is_stopped()
    }
}

impl Request {
    pub(super) fn cseq(&self) -> u64 {
        self.cseq
    }

    /// Whether it asks for RTP by multicast.
    pub(super) fn wants_multicast(&self) -> bool {
        self.transport.as_ref().is_some_and(|transport| transport.contains("multicast"))
    }
}

fn read_request(reader: &mut BufReader<TcpStream>, requests: &Requests) -> io::Result<Option<Request>> {
    loop {
        match reader.fill_buf()? {
            [] => return Ok(None),
            // RTCP from the client.
            [b'$', ..] => {
                let mut header = [0; 4];
                reader.read_exact(&mut header)?;
                let length = u64::from(u16::from_be_bytes([header[2], header[3]]));
                io::copy(&mut reader.take(length), &mut io::sink())?;
            }
            _ => break,
        }
    }
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut words = first.split_ascii_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    requests.note(format!("{method} {}", words.next().unwrap_or_default()));
    let mut request = Request { method, cseq: 0, transport: None };
    let mut body = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "cseq" => request.cseq = value.trim().parse().unwrap_or(0),
            "transport" => request.transport = Some(value.trim().to_owned()),
            "content-length" => body = value.trim().parse().unwrap_or(0),
            _ => (),
        }
    }
    io::copy(&mut reader.take(body), &mut io::sink())?;
    Ok(Some(request))
}

fn answer(writer: &Mutex<TcpStream>, request: &Request) -> io::Result<()> {
    let (status, headers, body) = match request.method.as_str() {
        "OPTIONS" => ("200 OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN\r\n", ""),
        "DESCRIBE" => ("200 OK", "Content-Type: application/sdp\r\n", SDP),
        "SETUP" if request.transport.as_ref().is_some_and(|transport| transport.contains("TCP")) => (
            "200 OK",
            "Session: 12345678;timeout=60\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=00C0FFEE\r\n",
            "",
        ),
        "SETUP" => ("461 Unsupported Transport", "", ""),
        _ => ("200 OK", "Session: 12345678\r\n", ""),
    };
    respond(writer, request.cseq, status, headers, body)
}

fn respond(writer: &Mutex<TcpStream>, cseq: u64, status: &str, headers: &str, body: &str) -> io::Result<()> {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let text = format!("RTSP/1.0 {status}\r\nCSeq: {cseq}\r\n{headers}{length}\r\n{body}");
    write(writer, text.as_bytes())
}

fn write(writer: &Mutex<TcpStream>, bytes: &[u8]) -> io::Result<()> {
    writer.lock().unwrap_or_else(PoisonError::into_inner).write_all(bytes)
}

/// One track of H.264, 112 × 64 pixels.
const SDP: &str = "v=0\r\n\
o=- 1 1 IN IP4 127.0.0.1\r\n\
s=fake\r\n\
c=IN IP4 0.0.0.0\r\n\
t=0 0\r\n\
m=video 0 RTP/AVP 96\r\n\
a=rtpmap:96 H264/90000\r\n\
a=fmtp:96 packetization-mode=1;profile-level-id=42c00a;sprop-parameter-sets=Z0LACtxybARAAAADAEAAAAyDxIng,aM4Dssg=\r\n\
a=control:track1\r\n";

/// The only slice of the only picture, SMPTE colour bars, to the parameter sets of [`SDP`].
const IDR: &[u8] = include_bytes!("idr.bin");

const PAYLOAD_TYPE: u8 = 96;

const SSRC: u32 = 0x00c0_ffee;

const PATIENCE: Duration = Duration::from_secs(120);
