//! By which name others reach this machine.

use std::fs;
use std::net::SocketAddr;

/// `address` as others write it: for all addresses of this machine, with its name.
pub(super) fn reachable(address: SocketAddr) -> String {
    if !address.ip().is_unspecified() {
        return address.to_string();
    }
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = if name.trim().is_empty() { "localhost" } else { name.trim() };
    format!("{name}:{}", address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_are_called_by_the_name_of_the_machine() {
        assert_eq!(reachable("127.0.0.1:8554".parse().unwrap()), "127.0.0.1:8554");
        assert_eq!(reachable("[::1]:8554".parse().unwrap()), "[::1]:8554");
        for all in ["0.0.0.0:8554", "[::]:8554"] {
            let host = reachable(all.parse().unwrap());
            assert!(host.ends_with(":8554") && !host.starts_with(['0', '[', ':']), "{host}");
        }
    }
}
