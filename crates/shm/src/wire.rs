//! What a writer and a reader say to each other when they meet: a few bytes and file descriptors, over a socket that
//! keeps messages apart.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

use crate::control::MAX_READERS;
use crate::map;
use crate::shape::{Contents, Shape};

/// From a reader to its writer.
#[derive(Debug)]
pub(crate) enum Request {
    /// The first message: who reads, and what it wants to be told with.
    Hello {
        /// Of the reader's process.
        process: OwnedFd,
        /// Is set at every frame.
        event: Option<OwnedFd>,
    },
    /// Is set at every frame from now on, in place of the one before.
    Event(OwnedFd),
}

/// From a writer to its reader.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The answer to [`Request::Hello`].
    Welcome(Welcome),
    /// It has as many readers as it can have.
    Full,
    /// The answer to [`Request::Event`].
    Noted,
    /// It speaks another version.
    Version(u32),
}

/// All that a reader needs.
#[derive(Debug)]
pub(crate) struct Welcome {
    pub(crate) shape: Shape,
    /// The reader's number.
    pub(crate) reader: usize,
    /// The words.
    pub(crate) control: OwnedFd,
    /// The frames.
    pub(crate) data: OwnedFd,
    /// Of the writer's process.
    pub(crate) process: OwnedFd,
}

/// How what is shared is laid out, and what is said.
pub(crate) const VERSION: u32 = 1;

impl Request {
    /// Sends it without waiting.
    pub(crate) fn send(
        socket: &OwnedFd,
        process: Option<&OwnedFd>,
        event: Option<&OwnedFd>,
    ) -> io::Result<()> {
        let tag = match (process, event) {
            (Some(_), None) => HELLO,
            (Some(_), Some(_)) => HELLO_WITH_EVENT,
            (None, _) => EVENT,
        };
        let files: Vec<_> = [process, event].into_iter().flatten().map(AsFd::as_fd).collect();
        send(socket, &[REQUEST, VERSION, tag], &files)
    }

    /// What has come. The inner `Err` is the version of a reader that speaks another one.
    pub(crate) fn receive(socket: &OwnedFd) -> io::Result<Result<Self, u32>> {
        let (words, files) = receive(socket)?;
        let [magic, version, tag] = words[..] else { return Err(nonsense()) };
        if magic != REQUEST {
            return Err(nonsense());
        }
        if version != VERSION {
            return Ok(Err(version));
        }
        let mut files = files.into_iter();
        let request = match (tag, files.next(), files.next(), files.next()) {
            (HELLO, Some(process), None, None) => Self::Hello { process, event: None },
            (HELLO_WITH_EVENT, Some(process), event @ Some(_), None) => Self::Hello { process, event },
            (EVENT, Some(event), None, None) => Self::Event(event),
            _ => return Err(nonsense()),
        };
        Ok(Ok(request))
    }
}

impl Reply {
    /// Sends it without waiting.
    pub(crate) fn send(&self, socket: &OwnedFd) -> io::Result<()> {
        match self {
            Self::Welcome(welcome) => {
                let (kind, one, other) = match welcome.shape.contents() {
                    Contents::Bytes(bytes) => (BYTES, bytes as u32, 0),
                    Contents::Pictures { width, height } => (PICTURES, width, height),
                    Contents::Fragments(bytes) => (FRAGMENTS, bytes as u32, 0),
                };
                let cells = welcome.shape.cells() as u32;
                let words = [REPLY, VERSION, WELCOME, welcome.reader as u32, cells, kind, one, other];
                send(
                    socket,
                    &words,
                    &[welcome.control.as_fd(), welcome.data.as_fd(), welcome.process.as_fd()],
                )
            }
            Self::Full => send(socket, &[REPLY, VERSION, FULL], &[]),
            // Every message carries our version, which is all that somebody of another version looks at.
            Self::Noted | Self::Version(_) => send(socket, &[REPLY, VERSION, NOTED], &[]),
        }
    }

    /// What has come.
    pub(crate) fn receive(socket: &OwnedFd) -> io::Result<Self> {
        let (words, files) = receive(socket)?;
        let [magic, version, tag, rest @ ..] = &words[..] else { return Err(nonsense()) };
        if *magic != REPLY {
            return Err(nonsense());
        }
        if *version != VERSION {
            return Ok(Self::Version(*version));
        }
        match (*tag, rest) {
            (FULL, []) => Ok(Self::Full),
            (NOTED, []) => Ok(Self::Noted),
            (WELCOME, &[reader, cells, kind, one, other]) => {
                let mut files = files.into_iter();
                let (Some(control), Some(data), Some(process)) = (files.next(), files.next(), files.next())
                else {
                    return Err(nonsense());
                };
                let shape = match kind {
                    BYTES => Shape::bytes(cells as usize, one as usize),
                    PICTURES => Shape::pictures(cells as usize, one, other),
                    FRAGMENTS => Shape::fragments(cells as usize, one as usize),
                    _ => return Err(nonsense()),
                };
                let shape = shape.map_err(io::Error::other)?;
                let reader = reader as usize;
                if reader >= MAX_READERS {
                    return Err(nonsense());
                }
                Ok(Self::Welcome(Welcome { shape, reader, control, data, process }))
            }
            _ => Err(nonsense()),
        }
    }
}

/// Has both sides read a message of these bytes that comes with so many file descriptors, as anybody could send it. For
/// the fuzz target; it panics if they believe what cannot be.
#[doc(hidden)]
pub fn read_garbage(message: &[u8], files: usize) {
    let file = || map::memory_file("garbage", 1);
    let Ok(files) = (0..files).map(|_| file()).collect::<io::Result<Vec<_>>>() else { return };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let pair = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None);
    let Ok((one, other)) = pair else { return };
    let files: Vec<_> = files.iter().map(AsFd::as_fd).collect();
    for _ in 0..2 {
        if send_bytes(&one, message, &files).is_err() {
            return;
        }
    }
    let _ = Request::receive(&other);
    if let Ok(Reply::Welcome(welcome)) = Reply::receive(&other) {
        let Welcome { reader, shape, .. } = welcome;
        assert!(reader < MAX_READERS, "{reader}");
        assert!((1..=Shape::MAX_CELLS).contains(&shape.cells()), "{shape:?}");
        assert!((1..=Shape::MAX_BYTES).contains(&shape.frame_bytes()), "{shape:?}");
    }
}

fn send(socket: &OwnedFd, words: &[u32], files: &[BorrowedFd<'_>]) -> io::Result<()> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    send_bytes(socket, &bytes, files)
}

fn send_bytes(socket: &OwnedFd, bytes: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() && !control.push(SendAncillaryMessage::ScmRights(files)) {
        return Err(nonsense());
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, flags)?;
    Ok(())
}

/// One message. The end of the connection is an error of kind `UnexpectedEof`.
fn receive(socket: &OwnedFd) -> io::Result<(Vec<u32>, Vec<OwnedFd>)> {
    let mut bytes = [0; MAX_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let message = rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags)?;
    let mut files = Vec::new();
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = part {
            files.extend(rights);
        }
    }
    if message.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if message.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) || message.bytes % 4 != 0 {
        return Err(nonsense());
    }
    let (words, _) = bytes[..message.bytes].as_chunks::<4>();
    Ok((words.iter().map(|word| u32::from_ne_bytes(*word)).collect(), files))
}

fn nonsense() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the other side does not speak this protocol")
}

const REQUEST: u32 = u32::from_be_bytes(*b"VKRQ");
const REPLY: u32 = u32::from_be_bytes(*b"VKRP");

const MAX_FILES: usize = 3;
const MAX_BYTES: usize = 64;

const HELLO: u32 = 1;
const HELLO_WITH_EVENT: u32 = 2;
const EVENT: u32 = 3;

const WELCOME: u32 = 1;
const FULL: u32 = 2;
const NOTED: u32 = 3;

const BYTES: u32 = 1;
const PICTURES: u32 = 2;
const FRAGMENTS: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::memory_file;

    fn pair() -> (OwnedFd, OwnedFd) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap()
    }

    fn file() -> OwnedFd {
        memory_file("test", 1).unwrap()
    }

    #[test]
    fn what_is_sent_arrives() {
        let (one, other) = pair();
        Request::send(&one, Some(&file()), None).unwrap();
        Request::send(&one, Some(&file()), Some(&file())).unwrap();
        Request::send(&one, None, Some(&file())).unwrap();
        let next = || Request::receive(&other).unwrap().unwrap();
        assert!(matches!(next(), Request::Hello { event: None, .. }));
        assert!(matches!(next(), Request::Hello { event: Some(_), .. }));
        assert!(matches!(next(), Request::Event(_)));

        let shapes = [Shape::bytes(3, 100), Shape::pictures(1024, 480, 270), Shape::fragments(1, 1 << 20)];
        for shape in shapes.map(Result::unwrap) {
            let welcome = Welcome { shape, reader: 255, control: file(), data: file(), process: file() };
            Reply::Welcome(welcome).send(&other).unwrap();
            let Reply::Welcome(welcome) = Reply::receive(&one).unwrap() else { panic!("no welcome") };
            assert_eq!((welcome.shape, welcome.reader), (shape, 255));
        }
        Reply::Full.send(&other).unwrap();
        assert!(matches!(Reply::receive(&one).unwrap(), Reply::Full));
        assert_eq!(Reply::receive(&one).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(other);
        assert_eq!(Reply::receive(&one).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn garbage_is_refused() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let mut words: Vec<u32> = (0..random.usize(1..10)).map(|_| random.u32(..8)).collect();
            if random.bool() {
                words[0] = [REQUEST, REPLY][random.usize(..2)];
            }
            if random.bool() && words.len() > 1 {
                words[1] = VERSION;
            }
            let message: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            read_garbage(&message, random.usize(..=MAX_FILES));
        }
    }

    #[test]
    fn another_version_is_told() {
        let (one, other) = pair();
        send(&one, &[REQUEST, 99, HELLO], &[]).unwrap();
        assert_eq!(Request::receive(&other).unwrap().unwrap_err(), 99);
        send(&one, &[REPLY, 98, WELCOME, 1, 2, 3], &[]).unwrap();
        assert!(matches!(Reply::receive(&other).unwrap(), Reply::Version(98)));
    }
}
