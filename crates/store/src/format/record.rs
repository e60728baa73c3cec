//! Records: what stands between a block's header and its end.

use bytes::Bytes;
use valkka_core::codec::{AudioParams, Codec, CodecParams, FrameRate, MediaParams, VideoParams};
use valkka_core::frame::{Frame, Packet};
use valkka_core::stream::Track;
use valkka_core::time::{MediaTime, WallTime};

use crate::record::{Gap, StreamId};

use super::fields::Fields;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// One access unit.
    Packet,
    /// The parameters of a track.
    Params,
    /// A gap before what follows.
    Gap,
}

impl RecordKind {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Packet => 1,
            Self::Params => 2,
            Self::Gap => 3,
        }
    }

    pub(super) fn from_code(code: u8) -> Option<Self> {
        [Self::Packet, Self::Params, Self::Gap].into_iter().find(|kind| kind.code() == code)
    }
}

/// What a record starts with; its payload follows, and zeros up to a multiple of [`RECORD_ALIGNMENT`].
///
/// The header has a check sum of its own, so that a rotten payload does not hide where the next record starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// The sequence of its block.
    pub sequence: u64,
    /// What it is.
    pub kind: RecordKind,
    /// Its stream.
    pub id: StreamId,
    /// Its track; 0 for gaps.
    pub track: Track,
    /// The codec of packets and parameters.
    pub codec: Option<Codec>,
    /// Whether decoding can start here; packets only.
    pub keyframe: bool,
    /// What was lost just before or in it; packets only.
    pub lost: u32,
    /// The moment that it stands for.
    pub wall: WallTime,
    /// Its position in the stream's own time.
    pub media: MediaTime,
    /// The length of the payload.
    pub payload_bytes: u32,
    /// The check sum of the payload.
    pub payload_crc: u32,
}

impl RecordHeader {
    /// The length of its bytes.
    pub const BYTES: usize = 56;
    pub(crate) const MAGIC: [u8; 4] = *b"VREC";
    /// Where in it the sequence stands.
    pub(crate) const SEQUENCE_AT: usize = 24;

    /// Its bytes.
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&Self::MAGIC);
        bytes[8..12].copy_from_slice(&self.payload_bytes.to_le_bytes());
        let codec = self.codec.and_then(code_of).unwrap_or(0);
        bytes[12..16].copy_from_slice(&[self.kind.code(), self.keyframe.into(), self.track.index(), codec]);
        bytes[16..20].copy_from_slice(&self.lost.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.payload_crc.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.id.number().to_le_bytes());
        bytes[40..48].copy_from_slice(&self.wall.micros().to_le_bytes());
        bytes[48..].copy_from_slice(&self.media.ticks().to_le_bytes());
        let crc = crc32fast::hash(&bytes[CHECKED_FROM..]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads what `data` starts with.
    pub fn decode(data: &[u8]) -> Option<Self> {
        let data = data.get(..Self::BYTES)?;
        let mut fields = Fields(data);
        let magic = fields.bytes(4)? == Self::MAGIC;
        if !magic || fields.u32()? != crc32fast::hash(&data[CHECKED_FROM..]) {
            return None;
        }
        let payload_bytes = fields.u32()?;
        let kind = RecordKind::from_code(fields.u8()?)?;
        let keyframe = fields.u8()? & 1 != 0;
        let track = Track::new(fields.u8()?);
        let codec = codec_of(fields.u8()?);
        let (lost, payload_crc, sequence) = (fields.u32()?, fields.u32()?, fields.u64()?);
        let (id, wall) = (StreamId::new(fields.u64()?)?, fields.time()?);
        let media = MediaTime::from_ticks(fields.i64()?);
        Some(Self {
            sequence,
            kind,
            id,
            track,
            codec,
            keyframe,
            lost,
            wall,
            media,
            payload_bytes,
            payload_crc,
        })
    }

    /// Whether `payload` is the one that the header was made for.
    pub fn fits(&self, payload: &[u8]) -> bool {
        payload.len() == self.payload_bytes as usize && crc32fast::hash(payload) == self.payload_crc
    }
}

/// Records start at multiples of so many bytes.
pub const RECORD_ALIGNMENT: usize = 8;

/// The longest name of a stream.
pub const MAX_NAME_BYTES: usize = 1024;

/// The longest reason of a gap.
pub const MAX_REASON_BYTES: usize = 1024;

/// How many bytes a record with a payload of `payload_bytes` takes, with header and padding.
pub fn padded_bytes(payload_bytes: usize) -> usize {
    payload_bytes
        .saturating_add(RecordHeader::BYTES)
        .div_ceil(RECORD_ALIGNMENT)
        .saturating_mul(RECORD_ALIGNMENT)
}

/// The header of a packet's record, in the block of the given sequence; its payload is the packet's. `None` if `packet`
/// is longer than 4 GiB or of a codec that this format does not know.
pub fn packet_header(sequence: u64, id: StreamId, frame: &Frame, packet: &Packet) -> Option<RecordHeader> {
    code_of(packet.params.codec)?;
    Some(RecordHeader {
        sequence,
        kind: RecordKind::Packet,
        id,
        track: frame.track,
        codec: Some(packet.params.codec),
        keyframe: packet.keyframe,
        lost: packet.lost,
        wall: frame.time.wall,
        media: frame.time.media,
        payload_bytes: u32::try_from(packet.payload.len()).ok()?,
        payload_crc: crc32fast::hash(&packet.payload),
    })
}

/// Appends the record of a packet to `block`; `None`, and nothing, if [`packet_header`] gives none for it or `frame`
/// holds no packet.
pub fn write_packet(block: &mut Vec<u8>, sequence: u64, id: StreamId, frame: &Frame) -> Option<()> {
    let packet = frame.packet()?;
    let header = packet_header(sequence, id, frame, packet)?;
    append(block, &header, &packet.payload);
    Some(())
}

/// Appends a record of the parameters of a track to `block`. A name that is too long is cut off. `None`, and nothing, if
/// the codec is none that this format knows or the parameters are longer than 4 GiB.
pub fn write_params(
    block: &mut Vec<u8>,
    sequence: u64,
    (id, track): (StreamId, Track),
    wall: WallTime,
    name: &str,
    params: &CodecParams,
) -> Option<()> {
    code_of(params.codec)?;
    let name = cut(name, MAX_NAME_BYTES);
    let numbers = match &params.media {
        MediaParams::Video(video) => {
            let rate = video.frame_rate.map_or((0, 0), |rate| (rate.numerator(), rate.denominator()));
            [0, video.width, video.height, rate.0, rate.1]
        }
        MediaParams::Audio(audio) => [1, audio.sample_rate_hz, audio.channels.into(), 0, 0],
    };
    let mut payload: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    for bytes in [name.as_bytes(), &params.extra] {
        payload.extend_from_slice(&u32::try_from(bytes.len()).ok()?.to_le_bytes());
        payload.extend_from_slice(bytes);
    }
    let header = RecordHeader {
        kind: RecordKind::Params,
        track,
        codec: Some(params.codec),
        wall,
        payload_bytes: u32::try_from(payload.len()).ok()?,
        ..plain_header(sequence, id, &payload)
    };
    append(block, &header, &payload);
    Some(())
}

/// The name and the parameters in the payload of a record of parameters, whose header tells the codec.
pub fn decode_params(codec: Codec, payload: &[u8]) -> Option<(String, CodecParams)> {
    let mut fields = Fields(payload);
    let kind = fields.u32()?;
    let numbers = [fields.u32()?, fields.u32()?, fields.u32()?, fields.u32()?];
    let media = match kind {
        0 => MediaParams::Video(VideoParams {
            width: numbers[0],
            height: numbers[1],
            frame_rate: FrameRate::new(numbers[2], numbers[3]),
        }),
        1 => MediaParams::Audio(AudioParams {
            sample_rate_hz: numbers[0],
            channels: u16::try_from(numbers[1]).ok()?,
        }),
        _ => return None,
    };
    let name_bytes = fields.u32()? as usize;
    let name = std::str::from_utf8(fields.bytes(name_bytes)?).ok()?.to_owned();
    let extra_bytes = fields.u32()? as usize;
    let extra = Bytes::copy_from_slice(fields.bytes(extra_bytes)?);
    (name.len() <= MAX_NAME_BYTES && fields.0.is_empty())
        .then_some((name, CodecParams { codec, media, extra }))
}

/// Appends the record of a gap to `block`. A reason that is too long is cut off.
pub fn write_gap(block: &mut Vec<u8>, sequence: u64, id: StreamId, gap: &Gap) {
    let reason = cut(&gap.reason, MAX_REASON_BYTES).as_bytes();
    let payload = [&gap.from.micros().to_le_bytes(), &gap.to.micros().to_le_bytes(), reason].concat();
    let header = RecordHeader { wall: gap.to, ..plain_header(sequence, id, &payload) };
    append(block, &header, &payload);
}

/// The gap in the payload of its record.
pub fn decode_gap(payload: &[u8]) -> Option<Gap> {
    let mut fields = Fields(payload);
    let (from, to) = (fields.time()?, fields.time()?);
    let reason = std::str::from_utf8(fields.0).ok()?;
    (reason.len() <= MAX_REASON_BYTES).then(|| Gap { from, to, reason: reason.to_owned() })
}

/// The header of a gap at no time, with this payload of few bytes.
fn plain_header(sequence: u64, id: StreamId, payload: &[u8]) -> RecordHeader {
    RecordHeader {
        sequence,
        kind: RecordKind::Gap,
        id,
        track: Track::default(),
        codec: None,
        keyframe: false,
        lost: 0,
        wall: WallTime::default(),
        media: MediaTime::default(),
        payload_bytes: payload.len() as u32,
        payload_crc: crc32fast::hash(payload),
    }
}

fn append(block: &mut Vec<u8>, header: &RecordHeader, payload: &[u8]) {
    let end = block.len() + padded_bytes(payload.len());
    block.extend_from_slice(&header.encode());
    block.extend_from_slice(payload);
    block.resize(end, 0);
}

/// The longest beginning of `text` that has at most `max_bytes` bytes.
fn cut(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}

fn code_of(codec: Codec) -> Option<u8> {
    CODECS.iter().find(|(_, known)| *known == codec).map(|(code, _)| *code)
}

fn codec_of(code: u8) -> Option<Codec> {
    CODECS.iter().find(|(known, _)| *known == code).map(|(_, codec)| *codec)
}

const CODECS: [(u8, Codec); 7] = [
    (1, Codec::H264),
    (2, Codec::H265),
    (3, Codec::Mjpeg),
    (4, Codec::Aac),
    (5, Codec::PcmMulaw),
    (6, Codec::PcmAlaw),
    (7, Codec::Opus),
];

/// The header's check sum is of its bytes from here on.
const CHECKED_FROM: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const ID: StreamId = StreamId::new(7).unwrap();

    #[test]
    fn every_flipped_bit_of_a_record_is_noticed() {
        let mut record = Vec::new();
        let gap = Gap {
            from: WallTime::from_micros(1),
            to: WallTime::from_micros(2),
            reason: "camera offline".into(),
        };
        write_gap(&mut record, 3, ID, &gap);
        let whole = |record: &[u8]| {
            let header = RecordHeader::decode(record)?;
            let end = RecordHeader::BYTES.checked_add(header.payload_bytes as usize)?;
            let payload = record.get(RecordHeader::BYTES..end)?;
            header.fits(payload).then(|| decode_gap(payload))?
        };
        assert_eq!(whole(&record).as_ref(), Some(&gap));
        let bits = (RecordHeader::BYTES + 16 + gap.reason.len()) * 8;
        for bit in 0..bits {
            let mut flipped = record.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(whole(&flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn parameters_there_and_back() {
        let video = VideoParams { width: 1920, height: 1080, frame_rate: FrameRate::new(30_000, 1001) };
        let video = CodecParams {
            codec: Codec::H265,
            media: MediaParams::Video(video),
            extra: Bytes::from_static(b"sets"),
        };
        let audio = CodecParams::audio(Codec::Aac, 48_000, 2, Bytes::from_static(&[0x11, 0x90]));
        let silent = CodecParams::video(Codec::Mjpeg, Bytes::new());
        for (params, name) in [(video, "front"), (audio, ""), (silent, "Tür")] {
            let mut record = Vec::new();
            write_params(&mut record, 1, (ID, Track::new(2)), WallTime::from_micros(5), name, &params)
                .unwrap();
            let header = RecordHeader::decode(&record).unwrap();
            assert_eq!((header.codec, header.track.index()), (Some(params.codec), 2));
            let payload = &record[RecordHeader::BYTES..][..header.payload_bytes as usize];
            assert_eq!(decode_params(params.codec, payload), Some((name.to_owned(), params.clone())));
            for end in 0..payload.len() {
                assert_eq!(decode_params(params.codec, &payload[..end]), None);
            }
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let mut record = Vec::new();
        let gap = Gap {
            from: WallTime::default(),
            to: WallTime::default(),
            reason: "ä".repeat(600) + "x" + &"ä".repeat(600),
        };
        write_gap(&mut record, 1, ID, &gap);
        let header = RecordHeader::decode(&record).unwrap();
        let found = decode_gap(&record[RecordHeader::BYTES..][..header.payload_bytes as usize]).unwrap();
        assert_eq!(found.reason, "ä".repeat(512));
        assert_eq!(cut("aä", 2), "a");
    }

    #[test]
    fn records_are_aligned() {
        for (payload, record) in [(0, 56), (1, 64), (8, 64), (9, 72)] {
            assert_eq!(padded_bytes(payload), record);
        }
        assert_eq!(padded_bytes(usize::MAX), usize::MAX);
    }
}
