//! The opener for programs that receive over TCP only.

use valkka_core::source::{SourceError, SourceRequest, Transport};

use super::RtspTcp;
use crate::opener::{Opened, Opener};

/// Opens `rtsp://` addresses over TCP, and nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub struct RtspOpener;

impl Opener for RtspOpener {
    fn open(&self, request: &SourceRequest) -> Result<Opened, SourceError> {
        let unsupported = |detail: String| SourceError::Unsupported { what: request.url.to_string(), detail };
        match (request.url.scheme(), request.options.transport) {
            ("rtsp", Transport::Tcp) => Ok(Opened::Task(Box::new(RtspTcp::new(request.clone())))),
            ("rtsp", transport) => Err(unsupported(format!("no RTP over {transport} here, only over tcp"))),
            (scheme, _) => Err(unsupported(format!("{scheme} is not rtsp"))),
        }
    }
}
