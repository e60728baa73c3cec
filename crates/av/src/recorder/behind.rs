//! The file before, at a cut.

use std::time::Duration;

use valkka_core::frame::{Frame, Packet};
use valkka_core::stream::Track;
use valkka_core::time::WallTime;

use super::writer::File;

/// A file whose video has ended, and whose other tracks may not have come as far yet: tracks come one beside the other,
/// not in the order of their moments.
pub(super) struct Behind {
    pub(super) file: File,
    /// The moment at which the next file begins.
    end: WallTime,
    /// Tracks that have not come to the end; bounded by the number of tracks.
    open: Vec<Track>,
    /// Packets that may come before the file is closed all the same.
    patience: u32,
}

impl Behind {
    /// `file` ends before `next`, the first packet of the next file.
    pub(super) fn new(file: File, next: &Frame) -> Self {
        let open = file.tracks().filter(|track| *track != next.track).collect();
        Self { file, end: next.time.wall, open, patience: MAX_PACKETS }
    }

    /// Whether `frame` belongs into this file still.
    pub(super) fn takes(&mut self, frame: &Frame, packet: &Packet) -> bool {
        self.patience = self.patience.saturating_sub(1);
        if frame.time.wall.saturating_since(self.end) >= MAX_WAIT {
            self.open.clear();
        }
        let Some(at) = self.open.iter().position(|track| *track == frame.track) else { return false };
        let belongs = self.patience > 0 && frame.time.wall < self.end && self.file.has(frame.track, packet);
        if !belongs {
            self.open.swap_remove(at);
        }
        belongs
    }

    /// Whether all has come that belongs into it, or it was waited for long enough.
    pub(super) fn is_complete(&self) -> bool {
        self.open.is_empty() || self.patience == 0
    }
}

/// Other tracks are no further behind the video than this.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// The same for when clocks are set back: some seconds of sound and pictures.
const MAX_PACKETS: u32 = 256;
