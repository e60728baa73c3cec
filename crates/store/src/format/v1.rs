//! The older format, of the C++ libValkka: records without check sums, one NAL unit of H.264 each.

use valkka_core::codec::h264::{self, NalType};
use valkka_core::codec::{Codec, nal};
use valkka_core::frame::{Frame, Packet};
use valkka_core::stream::Track;

use crate::record::StreamId;

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

    /// Stream, track and length with header of the record, if it makes sense where `room` bytes are left.
    pub(crate) fn sensible(&self, room: u64) -> Option<(StreamId, Track, u64)> {
        let length = self.payload_bytes.checked_add(Self::BYTES as u64)?;
        let track = Track::new(u8::try_from(self.subsession).ok()?);
        (length <= room && self.time_ms >= 0).then_some((StreamId::new(self.id)?, track, length))
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

/// How many bytes [`write_packet`] appends for `frame`; `None` if it writes nothing.
pub fn packet_bytes(frame: &Frame) -> Option<usize> {
    header_of(frame)?;
    let payloads = payloads(frame.packet()?);
    (!payloads.is_empty()).then(|| payloads.iter().map(|payload| RecordHeader::BYTES + payload.len()).sum())
}

/// Appends the records of a packet to `block`: one for each NAL unit of H.264, else one.
///
/// The format has no other place for parameter sets: they are written with the key frames, before those that lack them.
/// `None`, and nothing, if `frame` holds no packet, one of a codec without number, one from before 1970, or no NAL unit.
pub fn write_packet(block: &mut Vec<u8>, id: StreamId, frame: &Frame) -> Option<()> {
    let header = RecordHeader { id: id.number(), ..header_of(frame)? };
    let payloads = payloads(frame.packet()?);
    for payload in &payloads {
        let header = RecordHeader { payload_bytes: payload.len() as u64, ..header };
        block.extend_from_slice(&header.encode());
        payload.parts().into_iter().for_each(|part| block.extend_from_slice(part));
    }
    (!payloads.is_empty()).then_some(())
}

/// The header of all records of `frame`, but for stream and length.
fn header_of(frame: &Frame) -> Option<RecordHeader> {
    let (media_type, codec_id) = codes_of(frame.packet()?.params.codec)?;
    let time_ms = frame.time.wall.millis();
    let subsession = frame.track.index().into();
    (time_ms >= 0).then_some(RecordHeader {
        id: 0,
        subsession,
        time_ms,
        media_type,
        codec_id,
        payload_bytes: 0,
    })
}

/// What the records of a packet hold.
fn payloads(packet: &Packet) -> Vec<RecordPayload<'_>> {
    if packet.params.codec != Codec::H264 {
        return vec![RecordPayload::Whole(&packet.payload)];
    }
    let mut units: Vec<_> = nal::annex_b(&packet.payload).collect();
    if packet.keyframe && h264::parameter_sets(&packet.payload).is_none() {
        // Nothing may stand before a delimiter.
        let at = units.iter().take_while(|unit| NalType::of(unit) == Some(NalType::AUD)).count();
        units.splice(at..at, nal::annex_b(&packet.params.extra));
    }
    units.into_iter().map(RecordPayload::Unit).collect()
}

/// What one record holds.
#[derive(Clone, Copy, Debug)]
enum RecordPayload<'a> {
    Whole(&'a [u8]),
    /// A NAL unit without its start code.
    Unit(&'a [u8]),
}

impl<'a> RecordPayload<'a> {
    fn parts(self) -> [&'a [u8]; 2] {
        match self {
            Self::Whole(payload) => [payload, &[]],
            Self::Unit(unit) => [&nal::START_CODE, unit],
        }
    }

    fn len(self) -> usize {
        self.parts().iter().map(|part| part.len()).sum()
    }
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
    use std::sync::Arc;

    use bytes::Bytes;
    use valkka_core::codec::CodecParams;
    use valkka_core::frame::{Body, FrameTime};
    use valkka_core::payload::Payload;
    use valkka_core::stream::{Slot, Track};
    use valkka_core::time::WallTime;

    use crate::reader::BlockReader;
    use crate::record::Record;

    use super::*;

    fn frame(params: CodecParams, payload: &[u8], time_ms: i64) -> Frame {
        let keyframe = params.codec.is_keyframe(payload);
        let packet = Packet {
            params: Arc::new(params),
            payload: Payload::copy_from_slice(payload),
            keyframe,
            lost: 0,
        };
        let time = FrameTime { wall: WallTime::from_micros(time_ms * 1000), ..FrameTime::default() };
        Frame { slot: Slot::default(), track: Track::new(1), time, body: Body::Packet(packet) }
    }

    /// Writes `frames`, and reads them back.
    fn there_and_back(frames: &[Frame]) -> Vec<(StreamId, Frame)> {
        let mut block = Vec::new();
        for frame in frames {
            let before = block.len();
            write_packet(&mut block, ID, frame).unwrap();
            assert_eq!(packet_bytes(frame), Some(block.len() - before));
        }
        block.extend([0; 8]);
        let records = BlockReader::new(0, Bytes::from(block), None).map(|record| match record {
            Ok(Record::Packet { id, frame }) => (id, frame),
            other => panic!("no packet: {other:?}"),
        });
        records.collect()
    }

    const ID: StreamId = StreamId::new(77).unwrap();
    const SETS: &[u8] = b"\0\0\0\x01\x67\x42\x00\x1f\xa6\x81\x40\x16\xe9\0\0\0\x01\x68\xce\x38\x80";

    #[test]
    fn packets_there_and_back() {
        let video = |codec| CodecParams::video(codec, Bytes::new());
        let frames = [
            frame(video(Codec::H264), &[SETS, b"\0\0\0\x01\x65\x88\x80"].concat(), 40),
            frame(video(Codec::H264), b"\0\0\0\x01\x41\x9a\x01\0\0\0\x01\x41\x2a\x02", 80),
            frame(video(Codec::H265), b"\0\0\0\x01\x26\x01\x80\0\0\0\x01\x02\x01\x80", 90),
            frame(video(Codec::Mjpeg), b"\xff\xd8 a picture \xff\xd9", 100),
            frame(CodecParams::audio(Codec::PcmMulaw, 8000, 1, Bytes::new()), b"samples", 100),
            frame(CodecParams::audio(Codec::PcmMulaw, 8000, 1, Bytes::new()), b"more", 100),
        ];
        let read = there_and_back(&frames);
        assert_eq!(read.len(), frames.len());
        for ((id, read), frame) in read.iter().zip(&frames) {
            assert_eq!((*id, read.track, read.time.wall), (ID, frame.track, frame.time.wall));
            let (read, packet) = (read.packet().unwrap(), frame.packet().unwrap());
            assert_eq!((read.params.codec, read.keyframe), (packet.params.codec, packet.keyframe));
            assert_eq!(&read.payload[..], &packet.payload[..]);
        }
    }

    #[test]
    fn key_frames_carry_their_parameter_sets() {
        let bare = CodecParams::video(Codec::H264, Bytes::from_static(SETS));
        let slice = b"\0\0\0\x01\x65\x88\x80";
        let read = there_and_back(&[frame(bare.clone(), slice, 0)]);
        assert_eq!(&read[0].1.packet().unwrap().payload[..], [SETS, slice].concat());
        let delimiter = b"\0\0\0\x01\x09\x10";
        let read = there_and_back(&[frame(bare, &[&delimiter[..], slice].concat(), 0)]);
        assert_eq!(&read[0].1.packet().unwrap().payload[..], [delimiter, SETS, slice].concat());
    }

    #[test]
    fn what_the_format_cannot_hold_is_not_written() {
        let video = CodecParams::video(Codec::H264, Bytes::new());
        for frame in [frame(video.clone(), b"no start code", 1), frame(video, b"\0\0\0\x01\x41\x9a", -1)] {
            let mut block = Vec::new();
            assert_eq!((write_packet(&mut block, ID, &frame), packet_bytes(&frame)), (None, None));
            assert!(block.is_empty());
        }
    }

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
