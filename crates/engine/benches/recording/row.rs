//! What is measured: one line of the table each.

use std::io;

use serde::{Deserialize, Serialize};

use crate::peer;
use crate::worker::{self, Order};

/// One line of the table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    who: Who,
    streams: usize,
    /// The row it is held against.
    pub(crate) floor: Option<&'static str>,
    /// What we want of it.
    pub(crate) wanted: &'static str,
}

/// Who records.
enum Who {
    /// Nothing but writing.
    Floor,
    /// Our store.
    Ours,
    /// The `ffmpeg` program, with its segment muxer.
    Ffmpeg,
}

/// What one measurement brought. What does not apply is no number.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Of the process, per picture and stream.
    pub(crate) cpu_ms_per_frame: f64,
    /// Streams that one core would do for.
    pub(crate) streams_per_core: f64,
    /// Bytes that the kernel was given to write, by its own count of pages, for each byte of the packets.
    #[serde(with = "maybe")]
    pub(crate) written_per_recorded: f64,
    #[serde(with = "maybe")]
    pub(crate) syncs_per_second: f64,
    #[serde(with = "maybe")]
    pub(crate) dropped: f64,
    /// Resident memory.
    #[serde(with = "maybe")]
    pub(crate) kib_per_stream: f64,
}

impl Row {
    pub(crate) fn measure(&self) -> io::Result<Figures> {
        match self.who {
            Who::Floor => worker::spawn(&Order::Floor { streams: self.streams }),
            Who::Ours => worker::spawn(&Order::Record { streams: self.streams }),
            Who::Ffmpeg => peer::ffmpeg(self.streams),
        }
    }
}

/// JSON has no word for what is no number.
mod maybe {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        Some(*value).filter(|value| value.is_finite()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Option::deserialize(deserializer).map(|value| value.unwrap_or(f64::NAN))
    }
}

const fn row(who: Who, streams: usize, name: &'static str, floor: Option<&'static str>) -> Row {
    Row { name, who, streams, floor, wanted: "" }
}

const FLOOR_16: &str = "floor: pwrite() and fdatasync(), 16 streams";
const FLOOR_64: &str = "floor: pwrite() and fdatasync(), 64 streams";
const FLOOR_256: &str = "floor: pwrite() and fdatasync(), 256 streams";

/// The table.
pub(crate) const ROWS: &[Row] = &[
    row(Who::Floor, 16, FLOOR_16, None),
    Row { wanted: "≤ 1.02 bytes per byte", ..row(Who::Ours, 16, "record, 16 streams", Some(FLOOR_16)) },
    row(Who::Ffmpeg, 16, "peer: ffmpeg -f segment, 16 streams", Some(FLOOR_16)),
    row(Who::Floor, 64, FLOOR_64, None),
    row(Who::Ours, 64, "record, 64 streams", Some(FLOOR_64)),
    row(Who::Ffmpeg, 64, "peer: ffmpeg -f segment, 64 streams", Some(FLOOR_64)),
    row(Who::Floor, 256, FLOOR_256, None),
    Row { wanted: "≥ 256 streams per core", ..row(Who::Ours, 256, "record, 256 streams", Some(FLOOR_256)) },
];
