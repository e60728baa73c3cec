//! The older format, of the C++ libValkka: records without check sums, one NAL unit of H.264 each.

use valkka_core::codec::Codec;

use super::fields::Fields;

/// What a record of the older format starts with; its payload follows, and the next record without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// Its stream; 0 marks the end of the records in a block.
    pub id: u64,
    /// The index of the track; a negative one is none that was written.
    pub subsession: i32,
    /// Milliseconds since the Unix epoch; a negative one is none that was written.
    pub time_ms: i64,
    /// `AVMediaType` of FFmpeg: 0 video, 1 audio.
    pub media_type: i32,
    /// `AVCodecID` of FFmpeg 3.4.
    pub codec_id: i32,
    /// The length of the payload.
    pub payload_bytes: u64,
}

impl RecordHeader {
    /// The length of its bytes.
    pub const BYTES: usize = 36;

    /// Its bytes.
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.id.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.subsession.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.time_ms.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.media_type.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.codec_id.to_le_bytes());
        bytes[28..].copy_from_slice(&self.payload_bytes.to_le_bytes());
        bytes
    }

    /// Reads what `data` starts with; `None` if it is too short. Any other bytes are a header, if not a sensible one.
    pub fn decode(data: &[u8]) -> Option<Self> {
        let mut fields = Fields(data);
        Some(Self {
            id: fields.u64()?,
            subsession: fields.i32()?,
            time_ms: fields.i64()?,
            media_type: fields.i32()?,
            codec_id: fields.i32()?,
            payload_bytes: fields.u64()?,
        })
    }
}

/// The row of a block in the older table: all of it, for there is nothing else in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The time of a key frame in milliseconds since the Unix epoch: of the first where the store holds one stream, of the
    /// last where it holds many. 0 if the block is not used.
    pub keyframe_ms: i64,
    /// The time of the last frame in milliseconds since the Unix epoch; 0 if the block is not used.
    pub last_ms: i64,
}

impl Row {
    /// The length of its bytes; row `n` starts at `n` times that.
    pub const BYTES: usize = 16;

    /// Its bytes.
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.keyframe_ms.to_le_bytes());
        bytes[8..].copy_from_slice(&self.last_ms.to_le_bytes());
        bytes
    }

    /// Reads what `data` starts with; `None` if it is too short.
    pub fn decode(data: &[u8]) -> Option<Self> {
        let mut fields = Fields(data);
        Some(Self { keyframe_ms: fields.i64()?, last_ms: fields.i64()? })
    }
}

/// The numbers to write for `codec`: media type and codec. `None` for a codec that has none.
pub fn codes_of(codec: Codec) -> Option<(i32, i32)> {
    let (code, _) = CODECS.iter().find(|(_, known)| *known == codec)?;
    Some((if codec.is_video() { VIDEO } else { AUDIO }, *code))
}

/// The codec with these numbers, in FFmpeg 3.4 or any later version; `None` if it is none that we know.
pub fn codec_of(media_type: i32, codec_id: i32) -> Option<Codec> {
    let (_, codec) = CODECS.iter().chain(&LATER_CODECS).find(|(code, _)| *code == codec_id)?;
    (media_type == if codec.is_video() { VIDEO } else { AUDIO }).then_some(*codec)
}

const VIDEO: i32 = 0;
const AUDIO: i32 = 1;

/// The numbers of FFmpeg 3.4.
const CODECS: [(i32, Codec); 7] = [
    (28, Codec::H264),
    (174, Codec::H265),
    (8, Codec::Mjpeg),
    (86_018, Codec::Aac),
    (65_542, Codec::PcmMulaw),
    (65_543, Codec::PcmAlaw),
    (86_076, Codec::Opus),
];

/// Video codecs were counted anew in FFmpeg 4.
const LATER_CODECS: [(i32, Codec); 3] = [(27, Codec::H264), (173, Codec::H265), (7, Codec::Mjpeg)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_header_is_packed() {
        let header = RecordHeader {
            id: 1,
            subsession: 2,
            time_ms: 3,
            media_type: 0,
            codec_id: 28,
            payload_bytes: 0x0102_0304_0506_0708,
        };
        let bytes = header.encode();
        assert_eq!(bytes[12], 3);
        assert_eq!(bytes[24], 28);
        assert_eq!(bytes[28..], [8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(RecordHeader::decode(&bytes), Some(header));
        assert_eq!(RecordHeader::decode(&bytes[..35]), None);
    }

    #[test]
    fn a_row_has_two_numbers() {
        let row = Row { keyframe_ms: 1, last_ms: -1 };
        assert_eq!(row.encode(), [[1, 0, 0, 0, 0, 0, 0, 0], [255; 8]].concat()[..]);
        assert_eq!(Row::decode(&row.encode()), Some(row));
        assert_eq!(Row::decode(&[0; 15]), None);
    }

    #[test]
    fn codecs_are_numbered_as_in_ffmpeg() {
        for (code, codec) in CODECS {
            let (media, written) = codes_of(codec).unwrap();
            assert_eq!((written, codec_of(media, code)), (code, Some(codec)));
            assert_eq!(codec_of(1 - media, code), None, "the media type fits");
        }
        assert_eq!(codec_of(0, 27), Some(Codec::H264));
        assert_eq!(codec_of(0, 0), None);
    }
}
