//! A store on a partition or disk: what is in use or holds something is not taken, and what was lost is found again.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{Camera, read_back, soon};
use valkka_store::{
    CheckOptions, Geometry, Outcome, Retention, Store, StoreError, StoreOptions, Writer, WriterOptions, check,
};
use valkka_testkit::process::command;
use valkka_testkit::require;
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;

const SIZE: u64 = 4 << 20;

fn geometry() -> Geometry {
    Geometry::new(1 << 16, SIZE >> 16).unwrap()
}

/// Makes a store on `device`, records into it, and reads that back.
fn use_store(dir: &Path, options: &StoreOptions) {
    let store = Store::create(dir, options).unwrap();
    let writer = Writer::open(store, WriterOptions::default()).unwrap();
    let lane = writer.lane("front", Retention::default()).unwrap();
    let mut camera = Camera::new();
    for _ in 0..30 {
        assert!(lane.put(&camera.frame(1000)));
    }
    writer.commit(soon()).unwrap();
    drop((lane, writer));
    check_frames(dir);
}

fn check_frames(dir: &Path) {
    let (streams, damage) = read_back(&Store::open(dir).unwrap());
    assert_eq!((&streams[&1].frames, damage), (&(0..30).collect(), vec![]));
}

/// A plain file in the place of a device.
fn blank(dir: &TempDir) -> PathBuf {
    let path = dir.join("device");
    File::create(&path).unwrap().set_len(SIZE).unwrap();
    path
}

fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let mut command = command(program).map_err(|error| error.to_string())?;
    let output = command.args(arguments).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

#[test]
fn what_holds_something_is_taken_only_if_that_is_asked_for() {
    let _watchdog = Watchdog::start(Duration::from_secs(300));
    let dir = TempDir::new().unwrap();
    let device = blank(&dir);
    let options = StoreOptions::on_device(geometry(), &device);
    for (offset, bytes, words) in [
        (0x438, &[0x53, 0xef][..], "ext4"),
        (0x1_0040, b"_BHRfS_M", "Btrfs"),
        (0, b"LUKS\xba\xbe", "LUKS"),
        (0x1fe, &[0x55, 0xaa], "partitions"),
    ] {
        let before = fs::read(&device).unwrap();
        File::options().write(true).open(&device).unwrap().write_all_at(bytes, offset).unwrap();
        let error = Store::create(&dir.join("store"), &options).unwrap_err().to_string();
        assert!(error.contains("device holds ") && error.contains(words), "{error}");
        fs::write(&device, before).unwrap();
    }
    use_store(&dir.join("store"), &options);
    // Another store on the same device.
    let error = Store::create(&dir.join("other"), &options).unwrap_err();
    assert!(matches!(error, StoreError::Occupied { found: "recordings", .. }), "{error:?}");
    check_frames(&dir.join("store"));
    let overwrite = StoreOptions { overwrite_device: true, ..options };
    use_store(&dir.join("other"), &overwrite);
    let larger = StoreOptions { geometry: Geometry::new(1 << 16, (SIZE >> 16) + 1).unwrap(), ..overwrite };
    let error = Store::create(&dir.join("third"), &larger).unwrap_err();
    assert!(matches!(error, StoreError::Size { found: SIZE, .. }), "{error:?}");
}

#[test]
fn nothing_of_a_file_system_is_left() {
    let _watchdog = Watchdog::start(Duration::from_secs(300));
    let dir = TempDir::new().unwrap();
    let device = blank(&dir);
    require!(run("mkfs.ext4", &["-q", "-F", device.to_str().unwrap()]).map(drop));
    let options = StoreOptions::on_device(geometry(), &device);
    assert!(matches!(Store::create(&dir.join("store"), &options), Err(StoreError::Occupied { .. })));
    Store::create(&dir.join("store"), &StoreOptions { overwrite_device: true, ..options.clone() }).unwrap();
    // As if it were for another store.
    drop(Store::create(&dir.join("other"), &options).unwrap());
}

#[test]
fn a_description_that_was_lost_is_made_again_for_the_device() {
    let _watchdog = Watchdog::start(Duration::from_secs(300));
    let dir = TempDir::new().unwrap();
    let (device, store) = (blank(&dir), dir.join("store"));
    use_store(&store, &StoreOptions::on_device(geometry(), &device));
    fs::remove_file(store.join("valkkafs.json")).unwrap();
    let repair = CheckOptions { repair: true, ..CheckOptions::default() };
    assert!(matches!(check(&store, &repair), Err(StoreError::NoStore(_))));
    let report = check(&store, &CheckOptions { device: Some(device), ..repair }).unwrap();
    assert_eq!(report.count(Outcome::Mended), report.findings.len(), "{report:?}");
    check_frames(&store);
    assert!(check(&store, &CheckOptions::default()).unwrap().is_clean());
}

#[test]
fn what_is_mounted_is_never_taken() {
    let _watchdog = Watchdog::start(Duration::from_secs(300));
    let dir = TempDir::new().unwrap();
    let file = blank(&dir);
    require!(run("mkfs.ext4", &["-q", "-F", file.to_str().unwrap()]).map(drop));
    let attached = Loop::attach(&file);
    require!(attached.as_ref().map(drop).map_err(Clone::clone));
    let attached = attached.unwrap();
    // The system may give the name to another disk.
    let options = StoreOptions::on_device(geometry(), &attached.0);
    let error = Store::create(&dir.join("store"), &options).unwrap_err();
    assert!(matches!(error, StoreError::UnsteadyName(_)), "{error:?}");
    let named = dir.join("by-name");
    symlink(&attached.0, &named).unwrap();
    let options = StoreOptions { overwrite_device: true, ..StoreOptions::on_device(geometry(), &named) };
    let mount = dir.join("mount");
    fs::create_dir(&mount).unwrap();
    let mount = mount.to_str().unwrap();
    require!(run("mount", &[&attached.0, mount]).map(drop));
    let error = Store::create(&dir.join("store"), &options).unwrap_err();
    run("umount", &[mount]).unwrap();
    assert!(matches!(error, StoreError::InUse(_)), "{error:?}");
    use_store(&dir.join("store"), &options);
}

/// A file as a block device, as long as this is there.
struct Loop(String);

impl Loop {
    fn attach(file: &Path) -> Result<Self, String> {
        run("losetup", &["--find", "--show", &file.display().to_string()]).map(Self)
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = run("losetup", &["--detach", &self.0]);
    }
}
