//! Pictures as files.

use std::path::Path;

use pyo3::prelude::*;
use valkka::filter::{Info, chain};
use valkka::graph::PictureFiles;

use crate::filter::{FrameFilter, Next, downstream};
use crate::logging::FILTER;
use crate::stdout;

/// Writes each decoded picture, its planes one behind the other and without gaps, to a file
/// `image_c<count>_s<subsession>_.yuv` in the current directory, and prints a line.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct DumpAVBitmapFrameFilter;

#[pymethods]
impl DumpAVBitmapFrameFilter {
    #[new]
    #[pyo3(signature = (name, next = None))]
    fn py_new(name: String, next: Next<'_>) -> PyClassInitializer<Self> {
        let mut files = PictureFiles::new(Path::new(""));
        let dump = Info::new(move |frame| match files.write(frame) {
            Ok(Some(written)) => stdout::line(format_args!("DumpAVBitmapFrameFilter: wrote {written}")),
            Ok(None) => {}
            Err(error) => FILTER.normal(format_args!("DumpAVBitmapFrameFilter: {name} : {error}")),
        });
        PyClassInitializer::from(FrameFilter::new(chain(dump, downstream(&next)))).add_subclass(Self)
    }
}
