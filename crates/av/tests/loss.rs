//! Lost and reordered packets: counted, and never seen.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

use std::cell::Cell;
use std::time::Duration;

use valkka_av::{Damaged, DecoderOptions};
use valkka_core::frame::{Body, Frame, Packet};
use valkka_core::source::SourceOptions;
use valkka_testkit::gst::{self, Launch, RtspServer};
use valkka_testkit::lossy::{Counts, Impairment, Proxy};
use valkka_testkit::media::{self, Clip, Codec};
use valkka_testkit::require;
use valkka_testkit::watchdog::Watchdog;

mod common;
use common::receiver::{Receiving, patient};
use common::{decode_with, packed, read_all, reference};

const LIMIT: Duration = Duration::from_secs(240);

fn is_keyframe(frame: &Frame) -> bool {
    frame.packet().is_some_and(|packet| packet.keyframe)
}

fn edit(frame: &mut Frame, change: impl FnOnce(&mut Packet)) {
    if let Body::Packet(packet) = &mut frame.body {
        change(packet);
    }
}

/// A clip whose pictures all differ, with three GOPs.
fn clip(codec: Codec, b_frames: u32) -> Clip {
    Clip { codec, b_frames, width: 320, height: 240, seconds: 3, ..Clip::default() }
}

#[test]
fn after_a_told_loss_every_picture_is_whole() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    for (codec, b_frames) in [(Codec::H264, 0), (Codec::H264, 2), (Codec::H265, 0), (Codec::H265, 2)] {
        let file = clip(codec, b_frames).file().unwrap();
        let wanted = reference(&file);
        let all = read_all(&file);
        for victim in [1, 7, 24, 25, 26, 40, 60] {
            let mut frames = all.clone();
            frames.remove(victim);
            edit(&mut frames[victim], |packet| packet.lost = 1);
            let (pictures, stats) = decode_with(DecoderOptions::default(), &frames);
            assert!(pictures.len() >= 25, "{codec} {b_frames}, without {victim}: {}", pictures.len());
            assert!(stats.damaged.get() > 0);
            for picture in &pictures {
                assert!(
                    wanted.contains(&packed(picture.bitmap().unwrap())),
                    "{codec} {b_frames}, without {victim}: damage is shown at {:?}",
                    picture.time.media
                );
            }
        }
    }
}

#[test]
fn a_loss_that_nobody_tells_is_noticed_by_the_decoder() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    for codec in [Codec::H264, Codec::H265] {
        let file = clip(codec, 0).file().unwrap();
        let wanted = reference(&file);
        let all = read_all(&file);
        for victim in (1..70).step_by(3) {
            let mut frames = all.clone();
            frames.remove(victim);
            let (pictures, _) = decode_with(DecoderOptions::default(), &frames);
            for picture in &pictures {
                assert!(
                    wanted.contains(&packed(picture.bitmap().unwrap())),
                    "{codec}, without {victim}: damage is shown at {:?}",
                    picture.time.media
                );
            }
        }
    }
}

#[test]
fn access_units_with_holes_are_noticed_when_they_are_told() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let mut random = fastrand::Rng::with_seed(3);
    for codec in [Codec::H264, Codec::H265] {
        let file = clip(codec, 0).file().unwrap();
        let wanted = reference(&file);
        let mut frames = read_all(&file);
        // As if one RTP packet in twenty were lost.
        for frame in &mut frames {
            edit(frame, |packet| {
                let mut data = Vec::new();
                for chunk in packet.payload.chunks(1400) {
                    if random.u8(..20) == 0 {
                        packet.lost += 1;
                    } else {
                        data.extend_from_slice(chunk);
                    }
                }
                packet.payload = valkka_core::payload::Payload::from_vec(data);
            });
        }
        let (pictures, _) = decode_with(DecoderOptions::default(), &frames);
        assert!(
            pictures.iter().all(|picture| wanted.contains(&packed(picture.bitmap().unwrap()))),
            "{codec}"
        );
        let options = DecoderOptions { damaged: Damaged::Show, ..DecoderOptions::default() };
        let (shown, stats) = decode_with(options, &frames);
        assert!(shown.len() > pictures.len() && stats.damaged.get() > 0, "{codec}: {} shown", shown.len());
    }
}

#[test]
fn five_percent_lost_on_udp_is_counted_and_never_seen() {
    require!(gst::available(), media::available());
    let _watchdog = Watchdog::start(LIMIT);
    for codec in [Codec::H264, Codec::H265] {
        // Large enough for access units of many RTP packets.
        let clip = Clip { codec, seconds: 4, gop: 10, bitrate_bps: 2_000_000, ..Clip::default() };
        let file = clip.file().unwrap();
        let server = RtspServer::with_mount("/1", Launch::file(&file).unwrap()).unwrap();
        let impairment = Impairment {
            lost: 0.02,
            late: 0.03,
            late_by: Duration::from_millis(15),
            seed: 5,
            ..Impairment::default()
        };
        let proxy = Proxy::spawn(([127, 0, 0, 1], server.port()).into(), impairment).unwrap();
        // A machine that is busy may hold a thread up for long.
        let options = SourceOptions { reordering: Duration::from_secs(1), ..patient() };
        let counts = Cell::new(Counts::default());
        let (frames, lost) = Receiving::take_whole(
            350,
            || {
                counts.set(proxy.counts());
                Receiving::start(&proxy.url("/1"), options.clone())
            },
            || {
                let (before, now) = (counts.get(), proxy.counts());
                counts.set(Counts { late: now.late - before.late, lost: now.lost - before.lost, ..now });
                counts.get().lost
            },
        );
        let counts = counts.get();
        assert!(counts.late > 0, "{counts:?}");
        // The last ones may still wait to be put in order.
        assert!(lost <= counts.lost && lost * 10 >= counts.lost * 8, "{codec}: {lost} of {counts:?}");
        let wanted = reference(&file);
        let (pictures, stats) = decode_with(DecoderOptions::default(), &frames);
        assert!(!pictures.is_empty());
        for picture in &pictures {
            assert!(wanted.contains(&packed(picture.bitmap().unwrap())), "{codec}: damage is shown");
        }
        println!(
            "{codec}: {} of {} shown, {} damaged, {lost} lost",
            pictures.len(),
            frames.len(),
            stats.damaged.get()
        );
    }
}

#[test]
fn reordering_alone_loses_nothing() {
    require!(gst::available(), media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let file = Clip { seconds: 4, bitrate_bps: 2_000_000, ..Clip::default() }.file().unwrap();
    let server = RtspServer::with_mount("/1", Launch::file(&file).unwrap()).unwrap();
    let impairment =
        Impairment { late: 0.1, late_by: Duration::from_millis(10), seed: 9, ..Impairment::default() };
    let proxy = Proxy::spawn(([127, 0, 0, 1], server.port()).into(), impairment).unwrap();
    // A machine that is busy may hold a thread up for long.
    let options = SourceOptions { reordering: Duration::from_secs(2), ..patient() };
    let start = || Receiving::start(&proxy.url("/1"), options.clone());
    let (frames, lost) = Receiving::take_whole(100, start, || 0);
    assert!(proxy.counts().late > 0);
    assert_eq!(lost, 0);
    let first = frames.iter().position(is_keyframe).unwrap();
    let (pictures, _) = decode_with(DecoderOptions::default(), &frames);
    assert_eq!(pictures.len(), frames.len() - first);
    let wanted = reference(&file);
    assert!(pictures.iter().all(|picture| wanted.contains(&packed(picture.bitmap().unwrap()))));
}

#[test]
fn a_damaged_stream_can_be_shown_on_request() {
    require!(media::available());
    let mut frames = read_all(&clip(Codec::H264, 0).file().unwrap());
    frames.remove(5);
    edit(&mut frames[5], |packet| packet.lost = 3);
    let options = DecoderOptions { damaged: Damaged::Show, ..DecoderOptions::default() };
    let (pictures, stats) = decode_with(options, &frames);
    assert_eq!(pictures.len(), 74);
    let marked = pictures.iter().filter(|frame| frame.bitmap().unwrap().is_damaged()).count();
    assert!(marked > 0 && stats.damaged.get() == marked as u64, "{marked} {stats:?}");
}
