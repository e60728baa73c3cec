//! One track as it is sent: the same packets for all viewers.

use std::sync::Arc;
use std::time::Instant;

use valkka_core::codec::CodecParams;
use valkka_core::frame::Packet;
use valkka_core::time::{MediaTime, WallTime};

use super::format::{Encoding, Format, PacketizeError};
use super::rtcp::{self, SenderInfo};
use super::unit::{Unit, UnitKind};
use super::writer::PacketWriter;

/// Packetises one track and counts for its sender reports.
pub(crate) struct RtpTrack {
    index: u8,
    format: &'static Format,
    params: Arc<CodecParams>,
    encoding: Encoding,
    ssrc: u32,
    /// Of the next packet.
    sequence: u16,
    /// Added to every time stamp, so that they start anywhere (RFC 3550, section 5.1).
    timestamp_offset: u32,
    packets: u32,
    octets: u32,
    /// The last moment of which the RTP time stamp is known, and when it was learned.
    moment: Option<(WallTime, u32, Instant)>,
}

impl RtpTrack {
    /// A track with index `index` that starts with `params`. `payload` is its first access unit, or empty.
    /// `None` if it cannot be described yet, or not at all.
    pub(crate) fn new(index: u8, params: &Arc<CodecParams>, payload: &[u8]) -> Option<Self> {
        let format = Format::of(params.codec)?;
        let encoding = (format.describe)(params, payload)?;
        Some(Self {
            index,
            format,
            params: params.clone(),
            encoding,
            ssrc: fastrand::u32(..),
            sequence: fastrand::u16(..),
            timestamp_offset: fastrand::u32(..),
            packets: 0,
            octets: 0,
            moment: None,
        })
    }

    /// What a description says of it.
    pub(crate) fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    /// Its parameters.
    pub(crate) fn params(&self) -> &Arc<CodecParams> {
        &self.params
    }

    /// The RTP payload type.
    pub(crate) fn payload_type(&self) -> u8 {
        self.encoding.payload_type.unwrap_or(FIRST_DYNAMIC + self.index)
    }

    /// The synchronisation source.
    pub(crate) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Follows a change of parameters. Returns whether viewers can go on: `false` if they were told something
    /// that no longer holds.
    pub(crate) fn update(&mut self, params: &Arc<CodecParams>, payload: &[u8]) -> bool {
        if Arc::ptr_eq(params, &self.params) {
            return true;
        }
        let Some(format) = Format::of(params.codec) else { return false };
        let Some(encoding) = (format.describe)(params, payload) else {
            // Not described anew: the packets tell, as far as they can.
            return params.codec == self.params.codec;
        };
        let goes_on = self.encoding.continues_as(&encoding);
        (self.format, self.params, self.encoding) = (format, params.clone(), encoding);
        goes_on
    }

    /// Cuts one access unit into packets. `media` is its time on the viewers' timeline, `moment` when it was captured.
    pub(crate) fn packetize(
        &mut self,
        packet: &Packet,
        media: MediaTime,
        moment: Option<WallTime>,
    ) -> Result<Unit, PacketizeError> {
        let timestamp = self.timestamp(media);
        let first_sequence = self.sequence;
        let mut writer = PacketWriter {
            framed: Vec::with_capacity(packet.payload.len() * 33 / 32 + 256),
            channel: Unit::default_channel(self.index),
            payload_type: self.payload_type(),
            ssrc: self.ssrc,
            sequence: &mut self.sequence,
            timestamp,
            written: (0, 0),
        };
        let result = (self.format.packetize)(packet, &mut writer);
        let PacketWriter { framed, written, .. } = writer;
        result?;
        self.packets = self.packets.wrapping_add(written.0);
        self.octets = self.octets.wrapping_add(written.1);
        if let Some(moment) = moment {
            self.moment = Some((moment, timestamp, Instant::now()));
        }
        let kind = UnitKind::Media { keyframe: packet.keyframe, sequence: first_sequence, timestamp };
        Ok(Unit::new(self.index, kind, framed))
    }

    /// Whether there is anything to report.
    pub(crate) fn can_report(&self) -> bool {
        self.moment.is_some()
    }

    /// A sender report; `None` while no moment is known.
    pub(crate) fn report(&self) -> Option<Unit> {
        Some(self.control(&rtcp::sender_report(&self.info()?, NAME)))
    }

    /// Says goodbye; `None` while nothing has been sent.
    pub(crate) fn goodbye(&self) -> Option<Unit> {
        let goodbye = || self.control(&rtcp::goodbye(self.ssrc, self.info().as_ref(), NAME));
        (self.packets > 0).then(goodbye)
    }

    /// What is reported now: a report tells the time at which it is sent, by the clock that the moments are of. So no two
    /// of them are alike, and a viewer's answer tells which one came.
    fn info(&self) -> Option<SenderInfo> {
        let (wall, timestamp, learned) = self.moment?;
        let since = learned.elapsed();
        let ticks = since.as_micros() * u128::from(self.encoding.clock_rate_hz) / 1_000_000;
        let moment = (wall + since, timestamp.wrapping_add(ticks as u32));
        Some(SenderInfo { ssrc: self.ssrc, moment, packets: self.packets, octets: self.octets })
    }

    fn control(&self, packet: &[u8]) -> Unit {
        let channel = Unit::default_channel(self.index) + 1;
        let [high, low] = (packet.len() as u16).to_be_bytes();
        let mut framed = vec![b'$', channel, high, low];
        framed.extend_from_slice(packet);
        Unit::new(self.index, UnitKind::Control, framed)
    }

    /// Rounded to the nearest tick: the 90 kHz of media time are coarser than most audio clocks.
    fn timestamp(&self, media: MediaTime) -> u32 {
        let rate = i128::from(self.encoding.clock_rate_hz);
        let base = i128::from(MediaTime::RATE_HZ);
        let ticks = (i128::from(media.ticks()) * rate + base / 2).div_euclid(base);
        (ticks as u32).wrapping_add(self.timestamp_offset)
    }
}

/// The first dynamic payload type (RFC 3551, section 3).
const FIRST_DYNAMIC: u8 = 96;

/// The canonical name in sender reports. The same for the tracks of a stream, so that viewers put them
/// together (RFC 3550, section 6.5.1).
const NAME: &str = "valkka";

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use valkka_core::codec::{AudioParams, Codec, MediaParams};
    use valkka_core::payload::Payload;

    use super::*;

    #[test]
    fn time_stamps_of_audio_advance_by_whole_access_units() {
        for rate in [8000, 16_000, 44_100, 48_000] {
            let media = MediaParams::Audio(AudioParams { sample_rate_hz: rate, channels: 1 });
            let extra = Bytes::from_static(&[0x12, 0x10]);
            let params = Arc::new(CodecParams { codec: Codec::Aac, media, extra });
            let track = RtpTrack::new(1, &params, &[]).unwrap();
            let first = track.timestamp(MediaTime::default());
            for unit in 0..1000_i64 {
                let stamp = track.timestamp(MediaTime::from_rate(unit * 1024, rate));
                assert!(stamp.wrapping_sub(first).abs_diff(unit as u32 * 1024) <= 1);
            }
        }
    }

    #[test]
    fn sequence_numbers_go_on_from_unit_to_unit_and_reports_count() {
        let media = MediaParams::Audio(AudioParams { sample_rate_hz: 8000, channels: 1 });
        let params = Arc::new(CodecParams { codec: Codec::PcmMulaw, media, extra: Bytes::new() });
        let mut track = RtpTrack::new(0, &params, &[]).unwrap();
        assert!(track.report().is_none() && track.goodbye().is_none());
        let packet =
            Packet { params, payload: Payload::copy_from_slice(&[0; 3000]), keyframe: true, lost: 0 };
        let moment = WallTime::from_micros(1);
        let mut sequences = Vec::new();
        let mut unknown = RtpTrack::new(0, &packet.params, &[]).unwrap();
        unknown.packetize(&packet, MediaTime::default(), None).unwrap();
        assert!(!unknown.can_report() && unknown.goodbye().is_some());
        for _ in 0..2 {
            let unit = track.packetize(&packet, MediaTime::default(), Some(moment)).unwrap();
            sequences.extend(unit.packets().map(|p| u16::from_be_bytes([p[2], p[3]])));
        }
        assert!(sequences.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)));
        let report = track.report().unwrap();
        let report = report.packets().next().unwrap();
        assert_eq!(report[20..28], [0, 0, 0, 6, 0, 0, 0x17, 0x70]);
        // It tells the moment at which it was made, by both clocks.
        let ntp = u64::from_be_bytes(report[8..16].try_into().unwrap());
        let since = WallTime::from_ntp(ntp).micros_since(moment);
        let timestamp = u32::from_be_bytes(report[16..20].try_into().unwrap());
        let ticks = timestamp.wrapping_sub(track.timestamp(MediaTime::default()));
        assert!((i64::from(ticks) - since * 8000 / 1_000_000).abs() <= 1, "{ticks} ticks, {since} µs");
    }
}
