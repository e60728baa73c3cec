//! A file system runs full, at any point of making a store and of writing it: what was put is written when there is room again.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod common;

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Camera, read_back, say, soon};
use valkka_store::{
    Geometry, Retention, Store, StoreError, StoreFiles, StoreOptions, Writer, WriterOptions, WriterState,
};
use valkka_testkit::process::command;
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{length, require, wait};

const SOON: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_millis(100);
const PAGE: u64 = 4096;

#[test]
fn what_runs_full_is_written_on() {
    let _watchdog = watchdog();
    for kind in KINDS {
        let mounted = Mounted::new(kind);
        require!(mounted.as_ref().map(|_| ()).map_err(Clone::clone));
        let mounted = mounted.unwrap();
        // What the recording takes, and a little more.
        let (geometry, frames) = (Geometry::new(1 << 15, 6).unwrap(), 120);
        let most = geometry.data_bytes() / PAGE + 4;
        let (mut points, mut failures) = (0, 0);
        for free in (0..most).step_by(length::pick(17, 1)) {
            // A file with holes: its room is not reserved.
            let dir = mounted.directory();
            let files = StoreFiles { data: dir.join("data"), table: dir.join("table") };
            File::create(&files.data).unwrap().set_len(geometry.data_bytes()).unwrap();
            let store = Store::open_files(&files, geometry, true).unwrap();
            let writer = Writer::open(store.clone(), options()).unwrap();
            let lane = writer.lane("front", Retention::default()).unwrap();
            let mut camera = Camera::new();
            assert!(lane.put(&camera.frame(1000)));
            writer.commit(soon()).unwrap();
            let filler = Filler::leave(&dir, free);
            for _ in 1..frames {
                assert!(lane.put(&camera.frame(1000)));
            }
            let reason = wait::until_some(SOON, "it fails or is done", || match writer.state() {
                WriterState::Failing { reason, .. } => Some(Some(reason)),
                // It may have failed meanwhile.
                WriterState::Writing => writer.commit(Instant::now() + MOMENT).is_ok().then_some(None),
            });
            if let Some(reason) = &reason {
                assert!(reason.contains("No space left on device"), "{kind}, {free} pages: {reason}");
                failures += 1;
            }
            drop(filler);
            writer.commit(soon()).unwrap();
            assert_eq!(writer.state(), WriterState::Writing, "{kind}, {free} pages");
            drop((lane, writer));
            let (streams, damage) = read_back(&store);
            assert_eq!(streams[&1].frames, (0..frames).collect::<Vec<_>>(), "{kind}, {free} pages");
            assert_eq!((&streams[&1].gaps[..], damage), (&[][..], vec![]), "{kind}, {free} pages");
            points += 1;
            fs::remove_dir_all(dir).unwrap();
        }
        say(&format!("{kind}: full at {points} points, of which {failures} had the writer wait"));
        assert!(failures > 0, "{kind}");
    }
}

#[test]
fn where_room_is_reserved_a_full_file_system_is_no_matter() {
    let _watchdog = watchdog();
    for kind in KINDS {
        let mounted = Mounted::new(kind);
        require!(mounted.as_ref().map(|_| ()).map_err(Clone::clone));
        let mounted = mounted.unwrap();
        let path = mounted.directory().join("store");
        let store = Store::create(&path, &reserved()).unwrap();
        let filler = Filler::leave(mounted.0.path(), 0);
        let writer = Writer::open(store, options()).unwrap();
        let lane = writer.lane("front", Retention::default()).unwrap();
        let mut camera = Camera::new();
        for _ in 0..200 {
            assert!(lane.put(&camera.frame(1000)));
        }
        writer.commit(soon()).unwrap();
        assert_eq!(writer.state(), WriterState::Writing, "{kind}");
        let is_written = || fs::read_to_string(path.join("valkkafs.json")).unwrap().contains("front");
        assert!(!is_written(), "{kind}: there was no room for the name");
        assert_eq!(Store::open(&path).unwrap().stream("front"), lane.id(), "the blocks have it");
        drop(filler);
        // Some file systems take their time to have it.
        wait::until(SOON, "the name is written", || {
            writer.commit(soon()).unwrap();
            is_written()
        });
        drop((lane, writer));
        let (streams, damage) = read_back(&Store::open(&path).unwrap());
        assert_eq!((&streams[&1].frames, damage), (&(0..200).collect(), vec![]), "{kind}");
    }
}

#[test]
fn a_store_that_has_no_room_is_refused_and_made_later() {
    let _watchdog = watchdog();
    for kind in KINDS {
        let mounted = Mounted::new(kind);
        require!(mounted.as_ref().map(|_| ()).map_err(Clone::clone));
        let mounted = mounted.unwrap();
        let most = reserved().geometry.data_bytes() / PAGE + 40;
        let (mut points, mut refused) = (0, 0);
        for free in (0..most).step_by(length::pick(41, 1)) {
            let dir = mounted.directory();
            let (path, filler) = (dir.join("store"), Filler::leave(&dir, free));
            let made = Store::create(&path, &reserved());
            drop(filler);
            if let Err(error) = made {
                let is_full = match &error {
                    StoreError::NoSpace { .. } => true,
                    // The file system needs more than it had said.
                    StoreError::Io { source, .. } => source.kind() == ErrorKind::StorageFull,
                    _ => false,
                };
                assert!(is_full, "{kind}, {free} pages: {error:?}");
                refused += 1;
                // Some file systems take their time to have it.
                wait::until(SOON, "there is room again", || Store::create(&path, &reserved()).is_ok());
            }
            assert_eq!(Store::open(&path).unwrap().geometry(), reserved().geometry, "{kind}, {free} pages");
            points += 1;
            fs::remove_dir_all(dir).unwrap();
        }
        say(&format!("{kind}: {refused} of {points} stores had no room"));
        assert!(refused > 0 && refused < points, "{kind}: {refused} of {points}");
    }
}

fn watchdog() -> Watchdog {
    Watchdog::start(Duration::from_secs(length::pick(300, 7200)))
}

fn options() -> WriterOptions {
    WriterOptions { commit_interval: Duration::from_millis(20), ..WriterOptions::default() }
}

fn reserved() -> StoreOptions {
    StoreOptions::new(Geometry::new(1 << 16, 16).unwrap())
}

/// The kinds of file systems that are tried: one that never was on a disk, and the one that most disks have, which finds out
/// late that it is full.
const KINDS: [&str; 2] = ["tmpfs", "ext4"];

/// A file system of few bytes, unmounted when this is dropped.
struct Mounted(Arc<TempDir>);

impl Mounted {
    fn new(kind: &str) -> Result<Self, String> {
        let dir = TempDir::new().map_err(|error| error.to_string())?;
        if kind == "tmpfs" {
            run("mount", &["-t", "tmpfs", "-o", "size=2m", "tmpfs"], dir.path())?;
        } else {
            let image = dir.join("image");
            let made = File::create(&image).and_then(|file| file.set_len(8 << 20));
            made.map_err(|error| error.to_string())?;
            run("mkfs.ext4", &["-q", "-m", "0", "-b", "4096"], &image)?;
            let image = image.to_str().ok_or("a temporary directory has a name of words")?;
            run("mount", &["-o", "loop", image], dir.path())?;
        }
        Ok(Self(Arc::new(dir)))
    }

    /// A new directory in it.
    fn directory(&self) -> PathBuf {
        let dir = self.0.join("directory");
        fs::create_dir(&dir).unwrap();
        dir
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // What is still in use goes when it is not.
        let _ = run("umount", &["-l"], self.0.path());
    }
}

fn run(program: &str, arguments: &[&str], path: &Path) -> Result<(), String> {
    let mut command = command(program).map_err(|error| error.to_string())?;
    let output = command.args(arguments).arg(path).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("{program} {}: {said}", path.display()))
}

/// What takes the room, until this is dropped.
struct Filler(PathBuf);

impl Filler {
    /// Fills the file system but for `free` pages.
    fn leave(dir: &Path, free: u64) -> Self {
        let path = dir.join("filler");
        let mut file = File::create(&path).unwrap();
        // What is left is smaller and smaller.
        let (mut length, mut chunk) = (0, 64 * PAGE);
        while chunk >= PAGE {
            match file.write(&vec![1; chunk as usize]) {
                Ok(count) => length += count as u64,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::StorageFull);
                    chunk /= 2;
                }
            }
        }
        file.set_len(length.saturating_sub(free * PAGE)).unwrap();
        file.sync_all().unwrap();
        Self(path)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
        // Only then does ext4 have the room again.
        File::open(self.0.parent().unwrap()).unwrap().sync_all().unwrap();
    }
}
