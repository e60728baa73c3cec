//! What holds of the codec parsers whatever bytes they are given. Shared by `tests/garbage.rs` and `fuzz/`.

use valkka_core::bitmap::PixelFormat;
use valkka_core::codec::{
    Codec, CodecParams, aac as aac_bytes, h264 as avc, h265 as hevc, mjpeg as jpeg, nal as units,
    opus as opus_bytes,
};
use valkka_core::frame::Fragment;

/// NAL units, both layouts.
pub(crate) fn nal(data: &[u8]) {
    let found: Vec<&[u8]> = units::annex_b(data).collect();
    for unit in &found {
        assert!(!unit.is_empty() && unit.last() != Some(&0), "an empty unit, or trailing zeros");
        assert!(!unit.windows(3).any(|bytes| bytes == [0, 0, 1]), "a start code inside a unit");
    }
    let written = units::to_annex_b(found.iter().copied());
    assert!(units::annex_b(&written).eq(found.iter().copied()), "Annex B is not read as written");
    let mut lengths = units::to_length_prefixed(found.iter().copied());
    let again: Result<Vec<&[u8]>, _> = units::length_prefixed(&lengths, 4).collect();
    assert_eq!(again.as_ref(), Ok(&found), "lengths are not read as written");
    assert_eq!(units::lengths_to_start_codes(&mut lengths), Ok(()));
    assert_eq!(lengths, written);

    for length_bytes in 0..=5 {
        let read: usize = units::length_prefixed(data, length_bytes).flatten().map(<[u8]>::len).sum();
        assert!(read <= data.len(), "more than there was");
    }
    let mut changed = data.to_vec();
    let complete = units::length_prefixed(data, 4).all(|unit| unit.is_ok());
    assert_eq!(units::lengths_to_start_codes(&mut changed).is_ok(), complete);
}

/// H.264 streams, units and records.
pub(crate) fn h264(data: &[u8]) {
    let _ = (avc::is_keyframe(data), avc::recovery_point(data), avc::first_macroblock(data));
    for unit in units::annex_b(data).chain([data]) {
        let _ = (avc::recovery_point(unit), avc::first_macroblock(unit));
        match avc::Sps::parse(unit) {
            Ok(sps) => {
                assert!((1..=1 << 17).contains(&sps.width) && (1..=1 << 17).contains(&sps.height), "{sps:?}");
                assert!((8..=14).contains(&sps.luma_bits) && (8..=14).contains(&sps.chroma_bits), "{sps:?}");
            }
            Err(error) => assert!(error.at <= error.length.max(1), "{error:?}"),
        }
    }
    let from_record = avc::AvcConfig::parse(data).is_ok();
    check_params(avc::params(data), Codec::H264, data, from_record);
    if let Some(params) = avc::params(data) {
        assert_eq!(avc::params(&params.extra).as_ref(), Some(&params), "the extra says something else");
        if let Some(record) = avc::AvcConfig::write(&params.extra) {
            let read = avc::AvcConfig::parse(&record).expect("what was written can be read");
            assert_eq!(read.parameter_sets, params.extra, "the record holds other sets");
        }
    }
}

/// H.265 streams, units and records.
pub(crate) fn h265(data: &[u8]) {
    let _ = (hevc::is_keyframe(data), hevc::is_first_slice(data));
    for unit in units::annex_b(data).chain([data]) {
        let _ = (hevc::frame_rate_of_vps(unit), hevc::is_first_slice(unit));
        match hevc::Sps::parse(unit) {
            Ok(sps) => {
                assert!((1..1 << 16).contains(&sps.width) && (1..1 << 16).contains(&sps.height), "{sps:?}");
                assert!(
                    (8..=16).contains(&sps.luma_bits) && (1..=7).contains(&sps.temporal_layers),
                    "{sps:?}"
                );
            }
            Err(error) => assert!(error.at <= error.length, "{error:?}"),
        }
    }
    let from_record = hevc::HevcConfig::parse(data).is_ok();
    check_params(hevc::params(data), Codec::H265, data, from_record);
    if let Some(params) = hevc::params(data) {
        assert_eq!(hevc::params(&params.extra).as_ref(), Some(&params), "the extra says something else");
        if let Some(record) = hevc::HevcConfig::write(&params.extra) {
            let read = hevc::HevcConfig::parse(&record).expect("what was written can be read");
            assert_eq!(read.parameter_sets, params.extra, "the record holds other sets");
        }
    }
}

/// AAC configurations and ADTS streams.
pub(crate) fn aac(data: &[u8]) {
    match aac_bytes::AudioSpecificConfig::parse(data) {
        Ok(config) => {
            assert!(config.sample_rate_hz > 0 && config.channels > 0, "{config:?}");
            assert!(config.silence().is_none_or(|silence| silence.len() < 64) && config.output_samples() > 0);
            if let Some(params) = aac_bytes::params(data) {
                check_name(&params);
            }
            if let Some(written) = config.write() {
                let read =
                    aac_bytes::AudioSpecificConfig::parse(&written).expect("what was written can be read");
                assert_eq!(
                    (read.object_type, read.sample_rate_hz, read.channels, read.sbr),
                    (config.object_type, config.sample_rate_hz, config.channels, config.sbr)
                );
            }
        }
        Err(error) => assert!(error.at <= error.length, "{error:?}"),
    }
    let mut total = 0;
    for frame in aac_bytes::adts(data) {
        let Ok((header, payload)) = frame else { break };
        assert_eq!(header.header_bytes + payload.len(), header.frame_bytes);
        total += header.frame_bytes;
        let written = aac_bytes::AdtsHeader::parse(&header.write()).expect("what was written can be read");
        assert_eq!(written.sample_rate_hz(), header.sample_rate_hz());
    }
    assert!(total <= data.len(), "more than there was");
}

/// Opus packets.
pub(crate) fn opus(data: &[u8]) {
    assert!(opus_bytes::samples(data).is_none_or(|samples| (120..=5760).contains(&samples)));
}

/// JPEG images.
pub(crate) fn mjpeg(data: &[u8]) {
    let size = jpeg::size(data);
    assert!(size.is_none_or(|(width, height)| width > 0 && height > 0));
    assert_eq!(jpeg::params(data).is_some(), size.is_some());
}

/// Boxes of fragmented MP4.
pub(crate) fn boxes(data: &[u8]) {
    let whole = Fragment { kind: *b"moof", keyframe: true, data: data.to_vec().into() };
    let found: Vec<_> = whole.boxes().collect();
    assert!(found.iter().all(|one| !one.data.is_empty()), "an empty box");
    assert!(found.iter().all(|one| !one.keyframe || one.kind == *b"moof"), "a key frame without pictures");
    assert!(found.iter().flat_map(|one| &one.data).eq(data), "not the bytes that there were");
    for one in &found {
        let again: Vec<_> = one.boxes().collect();
        assert!(again.len() == 1 && again[0].data == one.data, "a box has boxes beside it");
    }
}

fn check_params(params: Option<CodecParams>, codec: Codec, data: &[u8], from_record: bool) {
    let Some(params) = params else { return };
    assert_eq!(params.codec, codec);
    // 2-byte lengths of a record become 4-byte start codes.
    let limit = if from_record { 2 * data.len() } else { 2 * data.len() + 8 };
    assert!(params.extra.len() <= limit, "{} bytes of {}", params.extra.len(), data.len());
    let video = params.as_video().expect("it is a video codec");
    // Nothing downstream overflows on such a size.
    let (row, rows) = PixelFormat::Yuv444.plane_size(0, video.width, video.height);
    assert!(row.checked_mul(rows).is_some());
    check_name(&params);
}

/// What browsers are told stands between quotes in a header.
fn check_name(params: &CodecParams) {
    let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    assert!(params.rfc6381().is_none_or(|name| is_plain(&name) && name.len() < 64));
}
