//! Integers that calls can write to, and the functions around them.

use std::sync::atomic::{AtomicI64, Ordering};

use pyo3::prelude::*;

/// An integer that calls can write to. `new_intp()` and `copy_intp(value)` make one.
#[pyclass(frozen, weakref, name = "intp", module = "valkka.core")]
pub(crate) struct IntCell(AtomicI64);

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<IntCell>()?;
    module.add_function(wrap_pyfunction!(new_intp, module)?)?;
    module.add_function(wrap_pyfunction!(copy_intp, module)?)?;
    module.add_function(wrap_pyfunction!(delete_intp, module)?)?;
    module.add_function(wrap_pyfunction!(intp_assign, module)?)?;
    module.add_function(wrap_pyfunction!(intp_value, module)?)
}

impl IntCell {
    /// Writes a number to it.
    pub(crate) fn assign(&self, value: usize) {
        self.0.store(i64::try_from(value).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

/// An integer that calls can write to, 0 at first.
#[pyfunction]
fn new_intp() -> IntCell {
    copy_intp(0)
}

/// An integer that calls can write to, `value` at first.
#[pyfunction]
fn copy_intp(value: i64) -> IntCell {
    IntCell(AtomicI64::new(value))
}

/// Does nothing: the integer goes with the last reference to it.
#[pyfunction]
fn delete_intp(obj: &IntCell) {
    let _ = obj;
}

/// Writes `value` to it.
#[pyfunction]
fn intp_assign(obj: &IntCell, value: i64) {
    obj.0.store(value, Ordering::SeqCst);
}

/// The number that is in it.
#[pyfunction]
fn intp_value(obj: &IntCell) -> i64 {
    obj.0.load(Ordering::SeqCst)
}
