//! Fragmented MP4.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;
use valkka::frame::{Body, Frame};
use valkka::sink::Sink;

use super::mux::MuxFrameFilter;
use crate::filter::{Next, downstream};
use crate::logging::FILTER;

/// Makes fragmented MP4 of the video of a stream, as browsers take it: `ftyp` and `moov`, then `moof` and `mdat` for each
/// frame, one by one. Nothing else passes.
#[pyclass(extends = MuxFrameFilter, frozen, subclass, module = "valkka.core")]
pub(crate) struct FragMP4MuxFrameFilter;

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl FragMP4MuxFrameFilter {
    #[new]
    #[pyo3(signature = (name, next = None))]
    fn py_new(name: &str, next: Next<'_>) -> PyClassInitializer<Self> {
        let _ = name;
        let announced =
            Announced { ftyp: AtomicBool::new(false), moov: AtomicBool::new(false), next: downstream(&next) };
        MuxFrameFilter::before(Arc::new(announced)).add_subclass(Self)
    }

    /// Hands `ftyp` and `moov` on once more, for who comes late.
    fn sendMeta(slf: PyRef<'_, Self>) {
        let py = slf.py();
        let sent = slf.as_super().send_head(py);
        let words = if sent { "sending metadata!" } else { "No metadata!" };
        py.detach(|| FILTER.normal(format_args!("FragMP4MuxFrameFilter: {words}")));
    }
}

/// Says once that each part of the head has come.
struct Announced {
    ftyp: AtomicBool,
    moov: AtomicBool,
    next: Arc<dyn Sink>,
}

impl Sink for Announced {
    fn put(&self, frame: Frame) {
        if let Body::Fragment(fragment) = &frame.body {
            let (said, name) = match &fragment.kind {
                b"ftyp" => (&self.ftyp, "ftyp"),
                b"moov" => (&self.moov, "moov"),
                _ => return self.next.put(frame),
            };
            if !said.swap(true, Ordering::Relaxed) {
                FILTER.normal(format_args!("FragMP4MuxFrameFilter: got {name}"));
            }
        }
        self.next.put(frame);
    }
}
