//! Shared memory as numpy arrays.
#![expect(non_snake_case, reason = "the names are those of Python")]

use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use valkka::shm::View;

use super::ring_base::SharedMemRingBufferBase;
use crate::native::Native;

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(getNumpyShmem, module)?)
}

/// The array of cell `i` of `rb`: one of those that `rb.getBufferListPy()` gives.
#[pyfunction]
fn getNumpyShmem<'py>(py: Python<'py>, rb: &SharedMemRingBufferBase, i: i64) -> PyResult<Bound<'py, PyAny>> {
    let view = usize::try_from(i).ok().and_then(|index| rb.view(index));
    let view = view.ok_or_else(|| PyIndexError::new_err(format!("there is no cell {i}")))?;
    array(py, view)
}

/// A flat array of bytes that shows `view`, read only.
fn array(py: Python<'_>, view: View) -> PyResult<Bound<'_, PyAny>> {
    // numpy makes an array of whatever has `__array_interface__`, and keeps that as the array's base.
    let shown = Bound::new(py, Shown { view: Native::new(view) })?;
    py.import("numpy")?.call_method1("asarray", (shown,))
}

/// All cells as arrays.
pub(crate) fn arrays(py: Python<'_>, views: impl Iterator<Item = View>) -> PyResult<Bound<'_, PyList>> {
    let arrays = views.map(|view| array(py, view)).collect::<PyResult<Vec<_>>>()?;
    PyList::new(py, arrays)
}

/// What an array stands on: it keeps the memory where it is, the ring buffer gone or not.
#[pyclass(frozen, weakref, name = "SharedMemView", module = "valkka.core")]
struct Shown {
    view: Native<View>,
}

#[pymethods]
impl Shown {
    /// Where the bytes are, as numpy wants to know it.
    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        const READ_ONLY: bool = true;
        let interface = PyDict::new(py);
        interface.set_item("version", 3)?;
        interface.set_item("typestr", "|u1")?;
        interface.set_item("shape", (self.view.len(),))?;
        interface.set_item("data", (self.view.address(), READ_ONLY))?;
        Ok(interface)
    }
}
