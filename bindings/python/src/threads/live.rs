//! A thread that receives streams and sends them.

use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use valkka::graph::live::{Live, LiveEvent, SlotError};
use valkka::stream::Slot;

use crate::contexts::{FrameFifoContext, LiveConnectionContext, LiveOutboundContext};
use crate::filters::fifo::FifoFrameFilter;
use crate::logging::{LIVE, LIVE_THREAD};
use crate::native::Native;
use crate::slot::slot;
use crate::thread::Thread;

/// Receives any number of streams, and sends any number, told apart by their slots.
///
/// Calls take effect in their order, before or after the start. A call about a slot that it does not fit says so, and
/// does nothing else.
#[pyclass(extends = Thread, frozen, subclass, module = "valkka.core")]
pub(crate) struct LiveThread {
    live: Native<Arc<Live>>,
}

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl LiveThread {
    /// `fifo_ctx` is taken for the sake of programs: what is sent waits in memory that follows the streams.
    #[new]
    #[pyo3(signature = (name, fifo_ctx = None))]
    fn py_new(name: &str, fifo_ctx: Option<FrameFifoContext>) -> PyClassInitializer<Self> {
        let _ = fifo_ctx;
        let live = Arc::new(Live::new(name, say));
        PyClassInitializer::from(Thread::new(name, live.clone()))
            .add_subclass(Self { live: Native::new(live) })
    }

    /// Reserves the context's slot for the stream that it describes.
    fn registerStreamCall(&self, py: Python<'_>, ctx: &LiveConnectionContext) {
        const CALL: &str = "registerStream";
        let Some(slot) = slot_of(py, CALL, ctx.slot()) else { return };
        let ask = ctx.has_type().then(|| ctx.ask());
        py.detach(|| match ask {
            Some(ask) => answer(CALL, self.live.receiver().register(slot, ask)),
            None => complain(CALL, format_args!("no connection type was given for slot {slot}")),
        });
    }

    /// Connects to the stream that was registered for the context's slot.
    fn playStreamCall(&self, py: Python<'_>, ctx: &LiveConnectionContext) {
        let Some(slot) = slot_of(py, "playStream", ctx.slot()) else { return };
        py.detach(|| answer("playStream", self.live.receiver().play(slot)));
    }

    /// Ends the connection: no frame comes any more before the stream is registered anew.
    fn stopStreamCall(slf: PyRef<'_, Self>, ctx: &LiveConnectionContext) {
        // Programs stop the thread, which ends all its streams, and their chains then.
        if slf.as_super().is_over() {
            return;
        }
        let Some(slot) = slot_of(slf.py(), "stopStream", ctx.slot()) else { return };
        let live: &Live = &slf.live;
        slf.py().detach(|| answer("stopStream", live.receiver().stop(slot)));
    }

    /// Ends the connection, if there is one, and frees the slot.
    fn deregisterStreamCall(&self, py: Python<'_>, ctx: &LiveConnectionContext) {
        let Some(slot) = slot_of(py, "deregisterStream", ctx.slot()) else { return };
        // Whatever is not there need not be taken away.
        let _ = py.detach(|| self.live.receiver().deregister(slot));
    }

    /// Sends the frames of the context's slot, as they come to the filter that getFrameFilter() gives.
    fn registerOutboundCall(&self, py: Python<'_>, ctx: PyRef<'_, LiveOutboundContext>) {
        let Some(slot) = slot_of(py, "registerOutbound", ctx.slot) else { return };
        let outlet = ctx.outlet();
        drop(ctx);
        py.detach(|| {
            let registered = outlet.and_then(|outlet| {
                self.live.sender().register(slot, outlet).map_err(|error| error.to_string())
            });
            if let Err(reason) = registered {
                complain("registerOutbound", format_args!("slot {slot} is not sent: {reason}"));
            }
        });
    }

    /// Sends the frames of the context's slot no more.
    fn deregisterOutboundCall(&self, py: Python<'_>, ctx: PyRef<'_, LiveOutboundContext>) {
        let Some(slot) = slot_of(py, "deregisterOutbound", ctx.slot) else { return };
        drop(ctx);
        py.detach(|| self.live.sender().deregister(slot));
    }

    /// The filter that takes the frames to be sent.
    fn getFrameFilter(&self, py: Python<'_>) -> PyResult<Py<FifoFrameFilter>> {
        FifoFrameFilter::of(py, self.live.sender().clone())
    }

    /// Starts an RTSP server on all interfaces of the machine, which asks its viewers for no password. It serves what is
    /// registered as an outbound connection of the type LiveConnectionType_rtsp.
    ///
    /// RuntimeError if it cannot listen on the port.
    #[pyo3(signature = (portnum = 8554))]
    fn setRTSPServer(&self, py: Python<'_>, portnum: i64) -> PyResult<()> {
        let portnum = u16::try_from(portnum).map_err(|_| {
            PyRuntimeError::new_err(format!("the RTSP server cannot listen on port {portnum}"))
        })?;
        let addr = SocketAddr::from((Ipv4Addr::UNSPECIFIED, portnum));
        let served = py.detach(|| self.live.sender().serve(addr));
        served.map(drop).map_err(|error| PyRuntimeError::new_err(error.to_string()))
    }
}

/// Takes the size of the largest frame that is sent, in bytes. Frames of any size are sent, so nothing depends on it.
#[pyfunction]
#[pyo3(name = "setLiveOutPacketBuffermaxSize")]
pub(crate) fn set_live_out_packet_buffer_max_size(i: i64) {
    let _ = i;
}

/// The slot with this number, if it is one.
fn slot_of(py: Python<'_>, call: &str, number: i64) -> Option<Slot> {
    slot(number).map_err(|wrong| py.detach(|| complain(call, wrong))).ok()
}

/// Says why a call did nothing, if that is so.
fn answer(call: &str, result: Result<(), SlotError>) {
    match result {
        Ok(()) => {}
        Err(SlotError::Reserved(slot)) => complain(call, format_args!("slot {slot} is reserved! ")),
        Err(SlotError::Nothing(slot)) => complain(call, format_args!("nothing at slot {slot}")),
    }
}

fn complain(call: &str, reason: impl Display) {
    LIVE_THREAD.normal(format_args!("LiveThread: {call} : {reason}"));
}

/// Says what people should know of a stream.
fn say(event: LiveEvent<'_>) {
    match event {
        LiveEvent::Disconnected { slot, address: "", reason, .. } => LIVE.normal(format_args!(
            "ValkkaRTSPClient: [URL:\"\"]: Failed to get a SDP description: slot {slot}: {reason}"
        )),
        LiveEvent::Disconnected { address, reason, was_online: false, .. } => LIVE.normal(format_args!(
            "ValkkaRTSPClient: [URL:\"{address}\"]: Failed to get a SDP description: {reason}"
        )),
        LiveEvent::Disconnected { address, reason, was_online: true, .. } => {
            LIVE.normal(format_args!(
                "ValkkaRTSPClient: [URL:\"{address}\"]: the connection has ended: {reason}"
            ));
        }
        other => LIVE_THREAD.normal(format_args!("LiveThread: {other}")),
    }
}
