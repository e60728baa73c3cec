//! `GET /api/live`: live video, the state of the cameras and events, over one WebSocket.
//!
//! Text messages are JSON; their types are in [`message`]. A binary message is a piece of video: a byte for its kind, three
//! zero bytes, the number of the watch as 32 bits in network byte order, then the piece.
//!
//! Nothing is queued here. A browser that does not keep up is asked for nothing meanwhile, and its viewers, when they
//! are asked again, go on at the last key frame.

mod message;

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts as _;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::debug;
use valkka::fragments::{FragmentViewer, Piece};
use valkka_site::Subscription;

use crate::answer::Problem;
use crate::api::events::may_know;
use crate::app::{App, stopped};
use crate::auth::{Caller, still};
use crate::bell::Rope;
use crate::call::Call;
use crate::pulse::Pulse;
use crate::tally::Admission;
use message::{FromBrowser, ToBrowser, cameras};

pub(crate) async fn live(call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?.clone();
    let owner = caller.owner(call.peer.ip());
    let admission = call.app.sockets.admit(owner, true).ok_or_else(|| {
        let message = format!("at most {} at the same time", call.app.options.max_sockets_per_user);
        Problem::new(StatusCode::TOO_MANY_REQUESTS, message).retry_after(Duration::from_secs(10))
    })?;
    let (mut parts, _) = call.request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
    let upgrade = upgrade.map_err(|refused| Problem::new(refused.status(), refused.body_text()))?;
    let (app, peer) = (call.app, call.peer);
    let upgrade = upgrade.max_message_size(MAX_MESSAGE_BYTES).max_frame_size(MAX_MESSAGE_BYTES);
    // Browsers say little: each would hold 128 KiB to read it with.
    let upgrade = upgrade.read_buffer_size(MAX_MESSAGE_BYTES);
    // What is written is flushed at once: a buffer would only delay it.
    Ok(upgrade.write_buffer_size(0).on_upgrade(async move |socket| {
        debug!(%peer, user = %caller.user.name, "a WebSocket opens");
        let reason = Connection::new(app, caller, socket, admission).run().await;
        debug!(%peer, reason, "a WebSocket ends");
    }))
}

/// A WebSocket and what is watched over it.
struct Connection {
    app: Arc<App>,
    caller: Caller,
    socket: WebSocket,
    /// Pulled when there may be something new of what is watched, or an event.
    rope: Arc<Rope>,
    /// By the browser's numbers, at most [`MAX_WATCHES`].
    watches: BTreeMap<u32, Watch>,
    /// The list of cameras as it was last told, and when.
    told: (String, Instant),
    /// The number of the last event that was told.
    last_event: u64,
    /// When the browser last gave a sign of life.
    heard: Instant,
    _events: Subscription,
    _admission: Admission<String>,
}

struct Watch {
    /// Its name: who holds the camera itself keeps it from ending.
    camera: String,
    viewer: FragmentViewer,
}

/// Why a connection goes no further.
enum End {
    /// It cannot be written to any more.
    Broken(&'static str),
    /// The browser is told why.
    Closed(u16, &'static str),
}

/// What woke the connection.
enum Turn {
    Heard(Option<Message>),
    Media,
    Pulse,
    Access,
    Tick,
    Stop,
}

impl Connection {
    fn new(app: Arc<App>, caller: Caller, socket: WebSocket, admission: Admission<String>) -> Self {
        let rope = app.bell.rope();
        let events = app.site.events();
        let last_event = events.last_id();
        let subscription = events.subscribe(puller(&app, &rope));
        let now = Instant::now();
        Self {
            app,
            caller,
            socket,
            rope,
            watches: BTreeMap::new(),
            told: (String::new(), now),
            last_event,
            heard: now,
            _events: subscription,
            _admission: admission,
        }
    }

    /// Serves the browser until one of both ends it; says why.
    async fn run(mut self) -> &'static str {
        match self.serve().await {
            Ok(()) => "the browser left",
            Err(End::Broken(reason)) => reason,
            Err(End::Closed(code, reason)) => {
                let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
                let _ = timeout(CLOSE_PATIENCE, self.socket.send(close)).await;
                reason
            }
        }
    }

    async fn serve(&mut self) -> Result<(), End> {
        let mut pulse = self.app.pulse.subscribe();
        let mut access = self.app.access.subscribe();
        let mut stopping = self.app.stopping.subscribe();
        let mut ticks = interval(self.app.options.patience / 4);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);

        let user = (!self.caller.is_anyone()).then(|| self.caller.user.name.clone());
        self.tell(&ToBrowser::Hello { user: user.as_deref() }).await?;
        self.tell_cameras(&Pulse::take(&self.app)).await?;
        // Whether more is there than was sent in one go.
        let mut more = false;
        loop {
            let turn = tokio::select! {
                message = self.socket.recv() => Turn::Heard(message.and_then(Result::ok)),
                () = self.rope.pulled() => Turn::Media,
                () = ready(()), if more => Turn::Media,
                Ok(()) = pulse.changed() => Turn::Pulse,
                Ok(()) = access.changed() => Turn::Access,
                _ = ticks.tick() => Turn::Tick,
                () = stopped(&mut stopping) => Turn::Stop,
            };
            match turn {
                Turn::Heard(None | Some(Message::Close(_))) => return Ok(()),
                Turn::Heard(Some(message)) => self.heard(&message).await?,
                Turn::Media => {
                    self.tell_events().await?;
                    more = self.send_media().await?;
                }
                Turn::Pulse => {
                    let now = pulse.borrow_and_update().clone();
                    self.tell_cameras(&now).await?;
                }
                Turn::Access => self.revise().await?,
                Turn::Tick => self.ping().await?,
                Turn::Stop => return Err(End::Closed(close_code::AWAY, "the server stops")),
            }
        }
    }

    async fn heard(&mut self, message: &Message) -> Result<(), End> {
        self.heard = Instant::now();
        let Message::Text(text) = message else { return Ok(()) };
        let Ok(message) = serde_json::from_str(text) else {
            return Err(End::Closed(close_code::POLICY, "a message was not understood"));
        };
        match message {
            FromBrowser::Unwatch { id } => {
                self.watches.remove(&id);
                Ok(())
            }
            FromBrowser::Watch { id, camera } => self.watch(id, &camera).await,
        }
    }

    async fn watch(&mut self, id: u32, camera: &str) -> Result<(), End> {
        // A number that is in use begins anew.
        self.watches.remove(&id);
        if self.watches.len() >= MAX_WATCHES {
            return self.tell(&ToBrowser::End { id, reason: "64 cameras are watched already" }).await;
        }
        let seen = self.caller.sees(camera).then(|| self.app.site.camera(camera)).flatten();
        let Some(camera) = seen else {
            return self.tell(&ToBrowser::End { id, reason: "there is no such camera" }).await;
        };
        let viewer = camera.fragments().join(puller(&self.app, &self.rope));
        self.watches.insert(id, Watch { camera: camera.name().to_owned(), viewer });
        self.app.bell.pull(&self.rope);
        Ok(())
    }

    /// Sends what has come of what is watched, a bounded part of each; whether there may be more.
    async fn send_media(&mut self) -> Result<bool, End> {
        let ids: Vec<u32> = self.watches.keys().copied().collect();
        let mut more = false;
        for id in ids {
            let Some(watch) = self.watches.get_mut(&id) else { continue };
            let pieces = watch.viewer.take(MAX_ROUND_BYTES);
            more |= !pieces.is_empty();
            for piece in pieces {
                self.send_piece(id, piece).await?;
            }
        }
        Ok(more)
    }

    async fn send_piece(&mut self, id: u32, piece: Piece) -> Result<(), End> {
        match piece {
            Piece::Begin { mime, data, .. } => {
                self.tell(&ToBrowser::Begin { id, mime: &mime }).await?;
                self.send_media_bytes(INIT, id, &data).await
            }
            Piece::Media { keyframe, data } => {
                self.send_media_bytes(if keyframe { KEYFRAME } else { OTHER }, id, &data).await
            }
            Piece::Unplayable { codec, reason } => {
                self.tell(&ToBrowser::Unplayable { id, codec: &codec, reason: &reason }).await
            }
            Piece::Offline => self.tell(&ToBrowser::Offline { id }).await,
            Piece::End => {
                self.watches.remove(&id);
                self.tell(&ToBrowser::End { id, reason: "the camera was removed" }).await
            }
        }
    }

    /// Sends a piece of video. It is copied behind its header, because a message is one block of memory.
    async fn send_media_bytes(&mut self, kind: u8, id: u32, data: &Bytes) -> Result<(), End> {
        let mut bytes = BytesMut::with_capacity(8 + data.len());
        bytes.put_slice(&[kind, 0, 0, 0]);
        bytes.put_u32(id);
        bytes.put_slice(data);
        self.app.figures.live_bytes.add(data.len() as u64);
        self.send(Message::Binary(bytes.freeze())).await
    }

    /// Tells how the cameras are, if that is new, or nothing was told for a while: browsers cannot see pings, and take
    /// silence for a lost connection.
    async fn tell_cameras(&mut self, pulse: &Pulse) -> Result<(), End> {
        let text = cameras(pulse, self.caller.operates(), |name| self.caller.sees(name));
        let (told, at) = &self.told;
        if *told == text && at.elapsed() < MAX_SILENCE {
            return Ok(());
        }
        self.told = (text.clone(), Instant::now());
        self.send(Message::Text(text.into())).await
    }

    async fn tell_events(&mut self) -> Result<(), End> {
        let events = self.app.site.events().clone();
        if events.last_id() == self.last_event {
            return Ok(());
        }
        for event in events.recent(self.last_event) {
            self.last_event = event.id;
            if may_know(&self.caller, &event) {
                self.tell(&ToBrowser::Event { event: &event }).await?;
            }
        }
        Ok(())
    }

    /// Ends what the caller may no longer do.
    async fn revise(&mut self) -> Result<(), End> {
        let caller = still(&self.app, &self.caller);
        self.caller = caller.ok_or(End::Closed(close_code::POLICY, "logged out"))?;
        let unseen = |(id, watch): (&u32, &Watch)| (!self.caller.sees(&watch.camera)).then_some(*id);
        let ended: Vec<u32> = self.watches.iter().filter_map(unseen).collect();
        for id in ended {
            self.watches.remove(&id);
            self.tell(&ToBrowser::End { id, reason: "you may no longer watch this camera" }).await?;
        }
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), End> {
        if self.heard.elapsed() > self.app.options.patience {
            return Err(End::Broken("the browser gave no sign of life"));
        }
        // An idle session ends also with a socket open, unless somebody is behind it: its answers are its use.
        self.revise().await?;
        self.send(Message::Ping(Bytes::new())).await
    }

    async fn tell(&mut self, message: &ToBrowser<'_>) -> Result<(), End> {
        self.send(Message::Text(message.to_json().into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        match timeout(self.app.options.patience, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Broken("the connection is lost")),
            Err(_) => Err(End::Broken("the browser takes nothing")),
        }
    }
}

/// What pulls `rope`, for any thread.
pub(crate) fn puller(app: &App, rope: &Arc<Rope>) -> impl Fn() + Send + Sync + 'static {
    let (bell, rope) = (app.bell.clone(), rope.clone());
    move || bell.pull(&rope)
}

/// Cameras that one WebSocket watches.
const MAX_WATCHES: usize = 64;

/// Bytes of one camera that are sent before the next one has its turn.
const MAX_ROUND_BYTES: usize = 256 << 10;

/// What a browser has to say is short.
const MAX_MESSAGE_BYTES: usize = 4 << 10;

/// After which the list of cameras is told again, though nothing has changed.
const MAX_SILENCE: Duration = Duration::from_secs(10);

/// How long a goodbye may take.
const CLOSE_PATIENCE: Duration = Duration::from_millis(200);

/// Kinds of pieces.
const INIT: u8 = 0;
const KEYFRAME: u8 = 1;
const OTHER: u8 = 2;
