//! What stands between a source and the sink of its stream.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::Notify;
use valkka_core::frame::{Body, Frame, Signal};
use valkka_core::lock::lock;
use valkka_core::sink::Sink;
use valkka_core::source::StreamInfo;
use valkka_core::stats::StreamStats;
use valkka_core::thread_mark::ThreadMark;

use crate::silence::Silence;
use crate::state::Status;

/// Lets frames of the current connection through, until the stream's handle closes it for good.
pub(crate) struct Gate {
    /// Held while a frame is inside the sink.
    open: Mutex<Open>,
    /// The thread that is inside the sink, so that a handle can be dropped from within.
    inside: ThreadMark,
    /// Set for good when the handle goes.
    closed: AtomicBool,
}

struct Open {
    sink: Option<Arc<dyn Sink>>,
    /// The connection whose frames pass. Those of earlier ones, whose threads may still run, do not.
    connection: u64,
}

impl Gate {
    pub(crate) fn new(sink: Arc<dyn Sink>) -> Self {
        Self {
            open: Mutex::new(Open { sink: Some(sink), connection: 0 }),
            inside: ThreadMark::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// Lets frames of a new connection through from now on, and none of the one before.
    pub(crate) fn next_connection(&self) -> u64 {
        let mut open = lock(&self.open);
        open.connection += 1;
        open.connection
    }

    /// Hands `frame` to the sink, if it belongs to the current connection; calls `first` before.
    pub(crate) fn put(&self, connection: u64, frame: Frame, first: impl FnOnce(&Frame)) {
        let open = lock(&self.open);
        if open.connection == connection {
            self.pass(&open, || {
                first(&frame);
                Some(frame)
            });
        }
    }

    /// Hands to the sink what `frame` makes, if anything, between frames of whatever connection there is.
    pub(crate) fn tell(&self, frame: impl FnOnce() -> Option<Frame>) {
        self.pass(&lock(&self.open), frame);
    }

    fn pass(&self, open: &Open, frame: impl FnOnce() -> Option<Frame>) {
        if self.closed.load(Ordering::SeqCst) {
            return;
        }
        let Some(sink) = &open.sink else { return };
        let _inside = self.inside.enter();
        if let Some(frame) = frame() {
            sink.put(frame);
        }
    }

    /// Lets nothing through any more. When it returns, no frame is inside the sink, unless it was called from
    /// within.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        if self.inside.is_here() {
            return;
        }
        // The sink is dropped after the lock, for its drop may take a while.
        let sink = lock(&self.open).sink.take();
        drop(sink);
    }
}

/// The sink of one connection: counts what comes, keeps the stream's state, and passes frames on to the gate.
pub(crate) struct Intake {
    gate: Arc<Gate>,
    connection: u64,
    status: Arc<Status>,
    stats: Arc<StreamStats>,
    silence: Arc<Silence>,
    /// `Online`, kept back until the first frame while the transport is on trial.
    held: Mutex<Held>,
    /// Frames that were passed on, signals not counted.
    frames: AtomicU64,
    /// Whether `Online` was passed on.
    online: AtomicBool,
    /// Notified when `Online` and the first frame come.
    pub(crate) progress: Notify,
}

enum Held {
    /// `Online` is passed on when it comes.
    Nothing,
    /// `Online` is kept back when it comes.
    Waiting,
    /// `Online` came and is kept back.
    Online(Frame, Arc<StreamInfo>),
}

impl Intake {
    /// Begins a new connection. On `trial`, it is not online before its first frame.
    pub(crate) fn new(
        gate: Arc<Gate>,
        status: Arc<Status>,
        stats: Arc<StreamStats>,
        silence: Arc<Silence>,
        trial: bool,
    ) -> Self {
        let connection = gate.next_connection();
        Self {
            gate,
            connection,
            status,
            stats,
            silence,
            held: Mutex::new(if trial { Held::Waiting } else { Held::Nothing }),
            frames: AtomicU64::new(0),
            online: AtomicBool::new(false),
            progress: Notify::new(),
        }
    }

    /// How many frames were passed on.
    pub(crate) fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Whether `Online` was passed on.
    pub(crate) fn was_online(&self) -> bool {
        self.online.load(Ordering::Relaxed)
    }

    /// Whether `Online` is kept back.
    pub(crate) fn is_held(&self) -> bool {
        matches!(*lock(&self.held), Held::Online(..))
    }

    fn pass_online(&self, frame: Frame, info: Arc<StreamInfo>) {
        self.gate.put(self.connection, frame, |_| {
            self.online.store(true, Ordering::Relaxed);
            if self.status.set_online(info) {
                self.stats.reconnects.add(1);
            }
        });
    }

    fn count(&self, frame: &Frame) {
        let Body::Packet(packet) = &frame.body else { return };
        if packet.params.codec.is_video() {
            self.stats.received.add(1);
            if packet.keyframe {
                self.stats.keyframes.add(1);
            }
        }
        self.stats.received_bytes.add(packet.payload.len() as u64);
        if packet.lost > 0 {
            self.stats.lost_packets.add(packet.lost.into());
        }
    }
}

impl Sink for Intake {
    fn put(&self, frame: Frame) {
        if let Body::Signal(Signal::Online(info)) = &frame.body {
            let info = info.clone();
            let mut held = lock(&self.held);
            if matches!(*held, Held::Nothing) {
                drop(held);
                self.pass_online(frame, info);
            } else {
                *held = Held::Online(frame, info);
            }
            self.progress.notify_one();
            return;
        }
        if matches!(frame.body, Body::Signal(_)) {
            return self.gate.put(self.connection, frame, |_| ());
        }
        if self.frames() == 0 {
            let held = std::mem::replace(&mut *lock(&self.held), Held::Nothing);
            if let Held::Online(frame, info) = held {
                self.pass_online(frame, info);
            }
        }
        self.gate.put(self.connection, frame, |frame| {
            self.count(frame);
            self.silence.end(Instant::now());
            if self.frames.fetch_add(1, Ordering::Relaxed) == 0 {
                self.progress.notify_one();
            }
        });
    }
}
