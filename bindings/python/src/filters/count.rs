//! Counting frames.

use pyo3::prelude::*;
use valkka::filter::{Info, chain};
use valkka::graph::basic::basic_frames;

use crate::filter::{FrameFilter, Next, downstream};
use crate::stdout;

/// Prints the running number of each frame, from 1, as the filters count that show frames.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct CountFrameFilter;

#[pymethods]
impl CountFrameFilter {
    #[new]
    #[pyo3(signature = (name, next = None))]
    fn py_new(name: &str, next: Next<'_>) -> PyClassInitializer<Self> {
        let _ = name;
        let mut count = 0_u64;
        let info = Info::new(move |frame| {
            for _ in basic_frames(frame) {
                count += 1;
                stdout::line(format_args!("CountFrameFilter : got frame {count}"));
            }
        });
        PyClassInitializer::from(FrameFilter::new(chain(info, downstream(&next)))).add_subclass(Self)
    }
}
