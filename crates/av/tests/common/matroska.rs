//! Matroska files as the C++ libValkka records them, written by hand: no muxer of today makes such.

use valkka_core::codec::nal::{self, START_CODE};
use valkka_core::frame::Frame;

/// A file with the H.264 packets in `frames`: each NAL unit is a block of its own, with its start code, SPS are marked as
/// key frames, nothing tells the codec's parameters, and the size of pictures is wrong.
pub(crate) fn nal_unit_per_block(frames: &[Frame]) -> Vec<u8> {
    let head = element(
        0x1A45_DFA3,
        &[element(0x4282, b"matroska"), element(0x4287, &[2]), element(0x4285, &[2])].concat(),
    );
    let info = element(0x1549_A966, &element(0x2A_D7B1, &1_000_000_u32.to_be_bytes()));
    let video = element(
        0xE0,
        &[element(0xB0, &1280_u16.to_be_bytes()), element(0xBA, &720_u16.to_be_bytes())].concat(),
    );
    let entry = [
        element(0xD7, &[1]),
        element(0x73C5, &[1]),
        element(0x83, &[1]),
        element(0x86, b"V_MPEG4/ISO/AVC"),
        video,
    ];
    let tracks = element(0x1654_AE6B, &element(0xAE, &entry.concat()));
    let clusters: Vec<_> = frames.chunks(25).map(cluster).collect();
    // Of unknown length, as in a file that is still being written.
    let segment = [&id(0x1853_8067)[..], &[0x01, 255, 255, 255, 255, 255, 255, 255]].concat();
    [head, segment, info, tracks, clusters.concat()].concat()
}

fn cluster(frames: &[Frame]) -> Vec<u8> {
    let ms = |frame: &Frame| frame.time.media.ticks() / 90;
    let start = ms(&frames[0]);
    let mut blocks = vec![element(0xE7, &start.to_be_bytes())];
    for frame in frames {
        for unit in nal::annex_b(&frame.packet().unwrap().payload) {
            const SPS: u8 = 7;
            let after = i16::try_from(ms(frame) - start).unwrap().to_be_bytes();
            let flags = if unit[0] & 0x1f == SPS { 0x80 } else { 0 };
            blocks.push(element(0xA3, &[&[0x81][..], &after, &[flags], &START_CODE, unit].concat()));
        }
    }
    element(0x1F43_B675, &blocks.concat())
}

fn element(number: u32, content: &[u8]) -> Vec<u8> {
    let length = (1_u64 << 56 | content.len() as u64).to_be_bytes();
    [&id(number)[..], &length, content].concat()
}

fn id(number: u32) -> Vec<u8> {
    number.to_be_bytes().into_iter().skip_while(|&byte| byte == 0).collect()
}
