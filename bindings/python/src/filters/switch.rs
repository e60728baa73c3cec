//! One of two streams.

use pyo3::prelude::*;
use valkka::filter::Selector;

use super::caching_gate::CachingGateFrameFilter;
use crate::filter::{Next, downstream};
use crate::logging::FILTER;
use crate::native::Native;

/// Two inputs, of which one at a time is let through to `next`, at first none.
#[pyclass(subclass, dict, weakref, frozen, module = "valkka.core")]
pub(crate) struct Switch(pub(super) Channels);

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl Switch {
    #[new]
    #[pyo3(signature = (name, next = None))]
    fn py_new(name: String, next: Next<'_>) -> Self {
        Self(Channels::new("Switch", name, Selector::merging(2, downstream(&next))))
    }

    /// Lets input `i`, 0 or 1, through from now on, starting with what its gate remembers.
    fn setChannel(&self, py: Python<'_>, i: i64) {
        self.0.select(py, i);
    }

    /// The input that is let through; -1 before one is chosen.
    fn getCurrentChannel(&self) -> i64 {
        self.0.selected()
    }

    /// The filter to write into for input `i`; None if there is no such input.
    fn getInputChannel(&self, py: Python<'_>, i: i64) -> PyResult<Option<Py<CachingGateFrameFilter>>> {
        self.0.input(py, i)
    }
}

/// Inputs of which one is let through at a time.
pub(super) struct Channels {
    class: &'static str,
    name: String,
    selector: Native<Selector>,
}

impl Channels {
    pub(super) fn new(class: &'static str, name: String, selector: Selector) -> Self {
        Self { class, name, selector: Native::new(selector) }
    }

    pub(super) fn select(&self, py: Python<'_>, channel: i64) {
        let selected = py.detach(|| self.selector.select(index(channel)));
        if selected.is_err() {
            self.refuse(py, "setChannel", channel);
        }
    }

    pub(super) fn selected(&self) -> i64 {
        self.selector.selected().and_then(|channel| i64::try_from(channel).ok()).unwrap_or(-1)
    }

    pub(super) fn input(&self, py: Python<'_>, channel: i64) -> PyResult<Option<Py<CachingGateFrameFilter>>> {
        let Ok(gate) = self.selector.input(index(channel)) else {
            self.refuse(py, "getInputChannel", channel);
            return Ok(None);
        };
        Py::new(py, CachingGateFrameFilter::around(gate)).map(Some)
    }

    fn refuse(&self, py: Python<'_>, call: &str, channel: i64) {
        let Self { class, name, .. } = self;
        py.detach(|| FILTER.normal(format_args!("{class}: {name} : {call}: wrong channel {channel}")));
    }
}

/// The index of a channel; one that there never is for negative numbers.
fn index(channel: i64) -> usize {
    usize::try_from(channel).unwrap_or(usize::MAX)
}
