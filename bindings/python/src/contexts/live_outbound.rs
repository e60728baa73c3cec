//! Where a stream is sent to.
#![expect(non_upper_case_globals, reason = "the names are those of Python")]

use std::net::IpAddr;

use pyo3::prelude::*;
use valkka::graph::live::Outlet;

use crate::constants::live_connection::{
    LiveConnectionType_none, LiveConnectionType_rtsp, LiveConnectionType_sdp,
};

/// Where a stream is sent to. It is read when the stream is registered.
#[pyclass(get_all, set_all, subclass, dict, weakref, module = "valkka.core")]
pub(crate) struct LiveOutboundContext {
    /// LiveConnectionType_rtsp to serve it, LiveConnectionType_sdp to send it unasked.
    connection_type: i32,
    /// The path under which it is served, or the IP address of a machine or a multicast group.
    address: String,
    /// The number of the stream, from 1 to 255.
    pub(crate) slot: i64,
    /// The UDP port that is sent to; of no meaning for what is served.
    portnum: i64,
    /// Over how many routers packets may go.
    ttl: i64,
}

#[pymethods]
impl LiveOutboundContext {
    #[new]
    #[pyo3(signature = (connection_type = LiveConnectionType_none, address = String::new(), slot = 0, portnum = 0))]
    fn py_new(connection_type: i32, address: String, slot: i64, portnum: i64) -> Self {
        Self { connection_type, address, slot, portnum, ttl: 255 }
    }
}

impl LiveOutboundContext {
    /// What it says, or what is wrong with it.
    pub(crate) fn outlet(&self) -> Result<Outlet, String> {
        match self.connection_type {
            LiveConnectionType_rtsp => Ok(Outlet::Rtsp { path: self.address.clone() }),
            LiveConnectionType_sdp => {
                let address: IpAddr =
                    self.address.parse().map_err(|_| format!("\"{}\" is no IP address", self.address))?;
                let port = u16::try_from(self.portnum).map_err(|_| format!("{} is no port", self.portnum))?;
                let ttl = self.ttl.clamp(0, 255) as u8;
                Ok(Outlet::Rtp { address, port, ttl })
            }
            other => Err(format!("{other} is no type of an outbound connection")),
        }
    }
}
