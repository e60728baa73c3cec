//! Functions that programs call when they start.
#![expect(non_snake_case, reason = "the names are those of Python")]

use pyo3::prelude::*;

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(ffmpeg_av_register_all, module)?)?;
    module.add_function(wrap_pyfunction!(ValkkaXInitThreads, module)?)?;
    module.add_function(wrap_pyfunction!(get_numpy_version, module)?)?;
    module.add_function(wrap_pyfunction!(numpy_version_ok, module)?)
}

/// Does nothing: FFmpeg needs no registration any more.
#[pyfunction]
fn ffmpeg_av_register_all() {}

/// Does nothing: windows are drawn to without Xlib.
#[pyfunction]
fn ValkkaXInitThreads() {}

/// The version of numpy in use: none was chosen when this module was built.
#[pyfunction]
fn get_numpy_version(py: Python<'_>) -> PyResult<String> {
    py.import("numpy")?.getattr("__version__")?.extract()
}

/// Whether there is a numpy that this module works with: 1.19 or later.
#[pyfunction]
fn numpy_version_ok(py: Python<'_>) -> bool {
    get_numpy_version(py).is_ok_and(|version| {
        let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
        (numbers.next(), numbers.next()) >= (Some(1), Some(19))
    })
}
