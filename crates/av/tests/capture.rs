//! Cameras of this machine: a library that plays one is loaded into a child process, for there may be none.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests are tests, and talk to their parents"
)]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use valkka_av::{Capture, FileReader};
use valkka_core::codec::Codec;
use valkka_core::frame::{Body, Frame, Signal};
use valkka_core::sink::FnSink;
use valkka_core::source::{Source as _, SourceOptions, SourceRequest};
use valkka_core::stream::Slot;
use valkka_core::url::{Device, StreamUrl};
use valkka_core::worker::StopToken;
use valkka_testkit::media::{self, Clip};
use valkka_testkit::process::{self, Child};
use valkka_testkit::require;
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;

const SOON: Duration = Duration::from_secs(60);
/// Where the library has its device.
const DEVICE: &str = "/dev/video-of-the-test";

/// What a child process does, which has the library.
#[test]
fn child() {
    let Ok(what) = env::var("VALKKA_TEST_CHILD") else { return };
    let _watchdog = Watchdog::start(SOON);
    let device = Device { path: env::var("VALKKA_PATH").unwrap(), size: Some((1280, 720)) };
    let source = |silence_timeout| {
        let options = SourceOptions { silence_timeout, ..SourceOptions::default() };
        Capture::new(SourceRequest { slot: Slot::new(1), url: StreamUrl::from(device), options })
    };
    match what.as_str() {
        "stops" => capture(source(SOON * 2), Some(50)),
        "is stopped" => wait_for_stop(source(SOON * 2)),
        "falls silent" => capture(source(Duration::from_millis(300)), None),
        _ => capture(source(SOON * 2), None),
    }
}

/// Captures until it ends, or so many pictures came, and says what it sees.
fn capture(mut source: Capture, pictures: Option<usize>) {
    let stop = StopToken::new();
    let (token, count) = (stop.clone(), Mutex::new(0));
    let sink = FnSink(move |frame: Frame| {
        let mut count = count.lock().unwrap();
        match &frame.body {
            Body::Signal(Signal::Online(info)) => {
                let params = info.tracks[0].params.as_ref().unwrap();
                let video = params.as_video().unwrap();
                let rate = video.frame_rate.map(|rate| rate.hz());
                let name = info.server.as_deref().unwrap_or("nameless");
                let (transport, codec) = (&info.transport, params.codec);
                println!("online {transport} {codec} {}x{} {rate:?} {name}", video.width, video.height);
            }
            Body::Packet(packet) => {
                if *count == 0 {
                    let video = packet.params.as_video().unwrap();
                    let (key, lost, extra) = (packet.keyframe, packet.lost, !packet.params.extra.is_empty());
                    let sane = frame.time.capture.is_some_and(|at| at <= frame.time.arrival);
                    let (width, height) = (video.width, video.height);
                    println!(
                        "picture: key {key}, lost {lost}, {width}x{height}, extra {extra}, captured {sane}"
                    );
                }
                *count += 1;
                if pictures.is_some_and(|pictures| *count >= pictures) {
                    token.stop();
                }
            }
            _ => {}
        }
    });
    match source.run(&sink, &stop) {
        Ok(()) => println!("stopped"),
        Err(error) => println!("error: {error}"),
    }
}

/// Stops a source while it waits for a picture, and says how long that takes.
fn wait_for_stop(mut source: Capture) {
    let (tx, frames) = mpsc::channel();
    let (stop, sink) = (StopToken::new(), FnSink(move |frame: Frame| drop(tx.send(frame))));
    let token = stop.clone();
    let running = thread::spawn(move || source.run(&sink, &token));
    let first = frames.recv_timeout(SOON).unwrap();
    assert!(matches!(first.body, Body::Signal(Signal::Online(_))));
    stop.stop();
    running.join().unwrap().unwrap();
    println!("stopped");
}

/// The library that plays a camera.
fn library(directory: &TempDir) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/device/camera.c");
    let library = directory.join("camera.so");
    let mut compiler = process::command("cc").unwrap();
    compiler
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-o"])
        .arg(&library)
        .arg(source)
        .arg("-ldl");
    let said = media::run(compiler).unwrap();
    assert_eq!(said, "", "the compiler has nothing to say");
    library
}

/// Encoded pictures as the library reads them.
fn pictures(directory: &TempDir, codec: Codec) -> PathBuf {
    let clip = match codec {
        Codec::Mjpeg => media::Codec::Mjpeg,
        _ => media::Codec::H264,
    };
    let clip = Clip { codec: clip, width: 320, height: 180, seconds: 1, ..Clip::default() };
    let mut reader = FileReader::open(clip.file().unwrap()).unwrap();
    let mut data = Vec::new();
    while let Some(frame) = reader.read().unwrap() {
        let Some(packet) = frame.packet() else { continue };
        data.extend(u32::try_from(packet.payload.len()).unwrap().to_le_bytes());
        data.extend_from_slice(&packet.payload);
    }
    let path = directory.join("pictures");
    fs::write(&path, data).unwrap();
    path
}

/// A child that captures from `path`.
struct Case<'a> {
    path: &'a str,
    what: &'a str,
    format: &'a str,
    fault: &'a str,
}

const PLAIN: Case<'_> = Case { path: DEVICE, what: "runs", format: "H264", fault: "" };

impl Case<'_> {
    /// What the child says.
    fn run(&self, directory: &TempDir, codec: Codec) -> Vec<String> {
        let (library, pictures) = (library(directory), pictures(directory, codec));
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "child", "--nocapture"]);
        command
            .env("LD_PRELOAD", library)
            .env("VALKKA_TEST_CHILD", self.what)
            .env("VALKKA_PATH", self.path)
            .env("VALKKA_DEVICE", DEVICE)
            .env("VALKKA_PICTURES", pictures)
            .env("VALKKA_FORMAT", self.format)
            .env("VALKKA_FAULT", self.fault);
        let mut child = Child::spawn(command).unwrap();
        let status = child.wait(SOON).unwrap();
        let output = child.output();
        assert!(status.success(), "{output}");
        let own =
            |line: &&str| ["online", "picture", "stopped", "error"].iter().any(|word| line.starts_with(word));
        // The harness writes its own words in the line of the first one.
        let lines = output.lines().map(|line| line.rsplit("child ... ").next().unwrap_or(line));
        lines.filter(own).map(str::to_owned).collect()
    }

    /// The error with which the child ends at once.
    fn error(&self) -> String {
        let directory = TempDir::new().unwrap();
        let lines = self.run(&directory, Codec::H264);
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines[0].strip_prefix("error: ").unwrap().to_owned()
    }
}

fn available() -> Result<(), String> {
    process::available("cc").and(media::available())
}

#[test]
fn h264_comes_with_its_parameters_until_it_is_stopped() {
    require!(available());
    let _watchdog = Watchdog::start(SOON * 2);
    let directory = TempDir::new().unwrap();
    let lines = Case { what: "stops", ..PLAIN }.run(&directory, Codec::H264);
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(lines[0], "online v4l2 H.264 640x360 Some(100.0) Valkka's test camera");
    assert!(lines[1].ends_with("key true, lost 0, 320x180, extra true, captured true"), "{}", lines[1]);
    assert_eq!(lines[2], "stopped");
}

#[test]
fn mjpeg_is_taken_where_there_is_no_better() {
    require!(available());
    let _watchdog = Watchdog::start(SOON * 2);
    let directory = TempDir::new().unwrap();
    let lines = Case { what: "stops", format: "MJPG", ..PLAIN }.run(&directory, Codec::Mjpeg);
    assert_eq!(lines[0], "online v4l2 MJPEG 640x360 Some(100.0) Valkka's test camera");
    assert!(lines[1].ends_with("key true, lost 0, 320x180, extra false, captured true"), "{}", lines[1]);
}

#[test]
fn a_stop_ends_the_wait() {
    require!(available());
    let _watchdog = Watchdog::start(SOON * 2);
    let directory = TempDir::new().unwrap();
    let lines = Case { what: "is stopped", fault: "silent:0", ..PLAIN }.run(&directory, Codec::H264);
    assert_eq!(lines, ["stopped"]);
}

#[test]
fn what_cannot_be_captured_is_named() {
    require!(available());
    let _watchdog = Watchdog::start(SOON * 4);
    let error = |path, format, fault| Case { path, format, fault, ..PLAIN }.error();
    let nowhere = error("/dev/video-that-is-not-there", "H264", "");
    assert_eq!(nowhere, "cannot connect to /dev/video-that-is-not-there: No such file or directory");
    let null = "/dev/null has no track that can be used (it is no video capture device)";
    assert_eq!(error("/dev/null", "H264", ""), null);
    let raw = format!("{DEVICE} has no track that can be used (YUYV 4:2:2, NV12)");
    assert_eq!(error(DEVICE, "NV12", ""), raw);
    let none = format!("{DEVICE} has no track that can be used (no format at all)");
    assert_eq!(error(DEVICE, "none", ""), none);
    let busy = format!("reading {DEVICE}: setting the format failed: Device or resource busy");
    assert_eq!(error(DEVICE, "H264", "busy"), busy);
    let memory = format!("reading {DEVICE}: reserving buffers failed: Cannot allocate memory");
    assert_eq!(error(DEVICE, "H264", "memory"), memory);
    let start = format!("reading {DEVICE}: starting to capture failed: Input/output error");
    assert_eq!(error(DEVICE, "H264", "start"), start);
}

#[test]
fn what_is_unplugged_or_falls_silent_ends() {
    require!(available());
    let _watchdog = Watchdog::start(SOON * 2);
    let directory = TempDir::new().unwrap();
    let lines = Case { fault: "unplugged:5", ..PLAIN }.run(&directory, Codec::H264);
    assert_eq!(lines.last().unwrap(), &format!("error: reading {DEVICE} failed: No such device"));
    assert_eq!(lines.len(), 3, "{lines:?}");
    let lines = Case { what: "falls silent", fault: "silent:5", ..PLAIN }.run(&directory, Codec::H264);
    assert_eq!(lines.last().unwrap(), &format!("error: {DEVICE} sent nothing for 0.3 s"));
    let lines = Case { what: "stops", fault: "torn:0", ..PLAIN }.run(&directory, Codec::H264);
    assert!(lines[1].contains("lost 1"), "{}", lines[1]);
}
