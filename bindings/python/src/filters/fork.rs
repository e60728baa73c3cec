//! Forks with as many outputs as they are made with.

use std::sync::Arc;

use pyo3::prelude::*;
use valkka::graph::NamedFork;

use crate::filter::{FrameFilter, Next};

/// Hands each frame to `next`, then to `next2`.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct ForkFrameFilter;

#[pymethods]
impl ForkFrameFilter {
    #[new]
    #[pyo3(signature = (name, next = None, next2 = None))]
    fn py_new(name: &str, next: Next<'_>, next2: Next<'_>) -> PyClassInitializer<Self> {
        let _ = name;
        PyClassInitializer::from(forked([next, next2])).add_subclass(Self)
    }
}

/// The filter that hands each frame to each of `outputs` in turn.
pub(super) fn forked<const N: usize>(outputs: [Next<'_>; N]) -> FrameFilter {
    let fork = NamedFork::new();
    for (index, output) in outputs.iter().enumerate() {
        if let Some(output) = output {
            fork.connect(&index.to_string(), output.sink()).expect("each index is one branch");
        }
    }
    FrameFilter::new(Arc::new(fork))
}
