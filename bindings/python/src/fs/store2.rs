//! A store of one stream.

use std::path::PathBuf;

use pyo3::prelude::*;
use valkka::graph::KeyTime;

use super::store::ValkkaFS;

/// A store of one stream: in its table, the first time of a block is that of its first key frame.
#[pyclass(extends = ValkkaFS, subclass, frozen, module = "valkka.core")]
pub(crate) struct ValkkaFS2;

#[pymethods]
impl ValkkaFS2 {
    #[new]
    #[pyo3(signature = (device_file, block_file, blocksize, n_blocks, init = false))]
    fn py_new(
        py: Python<'_>,
        device_file: PathBuf,
        block_file: PathBuf,
        blocksize: i64,
        n_blocks: i64,
        init: bool,
    ) -> PyResult<PyClassInitializer<Self>> {
        let store =
            ValkkaFS::open(py, (device_file, block_file), (blocksize, n_blocks), KeyTime::First, init)?;
        Ok(PyClassInitializer::from(store).add_subclass(Self))
    }
}
