//! Streams written into pipes, sockets and files, whatever their readers do.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use bytes::Bytes;
use valkka::codec::{Codec, CodecParams};
use valkka::frame::{Body, Frame, FrameTime, Packet};
use valkka::graph::{FdNotice, FdWriter, FdWriterOptions};
use valkka::payload::Payload;
use valkka::sink::Sink;
use valkka::stream::{Slot, Track};
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;

const SOON: Duration = Duration::from_secs(60);
const SLOT: Slot = Slot::new(1);
/// Of each packet: more than a pipe holds at once.
const SIZE: usize = 100_000;

/// Packet number `n`: all its bytes are `n`.
fn packet(n: u8, keyframe: bool) -> Frame {
    let params = Arc::new(CodecParams::video(Codec::H264, Bytes::new()));
    let packet = Packet { params, payload: Payload::from_vec(vec![n; SIZE]), keyframe, lost: 0 };
    Frame { slot: SLOT, track: Track::new(0), time: FrameTime::default(), body: Body::Packet(packet) }
}

fn audio() -> Frame {
    let params = Arc::new(CodecParams::audio(Codec::PcmMulaw, 8000, 1, Bytes::new()));
    let packet = Packet { params, payload: Payload::from_vec(vec![99; 10]), keyframe: true, lost: 0 };
    Frame { track: Track::new(1), body: Body::Packet(packet), ..self::packet(0, true) }
}

fn writer(capacity: usize) -> (FdWriter, Receiver<FdNotice>) {
    let (tx, rx) = mpsc::channel();
    let options = FdWriterOptions { capacity, ..FdWriterOptions::default() };
    (FdWriter::new(options, move |notice| drop(tx.send(notice))), rx)
}

/// The numbers of the packets in `data`, each of which must be whole.
fn packets(data: &[u8]) -> Vec<u8> {
    assert_eq!(data.len() % SIZE, 0, "there is a part of a packet");
    let number = |packet: &[u8]| {
        assert!(packet.iter().all(|byte| *byte == packet[0]), "packets are mixed");
        packet[0]
    };
    data.chunks(SIZE).map(number).collect()
}

#[test]
fn a_pipe_gets_the_video_from_a_key_frame_on() {
    let _watchdog = Watchdog::start(SOON * 2);
    let (mut reader, end) = io::pipe().unwrap();
    let (writer, _notices) = writer(10);
    let input = writer.input();
    input.put(packet(1, true));
    writer.register(SLOT, OwnedFd::from(end));
    for (n, keyframe) in [(2, false), (3, true), (4, false)] {
        input.put(packet(n, keyframe));
        input.put(audio());
        input.put(Frame { slot: Slot::new(2), ..packet(7, true) });
    }
    writer.start(None).unwrap();
    writer.start(None).unwrap();
    let mut data = vec![0; 2 * SIZE];
    reader.read_exact(&mut data).unwrap();
    assert_eq!(packets(&data), [3, 4]);
    writer.deregister(SLOT);
    // It is closed: nobody else has it.
    assert_eq!(reader.read(&mut data).unwrap(), 0);
}

#[test]
fn a_slow_reader_gets_whole_packets_and_the_next_key_frame() {
    let _watchdog = Watchdog::start(SOON * 2);
    let socket: fn() -> (UnixStream, OwnedFd) = || {
        let (reader, end) = UnixStream::pair().unwrap();
        (reader, end.into())
    };
    let (reader, end) = socket();
    let (mut pipe, pipe_end) = io::pipe().unwrap();
    let flags = rustix::fs::fcntl_getfl(&pipe_end).unwrap();
    let kept = pipe_end.try_clone().unwrap();
    let (writer, _notices) = writer(3);
    writer.start(None).unwrap();
    writer.register(SLOT, end);
    writer.register(Slot::new(2), pipe_end.into());
    let input = writer.input();
    // Nobody reads, and nobody waits: one is begun, three wait, the rest is dropped.
    for n in 1..=20 {
        input.put(packet(n, n == 1));
        input.put(Frame { slot: Slot::new(2), ..packet(n, n == 1) });
    }
    // The flags that others share stay as they were: who writes there may wait as before.
    assert_eq!(rustix::fs::fcntl_getfl(&kept).unwrap(), flags);
    let read = |reader: &mut dyn io::Read, first: &mut Vec<u8>| {
        let mut data = vec![0; SIZE];
        reader.read_exact(&mut data).unwrap();
        first.extend(packets(&data));
    };
    let mut socket = reader;
    for reader in [&mut socket as &mut dyn io::Read, &mut pipe] {
        let mut seen = Vec::new();
        while seen.last() != Some(&200) {
            // Not decodable until the key frame; there is room for it at some time.
            input.put(packet(100, false));
            input.put(Frame { slot: Slot::new(2), ..packet(100, false) });
            input.put(packet(200, true));
            input.put(Frame { slot: Slot::new(2), ..packet(200, true) });
            read(reader, &mut seen);
        }
        let before: Vec<u8> = seen.iter().copied().take_while(|&n| n != 200).collect();
        assert!(before.len() >= 3, "{seen:?}");
        assert!(before.iter().zip(1..).all(|(seen, sent)| *seen == sent), "{seen:?}");
    }
    writer.stop();
}

#[test]
fn readers_that_go_are_told_and_disturb_nobody() {
    let _watchdog = Watchdog::start(SOON * 2);
    let (writer, notices) = writer(10);
    writer.start(None).unwrap();
    let input = writer.input();
    // One that goes while nothing is written, one in the middle of a packet.
    let (idle, idle_end) = io::pipe().unwrap();
    let (mut busy, busy_end) = UnixStream::pair().unwrap();
    let (mut stays, stays_end) = io::pipe().unwrap();
    writer.register(Slot::new(10), idle_end.into());
    writer.register(Slot::new(11), busy_end.into());
    writer.register(SLOT, stays_end.into());
    drop(idle);
    assert_eq!(closed(&notices), Slot::new(10));
    for n in 1..5 {
        input.put(Frame { slot: Slot::new(11), ..packet(n, true) });
    }
    busy.read_exact(&mut [0; 10]).unwrap();
    drop(busy);
    assert_eq!(closed(&notices), Slot::new(11));
    input.put(packet(9, true));
    let mut data = vec![0; SIZE];
    stays.read_exact(&mut data).unwrap();
    assert_eq!(packets(&data), [9]);
    // Their slots are free again.
    let (_reader, end) = io::pipe().unwrap();
    writer.register(Slot::new(10), end.into());
    writer.register(Slot::new(10), io::pipe().unwrap().1.into());
    assert_eq!(notices.recv_timeout(SOON).unwrap(), FdNotice::SlotTaken(Slot::new(10)));
    writer.deregister(Slot::new(99));
    assert_eq!(notices.recv_timeout(SOON).unwrap(), FdNotice::NoSuchSlot(Slot::new(99)));
}

#[test]
fn the_wrong_end_of_a_pipe_is_not_written() {
    let _watchdog = Watchdog::start(SOON * 2);
    let (writer, notices) = writer(10);
    let (end, _other) = io::pipe().unwrap();
    writer.start(None).unwrap();
    writer.register(SLOT, end.into());
    writer.input().put(packet(1, true));
    assert_eq!(closed(&notices), SLOT);
}

#[test]
fn a_file_takes_all() {
    let _watchdog = Watchdog::start(SOON * 2);
    let directory = valkka_testkit::temp::TempDir::new().unwrap();
    let mut file = File::options().read(true).write(true).create_new(true).open(directory.join("a")).unwrap();
    let (writer, _notices) = writer(100);
    writer.start(None).unwrap();
    writer.register(SLOT, file.try_clone().unwrap().into());
    for n in 1..=50 {
        writer.input().put(packet(n, n == 1));
    }
    wait::until(SOON, "all is written", || file.metadata().unwrap().len() == 50 * SIZE as u64);
    let mut data = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut data).unwrap();
    assert_eq!(packets(&data), (1..=50).collect::<Vec<_>>());
    writer.deregister(SLOT);
    writer.input().put(packet(51, true));
    writer.stop();
    assert_eq!(file.metadata().unwrap().len(), 50 * SIZE as u64);
}

fn closed(notices: &Receiver<FdNotice>) -> Slot {
    match notices.recv_timeout(SOON).unwrap() {
        FdNotice::Closed { slot, .. } => slot,
        other => panic!("{other}"),
    }
}
