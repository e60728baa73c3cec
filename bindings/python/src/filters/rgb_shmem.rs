//! RGB pictures for other processes.

use std::sync::Arc;

use pyo3::prelude::*;
use valkka::graph::SharedPictures;
use valkka::sink::Sink;

use crate::filter::FrameFilter;
use crate::native::Native;
use crate::shm::{CELLS, EventFd, count, raised, size};

/// Writes RGB pictures of `width` × `height` pixels into shared memory, a ring of `n_cells` cells that clients find by
/// `name`. Pictures of other sizes are left out. `mstimeout` means nothing: a server never waits.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct RGBShmemFrameFilter {
    shared: Native<Arc<SharedPictures>>,
}

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl RGBShmemFrameFilter {
    #[new]
    #[pyo3(signature = (name, n_cells, width, height, mstimeout = 0))]
    fn py_new(
        py: Python<'_>,
        name: &str,
        n_cells: i64,
        width: i64,
        height: i64,
        mstimeout: i64,
    ) -> PyResult<PyClassInitializer<Self>> {
        let _ = mstimeout;
        let (cells, (width, height)) = (count(CELLS, n_cells)?, size(width, height)?);
        let shared = py.detach(|| SharedPictures::create(name, cells, width, height)).map_err(raised)?;
        let shared = Arc::new(shared);
        let filter = FrameFilter::new(shared.clone());
        Ok(PyClassInitializer::from(filter).add_subclass(Self { shared: Native::new(shared) }))
    }

    /// Has `event_fd` set at each picture.
    fn useFd(&self, py: Python<'_>, event_fd: &EventFd) -> PyResult<()> {
        let event = event_fd.duplicate()?;
        py.detach(|| self.shared.notify(event)).map_err(raised)
    }
}

impl RGBShmemFrameFilter {
    /// A sink for decoded pictures, which are scaled straight into the shared memory; only if that is the size of the
    /// pictures there.
    pub(crate) fn scaled(&self, width: u32, height: u32) -> Option<Arc<dyn Sink>> {
        (self.shared.size() == (width, height)).then(|| self.shared.scaled())
    }
}
