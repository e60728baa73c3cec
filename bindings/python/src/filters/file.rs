//! Recording into a file.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use valkka::av::{Recorder, RecorderEvent, RecorderOptions};
use valkka::frame::Frame;
use valkka::reason::reason;
use valkka::sink::Sink;
use valkka::time::WallTime;

use crate::exit;
use crate::filter::{FrameFilter, Next, downstream};
use crate::logging::FILE;
use crate::native::Native;
use crate::thread::Control;

/// Records the stream that passes into a Matroska file while it is activated. All frames pass at once: the disk is waited
/// for elsewhere.
///
/// A recording begins with the last key frame, and a new file when the size or the tracks of the stream change:
/// `name-2.mkv` after `name.mkv`.
#[pyclass(extends = FrameFilter, frozen, subclass, module = "valkka.core")]
pub(crate) struct FileFrameFilter {
    name: String,
    recording: Native<Arc<Recording>>,
}

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl FileFrameFilter {
    #[new]
    #[pyo3(signature = (name, next = None))]
    fn py_new(name: String, next: Next<'_>) -> PyClassInitializer<Self> {
        let called = name.clone();
        let tell = move |event| tell(&called, event);
        let recorder = Recorder::new(&name, RecorderOptions::default(), downstream(&next), tell);
        let recording = Arc::new(Recording(recorder));
        let control: Arc<dyn Control> = recording.clone();
        exit::watch(&control);
        let filter = FrameFilter::new(recording.clone());
        PyClassInitializer::from(filter).add_subclass(Self { name, recording: Native::new(recording) })
    }

    /// Records into the file `fname` from now on; a recording that is going on is finished first. Times in the file count
    /// from `zerotime`, in milliseconds since 1970, or from the first frame if that is 0.
    #[pyo3(signature = (fname, zerotime = 0))]
    fn activate(&self, py: Python<'_>, fname: PathBuf, zerotime: i64) {
        py.detach(|| {
            if let Err(error) = self.recording.0.activate(fname, zero_of(zerotime)) {
                FILE.fatal(format_args!("FileFrameFilter: {}: activate: {error}", self.name));
            }
        });
    }

    /// Ends the recording; when this returns, the file is whole.
    fn deActivate(&self, py: Python<'_>) {
        py.detach(|| self.recording.0.deactivate());
    }
}

/// The moment that `zerotime` stands for, if it is one.
pub(super) fn zero_of(zerotime: i64) -> Option<WallTime> {
    let millis = u64::try_from(zerotime).ok().filter(|&millis| millis > 0)?;
    Some(WallTime::default() + Duration::from_millis(millis))
}

/// A recorder that finishes its file at the end of the interpreter.
struct Recording(Recorder);

impl Sink for Recording {
    fn put(&self, frame: Frame) {
        self.0.put(frame);
    }
}

impl Control for Recording {
    fn start(self: Arc<Self>, _affinity: Option<usize>) -> Result<(), String> {
        Ok(())
    }

    fn request_stop(&self) {}

    fn wait_stop(&self) {
        self.0.deactivate();
    }
}

fn tell(name: &str, event: RecorderEvent) {
    match event {
        RecorderEvent::Started { path, left_out } => {
            FILE.debug(format_args!("FileFrameFilter: {name}: recording into {}", path.display()));
            for track in left_out {
                FILE.normal(format_args!("FileFrameFilter: {name}: {}: without {track}", path.display()));
            }
        }
        RecorderEvent::Finished { path, dropped: 0 } => {
            FILE.debug(format_args!("FileFrameFilter: {name}: {} is whole", path.display()));
        }
        RecorderEvent::Finished { path, dropped } => FILE.normal(format_args!(
            "FileFrameFilter: {name}: {} lacks {dropped} frames: the disk was too slow",
            path.display()
        )),
        RecorderEvent::Failed(error) => {
            FILE.normal(format_args!("FileFrameFilter: {name}: the recording has ended: {}", reason(&error)));
        }
        _ => {}
    }
}
