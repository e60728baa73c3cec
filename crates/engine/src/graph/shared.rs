//! Frames for other processes.
//!
//! Each of these ends a chain in a ring of shared memory, which it makes under a name when it is made itself. Readers
//! are [`valkka_shm::Reader`]s, of any process of the same user, as many as there are.

mod fragments;
mod packets;
mod pictures;

pub use fragments::SharedFragments;
pub use packets::SharedPackets;
pub use pictures::SharedPictures;

use std::os::fd::OwnedFd;
use std::sync::Mutex;

use valkka_core::frame::Frame;
use valkka_core::lock::lock;
use valkka_shm::{Content, Error, Meta, Shape, Writer, WriterStats};

/// A ring that several threads may write to, a frame at a time.
#[derive(Debug)]
struct Ring(Mutex<Writer>);

impl Ring {
    fn create(name: &str, shape: Shape) -> Result<Self, Error> {
        Ok(Self(Mutex::new(Writer::create(name, shape)?)))
    }

    /// Calls `body` with the writer, one caller at a time.
    fn with<R>(&self, body: impl FnOnce(&mut Writer) -> R) -> R {
        body(&mut lock(&self.0))
    }

    fn notify(&self, event: OwnedFd) -> Result<(), Error> {
        self.with(|writer| writer.notify(event))
    }

    fn stats(&self) -> WriterStats {
        self.with(|writer| writer.stats())
    }
}

/// What readers are told of `frame`, or a part of it.
fn meta_of(frame: &Frame, content: Content) -> Meta {
    Meta { slot: frame.slot, time: frame.time.wall, content }
}
