//! The table of what can be sent.

use std::borrow::Cow;

use valkka_core::codec::{Codec, CodecParams};
use valkka_core::frame::Packet;

use super::writer::PacketWriter;
use super::{aac, g711, h264, h265, jpeg, opus};

/// How one codec travels in RTP.
pub(crate) struct Format {
    codec: Codec,
    /// What a description says of a track with these parameters; `None` while they are not complete. Parameter
    /// sets that stand in the packet itself count too.
    pub(crate) describe: fn(&CodecParams, &[u8]) -> Option<Encoding>,
    /// Cuts one access unit into packets.
    pub(crate) packetize: fn(&Packet, &mut PacketWriter<'_>) -> Result<(), PacketizeError>,
}

/// All of them.
pub(crate) const FORMATS: &[Format] = &[
    Format { codec: Codec::H264, describe: h264::describe, packetize: h264::packetize },
    Format { codec: Codec::H265, describe: h265::describe, packetize: h265::packetize },
    Format { codec: Codec::Mjpeg, describe: jpeg::describe, packetize: jpeg::packetize },
    Format { codec: Codec::Aac, describe: aac::describe, packetize: aac::packetize },
    Format { codec: Codec::PcmMulaw, describe: g711::describe, packetize: g711::packetize },
    Format { codec: Codec::PcmAlaw, describe: g711::describe, packetize: g711::packetize },
    Format { codec: Codec::Opus, describe: opus::describe, packetize: opus::packetize },
];

impl Format {
    /// The format of `codec`, if it can be sent.
    pub(crate) fn of(codec: Codec) -> Option<&'static Self> {
        FORMATS.iter().find(|format| format.codec == codec)
    }
}

/// What a description says of a track (RFC 8866, `rtpmap` and `fmtp`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Encoding {
    /// The payload type, if RFC 3551 assigns one; else a dynamic one is taken.
    pub(crate) payload_type: Option<u8>,
    /// The name of the encoding.
    pub(crate) name: &'static str,
    /// Ticks of the RTP time stamp per second.
    pub(crate) clock_rate_hz: u32,
    /// The number of channels, where the encoding wants it told.
    pub(crate) channels: Option<u16>,
    /// Format parameters.
    pub(crate) fmtp: Option<String>,
    /// Whether `fmtp` only repeats what the packets carry too, so that a change of it disturbs no viewer.
    pub(crate) in_band: bool,
}

impl Encoding {
    /// A video encoding: 90 kHz, its parameters in band.
    pub(super) fn video(name: &'static str, fmtp: Option<String>) -> Self {
        Self { payload_type: None, name, clock_rate_hz: 90_000, channels: None, fmtp, in_band: true }
    }

    /// Whether who was told `self` can go on with packets of `new`.
    pub(crate) fn continues_as(&self, new: &Self) -> bool {
        let told = |encoding: &Self| {
            let fmtp = if encoding.in_band { None } else { encoding.fmtp.clone() };
            (encoding.payload_type, encoding.name, encoding.clock_rate_hz, encoding.channels, fmtp)
        };
        told(self) == told(new)
    }
}

/// Why an access unit could not be cut into packets.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{codec} cannot be sent by RTP: {reason}")]
pub(crate) struct PacketizeError {
    codec: Codec,
    reason: Cow<'static, str>,
}

impl PacketizeError {
    pub(super) fn new(codec: Codec, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { codec, reason: reason.into() }
    }
}
