//! Many packets by one system call.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg};

/// Sends the first of `packets`, as many as one system call takes, by a connected socket; returns how many. Never waits.
///
/// Packets of one size in a row, and a smaller one behind them, as those of an access unit are, go through the system as
/// one, which it or the network card cuts again (UDP_SEGMENT, udp(7)).
pub(super) fn send_some(socket: impl AsFd, packets: &[&[u8]]) -> io::Result<usize> {
    let run = run(packets);
    if run > 1 {
        match send_run(&socket, &packets[..run]) {
            // The way to this peer, or this system, knows no segments.
            Err(Errno::EIO | Errno::EINVAL | Errno::EMSGSIZE | Errno::ENOPROTOOPT | Errno::EOPNOTSUPP) => {}
            Err(error) => return Err(error.into()),
            Ok(()) => return Ok(run),
        }
        return send_each(&socket, &packets[..run]);
    }
    let singles = (1..packets.len()).find(|&start| self::run(&packets[start..]) > 1);
    send_each(&socket, &packets[..singles.unwrap_or(packets.len())])
}

/// How many of `packets`, from the first on, can be sent as one.
fn run(packets: &[&[u8]]) -> usize {
    let Some(first) = packets.first().filter(|first| !first.is_empty()) else { return packets.len().min(1) };
    let full = packets.iter().take_while(|packet| packet.len() == first.len()).count();
    let is_smaller = |packet: &&[u8]| !packet.is_empty() && packet.len() < first.len();
    let with_last = full + usize::from(packets.get(full).is_some_and(is_smaller));
    with_last.min(MAX_SEGMENTS).min(MAX_BYTES / first.len()).max(1)
}

fn send_run(socket: &impl AsFd, packets: &[&[u8]]) -> Result<(), Errno> {
    let size = u16::try_from(packets[0].len()).map_err(|_| Errno::EMSGSIZE)?;
    let slices: Vec<_> = packets.iter().map(|packet| IoSlice::new(packet)).collect();
    let segments = [ControlMessage::UdpGsoSegments(&size)];
    let socket = socket.as_fd().as_raw_fd();
    sendmsg::<()>(socket, &slices, &segments, MsgFlags::MSG_DONTWAIT, None).map(drop)
}

fn send_each(socket: &impl AsFd, packets: &[&[u8]]) -> io::Result<usize> {
    let slices: Vec<_> = packets.iter().map(|packet| [IoSlice::new(packet)]).collect();
    let mut controls: Vec<_> = packets.iter().map(|_| SendAncillaryBuffer::default()).collect();
    let mut messages: Vec<_> =
        slices.iter().zip(&mut controls).map(|(slice, control)| MMsgHdr::new(slice, control)).collect();
    Ok(sendmmsg(socket, &mut messages, SendFlags::DONTWAIT)?)
}

/// The most segments that every system with them takes (UDP_MAX_SEGMENTS).
const MAX_SEGMENTS: usize = 64;

/// Less than a datagram can have, whatever the headers before it.
const MAX_BYTES: usize = 65_000;

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use super::*;

    fn pair() -> (UdpSocket, UdpSocket) {
        let [from, to] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        from.connect(to.local_addr().unwrap()).unwrap();
        to.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        (from, to)
    }

    #[test]
    fn every_packet_arrives_as_it_is_and_in_order() {
        let (from, to) = pair();
        let sizes = [12, 40, 1400, 1400, 1400, 7, 1400, 1400, 1, 1, 1, 1300, 1200, 1200, 1400, 9];
        let packets: Vec<Vec<u8>> = (0u8..).zip(sizes).map(|(index, size)| vec![index; size]).collect();
        let slices: Vec<&[u8]> = packets.iter().map(Vec::as_slice).collect();
        let (mut rest, mut calls) = (&slices[..], 0);
        while !rest.is_empty() {
            rest = &rest[send_some(&from, rest).unwrap()..];
            calls += 1;
        }
        let mut buffer = [0; 2000];
        for packet in &packets {
            let length = to.recv(&mut buffer).unwrap();
            assert!(buffer[..length] == packet[..], "{} for {}", length, packet.len());
        }
        // 12 and 40; 1400 to 7; 1400 to 1; 1 and 1; 1300 and 1200; 1200; 1400 and 9.
        assert_eq!(calls, 7);
    }

    #[test]
    fn long_runs_are_cut() {
        let packet = [0; 1400];
        assert_eq!(run(&[&packet[..]; 100]), MAX_BYTES / 1400);
        assert_eq!(run(&[&packet[..100]; 100]), MAX_SEGMENTS);
        assert_eq!((run(&[]), run(&[&[], &[]]), run(&[&[1]])), (0, 1, 1));
        assert_eq!(run(&[&packet[..], &packet[..1], &packet[..1]]), 2);
        assert_eq!(run(&[&packet[..1], &packet[..2]]), 1);
    }

    #[test]
    fn the_largest_packets_go_too() {
        let (from, to) = pair();
        let large = vec![1; 40_000];
        assert_eq!(send_some(&from, &[&large, &large]).unwrap(), 2);
        let mut buffer = vec![0; 65_536];
        assert_eq!([to.recv(&mut buffer).unwrap(), to.recv(&mut buffer).unwrap()], [large.len(); 2]);
        let too_large = vec![1; 70_000];
        assert!(send_some(&from, &[&too_large]).is_err());
    }
}
