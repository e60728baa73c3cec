//! A screen that stands still, and a window that nobody sees: nobody else notices.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::sync::Arc;

use common::{SOON, cameras, connect, wait_for_frames, wait_for_undropped};
use valkka::render::{
    Presenter, PresenterOptions, Rendering, ViewOptions, WindowChange, WindowId, WindowOptions,
};
use valkka::source::Transport;
use valkka::stats::StreamStats;
use valkka::{Camera, Engine, EngineOptions, PictureBranch};
use valkka_testkit::media::bars;
use valkka_testkit::require;
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::xvfb::{self, Display};

/// A presenter with one window that shows all cameras, and what is counted of them there alone.
struct Screen {
    // Dropped in this order: no more pictures come, then the windows go.
    _pictures: Vec<PictureBranch>,
    presenter: Presenter,
    window: WindowId,
    stats: Vec<Arc<StreamStats>>,
}

impl Screen {
    fn open(name: &str, display: &Display, rendering: Rendering, cameras: &[Arc<Camera>]) -> Self {
        let options = PresenterOptions {
            display: Some(display.name().to_owned()),
            rendering,
            ..PresenterOptions::default()
        };
        let presenter = Presenter::spawn(options).unwrap();
        let window =
            presenter.create_window(WindowOptions { width: 320, height: 240, ..Default::default() }).unwrap();
        let (mut pictures, mut stats) = (Vec::new(), Vec::new());
        for camera in cameras {
            let counted = Arc::new(StreamStats::default());
            presenter.set_stats(camera.slot(), counted.clone()).unwrap();
            presenter.add_view(ViewOptions::new(camera.slot(), window)).unwrap();
            pictures.push(camera.pictures(name, presenter.input()).unwrap());
            stats.push(counted);
        }
        Self { _pictures: pictures, presenter, window, stats }
    }

    /// Waits until every camera has `more` further pictures here.
    fn wait_for_pictures(&self, what: &str, more: u64) {
        let goals: Vec<_> = self.stats.iter().map(|stats| stats.presented.get() + more).collect();
        wait::until(SOON, what, || {
            self.stats.iter().zip(&goals).all(|(stats, goal)| stats.presented.get() >= *goal)
        });
    }

    fn presented(&self) -> u64 {
        self.stats.iter().map(|stats| stats.presented.get()).sum()
    }
}

#[test]
fn a_frozen_display_is_no_concern_of_the_others() {
    require!(xvfb::available());
    let _watchdog = Watchdog::start(SOON * 6);
    for rendering in [Rendering::Software, Rendering::OpenGl] {
        let served = cameras(2);
        let engine = Engine::new(EngineOptions::default()).unwrap();
        let cameras: Vec<_> = [Transport::Tcp, Transport::Udp]
            .into_iter()
            .zip(served.urls())
            .map(|(transport, url)| connect(&engine, &url, transport))
            .collect();
        let (mut frozen, healthy) = (Display::spawn().unwrap(), Display::spawn().unwrap());
        let still = Screen::open("frozen", &frozen, rendering, &cameras);
        let other = Screen::open("healthy", &healthy, rendering, &cameras);
        still.wait_for_pictures("both screens show pictures", 5);
        other.wait_for_pictures("both screens show pictures", 5);

        frozen.server().freeze().unwrap();
        let counted = still.presented();
        // Longer than any queue on the way is.
        other.wait_for_pictures("the other screen goes on", 150);
        cameras.iter().for_each(|camera| wait_for_undropped(camera, 100));
        assert!(cameras.iter().all(|camera| camera.stats().reconnects.get() == 0), "{rendering:?}");
        let meanwhile = still.presented() - counted;
        assert!(meanwhile < 100, "{rendering:?}: {meanwhile} pictures shown on a frozen screen");

        frozen.server().thaw().unwrap();
        still.wait_for_pictures("the frozen screen shows pictures again", 25);
        wait::until(SOON, "with the right colours", || {
            let shown = frozen.window_picture(still.window.number()).unwrap();
            // The scene's bars are the upper three quarters.
            let area = bars::Area::whole(&shown);
            bars::check_everywhere(&shown, area, 8).is_ok()
        });
        let dropped: u64 = still.stats.iter().map(|stats| stats.present_dropped.get()).sum();
        assert!(dropped > 0, "{rendering:?}: what was not shown is counted");
        println!("{rendering:?}: {meanwhile} shown meanwhile, {dropped} dropped");
    }
}

#[test]
fn a_screen_is_closed_while_it_is_frozen() {
    require!(xvfb::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let served = cameras(1);
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let cameras = [connect(&engine, &served.urls()[0], Transport::Tcp)];
    let mut display = Display::spawn().unwrap();
    for rendering in [Rendering::Software, Rendering::OpenGl] {
        let screen = Screen::open("frozen", &display, rendering, &cameras);
        screen.wait_for_pictures("the screen shows pictures", 5);
        display.server().freeze().unwrap();
        wait_for_frames(&cameras[0], 50);
        // Did it wait for the display, the watchdog would bark.
        drop(screen);
        wait_for_frames(&cameras[0], 25);
        display.server().thaw().unwrap();
    }
}

#[test]
fn a_window_that_nobody_sees_is_not_waited_for() {
    require!(xvfb::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let served = cameras(1);
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let cameras = [connect(&engine, &served.urls()[0], Transport::Tcp)];
    let display = Display::spawn().unwrap();
    for rendering in [Rendering::Software, Rendering::OpenGl] {
        let screen = Screen::open("screen", &display, rendering, &cameras);
        let hidden = WindowOptions { width: 200, height: 150, mapped: false, ..WindowOptions::default() };
        let hidden = screen.presenter.create_window(hidden).unwrap();
        screen.presenter.add_view(ViewOptions::new(cameras[0].slot(), hidden)).unwrap();
        screen.wait_for_pictures("the window that is seen shows pictures", 25);

        // The one that is seen goes away too, and comes back with the one that was never seen.
        for mapped in [false, true] {
            screen.presenter.change_window(screen.window, WindowChange::Mapped(mapped)).unwrap();
            wait_for_frames(&cameras[0], 25);
        }
        screen.presenter.change_window(hidden, WindowChange::Mapped(true)).unwrap();
        screen.wait_for_pictures("both show pictures", 25);
        wait::until(SOON, "with the right colours", || {
            let Ok(shown) = display.window_picture(hidden.number()) else { return false };
            bars::check_everywhere(&shown, bars::Area::whole(&shown), 8).is_ok()
        });
    }
}
