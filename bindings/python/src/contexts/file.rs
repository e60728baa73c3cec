//! A file that is played.

use std::sync::Arc;

use pyo3::prelude::*;
use valkka::graph::{FilePosition, OpenedFile};
use valkka::sink::{Discard, Sink};

use crate::constants::file_state::{FileState_error, FileState_none, FileState_stop};
use crate::filter::FrameFilter;

/// A file that is played, and what is found out about it.
#[pyclass(subclass, dict, weakref, module = "valkka.core")]
pub(crate) struct FileContext {
    /// Where the file is.
    #[pyo3(get, set)]
    pub(crate) filename: String,
    /// The number of the stream, from 1 to 255.
    #[pyo3(get, set)]
    pub(crate) slot: i64,
    /// Where frames are written.
    #[pyo3(get, set)]
    framefilter: Option<Py<FrameFilter>>,
    /// The position, in milliseconds from the start, that the next seek goes to.
    #[pyo3(get, set)]
    pub(crate) seektime_: i64,
    /// How long the file is, in milliseconds, once it is open.
    #[pyo3(get, set)]
    duration: i64,
    /// FileState_stop once the file is open, FileState_error if it cannot be opened.
    #[pyo3(get, set)]
    status: i32,
    position: Position,
}

/// Where a file stands.
enum Position {
    /// In milliseconds from its start, as it was set.
    Set(i64),
    /// As its player knows.
    Of(FilePosition),
}

#[pymethods]
impl FileContext {
    #[new]
    #[pyo3(signature = (filename = String::new(), slot = 0, framefilter = None, st = 0))]
    fn py_new(filename: String, slot: i64, framefilter: Option<Py<FrameFilter>>, st: i64) -> Self {
        Self {
            filename,
            slot,
            framefilter,
            seektime_: st,
            duration: 0,
            status: FileState_none,
            position: Position::Set(0),
        }
    }

    /// Where the file stands, in milliseconds from its start.
    #[getter]
    fn get_mstimestamp(&self) -> i64 {
        match &self.position {
            Position::Set(millis) => *millis,
            Position::Of(position) => i64::try_from(position.get().as_millis()).unwrap_or(i64::MAX),
        }
    }

    #[setter]
    fn set_mstimestamp(&mut self, value: i64) {
        self.position = Position::Set(value);
    }
}

impl FileContext {
    /// Where frames are written.
    pub(crate) fn sink(&self) -> Arc<dyn Sink> {
        self.framefilter
            .as_ref()
            .map_or_else(|| Arc::new(Discard) as Arc<dyn Sink>, |filter| filter.get().sink())
    }

    /// Notes that the file is open.
    pub(crate) fn opened(&mut self, file: OpenedFile) {
        self.status = FileState_stop;
        self.duration = i64::try_from(file.duration.as_millis()).unwrap_or(i64::MAX);
        self.position = Position::Of(file.position);
    }

    /// Notes that the file cannot be opened.
    pub(crate) fn failed(&mut self) {
        self.status = FileState_error;
    }
}
