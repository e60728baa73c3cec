//! Valkka: many cameras, each connected to once and decoded once, carried to many windows at the same time.
//!
//! An [`Engine`] receives any number of [`Camera`]s on one thread. What is done with a camera hangs on its
//! two forks: [`Camera::packets`] for encoded frames, [`Camera::pictures`] for decoded ones. A [`Wall`](wall::Wall)
//! shows them. Everything stops when it is dropped, in any order.
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//! use valkka::wall::{Wall, WallOptions};
//! use valkka::{CameraOptions, Engine, EngineOptions};
//!
//! let engine = Engine::new(EngineOptions::default())?;
//! let url = "rtsp://user:password@192.168.1.20/stream1".parse()?;
//! let camera = Arc::new(engine.camera(url, CameraOptions::default())?);
//!
//! let mut wall = Wall::open(WallOptions::default())?;
//! wall.show(&camera)?;
//! while wall.run_for(Duration::from_millis(100))? {}
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Who wires sources, filters and sinks by hand finds the same parts in [`graph`].
//!
//! The parts are crates of their own and may be used without the engine: `valkka-core` (frames, filters,
//! queues), `valkka-net` (RTSP), `valkka-av` (FFmpeg), `valkka-render` (windows), `valkka-shm` (shared memory) and
//! `valkka-store` (ValkkaFS).
#![forbid(unsafe_code)]

mod camera;
mod decoding;
mod engine;
mod error;
pub mod export;
pub mod fragments;
pub mod gop;
pub mod graph;
pub mod import;
mod opener;
mod permits;
mod placeholder;
pub mod playback;
pub mod probe;
pub mod recording;
mod slots;
pub mod snapshot;
pub mod summary;
pub mod synthetic;
mod text;
pub mod usage;
pub mod wall;

pub use camera::{Camera, CameraOptions};
pub use decoding::PictureBranch;
pub use engine::{Engine, EngineOptions};
pub use error::Error;
pub use opener::Backends;

pub use valkka_av as av;
pub use valkka_core::{
    bitmap, clock, codec, filter, fork, frame, lock, pacer, payload, queue, reason, sink, source, stats,
    stream, time, url, worker,
};
pub use valkka_net as net;
pub use valkka_net::{Reconnect, StreamState};
pub use valkka_render as render;
pub use valkka_shm as shm;
pub use valkka_store as store;
