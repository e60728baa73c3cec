//! Parts of the page of `valkka serve`, one by one in a real browser, with what the server says made up.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use common::SOON;
use common::page::{Page, Site, alone};
use serde_json::{Value, json};
use valkka_testkit::browser;
use valkka_testkit::require;
use valkka_testkit::watchdog::Watchdog;

/// A page on which nothing happens by itself.
fn page(site: &Site) -> Page {
    Page::open(site, "/")
}

impl Page {
    /// What `script`, the body of an asynchronous function, comes to. `soon(what, condition)` waits there for a condition.
    #[track_caller]
    fn script(&self, script: &str) -> Value {
        let soon = format!(
            "const soon = async (what, condition) => {{
                const deadline = performance.now() + {};
                while (!condition()) {{
                    if (performance.now() > deadline) throw new Error(`waited in vain: ${{what}}`);
                    await new Promise((done) => setTimeout(done, 20));
                }}
            }};",
            SOON.as_millis()
        );
        self.0.run(&format!("return (async () => {{ {soon} {script} }})()")).unwrap()
    }
}

#[test]
fn marks_lie_at_full_hours_when_the_clocks_are_changed() {
    require!(browser::available());
    let _watchdog = Watchdog::start(SOON * 6);
    let _alone = alone();
    let site = Site::start("");
    let page = page(&site);
    page.0.developer("Emulation.setTimezoneOverride", &json!({ "timezoneId": "Europe/London" })).unwrap();
    page.0.open(&site.url("/")).unwrap();
    // The local hours of the marks of a day, so many hours apart.
    let hours = |month: u32, day: u32, step: u32| {
        page.script(&format!(
            "const {{ Span, marks }} = await import('/static/span.js');
            const span = new Span(new Date(2026, {month}, {day}).getTime(), new Date(2026, {month}, {day} + 1).getTime());
            return marks(span, {step} * 3600000 / span.length - 1e-9).map(({{ at }}) => new Date(at).getHours());"
        ))
    };
    // October has a day of 25 hours there, and March one of 23, without the hour from one to two.
    for (month, day) in [(9, 24), (9, 25), (2, 29)] {
        assert_eq!(hours(month, day, 12), json!([0, 12]), "{month} {day}");
        assert_eq!(hours(month, day, 6), json!([0, 6, 12, 18]), "{month} {day}");
        assert_eq!(hours(month, day, 3), json!([0, 3, 6, 9, 12, 15, 18, 21]), "{month} {day}");
    }
    let whole: Vec<_> = (0..24).collect();
    assert_eq!(hours(9, 25, 1), json!(whole));
    assert_eq!(hours(2, 29, 1), json!(whole.into_iter().filter(|&hour| hour != 1).collect::<Vec<_>>()));
    // Days stay where they are, however far the scale is moved, and minutes are as long as they are.
    let days = page.script(
        "const { Span, marks } = await import('/static/span.js');
        const days = (from, to) => {
            const span = new Span(new Date(2026, 9, from).getTime(), new Date(2026, 9, to).getTime());
            return marks(span, 2 * 86400000 / span.length - 1e-9).map(({ at, strong }) => [new Date(at).getDate(), strong]);
        };
        const [early, late] = [days(10, 31), days(26, 31)];
        const span = new Span(new Date(2026, 9, 25).getTime() + 30000, new Date(2026, 9, 25).getTime() + 3 * 3600000);
        const minutes = marks(span, 1800000 / span.length - 1e-9).map(({ at }) => (at - span.from + 30000) / 60000);
        return { early, late, minutes };",
    );
    let early = days["early"].as_array().unwrap();
    assert!(early.len() >= 10 && early.iter().all(|day| day[1] == true), "{days}");
    assert!(early.ends_with(days["late"].as_array().unwrap()), "{days}");
    assert_eq!(days["minutes"], json!([30, 60, 90, 120, 150]));
    page.check_console();
}

#[test]
fn a_picture_that_was_forgotten_on_its_way_can_be_wanted_again() {
    require!(browser::available());
    let _watchdog = Watchdog::start(SOON * 6);
    let _alone = alone();
    let site = Site::start("");
    let page = page(&site);
    let shown = page.script(
        "const { Stills } = await import('/static/stills.js');
        const canvas = document.createElement('canvas');
        const picture = await new Promise((done) => canvas.toBlob(done));
        const [asked, shown] = [[], []];
        const { fetch } = window;
        window.fetch = (path, options) => path.includes('/archive/')
            ? new Promise((answer) => asked.push(() => answer(new Response(picture))))
            : fetch(path, options);
        // Which the page does with each picture once it is decoded.
        let decoded = 0;
        const revoke = URL.revokeObjectURL;
        URL.revokeObjectURL = (address) => { decoded += 1; revoke.call(URL, address); };
        const stills = new Stills({ shown: (image, wish) => shown.push(wish.at), failed: () => {} });
        stills.want('front', 1000, 640);
        stills.forget();
        await soon('a request', () => asked.length === 1);
        asked[0]();
        // Until it has come, and is no longer on its way.
        stills.want('other', 2000, 640);
        await soon('another request', () => asked.length === 2);
        stills.forget();
        asked[1]();
        await soon('the end of its way', () => decoded === 2);
        stills.want('other', 2000, 640);
        await soon('the request again', () => asked.length === 3);
        asked[2]();
        await soon('the picture', () => shown.includes(2000));
        // What was shown is not asked for again.
        stills.want('other', 2000, 640);
        stills.want('other', 3000, 640);
        await soon('the next request', () => asked.length === 4);
        return shown.at(-1);",
    );
    assert_eq!(shown, 2000);
    page.check_console();
}

#[test]
fn a_long_gap_does_not_blur_what_comes_after_it() {
    require!(browser::available());
    let _watchdog = Watchdog::start(SOON * 6);
    let _alone = alone();
    let site = Site::start("");
    let page = page(&site);
    let words = page.script(
        "const { Replay } = await import('/static/replay.js');
        const HOUR = 3600000;
        const begin = Date.UTC(2026, 10, 23);
        const iso = (hours) => new Date(begin + hours * HOUR).toISOString();
        const recorded = [[0, 1], [11, 20]];
        const asked = [];
        const answers = { status: 404, error: 'nothing was recorded at this moment' };
        const { fetch } = window;
        window.fetch = async (path, options) => {
            const { pathname, searchParams } = new URL(path, location);
            if (!pathname.includes('/archive')) return fetch(path, options);
            if (pathname.endsWith('.jpg'))
                return new Response(JSON.stringify({ error: answers.error }), { status: answers.status });
            const [from, to] = ['from', 'to'].map((key) => (Date.parse(searchParams.get(key)) - begin) / HOUR);
            asked.push(to - from);
            const stretches = recorded.filter((piece) => piece[0] < to && piece[1] >= from);
            const clip = (at) => iso(Math.max(from, Math.min(to, at)));
            return Response.json({ stretches: stretches.map((piece) => ({ from: clip(piece[0]), to: clip(piece[1]) })), gaps: [] });
        };
        const recorder = { now: begin + 20 * HOUR, of: () => ({ state: 'recording', from: begin, to: begin + 20 * HOUR }) };
        const replay = new Replay({ name: 'front', title: 'Front', codec: null }, recorder);
        document.body.append(replay.element);
        let at = begin + 2 * HOUR;
        const clock = { speed: 1, playing: false, running: false };
        const show = (condition) => () => { replay.show(at, clock); return condition(); };
        await soon('the end of the gap', show(() => replay.beyondGap(at, false) === begin + 11 * HOUR));
        at = begin + 12 * HOUR;
        await soon('a closer look', show(() => asked.at(-1) < 2));
        // What is not there is not tried again, and what is said of it is said of nothing else.
        const text = () => replay.element.querySelector('.words').innerText.trim();
        await soon('words', show(() => text().includes('Nothing was recorded at this moment.')));
        const missing = text();
        Object.assign(answers, { status: 503, error: 'too many are looking' });
        at += 1000;
        await soon('other words', show(() => text().includes('Too many are looking.')));
        const busy = text();
        answers.status = 404;
        replay.rest();
        replay.show(at, clock);
        const rested = text();
        replay.close();
        return { missing, busy, rested };",
    );
    assert!(!words["missing"].as_str().unwrap().contains("tried again"), "{words}");
    assert!(words["busy"].as_str().unwrap().ends_with("It is tried again."), "{words}");
    assert!(!words["rested"].as_str().unwrap().contains("Too many"), "{words}");
    page.check_console();
}

#[test]
fn one_of_two_fingers_may_leave_the_timeline() {
    require!(browser::available());
    let _watchdog = Watchdog::start(SOON * 6);
    let _alone = alone();
    let site = Site::start("");
    let page = page(&site);
    page.script(
        "const { Timeline } = await import('/static/timeline.js');
        const recorder = { now: Date.now(), of: () => null };
        const { fetch } = window;
        window.fetch = async (path, options) =>
            path.includes('/archive') ? Response.json({ stretches: [], gaps: [] }) : fetch(path, options);
        window.sought = [];
        const on = { seek: (at) => sought.push(at), range: () => {}, press: () => {} };
        window.timeline = new Timeline([{ name: 'front', title: 'Front' }], recorder, on);
        document.body.replaceChildren(timeline.element);
        timeline.turn(recorder.now);
        const field = document.querySelector('.field-of-time');
        await soon('its size', () => field.clientWidth > 600);
        // Only fingers that the browser knows of can be captured.
        field.setPointerCapture = () => {};
        const { left, top } = field.getBoundingClientRect();
        window.finger = (kind, pointerId, x) => {
            const at = { clientX: left + x, clientY: top + 10 };
            const event = { pointerId, ...at, button: 0, pointerType: 'touch', bubbles: true };
            field.dispatchEvent(new PointerEvent(`pointer${kind}`, event));
        };",
    );
    let fingers = |events: &[(&str, u32, u32)]| {
        // In one go: nobody rests a finger here.
        let moves: String =
            events.iter().map(|(kind, id, x)| format!("finger('{kind}', {id}, {x});")).collect();
        page.0.run(&format!("{moves} return [timeline.span.length, sought.length]")).unwrap()
    };
    let before = fingers(&[]);
    let zoomed = fingers(&[("down", 1, 300), ("down", 2, 400), ("move", 1, 200), ("move", 2, 500)]);
    let length = |told: &Value| told[0].as_f64().unwrap();
    assert!((length(&before) / length(&zoomed) - 3.0).abs() < 0.01, "{before} {zoomed}");
    // The one that is left does nothing, and chooses nothing when it goes.
    assert_eq!(fingers(&[("up", 2, 500), ("move", 1, 250), ("move", 1, 300), ("up", 1, 300)]), zoomed);
    let chosen = fingers(&[("down", 1, 300), ("up", 1, 300)]);
    assert_eq!(chosen, json!([zoomed[0], 1]));
    page.check_console();
}

#[test]
fn what_takes_several_files_is_offered_in_parts() {
    require!(browser::available());
    let _watchdog = Watchdog::start(SOON * 6);
    let _alone = alone();
    let site = Site::start("");
    let page = page(&site);
    let offered = page.script(
        "const { ExportRow } = await import('/static/export.js');
        const { Span } = await import('/static/span.js');
        const begin = Date.UTC(2026, 10, 23, 12);
        const at = (seconds) => begin + 1000 * seconds;
        const changes = [20, 40.000125];
        const { fetch } = window;
        window.fetch = async (path, options) => {
            if (options?.method !== 'HEAD') return fetch(path, options);
            const query = new URL(path, location).searchParams;
            // To the microsecond, as moments of the archive are.
            const [from, to] = ['from', 'to'].map((key) => {
                const [, seconds, fraction] = /:(\\d\\d)(\\.\\d+)Z$/.exec(query.get(key));
                return Number(seconds) + Number(fraction);
            });
            const change = changes.findLast((change) => change > from && change < to);
            const moment = { 20: '20.000000', 40.000125: '40.000125' }[change];
            const headers = { 'valkka-left-out': 'browsers do not play G.711 u-law in MP4' };
            if (moment) headers['valkka-change'] = `2026-11-23T12:00:${moment}Z`;
            return new Response(null, { headers });
        };
        const row = new ExportRow(() => {});
        document.body.append(row.element);
        row.update(new Span(at(10), at(50)), [{ name: 'front', title: 'Front' }]);
        const links = () => [...row.element.querySelectorAll('a')];
        const first = links().map((link) => link.textContent);
        await soon('the parts', () => links().length > 1);
        const spans = links().map((link) => /from=.*T(.*)&to=.*T(.*)&download=1/.exec(link.href).slice(1, 3));
        const [words, text] = [links().map((link) => link.textContent), row.element.innerText];
        row.update(null, []);
        return { first, spans, words, text };",
    );
    assert_eq!(offered["first"], json!(["Save video"]));
    let spans = [
        ["12:00:10.000Z", "12:00:20.000Z"],
        ["12:00:20.000Z", "12:00:40.000125Z"],
        ["12:00:40.000125Z", "12:00:50.000Z"],
    ];
    assert_eq!(offered["spans"], json!(spans));
    assert_eq!(offered["words"], json!(["Save video, part 1", "Save video, part 2", "Save video, part 3"]));
    let note = "without sound: browsers do not play G.711 u-law in MP4";
    assert_eq!(offered["text"].as_str().unwrap().matches(note).count(), 1, "{offered}");
    page.check_console();
}
