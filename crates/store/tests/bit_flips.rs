//! Bits flip anywhere: what was not hit is read, what was hit is told of, and nothing panics.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use common::{Camera, number_of, say, soon};
use valkka_core::time::WallTime;
use valkka_store::{
    CheckOptions, Entry, Geometry, Outcome, Report, Retention, Store, StoreOptions, Writer, WriterOptions,
    check,
};
use valkka_testkit::length;
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;

const FRAMES: u64 = 60;
const FILES: [&str; 3] = ["dumpfile", "blockfile", "valkkafs.json"];

/// A store of a few closed blocks, one of which a writer was cut off in, and its files.
fn store(dir: &Path) -> [Vec<u8>; 3] {
    let options = StoreOptions::new(Geometry::new(8192, 6).unwrap());
    let writer = Writer::open(Store::create(dir, &options).unwrap(), WriterOptions::default()).unwrap();
    let lane = writer.lane("front", Retention::default()).unwrap();
    let mut camera = Camera::new();
    for _ in 0..FRAMES {
        assert!(lane.put(&camera.frame(400)));
    }
    writer.commit(soon()).unwrap();
    // As they are, the last block open.
    FILES.map(|name| fs::read(dir.join(name)).unwrap())
}

/// The frames that are read, and whether damage is told of.
fn read(dir: &Path) -> Option<(BTreeSet<u64>, bool)> {
    let store = Store::open(dir).ok()?;
    let id = store.stream("front").or_else(|| store.streams().first().map(|stream| stream.id))?;
    let mut cursor = store.cursor(id);
    let (mut frames, mut is_told, mut entries) = (BTreeSet::new(), false, 0);
    while let Some(entry) = cursor.next().unwrap() {
        match entry {
            Entry::Frame(frame) => {
                let number = number_of(&frame);
                let payload = &frame.packet().unwrap().payload;
                let whole =
                    (8..payload.len()).all(|at| payload[at] == (at as u64).wrapping_mul(number + 7) as u8);
                assert!(
                    whole && frames.insert(number),
                    "frame {number} is as it was recorded, and read once"
                );
            }
            Entry::Gap(_) => (),
            Entry::Damage(_) => is_told = true,
        }
        entries += 1;
        assert!(entries < 10_000, "it ends");
    }
    // Wherever it is sought, it does not fail.
    for seconds in [0, 1_700_000_000, 1_700_000_001, 1_800_000_000] {
        let moment = WallTime::from_micros(seconds * 1_000_000);
        cursor.seek(moment).unwrap();
        cursor.next().unwrap();
        cursor.keyframe_before(moment).unwrap();
        cursor.keyframe_after(moment).unwrap();
    }
    store.stretches(id, WallTime::from_micros(0)..WallTime::from_micros(i64::MAX)).unwrap();
    Some((frames, is_told))
}

fn checked(dir: &Path, repair: bool) -> Report {
    check(dir, &CheckOptions { repair, deep: true, ..CheckOptions::default() }).unwrap()
}

/// Flips bits of one file of the store, one after the other, and hands each to `test`.
fn flip_each(file: usize, bits: impl Iterator<Item = usize>, mut test: impl FnMut(&Path, usize, &str)) {
    let _watchdog = Watchdog::start(Duration::from_secs(length::pick(900, 7200)));
    let dir = TempDir::new().unwrap();
    let path = dir.join("store");
    let whole = store(&path);
    let mut count = 0;
    for bit in bits.take_while(|bit| *bit < whole[file].len() * 8) {
        count += 1;
        for (name, bytes) in FILES.iter().zip(&whole) {
            // Those that a repair may have changed or made.
            if fs::read(path.join(name)).ok().as_ref() != Some(bytes) {
                fs::write(path.join(name), bytes).unwrap();
            }
        }
        let mut bytes = whole[file].clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(path.join(FILES[file]), &bytes).unwrap();
        test(&path, bit, &format!("bit {} of byte {} of {}", bit % 8, bit / 8, FILES[file]));
    }
    say(&format!("{count} flips in {}", FILES[file]));
}

fn all() -> BTreeSet<u64> {
    (0..FRAMES).collect()
}

#[test]
fn in_the_data_they_cost_one_frame_at_most() {
    // Some hundred, at all places of records, headers and indexes; in full two or three of each byte, in turn.
    flip_each(0, (0..).step_by(length::pick(701, 3)), |dir, _, what| {
        let before = checked(dir, false);
        let (frames, is_told) = read(dir).unwrap();
        let missing = all().difference(&frames).count();
        assert!(missing <= 1, "{what}: {missing} frames are missing");
        let told = is_told || before.findings.iter().any(|finding| finding.what.contains("rotten"));
        assert!(missing == 0 || told, "{what}: a frame is missing, and nobody says so");
        let after = checked(dir, true);
        assert_eq!(after.count(Outcome::Mendable), 0, "{what}: {after:?}");
        let again = checked(dir, false);
        assert_eq!(again.count(Outcome::Mendable), 0, "{what}: {again:?} after {after:?}");
        assert_eq!(again.count(Outcome::Lasting), after.count(Outcome::Lasting), "{what}");
        let (mended, _) = read(dir).unwrap();
        assert!(mended.is_superset(&frames), "{what}: a repair costs nothing, {after:?}");
    });
}

#[test]
fn in_the_table_they_cost_nothing() {
    // In full, all.
    let (bits, stride) = length::pick(((0..64).chain((4096 - 32) * 8..), 11), ((0..0).chain(0..), 1));
    flip_each(1, bits.step_by(stride), |dir, _, what| {
        assert_eq!(read(dir).map(|(frames, _)| frames), Some(all()), "{what}");
        let is_found = !checked(dir, false).is_clean();
        assert!(!checked(dir, true).findings.is_empty() || !is_found, "{what}");
        assert!(checked(dir, false).is_clean(), "{what}");
        assert_eq!(read(dir), Some((all(), false)), "{what}");
    });
}

#[test]
fn in_the_description_they_cost_nothing_after_a_repair() {
    flip_each(2, (0..).step_by(length::pick(3, 1)), |dir, _, what| {
        // It may name other files now, or a store of another size.
        let before = read(dir);
        assert!(before.is_none_or(|(frames, _)| frames.is_subset(&all())), "{what}");
        let repair = CheckOptions { repair: true, ..CheckOptions::default() };
        let Ok(report) = check(dir, &repair) else { return };
        let after = read(dir);
        assert_eq!(after.map(|(frames, _)| frames), Some(all()), "{what}: {report:?}");
    });
}

#[test]
fn many_at_once_do_no_harm() {
    let mut random = fastrand::Rng::with_seed(9);
    flip_each(0, 0..length::pick(150, 10_000), |dir, _, what| {
        for name in FILES {
            let path = dir.join(name);
            let mut bytes = fs::read(&path).unwrap();
            for _ in 0..random.usize(0..30) {
                let at = random.usize(..bytes.len());
                bytes[at] ^= 1 << random.u32(..8);
            }
            fs::write(&path, bytes).unwrap();
        }
        read(dir);
        for repair in [false, true] {
            let _ = check(dir, &CheckOptions { repair, deep: random.bool(), ..CheckOptions::default() });
        }
        if let Some((frames, _)) = read(dir) {
            assert!(frames.is_subset(&all()), "{what}");
        }
    });
}
