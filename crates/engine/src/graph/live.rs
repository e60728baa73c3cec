//! Streams that are received and sent by one thread.

mod receiver;
mod sender;

pub use receiver::{Address, Ask, Connection, Receiver, SlotError};
pub use sender::{Outlet, SendError, Sender};

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use valkka_core::lock::lock;
use valkka_core::source::SourceError;
use valkka_core::stream::Slot;
use valkka_net::LiveOptions;

/// One thread that receives any number of streams ([`Self::receiver`]) and sends any number ([`Self::sender`]), told
/// apart by slots that the program chooses. A slot may be received and sent at the same time.
///
/// ```no_run
/// use std::sync::Arc;
/// use valkka::filter::Correction;
/// use valkka::graph::live::{Address, Connection, Live, Outlet};
/// use valkka::source::Transport;
/// use valkka::stream::Slot;
///
/// let live = Live::new("live", |event| eprintln!("{event}"));
/// let sender = live.sender().clone();
/// let slot = Slot::new(1);
/// live.receiver().register(slot, Arc::new(move || Connection {
///     address: Address::Url("rtsp://user:password@camera/stream".into()),
///     transport: Transport::Tcp,
///     reconnect: Some(std::time::Duration::from_secs(10)),
///     correction: Correction::SMART_LIVE,
///     ..Connection::to(sender.clone())
/// }))?;
/// live.receiver().play(slot)?;
/// let group = "224.1.168.91".parse()?;
/// live.sender().register(slot, Outlet::Rtp { address: group, port: 50_000, ttl: 16 })?;
/// live.start(None)?;
/// std::thread::sleep(std::time::Duration::from_secs(10));
/// live.stop();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Methods may be called from any thread, also from within a sink; nothing runs and nothing is connected before
/// [`Self::start`]. Dropping it stops it.
pub struct Live {
    name: String,
    receiver: Receiver,
    sender: Arc<Sender>,
    thread: Mutex<Option<Arc<valkka_net::Live>>>,
}

/// Something that people should know of a stream. Its `Display` says all of it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum LiveEvent<'a> {
    /// A connection could not be made, or has ended.
    Disconnected {
        /// The stream.
        slot: Slot,
        /// The address without credentials; may be empty if it is no address.
        address: &'a str,
        /// Why.
        reason: &'a SourceError,
        /// Whether it had been made.
        was_online: bool,
    },
    /// A stream that was registered before the start cannot be sent.
    NotSent {
        /// The stream.
        slot: Slot,
        /// Why not.
        reason: &'a SendError,
    },
}

/// Takes events: in the live thread or the caller's, so it must return soon.
type Notify = Arc<dyn Fn(LiveEvent<'_>) + Send + Sync>;

impl Live {
    /// A thread called `name` that does not run yet; `notify` is told what people should know.
    pub fn new(name: &str, notify: impl Fn(LiveEvent<'_>) + Send + Sync + 'static) -> Self {
        let notify: Notify = Arc::new(notify);
        Self {
            name: name.to_owned(),
            receiver: Receiver::new(notify.clone()),
            sender: Arc::new(Sender::new(notify)),
            thread: Mutex::default(),
        }
    }

    /// What it receives.
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// What it sends: a sink for the frames of any streams.
    pub fn sender(&self) -> &Arc<Sender> {
        &self.sender
    }

    /// Starts the thread, bound to the CPU with index `affinity` if one is given, and everything that was asked of it.
    ///
    /// # Errors
    /// If it runs already, or the system gives no thread.
    pub fn start(&self, affinity: Option<usize>) -> io::Result<()> {
        let mut thread = lock(&self.thread);
        if thread.is_some() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it runs already"));
        }
        let live = Arc::new(valkka_net::Live::spawn(LiveOptions { name: self.name.clone(), affinity })?);
        *thread = Some(live.clone());
        drop(thread);
        self.sender.start(&live);
        self.receiver.start(&live);
        Ok(())
    }

    /// Asks the thread to end all streams, and returns at once.
    pub fn request_stop(&self) {
        if let Some(live) = &*lock(&self.thread) {
            live.request_stop();
        }
    }

    /// Ends all streams, forgets them, and waits until no frame is in any of their sinks and none comes any more. Called
    /// from within such a sink, it does not wait for that one.
    pub fn stop(&self) {
        let thread = lock(&self.thread).take();
        if let Some(live) = &thread {
            live.request_stop();
        }
        self.receiver.clear();
        self.sender.clear();
        drop(thread);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Display for LiveEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected { slot, address, reason, was_online: false } => {
                write!(f, "slot {slot}: {address} cannot be received: {reason}")
            }
            Self::Disconnected { slot, address, reason, was_online: true } => {
                write!(f, "slot {slot}: {address} is gone: {reason}")
            }
            Self::NotSent { slot, reason } => write!(f, "slot {slot} is not sent: {reason}"),
        }
    }
}
