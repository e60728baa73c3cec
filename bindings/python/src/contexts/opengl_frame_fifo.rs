//! How many pictures wait to be shown.

use pyo3::prelude::*;
use valkka::render::schedule::Limits;

/// How many pictures of each size may wait to be shown, at least. It is read when the thread is made.
///
/// Pictures are not reserved: memory is only taken by those that wait, up to a limit above these numbers.
#[pyclass(get_all, set_all, subclass, dict, weakref, from_py_object, module = "valkka.core")]
#[derive(Clone, Debug)]
#[expect(non_snake_case, reason = "the names are those of Python")]
pub(crate) struct OpenGLFrameFifoContext {
    n_720p: i32,
    n_1080p: i32,
    n_1440p: i32,
    n_4K: i32,
    n_setup: i32,
    n_signal: i32,
    flush_when_full: bool,
}

impl Default for OpenGLFrameFifoContext {
    fn default() -> Self {
        Self {
            n_720p: 20,
            n_1080p: 20,
            n_1440p: 20,
            n_4K: 20,
            n_setup: 20,
            n_signal: 20,
            flush_when_full: false,
        }
    }
}

#[pymethods]
impl OpenGLFrameFifoContext {
    #[new]
    fn py_new() -> Self {
        Self::default()
    }
}

impl OpenGLFrameFifoContext {
    /// Limits that are no tighter than what the context asks for.
    pub(crate) fn limits(&self) -> Limits {
        let Limits { pictures_per_slot, total_bytes } = Limits::default();
        let classes = [
            (self.n_720p, 1280 * 720),
            (self.n_1080p, 1920 * 1080),
            (self.n_1440p, 2560 * 1440),
            (self.n_4K, 3840 * 2160),
        ];
        let classes = classes.map(|(count, pixels)| (usize::try_from(count).unwrap_or(0).min(MOST), pixels));
        let pictures: usize = classes.iter().map(|(count, _)| count).sum();
        // A byte of luma for each pixel, and half a byte of chroma.
        let bytes: usize = classes.iter().map(|(count, pixels)| count * pixels * 3 / 2).sum();
        Limits { pictures_per_slot: pictures_per_slot.max(pictures), total_bytes: total_bytes.max(bytes) }
    }
}

/// Pictures of each size that are believed to be wanted.
const MOST: usize = 1000;
