//! What the tests of all crates share: other people's programs as peers, a screen, faults, and time.
//!
//! Only tests, examples and benches depend on this crate.
//!
//! - [`gst::RtspServer`], [`media`]: GStreamer's RTSP server and the `ffmpeg` program as peers that nobody here
//!   wrote, and the files they send.
//! - [`fake::Server`], [`fake::Nobody`], [`lossy::Proxy`]: servers that misbehave or are not there, and networks that
//!   misbehave.
//! - [`xvfb::Display`], [`window::Window`], [`user::User`]: a screen without a screen, a window of another process, and
//!   somebody who uses it.
//! - [`browser::Browser`]: Chromium, to look at pages with.
//! - [`vlc`]: a player that people have.
//! - [`certificate::Certificate`]: what a server shows by TLS.
//! - [`length::pick`]: tests of faults that can be short or long.
//! - [`wait::until`], [`watchdog::Watchdog`]: waiting for a condition rather than for a time, and an end to whatever
//!   hangs.
//!
//! A test that needs what a machine may lack says so first, and is skipped there with a printed reason:
//!
//! ```no_run
//! use std::time::Duration;
//! use valkka_testkit::{gst, require, watchdog::Watchdog};
//!
//! # fn main() {
//! require!(gst::available());
//! let _watchdog = Watchdog::start(Duration::from_secs(60));
//! let server = gst::RtspServer::builder().mount("/bars", gst::Launch::h264_bars(640, 360)).spawn().unwrap();
//! println!("{}", server.url("/bars"));
//! # }
//! ```
#![forbid(unsafe_code)]

mod accept;

pub mod browser;
pub mod certificate;
pub mod fake;
pub mod gst;
pub mod length;
pub mod lossy;
pub mod media;
pub mod picture;
pub mod process;
pub mod skip;
pub mod temp;
pub mod user;
pub mod vlc;
pub mod wait;
pub mod watchdog;
pub mod window;
pub mod xvfb;
