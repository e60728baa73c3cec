//! Pictures made small for those who look at them with a program.

use std::fmt;
use std::sync::Arc;

use tracing::warn;
use valkka_av::{Sampling, ScaleError, Scaler};
use valkka_core::bitmap::{Bitmap, ColorRange, ColorSpec, PixelFormat, Plane, PlaneStore};
use valkka_core::filter::Filter;
use valkka_core::frame::{Body, Frame};

/// Turns decoded pictures into packed RGB of one size, whatever their shape. Nothing else passes.
///
/// The nearest sample is taken. The memory of a picture is used again for the next one unless somebody keeps it.
pub struct Scale {
    width: u32,
    height: u32,
    scaler: Scaler,
    buffer: Arc<Rgb>,
    /// Why the last picture was not scaled: said once.
    failure: Option<ScaleError>,
}

impl Scale {
    /// Makes pictures of `width` × `height` pixels.
    pub fn new(width: u32, height: u32) -> Self {
        let buffer = Arc::new(Rgb { row_bytes: 0, data: Vec::new() });
        Self { width, height, scaler: Scaler::new(), buffer, failure: None }
    }

    fn scale(&mut self, bitmap: &Bitmap) -> Result<Bitmap, ScaleError> {
        let Self { width, height, .. } = *self;
        if Arc::get_mut(&mut self.buffer).is_none_or(|buffer| buffer.data.is_empty()) {
            self.buffer = Arc::new(Rgb::new(width, height));
        }
        let buffer = Arc::get_mut(&mut self.buffer).expect("nobody else has it");
        self.scaler.rgb24(bitmap, width, height, Sampling::Point, &mut buffer.data)?;
        let color = ColorSpec { range: ColorRange::Full, ..bitmap.color() };
        let scaled = Bitmap::new(PixelFormat::Rgb24, width, height, color, self.buffer.clone());
        Ok(scaled.expect("the memory has the size").with_damage(bitmap.is_damaged()))
    }
}

impl Filter for Scale {
    fn push(&mut self, frame: Frame, emit: &mut dyn FnMut(Frame)) {
        let Body::Bitmap(bitmap) = &frame.body else { return };
        if bitmap.format() == PixelFormat::Rgb24 {
            return;
        }
        match self.scale(bitmap) {
            Ok(scaled) => {
                self.failure = None;
                emit(Frame { body: Body::Bitmap(scaled), ..frame });
            }
            Err(error) => {
                if self.failure.as_ref() != Some(&error) {
                    warn!(slot = %frame.slot, "{error}");
                    self.failure = Some(error);
                }
            }
        }
    }
}

impl fmt::Debug for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scale({}x{})", self.width, self.height)
    }
}

/// A packed picture.
struct Rgb {
    row_bytes: usize,
    data: Vec<u8>,
}

impl Rgb {
    /// Black. Of a size beyond all pictures it is empty, and the scaler says so.
    fn new(width: u32, height: u32) -> Self {
        let (row_bytes, rows) = PixelFormat::Rgb24.plane_size(0, width, height);
        let side = valkka_av::MAX_SIDE;
        let bytes = if width <= side && height <= side { row_bytes * rows } else { 0 };
        Self { row_bytes, data: vec![0; bytes] }
    }
}

impl PlaneStore for Rgb {
    fn plane(&self, index: usize) -> Plane<'_> {
        match index {
            0 => Plane { data: &self.data, stride_bytes: self.row_bytes },
            _ => Plane { data: &[], stride_bytes: 0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use valkka_core::frame::{FrameTime, Signal};
    use valkka_core::stream::{Slot, Track};
    use valkka_core::time::WallTime;

    use super::*;

    fn gray(width: u32, height: u32) -> Frame {
        let format = PixelFormat::Yuv420;
        let bytes = (0..3).map(|plane| format.plane_size(plane, width, height)).map(|(row, rows)| row * rows);
        let data = vec![128; bytes.sum()];
        let bitmap = Bitmap::from_packed(format, width, height, ColorSpec::default(), data).unwrap();
        let time = FrameTime { wall: WallTime::from_micros(5), ..FrameTime::default() };
        Frame { slot: Slot::new(3), track: Track::new(1), time, body: Body::Bitmap(bitmap.with_damage(true)) }
    }

    fn push(scale: &mut Scale, frame: Frame) -> Option<Frame> {
        let mut out = None;
        scale.push(frame, &mut |frame| out = Some(frame));
        out
    }

    #[test]
    fn pictures_get_the_size_and_keep_the_rest() {
        let mut scale = Scale::new(6, 2);
        let out = push(&mut scale, gray(64, 48)).unwrap();
        assert_eq!(
            (out.slot, out.track, out.time.wall),
            (Slot::new(3), Track::new(1), WallTime::from_micros(5))
        );
        let bitmap = out.bitmap().unwrap();
        assert_eq!((bitmap.format(), bitmap.width(), bitmap.height()), (PixelFormat::Rgb24, 6, 2));
        assert_eq!((bitmap.plane(0).stride_bytes, bitmap.plane(0).data.len()), (18, 36));
        let first = bitmap.plane(0).data[0];
        assert!((126..=134).contains(&first), "{first}");
        assert!(bitmap.plane(0).data.iter().all(|&sample| sample == first) && bitmap.is_damaged());
        assert!(push(&mut scale, gray(20, 90)).is_some(), "another size");
    }

    #[test]
    fn nothing_else_passes() {
        let mut scale = Scale::new(6, 2);
        let rgb = push(&mut scale, gray(64, 48)).unwrap();
        assert!(push(&mut scale, rgb).is_none());
        let signal = Frame::signal(Slot::new(1), WallTime::default(), Signal::End);
        assert!(push(&mut scale, signal).is_none());
    }

    #[test]
    fn memory_is_used_again_unless_it_is_kept() {
        let mut scale = Scale::new(6, 2);
        let place = |frame: &Frame| frame.bitmap().unwrap().plane(0).data.as_ptr();
        let first = push(&mut scale, gray(64, 48)).unwrap();
        let second = push(&mut scale, gray(64, 48)).unwrap();
        assert_ne!(place(&first), place(&second));
        let before = place(&second);
        drop(second);
        assert_eq!(place(&push(&mut scale, gray(64, 48)).unwrap()), before);
    }

    #[test]
    fn impossible_sizes_give_no_picture() {
        for (width, height) in [(0, 0), (0, 8), (u32::MAX, u32::MAX), (valkka_av::MAX_SIDE + 1, 1)] {
            let mut scale = Scale::new(width, height);
            assert!(push(&mut scale, gray(64, 48)).is_none(), "{width}x{height}");
            assert!(push(&mut scale, gray(64, 48)).is_none());
        }
    }
}
