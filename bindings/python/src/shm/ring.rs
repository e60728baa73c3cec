//! Rings of bytes.

use pyo3::prelude::*;
use valkka::shm::{Meta, Shape};

use super::int_cell::IntCell;
use super::ring_base::SharedMemRingBufferBase;
use super::{CELL_BYTES, CELLS, count, raised};

/// A ring of `n_cells` cells of `n_bytes` bytes. A client of it can read what any server writes.
#[pyclass(extends = SharedMemRingBufferBase, subclass, frozen, module = "valkka.core")]
pub(crate) struct SharedMemRingBuffer;

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl SharedMemRingBuffer {
    #[new]
    #[pyo3(signature = (name, n_cells, n_bytes, mstimeout = 0, is_server = false))]
    fn py_new(
        py: Python<'_>,
        name: &str,
        n_cells: i64,
        n_bytes: i64,
        mstimeout: i64,
        is_server: bool,
    ) -> PyResult<PyClassInitializer<Self>> {
        let shape = Shape::bytes(count(CELLS, n_cells)?, count(CELL_BYTES, n_bytes)?)
            .map_err(|error| raised(error.into()))?;
        let base = SharedMemRingBufferBase::open(py, name, shape, mstimeout, is_server)?;
        Ok(PyClassInitializer::from(base).add_subclass(Self))
    }

    /// Writes a flat array of `numpy.uint8`, cut to the size of a cell. Returns False if it is not one.
    fn serverPushPy(self_: PyRef<'_, Self>, py: Python<'_>, array: &Bound<'_, PyAny>) -> PyResult<bool> {
        self_.as_super().push(py, array, None, Meta::default())
    }

    /// Waits for a frame; writes to `index_p` where it is, and to `size_p` how many bytes it has. Returns False when the
    /// time is over.
    fn clientPull(
        self_: PyRef<'_, Self>,
        py: Python<'_>,
        index_p: &IntCell,
        size_p: &IntCell,
    ) -> PyResult<bool> {
        self_.as_super().pull_into(py, index_p, size_p)
    }
}
