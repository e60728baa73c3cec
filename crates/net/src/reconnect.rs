//! When a lost connection is made again.

use std::time::Duration;

/// When a lost connection is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reconnect {
    /// Never: the stream has failed when its first connection could not be made, or ended.
    Never,
    /// Whenever it ends, and also when nothing has come for so long. The silence counts from the last frame;
    /// if [`silence_timeout`](valkka_core::source::SourceOptions::silence_timeout) is shorter, that holds.
    ///
    /// Long silences suit cameras that send few frames; short ones suit walls that people watch: see
    /// [`Self::PROMPT`].
    After(Duration),
}

impl Reconnect {
    /// Gives a connection up after 2 s of silence, so that a camera whose cable was pulled is seen again
    /// within 2 s (and one group of pictures) of its return. For cameras that send at least one frame a
    /// second.
    pub const PROMPT: Self = Self::After(Duration::from_secs(2));

    /// The silence that is told of; `None` if none is.
    pub(crate) fn limit(self) -> Option<Duration> {
        match self {
            Self::Never => None,
            Self::After(silence) => Some(silence),
        }
    }

    /// The silence after which a connection is given up, if the source's own limit is `own`.
    pub(crate) fn silence(self, own: Duration) -> Duration {
        match self {
            Self::Never => own,
            Self::After(silence) => silence.min(own),
        }
    }
}

impl Default for Reconnect {
    /// After 10 s of silence.
    fn default() -> Self {
        Self::After(Duration::from_secs(10))
    }
}
