//! The end of the interpreter: all threads are stopped before it.

use std::process;
use std::sync::{Arc, Mutex, Weak};

use pyo3::prelude::*;
use valkka::lock::lock;

use crate::thread::Control;

/// What runs, or may. Grows with the objects that live: what has gone is cleared away when something is added.
static THREADS: Mutex<Vec<Weak<dyn Control>>> = Mutex::new(Vec::new());

/// Has `control` stopped at the end of the interpreter, if it still exists then.
pub(crate) fn watch(control: &Arc<dyn Control>) {
    let mut threads = lock(&THREADS);
    threads.retain(|thread| thread.strong_count() > 0);
    threads.push(Arc::downgrade(control));
}

/// Has all threads stopped when the interpreter ends, so that none of them meets the end of the process.
///
/// Not in processes that are forked off: there they do not run.
pub(crate) fn register(py: Python<'_>) -> PyResult<()> {
    let stop = wrap_pyfunction!(stop_all, py)?;
    py.import("atexit")?.call_method1("register", (stop, process::id()))?;
    Ok(())
}

#[pyfunction]
fn stop_all(py: Python<'_>, owner: u32) {
    if owner != process::id() {
        return;
    }
    let threads: Vec<_> = lock(&THREADS).iter().filter_map(Weak::upgrade).collect();
    py.detach(|| {
        threads.iter().for_each(|thread| thread.request_stop());
        threads.iter().for_each(|thread| thread.wait_stop());
        drop(threads);
    });
}
