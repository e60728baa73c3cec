//! GStreamer's `rtspsrc` as a viewer.

mod served;

use served::{Camera, Stream, streams};
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{media, process, require};

/// Has `gst-launch-1.0` receive 60 buffers by way of `elements`, and returns what it said.
fn plays(track: fn() -> Stream, protocols: &str, elements: &str) {
    require!(media::available(), process::available("gst-launch-1.0"));
    let _watchdog = Watchdog::start(served::SOON * 3);
    let camera = Camera::new(vec![track()]);
    let pipeline = format!(
        "-v rtspsrc location={} protocols={protocols} latency=200 ! {elements} \
         ! identity eos-after=60 silent=true ! fakesink",
        camera.url()
    );
    let said = served::run("gst-launch-1.0", &pipeline);
    // Not its exit status: now and then rtspsrc closes its connection before it sends PAUSE by it at the end, and calls
    // that an error.
    assert!(said.output.contains("Got EOS"), "{}", said.output);
    assert!(!said.output.contains("WARNING"), "{}", said.output);
}

macro_rules! codec {
    ($codec:ident, $elements:literal) => {
        mod $codec {
            use super::*;

            #[test]
            fn over_tcp() {
                plays(streams::$codec, "tcp", $elements);
            }

            #[test]
            fn over_udp() {
                plays(streams::$codec, "udp", $elements);
            }
        }
    };
}

// A parser says what it does not understand; the depayloader of JPEG makes whole images.
codec!(h264, "rtph264depay ! h264parse");
codec!(h265, "rtph265depay ! h265parse");
codec!(mjpeg, "rtpjpegdepay ! jpegparse");
codec!(aac, "rtpmp4gdepay ! aacparse");
codec!(pcmu, "rtppcmudepay ! mulawdec");
codec!(opus, "rtpopusdepay ! opusparse");
