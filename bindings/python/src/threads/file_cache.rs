//! A thread that plays recordings from memory.

use std::fmt::Display;
use std::sync::Arc;

use pyo3::prelude::*;
use valkka::graph::basic::basic_frames;
use valkka::graph::cache::{CacheEvent, CacheOptions, FrameCache};
use valkka::time::WallTime;

use super::abstract_file::AbstractFileThread;
use crate::callback::Callback;
use crate::contexts::FileStreamContext;
use crate::filters::fifo::FifoFrameFilter;
use crate::logging::FILE_THREAD;
use crate::native::Native;
use crate::slot::slot;
use crate::stdout;
use crate::thread::Thread;

/// Keeps recorded frames in memory, and plays them in real time into a filter for each slot, all by one clock.
///
/// Frames come through the filter that getFrameFilter() gives, between marker frames. Nothing is played before the first
/// seekStreamsCall(). Calls are carried out in their order.
#[pyclass(extends = AbstractFileThread, subclass, frozen, module = "valkka.core")]
pub(crate) struct FileCacheThread {
    name: String,
    cache: Native<Arc<FrameCache>>,
    position: Arc<Callback>,
    limits: Arc<Callback>,
}

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl FileCacheThread {
    #[new]
    fn py_new(name: String) -> PyClassInitializer<Self> {
        let (position, limits) = (Arc::<Callback>::default(), Arc::<Callback>::default());
        let options = CacheOptions { name: name.clone(), ..CacheOptions::default() };
        let (at, within, called) = (position.clone(), limits.clone(), name.clone());
        let cache = Arc::new(FrameCache::new(options, move |event| match event {
            CacheEvent::At(time) => at.call(|_| Ok((time.map_or(0, WallTime::millis),))),
            CacheEvent::Limits(limits) => {
                within.call(|_| Ok((limits.map(|(first, last)| (first.millis(), last.millis())),)));
            }
            CacheEvent::Notice(notice) => complain(&called, notice),
        }));
        PyClassInitializer::from(Thread::new(&name, cache.clone()))
            .add_subclass(AbstractFileThread)
            .add_subclass(Self { name, cache: Native::new(cache), position, limits })
    }

    /// Has `cb(mstime)` called once a second with the time within the recording, or 0 if it is nowhere.
    fn setPyCallback(&self, cb: Py<PyAny>) {
        self.position.set(cb);
    }

    /// Has `cb((first, last))` called with the times between which it has frames, in milliseconds, when others come into
    /// use; `cb(None)` if it has none.
    fn setPyCallback2(&self, cb: Py<PyAny>) {
        self.limits.set(cb);
    }

    /// The filter through which frames come in.
    fn getFrameFilter(&self, py: Python<'_>) -> PyResult<Py<FifoFrameFilter>> {
        FifoFrameFilter::of(py, self.cache.input())
    }

    /// Has the frames of the context's slot written into its filter.
    fn registerStreamCall(&self, py: Python<'_>, ctx: PyRef<'_, FileStreamContext>) {
        let (slot, sink) = (slot(ctx.slot), ctx.sink());
        drop(ctx);
        py.detach(|| match slot {
            Ok(slot) => self.cache.register(slot, sink),
            Err(wrong) => complain(&self.name, wrong),
        });
    }

    /// Plays the context's slot no more.
    fn deregisterStreamCall(&self, py: Python<'_>, ctx: PyRef<'_, FileStreamContext>) {
        let slot = slot(ctx.slot);
        drop(ctx);
        py.detach(|| match slot {
            Ok(slot) => self.cache.deregister(slot),
            Err(wrong) => complain(&self.name, wrong),
        });
    }

    /// Goes to this time of the recording, in milliseconds, shows its pictures and stops there; as soon as frames around
    /// it come in, if they are not there or are to be left out (`clear`).
    #[pyo3(signature = (mstimestamp, clear = false))]
    fn seekStreamsCall(&self, py: Python<'_>, mstimestamp: i64, clear: bool) {
        let target = WallTime::from_micros(mstimestamp.saturating_mul(1000));
        py.detach(|| self.cache.seek(target, !clear));
    }

    /// Plays on from where it is.
    fn playStreamsCall(&self, py: Python<'_>) {
        py.detach(|| self.cache.play());
    }

    /// Stands still where it is.
    fn stopStreamsCall(&self, py: Python<'_>) {
        py.detach(|| self.cache.pause());
    }

    /// Forgets all frames, and where it is.
    fn clearCall(&self, py: Python<'_>) {
        py.detach(|| self.cache.clear());
    }

    /// Prints the frames that have come in since the last marker.
    fn dumpCache(&self, py: Python<'_>) {
        py.detach(|| {
            for frame in self.cache.filling() {
                basic_frames(&frame).iter().for_each(stdout::line);
            }
        });
    }
}

fn complain(name: &str, what: impl Display) {
    FILE_THREAD.normal(format_args!("FileCacheThread: {name}: {what}"));
}
