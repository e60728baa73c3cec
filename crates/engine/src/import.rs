//! Media files into a store, without decoding anything.
//!
//! ```no_run
//! use std::ops::ControlFlow;
//! use valkka::import::Import;
//! use valkka::store::{Retention, Store, Writer, WriterOptions};
//!
//! let writer = Writer::open(Store::open("/srv/video".as_ref())?, WriterOptions::default())?;
//! let start = "2026-11-23T12:00:00Z".parse()?;
//! let import = Import::open("footage.mkv".as_ref(), Some(start))?;
//! let report = import.run(&writer, "front", Retention::default(), &mut |_| ControlFlow::Continue(()))?;
//! println!("{} packets up to {}", report.packets, report.to);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

use valkka_av::FileReader;
use valkka_core::source::SourceError;
use valkka_core::time::{MediaTime, WallTime};
use valkka_store::{Retention, StoreError, Writer};

/// A media file that is to become a part of a recording.
#[derive(Debug)]
pub struct Import {
    path: PathBuf,
    reader: FileReader,
    from: WallTime,
    to: WallTime,
}

/// What was imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportReport {
    /// The moment of the first packet.
    pub from: WallTime,
    /// The moment of the last one.
    pub to: WallTime,
    /// Packets of all tracks.
    pub packets: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Whether it was stopped before the end.
    pub stopped: bool,
}

/// Why a file is not imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read as media.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Nobody knows when it was recorded.
    #[error("cannot tell when {} was recorded: {cause}", .path.display())]
    Start {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        cause: io::Error,
    },
    /// The store cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There are recordings of the same stream from that time.
    #[error("{name} was recorded from {from} to {to} already")]
    Overlap {
        /// The stream.
        name: String,
        /// When the recording that is there begins.
        from: WallTime,
        /// When it ends.
        to: WallTime,
    },
    /// The store did not take a packet.
    #[error("the store did not take a packet of {bytes} bytes at {at}")]
    NotTaken {
        /// The packet's moment.
        at: WallTime,
        /// Its size.
        bytes: usize,
    },
}

impl Import {
    /// Opens the file at `path`, of which the first packet was recorded at `start`. Without a start, that is when the file says
    /// that it begins; if it does not say, it is taken to have been modified last when its recording ended. A file that does
    /// not tell how long it is, because its recorder was killed, is read once to find out.
    ///
    /// # Errors
    /// If it cannot be read, its format is unknown, or it has no track that can be recorded.
    pub fn open(path: &Path, start: Option<WallTime>) -> Result<Self, ImportError> {
        let mut reader = FileReader::open(path)?;
        let length = match reader.duration() {
            Some(length) => length,
            None => reader.measure(PATIENCE)?,
        };
        let from = match start.or(reader.created()) {
            Some(start) => start,
            None => {
                modified(path).map_err(|cause| ImportError::Start { path: path.to_owned(), cause })? - length
            }
        };
        Ok(Self { path: path.to_owned(), reader, from, to: from + length })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The moment of its first packet.
    pub fn from(&self) -> WallTime {
        self.from
    }

    /// The moment at which it ends, about.
    pub fn to(&self) -> WallTime {
        self.to
    }

    /// Records the file as a part of the stream called `name`, on the caller's thread, as fast as the disk takes it; when it
    /// returns, all of it is there. `progress` is told the moment of each key frame, and may stop it: what was imported before
    /// stays.
    ///
    /// # Errors
    /// If there are recordings of the stream from that time, it is being recorded now, or something cannot be read or written.
    pub fn run(
        mut self,
        writer: &Writer,
        name: &str,
        retention: Retention,
        progress: &mut dyn FnMut(WallTime) -> ControlFlow<()>,
    ) -> Result<ImportReport, ImportError> {
        let store = writer.store();
        if let Some(id) = store.stream(name)
            && let Some(there) = store.stretches(id, self.from..self.to)?.first()
        {
            return Err(ImportError::Overlap { name: name.to_owned(), from: there.from, to: there.to });
        }
        let has_some = store.streams().iter().any(|stream| stream.name == name && stream.last.is_some());
        let lane = writer.lane(name, retention)?;
        if has_some {
            lane.gap("nothing was imported");
        }
        let mut report =
            ImportReport { from: self.from, to: self.from, packets: 0, bytes: 0, stopped: false };
        while let Some(mut frame) = self.reader.read()? {
            let Some(packet) = frame.packet() else { continue };
            let (bytes, is_key) = (packet.payload.len(), packet.keyframe && packet.params.codec.is_video());
            let at = self.from.offset_micros(frame.time.media.micros_since(MediaTime::default()));
            if is_key && progress(at).is_break() {
                report.stopped = true;
                break;
            }
            frame.time.wall = at;
            if lane.room_bytes() < bytes + MARGIN {
                writer.commit(Instant::now() + PATIENCE)?;
            }
            if !lane.put(&frame) {
                return Err(ImportError::NotTaken { at, bytes });
            }
            report.to = report.to.max(at);
            report.packets += 1;
            report.bytes += bytes as u64;
        }
        writer.commit(Instant::now() + PATIENCE)?;
        Ok(report)
    }
}

/// When the file was modified.
fn modified(path: &Path) -> io::Result<WallTime> {
    let modified = fs::metadata(path)?.modified()?;
    let since = modified.duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    Ok(WallTime::from_micros(0) + since)
}

/// So long the disk may take for what waits, and reading for finding out how long a file is.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a queue keeps beside a payload.
const MARGIN: usize = 4 << 10;
