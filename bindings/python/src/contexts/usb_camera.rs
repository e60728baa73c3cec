//! How a camera of this machine is captured.

use std::sync::Arc;

use pyo3::prelude::*;
use valkka::graph::live::{Address, Connection};
use valkka::sink::{Discard, Sink};
use valkka::url::Device;

use super::live_connection::correction_of;
use crate::constants::time_correction::TimeCorrectionType_smart;
use crate::filter::FrameFilter;

/// How a camera of this machine is captured. It is read when the camera is played.
#[pyclass(get_all, set_all, subclass, dict, weakref, module = "valkka.core")]
pub(crate) struct USBCameraConnectionContext {
    /// The path of the device, e.g. `/dev/video2`.
    device: String,
    /// The number of the stream, from 1 to 255.
    pub(crate) slot: i64,
    /// Where frames are written.
    framefilter: Option<Py<FrameFilter>>,
    /// The width in pixels that the camera is asked for; it may have another.
    width: i64,
    /// The height in pixels that the camera is asked for.
    height: i64,
    /// How time stamps are corrected: TimeCorrectionType_none, TimeCorrectionType_smart or TimeCorrectionType_dummy.
    time_correction: i32,
}

#[pymethods]
impl USBCameraConnectionContext {
    #[new]
    #[pyo3(signature = (device = String::new(), slot = 0, framefilter = None))]
    fn py_new(device: String, slot: i64, framefilter: Option<Py<FrameFilter>>) -> Self {
        let time_correction = TimeCorrectionType_smart;
        Self { device, slot, framefilter, width: 1280, height: 720, time_correction }
    }
}

impl USBCameraConnectionContext {
    /// What it says.
    pub(crate) fn connection(&self) -> Connection {
        let side = |side: i64| u32::try_from(side).ok().filter(|&side| side > 0);
        let size = side(self.width).zip(side(self.height));
        let sink = match &self.framefilter {
            Some(filter) => filter.get().sink(),
            None => Arc::new(Discard) as Arc<dyn Sink>,
        };
        Connection {
            address: Address::Device(Device { path: self.device.clone(), size }),
            correction: correction_of(self.time_correction),
            ..Connection::to(sink)
        }
    }
}
