//! Motion JPEG in RTP (RFC 2435).
//!
//! The format carries no JPEG headers, only what tells one baseline image from another: size, chroma
//! sampling, quantisation tables, restart interval. Huffman tables do not travel, so only the usual ones (ITU-T
//! T.81, annex K.3) will do; images that do not fit are refused with the reason.

use valkka_core::codec::{Codec, CodecParams};
use valkka_core::frame::Packet;

use super::format::{Encoding, PacketizeError};
use super::writer::{MAX_PAYLOAD, PacketWriter};

pub(super) fn describe(_: &CodecParams, _: &[u8]) -> Option<Encoding> {
    // The payload type 26 of RFC 3551 is JPEG at 90 kHz.
    Some(Encoding { payload_type: Some(26), ..Encoding::video("JPEG", None) })
}

pub(super) fn packetize(packet: &Packet, out: &mut PacketWriter<'_>) -> Result<(), PacketizeError> {
    let image = Image::parse(&packet.payload).map_err(|why| PacketizeError::new(Codec::Mjpeg, why))?;
    let mut head = Vec::with_capacity(HEAD_BYTES);
    let mut rest = image.scan;
    while !rest.is_empty() {
        let offset = image.scan.len() - rest.len();
        let [_, offset @ ..] = (offset as u32).to_be_bytes();
        let restarts = if image.restart_interval > 0 { RESTARTS } else { 0 };
        head.clear();
        head.push(0);
        head.extend(offset);
        head.extend([image.sampling | restarts, TABLES_IN_BAND, image.width_blocks, image.height_blocks]);
        if image.restart_interval > 0 {
            head.extend(image.restart_interval.to_be_bytes());
            // Packets are not cut at restart markers: first and last bit set, count all ones.
            head.extend([0xff, 0xff]);
        }
        if rest.len() == image.scan.len() {
            head.extend([0, 0, 0, 2 * TABLE_BYTES as u8]);
            head.extend(image.tables.iter().copied().flatten());
        }
        let (piece, tail) = rest.split_at(rest.len().min(MAX_PAYLOAD - head.len()));
        out.push(tail.is_empty(), &head, piece);
        rest = tail;
    }
    Ok(())
}

/// What RTP carries of an image.
struct Image<'a> {
    /// Type 0 (4:2:2) or 1 (4:2:0).
    sampling: u8,
    width_blocks: u8,
    height_blocks: u8,
    /// Luma and chroma, in zigzag order.
    tables: [&'a [u8]; 2],
    /// In MCUs; 0 if there are none.
    restart_interval: u16,
    /// The entropy-coded data, without the end-of-image marker.
    scan: &'a [u8],
}

impl<'a> Image<'a> {
    fn parse(data: &'a [u8]) -> Result<Self, String> {
        let mut rest = data.strip_prefix(&[0xff, SOI]).ok_or("it does not start like a JPEG image")?;
        let mut tables: [Option<&[u8]>; 4] = [None; 4];
        let mut frame = None;
        let mut restart_interval = 0;
        loop {
            let (marker, segment, tail) = segment(rest).ok_or("it is cut short")?;
            rest = tail;
            match marker {
                DQT => read_quantisation(segment, &mut tables)?,
                DHT => check_huffman(segment)?,
                DRI => {
                    let &[high, low] = segment else { return Err("its restart interval is damaged".into()) };
                    restart_interval = u16::from_be_bytes([high, low]);
                }
                SOF0 => frame = Some(read_frame(segment)?),
                0xc1..=0xcf => return Err("it is not baseline".into()),
                SOS if segment.first() == Some(&3) => break,
                SOS => return Err("its components are not in one scan".into()),
                _ => {}
            }
        }
        let (sampling, width_blocks, height_blocks, ids) = frame.ok_or("it has no size")?;
        let table = |id: u8| tables.get(usize::from(id)).copied().flatten().ok_or("it lacks a table");
        let end = rest.windows(2).rposition(|pair| pair == [0xff, EOI]).unwrap_or(rest.len());
        if end >= 1 << 24 {
            return Err(format!("it has {end} bytes, 24 bits count them"));
        }
        Ok(Self {
            sampling,
            width_blocks,
            height_blocks,
            tables: [table(ids[0])?, table(ids[1])?],
            restart_interval,
            scan: &rest[..end],
        })
    }
}

/// Splits `data` into the first marker, its segment without the length, and the rest.
fn segment(data: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let fill = data.iter().position(|&byte| byte != 0xff)?;
    let [marker, high, low, rest @ ..] = &data[fill..] else { return None };
    let length = usize::from(u16::from_be_bytes([*high, *low])).checked_sub(2)?;
    let (segment, rest) = rest.split_at_checked(length)?;
    (fill > 0).then_some((*marker, segment, rest))
}

fn read_quantisation<'a>(mut segment: &'a [u8], tables: &mut [Option<&'a [u8]>; 4]) -> Result<(), String> {
    while let Some((&kind, rest)) = segment.split_first() {
        if kind >> 4 != 0 {
            return Err("its quantisation tables have 16 bits".into());
        }
        let (table, rest) = rest.split_at_checked(TABLE_BYTES).ok_or("a quantisation table is cut short")?;
        *tables.get_mut(usize::from(kind)).ok_or("it has a fifth quantisation table")? = Some(table);
        segment = rest;
    }
    Ok(())
}

/// Sampling type, width and height in blocks of 8, and the quantisation tables of luma and chroma.
fn read_frame(segment: &[u8]) -> Result<(u8, u8, u8, [u8; 2]), String> {
    let &[8, h1, h0, w1, w0, 3, _, y, y_table, _, u, u_table, _, v, v_table] = segment else {
        return Err("it does not have three components of 8 bits".into());
    };
    let sampling = match (y, u, v) {
        (0x21, 0x11, 0x11) => 0,
        (0x22, 0x11, 0x11) => 1,
        _ => return Err(format!("its chroma sampling is neither 4:2:0 nor 4:2:2 ({y:02x} {u:02x} {v:02x})")),
    };
    if u_table != v_table {
        return Err("its chroma components have different quantisation tables".into());
    }
    let (width, height) = (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
    let blocks = |size: u16| u8::try_from(size.div_ceil(8)).ok().filter(|&blocks| blocks > 0);
    match (blocks(width), blocks(height)) {
        (Some(width), Some(height)) => Ok((sampling, width, height, [y_table, u_table])),
        _ => Err(format!("its size is {width}x{height}, each side may have 1 to 2040")),
    }
}

fn check_huffman(mut segment: &[u8]) -> Result<(), String> {
    while let Some((&kind, rest)) = segment.split_first() {
        let (counts, rest) = rest.split_at_checked(16).ok_or("a Huffman table is cut short")?;
        let values = counts.iter().map(|&count| usize::from(count)).sum();
        let (values, rest) = rest.split_at_checked(values).ok_or("a Huffman table is cut short")?;
        let usual = match kind {
            0x00 => (&DC_LUMA_COUNTS, &DC_VALUES[..]),
            0x01 => (&DC_CHROMA_COUNTS, &DC_VALUES[..]),
            0x10 => (&AC_LUMA_COUNTS, &AC_LUMA_VALUES[..]),
            0x11 => (&AC_CHROMA_COUNTS, &AC_CHROMA_VALUES[..]),
            _ => return Err(format!("it has a Huffman table {kind:02x}")),
        };
        if (counts, values) != (&usual.0[..], usual.1) {
            return Err("its Huffman tables are not the usual ones".into());
        }
        segment = rest;
    }
    Ok(())
}

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOF0: u8 = 0xc0;
const DHT: u8 = 0xc4;
const SOS: u8 = 0xda;
const DQT: u8 = 0xdb;
const DRI: u8 = 0xdd;

/// Bytes of a quantisation table of 8 bits.
const TABLE_BYTES: usize = 64;
/// Added to the type of an image with restart markers.
const RESTARTS: u8 = 64;
/// The value of Q that says that the tables stand in the first packet, and may differ from image to image.
const TABLES_IN_BAND: u8 = 255;
/// Main, restart and quantisation table headers with both tables.
const HEAD_BYTES: usize = 8 + 4 + 4 + 2 * TABLE_BYTES;

// ITU-T T.81, tables K.3 to K.6.
const DC_LUMA_COUNTS: [u8; 16] = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];
const DC_CHROMA_COUNTS: [u8; 16] = [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0];
const DC_VALUES: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const AC_LUMA_COUNTS: [u8; 16] = [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d];
const AC_CHROMA_COUNTS: [u8; 16] = [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77];
#[rustfmt::skip]
const AC_LUMA_VALUES: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
    0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0,
    0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28,
    0x29, 0x2a, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
    0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69,
    0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
    0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
    0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5,
    0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
    0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
    0xf9, 0xfa,
];
#[rustfmt::skip]
const AC_CHROMA_VALUES: [u8; 162] = [
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71,
    0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0,
    0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26,
    0x27, 0x28, 0x29, 0x2a, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,
    0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68,
    0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
    0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5,
    0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
    0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
    0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
    0xf9, 0xfa,
];

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::writer::testing::cut;
    use super::*;

    /// An image of 640x360 in 4:2:0 whose scan is 3000 bytes of no meaning.
    fn image() -> Vec<u8> {
        let mut image = vec![0xff, SOI, 0xff, DQT, 0, 2 + 2 * 65];
        image.push(0);
        image.extend([1; 64]);
        image.push(1);
        image.extend([2; 64]);
        image.extend([0xff, SOF0, 0, 17, 8, 1, 104, 2, 128, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1]);
        image.extend([0xff, DHT, 0, 31, 0]);
        image.extend(DC_LUMA_COUNTS);
        image.extend(DC_VALUES);
        image.extend([0xff, SOS, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]);
        image.extend([5; 3000]);
        image.extend([0xff, EOI]);
        image
    }

    fn params() -> CodecParams {
        CodecParams::video(Codec::Mjpeg, Bytes::new())
    }

    #[test]
    fn tables_come_first_and_offsets_add_up() {
        let packets = cut(params(), &image()).unwrap();
        assert_eq!(packets[0].payload[..12], [0, 0, 0, 0, 1, 255, 80, 45, 0, 0, 0, 128]);
        assert_eq!(packets[0].payload[12..140], [[1; 64], [2; 64]].concat());
        let mut scan = packets[0].payload[140..].to_vec();
        for packet in &packets[1..] {
            let offset = u32::from_be_bytes(packet.payload[..4].try_into().unwrap());
            assert_eq!(offset as usize, scan.len());
            scan.extend(&packet.payload[8..]);
        }
        assert_eq!(scan, [5; 3000]);
        assert!(packets.last().unwrap().marker && !packets[0].marker);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_reason() {
        let patched = |pattern: &[u8], at: usize, value: u8| {
            let mut image = image();
            let found = image.windows(pattern.len()).position(|window| window == pattern).unwrap();
            image[found + at] = value;
            cut(params(), &image).unwrap_err().to_string()
        };
        assert!(patched(&[0xff, SOF0], 1, 0xc2).ends_with("it is not baseline"));
        assert!(
            patched(&[0xff, SOF0], 7, 16).contains("4224x360")
                || patched(&[0xff, SOF0], 7, 16).contains("x360")
        );
        assert!(patched(&[0xff, SOF0], 11, 0x11).contains("neither 4:2:0 nor 4:2:2 (11 11 11)"));
        assert!(patched(&[0xff, DHT], 6, 9).contains("Huffman"));
    }

    #[test]
    fn images_cut_anywhere_do_no_harm() {
        let image = image();
        for length in 0..image.len() {
            let _ = cut(params(), &image[..length]);
        }
        let mut random = fastrand::Rng::with_seed(2435);
        for _ in 0..2000 {
            let mut image = image[..300].to_vec();
            (0..4).for_each(|_| {
                let at = random.usize(..image.len());
                image[at] = random.u8(..);
            });
            let _ = cut(params(), &image);
        }
    }
}
