//! Walking over a block of the older format.

use std::io;

use valkka_core::codec::Codec;
use valkka_core::stream::Track;
use valkka_core::time::WallTime;

use crate::damage::DamageReason;
use crate::format::v1::{RecordHeader, codec_of};
use crate::record::StreamId;

use super::{BlockBytes, Window};

/// Goes over the records of a block of the older format, one NAL unit of H.264 each.
#[derive(Debug, Default)]
pub(crate) struct OlderWalk {
    position: u64,
    window: Window,
}

/// What a walk comes to.
#[derive(Debug)]
pub(crate) enum OlderStep {
    /// A record.
    Record(OlderRecord),
    /// What is no record; nothing behind it can be found then.
    Damage(u64, DamageReason),
    /// The end of what was written, so far.
    End,
}

/// A record of the older format that makes sense.
#[derive(Clone, Debug)]
pub(crate) struct OlderRecord {
    /// Where in the block it starts.
    pub(crate) start: u64,
    /// Its length with header.
    pub(crate) length: u64,
    pub(crate) id: StreamId,
    pub(crate) track: Track,
    /// `None` if it is none that we know.
    pub(crate) codec: Option<Codec>,
    pub(crate) wall: WallTime,
    /// What the payload begins with.
    pub(crate) beginning: Vec<u8>,
}

impl OlderWalk {
    /// Where the next record is looked for.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next record of `id`, or of any stream.
    pub(crate) fn next(&mut self, bytes: &dyn BlockBytes, id: Option<StreamId>) -> io::Result<OlderStep> {
        loop {
            match self.step(bytes)? {
                OlderStep::Record(record) if id.is_some_and(|id| id != record.id) => (),
                step => return Ok(step),
            }
        }
    }

    /// Forgets what was read, for more may have been written since.
    pub(crate) fn look_again(&mut self) {
        self.window.forget();
    }

    fn step(&mut self, bytes: &dyn BlockBytes) -> io::Result<OlderStep> {
        let start = self.position;
        let room = bytes.size().saturating_sub(start);
        let data = self.window.get(bytes, start, RecordHeader::BYTES + BEGINNING_BYTES, WALK_BYTES)?;
        let Some(header) = RecordHeader::decode(data).filter(|header| header.id != 0) else {
            return Ok(OlderStep::End);
        };
        let Some((id, track, length)) = header.sensible(room) else {
            return Ok(OlderStep::Damage(start, DamageReason::NoRecord { bytes: room }));
        };
        let payload = &data[RecordHeader::BYTES..];
        let beginning = payload.len().min(BEGINNING_BYTES).min(length as usize - RecordHeader::BYTES);
        let record = OlderRecord {
            start,
            length,
            id,
            track,
            codec: codec_of(header.media_type, header.codec_id),
            wall: WallTime::from_micros(header.time_ms.saturating_mul(1000)),
            beginning: payload[..beginning].to_vec(),
        };
        self.position = start + length;
        Ok(OlderStep::Record(record))
    }
}

/// Enough of a payload to tell whether it is a key frame: parameter sets, and the first slice's beginning.
const BEGINNING_BYTES: usize = 512;
/// Read at once while walking.
const WALK_BYTES: usize = 16 << 10;
