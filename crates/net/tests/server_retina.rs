//! `retina`, the RTSP library of a video recorder, as a viewer: it minds order, times and numbers.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod served;

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt as _;
use retina::client::{PlayOptions, Session, SessionOptions, SetupOptions, TcpTransportOptions, Transport};
use retina::codec::{CodecItem, FrameFormat};
use served::house::{CODECS, House};
use served::{Camera, streams};
use tokio::time::timeout;
use valkka_core::time::WallTime;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{media, require, wait};

#[tokio::test]
async fn pictures_arrive_whole_with_their_capture_times() {
    require!(media::available());
    let _watchdog = Watchdog::start(served::SOON * 3);
    let source = streams::h264();
    let camera = Camera::new(vec![source.clone(), streams::pcmu()]);
    // Where a track starts is known once it has begun.
    wait::until(served::SOON, "both tracks", || camera.put.load(Ordering::SeqCst) > 50);
    let url = camera.url().parse().unwrap();
    let mut session = Session::describe(url, SessionOptions::default()).await.unwrap();
    assert_eq!(session.streams().len(), 2);
    assert_eq!(session.streams()[0].framerate(), Some(25.0));
    for index in 0..2 {
        let transport = Transport::Tcp(TcpTransportOptions::default());
        let options = SetupOptions::default().transport(transport).frame_format(FrameFormat::SIMPLE);
        session.setup(index, options).await.unwrap();
    }
    // Strict: RTP-Info must tell where both tracks start.
    let mut items = session.play(PlayOptions::default()).await.unwrap().demuxed().unwrap();
    let (mut pictures, mut sounds, mut reports) = (Vec::new(), 0, Vec::new());
    while pictures.len() < 60 || sounds < 60 {
        let item = timeout(served::SOON, items.next()).await.unwrap().unwrap().unwrap();
        match item {
            CodecItem::VideoFrame(frame) => {
                assert_eq!(frame.loss(), 0);
                pictures.push((frame.timestamp(), frame.is_random_access_point(), frame.into_data()));
            }
            CodecItem::AudioFrame(frame) => {
                assert_eq!(frame.loss(), 0);
                sounds += 1;
            }
            CodecItem::Rtcp(compound) => {
                for packet in compound.pkts() {
                    if let Ok(Some(report)) = packet.as_sender_report() {
                        reports.push(WallTime::from_ntp(report.ntp_timestamp().0));
                    }
                }
            }
            _ => {}
        }
    }
    assert!(pictures[0].1, "the first picture is a key frame");
    for pair in pictures.windows(2) {
        assert_eq!(pair[1].0.elapsed() - pair[0].0.elapsed(), 3600, "25 pictures per second");
    }
    // Bit for bit what was put in, from some key frame on.
    let units: Vec<_> = source.units.iter().map(|unit| &unit.payload[..]).collect();
    let first = units.iter().position(|unit| **unit == pictures[0].2).unwrap();
    for (index, (_, _, data)) in pictures.iter().enumerate() {
        assert!(data == units[(first + index) % units.len()], "picture {index}");
    }
    let now = valkka_core::clock::SystemClock.now();
    assert!(reports.len() >= 2, "one for each track at once");
    assert!(reports.iter().all(|&report| now.saturating_since(report) < Duration::from_secs(600)));
}

#[tokio::test]
async fn every_codec_that_it_knows_is_played() {
    require!(media::available(), served::multicast::available());
    let _watchdog = Watchdog::start(served::SOON * 3);
    let house = House::new();
    let watching = CODECS.iter().map(|(codec, ..)| watch(house.url(codec), codec));
    futures::future::join_all(watching).await;
}

/// Plays one stream over TCP until 50 frames have come whole.
async fn watch(url: String, codec: &str) {
    let mut session = Session::describe(url.parse().unwrap(), SessionOptions::default()).await.unwrap();
    let transport = Transport::Tcp(TcpTransportOptions::default());
    let options = SetupOptions::default().transport(transport).frame_format(FrameFormat::SIMPLE);
    session.setup(0, options).await.unwrap();
    let items = match session.play(PlayOptions::default()).await.unwrap().demuxed() {
        Ok(items) => items,
        // It knows no Opus ("no depacketizer"), and everything else.
        Err(error) => return assert_eq!(codec, "opus", "{error}"),
    };
    let mut items = std::pin::pin!(items);
    let mut frames = 0;
    while frames < 50 {
        match timeout(served::SOON, items.next()).await.unwrap().unwrap().unwrap() {
            CodecItem::VideoFrame(frame) => assert_eq!(frame.loss(), 0, "{codec}"),
            CodecItem::AudioFrame(frame) => assert_eq!(frame.loss(), 0, "{codec}"),
            _ => continue,
        }
        frames += 1;
    }
}
