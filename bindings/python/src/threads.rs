//! The threads: each a file, and a line here.

mod test;

use pyo3::prelude::*;

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<test::TestThread>()?;
    Ok(())
}
