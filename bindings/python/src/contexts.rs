//! The parameters of threads and connections: each a file, and a line here.

mod frame_fifo;
pub(crate) mod live_connection;
mod live_outbound;
mod opengl_frame_fifo;

pub(crate) use frame_fifo::FrameFifoContext;
pub(crate) use live_connection::LiveConnectionContext;
pub(crate) use live_outbound::LiveOutboundContext;
pub(crate) use opengl_frame_fifo::OpenGLFrameFifoContext;

use pyo3::prelude::*;

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<FrameFifoContext>()?;
    module.add_class::<LiveConnectionContext>()?;
    module.add_class::<LiveOutboundContext>()?;
    module.add_class::<OpenGLFrameFifoContext>()?;
    Ok(())
}
