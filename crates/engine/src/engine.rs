//! What cameras share: the thread that receives them, and the numbers that tell them apart.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use valkka_core::url::StreamUrl;
use valkka_net::{Live, LiveOptions, Opener, RtpDestination, RtpSender};

use crate::camera::{Camera, CameraOptions};
use crate::error::Error;
use crate::opener::Backends;
use crate::slots::{SlotGuard, Slots};

/// Receives any number of cameras on one thread.
///
/// Methods may be called from any thread. The thread ends with the last of the engine and its cameras.
pub struct Engine {
    live: Arc<Live>,
    opener: Arc<dyn Opener>,
    slots: Arc<Slots>,
}

/// How an [`Engine`] runs. All fields are free.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    /// The CPU the receiving thread is bound to.
    pub affinity: Option<usize>,
}

impl Engine {
    /// Starts the receiving thread. Needs neither a network nor a display.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn new(options: EngineOptions) -> Result<Self, Error> {
        let live = Live::spawn(LiveOptions { affinity: options.affinity, ..LiveOptions::default() })
            .map_err(|cause| Error::Thread { what: "the receiving thread".into(), cause })?;
        Ok(Self { live: Arc::new(live), opener: Arc::new(Backends), slots: Arc::default() })
    }

    /// A camera at `url`. It connects when the first branch is hung on it, and again whenever the connection is
    /// lost.
    ///
    /// # Errors
    /// If there are as many cameras as there are slots.
    pub fn camera(&self, url: StreamUrl, options: CameraOptions) -> Result<Camera, Error> {
        let slot = SlotGuard::take(&self.slots)?;
        Ok(Camera::new(self.live.clone(), self.opener.clone(), slot, url, options))
    }

    /// Whether the receiving thread still works: whether it gets to something new within `limit`.
    pub fn answers(&self, limit: Duration) -> bool {
        self.live.answers(limit)
    }

    /// Sends by RTP, unasked, what is put into the sender: to `destination`, in the receiving thread, as long as the sender
    /// and the engine live.
    ///
    /// # Errors
    /// If the destination cannot be sent to, e.g. because there is no route to it.
    pub fn send(&self, destination: RtpDestination) -> io::Result<RtpSender> {
        self.live.send(destination)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("slots", &self.slots.len()).finish_non_exhaustive()
    }
}
