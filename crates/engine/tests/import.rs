//! Media files become parts of recordings.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use valkka::av::FileReader;
use valkka::export::{ExportOptions, export};
use valkka::import::{Import, ImportError, ImportReport};
use valkka::store::{Geometry, Retention, Store, StoreOptions, Writer, WriterOptions};
use valkka::time::WallTime;
use valkka_testkit::media::{self, Clip};
use valkka_testkit::require;
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;

const LIMIT: Duration = Duration::from_secs(240);

const START: WallTime = WallTime::from_micros(1_795_435_200_000_000);

fn writer(directory: &TempDir) -> (Arc<Store>, Writer) {
    writer_of(directory, 1 << 20)
}

fn writer_of(directory: &TempDir, block_bytes: u64) -> (Arc<Store>, Writer) {
    let options = StoreOptions::new(Geometry::new(block_bytes, 32).unwrap());
    let store = Store::create(&directory.join("store"), &options).unwrap();
    (store.clone(), Writer::open(store, WriterOptions::default()).unwrap())
}

fn import(
    writer: &Writer,
    name: &str,
    file: &Path,
    start: Option<WallTime>,
) -> Result<ImportReport, ImportError> {
    let import = Import::open(file, start)?;
    import.run(writer, name, Retention::default(), &mut |_| ControlFlow::Continue(()))
}

#[test]
fn a_file_has_the_time_that_it_is_given_or_tells() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let (store, writer) = writer(&directory);
    let clip = Clip::default().file().unwrap();
    let report = import(&writer, "front", &clip, Some(START)).unwrap();
    assert_eq!((report.from, report.packets, report.stopped), (START, 100, false));
    assert_eq!(report.to, START + Duration::from_millis(3960));
    // What is exported tells when it was recorded.
    let file = directory.join("part.mkv");
    let range = START + Duration::from_millis(2500)..START + Duration::from_secs(9);
    let id = store.stream("front").unwrap();
    let options = ExportOptions::default();
    export(&mut store.cursor(id), range, &file, &options, &mut |_| ControlFlow::Continue(())).unwrap();
    let report = import(&writer, "again", &file, None).unwrap();
    assert_eq!((report.from, report.packets), (START + Duration::from_secs(2), 50));
    // What does not tell ended when it was modified.
    let report = import(&writer, "now", &clip, None).unwrap();
    let modified =
        clip.metadata().unwrap().modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    let length = FileReader::open(&clip).unwrap().duration().unwrap();
    assert_eq!(report.from, WallTime::from_micros(0) + modified - length);
}

#[test]
fn times_do_not_exist_twice() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let (store, writer) = writer(&directory);
    let clip = Clip::default().file().unwrap();
    import(&writer, "front", &clip, Some(START)).unwrap();
    for seconds in [-2, 0, 2] {
        let start = START.offset_micros(seconds * 1_000_000);
        let error = import(&writer, "front", &clip, Some(start)).unwrap_err();
        assert!(matches!(&error, ImportError::Overlap { name, .. } if name == "front"), "{error}");
    }
    import(&writer, "front", &clip, Some(START + Duration::from_secs(60))).unwrap();
    let id = store.stream("front").unwrap();
    let stretches = store.stretches(id, START..START + Duration::from_secs(3600)).unwrap();
    let reasons: Vec<_> =
        stretches.iter().map(|stretch| stretch.gap_before.as_ref().map(|gap| gap.reason.as_str())).collect();
    assert_eq!(reasons.len(), 2);
    assert!(reasons[1].unwrap().contains("nothing was imported"), "{reasons:?}");
}

#[test]
fn what_no_block_has_room_for_is_no_success() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let clip = Clip::default().file().unwrap();
    let mut reader = FileReader::open(&clip).unwrap();
    let first = reader.read().unwrap().unwrap().packet().unwrap().payload.len();
    assert!(first > 4096, "a key frame of {first} bytes");
    // The queue has room for it, and the frames after it would fit.
    let (store, writer) = writer_of(&directory, 4096);
    let error = import(&writer, "front", &clip, Some(START)).unwrap_err();
    assert!(matches!(error, ImportError::NotTaken { bytes, .. } if bytes == first), "{error}");
    assert_eq!(store.streams().iter().filter(|stream| stream.last.is_some()).count(), 0);
}

#[test]
fn it_can_be_stopped() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let (_store, writer) = writer(&directory);
    let clip = Clip::default().file().unwrap();
    let mut groups = 0;
    let report =
        Import::open(&clip, Some(START)).unwrap().run(&writer, "front", Retention::default(), &mut |_| {
            groups += 1;
            if groups > 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    let report = report.unwrap();
    assert_eq!((report.packets, report.stopped), (50, true));
}
