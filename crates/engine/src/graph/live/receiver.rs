//! The streams that are received.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use valkka_av::AvSource;
use valkka_core::filter::{CorrectTimestamp, Correction, chain};
use valkka_core::lock::lock;
use valkka_core::sink::{Discard, Sink};
use valkka_core::source::{SourceError, SourceOptions, SourceRequest, Transport};
use valkka_core::stream::Slot;
use valkka_core::url::{Device, StreamUrl};
use valkka_net::{Opened, Opener, Plan, Reconnect, StreamConfig, StreamHandle, StreamState};

use super::{LiveEvent, Notify};
use crate::opener::Backends;

/// The streams that a [`Live`](super::Live) receives, by slot.
///
/// A stream is registered, played, stopped and deregistered, in this order. What is asked before the start is done at
/// the start.
pub struct Receiver {
    notify: Notify,
    state: Mutex<State>,
}

/// How a stream is received.
#[derive(Clone)]
pub struct Connection {
    /// Where it is.
    pub address: Address,
    /// How RTP travels, if the address is one of RTSP.
    pub transport: Transport,
    /// When nothing has come for so long, or a connection was refused or has ended, it is made anew; `None` for never:
    /// then silence does not end it.
    pub reconnect: Option<Duration>,
    /// Bytes the kernel may hold per UDP socket; `None` for what suits a 4K camera.
    pub recv_buffer_bytes: Option<usize>,
    /// How long a packet may wait for one that was overtaken; `None` for what suits most networks.
    pub reordering: Option<Duration>,
    /// How the moments that frames stand for are corrected.
    pub correction: Correction,
    /// Takes the frames, in the live thread or in that of a blocking source.
    pub sink: Arc<dyn Sink>,
}

/// Where a stream is.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// The URL of a camera, e.g. `rtsp://user:password@host/path`.
    Url(String),
    /// The path of a session description, whatever it is called.
    Sdp(String),
    /// A video capture device of this machine, whatever it is called.
    Device(Device),
}

/// Says how a stream is received: asked when it is played, for all of it, and again before each connection, for all but
/// the correction and the sink. It is called in the live thread and must return at once.
pub type Ask = dyn Fn() -> Connection + Send + Sync;

/// Why a call about a slot means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlotError {
    /// A stream is registered there.
    #[error("slot {0} is reserved")]
    Reserved(Slot),
    /// No stream is registered there.
    #[error("there is nothing at slot {0}")]
    Nothing(Slot),
}

/// Bounded by the number of slots.
#[derive(Default)]
struct State {
    /// While it runs.
    live: Option<Arc<valkka_net::Live>>,
    streams: HashMap<Slot, Stream>,
}

struct Stream {
    ask: Arc<Ask>,
    phase: Phase,
}

/// Where a stream is in its life.
enum Phase {
    Registered,
    /// To be played when the thread starts.
    Asked,
    /// About to be played.
    Connecting,
    Playing(StreamHandle),
    /// It brings nothing any more until it is registered anew.
    Stopped,
}

impl Receiver {
    pub(super) fn new(notify: Notify) -> Self {
        Self { notify, state: Mutex::default() }
    }

    /// Reserves `slot` for a stream that is received as `ask` says.
    ///
    /// # Errors
    /// If a stream is registered there that was not stopped.
    pub fn register(&self, slot: Slot, ask: Arc<Ask>) -> Result<(), SlotError> {
        let mut state = self.state();
        if state.streams.get(&slot).is_some_and(|stream| !matches!(stream.phase, Phase::Stopped)) {
            return Err(SlotError::Reserved(slot));
        }
        let before = state.streams.insert(slot, Stream { ask, phase: Phase::Registered });
        // What it held is dropped after the lock: that may be much.
        drop((state, before));
        Ok(())
    }

    /// Connects to the stream at `slot`. Returns at once; what is played already, or was stopped, stays as it is.
    ///
    /// # Errors
    /// If no stream is registered there.
    pub fn play(&self, slot: Slot) -> Result<(), SlotError> {
        let (live, ask) = {
            let mut state = self.state();
            let live = state.live.clone();
            let stream = state.streams.get_mut(&slot).ok_or(SlotError::Nothing(slot))?;
            if !matches!(stream.phase, Phase::Registered | Phase::Asked) {
                return Ok(());
            }
            let Some(live) = live else {
                stream.phase = Phase::Asked;
                return Ok(());
            };
            stream.phase = Phase::Connecting;
            (live, stream.ask.clone())
        };
        // Without the lock, for it calls what is not ours. Meanwhile the stream may have been stopped.
        let phase = self.connect(slot, &live, &ask);
        let mut state = self.state();
        let stream = state
            .streams
            .get_mut(&slot)
            .filter(|stream| Arc::ptr_eq(&stream.ask, &ask) && matches!(stream.phase, Phase::Connecting));
        let left = match stream {
            Some(stream) => std::mem::replace(&mut stream.phase, phase),
            None => phase,
        };
        drop((state, left));
        Ok(())
    }

    /// Where the connection at `slot` stands; `None` if there is none.
    pub fn stream_state(&self, slot: Slot) -> Option<StreamState> {
        match &self.state().streams.get(&slot)?.phase {
            Phase::Playing(stream) => Some(stream.state()),
            _ => None,
        }
    }

    /// Ends the connection at `slot`, and lets go of what its frames went to. When it returns, no frame comes any more
    /// before it is registered anew.
    ///
    /// # Errors
    /// If no stream is registered there.
    pub fn stop(&self, slot: Slot) -> Result<(), SlotError> {
        let mut state = self.state();
        let stream = state.streams.get_mut(&slot).ok_or(SlotError::Nothing(slot))?;
        let phase = std::mem::replace(&mut stream.phase, Phase::Stopped);
        // The handle is dropped after the lock: its drop waits for the frame on its way.
        drop((state, phase));
        Ok(())
    }

    /// Ends the connection at `slot` and frees the slot, as [`Self::stop`].
    ///
    /// # Errors
    /// If no stream is registered there.
    pub fn deregister(&self, slot: Slot) -> Result<(), SlotError> {
        let stream = self.state().streams.remove(&slot);
        stream.map(drop).ok_or(SlotError::Nothing(slot))
    }

    /// Plays what is to be played.
    pub(super) fn start(&self, live: &Arc<valkka_net::Live>) {
        let asked: Vec<_> = {
            let mut state = self.state();
            state.live = Some(live.clone());
            let asked = state.streams.iter().filter(|(_, stream)| matches!(stream.phase, Phase::Asked));
            asked.map(|(&slot, _)| slot).collect()
        };
        for slot in asked {
            // What is gone meanwhile need not be played.
            let _ = self.play(slot);
        }
    }

    /// Ends and forgets all streams.
    pub(super) fn clear(&self) {
        let state = std::mem::take(&mut *self.state());
        drop(state);
    }

    /// Begins to connect; says what becomes of the stream by that.
    fn connect(&self, slot: Slot, live: &valkka_net::Live, ask: &Arc<Ask>) -> Phase {
        let connection = ask();
        let dial = Dial { slot, ask: ask.clone(), notify: self.notify.clone(), told: Mutex::default() };
        match connection.plan(slot) {
            Ok(Plan { request, reconnect, .. }) => {
                let sink = chain(CorrectTimestamp::new(connection.correction), connection.sink);
                let opener = Arc::new(dial);
                let config = StreamConfig { request, reconnect, sink, stats: Arc::default(), opener };
                Phase::Playing(live.add(config))
            }
            Err(reason) => {
                dial.ended(&reason, false);
                // It may be played when the address has been set right.
                Phase::Registered
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Connection {
    /// A connection to nowhere yet, whose frames go to `sink`: over UDP, made anew after ten seconds, with moments that
    /// are corrected by [`Correction::SMART_LIVE`].
    pub fn to(sink: Arc<dyn Sink>) -> Self {
        Self {
            address: Address::Url(String::new()),
            transport: Transport::Udp,
            reconnect: Some(Duration::from_secs(10)),
            recv_buffer_bytes: None,
            reordering: None,
            correction: Correction::SMART_LIVE,
            sink,
        }
    }

    fn plan(&self, slot: Slot) -> Result<Plan, SourceError> {
        let default = SourceOptions::default();
        let options = SourceOptions {
            transport: self.transport,
            recv_buffer_bytes: self.recv_buffer_bytes.unwrap_or(default.recv_buffer_bytes),
            reordering: self.reordering.unwrap_or(default.reordering),
            silence_timeout: self.reconnect.unwrap_or(FOR_EVER).max(SHORTEST_SILENCE),
            ..default
        };
        let reconnect =
            self.reconnect.map_or(Reconnect::Never, |_| Reconnect::After(options.silence_timeout));
        let longest_wait = options.silence_timeout;
        Ok(Plan {
            request: SourceRequest { slot, url: self.address.url()?, options },
            reconnect,
            longest_wait,
        })
    }
}

impl Default for Connection {
    /// As [`Self::to`], and what comes is dropped.
    fn default() -> Self {
        Self::to(Arc::new(Discard))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Address {
    fn url(&self) -> Result<StreamUrl, SourceError> {
        let parsed = match self {
            Self::Url(url) => url.parse::<StreamUrl>(),
            Self::Sdp(path) => path.parse(),
            Self::Device(device) => Ok(device.clone().into()),
        };
        parsed
            .map_err(|error| SourceError::Unsupported { what: "a stream".into(), detail: error.to_string() })
    }

    /// For people: without credentials. See [`StreamUrl::shown`].
    fn shown(&self) -> String {
        match self {
            Self::Url(text) | Self::Sdp(text) => StreamUrl::shown(text),
            Self::Device(device) => device.path.clone(),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

/// Makes the connections of one stream as they are asked for at the time, and tells how they end.
struct Dial {
    slot: Slot,
    ask: Arc<Ask>,
    notify: Notify,
    /// What was told last, and when.
    told: Mutex<Option<(String, Instant)>>,
}

impl Opener for Dial {
    fn open(&self, request: &SourceRequest) -> Result<Opened, SourceError> {
        if request.url.file().is_some() && matches!((self.ask)().address, Address::Sdp(_)) {
            return Ok(Opened::Thread(Box::new(AvSource::new(request.clone()))));
        }
        Backends.open(request)
    }

    fn prepare(&self, plan: &mut Plan) -> Result<(), SourceError> {
        *plan = (self.ask)().plan(self.slot)?;
        Ok(())
    }

    fn ended(&self, reason: &SourceError, was_online: bool) {
        let address = (self.ask)().address.shown();
        let words = format!("{address} {reason}");
        {
            let mut told = lock(&self.told);
            let again = told
                .as_ref()
                .is_some_and(|(before, when)| *before == words && when.elapsed() < SAME_AGAIN && !was_online);
            if again {
                return;
            }
            *told = Some((words, Instant::now()));
        }
        (self.notify)(LiveEvent::Disconnected { slot: self.slot, address: &address, reason, was_online });
    }
}

/// Silence that ends no connection: a day, after which there is nothing to wait for.
const FOR_EVER: Duration = Duration::from_secs(24 * 3600);

/// No camera sends more evenly than this.
const SHORTEST_SILENCE: Duration = Duration::from_millis(250);

/// The same failure of the same address is told so often.
const SAME_AGAIN: Duration = Duration::from_secs(10);
