//! The last group of pictures of a camera, kept for whoever comes late.
//!
//! A [`GopKeeper`] hangs on [`Camera::packets`] and keeps, by reference, what came since the last key frame. New viewers
//! have a picture at once by it ([`fragments`](crate::fragments)), and so have
//! [`snapshots`](crate::snapshot), without a decoder that runs for them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use valkka_core::codec::CodecParams;
use valkka_core::fork::{Branch, Fork};
use valkka_core::frame::{Body, Frame, Signal};
use valkka_core::gop::{GopRing, MAX_ITEMS};
use valkka_core::lock::lock;
use valkka_core::sink::Sink;
use valkka_core::stream::Track;

use crate::camera::Camera;
use crate::error::Error;

/// Keeps the frames of one stream since its last key frame, by reference, and hands them on.
///
/// Only the first video track that comes is kept, and all audio. A key frame before which packets were lost is none to
/// start at. What is kept stays when the connection ends, and when the camera is dropped.
///
/// Methods may be called from any thread. It is a [`Sink`], for graphs that are wired by hand; [`Self::attach`] hangs
/// one on a camera.
pub struct GopKeeper {
    state: Mutex<State>,
    /// Told of every frame once it is kept.
    followers: Fork,
    /// On the camera, if it was attached to one.
    source: Mutex<Option<Branch>>,
}

/// How much a keeper keeps. All fields are free.
#[derive(Clone, Copy, Debug)]
pub struct GopOptions {
    /// Bytes at most; a group of pictures that is larger is not kept.
    pub max_bytes: usize,
}

impl Default for GopOptions {
    /// 16 MiB: ten seconds of a stream of 13 Mbit/s.
    fn default() -> Self {
        Self { max_bytes: 16 << 20 }
    }
}

/// What a keeper has now.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct KeptGop {
    /// From the last key frame on: packets of the video track and of audio, and signals. Empty if there is no key frame.
    pub frames: Vec<Frame>,
    /// Why there is no key frame, if there is none.
    pub missing: Option<Missing>,
    /// Whether the stream is connected, as far as its frames tell.
    pub online: bool,
    /// The number that the next frame gets: nothing came in between two calls that return the same.
    pub position: u64,
}

/// Why a keeper has no key frame that decoding could start at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Missing {
    /// None has come, or none since the stream was sought.
    #[error("no key frame has come yet")]
    NotYet,
    /// The last one is not whole.
    #[error("the last key frame is damaged (packets lost in it or just before it: {lost})")]
    Damaged {
        /// Network packets (or other units of the source) that were lost.
        lost: u32,
    },
    /// So much has come since the last one that it could not be kept any longer.
    #[error(
        "the last group of pictures is too large to be kept: {bytes} bytes in {frames} frames so far, \
         at most {max_bytes} bytes in {max_frames} frames are kept"
    )]
    TooLarge {
        /// Bytes since the last key frame.
        bytes: usize,
        /// Frames since the last key frame.
        frames: usize,
        /// Bytes that are kept at most: [`GopOptions::max_bytes`].
        max_bytes: usize,
        /// Frames that are kept at most.
        max_frames: usize,
    },
}

struct State {
    ring: GopRing<Frame>,
    group: Group,
    max_bytes: usize,
    online: bool,
    video: Option<Track>,
    /// Parameters of the last packet of each track since the stream came online.
    tracks: BTreeMap<Track, Arc<CodecParams>>,
}

/// What has come since the last key frame, whether it is kept or not.
#[derive(Clone, Copy)]
enum Group {
    /// No key frame has.
    None,
    /// One that was damaged.
    Damaged { lost: u32 },
    /// All since it.
    Since { bytes: usize, frames: usize },
}

impl GopKeeper {
    /// A keeper that nothing is put into yet.
    pub fn new(options: GopOptions) -> Self {
        let state = State {
            ring: GopRing::with_max_lag(options.max_bytes, Duration::ZERO),
            group: Group::None,
            max_bytes: options.max_bytes,
            online: false,
            video: None,
            tracks: BTreeMap::new(),
        };
        Self { state: Mutex::new(state), followers: Fork::new(), source: Mutex::default() }
    }

    /// A keeper of `camera`, which connects if it has not yet. It takes part in the camera's frames until it is dropped.
    ///
    /// # Errors
    /// If the camera has a keeper already.
    pub fn attach(camera: &Camera, options: GopOptions) -> Result<Arc<Self>, Error> {
        let keeper = Arc::new(Self::new(options));
        let inlet = Arc::new(Inlet(Arc::downgrade(&keeper)));
        let branch = camera.packets("gop", inlet)?;
        *lock(&keeper.source) = Some(branch);
        Ok(keeper)
    }

    /// What it has now.
    pub fn kept(&self) -> KeptGop {
        let state = self.lock();
        let from = state.ring.keyframe().unwrap_or(state.ring.end());
        let frames = state.ring.since(from).cloned().collect();
        KeptGop { frames, missing: state.missing(), online: state.online, position: state.ring.end() }
    }

    /// Hands every frame to `sink` from now on, once it is kept, in the thread that put it.
    ///
    /// # Errors
    /// If there is a follower called `tag`.
    pub fn follow(&self, tag: &str, sink: Arc<dyn Sink>) -> Result<Branch, Error> {
        Ok(self.followers.branch(tag, sink)?)
    }

    /// Whether the stream is connected, as far as its frames tell.
    pub(crate) fn is_online(&self) -> bool {
        self.lock().online
    }

    /// The number that the next frame gets.
    pub(crate) fn position(&self) -> u64 {
        self.lock().ring.end()
    }

    /// The frames from number `from` on, and the number of the first; from the key frame on, if those before are no longer
    /// kept, or no number is given.
    pub(crate) fn since(&self, from: Option<u64>) -> (u64, Vec<Frame>) {
        let state = self.lock();
        let from = from.filter(|&from| from >= state.ring.first());
        let from = from.unwrap_or(state.ring.keyframe().unwrap_or(state.ring.end()));
        (from, state.ring.since(from).cloned().collect())
    }

    /// The tracks of which packets came since the stream came online, with the parameters of the last, in their order.
    pub(crate) fn tracks(&self) -> Vec<(Track, Arc<CodecParams>)> {
        self.lock().tracks.iter().map(|(&track, params)| (track, params.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Sink for GopKeeper {
    fn put(&self, frame: Frame) {
        let kept = self.lock().keep(&frame);
        if kept {
            self.followers.put(frame);
        }
    }
}

impl fmt::Debug for GopKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("GopKeeper")
            .field("online", &state.online)
            .field("frames", &(state.ring.first()..state.ring.end()))
            .field("bytes", &state.ring.bytes())
            .finish_non_exhaustive()
    }
}

impl State {
    /// Returns whether the frame is of those that are kept.
    fn keep(&mut self, frame: &Frame) -> bool {
        let (mut bytes, mut keyframe) = (0, false);
        match &frame.body {
            Body::Packet(packet) => {
                self.online = true;
                let is_video = packet.params.codec.is_video();
                if is_video && *self.video.get_or_insert(frame.track) != frame.track {
                    return false;
                }
                if !self.tracks.get(&frame.track).is_some_and(|known| Arc::ptr_eq(known, &packet.params)) {
                    self.tracks.insert(frame.track, packet.params.clone());
                }
                bytes = packet.payload.len();
                keyframe = is_video && packet.keyframe && packet.lost == 0;
                if keyframe {
                    self.group = Group::Since { bytes: 0, frames: 0 };
                } else if is_video && packet.keyframe {
                    self.group = Group::Damaged { lost: packet.lost };
                }
            }
            Body::Signal(Signal::Online(_)) => {
                self.online = true;
                self.video = None;
                self.tracks.clear();
            }
            Body::Signal(Signal::Offline(_) | Signal::End) => {
                // A camera that is away for a week says so again and again.
                if !std::mem::replace(&mut self.online, false) {
                    return false;
                }
            }
            Body::Signal(Signal::Seek) => {
                self.ring.clear();
                self.group = Group::None;
            }
            Body::Signal(_) => {}
            Body::Bitmap(_) | Body::Fragment(_) => return false,
        }
        if let Group::Since { bytes: all, frames } = &mut self.group {
            *all = all.saturating_add(bytes);
            *frames = frames.saturating_add(1);
        }
        self.ring.push(frame.clone(), bytes, keyframe, Instant::now());
        true
    }

    /// Why there is no key frame, if there is none.
    fn missing(&self) -> Option<Missing> {
        if self.ring.keyframe().is_some() {
            return None;
        }
        Some(match self.group {
            Group::None => Missing::NotYet,
            Group::Damaged { lost } => Missing::Damaged { lost },
            Group::Since { bytes, frames } => {
                Missing::TooLarge { bytes, frames, max_bytes: self.max_bytes, max_frames: MAX_ITEMS }
            }
        })
    }
}

/// The camera's way to its keeper, which must not be held by it: the branch is the keeper's.
struct Inlet(std::sync::Weak<GopKeeper>);

impl Sink for Inlet {
    fn put(&self, frame: Frame) {
        if let Some(keeper) = self.0.upgrade() {
            keeper.put(frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use bytes::Bytes;
    use valkka_core::codec::Codec;
    use valkka_core::frame::{FrameTime, Packet};
    use valkka_core::payload::Payload;
    use valkka_core::sink::FnSink;
    use valkka_core::source::StreamInfo;
    use valkka_core::stream::Slot;
    use valkka_core::time::WallTime;

    use super::*;

    /// Puts what the letters say: `K` a key frame, `L` one behind lost packets, `p` a picture, `a` audio, `s` another track
    /// of video, `+` and `-` that the connection is made and ends.
    fn put(keeper: &GopKeeper, letters: &str) {
        for letter in letters.chars() {
            let signal = |signal| Frame::signal(Slot::new(1), WallTime::default(), signal);
            let frame = match letter {
                '+' => signal(Signal::Online(Arc::new(StreamInfo::default()))),
                '-' => signal(Signal::Offline("it was unplugged".into())),
                _ => packet(letter),
            };
            keeper.put(frame);
        }
    }

    fn packet(letter: char) -> Frame {
        let (track, params) = match letter {
            'a' => (1, CodecParams::audio(Codec::PcmAlaw, 8000, 1, Bytes::new())),
            letter => (if letter == 's' { 2 } else { 0 }, CodecParams::video(Codec::H264, Bytes::new())),
        };
        let packet = Packet {
            params: Arc::new(params),
            payload: Payload::copy_from_slice(letter.to_string().as_bytes()),
            keyframe: matches!(letter, 'K' | 'L' | 'a' | 's'),
            lost: u32::from(letter == 'L'),
        };
        let (slot, track) = (Slot::new(1), Track::new(track));
        Frame { slot, track, time: FrameTime::default(), body: Body::Packet(packet) }
    }

    fn letters(frames: &[Frame]) -> String {
        let letter = |frame: &Frame| match &frame.body {
            Body::Packet(packet) => char::from(packet.payload[0]),
            Body::Signal(Signal::Online(_)) => '+',
            _ => '-',
        };
        frames.iter().map(letter).collect()
    }

    #[test]
    fn what_came_since_the_last_key_frame_is_kept() {
        let keeper = GopKeeper::new(GopOptions::default());
        for (put_in, kept) in
            [("+pap", ""), ("Kap", "Kap"), ("spL", "KappL"), ("aK", "K"), ("-", "K-"), ("+p", "K-+p")]
        {
            put(&keeper, put_in);
            assert_eq!(letters(&keeper.kept().frames), kept, "after {put_in}");
        }
        assert!(keeper.kept().online);
    }

    #[test]
    fn an_end_that_is_told_again_changes_nothing() {
        let keeper = GopKeeper::new(GopOptions::default());
        put(&keeper, "-+Kp-");
        let before = keeper.kept();
        put(&keeper, "---");
        let after = keeper.kept();
        assert!(!after.online && after.position == before.position);
        assert_eq!(letters(&after.frames), "Kp-");
    }

    #[test]
    fn it_is_bounded() {
        let keeper = GopKeeper::new(GopOptions { max_bytes: 5 });
        put(&keeper, "Kpppp");
        assert_eq!(letters(&keeper.kept().frames), "Kpppp");
        put(&keeper, "p");
        assert_eq!(letters(&keeper.kept().frames), "");
        assert!(lock(&keeper.state).ring.bytes() <= 5);
    }

    #[test]
    fn it_says_why_there_is_no_key_frame() {
        let keeper = GopKeeper::new(GopOptions { max_bytes: 5 });
        let too_large =
            |bytes| Missing::TooLarge { bytes, frames: bytes, max_bytes: 5, max_frames: MAX_ITEMS };
        let seek = Frame::signal(Slot::new(1), WallTime::default(), Signal::Seek);
        assert_eq!(keeper.kept().missing, Some(Missing::NotYet));
        for (put_in, missing) in [
            ("+pa", Some(Missing::NotYet)),
            ("Lp", Some(Missing::Damaged { lost: 1 })),
            ("Kpppp", None),
            ("ps", Some(too_large(6))),
            ("a", Some(too_large(7))),
            ("Kp", None),
            ("Lp", None),
            ("pp", Some(Missing::Damaged { lost: 1 })),
            ("K", None),
        ] {
            put(&keeper, put_in);
            assert_eq!(keeper.kept().missing, missing, "after {put_in}");
        }
        keeper.put(seek);
        assert_eq!(keeper.kept().missing, Some(Missing::NotYet));
        assert_eq!(
            too_large(6).to_string(),
            "the last group of pictures is too large to be kept: 6 bytes in 6 frames so far, at most 5 bytes in 16384 \
             frames are kept"
        );
    }

    #[test]
    fn followers_find_what_they_are_told_of_kept() {
        let keeper = Arc::new(GopKeeper::new(GopOptions::default()));
        let (tx, rx) = mpsc::channel();
        let from = keeper.clone();
        let sink =
            FnSink(move |frame: Frame| tx.send((letters(&[frame]), letters(&from.since(None).1))).unwrap());
        let branch = keeper.follow("test", Arc::new(sink)).unwrap();
        put(&keeper, "Ksp");
        let told: Vec<_> = rx.try_iter().collect();
        assert_eq!(told, [("K".to_owned(), "K".to_owned()), ("p".to_owned(), "Kp".to_owned())]);
        assert_eq!(letters(&keeper.since(Some(1)).1), "p");
        assert_eq!(keeper.tracks().len(), 1);
        drop(branch);
    }
}
