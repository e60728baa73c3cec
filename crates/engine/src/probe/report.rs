//! What a probe found, for people and machines.

use serde::Serialize;

/// What a stream is like.
#[derive(Clone, Debug, Serialize)]
pub struct ProbeReport {
    /// The address without credentials.
    pub url: String,
    /// How RTP travels.
    pub transport: String,
    /// What the server calls itself.
    pub server: Option<String>,
    /// From the call to the first packet, in milliseconds.
    pub first_packet_ms: Option<u64>,
    /// The camera's clock minus ours, in milliseconds, by its sender reports; includes the way here.
    pub clock_offset_ms: Option<f64>,
    /// Network packets lost while looking.
    pub lost_packets: u64,
    /// The tracks in the order of the description.
    pub tracks: Vec<TrackReport>,
}

/// What a track is like. What was not seen is `None`.
#[derive(Clone, Debug, Serialize)]
pub struct TrackReport {
    /// `video`, `audio` ….
    pub medium: String,
    /// The codec, or else the encoding as the description names it.
    pub codec: String,
    /// Width in pixels.
    pub width: Option<u32>,
    /// Height in pixels.
    pub height: Option<u32>,
    /// Frames per second as the stream's parameters say.
    pub nominal_frame_rate: Option<f64>,
    /// Frames (or audio packets) per second as they came, by their time stamps.
    pub frame_rate: Option<f64>,
    /// Audio samples per second.
    pub sample_rate_hz: Option<u32>,
    /// Audio channels.
    pub channels: Option<u16>,
    /// Bits per second.
    pub bit_rate_bps: Option<f64>,
    /// Pictures from one key frame to the next.
    pub gop: Option<u64>,
    /// Frames seen.
    pub frames: u64,
    /// Why the track is not received.
    pub skipped: Option<String>,
}
