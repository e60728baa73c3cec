//! How sources are planned and opened, and what they are.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use valkka_core::sink::Sink;
use valkka_core::source::{Source, SourceError, SourceRequest};

use crate::reconnect::Reconnect;

/// Finds the source for a request, and may have a say in what is requested next.
///
/// It is called in the live thread and must return at once.
pub trait Opener: Send + Sync {
    /// The source for `request`; nothing is connected yet.
    ///
    /// It is asked when a connection is to be made by another request or transport than the last one, and for blocking
    /// sources before each connection; the transport of `request` is the one to use
    /// ([`Transport::Auto`](valkka_core::source::Transport::Auto) never reaches it).
    ///
    /// # Errors
    /// If nothing can receive it.
    fn open(&self, request: &SourceRequest) -> Result<Opened, SourceError>;

    /// Told before each connection, and may change what it is made by.
    ///
    /// # Errors
    /// If there is nothing to connect to: the connection has failed then.
    fn prepare(&self, plan: &mut Plan) -> Result<(), SourceError> {
        let _ = plan;
        Ok(())
    }

    /// Told when a connection could not be made, or has ended after it `was_online`.
    fn ended(&self, error: &SourceError, was_online: bool) {
        let _ = (error, was_online);
    }
}

/// What the next connection of a stream is made by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The stream. Its slot is that of the first connection, whatever is written here.
    pub request: SourceRequest,
    /// When a connection that has ended is made again.
    pub reconnect: Reconnect,
    /// The longest wait for the next try, at first without a bound of its own. It also holds for cameras that refuse
    /// our credentials, which are left in peace otherwise.
    pub longest_wait: Duration,
}

/// A source, by the way it waits.
pub enum Opened {
    /// It waits asynchronously, as a task of the live thread.
    Task(Box<dyn TaskSource>),
    /// It blocks, and gets a thread of its own.
    Thread(Box<dyn Source>),
}

/// Produces the frames of one stream as a task of the live thread: [`Source`] for those who do not block.
pub trait TaskSource: Send {
    /// Connects, delivers frames to `sink` and returns when the connection ends, with the reason.
    ///
    /// The first frame is [`Signal::Online`](valkka_core::frame::Signal::Online). The source neither retries
    /// nor emits `Offline`: the supervisor does. To stop it, the future is dropped. It may be run again.
    fn run<'a>(&'a mut self, sink: &'a dyn Sink) -> Received<'a>;
}

/// The future of [`TaskSource::run`]. It needs the live thread's reactor.
pub type Received<'a> = Pin<Box<dyn Future<Output = SourceError> + Send + 'a>>;
