//! What systemd is told (sd_notify(3)).

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tracing::warn;

/// The service manager that started this program, if one did and wants to be told.
#[derive(Debug)]
pub(crate) struct ServiceManager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// How often a sign of life is due, at the latest.
    watchdog: Option<Duration>,
    last_ping: Instant,
}

impl ServiceManager {
    /// As the environment says.
    pub(crate) fn from_environment() -> Self {
        let socket = env::var_os("NOTIFY_SOCKET").and_then(|name| match connect(name.as_bytes()) {
            Ok(socket) => Some(socket),
            Err(error) => {
                warn!(%error, "the service manager cannot be told anything");
                None
            }
        });
        let number = |name| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let is_ours = number("WATCHDOG_PID").is_none_or(|process| process == u64::from(process::id()));
        let watchdog =
            number("WATCHDOG_USEC").filter(|&micros| is_ours && micros > 0).map(Duration::from_micros);
        Self { socket, watchdog, last_ping: Instant::now() }
    }

    /// Everything runs.
    pub(crate) fn ready(&self) {
        self.tell("READY=1");
    }

    /// A new configuration is being applied; [`Self::ready`] follows.
    pub(crate) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000);
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// The end has begun.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// One line for whoever asks how the service is.
    pub(crate) fn status(&self, text: &str) {
        self.tell(&format!("STATUS={}", text.replace('\n', " ")));
    }

    /// Whether a sign of life is due: early enough that the next one would be in time, too.
    pub(crate) fn is_ping_due(&self) -> bool {
        self.watchdog.is_some_and(|interval| self.last_ping.elapsed() >= interval / 3)
    }

    /// A sign of life.
    pub(crate) fn ping(&mut self) {
        self.last_ping = Instant::now();
        self.tell("WATCHDOG=1");
    }

    fn tell(&self, text: &str) {
        if let Some((socket, address)) = &self.socket
            && let Err(error) = socket.send_to_addr(text.as_bytes(), address)
        {
            warn!(%error, "the service manager is not told {text:?}");
        }
    }
}

/// The socket called `name`: a path, or behind an `@` a name in the abstract namespace.
fn connect(name: &[u8]) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
        Some((b'/', _)) => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))?,
        _ => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "NOTIFY_SOCKET is neither a path nor @name",
            ));
        }
    };
    let socket = UnixDatagram::unbound()?;
    // A manager that does not read must not hold us up.
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

#[cfg(test)]
mod tests {
    use valkka_testkit::temp::TempDir;

    use super::*;

    #[test]
    fn sockets_are_paths_or_abstract_names() {
        let directory = TempDir::new().unwrap();
        let path = directory.join("notify");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let manager = ServiceManager {
            socket: Some(connect(path.as_os_str().as_bytes()).unwrap()),
            watchdog: Some(Duration::from_secs(3600)),
            last_ping: Instant::now(),
        };
        manager.status("two\nlines");
        let mut buffer = [0; 100];
        let length = receiver.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"STATUS=two lines");
        assert!(!manager.is_ping_due());
        // A manager that is gone is no reason to fail.
        drop(receiver);
        manager.ready();
        connect(b"@valkka-test").unwrap();
        assert!(connect(b"").is_err() && connect(b"relative").is_err());
    }
}
