//! Pictures of recordings as JPEG files.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[path = "common/footage.rs"]
mod footage;

use std::thread;
use std::time::Duration;

use footage::{Footage, LIMIT, START, at, since_start};
use valkka::playback::{Entry, FilePackets, PacketSource, PlaybackError, Precision, StillError, Stills};
use valkka::time::WallTime;
use valkka_testkit::media::bars::{self, Area};
use valkka_testkit::media::{self, Clip, Scene};
use valkka_testkit::picture::Picture;
use valkka_testkit::require;
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;

const SOON: Duration = Duration::from_secs(60);

fn bars() -> Clip {
    Clip { scene: Scene::BarsHd, width: 1280, height: 720, seconds: 2, ..Clip::default() }
}

#[test]
fn a_still_shows_what_was_recorded_at_any_size() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let file = bars().file().unwrap();
    let stills = Stills::new(1);
    let directory = TempDir::new().unwrap();
    let path = directory.join("still.jpg");
    for (width, size) in [(None, (1280, 720)), (Some(320), (320, 180)), (Some(5000), (1280, 720))] {
        let source = Box::new(FilePackets::open(&file, START).unwrap());
        let still = stills.jpeg(source, at(1150), Precision::Exact, width, SOON).unwrap();
        assert_eq!((still.width, still.height), size);
        assert_eq!((since_start(still.from), since_start(still.to)), (1120.0, 1160.0));
        std::fs::write(&path, &still.data).unwrap();
        let picture = Picture::from_ffmpeg(&[], path.to_str().unwrap()).unwrap();
        assert_eq!((picture.width(), picture.height()), size);
        bars::check(&picture, Area::whole(&picture).middle(), 12).unwrap();
    }
    let source = Box::new(FilePackets::open(&file, START).unwrap());
    let still = stills.jpeg(source, at(950), Precision::Keyframe, Some(64), SOON).unwrap();
    assert_eq!((since_start(still.from), since_start(still.to)), (0.0, 1000.0));
}

#[test]
fn where_there_is_no_picture_the_reason_is_said() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let clip = Clip { width: 160, height: 120, seconds: 1, ..Clip::default() };
    let footage = Footage::default()
        .clip(&clip, at(0))
        .gap(at(960), at(5000), "the disk was full")
        .clip(&clip, at(5000));
    let stills = Stills::new(2);
    let still = |millis| stills.jpeg(footage.source(), at(millis), Precision::Exact, None, SOON);
    assert_eq!(still(3000).unwrap_err().to_string(), "there is no picture at that time: the disk was full");
    assert!(still(-1).unwrap_err().to_string().ends_with("the recording has not begun yet"));
    assert!(still(7000).unwrap_err().to_string().ends_with("nothing is recorded yet"));
}

/// Has packets without end, none of which can be decoded.
struct Endless(Vec<Entry>);

impl PacketSource for Endless {
    fn seek(&mut self, _: WallTime) -> Result<bool, PlaybackError> {
        Ok(true)
    }

    fn next(&mut self) -> Result<Option<Entry>, PlaybackError> {
        Ok(self.0.get(1).cloned())
    }

    fn keyframe_before(&mut self, _: WallTime) -> Result<Option<WallTime>, PlaybackError> {
        Ok(None)
    }

    fn keyframe_after(&mut self, _: WallTime) -> Result<Option<WallTime>, PlaybackError> {
        Ok(None)
    }
}

#[test]
fn nobody_waits_for_ever() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let clip = Clip { width: 160, height: 120, seconds: 1, ..Clip::default() };
    let footage = Footage::default().clip(&clip, at(0));
    let stills = Stills::new(1);
    let soon = Duration::from_millis(200);
    thread::scope(|scope| {
        let stills = &stills;
        let endless = Box::new(Endless(footage.entries.clone()));
        let one = scope.spawn(move || stills.jpeg(endless, at(500), Precision::Exact, None, soon * 5));
        let error = one.join().unwrap().unwrap_err();
        assert!(matches!(error, StillError::Deadline { .. }), "{error}");
        assert_eq!(error.to_string(), "no picture within 1s: its picture is being decoded");
        // With one at a time, others wait, and not longer than they want to.
        let busy: Vec<_> = (0..4)
            .map(|_| {
                let endless = Box::new(Endless(footage.entries.clone()));
                scope.spawn(move || stills.jpeg(endless, at(500), Precision::Exact, None, soon))
            })
            .collect();
        for one in busy {
            assert!(matches!(one.join().unwrap(), Err(StillError::Deadline { .. })));
        }
    });
    assert!(stills.jpeg(footage.source(), at(500), Precision::Exact, None, SOON).is_ok());
}
