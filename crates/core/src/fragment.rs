//! The boxes of fragmented MP4 (ISO/IEC 14496-12, 4.2).

use bytes::Bytes;

use crate::frame::Fragment;

impl Fragment {
    /// Takes `data` apart into its top-level boxes, sharing the same memory. `keyframe` says whether the pictures in it
    /// start with a key frame; only a `moof` tells it on.
    ///
    /// What is no whole box is the last fragment as it is, so that nothing is lost.
    pub fn split(data: Bytes, keyframe: bool) -> impl Iterator<Item = Self> {
        let mut rest = data;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let length = box_bytes(&rest).unwrap_or(rest.len());
            let data = rest.split_to(length);
            let kind = data.get(4..).and_then(|bytes| bytes.first_chunk()).copied().unwrap_or_default();
            Some(Self { kind, keyframe: keyframe && kind == *b"moof", data })
        })
    }

    /// Each of its boxes as a fragment of its own.
    pub fn boxes(&self) -> impl Iterator<Item = Self> {
        Self::split(self.data.clone(), self.keyframe)
    }
}

/// The length of the box at the start of `data`, header included; `None` unless it is whole.
fn box_bytes(data: &[u8]) -> Option<usize> {
    const TO_THE_END: u32 = 0;
    const LONG: u32 = 1;
    let length = match u32::from_be_bytes(*data.first_chunk()?) {
        TO_THE_END => data.len(),
        LONG => usize::try_from(u64::from_be_bytes(*data.get(8..)?.first_chunk()?)).ok()?,
        length => usize::try_from(length).ok()?,
    };
    (HEADER_BYTES..=data.len()).contains(&length).then_some(length)
}

/// Length and kind.
const HEADER_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(data: &[u8]) -> Vec<(String, bool, usize)> {
        let pair = Fragment { kind: *b"moof", keyframe: true, data: Bytes::copy_from_slice(data) };
        let boxes: Vec<_> = pair.boxes().collect();
        assert_eq!(boxes.iter().flat_map(|one| one.data.iter().copied()).collect::<Vec<_>>(), data);
        let name = |one: &Fragment| String::from_utf8_lossy(&one.kind).into_owned();
        boxes.iter().map(|one| (name(one), one.keyframe, one.data.len())).collect()
    }

    #[test]
    fn a_pair_is_taken_apart() {
        let pair = [&[0, 0, 0, 9][..], b"moof", &[7, 0, 0, 0, 8], b"mdat"].concat();
        assert_eq!(kinds(&pair), [("moof".into(), true, 9), ("mdat".into(), false, 8)]);
        let long = [&[0, 0, 0, 1][..], b"mdat", &[0, 0, 0, 0, 0, 0, 0, 17, 5, 0, 0, 0, 0], b"free"].concat();
        assert_eq!(kinds(&long), [("mdat".into(), false, 17), ("free".into(), false, 8)]);
    }

    #[test]
    fn lengths_that_lie_end_it() {
        for length in [[0, 0, 0, 7], [0, 0, 0, 200], [0, 0, 0, 1], [255; 4], [0, 0, 0, 0]] {
            let data = [&length[..], b"moof"].concat();
            assert_eq!(kinds(&data), [("moof".into(), true, 8)]);
        }
        assert_eq!(kinds(&[1, 2, 3]), [("\0\0\0\0".into(), false, 3)]);
        assert_eq!(kinds(&[]), []);
    }
}
