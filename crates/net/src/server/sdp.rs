//! Writes session descriptions (RFC 8866).

use std::fmt::Write as _;
use std::net::IpAddr;

use super::describe::Description;
use super::rtp_sender::RtpDestination;

/// The description of a live stream called `name`: one that is sent to `destination` unasked, or one to be asked for,
/// whose tracks are controlled under the names of [`control`].
pub(super) fn write(name: &str, description: &Description, destination: Option<&RtpDestination>) -> String {
    let name = name.replace(char::is_control, "");
    // Where there is none, a single space stands (RFC 8866, section 5.3).
    let name = if name.is_empty() { " " } else { &name };
    let connection = destination.map_or_else(|| "IN IP4 0.0.0.0".to_owned(), connection);
    let Description { id, version, .. } = description;
    let mut sdp = format!("v=0\r\no=- {id} {version} IN IP4 0.0.0.0\r\ns={name}\r\n");
    write!(sdp, "c={connection}\r\nt=0 0\r\na=tool:valkka\r\n").expect("a string takes everything");
    if destination.is_none() {
        sdp.push_str("a=control:*\r\na=range:npt=now-\r\n");
    }
    for track in &description.tracks {
        let (medium, payload_type) = (if track.video { "video" } else { "audio" }, track.payload_type);
        let encoding = &track.encoding;
        let mut line = |line: std::fmt::Arguments<'_>| {
            write!(sdp, "{line}\r\n").expect("a string takes everything");
        };
        let port = match destination {
            Some(destination) => destination.port_of(track.index),
            None => Some(0),
        };
        let Some(port) = port else { continue };
        line(format_args!("m={medium} {port} RTP/AVP {payload_type}"));
        let channels = encoding.channels.map(|channels| format!("/{channels}")).unwrap_or_default();
        line(format_args!("a=rtpmap:{payload_type} {}/{}{channels}", encoding.name, encoding.clock_rate_hz));
        if let Some(fmtp) = &encoding.fmtp {
            line(format_args!("a=fmtp:{payload_type} {fmtp}"));
        }
        if let Some(rate) = track.frame_rate {
            // Three decimals tell 29.97 from 30 and are none for whole numbers.
            line(format_args!("a=framerate:{}", (rate.hz() * 1000.0).round() / 1000.0));
        }
        if destination.is_none() {
            line(format_args!("a=control:{}", control(track.index)));
        }
    }
    sdp
}

/// The value of the connection line (RFC 8866, section 5.7): of IPv4 groups, it tells the time to live too.
fn connection(destination: &RtpDestination) -> String {
    match destination.address {
        IpAddr::V4(address) if address.is_multicast() => format!("IN IP4 {address}/{}", destination.ttl),
        IpAddr::V4(address) => format!("IN IP4 {address}"),
        IpAddr::V6(address) => format!("IN IP6 {address}"),
    }
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
        let sdp = write(
            "cam\r\n1",
            &Description { id: 7, version: 2, tracks, complete: true, closed: false },
            None,
        );
        let expected = "v=0\r\no=- 7 2 IN IP4 0.0.0.0\r\ns=cam1\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n\
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
    fn what_is_sent_unasked_says_where_to() {
        let extra = Bytes::from_static(&[0, 0, 1, 0x67, 66, 0, 30, 0, 0, 1, 0x68, 1]);
        let video = Arc::new(CodecParams::video(Codec::H264, extra));
        let description = Description {
            id: 7,
            version: 1,
            tracks: vec![TrackDescription::new(0, &RtpTrack::new(0, &video, &[]).unwrap())],
            complete: true,
            closed: false,
        };
        let to = |address: &str| {
            let destination = RtpDestination { address: address.parse().unwrap(), port: 50_000, ttl: 16 };
            let sdp = write("cam", &description, Some(&destination));
            sdp_types::Session::parse(sdp.as_bytes()).unwrap();
            assert!(sdp.contains("m=video 50000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"), "{sdp}");
            assert!(!sdp.contains("a=control"), "{sdp}");
            sdp.lines().find_map(|line| line.strip_prefix("c=")).unwrap().to_owned()
        };
        assert_eq!(to("224.1.168.91"), "IN IP4 224.1.168.91/16");
        assert_eq!(to("10.0.0.2"), "IN IP4 10.0.0.2");
        assert_eq!(to("ff15::1"), "IN IP6 ff15::1");
    }

    #[test]
    fn control_names_lead_back_to_their_track() {
        assert_eq!(track_of(&control(7)), Some(7));
        for name in ["", "trackID=", "trackID=256", "trackID=-1", "track0"] {
            assert_eq!(track_of(name), None);
        }
    }
}
