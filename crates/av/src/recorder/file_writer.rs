//! A stream into files, on the caller's thread.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use valkka_core::frame::Frame;
use valkka_core::time::WallTime;

use super::group::Tracks;
use super::names::Names;
use super::segment::Segment;
use super::writer::{State, Writer};
use super::{OnEvent, RecorderEvent};
use crate::muxer::{Container, MuxError};

/// Writes the frames of one stream into a file, or into several one after the other, on the caller's thread, which may have
/// to wait for the disk: for footage that is there already. Nothing is dropped.
///
/// It makes the same files as a [`Recorder`](super::Recorder): they begin with a key frame, have the video and audio tracks of
/// the stream, and where parameters change, the next file follows. That is `footage-2.mkv` after `footage.mkv`.
pub struct FileWriter(Writer);

/// What a [`FileWriter`] makes. All fields are free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileWriterOptions {
    /// How files are laid out.
    pub container: Container,
    /// When a recording is cut, and what its files are called. `None` is for one file with the very name it is given.
    pub segment: Option<Segment>,
    /// Time zero of the files; the first packet of each if there is none.
    pub zero: Option<WallTime>,
}

impl FileWriter {
    /// A writer into the file at `path`, which is made when there is something to write, and emptied if it is there; or, in
    /// segments, into files beside it, of which none is emptied. `on_event` is told of files that are begun and finished, never
    /// of failures: these are returned.
    pub fn new(
        path: impl Into<PathBuf>,
        options: FileWriterOptions,
        on_event: impl Fn(RecorderEvent) + Send + Sync + 'static,
    ) -> Self {
        let on_event: OnEvent = Arc::new(on_event);
        Self(Writer {
            container: options.container,
            names: Names::new(path.into(), options.segment.as_ref().map(|segment| segment.names)),
            segment: options.segment.unwrap_or_default(),
            zero: options.zero,
            tracks: Tracks::default(),
            state: State::default(),
            behind: None,
            slot: None,
            input: None,
            on_event,
        })
    }

    /// Writes the next frame. The first stream that comes is written, and what is neither a packet nor a signal passed over.
    ///
    /// # Errors
    /// If it cannot be written; what was written before can be played.
    pub fn write(&mut self, frame: Frame) -> Result<(), MuxError> {
        self.0.take(frame)
    }

    /// Ends the file.
    ///
    /// # Errors
    /// If it cannot be written; what was written before can be played.
    pub fn finish(mut self) -> Result<(), MuxError> {
        self.0.end()
    }
}

impl fmt::Debug for FileWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileWriter").field("slot", &self.0.slot).finish_non_exhaustive()
    }
}
