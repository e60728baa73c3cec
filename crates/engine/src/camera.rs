//! One connection to one camera, and all that hangs on it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use valkka_av::DecoderOptions;
use valkka_core::codec::CodecParams;
use valkka_core::filter::{CorrectTimestamp, Correction, chain};
use valkka_core::fork::{Branch, Fork};
use valkka_core::frame::{Body, Frame};
use valkka_core::lock::lock;
use valkka_core::sink::Sink;
use valkka_core::source::{SourceOptions, SourceRequest};
use valkka_core::stats::StreamStats;
use valkka_core::stream::Slot;
use valkka_core::url::StreamUrl;
use valkka_net::{Live, Opener, Reconnect, StreamConfig, StreamHandle, StreamState};

use crate::decoding::{Decoding, Glimpses, PictureBranch};
use crate::error::Error;
use crate::slots::SlotGuard;

/// How a camera is received and decoded. All fields are free.
#[derive(Clone, Debug)]
pub struct CameraOptions {
    /// What it is called on the screen and in the log; empty for the host and path of its address.
    pub name: String,
    /// How the stream is received.
    pub source: SourceOptions,
    /// When a lost connection is made again.
    pub reconnect: Reconnect,
    /// How the moments that frames stand for are corrected. By default they follow the arrivals, so that pictures
    /// reach the screen in time whatever the camera's clock says; the camera's own time stays in
    /// [`FrameTime::capture`](valkka_core::frame::FrameTime::capture).
    pub correction: Correction,
    /// How pictures are decoded.
    pub decoder: DecoderOptions,
}

impl Default for CameraOptions {
    fn default() -> Self {
        Self {
            name: String::new(),
            source: SourceOptions::default(),
            reconnect: Reconnect::default(),
            correction: Correction::Paced,
            decoder: DecoderOptions::default(),
        }
    }
}

/// One connection to one camera. Whatever is done with its frames hangs on its forks; however many branches
/// there are, the camera is connected to once and each picture decoded at most once.
///
/// It connects when the first branch is hung on it, so that no branch misses the beginning, or when
/// [`Self::connect`] asks for it; from then on it stays connected whatever branches come and go.
///
/// Methods may be called from any thread. Dropping it ends the connection and the decoder.
pub struct Camera {
    name: String,
    url: StreamUrl,
    stats: Arc<StreamStats>,
    tap: Arc<Tap>,
    packets: Fork,
    decoding: Decoding,
    connection: Mutex<Connection>,
    live: Arc<Live>,
    /// Frees the slot, last of all.
    slot: SlotGuard,
}

/// Where a camera's only connection is in its life.
enum Connection {
    /// Not asked for yet.
    Planned(Box<StreamConfig>),
    /// Made, and made again by the supervisor.
    Made(StreamHandle),
    /// Ended for good.
    Ended,
}

impl Camera {
    pub(crate) fn new(
        live: Arc<Live>,
        opener: Arc<dyn Opener>,
        slot: SlotGuard,
        url: StreamUrl,
        options: CameraOptions,
    ) -> Self {
        let name = if options.name.is_empty() { default_name(&url) } else { options.name };
        let stats = Arc::new(StreamStats::default());
        let packets = Fork::new();
        let decoding = Decoding::new(&name, options.decoder, stats.clone(), packets.clone());
        let tap = Arc::new(Tap { video: Mutex::default(), next: packets.clone() });
        let config = StreamConfig {
            request: SourceRequest { slot: slot.slot(), url: url.clone(), options: options.source },
            reconnect: options.reconnect,
            sink: chain(CorrectTimestamp::new(options.correction), tap.clone()),
            stats: stats.clone(),
            opener,
        };
        let connection = Mutex::new(Connection::Planned(Box::new(config)));
        Self { name, url, stats, tap, packets, decoding, connection, live, slot }
    }

    /// Connects, if that has not happened yet. Returns at once.
    pub fn connect(&self) {
        let mut connection = self.connection();
        *connection = match std::mem::replace(&mut *connection, Connection::Ended) {
            Connection::Planned(config) => Connection::Made(self.live.add(*config)),
            other => other,
        };
    }

    /// Ends the connection for good; what was counted stays. When it returns, no frame comes any more.
    pub fn disconnect(&self) {
        // The handle is dropped after the lock: its drop waits for the frame on its way.
        let ended = std::mem::replace(&mut *self.connection(), Connection::Ended);
        drop(ended);
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address; shown without credentials.
    pub fn url(&self) -> &StreamUrl {
        &self.url
    }

    /// The slot of its frames.
    pub fn slot(&self) -> Slot {
        self.slot.slot()
    }

    /// What is counted of it.
    pub fn stats(&self) -> &Arc<StreamStats> {
        &self.stats
    }

    /// Whether it is connected, and if not, why.
    pub fn state(&self) -> StreamState {
        match &*self.connection() {
            Connection::Planned(_) => StreamState::Connecting,
            Connection::Made(stream) => stream.state(),
            Connection::Ended => StreamState::Failed { reason: "it was disconnected".into() },
        }
    }

    /// The parameters of its video, once a packet came.
    pub fn video_params(&self) -> Option<Arc<CodecParams>> {
        lock(&self.tap.video).clone()
    }

    /// Hands every encoded frame to `sink`, from now on, in the thread that receives. A new branch starts
    /// in the middle of a group of pictures.
    ///
    /// # Errors
    /// If there is a branch called `tag`.
    pub fn packets(&self, tag: &str, sink: Arc<dyn Sink>) -> Result<Branch, Error> {
        let branch = self.packets.branch(tag, sink)?;
        self.connect();
        Ok(branch)
    }

    /// Hands every decoded picture to `sink`, from the next key frame on, in the decoder's thread. The
    /// first branch starts the decoder, the last one to go ends it.
    ///
    /// # Errors
    /// If there is a branch called `tag`, or the system gives no thread.
    pub fn pictures(&self, tag: &str, sink: Arc<dyn Sink>) -> Result<PictureBranch, Error> {
        let branch = self.decoding.branch(tag, sink)?;
        self.connect();
        Ok(branch)
    }

    /// The pictures that are decoded for others.
    pub(crate) fn glimpses(&self) -> Glimpses {
        self.decoding.glimpses()
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        lock(&self.connection)
    }
}

impl fmt::Debug for Camera {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Camera").field("name", &self.name).field("url", &self.url).finish_non_exhaustive()
    }
}

/// Notes the parameters of what passes.
struct Tap {
    video: Mutex<Option<Arc<CodecParams>>>,
    next: Fork,
}

impl Sink for Tap {
    fn put(&self, frame: Frame) {
        if let Body::Packet(packet) = &frame.body
            && packet.params.codec.is_video()
        {
            let mut video = lock(&self.video);
            if !video.as_ref().is_some_and(|params| Arc::ptr_eq(params, &packet.params)) {
                *video = Some(packet.params.clone());
            }
        }
        self.next.put(frame);
    }
}

/// The host and the path. Some cameras want a password in the path: what people are shown has it hidden.
fn default_name(url: &StreamUrl) -> String {
    let shown = url.to_string();
    let Some((_, address)) = shown.split_once("://").filter(|_| url.url().is_some()) else {
        return url.host();
    };
    let path = address.find('/').map_or("", |start| &address[start..]);
    let end = path.find(['?', '#']).unwrap_or(path.len());
    format!("{}{}", url.host(), &path[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_is_called_by_its_address_without_secrets() {
        for (url, name) in [
            ("rtsp://admin:secret@cam.local/live/1?x=2", "cam.local:554/live/1"),
            ("rtsp://cam.local:8554", "cam.local:8554"),
            ("rtsp://[::1]/a", "[::1]:554/a"),
            ("rtsp://h/user=a&password=secret&channel=1.sdp", "h:554/user=a&password=***&channel=1.sdp"),
            ("/some/where/a.sdp", "/some/where/a.sdp"),
        ] {
            assert_eq!(default_name(&url.parse().unwrap()), name);
        }
    }
}
