//! Parts of recordings into files.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use valkka_av::{Container, FileWriter, FileWriterOptions, RecorderEvent, Segment};
use valkka_core::codec::CodecParams;
use valkka_core::frame::{Frame, Signal};
use valkka_core::lock::lock;
use valkka_core::source::{StreamInfo, TrackInfo};
use valkka_core::stream::{Slot, Track};
use valkka_core::time::WallTime;

use super::error::ExportError;
use super::range::{Piece, RangeReader};
use crate::playback::PacketSource;

/// What is made of a recording. All fields are free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportOptions {
    /// How files are laid out.
    pub container: Container,
    /// What becomes of the times in which nothing was recorded.
    pub gaps: Gaps,
    /// When another file is begun; `None` is for one file, unless parameters change.
    pub segment: Option<Segment>,
}

/// What becomes of the times in which nothing was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gaps {
    /// The last picture before a gap stays until it is over, so the clock of the file is that of the recording.
    #[default]
    Keep,
    /// What follows a gap comes at once.
    Close,
}

/// What was exported.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportReport {
    /// The files, in their order: one, unless parameters changed or it was cut into segments.
    pub files: Vec<PathBuf>,
    /// The moment of the first picture.
    pub from: WallTime,
    /// The moment of the last picture.
    pub to: WallTime,
    /// Packets of the video; of audio, if there is no video.
    pub pictures: u64,
    /// Bytes of all packets.
    pub bytes: u64,
    /// Times in which nothing was recorded.
    pub gaps: u64,
    /// How long these were, together.
    pub gap_time: Duration,
    /// How often something could not be read; what depends on it is left out.
    pub damaged: u64,
    /// Tracks that the files have no place for, in words.
    pub left_out: Vec<String>,
    /// Whether it was stopped before the end. The files are whole.
    pub stopped: bool,
}

impl Default for ExportOptions {
    /// Matroska, in one file, with the gaps that there are.
    fn default() -> Self {
        Self { container: Container::Matroska, gaps: Gaps::Keep, segment: None }
    }
}

/// Writes what `source` has from `range` into the file at `path`, which is emptied if it is there; where parameters change
/// (another resolution), it goes on in `path-2` and so on, as recordings do.
///
/// `progress` is told the moment of each key frame, before it is written, and may stop the export. The caller's thread waits
/// for disks.
///
/// # Errors
/// If nothing is recorded in `range`, or something cannot be read or written; files that were begun can be played as far as
/// they were written.
pub fn export(
    source: &mut dyn PacketSource,
    range: Range<WallTime>,
    path: &Path,
    options: &ExportOptions,
    progress: &mut dyn FnMut(WallTime) -> ControlFlow<()>,
) -> Result<ExportReport, ExportError> {
    let (from, to) = (range.start, range.end);
    let mut reader = RangeReader::begin(source, range)?.ok_or(ExportError::Nothing { from, to })?;
    let made = Arc::new(Mutex::new(Made::default()));
    let note = made.clone();
    let ExportOptions { container, gaps, segment } = options.clone();
    let writer_options = FileWriterOptions { container, segment, zero: None };
    let writer = FileWriter::new(path, writer_options, move |event| lock(&note).note(event));
    let mut export =
        Export { writer, gaps, main: reader.main(), tracks: BTreeMap::new(), shift: 0, last: None };
    let start = reader.start();
    let mut report = ExportReport {
        files: Vec::new(),
        from: start,
        to: start,
        pictures: 0,
        bytes: 0,
        gaps: 0,
        gap_time: Duration::ZERO,
        damaged: 0,
        left_out: Vec::new(),
        stopped: false,
    };
    while let Some(piece) = reader.next(source)? {
        match piece {
            Piece::Gap(gap) => {
                report.gaps += 1;
                report.gap_time += gap.to.saturating_since(gap.from);
                export.gap()?;
            }
            Piece::Frame(frame) => {
                let Some(packet) = frame.packet() else { continue };
                if frame.track == reader.main() {
                    report.pictures += 1;
                    report.to = report.to.max(frame.time.wall);
                    if packet.keyframe && progress(frame.time.wall).is_break() {
                        report.stopped = true;
                        break;
                    }
                }
                report.bytes += packet.payload.len() as u64;
                export.frame(frame)?;
            }
        }
    }
    export.writer.finish()?;
    report.damaged = reader.damaged();
    let made = std::mem::take(&mut *lock(&made));
    Ok(ExportReport { files: made.files, left_out: made.left_out, ..report })
}

/// What the writer told.
#[derive(Debug, Default)]
struct Made {
    files: Vec<PathBuf>,
    left_out: Vec<String>,
}

impl Made {
    fn note(&mut self, event: RecorderEvent) {
        match event {
            RecorderEvent::Started { left_out, .. } => {
                let words = left_out.iter().map(ToString::to_string);
                let new: Vec<_> = words.filter(|words| !self.left_out.contains(words)).collect();
                self.left_out.extend(new);
            }
            RecorderEvent::Finished { path, .. } => self.files.push(path),
            _ => {}
        }
    }
}

struct Export {
    writer: FileWriter,
    gaps: Gaps,
    main: Track,
    /// Bounded by the number of tracks.
    tracks: BTreeMap<Track, Arc<CodecParams>>,
    /// Taken off all moments, in microseconds: the gaps that were closed up.
    shift: i64,
    /// The last picture as it was written, how long it is shown, and whether a gap follows.
    last: Option<Last>,
}

#[derive(Clone, Copy)]
struct Last {
    /// With the shift taken off.
    wall: WallTime,
    step: i64,
    gap: bool,
}

impl Export {
    fn gap(&mut self) -> Result<(), ExportError> {
        if let Some(last) = &mut self.last {
            last.gap = true;
        }
        let track = |(&track, params): (&Track, &Arc<CodecParams>)| TrackInfo {
            track,
            medium: String::new(),
            encoding: String::new(),
            params: Some(params.clone()),
            skipped: None,
        };
        let info = StreamInfo { tracks: self.tracks.iter().map(track).collect(), ..StreamInfo::default() };
        // As a connection that is made again, after which the stream's own times may begin anywhere.
        let wall = self.last.map(|last| last.wall).unwrap_or_default();
        Ok(self.writer.write(Frame::signal(Slot::default(), wall, Signal::Online(Arc::new(info))))?)
    }

    fn frame(&mut self, mut frame: Frame) -> Result<(), ExportError> {
        let Some(packet) = frame.packet() else { return Ok(()) };
        if !self.tracks.get(&frame.track).is_some_and(|known| Arc::ptr_eq(known, &packet.params)) {
            self.tracks.insert(frame.track, packet.params.clone());
        }
        frame.slot = Slot::default();
        if frame.track == self.main {
            if let Some(last) = self.last.filter(|last| last.gap && self.gaps == Gaps::Close) {
                self.shift = frame.time.wall.micros_since(last.wall.offset_micros(last.step));
            }
            let wall = frame.time.wall.offset_micros(-self.shift);
            self.last = Some(match self.last {
                Some(last) if wall > last.wall && !last.gap => {
                    Last { wall, step: wall.micros_since(last.wall).min(MAX_STEP), gap: false }
                }
                Some(last) => Last { wall: wall.max(last.wall), gap: false, ..last },
                None => Last { wall, step: USUAL_STEP, gap: false },
            });
        }
        frame.time.wall = frame.time.wall.offset_micros(-self.shift);
        Ok(self.writer.write(frame)?)
    }
}

/// How long a picture is shown, if nothing else is known: 40 ms.
const USUAL_STEP: i64 = 40_000;

/// The last picture before a gap that is closed up is shown no longer than a second.
const MAX_STEP: i64 = 1_000_000;
