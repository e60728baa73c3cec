//! `valkka fsck`: stores are checked and mended.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use common::{SOON, run};
use valkka::store::{Entry, Geometry, Retention, Store, StoreOptions, Writer, WriterOptions};
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;

use frames::frame;

/// A store with some frames of one camera in three blocks.
fn store(dir: &Path) -> Arc<Store> {
    let geometry = Geometry::new(1 << 16, 6).unwrap();
    let store = Store::create(dir, &StoreOptions::new(geometry)).unwrap();
    let writer = Writer::open(store.clone(), WriterOptions::default()).unwrap();
    let lane = writer.lane("front", Retention::default()).unwrap();
    for number in 0..FRAMES {
        assert!(lane.put(&frame(number)));
    }
    writer.commit(Instant::now() + SOON).unwrap();
    store
}

/// How many frames and how many damages are read.
fn read(dir: &Path) -> (usize, usize) {
    let store = Store::open(dir).unwrap();
    let mut cursor = store.cursor(store.stream("front").unwrap());
    let (mut frames, mut damages) = (0, 0);
    while let Some(entry) = cursor.next().unwrap() {
        match entry {
            Entry::Frame(_) => frames += 1,
            Entry::Damage(_) => damages += 1,
            Entry::Gap(_) => (),
        }
    }
    (frames, damages)
}

#[test]
fn a_lost_table_and_description_come_back() {
    let _watchdog = Watchdog::start(SOON * 3);
    let dir = TempDir::new().unwrap();
    let (path, text) = (dir.join("store"), dir.join("store").to_str().unwrap().to_owned());
    drop(store(&path));
    let outcome = run(&["fsck", "--deep", &text]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    assert!(outcome.output.contains("of 6 blocks are used") && outcome.output.contains(": nothing is wrong"));
    fs::remove_file(path.join("blockfile")).unwrap();
    let outcome = run(&["fsck", &text]);
    assert_eq!(outcome.code, Some(4), "{}", outcome.output);
    assert!(outcome.output.contains("the table: it is missing (can be mended)"), "{}", outcome.output);
    let outcome = run(&["fsck", &text, "--repair"]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.output);
    fs::remove_file(path.join("valkkafs.json")).unwrap();
    let outcome = run(&["fsck", &text, "--repair", "--json"]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.output);
    let findings = &outcome.json()["findings"];
    assert_eq!((&findings[0]["place"], &findings[0]["outcome"]), (&"valkkafs.json".into(), &"mended".into()));
    assert_eq!(run(&["fsck", &text]).code, Some(0));
    assert_eq!(read(&path), (FRAMES as usize, 0));
}

#[test]
fn what_is_rotten_is_told() {
    let _watchdog = Watchdog::start(SOON * 3);
    let dir = TempDir::new().unwrap();
    let (path, text) = (dir.join("store"), dir.join("store").to_str().unwrap().to_owned());
    drop(store(&path));
    let mut data = fs::read(path.join("dumpfile")).unwrap();
    data[20_000] ^= 1;
    fs::write(path.join("dumpfile"), data).unwrap();
    let outcome = run(&["fsck", &text, "--deep", "--repair", "--json"]);
    assert_eq!(outcome.code, Some(4), "{}", outcome.output);
    let finding = &outcome.json()["findings"][0];
    assert_eq!(
        (&finding["place"], &finding["block"], &finding["outcome"]),
        (&"record".into(), &0.into(), &"lost".into())
    );
    assert_eq!(read(&path), (FRAMES as usize - 1, 1));
}

#[test]
fn a_store_in_use_is_checked_but_not_mended() {
    let _watchdog = Watchdog::start(SOON * 3);
    let dir = TempDir::new().unwrap();
    let (path, text) = (dir.join("store"), dir.join("store").to_str().unwrap().to_owned());
    let writer = Writer::open(store(&path), WriterOptions::default()).unwrap();
    assert_eq!(run(&["fsck", &text]).code, Some(0));
    let outcome = run(&["fsck", &text, "--repair"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.output);
    assert!(outcome.output.contains("is being written by another writer"), "{}", outcome.output);
    drop(writer);
    let outcome = run(&["fsck", dir.path().to_str().unwrap()]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.output);
    assert!(outcome.output.contains("holds no recordings: valkkafs.json is missing"), "{}", outcome.output);
}

#[test]
fn a_store_of_the_older_format_is_upgraded_when_asked() {
    let _watchdog = Watchdog::start(SOON * 3);
    let dir = TempDir::new().unwrap();
    let text = dir.path().to_str().unwrap();
    let json = r#"{"dumpfile": "dumpfile", "partition_uuid": null, "blockfile": "blockfile", "blocksize": 4096,
        "n_blocks": 2, "current_block": 1, "jsonfile": "valkkafs.json"}"#;
    fs::write(dir.join("valkkafs.json"), json).unwrap();
    let mut block = vec![0; 8192];
    // Stream 7, a frame of MJPEG 1 s after the epoch.
    for (at, bytes) in
        [(0, &7_u64.to_le_bytes()[..]), (12, &1000_i64.to_le_bytes()), (24, &8_i32.to_le_bytes())]
    {
        block[at..at + bytes.len()].copy_from_slice(bytes);
    }
    block[28] = 4;
    fs::write(dir.join("dumpfile"), &block).unwrap();
    let table: Vec<u8> = [1000_i64, 1000, 0, 0].iter().flat_map(|number| number.to_le_bytes()).collect();
    fs::write(dir.join("blockfile"), table).unwrap();
    let outcome = run(&["fsck", text]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    assert!(fs::read_to_string(dir.join("valkkafs.json")).unwrap() == json, "only when asked");
    let outcome = run(&["fsck", text, "--upgrade"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    assert!(outcome.output.contains("is of the current format now"), "{}", outcome.output);
    assert_eq!(run(&["fsck", text, "--json"]).json()["format"], 2);
    let store = Store::open(dir.path()).unwrap();
    let mut cursor = store.cursor(store.stream("stream 7").unwrap());
    assert!(matches!(cursor.next(), Ok(Some(Entry::Frame(_)))));
}

const FRAMES: u64 = 60;

mod frames {
    use std::sync::Arc;

    use valkka::codec::{Codec, CodecParams};
    use valkka::frame::{Body, Frame, FrameTime, Packet};
    use valkka::payload::Payload;
    use valkka::stream::{Slot, Track};
    use valkka::time::WallTime;

    /// A frame of 2 kB.
    pub(crate) fn frame(number: u64) -> Frame {
        let params = Arc::new(CodecParams::video(Codec::Mjpeg, Default::default()));
        let payload = Payload::from_vec(vec![number as u8; 2000]);
        let wall = WallTime::from_micros(1_700_000_000_000_000 + number as i64 * 40_000);
        let time = FrameTime { arrival: wall, wall, ..FrameTime::default() };
        let packet = Packet { params, payload, keyframe: true, lost: 0 };
        Frame { slot: Slot::default(), track: Track::new(0), time, body: Body::Packet(packet) }
    }
}
