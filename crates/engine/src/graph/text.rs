//! Frames as text, in the words that users of the C++ libValkka know and programs search for.

use std::fmt::{self, Display, Write as _};

use valkka_core::bitmap::{Bitmap, ColorRange, PixelFormat};
use valkka_core::codec::{Codec, h264};
use valkka_core::frame::Frame;
use valkka_core::stream::{Slot, Track};
use valkka_core::time::WallTime;

use super::basic::{BasicFrame, Content, Marker, State, Unit, basic_frames};

/// A whole frame in one line: that of the first of its pieces, or a plain one if it has none. It is for messages about a
/// frame.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a>(pub &'a Frame);

impl Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(frame) = self;
        match basic_frames(frame).first() {
            Some(first) => first.fmt(f),
            None => write!(
                f,
                "{}>",
                Head { kind: "", slot: frame.slot, track: frame.track, time: frame.time.wall }
            ),
        }
    }
}

/// What the filter `name` that shows frames in full says of `frame` at `now`: five lines for each piece, without a line
/// feed at the end. Nothing of a frame without pieces.
pub fn info(name: &str, frame: &Frame, now: WallTime) -> String {
    each(frame, |text, piece| {
        let (payload, late) = (Payload(&piece.content), delay(piece, now));
        writeln!(text, "InfoFrameFilter: {name} start dump>> ")?;
        writeln!(text, "InfoFrameFilter: FRAME   : {piece}")?;
        writeln!(text, "InfoFrameFilter: PAYLOAD : [{payload}]")?;
        writeln!(text, "InfoFrameFilter: timediff: {late}")?;
        write!(text, "InfoFrameFilter: {name} <<end dump   ")
    })
}

/// What the filter `name` that shows frames in brief says of `frame` at `now`: a line for each piece.
pub fn brief(name: &str, frame: &Frame, now: WallTime) -> String {
    each(frame, |text, piece| {
        let late = delay(piece, now);
        write!(text, "BriefInfoFrameFilter : {name} : {piece} dT={late}")
    })
}

/// What the filter `name` that says that there is a frame says of `frame`: a line for each piece.
pub fn dummy(name: &str, frame: &Frame) -> String {
    each(frame, |text, piece| write!(text, "DummyFrameFilter : {name} : got frame : {piece}"))
}

/// What a recorded frame of the stream `id` is: a line for each piece, in which ` * ` marks what playing can begin with,
/// and its first bytes.
pub fn recorded(id: u64, frame: &Frame) -> String {
    each(frame, |text, piece| {
        let seekable = match &piece.content {
            Content::Unit(unit) if unit.codec == Codec::H264 => unit.nal_type() == Some(h264::NalType::SPS.0),
            _ => true,
        };
        let mark = if seekable { " * " } else { "" };
        write!(text, "[{id}] {piece}{mark}    {}", Payload(&piece.content))
    })
}

impl Display for BasicFrame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.content {
            Content::Unit(_) => "Basic",
            Content::Setup { .. } | Content::State(_) => "Setup",
            Content::Bitmap(bitmap) if bitmap.format() == PixelFormat::Rgb24 => "AVRGB",
            Content::Bitmap(_) => "AVBitmap",
            Content::Box(_) => "Mux",
            Content::Marker(_) => "Marker",
        };
        let Self { slot, track, time, .. } = *self;
        Head { kind, slot, track, time }.fmt(f)?;
        match &self.content {
            Content::Unit(unit) => write!(f, " / payload size={} / {}", unit.size(), Tail(*unit))?,
            Content::Setup { video, codec } => {
                let (medium, codec) = (i32::from(!video), codec.map_or(0, codec_number));
                write!(f, " / media_type={medium} codec_id={codec}")?;
            }
            Content::State(state) => write!(f, " / stream_state={}", state_number(*state))?,
            Content::Bitmap(bitmap) => {
                let (w, h, format) = (bitmap.width(), bitmap.height(), format_number(bitmap));
                let stride = |plane| {
                    if plane < bitmap.format().planes() { bitmap.plane(plane).stride_bytes } else { 0 }
                };
                let [y, u, v] = [0, 1, 2].map(stride);
                write!(f, " / h={h}; w={w}; l=({y},{u},{v}); f={format}")?;
            }
            Content::Box(fragment) => write!(f, " / fragment size={}", fragment.data.len())?,
            Content::Marker(Marker::TransmissionStart) => f.write_str(" / TM_START ")?,
            Content::Marker(Marker::TransmissionEnd) => f.write_str(" / TM_END ")?,
        }
        f.write_str(">")
    }
}

/// What the line of any piece begins with.
struct Head<'a> {
    kind: &'a str,
    slot: Slot,
    track: Track,
    time: WallTime,
}

impl Display for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, slot, track, time } = self;
        write!(f, "<{kind}Frame: timestamp={} subsession_index={track} slot={slot}", time.millis())
    }
}

/// The end of the line of a unit.
struct Tail<'a>(Unit<'a>);

impl Display for Tail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.codec {
            Codec::H264 => write!(f, "H264: slice_type={}", self.0.nal_type().unwrap_or(0)),
            Codec::PcmMulaw => f.write_str("PCMU: "),
            _ => Ok(()),
        }
    }
}

/// The first bytes of a piece, in decimal.
struct Payload<'a>(&'a Content<'a>);

impl Display for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Content::Unit(unit) => write_bytes(f, unit.start_code.iter().chain(unit.data).take(MAX_BYTES)),
            Content::Box(fragment) => write_bytes(f, fragment.data.iter().take(MAX_BYTES)),
            Content::Bitmap(bitmap) => {
                for plane in 0..bitmap.format().planes() {
                    let (row, _) = bitmap.format().plane_size(plane, bitmap.width(), bitmap.height());
                    f.write_str(if plane > 0 { " | " } else { "" })?;
                    write_bytes(f, bitmap.plane(plane).data.iter().take(row.min(MAX_PLANE_BYTES)))?;
                }
                Ok(())
            }
            Content::Setup { .. } | Content::State(_) | Content::Marker(_) => Ok(()),
        }
    }
}

fn write_bytes<'a>(f: &mut fmt::Formatter<'_>, mut bytes: impl Iterator<Item = &'a u8>) -> fmt::Result {
    bytes.try_for_each(|byte| write!(f, "{byte} "))
}

/// The text that `write` makes of the pieces of a frame, each on a new line.
fn each(frame: &Frame, write: impl Fn(&mut String, &BasicFrame<'_>) -> fmt::Result) -> String {
    let mut text = String::new();
    for piece in basic_frames(frame) {
        if !text.is_empty() {
            text.push('\n');
        }
        // Writing to a string does not fail.
        let _ = write(&mut text, &piece);
    }
    text
}

/// Milliseconds from `now` to the moment a piece stands for.
fn delay(piece: &BasicFrame<'_>, now: WallTime) -> i64 {
    piece.time.millis().saturating_sub(now.millis())
}

/// The codec's number in FFmpeg, version 4 and later.
fn codec_number(codec: Codec) -> u32 {
    match codec {
        Codec::H264 => 27,
        Codec::H265 => 173,
        Codec::Mjpeg => 7,
        Codec::Aac => 86_018,
        Codec::PcmMulaw => 65_542,
        Codec::PcmAlaw => 65_543,
        Codec::Opus => 86_076,
        _ => 0,
    }
}

/// The number of the picture's format in FFmpeg, which has formats of their own for samples of the full range.
fn format_number(bitmap: &Bitmap) -> i32 {
    let full = bitmap.color().range == ColorRange::Full;
    match (bitmap.format(), full) {
        (PixelFormat::Yuv420, false) => 0,
        (PixelFormat::Yuv420, true) => 12,
        (PixelFormat::Yuv422, false) => 4,
        (PixelFormat::Yuv422, true) => 13,
        (PixelFormat::Yuv444, false) => 5,
        (PixelFormat::Yuv444, true) => 14,
        (PixelFormat::Gray, _) => 8,
        (PixelFormat::Rgb24, _) => 2,
        _ => -1,
    }
}

fn state_number(state: State) -> u32 {
    match state {
        State::Seek => 2,
        State::Stop => 3,
        State::Play => 4,
    }
}

/// Bytes shown of a unit or box.
const MAX_BYTES: usize = 20;
/// Bytes shown of each plane of a picture.
const MAX_PLANE_BYTES: usize = 10;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use valkka_core::bitmap::ColorSpec;
    use valkka_core::codec::CodecParams;
    use valkka_core::frame::{Body, Fragment, FrameTime, Packet, Signal};
    use valkka_core::payload::Payload as Bits;
    use valkka_core::source::{StreamInfo, TrackInfo};

    use super::*;

    const NOW: WallTime = WallTime::from_micros(1_000_500_000);

    fn frame(body: Body) -> Frame {
        let time = FrameTime { wall: WallTime::from_micros(1_000_000_999), ..FrameTime::default() };
        Frame { slot: Slot::new(3), track: Track::new(1), time, body }
    }

    fn packet(params: CodecParams, payload: &[u8]) -> Frame {
        let params = Arc::new(params);
        let payload = Bits::copy_from_slice(payload);
        frame(Body::Packet(Packet { params, payload, keyframe: true, lost: 0 }))
    }

    fn video(codec: Codec, payload: &[u8]) -> Frame {
        packet(CodecParams::video(codec, Bytes::new()), payload)
    }

    fn audio(codec: Codec) -> Frame {
        packet(CodecParams::audio(codec, 8000, 1, Bytes::new()), &[9; 3])
    }

    fn lines(frame: &Frame) -> Vec<String> {
        basic_frames(frame).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_access_unit_is_shown_by_its_nal_units() {
        let mut unit = vec![0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65];
        unit.extend(10..40);
        let expected = [
            "InfoFrameFilter: live start dump>> ",
            "InfoFrameFilter: FRAME   : <BasicFrame: timestamp=1000000 subsession_index=1 slot=3 / payload size=7 / H264: slice_type=7>",
            "InfoFrameFilter: PAYLOAD : [0 0 0 1 103 1 2 ]",
            "InfoFrameFilter: timediff: -500",
            "InfoFrameFilter: live <<end dump   ",
            "InfoFrameFilter: live start dump>> ",
            "InfoFrameFilter: FRAME   : <BasicFrame: timestamp=1000000 subsession_index=1 slot=3 / payload size=6 / H264: slice_type=8>",
            "InfoFrameFilter: PAYLOAD : [0 0 0 1 104 3 ]",
            "InfoFrameFilter: timediff: -500",
            "InfoFrameFilter: live <<end dump   ",
            "InfoFrameFilter: live start dump>> ",
            "InfoFrameFilter: FRAME   : <BasicFrame: timestamp=1000000 subsession_index=1 slot=3 / payload size=35 / H264: slice_type=5>",
            "InfoFrameFilter: PAYLOAD : [0 0 0 1 101 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 ]",
            "InfoFrameFilter: timediff: -500",
            "InfoFrameFilter: live <<end dump   ",
        ];
        assert_eq!(info("live", &video(Codec::H264, &unit), NOW), expected.join("\n"));
    }

    #[test]
    fn what_is_recorded_is_marked_where_playing_can_begin() {
        let unit = [0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x65, 2];
        let head = "[7] <BasicFrame: timestamp=1000000 subsession_index=1 slot=3 / payload size=";
        let lines = [
            format!("{head}6 / H264: slice_type=7> *     0 0 0 1 103 1 "),
            format!("{head}6 / H264: slice_type=5>    0 0 0 1 101 2 "),
        ];
        assert_eq!(recorded(7, &video(Codec::H264, &unit)), lines.join("\n"));
        assert_eq!(recorded(7, &audio(Codec::PcmMulaw)), format!("{head}3 / PCMU: > *     9 9 9 "));
    }

    #[test]
    fn other_codecs_have_other_ends() {
        let head = "<BasicFrame: timestamp=1000000 subsession_index=1 slot=3 / payload size=";
        let h265 = video(Codec::H265, &[0, 0, 0, 1, 0x40, 1, 2]);
        assert_eq!(lines(&h265), [format!("{head}7 / >")]);
        assert_eq!(lines(&video(Codec::Mjpeg, &[0xff, 0xd8, 0, 0, 1])), [format!("{head}5 / >")]);
        assert_eq!(lines(&audio(Codec::PcmMulaw)), [format!("{head}3 / PCMU: >")]);
        assert_eq!(lines(&audio(Codec::Aac)), [format!("{head}3 / >")]);
        // What should have NAL units and has none.
        assert_eq!(lines(&video(Codec::H264, &[1, 2])), [format!("{head}2 / H264: slice_type=1>")]);
        assert_eq!(lines(&video(Codec::H264, &[])), [format!("{head}0 / H264: slice_type=0>")]);
    }

    #[test]
    fn a_stream_is_announced_track_by_track() {
        let track = |index, medium: &str, encoding: &str, params, skipped: Option<&str>| TrackInfo {
            track: Track::new(index),
            medium: medium.into(),
            encoding: encoding.into(),
            params,
            skipped: skipped.map(str::to_owned),
        };
        let aac = Arc::new(CodecParams::audio(Codec::Aac, 8000, 1, Bytes::new()));
        let tracks = vec![
            track(0, "video", "H264", None, None),
            track(1, "application", "onvif", None, Some("no medium")),
            track(2, "audio", "MPEG4-GENERIC", Some(aac), None),
        ];
        let online = StreamInfo { tracks, ..StreamInfo::default() };
        let online = frame(Body::Signal(Signal::Online(Arc::new(online))));
        assert_eq!(
            lines(&online),
            [
                "<SetupFrame: timestamp=1000000 subsession_index=0 slot=3 / media_type=0 codec_id=27>",
                "<SetupFrame: timestamp=1000000 subsession_index=2 slot=3 / media_type=1 codec_id=86018>",
            ]
        );
        assert!(info("a", &online, NOW).contains("PAYLOAD : []\n"));
    }

    #[test]
    fn signals() {
        let line = |signal| Line(&frame(Body::Signal(signal))).to_string();
        let head = "Frame: timestamp=1000000 subsession_index=1 slot=3";
        assert_eq!(line(Signal::Seek), format!("<Setup{head} / stream_state=2>"));
        assert_eq!(line(Signal::Stop), format!("<Setup{head} / stream_state=3>"));
        assert_eq!(line(Signal::Play), format!("<Setup{head} / stream_state=4>"));
        let marker = "<MarkerFrame: timestamp=1000000 subsession_index=1 slot=3";
        assert_eq!(line(Signal::TransmissionStart), format!("{marker} / TM_START >"));
        assert_eq!(line(Signal::TransmissionEnd), format!("{marker} / TM_END >"));
    }

    #[test]
    fn signals_that_level_1_does_not_know_are_not_shown() {
        let silent = Signal::Silent(std::time::Duration::from_secs(5));
        for signal in [Signal::End, Signal::Offline("gone".into()), silent, Signal::Online(Arc::default())] {
            let frame = frame(Body::Signal(signal));
            assert_eq!(info("a", &frame, NOW) + &brief("b", &frame, NOW) + &dummy("d", &frame), "");
            // In a message about it, it is one.
            let line = "<Frame: timestamp=1000000 subsession_index=1 slot=3>";
            assert_eq!(Line(&frame).to_string(), line);
        }
    }

    #[test]
    fn pictures() {
        let packed = |format, range, data| {
            let color = ColorSpec { range, ..ColorSpec::default() };
            frame(Body::Bitmap(Bitmap::from_packed(format, 2, 2, color, data).unwrap()))
        };
        let yuv = packed(PixelFormat::Yuv420, ColorRange::Full, vec![16, 17, 18, 19, 128, 129]);
        let text = info("a", &yuv, NOW);
        let line = "<AVBitmapFrame: timestamp=1000000 subsession_index=1 slot=3 / h=2; w=2; l=(2,1,1); f=12>";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("PAYLOAD : [16 17  | 128  | 129 ]\n"), "{text}");
        let rgb = packed(PixelFormat::Rgb24, ColorRange::Full, vec![7; 12]);
        let line = "<AVRGBFrame: timestamp=1000000 subsession_index=1 slot=3 / h=2; w=2; l=(6,0,0); f=2>";
        assert_eq!(lines(&rgb), [line]);
    }

    #[test]
    fn boxes_and_brief_lines() {
        let data = Bytes::from_static(b"\0\0\0\x08moof\0\0\0\x09mdat1");
        let pair = frame(Body::Fragment(Fragment { kind: *b"moof", keyframe: true, data }));
        let line =
            |size| format!("<MuxFrame: timestamp=1000000 subsession_index=1 slot=3 / fragment size={size}>");
        assert_eq!(lines(&pair), [line(8), line(9)]);
        assert_eq!(
            brief("b", &pair, NOW),
            format!(
                "BriefInfoFrameFilter : b : {} dT=-500\nBriefInfoFrameFilter : b : {} dT=-500",
                line(8),
                line(9)
            )
        );
        assert_eq!(
            dummy("d", &frame(Body::Signal(Signal::Play))),
            "DummyFrameFilter : d : got frame : <SetupFrame: timestamp=1000000 subsession_index=1 slot=3 / stream_state=4>"
        );
    }
}
