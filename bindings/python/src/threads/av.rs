//! A decoder.

use pyo3::prelude::*;

use super::decoder::{DecoderThread, Means};
use crate::contexts::FrameFifoContext;
use crate::filter::Next;

/// Decodes on the processor.
#[pyclass(extends = DecoderThread, frozen, subclass, module = "valkka.core")]
pub(crate) struct AVThread;

#[pymethods]
impl AVThread {
    #[new]
    #[pyo3(signature = (name, outfilter, fifo_ctx = None))]
    fn py_new(
        name: &str,
        outfilter: Next<'_>,
        fifo_ctx: Option<FrameFifoContext>,
    ) -> PyClassInitializer<Self> {
        DecoderThread::new(name, &outfilter, fifo_ctx, Means::Processor).add_subclass(Self)
    }
}
