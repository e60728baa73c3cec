//! Another process records, and a cursor follows it.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod common;

use std::env;
use std::fs;
use std::path::Path;
use std::time::Duration;

use common::{Camera, number_of, soon};
use valkka_store::{Cursor, Entry, Geometry, Retention, Store, StoreOptions, Writer, WriterOptions};
use valkka_testkit::process::{Child, command};
use valkka_testkit::temp::TempDir;
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;

const SOON: Duration = Duration::from_secs(60);
const FRAMES: u64 = 1200;
const ROLE: &str = "VALKKA_TEST_ROLE";
/// The recorder does not go on beyond the first frames before there is such a file.
const GO_ON: &str = "go-on";

/// What a cursor has read.
#[derive(Debug, Default)]
struct Read {
    frames: Vec<u64>,
    /// The frames before which a gap stood.
    gaps: Vec<(u64, String)>,
    pending: Option<String>,
}

impl Read {
    /// Reads all that is there so far. Returns whether the last frame was among it.
    fn on(&mut self, cursor: &mut Cursor) -> bool {
        while let Some(entry) = cursor.next().unwrap() {
            match entry {
                Entry::Frame(frame) => {
                    let number = number_of(&frame);
                    self.gaps.extend(self.pending.take().map(|reason| (number, reason)));
                    self.frames.push(number);
                }
                Entry::Gap(gap) => self.pending = Some(gap.reason),
                Entry::Damage(damage) => panic!("{damage} after {:?}", self.frames.last()),
            }
        }
        self.frames.last() == Some(&(FRAMES - 1))
    }
}

/// Follows a recorder into a ring of so many blocks, from its beginning to its end. With `is_overtaken`, the first frames
/// are read, and then nothing until they were overwritten.
fn follow(block_bytes: u64, blocks: u64, is_overtaken: bool) -> Read {
    let dir = TempDir::new().unwrap();
    let path = dir.join("store");
    let options = StoreOptions::new(Geometry::new(block_bytes, blocks).unwrap());
    drop(Store::create(&path, &options).unwrap());
    let mut child = spawn(&path);
    let store = Store::open(&path).unwrap();
    let id = wait::until_some(SOON, "the stream is named", || {
        store.refresh().unwrap();
        store.stream("camera 1")
    });
    let mut cursor = store.cursor(id);
    let mut read = Read::default();
    if is_overtaken {
        wait::until(SOON, "the first frames", || {
            read.on(&mut cursor);
            !read.frames.is_empty()
        });
    }
    fs::write(path.join(GO_ON), "").unwrap();
    if is_overtaken {
        let newest = || store.rows().iter().map(|row| row.sequence).max().unwrap();
        let first = newest();
        wait::until(SOON, "the ring is overwritten", || {
            store.refresh().unwrap();
            newest() > first + 2 * blocks
        });
    }
    wait::until(SOON * 2, "the last frame", || read.on(&mut cursor));
    assert!(child.wait(SOON).unwrap().success(), "{}", child.output());
    read
}

#[test]
fn nothing_is_missed_and_nothing_comes_twice() {
    let _watchdog = Watchdog::start(SOON * 4);
    let read = follow(1 << 14, 400, false);
    let missed: Vec<u64> = (0..FRAMES).filter(|frame| !read.frames.contains(frame)).collect();
    assert_eq!((missed, read.frames.len()), (vec![], FRAMES as usize));
    assert!(read.frames.is_sorted());
    assert_eq!(read.gaps, []);
}

#[test]
fn whoever_is_overtaken_is_told() {
    let _watchdog = Watchdog::start(SOON * 4);
    let read = follow(4096, 8, true);
    assert!(!read.gaps.is_empty(), "{:?}", read.frames);
    for pair in read.frames.windows(2).filter(|pair| pair[1] != pair[0] + 1) {
        assert!(pair[1] > pair[0], "{pair:?}");
        let reason = read.gaps.iter().find(|(frame, _)| *frame == pair[1]).map(|(_, reason)| reason.as_str());
        assert_eq!(reason, Some("overwritten by newer recordings"), "{pair:?}");
    }
}

fn spawn(path: &Path) -> Child {
    let program = env::current_exe().unwrap();
    let mut command = command(program.to_str().unwrap()).unwrap();
    command.args(["recorder", "--exact", "--ignored", "--nocapture"]);
    command.env(ROLE, path);
    Child::spawn(command).unwrap()
}

#[test]
#[ignore = "a process that another test starts"]
fn recorder() {
    let Some(path) = env::var_os(ROLE) else { return };
    let options = WriterOptions { commit_interval: Duration::from_millis(10), ..WriterOptions::default() };
    let writer = Writer::open(Store::open(Path::new(&path)).unwrap(), options).unwrap();
    let lanes =
        [0, 1, 2].map(|number| writer.lane(&format!("camera {number}"), Retention::default()).unwrap());
    let mut cameras = [0; 3].map(|_| Camera::new());
    for round in 0..FRAMES / 10 {
        if round == 1 {
            wait::until(SOON, "it may go on", || Path::new(&path).join(GO_ON).exists());
        }
        for _ in 0..10 {
            for (lane, camera) in lanes.iter().zip(&mut cameras) {
                assert!(lane.put(&camera.frame(300)));
            }
        }
        writer.commit(soon()).unwrap();
    }
}
