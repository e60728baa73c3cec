//! The frame filters: each a file, and a line here.

pub(crate) mod fifo;
mod gate;

use pyo3::prelude::*;

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<fifo::FifoFrameFilter>()?;
    module.add_class::<gate::GateFrameFilter>()?;
    Ok(())
}
