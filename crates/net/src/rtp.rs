//! RTP as this crate sends it (RFC 3550): one packetiser per codec, sender reports, one timeline.
//!
//! Everything here is pure: access units in, bytes out. An access unit becomes one [`Unit`]: its RTP packets
//! one behind the other, each with its header and with the four bytes by which it travels in an RTSP
//! connection. The unit is made once and shared by all viewers. That costs one copy of the encoded bytes per
//! stream (0.5 MB/s at 4 Mbit/s), and buys that a viewer over TCP needs one slice per picture rather than two
//! per packet, and that no viewer holds on to the source's buffers.
//!
//! A further codec is a file here and a line in [`format::FORMATS`].

mod capture_clock;
pub(crate) mod format;
mod rtcp;
mod timeline;
mod track;
mod unit;
mod writer;

mod aac;
mod g711;
mod h264;
mod h265;
mod h26x;
mod jpeg;
mod opus;

pub(crate) use capture_clock::CaptureClock;
pub(crate) use format::Encoding;
pub(crate) use rtcp::{ReportBlock, is_rtcp, report_blocks, report_id};
pub(crate) use timeline::Timeline;
pub(crate) use track::RtpTrack;
pub(crate) use unit::{Unit, UnitKind};
