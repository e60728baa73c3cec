//! Names of streams and tracks.

use std::fmt;

/// Identifies one stream of one camera wherever several streams meet (a fork, a presenter, a recorder).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u16);

impl Slot {
    /// The slot with this number.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The index of a video or audio track within its stream, counted in the order of the stream's description
/// (the `m=` lines of an SDP), skipped tracks included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Track(u8);

impl Track {
    /// The track with this index.
    pub const fn new(index: u8) -> Self {
        Self(index)
    }

    /// Its index.
    pub const fn index(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
