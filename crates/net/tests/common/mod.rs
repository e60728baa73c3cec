//! What the tests of the client share.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

pub mod fake;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use valkka_core::codec::{Codec, VideoParams};
use valkka_core::frame::{Body, Frame, Packet, Signal};
use valkka_core::sink::Sink;
use valkka_core::source::{SourceOptions, SourceRequest, StreamInfo, Transport};
use valkka_core::stats::StreamStats;
use valkka_core::stream::Slot;
use valkka_net::{Live, LiveOptions, Opener, Reconnect, RtspOpener, StreamConfig, StreamHandle, StreamState};
use valkka_testkit::wait;

/// For what must happen, however slow the machine is.
pub const SOON: Duration = Duration::from_secs(60);

/// Keeps what a stream brings, up to a bound.
#[derive(Default)]
pub struct Recorder {
    frames: Mutex<Vec<Frame>>,
}

impl Sink for Recorder {
    fn put(&self, frame: Frame) {
        let mut frames = self.frames.lock().unwrap();
        // Signals are always kept, packets only while there are few.
        if frames.len() < 2000 || matches!(frame.body, Body::Signal(_)) {
            frames.push(frame);
        }
    }
}

impl Recorder {
    pub fn frames(&self) -> Vec<Frame> {
        self.frames.lock().unwrap().clone()
    }

    pub fn packets(&self) -> Vec<Packet> {
        self.frames().into_iter().filter_map(|frame| frame.packet().cloned()).collect()
    }

    pub fn of(&self, codec: Codec) -> Vec<Packet> {
        self.packets().into_iter().filter(|packet| packet.params.codec == codec).collect()
    }

    /// The signals in short words: `online`, and `offline: ` with the reason. Silences are left out: they are told as
    /// time goes by, also just before the end of a connection for its silence.
    pub fn signals(&self) -> Vec<String> {
        let word = |frame: Frame| match frame.body {
            Body::Signal(Signal::Online(_)) => Some("online".to_owned()),
            Body::Signal(Signal::Offline(reason)) => Some(format!("offline: {reason}")),
            Body::Signal(Signal::Silent(_)) => None,
            Body::Signal(other) => Some(format!("{other:?}")),
            _ => None,
        };
        self.frames().into_iter().filter_map(word).collect()
    }

    /// [`Self::signals`], once there are `count` of them. A stream is told to be offline a moment after its state says so.
    pub fn wait_signals(&self, count: usize) -> Vec<String> {
        wait::until(SOON, "signals", || self.signals().len() >= count);
        self.signals()
    }

    /// The silences that were told, by their lengths.
    pub fn silences(&self) -> Vec<Duration> {
        let silence = |frame: Frame| match frame.body {
            Body::Signal(Signal::Silent(silence)) => Some(silence),
            _ => None,
        };
        self.frames().into_iter().filter_map(silence).collect()
    }
}

/// One stream on a live thread of its own, recorded.
pub struct Receiving {
    pub recorder: Arc<Recorder>,
    pub stats: Arc<StreamStats>,
    pub stream: StreamHandle,
    pub live: Live,
}

/// Asks for `url` over TCP, with all the patience that a busy machine takes.
pub fn request(url: &str) -> SourceRequest {
    let options = SourceOptions {
        transport: Transport::Tcp,
        connect_timeout: SOON,
        silence_timeout: SOON,
        ..SourceOptions::default()
    };
    SourceRequest { slot: Slot::new(1), url: url.parse().unwrap(), options }
}

pub fn live() -> Live {
    Live::spawn(LiveOptions::default()).unwrap()
}

pub fn config(request: SourceRequest, reconnect: Reconnect, sink: Arc<dyn Sink>) -> StreamConfig {
    StreamConfig { request, reconnect, sink, stats: Arc::default(), opener: Arc::new(RtspOpener) }
}

/// Receives `url` over TCP, once.
pub fn receive(url: &str) -> Receiving {
    receive_with(request(url), Reconnect::Never, Arc::new(RtspOpener))
}

pub fn receive_with(request: SourceRequest, reconnect: Reconnect, opener: Arc<dyn Opener>) -> Receiving {
    let live = live();
    let recorder = Arc::<Recorder>::default();
    let config = StreamConfig { opener, ..config(request, reconnect, recorder.clone()) };
    let stats = config.stats.clone();
    let stream = live.add(config);
    Receiving { recorder, stats, stream, live }
}

impl Receiving {
    pub fn wait_frames(&self, count: u64) {
        let what = format!("{count} frames, now {:?}", self.stream.state());
        wait::until(SOON, &what, || {
            if let StreamState::Failed { reason } = self.stream.state() {
                panic!("{reason}");
            }
            self.stats.received.get() >= count
        });
    }

    pub fn info(&self) -> Arc<StreamInfo> {
        wait::until_some(SOON, "online", || match self.stream.state() {
            StreamState::Online(info) => Some(info),
            StreamState::Failed { reason } => panic!("{reason}"),
            _ => None,
        })
    }

    /// Waits until it has failed for good, and says why.
    pub fn failure(&self) -> String {
        // Longer than a connection may take.
        let failed = || match self.stream.state() {
            StreamState::Failed { reason } => Some(reason.to_string()),
            _ => None,
        };
        wait::until_some(SOON * 3 / 2, "a failure", failed)
    }
}

/// Width, height and frames per second.
pub fn video(packet: &Packet) -> (u32, u32, Option<f64>) {
    let VideoParams { width, height, frame_rate } = *packet.params.as_video().unwrap();
    (width, height, frame_rate.map(|rate| rate.hz()))
}
