//! Frames between processes, without copies.
//!
//! A [`Writer`] makes a ring of cells in memory under a name, and writes each frame straight into a cell. Any number of
//! [`Reader`]s, in this process or others of the same user, find it by its name and see the frames where they are, each
//! at its own position. A reader never sees a frame that is being written. A reader that is slow, stands still or is
//! killed holds up nobody; a writer that is killed is noticed, and its successor found. Nothing outlives the processes
//! but the file of a socket, which the next writer removes.
//!
//! ```
//! use std::time::Duration;
//! use valkka_shm::{Content, Meta, Reader, Shape, Writer};
//!
//! let shape = Shape::pictures(10, 480, 270)?;
//! # let name = &format!("doc-{}", std::process::id());
//! let mut writer = Writer::create(name, shape)?;
//! let mut reader = Reader::open(name, shape)?;
//!
//! let mut cell = writer.claim().ok_or("no cell")?;
//! cell.fill(128);
//! let len = cell.len();
//! let meta = Meta { content: Content::Picture { width: 480, height: 270 }, ..Meta::default() };
//! cell.publish(meta, len);
//!
//! let pulled = reader.pull(Duration::from_secs(10))?.ok_or("no frame")?;
//! assert_eq!(pulled.meta, meta);
//! assert_eq!(reader.frame(pulled.index).ok_or("gone")?[..3], [128, 128, 128]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! How it works, from the ground up: `map.rs` has the memory, `control.rs` the words that writer and readers
//! share, `pool.rs` the choice of the cell to write; `directory.rs` and `wire.rs` are how the two find each other.
#![deny(unsafe_code)]

mod connection;
mod control;
mod directory;
mod error;
mod event;
#[cfg(test)]
mod hostile;
mod map;
mod meta;
mod name;
mod pool;
mod reader;
mod readers;
mod shape;
mod view;
mod wire;
mod writer;

pub use error::Error;
pub use event::Event;
pub use meta::{Content, Meta};
pub use reader::{Pulled, Reader};
pub use shape::{Contents, OutOfBounds, Shape};
pub use view::View;
#[doc(hidden)]
pub use wire::read_garbage;
pub use writer::{Cell, Writer, WriterStats};
