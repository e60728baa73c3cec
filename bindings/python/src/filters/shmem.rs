//! Encoded frames for other processes.

use std::sync::Arc;

use pyo3::prelude::*;
use valkka::graph::SharedPackets;

use crate::filter::FrameFilter;
use crate::native::Native;
use crate::shm::{CELL_BYTES, CELLS, EventFd, count, raised};

/// Writes the payload of encoded frames into shared memory, a ring of `n_cells` cells of `n_bytes` bytes that clients find
/// by `name`. `mstimeout` means nothing: a server never waits.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct ShmemFrameFilter {
    shared: Native<Arc<SharedPackets>>,
}

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl ShmemFrameFilter {
    #[new]
    #[pyo3(signature = (name, n_cells, n_bytes, mstimeout = 0))]
    fn py_new(
        py: Python<'_>,
        name: &str,
        n_cells: i64,
        n_bytes: i64,
        mstimeout: i64,
    ) -> PyResult<PyClassInitializer<Self>> {
        let _ = mstimeout;
        let (cells, bytes) = (count(CELLS, n_cells)?, count(CELL_BYTES, n_bytes)?);
        let shared = py.detach(|| SharedPackets::create(name, cells, bytes)).map_err(raised)?;
        let shared = Arc::new(shared);
        let filter = FrameFilter::new(shared.clone());
        Ok(PyClassInitializer::from(filter).add_subclass(Self { shared: Native::new(shared) }))
    }

    /// Has `event_fd` set at each frame.
    fn useFd(&self, py: Python<'_>, event_fd: &EventFd) -> PyResult<()> {
        let event = event_fd.duplicate()?;
        py.detach(|| self.shared.notify(event)).map_err(raised)
    }
}
