//! Where a recording goes on in another file.

use std::time::Duration;

/// When a recording is cut, and what its files are called.
///
/// A file ends before the first key frame at which one of the limits is reached, so each of them can be played by
/// itself, and holds a group of pictures more than the limit at most. Without a limit there is one file, unless the
/// stream changes. No file that is there is overwritten.
///
/// Sound goes with the pictures of its time: packets that come after the key frame but belong before it are written
/// into the file before, which is therefore closed up to a second after the next was begun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// How much time a file holds, lost connections included.
    pub duration: Option<Duration>,
    /// How many bytes of packets a file holds.
    pub bytes: Option<u64>,
    /// How the files are called.
    pub names: SegmentNames,
}

/// How the files of a recording are called, beside the path that it is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SegmentNames {
    /// By number: `camera-000001.mkv`, for `camera.mkv`. Numbers go on after the highest that is there.
    #[default]
    Number,
    /// By the moment of the first packet, in UTC: `camera-2026-11-23T06-41-02.125Z.mkv`, for `camera.mkv`.
    Time,
}

impl Segment {
    /// Whether a file with so many bytes ends before a key frame that is to be shown so long after its first packet.
    pub(super) fn ends(&self, bytes: u64, duration: Duration) -> bool {
        self.bytes.is_some_and(|limit| bytes >= limit) || self.duration.is_some_and(|limit| duration >= limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_limit_ends_a_file() {
        let second = Duration::from_secs(1);
        let segment = Segment { duration: Some(second), bytes: Some(10), ..Segment::default() };
        assert!(!segment.ends(9, second / 2) && segment.ends(10, second / 2) && segment.ends(9, second));
        assert!(!Segment::default().ends(u64::MAX, Duration::MAX));
    }
}
