//! How a stream is received.
#![expect(non_upper_case_globals, reason = "the names are those of Python")]

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use pyo3::prelude::*;
use valkka::filter::Correction;
use valkka::graph::live::{Address, Ask, Connection};
use valkka::lock::lock;
use valkka::sink::{Discard, Sink};
use valkka::source::Transport;

use crate::constants::live_connection::{LiveConnectionType_none, LiveConnectionType_sdp};
use crate::constants::time_correction::{
    TimeCorrectionType_dummy, TimeCorrectionType_none, TimeCorrectionType_smart,
};
use crate::filter::FrameFilter;
use crate::native::Native;

/// How a stream is received.
///
/// What is changed here while the stream is received holds from its next connection on; `framefilter` and
/// `time_correction` hold as they are when it is played. `slot` says which stream a call is about.
#[pyclass(subclass, dict, weakref, frozen, module = "valkka.core")]
pub(crate) struct LiveConnectionContext {
    /// Shared with what receives, which reads it without Python.
    settings: Native<Arc<Mutex<Settings>>>,
    framefilter: Mutex<Option<Py<FrameFilter>>>,
}

#[derive(Clone)]
struct Settings {
    connection_type: i32,
    address: String,
    slot: i64,
    msreconnect: i64,
    request_multicast: bool,
    request_tcp: bool,
    recv_buffer_size: i64,
    reordering_time: i64,
    time_correction: i32,
    sink: Arc<dyn Sink>,
}

#[pymethods]
impl LiveConnectionContext {
    #[new]
    #[pyo3(signature = (connection_type = LiveConnectionType_none, address = String::new(), slot = 0, framefilter = None))]
    fn py_new(
        connection_type: i32,
        address: String,
        slot: i64,
        framefilter: Option<Bound<'_, FrameFilter>>,
    ) -> Self {
        let settings = Settings {
            connection_type,
            address,
            slot,
            msreconnect: 10_000,
            request_multicast: false,
            request_tcp: false,
            recv_buffer_size: 0,
            reordering_time: 0,
            time_correction: TimeCorrectionType_smart,
            sink: sink_of(framefilter.as_ref()),
        };
        Self {
            settings: Native::new(Arc::new(Mutex::new(settings))),
            framefilter: Mutex::new(framefilter.map(Bound::unbind)),
        }
    }

    /// LiveConnectionType_rtsp for the address of a camera, LiveConnectionType_sdp for the path of an SDP file.
    #[getter]
    fn get_connection_type(&self) -> i32 {
        self.settings().connection_type
    }

    #[setter]
    fn set_connection_type(&self, value: i32) {
        self.settings().connection_type = value;
    }

    /// Where the stream is.
    #[getter]
    fn get_address(&self) -> String {
        self.settings().address.clone()
    }

    #[setter]
    fn set_address(&self, value: String) {
        self.settings().address = value;
    }

    /// The number of the stream, from 1 to 255.
    #[getter]
    fn get_slot(&self) -> i64 {
        self.settings().slot
    }

    #[setter]
    fn set_slot(&self, value: i64) {
        self.settings().slot = value;
    }

    /// Where frames are written.
    #[getter]
    fn get_framefilter(&self, py: Python<'_>) -> Option<Py<FrameFilter>> {
        lock(&self.framefilter).as_ref().map(|filter| filter.clone_ref(py))
    }

    #[setter]
    fn set_framefilter(&self, py: Python<'_>, value: Option<Bound<'_, FrameFilter>>) {
        let sink = sink_of(value.as_ref());
        let sink = std::mem::replace(&mut self.settings().sink, sink);
        let filter = std::mem::replace(&mut *lock(&self.framefilter), value.map(Bound::unbind));
        // What was there may wait for threads when it goes, and may run Python code.
        py.detach(|| drop(sink));
        drop(filter);
    }

    /// A connection is made anew after so many milliseconds without frames; 0 for never.
    #[getter]
    fn get_msreconnect(&self) -> i64 {
        self.settings().msreconnect
    }

    #[setter]
    fn set_msreconnect(&self, value: i64) {
        self.settings().msreconnect = value;
    }

    /// Whether the server is asked to send to a multicast group.
    #[getter]
    fn get_request_multicast(&self) -> bool {
        self.settings().request_multicast
    }

    #[setter]
    fn set_request_multicast(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let value = value.is_truthy()?;
        self.settings().request_multicast = value;
        Ok(())
    }

    /// Whether the server is asked to send in the RTSP connection.
    #[getter]
    fn get_request_tcp(&self) -> bool {
        self.settings().request_tcp
    }

    #[setter]
    fn set_request_tcp(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let value = value.is_truthy()?;
        self.settings().request_tcp = value;
        Ok(())
    }

    /// Bytes that the system may hold of what came by UDP; 0 for what suits a 4K camera.
    #[getter]
    fn get_recv_buffer_size(&self) -> i64 {
        self.settings().recv_buffer_size
    }

    #[setter]
    fn set_recv_buffer_size(&self, value: i64) {
        self.settings().recv_buffer_size = value;
    }

    /// How many microseconds a packet may wait for one that was overtaken; 0 for 100 ms.
    #[getter]
    fn get_reordering_time(&self) -> i64 {
        self.settings().reordering_time
    }

    #[setter]
    fn set_reordering_time(&self, value: i64) {
        self.settings().reordering_time = value;
    }

    /// How time stamps are corrected: TimeCorrectionType_none, TimeCorrectionType_smart or TimeCorrectionType_dummy.
    #[getter]
    fn get_time_correction(&self) -> i32 {
        self.settings().time_correction
    }

    #[setter]
    fn set_time_correction(&self, value: i32) {
        self.settings().time_correction = value;
    }
}

impl LiveConnectionContext {
    /// The number of the stream.
    pub(crate) fn slot(&self) -> i64 {
        self.settings().slot
    }

    /// Whether it says what kind of a connection is wanted.
    pub(crate) fn has_type(&self) -> bool {
        self.settings().connection_type != LiveConnectionType_none
    }

    /// Says at any time what it says then.
    pub(crate) fn ask(&self) -> Arc<Ask> {
        let settings = self.settings.clone();
        Arc::new(move || {
            let settings = lock(&settings).clone();
            settings.into()
        })
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        lock(&self.settings)
    }
}

impl From<Settings> for Connection {
    fn from(settings: Settings) -> Self {
        let address = match settings.connection_type {
            LiveConnectionType_sdp => Address::Sdp(settings.address),
            _ => Address::Url(settings.address),
        };
        let transport = match (settings.request_tcp, settings.request_multicast) {
            (true, _) => Transport::Tcp,
            (false, true) => Transport::Multicast,
            (false, false) => Transport::Udp,
        };
        let positive = |number: i64| u64::try_from(number).ok().filter(|&number| number > 0);
        Self {
            address,
            transport,
            reconnect: positive(settings.msreconnect).map(Duration::from_millis),
            recv_buffer_bytes: positive(settings.recv_buffer_size).and_then(|bytes| bytes.try_into().ok()),
            reordering: positive(settings.reordering_time).map(Duration::from_micros),
            correction: correction_of(settings.time_correction),
            sink: settings.sink,
        }
    }
}

/// What a `TimeCorrectionType_` means.
pub(crate) fn correction_of(time_correction: i32) -> Correction {
    match time_correction {
        TimeCorrectionType_none => Correction::None,
        TimeCorrectionType_dummy => Correction::Dummy,
        _ => Correction::SMART_LIVE,
    }
}

fn sink_of(filter: Option<&Bound<'_, FrameFilter>>) -> Arc<dyn Sink> {
    filter.map_or_else(|| Arc::new(Discard) as Arc<dyn Sink>, |filter| filter.get().sink())
}
