//! Colour bars over RTSP in a window that another process made, and destroys.

mod common;

use std::time::{Duration, Instant};

use common::{SOON, connect};
use valkka::render::{Event, Presenter, PresenterOptions, ViewOptions};
use valkka::source::Transport;
use valkka::{Engine, EngineOptions};
use valkka_testkit::gst::{self, Launch, RtspServer};
use valkka_testkit::media::bars;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::window::{self, Window};
use valkka_testkit::xvfb::{self, Display};
use valkka_testkit::{require, wait};

#[test]
fn bars_in_a_window_of_another_process() {
    require!(gst::available(), xvfb::available(), window::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let display = Display::spawn().unwrap();
    let server = RtspServer::with_mount("/bars", Launch::h264_bars(640, 480)).unwrap();
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let camera = connect(&engine, &server.url("/bars"), Transport::Tcp);
    let options =
        PresenterOptions { display: Some(display.name().to_owned()), ..PresenterOptions::default() };
    let presenter = Presenter::spawn(options).unwrap();
    presenter.set_stats(camera.slot(), camera.stats().clone()).unwrap();
    let _pictures = camera.pictures("screen", presenter.input()).unwrap();

    let mut foreign = [320, 400].map(|width| Window::spawn(display.name(), width, width * 3 / 4).unwrap());
    let adopted = foreign.each_ref().map(|window| {
        let adopted = presenter.adopt_window(window.id()).unwrap();
        presenter.add_view(ViewOptions::new(camera.slot(), adopted)).unwrap();
        adopted
    });
    // Windows lie above each other without a window manager: one at a time.
    for (shown, hidden) in [(0, 1), (1, 0)] {
        foreign[hidden].hide().unwrap();
        foreign[shown].show().unwrap();
        let window = &foreign[shown];
        let mut last = String::new();
        wait::until(SOON, "the bars are on the screen", || {
            let picture = display.window_picture(window.id()).unwrap();
            match bars::check(&picture, bars::Area::whole(&picture), 6) {
                Ok(()) => true,
                Err(error) => {
                    last = error;
                    false
                }
            }
        });
    }

    // One owner destroys its window, the other is killed.
    foreign[0].destroy().unwrap();
    foreign[1].owner().kill().unwrap();
    let mut gone = Vec::new();
    let deadline = Instant::now() + SOON;
    while gone.len() < 2 && Instant::now() < deadline {
        if let Some(Event::Gone { window }) = presenter.next_event(Duration::from_millis(100)) {
            gone.push(window);
        }
    }
    gone.sort_unstable_by_key(|window| window.number());
    let mut expected = adopted.to_vec();
    expected.sort_unstable_by_key(|window| window.number());
    assert_eq!(gone, expected);

    // The presenter goes on.
    let another = Window::spawn(display.name(), 200, 150).unwrap();
    let adopted = presenter.adopt_window(another.id()).unwrap();
    presenter.add_view(ViewOptions::new(camera.slot(), adopted)).unwrap();
    wait::until(SOON, "the bars are on the screen again", || {
        let picture = display.window_picture(another.id()).unwrap();
        bars::check(&picture, bars::Area::whole(&picture), 6).is_ok()
    });
}
