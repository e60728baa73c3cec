//! Where a file stands and which of its frames is due: no thread, no clock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use valkka_av::FileReader;
use valkka_core::codec::CodecParams;
use valkka_core::frame::{Frame, FrameTime};
use valkka_core::source::SourceError;
use valkka_core::stream::Slot;
use valkka_core::time::{MediaTime, WallTime};

/// Frames that can be sought in.
pub(super) trait Footage {
    /// The next frame; `None` at the end.
    fn read(&mut self) -> Result<Option<Frame>, SourceError>;

    /// Goes to the last key frame at or before `to`.
    fn seek(&mut self, to: MediaTime) -> Result<(), SourceError>;

    /// Whether some of its frames are video.
    fn has_video(&self) -> bool;
}

impl Footage for FileReader {
    fn read(&mut self) -> Result<Option<Frame>, SourceError> {
        Self::read(self)
    }

    fn seek(&mut self, to: MediaTime) -> Result<(), SourceError> {
        Self::seek(self, to)
    }

    fn has_video(&self) -> bool {
        let mut params = self.info().tracks.iter().filter_map(|track| track.params.as_ref());
        params.any(|params| params.codec.is_video())
    }
}

/// Plays one file in real time.
///
/// Frames are due in the order in which they are decoded: one that is shown after those that follow it (B frames) is due
/// as early as the first of those.
pub(super) struct Playback<F> {
    footage: F,
    slot: Slot,
    /// What was read ahead, so that the moment is known at which the first of it is due.
    ahead: VecDeque<Frame>,
    /// How many pictures may come before one that is shown earlier, with these parameters.
    reordered: Option<(Arc<CodecParams>, usize)>,
    /// Whether there is nothing more to read.
    ended: bool,
    /// When media time zero is, or was, due; `None` while it stands still.
    zero: Option<WallTime>,
    position: MediaTime,
}

impl<F: Footage> Playback<F> {
    pub(super) fn new(footage: F, slot: Slot) -> Self {
        let (ahead, position) = (VecDeque::new(), MediaTime::default());
        Self { footage, slot, ahead, reordered: None, ended: false, zero: None, position }
    }

    /// Where it stands: the target of the last seek, the moment at which it was paused, or the frame that was due last.
    pub(super) fn position(&self) -> MediaTime {
        self.position
    }

    pub(super) fn is_playing(&self) -> bool {
        self.zero.is_some()
    }

    /// Goes to `to`, and stands still there: hands all frames from the last key frame before up to there to `emit`, until
    /// that returns false.
    pub(super) fn seek(
        &mut self,
        to: MediaTime,
        now: WallTime,
        mut emit: impl FnMut(Frame) -> bool,
    ) -> Result<(), SourceError> {
        self.ahead.clear();
        (self.ended, self.zero, self.position) = (false, None, to);
        self.footage.seek(to)?;
        let zero = zero_of(to, now);
        self.read_ahead()?;
        while self.ahead.iter().any(|frame| frame.time.media <= to) {
            let Some(mut frame) = self.ahead.pop_front() else { break };
            self.stamp(&mut frame, zero, now);
            // Who corrects time stamps takes what is far from the present for a clock that is wrong. These pictures are
            // too old to be shown in any case.
            frame.time.wall = frame.time.wall.max(now - MAX_AGE);
            if !emit(frame) {
                break;
            }
            self.read_ahead()?;
        }
        Ok(())
    }

    /// Goes on from where it stands. At the end of the file nothing happens.
    pub(super) fn play(&mut self, now: WallTime) {
        if self.zero.is_none() && !(self.ended && self.ahead.is_empty()) {
            self.zero = Some(zero_of(self.position, now));
        }
    }

    /// Stands still.
    pub(super) fn pause(&mut self, now: WallTime) {
        if let Some(zero) = self.zero.take() {
            self.position = MediaTime::default() + now.saturating_since(zero);
        }
    }

    /// When the next frame is due; `None` while it stands still. At the end of the file it comes to a stand by itself.
    pub(super) fn due(&mut self) -> Result<Option<WallTime>, SourceError> {
        let Some(zero) = self.zero else { return Ok(None) };
        self.read_ahead()?;
        let earliest = self.ahead.iter().map(|frame| frame.time.media).min();
        if earliest.is_none() {
            self.zero = None;
        }
        Ok(earliest.map(|media| wall_of(media, zero)))
    }

    /// Takes the next frame, which was due at `due`. Whoever was held up for long goes on from there, instead of making
    /// up for it in haste.
    pub(super) fn next(&mut self, due: WallTime, now: WallTime) -> Option<Frame> {
        let mut zero = self.zero?;
        let late = now.saturating_since(due);
        if late > MAX_LATE {
            zero = zero + late;
            self.zero = Some(zero);
        }
        let mut frame = self.ahead.pop_front()?;
        self.stamp(&mut frame, zero, now);
        self.position = self.position.max(frame.time.media);
        Some(frame)
    }

    fn stamp(&self, frame: &mut Frame, zero: WallTime, now: WallTime) {
        let media = frame.time.media;
        frame.slot = self.slot;
        frame.time = FrameTime { media, arrival: now, capture: None, wall: wall_of(media, zero) };
    }

    /// Reads on until no frame that is still to be read can be shown before the first that is kept.
    fn read_ahead(&mut self) -> Result<(), SourceError> {
        while !self.ended && self.ahead.len() < MAX_AHEAD && !self.sees_far_enough() {
            match self.footage.read() {
                Ok(Some(frame)) => self.ahead.push_back(frame),
                Ok(None) => self.ended = true,
                Err(error) => {
                    self.ended = true;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn sees_far_enough(&mut self) -> bool {
        if !self.footage.has_video() {
            return !self.ahead.is_empty();
        }
        let video =
            self.ahead.iter().filter_map(Frame::packet).filter(|packet| packet.params.codec.is_video());
        let Some(first) = video.clone().next() else { return false };
        let reordered = match &self.reordered {
            Some((params, reordered)) if Arc::ptr_eq(params, &first.params) => *reordered,
            _ => {
                let reordered = first.params.reordered().unwrap_or(MAX_REORDERED).into();
                self.reordered = Some((first.params.clone(), reordered));
                reordered
            }
        };
        video.count() > reordered
    }
}

fn wall_of(media: MediaTime, zero: WallTime) -> WallTime {
    zero.offset_micros(media.micros_since(MediaTime::default()))
}

fn zero_of(position: MediaTime, now: WallTime) -> WallTime {
    now.offset_micros(MediaTime::default().micros_since(position))
}

/// Frames that are sought over are stamped as no older than this.
const MAX_AGE: Duration = Duration::from_millis(1500);

/// Who is held up for longer does not make up for it.
const MAX_LATE: Duration = Duration::from_secs(1);

/// As many pictures as a decoder may hold back, if a stream does not say how many it wants.
const MAX_REORDERED: u8 = 16;

/// Frames that are read ahead at most, whatever the tracks.
const MAX_AHEAD: usize = 512;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use valkka_core::codec::{Codec, MediaParams, VideoParams};
    use valkka_core::frame::{Body, Packet};
    use valkka_core::payload::Payload;
    use valkka_core::stream::Track;

    use super::*;

    const SLOT: Slot = Slot::new(5);

    /// Packets at these milliseconds, a key frame wherever the time is a multiple of 1000.
    struct Reel {
        times: Vec<i64>,
        next: usize,
        params: Arc<CodecParams>,
    }

    impl Reel {
        fn new(times: impl IntoIterator<Item = i64>) -> Self {
            let video = VideoParams { width: 2, height: 2, frame_rate: None };
            // Of H.264 without parameter sets it is not known how far pictures are reordered.
            let params =
                CodecParams { codec: Codec::H264, media: MediaParams::Video(video), extra: Bytes::new() };
            Self { times: times.into_iter().collect(), next: 0, params: params.into() }
        }
    }

    impl Footage for Reel {
        fn read(&mut self) -> Result<Option<Frame>, SourceError> {
            let Some(&time) = self.times.get(self.next) else { return Ok(None) };
            self.next += 1;
            let (params, keyframe) = (self.params.clone(), time % 1000 == 0);
            let packet = Packet { params, payload: Payload::default(), keyframe, lost: 0 };
            let time = FrameTime { media: millis(time), ..FrameTime::default() };
            Ok(Some(Frame {
                slot: Slot::default(),
                track: Track::default(),
                time,
                body: Body::Packet(packet),
            }))
        }

        fn seek(&mut self, to: MediaTime) -> Result<(), SourceError> {
            let before = |&time: &i64| time % 1000 == 0 && millis(time) <= to;
            self.next = self.times.iter().rposition(before).unwrap_or(0);
            Ok(())
        }

        fn has_video(&self) -> bool {
            true
        }
    }

    fn millis(millis: i64) -> MediaTime {
        MediaTime::from_ticks(millis * 90)
    }

    fn wall(millis: i64) -> WallTime {
        WallTime::from_micros(millis * 1000)
    }

    /// Media times and moments of the frames that are sent by a seek at 100 s, in milliseconds.
    fn seek(playback: &mut Playback<Reel>, to: i64) -> Vec<(i64, i64)> {
        let mut sent = Vec::new();
        let emit = |frame: Frame| {
            assert_eq!(frame.slot, SLOT);
            sent.push((frame.time.media.ticks() / 90, frame.time.wall.millis()));
            true
        };
        playback.seek(millis(to), wall(100_000), emit).unwrap();
        sent
    }

    /// When frames are sent and which, up to the end.
    fn play(playback: &mut Playback<Reel>, start: i64) -> Vec<(i64, i64)> {
        playback.play(wall(start));
        let mut sent = Vec::new();
        let mut now = wall(start);
        while let Some(due) = playback.due().unwrap() {
            now = now.max(due);
            let frame = playback.next(due, now).unwrap();
            assert!(frame.time.wall >= now, "nobody is late");
            sent.push((now.millis() - start, frame.time.media.ticks() / 90));
        }
        sent
    }

    #[test]
    fn a_seek_sends_all_from_the_key_frame_to_the_target_and_no_more() {
        let mut playback = Playback::new(Reel::new((0..100).map(|n| n * 40)), SLOT);
        let sent = seek(&mut playback, 2100);
        assert_eq!(sent, [(2000, 99_900), (2040, 99_940), (2080, 99_980)]);
        assert_eq!(playback.position(), millis(2100));
        assert_eq!(seek(&mut playback, 0), [(0, 100_000)]);
        assert_eq!(seek(&mut playback, 3960).len(), 25);
        assert_eq!(playback.due().unwrap(), None, "it stands still");
    }

    #[test]
    fn old_pictures_are_not_stamped_far_in_the_past() {
        let times = [0].into_iter().chain((1..200).map(|n| n * 40 + 1));
        let mut playback = Playback::new(Reel::new(times), SLOT);
        let sent = seek(&mut playback, 6000);
        assert_eq!(sent[0], (0, 98_500));
        assert_eq!(sent.last(), Some(&(5961, 99_961)));
    }

    #[test]
    fn it_plays_in_real_time_from_where_it_stands() {
        let mut playback = Playback::new(Reel::new((0..75).map(|n| n * 40)), SLOT);
        seek(&mut playback, 2810);
        assert_eq!(play(&mut playback, 500_000), [(30, 2840), (70, 2880), (110, 2920), (150, 2960)]);
        // At the end it stands still until it is sought.
        playback.play(wall(900_000));
        assert_eq!(playback.due().unwrap(), None);
        assert_eq!(seek(&mut playback, 2900).len(), 23);
        assert_eq!(play(&mut playback, 500_000).len(), 2);
    }

    #[test]
    fn a_pause_is_no_gap() {
        let mut playback = Playback::new(Reel::new((0..75).map(|n| n * 40)), SLOT);
        seek(&mut playback, 0);
        playback.play(wall(1000));
        for _ in 0..3 {
            let due = playback.due().unwrap().unwrap();
            playback.next(due, due).unwrap();
        }
        playback.pause(wall(1130));
        assert_eq!((playback.position(), playback.due().unwrap()), (millis(130), None));
        playback.pause(wall(1500));
        playback.play(wall(9000));
        assert_eq!(playback.due().unwrap(), Some(wall(9030)));
    }

    #[test]
    fn b_frames_are_due_with_those_that_need_them() {
        let group = |start: i64| [start, start + 120, start + 40, start + 80];
        let times = (0..5).flat_map(|n| group(n * 160));
        let mut playback = Playback::new(Reel::new(times.clone()), SLOT);
        let media = |sent: Vec<(i64, i64)>| sent.into_iter().map(|(media, _)| media).collect::<Vec<_>>();
        // What is shown later is sent too where what is shown before needs it.
        assert_eq!(media(seek(&mut playback, 40)), [0, 120, 40]);
        assert_eq!(media(seek(&mut playback, 0)), [0]);
        let sent = play(&mut playback, 0);
        assert_eq!(sent[..4], [(40, 120), (40, 40), (80, 80), (160, 160)]);
        assert_eq!(sent.len(), 19);
    }

    #[test]
    fn who_was_held_up_does_not_hurry() {
        let mut playback = Playback::new(Reel::new((0..75).map(|n| n * 40)), SLOT);
        seek(&mut playback, 0);
        playback.play(wall(0));
        let due = playback.due().unwrap().unwrap();
        let frame = playback.next(due, wall(5040)).unwrap();
        assert_eq!(frame.time.wall, wall(5040));
        assert_eq!(playback.due().unwrap(), Some(wall(5080)));
        // A little is made up for.
        let frame = playback.next(wall(5080), wall(5500)).unwrap();
        assert_eq!(frame.time.wall, wall(5080));
    }
}
