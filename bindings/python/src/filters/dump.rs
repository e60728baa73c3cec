//! Frames as files.

use std::path::Path;

use pyo3::prelude::*;
use valkka::filter::{Info, chain};
use valkka::graph::PayloadFiles;

use crate::filter::{FrameFilter, Next, downstream};
use crate::logging::FILTER;

/// Writes the payload of each frame to a file `packet_c<count>_s<subsession>_<timestamp>.bin` in the current directory.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct DumpFrameFilter;

#[pymethods]
impl DumpFrameFilter {
    #[new]
    #[pyo3(signature = (name, next = None))]
    fn py_new(name: String, next: Next<'_>) -> PyClassInitializer<Self> {
        let mut files = PayloadFiles::new(Path::new(""));
        let dump = Info::new(move |frame| {
            if let Err(error) = files.write(frame) {
                FILTER.normal(format_args!("DumpFrameFilter: {name} : {error}"));
            }
        });
        PyClassInitializer::from(FrameFilter::new(chain(dump, downstream(&next)))).add_subclass(Self)
    }
}
