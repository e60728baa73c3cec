//! A recorder of 16 streams is killed at random moments, again and again.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod common;

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{Camera, read_back, say, soon};
use valkka_store::format::BlockState;
use valkka_store::{Geometry, Retention, Store, StoreOptions, Writer, WriterOptions};
use valkka_testkit::length;
use valkka_testkit::process::{Child, command};
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;

const SOON: Duration = Duration::from_secs(60);
const STREAMS: u64 = 16;
/// The frames of each recorder are counted from a multiple of it.
const STRIDE: u64 = 1_000_000;
/// How many frames of each stream a recorder records at most.
const MOST: u64 = 600;
const ROLE: &str = "VALKKA_TEST_ROLE";

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let rounds = length::pick(8, 200);
    let _watchdog = Watchdog::start(SOON * 5 + Duration::from_secs(20 * rounds));
    let dir = TempDir::new().unwrap();
    let path = dir.join("store");
    drop(Store::create(&path, &StoreOptions::new(Geometry::new(1 << 16, 300).unwrap())).unwrap());
    let mut random = fastrand::Rng::with_seed(rounds);
    for round in 1..=rounds {
        let mut child = spawn(&path, round * STRIDE);
        let wanted = round * STRIDE + random.u64(1..60);
        child.wait_line(SOON, |line| acknowledged(line).filter(|&frames| frames >= wanted)).unwrap();
        // In the middle of a cycle, or between two.
        std::thread::sleep(Duration::from_micros(random.u64(0..30_000)));
        child.kill().unwrap();
        let last = child.output().lines().filter_map(acknowledged).max().unwrap();
        let store = Store::open(&path).unwrap();
        check(&store, round, last, &format!("round {round}, read only"));
        // A new writer completes the blocks.
        let writer = Writer::open(store.clone(), WriterOptions::default()).unwrap();
        assert!(store.rows().iter().all(|row| row.state != BlockState::Open));
        check(&store, round, last, &format!("round {round}, completed"));
        drop(writer);
    }
}

/// All that was acknowledged is there, of this recorder and of the one before.
fn check(store: &Store, round: u64, acknowledged: u64, what: &str) {
    let (streams, damage) = read_back(store);
    assert_eq!(damage, [], "{what}");
    assert_eq!(streams.len() as u64, STREAMS, "{what}");
    for (id, stream) in &streams {
        let start = round * STRIDE;
        let found: Vec<u64> = stream.frames.iter().copied().filter(|&frame| frame >= start).collect();
        assert!(found.len() as u64 >= acknowledged - start, "{what}: stream {id}, {acknowledged}: {found:?}");
        assert_eq!(found, (start..start + found.len() as u64).collect::<Vec<_>>(), "{what}: stream {id}");
        let earlier: Vec<u64> =
            stream.frames.iter().copied().filter(|&frame| frame < start && frame >= start - STRIDE).collect();
        assert!(earlier.is_empty() == (round == 1), "{what}: stream {id}");
        let steps = stream.frames.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
        let restarts = stream.gaps.iter().filter(|gap| gap.reason == "the recorder was not running").count();
        assert!(restarts >= steps, "{what}: stream {id}, {restarts} gaps for {steps} restarts");
    }
}

fn acknowledged(line: &str) -> Option<u64> {
    line.strip_prefix("acknowledged ")?.parse().ok()
}

fn spawn(path: &Path, first: u64) -> Child {
    let program = env::current_exe().unwrap();
    let mut command = command(program.to_str().unwrap()).unwrap();
    command.args(["recorder", "--exact", "--ignored", "--nocapture"]);
    command.env(ROLE, format!("{first} {}", path.display()));
    Child::spawn(command).unwrap()
}

#[test]
#[ignore = "a process that another test starts"]
fn recorder() {
    let Ok(task) = env::var(ROLE) else { return };
    let (first, path) = task.split_once(' ').unwrap();
    let options = WriterOptions { commit_interval: Duration::from_millis(10), ..WriterOptions::default() };
    let store = Store::open(&PathBuf::from(path)).unwrap();
    let writer = Writer::open(store, options).unwrap();
    let lanes: Vec<_> = (0..STREAMS)
        .map(|number| writer.lane(&format!("camera {number}"), Retention::default()).unwrap())
        .collect();
    let mut cameras: Vec<_> = lanes.iter().map(|_| Camera::new()).collect();
    let first: u64 = first.parse().unwrap();
    cameras.iter_mut().for_each(|camera| camera.skip_to(first));
    loop {
        for (lane, camera) in lanes.iter().zip(&mut cameras) {
            assert!(lane.put(&camera.frame(700)));
        }
        let frames = cameras[0].next_number();
        // Most frames are written by cycles that nobody asks for.
        if frames.is_multiple_of(5) {
            writer.commit(soon()).unwrap();
            say(&format!("acknowledged {frames}"));
        }
        // The ring has room for this recorder and the one before, also if nobody kills it for a while.
        if frames - first == MOST {
            io::copy(&mut io::stdin(), &mut io::sink()).unwrap();
            return;
        }
    }
}
