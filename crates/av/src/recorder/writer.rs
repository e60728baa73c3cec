//! The part of a recorder that waits for the disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tracing::debug;
use valkka_core::codec::CodecParams;
use valkka_core::frame::{Body, Frame, Packet, Signal};
use valkka_core::queue::{QueueReceiver, QueueSender, RecvError};
use valkka_core::stream::{Slot, Track};
use valkka_core::time::WallTime;

use super::group::Tracks;
use super::{OnEvent, RecorderEvent};
use crate::muxer::{Container, MuxError, Muxer, MuxerOptions};
use crate::timeline::Timeline;

/// Writes the frames of one recording into its files, on a thread of its own.
pub(super) struct Writer {
    pub(super) container: Container,
    /// Of the first file; further ones have a number too.
    pub(super) path: PathBuf,
    pub(super) files: u32,
    pub(super) zero: Option<WallTime>,
    pub(super) tracks: Tracks,
    pub(super) state: State,
    pub(super) slot: Option<Slot>,
    /// Counts what was dropped because the disk was too slow.
    pub(super) input: QueueSender,
    pub(super) on_event: OnEvent,
}

pub(super) enum State {
    /// Packets from a key frame on are held until it is known which tracks there are.
    Waiting(Vec<Frame>),
    Writing(Box<File>),
}

/// A file that is being written.
pub(super) struct File {
    muxer: Muxer,
    timeline: Timeline,
    /// What it was begun with.
    tracks: Vec<(Track, Arc<CodecParams>)>,
    /// Whether something has come since that it has no place for.
    outdated: bool,
}

impl Writer {
    /// Writes `group` and then what comes, until the queue is closed or something fails.
    pub(super) fn run(mut self, group: Vec<Frame>, frames: &QueueReceiver) {
        if let Err(error) = self.write_all(group, frames) {
            (self.on_event)(RecorderEvent::Failed(error));
        }
    }

    fn write_all(&mut self, group: Vec<Frame>, frames: &QueueReceiver) -> Result<(), MuxError> {
        for frame in group {
            self.take(frame)?;
        }
        loop {
            match frames.recv(IDLE) {
                Ok(frame) => self.take(frame)?,
                Err(RecvError::Timeout) => self.idle()?,
                Err(RecvError::Closed) => break,
            }
        }
        self.begin_with_held()?;
        self.finish()
    }

    fn take(&mut self, frame: Frame) -> Result<(), MuxError> {
        if *self.slot.get_or_insert(frame.slot) != frame.slot {
            debug!(slot = %frame.slot, "another stream than the one that is recorded is passed over");
            return Ok(());
        }
        self.tracks.note(&frame);
        match &frame.body {
            Body::Packet(packet) => match &mut self.state {
                State::Waiting(_) => self.hold(frame),
                State::Writing(file) => {
                    if file.outdated_by(&frame, packet) && self.tracks.begin_with(&frame) {
                        self.finish()?;
                        return self.hold(frame);
                    }
                    file.write(&frame, packet)
                }
            },
            Body::Signal(Signal::Online(_)) => {
                if let State::Writing(file) = &mut self.state {
                    file.timeline.reconnected();
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Nothing has come for a while: what there is goes to the disk.
    fn idle(&mut self) -> Result<(), MuxError> {
        self.begin_with_held()?;
        match &mut self.state {
            State::Writing(file) => file.muxer.flush(),
            State::Waiting(_) => Ok(()),
        }
    }

    fn hold(&mut self, frame: Frame) -> Result<(), MuxError> {
        let State::Waiting(held) = &mut self.state else { return Ok(()) };
        if self.tracks.begin_with(&frame) && held.first().is_none_or(|first| first.track != frame.track) {
            held.clear();
        } else if held.is_empty() {
            return Ok(());
        }
        let start = held.first().unwrap_or(&frame).time.wall;
        let waited = frame.time.wall.saturating_since(start) >= MAX_WAIT || held.len() >= MAX_HELD;
        held.push(frame);
        if waited || self.tracks.are_complete() { self.begin_with_held() } else { Ok(()) }
    }

    /// Begins a file with what is held, if something is.
    fn begin_with_held(&mut self) -> Result<(), MuxError> {
        let held = match &mut self.state {
            State::Waiting(held) => std::mem::take(held),
            State::Writing(_) => return Ok(()),
        };
        let Some(first) = held.first() else { return Ok(()) };
        let tracks: Vec<_> = self.tracks.known().map(|(track, params)| (track, params.clone())).collect();
        let options = MuxerOptions {
            container: self.container,
            created: Some(self.zero.unwrap_or(first.time.wall)),
            tracks: tracks.clone(),
        };
        self.files = self.files.saturating_add(1);
        let path = if self.files == 1 { self.path.clone() } else { free_name(&self.path, self.files) };
        let muxer = Muxer::create(&path, &options)?;
        (self.on_event)(RecorderEvent::Started { path, left_out: muxer.left_out().to_vec() });
        let timeline = Timeline::new(self.zero);
        self.state = State::Writing(Box::new(File { muxer, timeline, tracks, outdated: false }));
        held.into_iter().try_for_each(|frame| self.take(frame))
    }

    /// Ends the file, if there is one.
    fn finish(&mut self) -> Result<(), MuxError> {
        let State::Writing(file) = std::mem::replace(&mut self.state, State::Waiting(Vec::new())) else {
            return Ok(());
        };
        let path = file.muxer.path().to_owned();
        file.muxer.finish()?;
        (self.on_event)(RecorderEvent::Finished { path, dropped: self.input.dropped() });
        Ok(())
    }
}

impl File {
    fn write(&mut self, frame: &Frame, packet: &Packet) -> Result<(), MuxError> {
        if !self.has(frame.track, packet) {
            return Ok(());
        }
        match self.timeline.place(frame.track, &frame.time) {
            Some(time) => self.muxer.write(frame.track, packet, time),
            None => Ok(()),
        }
    }

    /// Whether something has come that it has no place for: a new track, or new parameters of one.
    fn outdated_by(&mut self, frame: &Frame, packet: &Packet) -> bool {
        self.outdated |= !self.has(frame.track, packet);
        self.outdated
    }

    fn has(&self, track: Track, packet: &Packet) -> bool {
        self.tracks.iter().any(|(number, params)| *number == track && params.same_setup(&packet.params))
    }
}

/// The name of a further file of a recording: `camera-2.mkv` beside `camera.mkv`, with the first number from `number` on
/// that is free.
fn free_name(path: &Path, number: u32) -> PathBuf {
    let named = |number: u32| {
        let mut name = path.file_stem().unwrap_or_default().to_owned();
        name.push(format!("-{number}"));
        if let Some(extension) = path.extension() {
            name.push(".");
            name.push(extension);
        }
        path.with_file_name(name)
    };
    let mut names = (number..number.saturating_add(MAX_NAMES)).map(named);
    names.find(|path| path.symlink_metadata().is_err()).unwrap_or_else(|| named(number))
}

/// After so long without a frame, what is held back is written.
const IDLE: Duration = Duration::from_secs(1);

/// So long one waits for the first packet of further tracks, if nobody has said which there are.
const MAX_WAIT: Duration = Duration::from_millis(500);

/// Packets that are held meanwhile, at most.
const MAX_HELD: usize = 256;

/// So many names are looked at.
const MAX_NAMES: u32 = 10_000;

#[cfg(test)]
mod tests {
    use valkka_testkit::temp::TempDir;

    use super::*;

    #[test]
    fn further_files_take_names_that_are_free() {
        let directory = TempDir::new().unwrap();
        let first = directory.join("camera.one.mkv");
        assert_eq!(free_name(&first, 2), directory.join("camera.one-2.mkv"));
        std::fs::write(directory.join("camera.one-2.mkv"), "").unwrap();
        std::fs::write(directory.join("camera.one-3.mkv"), "").unwrap();
        assert_eq!(free_name(&first, 2), directory.join("camera.one-4.mkv"));
        assert_eq!(free_name(&directory.join("camera"), 3), directory.join("camera-3"));
    }
}
