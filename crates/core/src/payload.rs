//! Encoded bytes with the zero padding that decoders need behind them.

use std::fmt;
use std::ops::{Deref, Range};

use bytes::Bytes;

/// Zero bytes behind every payload. FFmpeg's bit readers read in words and run over the end by up to
/// this many bytes (`AV_INPUT_BUFFER_PADDING_SIZE`); with the padding there, nothing is copied on the way in.
pub const PADDING_BYTES: usize = 64;

/// The bytes of one access unit, shared by reference count, with [`PADDING_BYTES`] zero bytes behind them.
#[derive(Clone)]
pub struct Payload {
    /// The payload and its padding.
    padded: Bytes,
}

impl Payload {
    /// Takes `data` over. Copies only if `data` has no spare capacity for the padding.
    pub fn from_vec(mut data: Vec<u8>) -> Self {
        data.resize(data.len() + PADDING_BYTES, 0);
        Self { padded: Bytes::from(data) }
    }

    /// Copies `data`.
    pub fn copy_from_slice(data: &[u8]) -> Self {
        let mut padded = Vec::with_capacity(data.len() + PADDING_BYTES);
        padded.extend_from_slice(data);
        Self::from_vec(padded)
    }

    /// Takes over bytes that end in [`PADDING_BYTES`] zero bytes; `None` if they do not.
    pub fn from_padded(padded: Bytes) -> Option<Self> {
        let length = padded.len().checked_sub(PADDING_BYTES)?;
        padded[length..].iter().all(|&byte| byte == 0).then_some(Self { padded })
    }

    /// The payload with its padding, for a decoder.
    pub fn padded(&self) -> &Bytes {
        &self.padded
    }

    /// A part of the payload (without padding), sharing the same memory.
    ///
    /// # Panics
    /// If `range` reaches beyond the payload.
    pub fn slice(&self, range: Range<usize>) -> Bytes {
        assert!(range.end <= self.len(), "the range lies within the payload");
        self.padded.slice(range)
    }
}

impl Default for Payload {
    /// No bytes but the padding.
    fn default() -> Self {
        Self { padded: Bytes::from_static(&[0; PADDING_BYTES]) }
    }
}

impl Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.padded[..self.padded.len() - PADDING_BYTES]
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_there_and_not_part_of_the_payload() {
        let payload = Payload::from_vec(vec![1, 2, 3]);
        assert_eq!(&payload[..], [1, 2, 3]);
        assert_eq!(payload.padded().len(), 3 + PADDING_BYTES);
        assert_eq!(payload.slice(1..3), [2, 3][..]);
        assert!(Payload::default().is_empty());
        assert_eq!(Payload::default().padded().len(), PADDING_BYTES);
    }

    #[test]
    fn only_padded_bytes_are_taken_as_padded() {
        assert!(Payload::from_padded(Bytes::from_static(&[0; PADDING_BYTES - 1])).is_none());
        assert!(Payload::from_padded(Bytes::from_static(&[1; PADDING_BYTES])).is_none());
        let payload = Payload::from_padded(Payload::copy_from_slice(&[7]).padded().clone());
        assert_eq!(payload.as_deref(), Some(&[7][..]));
    }
}
