//! Reading and writing bit by bit.

/// Reads bits, the most significant of each byte first. Every read past the end gives `None`.
#[derive(Clone, Debug)]
pub struct BitReader<'a> {
    data: &'a [u8],
    /// Next byte to load.
    position: usize,
    /// Loaded bits that are not read yet, right-aligned; `loaded` of them.
    cache: u64,
    loaded: u32,
    /// Zero bytes just before `position`, as far as they matter.
    zeros: u8,
    /// Whether `data` holds emulation prevention bytes.
    escaped: bool,
}

impl<'a> BitReader<'a> {
    /// Reads plain bytes.
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, position: 0, cache: 0, loaded: 0, zeros: 0, escaped: false }
    }

    /// Reads the payload of a NAL unit, passing over its emulation prevention bytes (the 3 of each
    /// `00 00 03`; H.264 7.4.1.1, H.265 7.4.2.3).
    pub fn of_nal(data: &'a [u8]) -> Self {
        Self { escaped: true, ..Self::new(data) }
    }

    /// Reads `count` bits (at most 32).
    pub fn bits(&mut self, count: u32) -> Option<u32> {
        debug_assert!(count <= 32, "{count} bits do not fit");
        while self.loaded < count {
            self.cache = self.cache << 8 | u64::from(self.next_byte()?);
            self.loaded += 8;
        }
        self.loaded -= count;
        let value = (self.cache >> self.loaded) & ((1 << count) - 1);
        Some(value as u32)
    }

    /// Reads one bit.
    pub fn flag(&mut self) -> Option<bool> {
        Some(self.bits(1)? == 1)
    }

    /// Reads at most 8 bits.
    pub fn byte(&mut self, count: u32) -> Option<u8> {
        debug_assert!(count <= 8, "{count} bits are no byte");
        Some(self.bits(count)? as u8)
    }

    /// Passes over `count` bits.
    pub fn skip(&mut self, mut count: u32) -> Option<()> {
        while count > 0 {
            let step = count.min(32);
            self.bits(step)?;
            count -= step;
        }
        Some(())
    }

    /// Reads an unsigned Exp-Golomb code, `ue(v)`; `None` too if it has more than 32 bits.
    pub fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some(((1_u64 << zeros) - 1) as u32 + self.bits(zeros)?)
    }

    /// Reads a signed Exp-Golomb code, `se(v)`.
    pub fn se(&mut self) -> Option<i32> {
        let code = i64::from(self.ue()?);
        let magnitude = (code + 1) / 2;
        Some((if code % 2 == 1 { magnitude } else { -magnitude }) as i32)
    }

    /// Reads an unsigned Exp-Golomb code that may be at most `max`.
    pub fn ue_up_to(&mut self, max: u32) -> Option<u32> {
        self.ue().filter(|&value| value <= max)
    }

    /// The byte that holds the next bit, counted from the start; for error messages.
    pub fn position(&self) -> usize {
        self.position - (self.loaded / 8) as usize
    }

    fn next_byte(&mut self) -> Option<u8> {
        let mut byte = *self.data.get(self.position)?;
        self.position += 1;
        if self.escaped {
            if self.zeros >= 2 && byte == 3 {
                byte = *self.data.get(self.position)?;
                self.position += 1;
                self.zeros = 0;
            }
            self.zeros = if byte == 0 { (self.zeros + 1).min(2) } else { 0 };
        }
        Some(byte)
    }
}

/// Collects bits into bytes, the most significant first.
#[derive(Clone, Debug, Default)]
pub struct BitWriter {
    bytes: Vec<u8>,
    /// Bits that fill no byte yet, right-aligned; `pending` (0 to 7) of them.
    cache: u64,
    pending: u32,
}

impl BitWriter {
    /// Writes the lower `count` (at most 32) bits of `value`.
    pub fn put(&mut self, value: u32, count: u32) {
        debug_assert!(count <= 32, "{count} bits do not fit");
        self.cache = self.cache << count | (u64::from(value) & ((1 << count) - 1));
        self.pending += count;
        while self.pending >= 8 {
            self.pending -= 8;
            self.bytes.push((self.cache >> self.pending) as u8);
        }
    }

    /// The bytes, the last one filled up with zero bits.
    pub fn into_bytes(mut self) -> Vec<u8> {
        let missing = (8 - self.pending % 8) % 8;
        self.put(0, missing);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_across_bytes_and_stops_at_the_end() {
        let mut bits = BitReader::new(&[0b1010_0000, 0xff, 0x01, 0x02, 0x03]);
        assert_eq!(bits.bits(3), Some(0b101));
        assert_eq!(bits.bits(0), Some(0));
        assert_eq!(bits.bits(32), Some(0x07f8_0810));
        assert_eq!(bits.bits(6), None);
        assert_eq!(bits.bits(5), Some(3));
        assert_eq!(bits.flag(), None);
    }

    #[test]
    fn exp_golomb_codes() {
        // 1, 010, 011, 00100, 00101, 0001000
        let mut writer = BitWriter::default();
        for (code, length) in [(1, 1), (2, 3), (3, 3), (4, 5), (5, 5), (8, 7)] {
            writer.put(code, length);
        }
        let bytes = writer.into_bytes();
        let mut bits = BitReader::new(&bytes);
        assert_eq!([(); 6].map(|()| bits.ue()), [0, 1, 2, 3, 4, 7].map(Some));
        let mut bits = BitReader::new(&bytes);
        assert_eq!([(); 6].map(|()| bits.se()), [0, 1, -1, 2, -2, 4].map(Some));
    }

    #[test]
    fn the_longest_exp_golomb_code_and_one_too_long() {
        let mut writer = BitWriter::default();
        writer.put(0, 31);
        writer.put(u32::MAX, 32);
        assert_eq!(BitReader::new(&writer.into_bytes()).ue(), Some(u32::MAX - 1));
        assert_eq!(BitReader::new(&[0; 32]).ue(), None);
        assert_eq!(BitReader::new(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff]).ue(), None);
    }

    #[test]
    fn emulation_prevention_bytes_are_passed_over() {
        let read = |data: &[u8]| {
            let mut bits = BitReader::of_nal(data);
            std::iter::from_fn(|| bits.byte(8)).collect::<Vec<_>>()
        };
        assert_eq!(read(&[0, 0, 3, 1, 0, 0, 3, 0, 0, 3, 3]), [0, 0, 1, 0, 0, 0, 0, 3]);
        assert_eq!(read(&[0, 3, 0, 0, 0, 3]), [0, 3, 0, 0, 0]);
        assert_eq!(read(&[0, 0, 3]), [0, 0]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut writer = BitWriter::default();
        (0..=32).for_each(|count| writer.put(0xdead_beef, count));
        let bytes = writer.into_bytes();
        let mut bits = BitReader::new(&bytes);
        for count in 0..=32 {
            assert_eq!(bits.bits(count).map(u64::from), Some(0xdead_beef & ((1 << count) - 1)));
        }
    }
}
