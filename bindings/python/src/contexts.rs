//! The parameters of threads and connections: each a file, and a line here.

mod frame_fifo;

pub(crate) use frame_fifo::FrameFifoContext;

use pyo3::prelude::*;

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<FrameFifoContext>()?;
    Ok(())
}
