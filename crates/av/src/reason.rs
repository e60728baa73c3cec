//! FFmpeg's own errors, as ours carry them.

use std::fmt;

use crate::ffi::AvError;

/// FFmpeg's words for an error of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Reason(AvError);

impl From<AvError> for Reason {
    fn from(error: AvError) -> Self {
        Self(error)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::error::Error for Reason {}
