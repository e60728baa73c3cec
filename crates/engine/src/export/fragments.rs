//! A part of a recording as the bytes of a fragmented MP4, piece by piece.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use valkka_av::{LiveMuxer, MuxError};
use valkka_core::codec::{Codec, CodecParams};
use valkka_core::frame::Frame;
use valkka_core::stream::Track;
use valkka_core::time::WallTime;

use super::error::ExportError;
use super::range::{Piece, RangeReader};
use crate::playback::PacketSource;

/// Gives the bytes of one fragmented MP4 of H.264 or H.265 with AAC or Opus, for browsers, as an iterator: first what stands
/// at the head of the file, then runs of fragments of some 64 KiB or more. Nothing is read before it is asked for, on the
/// caller's thread, which waits for the disk.
///
/// Time zero of the file is [`Self::start`]. Neither track has a gap, because browsers stop at gaps: silence takes the place of
/// audio that is missing, and what was recorded after a gap follows at once ([`AtGap::GoOn`]), or is left for another file
/// ([`AtGap::Stop`]), so that the clock of the file is that of the recording. The file ends where the parameters of the
/// video change, too. [`Self::ending`] tells where and why it has ended.
pub struct FragmentExport {
    source: Box<dyn PacketSource>,
    reader: RangeReader,
    at_gap: AtGap,
    muxer: LiveMuxer,
    video: Arc<CodecParams>,
    audio: Option<(Track, Arc<CodecParams>)>,
    left_out: Option<String>,
    /// Read to find out which tracks there are.
    held: VecDeque<Piece>,
    head: Option<Bytes>,
    position: WallTime,
    ending: Option<Ending>,
    /// To be told once what was read before it has been given.
    failure: Option<ExportError>,
}

/// What a file does where nothing was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtGap {
    /// It goes on with what was recorded next.
    #[default]
    GoOn,
    /// It ends.
    Stop,
}

/// Where a file has ended, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The range is over, or there is nothing more so far.
    Range,
    /// Nothing was recorded for a time.
    Gap {
        /// When recording went on: the beginning of another file.
        to: WallTime,
        /// Why nothing was recorded, in words; empty if nobody knows.
        reason: Arc<str>,
    },
    /// The parameters of the video change.
    Changed {
        /// The key frame with other parameters: the beginning of another file.
        at: WallTime,
    },
    /// It cannot be read or made any further.
    Failed,
}

impl FragmentExport {
    /// Looks for the beginning of `range` in `source`, and which tracks there are.
    ///
    /// # Errors
    /// If nothing is recorded there, browsers cannot play it, or it cannot be read.
    pub fn new(
        mut source: Box<dyn PacketSource>,
        range: Range<WallTime>,
        at_gap: AtGap,
    ) -> Result<Self, ExportError> {
        let nothing = || ExportError::Nothing { from: range.start, to: range.end };
        let mut reader = RangeReader::begin(&mut *source, range.clone())?.ok_or_else(nothing)?;
        let (mut held, mut tracks) = (VecDeque::new(), Vec::<(Track, Arc<CodecParams>)>::new());
        while held.len() < MAX_HELD {
            let Some(piece) = reader.next(&mut *source)? else { break };
            let is_late = match &piece {
                Piece::Frame(frame) => {
                    if let Some(packet) = frame.packet()
                        && tracks.iter().all(|(track, _)| *track != frame.track)
                    {
                        tracks.push((frame.track, packet.params.clone()));
                    }
                    frame.time.wall.saturating_since(reader.start()) > MAX_WAIT
                }
                Piece::Gap(_) => true,
            };
            held.push_back(piece);
            if is_late {
                break;
            }
        }
        let main = tracks.iter().find(|(track, _)| *track == reader.main());
        let video = main.map(|(_, params)| params.clone()).ok_or_else(nothing)?;
        let unplayable = |reason| ExportError::Unplayable { codec: video.codec, reason };
        if !matches!(video.codec, Codec::H264 | Codec::H265) {
            return Err(unplayable(format!("browsers do not play {} in MP4", video.codec)));
        }
        let sound = || tracks.iter().filter(|(_, params)| !params.codec.is_video());
        let audio = sound().find(|(_, params)| LiveMuxer::takes_audio(params).is_ok()).cloned();
        let left_out = match &audio {
            Some(_) => None,
            None => sound().find_map(|(_, params)| LiveMuxer::takes_audio(params).err()),
        };
        let muxer = LiveMuxer::new(&video, audio.as_ref().map(|(_, params)| params), Duration::ZERO);
        let muxer = muxer.map_err(|error| match error {
            MuxError::NoTrack { reasons, .. } => unplayable(reasons),
            error => error.into(),
        })?;
        let head = Some(muxer.head().clone());
        let position = reader.start();
        let (ending, failure) = (None, None);
        Ok(Self {
            source,
            reader,
            at_gap,
            muxer,
            video,
            audio,
            left_out,
            held,
            head,
            position,
            ending,
            failure,
        })
    }

    /// The moment of its first picture, which is time zero of the file.
    pub fn start(&self) -> WallTime {
        self.reader.start()
    }

    /// What it is, for `MediaSource.isTypeSupported`, e.g. `video/mp4; codecs="avc1.64001f,mp4a.40.2"`.
    pub fn mime(&self) -> &str {
        self.muxer.mime()
    }

    /// Why there is no audio in it, if the recording has some.
    pub fn left_out(&self) -> Option<&str> {
        self.left_out.as_deref()
    }

    /// The moment of the last picture that was given.
    pub fn position(&self) -> WallTime {
        self.position
    }

    /// Why it has ended, once it has.
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// Puts fragments into `run`, until it is full or the file ends.
    fn fill(&mut self, run: &mut BytesMut) -> Result<(), ExportError> {
        while self.ending.is_none() && run.len() < RUN_BYTES {
            let piece = match self.held.pop_front() {
                Some(piece) => Some(piece),
                None => self.reader.next(&mut *self.source)?,
            };
            match piece {
                None => self.ending = Some(Ending::Range),
                Some(Piece::Gap(gap)) if self.at_gap == AtGap::Stop => {
                    self.ending = Some(Ending::Gap { to: gap.to, reason: gap.reason });
                }
                Some(Piece::Gap(_)) => self.muxer.interrupt(),
                Some(Piece::Frame(frame)) => self.frame(&frame, run)?,
            }
        }
        Ok(())
    }

    fn frame(&mut self, frame: &Frame, run: &mut BytesMut) -> Result<(), ExportError> {
        let Some(packet) = frame.packet() else { return Ok(()) };
        if frame.track == self.reader.main() {
            if !self.video.same_setup(&packet.params) {
                self.ending = Some(Ending::Changed { at: frame.time.wall });
                return Ok(());
            }
            if let Some(fragment) = self.muxer.video(packet, &frame.time)? {
                run.extend_from_slice(&fragment.data);
                self.position = self.position.max(frame.time.wall);
            }
        } else if let Some((track, params)) = &self.audio
            && *track == frame.track
            && params.same_setup(&packet.params)
        {
            self.muxer.audio(packet, &frame.time);
        }
        Ok(())
    }
}

impl Iterator for FragmentExport {
    type Item = Result<Bytes, ExportError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(head) = self.head.take() {
            return Some(Ok(head));
        }
        if self.ending.is_none() {
            let mut run = BytesMut::new();
            if let Err(error) = self.fill(&mut run) {
                self.ending = Some(Ending::Failed);
                self.failure = Some(error);
            }
            if !run.is_empty() {
                return Some(Ok(run.freeze()));
            }
        }
        self.failure.take().map(Err)
    }
}

impl fmt::Debug for FragmentExport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FragmentExport")
            .field("start", &self.start())
            .field("position", &self.position)
            .field("ending", &self.ending)
            .finish_non_exhaustive()
    }
}

/// So much is read to find out which tracks there are.
const MAX_WAIT: Duration = Duration::from_secs(1);
const MAX_HELD: usize = 512;

/// How many bytes are given at a time, about: a picture at least.
const RUN_BYTES: usize = 64 << 10;
