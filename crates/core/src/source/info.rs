//! What a stream is made of.

use std::sync::Arc;

use crate::codec::CodecParams;
use crate::stream::Track;

/// What a source found when it connected.
#[derive(Clone, Debug, Default)]
pub struct StreamInfo {
    /// How frames come, in words: `udp`, `tcp`, `multicast`, `file` ….
    pub transport: String,
    /// What the server calls itself, if it tells.
    pub server: Option<String>,
    /// The tracks, in the order of the description.
    pub tracks: Vec<TrackInfo>,
}

/// One track as the description shows it.
#[derive(Clone, Debug)]
pub struct TrackInfo {
    /// Its index.
    pub track: Track,
    /// The medium, as the description names it: `video`, `audio`, `application` ….
    pub medium: String,
    /// The encoding, as the description names it, e.g. `H264`.
    pub encoding: String,
    /// Its parameters as far as they are known before the first packet.
    pub params: Option<Arc<CodecParams>>,
    /// Why it is not received, if it is not.
    pub skipped: Option<String>,
}
