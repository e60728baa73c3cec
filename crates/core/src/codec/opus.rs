//! What the bytes of Opus say without decoding them (RFC 6716).

/// Samples per second in which the lengths of packets are counted, whatever was encoded (RFC 7845, section 4).
pub const CLOCK_HZ: u32 = 48_000;

/// How many samples a packet stands for, at [`CLOCK_HZ`] (section 3.1); `None` if it is empty or says that it holds more
/// than 120 ms.
pub fn samples(packet: &[u8]) -> Option<u32> {
    let (&head, rest) = packet.split_first()?;
    let config = head >> 3;
    let samples_per_frame = match config {
        // SILK: 10, 20, 40 and 60 ms.
        0..12 => [480, 960, 1920, 2880][usize::from(config % 4)],
        // Hybrid: 10 and 20 ms.
        12..16 => [480, 960][usize::from(config % 2)],
        // CELT: 2.5, 5, 10 and 20 ms.
        _ => [120, 240, 480, 960][usize::from(config % 4)],
    };
    let frames = match head & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(rest.first()? & 0x3f),
    };
    let samples = samples_per_frame * frames;
    (1..=MAX_SAMPLES).contains(&samples).then_some(samples)
}

/// A packet of 20 ms of silence in `channels` (1 or 2) channels.
pub fn silence(channels: u16) -> [u8; 3] {
    const CELT_FULLBAND_20_MS: u8 = 31 << 3;
    let stereo = if channels == 2 { 0b100 } else { 0 };
    // All ones read as the flag of silence (section 4.3).
    [CELT_FULLBAND_20_MS | stereo, 0xff, 0xfe]
}

/// 120 ms.
const MAX_SAMPLES: u32 = 5760;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_standard() {
        let one = |config: u8| samples(&[config << 3, 1]);
        assert_eq!([0, 1, 2, 3].map(one), [480, 960, 1920, 2880].map(Some));
        assert_eq!([12, 13, 14, 15].map(one), [480, 960, 480, 960].map(Some));
        assert_eq!([16, 17, 18, 31].map(one), [120, 240, 480, 960].map(Some));
        assert_eq!(samples(&[31 << 3 | 1]), Some(1920));
        assert_eq!(samples(&[31 << 3 | 3, 6]), Some(5760));
    }

    #[test]
    fn what_is_no_packet_has_no_length() {
        for packet in [&[][..], &[3], &[3, 0], &[31 << 3 | 3, 7], &[3 << 3 | 3, 63]] {
            assert_eq!(samples(packet), None, "{packet:?}");
        }
    }

    #[test]
    fn silence_lasts_20_ms() {
        assert_eq!([1, 2].map(|channels| samples(&silence(channels))), [Some(960); 2]);
        assert_eq!(silence(2)[0] & 0b100, 0b100);
    }
}
