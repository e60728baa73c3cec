//! Generated pictures are encoded so that any decoder gives them back, one packet each, with key frames as told.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

use std::sync::Arc;

use valkka_av::{EncodeError, Encoder, EncoderOptions};
use valkka_core::bitmap::{Bitmap, ColorMatrix, ColorRange, ColorSpec, PixelFormat};
use valkka_core::codec::{Codec, FrameRate};
use valkka_core::time::MediaTime;

mod common;
use common::{decode, packed};

fn options(codec: Codec) -> EncoderOptions {
    let frame_rate = FrameRate::new(25, 1).unwrap();
    EncoderOptions { codec, width: 320, height: 240, frame_rate, bitrate_bps: 1_000_000, gop: 10 }
}

/// A soft gradient that moves.
fn picture(index: u32, color: ColorSpec) -> Bitmap {
    let mut data = Vec::new();
    data.extend(
        (0..240u32).flat_map(|y| (0..320u32).map(move |x| (60 + (x + y + index * 4) / 4 % 128) as u8)),
    );
    data.extend([100; 160 * 120]);
    data.extend([150; 160 * 120]);
    Bitmap::from_packed(PixelFormat::Yuv420, 320, 240, color, data).unwrap()
}

/// Whether FFmpeg was built with an encoder for `codec`; the tests of those it lacks are skipped.
fn encoder(codec: Codec) -> Option<Encoder> {
    match Encoder::new(options(codec)) {
        Ok(encoder) => Some(encoder),
        Err(error @ EncodeError::NoEncoder { .. }) => {
            valkka_testkit::skip::report(&error.to_string());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn every_picture_comes_back() {
    let limited = ColorSpec { matrix: ColorMatrix::Bt709, range: ColorRange::Limited };
    let full = ColorSpec { matrix: ColorMatrix::Bt601, range: ColorRange::Full };
    for (codec, color) in [(Codec::H264, limited), (Codec::H265, limited), (Codec::Mjpeg, full)] {
        let Some(mut encoder) = encoder(codec) else { continue };
        let mut frames = Vec::new();
        for index in 0..30 {
            let encoded = encoder
                .encode(&picture(index, color), MediaTime::from_ticks(i64::from(index) * 3600))
                .unwrap();
            frames.extend(encoded);
        }
        frames.extend(encoder.finish().unwrap());
        assert_eq!(frames.len(), 30, "{codec}");
        for (index, frame) in frames.iter().enumerate() {
            let packet = frame.packet().unwrap();
            assert_eq!(frame.time.media.ticks(), index as i64 * 3600, "{codec}: no B frames");
            assert_eq!(packet.keyframe, codec == Codec::Mjpeg || index % 10 == 0, "{codec}, picture {index}");
            assert!(Arc::ptr_eq(&packet.params, &frames[0].packet().unwrap().params));
            if packet.keyframe {
                assert!(
                    codec.params_in(&packet.payload).is_some(),
                    "{codec}: parameter sets before key frames"
                );
            }
        }
        let video = *frames[0].packet().unwrap().params.as_video().unwrap();
        assert_eq!((video.width, video.height), (320, 240));
        let pictures = decode(&frames);
        assert_eq!(pictures.len(), 30);
        for (index, frame) in pictures.iter().enumerate() {
            let bitmap = frame.bitmap().unwrap();
            assert_eq!(bitmap.color(), color, "{codec}");
            let (got, wanted) = (packed(bitmap), packed(&picture(index as u32, color)));
            let error: u64 = got.iter().zip(&wanted).map(|(&a, &b)| u64::from(a.abs_diff(b))).sum();
            let mean = error as f64 / wanted.len() as f64;
            assert!(mean < 3.0, "{codec}, picture {index}: {mean} off");
        }
    }
}

#[test]
fn other_formats_and_ranges_are_converted() {
    let Some(mut encoder) = encoder(Codec::Mjpeg) else { return };
    // White of limited range is 235, of full range 255, which JPEG has.
    let color = ColorSpec { matrix: ColorMatrix::Bt601, range: ColorRange::Limited };
    for format in [PixelFormat::Yuv420, PixelFormat::Yuv444, PixelFormat::Gray] {
        let mut data = Vec::new();
        for plane in 0..format.planes() {
            let (row, rows) = format.plane_size(plane, 320, 240);
            data.resize(data.len() + row * rows, if plane == 0 { 235 } else { 128 });
        }
        let bitmap = Bitmap::from_packed(format, 320, 240, color, data).unwrap();
        let mut frames = encoder.encode(&bitmap, MediaTime::default()).unwrap();
        frames.extend(encoder.finish().unwrap());
        let white = decode(&frames)[0].bitmap().unwrap().plane(0).data[0];
        assert!(white >= 253, "{format:?}: {white}");
    }
}

#[test]
fn what_cannot_be_encoded_is_said() {
    let error = Encoder::new(options(Codec::Aac)).unwrap_err();
    assert_eq!(error.to_string(), "FFmpeg has no encoder for AAC (tried: )");
    let Some(mut encoder) = encoder(Codec::H264) else { return };
    let small = Bitmap::from_packed(PixelFormat::Gray, 2, 2, ColorSpec::default(), vec![0; 4]).unwrap();
    let error = encoder.encode(&small, MediaTime::default()).unwrap_err();
    assert_eq!(error.to_string(), "the encoder takes pictures of 320x240, not of 2x2");
    let error = Encoder::new(EncoderOptions { width: 0, ..options(Codec::H264) }).unwrap_err();
    assert!(error.to_string().contains("0x240"), "{error}");
}
