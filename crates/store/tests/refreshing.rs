//! A store that is read again while a writer begins.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod common;

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use common::{Camera, soon};
use valkka_store::format::BlockState;
use valkka_store::medium::{FileMedium, Medium};
use valkka_store::{Geometry, Retention, Store, StoreFiles, Writer, WriterOptions};
use valkka_testkit::temp::TempDir;
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;

const SOON: Duration = Duration::from_secs(60);

#[test]
fn what_is_written_is_not_replaced_by_what_was_read_before() {
    let _watchdog = Watchdog::start(SOON * 2);
    let dir = TempDir::new().unwrap();
    let files = StoreFiles { data: dir.join("data"), table: dir.join("table") };
    let geometry = Geometry::new(1 << 14, 8).unwrap();
    drop(Store::open_files(&files, geometry, true).unwrap());
    let table = Arc::new(Slow::new(FileMedium::open(&files.table).unwrap()));
    let data = Arc::new(FileMedium::open(&files.data).unwrap());
    let store = Store::from_media(data, table.clone(), geometry, false).unwrap();
    table.is_slow.store(true, Ordering::SeqCst);
    thread::scope(|scope| {
        let refresh = scope.spawn(|| store.refresh().unwrap());
        wait::until(SOON, "the table was read", || *table.has_read.lock().unwrap());
        let writer = Writer::open(store.clone(), WriterOptions::default()).unwrap();
        let lane = writer.lane("front", Retention::default()).unwrap();
        assert!(lane.put(&Camera::new().frame(1000)));
        writer.commit(soon()).unwrap();
        table.go_on();
        refresh.join().unwrap();
        assert_eq!(store.rows().iter().filter(|row| row.state == BlockState::Open).count(), 1);
        drop((lane, writer));
    });
}

/// A table that answers late once: when it is told to go on, or after a second, for a writer that waits for whoever reads.
#[derive(Debug)]
struct Slow {
    inner: FileMedium,
    is_slow: AtomicBool,
    has_read: Mutex<bool>,
    may_go_on: Mutex<bool>,
    changed: Condvar,
}

impl Slow {
    fn new(inner: FileMedium) -> Self {
        let (is_slow, changed) = (AtomicBool::new(false), Condvar::new());
        Self { inner, is_slow, has_read: Mutex::default(), may_go_on: Mutex::default(), changed }
    }

    fn go_on(&self) {
        *self.may_go_on.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

impl Medium for Slow {
    fn place(&self) -> &Path {
        self.inner.place()
    }

    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn read_at(&self, offset: u64, data: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read_at(offset, data)?;
        if self.is_slow.swap(false, Ordering::SeqCst) {
            *self.has_read.lock().unwrap() = true;
            let may_go_on = self.may_go_on.lock().unwrap();
            let wait = Duration::from_secs(1);
            drop(self.changed.wait_timeout_while(may_go_on, wait, |may_go_on| !*may_go_on).unwrap());
        }
        Ok(count)
    }

    fn write_at(&self, offset: u64, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.inner.write_at(offset, slices)
    }

    fn sync(&self) -> io::Result<()> {
        self.inner.sync()
    }
}
