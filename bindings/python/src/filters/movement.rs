//! Noticing movement.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pyo3::prelude::*;
use valkka::filter::{Movement, MovementEvent, MovementHandle, MovementOptions, chain};

use crate::callback::Callback;
use crate::filter::{FrameFilter, Next, downstream};
use crate::logging::FILTER;

/// Lets decoded pictures through that differ from what was seen `interval` milliseconds before, and calls back when
/// that begins and ends.
///
/// `treshold` is the mean difference of the luma, from 0 to 1, that is taken for movement. A movement lasts `duration`
/// milliseconds at least. The callback gets one argument, the tuple `(moving, slot, mstimestamp)`, on the thread that
/// feeds the filter, so it must be short.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct MovementFrameFilter {
    callback: Arc<Callback>,
    handle: MovementHandle,
}

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl MovementFrameFilter {
    #[new]
    #[pyo3(signature = (name, interval, treshold, duration, next = None))]
    fn py_new(
        name: String,
        interval: i64,
        treshold: f32,
        duration: i64,
        next: Next<'_>,
    ) -> PyClassInitializer<Self> {
        let millis = |millis: i64| Duration::from_millis(millis.max(0).unsigned_abs());
        let options =
            MovementOptions { interval: millis(interval), threshold: treshold, duration: millis(duration) };
        let callback = Arc::<Callback>::default();
        let (called, complained) = (callback.clone(), AtomicBool::new(false));
        let (filter, handle) = Movement::new(options, move |event| match event {
            MovementEvent::Began { slot, at } => {
                called.call(|_| Ok(((true, slot.number(), at.millis()),)));
            }
            MovementEvent::Ended { slot, at } => {
                called.call(|_| Ok(((false, slot.number(), at.millis()),)));
            }
            // Said once: such frames come in numbers.
            MovementEvent::Foreign { slot } if !complained.swap(true, Ordering::Relaxed) => {
                FILTER.fatal(format_args!(
                    "MovementFrameFilter: {name}: slot {slot}: only decoded pictures are taken, the rest is dropped"
                ));
            }
            MovementEvent::Foreign { .. } => {}
        });
        let filter = FrameFilter::new(chain(filter, downstream(&next)));
        PyClassInitializer::from(filter).add_subclass(Self { callback, handle })
    }

    /// Has `callable((moving, slot, mstimestamp))` called when a movement begins and when it ends; None has nobody called.
    ///
    /// The filter keeps the callable, and with it the object whose method that may be.
    fn setCallback(&self, callable: Py<PyAny>) {
        self.callback.set(callable);
    }

    /// Forgets what was seen, and that something moves.
    fn reset(&self) {
        self.handle.reset();
    }
}
