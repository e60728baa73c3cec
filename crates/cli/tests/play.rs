//! `valkka play`: recordings in a window, as somebody uses it.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::path::Path;
use std::thread;
use std::time::Duration;

use common::{SOON, finish, run, start_on};
use valkka_testkit::media::{self, Clip, Scene, bars};
use valkka_testkit::picture::Picture;
use valkka_testkit::process::Child;
use valkka_testkit::temp::TempDir;
use valkka_testkit::user::User;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::xvfb::{self, Display};
use valkka_testkit::{require, wait};

/// Keys, by their X symbols.
const BACKSPACE: u32 = 0xff08;
const HOME: u32 = 0xff50;
const RIGHT: u32 = 0xff53;
const END: u32 = 0xff57;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Pictures that tell their number.
fn counter() -> Clip {
    Clip { scene: Scene::Counter, width: 320, height: 240, seconds: 4, ..Clip::default() }
}

fn colours() -> Clip {
    Clip { scene: Scene::Bars, width: 320, height: 240, seconds: 4, ..Clip::default() }
}

/// Puts `clip` into the store as what `camera` recorded from `start` on.
fn import(store: &Path, camera: &str, start: &str, clip: &Clip) {
    let file = clip.file().unwrap();
    let arguments = ["import", "--store", text(store), "--size", "32M", "--camera", camera, "--start", start];
    let outcome = run(&[&arguments[..], &[text(&file)]].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
}

/// The middle of a column of tiles with pictures of 4:3.
fn tile(picture: &Picture, column: u32, columns: u32) -> bars::Area {
    let (width, height) = (picture.width() / columns, picture.height());
    let shown = (width.min(height * 4 / 3), height.min(width * 3 / 4));
    bars::Area {
        x: column * width + (width - shown.0) / 2,
        y: (height - shown.1) / 2,
        width: shown.0,
        height: shown.1,
    }
}

/// How much `area` of what is shown differs from `picture`.
fn difference(shown: &Picture, area: bars::Area, picture: &Picture) -> u64 {
    let points = (4..60).flat_map(|y| (4..60).map(move |x| (x, y)));
    let differences = points.flat_map(|(x, y)| {
        let at = |width: u32, height: u32| (width * x / 64, height * y / 64);
        let (there, here) = (at(area.width, area.height), at(picture.width(), picture.height()));
        let shown = shown.pixel(area.x + there.0, area.y + there.1);
        let wanted = picture.pixel(here.0, here.1);
        (0..3).map(move |color| u64::from(shown[color].abs_diff(wanted[color])))
    });
    differences.sum()
}

/// A window with recordings, and somebody before it.
struct Screen {
    display: Display,
    user: User,
    child: Child,
    title: &'static str,
}

impl Screen {
    fn start(title: &'static str, arguments: &[&str]) -> Self {
        let display = Display::spawn().unwrap();
        let child = start_on(Some(display.name()), &[&["play"], arguments].concat());
        let user = User::at(&display).unwrap();
        Self { display, user, child, title }
    }

    fn window(&self) -> Option<(u32, String)> {
        self.user.window(self.title).unwrap()
    }

    fn press(&self, key: u32) {
        let (window, _) = self.window().unwrap();
        self.user.press(window, key, Default::default()).unwrap();
    }

    /// Waits until the title ends so.
    #[track_caller]
    fn says(&self, end: &str) {
        wait::until(SOON, end, || self.window().is_some_and(|(_, title)| title.ends_with(end)));
    }

    /// Waits until a picture of the window is as wanted.
    #[track_caller]
    fn shows(&self, what: &str, is_wanted: impl Fn(&Picture) -> bool) {
        wait::until(SOON, what, || {
            let picture = self.window().and_then(|(window, _)| self.display.window_picture(window).ok());
            picture.is_some_and(|picture| is_wanted(&picture))
        });
    }

    fn leave(self) {
        self.press(u32::from(b'q'));
        let outcome = finish(self.child);
        assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    }
}

#[test]
fn two_cameras_are_played_in_step() {
    require!(xvfb::available(), media::available());
    let _watchdog = Watchdog::start(SOON * 10);
    let directory = TempDir::new().unwrap();
    let store = directory.join("store");
    import(&store, "front", "2026-11-23T12:00:00Z", &colours());
    import(&store, "yard", "2026-11-23T12:00:01Z", &counter());
    let file = counter().file().unwrap();
    // The pictures 20 to 30 of the yard, of which the 25th is that of 12:00:02.
    let pictures: Vec<Picture> = (20..=30)
        .map(|number| {
            Picture::from_ffmpeg(&["-ss", &format!("{:.2}", f64::from(number) / 25.0)], text(&file))
        })
        .collect::<Result<_, _>>()
        .unwrap();
    let number_of = |shown: &Picture| {
        let difference = |picture: &&Picture| difference(shown, tile(shown, 1, 2), picture);
        let nearest = pictures.iter().zip(20..).min_by_key(|(picture, _)| difference(picture));
        nearest.map(|(_, number)| number)
    };
    let arguments = ["--store", text(&store), "--columns", "2", "--from", "2026-11-23T12:00:02Z", "--paused"];
    let screen = Screen::start("front, yard", &arguments);

    screen.says(":02.000, paused");
    let has_bars = |shown: &Picture| bars::check(shown, tile(shown, 0, 2), 6).is_ok();
    screen.shows("both cameras at 12:00:02", |shown| has_bars(shown) && number_of(shown) == Some(25));
    screen.press(u32::from(b'.'));
    screen.says(":02.040, paused");
    screen.shows("the next picture", |shown| number_of(shown) == Some(26));
    screen.press(u32::from(b','));
    screen.says(":02.000, paused");
    screen.shows("the picture before", |shown| number_of(shown) == Some(25));
    // Not beyond what there is.
    screen.press(RIGHT);
    screen.says(":04.960, paused");
    screen.press(HOME);
    screen.says(":00.000, paused");
    let yard_is_dark = |shown: &Picture| {
        let area = tile(shown, 1, 2);
        shown.pixel(area.x + 20, area.y + 20) == [0, 0, 0]
    };
    screen.shows("the yard without a picture", |shown| has_bars(shown) && yard_is_dark(shown));
    screen.press(u32::from(b']'));
    screen.says(":00.000, paused, 2×");
    screen.press(u32::from(b' '));
    screen.says(", at the end, 2×");
    screen.press(u32::from(b'r'));
    screen.says(", at the end, -2×");
    screen.press(BACKSPACE);
    screen.says(", at the end");
    // What was to be seen last is still there.
    screen.press(END);
    screen.shows("the last pictures", |shown| has_bars(shown) && !yard_is_dark(shown));
    screen.leave();
}

#[test]
fn a_file_is_played_and_its_picture_stays() {
    require!(xvfb::available(), media::available());
    let _watchdog = Watchdog::start(SOON * 5);
    let directory = TempDir::new().unwrap();
    let (file, shot) = (colours().file().unwrap(), directory.join("shot.png"));
    let arguments = [text(&file), "--from", "1s", "--paused", "--screenshot", text(&shot)];
    let screen = Screen::start("Bars", &arguments);
    screen.shows("the picture", |shown| bars::check(shown, tile(shown, 0, 1), 6).is_ok());
    // Longer than live pictures stay that nothing follows.
    thread::sleep(Duration::from_secs(4));
    screen.leave();
    let picture = Picture::from_png(&shot).unwrap();
    bars::check(&picture, tile(&picture, 0, 1), 6).unwrap();
    // The time stands in the corner.
    let corner = (0..80).flat_map(|x| (picture.height() - 20..picture.height()).map(move |y| (x, y)));
    assert!(corner.filter(|&(x, y)| picture.pixel(x, y)[1] > 200).count() > 50);

    let screen = Screen::start("Bars", &[text(&file), "--from", "3.5s", "--speed", "0.5"]);
    screen.says(", at the end, 1/2×");
    screen.press(HOME);
    screen.press(u32::from(b' '));
    screen.says(", paused, 1/2×");
    screen.leave();
}

#[test]
fn what_cannot_be_played_is_told() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 5);
    let directory = TempDir::new().unwrap();
    let store = directory.join("store");
    import(&store, "front", "2026-11-23T12:00:00Z", &colours());
    let (store, file) = (text(&store), colours().file().unwrap());
    let null = ["--output", "null", "--seconds", "1"];
    for (arguments, words) in [
        (&["--store", "/no/such/store"][..], "/no/such/store holds no recordings"),
        (&["--store", store, "--camera", "gate"], "there are front"),
        (&["--store", store, "--from", "yesterday"], "--from yesterday"),
        (&["--store", store, "--speed", "100"], "a speed of 100"),
        (&["--store", store, "--speed", "0"], "a speed of 0"),
        (&["/no/such/file.mkv"], "/no/such/file.mkv"),
        (&[text(&file), "--from", "noon"], "--from noon"),
        (&[text(&file), "--camera", "front"], "cannot be used with"),
        (&[], "--store"),
    ] {
        let outcome = run(&[&["play"], arguments, &null].concat());
        assert_eq!(outcome.code, Some(2), "{arguments:?}: {}", outcome.output);
        assert!(outcome.output.contains(words), "{arguments:?}: {}", outcome.output);
    }
    let outcome = run(&["play", "--store", store]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.output);
    assert!(outcome.output.contains("display"), "{}", outcome.output);
    let outcome = run(&[&["play", "--store", store], &null[..]].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
}
