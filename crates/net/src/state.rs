//! What is known of a stream's connection.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use valkka_core::lock::lock;
use valkka_core::source::{SourceError, StreamInfo};

/// Where a stream stands.
#[derive(Clone, Debug, Default)]
pub enum StreamState {
    /// A connection is being made.
    #[default]
    Connecting,
    /// Connected; what was found.
    Online(Arc<StreamInfo>),
    /// The last connection failed or ended; the next try comes later.
    Waiting {
        /// Why, without credentials.
        reason: Arc<str>,
        /// When the next try comes.
        retry_at: Instant,
    },
    /// No more tries are made.
    Failed {
        /// Why, without credentials.
        reason: Arc<str>,
    },
}

/// The state of one stream, written by its supervisor and read by anybody.
#[derive(Default)]
pub(crate) struct Status(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    state: StreamState,
    error: Option<Arc<SourceError>>,
    was_online: bool,
}

impl Status {
    pub(crate) fn state(&self) -> StreamState {
        self.lock().state.clone()
    }

    pub(crate) fn error(&self) -> Option<Arc<SourceError>> {
        self.lock().error.clone()
    }

    pub(crate) fn set(&self, state: StreamState) {
        self.lock().state = state;
    }

    /// Returns whether it was online before.
    pub(crate) fn set_online(&self, info: Arc<StreamInfo>) -> bool {
        let mut inner = self.lock();
        inner.state = StreamState::Online(info);
        std::mem::replace(&mut inner.was_online, true)
    }

    pub(crate) fn set_error(&self, error: Arc<SourceError>) {
        self.lock().error = Some(error);
    }

    /// Notes that the stream was stopped from outside, unless it had failed before.
    pub(crate) fn stop(&self) {
        let mut inner = self.lock();
        if !matches!(inner.state, StreamState::Failed { .. }) {
            inner.state = StreamState::Failed { reason: "it was stopped".into() };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.0)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock().state.fmt(f)
    }
}
