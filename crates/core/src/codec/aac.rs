//! What the bytes of AAC say without decoding them (ISO/IEC 14496-3): the `AudioSpecificConfig` that tracks
//! carry, and the ADTS headers of streams that have none.

use bytes::Bytes;

use super::bits::{BitReader, BitWriter};
use super::{Codec, CodecParams, Malformed};

/// The configuration of a track (1.6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioSpecificConfig {
    /// The audio object type of the core, e.g. 2 for AAC-LC. Never 5 or 29, which only announce an extension.
    pub object_type: u8,
    /// Samples per second of the core.
    pub sample_rate_hz: u32,
    /// `channelConfiguration`: 0 if the stream itself describes its channels, else an index of a table.
    pub channel_config: u8,
    /// Number of channels of the core.
    pub channels: u16,
    /// Spectral band replication (HE-AAC), if it is announced.
    pub sbr: Option<Sbr>,
    /// Samples per channel in each access unit, of the core: 1024 or 960 with AAC-LC.
    pub samples_per_frame: u16,
}

/// Spectral band replication: the output has a higher sample rate than the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sbr {
    /// Samples per second of the output.
    pub sample_rate_hz: u32,
    /// Whether parametric stereo makes two channels of one (HE-AAC version 2).
    pub parametric_stereo: bool,
}

impl AudioSpecificConfig {
    /// The configuration of plain AAC-LC with 1 to 6 or 8 channels; `None` for another number, or a rate of
    /// 0 or more than 24 bits.
    pub fn lc(sample_rate_hz: u32, channels: u16) -> Option<Self> {
        let channel_config = match channels {
            1..=6 => channels as u8,
            8 => 7,
            _ => return None,
        };
        let config = Self {
            object_type: LC,
            sample_rate_hz,
            channel_config,
            channels,
            sbr: None,
            samples_per_frame: 1024,
        };
        (1..=MAX_RATE_HZ).contains(&sample_rate_hz).then_some(config)
    }

    /// Reads a configuration.
    ///
    /// # Errors
    /// If it is cut short, or the sample rate or channels are ones that the standard does not define.
    pub fn parse(config: &[u8]) -> Result<Self, Malformed> {
        let mut bits = BitReader::new(config);
        let parsed = Self::read(&mut bits);
        parsed.ok_or(Malformed { what: "AudioSpecificConfig", at: bits.position(), length: config.len() })
    }

    /// Writes the configuration. Extensions are written before the core (the way every decoder follows). A
    /// channel configuration of 0 is written as the number of channels, for the description of the channels
    /// themselves is not kept; `None` if the standard has no number for them.
    pub fn write(&self) -> Option<Vec<u8>> {
        let channel_config = match self.channel_config {
            0 => Self::lc(self.sample_rate_hz, self.channels)?.channel_config,
            config => config,
        };
        let mut bits = BitWriter::default();
        let outer = match self.sbr {
            Some(Sbr { parametric_stereo: true, .. }) => PS,
            Some(_) => SBR,
            None => self.object_type,
        };
        put_object_type(&mut bits, outer);
        put_rate(&mut bits, self.sample_rate_hz);
        bits.put(channel_config.into(), 4);
        if let Some(sbr) = self.sbr {
            put_rate(&mut bits, sbr.sample_rate_hz);
            put_object_type(&mut bits, self.object_type);
        }
        let short_frames = matches!(self.samples_per_frame, 960 | 480);
        bits.put(short_frames.into(), 1);
        // Neither a core coder nor an extension follows.
        bits.put(0, 2);
        Some(bits.into_bytes())
    }

    /// Samples per second of the output, as far as it is announced.
    pub fn output_rate_hz(&self) -> u32 {
        self.sbr.map_or(self.sample_rate_hz, |sbr| sbr.sample_rate_hz)
    }

    /// Channels of the output, as far as they are announced.
    pub fn output_channels(&self) -> u16 {
        match self.sbr {
            Some(Sbr { parametric_stereo: true, .. }) if self.channels == 1 => 2,
            _ => self.channels,
        }
    }

    /// Samples per channel of the output that each access unit stands for; some absurd number, but never zero, if the
    /// rates of core and output are.
    pub fn output_samples(&self) -> u32 {
        let core = u64::from(self.samples_per_frame);
        let output = core * u64::from(self.output_rate_hz()) / u64::from(self.sample_rate_hz.max(1));
        u32::try_from(output.max(1)).unwrap_or(u32::MAX)
    }

    /// An access unit of silence: no spectrum in any channel (4.4.2). `None` if it is not plain AAC-LC with or without
    /// extensions, or the stream itself describes its channels.
    pub fn silence(&self) -> Option<Vec<u8>> {
        const SINGLE: u32 = 0;
        const PAIR: u32 = 1;
        const LOW_FREQUENCY: u32 = 3;
        const END: u32 = 7;
        let elements: &[u32] = match self.channel_config {
            _ if self.object_type != LC => return None,
            1 => &[SINGLE],
            2 => &[PAIR],
            3 => &[SINGLE, PAIR],
            4 => &[SINGLE, PAIR, SINGLE],
            5 => &[SINGLE, PAIR, PAIR],
            6 => &[SINGLE, PAIR, PAIR, LOW_FREQUENCY],
            7 => &[SINGLE, PAIR, PAIR, PAIR, LOW_FREQUENCY],
            _ => return None,
        };
        let mut bits = BitWriter::default();
        // One long window without bands or prediction.
        let window = |bits: &mut BitWriter| bits.put(0, 11);
        for (index, &element) in elements.iter().enumerate() {
            let number = elements[..index].iter().filter(|&&before| before == element).count();
            bits.put(element, 3);
            bits.put(number as u32, 4);
            if element == PAIR {
                // The window is common; neither channel is coded as a sum or difference.
                bits.put(1, 1);
                window(&mut bits);
                bits.put(0, 2);
            }
            for _ in 0..if element == PAIR { 2 } else { 1 } {
                let gain = 0;
                bits.put(gain, 8);
                if element != PAIR {
                    window(&mut bits);
                }
                // No pulses, no noise shaping, no gain control.
                bits.put(0, 3);
            }
        }
        bits.put(END, 3);
        Some(bits.into_bytes())
    }

    fn read(bits: &mut BitReader<'_>) -> Option<Self> {
        let mut object_type = read_object_type(bits)?;
        let sample_rate_hz = read_rate(bits)?;
        let channel_config = bits.byte(4)?;
        let mut sbr = None;
        if object_type == SBR || object_type == PS {
            let parametric_stereo = object_type == PS;
            sbr = Some(Sbr { sample_rate_hz: read_rate(bits)?, parametric_stereo });
            object_type = read_object_type(bits)?;
        }
        let mut channels = channels_of(channel_config);
        let mut samples_per_frame = 1024;
        if has_general_config(object_type) {
            // 4.4.1: GASpecificConfig
            let short_frames = bits.flag()?;
            samples_per_frame = match (object_type, short_frames) {
                (LD, false) => 512,
                (LD, true) => 480,
                (_, false) => 1024,
                (_, true) => 960,
            };
            if bits.flag()? {
                let _core_coder_delay = bits.bits(14)?;
            }
            let _extension = bits.flag()?;
            if channel_config == 0 {
                channels = read_program_config(bits);
            }
        }
        let config =
            Self { object_type, sample_rate_hz, channel_config, channels: channels?, sbr, samples_per_frame };
        Some(Self { sbr: sbr.or_else(|| config.read_trailing_sbr(bits)), ..config })
    }

    /// The extension may be announced behind the core too, so that old decoders overlook it (1.6.6.1).
    fn read_trailing_sbr(&self, bits: &mut BitReader<'_>) -> Option<Sbr> {
        // After a program config the position is that of another syntax.
        if self.channel_config == 0
            || bits.bits(11)? != 0x2b7
            || read_object_type(bits)? != SBR
            || !bits.flag()?
        {
            return None;
        }
        let sample_rate_hz = read_rate(bits)?;
        let parametric_stereo = bits.bits(11) == Some(0x548) && bits.flag() == Some(true);
        Some(Sbr { sample_rate_hz, parametric_stereo })
    }
}

/// The parameters of a track with the `AudioSpecificConfig` `extra`; `None` if it is none.
pub fn params(extra: &[u8]) -> Option<CodecParams> {
    let config = AudioSpecificConfig::parse(extra).ok()?;
    let (rate, channels) = (config.output_rate_hz(), config.output_channels());
    Some(CodecParams::audio(Codec::Aac, rate, channels, Bytes::copy_from_slice(extra)))
}

/// The header before each access unit of an ADTS stream (1.A.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdtsHeader {
    /// The audio object type, 1 to 4.
    pub object_type: u8,
    /// Index of the sample rate, 0 to 12.
    rate_index: u8,
    /// `channelConfiguration`, 0 to 7; 0 if the stream itself describes its channels.
    pub channel_config: u8,
    /// Bytes of this header, 7 or 9.
    pub header_bytes: usize,
    /// Bytes of header and payload.
    pub frame_bytes: usize,
    /// Access units in the payload, nearly always 1.
    pub access_units: u8,
}

impl AdtsHeader {
    /// The header that a stream with `config` has before `payload_bytes` bytes of one access unit; `None` if
    /// ADTS cannot carry it.
    pub fn new(config: &AudioSpecificConfig, payload_bytes: usize) -> Option<Self> {
        let rate_index = SAMPLE_RATES_HZ.iter().position(|&rate| rate == config.sample_rate_hz)? as u8;
        let frame_bytes = payload_bytes.checked_add(SHORT_HEADER_BYTES).filter(|&bytes| bytes < 1 << 13)?;
        if !(1..=4).contains(&config.object_type) || config.channel_config > 7 {
            return None;
        }
        Some(Self {
            object_type: config.object_type,
            rate_index,
            channel_config: config.channel_config,
            header_bytes: SHORT_HEADER_BYTES,
            frame_bytes,
            access_units: 1,
        })
    }

    /// Reads the header at the start of `data`.
    ///
    /// # Errors
    /// If there is none or it is cut short. The payload need not be there.
    pub fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let mut bits = BitReader::new(data);
        let header = Self::read(&mut bits);
        header.ok_or(Malformed { what: "ADTS header", at: bits.position(), length: data.len() })
    }

    /// Writes the header, without a check sum.
    pub fn write(&self) -> [u8; 7] {
        let mut bits = BitWriter::default();
        bits.put(0xfff, 12);
        // MPEG-4, no layer, no check sum.
        bits.put(0b0001, 4);
        bits.put(u32::from(self.object_type).wrapping_sub(1), 2);
        bits.put(self.rate_index.into(), 4);
        bits.put(0, 1);
        bits.put(self.channel_config.into(), 3);
        bits.put(0, 4);
        let payload_bytes = self.frame_bytes.saturating_sub(self.header_bytes);
        bits.put((payload_bytes + SHORT_HEADER_BYTES) as u32, 13);
        // The buffer's fullness is not told.
        bits.put(0x7ff, 11);
        bits.put(u32::from(self.access_units).wrapping_sub(1), 2);
        let mut header = [0; SHORT_HEADER_BYTES];
        header.copy_from_slice(&bits.into_bytes());
        header
    }

    /// Samples per second.
    pub fn sample_rate_hz(&self) -> u32 {
        SAMPLE_RATES_HZ[usize::from(self.rate_index)]
    }

    /// The configuration of a track with such headers; `None` if the stream itself describes its channels.
    pub fn config(&self) -> Option<AudioSpecificConfig> {
        Some(AudioSpecificConfig {
            object_type: self.object_type,
            sample_rate_hz: self.sample_rate_hz(),
            channel_config: self.channel_config,
            channels: channels_of(self.channel_config)?,
            sbr: None,
            samples_per_frame: 1024,
        })
    }

    fn read(bits: &mut BitReader<'_>) -> Option<Self> {
        if bits.bits(12)? != 0xfff {
            return None;
        }
        let _version = bits.flag()?;
        let _layer = bits.bits(2).filter(|&layer| layer == 0)?;
        let no_check_sum = bits.flag()?;
        let object_type = bits.byte(2)? + 1;
        let rate_index = bits.byte(4).filter(|&index| usize::from(index) < SAMPLE_RATES_HZ.len())?;
        let _private = bits.flag()?;
        let channel_config = bits.byte(3)?;
        let _originality_and_copyright = bits.bits(4)?;
        let frame_bytes = bits.bits(13)? as usize;
        let _buffer_fullness = bits.bits(11)?;
        let access_units = bits.byte(2)? + 1;
        let header_bytes = if no_check_sum { SHORT_HEADER_BYTES } else { SHORT_HEADER_BYTES + 2 };
        (frame_bytes >= header_bytes).then_some(Self {
            object_type,
            rate_index,
            channel_config,
            header_bytes,
            frame_bytes,
            access_units,
        })
    }
}

/// The access units of an ADTS stream with their headers. Ends with an error where no complete one follows.
pub fn adts(data: &[u8]) -> Adts<'_> {
    Adts { rest: data }
}

/// Iterates over an ADTS stream; see [`adts`].
#[derive(Clone, Debug)]
pub struct Adts<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Adts<'a> {
    type Item = Result<(AdtsHeader, &'a [u8]), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let data = std::mem::take(&mut self.rest);
        Some(AdtsHeader::parse(data).and_then(|header| {
            let Some((frame, rest)) = data.split_at_checked(header.frame_bytes) else {
                return Err(Malformed { what: "ADTS frame", at: data.len(), length: data.len() });
            };
            self.rest = rest;
            Ok((header, &frame[header.header_bytes..]))
        }))
    }
}

fn read_object_type(bits: &mut BitReader<'_>) -> Option<u8> {
    const ESCAPE: u8 = 31;
    match bits.byte(5)? {
        ESCAPE => Some(bits.byte(6)? + 32),
        object_type => Some(object_type),
    }
}

fn put_object_type(bits: &mut BitWriter, object_type: u8) {
    match object_type.checked_sub(32) {
        Some(escaped) => {
            bits.put(31, 5);
            bits.put(escaped.into(), 6);
        }
        None => bits.put(object_type.into(), 5),
    }
}

fn read_rate(bits: &mut BitReader<'_>) -> Option<u32> {
    match bits.bits(4)? {
        RATE_ESCAPE => bits.bits(24).filter(|&rate| rate > 0),
        index => SAMPLE_RATES_HZ.get(index as usize).copied(),
    }
}

fn put_rate(bits: &mut BitWriter, rate_hz: u32) {
    match SAMPLE_RATES_HZ.iter().position(|&rate| rate == rate_hz) {
        Some(index) => bits.put(index as u32, 4),
        None => {
            bits.put(RATE_ESCAPE, 4);
            bits.put(rate_hz, 24);
        }
    }
}

/// Table 1.19; `None` for configurations that are reserved, or described elsewhere.
fn channels_of(channel_config: u8) -> Option<u16> {
    match channel_config {
        1..=6 => Some(channel_config.into()),
        7 | 12 | 14 => Some(8),
        11 => Some(7),
        13 => Some(24),
        _ => None,
    }
}

/// The channels of a `program_config_element` (4.4.1.1).
fn read_program_config(bits: &mut BitReader<'_>) -> Option<u16> {
    let _tag_type_and_rate = bits.bits(10)?;
    let [front, side, back] = [bits.bits(4)?, bits.bits(4)?, bits.bits(4)?];
    let low_frequency = bits.bits(2)?;
    let _data_elements = bits.bits(3)?;
    let _coupling_elements = bits.bits(4)?;
    for mixdown_bits in [4, 4, 3] {
        if bits.flag()? {
            bits.skip(mixdown_bits)?;
        }
    }
    let mut channels = low_frequency;
    for _ in 0..front + side + back {
        channels += 1 + u32::from(bits.flag()?);
        let _tag = bits.bits(4)?;
    }
    u16::try_from(channels).ok().filter(|&channels| channels > 0)
}

/// Whether the object type is followed by a `GASpecificConfig` (table 1.15).
fn has_general_config(object_type: u8) -> bool {
    matches!(object_type, 1..=4 | 6 | 7 | 17 | 19..=23)
}

/// Audio object types.
const LC: u8 = 2;
const SBR: u8 = 5;
const LD: u8 = 23;
const PS: u8 = 29;

/// Table 1.18
const SAMPLE_RATES_HZ: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// The index that says that the rate itself follows.
const RATE_ESCAPE: u32 = 15;
const MAX_RATE_HZ: u32 = (1 << 24) - 1;

const SHORT_HEADER_BYTES: usize = 7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_configurations_there_and_back() {
        for (bytes, rate, channels) in
            [(&[0x12, 0x10][..], 44_100, 2), (&[0x11, 0x90], 48_000, 2), (&[0x15, 0x88], 8_000, 1)]
        {
            let config = AudioSpecificConfig::parse(bytes).unwrap();
            assert_eq!((config.object_type, config.sample_rate_hz, config.channels), (2, rate, channels));
            assert_eq!(config, AudioSpecificConfig::lc(rate, channels).unwrap());
            assert_eq!(config.write().as_deref(), Some(bytes));
        }
    }

    #[test]
    fn odd_rates_and_channels() {
        let config = AudioSpecificConfig::lc(12_345, 8).unwrap();
        assert_eq!(AudioSpecificConfig::parse(&config.write().unwrap()), Ok(config));
        assert_eq!(AudioSpecificConfig::lc(48_000, 7), None);
        assert_eq!(AudioSpecificConfig::lc(0, 1), None);
    }

    #[test]
    fn he_aac_both_ways_of_announcing_it() {
        // Before the core: object type 5, core 24 kHz stereo, output 48 kHz, core LC.
        let sbr = Sbr { sample_rate_hz: 48_000, parametric_stereo: false };
        let config = AudioSpecificConfig { sbr: Some(sbr), ..AudioSpecificConfig::lc(24_000, 2).unwrap() };
        assert_eq!(AudioSpecificConfig::parse(&config.write().unwrap()), Ok(config));
        assert_eq!((config.output_rate_hz(), config.output_channels()), (48_000, 2));
        // Behind it: LC 24 kHz stereo, 0x2b7, 5, present, 48 kHz.
        let behind = AudioSpecificConfig::parse(&[0x13, 0x10, 0x56, 0xe5, 0x98]).unwrap();
        assert_eq!(behind, config);
        // Version 2: one channel becomes two.
        let sbr = Sbr { parametric_stereo: true, ..sbr };
        let config = AudioSpecificConfig { sbr: Some(sbr), ..AudioSpecificConfig::lc(24_000, 1).unwrap() };
        let read = params(&config.write().unwrap()).unwrap();
        assert_eq!(read.as_audio().unwrap().channels, 2);
    }

    #[test]
    fn silence_and_its_length() {
        let mono = AudioSpecificConfig::lc(16_000, 1).unwrap();
        assert_eq!((mono.silence().as_deref(), mono.output_samples()), (Some(&[0, 0, 0, 7][..]), 1024));
        assert!(AudioSpecificConfig::lc(48_000, 8).unwrap().silence().is_some());
        let sbr = Some(Sbr { sample_rate_hz: 48_000, parametric_stereo: false });
        assert_eq!(AudioSpecificConfig { sbr, sample_rate_hz: 24_000, ..mono }.output_samples(), 2048);
        assert_eq!(AudioSpecificConfig { object_type: LD, ..mono }.silence(), None);
        assert_eq!(AudioSpecificConfig { channel_config: 0, ..mono }.silence(), None);
    }

    #[test]
    fn channels_described_by_the_stream() {
        let mut bits = BitWriter::default();
        // LC, 48 kHz, described; GASpecificConfig
        for (value, count) in [(2, 5), (3, 4), (0, 4), (0, 3)] {
            bits.put(value, count);
        }
        // program_config_element: 1 pair in front, 1 single at the back, 1 low frequency
        for (value, count) in
            [(0, 10), (1, 4), (0, 4), (1, 4), (1, 2), (0, 3), (0, 4), (0, 3), (16, 5), (0, 5)]
        {
            bits.put(value, count);
        }
        let config = AudioSpecificConfig::parse(&bits.into_bytes()).unwrap();
        assert_eq!((config.channel_config, config.channels), (0, 4));
        assert_eq!(AudioSpecificConfig::parse(&config.write().unwrap()).map(|config| config.channels), Ok(4));
    }

    #[test]
    fn what_is_no_configuration_is_named() {
        let error = AudioSpecificConfig::parse(&[0x12]).unwrap_err().to_string();
        assert_eq!(error, "AudioSpecificConfig of 1 bytes is malformed or cut short at byte 1");
        // reserved sample rate index 13; reserved channel configuration 8
        assert!(AudioSpecificConfig::parse(&[0x16, 0x90, 0]).is_err());
        assert!(AudioSpecificConfig::parse(&[0x12, 0x40, 0]).is_err());
    }

    #[test]
    fn headers_there_and_back() {
        let config = AudioSpecificConfig::lc(16_000, 1).unwrap();
        let header = AdtsHeader::new(&config, 100).unwrap();
        let bytes = header.write();
        assert_eq!(AdtsHeader::parse(&bytes), Ok(header));
        assert_eq!(
            (header.frame_bytes, header.sample_rate_hz(), header.config()),
            (107, 16_000, Some(config))
        );
        assert_eq!(AdtsHeader::new(&config, 1 << 13), None);
        assert_eq!(AdtsHeader::new(&AudioSpecificConfig::lc(12_345, 1).unwrap(), 1), None);
    }

    #[test]
    fn a_header_with_a_check_sum_is_longer() {
        let config = AudioSpecificConfig::lc(48_000, 2).unwrap();
        let mut stream = AdtsHeader::new(&config, 4).unwrap().write().to_vec();
        stream[1] &= !1;
        stream.extend([0xcc, 0xcc, 1, 2]);
        let (header, payload) = adts(&stream).next().unwrap().unwrap();
        assert_eq!((header.header_bytes, payload), (9, &[1, 2][..]));
        assert_eq!(header.write()[3..6], AdtsHeader::new(&config, 2).unwrap().write()[3..6]);
        stream.pop();
        assert!(adts(&stream).next().unwrap().is_err());
    }
}
