//! What is known of an RGB picture.

use pyo3::prelude::*;
use valkka::shm::{Content, Pulled};

/// What is known of a picture: its size in bytes, width and height in pixels, slot, and time stamp in milliseconds since
/// 1970.
#[pyclass(get_all, set_all, subclass, dict, weakref, module = "valkka.core")]
#[derive(Default)]
pub(crate) struct RGB24Meta {
    size: usize,
    width: u32,
    height: u32,
    slot: u16,
    mstimestamp: i64,
}

#[pymethods]
impl RGB24Meta {
    #[new]
    fn py_new() -> Self {
        Self::default()
    }
}

impl RGB24Meta {
    /// Takes over what is known of a frame.
    pub(crate) fn assign(&mut self, pulled: &Pulled) {
        let (width, height) = size_of(pulled);
        let (slot, mstimestamp) = (pulled.meta.slot.number(), pulled.meta.time.millis());
        *self = Self { size: pulled.len, width, height, slot, mstimestamp };
    }
}

/// Width and height in pixels; zero if it is no picture.
pub(crate) fn size_of(pulled: &Pulled) -> (u32, u32) {
    match pulled.meta.content {
        Content::Picture { width, height } => (width, height),
        _ => (0, 0),
    }
}
