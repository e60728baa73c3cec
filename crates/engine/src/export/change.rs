//! Where in a recording the parameters of the video change.

use std::ops::Range;
use std::sync::Arc;

use valkka_core::codec::CodecParams;
use valkka_core::time::WallTime;

use crate::playback::{Entry, PacketSource, PlaybackError};

/// Looks for a key frame in `range` from which on the video has other parameters than at the beginning of it, so that no one
/// [`FragmentExport`](super::FragmentExport) holds both. Returns its moment.
///
/// Halving the range again and again, it reads some twenty key frames, however long that is. So it finds one change where there
/// are several, and none where it is in the end as it was in the beginning: an export tells of each once it is there, by
/// [`Ending::Changed`](super::Ending::Changed).
///
/// # Errors
/// If the recording cannot be read.
pub fn find_change(
    source: &mut dyn PacketSource,
    range: Range<WallTime>,
) -> Result<Option<WallTime>, PlaybackError> {
    let Some(first) = Keyframe::of(source, range.start)? else { return Ok(None) };
    let Some(last) = Keyframe::of(source, range.end.offset_micros(-1))? else { return Ok(None) };
    if last.at <= range.start || last.params.same_setup(&first.params) {
        return Ok(None);
    }
    // Up to `same`, it is as in the beginning; the key frame at `other` is not.
    let (mut same, mut other) = (range.start, last.at);
    for _ in 0..MAX_STEPS {
        if source.keyframe_before(other)?.is_none_or(|before| before <= same) {
            break;
        }
        let middle = same + other.saturating_since(same) / 2;
        match Keyframe::of(source, middle)? {
            Some(keyframe) if keyframe.params.same_setup(&first.params) => same = middle,
            Some(keyframe) if keyframe.at > same && keyframe.at < other => other = keyframe.at,
            // A clock was set back, and times exist twice.
            _ => break,
        }
    }
    Ok(Some(other))
}

struct Keyframe {
    at: WallTime,
    params: Arc<CodecParams>,
}

impl Keyframe {
    /// The last key frame at or before `moment`; the first one after it, if there is none.
    fn of(source: &mut dyn PacketSource, moment: WallTime) -> Result<Option<Self>, PlaybackError> {
        if !source.seek(moment)? {
            return Ok(None);
        }
        for _ in 0..MAX_ENTRIES {
            match source.next()? {
                Some(Entry::Frame(frame)) => {
                    if let Some(packet) = frame.packet().filter(|packet| packet.keyframe)
                        && packet.params.codec.is_video()
                    {
                        return Ok(Some(Self { at: frame.time.wall, params: packet.params.clone() }));
                    }
                }
                Some(Entry::Gap(_) | Entry::Damage(_)) => (),
                None => break,
            }
        }
        Ok(None)
    }
}

/// Microseconds of a century are halved so often.
const MAX_STEPS: usize = 64;

/// A search stands right before a key frame, but for what cannot be read.
const MAX_ENTRIES: usize = 64;
