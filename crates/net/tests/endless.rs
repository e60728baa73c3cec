//! Servers that send without end. The only test of its process, for it looks at the memory of all of it.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::io::{self, Write as _};
use std::thread;
use std::time::Duration;

use common::fake::{Fake, Peer};
use common::{SOON, receive};
use valkka_testkit::watchdog::Watchdog;

#[test]
fn endless_data_does_not_fill_the_memory() {
    let _watchdog = Watchdog::start(SOON * 4);
    type Begin = fn(&mut Peer) -> io::Result<()>;
    let floods: [(&str, Begin, &[u8]); 4] = [
        ("a line without an end", |peer| peer.stream.write_all(b"RTSP/1.0 200 "), &[b'x'; 65536]),
        (
            "an absurd length",
            |peer| {
                peer.stream.write_all(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 99999999999\r\n\r\n")
            },
            &[b'x'; 65536],
        ),
        (
            "headers without an end",
            |peer| peer.stream.write_all(b"RTSP/1.0 200 OK\r\n"),
            b"X-More: and more\r\n",
        ),
        ("a picture without an end", Peer::play, &[]),
    ];
    for (what, begin, data) in floods {
        let fake = Fake::start(move |peer| {
            if !data.is_empty() {
                peer.request()?;
            }
            begin(peer)?;
            let many = data.repeat(65536 / data.len().max(1));
            for number in 0..u16::MAX {
                match data {
                    // Fragments of one NAL unit, all with the same time stamp.
                    [] => fragment(peer, number)?,
                    _ => peer.stream.write_all(&many)?,
                }
            }
            Ok(())
        });
        let before = memory_bytes();
        let receiving = receive(&fake.url());
        let sampler = thread::spawn(move || receiving.failure());
        let mut most = 0;
        while !sampler.is_finished() {
            most = memory_bytes().max(most);
            thread::sleep(Duration::from_millis(2));
        }
        let reason = sampler.join().unwrap();
        let grown = most.saturating_sub(before) >> 20;
        println!("{what}: {grown} MiB, {reason}");
        // Without the bound it is gigabytes. With it, what came (see the reason), what a poll read before anything was
        // measured, and the buffer of half that size that was outgrown.
        assert!(grown < 256, "{what}: grew by {grown} MiB; {reason}");
    }
}

fn fragment(peer: &mut Peer, number: u16) -> io::Result<()> {
    let mut packet = vec![0x80, 96];
    packet.extend(number.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend(0x1234_5678_u32.to_be_bytes());
    packet.extend([28, if number == 0 { 0x85 } else { 0x05 }]);
    packet.resize(60_000, 0xab);
    peer.interleaved(0, &packet)
}

/// Resident memory of this process.
fn memory_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
