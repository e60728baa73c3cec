//! What decoders have in common.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use valkka::graph::text::Line;
use valkka::graph::{DecoderStage, DecoderStageOptions, InputNotice};
use valkka::reason::reason;

use crate::contexts::FrameFifoContext;
use crate::filter::{Next, downstream};
use crate::filters::fifo::{BlockingFifoFrameFilter, FifoFrameFilter};
use crate::logging::{DECODER, FIFO};
use crate::native::Native;
use crate::thread::{Control, Thread};

/// Decodes the streams that come to its input, and hands the pictures to `outfilter`.
///
/// It decodes nothing until decodingOnCall(). What announces streams ends here; what tells that they are sought, played
/// or stopped goes on.
#[pyclass(extends = Thread, frozen, subclass, module = "valkka.core")]
pub(crate) struct DecoderThread {
    stage: Native<Arc<DecoderStage>>,
}

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl DecoderThread {
    #[new]
    #[pyo3(signature = (name, outfilter, fifo_ctx = None))]
    fn py_new(
        name: &str,
        outfilter: Next<'_>,
        fifo_ctx: Option<FrameFifoContext>,
    ) -> PyClassInitializer<Self> {
        Self::new(name, &outfilter, fifo_ctx, Means::Processor)
    }

    /// The filter through which frames come in; it drops what there is no room for.
    fn getFrameFilter(&self, py: Python<'_>) -> PyResult<Py<FifoFrameFilter>> {
        FifoFrameFilter::of(py, self.stage.input())
    }

    /// The filter through which frames come in that waits until there is room, five seconds at most: for files, which
    /// come as fast as they are taken.
    fn getBlockingFrameFilter(&self, py: Python<'_>) -> PyResult<Py<BlockingFifoFrameFilter>> {
        BlockingFifoFrameFilter::of(py, self.stage.waiting_input())
    }

    /// Decodes from now on, from the next key frame.
    fn decodingOnCall(&self) {
        self.stage.set_decoding(true);
    }

    /// Decodes no more.
    fn decodingOffCall(&self) {
        self.stage.set_decoding(false);
    }

    /// How many threads decode a stream that begins after this; 1 unless told otherwise.
    fn setNumberOfThreads(&self, n: i64) {
        self.stage.set_threads(usize::try_from(n).unwrap_or(1).max(1));
    }

    /// Drops pictures that are more than `mstol` milliseconds old. The others then keep their time stamps, and also
    /// pass while a stream is sought. 0, as at first, drops none.
    fn setTimeTolerance(&self, mstol: i64) {
        let tolerance = u64::try_from(mstol).ok().filter(|&mstol| mstol > 0);
        self.stage.set_tolerance(tolerance.map(Duration::from_millis));
    }

    /// Whether the time stamps of pictures that are more than two seconds off the clock are corrected, as at first.
    fn setTimeCorrection(&self, val: bool) {
        self.stage.set_correction(val);
    }
}

impl DecoderThread {
    /// What a decoder and the classes derived from it consist of.
    pub(super) fn new(
        name: &str,
        outfilter: &Next<'_>,
        fifo_ctx: Option<FrameFifoContext>,
        means: Means,
    ) -> PyClassInitializer<Self> {
        let fifo_ctx = fifo_ctx.unwrap_or_default();
        let options = DecoderStageOptions {
            name: name.to_owned(),
            capacity: usize::try_from(fifo_ctx.n_basic).unwrap_or(0).clamp(LEAST_FRAMES, MOST_FRAMES),
            flush_when_full: fifo_ctx.flush_when_full,
        };
        let fifo = name.to_owned();
        let stage = DecoderStage::new(options, downstream(outfilter), move |notice| say(&fifo, notice));
        let stage = Arc::new(stage);
        let control = Arc::new(Running { name: name.to_owned(), stage: stage.clone(), means });
        PyClassInitializer::from(Thread::new(name, control)).add_subclass(Self { stage: Native::new(stage) })
    }
}

/// What is to decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Means {
    Processor,
    /// A graphics processor by VA-API, if there is a driver for it.
    Vaapi,
}

/// Starts and stops it.
struct Running {
    name: String,
    stage: Arc<DecoderStage>,
    means: Means,
}

impl Control for Running {
    fn start(self: Arc<Self>, affinity: Option<usize>) -> Result<(), String> {
        if self.means == Means::Vaapi {
            DECODER.normal(format_args!(
                "VAAPIThread: {}: there is no driver for VA-API in this build, decoding in software",
                self.name
            ));
        }
        self.stage.start(affinity).map_err(|error| reason(&error))
    }

    fn request_stop(&self) {
        self.stage.request_stop();
    }

    fn wait_stop(&self) {
        self.stage.stop();
    }
}

/// Says what people should know of the input `fifo`, in the words that they search for.
pub(super) fn say(fifo: &str, notice: InputNotice<'_>) {
    match notice {
        InputNotice::Overflow(frame) => FIFO.normal(format_args!(
            "FrameFifo: {fifo} writeCopy: OVERFLOW! No more frames in stack.  Frame={}",
            Line(frame)
        )),
        InputNotice::Waiting(frame) => FIFO.normal(format_args!(
            "FrameFifo: {fifo} writeCopy: waiting for stack frames.  Frame={}",
            Line(frame)
        )),
        _ => {}
    }
}

/// Whole pictures that may wait at least and at most, whatever a context says of their parts.
const LEAST_FRAMES: usize = 20;
const MOST_FRAMES: usize = 1024;
