//! Where writers and readers meet: a directory of sockets, which only this user can enter.
//!
//! A writer listens on a socket that has the name of its ring. It puts the socket there in one step, over the one that
//! may be there already: the newest writer of a name is found, and the remains of one that crashed are in nobody's way.
//! Remains under other names are cleared away by the next writer.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::error::{Error, trying};
use crate::name::file_name;

/// A socket that readers find by the name of a ring. Dropping it takes it away, unless a newer one has its place.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) socket: OwnedFd,
    path: PathBuf,
    identity: Identity,
    process: u32,
}

/// Tells files apart that follow each other under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Listener {
    /// Takes the place of `name`.
    pub(crate) fn bind(name: &str) -> Result<Self, Error> {
        // The directory may be removed, by a writer that goes, between being found and being used.
        let mut tries = 0..TRIES;
        loop {
            let directory = Directory::create()?;
            match directory.listen(name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries.next().is_some() => (),
                listening => return listening.map_err(trying(name, "listen for readers")),
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // A process that was forked off has no part in it.
        if self.process != process::id() {
            return;
        }
        let Ok(directory) = Directory::open(&place()) else { return };
        // Without the lock, a newer socket might be removed in the place of ours. What stays is cleared away later.
        let Some(_lock) = directory.lock() else { return };
        if identity(&self.path).is_some_and(|there| there == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
        // It fails while there are others.
        let _ = fs::remove_dir(&directory.path);
    }
}

/// Connects to the writer of `name`. `None` if there is none, or it has no time for readers.
pub(crate) fn connect(name: &str) -> Result<Option<(OwnedFd, Identity)>, Error> {
    let directory = match Directory::open(&place()) {
        Ok(directory) => directory,
        Err(Unusable::Missing) => return Ok(None),
        Err(Unusable::Unsafe(error)) => return Err(error),
    };
    let path = directory.path.join(file_name(name));
    let Some(before) = identity(&path) else { return Ok(None) };
    let failed = |error: Errno| trying(name, "connect to its writer")(error.into());
    let address = SocketAddrUnix::new(&path).map_err(failed)?;
    let socket = socket(SocketType::SEQPACKET).map_err(failed)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => (),
        Err(Errno::CONNREFUSED | Errno::NOENT | Errno::AGAIN | Errno::PROTOTYPE | Errno::INTR) => {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    }
    // If another writer came just now, it is not known whose socket this is.
    Ok((identity(&path) == Some(before)).then_some((socket, before)))
}

/// Which socket `name` stands for at present.
pub(crate) fn current(name: &str) -> Option<Identity> {
    identity(&place().join(file_name(name)))
}

struct Directory {
    path: PathBuf,
    handle: OwnedFd,
}

enum Unusable {
    Missing,
    Unsafe(Error),
}

impl Directory {
    /// The directory, made if there is none.
    fn create() -> Result<Self, Error> {
        let path = place();
        let unusable = |reason: String| Error::Directory { path: path.clone(), reason };
        for _ in 0..TRIES {
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(unusable(error.to_string()));
                }
                _ => (),
            }
            match Self::open(&path) {
                Ok(directory) => return Ok(directory),
                Err(Unusable::Missing) => (),
                Err(Unusable::Unsafe(error)) => return Err(error),
            }
        }
        Err(unusable("it is removed as fast as it is made".into()))
    }

    /// The directory, if it is ours alone: another user might have made it to listen in.
    fn open(path: &Path) -> Result<Self, Unusable> {
        let unusable = |reason: String| Unusable::Unsafe(Error::Directory { path: path.to_owned(), reason });
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(handle) => handle,
            Err(Errno::NOENT) => return Err(Unusable::Missing),
            Err(error) => return Err(unusable(error.to_string())),
        };
        let stat = rustix::fs::fstat(&handle).map_err(|error| unusable(error.to_string()))?;
        let user = rustix::process::geteuid().as_raw();
        if stat.st_uid != user {
            return Err(unusable(format!("it belongs to user {}, not to {user}", stat.st_uid)));
        }
        if stat.st_mode & 0o077 != 0 {
            return Err(unusable(format!("others may enter it (mode {:o})", stat.st_mode & 0o777)));
        }
        Ok(Self { path: path.to_owned(), handle })
    }

    /// Keeps other writers from coming, going and clearing away. `None` if one of them stands still with the lock.
    fn lock(&self) -> Option<Lock<'_>> {
        let deadline = Instant::now() + LOCK_TIMEOUT;
        loop {
            match rustix::fs::flock(&self.handle, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Some(Lock(self)),
                Err(Errno::AGAIN | Errno::INTR) if Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(1));
                }
                Err(_) => return None,
            }
        }
    }

    /// Whether it was not removed since it was opened.
    fn is_in_place(&self) -> bool {
        let opened = rustix::fs::fstat(&self.handle);
        let opened = opened.map(|stat| Identity { device: stat.st_dev, inode: stat.st_ino });
        identity(&self.path) == opened.ok()
    }

    fn listen(&self, name: &str) -> io::Result<Listener> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let lock = self.lock();
        if !self.is_in_place() {
            return Err(io::ErrorKind::NotFound.into());
        }
        if lock.is_some() {
            self.clear_away();
        }
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let temporary = self.path.join(format!(".{}-{count}", process::id()));
        let path = self.path.join(file_name(name));
        let socket = socket(SocketType::SEQPACKET)?;
        // Left over from a process that had the same number.
        let _ = fs::remove_file(&temporary);
        rustix::net::bind(&socket, &SocketAddrUnix::new(&temporary)?)?;
        rustix::net::listen(&socket, BACKLOG)?;
        let identity = identity(&temporary).ok_or(io::ErrorKind::NotFound)?;
        fs::rename(&temporary, &path)?;
        Ok(Listener { socket, path, identity, process: process::id() })
    }

    /// Removes sockets on which nobody listens. Only with the lock: without, one might be replaced in between.
    fn clear_away(&self) {
        let Ok(entries) = fs::read_dir(&self.path) else { return };
        for entry in entries.flatten().take(MAX_ENTRIES) {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_socket()) && is_abandoned(&path) {
                tracing::debug!(path = %path.display(), "removed what a crashed writer has left");
                let _ = fs::remove_file(&path);
            }
        }
    }
}

/// The lock on the directory, given back when dropped.
struct Lock<'a>(&'a Directory);

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // Not left to the closing of the file: a process that was forked off has it too.
        let _ = rustix::fs::flock(&self.0.handle, FlockOperation::Unlock);
    }
}

/// Whether nobody listens on this socket. A socket of another type gets no connection, so whoever listens is not
/// bothered, but it is told apart from nobody.
fn is_abandoned(path: &Path) -> bool {
    let probe = SocketAddrUnix::new(path)
        .and_then(|address| socket(SocketType::DGRAM).map(|socket| rustix::net::connect(&socket, &address)));
    matches!(probe, Ok(Err(Errno::CONNREFUSED)))
}

/// Where it is: in memory, so that nothing outlives the machine's run.
fn place() -> PathBuf {
    let user = rustix::process::geteuid().as_raw();
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    parent.join(format!("valkka-{user}"))
}

fn identity(path: &Path) -> Option<Identity> {
    let found: Metadata = fs::symlink_metadata(path).ok()?;
    Some(Identity { device: found.dev(), inode: found.ino() })
}

fn socket(kind: SocketType) -> Result<OwnedFd, Errno> {
    rustix::net::socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
}

const TRIES: usize = 20;
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);
/// Readers that the kernel lets wait to be accepted.
const BACKLOG: i32 = 128;
/// How much is looked at when clearing away.
const MAX_ENTRIES: usize = 10_000;
