//! Memory shared between processes: each class a file, and a line here.

mod event_fd;
mod frag_mp4_meta;
mod int_cell;
mod rgb24_meta;
mod ring;
mod ring_base;
mod ring_frag_mp4;
mod ring_rgb;
mod view;

pub(crate) use event_fd::EventFd;

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use valkka::reason::reason;
use valkka::shm::Error;

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<EventFd>()?;
    module.add_class::<frag_mp4_meta::FragMP4Meta>()?;
    module.add_class::<rgb24_meta::RGB24Meta>()?;
    module.add_class::<ring_base::SharedMemRingBufferBase>()?;
    module.add_class::<ring::SharedMemRingBuffer>()?;
    module.add_class::<ring_rgb::SharedMemRingBufferRGB>()?;
    module.add_class::<ring_frag_mp4::FragMP4SharedMemRingBuffer>()?;
    view::add_to(module)?;
    int_cell::add_to(module)
}

/// What a program sees of an error.
pub(crate) fn raised(error: Error) -> PyErr {
    let why = reason(&error);
    match error {
        Error::OutOfBounds(_) | Error::DoesNotFit { .. } => PyValueError::new_err(why),
        Error::System { .. } | Error::Directory { .. } => PyOSError::new_err(why),
        _ => PyRuntimeError::new_err(why),
    }
}

/// A number that Python gives, as a count; or ValueError, which says what it was to be.
pub(crate) fn count<T: TryFrom<i64>>(what: &str, given: i64) -> PyResult<T> {
    T::try_from(given).map_err(|_| PyValueError::new_err(format!("{what} cannot be {given}")))
}

/// Width and height of a picture that Python gives.
pub(crate) fn size(width: i64, height: i64) -> PyResult<(u32, u32)> {
    Ok((count("the width of a picture", width)?, count("the height of a picture", height)?))
}

pub(crate) const CELLS: &str = "the number of cells";
pub(crate) const CELL_BYTES: &str = "the size of a cell in bytes";
