//! A browser at the page of a site of its own, with cameras in processes of their own.

use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use valkka_testkit::browser::{Browser, Entry};
use valkka_testkit::media::{Clip, Scene, bars};
use valkka_testkit::process::Child;
use valkka_testkit::temp::TempDir;
use valkka_testkit::wait;

use super::{SOON, start};

/// One browser at a time: each keeps a core busy, and wants to be on time.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Cameras in one process, on a port that stays theirs when they are started again.
pub(crate) struct Cameras {
    port: u16,
    arguments: Vec<String>,
    child: Child,
}

impl Cameras {
    /// `count` cameras that send `clip`.
    pub(crate) fn start(count: usize, clip: &Clip) -> Self {
        let (count, file) = (count.to_string(), clip.file().unwrap());
        Self::with_arguments(&["--count", &count, "--file", file.to_str().unwrap()])
    }

    pub(crate) fn with_arguments(arguments: &[&str]) -> Self {
        let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let (child, port) = Self::spawn(0, &arguments);
        Self { port, arguments, child }
    }

    /// Sends `clip` from now on, after a restart.
    pub(crate) fn change(&mut self, clip: &Clip) {
        let file = clip.file().unwrap();
        self.kill();
        self.arguments = ["--file", file.to_str().unwrap()].map(str::to_owned).to_vec();
        self.start_again();
    }

    /// On this port, or on any for 0; with the port.
    fn spawn(port: u16, arguments: &[String]) -> (Child, u16) {
        let listen = format!("127.0.0.1:{port}");
        let mut all = vec!["camera", "--listen", &listen];
        all.extend(arguments.iter().map(String::as_str));
        let child = start(&all);
        let port = child.wait_line(SOON, |line| port_of(line.strip_suffix("/cam1")?)).unwrap();
        (child, port)
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Goes on with the same as before.
    pub(crate) fn start_again(&mut self) {
        self.child = Self::spawn(self.port, &self.arguments).0;
    }

    /// The lines of the configuration for camera `number` of these.
    pub(crate) fn entry(&self, name: &str, number: usize) -> String {
        format!(
            "[cameras.{name}]\nurl = \"rtsp://127.0.0.1:{}/cam{number}\"\ntransport = \"tcp\"\n",
            self.port
        )
    }
}

/// `valkka serve` with a configuration of the test's.
pub(crate) struct Site {
    directory: TempDir,
    /// All of its configuration but for the port.
    config: String,
    port: u16,
    child: Child,
}

impl Site {
    /// Serves `entries` to everybody on this machine.
    pub(crate) fn start(entries: &str) -> Self {
        Self::with_access("anyone = true", entries)
    }

    pub(crate) fn with_access(access: &str, entries: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let config = format!("{access}\n\n{entries}");
        let (child, port) = Self::spawn(&directory, 0, &config);
        Self { directory, config, port, child }
    }

    /// On this port, or on any for 0; with the port.
    fn spawn(directory: &TempDir, port: u16, config: &str) -> (Child, u16) {
        let file = directory.join("valkka.toml");
        fs::write(&file, format!("[web]\nlisten = \"127.0.0.1:{port}\"\n{config}")).unwrap();
        let child = start(&["serve", file.to_str().unwrap()]);
        let port = child.wait_line(SOON, |line| port_of(line.strip_prefix("http://")?)).unwrap();
        (child, port)
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Goes on with the same as before.
    pub(crate) fn start_again(&mut self) {
        self.child = Self::spawn(&self.directory, self.port, &self.config).0;
    }

    /// The address of `path`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

/// A browser at a page of a site.
pub(crate) struct Page(pub(crate) Browser);

impl Page {
    /// Opens `path` of a site.
    pub(crate) fn open(site: &Site, path: &str) -> Self {
        let browser = Browser::spawn(1280, 800).unwrap();
        browser.open(&site.url(path)).unwrap();
        // Gone if the page is ever loaded again.
        browser.run("window.sameVisit = true").unwrap();
        Self(browser)
    }

    /// Waits until `script`, an expression, is neither `null` nor `false`.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, script: &str) {
        // What is not there yet has no properties.
        let script = format!(
            "try {{ return {script}; }}
            catch (error) {{ if (error instanceof TypeError) return null; throw error; }}"
        );
        self.0.wait(SOON, what, &script).unwrap();
    }

    /// Waits until all of `cameras` have moved on by some pictures from now, in one visit to the page.
    #[track_caller]
    pub(crate) fn wait_for_pictures(&self, cameras: &[&str]) {
        for camera in cameras {
            let now = format!(
                "const video = document.querySelector('{}');
                const now = video && {{
                    video, time: video.currentTime, pictures: video.getVideoPlaybackQuality().totalVideoFrames,
                }};",
                video(camera)
            );
            self.0.run(&format!("{now} window.before = now;")).unwrap();
            // A video that took the place of another counts from zero.
            let moved = format!(
                "{now}
                const before = window.before?.video === video ? window.before : {{ time: 0, pictures: 0 }};
                return now && now.time > before.time && now.pictures > before.pictures + 5;"
            );
            self.0.wait(SOON, &format!("pictures of {camera}"), &moved).unwrap();
        }
        assert_eq!(self.0.run("return window.sameVisit").unwrap(), true, "the page was loaded again");
    }

    /// Checks the colours of the bars that `camera` shows.
    #[track_caller]
    pub(crate) fn check_bars(&self, camera: &str) {
        self.check_bars_in(&video(camera));
    }

    /// Checks the colours of the bars in the video that `selector` is for.
    #[track_caller]
    pub(crate) fn check_bars_in(&self, selector: &str) {
        let video = format!("document.querySelector({})", Value::from(selector));
        let is_there = || self.0.run(&format!("return {video}?.readyState >= 2")).unwrap() == true;
        let picture = wait::until_some(SOON, &format!("a picture in {selector}"), || {
            // Nothing can be had of a video that goes elsewhere at this moment.
            let was_there = is_there();
            let picture = self.0.picture(selector, 140, 80).ok()?;
            (was_there && is_there()).then_some(picture)
        });
        bars::check(&picture, bars::Area::whole(&picture), 12).unwrap();
    }

    /// Clicks what `selector` is for, which may be replaced by its like at this moment.
    #[track_caller]
    pub(crate) fn click(&self, selector: &str) {
        wait::until(SOON, selector, || self.0.click(selector).is_ok());
    }

    /// Checks that nothing is wrong that the page could have avoided; the server may have been busy.
    #[track_caller]
    pub(crate) fn check_console(&self) {
        let entries = self.0.console().unwrap();
        let is_busy = |entry: &&Entry| entry.source == "network" && entry.text.contains("status of 503");
        let wrong: Vec<_> =
            entries.iter().filter(|entry| entry.level != "INFO").filter(|entry| !is_busy(entry)).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

/// The element that shows a camera on the wall.
pub(crate) fn video(camera: &str) -> String {
    format!("[data-camera=\"{camera}\"] video.shown")
}

/// The port at the end of an address.
fn port_of(address: &str) -> Option<u16> {
    address.trim_end_matches('/').rsplit_once(':')?.1.parse().ok()
}

/// Colour bars.
pub(crate) fn bars_clip() -> Clip {
    Clip { scene: Scene::Bars, ..Clip::default() }
}
