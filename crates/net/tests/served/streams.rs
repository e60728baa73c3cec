//! Encoded streams of two seconds, made by the `ffmpeg` program.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use valkka_core::codec::nal::{annex_b, to_annex_b};
use valkka_core::codec::{Codec, CodecParams, aac};
use valkka_core::payload::Payload;
use valkka_core::time::MediaTime;
use valkka_testkit::media;

/// One track.
#[derive(Clone)]
pub struct Stream {
    pub params: Arc<CodecParams>,
    pub units: Vec<Unit>,
    pub length: MediaTime,
}

/// One access unit.
#[derive(Clone)]
pub struct Unit {
    pub time: MediaTime,
    pub keyframe: bool,
    pub payload: Payload,
}

/// 640x360 at 25 frames per second, a key frame every second, large enough to be cut into many packets.
pub fn h264() -> Stream {
    let options = "-c:v libx264 -preset ultrafast -b:v 4M -bsf:v h264_metadata=aud=insert";
    annex_b_video(Codec::H264, "h264", options, 9, |unit| unit[0] & 0x1f)
}

pub fn h265() -> Stream {
    let options = "-c:v libx265 -preset ultrafast -x265-params log-level=error:aud=1:keyint=25:min-keyint=25";
    annex_b_video(Codec::H265, "hevc", options, 35, |unit| unit[0] >> 1 & 0x3f)
}

pub fn mjpeg() -> Stream {
    let file = made("mjpeg", &format!("{VIDEO} -pix_fmt yuvj420p -c:v mjpeg -huffman default -q:v 3"));
    let data = fs::read(file).unwrap();
    let starts =
        data.windows(3).enumerate().filter(|(_, bytes)| *bytes == [0xff, 0xd8, 0xff]).map(|(at, _)| at);
    let starts: Vec<_> = starts.chain([data.len()]).collect();
    let images: Vec<_> = starts.windows(2).map(|pair| &data[pair[0]..pair[1]]).collect();
    stream(Codec::Mjpeg.params_in(images[0]).unwrap(), &images, 90_000 / 25, 90_000)
}

pub fn aac() -> Stream {
    let data = fs::read(made("adts", &format!("{AUDIO} -ar 44100 -ac 2 -c:a aac"))).unwrap();
    let frames: Vec<_> = aac::adts(&data).map(Result::unwrap).collect();
    let config = frames[0].0.config().unwrap().write().unwrap();
    let params = aac::params(&config).unwrap();
    let payloads: Vec<_> = frames.iter().map(|(_, payload)| *payload).collect();
    stream(params, &payloads, 1024, 44_100)
}

pub fn pcmu() -> Stream {
    let data = fs::read(made("mulaw", &format!("{AUDIO} -ar 8000 -ac 1"))).unwrap();
    stream(
        CodecParams::audio(Codec::PcmMulaw, 8000, 1, Bytes::new()),
        &data.chunks(320).collect::<Vec<_>>(),
        320,
        8000,
    )
}

pub fn pcma() -> Stream {
    let data = fs::read(made("alaw", &format!("{AUDIO} -ar 8000 -ac 1"))).unwrap();
    stream(
        CodecParams::audio(Codec::PcmAlaw, 8000, 1, Bytes::new()),
        &data.chunks(320).collect::<Vec<_>>(),
        320,
        8000,
    )
}

pub fn opus() -> Stream {
    let options = format!("{AUDIO} -ar 48000 -ac 2 -c:a libopus -frame_duration 20 -page_duration 20000");
    let data = fs::read(made("opus", &options)).unwrap();
    let mut packets = Vec::new();
    let mut rest = &data[..];
    // Ogg (RFC 3533) with one packet per page, the first two of them headers.
    while rest.len() > 27 {
        let lacing = &rest[27..27 + usize::from(rest[26])];
        let start = 27 + lacing.len();
        let end = start + lacing.iter().map(|&length| usize::from(length)).sum::<usize>();
        packets.push(&rest[start..end]);
        rest = &rest[end..];
    }
    stream(CodecParams::audio(Codec::Opus, 48_000, 2, Bytes::new()), &packets[2..], 960, 48_000)
}

fn annex_b_video(codec: Codec, format: &str, options: &str, delimiter: u8, kind: fn(&[u8]) -> u8) -> Stream {
    let file = made(format, &format!("{VIDEO} -pix_fmt yuv420p -bf 0 -g 25 {options}"));
    let data = fs::read(file).unwrap();
    let units: Vec<_> = annex_b(&data).collect();
    let access_units: Vec<Vec<u8>> = units
        .chunk_by(|_, next| kind(next) != delimiter)
        .map(|units| to_annex_b(units[1..].iter().copied()))
        .collect();
    let access_units: Vec<_> = access_units.iter().map(Vec::as_slice).collect();
    stream(codec.params_in(access_units[0]).unwrap(), &access_units, 90_000 / 25, 90_000)
}

fn stream(params: CodecParams, payloads: &[&[u8]], ticks: i64, rate_hz: u32) -> Stream {
    let time = |index| MediaTime::from_rate(index * ticks, rate_hz);
    let unit = |(index, payload): (i64, &&[u8])| Unit {
        time: time(index),
        keyframe: params.codec.is_keyframe(payload),
        payload: Payload::copy_from_slice(payload),
    };
    let units: Vec<_> = (0..).zip(payloads).map(unit).collect();
    Stream { length: time(units.len() as i64), units, params: Arc::new(params) }
}

/// The file of `format` that `ffmpeg` makes with `options`.
fn made(format: &str, options: &str) -> PathBuf {
    let name = format!("served.{format}");
    let make = |path: &std::path::Path| {
        let mut command = media::ffmpeg()?;
        command.args(options.split_ascii_whitespace()).args(["-f", format]).arg(path);
        media::run(command).map(|_| ())
    };
    media::cached(&name, make).unwrap()
}

const VIDEO: &str = "-f lavfi -i testsrc2=size=640x360:rate=25 -t 2";
const AUDIO: &str = "-f lavfi -i sine=frequency=440:sample_rate=48000 -t 2";
