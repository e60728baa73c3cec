//! Serves one connection from its first request to its last.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rtsp_types::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::debug;

use super::Shared;
use super::activity::Activity;
use super::connections::Permit;
use super::handler::{Ended, Handler};
use super::pace::Pace;
use super::request::{Event, RequestError, RequestReader};
use super::tcp;

/// The two ends of a connection, and what is between them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    /// Nobody between them can read what is sent.
    pub(super) is_encrypted: bool,
}

/// Serves a connection until either side ends it, or it is silent for too long.
pub(super) async fn serve(
    mut reading: impl AsyncRead + Unpin,
    writing: impl AsyncWrite + Unpin + Send + 'static,
    ends: Ends,
    permit: &Permit,
    shared: &Shared,
) {
    let peer = ends.peer;
    let (outgoing, commands) = mpsc::channel(MAX_WAITING);
    let activity = Arc::new(Activity::new());
    let handler = Handler::new(shared, ends, permit.peer().clone(), activity.clone(), outgoing);
    debug!(%peer, "connected");
    // A task of its own: pictures come far more often than requests, and are to wake nothing but what writes them.
    let mut writer = JoinSet::new();
    writer.spawn(tcp::write(writing, commands, activity.clone(), shared.options.session_timeout));
    let ended = tokio::select! {
        reason = read(&mut reading, handler, &activity, permit, shared) => {
            // What was answered last is still on its way; the handler, and so the queue's sender, is gone.
            match timeout_at(Instant::now() + shared.options.idle_timeout, end_of(&mut writer)).await {
                Ok(Ok(())) => reason.to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it does not take the last answers".to_owned(),
            }
        }
        result = end_of(&mut writer) => match result {
            Ok(()) => "we are done".to_owned(),
            Err(error) => error.to_string(),
        },
    };
    debug!(%peer, ended, "disconnected");
    if !shared.is_stopping() {
        let _ = timeout(LINGER, discard(&mut reading)).await;
    }
}

/// Waits for the end of the task that writes, which is the only one in `writer`.
async fn end_of(writer: &mut JoinSet<io::Result<()>>) -> io::Result<()> {
    match writer.join_next().await {
        Some(Ok(result)) => result,
        Some(Err(panicked)) => Err(io::Error::other(panicked)),
        None => Ok(()),
    }
}

/// Reads and answers; returns why no more is read.
async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    mut handler: Handler<'_>,
    activity: &Activity,
    permit: &Permit,
    shared: &Shared,
) -> &'static str {
    let mut revisions = shared.revisions.subscribe();
    let mut pace = Pace::new(EVENTS_PER_SECOND, EVENTS_AT_ONCE);
    let mut requests = RequestReader::default();
    let mut buffer = [0; READ_BYTES];
    loop {
        if shared.is_stopping() && !handler.is_playing() {
            return "the server stops";
        }
        let options = &shared.options;
        let patience = if handler.has_session() { options.session_timeout } else { options.idle_timeout };
        let deadline = handler.last_sign() + patience;
        let received = tokio::select! {
            received = timeout_at(deadline, stream.read(&mut buffer)) => received,
            _ = revisions.changed() => {
                if let Err(reason) = handler.revise().await {
                    return reason;
                }
                continue;
            }
        };
        let length = match received {
            Ok(Ok(0)) => return "the peer closed it",
            Ok(Ok(length)) => length,
            Ok(Err(_)) => return "reading failed",
            // There may have been other signs of life meanwhile.
            Err(_) if handler.last_sign() + patience > Instant::now() => continue,
            Err(_) => return "silent for too long",
        };
        requests.push(&buffer[..length]);
        loop {
            let event = match requests.next() {
                Ok(None) => break,
                Ok(Some(event)) => event,
                Err(error) => {
                    let _ = handler.refuse(code(error)).await;
                    return "not an RTSP request";
                }
            };
            // What comes too fast waits in the kernel, and then at the sender's.
            let now = Instant::now();
            let moment = pace.next(now);
            if moment > now {
                sleep_until(moment).await;
            }
            activity.touch();
            match event {
                Event::Request(request) => {
                    if revisions.has_changed().unwrap_or(false) {
                        revisions.mark_unchanged();
                        if let Err(reason) = handler.revise().await {
                            return reason;
                        }
                    }
                    if let Err(Ended) = handler.handle(&request).await {
                        return "the peer does not read";
                    }
                    if handler.is_settled() {
                        permit.settle();
                    }
                }
                Event::Packet { channel, data } => handler.packet(channel, &data),
            }
        }
    }
}

/// Reads what the peer still has to say. If a connection is closed with something unread, the system cuts it off, and
/// the peer may not get to read our last answer.
async fn discard(stream: &mut (impl AsyncRead + Unpin)) {
    let mut buffer = [0; READ_BYTES];
    for _ in 0..LINGER_READS {
        if !matches!(stream.read(&mut buffer).await, Ok(1..)) {
            break;
        }
    }
}

fn code(error: RequestError) -> StatusCode {
    match error {
        RequestError::Malformed | RequestError::HeadTooLong => StatusCode::BadRequest,
        RequestError::BodyTooLong => StatusCode::RequestMessageBodyTooLarge,
    }
}

/// Answers that wait to be written. When there are so many, no more requests are read.
const MAX_WAITING: usize = 16;

/// Requests have some hundred bytes.
const READ_BYTES: usize = 4096;

/// Requests and interleaved packets that are handled per second. A viewer sends one or two.
const EVENTS_PER_SECOND: u32 = 100;

/// Requests and interleaved packets that are handled at once.
const EVENTS_AT_ONCE: u32 = 200;

/// How long the peer has to end a connection that we have ended.
const LINGER: Duration = Duration::from_secs(1);

/// How often is read in that time.
const LINGER_READS: usize = 64;
