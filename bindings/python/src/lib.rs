//! Valkka for Python: the extension module `valkka.core.valkka_core`.
//!
//! The binding converts and forwards; what things do is in the crates below. Each Python class is one file, and one
//! line of the table in this file.
//!
//! - `filter` has the base class of all frame filters: a `Sink` that Python can hand on.
//!   Since a stage owns what lies downstream of it, nothing that Python forgets is lost while frames can come to it.
//! - `thread` has the base class of all threads: it starts, stops and waits without the interpreter's lock.
//! - `native` keeps what Python objects own: it is dropped without the interpreter's lock, and not at all in a
//!   process that was forked off.
#![forbid(unsafe_code)]

mod callback;
mod calls;
mod constants;
mod contexts;
mod exit;
mod filter;
mod filters;
mod fs;
mod functions;
mod logging;
mod native;
mod shm;
mod slot;
mod stdout;
mod thread;
mod threads;
mod versions;

use pyo3::prelude::*;

/// Level 1 of Valkka: threads, frame filters and contexts, wired by hand.
#[pymodule(gil_used = false)]
fn valkka_core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<filter::FrameFilter>()?;
    module.add_class::<thread::Thread>()?;
    constants::add_to(module)?;
    functions::add_to(module)?;
    contexts::add_to(module)?;
    filters::add_to(module)?;
    fs::add_to(module)?;
    threads::add_to(module)?;
    shm::add_to(module)?;
    logging::add_to(module)?;
    versions::add_to(module)?;
    exit::register(module.py())
}
