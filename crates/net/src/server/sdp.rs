//! Writes session descriptions (RFC 8866).

use std::fmt::Write as _;

use super::describe::Description;

/// The description of a live stream called `name`, whose tracks are controlled under the names of
/// [`control`].
pub(super) fn write(name: &str, description: &Description) -> String {
    let mut sdp = format!(
        "v=0\r\n\
         o=- 1 1 IN IP4 0.0.0.0\r\n\
         s={}\r\n\
         c=IN IP4 0.0.0.0\r\n\
         t=0 0\r\n\
         a=tool:valkka\r\n\
         a=control:*\r\n\
         a=range:npt=now-\r\n",
        name.replace(char::is_control, "")
    );
    for track in &description.tracks {
        let (medium, payload_type) = (if track.video { "video" } else { "audio" }, track.payload_type);
        let encoding = &track.encoding;
        let mut line = |line: std::fmt::Arguments<'_>| {
            write!(sdp, "{line}\r\n").expect("a string takes everything");
        };
        line(format_args!("m={medium} 0 RTP/AVP {payload_type}"));
        let channels = encoding.channels.map(|channels| format!("/{channels}")).unwrap_or_default();
        line(format_args!("a=rtpmap:{payload_type} {}/{}{channels}", encoding.name, encoding.clock_rate_hz));
        if let Some(fmtp) = &encoding.fmtp {
            line(format_args!("a=fmtp:{payload_type} {fmtp}"));
        }
        if let Some(rate) = track.frame_rate {
            // Three decimals tell 29.97 from 30 and are none for whole numbers.
            line(format_args!("a=framerate:{}", (rate.hz() * 1000.0).round() / 1000.0));
        }
        line(format_args!("a=control:{}", control(track.index)));
    }
    sdp
}

/// The name under which a track is controlled.
pub(super) fn control(track: u8) -> String {
    format!("{CONTROL_PREFIX}{track}")
}

/// The track that is controlled under `name`.
pub(super) fn track_of(name: &str) -> Option<u8> {
    name.strip_prefix(CONTROL_PREFIX)?.parse().ok()
}

const CONTROL_PREFIX: &str = "trackID=";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use valkka_core::codec::{AudioParams, Codec, CodecParams, FrameRate, MediaParams, VideoParams};

    use super::*;
    use crate::rtp::RtpTrack;
    use crate::server::describe::TrackDescription;

    #[test]
    fn each_track_has_its_lines() {
        let frame_rate = FrameRate::new(30_000, 1001);
        let video = CodecParams {
            codec: Codec::H264,
            media: MediaParams::Video(VideoParams { width: 16, height: 16, frame_rate }),
            extra: Bytes::from_static(&[0, 0, 1, 0x67, 66, 0, 30, 0, 0, 1, 0x68, 1]),
        };
        let media = MediaParams::Audio(AudioParams { sample_rate_hz: 48_000, channels: 1 });
        let audio = CodecParams { codec: Codec::Opus, media, extra: Bytes::new() };
        let track = |index, params| {
            TrackDescription::new(index, &RtpTrack::new(index, &Arc::new(params), &[]).unwrap())
        };
        let tracks = vec![track(0, video), track(2, audio)];
        let sdp = write("cam\r\n1", &Description { tracks, complete: true, closed: false });
        let expected = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=cam1\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n\
             a=tool:valkka\r\na=control:*\r\na=range:npt=now-\r\n\
             m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
             a=fmtp:96 packetization-mode=1;profile-level-id=42001E;sprop-parameter-sets=Z0IAHg==,aAE=\r\n\
             a=framerate:29.97\r\na=control:trackID=0\r\n\
             m=audio 0 RTP/AVP 98\r\na=rtpmap:98 opus/48000/2\r\na=fmtp:98 sprop-stereo=0\r\n\
             a=control:trackID=2\r\n";
        assert_eq!(sdp, expected);
        sdp_types::Session::parse(sdp.as_bytes()).unwrap();
    }

    #[test]
    fn control_names_lead_back_to_their_track() {
        assert_eq!(track_of(&control(7)), Some(7));
        for name in ["", "trackID=", "trackID=256", "trackID=-1", "track0"] {
            assert_eq!(track_of(name), None);
        }
    }
}
