//! What is served.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use valkka_testkit::media::Clip;

/// A stream to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Load {
    /// 4 Mbit/s.
    Usual,
    /// 40 Mbit/s.
    Heavy,
    /// 40 Mbit/s, played eight times as fast as it should be.
    Flood,
}

impl Load {
    /// The file, made now if it is not there.
    pub(crate) fn file(self) -> io::Result<PathBuf> {
        match self {
            Self::Usual => Clip::bench(),
            Self::Heavy | Self::Flood => Clip { bitrate_bps: 40_000_000, seconds: 4, ..Clip::bench() },
        }
        .file()
    }

    /// How many times as fast as it should be it is played.
    pub(crate) fn speed(self) -> i64 {
        if self == Self::Flood { 8 } else { 1 }
    }

    /// Pictures per second.
    pub(crate) fn frame_rate(self) -> f64 {
        25.0 * self.speed() as f64
    }
}
