//! Where frames go.

use std::sync::Arc;

use crate::frame::Frame;

/// Takes frames. The seam between stages: whoever produces frames holds an `Arc<dyn Sink>` and owns what
/// lies downstream by it.
pub trait Sink: Send + Sync {
    /// Takes `frame`, in the caller's thread, and returns soon: what takes long belongs behind a queue.
    fn put(&self, frame: Frame);
}

impl<S: Sink + ?Sized> Sink for Arc<S> {
    fn put(&self, frame: Frame) {
        (**self).put(frame);
    }
}

/// A sink that drops everything: the end of a chain without a consumer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

impl Sink for Discard {
    fn put(&self, _: Frame) {}
}

/// A sink that calls a closure.
#[derive(Clone, Copy, Debug)]
pub struct FnSink<F>(pub F);

impl<F: Fn(Frame) + Send + Sync> Sink for FnSink<F> {
    fn put(&self, frame: Frame) {
        (self.0)(frame);
    }
}
