//! Python callables that are called from threads of ours.

use std::sync::Mutex;

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use valkka::lock::lock;

use crate::calls::Call;

/// A Python callable, or none yet.
#[derive(Default)]
pub(crate) struct Callback(Mutex<Option<Py<PyAny>>>);

impl Callback {
    pub(crate) fn new(callable: Py<PyAny>) -> Self {
        Self(Mutex::new(Some(callable)))
    }

    /// Replaces what is called. Python's `None` is nothing: with it, a program lets go of what it had given.
    pub(crate) fn set(&self, callable: Py<PyAny>) {
        // What was there is dropped after the lock: that may run Python code.
        let _before = lock(&self.0).replace(callable);
    }

    /// Calls it with the arguments that `arguments` makes. If it raises, the traceback is printed and that is all, also
    /// when it is `SystemExit`: a thread of ours cannot end the interpreter. Does nothing while there is none, and when
    /// the interpreter is ending.
    pub(crate) fn call<A>(&self, arguments: impl for<'py> FnOnce(Python<'py>) -> PyResult<A>)
    where
        A: for<'py> IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error = PyErr>,
    {
        let Some(_call) = Call::begin() else { return };
        Python::try_attach(|py| {
            let Some(callable) = lock(&self.0).as_ref().map(|callable| callable.clone_ref(py)) else {
                return;
            };
            if callable.is_none(py) {
                return;
            }
            let called = arguments(py)
                .and_then(|arguments| arguments.into_pyobject(py))
                .and_then(|arguments| callable.bind(py).call1(arguments));
            if let Err(error) = called {
                error.display(py);
            }
        });
    }
}
