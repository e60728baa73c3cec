//! What was recorded, on the page of `valkka serve` in a real browser.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::fs;

use common::media::{decoded, probe_file};
use common::page::{Cameras, Page, Site, alone, bars_clip};
use common::{SOON, get};
use serde_json::{Value, json};
use valkka_testkit::browser;
use valkka_testkit::media::{self, Clip, Codec, bars};
use valkka_testkit::require;
use valkka_testkit::temp::TempDir;
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;

/// Records everything that the cameras send.
const RECORD: &str = "[record]\nstore = \"store\"\nsize = \"256 MB\"\nmin_free = \"1 MB\"\n\n";

/// How long a picture of the test's cameras is shown.
const FRAME_MS: f64 = 40.0;

/// What the site says of the recordings of `camera`; `None` while there are none.
fn recordings(site: &Site, camera: &str) -> Option<Value> {
    let site = site.url("");
    let all: Value = serde_json::from_str(&get(&site, "/api/archive")).unwrap();
    let kept = all["cameras"].as_array().unwrap().iter().find(|kept| kept["name"] == camera).unwrap();
    let (from, now) = (kept["from"].as_str()?, all["now"].as_str().unwrap());
    let path = format!("/api/cameras/{camera}/archive?from={from}&to={now}");
    Some(serde_json::from_str(&get(&site, &path)).unwrap())
}

/// Waits until the last stretch of `camera` is `seconds` long and the `number`th; returns what there is.
fn wait_for_recording(site: &Site, camera: &str, number: usize, seconds: f64) -> Value {
    wait::until_some(SOON, &format!("{seconds} s of {camera}, piece {number}"), || {
        let recorded = recordings(site, camera)?;
        let stretches = recorded["stretches"].as_array().unwrap();
        let last = stretches.get(number - 1)?;
        let length = millis(last["to"].as_str().unwrap()) - millis(last["from"].as_str().unwrap());
        (stretches.len() == number && length >= 1000.0 * seconds).then_some(recorded)
    })
}

/// Milliseconds since 1970.
fn millis(moment: &str) -> f64 {
    let time: valkka::time::WallTime = moment.parse().unwrap();
    time.micros() as f64 / 1000.0
}

impl Page {
    fn number(&self, script: &str) -> f64 {
        self.0.run(&format!("return {script}")).unwrap().as_f64().unwrap()
    }

    /// Clicks at this point of the page, with the keys of `modifiers` pressed.
    fn click_at(&self, x: f64, y: f64) {
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 });
            self.0.developer("Input.dispatchMouseEvent", &event).unwrap();
        }
    }

    /// The moment that the recording of `camera` shows, in milliseconds since 1970.
    #[track_caller]
    fn shown_at(&self, camera: &str) -> f64 {
        // What is not a number comes as nothing.
        let at = self.0.wait(SOON, "a moment", &format!("return {}", moment_of(camera)));
        at.unwrap().as_f64().unwrap()
    }

    /// Waits until the recording of `camera` moves.
    #[track_caller]
    fn wait_for_film(&self, camera: &str) {
        self.wait("the film", &format!("{}?.readyState >= 2", film(camera)));
        let begun = self.shown_at(camera);
        self.wait("the film to move", &format!("{} > {begun} + 400", moment_of(camera)));
    }
}

/// The video of the recording of `camera` that is seen; on the page of a camera there is only one.
fn film(camera: &str) -> String {
    format!("document.querySelector('{} .replay video.shown')", place(camera))
}

/// The moment that it shows, in milliseconds since 1970; no number if it shows none.
fn moment_of(camera: &str) -> String {
    format!("({0} ? Number({0}.dataset.zero) + 1000 * {0}.currentTime : NaN)", film(camera))
}

fn place(camera: &str) -> String {
    if camera.is_empty() { ".camera".to_owned() } else { format!(".tile[data-camera={camera}]") }
}

#[test]
fn a_recording_is_found_played_and_saved() {
    require!(browser::available(), media::available());
    let _watchdog = Watchdog::start(SOON * 8);
    let _alone = alone();
    let mut camera = Cameras::start(1, &bars_clip());
    let site = Site::start(&(RECORD.to_owned() + &camera.entry("one", 1)));
    // So long that nothing reaches its end which is begun in its middle, though this machine stands still for a while.
    wait_for_recording(&site, "one", 1, 20.0);
    camera.kill();
    // The server notices, and tries again in growing pauses.
    wait::until(SOON, "the end", || get(&site.url(""), "/api/cameras/one").contains("\"offline\""));
    camera.start_again();
    let recorded = wait_for_recording(&site, "one", 2, 3.0);
    let moment = |kind: &str, index: usize, end: &str| millis(recorded[kind][index][end].as_str().unwrap());

    let page = Page::open(&site, "/cameras/one");
    page.wait(
        "that it is recorded",
        "/Recording\\s*Recording/.test(document.querySelector('.side').innerText)",
    );
    page.wait("the timeline", "document.querySelector('.lane .kept')?.getAttribute('d').length > 5");

    // From an hour to some minutes: what was recorded first is wide enough to be clicked at, and still in view.
    page.0.type_text("++++++").unwrap();
    let first = "document.querySelector('.lane .kept').getBoundingClientRect()";
    page.wait("a closer look", &format!("{first}.width > 30"));
    page.wait("the gap", "document.querySelector('.lane .missing').getAttribute('d').length > 5");
    let path = "document.querySelector('.lane .kept').getAttribute('d').match(/^M(\\d+) 0H(\\d+)/)";
    let field = "document.querySelector('.field-of-time').getBoundingClientRect()";
    let x = page.number(&format!("{field}.left + Number({path}[1]) + 0.5 * ({path}[2] - {path}[1])"));
    let y = page.number(&format!("{first}.top + 5"));
    page.click_at(x, y);
    page.wait_for_film("");
    let at = page.shown_at("");
    let (from, to) = (moment("stretches", 0, "from"), moment("stretches", 0, "to"));
    assert!(at > from && at < to, "{from} {at} {to}");
    page.check_bars_in(".camera .replay video.shown");

    // Pictures one by one.
    page.0.type_text(" ").unwrap();
    page.wait("a pause", &format!("{0}?.paused && !{0}.seeking", film("")));
    let steady = format!("{0} && !{0}.seeking && Math.abs({1} - ", film(""), moment_of(""));
    let mut stood = page.shown_at("");
    for (key, sign) in [(",", -1.0), (",", -1.0), (".", 1.0)] {
        page.0.type_text(key).unwrap();
        page.wait("another picture", &format!("{steady}{stood}) > 15"));
        let now = page.shown_at("");
        let step = sign * (now - stood);
        assert!(step > 0.3 * FRAME_MS && step < 2.5 * FRAME_MS, "{key}: {stood} {now}");
        stood = now;
    }

    // Backwards.
    page.0.type_text("r").unwrap();
    let still = "document.querySelector('.camera .replay .still:not([hidden])')?.dataset.time";
    page.wait("a picture", still);
    let before = page.0.run(&format!("return {still}")).unwrap();
    page.wait("an earlier picture", &format!("{still} && {still} < {before}"));
    assert!(millis(before.as_str().unwrap()) < stood + FRAME_MS, "{before}");
    let picture = page.0.picture(".camera .replay .still", 140, 80).unwrap();
    bars::check(&picture, bars::Area::whole(&picture), 12).unwrap();
    page.0.type_text(" ").unwrap();

    // The gap says why it is one.
    page.0.type_text("n").unwrap();
    page.wait("words", "document.querySelector('.replay .words').innerText.startsWith('Nothing recorded')");
    let words = page.0.run("return document.querySelector('.replay .words').innerText").unwrap();
    let reason = recorded["gaps"][0]["reason"].as_str().unwrap();
    let words = words.as_str().unwrap().to_lowercase();
    assert!(!reason.is_empty() && words.contains(&reason.to_lowercase()), "{reason}: {words}");
    page.0.run("document.querySelector('.gaps').open = true").unwrap();
    page.wait(
        "the list",
        &format!("document.querySelector('.gaps').innerText.includes({})", {
            let mut reason = reason.to_owned();
            reason.replace_range(..1, &reason[..1].to_uppercase());
            Value::from(reason)
        }),
    );

    // A piece is saved.
    let folder = TempDir::new().unwrap();
    let allowed = json!({ "behavior": "allow", "downloadPath": folder.path() });
    page.0.developer("Page.setDownloadBehavior", &allowed).unwrap();
    page.0
        .open(&site.url(&format!("/cameras/one?at={}", recorded["stretches"][0]["from"].as_str().unwrap())))
        .unwrap();
    page.wait_for_film("");
    page.0.type_text(" i").unwrap();
    let marked = page.shown_at("");
    page.0.type_text(" ").unwrap();
    page.wait("two seconds", &format!("{} > {marked} + 2000", moment_of("")));
    page.0.type_text(" o").unwrap();
    page.wait("the link", "document.querySelector('.export:not([hidden]) a') !== null");
    page.click(".export a");
    let file = wait::until_some(SOON, "the file", || {
        let files = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "mp4"))
    });
    assert_eq!(probe_file(&file), "h264,640,360");
    let frames = decoded(&file, "v");
    // Two seconds and what was played until it was marked; a busy machine makes fewer pictures.
    assert!((25..=450).contains(&frames), "{frames} pictures");
    page.check_console();
}

#[test]
fn recordings_play_in_step() {
    require!(browser::available(), media::available());
    let _watchdog = Watchdog::start(SOON * 6);
    let _alone = alone();
    let cameras = Cameras::start(2, &bars_clip());
    let other = Cameras::start(1, &Clip { codec: Codec::H265, ..bars_clip() });
    let entries = cameras.entry("one", 1) + &cameras.entry("two", 2) + &other.entry("new", 1);
    let site = Site::start(&(RECORD.to_owned() + &entries));
    for camera in ["one", "two", "new"] {
        wait_for_recording(&site, camera, 1, 8.0);
    }
    let at = millis(wait_for_recording(&site, "two", 1, 8.0)["stretches"][0]["from"].as_str().unwrap());
    let page = Page::open(&site, "/");
    page.wait(
        "signs of recording",
        "document.querySelectorAll('.tile .recording[data-recording=recording]').length === 3",
    );
    page.click("[aria-label=Archive]");
    page.wait(
        "the archive",
        "location.pathname === '/archive' && document.querySelectorAll('.lane').length === 3",
    );
    page.wait(
        "live pictures",
        "document.querySelectorAll('.stage .screen:not(.replay) video.shown').length === 2",
    );

    let moment = valkka::time::WallTime::from_micros((1000.0 * at) as i64 + 500_000);
    page.0.open(&site.url(&format!("/archive?at={moment}"))).unwrap();
    page.wait_for_film("one");
    page.wait_for_film("two");
    let apart = format!(
        "(() => {{
            const [one, two] = [{}, {}];
            if (!one || !two || one.paused || two.paused) return null;
            return Number(one.dataset.zero) - Number(two.dataset.zero) + 1000 * (one.currentTime - two.currentTime);
        }})()",
        film("one"),
        film("two")
    );
    page.wait("both in step", &format!("Math.abs({apart} ?? Infinity) < {}", FRAME_MS / 2.0));
    // On a machine that is busy one of them may be late for a moment.
    let mut off = Vec::new();
    wait::until(SOON, "both to stay in step", || {
        off = (0..15).filter_map(|_| page.0.run(&format!("return {apart}")).unwrap().as_f64()).collect();
        off.sort_by(|one, other| one.abs().total_cmp(&other.abs()));
        off.get(7).is_some_and(|middle| middle.abs() < FRAME_MS)
    });
    page.0.type_text(" ").unwrap();
    let settled =
        format!("{0}?.paused && {1}?.paused && !{0}.seeking && !{1}.seeking", film("one"), film("two"));
    page.wait("a pause", &settled);
    let difference = format!("{} - {}", moment_of("one"), moment_of("two"));
    page.wait("the same moment", &format!("Math.abs({difference}) < 5"));
    for camera in ["one", "two"] {
        page.check_bars_in(&format!("{} .replay video.shown", place(camera)));
    }

    // What this browser does not play is shown all the same.
    let tile = format!("document.querySelector('{}')", place("new"));
    page.wait(
        "words",
        &format!("{tile}.querySelector('.replay .words').innerText.includes('cannot play H.265')"),
    );
    page.wait(
        "a picture",
        &format!("{tile}.querySelector('.replay .still:not([hidden])')?.naturalWidth > 0"),
    );
    let still = page.0.picture(&format!("{} .replay .still", place("new")), 140, 80).unwrap();
    bars::check(&still, bars::Area::whole(&still), 12).unwrap();
    page.0.type_text("l").unwrap();
    page.wait(
        "live pictures",
        "document.querySelectorAll('.stage .screen:not(.replay) video.shown').length === 2",
    );
    page.check_console();
}

#[test]
fn addresses_lead_to_moments_and_back() {
    require!(browser::available(), media::available());
    let _watchdog = Watchdog::start(SOON * 6);
    let _alone = alone();
    let cameras = Cameras::start(1, &bars_clip());
    let site = Site::start(&(RECORD.to_owned() + &cameras.entry("one", 1)));
    let recorded = wait_for_recording(&site, "one", 1, 8.0);
    let from: valkka::time::WallTime = recorded["stretches"][0]["from"].as_str().unwrap().parse().unwrap();
    let page = Page::open(&site, "/cameras/one");
    page.wait("the timeline", "document.querySelector('.deck') !== null");
    let go = |micros: i64| {
        let link = format!("/cameras/one?at={}", from.offset_micros(micros));
        page.0
            .run(&format!(
                "const link = document.createElement('a');
                link.href = '{link}';
                document.body.append(link);
                link.click();
                link.remove();"
            ))
            .unwrap();
    };
    go(5_000_000);
    page.wait_for_film("");
    page.0.type_text(" ").unwrap();
    page.wait("a pause", &format!("{}?.paused", film("")));

    // A single picture that does not come is not missed once there is video.
    page.0
        .run(
            "const { fetch } = window;
            window.refused = 0;
            window.fetch = (path, options) => {
                if (!path.includes('picture.jpg')) return fetch(path, options);
                refused += 1;
                return Promise.reject(new TypeError('refused'));
            };",
        )
        .unwrap();
    go(500_000);
    let at = millis(&from.offset_micros(500_000).to_string());
    page.wait("the video", &format!("Math.abs({} - {at}) < 100", moment_of("")));
    page.wait("no words", "document.querySelector('.camera .replay .words').hidden");
    assert!(page.number("refused") > 0.0, "no picture was asked for");

    let moment = "document.querySelector('time.moment').textContent";
    let here = || page.0.run(&format!("return {moment}")).unwrap();
    let early = here();
    go(5_000_000);
    page.wait("the other moment", &format!("{moment} !== {early}"));
    let late = here();
    for expected in [&early, &late] {
        page.0.back().unwrap();
        page.wait("the moment before", &format!("{moment} === {expected}"));
    }
    // There it began, live.
    page.0.back().unwrap();
    page.wait("live", "document.querySelector('.live').getAttribute('aria-pressed') === 'true'");
    page.check_console();
}

#[test]
fn where_nothing_is_recorded_yet_it_stays_live() {
    require!(browser::available());
    let _watchdog = Watchdog::start(SOON * 6);
    let _alone = alone();
    let absent = "[cameras.absent]\nurl = \"rtsp://127.0.0.1:1/absent\"\ntransport = \"tcp\"\n";
    let site = Site::start(&(RECORD.to_owned() + absent));
    let page = Page::open(&site, "/cameras/absent");
    page.wait("the timeline", "document.querySelector('.deck') !== null");
    let moment = "document.querySelector('time.moment').textContent";
    for keys in ["rr", " ", ",.", "[]"] {
        page.0.type_text(keys).unwrap();
        page.wait("live", "document.querySelector('.live').getAttribute('aria-pressed') === 'true'");
        let now = page.0.run(&format!("return {moment}")).unwrap();
        page.wait("the clock to go on", &format!("{moment} !== {now}"));
    }
    page.check_console();
}
