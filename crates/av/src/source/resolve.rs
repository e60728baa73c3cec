//! Whether a host name has an address.

use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use valkka_core::source::SourceError;
use valkka_core::url::StreamUrl;

/// Looks the host of `url` up before libavformat does, which neither says that this is what failed nor can be
/// interrupted in it. The system keeps the answer for the second time.
///
/// The look-up itself cannot be given up either: past `timeout` its thread is left behind, and ends with the
/// system's own time limit for it.
pub(super) fn check(url: &StreamUrl, timeout: Duration) -> Result<(), SourceError> {
    let Some(host) = url.host_name() else { return Ok(()) };
    if host.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    let (tx, rx) = mpsc::channel();
    let name = host.to_owned();
    let look_up = move || {
        let found =
            (name.as_str(), 0).to_socket_addrs().is_ok_and(|mut addresses| addresses.next().is_some());
        // Nobody waits any more when it took too long.
        let _ = tx.send(found);
    };
    let thread = thread::Builder::new().name("look-up".into()).spawn(look_up);
    thread.map_err(|cause| SourceError::Io { what: url.host(), cause })?;
    match rx.recv_timeout(timeout) {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(SourceError::Resolve { host: host.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str) -> Result<(), String> {
        let timeout = Duration::from_secs(30);
        super::check(&url.parse().unwrap(), timeout).map_err(|error| error.to_string())
    }

    #[test]
    fn names_are_looked_up_and_addresses_are_not() {
        assert_eq!(check("rtsp://localhost/1"), Ok(()));
        assert_eq!(check("rtsp://127.0.0.1:8554/1"), Ok(()));
        assert_eq!(check("rtsp://[::1]:8554/1"), Ok(()));
        assert_eq!(
            check("rtsp://user:secret@no-such-host.invalid/1"),
            Err("no such host: no-such-host.invalid".into())
        );
    }
}
