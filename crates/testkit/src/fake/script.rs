//! What a server does to its clients.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

use super::dialogue::Dialogue;

/// How a server treats each client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// Behaves: 25 pictures per second until the client leaves.
    Healthy,
    /// Behaves, and sends its pictures to this multicast group only. They pass no router.
    Multicast(SocketAddrV4),
    /// Sends so many pictures and closes the connection; with none, right after the answer to PLAY.
    ClosesAfter {
        /// How many.
        pictures: u32,
    },
    /// Sends so many pictures and then nothing, but keeps the connection and answers requests.
    SilentAfter {
        /// How many.
        pictures: u32,
    },
    /// Accepts the connection, reads, and never answers this request nor any after it.
    Ignores(Method),
    /// Closes the connection when it gets this request.
    ClosesOn(Method),
    /// Answers this request with this status code.
    Refuses(Method, u16),
    /// Asks for credentials (Digest), and refuses all.
    AlwaysUnauthorized,
    /// Answers the first request with random bytes.
    Garbage,
    /// Answers the first request as an HTTP server that has no use for it.
    Http,
    /// Answers with the wrong sequence numbers (`CSeq`).
    WrongCseq,
    /// Answers DESCRIBE with something that is no SDP.
    GarbageSdp,
    /// Describes a stream without video or audio.
    NoTracks,
    /// Claims that the answer to DESCRIBE is so many bytes long, and sends on until the client has had enough.
    AbsurdLength(u64),
    /// Sends header lines without end.
    EndlessHeaders,
    /// Sends one header line without end.
    EndlessLine,
    /// Sends pictures, and between them RTP and RTCP packets that are cut short or lie about their lengths.
    BrokenPackets,
    /// Sends one picture and then random bytes where interleaved packets belong.
    GarbageAfterPlay,
}

/// A request that a [`Script`] can make something of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// OPTIONS, which not every client sends.
    Options,
    /// DESCRIBE.
    Describe,
    /// SETUP.
    Setup,
    /// PLAY.
    Play,
}

impl Script {
    /// Plays its part until the client leaves, or it has nothing left to do.
    pub(super) fn act(self, dialogue: &mut Dialogue) -> io::Result<()> {
        match self {
            Self::Healthy => {
                play(dialogue)?;
                send_pictures(dialogue, u32::MAX)
            }
            Self::Multicast(group) => {
                play_to(dialogue, group)?;
                let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
                while !dialogue.is_stopped() {
                    dialogue.send_picture_to(group, &socket)?;
                }
                Ok(())
            }
            Self::ClosesAfter { pictures } => {
                play(dialogue)?;
                send_pictures(dialogue, pictures)
            }
            Self::SilentAfter { pictures } => {
                play(dialogue)?;
                send_pictures(dialogue, pictures)?;
                dialogue.wait_for_the_end();
                Ok(())
            }
            Self::Ignores(method) => {
                answer_until(dialogue, method)?;
                dialogue.hold()
            }
            Self::ClosesOn(method) => answer_until(dialogue, method).map(|_| ()),
            Self::Refuses(method, code) => {
                while let Some(cseq) = answer_until(dialogue, method)? {
                    dialogue.respond(cseq, &format!("{code} Refused"), "", "")?;
                }
                Ok(())
            }
            Self::AlwaysUnauthorized => {
                while let Some(request) = dialogue.request()? {
                    let challenge = "WWW-Authenticate: Digest realm=\"fake\", nonce=\"0123456789abcdef\"\r\n";
                    dialogue.respond(request.cseq(), "401 Unauthorized", challenge, "")?;
                }
                Ok(())
            }
            Self::Garbage => {
                dialogue.request()?;
                dialogue.send(&noise(4096))?;
                dialogue.hold()
            }
            Self::Http => {
                dialogue.request()?;
                dialogue.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            }
            Self::WrongCseq => {
                while let Some(request) = dialogue.request()? {
                    dialogue.respond(request.cseq() + 1000, "200 OK", "Public: DESCRIBE\r\n", "")?;
                }
                Ok(())
            }
            Self::GarbageSdp => describe_as(dialogue, "this is\r\nno description\r\nm=\r\na=\r\n"),
            Self::NoTracks => describe_as(dialogue, "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=none\r\nt=0 0\r\n"),
            Self::AbsurdLength(bytes) => {
                let Some(cseq) = answer_until(dialogue, Method::Describe)? else { return Ok(()) };
                dialogue.send(
                    format!(
                        "RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\nContent-Type: application/sdp\r\n\
                         Content-Length: {bytes}\r\n\r\n"
                    )
                    .as_bytes(),
                )?;
                dialogue.flood(&b"a=absurd\r\n".repeat(1000))
            }
            Self::EndlessHeaders => {
                dialogue.request()?;
                dialogue.send(b"RTSP/1.0 200 OK\r\n")?;
                dialogue.flood(&b"X-Endless: headers\r\n".repeat(1000))
            }
            Self::EndlessLine => {
                dialogue.request()?;
                dialogue.send(b"RTSP/1.0 200 OK\r\nX-Endless: ")?;
                dialogue.flood(&[b'x'; 10_000])
            }
            Self::BrokenPackets => {
                play(dialogue)?;
                while !dialogue.is_stopped() {
                    dialogue.send_picture()?;
                    send_broken_packets(dialogue)?;
                }
                Ok(())
            }
            Self::GarbageAfterPlay => {
                play(dialogue)?;
                dialogue.send_picture()?;
                dialogue.send(&noise(65_536))?;
                dialogue.wait_for_the_end();
                Ok(())
            }
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Options => "OPTIONS",
            Self::Describe => "DESCRIBE",
            Self::Setup => "SETUP",
            Self::Play => "PLAY",
        })
    }
}

/// Answers properly up to the first request of this kind, and returns its sequence number; `None` if the client
/// leaves before.
fn answer_until(dialogue: &mut Dialogue, method: Method) -> io::Result<Option<u64>> {
    while let Some(request) = dialogue.request()? {
        if request.method == method.to_string() {
            return Ok(Some(request.cseq()));
        }
        dialogue.answer(&request)?;
    }
    Ok(None)
}

/// Answers properly up to PLAY and from then on too.
fn play(dialogue: &mut Dialogue) -> io::Result<()> {
    if let Some(cseq) = answer_until(dialogue, Method::Play)? {
        dialogue.respond(
            cseq,
            "200 OK",
            "Session: 12345678\r\nRTP-Info: url=track1;seq=0;rtptime=0\r\n",
            "",
        )?;
    }
    dialogue.keep_answering();
    Ok(())
}

/// As [`play`], for who asks for multicast.
fn play_to(dialogue: &mut Dialogue, group: SocketAddrV4) -> io::Result<()> {
    while let Some(request) = dialogue.request()? {
        let transport = format!(
            "Session: 12345678\r\nTransport: RTP/AVP;multicast;destination={};port={}-{};ttl=1\r\n",
            group.ip(),
            group.port(),
            group.port().saturating_add(1)
        );
        match request.method.as_str() {
            "SETUP" if request.wants_multicast() => {
                dialogue.respond(request.cseq(), "200 OK", &transport, "")?;
            }
            "SETUP" => dialogue.respond(request.cseq(), "461 Unsupported Transport", "", "")?,
            "PLAY" => {
                dialogue.answer(&request)?;
                break;
            }
            _ => dialogue.answer(&request)?,
        }
    }
    dialogue.keep_answering();
    Ok(())
}

fn send_pictures(dialogue: &mut Dialogue, count: u32) -> io::Result<()> {
    for _ in 0..count {
        if dialogue.is_stopped() {
            break;
        }
        dialogue.send_picture()?;
    }
    Ok(())
}

fn describe_as(dialogue: &mut Dialogue, sdp: &str) -> io::Result<()> {
    while let Some(cseq) = answer_until(dialogue, Method::Describe)? {
        dialogue.respond(cseq, "200 OK", "Content-Type: application/sdp\r\n", sdp)?;
    }
    Ok(())
}

fn send_broken_packets(dialogue: &mut Dialogue) -> io::Result<()> {
    // RTP cut short within its header, its payload's header (FU-A, STAP-A) and its payload (RFC 6184).
    for payload in [&[][..], &[0x7c], &[0x7c, 0x85], &[0x78, 0xff, 0xff, 0x65], &[0x78, 0x00], &[0x65]] {
        dialogue.send_rtp(payload, true)?;
    }
    for length in 0..12 {
        let packet = dialogue.rtp(&[0x65, 0x88], true);
        dialogue.send_interleaved(0, &packet[..length])?;
    }
    // More padding, contributing sources and header extension than there are bytes.
    for first in [0xa0, 0x8f, 0x90] {
        let mut packet = dialogue.rtp(&[0xff; 6], true);
        packet[0] = first;
        dialogue.send_interleaved(0, &packet)?;
    }
    // RTCP cut short, and one that claims 65535 words.
    dialogue.send_interleaved(1, &[0x80, 0xc8])?;
    dialogue.send_interleaved(1, &[0x9f, 0xc8, 0xff, 0xff, 0, 0, 0, 1])?;
    // A channel that was never set up.
    dialogue.send_interleaved(77, b"nobody asked")
}

/// The same bytes each time.
fn noise(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(1);
    (0..length).map(|_| random.u8(..)).collect()
}
