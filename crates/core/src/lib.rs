//! Frames, time, filters, queues, workers and codec bytes: what every other crate of Valkka stands on.
//!
//! A [`Frame`](frame::Frame) comes from a [`Source`](source::Source), passes [filters](filter), is handed to
//! every branch of a [`Fork`](fork::Fork), crosses from thread to thread through a [queue](queue::queue) and
//! ends in a [`Sink`](sink::Sink). Threads are [`Worker`](worker::Worker)s, which stop when they are dropped.
//! Nothing in this crate opens a file, a socket or a window.
//!
//! ```
//! use std::sync::{Arc, mpsc};
//! use valkka_core::filter::{SetSlot, chain};
//! use valkka_core::fork::Fork;
//! use valkka_core::frame::{Frame, Signal};
//! use valkka_core::sink::{FnSink, Sink};
//! use valkka_core::stream::Slot;
//! use valkka_core::time::WallTime;
//!
//! // source ─▶ slot filter ─▶ fork ─▶ one branch
//! let (tx, rx) = mpsc::channel();
//! let fork = Fork::new();
//! let _branch = fork.branch("log", Arc::new(FnSink(move |frame: Frame| tx.send(frame.slot).unwrap())))?;
//! let graph = chain(SetSlot::new(Slot::new(7)), Arc::new(fork));
//!
//! graph.put(Frame::signal(Slot::new(1), WallTime::default(), Signal::End));
//! assert_eq!(rx.recv()?, Slot::new(7));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod bitmap;
pub mod clock;
pub mod codec;
pub mod filter;
pub mod fork;
mod fragment;
pub mod frame;
pub mod gop;
pub mod lock;
pub mod pacer;
pub mod payload;
pub mod queue;
pub mod reason;
pub mod sink;
pub mod source;
pub mod stats;
pub mod stream;
#[cfg(test)]
mod testing;
pub mod thread_mark;
pub mod time;
pub mod url;
pub mod worker;
