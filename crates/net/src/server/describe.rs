//! What is known of a mount's stream.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use valkka_core::codec::FrameRate;

use crate::rtp::{Encoding, RtpTrack};
use crate::server::channel::Channel;

/// The tracks of a stream as far as they are known.
#[derive(Clone, Debug)]
pub(super) struct Description {
    /// Of the stream.
    pub(super) id: u32,
    /// Grows with every change.
    pub(super) version: u64,
    /// In the order of their indices.
    pub(super) tracks: Vec<TrackDescription>,
    /// Whether no more tracks are expected.
    pub(super) complete: bool,
    /// Whether the mount is gone.
    pub(super) closed: bool,
}

/// One track.
#[derive(Clone, Debug)]
pub(super) struct TrackDescription {
    pub(super) index: u8,
    pub(super) video: bool,
    pub(super) payload_type: u8,
    pub(super) encoding: Encoding,
    pub(super) frame_rate: Option<FrameRate>,
}

impl TrackDescription {
    pub(super) fn new(index: u8, track: &RtpTrack) -> Self {
        let params = track.params();
        Self {
            index,
            video: params.codec.is_video(),
            payload_type: track.payload_type(),
            encoding: track.encoding().clone(),
            frame_rate: params.as_video().and_then(|video| video.frame_rate),
        }
    }
}

/// Waits until the description of `channel` is complete, at most `timeout`; then gives what is there.
pub(super) async fn wait_for_description(channel: &Channel, timeout: Duration) -> Description {
    let deadline = Instant::now() + timeout;
    let mut changes = channel.subscribe();
    loop {
        changes.mark_unchanged();
        let description = channel.description();
        if description.complete && !description.tracks.is_empty() || description.closed {
            return description;
        }
        // Completeness also comes with time: look again after a moment without changes.
        let next = deadline.min(Instant::now() + LOOK_AGAIN);
        if Instant::now() >= deadline {
            return description;
        }
        let _ = timeout_at(next, changes.changed()).await;
    }
}

/// How often a description is looked at when nothing changes.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
