//! Rings of fragmented MP4.

use std::borrow::Cow;

use pyo3::prelude::*;
use valkka::shm::Shape;

use super::frag_mp4_meta::box_of;
use super::ring_base::SharedMemRingBufferBase;
use super::{CELL_BYTES, CELLS, count, raised};

/// A ring of `n_cells` boxes of fragmented MP4, of at most `n_size` bytes each.
#[pyclass(extends = SharedMemRingBufferBase, subclass, frozen, module = "valkka.core")]
pub(crate) struct FragMP4SharedMemRingBuffer;

/// Index, size, slot, time stamp, name, whether it begins with a key frame.
type BoxTuple = (i64, usize, u16, i64, Cow<'static, [u8]>, bool);

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl FragMP4SharedMemRingBuffer {
    #[new]
    #[pyo3(signature = (name, n_cells, n_size, mstimeout = 0, is_server = false))]
    fn py_new(
        py: Python<'_>,
        name: &str,
        n_cells: i64,
        n_size: i64,
        mstimeout: i64,
        is_server: bool,
    ) -> PyResult<PyClassInitializer<Self>> {
        let shape = Shape::fragments(count(CELLS, n_cells)?, count(CELL_BYTES, n_size)?)
            .map_err(|error| raised(error.into()))?;
        let base = SharedMemRingBufferBase::open(py, name, shape, mstimeout, is_server)?;
        Ok(PyClassInitializer::from(base).add_subclass(Self))
    }

    /// Waits for a box and returns `(index, size, slot, mstimestamp, name, is_first)`; the index is -1 when the time is
    /// over.
    fn clientPullPy(self_: PyRef<'_, Self>, py: Python<'_>) -> PyResult<BoxTuple> {
        let Some(pulled) = self_.as_super().pull(py)? else {
            return Ok((-1, 0, 0, 0, Cow::Borrowed(&[]), false));
        };
        let (name, is_first) = box_of(&pulled);
        let (slot, time) = (pulled.meta.slot.number(), pulled.meta.time.millis());
        // Indices are less than the number of cells.
        Ok((pulled.index as i64, pulled.len, slot, time, Cow::Owned(name.to_vec()), is_first))
    }
}
