//! A fork whose outputs come and go.

use std::sync::Arc;

use pyo3::prelude::*;
use valkka::graph::NamedFork;

use crate::filter::FrameFilter;
use crate::logging::FILTER;
use crate::native::Native;

/// Hands each frame to each of its outputs, in the order of their tags. A new output is told what streams are online.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct ForkFrameFilterN {
    name: String,
    fork: Native<Arc<NamedFork>>,
}

#[pymethods]
impl ForkFrameFilterN {
    #[new]
    fn py_new(name: String) -> PyClassInitializer<Self> {
        let fork = Arc::new(NamedFork::new());
        PyClassInitializer::from(FrameFilter::new(fork.clone()))
            .add_subclass(Self { name, fork: Native::new(fork) })
    }

    /// Connects `filter` under `tag`; false if there is an output with this tag already.
    fn connect(&self, py: Python<'_>, tag: &str, filter: PyRef<'_, FrameFilter>) -> bool {
        let sink = filter.sink();
        py.detach(|| {
            let connected = self.fork.connect(tag, sink);
            if let Err(error) = &connected {
                FILTER.fatal(format_args!("ForkFrameFilterN: {} : connect: {error}", self.name));
            }
            connected.is_ok()
        })
    }

    /// Disconnects the output `tag`, in which no frame is any more then; false if there is none.
    fn disconnect(&self, py: Python<'_>, tag: &str) -> bool {
        py.detach(|| self.fork.disconnect(tag))
    }
}
