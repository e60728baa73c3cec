//! One way or the other.

use std::sync::Arc;

use pyo3::prelude::*;
use valkka::filter::Switch;

use crate::filter::{FrameFilter, Next, downstream};
use crate::native::Native;

/// Hands each frame to `next1`, or to `next2` once told so.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct SwitchFrameFilter {
    switch: Native<Switch>,
}

#[pymethods]
impl SwitchFrameFilter {
    #[new]
    #[pyo3(signature = (name, next1 = None, next2 = None))]
    fn py_new(name: &str, next1: Next<'_>, next2: Next<'_>) -> PyClassInitializer<Self> {
        let _ = name;
        let switch = Switch::new([downstream(&next1), downstream(&next2)]);
        PyClassInitializer::from(FrameFilter::new(Arc::new(switch.clone())))
            .add_subclass(Self { switch: Native::new(switch) })
    }

    /// Hands frames to the first output.
    fn set1(&self) {
        self.select(0);
    }

    /// Hands frames to the second output.
    fn set2(&self) {
        self.select(1);
    }
}

impl SwitchFrameFilter {
    fn select(&self, output: usize) {
        self.switch.select(output).expect("there are two");
    }
}
