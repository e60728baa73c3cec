//! The part of a recorder that waits for the disk.

use std::sync::Arc;
use std::time::Duration;

use tracing::debug;
use valkka_core::codec::CodecParams;
use valkka_core::frame::{Body, Frame, Packet, Signal};
use valkka_core::queue::{QueueReceiver, QueueSender, RecvError};
use valkka_core::stream::{Slot, Track};
use valkka_core::time::WallTime;

use super::behind::Behind;
use super::group::Tracks;
use super::names::Names;
use super::segment::Segment;
use super::{OnEvent, RecorderEvent};
use crate::muxer::{Container, MuxError, Muxer, MuxerOptions};
use crate::timeline::Timeline;

/// Writes the frames of one recording into its files, on a thread of its own.
pub(super) struct Writer {
    pub(super) container: Container,
    pub(super) names: Names,
    pub(super) segment: Segment,
    pub(super) zero: Option<WallTime>,
    pub(super) tracks: Tracks,
    pub(super) state: State,
    /// The file before, while packets may come that belong into it.
    pub(super) behind: Option<Box<Behind>>,
    pub(super) slot: Option<Slot>,
    /// Counts what was dropped because the disk was too slow, if frames come by a queue.
    pub(super) input: Option<QueueSender>,
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
    /// Where its first packet is.
    start: Option<Duration>,
    /// Of the packets so far.
    bytes: u64,
    /// Whether something has come since that it has no place for.
    outdated: bool,
}

impl Writer {
    /// Writes `group` and then what comes, until the queue is closed or something fails.
    pub(super) fn run(mut self, group: Vec<Frame>, frames: &QueueReceiver) {
        if let Err(error) = self.write_all(group, frames) {
            // Of the file before, nothing has failed yet.
            if let Err(error) = self.finish_behind() {
                debug!(%error, "the file before is not closed properly");
            }
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
        self.end()
    }

    /// Writes what is held, and ends the files.
    pub(super) fn end(&mut self) -> Result<(), MuxError> {
        while matches!(&self.state, State::Waiting(held) if !held.is_empty()) {
            self.begin_with_held()?;
        }
        self.finish_behind()?;
        match std::mem::take(&mut self.state) {
            State::Writing(file) => self.finish(*file),
            State::Waiting(_) => Ok(()),
        }
    }

    /// Takes the next frame of the stream.
    pub(super) fn take(&mut self, frame: Frame) -> Result<(), MuxError> {
        if *self.slot.get_or_insert(frame.slot) != frame.slot {
            debug!(slot = %frame.slot, "another stream than the one that is recorded is passed over");
            return Ok(());
        }
        self.tracks.note(&frame);
        match &frame.body {
            Body::Packet(packet) => {
                if let Some(behind) = &mut self.behind {
                    if behind.takes(&frame, packet) {
                        return behind.file.write(&frame, packet);
                    }
                    if behind.is_complete() {
                        self.finish_behind()?;
                    }
                }
                self.put(frame)
            }
            Body::Signal(Signal::Online(_)) => {
                self.finish_behind()?;
                if let State::Writing(file) = &mut self.state {
                    file.timeline.reconnected();
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Writes a packet into the present file, or into the next if that one ends before it.
    fn put(&mut self, frame: Frame) -> Result<(), MuxError> {
        let (State::Writing(file), Some(packet)) = (&mut self.state, frame.packet()) else {
            return self.hold(frame);
        };
        let may_begin = self.tracks.begin_with(&frame);
        if file.outdated_by(&frame, packet) && may_begin {
            return self.cut(frame);
        }
        let Some(place) = file.place(&frame, packet) else { return Ok(()) };
        let length = file.start.map(|start| place.saturating_sub(start));
        if may_begin && length.is_some_and(|length| self.segment.ends(file.bytes, length)) {
            self.cut(frame)?;
            // Its tracks are those of the file before.
            return self.begin_with_held();
        }
        file.write_at(place, &frame, packet)
    }

    /// Goes on in another file, which begins with `frame`.
    fn cut(&mut self, frame: Frame) -> Result<(), MuxError> {
        self.finish_behind()?;
        if let State::Writing(file) = std::mem::take(&mut self.state) {
            self.behind = Some(Box::new(Behind::new(*file, &frame)));
        }
        if self.behind.as_ref().is_some_and(|behind| behind.is_complete()) {
            self.finish_behind()?;
        }
        self.hold(frame)
    }

    /// Nothing has come for a while: what there is goes to the disk.
    fn idle(&mut self) -> Result<(), MuxError> {
        self.finish_behind()?;
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
        let path = self.names.next(first.time.wall);
        let muxer = Muxer::create(&path, &options)?;
        (self.on_event)(RecorderEvent::Started { path, left_out: muxer.left_out().to_vec() });
        let timeline = Timeline::new(self.zero);
        let file = File { muxer, timeline, tracks, start: None, bytes: 0, outdated: false };
        self.state = State::Writing(Box::new(file));
        held.into_iter().try_for_each(|frame| self.take(frame))
    }

    /// Ends the file before, if there is one.
    fn finish_behind(&mut self) -> Result<(), MuxError> {
        match self.behind.take() {
            Some(behind) => self.finish(behind.file),
            None => Ok(()),
        }
    }

    fn finish(&self, file: File) -> Result<(), MuxError> {
        let path = file.muxer.path().to_owned();
        file.muxer.finish()?;
        let dropped = self.input.as_ref().map_or(0, QueueSender::dropped);
        (self.on_event)(RecorderEvent::Finished { path, dropped });
        Ok(())
    }
}

impl File {
    pub(super) fn write(&mut self, frame: &Frame, packet: &Packet) -> Result<(), MuxError> {
        match self.place(frame, packet) {
            Some(place) => self.write_at(place, frame, packet),
            None => Ok(()),
        }
    }

    /// Where it has the next packet, if it has a place for it.
    fn place(&mut self, frame: &Frame, packet: &Packet) -> Option<Duration> {
        if self.has(frame.track, packet) { self.timeline.place(frame.track, &frame.time) } else { None }
    }

    fn write_at(&mut self, place: Duration, frame: &Frame, packet: &Packet) -> Result<(), MuxError> {
        self.start.get_or_insert(place);
        self.bytes = self.bytes.saturating_add(packet.payload.len() as u64);
        self.muxer.write(frame.track, packet, place)
    }

    pub(super) fn tracks(&self) -> impl Iterator<Item = Track> {
        self.tracks.iter().map(|(track, _)| *track)
    }

    /// Whether something has come that it has no place for: a new track, or new parameters of one.
    fn outdated_by(&mut self, frame: &Frame, packet: &Packet) -> bool {
        self.outdated |= !self.has(frame.track, packet);
        self.outdated
    }

    pub(super) fn has(&self, track: Track, packet: &Packet) -> bool {
        self.tracks.iter().any(|(number, params)| *number == track && params.same_setup(&packet.params))
    }
}

impl Default for State {
    fn default() -> Self {
        Self::Waiting(Vec::new())
    }
}

/// After so long without a frame, what is held back is written.
const IDLE: Duration = Duration::from_secs(1);

/// So long one waits for the first packet of further tracks, if nobody has said which there are.
const MAX_WAIT: Duration = Duration::from_millis(500);

/// Packets that are held meanwhile, at most.
const MAX_HELD: usize = 256;
