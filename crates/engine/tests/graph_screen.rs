//! The windows of a hand-wired graph: own ones and those of others, in any order of calls.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::SOON;
use valkka::bitmap::{Bitmap, ColorSpec, PixelFormat};
use valkka::clock::SystemClock;
use valkka::frame::{Body, Frame, FrameTime, Signal};
use valkka::graph::{Screen, ScreenNotice, ScreenOptions, read_background};
use valkka::render::schedule::DropReason;
use valkka::render::{OutputKind, Rectangle};
use valkka::sink::Sink;
use valkka::stream::{Slot, Track};
use valkka_testkit::picture::Picture;
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{require, wait, xvfb};
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{
    ClientMessageEvent, ConfigureWindowAux, ConnectionExt as _, CreateWindowAux, EventMask, MapState,
    WindowClass,
};
use x11rb::rust_connection::RustConnection;

const A: Slot = Slot::new(1);
const B: Slot = Slot::new(2);

const RED: [u8; 3] = [255, 0, 0];
const GREEN: [u8; 3] = [0, 255, 0];
const BLUE: [u8; 3] = [0, 0, 255];
const WHITE: [u8; 3] = [255, 255, 255];
const BLACK: [u8; 3] = [0, 0, 0];

/// A screen on a display in memory, and what it said.
struct Rig {
    screen: Screen,
    notices: Notices,
    display: xvfb::Display,
    client: Client,
    _watchdog: Watchdog,
}

impl Rig {
    fn new() -> Self {
        let watchdog = Watchdog::start(SOON * 4);
        let display = xvfb::Display::spawn().unwrap();
        let notices = Notices::default();
        let options = ScreenOptions { display: Some(display.name().to_owned()), ..options() };
        let screen = Screen::new(options, notices.clone().listener());
        let client = Client::new(display.name());
        Self { screen, notices, display, client, _watchdog: watchdog }
    }

    fn started() -> Self {
        let rig = Self::new();
        rig.screen.start(None).unwrap();
        rig
    }

    /// Waits, with pictures coming, until all of a window has these colours, from the left.
    #[track_caller]
    fn shows(&self, window: u32, colors: &[[u8; 3]], pictures: &[(Slot, [u8; 3])]) {
        self.shows_picture(
            window,
            &format!("{colors:?}"),
            |shown| has(shown, colors),
            || {
                let input = self.screen.input();
                pictures.iter().for_each(|&(slot, color)| input.put(frame(slot, plain(color))));
            },
        );
    }

    #[track_caller]
    fn shows_picture(&self, window: u32, what: &str, right: impl Fn(&Picture) -> bool, feed: impl Fn()) {
        wait::until(SOON, &format!("{what} in window {window:#x}"), || {
            feed();
            self.display.window_picture(window).is_ok_and(|shown| right(&shown))
        });
    }
}

fn options() -> ScreenOptions {
    ScreenOptions { name: "test".into(), buffering: Duration::from_millis(20), ..ScreenOptions::default() }
}

/// What a screen said.
#[derive(Clone, Default)]
struct Notices(Arc<Mutex<Vec<ScreenNotice>>>);

impl Notices {
    fn listener(self) -> impl Fn(ScreenNotice) + Send + Sync + 'static {
        move |notice| self.0.lock().unwrap().push(notice)
    }

    fn all(&self) -> Vec<ScreenNotice> {
        self.0.lock().unwrap().clone()
    }

    /// Without those on pictures that were dropped, which a busy machine may bring about.
    fn said(&self) -> Vec<ScreenNotice> {
        self.all().into_iter().filter(|notice| !matches!(notice, ScreenNotice::Dropped(_))).collect()
    }

    fn contains(&self, notice: &ScreenNotice) -> bool {
        self.all().contains(notice)
    }
}

/// Another connection to the display.
struct Client {
    conn: RustConnection,
    root: u32,
}

impl Client {
    fn new(display: &str) -> Self {
        let (conn, screen) = x11rb::connect(Some(display)).unwrap();
        let root = conn.setup().roots[screen].root;
        Self { conn, root }
    }

    /// A number for a window that is to be.
    fn id(&self) -> u32 {
        self.conn.generate_id().unwrap()
    }

    /// Makes a window that is not seen yet.
    fn make(&self, id: u32, (x, y): (i16, i16), (width, height): (u16, u16), class: WindowClass) {
        let attributes = CreateWindowAux::new();
        let conn = &self.conn;
        conn.create_window(0, id, self.root, x, y, width, height, 0, class, 0, &attributes)
            .unwrap()
            .check()
            .unwrap();
    }

    fn show(&self, id: u32) {
        self.conn.map_window(id).unwrap().check().unwrap();
    }

    fn destroy(&self, id: u32) {
        self.conn.destroy_window(id).unwrap().check().unwrap();
    }

    fn place(&self, id: u32, (x, y): (i32, i32), (width, height): (u32, u32)) {
        let place = ConfigureWindowAux::new().x(x).y(y).width(width).height(height);
        self.conn.configure_window(id, &place).unwrap().check().unwrap();
    }

    fn put_into(&self, id: u32, parent: u32) {
        self.conn.reparent_window(id, parent, 0, 0).unwrap().check().unwrap();
    }

    fn is_shown(&self, id: u32) -> bool {
        let attributes = self.conn.get_window_attributes(id).unwrap().reply().unwrap();
        attributes.map_state != MapState::UNMAPPED
    }

    fn exists(&self, id: u32) -> bool {
        self.conn.get_window_attributes(id).unwrap().reply().is_ok()
    }

    /// What a window manager does when the user closes a window.
    fn close(&self, id: u32) {
        let atom = |name: &[u8]| self.conn.intern_atom(false, name).unwrap().reply().unwrap().atom;
        let (protocols, delete) = (atom(b"WM_PROTOCOLS"), atom(b"WM_DELETE_WINDOW"));
        let event = ClientMessageEvent::new(32, id, protocols, [delete, 0, 0, 0, 0]);
        self.conn.send_event(false, id, EventMask::NO_EVENT, event).unwrap().check().unwrap();
    }
}

/// A picture of stripes, from the left, of 16:9.
fn stripes(columns: &[(u32, [u8; 3])]) -> Bitmap {
    let row: Vec<u8> =
        columns.iter().flat_map(|&(width, color)| (0..width).flat_map(move |_| color)).collect();
    let width = (row.len() / 3) as u32;
    let height = width * 9 / 16;
    Bitmap::from_packed(PixelFormat::Rgb24, width, height, ColorSpec::default(), row.repeat(height as usize))
        .unwrap()
}

fn plain(color: [u8; 3]) -> Bitmap {
    stripes(&[(160, color)])
}

/// A picture that is due as soon as the buffering is over.
fn frame(slot: Slot, bitmap: Bitmap) -> Frame {
    frame_at(slot, bitmap, 0)
}

fn frame_at(slot: Slot, bitmap: Bitmap, micros_from_now: i64) -> Frame {
    let now = SystemClock.now();
    let time = FrameTime { arrival: now, wall: now.offset_micros(micros_from_now), ..FrameTime::default() };
    Frame { slot, track: Track::default(), time, body: Body::Bitmap(bitmap) }
}

fn signal(slot: Slot, signal: Signal) -> Frame {
    Frame::signal(slot, SystemClock.now(), signal)
}

/// Whether all of a window shows stripes of equal width.
fn has(shown: &Picture, colors: &[[u8; 3]]) -> bool {
    let width = shown.width() / colors.len() as u32;
    (0..).zip(colors).all(|(n, &color)| {
        // Away from the edges, where the picture is blended with what lies beside.
        let (left, right) = (n * width + 10, (n + 1) * width - 11);
        [(left, 0), (left, shown.height() - 1), (right, 0), (right, shown.height() - 1)]
            .into_iter()
            .all(|(x, y)| shown.pixel(x, y) == color)
    })
}

#[test]
fn a_slot_in_many_windows_and_many_slots_in_one() {
    require!(xvfb::available());
    let rig = Rig::new();
    // What is asked for before the start is done after it; only windows cannot be made before.
    assert!(rig.screen.create_window(true).is_err());
    let foreign = rig.client.id();
    rig.client.make(foreign, (650, 0), (300, 200), WindowClass::INPUT_OUTPUT);
    rig.client.show(foreign);
    rig.screen.add_window(foreign);
    let below = rig.screen.add_view(A, foreign);
    rig.screen.start(None).unwrap();
    let own = rig.screen.create_window(true).unwrap();
    rig.screen.add_window(own);
    rig.screen.add_view(A, own);
    rig.shows(own, &[RED], &[(A, RED)]);
    rig.shows(foreign, &[RED], &[(A, RED)]);
    assert!(rig.screen.has_window(own) && rig.screen.has_window(foreign) && !rig.screen.has_window(1));
    // The last one that was added lies above the others.
    let above = rig.screen.add_view(B, foreign);
    rig.shows(foreign, &[BLUE], &[(A, RED), (B, BLUE)]);
    assert_ne!(below, above);
    rig.screen.remove_view(above);
    rig.shows(foreign, &[RED], &[(A, RED)]);
    // Given up before its views, with nothing left behind; ours stays and may be used again.
    rig.screen.remove_window(own);
    rig.shows(own, &[BLACK], &[(A, RED)]);
    rig.screen.add_window(own);
    rig.screen.add_view(B, own);
    rig.shows(own, &[BLUE], &[(B, BLUE)]);
    assert_eq!(rig.notices.said(), []);
    rig.screen.stop();
    wait::until(SOON, "our window goes", || !rig.client.exists(own));
    assert!(rig.client.exists(foreign));
}

#[test]
fn pictures_are_cropped_and_rectangles_with_them() {
    require!(xvfb::available());
    let rig = Rig::started();
    let window = rig.screen.create_window(true).unwrap();
    rig.screen.add_window(window);
    let view = rig.screen.add_view(A, window);
    // A square shows the middle 90 of 160 columns.
    let sides = stripes(&[(35, RED), (45, WHITE), (45, BLUE), (35, RED)]);
    let feed = || rig.screen.input().put(frame(A, sides.clone()));
    rig.shows_picture(window, "the middle", |shown| has(shown, &[WHITE, BLUE]), feed);
    // From the middle of the whole picture to three quarters of its width and height, counted from below.
    rig.screen.add_rectangle(view, Rectangle::new(0.5, 0.75, 0.75, 0.5));
    let green = |shown: &Picture| {
        let at = |x, y| shown.pixel(x, y);
        at(301, 200) == GREEN
            && at(565, 200) == GREEN
            && at(400, 151) == GREEN
            && at(400, 298) == GREEN
            && at(400, 225) == BLUE
            && at(200, 225) == WHITE
            && at(400, 400) == BLUE
    };
    rig.shows_picture(window, "a rectangle", green, feed);
    rig.screen.add_rectangle(view, Rectangle::new(0.25, 0.5, 1.0, 0.0));
    rig.shows_picture(window, "both", |shown| green(shown) && shown.pixel(33, 300) == GREEN, feed);
    rig.screen.clear_rectangles(view);
    rig.shows_picture(window, "none", |shown| has(shown, &[WHITE, BLUE]), feed);
    // A window of the picture's shape shows all of it.
    rig.client.place(window, (0, 0), (800, 450));
    let all =
        |shown: &Picture| shown.width() == 800 && shown.pixel(3, 3) == RED && shown.pixel(797, 446) == RED;
    rig.shows_picture(window, "all of it", all, feed);
}

#[test]
fn windows_that_come_late_go_and_come_again() {
    require!(xvfb::available());
    let rig = Rig::started();
    // Toolkits tell the number of a window before the server knows of it.
    let window = rig.client.id();
    rig.screen.add_window(window);
    let view = rig.screen.add_view(A, window);
    rig.screen.add_rectangle(view, Rectangle::new(0.2, 0.8, 0.8, 0.2));
    rig.screen.settle();
    assert!(!rig.screen.has_window(window));
    for (n, size) in [(200, 112), (320, 180)].into_iter().enumerate() {
        rig.client.make(window, (0, 0), size, WindowClass::INPUT_OUTPUT);
        wait::until(SOON, "it is found", || rig.screen.has_window(window));
        // Seen only now.
        rig.client.show(window);
        rig.shows_picture(
            window,
            "red with a rectangle",
            |shown| has(shown, &[RED]) && shown.pixel(u32::from(size.0) / 5, u32::from(size.1) / 2) == GREEN,
            || rig.screen.input().put(frame(A, plain(RED))),
        );
        rig.client.destroy(window);
        wait::until(SOON, "it is missed", || {
            rig.screen.input().put(frame(A, plain(RED)));
            rig.notices.said().len() > n
        });
        assert_eq!(rig.notices.said()[n], ScreenNotice::Missing { window });
    }
    // Given up long after it is gone.
    rig.screen.remove_view(view);
    rig.screen.remove_window(window);
    rig.screen.settle();
    assert_eq!(rig.notices.said().len(), 2);
}

#[test]
fn a_window_of_ours_in_one_of_theirs() {
    require!(xvfb::available());
    let rig = Rig::started();
    let window = rig.screen.create_window(false).unwrap();
    assert!(!rig.client.is_shown(window));
    rig.screen.add_window(window);
    rig.screen.add_view(A, window);
    let theirs = rig.client.id();
    rig.client.make(theirs, (100, 100), (400, 225), WindowClass::INPUT_OUTPUT);
    rig.client.show(theirs);
    rig.client.put_into(window, theirs);
    rig.client.place(window, (0, 0), (400, 225));
    rig.client.show(window);
    rig.shows(theirs, &[RED], &[(A, RED)]);
    // It goes with its parent, and nothing else does.
    rig.client.destroy(theirs);
    let other = rig.screen.create_window(true).unwrap();
    rig.screen.add_window(other);
    rig.screen.add_view(A, other);
    rig.shows(other, &[RED], &[(A, RED)]);
    // Closed by the user: it is hidden, and is still there.
    rig.client.close(other);
    wait::until(SOON, "the window is hidden", || !rig.client.is_shown(other));
    wait::until(SOON, "the other one is missed", || !rig.screen.has_window(window));
    assert!(rig.screen.has_window(other));
}

#[test]
fn a_stream_without_pictures_shows_the_background_unless_it_is_paused() {
    require!(xvfb::available());
    let rig = Rig::new();
    let directory = TempDir::new().unwrap();
    let file = directory.join("gray.yuv");
    std::fs::write(&file, vec![128; 1280 * 720 * 3 / 2]).unwrap();
    rig.screen.set_background(Some(read_background(&file).unwrap()));
    rig.screen.start(None).unwrap();
    let window = rig.screen.create_window(true).unwrap();
    rig.screen.add_window(window);
    rig.screen.add_view(A, window);
    let gray = |shown: &Picture| {
        let [red, green, blue] = shown.pixel(300, 300);
        red == green && green == blue && red.abs_diff(130) < 4
    };
    rig.shows_picture(window, "the background at first", gray, || {});
    rig.shows(window, &[RED], &[(A, RED)]);
    rig.shows_picture(window, "the background for a dead stream", gray, || {});
    // Paused: the picture stays for longer than a stream without pictures is believed to live.
    rig.screen.input().put(signal(A, Signal::Stop));
    rig.shows(window, &[BLUE], &[(A, BLUE)]);
    let paused = std::time::Instant::now();
    wait::until(SOON, "a while passes", || {
        assert!(has(&rig.display.window_picture(window).unwrap(), &[BLUE]));
        paused.elapsed() > Duration::from_millis(2500)
    });
    // The position moves.
    rig.screen.input().put(signal(A, Signal::Seek));
    rig.shows_picture(window, "the background while seeking", gray, || {});
    rig.screen.input().put(signal(A, Signal::Play));
    rig.shows(window, &[RED], &[(A, RED)]);
    rig.screen.set_background(None);
    rig.shows(window, &[BLACK], &[]);
    let missing = read_background(Path::new("/nonexistent/background.yuv"));
    assert!(missing.unwrap_err().to_string().contains("/nonexistent/background.yuv"));
}

#[test]
fn what_cannot_be_shown_in_is_told_once() {
    require!(xvfb::available());
    let rig = Rig::started();
    let window = rig.client.id();
    rig.client.make(window, (0, 0), (100, 100), WindowClass::INPUT_ONLY);
    rig.screen.add_window(window);
    wait::until(SOON, "it is told", || {
        matches!(&rig.notices.said()[..], [ScreenNotice::Refused { window: of, reason }]
            if *of == window && reason.contains("input only"))
    });
    rig.screen.add_window(window);
    rig.screen.settle();
    assert!(rig.notices.contains(&ScreenNotice::Twice { window }));
    assert_eq!(rig.notices.said().len(), 2);
}

#[test]
fn a_display_that_is_not_there_and_one_that_goes() {
    require!(xvfb::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let nowhere = ScreenOptions { display: Some(":4711".into()), ..options() };
    let screen = Screen::new(nowhere, |_| {});
    for _ in 0..2 {
        let error = screen.start(None).unwrap_err().to_string();
        assert!(error.contains("\":4711\""), "{error}");
    }
    screen.stop();

    let mut rig = Rig::started();
    let window = rig.screen.create_window(true).unwrap();
    rig.screen.add_window(window);
    rig.screen.add_view(A, window);
    rig.shows(window, &[RED], &[(A, RED)]);
    rig.display.server().kill().unwrap();
    wait::until(SOON, "the loss is told", || {
        rig.screen.input().put(frame(A, plain(RED)));
        rig.notices.contains(&ScreenNotice::DisplayLost)
    });
    rig.screen.add_view(B, window);
    rig.screen.settle();
    assert!(rig.screen.create_window(true).is_err());
}

#[test]
fn what_is_dropped_is_told() {
    let _watchdog = Watchdog::start(SOON * 4);
    let notices = Notices::default();
    let options = ScreenOptions { output: OutputKind::Null, ..options() };
    let screen = Screen::new(options, notices.clone().listener());
    screen.start(None).unwrap();
    let input = screen.input();
    let told = |reason| {
        let of = |notice: &ScreenNotice| matches!(notice, ScreenNotice::Dropped(drops) if drops.reason == reason && drops.slot == A);
        notices.all().iter().any(of)
    };
    wait::until(SOON, "all is told", || {
        input.put(frame_at(A, plain(RED), 60_000_000));
        for late in [-50_000, -40_000, -20_000] {
            input.put(frame_at(A, plain(RED), late));
        }
        told(DropReason::TooEarly) && told(DropReason::Late)
    });
}

#[test]
fn any_order_of_calls_and_stops() {
    let _watchdog = Watchdog::start(SOON * 4);
    let new = || {
        let notices = Notices::default();
        let options = ScreenOptions { output: OutputKind::Null, ..options() };
        (Screen::new(options, notices.clone().listener()), notices)
    };
    // Never started, or stopped before the start.
    drop(new());
    let (screen, notices) = new();
    screen.input().put(frame(A, plain(RED)));
    screen.request_stop();
    screen.settle();
    screen.stop();
    screen.start(None).unwrap();
    assert!(screen.create_window(true).is_err());
    assert_ne!(screen.add_view(A, 3), 0);
    assert_eq!(notices.said(), []);

    // Stopped while others feed it and use it.
    let (screen, notices) = new();
    screen.add_window(77);
    screen.add_view(A, 77);
    screen.report();
    assert_eq!(notices.said(), []);
    screen.start(None).unwrap();
    screen.start(None).unwrap();
    screen.settle();
    let state = "1 windows, 1 views\n  window 0x4d (of somebody else)\n    view 1: slot 1, 0 rectangles";
    assert_eq!(notices.said(), [ScreenNotice::State(state.into())]);
    let stopped = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for slot in [A, B] {
            let (screen, stopped) = (&screen, &stopped);
            scope.spawn(move || {
                let input = screen.input();
                while !stopped.load(Ordering::Relaxed) {
                    input.put(frame(slot, plain(RED)));
                    let view = screen.add_view(slot, 77);
                    screen.add_rectangle(view, Rectangle::new(0.0, 1.0, 1.0, 0.0));
                    screen.remove_view(view);
                    let _ = screen.create_window(false);
                    screen.settle();
                }
            });
        }
        let before = screen.add_view(A, 77);
        wait::until(SOON, "both have done something", || screen.add_view(A, 77) > before + 100);
        screen.request_stop();
        screen.stop();
        screen.stop();
        stopped.store(true, Ordering::Relaxed);
    });
    assert!(!screen.has_window(77));
    screen.input().put(frame(A, plain(RED)));
}
