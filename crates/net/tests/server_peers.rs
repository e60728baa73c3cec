//! Other people's programs as viewers of every codec over every transport.

mod served;

use served::house::all_play;
use served::{Camera, SOON, Said, multicast, run, streams};
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{media, process, require};

/// About one round through the stream: several groups of pictures.
const FRAMES: u32 = 50;

#[test]
fn ffmpeg() {
    require!(media::available(), multicast::available());
    let _watchdog = Watchdog::start(SOON * 4);
    all_play(&["tcp", "udp", "udp_multicast"], |url, _, kind, transport| {
        let (frames, warnings) = served::ffmpeg(url, transport, kind, FRAMES);
        let played = frames == FRAMES && warnings.is_empty();
        played.then_some(()).ok_or_else(|| format!("{frames} frames, {warnings}"))
    });
}

#[test]
fn ffprobe() {
    require!(media::available(), multicast::available());
    let _watchdog = Watchdog::start(SOON * 4);
    all_play(&["tcp", "udp", "udp_multicast"], |url, codec, _, transport| {
        let Said { success, output } = run(
            "ffprobe",
            &format!(
                "-v error -rtsp_transport {transport} -read_intervals %+#{FRAMES} \
                 -show_entries packet=size:stream=codec_name -of csv {url}"
            ),
        );
        let name = match codec {
            "h265" => "hevc",
            "pcmu" => "pcm_mulaw",
            "pcma" => "pcm_alaw",
            same => same,
        };
        let packets = output.lines().filter(|line| line.starts_with("packet,")).count();
        // Nothing else is said: no complaints.
        let lines = output.lines().filter(|line| !line.is_empty()).count();
        let understood = success && output.contains(&format!("stream,{name}")) && lines == packets + 1;
        (understood && packets >= FRAMES as usize).then_some(()).ok_or(output)
    });
}

#[test]
fn gstreamer() {
    require!(media::available(), process::available("gst-launch-1.0"), multicast::available());
    let _watchdog = Watchdog::start(SOON * 4);
    all_play(&["tcp", "udp", "udp-mcast"], |url, codec, _, transport| {
        // A parser says what it does not understand; the depayloader of JPEG makes whole images.
        let elements = match codec {
            "h264" => "rtph264depay ! h264parse",
            "h265" => "rtph265depay ! h265parse",
            "mjpeg" => "rtpjpegdepay ! jpegparse",
            "aac" => "rtpmp4gdepay ! aacparse",
            "pcmu" => "rtppcmudepay ! mulawdec",
            "pcma" => "rtppcmadepay ! alawdec",
            _ => "rtpopusdepay ! opusparse",
        };
        let Said { output, .. } = run(
            "gst-launch-1.0",
            &format!(
                "-v rtspsrc location={url} protocols={transport} latency=200 ! {elements} \
                 ! identity eos-after={FRAMES} silent=true ! fakesink"
            ),
        );
        // Not its exit status: on its way out `rtspsrc` may close the connection before its own last request.
        let played = output.contains("Got EOS") && !output.contains("WARNING");
        played.then_some(()).ok_or(output)
    });
}

#[test]
fn video_and_audio_come_together() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let camera = Camera::new(vec![streams::h264(), streams::aac()]);
    for transport in ["tcp", "udp"] {
        for kind in ['v', 'a'] {
            let (frames, warnings) = served::ffmpeg(&camera.url(), transport, kind, FRAMES);
            assert_eq!((frames, warnings.as_str()), (FRAMES, ""), "{kind} over {transport}");
        }
    }
}
