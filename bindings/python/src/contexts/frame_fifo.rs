//! How much the input of a thread holds.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// How many frames of each kind the input of a thread holds at least. It is read when the thread is made.
///
/// Frames are not reserved: an input grows with need, up to a limit above these numbers.
#[pyclass(get_all, set_all, subclass, dict, weakref, from_py_object, module = "valkka.core")]
#[derive(Clone, Debug)]
pub(crate) struct FrameFifoContext {
    pub(crate) n_basic: i32,
    pub(crate) n_avpkt: i32,
    pub(crate) n_avframe: i32,
    pub(crate) n_yuvpbo: i32,
    pub(crate) n_setup: i32,
    pub(crate) n_signal: i32,
    pub(crate) n_marker: i32,
    pub(crate) flush_when_full: bool,
}

impl Default for FrameFifoContext {
    fn default() -> Self {
        Self {
            n_basic: 50,
            n_avpkt: 0,
            n_avframe: 0,
            n_yuvpbo: 0,
            n_setup: 20,
            n_signal: 20,
            n_marker: 20,
            flush_when_full: false,
        }
    }
}

#[pymethods]
impl FrameFifoContext {
    /// `FrameFifoContext()`, `FrameFifoContext(n_signal)`, or all seven.
    #[new]
    #[pyo3(signature = (*args))]
    fn py_new(args: &Bound<'_, pyo3::types::PyTuple>) -> PyResult<Self> {
        let number = |index: usize| args.get_item(index)?.extract::<i32>();
        match args.len() {
            0 => Ok(Self::default()),
            1 => Ok(Self {
                n_basic: 0,
                n_setup: 0,
                n_signal: number(0)?,
                n_marker: number(0)?,
                ..Self::default()
            }),
            7 => Ok(Self {
                n_basic: number(0)?,
                n_avpkt: number(1)?,
                n_avframe: number(2)?,
                n_yuvpbo: number(3)?,
                n_setup: number(4)?,
                n_signal: number(5)?,
                n_marker: number(5)?,
                flush_when_full: args.get_item(6)?.is_truthy()?,
            }),
            count => {
                Err(PyTypeError::new_err(format!("FrameFifoContext takes 0, 1 or 7 arguments, not {count}")))
            }
        }
    }
}
