//! The `ffmpeg` program as a viewer of every codec over every transport.

mod served;

use served::{Camera, Stream, ffmpeg, streams};
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{media, require};

/// More than one round through the stream.
const FRAMES: u32 = 60;

fn plays(track: fn() -> Stream, transport: &str) {
    require!(media::available());
    let _watchdog = Watchdog::start(served::SOON * 3);
    let track = track();
    let kind = if track.params.codec.is_video() { 'v' } else { 'a' };
    let camera = Camera::new(vec![track]);
    let (frames, warnings) = ffmpeg(&camera.url(), transport, kind, FRAMES);
    assert_eq!((frames, warnings.as_str()), (FRAMES, ""));
}

macro_rules! codec {
    ($codec:ident) => {
        mod $codec {
            use super::*;

            #[test]
            fn over_tcp() {
                plays(streams::$codec, "tcp");
            }

            #[test]
            fn over_udp() {
                plays(streams::$codec, "udp");
            }
        }
    };
}

codec!(h264);
codec!(h265);
codec!(mjpeg);
codec!(aac);
codec!(pcmu);
codec!(pcma);
codec!(opus);

#[test]
fn video_and_audio_together() {
    require!(media::available());
    let _watchdog = Watchdog::start(served::SOON * 3);
    let camera = Camera::new(vec![streams::h264(), streams::aac()]);
    for transport in ["tcp", "udp"] {
        for kind in ['v', 'a'] {
            let (frames, warnings) = ffmpeg(&camera.url(), transport, kind, FRAMES);
            assert_eq!((frames, warnings.as_str()), (FRAMES, ""), "{kind} over {transport}");
        }
    }
}
