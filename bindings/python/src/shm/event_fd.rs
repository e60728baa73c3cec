//! An event to wait for with `select`.

use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};

use pyo3::prelude::*;
use valkka::shm::Event;

use crate::native::Native;

/// An event of the kernel: its file descriptor can be read, as `select` sees it, while the event is set.
///
/// Processes that are forked off share it. It is closed by the process that made it.
#[pyclass(subclass, dict, weakref, frozen, module = "valkka.core")]
pub(crate) struct EventFd {
    event: Native<Event>,
}

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl EventFd {
    #[new]
    fn py_new() -> PyResult<Self> {
        Ok(Self { event: Native::new(Event::new()?) })
    }

    /// The file descriptor.
    fn getFd(&self) -> RawFd {
        self.event.as_fd().as_raw_fd()
    }

    /// Sets it.
    fn set(&self) {
        self.event.set();
    }

    /// Makes it unset; does nothing if it was not set.
    fn clear(&self) {
        self.event.clear();
    }
}

impl EventFd {
    /// A file descriptor of its own for the same event.
    pub(crate) fn duplicate(&self) -> PyResult<OwnedFd> {
        Ok(self.event.as_fd().try_clone_to_owned()?)
    }
}
