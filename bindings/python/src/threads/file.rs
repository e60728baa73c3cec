//! A thread that plays files.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use valkka::graph::{FilePlayer, PlayerError, PlayerEvent};
use valkka::reason::reason;
use valkka::sink::Discard;
use valkka::stream::Slot;

use crate::contexts::{FileContext, FrameFifoContext};
use crate::filters::fifo::FifoFrameFilter;
use crate::logging::FILE_THREAD;
use crate::native::Native;
use crate::slot::slot;
use crate::thread::Thread;

/// Plays any number of files in real time, told apart by their slots.
///
/// Write into the blocking input of a decoder: a seek sends many frames at once. A call about a slot that it does not fit
/// says so, and does nothing else.
#[pyclass(extends = Thread, frozen, subclass, module = "valkka.core")]
pub(crate) struct FileThread {
    player: Native<Arc<FilePlayer>>,
}

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl FileThread {
    /// `fifo_ctx` is taken for the sake of programs: a player has no input.
    #[new]
    #[pyo3(signature = (name, fifo_ctx = None))]
    fn py_new(name: &str, fifo_ctx: Option<FrameFifoContext>) -> PyClassInitializer<Self> {
        let _ = fifo_ctx;
        let player = Arc::new(FilePlayer::new(name, tell));
        PyClassInitializer::from(Thread::new(name, player.clone()))
            .add_subclass(Self { player: Native::new(player) })
    }

    /// A filter that takes frames and does nothing with them.
    fn getFrameFilter(&self, py: Python<'_>) -> PyResult<Py<FifoFrameFilter>> {
        FifoFrameFilter::of(py, Arc::new(Discard))
    }

    /// Opens the context's file; returns when its first picture was written into the context's filter. The context's
    /// `status` tells whether that went well, and `duration` how long the file is.
    fn openFileStreamCall(&self, py: Python<'_>, ctx: &Bound<'_, FileContext>) {
        const CALL: &str = "openFileStream";
        let (number, path, sink) = {
            let context = ctx.borrow();
            (context.slot, context.filename.clone(), context.sink())
        };
        let Some(slot) = slot_of(py, CALL, number) else { return };
        let opened = py.detach(|| self.player.open(slot, &path, sink));
        match opened {
            Ok(file) => ctx.borrow_mut().opened(file),
            Err(error) => {
                if !matches!(error, PlayerError::SlotTaken(_)) {
                    ctx.borrow_mut().failed();
                }
                py.detach(|| complain(CALL, reason(&error)));
            }
        }
    }

    /// Goes to the position `seektime_` of the context, and stands still there; returns when all frames from the key frame
    /// before up to there were written.
    fn seekFileStreamCall(&self, py: Python<'_>, ctx: &Bound<'_, FileContext>) {
        let (number, millis) = {
            let context = ctx.borrow();
            (context.slot, context.seektime_)
        };
        let to = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
        self.call(py, "seekFileStream", number, |player, slot| player.seek(slot, to));
    }

    /// Plays in real time from where the file stands. At its end it comes to a stand until it is sought.
    fn playFileStreamCall(&self, py: Python<'_>, ctx: &Bound<'_, FileContext>) {
        let number = ctx.borrow().slot;
        self.call(py, "playFileStream", number, FilePlayer::play);
    }

    /// Stands still.
    fn stopFileStreamCall(&self, py: Python<'_>, ctx: &Bound<'_, FileContext>) {
        let number = ctx.borrow().slot;
        self.call(py, "stopFileStream", number, FilePlayer::pause);
    }

    /// Closes the file, and frees its slot.
    fn closeFileStreamCall(&self, py: Python<'_>, ctx: &Bound<'_, FileContext>) {
        let number = ctx.borrow().slot;
        self.call(py, "closeFileStream", number, FilePlayer::close);
    }
}

impl FileThread {
    fn call(
        &self,
        py: Python<'_>,
        name: &str,
        number: i64,
        body: impl FnOnce(&FilePlayer, Slot) -> Result<(), PlayerError> + Send,
    ) {
        let Some(slot) = slot_of(py, name, number) else { return };
        py.detach(|| {
            if let Err(error) = body(&self.player, slot) {
                complain(name, reason(&error));
            }
        });
    }
}

fn tell(event: PlayerEvent) {
    match event {
        PlayerEvent::Ended(slot) => FILE_THREAD.debug(format_args!("FileThread: slot {slot} is at its end")),
        PlayerEvent::Failed(slot, error) => {
            FILE_THREAD.normal(format_args!("FileThread: slot {slot} stops: {}", reason(&error)));
        }
        _ => {}
    }
}

fn slot_of(py: Python<'_>, call: &str, number: i64) -> Option<Slot> {
    slot(number).map_err(|wrong| py.detach(|| complain(call, wrong))).ok()
}

fn complain(call: &str, what: impl Display) {
    FILE_THREAD.normal(format_args!("FileThread: {call} : {what}"));
}
