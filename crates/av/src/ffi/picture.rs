//! One decoded `AVFrame`.

use std::ptr::NonNull;
use std::{fmt, ptr};

use valkka_core::bitmap::{Bitmap, ColorMatrix, ColorRange, ColorSpec, PixelFormat, Plane, PlaneStore};

use super::AvError;

/// A reference to a picture in FFmpeg's own memory.
pub(crate) struct RawPicture {
    frame: NonNull<VkPicture>,
    planes: VkPlanes,
}

impl RawPicture {
    /// Takes over what the shim made.
    pub(super) fn from_raw(picture: *mut VkPicture) -> Result<Self, AvError> {
        let frame = NonNull::new(picture).ok_or_else(AvError::invalid)?;
        let mut picture = Self { frame, planes: VkPlanes::default() };
        // SAFETY: the pointer is valid while `picture` lives.
        AvError::check(unsafe { vk_picture_planes(frame.as_ptr(), &mut picture.planes) })?;
        Ok(picture)
    }

    pub(crate) fn format(&self) -> PixelFormat {
        match self.planes.pixel {
            1 => PixelFormat::Yuv422,
            2 => PixelFormat::Yuv444,
            3 => PixelFormat::Gray,
            _ => PixelFormat::Yuv420,
        }
    }

    pub(crate) fn width(&self) -> u32 {
        self.planes.width.unsigned_abs()
    }

    pub(crate) fn height(&self) -> u32 {
        self.planes.height.unsigned_abs()
    }

    /// The matrix, if the stream tells it.
    pub(crate) fn matrix(&self) -> Option<ColorMatrix> {
        match self.planes.matrix {
            1 => Some(ColorMatrix::Bt601),
            2 => Some(ColorMatrix::Bt709),
            3 => Some(ColorMatrix::Bt2020),
            _ => None,
        }
    }

    /// The range, if the stream tells it.
    pub(crate) fn range(&self) -> Option<ColorRange> {
        match self.planes.range {
            1 => Some(ColorRange::Limited),
            2 => Some(ColorRange::Full),
            _ => None,
        }
    }
}

impl PlaneStore for RawPicture {
    fn plane(&self, index: usize) -> Plane<'_> {
        let planes = &self.planes;
        let (Some(&data), Some(&size), Some(&stride)) =
            (planes.data.get(index), planes.size.get(index), planes.stride.get(index))
        else {
            return Plane { data: &[], stride_bytes: 0 };
        };
        // SAFETY: the shim tells a readable range of a buffer to which the frame, and so `self`, holds a reference.
        // Once a picture is complete FFmpeg only reads it.
        let data = unsafe { super::bytes_at(data, size) };
        Plane { data, stride_bytes: usize::try_from(stride).unwrap_or(0) }
    }
}

impl fmt::Debug for RawPicture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{} {:?}", self.width(), self.height(), self.format())
    }
}

impl Drop for RawPicture {
    fn drop(&mut self) {
        // SAFETY: `self` owns the reference.
        unsafe { vk_picture_free(self.frame.as_ptr()) };
    }
}

// SAFETY: the frame is a reference to buffers counted atomically, and through `&self` they are only read. The pointers
// in `planes` point into these buffers.
unsafe impl Send for RawPicture {}
// SAFETY: as above.
unsafe impl Sync for RawPicture {}

/// The planes of a bitmap as the shim takes them.
pub(crate) struct Planes<'a> {
    pub(super) raw: VkPlanes,
    /// The planes are borrowed from it.
    _bitmap: &'a Bitmap,
}

impl<'a> Planes<'a> {
    /// Fails for pictures without pixels, or larger than FFmpeg can count.
    pub(crate) fn of(bitmap: &'a Bitmap) -> Result<Self, AvError> {
        let side = |length: u32| i32::try_from(length).ok().filter(|&l| l > 0 && l <= MAX_SIDE);
        let (Some(width), Some(height)) = (side(bitmap.width()), side(bitmap.height())) else {
            return Err(AvError::invalid());
        };
        let ColorSpec { matrix, range } = bitmap.color();
        let mut raw = VkPlanes {
            pixel: match bitmap.format() {
                PixelFormat::Yuv420 => 0,
                PixelFormat::Yuv422 => 1,
                PixelFormat::Yuv444 => 2,
                PixelFormat::Gray => 3,
                PixelFormat::Rgb24 => 4,
                _ => return Err(AvError::invalid()),
            },
            matrix: matrix_number(matrix),
            range: range_number(range),
            width,
            height,
            ..VkPlanes::default()
        };
        for index in 0..bitmap.format().planes() {
            // `Bitmap` has checked that the planes are as large as format and size say.
            let Plane { data, stride_bytes } = bitmap.plane(index);
            raw.data[index] = data.as_ptr();
            raw.size[index] = data.len();
            raw.stride[index] = i32::try_from(stride_bytes).map_err(|_| AvError::invalid())?;
        }
        Ok(Self { raw, _bitmap: bitmap })
    }
}

/// `enum vk_matrix`.
pub(super) fn matrix_number(matrix: ColorMatrix) -> i32 {
    match matrix {
        ColorMatrix::Bt601 => 1,
        ColorMatrix::Bt709 => 2,
        ColorMatrix::Bt2020 => 3,
    }
}

/// `enum vk_range`.
pub(super) fn range_number(range: ColorRange) -> i32 {
    match range {
        ColorRange::Limited => 1,
        ColorRange::Full => 2,
    }
}

/// Beyond this, products of sizes leave the range of C's `int`.
const MAX_SIDE: i32 = 16_384;

#[repr(C)]
pub(super) struct VkPicture {
    _opaque: [u8; 0],
}

#[repr(C)]
pub(super) struct VkPlanes {
    pixel: i32,
    matrix: i32,
    range: i32,
    width: i32,
    height: i32,
    data: [*const u8; 3],
    stride: [i32; 3],
    size: [usize; 3],
}

impl Default for VkPlanes {
    fn default() -> Self {
        Self {
            pixel: 0,
            matrix: 0,
            range: 0,
            width: 0,
            height: 0,
            data: [ptr::null(); 3],
            stride: [0; 3],
            size: [0; 3],
        }
    }
}

unsafe extern "C" {
    fn vk_picture_free(picture: *mut VkPicture);
    fn vk_picture_planes(picture: *const VkPicture, planes: *mut VkPlanes) -> i32;
}
