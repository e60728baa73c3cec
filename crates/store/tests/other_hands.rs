//! While the disk fails, somebody else takes the store, e.g. to mend it: what is recorded later is found all the same.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod common;

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind, IoSlice};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Camera, read_back, soon};
use valkka_store::medium::{FileMedium, Medium};
use valkka_store::{
    CheckOptions, Geometry, Outcome, Retention, Store, StoreError, StoreOptions, Writer, WriterOptions,
    WriterState, check,
};
use valkka_testkit::temp::TempDir;
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;

const SOON: Duration = Duration::from_secs(60);

/// What somebody does with the store while it is given away.
type Meanwhile = Box<dyn FnOnce() + Send>;

/// A file that is gone for as long as nobody has done anything with it.
struct GivenAway {
    inner: FileMedium,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    is_gone: bool,
    /// What happens when it is opened anew, one after the other.
    meanwhile: Vec<Meanwhile>,
}

impl Medium for GivenAway {
    fn place(&self) -> &Path {
        self.inner.place()
    }

    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn read_at(&self, offset: u64, data: &mut [u8]) -> io::Result<usize> {
        self.inner.read_at(offset, data)
    }

    fn write_at(&self, offset: u64, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.inner.write_at(offset, slices)
    }

    fn sync(&self) -> io::Result<()> {
        self.inner.sync()
    }

    fn lock(&self) -> io::Result<bool> {
        self.inner.lock()
    }

    fn unlock(&self) {
        self.inner.unlock();
    }

    fn check(&self) -> io::Result<()> {
        if self.state.lock().unwrap().is_gone { Err(ErrorKind::NotFound.into()) } else { Ok(()) }
    }

    fn reopen(&self) -> io::Result<bool> {
        let mut state = self.state.lock().unwrap();
        if state.is_gone && state.meanwhile.is_empty() {
            return Err(ErrorKind::NotFound.into());
        }
        let is_replaced = self.inner.reopen()?;
        if state.is_gone {
            let meanwhile = state.meanwhile.remove(0);
            meanwhile();
            state.is_gone = !state.meanwhile.is_empty();
        }
        Ok(is_replaced)
    }
}

impl fmt::Debug for GivenAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GivenAway({})", self.place().display())
    }
}

/// Records 20 frames, has `meanwhile` happen in turn, records 20 more, and returns what is found after a crash, and how many
/// frames are said to be lost.
fn recorded(dir: &TempDir, meanwhile: Vec<Meanwhile>) -> (Vec<u64>, u64) {
    let path = dir.join("store");
    let geometry = Geometry::new(1 << 16, 8).unwrap();
    drop(Store::create(&path, &StoreOptions::new(geometry)).unwrap());
    let state = Arc::<Mutex<State>>::default();
    let data = Arc::new(FileMedium::open(&path.join("dumpfile")).unwrap());
    let table = FileMedium::open(&path.join("blockfile")).unwrap();
    let table = Arc::new(GivenAway { inner: table, state: state.clone() });
    let store = Store::from_media(data, table, geometry, false).unwrap();
    let options = WriterOptions { commit_interval: Duration::from_millis(20), ..WriterOptions::default() };
    let writer = Writer::open(store, options).unwrap();
    let lane = writer.lane("front", Retention::default()).unwrap();
    let mut camera = Camera::new();
    for _ in 0..20 {
        assert!(lane.put(&camera.frame(1000)));
    }
    writer.commit(soon()).unwrap();
    state.lock().unwrap().is_gone = true;
    // What is put now is lost, if somebody else writes meanwhile.
    assert!(lane.put(&camera.frame(1000)));
    wait::until(SOON, "it fails", || writer.state() != WriterState::Writing);
    state.lock().unwrap().meanwhile = meanwhile;
    wait::until(SOON, "it recovers", || writer.state() == WriterState::Writing);
    camera.skip_to(30);
    for _ in 0..20 {
        assert!(lane.put(&camera.frame(1000)));
    }
    let lost = match writer.commit(soon()) {
        Err(StoreError::Lost { frames, .. }) => frames,
        other => {
            other.unwrap();
            0
        }
    };
    // As a crash leaves it.
    let left = dir.join("left");
    fs::create_dir(&left).unwrap();
    for name in ["valkkafs.json", "dumpfile", "blockfile"] {
        fs::copy(path.join(name), left.join(name)).unwrap();
    }
    drop((lane, writer));
    let frames = |path: &Path| {
        let store = Store::open(path).unwrap();
        drop(Writer::open(store.clone(), WriterOptions::default()).unwrap());
        let (streams, damage) = read_back(&store);
        assert_eq!(damage, []);
        streams[&1].frames.clone()
    };
    let found = frames(&left);
    assert_eq!(found, frames(&path), "a crash takes nothing");
    let report = check(&left, &CheckOptions { deep: true, ..CheckOptions::default() }).unwrap();
    assert_eq!(report.count(Outcome::Lasting), 0);
    (found, lost)
}

fn repair(path: &Path) {
    let report = check(path, &CheckOptions { repair: true, ..CheckOptions::default() }).unwrap();
    assert!(!report.is_clean(), "it looks cut off");
}

fn expected() -> Vec<u64> {
    (0..20).chain(30..50).collect()
}

#[test]
fn what_was_mended_meanwhile_is_not_written_on() {
    let _watchdog = Watchdog::start(SOON * 4);
    let dir = TempDir::new().unwrap();
    let path = dir.join("store");
    assert_eq!(recorded(&dir, vec![Box::new(move || repair(&path))]), (expected(), 1));
}

#[test]
fn nothing_is_known_of_a_store_that_somebody_else_had() {
    let _watchdog = Watchdog::start(SOON * 4);
    let dir = TempDir::new().unwrap();
    let table = dir.join("store/blockfile");
    let held = Arc::new(Mutex::new(None));
    let given = held.clone();
    let take = move || {
        let medium = FileMedium::open(&table).unwrap();
        assert!(medium.lock().unwrap());
        *held.lock().unwrap() = Some(medium);
    };
    let give_back = move || drop(given.lock().unwrap().take());
    assert_eq!(recorded(&dir, vec![Box::new(take), Box::new(give_back)]), (expected(), 1));
}

#[test]
fn what_nobody_touched_is_written_on() {
    let _watchdog = Watchdog::start(SOON * 4);
    let dir = TempDir::new().unwrap();
    let mut all = expected();
    all.insert(20, 20);
    assert_eq!(recorded(&dir, vec![Box::new(|| ())]), (all, 0));
}
