//! Into what a stream is written.

use pyo3::prelude::*;

/// Into what a stream is written. It is read when the stream is registered.
#[pyclass(get_all, set_all, subclass, dict, weakref, module = "valkka.core")]
pub(crate) struct FDWriteContext {
    /// The file descriptor. It stays the program's, which may close it once the stream is registered.
    pub(crate) fd: i32,
    /// The number of the stream, from 1 to 255.
    pub(crate) slot: i64,
}

#[pymethods]
impl FDWriteContext {
    #[new]
    #[pyo3(signature = (fd = -1, slot = 0))]
    fn py_new(fd: i32, slot: i64) -> Self {
        Self { fd, slot }
    }
}
