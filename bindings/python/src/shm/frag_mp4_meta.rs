//! What is known of a box of fragmented MP4.

use pyo3::prelude::*;
use valkka::shm::{Content, Pulled};

/// What is known of a box: its name of four characters, whether it begins with a key frame, its size in bytes, slot, and
/// time stamp in milliseconds since 1970.
#[pyclass(get_all, set_all, subclass, dict, weakref, module = "valkka.core")]
#[derive(Default)]
pub(crate) struct FragMP4Meta {
    name: String,
    is_first: bool,
    size: usize,
    slot: u16,
    mstimestamp: i64,
}

#[pymethods]
impl FragMP4Meta {
    #[new]
    fn py_new() -> Self {
        Self::default()
    }
}

impl FragMP4Meta {
    /// Takes over what is known of a frame.
    pub(crate) fn assign(&mut self, pulled: &Pulled) {
        let (name, is_first) = box_of(pulled);
        *self = Self {
            name: name.iter().map(|&byte| char::from(byte)).collect(),
            is_first,
            size: pulled.len,
            slot: pulled.meta.slot.number(),
            mstimestamp: pulled.meta.time.millis(),
        };
    }
}

/// The name of the box, empty if it is none, and whether it begins with a key frame.
pub(crate) fn box_of(pulled: &Pulled) -> (&[u8], bool) {
    match &pulled.meta.content {
        Content::Fragment { kind, keyframe } => (kind, *keyframe),
        _ => (&[], false),
    }
}
