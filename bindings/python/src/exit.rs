//! The end of the interpreter: all threads are stopped before it.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use pyo3::prelude::*;
use valkka::lock::lock;

use crate::calls;
use crate::thread::Control;

/// What runs, or may. Grows with the objects that live: what has gone is cleared away when something is added.
static THREADS: Mutex<Vec<Watched>> = Mutex::new(Vec::new());

/// Whether the interpreter is ending.
static ENDING: AtomicBool = AtomicBool::new(false);

struct Watched {
    control: Weak<dyn Control>,
    /// In a process that is forked off from that, it does not run.
    process: u32,
}

impl Watched {
    fn is_ours(&self) -> bool {
        self.process == process::id()
    }
}

/// Has `control` stopped at the end of the interpreter, if it still exists then.
pub(crate) fn watch(control: &Arc<dyn Control>) {
    let mut threads = lock(&THREADS);
    threads.retain(|thread| thread.is_ours() && thread.control.strong_count() > 0);
    threads.push(Watched { control: Arc::downgrade(control), process: process::id() });
}

/// Whether the interpreter is ending, so that all threads have been stopped, or are about to be.
pub(crate) fn is_ending() -> bool {
    ENDING.load(Ordering::Relaxed)
}

/// Has all threads stopped when the interpreter ends, so that none of them meets the end of the process.
pub(crate) fn register(py: Python<'_>) -> PyResult<()> {
    let stop = wrap_pyfunction!(stop_all, py)?;
    py.import("atexit")?.call_method1("register", (stop,))?;
    Ok(())
}

#[pyfunction]
fn stop_all(py: Python<'_>) {
    ENDING.store(true, Ordering::Relaxed);
    let ours = |threads: &Vec<Watched>| -> Vec<_> {
        threads
            .iter()
            .filter(|thread| thread.is_ours())
            .filter_map(|thread| thread.control.upgrade())
            .collect()
    };
    let threads = ours(&lock(&THREADS));
    py.detach(|| {
        threads.iter().for_each(|thread| thread.request_stop());
        threads.iter().for_each(|thread| thread.wait_stop());
        drop(threads);
        calls::close();
    });
}
