//! A thread that captures the cameras of this machine.

use std::fmt::Display;
use std::sync::Arc;

use pyo3::prelude::*;
use valkka::graph::live::{Live, SlotError};

use crate::contexts::USBCameraConnectionContext;
use crate::logging::USB;
use crate::native::Native;
use crate::slot::slot;
use crate::thread::Thread;

/// Captures what cameras of this machine encode: H.264, or what else they have. A camera that is not there, or is
/// unplugged, is tried again every ten seconds at least.
#[pyclass(extends = Thread, subclass, frozen, module = "valkka.core")]
pub(crate) struct USBDeviceThread {
    live: Native<Arc<Live>>,
}

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl USBDeviceThread {
    #[new]
    fn py_new(name: &str) -> PyClassInitializer<Self> {
        let live = Arc::new(Live::new(name, |event| complain(event)));
        PyClassInitializer::from(Thread::new(name, live.clone()))
            .add_subclass(Self { live: Native::new(live) })
    }

    /// Captures the context's camera from now on.
    fn playCameraStreamCall(&self, py: Python<'_>, ctx: PyRef<'_, USBCameraConnectionContext>) {
        let (slot, connection) = (slot(ctx.slot), ctx.connection());
        drop(ctx);
        let play = |slot| -> Result<(), SlotError> {
            self.live.receiver().register(slot, Arc::new(move || connection.clone()))?;
            self.live.receiver().play(slot)
        };
        py.detach(|| match slot.map(play) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => complain(error),
            Err(wrong) => complain(wrong),
        });
    }

    /// Captures the camera of the context's slot no more.
    fn stopCameraStreamCall(&self, py: Python<'_>, ctx: PyRef<'_, USBCameraConnectionContext>) {
        let slot = slot(ctx.slot);
        drop(ctx);
        py.detach(|| match slot.map(|slot| self.live.receiver().deregister(slot)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => complain(error),
            Err(wrong) => complain(wrong),
        });
    }
}

fn complain(what: impl Display) {
    USB.normal(format_args!("USBDeviceThread: {what}"));
}
