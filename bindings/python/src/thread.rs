//! The base class of all threads.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use valkka::graph::cache::FrameCache;
use valkka::graph::live::Live;
use valkka::graph::{FdWriter, FilePlayer, StoreReader, StoreWriter};
use valkka::lock::lock;
use valkka::reason::reason;

use crate::calls;
use crate::exit;
use crate::filter::no_constructor;
use crate::logging::THREAD;
use crate::native::Native;

/// What a thread of level 1 does when it is started and stopped. All calls are made without the interpreter's lock,
/// from any thread.
pub(crate) trait Control: Send + Sync {
    /// Starts its thread or threads, bound to the CPU with this index; returns when they are ready.
    fn start(self: Arc<Self>, affinity: Option<usize>) -> Result<(), String>;

    /// Asks for a stop and returns at once.
    fn request_stop(&self);

    /// Waits until all is stopped; no callback is called and no frame comes after that. Must be safe to call before
    /// `start`, twice, and from several threads.
    fn wait_stop(&self);

    /// Waits until the calls so far have been carried out.
    fn wait_ready(&self) {}
}

/// Parts of the engine are controlled by their own methods: a path through `Self` names those before the trait's.
macro_rules! control {
    ($($part:ty),*) => {$(
        impl Control for $part {
            fn start(self: Arc<Self>, affinity: Option<usize>) -> Result<(), String> {
                Self::start(&self, affinity).map_err(|error| reason(&error))
            }

            fn request_stop(&self) {
                Self::request_stop(self);
            }

            fn wait_stop(&self) {
                self.stop();
            }
        }
    )*};
}

control!(FdWriter, FilePlayer, FrameCache, Live, StoreReader, StoreWriter);

/// Something that runs on its own between `startCall` and `stopCall`. It can be started once; dropping the last
/// reference stops it.
#[pyclass(subclass, dict, weakref, frozen, module = "valkka.core")]
pub(crate) struct Thread {
    name: String,
    control: Native<Running>,
    life: Mutex<Life>,
    /// Notified when the phase changes.
    changed: Condvar,
}

struct Life {
    affinity: Option<usize>,
    phase: Phase,
    /// It is to stop, whatever it does now.
    unwanted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Starting,
    Started,
    /// Somebody waits for it to stop.
    Stopping,
    Stopped,
}

/// Stops what it controls when it is dropped.
struct Running(Arc<dyn Control>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.request_stop();
        self.0.wait_stop();
    }
}

impl Thread {
    /// The part of a thread that starts and stops it.
    pub(crate) fn new(name: &str, control: Arc<dyn Control>) -> Self {
        exit::watch(&control);
        Self {
            name: name.to_owned(),
            control: Native::new(Running(control)),
            life: Mutex::new(Life { affinity: None, phase: Phase::New, unwanted: false }),
            changed: Condvar::new(),
        }
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        lock(&self.life)
    }

    fn enter(&self, phase: Phase) {
        self.life().phase = phase;
        self.changed.notify_all();
    }

    /// Stops it, once. Others who come meanwhile, or while it starts, wait until that is done.
    fn stop(&self) {
        let mut life = self.life();
        // In a callback nobody is waited for: that may be the one who waits for the callback to return.
        if !calls::is_inside() {
            let busy = |life: &mut Life| matches!(life.phase, Phase::Starting | Phase::Stopping);
            let waited = self.changed.wait_timeout_while(life, STOP_TIMEOUT, busy);
            (life, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        if life.phase == Phase::Started {
            life.phase = Phase::Stopping;
            drop(life);
            self.control.0.request_stop();
            self.control.0.wait_stop();
            self.enter(Phase::Stopped);
        }
    }

    /// Whether it was started and has stopped, or is stopping, with the interpreter if not on its own.
    pub(crate) fn is_over(&self) -> bool {
        exit::is_ending() || matches!(self.life().phase, Phase::Stopping | Phase::Stopped)
    }

    /// Whether a stop means anything: it was started, in this process.
    fn is_running(&self) -> bool {
        self.control.is_ours() && self.life().phase != Phase::New
    }
}

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl Thread {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn py_new(_args: &Bound<'_, PyAny>, _kwargs: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        Err(no_constructor("Thread"))
    }

    /// Binds the thread to the CPU with index `i` when it starts; -1 binds it to none.
    fn setAffinity(&self, py: Python<'_>, i: i64) {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let affinity = usize::try_from(i).ok().map(|cpu| if cpu < cpus { cpu } else { 0 });
        if usize::try_from(i).is_ok_and(|cpu| cpu >= cpus) {
            py.detach(|| {
                THREAD.fatal(format_args!(
                    "Thread: {}: setAffinity: there is no CPU {i} of {cpus}, taking 0",
                    self.name
                ));
            });
        }
        self.life().affinity = affinity;
    }

    /// Starts the thread; returns when it is ready.
    ///
    /// RuntimeError if it cannot start, or was started before.
    fn startCall(&self, py: Python<'_>) -> PyResult<()> {
        let affinity = {
            let mut life = self.life();
            if life.phase != Phase::New {
                return Err(PyRuntimeError::new_err(format!("{}: a thread can be started once", self.name)));
            }
            life.phase = Phase::Starting;
            life.affinity
        };
        py.detach(|| {
            let started = self.control.0.clone().start(affinity);
            self.enter(if started.is_ok() { Phase::Started } else { Phase::Stopped });
            if self.life().unwanted {
                self.control.0.request_stop();
            }
            started
        })
        .map_err(|reason| PyRuntimeError::new_err(format!("{}: {reason}", self.name)))
    }

    /// Stops the thread and waits until it has stopped.
    fn stopCall(&self, py: Python<'_>) {
        self.requestStopCall(py);
        self.waitStopCall(py);
    }

    /// Asks the thread to stop; returns at once.
    fn requestStopCall(&self, py: Python<'_>) {
        if self.is_running() {
            self.life().unwanted = true;
            py.detach(|| self.control.0.request_stop());
        }
    }

    /// Waits until the thread has stopped.
    fn waitStopCall(&self, py: Python<'_>) {
        if self.is_running() {
            py.detach(|| self.stop());
        }
    }

    /// Waits until the calls so far have been carried out.
    fn waitReady(&self, py: Python<'_>) {
        if self.is_running() {
            py.detach(|| self.control.0.wait_ready());
        }
    }
}

/// How long one waits for a stop that is another's work, which has deadlines of its own.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
