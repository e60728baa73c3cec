//! What the bytes of a JPEG image say without decoding it (ITU-T T.81, annex B).

use bytes::Bytes;

use super::{Codec, CodecParams, MediaParams, VideoParams};

/// Width and height of a JPEG image, from its frame header; `None` if it has none.
pub fn size(image: &[u8]) -> Option<(u32, u32)> {
    let mut rest = image.strip_prefix(&[0xff, 0xd8])?;
    loop {
        let (&marker, tail) = next_marker(rest)?;
        rest = tail;
        match marker {
            // Markers without a segment.
            0x01 | 0xd0..=0xd7 => continue,
            // The scan, or the end, comes before any frame header.
            0xd9 | 0xda => return None,
            _ => {}
        }
        let length = usize::from(u16::from_be_bytes(*rest.first_chunk()?));
        let segment = rest.get(2..length)?;
        if is_frame_header(marker) {
            let &[_precision, h1, h0, w1, w0] = segment.first_chunk()?;
            let (width, height) = (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
            return (width > 0 && height > 0).then_some((width.into(), height.into()));
        }
        rest = &rest[length..];
    }
}

/// The parameters of a track of such images.
pub fn params(image: &[u8]) -> Option<CodecParams> {
    let (width, height) = size(image)?;
    let video = VideoParams { width, height, frame_rate: None };
    Some(CodecParams { codec: Codec::Mjpeg, media: MediaParams::Video(video), extra: Bytes::new() })
}

/// The byte that names the next marker, and what lies behind. Fill bytes before it are passed over.
fn next_marker(data: &[u8]) -> Option<(&u8, &[u8])> {
    let fill = data.iter().take_while(|&&byte| byte == 0xff).count();
    data[fill..].split_first().filter(|_| fill > 0)
}

/// Whether the marker is one of `SOF0` to `SOF15`, among which are three others.
fn is_frame_header(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_behind_other_segments_and_fill_bytes() {
        let image =
            [0xff, 0xd8, 0xff, 0xe0, 0, 4, 9, 9, 0xff, 0xff, 0xff, 0xc2, 0, 11, 8, 1, 0, 2, 3, 1, 0, 0, 0];
        assert_eq!(size(&image), Some((0x203, 0x100)));
        for length in 0..image.len() - 1 {
            assert_eq!(size(&image[..length]), None, "{length}");
        }
    }

    #[test]
    fn what_has_no_size() {
        assert_eq!(size(b""), None);
        assert_eq!(size(b"not a picture"), None);
        // a segment shorter than its own length field; a Huffman table; the end
        for image in
            [&[0xff, 0xd8, 0xff, 0xe0, 0, 1][..], &[0xff, 0xd8, 0xff, 0xc4, 0, 2], &[0xff, 0xd8, 0xff, 0xd9]]
        {
            assert_eq!(size(image), None, "{image:?}");
        }
    }
}
