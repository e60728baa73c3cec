//! Recorded frames in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use valkka_core::codec::CodecParams;
use valkka_core::frame::{Body, Frame, Packet};
use valkka_core::stream::{Slot, Track};
use valkka_core::time::WallTime;

/// Packets as they come, up to so many bytes.
#[derive(Debug)]
pub(super) struct Filling {
    frames: Vec<Frame>,
    bytes: usize,
    max_bytes: usize,
    /// There was no room for a packet.
    full: bool,
}

/// Packets in the order in which they are played. Empty at first.
#[derive(Debug, Default)]
pub(super) struct Recording {
    entries: Vec<Entry>,
    /// The parameters of each track's first packet.
    tracks: BTreeMap<(Slot, Track), Arc<CodecParams>>,
}

/// One packet of a recording.
#[derive(Debug)]
pub(super) struct Entry {
    /// When it is played, on the clock of the recording: the moment that it stands for, or the latest one of those
    /// before it in its track, whose pictures are shown after this one (B frames).
    pub(super) due: WallTime,
    pub(super) frame: Frame,
}

impl Filling {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { frames: Vec::new(), bytes: 0, max_bytes, full: false }
    }

    /// Appends a packet if there is room. What comes first is what was sought, and is kept; from the first packet on that
    /// has no room all are dropped, or later ones would lack what they depend on. Returns whether this is that first one.
    pub(super) fn push(&mut self, frame: Frame) -> bool {
        if self.full {
            return false;
        }
        self.bytes = self.bytes.saturating_add(cost(&frame));
        self.full = self.bytes > self.max_bytes && !self.frames.is_empty();
        if !self.full {
            self.frames.push(frame);
        }
        self.full
    }

    /// Takes all out.
    pub(super) fn take(&mut self) -> Vec<Frame> {
        std::mem::replace(self, Self::new(self.max_bytes)).frames
    }

    /// What is in it.
    pub(super) fn frames(&self) -> &[Frame] {
        &self.frames
    }
}

impl Recording {
    /// Sorts packets, which are in the order of decoding within their tracks, and stay so.
    pub(super) fn new(frames: Vec<Frame>) -> Self {
        let mut tracks = BTreeMap::new();
        let mut latest: BTreeMap<(Slot, Track), WallTime> = BTreeMap::new();
        let mut entries: Vec<Entry> = Vec::with_capacity(frames.len());
        for frame in frames {
            let Some(packet) = frame.packet() else { continue };
            let track = (frame.slot, frame.track);
            tracks.entry(track).or_insert_with(|| packet.params.clone());
            let wall = frame.time.wall;
            let due = match latest.get(&track) {
                Some(&latest) if (0..=MAX_REORDERING_MICROS).contains(&latest.micros_since(wall)) => latest,
                // The next one, or one behind a jump of the camera's clock.
                _ => wall,
            };
            latest.insert(track, due);
            entries.push(Entry { due, frame });
        }
        entries.sort_by_key(|entry| entry.due);
        Self { entries, tracks }
    }

    /// The first and the last moment of it.
    pub(super) fn limits(&self) -> Option<(WallTime, WallTime)> {
        Some((self.entries.first()?.due, self.entries.last()?.due))
    }

    /// The packet at `index`, in the order of playing.
    pub(super) fn get(&self, index: usize) -> Option<&Entry> {
        self.entries.get(index)
    }

    /// All packets, in the order of playing.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many packets are due at `time` or before.
    pub(super) fn due_until(&self, time: WallTime) -> usize {
        self.entries.partition_point(|entry| entry.due <= time)
    }

    /// Where each track can be begun, so that it is complete at `time`: its last key frame at that time or before;
    /// else its first one after it. Tracks without a key frame cannot be begun.
    pub(super) fn starts(&self, time: WallTime) -> BTreeMap<(Slot, Track), usize> {
        let mut starts = BTreeMap::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let track = (entry.frame.slot, entry.frame.track);
            if entry.frame.packet().is_some_and(starts_decoding)
                && (entry.due <= time || !starts.contains_key(&track))
            {
                starts.insert(track, index);
            }
        }
        starts
    }

    /// The tracks of a stream, with the parameters that they begin with.
    pub(super) fn tracks_of(&self, slot: Slot) -> impl Iterator<Item = (Track, &Arc<CodecParams>)> {
        self.tracks
            .iter()
            .filter(move |((of, _), _)| *of == slot)
            .map(|((_, track), params)| (*track, params))
    }
}

fn starts_decoding(packet: &Packet) -> bool {
    packet.keyframe
}

/// Bytes that a frame is counted as: its payload, and what comes with it.
fn cost(frame: &Frame) -> usize {
    let payload = match &frame.body {
        Body::Packet(packet) => packet.payload.len(),
        _ => 0,
    };
    payload + size_of::<Entry>() + ALLOCATION
}

/// What a payload takes beside its bytes, about.
const ALLOCATION: usize = 128;

/// Pictures are not sent earlier than they are shown by more than this; what looks so is a clock that was set back.
const MAX_REORDERING_MICROS: i64 = 2_000_000;

#[cfg(test)]
mod tests {
    use super::super::testing::{frame, names};
    use super::*;

    #[test]
    fn tracks_keep_their_order_and_are_merged_by_time() {
        // The second stream's clock is 60 ms ahead of its place; P and b are out of the order of showing.
        let frames = vec![
            frame(1, 'A', 0),
            frame(2, 'X', 60),
            frame(1, 'p', 80),
            frame(1, 'b', 40),
            frame(2, 'y', 100),
        ];
        let recording = Recording::new(frames);
        assert_eq!(names(recording.entries().iter().map(|entry| &entry.frame)), "AXpby");
        let limits = recording.limits().map(|(first, last)| (first.millis(), last.millis()));
        assert_eq!(limits, Some((0, 100)));
        assert_eq!(recording.due_until(WallTime::from_micros(80_000)), 4);
    }

    #[test]
    fn a_clock_set_back_goes_where_it_says() {
        let recording = Recording::new(vec![frame(1, 'A', 10_000), frame(1, 'B', 5000)]);
        assert_eq!(names(recording.entries().iter().map(|entry| &entry.frame)), "BA");
    }

    #[test]
    fn each_track_starts_at_a_key_frame() {
        let frames = vec![
            frame(1, 'A', 0),
            frame(2, 'x', 10),
            frame(1, 'b', 20),
            frame(1, 'C', 40),
            frame(2, 'Y', 50),
            frame(3, 'q', 60),
        ];
        let recording = Recording::new(frames);
        let starts = |millis: i64| {
            let starts = recording.starts(WallTime::from_micros(millis * 1000));
            starts.into_iter().map(|((slot, _), index)| (slot.number(), index)).collect::<Vec<_>>()
        };
        assert_eq!(starts(30), [(1, 0), (2, 4)]);
        assert_eq!(starts(100), [(1, 3), (2, 4)]);
        assert_eq!(starts(-5), [(1, 0), (2, 4)]);
    }

    #[test]
    fn the_first_are_kept() {
        let mut large = frame(1, 'd', 0);
        if let Body::Packet(packet) = &mut large.body {
            packet.payload = valkka_core::payload::Payload::from_vec(vec![0; 1000]);
        }
        let mut filling = Filling::new(4 * cost(&frame(1, 'a', 0)));
        let frames = [frame(1, 'a', 0), frame(1, 'b', 0), frame(1, 'c', 0), large, frame(1, 'e', 0)];
        // There would be room for the last one.
        assert_eq!(frames.map(|frame| filling.push(frame)), [false, false, false, true, false]);
        assert_eq!(names(filling.frames()), "abc");
        assert_eq!(names(&filling.take()), "abc");
        assert_eq!(filling.frames().len(), 0);
        // And again.
        assert_eq!(
            "vwxyz".chars().map(|name| filling.push(frame(1, name, 0))).position(|first| first),
            Some(4)
        );
        // One that is too large alone is taken, for lack of a better.
        let mut tiny = Filling::new(0);
        assert!(!tiny.push(frame(1, 'a', 0)));
        assert!(tiny.push(frame(1, 'b', 0)));
        assert_eq!(names(tiny.frames()), "a");
    }
}
