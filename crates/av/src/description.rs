//! What libavformat tells of the tracks of a file or stream.

use std::sync::Arc;

use bytes::Bytes;
use valkka_core::codec::{Codec, CodecParams, MediaParams, VideoParams};
use valkka_core::source::{SourceError, TrackInfo};
use valkka_core::stream::Track;
use valkka_core::time::MediaTime;

use crate::ffi::{Demuxer, Medium, StreamFacts};

/// The tracks of `demuxer` by their index, and what is told of them. `track` makes one of what can be received, with
/// `params` as its parameters; packets of the others are not read.
///
/// # Errors
/// If nothing can be received of `host`.
pub(crate) fn open_tracks<I, T>(
    demuxer: &mut Demuxer<I>,
    host: &str,
    track: impl Fn(Track, &StreamFacts) -> Option<T>,
    params: impl Fn(&T) -> &Arc<CodecParams>,
) -> Result<(Vec<Option<T>>, Vec<TrackInfo>), SourceError>
where
    I: Fn() -> bool + Sync,
{
    let facts = demuxer.streams();
    let mut tracks = Vec::with_capacity(facts.len());
    let mut infos = Vec::with_capacity(facts.len());
    for (index, facts) in facts.iter().enumerate() {
        let number = u8::try_from(index).ok().map(Track::new);
        let made = number.and_then(|number| track(number, facts));
        if made.is_none() {
            demuxer.discard(index);
        }
        infos.push(TrackInfo {
            track: number.unwrap_or(Track::new(u8::MAX)),
            medium: medium_name(facts.medium).into(),
            encoding: facts.codec_name.to_uppercase(),
            params: made.as_ref().map(|track| params(track).clone()),
            skipped: made.is_none().then(|| format!("{} is not supported", facts.codec_name)),
        });
        tracks.push(made);
    }
    if tracks.iter().all(Option::is_none) {
        let names: Vec<_> = facts.iter().map(|facts| facts.codec_name.as_str()).collect();
        let detail = if names.is_empty() { "none at all".into() } else { names.join(", ") };
        return Err(SourceError::NoTrack { host: host.to_owned(), detail });
    }
    Ok((tracks, infos))
}

/// The codec of a track, if it is one that Valkka carries.
pub(crate) fn codec_of(facts: &StreamFacts) -> Option<Codec> {
    facts.codec.filter(|_| facts.medium != Medium::Other)
}

/// The parameters of a track as its description tells them; `extra` is laid out as [`CodecParams::extra`].
pub(crate) fn params_of(codec: Codec, facts: &StreamFacts, extra: Bytes) -> CodecParams {
    if !codec.is_video() {
        let extra = if codec == Codec::Aac { extra } else { Bytes::new() };
        return CodecParams::audio(codec, facts.sample_rate_hz, facts.channels, extra);
    }
    let told = codec.params_in(&extra);
    let own = told.as_ref().and_then(CodecParams::as_video).copied().unwrap_or_default();
    let video = VideoParams {
        width: if own.width > 0 { own.width } else { facts.width },
        height: if own.height > 0 { own.height } else { facts.height },
        frame_rate: own.frame_rate.or(facts.frame_rate),
    };
    let extra = told.map_or(extra, |told| told.extra);
    CodecParams { codec, media: MediaParams::Video(video), extra }
}

/// Ticks of 90 kHz of a time in units of `num / den` seconds.
pub(crate) fn to_ticks(time: i64, (num, den): (u32, u32)) -> i64 {
    let scaled = i128::from(time) * i128::from(num) * i128::from(MediaTime::RATE_HZ) / i128::from(den.max(1));
    i64::try_from(scaled).unwrap_or(if scaled > 0 { i64::MAX } else { i64::MIN })
}

fn medium_name(medium: Medium) -> &'static str {
    match medium {
        Medium::Video => "video",
        Medium::Audio => "audio",
        Medium::Other => "application",
    }
}
