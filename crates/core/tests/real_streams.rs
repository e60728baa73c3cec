//! The codec parsers against streams and records that ffmpeg made (`testdata/make.sh`).

#![allow(clippy::unwrap_used, reason = "helpers of tests")]
use std::path::Path;

use valkka_core::bitmap::{ColorMatrix, ColorRange};
use valkka_core::codec::{Codec, CodecParams, FrameRate, aac, h264, h265, mjpeg, nal};

#[test]
fn h264_parameter_sets() {
    for (name, size, rate, (profile, chroma_format, bits), interlaced) in [
        ("high_1920x1080_25", (1920, 1080), (25, 1), (100, 1, 8), false),
        ("baseline_352x288_12.5", (352, 288), (25, 2), (66, 1, 8), false),
        ("crop_638x358_29.97", (638, 358), (30_000, 1001), (100, 1, 8), false),
        ("high444_641x359_24", (641, 359), (24, 1), (244, 3, 8), false),
        ("high422_640x362_50", (640, 362), (50, 1), (122, 2, 8), false),
        ("high10_640x360_60", (640, 360), (60, 1), (110, 1, 10), false),
        ("interlaced_720x576_25", (720, 576), (25, 1), (100, 1, 8), true),
        ("full_range_320x240_30", (320, 240), (30, 1), (100, 1, 8), false),
        ("slices_320x240_25", (320, 240), (25, 1), (100, 1, 8), false),
    ] {
        let stream = read(&format!("{name}.h264"));
        let params = h264::params(&stream).unwrap();
        check_video(&params, Codec::H264, size, rate, name);
        let sps = h264::Sps::parse(nal::annex_b(&params.extra).next().unwrap()).unwrap();
        assert_eq!((sps.profile, sps.chroma_format, sps.luma_bits), (profile, chroma_format, bits), "{name}");
        assert_eq!((sps.chroma_bits, sps.interlaced), (bits, interlaced), "{name}");
        // The extra alone says the same.
        assert_eq!(h264::params(&params.extra), Some(params), "{name}");
    }
}

#[test]
fn h265_parameter_sets() {
    for (name, size, rate, (profile, chroma_format, bits)) in [
        ("main_1920x1080_25", (1920, 1080), (25, 1), (1, 1, 8)),
        ("crop_638x358_29.97", (638, 358), (30_000, 1001), (1, 1, 8)),
        ("main10_1280x720_50", (1280, 720), (50, 1), (2, 1, 10)),
        ("rext422_640x362_24", (640, 362), (24, 1), (4, 2, 10)),
        ("rext444_641x359_60", (641, 359), (60, 1), (4, 3, 8)),
        ("open_gop_320x240_25", (320, 240), (25, 1), (1, 1, 8)),
        ("scaling_320x240_15", (320, 240), (15, 1), (1, 1, 8)),
    ] {
        let stream = read(&format!("{name}.h265"));
        let params = h265::params(&stream).unwrap();
        check_video(&params, Codec::H265, size, rate, name);
        let sps = nal::annex_b(&params.extra).find_map(|unit| h265::Sps::parse(unit).ok()).unwrap();
        let found = (sps.profile.profile(), sps.chroma_format, sps.luma_bits);
        assert_eq!(found, (profile, chroma_format, bits), "{name}");
        assert_eq!(sps.temporal_layers, if name.starts_with("scaling") { 2 } else { 1 }, "{name}");
        assert_eq!(h265::params(&params.extra), Some(params), "{name}");
    }
}

#[test]
fn how_far_pictures_are_reordered() {
    let kinds = ["high_1920x1080_25", "interlaced_720x576_25", "open_gop_320x240_25", "high444_641x359_24"];
    for (names, codec, reordered) in [
        (&kinds[..], Codec::H264, 2),
        (&["baseline_352x288_12.5", "refresh_320x240_25"], Codec::H264, 0),
        (&["main_1920x1080_25", "open_gop_320x240_25", "scaling_320x240_15"], Codec::H265, 2),
    ] {
        let extension = if codec == Codec::H264 { "h264" } else { "h265" };
        for name in names {
            let params = codec.params_in(&read(&format!("{name}.{extension}"))).unwrap();
            assert_eq!(params.reordered(), Some(reordered), "{name} of {codec}");
        }
    }
    assert_eq!(CodecParams::audio(Codec::Opus, 48_000, 2, bytes::Bytes::new()).reordered(), Some(0));
}

#[test]
fn colours() {
    let h264 = |name| first_sps(&read(name), |unit| h264::Sps::parse(unit).ok());
    let sps = h264("high_1920x1080_25.h264");
    assert_eq!((sps.matrix, sps.range), (Some(ColorMatrix::Bt709), Some(ColorRange::Limited)));
    let sps = h264("full_range_320x240_30.h264");
    assert_eq!((sps.matrix, sps.range), (Some(ColorMatrix::Bt601), Some(ColorRange::Full)));
    let h265 = |name| first_sps(&read(name), |unit| h265::Sps::parse(unit).ok());
    let sps = h265("main_1920x1080_25.h265");
    assert_eq!((sps.matrix, sps.range), (Some(ColorMatrix::Bt709), Some(ColorRange::Limited)));
    assert_eq!(h265("main10_1280x720_50.h265").matrix, Some(ColorMatrix::Bt2020));
}

#[test]
fn records_are_read_as_ffmpeg_means_them_and_written_as_it_writes_them() {
    for name in ["high_1920x1080_25", "baseline_352x288_12.5", "high444_641x359_24", "high10_640x360_60"] {
        let record = read(&format!("{name}.avcc"));
        let params = h264::params(&read(&format!("{name}.h264"))).unwrap();
        assert_eq!(h264::AvcConfig::parse(&record).unwrap().length_bytes, 4);
        assert_eq!(h264::params(&record).as_ref(), Some(&params), "{name}");
        assert_eq!(h264::AvcConfig::write(&params.extra), Some(record), "{name}");
    }
    for name in ["main_1920x1080_25", "main10_1280x720_50", "rext444_641x359_60", "scaling_320x240_15"] {
        let record = read(&format!("{name}.hvcc"));
        let params = h265::params(&read(&format!("{name}.h265"))).unwrap();
        assert_eq!(h265::HevcConfig::parse(&record).unwrap().length_bytes, 4);
        assert_eq!(h265::params(&record).as_ref(), Some(&params), "{name}");
        let written = h265::HevcConfig::write(&params.extra).unwrap();
        // ffmpeg also fills in the segmentation and parallelism it finds, and whether arrays are complete.
        assert_eq!(written[..13], record[..13], "{name}");
        assert_eq!(written[16..22], record[16..22], "{name}");
        assert_eq!(h265::params(&written), Some(params), "{name}");
    }
}

#[test]
fn key_frames() {
    let h264 = |name| keyframes(&h264_access_units(&read(name)), h264::is_keyframe);
    assert_eq!(h264("baseline_352x288_12.5.h264"), [0]);
    // All but the first are non-IDR pictures with a recovery point. ffprobe marks the same ones.
    assert_eq!(h264("open_gop_320x240_25.h264"), [0, 10, 20, 30]);
    assert_eq!(h264("refresh_320x240_25.h264"), [0, 10, 20, 30]);
    // Four slices make one picture.
    assert_eq!(h264_access_units(&read("slices_320x240_25.h264")).len(), 3);
    assert_eq!(h264("slices_320x240_25.h264"), [0]);

    let h265 = |name| keyframes(&h265_access_units(&read(name)), h265::is_keyframe);
    assert_eq!(h265("main_1920x1080_25.h265"), [0]);
    assert_eq!(h265("open_gop_320x240_25.h265"), [0, 10, 20, 30]);
    assert_eq!(h265("scaling_320x240_15.h265"), [0]);
}

#[test]
fn lengths_and_start_codes_there_and_back() {
    for name in ["open_gop_320x240_25.h264", "open_gop_320x240_25.h265"] {
        let stream = read(name);
        let units: Vec<_> = nal::annex_b(&stream).collect();
        let mut lengths = nal::to_length_prefixed(units.iter().copied());
        let again: Vec<_> = nal::length_prefixed(&lengths, 4).map(Result::unwrap).collect();
        assert_eq!(again, units, "{name}");
        nal::lengths_to_start_codes(&mut lengths).unwrap();
        assert_eq!(nal::annex_b(&lengths).collect::<Vec<_>>(), units, "{name}");
    }
}

#[test]
fn aac_streams() {
    for (name, rate, channels) in [
        ("48000_stereo", 48_000, 2),
        ("44100_mono", 44_100, 1),
        ("8000_mono", 8_000, 1),
        ("32000_5.1", 32_000, 6),
    ] {
        let stream = read(&format!("{name}.aac"));
        let frames: Vec<_> = aac::adts(&stream).map(Result::unwrap).collect();
        assert!(frames.len() > 1, "{name}");
        let mut again = Vec::new();
        for (header, payload) in &frames {
            let config = header.config().unwrap();
            assert_eq!((config.sample_rate_hz, config.channels, config.object_type), (rate, channels, 2));
            let params = aac::params(&config.write().unwrap()).unwrap();
            let audio = *params.as_audio().unwrap();
            assert_eq!((audio.sample_rate_hz, audio.channels), (rate, channels), "{name}");
            again.extend(aac::AdtsHeader::new(&config, payload.len()).unwrap().write());
            again.extend_from_slice(payload);
        }
        assert_eq!(again, stream, "{name}");
    }
}

#[test]
fn mjpeg_sizes() {
    assert_eq!(mjpeg::size(&read("640x480.jpg")), Some((640, 480)));
    let params = Codec::Mjpeg.params_in(&read("321x241.jpg")).unwrap();
    let video = params.as_video().unwrap();
    assert_eq!((video.width, video.height), (321, 241));
}

fn check_video(params: &CodecParams, codec: Codec, size: (u32, u32), rate: (u32, u32), name: &str) {
    let video = params.as_video().unwrap();
    assert_eq!(params.codec, codec, "{name}");
    assert_eq!((video.width, video.height), size, "{name}");
    assert_eq!(video.frame_rate, FrameRate::new(rate.0, rate.1), "{name}");
}

fn first_sps<T>(stream: &[u8], parse: impl Fn(&[u8]) -> Option<T>) -> T {
    nal::annex_b(stream).find_map(parse).unwrap()
}

fn keyframes(access_units: &[Vec<u8>], is_keyframe: impl Fn(&[u8]) -> bool) -> Vec<usize> {
    (0..access_units.len()).filter(|&index| is_keyframe(&access_units[index])).collect()
}

/// Cuts a progressive stream before the first unit that follows a slice and belongs to the next picture.
fn access_units(
    stream: &[u8],
    is_slice: impl Fn(&[u8]) -> bool,
    is_first: impl Fn(&[u8]) -> bool,
) -> Vec<Vec<u8>> {
    let mut units: Vec<Vec<&[u8]>> = Vec::new();
    let mut sliced = true;
    for unit in nal::annex_b(stream) {
        if sliced && (!is_slice(unit) || is_first(unit)) {
            units.push(Vec::new());
            sliced = false;
        }
        sliced |= is_slice(unit);
        units.last_mut().unwrap().push(unit);
    }
    units.into_iter().map(nal::to_annex_b).collect()
}

fn h264_access_units(stream: &[u8]) -> Vec<Vec<u8>> {
    let is_slice = |unit: &[u8]| h264::NalType::of(unit).unwrap().is_slice();
    access_units(stream, is_slice, |unit| h264::first_macroblock(unit) == Some(0))
}

fn h265_access_units(stream: &[u8]) -> Vec<Vec<u8>> {
    let is_slice = |unit: &[u8]| h265::NalType::of(unit).unwrap().is_slice();
    access_units(stream, is_slice, |unit| h265::is_first_slice(unit) == Some(true))
}

fn read(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
