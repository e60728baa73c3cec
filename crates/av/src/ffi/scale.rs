//! One `SwsContext`.

use std::ffi::c_int;
use std::ptr::NonNull;

use super::picture::VkPlanes;
use super::{AvError, Planes};

/// swscale with its tables, kept from picture to picture.
pub(crate) struct RawScaler(NonNull<VkScaler>);

/// `enum vk_sampling`.
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
pub(crate) enum RawSampling {
    Point = 0,
    FastBilinear = 1,
    Bilinear = 2,
    Area = 3,
}

impl RawScaler {
    /// `None` if there is no memory.
    pub(crate) fn new() -> Option<Self> {
        super::log::init();
        // SAFETY: takes nothing.
        NonNull::new(unsafe { vk_scaler_new() }).map(Self)
    }

    /// Writes `width * height` packed RGB pixels to `target`, which must have just that size.
    pub(crate) fn rgb24(
        &mut self,
        source: &Planes<'_>,
        sampling: RawSampling,
        target: &mut [u8],
        width: u32,
        height: u32,
    ) -> Result<(), AvError> {
        let side = |length: u32| c_int::try_from(length).ok().filter(|&l| l > 0);
        let (Some(w), Some(h)) = (side(width), side(height)) else { return Err(AvError::invalid()) };
        if target.len() as u64 != u64::from(width) * u64::from(height) * 3 {
            return Err(AvError::invalid());
        }
        // SAFETY: the planes are readable for as long as the bitmap is borrowed, the target has the size that width
        // and height tell, and the shim keeps to both.
        AvError::check(unsafe {
            vk_scaler_rgb24(self.0.as_ptr(), &source.raw, sampling as c_int, target.as_mut_ptr(), w, h)
        })?;
        Ok(())
    }
}

impl Drop for RawScaler {
    fn drop(&mut self) {
        // SAFETY: `self` owns the scaler.
        unsafe { vk_scaler_free(self.0.as_ptr()) };
    }
}

// SAFETY: swscale's contexts belong to no thread; `&mut self` keeps two from using one at a time.
unsafe impl Send for RawScaler {}

#[repr(C)]
struct VkScaler {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn vk_scaler_new() -> *mut VkScaler;
    fn vk_scaler_free(scaler: *mut VkScaler);
    fn vk_scaler_rgb24(
        scaler: *mut VkScaler,
        source: *const VkPlanes,
        sampling: c_int,
        target: *mut u8,
        width: c_int,
        height: c_int,
    ) -> c_int;
}
