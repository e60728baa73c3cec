//! What is loaded: for people, who compare it with what they read.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use valkka::av;

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(ffmpeg_versions, module)?)
}

/// The versions of what is loaded of FFmpeg: of `"ffmpeg"`, and of each library, such as `"libavcodec"`.
#[pyfunction]
fn ffmpeg_versions(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let versions = PyDict::new(py);
    for (name, version) in av::ffmpeg_versions() {
        versions.set_item(name, version)?;
    }
    Ok(versions)
}
