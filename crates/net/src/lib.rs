//! RTSP: the client that receives cameras, and the server that is one.
//!
//! A [`Live`] is one thread that receives any number of streams. Each stream added to it is run by a
//! supervisor, which has an [`Opener`] open its source, runs it, and runs it again when the connection ends.
//! [`RtspTcp`] is the source for RTSP with RTP interleaved in the same TCP connection; others come from other
//! crates by way of the opener, as tasks of the live thread or as blocking sources on threads of their own.
//!
//! ```no_run
//! use std::sync::Arc;
//! use valkka_core::frame::Frame;
//! use valkka_core::sink::FnSink;
//! use valkka_core::source::{SourceOptions, SourceRequest, Transport};
//! use valkka_core::stats::StreamStats;
//! use valkka_core::stream::Slot;
//! use valkka_net::{Live, LiveOptions, Reconnect, RtspOpener, StreamConfig};
//!
//! let live = Live::spawn(LiveOptions::default())?;
//! let stats = Arc::new(StreamStats::default());
//! let _stream = live.add(StreamConfig {
//!     request: SourceRequest {
//!         slot: Slot::new(1),
//!         url: "rtsp://user:password@camera/stream".parse()?,
//!         options: SourceOptions { transport: Transport::Tcp, ..SourceOptions::default() },
//!     },
//!     reconnect: Reconnect::default(),
//!     sink: Arc::new(FnSink(|frame: Frame| drop(frame))),
//!     stats: stats.clone(),
//!     opener: Arc::new(RtspOpener),
//! });
//! std::thread::sleep(std::time::Duration::from_secs(10));
//! println!("{} frames", stats.received.get());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod answers;
mod backoff;
mod client;
mod gate;
mod live;
mod opener;
mod reconnect;
mod rtp;
pub mod server;
mod silence;
mod state;
mod stream_config;
mod supervisor;
mod thread_source;
mod transport;

pub use client::{RtspOpener, RtspTcp};
pub use live::{Live, LiveOptions, StreamHandle};
pub use opener::{Opened, Opener, Plan, Received, TaskSource};
pub use reconnect::Reconnect;
pub use server::{RtpDestination, RtpSender, RtpSenderStats};
pub use state::StreamState;
pub use stream_config::StreamConfig;
