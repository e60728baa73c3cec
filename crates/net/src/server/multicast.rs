//! Streams that are sent to groups: one sender per stream, however many viewers join.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, Weak};

use valkka_core::lock::lock;

use super::channel::Channel;
use super::group::Group;
use super::track_set::MAX_TRACKS;

/// The addresses of the groups that a server may send to.
///
/// Each mount has one group: the first `address`, the next the address after it, and so on; a mount takes the lowest
/// that is free. Viewers share the packets of a group, so what they are sent is sent once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MulticastRange {
    /// The group of the first mount. Those of `239.0.0.0/8` and `ff15::/16` are anybody's to use at home.
    pub address: IpAddr,
    /// The port that the first track is sent to, an even number; RTCP goes to the next, and each further track to ports
    /// two above. At most 65520.
    pub port: u16,
    /// Over how many routers packets may go; 0 keeps them on this machine, 1 within its network.
    pub ttl: u8,
}

impl MulticastRange {
    /// Says what is wrong with it, if anything.
    pub(super) fn check(&self) -> io::Result<()> {
        let Self { address, port, .. } = self;
        let wrong = if !address.is_multicast() {
            format!("{address} is no address of a multicast group")
        } else if *port == 0 || port % 2 == 1 || u32::from(*port) + 2 * u32::from(MAX_TRACKS) > 65_536 {
            format!("{port} is no port for multicast: it must be even, from 2 to 65520")
        } else {
            return Ok(());
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, wrong))
    }

    /// The group of the mount at `place`, if there are so many.
    pub(super) fn group(&self, place: u32) -> Option<IpAddr> {
        let group = match self.address {
            IpAddr::V4(first) => IpAddr::V4(first.to_bits().checked_add(place)?.into()),
            IpAddr::V6(first) => IpAddr::V6(first.to_bits().checked_add(place.into())?.into()),
        };
        group.is_multicast().then_some(group)
    }

    /// The ports of a track for RTP and RTCP.
    pub(super) fn ports(&self, track: u8) -> (u16, u16) {
        let rtp = self.port.saturating_add(u16::from(track) * 2);
        (rtp, rtp.saturating_add(1))
    }
}

/// The groups that are in use.
#[derive(Debug)]
pub(super) struct Groups {
    range: Option<MulticastRange>,
    /// By the place of the mount, and our address, which the packets leave by: as many as there are mounts and addresses.
    open: Mutex<HashMap<(u32, IpAddr), Weak<Group>>>,
}

impl Groups {
    pub(super) fn new(range: Option<MulticastRange>) -> Self {
        Self { range, open: Mutex::default() }
    }

    /// Whether viewers of `channel` who are connected to our address `local` can have it by multicast.
    pub(super) fn serve(&self, channel: &Channel, local: SocketAddr) -> bool {
        self.address(channel, local).is_some()
    }

    /// The group for them, ready to send `track`, and what to answer; nothing is sent before somebody
    /// [joins](Group::join) it.
    pub(super) fn open(
        &self,
        channel: &Arc<Channel>,
        track: u8,
        local: SocketAddr,
    ) -> io::Result<(Arc<Group>, String)> {
        let (range, address) = self.address(channel, local).ok_or(io::ErrorKind::Unsupported)?;
        let mut open = lock(&self.open);
        open.retain(|_, group| group.strong_count() > 0);
        let key = (channel.place(), local.ip());
        let known = open.get(&key).and_then(Weak::upgrade);
        // Sessions of a mount that is gone may hold on to its group for a moment.
        let group = known.filter(|group| Arc::ptr_eq(group.channel(), channel)).unwrap_or_else(|| {
            let group = Arc::new(Group::new(channel.clone(), range, address, local));
            open.insert(key, Arc::downgrade(&group));
            group
        });
        let words = group.open(track)?;
        Ok((group, words))
    }

    fn address(&self, channel: &Channel, local: SocketAddr) -> Option<(MulticastRange, IpAddr)> {
        let range = self.range?;
        let address = range.group(channel.place())?;
        (address.is_ipv4() == local.is_ipv4()).then_some((range, address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(address: &str, port: u16) -> MulticastRange {
        MulticastRange { address: address.parse().unwrap(), port, ttl: 1 }
    }

    #[test]
    fn each_mount_has_the_next_group() {
        let group = |first: &str, place| range(first, 5000).group(place).map(|group| group.to_string());
        assert_eq!(group("239.255.42.1", 0).as_deref(), Some("239.255.42.1"));
        assert_eq!(group("239.255.42.255", 1).as_deref(), Some("239.255.43.0"));
        assert_eq!(group("239.255.255.255", 1), None);
        assert_eq!(group("ff15::ffff", 1).as_deref(), Some("ff15::1:0"));
        assert_eq!(group("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1), None);
        assert_eq!(range("239.0.0.1", 5000).ports(7), (5014, 5015));
    }

    #[test]
    fn what_is_no_group_is_refused() {
        for (address, port, right) in [
            ("239.255.42.1", 50_000, true),
            ("239.255.42.1", 65_520, true),
            ("239.255.42.1", 65_522, false),
            ("239.255.42.1", 50_001, false),
            ("239.255.42.1", 0, false),
            ("10.0.0.1", 50_000, false),
            ("ff15::1", 50_000, true),
        ] {
            assert_eq!(range(address, port).check().is_ok(), right, "{address} {port}");
        }
    }
}
