//! The threads: each a file, and a line here.

mod abstract_file;
mod av;
mod decoder;
mod fd_write;
mod file;
mod file_cache;
mod fs_reader;
mod fs_writer;
mod live;
mod opengl;
mod test;
mod usb;
mod vaapi;

use pyo3::prelude::*;

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<abstract_file::AbstractFileStream>()?;
    module.add_class::<abstract_file::AbstractFileThread>()?;
    module.add_class::<av::AVThread>()?;
    module.add_class::<decoder::DecoderThread>()?;
    module.add_class::<fd_write::FDWriteThread>()?;
    module.add_class::<file_cache::FileCacheThread>()?;
    module.add_class::<file::FileThread>()?;
    module.add_class::<fs_reader::ValkkaFSReaderThread>()?;
    module.add_class::<fs_writer::ValkkaFSWriterThread>()?;
    module.add_class::<live::LiveThread>()?;
    module.add_function(wrap_pyfunction!(live::set_live_out_packet_buffer_max_size, module)?)?;
    module.add_class::<opengl::OpenGLThread>()?;
    module.add_class::<test::TestThread>()?;
    module.add_class::<usb::USBDeviceThread>()?;
    module.add_class::<vaapi::VAAPIThread>()?;
    Ok(())
}
