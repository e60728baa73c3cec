//! RTSP over TCP from a server that nobody here wrote.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::time::Duration;

use common::{Receiving, SOON, receive, receive_with, request, video};
use valkka_core::codec::{Codec, MediaParams};
use valkka_core::source::SourceError;
use valkka_core::time::MediaTime;
use valkka_net::{Reconnect, RtspOpener};
use valkka_testkit::fake::Nobody;
use valkka_testkit::gst::{Launch, RtspServer};
use valkka_testkit::{gst, require, wait, watchdog::Watchdog};

fn serve(launch: Launch) -> (RtspServer, Receiving) {
    let server = RtspServer::with_mount("/cam", launch).unwrap();
    let receiving = receive(&server.url("/cam"));
    (server, receiving)
}

#[test]
fn h264_comes_as_annex_b_with_its_parameters() {
    require!(gst::available());
    let _watchdog = Watchdog::start(SOON * 2);
    let (_server, receiving) = serve(Launch::h264_bars(640, 360));
    receiving.wait_frames(60);

    let info = receiving.info();
    assert_eq!((info.transport.as_str(), info.tracks.len()), ("tcp", 1));
    assert_eq!((info.tracks[0].medium.as_str(), info.tracks[0].encoding.as_str()), ("video", "H264"));

    let packets = receiving.recorder.of(Codec::H264);
    let keys: Vec<_> = packets.iter().filter(|packet| packet.keyframe).collect();
    assert!(keys.len() >= 2, "{} key frames", keys.len());
    for key in keys {
        assert_eq!(video(key), (640, 360, Some(25.0)));
        // Parameter sets first, each after a 4-byte start code.
        assert_eq!(key.payload[..4], [0, 0, 0, 1]);
        assert_eq!(key.payload[4] & 0x1f, 7);
        assert_eq!(key.params.extra[..5], key.payload[..5]);
    }
    assert!(packets.iter().all(|packet| packet.payload.starts_with(&[0, 0, 0, 1]) && packet.lost == 0));
    // One and the same parameters, for they did not change.
    let last = &packets[packets.len() - 1].params;
    assert!(packets.iter().skip(1).all(|packet| std::sync::Arc::ptr_eq(&packet.params, last)));
}

#[test]
fn times_are_unwrapped_and_capture_comes_from_sender_reports() {
    require!(gst::available());
    let _watchdog = Watchdog::start(SOON * 2);
    let (_server, receiving) = serve(Launch::h264_bars(320, 180));
    // GStreamer sends its first report with the first packets, and then every few seconds.
    wait::until(SOON, "a capture time", || {
        receiving.recorder.frames().iter().any(|frame| frame.time.capture.is_some())
    });
    let frames: Vec<_> = receiving.recorder.frames().into_iter().filter(|f| f.packet().is_some()).collect();
    for pair in frames.windows(2) {
        let step = pair[1].time.media.micros_since(pair[0].time.media);
        assert!((1..=200_000).contains(&step), "{step} µs from frame to frame");
        assert!(pair[1].time.arrival >= pair[0].time.arrival);
    }
    assert!(frames[0].time.media < MediaTime::from_ticks(90_000 * 60), "media time starts with the stream");
    let with_capture = frames.iter().find(|frame| frame.time.capture.is_some()).unwrap();
    let capture = with_capture.time.capture.unwrap();
    assert_eq!(with_capture.time.wall, capture);
    // Same machine, same clock.
    let age = with_capture.time.arrival.micros_since(capture);
    assert!((-1_000_000..30_000_000).contains(&age), "captured {age} µs before it arrived");
}

#[test]
fn h265() {
    require!(gst::available());
    let _watchdog = Watchdog::start(SOON * 2);
    let (_server, receiving) = serve(Launch::h265_bars(320, 180));
    receiving.wait_frames(60);
    let packets = receiving.recorder.of(Codec::H265);
    let key = packets.iter().find(|packet| packet.keyframe).unwrap();
    assert_eq!(video(key).0, 320);
    assert_eq!(video(key).1, 180);
    assert_eq!(key.payload[..4], [0, 0, 0, 1]);
    assert_eq!(key.payload[4] >> 1, 32, "a key frame starts with the video parameter set");
    // This encoder's groups are open: after the first, there are clean random access pictures only.
    assert!(packets.iter().filter(|packet| packet.keyframe).count() >= 2);
}

#[test]
fn mjpeg_is_all_key_frames() {
    require!(gst::available());
    let _watchdog = Watchdog::start(SOON * 2);
    let (_server, receiving) = serve(Launch::mjpeg_bars(320, 180));
    receiving.wait_frames(10);
    let packets = receiving.recorder.of(Codec::Mjpeg);
    assert!(packets.iter().all(|packet| packet.keyframe && packet.payload.starts_with(&[0xff, 0xd8])));
    // The payload format counts in blocks of 8 (RFC 2435, section 3.1.5).
    let (width, height, _) = video(&packets[1]);
    assert_eq!((width, height), (320, 184));
}

#[test]
fn aac_comes_raw_with_its_configuration() {
    require!(gst::available());
    let _watchdog = Watchdog::start(SOON * 2);
    let (_server, receiving) = serve(Launch::h264_bars(320, 180).and_aac());
    wait::until(SOON, "both tracks", || {
        receiving.recorder.of(Codec::Aac).len() > 20 && receiving.recorder.of(Codec::H264).len() > 20
    });
    let packet = &receiving.recorder.of(Codec::Aac)[0];
    let MediaParams::Audio(audio) = packet.params.media else { panic!("{:?}", packet.params) };
    assert_eq!((audio.sample_rate_hz, audio.channels), (48_000, 1));
    assert_eq!(packet.params.extra.len(), 2, "an AudioSpecificConfig of AAC-LC");
    assert_eq!(packet.params.extra[0] >> 3, 2, "audio object type 2 is AAC-LC");
    assert_ne!(packet.payload[..2], [0xff, 0xf1], "no ADTS header");
    assert!(packet.keyframe);
    // Only pictures are counted as frames, each just before it is handed on.
    let received = receiving.stats.received.get();
    let video = receiving.recorder.of(Codec::H264).len() as u64;
    assert!(received <= video + 1, "{received} of {video}");
}

#[test]
fn g711_in_both_laws() {
    require!(gst::available());
    let _watchdog = Watchdog::start(SOON * 3);
    for (launch, codec) in [
        (Launch::h264_bars(320, 180).and_pcmu(), Codec::PcmMulaw),
        (Launch::h264_bars(320, 180).and_pcma(), Codec::PcmAlaw),
    ] {
        let (_server, receiving) = serve(launch);
        wait::until(SOON, codec.name(), || receiving.recorder.of(codec).len() > 5);
        let packet = &receiving.recorder.of(codec)[0];
        let MediaParams::Audio(audio) = packet.params.media else { panic!("{:?}", packet.params) };
        assert_eq!((audio.sample_rate_hz, audio.channels), (8000, 1));
    }
}

#[test]
fn what_is_not_received_is_listed_with_the_reason() {
    require!(gst::available());
    let _watchdog = Watchdog::start(SOON * 2);
    let server = RtspServer::builder()
        .mount("/opus", Launch::h264_bars(320, 180).and_opus())
        .mount("/aac", Launch::h264_bars(320, 180).and_aac())
        .spawn()
        .unwrap();
    // GStreamer's server, once in some hundred times, answers PLAY for one of two tracks and then sends nothing.
    let again = Reconnect::default();
    let opener = std::sync::Arc::new(RtspOpener);
    let receiving = receive_with(request(&server.url("/opus")), again, opener.clone());
    receiving.wait_frames(5);
    let info = receiving.info();
    assert_eq!(info.tracks[1].skipped.as_deref(), Some("OPUS is not received over TCP"));

    let mut request = request(&server.url("/aac"));
    request.options.audio = false;
    let receiving = receive_with(request, again, opener);
    receiving.wait_frames(5);
    assert_eq!(receiving.info().tracks[1].skipped.as_deref(), Some("audio was not asked for"));
    assert!(receiving.recorder.of(Codec::Aac).is_empty());
}

#[test]
fn credentials_are_given_when_asked_for_and_never_shown() {
    require!(gst::available());
    let _watchdog = Watchdog::start(SOON * 4);
    for builder in
        [RtspServer::builder().digest("viewer", "s3cret"), RtspServer::builder().basic("viewer", "s3cret")]
    {
        let server = builder.mount("/cam", Launch::h264_bars(320, 180)).spawn().unwrap();
        receive(&server.url_with("viewer", "s3cret", "/cam")).wait_frames(5);
        for (url, said) in [
            (server.url_with("viewer", "wrong-word", "/cam"), "refused our credentials"),
            (server.url("/cam"), "wants a user name and a password"),
        ] {
            let receiving = receive(&url);
            let reason = receiving.failure();
            assert_eq!(reason, format!("127.0.0.1:{} {said}", server.port()));
            let error = receiving.stream.last_error().unwrap();
            assert!(matches!(*error, SourceError::Unauthorized { .. }));
            let shown =
                format!("{error:?} {error} {:?} {:?}", receiving.stream, receiving.recorder.signals());
            assert!(!shown.contains("s3cret") && !shown.contains("wrong-word"), "{shown}");
        }
    }
}

#[test]
fn what_is_not_there_is_named() {
    require!(gst::available());
    let _watchdog = Watchdog::start(SOON * 2);
    let server = RtspServer::with_mount("/cam", Launch::h264_bars(320, 180)).unwrap();
    let reason = receive(&server.url("/other")).failure();
    assert_eq!(reason, format!("127.0.0.1:{} answered DESCRIBE with 404 Not Found", server.port()));
    let nobody = Nobody::new().unwrap();
    let reason = receive(&nobody.url()).failure();
    assert!(
        reason.starts_with(&format!("cannot connect to {}: Connection refused", nobody.address())),
        "{reason}"
    );
    let reason = receive("rtsp://no-such-host.invalid/cam").failure();
    assert_eq!(reason, "no such host: no-such-host.invalid");
}

#[test]
fn a_new_picture_size_is_a_new_arc() {
    require!(gst::available());
    let _watchdog = Watchdog::start(SOON * 2);
    let (mut server, receiving) = serve(Launch::h264_bars(320, 180));
    receiving.wait_frames(30);
    server.resize("/cam", 640, 360).unwrap();
    wait::until(SOON, "the new size", || {
        receiving.recorder.of(Codec::H264).last().is_some_and(|packet| video(packet).0 == 640)
    });
    let packets = receiving.recorder.of(Codec::H264);
    let changed = packets.iter().position(|packet| video(packet).0 == 640).unwrap();
    assert!(packets[changed].keyframe, "the size changes with a key frame");
}

#[test]
fn a_frozen_server_is_noticed() {
    require!(gst::available());
    let _watchdog = Watchdog::start(SOON * 2);
    let mut server = RtspServer::with_mount("/cam", Launch::h264_bars(320, 180)).unwrap();
    let mut request = request(&server.url("/cam"));
    request.options.silence_timeout = Duration::from_millis(1500);
    // A busy machine may hold the server up for as long before: then it is found again.
    let receiving = receive_with(request, Reconnect::default(), std::sync::Arc::new(RtspOpener));
    receiving.wait_frames(5);
    server.process().freeze().unwrap();
    let silent = format!("offline: 127.0.0.1:{} sent nothing for 1.5 s", server.port());
    wait::until(SOON, &silent, || receiving.recorder.signals().last() == Some(&silent));
}
