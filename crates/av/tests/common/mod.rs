//! What the tests of this crate share.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

pub(crate) mod boxes;
pub(crate) mod matroska;
pub(crate) mod probe;
pub(crate) mod receiver;
pub(crate) mod recorder;

use std::path::Path;
use std::sync::Arc;

use fastrand::Rng;
use valkka_av::{DecoderOptions, FileReader, PictureDecoder};
use valkka_core::bitmap::Bitmap;
use valkka_core::filter::Filter as _;
use valkka_core::frame::{Body, Frame, Signal};
use valkka_core::payload::Payload;
use valkka_core::stats::StreamStats;
use valkka_core::stream::Slot;
use valkka_core::time::WallTime;
use valkka_testkit::media;

/// All frames of a file.
pub(crate) fn read_all(file: &Path) -> Vec<Frame> {
    let mut reader = FileReader::open(file).unwrap();
    std::iter::from_fn(|| reader.read().unwrap()).collect()
}

/// The pictures of `frames`, up to the last.
pub(crate) fn decode(frames: &[Frame]) -> Vec<Frame> {
    decode_with(DecoderOptions::default(), frames).0
}

pub(crate) fn decode_with(options: DecoderOptions, frames: &[Frame]) -> (Vec<Frame>, Arc<StreamStats>) {
    let stats = Arc::new(StreamStats::default());
    let mut decoder = PictureDecoder::new("test", options, stats.clone());
    let mut pictures = Vec::new();
    let end = Frame::signal(Slot::default(), WallTime::default(), Signal::End);
    for frame in frames.iter().cloned().chain([end]) {
        decoder.push(frame, &mut |frame| pictures.extend(frame.bitmap().is_some().then_some(frame)));
    }
    (pictures, stats)
}

/// The samples of a picture without gaps.
pub(crate) fn packed(bitmap: &Bitmap) -> Vec<u8> {
    let mut samples = Vec::new();
    for index in 0..bitmap.format().planes() {
        let (row, rows) = bitmap.format().plane_size(index, bitmap.width(), bitmap.height());
        let plane = bitmap.plane(index);
        for y in 0..rows {
            samples.extend_from_slice(&plane.data[y * plane.stride_bytes..][..row]);
        }
    }
    samples
}

/// The pictures of `file` as the `ffmpeg` program decodes them, in YUV 4:2:0.
pub(crate) fn reference(file: &Path) -> Vec<Vec<u8>> {
    let size = {
        let reader = FileReader::open(file).unwrap();
        let params = reader.info().tracks[0].params.clone().unwrap();
        let video = *params.as_video().unwrap();
        (video.width * video.height * 3 / 2) as usize
    };
    let raw = valkka_testkit::temp::TempDir::new().unwrap();
    let path = raw.join("pictures.yuv");
    let mut command = media::ffmpeg().unwrap();
    command
        .arg("-i")
        .arg(file)
        .args(["-map", "0:v:0", "-f", "rawvideo", "-fps_mode", "passthrough"])
        .arg(&path);
    media::run(command).unwrap();
    std::fs::read(path).unwrap().chunks_exact(size).map(<[u8]>::to_vec).collect()
}

/// The same frame with some of its bytes changed, or cut short.
pub(crate) fn scramble(frame: &Frame, random: &mut Rng, round: u32) -> Frame {
    let mut frame = frame.clone();
    if let Body::Packet(packet) = &mut frame.body {
        let mut data = packet.payload.to_vec();
        for _ in 0..round {
            let at = random.usize(..data.len().max(1));
            data[at] = random.u8(..);
        }
        if random.u8(..10) == 0 {
            data.truncate(random.usize(..data.len().max(1)));
        }
        packet.payload = Payload::from_vec(data);
    }
    frame
}
