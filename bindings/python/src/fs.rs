//! ValkkaFS, level 1: stores, and what shows them; each a file, and a line here. The threads that read and write are among
//! the threads.

mod store;
mod store2;
mod table;
mod tool;

pub(crate) use store::ValkkaFS;

use pyo3::prelude::*;

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ValkkaFS>()?;
    module.add_class::<store2::ValkkaFS2>()?;
    module.add_class::<tool::ValkkaFSTool>()
}
