//! A part of a recording.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use valkka_core::frame::Frame;
use valkka_core::stream::Track;
use valkka_core::time::WallTime;

use crate::playback::{Entry, Gap, PacketSource, PlaybackError};

/// Reads a part of a recording, from the key frame at or before its beginning: what can be decoded of it.
///
/// It goes by the order of recording as long as that is the order of time, or nearly: what a clock that was set back has
/// recorded twice is in it twice. Where the order is another, as with footage that was added later, it goes by time.
///
/// The source belongs to the caller, and is not to be moved by anybody else meanwhile.
#[derive(Debug)]
pub(super) struct RangeReader {
    to: WallTime,
    start: WallTime,
    /// The first video track; the first track, if there is no video.
    main: Track,
    waiting: Waiting,
    /// The latest moment of the main track.
    last: Option<WallTime>,
    /// Pictures that are shown before this cannot be decoded: they refer to what is left out before the key frame.
    leading_before: Option<WallTime>,
    /// A gap that is told with the next key frame.
    gap: Option<Gap>,
    /// Where it went on last that was not next in order.
    leapt_to: Option<WallTime>,
    /// Packets of the main track that are shown after the end, and may be what the next ones refer to.
    beyond: Vec<Frame>,
    ready: VecDeque<Piece>,
    ended: bool,
    damaged: u64,
}

/// A part of a part.
#[derive(Debug)]
pub(super) enum Piece {
    /// A packet.
    Frame(Frame),
    /// Nothing was recorded before the packets that follow, of which the first is a key frame.
    Gap(Gap),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    No,
    /// For a key frame, because of damage; other tracks go on.
    Picture,
    /// For a key frame, to begin with.
    Start,
}

impl RangeReader {
    /// Finds the beginning of `range` in `source`; `None` if there is nothing recorded in it.
    pub(super) fn begin(
        source: &mut dyn PacketSource,
        range: Range<WallTime>,
    ) -> Result<Option<Self>, PlaybackError> {
        let Some((start, main)) = find_start(source, &range)? else { return Ok(None) };
        source.seek(start)?;
        Ok(Some(Self {
            to: range.end,
            start,
            main,
            waiting: Waiting::Start,
            last: None,
            leading_before: None,
            gap: None,
            leapt_to: None,
            beyond: Vec::new(),
            ready: VecDeque::new(),
            ended: false,
            damaged: 0,
        }))
    }

    /// The moment of the key frame that it begins with.
    pub(super) fn start(&self) -> WallTime {
        self.start
    }

    /// The track whose key frames count.
    pub(super) fn main(&self) -> Track {
        self.main
    }

    /// How often something could not be read so far.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// What comes next; `None` at the end.
    pub(super) fn next(&mut self, source: &mut dyn PacketSource) -> Result<Option<Piece>, PlaybackError> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Ok(Some(piece));
            }
            if self.ended {
                return Ok(None);
            }
            match source.next()? {
                None => self.ended = !self.leap(source, None)?,
                Some(Entry::Frame(frame)) if frame.track == self.main => {
                    if !self.leaves(source, frame.time.wall)? {
                        self.main_frame(frame);
                    }
                }
                Some(Entry::Frame(frame)) => {
                    // The main track may be gone for good.
                    self.ended |= frame.time.wall.saturating_since(self.to) > UNTOLD_GAP;
                    if self.waiting != Waiting::Start && frame.time.wall < self.to {
                        self.ready.push_back(Piece::Frame(frame));
                    }
                }
                Some(Entry::Gap(gap)) => {
                    if !self.leap(source, Some(gap.to))? {
                        self.gap = self.last.is_some().then_some(gap);
                        self.waiting = Waiting::Start;
                    }
                }
                Some(Entry::Damage(_)) => {
                    self.damaged += 1;
                    if self.waiting == Waiting::No {
                        self.waiting = Waiting::Picture;
                    }
                }
            }
        }
    }

    /// Whether a packet of the main track, of the moment `wall`, is not what comes next: it was left for something else, or
    /// is passed over.
    fn leaves(&mut self, source: &mut dyn PacketSource, wall: WallTime) -> Result<bool, PlaybackError> {
        let Some(last) = self.last else { return Ok(false) };
        if self.waiting == Waiting::Start {
            return Ok(self.leapt_to.is_some() && wall <= last);
        }
        if wall.saturating_since(last) > UNTOLD_GAP {
            return self.leap(source, Some(wall));
        }
        let back = last.saturating_since(wall);
        let is_elsewhere = back > MAX_SET_BACK || self.leapt_to.is_some() && back > UNTOLD_GAP;
        if is_elsewhere && !self.leap(source, None)? {
            self.ended = true;
        }
        Ok(is_elsewhere)
    }

    /// Goes on with what is next in time, if that is not `next`, which is next in order, nor behind the end.
    fn leap(&mut self, source: &mut dyn PacketSource, next: Option<WallTime>) -> Result<bool, PlaybackError> {
        let Some(last) = self.last else { return Ok(false) };
        let after = self.leapt_to.map_or(last, |leapt| leapt.max(last));
        let end = next.map_or(self.to, |next| next.min(self.to));
        let Some(to) = source.keyframe_after(after)?.filter(|&found| found < end) else { return Ok(false) };
        source.seek(to)?;
        self.leapt_to = Some(to);
        self.gap = Some(Gap { from: last, to, reason: "".into() });
        self.waiting = Waiting::Start;
        Ok(true)
    }

    fn main_frame(&mut self, frame: Frame) {
        let Some(packet) = frame.packet() else { return };
        let wall = frame.time.wall;
        if let Some(from) = self.last
            && wall.saturating_since(from) > UNTOLD_GAP
            && self.gap.is_none()
        {
            self.gap = Some(Gap { from, to: wall, reason: "".into() });
            self.waiting = Waiting::Start;
        }
        if self.waiting != Waiting::No && !packet.keyframe {
            return;
        }
        if wall >= self.to {
            // What it refers to cannot be told from here; further than this, no codec looks back.
            self.ended = self.beyond.len() >= MAX_REORDERED;
            return self.beyond.push(frame);
        }
        if packet.keyframe {
            let begins = self.waiting != Waiting::No;
            self.leading_before = begins.then_some(wall);
            self.waiting = Waiting::No;
        } else if self.leading_before.is_some_and(|keyframe| wall < keyframe) {
            return;
        }
        self.ready.extend(self.gap.take().map(Piece::Gap));
        self.last = Some(self.last.map_or(wall, |last| last.max(wall)));
        let beyond = std::mem::take(&mut self.beyond);
        self.ready.extend(beyond.into_iter().chain([frame]).map(Piece::Frame));
    }
}

/// The key frame at which `range` begins, and its track.
fn find_start(
    source: &mut dyn PacketSource,
    range: &Range<WallTime>,
) -> Result<Option<(WallTime, Track)>, PlaybackError> {
    if range.is_empty() || !source.seek(range.start)? {
        return Ok(None);
    }
    // A search stands before a key frame of the track that matters.
    let (mut main, mut start, mut last) = (None, None::<WallTime>, None::<WallTime>);
    while let Some(entry) = source.next()? {
        match entry {
            // What was recorded before a gap is not what was to be seen behind it.
            Entry::Gap(_) if last.is_some() => break,
            Entry::Frame(frame) => {
                let Some(packet) = frame.packet() else { continue };
                let (wall, main) = (frame.time.wall, *main.get_or_insert(frame.track));
                if frame.track != main {
                    continue;
                }
                if last.is_some_and(|last| {
                    wall.saturating_since(last).max(last.saturating_since(wall)) > UNTOLD_GAP
                }) {
                    break;
                }
                last = Some(wall);
                if packet.keyframe && (start.is_none() || wall <= range.start) {
                    start = Some(wall);
                }
                if wall >= range.start && start.is_some() || wall >= range.end {
                    return Ok(start.filter(|&start| start < range.end).map(|start| (start, main)));
                }
            }
            Entry::Gap(_) | Entry::Damage(_) => {}
        }
    }
    let Some(start) = source.keyframe_after(range.start)?.filter(|&start| start < range.end) else {
        return Ok(None);
    };
    source.seek(start)?;
    while let Some(entry) = source.next()? {
        if let Entry::Frame(frame) = entry {
            return Ok(Some((start, frame.track)));
        }
    }
    Ok(None)
}

/// When nothing came for so long, and nobody has recorded why, there was a gap all the same.
const UNTOLD_GAP: Duration = Duration::from_secs(10);

/// Clocks are not set back by more while a camera is recorded; what is so much earlier was added later.
const MAX_SET_BACK: Duration = Duration::from_secs(3600);

/// Packets that come before others which are shown earlier.
const MAX_REORDERED: usize = 4;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use valkka_core::codec::{Codec, CodecParams};
    use valkka_core::frame::{Body, FrameTime, Packet};
    use valkka_core::payload::Payload;
    use valkka_core::stream::Slot;

    use super::*;
    use crate::playback::MemoryPackets;

    /// `K` and `p` are video, `a` is audio; at this second.
    fn packet(kind: char, second: f64) -> Entry {
        let params = match kind {
            'a' => CodecParams::audio(Codec::PcmAlaw, 8000, 1, Bytes::new()),
            _ => CodecParams::video(Codec::H264, Bytes::new()),
        };
        let payload = Payload::copy_from_slice(&[0; 10]);
        let packet = Packet { params: params.into(), payload, keyframe: kind != 'p', lost: 0 };
        let wall = at(second);
        let time = FrameTime { wall, ..FrameTime::default() };
        let track = Track::new((kind == 'a').into());
        Entry::Frame(Frame { slot: Slot::new(1), track, time, body: Body::Packet(packet) })
    }

    fn at(second: f64) -> WallTime {
        WallTime::from_micros((second * 1e6).round() as i64)
    }

    fn gap(from: f64, to: f64) -> Entry {
        Entry::Gap(Gap { from: at(from), to: at(to), reason: "x".into() })
    }

    /// The range from `from` to `to`, as `K1 p2 | K9`.
    fn read(entries: &[Entry], from: f64, to: f64) -> String {
        let mut source = MemoryPackets::new(entries.to_vec());
        let Some(mut reader) = RangeReader::begin(&mut source, at(from)..at(to)).unwrap() else {
            return "nothing".into();
        };
        let mut words = Vec::new();
        while let Some(piece) = reader.next(&mut source).unwrap() {
            words.push(match piece {
                Piece::Gap(_) => "|".to_owned(),
                Piece::Frame(frame) => {
                    let packet = frame.packet().unwrap();
                    let kind = match (packet.params.codec.is_video(), packet.keyframe) {
                        (false, _) => 'a',
                        (true, keyframe) => {
                            if keyframe {
                                'K'
                            } else {
                                'p'
                            }
                        }
                    };
                    format!("{kind}{}", frame.time.wall.micros() as f64 / 1e6)
                }
            });
        }
        assert!(words.is_empty() || words[0] == format!("K{}", reader.start().micros() as f64 / 1e6));
        words.join(" ")
    }

    /// A key frame every three seconds, from 0 to 8.
    fn footage() -> Vec<Entry> {
        (0..9).map(|n| packet(if n % 3 == 0 { 'K' } else { 'p' }, n.into())).collect()
    }

    #[test]
    fn it_begins_at_the_key_frame_and_ends_before_the_end() {
        for (from, to, wanted) in [
            (0.0, 3.0, "K0 p1 p2"),
            (1.5, 4.0, "K0 p1 p2 K3"),
            (3.0, 3.1, "K3"),
            (-9.0, 1.0, "K0"),
            (7.0, 99.0, "K6 p7 p8"),
            (8.0, 99.0, "K6 p7 p8"),
            (8.5, 99.0, "nothing"),
            (-9.0, 0.0, "nothing"),
            (5.0, 5.0, "nothing"),
            (6.0, 5.0, "nothing"),
        ] {
            assert_eq!(read(&footage(), from, to), wanted, "{from} to {to}");
        }
        assert_eq!(read(&[], 0.0, 1.0), "nothing");
    }

    #[test]
    fn what_lies_before_a_gap_is_not_gone_back_to() {
        let mut entries = footage();
        entries.push(gap(8.0, 100.0));
        entries.extend([packet('K', 100.0), packet('p', 101.0)]);
        assert_eq!(read(&entries, 50.0, 200.0), "K100 p101");
        assert_eq!(read(&entries, 50.0, 99.0), "nothing");
        assert_eq!(read(&entries, 7.0, 101.0), "K6 p7 p8 | K100");
        assert_eq!(read(&entries, 7.0, 90.0), "K6 p7 p8");
        // The same if nobody has said so.
        entries.remove(9);
        assert_eq!(read(&entries, 50.0, 200.0), "K100 p101");
        assert_eq!(read(&entries, 7.0, 200.0), "K6 p7 p8 | K100 p101");
    }

    #[test]
    fn after_damage_and_gaps_a_key_frame_is_waited_for() {
        let damage = Entry::Damage(Arc::from("rotten"));
        let entries = [
            packet('K', 0.0),
            packet('a', 0.1),
            damage,
            packet('p', 1.0),
            packet('a', 1.1),
            packet('K', 2.0),
            gap(2.0, 3.0),
            packet('a', 3.0),
            packet('p', 3.1),
            packet('K', 4.0),
            packet('a', 4.1),
        ];
        assert_eq!(read(&entries, 0.0, 9.0), "K0 a0.1 a1.1 K2 | K4 a4.1");
    }

    #[test]
    fn what_was_added_later_is_found_by_its_time() {
        // From 20000 s on, then earlier footage, then it went on.
        let mut entries: Vec<_> =
            (0..6).map(|n| packet(if n % 3 == 0 { 'K' } else { 'p' }, f64::from(20_000 + n))).collect();
        entries.extend(footage());
        entries.push(gap(8.0, 30_000.0));
        entries.extend([packet('K', 30_000.0), packet('p', 30_001.0)]);
        let (early, middle, late) =
            ("K0 p1 p2 K3 p4 p5 K6 p7 p8", "K20000 p20001 p20002 K20003 p20004 p20005", "K30000 p30001");
        assert_eq!(read(&entries, 0.0, 99_999.0), format!("{early} | {middle} | {late}"));
        assert_eq!(read(&entries, 20_000.0, 99_999.0), format!("{middle} | {late}"));
        assert_eq!(read(&entries, 20_000.0, 25_000.0), middle);
        assert_eq!(read(&entries, 5_000.0, 25_000.0), middle);
        assert_eq!(read(&entries, 0.0, 10_000.0), early);
        // The same if nobody has said so, and if nothing follows.
        entries.remove(15);
        assert_eq!(read(&entries, 0.0, 99_999.0), format!("{early} | {middle} | {late}"));
        entries.truncate(15);
        assert_eq!(read(&entries, 0.0, 99_999.0), format!("{early} | {middle}"));
        assert_eq!(read(&entries, 20_004.5, 99_999.0), "K20003 p20004 p20005");
        assert_eq!(read(&entries, 10.0, 99_999.0), middle);
    }

    #[test]
    fn what_a_clock_set_back_recorded_twice_is_there_twice() {
        let mut entries = footage();
        entries.extend([packet('K', 4.0), packet('p', 5.0), packet('K', 9.0), packet('p', 10.0)]);
        assert_eq!(read(&entries, 0.0, 99.0), "K0 p1 p2 K3 p4 p5 K6 p7 p8 K4 p5 K9 p10");
        // Twice the same hours, of which the later ones end first.
        let hours = |from: i32| (from..from + 4).map(|n| packet('K', f64::from(n * 3000)));
        let entries: Vec<_> = hours(0).chain(hours(0)).chain(hours(1)).chain(hours(2)).collect();
        assert_eq!(read(&entries, 0.0, 1e6), "K0 | K3000 | K6000 | K9000 | K12000 | K15000");
    }

    #[test]
    fn a_main_track_that_does_not_come_back() {
        let entries =
            [packet('K', 1.0), packet('a', 1.1), packet('a', 30.0), packet('a', 31.0), packet('K', 40.0)];
        let mut source = MemoryPackets::new(entries.to_vec());
        let mut reader = RangeReader::begin(&mut source, at(0.0)..at(5.0)).unwrap().unwrap();
        while reader.next(&mut source).unwrap().is_some() {}
        let Some(Entry::Frame(next)) = source.next().unwrap() else { panic!("it reads to the end") };
        assert_eq!(next.time.wall, at(31.0));
    }

    #[test]
    fn pictures_in_another_order() {
        let entries = [
            packet('K', 1.0),
            packet('p', 0.8),
            packet('p', 0.9),
            packet('p', 1.3),
            packet('p', 1.1),
            packet('p', 1.2),
            packet('K', 1.6),
            packet('p', 1.4),
            packet('p', 1.5),
        ];
        // Those before the first key frame cannot be decoded; at a further one they can.
        assert_eq!(read(&entries, 0.0, 9.0), "K1 p1.3 p1.1 p1.2 K1.6 p1.4 p1.5");
        // What is shown after the end is kept if others need it.
        assert_eq!(read(&entries, 1.0, 1.2), "K1 p1.3 p1.1");
        assert_eq!(read(&entries, 1.0, 1.5), "K1 p1.3 p1.1 p1.2 K1.6 p1.4");
    }
}
