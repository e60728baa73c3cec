//! Showing what passes.

use std::fmt;

use super::Filter;
use crate::bitmap::Bitmap;
use crate::codec::MediaParams;
use crate::frame::{Body, Fragment, Frame, Packet, Signal};

/// Has a text made of each frame that passes.
///
/// ```
/// use valkka_core::filter::{Info, Summary};
///
/// let filter = Info::new(|frame| tracing::trace!("{}", Summary(frame)));
/// # let _: &dyn valkka_core::filter::Filter = &filter;
/// ```
pub struct Info<R> {
    report: R,
}

impl<R: FnMut(&Frame) + Send> Info<R> {
    /// Calls `report` with each frame before it goes on. [`Summary`] and [`Dump`] write a frame as text.
    pub fn new(report: R) -> Self {
        Self { report }
    }
}

impl<R: FnMut(&Frame) + Send> Filter for Info<R> {
    fn push(&mut self, frame: Frame, emit: &mut dyn FnMut(Frame)) {
        (self.report)(&frame);
        emit(frame);
    }
}

impl<R> fmt::Debug for Info<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Info").finish_non_exhaustive()
    }
}

/// Writes a frame as one line: slot, track, what it carries, the moment it stands for, and by how much it
/// arrived later.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'a>(pub &'a Frame);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Frame { slot, track, time, body } = self.0;
        write!(f, "slot {slot} track {track}: ")?;
        match body {
            Body::Packet(packet) => write_packet(f, packet)?,
            Body::Bitmap(bitmap) => write_bitmap(f, bitmap)?,
            Body::Fragment(fragment) => write_fragment(f, fragment)?,
            Body::Signal(signal) => write_signal(f, signal)?,
        }
        let late_ms = time.arrival.micros_since(time.wall) as f64 / 1000.0;
        write!(f, ", at {:?}, arrived {late_ms:+.1} ms", time.wall)
    }
}

/// Writes a frame as several lines: its [`Summary`], all its times, and its first bytes in hexadecimal.
#[derive(Clone, Copy, Debug)]
pub struct Dump<'a>(pub &'a Frame);

impl fmt::Display for Dump<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frame = self.0;
        writeln!(f, "{}", Summary(frame))?;
        write!(f, "  media {:?}, arrival {:?}, capture ", frame.time.media, frame.time.arrival)?;
        match frame.time.capture {
            Some(capture) => write!(f, "{capture:?}")?,
            None => f.write_str("unknown")?,
        }
        match &frame.body {
            Body::Packet(packet) => write_bytes(f, "payload", &packet.payload),
            Body::Fragment(fragment) => write_bytes(f, "box", &fragment.data),
            Body::Bitmap(bitmap) => (0..bitmap.format().planes())
                .try_for_each(|plane| write_bytes(f, PLANES[plane], bitmap.plane(plane).data)),
            Body::Signal(_) => Ok(()),
        }
    }
}

fn write_packet(f: &mut fmt::Formatter<'_>, packet: &Packet) -> fmt::Result {
    write!(f, "{}", packet.params.codec)?;
    match &packet.params.media {
        MediaParams::Video(video) => write!(f, " {}x{}", video.width, video.height)?,
        MediaParams::Audio(audio) => write!(f, " {} Hz {} ch", audio.sample_rate_hz, audio.channels)?,
    }
    write!(f, " packet, {} bytes", packet.payload.len())?;
    if packet.keyframe && packet.params.codec.is_video() {
        f.write_str(", key frame")?;
    }
    if packet.lost > 0 {
        write!(f, ", {} lost before it", packet.lost)?;
    }
    Ok(())
}

fn write_bitmap(f: &mut fmt::Formatter<'_>, bitmap: &Bitmap) -> fmt::Result {
    write!(f, "{bitmap:?} bitmap, strides")?;
    for plane in 0..bitmap.format().planes() {
        write!(f, " {}", bitmap.plane(plane).stride_bytes)?;
    }
    f.write_str(if bitmap.is_damaged() { ", damaged" } else { "" })
}

fn write_fragment(f: &mut fmt::Formatter<'_>, fragment: &Fragment) -> fmt::Result {
    let key = if fragment.keyframe { ", key frame" } else { "" };
    write!(f, "fragment {}, {} bytes{key}", fragment.kind.escape_ascii(), fragment.data.len())
}

fn write_signal(f: &mut fmt::Formatter<'_>, signal: &Signal) -> fmt::Result {
    match signal {
        Signal::Online(info) => write!(f, "online by {}, {} tracks", info.transport, info.tracks.len()),
        Signal::Offline(reason) => write!(f, "offline: {reason}"),
        Signal::Silent(silence) => write!(f, "silent for {} s", silence.as_secs_f32()),
        Signal::Seek => f.write_str("seek"),
        Signal::Play => f.write_str("play"),
        Signal::Stop => f.write_str("stop"),
        Signal::End => f.write_str("end"),
        Signal::TransmissionStart => f.write_str("transmission starts"),
        Signal::TransmissionEnd => f.write_str("transmission ends"),
    }
}

fn write_bytes(f: &mut fmt::Formatter<'_>, what: &str, bytes: &[u8]) -> fmt::Result {
    write!(f, "\n  {what}:")?;
    bytes.iter().take(MAX_DUMPED).try_for_each(|byte| write!(f, " {byte:02x}"))
}

const PLANES: [&str; 3] = ["plane 0", "plane 1", "plane 2"];

/// Bytes shown of a payload or plane.
const MAX_DUMPED: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitmap::{ColorSpec, PixelFormat};
    use crate::payload::Payload;
    use crate::testing::{after_loss, audio, offline, online, packet_at, run};
    use crate::time::WallTime;

    #[test]
    fn one_line_says_it_all() {
        let mut lines = Vec::new();
        let mut late = packet_at('A', 12_345);
        late.time.arrival = WallTime::from_micros(12_357_500);
        let frames = [late, after_loss('b'), audio('x'), online(), offline()];
        let out = run(&mut Info::new(|frame: &Frame| lines.push(Summary(frame).to_string())), frames);
        assert_eq!(out.len(), 5);
        assert_eq!(
            lines,
            [
                "slot 1 track 0: H.264 0x0 packet, 0 bytes, key frame, at 12.345000, arrived +12.5 ms",
                "slot 1 track 0: H.264 0x0 packet, 0 bytes, 1 lost before it, at 0.000000, arrived +0.0 ms",
                "slot 1 track 1: AAC 48000 Hz 2 ch packet, 0 bytes, at 0.000000, arrived +0.0 ms",
                "slot 1 track 0: online by , 0 tracks, at 0.000000, arrived +0.0 ms",
                "slot 1 track 0: offline: gone, at 0.000000, arrived +0.0 ms",
            ]
        );
    }

    #[test]
    fn a_dump_shows_the_first_bytes() {
        let mut frame = packet_at('A', 0);
        let Body::Packet(packet) = &mut frame.body else { unreachable!("it is a packet") };
        packet.payload = Payload::copy_from_slice(&[0xab; 100]);
        let text = Dump(&frame).to_string();
        assert!(text.ends_with(&format!("capture unknown\n  payload:{}", " ab".repeat(20))), "{text}");
        let bitmap =
            Bitmap::from_packed(PixelFormat::Yuv420, 2, 2, ColorSpec::default(), vec![9; 6]).unwrap();
        let text = Dump(&Frame { body: Body::Bitmap(bitmap), ..frame }).to_string();
        assert!(text.contains("2x2 Yuv420 bitmap, strides 2 1 1,"), "{text}");
        assert!(text.ends_with("\n  plane 0: 09 09 09 09\n  plane 1: 09\n  plane 2: 09"), "{text}");
    }
}
