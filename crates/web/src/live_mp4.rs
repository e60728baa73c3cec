//! `GET /api/cameras/{name}/live.mp4`: live video for players, as one file without end.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ACCEPT_RANGES, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures::stream::{self, Stream};
use tokio::sync::watch;
use tokio::time::timeout;
use valkka::fragments::{FragmentViewer, Piece};

use crate::answer::{Problem, typed, with_header};
use crate::app::{App, stopped};
use crate::auth::{Caller, still};
use crate::bell::Rope;
use crate::call::Call;
use crate::live::puller;

pub(crate) async fn live_mp4(call: Call) -> Result<Response, Problem> {
    let body = if call.request.method() == Method::HEAD {
        Body::empty()
    } else {
        let mut film = Film::new(&call)?;
        match timeout(BEGIN_PATIENCE, film.begin()).await {
            Ok(begun) => begun?,
            Err(_) => return Err(Problem::busy("nothing came from the camera yet")),
        }
        Body::from_stream(film.into_stream())
    };
    // There is no part of it that could be asked for.
    Ok(with_header(typed("video/mp4", body), ACCEPT_RANGES, HeaderValue::from_static("none")))
}

/// A viewer over HTTP.
struct Film {
    app: Arc<App>,
    caller: Caller,
    camera: String,
    viewer: FragmentViewer,
    rope: Arc<Rope>,
    access: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    /// What was taken and is not sent yet.
    taken: VecDeque<Piece>,
}

impl Film {
    fn new(call: &Call) -> Result<Self, Problem> {
        let (app, camera) = (&call.app, call.camera()?);
        let rope = app.bell.rope();
        Ok(Self {
            app: app.clone(),
            caller: call.caller()?.clone(),
            camera: camera.name().to_owned(),
            viewer: camera.fragments().join(puller(app, &rope)),
            rope,
            access: app.access.subscribe(),
            stopping: app.stopping.subscribe(),
            taken: VecDeque::new(),
        })
    }

    /// Waits until there is something to send, and leaves it there.
    async fn begin(&mut self) -> Result<(), Problem> {
        loop {
            match self.next_piece().await {
                Some(begin @ Piece::Begin { .. }) => {
                    self.taken.push_front(begin);
                    return Ok(());
                }
                Some(Piece::Media { .. } | Piece::Offline) => (),
                Some(Piece::Unplayable { codec, reason }) => {
                    return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, format!("{codec}: {reason}")));
                }
                Some(Piece::End) | None => return Err(Problem::no_camera()),
            }
        }
    }

    /// The next piece; `None` once there may be none any more.
    async fn next_piece(&mut self) -> Option<Piece> {
        loop {
            if let Some(piece) = self.taken.pop_front() {
                return Some(piece);
            }
            self.taken.extend(self.viewer.take(MAX_ROUND_BYTES));
            if !self.taken.is_empty() {
                continue;
            }
            tokio::select! {
                () = self.rope.pulled() => (),
                Ok(()) = self.access.changed() => {
                    self.caller = still(&self.app, &self.caller).filter(|caller| caller.sees(&self.camera))?;
                }
                () = stopped(&mut self.stopping) => return None,
            }
        }
    }

    /// The file, from its beginning to where a file of MP4 has to end: parameters cannot change within one.
    fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
        stream::unfold((self, false), |(mut film, begun)| async move {
            loop {
                let data = match film.next_piece().await? {
                    Piece::Begin { data, .. } if !begun => data,
                    Piece::Media { data, .. } => data,
                    Piece::Offline => continue,
                    Piece::Begin { .. } | Piece::Unplayable { .. } | Piece::End => return None,
                };
                film.app.figures.live_bytes.add(data.len() as u64);
                return Some((Ok(data), (film, true)));
            }
        })
    }
}

/// How long an answer waits for the first picture.
const BEGIN_PATIENCE: Duration = Duration::from_secs(10);

/// Bytes that are taken at once.
const MAX_ROUND_BYTES: usize = 256 << 10;
