//! The table of a store, as text and as an array.

use std::fmt::Write as _;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use valkka::graph::BlockTimes;

/// How many times there are of each block.
pub(super) const COLUMNS: usize = 2;

/// A line for each block from `from` to `to`, that one not included; to the end if that is 0.
pub(super) fn report(times: &[BlockTimes], from: usize, to: usize, show_all: bool) -> String {
    let to = if to == 0 { times.len() } else { to };
    let mut text = String::new();
    for (block, times) in times.iter().enumerate().take(to).skip(from) {
        // Writing to a string does not fail.
        let _ = match times {
            BlockTimes { key_ms: 0, last_ms: 0 } if show_all => writeln!(text, "{block} : - "),
            BlockTimes { key_ms: 0, last_ms: 0 } => Ok(()),
            BlockTimes { key_ms, last_ms } => writeln!(text, "{block} : {key_ms} {last_ms}"),
        };
    }
    text.trim_end_matches('\n').to_owned()
}

/// Copies the table into a NumPy array of 64-bit integers, with a row for each block.
pub(super) fn copy(times: &[BlockTimes], array: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = array.py();
    let numpy = py.import("numpy")?;
    if !array.is_instance(&numpy.getattr("ndarray")?)? || !array.getattr("dtype")?.eq("int64")? {
        return Err(PyTypeError::new_err("the table goes into a NumPy array of int64"));
    }
    let shape = array.getattr("shape")?;
    if !shape.eq((times.len(), COLUMNS))? {
        let wanted = (times.len(), COLUMNS);
        return Err(PyValueError::new_err(format!("the array has the shape {shape}, and not {wanted:?}")));
    }
    if !array.getattr("flags")?.getattr("c_contiguous")?.is_truthy()? {
        return Err(PyValueError::new_err("the array is not contiguous"));
    }
    let bytes: Vec<u8> =
        times.iter().flat_map(|times| [times.key_ms, times.last_ms]).flat_map(i64::to_ne_bytes).collect();
    let table = numpy.call_method1("frombuffer", (PyBytes::new(py, &bytes), "int64"))?;
    let table = table.call_method1("reshape", ((times.len(), COLUMNS),))?;
    numpy.call_method1("copyto", (array, table))?;
    Ok(())
}
