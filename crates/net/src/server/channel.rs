//! What the viewers of one mount share: its tracks and the ring of their packets.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, warn};
use valkka_core::codec::CodecParams;
use valkka_core::frame::{Body, Frame, Packet, Signal};
use valkka_core::gop::GopRing;
use valkka_core::lock::lock;
use valkka_core::source::StreamInfo;

use crate::rtp::{CaptureClock, RtpTrack, Timeline, Unit, UnitKind};
use crate::server::describe::{Description, TrackDescription};
use crate::server::pulse::Pulse;
use crate::server::track_set::{MAX_TRACKS, TrackSet};

/// A mount as its viewers and the server's thread see it. Frames are put in by any thread.
#[derive(Debug)]
pub(super) struct Channel {
    path: String,
    /// Its place among the mounts of a server.
    place: u32,
    /// Tells its descriptions from those of other streams.
    id: u32,
    /// Sender reports are made so often.
    report_interval: Duration,
    state: Mutex<State>,
    /// Something has changed. Woken by the thread that puts frames; waited for by [`Self::fan_out`] alone, so that
    /// the thread that puts frames wakes one task and not as many as there are viewers.
    changed: Notify,
    /// Wakes viewers, within the server's thread.
    fan_out: watch::Sender<()>,
    pub(super) counters: Counters,
}

/// What is counted per mount.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) viewers: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) packets: AtomicU64,
    pub(super) skipped: AtomicU64,
    pub(super) reports: AtomicU64,
}

struct State {
    /// By their index; at most [`MAX_TRACKS`].
    tracks: BTreeMap<u8, RtpTrack>,
    /// The tracks the source has announced, if it has.
    announced: Option<Vec<u8>>,
    first_packet: Option<Instant>,
    pulse: Pulse,
    timeline: Timeline,
    capture: CaptureClock,
    ring: GopRing<Arc<Unit>>,
    /// Sender reports of all tracks of which there is something to report, and how often they have been made. They do not
    /// lie in the ring: who is late has no use for old ones, and while a source is away they would push out its last
    /// group of pictures.
    reports: (u64, Vec<Arc<Unit>>),
    /// Grows when viewers were told something that no longer holds: they must describe anew.
    generation: u64,
    /// Grows with every change of what is described.
    version: u64,
    closed: bool,
    warned: Option<Instant>,
}

/// Where a viewer stands.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    next: u64,
    tracks: TrackSet,
    /// Video tracks of which only a key frame may come next.
    waiting: TrackSet,
    generation: u64,
    /// Units that were left out because the viewer did not keep up.
    skipped: u64,
    /// Sender reports that come next; the first ones at once, so that the viewer knows the capture time of its first
    /// picture.
    reports: Vec<Arc<Unit>>,
    /// How often such had been made when it was given the last ones.
    reported: u64,
}

/// Where a track starts for a viewer (RTP-Info, RFC 2326, section 12.33).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) track: u8,
    /// Sequence number and time stamp of the first packet, if there is one already.
    pub(super) first: Option<(u16, u32)>,
}

impl Channel {
    /// A channel that keeps `kept_bytes` at most, and makes sender reports every `report_interval`.
    pub(super) fn new(path: String, place: u32, kept_bytes: usize, report_interval: Duration) -> Self {
        let state = State {
            tracks: BTreeMap::new(),
            announced: None,
            first_packet: None,
            pulse: Pulse::new(report_interval),
            timeline: Timeline::default(),
            capture: CaptureClock::default(),
            ring: GopRing::new(kept_bytes),
            reports: (0, Vec::new()),
            generation: 0,
            version: 0,
            closed: false,
            warned: None,
        };
        Self {
            path,
            place,
            id: fastrand::u32(..),
            report_interval,
            state: Mutex::new(state),
            changed: Notify::new(),
            fan_out: watch::Sender::new(()),
            counters: Counters::default(),
        }
    }

    /// The path, without slashes at its ends.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Its place among the mounts of a server: no other has it, and it is low.
    pub(super) fn place(&self) -> u32 {
        self.place
    }

    /// Takes a frame from the source.
    pub(super) fn put(&self, frame: &Frame) {
        match &frame.body {
            Body::Signal(Signal::Online(info)) => self.lock().announce(info),
            Body::Packet(packet) => self.lock().take(&self.path, frame, packet),
            _ => return,
        }
        self.changed.notify_one();
    }

    /// Says goodbye to all viewers. Nothing is served any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// Wakes viewers when something has changed, until the channel is closed, and has sender reports made, whether the
    /// source brings anything or not. Runs in the server's thread.
    pub(super) async fn fan_out(&self) {
        let mut reports = interval(self.report_interval.max(Duration::from_millis(1)));
        reports.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.changed.notified() => {}
                _ = reports.tick() => self.lock().report(),
            }
            self.fan_out.send_replace(());
            if self.lock().closed {
                return;
            }
        }
    }

    /// Told whenever something has changed.
    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.fan_out.subscribe()
    }

    /// Since when the source has been bringing packets; `None` while it brings none.
    pub(super) fn flowing_since(&self) -> Option<Instant> {
        self.lock().pulse.since(Instant::now())
    }

    /// What is known of the stream now.
    pub(super) fn description(&self) -> Description {
        let state = self.lock();
        let tracks = state.tracks.iter().map(|(&index, track)| TrackDescription::new(index, track)).collect();
        let complete = match &state.announced {
            Some(announced) => announced.iter().all(|index| state.tracks.contains_key(index)),
            None => state.first_packet.is_some_and(|first| first.elapsed() > SETTLING),
        };
        Description { id: self.id, version: state.version, tracks, complete, closed: state.closed }
    }

    /// The SSRC of a track, if there is such a track.
    pub(super) fn ssrc(&self, track: u8) -> Option<u32> {
        self.lock().tracks.get(&track).map(RtpTrack::ssrc)
    }

    /// The track whose SSRC is `ssrc`, if there is one, and the rate of its clock in Hz.
    pub(super) fn source(&self, ssrc: u32) -> Option<(u8, u32)> {
        let state = self.lock();
        let (&index, track) = state.tracks.iter().find(|(_, track)| track.ssrc() == ssrc)?;
        Some((index, track.encoding().clock_rate_hz))
    }

    /// Which description viewers are told now; see [`Self::join`].
    pub(super) fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// Where a new viewer of `tracks`, described by `generation`, starts: at the last key frame if it wants
    /// video, else with what comes next.
    pub(super) fn join(&self, tracks: TrackSet, generation: u64) -> (Cursor, Vec<Start>) {
        let state = self.lock();
        let video = state.video();
        let waiting = tracks.intersection(video);
        let keyframe = state.ring.keyframe().filter(|_| !waiting.is_empty());
        let next = keyframe.unwrap_or(state.ring.end());
        let reports = tracks.iter().filter_map(|track| state.tracks.get(&track)?.report()).map(Arc::new);
        let cursor = Cursor {
            next,
            tracks,
            waiting,
            generation,
            skipped: 0,
            reports: reports.collect(),
            reported: state.reports.0,
        };
        let first = |track| {
            state.ring.since(next).find_map(|unit| match unit.kind {
                UnitKind::Media { keyframe, sequence, timestamp }
                    if unit.track == track && (keyframe || !waiting.contains(track)) =>
                {
                    Some((sequence, timestamp))
                }
                _ => None,
            })
        };
        let starts = tracks.iter().map(|track| Start { track, first: first(track) }).collect();
        (cursor, starts)
    }

    /// What comes next for a viewer, about `max_bytes` at most; empty if there is nothing now. `None` if the
    /// viewer's time is over.
    pub(super) fn fetch(&self, cursor: &mut Cursor, max_bytes: usize) -> Option<Vec<Arc<Unit>>> {
        let state = self.lock();
        if state.closed || state.generation != cursor.generation {
            return None;
        }
        if cursor.next < state.ring.first() {
            let next = state.ring.keyframe().unwrap_or(state.ring.end());
            let skipped = next - cursor.next;
            self.counters.skipped.fetch_add(skipped, Ordering::Relaxed);
            cursor.skipped += skipped;
            debug!(path = self.path, skipped, "a viewer does not keep up, goes on at a key frame");
            cursor.next = next;
            cursor.waiting = cursor.tracks.intersection(state.video());
        }
        let (reported, reports) = &state.reports;
        if std::mem::replace(&mut cursor.reported, *reported) != *reported {
            cursor.reports = of_tracks(reports, cursor.tracks);
        }
        let mut units = std::mem::take(&mut cursor.reports);
        let mut bytes = 0;
        for unit in state.ring.since(cursor.next) {
            if bytes >= max_bytes {
                break;
            }
            cursor.next += 1;
            if !cursor.tracks.contains(unit.track) {
                continue;
            }
            if let UnitKind::Media { keyframe, .. } = unit.kind {
                if cursor.waiting.contains(unit.track) && !keyframe {
                    continue;
                }
                cursor.waiting.remove(unit.track);
            }
            bytes += unit.len();
            units.push(unit.clone());
        }
        Some(units)
    }

    /// What a viewer of `tracks` is told at the end.
    pub(super) fn goodbye(&self, tracks: TrackSet) -> Vec<Unit> {
        let state = self.lock();
        tracks.iter().filter_map(|track| state.tracks.get(&track)?.goodbye()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// The source has connected.
    fn announce(&mut self, info: &StreamInfo) {
        self.timeline.reconnect();
        let tracks =
            info.tracks.iter().filter(|track| track.skipped.is_none() && track.track.index() < MAX_TRACKS);
        let mut announced = Vec::new();
        for track in tracks {
            let index = track.track.index();
            announced.push(index);
            if let Some(params) = &track.params {
                self.follow(index, params, &[]);
            }
        }
        self.announced = Some(announced);
    }

    fn take(&mut self, path: &str, frame: &Frame, packet: &Packet) {
        let index = frame.track.index();
        if index >= MAX_TRACKS || self.closed {
            return;
        }
        let now = Instant::now();
        self.first_packet.get_or_insert(now);
        self.pulse.beat(now);
        let media = self.timeline.place(index, frame.time.media, frame.time.arrival);
        let payload = if packet.keyframe { &packet.payload[..] } else { &[] };
        self.follow(index, &packet.params, payload);
        let Some(track) = self.tracks.get_mut(&index) else { return };
        let could_report = track.can_report();
        match track.packetize(packet, media, self.capture.moment(&frame.time)) {
            Ok(unit) if unit.len() > 0 => {
                if could_report != track.can_report() {
                    self.report();
                }
                self.keep(unit, packet.keyframe && packet.params.codec.is_video());
            }
            Ok(_) => {}
            Err(error) => {
                if self.warned.is_none_or(|last| now.duration_since(last) > WARN_INTERVAL) {
                    warn!(path, track = index, %error, "access units are not served");
                    self.warned = Some(now);
                }
            }
        }
    }

    /// Makes sender reports of all tracks at once, so that viewers see what has changed for one of them has for all.
    fn report(&mut self) {
        let reports: Vec<_> = self.tracks.values().filter_map(|track| track.report().map(Arc::new)).collect();
        if !reports.is_empty() {
            self.reports = (self.reports.0 + 1, reports);
        }
    }

    /// Keeps `unit` for the viewers; `keyframe` says whether new ones can start at it.
    fn keep(&mut self, unit: Unit, keyframe: bool) {
        let (bytes, made) = (unit.len(), unit.made);
        self.ring.push(Arc::new(unit), bytes, keyframe, made);
    }

    /// Makes or updates track `index`.
    fn follow(&mut self, index: u8, params: &Arc<CodecParams>, payload: &[u8]) {
        let Some(track) = self.tracks.get_mut(&index) else {
            if let Some(track) = RtpTrack::new(index, params, payload) {
                self.version += 1;
                self.tracks.insert(index, track);
            }
            return;
        };
        self.version += u64::from(!Arc::ptr_eq(track.params(), params));
        if !track.update(params, payload) {
            self.tracks.remove(&index);
            self.generation += 1;
            self.ring.clear();
            if let Some(track) = RtpTrack::new(index, params, payload) {
                self.tracks.insert(index, track);
            }
        }
    }

    /// The tracks that are video.
    fn video(&self) -> TrackSet {
        let mut video = TrackSet::default();
        for (&index, track) in &self.tracks {
            if track.params().codec.is_video() {
                video.insert(index);
            }
        }
        video
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("ring", &self.ring.end()).finish_non_exhaustive()
    }
}

impl Cursor {
    /// The same position, for some of the tracks.
    pub(super) fn only(&self, tracks: TrackSet) -> Self {
        let reports = of_tracks(&self.reports, tracks);
        Self { tracks, waiting: self.waiting.intersection(tracks), reports, ..self.clone() }
    }

    /// How many units were left out since this was asked last.
    pub(super) fn take_skipped(&mut self) -> u64 {
        std::mem::take(&mut self.skipped)
    }

    /// The tracks it is for.
    pub(super) fn tracks(&self) -> TrackSet {
        self.tracks
    }
}

/// Those of `units` that belong to one of `tracks`.
fn of_tracks(units: &[Arc<Unit>], tracks: TrackSet) -> Vec<Arc<Unit>> {
    units.iter().filter(|unit| tracks.contains(unit.track)).cloned().collect()
}

/// Sender reports are made so often, if nothing asks for more of them.
pub(super) const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// A stream whose tracks nobody announced is taken for complete when its first packet is so old.
const SETTLING: Duration = Duration::from_millis(500);

/// What cannot be served is logged at most so often.
const WARN_INTERVAL: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use valkka_core::codec::{AudioParams, Codec, MediaParams};
    use valkka_core::frame::FrameTime;
    use valkka_core::payload::Payload;
    use valkka_core::stream::{Slot, Track};
    use valkka_core::time::{MediaTime, WallTime};

    use super::*;

    struct Camera {
        channel: Channel,
        video: Arc<CodecParams>,
        audio: Arc<CodecParams>,
        pictures: i64,
        /// How long before it comes a picture was taken, if the camera tells; of sound it tells nothing.
        lag_micros: Option<i64>,
    }

    impl Camera {
        fn new(kept_bytes: usize) -> Self {
            let extra = Bytes::from_static(&[0, 0, 0, 1, 0x67, 66, 0, 30, 1, 0, 0, 0, 1, 0x68, 1]);
            let media = MediaParams::Audio(AudioParams { sample_rate_hz: 8000, channels: 1 });
            Self {
                channel: Channel::new("cam".into(), 0, kept_bytes, REPORT_INTERVAL),
                video: Arc::new(CodecParams::video(Codec::H264, extra)),
                audio: Arc::new(CodecParams { codec: Codec::PcmAlaw, media, extra: Bytes::new() }),
                pictures: 0,
                lag_micros: Some(0),
            }
        }

        fn put(&mut self, track: u8, keyframe: bool, bytes: usize) {
            self.pictures += 1;
            let mut payload = vec![0, 0, 0, 1, if keyframe { 0x65 } else { 0x41 }];
            payload.resize(5 + bytes, 9);
            let params = if track == 0 { &self.video } else { &self.audio }.clone();
            let wall = WallTime::from_micros(self.pictures * 40_000);
            let media = MediaTime::from_ticks(self.pictures * 3600);
            let capture = self.lag_micros.filter(|_| track == 0).map(|lag| wall.offset_micros(-lag));
            self.channel.put(&Frame {
                slot: Slot::new(1),
                track: Track::new(track),
                time: FrameTime { media, arrival: wall, capture, wall },
                body: Body::Packet(Packet { params, payload: Payload::from_vec(payload), keyframe, lost: 0 }),
            });
        }

        fn join(&self, tracks: &[u8]) -> (Cursor, Vec<Start>) {
            self.channel.join(tracks.iter().copied().collect(), self.channel.generation())
        }
    }

    /// What a viewer gets now: `K` a key frame, `p` another picture, `a` audio.
    fn fetch(channel: &Channel, cursor: &mut Cursor) -> String {
        let units = channel.fetch(cursor, usize::MAX).unwrap();
        let letter = |unit: &Arc<Unit>| match unit.kind {
            UnitKind::Media { .. } if unit.track == 1 => Some('a'),
            UnitKind::Media { keyframe, .. } => Some(if keyframe { 'K' } else { 'p' }),
            UnitKind::Control => None,
        };
        units.iter().filter_map(letter).collect()
    }

    #[test]
    fn a_viewer_starts_at_the_last_key_frame() {
        let mut camera = Camera::new(1 << 20);
        for keyframe in [true, false, true, false, false] {
            camera.put(0, keyframe, 10);
        }
        let (mut cursor, starts) = camera.join(&[0]);
        let units = camera.channel.fetch(&mut cursor.clone(), usize::MAX).unwrap();
        assert_eq!(units[0].kind, UnitKind::Control, "a sender report comes first");
        let UnitKind::Media { sequence, timestamp, .. } = units[1].kind else { panic!("{units:?}") };
        assert_eq!(starts, [Start { track: 0, first: Some((sequence, timestamp)) }]);
        assert_eq!(fetch(&camera.channel, &mut cursor), "Kpp");
        assert_eq!(fetch(&camera.channel, &mut cursor), "");
        camera.put(0, false, 10);
        assert_eq!(fetch(&camera.channel, &mut cursor), "p");
    }

    /// The moment that sender reports tell for the last access unit that `cursor` is given, of each track.
    fn moments(channel: &Channel, cursor: &mut Cursor) -> BTreeMap<u8, WallTime> {
        let units = channel.fetch(cursor, usize::MAX).unwrap();
        let of = |unit: &Arc<Unit>| {
            let UnitKind::Media { timestamp, .. } = unit.kind else { return None };
            let is_report = |other: &&Arc<Unit>| other.track == unit.track && other.kind == UnitKind::Control;
            let report = units.iter().rfind(is_report)?.packets().next()?;
            let ntp = u64::from_be_bytes(report[8..16].try_into().unwrap());
            let later = u32::from_be_bytes(report[16..20].try_into().unwrap()).wrapping_sub(timestamp);
            let rate_hz = if unit.track == 0 { 90_000 } else { 8000 };
            let later = i64::from(later as i32) * 1_000_000 / rate_hz;
            Some((unit.track, WallTime::from_ntp(ntp).offset_micros(-later)))
        };
        units.iter().filter_map(of).collect()
    }

    #[test]
    fn reports_tell_when_pictures_were_taken_and_sound_goes_along() {
        let mut camera = Camera::new(1 << 20);
        camera.put(0, true, 10);
        camera.put(1, true, 10);
        let (mut cursor, _) = camera.join(&[0, 1]);
        let told = |moment: WallTime, micros: i64| moment.micros().abs_diff(micros) <= 125;
        let now = moments(&camera.channel, &mut cursor);
        assert!(told(now[&0], 40_000) && told(now[&1], 80_000), "as they came: {now:?}");
        camera.lag_micros = Some(300_000);
        camera.put(0, false, 10);
        camera.put(1, true, 10);
        camera.channel.lock().report();
        let now = moments(&camera.channel, &mut cursor);
        assert!(told(now[&0], 120_000 - 300_000) && told(now[&1], 160_000 - 300_000), "{now:?}");
        let (mut late, _) = camera.join(&[1]);
        let now = moments(&camera.channel, &mut late);
        assert!(now.is_empty(), "no sound has come for it yet");
        camera.put(1, true, 10);
        camera.channel.lock().report();
        let now = moments(&camera.channel, &mut late);
        assert!(told(now[&1], 200_000 - 300_000), "{now:?}");
    }

    #[test]
    fn reports_of_a_source_that_is_away_reach_viewers_and_push_nothing_out() {
        let mut camera = Camera::new(1 << 20);
        let (mut early, _) = camera.join(&[0, 1]);
        for keyframe in [true, false] {
            camera.put(0, keyframe, 10);
        }
        camera.put(1, true, 10);
        let controls = |cursor: &mut Cursor| {
            let units = camera.channel.fetch(cursor, usize::MAX).unwrap();
            units.iter().filter(|unit| unit.kind == UnitKind::Control).count()
        };
        assert_eq!(controls(&mut early), 2);
        let (mut viewer, _) = camera.join(&[0]);
        assert_eq!([controls(&mut viewer), controls(&mut viewer)], [1, 0]);
        for _ in 0..20_000 {
            camera.channel.lock().report();
        }
        assert_eq!([controls(&mut early), controls(&mut early)], [2, 0], "the last ones, once");
        assert_eq!([controls(&mut viewer), controls(&mut viewer)], [1, 0]);
        let (mut late, _) = camera.join(&[0, 1]);
        assert_eq!(fetch(&camera.channel, &mut late), "Kpa");
    }

    #[test]
    fn video_waits_for_a_key_frame_and_audio_does_not() {
        let mut camera = Camera::new(1 << 20);
        camera.put(0, false, 10);
        camera.put(1, true, 10);
        let (mut cursor, starts) = camera.join(&[0, 1]);
        assert!(starts.iter().all(|start| start.first.is_none()), "nothing is known yet");
        for (track, keyframe) in [(0, false), (1, true), (0, true), (0, false)] {
            camera.put(track, keyframe, 10);
        }
        assert_eq!(fetch(&camera.channel, &mut cursor), "aKp");
        let (mut cursor, _) = camera.join(&[1]);
        camera.put(0, true, 10);
        camera.put(1, true, 10);
        assert_eq!(fetch(&camera.channel, &mut cursor), "a");
    }

    #[test]
    fn a_slow_viewer_loses_whole_groups_and_nobody_else_does() {
        let mut camera = Camera::new(10_000);
        camera.put(0, true, 1000);
        let (mut slow, _) = camera.join(&[0]);
        let (mut quick, _) = camera.join(&[0]);
        let mut seen = String::new();
        for _ in 0..10 {
            for keyframe in [false, false, true] {
                camera.put(0, keyframe, 1000);
                seen += &fetch(&camera.channel, &mut quick);
            }
        }
        assert_eq!(seen, format!("K{}", "ppK".repeat(10)));
        camera.put(0, false, 1000);
        assert_eq!(fetch(&camera.channel, &mut slow), "Kp");
        assert_eq!(camera.channel.counters.skipped.load(Ordering::Relaxed), 30, "ten groups of three");
    }

    #[test]
    fn a_group_of_pictures_that_is_too_large_is_not_kept() {
        let mut camera = Camera::new(10_000);
        camera.put(0, true, 1000);
        (0..20).for_each(|_| camera.put(0, false, 1000));
        assert!(camera.channel.lock().ring.bytes() <= 10_000);
        let (mut cursor, _) = camera.join(&[0]);
        camera.put(0, false, 1000);
        assert_eq!(fetch(&camera.channel, &mut cursor), "");
        camera.put(0, true, 1000);
        assert_eq!(fetch(&camera.channel, &mut cursor), "K");
    }

    #[test]
    fn another_codec_ends_the_viewers_and_new_parameter_sets_do_not() {
        let mut camera = Camera::new(1 << 20);
        camera.put(0, true, 10);
        let (mut cursor, _) = camera.join(&[0]);
        let extra = Bytes::from_static(&[0, 0, 0, 1, 0x67, 77, 0, 31, 1, 0, 0, 0, 1, 0x68, 1]);
        camera.video = Arc::new(CodecParams::video(Codec::H264, extra));
        camera.put(0, true, 10);
        assert_eq!(fetch(&camera.channel, &mut cursor), "KK");
        camera.video = Arc::new(CodecParams::video(Codec::Mjpeg, Bytes::new()));
        camera.put(0, true, 10);
        assert!(camera.channel.fetch(&mut cursor, usize::MAX).is_none());
    }

    #[test]
    fn a_stream_is_complete_when_all_announced_tracks_are_known() {
        let mut camera = Camera::new(1 << 20);
        assert!(!camera.channel.description().complete);
        let track = |index, params| valkka_core::source::TrackInfo {
            track: Track::new(index),
            medium: String::new(),
            encoding: String::new(),
            params,
            skipped: None,
        };
        let tracks = vec![track(0, None), track(1, Some(camera.audio.clone()))];
        let online = Signal::Online(Arc::new(StreamInfo { tracks, ..StreamInfo::default() }));
        camera.channel.put(&Frame::signal(Slot::new(1), WallTime::default(), online));
        assert!(!camera.channel.description().complete);
        camera.put(0, true, 10);
        let description = camera.channel.description();
        assert!(description.complete);
        assert_eq!(description.tracks.len(), 2);
    }
}
