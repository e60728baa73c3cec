//! The parameters of threads and connections: each a file, and a line here.

mod fd_write;
mod file;
mod file_stream;
mod frame_fifo;
pub(crate) mod live_connection;
mod live_outbound;
mod opengl_frame_fifo;
mod usb_camera;

pub(crate) use fd_write::FDWriteContext;
pub(crate) use file::FileContext;
pub(crate) use file_stream::FileStreamContext;
pub(crate) use frame_fifo::FrameFifoContext;
pub(crate) use live_connection::LiveConnectionContext;
pub(crate) use live_outbound::LiveOutboundContext;
pub(crate) use opengl_frame_fifo::OpenGLFrameFifoContext;
pub(crate) use usb_camera::USBCameraConnectionContext;

use pyo3::prelude::*;

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<FDWriteContext>()?;
    module.add_class::<FileStreamContext>()?;
    module.add_class::<FileContext>()?;
    module.add_class::<FrameFifoContext>()?;
    module.add_class::<LiveConnectionContext>()?;
    module.add_class::<LiveOutboundContext>()?;
    module.add_class::<OpenGLFrameFifoContext>()?;
    module.add_class::<USBCameraConnectionContext>()?;
    Ok(())
}
