//! The page of `valkka serve` in a real browser, with cameras in processes of their own.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use common::page::{Cameras, Page, Site, alone, bars_clip};
use common::{SOON, get, start};
use valkka_testkit::browser::{self, Key};
use valkka_testkit::media::{self, Clip, Codec, bars};
use valkka_testkit::require;
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;

#[test]
fn the_wall_shows_what_the_cameras_send() {
    require!(browser::available(), media::available());
    let _watchdog = Watchdog::start(SOON * 8);
    let _alone = alone();
    let cameras = Cameras::start(2, &bars_clip());
    let site =
        Site::start(&(cameras.entry("front", 1) + "title = \"Front door\"\n" + &cameras.entry("yard", 2)));
    let page = Page::open(&site, "/");
    page.wait_for_pictures(&["front", "yard"]);
    page.check_bars("front");
    page.check_bars("yard");
    page.wait("the summary", "document.querySelector('.summary').textContent === '2 cameras, all online'");
    page.wait(
        "the title",
        "document.querySelector('[data-camera=front] .name').textContent === 'Front door'",
    );
    page.wait(
        "figures",
        "/^2\\d fps · \\d/.test(document.querySelector('[data-camera=front] .figures').textContent)",
    );
    // The buffer is not let grow, nor run dry.
    page.wait(
        "to be shortly behind live",
        "[...document.querySelectorAll('video')].every((video) => {
            const { buffered, currentTime } = video;
            const behind = buffered.length > 0 && buffered.end(buffered.length - 1) - currentTime;
            return behind > 0 && behind < 1.5;
        })",
    );
    page.check_console();
}

#[test]
fn pictures_go_on_when_a_camera_comes_back() {
    require!(browser::available(), media::available());
    let _watchdog = Watchdog::start(SOON * 12);
    let _alone = alone();
    let (mut first, second) = (Cameras::start(1, &bars_clip()), Cameras::start(1, &bars_clip()));
    let site = Site::start(&(first.entry("one", 1) + &second.entry("two", 1)));
    let page = Page::open(&site, "/");
    page.wait_for_pictures(&["one", "two"]);
    for _ in 0..2 {
        first.kill();
        page.wait(
            "words",
            "document.querySelector('[data-camera=one] .stale .words')?.textContent.length > 4",
        );
        page.wait_for_pictures(&["two"]);
        first.start_again();
        page.wait("no more words", "document.querySelector('[data-camera=one] .words').hidden");
        page.wait_for_pictures(&["one", "two"]);
        page.check_bars("one");
    }
    page.0.press(Key::Left).unwrap();
    page.0.type_text("e").unwrap();
    page.wait("events", "document.querySelectorAll('.drawer [data-kind=offline]').length >= 2");
    page.check_console();
}

#[test]
fn pictures_go_on_when_a_camera_changes() {
    require!(browser::available(), media::available());
    let _watchdog = Watchdog::start(SOON * 12);
    let _alone = alone();
    let mut camera = Cameras::start(1, &bars_clip());
    let site = Site::start(&camera.entry("one", 1));
    let page = Page::open(&site, "/");
    page.wait_for_pictures(&["one"]);
    camera.change(&Clip { width: 320, height: 240, ..bars_clip() });
    page.wait("another size", "document.querySelector('video.shown')?.videoWidth === 320");
    page.wait_for_pictures(&["one"]);
    page.check_bars("one");
    camera.change(&Clip { codec: Codec::H265, ..bars_clip() });
    page.wait("words", "document.querySelector('.words').textContent.includes('cannot play H.265')");
    camera.change(&Clip { b_frames: 2, ..bars_clip() });
    page.wait("no more words", "document.querySelector('.words').hidden");
    page.wait_for_pictures(&["one"]);
    page.check_bars("one");
    page.check_console();
}

#[test]
fn pictures_go_on_when_the_server_comes_back() {
    require!(browser::available(), media::available());
    let _watchdog = Watchdog::start(SOON * 12);
    let _alone = alone();
    let cameras = Cameras::start(1, &bars_clip());
    let mut site = Site::start(&cameras.entry("one", 1));
    let page = Page::open(&site, "/");
    page.wait_for_pictures(&["one"]);
    site.kill();
    page.wait(
        "the banner",
        "/^Not connected. Trying again in \\d+ s.$/.test(document.querySelector('.banner').textContent)",
    );
    site.start_again();
    page.wait("the end of the banner", "document.querySelector('.banner').hidden");
    page.wait_for_pictures(&["one"]);
    page.check_bars("one");
}

#[test]
fn a_page_that_was_left_receives_nothing_until_it_is_back() {
    require!(browser::available(), media::available());
    let _watchdog = Watchdog::start(SOON * 8);
    let _alone = alone();
    let cameras = Cameras::start(1, &bars_clip());
    let site = Site::start(&cameras.entry("one", 1));
    let page = Page::open(&site, "/");
    page.wait_for_pictures(&["one"]);
    page.0.open("about:blank").unwrap();
    let base = site.url("");
    wait::until(SOON, "the end of the connection", || {
        get(&base, "/metrics").contains("\nvalkka_web_sockets 0")
    });
    page.0.back().unwrap();
    // A browser that lacks the room loads it anew.
    page.wait("the page", "location.pathname === '/' && (window.sameVisit = true)");
    page.wait_for_pictures(&["one"]);
}

#[test]
fn what_the_browser_cannot_play_is_said_over_snapshots() {
    require!(browser::available(), media::available());
    let _watchdog = Watchdog::start(SOON * 8);
    let _alone = alone();
    let h265 = Cameras::start(1, &Clip { codec: Codec::H265, ..bars_clip() });
    let jpeg = Cameras::with_arguments(&["--codec", "mjpeg", "--size", "640x360"]);
    let site = Site::start(&(h265.entry("new", 1) + &jpeg.entry("old", 1)));
    let page = Page::open(&site, "/");
    for (camera, codec) in [("new", "H.265"), ("old", "MJPEG")] {
        let tile = format!("document.querySelector('[data-camera={camera}]')");
        page.wait("words", &format!("{tile}.querySelector('.words').textContent.includes('{codec}')"));
        page.wait("a snapshot", &format!("{tile}.querySelector('.still').naturalWidth > 0"));
    }
    let still = page.0.picture("[data-camera=new] .still", 140, 80).unwrap();
    bars::check(&still, bars::Area::whole(&still), 12).unwrap();
    // The last bar of the scene.
    let still = page.0.picture("[data-camera=old] .still", 140, 80).unwrap();
    let [red, green, blue] = still.pixel(130, 20);
    assert!(red < 60 && green < 60 && blue > 140, "{red} {green} {blue}");
    // And they are refreshed.
    page.0.run("window.first = document.querySelector('[data-camera=new] .still')").unwrap();
    page.wait("another snapshot", "document.querySelector('[data-camera=new] .still') !== window.first");
}

#[test]
fn keys_do_what_the_help_says() {
    require!(browser::available(), media::available());
    let _watchdog = Watchdog::start(SOON * 12);
    let _alone = alone();
    let cameras = Cameras::start(4, &bars_clip());
    let entries: String = (1..=4).map(|number| cameras.entry(&format!("cam{number}"), number)).collect();
    let site = Site::start(&entries);
    let page = Page::open(&site, "/");
    let focus = |camera: &str| format!("document.activeElement.dataset.camera === '{camera}'");
    let at = |path: &str| format!("location.pathname === '{path}'");
    page.wait_for_pictures(&["cam1"]);
    // Two by two.
    for (key, camera) in [
        (Key::Down, "cam1"),
        (Key::Right, "cam2"),
        (Key::Down, "cam4"),
        (Key::Left, "cam3"),
        (Key::Up, "cam1"),
    ] {
        page.0.press(key).unwrap();
        page.wait(camera, &focus(camera));
    }
    page.0.press(Key::Right).unwrap();
    page.0.press(Key::Enter).unwrap();
    page.wait("the camera", &at("/cameras/cam2"));
    page.wait("its picture", "document.querySelector('.camera video.shown')?.currentTime > 0");
    page.wait("its size", "document.querySelector('.side dl').textContent.includes('640 × 360')");
    page.0.press(Key::Right).unwrap();
    page.wait("the next camera", &at("/cameras/cam3"));
    page.0.press(Key::Escape).unwrap();
    page.wait("the wall", &at("/"));
    page.wait("where we were", &focus("cam3"));
    page.0.type_text("4").unwrap();
    page.wait("the fourth", &at("/cameras/cam4"));
    page.0.back().unwrap();
    page.wait("the wall", &at("/"));
    page.0.type_text("?").unwrap();
    page.wait("the help", "document.querySelector('dialog').open");
    page.0.press(Key::Escape).unwrap();
    page.wait("no help", "!document.querySelector('dialog').open");
    page.0.type_text("e").unwrap();
    page.wait("events", "document.querySelectorAll('.drawer:not([hidden]) [data-kind=online]').length >= 4");
    page.0.press(Key::Escape).unwrap();
    page.wait("no events", "document.querySelector('.drawer').hidden");
    for theme in ["light", "dark", "system"] {
        page.0.type_text("t").unwrap();
        page.wait(theme, &format!("(document.documentElement.dataset.theme ?? 'system') === '{theme}'"));
    }
    page.0.type_text("f").unwrap();
    page.wait("full screen", "document.fullscreenElement !== null");
    page.0.type_text("f").unwrap();
    page.wait("no full screen", "document.fullscreenElement === null");
    page.0.type_text("m").unwrap();
    page.wait("that there is no sound", "document.querySelector('.notice').textContent.includes('no sound')");
    page.wait_for_pictures(&["cam1", "cam2", "cam3", "cam4"]);
    page.check_console();
}

#[test]
fn a_camera_has_an_address_of_its_own() {
    require!(browser::available(), media::available());
    let _watchdog = Watchdog::start(SOON * 8);
    let _alone = alone();
    let cameras = Cameras::start(2, &Clip { audio: true, ..bars_clip() });
    let site = Site::start(&(cameras.entry("one", 1) + &cameras.entry("two", 2)));
    let page = Page::open(&site, "/cameras/two");
    page.wait("the picture", "document.querySelector('.camera video.shown')?.currentTime > 0");
    page.wait("its name", "document.title === 'two – Valkka'");
    page.wait("figures", "/Codec\\s*H.264/.test(document.querySelector('.side').innerText)");
    // A stream with sound is silent until it is asked for.
    page.wait("a button for the sound", "!document.querySelector('[aria-label^=Sound]').hidden");
    page.wait("silence", "document.querySelector('.camera video.shown')?.muted === true");
    page.0.type_text("m").unwrap();
    page.wait("sound", "document.querySelector('.camera video.shown')?.muted === false");
    page.wait("pictures with sound", "document.querySelector('.camera video.shown')?.currentTime > 1");
    page.check_console();
    page.0.open(&site.url("/cameras/three")).unwrap();
    page.wait("that it is not there", "document.querySelector('h1').textContent === 'No camera “three”'");
}

#[test]
fn sixteen_cameras_play_at_once() {
    require!(browser::available(), media::available());
    let _watchdog = Watchdog::start(SOON * 12);
    let _alone = alone();
    let small =
        Clip { width: 320, height: 180, frame_rate: 10, gop: 20, bitrate_bps: 200_000, ..bars_clip() };
    let cameras = Cameras::start(16, &small);
    let names: Vec<_> = (1..=16).map(|number| format!("cam{number}")).collect();
    let entries: String = names.iter().zip(1..).map(|(name, number)| cameras.entry(name, number)).collect();
    let site = Site::start(&entries);
    let page = Page::open(&site, "/");
    page.wait_for_pictures(&names.iter().map(String::as_str).collect::<Vec<_>>());
    page.check_bars("cam1");
    page.check_bars("cam16");
    // All are in view, in the order of their numbers.
    page.wait(
        "a grid of four by four",
        "new Set([...document.querySelectorAll('.tile')].map((tile) => tile.offsetLeft)).size === 4",
    );
    let order = page
        .0
        .run("return [...document.querySelectorAll('.tile')].map((tile) => tile.dataset.camera).join(' ')");
    assert_eq!(order.unwrap(), names.join(" "));
    page.check_console();
}

#[test]
fn who_is_not_known_sees_nothing() {
    require!(browser::available(), media::available());
    let _watchdog = Watchdog::start(SOON * 8);
    let _alone = alone();
    let cameras = Cameras::start(2, &bars_clip());
    let mut passwd = start(&["passwd", "anna"]);
    passwd.write_line("correct horse").unwrap();
    passwd.close_input();
    let hash = passwd.wait_line(SOON, |line| line.strip_prefix("password = ").map(str::to_owned)).unwrap();
    let user = format!("[users.anna]\npassword = {hash}\nroles = {{ one = \"viewer\" }}\n");
    let site = Site::with_access("", &(cameras.entry("one", 1) + &cameras.entry("two", 2) + &user));
    let page = Page::open(&site, "/");
    let log_in = |password: &str| {
        page.wait("the form", "document.querySelector('.login') !== null");
        page.0
            .run("document.querySelectorAll('.login input').forEach((input) => { input.value = ''; })")
            .unwrap();
        page.click("#user");
        page.0.type_text("anna").unwrap();
        page.0.press(Key::Tab).unwrap();
        page.0.type_text(password).unwrap();
        page.0.press(Key::Enter).unwrap();
    };
    log_in("wrong");
    page.wait(
        "that it is wrong",
        "document.querySelector('.trouble').textContent === 'Name or password is wrong.'",
    );
    log_in("correct horse");
    page.wait_for_pictures(&["one"]);
    page.wait("the name", "document.querySelector('.who').textContent === 'anna'");
    assert_eq!(page.0.run("return document.querySelectorAll('.tile').length").unwrap(), 1);
    page.click("[aria-label='Log out']");
    page.wait(
        "the form",
        "document.querySelector('.login') !== null && document.querySelector('video') === null",
    );
    // The session is over for all who have its cookie.
    page.0.open(&site.url("/cameras/one")).unwrap();
    page.wait("the form", "document.querySelector('.login') !== null");
    let entries = page.0.console().unwrap();
    let wrong: Vec<_> =
        entries.iter().filter(|entry| entry.level != "INFO" && entry.source != "network").collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
