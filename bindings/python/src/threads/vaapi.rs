//! A decoder that takes a graphics processor where it can.

use pyo3::prelude::*;

use super::decoder::{DecoderThread, Means};
use crate::contexts::FrameFifoContext;
use crate::filter::Next;

/// Decodes on a graphics processor by VA-API where there is a driver for that, and else in software, and says which.
#[pyclass(extends = DecoderThread, frozen, subclass, module = "valkka.core")]
pub(crate) struct VAAPIThread;

#[pymethods]
impl VAAPIThread {
    #[new]
    #[pyo3(signature = (name, outfilter, fifo_ctx = None))]
    fn py_new(
        name: &str,
        outfilter: Next<'_>,
        fifo_ctx: Option<FrameFifoContext>,
    ) -> PyClassInitializer<Self> {
        DecoderThread::new(name, &outfilter, fifo_ctx, Means::Vaapi).add_subclass(Self)
    }
}
