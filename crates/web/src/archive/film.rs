//! `GET /api/cameras/{name}/archive/video.mp4`: a span of a recording, as fragmented MP4.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ACCEPT_RANGES, CONTENT_DISPOSITION, HeaderValue};
use axum::http::{HeaderName, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures::stream::{self, Stream};
use serde::Deserialize;
use tokio::sync::watch;
use valkka::export::{AtGap, Ending, ExportError, FragmentExport, find_change};
use valkka::time::WallTime;

use super::parameter::{exact, flag, span};
use super::{Footage, nothing, unreadable};
use crate::answer::{Problem, typed, with_header};
use crate::app::{App, stopped};
use crate::auth::{Caller, still};
use crate::call::Call;
use crate::tally::Admission;

#[derive(Deserialize)]
struct Query {
    from: Option<String>,
    to: Option<String>,
    download: Option<String>,
}

pub(crate) async fn film(call: Call) -> Result<Response, Problem> {
    let Query { from, to, download } = call.query()?;
    let download = flag("download", download.as_deref())?;
    let span = span(from.as_deref(), to.as_deref(), if download { LONGEST_DOWNLOAD } else { LONGEST })?;
    let (app, caller) = (call.app.clone(), call.caller()?.clone());
    let admission = app.readers.films.admit(caller.owner(call.peer.ip()), true);
    let admission = admission.ok_or_else(|| {
        let message = format!("at most {} films at the same time", super::MAX_FILMS_PER_USER);
        Problem::new(StatusCode::TOO_MANY_REQUESTS, message).retry_after(Duration::from_secs(5))
    })?;
    let camera = call.camera()?.name().to_owned();
    let name = file_name(&camera, span.start);
    let (site, of) = (app.site.clone(), camera.clone());
    // Who plays it looks at the clock; who saves it wants all of it in one file.
    let at_gap = if download { AtGap::GoOn } else { AtGap::Stop };
    let export = app.readers.pieces.work(super::PATIENCE, move || {
        let footage = Footage::of(&site, &of)?.ok_or_else(|| nothing(super::NEVER))?;
        let source = || footage.store.cursor(footage.stream);
        let end = span.end;
        let export = FragmentExport::new(Box::new(source()), span, at_gap).map_err(|error| match error {
            ExportError::Nothing { .. } => nothing(&error.to_string()),
            ExportError::Unplayable { .. } => Problem::new(StatusCode::NOT_IMPLEMENTED, error.to_string()),
            error => unreadable(&error),
        })?;
        let range = export.start()..end;
        let change = if download { find_change(&mut source(), range) } else { Ok(None) };
        Ok((export, change.map_err(|error| unreadable(&error))?))
    });
    let (export, change) = export.await?;
    // Names of codecs have Greek letters, which headers have not.
    let left_out = export.left_out().map(|why| why.replace('µ', "u"));
    let told = [(START, Some(exact(export.start()))), (CHANGE, change.map(exact)), (LEFT_OUT, left_out)];
    let body = if call.request.method() == Method::HEAD {
        Body::empty()
    } else {
        let (access, stopping) = (app.access.subscribe(), app.stopping.subscribe());
        let film = Film {
            app,
            caller,
            camera,
            export: Some(export),
            download,
            access,
            stopping,
            _admission: admission,
        };
        Body::from_stream(film.into_stream())
    };
    let mut response = with_header(typed("video/mp4", body), ACCEPT_RANGES, HeaderValue::from_static("none"));
    for (name, value) in told {
        if let Some(Ok(value)) = value.map(|value| HeaderValue::from_str(&value)) {
            response = with_header(response, name, value);
        }
    }
    if let (true, Ok(name)) = (download, HeaderValue::from_str(&format!("attachment; filename=\"{name}\""))) {
        response = with_header(response, CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// A film on its way. Nothing of it is read before the peer has taken what was read before.
struct Film {
    app: Arc<App>,
    caller: Caller,
    camera: String,
    /// Away while it is being read.
    export: Option<FragmentExport>,
    /// Whether it has to be whole.
    download: bool,
    access: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    _admission: Admission<String>,
}

impl Film {
    /// The next piece of it; `None` at its end. An error cuts the connection off, so that a part is not taken for all.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.access.has_changed().unwrap_or(false) {
            self.access.mark_unchanged();
            let sees = still(&self.app, &self.caller).filter(|caller| caller.sees(&self.camera));
            self.caller = sees.ok_or_else(|| io::Error::other("the caller may no longer see it"))?;
        }
        let Some(mut export) = self.export.take() else { return Ok(None) };
        let reading = self.app.readers.pieces.work(PATIENCE, move || {
            let piece = export.next().transpose().map_err(|error| unreadable(&error))?;
            Ok((export, piece))
        });
        let read = tokio::select! {
            read = reading => read,
            () = stopped(&mut self.stopping) => return Err(io::Error::other("the server stops")),
        };
        match read {
            Ok((export, piece)) => {
                if let (None, true, Some(Ending::Changed { at })) = (&piece, self.download, export.ending()) {
                    return Err(io::Error::other(format!("the parameters of the video change at {at}")));
                }
                self.export = Some(export);
                if let Some(piece) = &piece {
                    self.app.figures.archive_bytes.add(piece.len() as u64);
                }
                Ok(piece)
            }
            Err(problem) => Err(io::Error::other(problem.message().to_owned())),
        }
    }

    fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send {
        stream::unfold(Some(self), |film| async move {
            let mut film = film?;
            match film.next().await {
                Ok(Some(piece)) => Some((Ok(piece), Some(film))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}

/// As it is called where it is saved. Some systems take no colons.
fn file_name(camera: &str, from: WallTime) -> String {
    let second = from.to_string();
    let second = second.split('.').next().unwrap_or_default().replace(':', "-");
    format!("{camera}-{second}Z.mp4")
}

/// The moment of the first picture.
const START: HeaderName = HeaderName::from_static("valkka-start");

/// A moment at which the parameters of the video change, and what is saved breaks off.
const CHANGE: HeaderName = HeaderName::from_static("valkka-change");

/// Why there is no sound in it.
const LEFT_OUT: HeaderName = HeaderName::from_static("valkka-left-out");

/// What is played.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// What is saved.
const LONGEST_DOWNLOAD: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a piece waits for others, before what was sent is in vain.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_by_their_camera_and_time() {
        assert_eq!(file_name("front", WallTime::from_micros(1_500_000)), "front-1970-01-01T00-00-01Z.mp4");
    }
}
