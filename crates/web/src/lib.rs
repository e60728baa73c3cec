//! The cameras of a [`Site`](valkka_site::Site) in the browser: a page with live video, an API, snapshots and metrics.
//!
//! A [`Web`] listens on one address and runs on one thread of its own. All of its routes are rows of one table, which says
//! who may what; the OpenAPI document at `/api/openapi.json` is made from it. Live video is fragmented MP4, muxed once per
//! camera for however many watch, and carried over a WebSocket into the browser's Media Source Extensions.
//!
//! A program of its own that shows its cameras:
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//! use valkka_site::{Config, Site};
//! use valkka_web::{Web, WebOptions};
//!
//! let config = Config::parse(
//!     "[cameras.front]\nurl = 'rtsp://192.168.1.20/stream1'\n[cameras.back]\nurl = 'rtsp://192.168.1.21/stream1'",
//!     ".".as_ref(),
//! )?;
//! let site = Arc::new(Site::start(config)?);
//! // On this machine only, everybody may watch; whoever logs in may do what his roles say.
//! let web = Web::start(site, WebOptions { anyone: true, ..WebOptions::default() })?;
//! println!("the cameras are at {}", web.url());
//! std::thread::sleep(Duration::from_secs(3600));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod answer;
mod api;
mod app;
mod archive;
mod auth;
mod beat;
mod bell;
mod call;
mod crew;
mod headers;
mod live;
mod live_mp4;
mod metrics;
mod openapi;
mod options;
mod pages;
mod pulse;
mod routes;
mod server;
mod sessions;
mod tally;
mod throttle;
mod tls;
mod wire;

pub use options::WebOptions;
pub use server::Web;
pub use sessions::Sessions;
