//! Rings of RGB pictures.

use pyo3::prelude::*;
use valkka::shm::{Content, Meta, Shape};
use valkka::stream::Slot;
use valkka::time::WallTime;

use super::int_cell::IntCell;
use super::rgb24_meta::{RGB24Meta, size_of};
use super::ring_base::SharedMemRingBufferBase;
use super::{CELLS, count, raised, size};

/// A ring of `n_cells` RGB pictures of `width` × `height` pixels, three bytes each.
#[pyclass(extends = SharedMemRingBufferBase, subclass, frozen, module = "valkka.core")]
pub(crate) struct SharedMemRingBufferRGB {
    width: u32,
    height: u32,
}

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl SharedMemRingBufferRGB {
    #[new]
    #[pyo3(signature = (name, n_cells, width, height, mstimeout = 0, is_server = false))]
    fn py_new(
        py: Python<'_>,
        name: &str,
        n_cells: i64,
        width: i64,
        height: i64,
        mstimeout: i64,
        is_server: bool,
    ) -> PyResult<PyClassInitializer<Self>> {
        let (width, height) = size(width, height)?;
        let shape =
            Shape::pictures(count(CELLS, n_cells)?, width, height).map_err(|error| raised(error.into()))?;
        let base = SharedMemRingBufferBase::open(py, name, shape, mstimeout, is_server)?;
        Ok(PyClassInitializer::from(base).add_subclass(Self { width, height }))
    }

    /// Writes an array of height × width × 3 `numpy.uint8`, with its slot and its time stamp in milliseconds since 1970.
    /// Returns False if it is not one.
    fn serverPushPyRGB(
        self_: PyRef<'_, Self>,
        py: Python<'_>,
        array: &Bound<'_, PyAny>,
        slot: u16,
        mstimestamp: i64,
    ) -> PyResult<bool> {
        let Self { width, height } = *self_;
        let meta = Meta {
            slot: Slot::new(slot),
            time: WallTime::from_micros(mstimestamp.saturating_mul(1000)),
            content: Content::Picture { width, height },
        };
        self_.as_super().push(py, array, Some([height as usize, width as usize, 3]), meta)
    }

    /// Waits for a picture; writes to `index_p` where it is, and to `size_p` how many bytes it has. Returns False when the
    /// time is over.
    fn clientPull(
        self_: PyRef<'_, Self>,
        py: Python<'_>,
        index_p: &IntCell,
        size_p: &IntCell,
    ) -> PyResult<bool> {
        self_.as_super().pull_into(py, index_p, size_p)
    }

    /// Waits for a picture; writes to `index_p` where it is, and fills `meta` in. Returns False when the time is over.
    fn clientPullFrame(
        self_: PyRef<'_, Self>,
        py: Python<'_>,
        index_p: &IntCell,
        meta: &Bound<'_, RGB24Meta>,
    ) -> PyResult<bool> {
        let Some(pulled) = self_.as_super().pull(py)? else { return Ok(false) };
        index_p.assign(pulled.index);
        meta.try_borrow_mut()?.assign(&pulled);
        Ok(true)
    }

    /// The same as `clientPullFrame`: other Python threads run meanwhile in both.
    fn clientPullFrameThread(
        self_: PyRef<'_, Self>,
        py: Python<'_>,
        index_p: &IntCell,
        meta: &Bound<'_, RGB24Meta>,
    ) -> PyResult<bool> {
        Self::clientPullFrame(self_, py, index_p, meta)
    }

    /// Waits for a picture and returns `(index, size, width, height, slot, mstimestamp)`; the index is -1 when the time is
    /// over.
    fn clientPullPy(self_: PyRef<'_, Self>, py: Python<'_>) -> PyResult<(i64, usize, u32, u32, u16, i64)> {
        let Some(pulled) = self_.as_super().pull(py)? else { return Ok((-1, 0, 0, 0, 0, 0)) };
        let (width, height) = size_of(&pulled);
        let (slot, time) = (pulled.meta.slot.number(), pulled.meta.time.millis());
        // Indices are less than the number of cells.
        Ok((pulled.index as i64, pulled.len, width, height, slot, time))
    }
}
