//! What is known of a frame besides its bytes.

use valkka_core::stream::Slot;
use valkka_core::time::WallTime;

/// What is known of a frame besides its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// The stream that it belongs to.
    pub slot: Slot,
    /// The moment it stands for.
    pub time: WallTime,
    /// What it is.
    pub content: Content,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// Bytes.
    #[default]
    Bytes,
    /// An RGB picture, 8 bits each, rows without gaps.
    Picture {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
    },
    /// A box of fragmented MP4.
    Fragment {
        /// The four characters of the box.
        kind: [u8; 4],
        /// Whether it starts with a key frame.
        keyframe: bool,
    },
}

/// The words of a cell that describe its frame.
pub(crate) const WORDS: usize = 5;

/// What the words of a cell say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) meta: Meta,
    /// How many bytes of the cell are the frame.
    pub(crate) len: u64,
    /// When it was published, in nanoseconds of the monotonic clock.
    pub(crate) published_ns: u64,
}

impl Described {
    pub(crate) fn to_words(self) -> [u64; WORDS] {
        let slot = u64::from(self.meta.slot.number()) << 16;
        let (tag, detail) = match self.meta.content {
            Content::Bytes => (BYTES, 0),
            Content::Picture { width, height } => (PICTURE, u64::from(width) << 32 | u64::from(height)),
            Content::Fragment { kind, keyframe } => {
                (FRAGMENT, u64::from(keyframe) << 32 | u64::from(u32::from_be_bytes(kind)))
            }
        };
        [tag | slot, detail, self.len, self.meta.time.micros().cast_unsigned(), self.published_ns]
    }

    /// `None` if that is nothing a writer writes.
    pub(crate) fn from_words(words: [u64; WORDS]) -> Option<Self> {
        let [head, detail, len, time, published_ns] = words;
        let low = |word: u64| (word & 0xffff_ffff) as u32;
        let content = match head & 0xffff {
            BYTES => Content::Bytes,
            PICTURE => Content::Picture { width: low(detail >> 32), height: low(detail) },
            FRAGMENT => {
                Content::Fragment { kind: low(detail).to_be_bytes(), keyframe: detail >> 32 & 1 == 1 }
            }
            _ => return None,
        };
        let slot = Slot::new((head >> 16 & 0xffff) as u16);
        let meta = Meta { slot, time: WallTime::from_micros(time.cast_signed()), content };
        Some(Self { meta, len, published_ns })
    }
}

const BYTES: u64 = 0;
const PICTURE: u64 = 1;
const FRAGMENT: u64 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_what_was_meant() {
        let contents = [
            Content::Bytes,
            Content::Picture { width: 480, height: u32::MAX },
            Content::Fragment { kind: *b"moof", keyframe: true },
            Content::Fragment { kind: *b"ftyp", keyframe: false },
        ];
        for content in contents {
            let meta = Meta { slot: Slot::new(65_535), time: WallTime::from_micros(-7), content };
            let described = Described { meta, len: 388_800, published_ns: u64::MAX };
            assert_eq!(Described::from_words(described.to_words()), Some(described));
        }
        assert_eq!(Described::from_words([3, 0, 0, 0, 0]), None);
    }
}
