//! Serves one connection from its first byte to its last.

use std::net::SocketAddr;
use std::sync::Arc;

use rtsp_types::StatusCode;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::Shared;
use super::activity::Activity;
use super::handler::{Ended, Handler};
use super::request::{Event, RequestError, RequestReader};
use super::tcp;

/// Serves `stream` until either side ends it, or it is silent for too long.
pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, shared: &Shared) {
    let Ok(local) = stream.local_addr() else { return };
    // Answers and pictures are written in one piece each: waiting for more only delays them.
    let _ = stream.set_nodelay(true);
    let (reading, writing) = stream.into_split();
    let (outgoing, commands) = mpsc::channel(MAX_WAITING);
    let activity = Arc::new(Activity::new());
    let handler = Handler::new(shared, peer, local, activity.clone(), outgoing);
    debug!(%peer, "connected");
    let writer = tcp::write(writing, commands, activity.clone(), shared.options.session_timeout);
    let mut writer = std::pin::pin!(writer);
    let ended = tokio::select! {
        reason = read(reading, handler, &activity, shared) => {
            // What was answered last is still on its way; the handler, and so the queue's sender, is gone.
            match timeout_at(Instant::now() + shared.options.idle_timeout, writer).await {
                Ok(Ok(())) => reason.to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it does not take the last answers".to_owned(),
            }
        }
        result = &mut writer => match result {
            Ok(()) => "we are done".to_owned(),
            Err(error) => error.to_string(),
        },
    };
    debug!(%peer, ended, "disconnected");
}

/// Reads and answers; returns why no more is read.
async fn read(
    mut stream: OwnedReadHalf,
    mut handler: Handler<'_>,
    activity: &Activity,
    shared: &Shared,
) -> &'static str {
    let mut access = shared.access.subscribe();
    let mut requests = RequestReader::default();
    let mut buffer = [0; READ_BYTES];
    loop {
        let options = &shared.options;
        let patience = if handler.has_session() { options.session_timeout } else { options.idle_timeout };
        let deadline = activity.last() + patience;
        let received = tokio::select! {
            received = timeout_at(deadline, stream.read(&mut buffer)) => received,
            _ = access.changed() => {
                if !handler.may_go_on() {
                    return ACCESS_WITHDRAWN;
                }
                continue;
            }
        };
        let length = match received {
            Ok(Ok(0)) => return "the peer closed it",
            Ok(Ok(length)) => length,
            Ok(Err(_)) => return "reading failed",
            // There may have been other signs of life meanwhile.
            Err(_) if activity.last() + patience > Instant::now() => continue,
            Err(_) => return "silent for too long",
        };
        requests.push(&buffer[..length]);
        loop {
            if access.has_changed().is_ok_and(|changed| changed) {
                access.mark_unchanged();
                if !handler.may_go_on() {
                    return ACCESS_WITHDRAWN;
                }
            }
            let handled = match requests.next() {
                Ok(None) => break,
                Ok(Some(Event::Request(request))) => {
                    activity.touch();
                    handler.handle(&request).await
                }
                Ok(Some(Event::Packet { channel, data })) => {
                    activity.touch();
                    handler.packet(channel, &data);
                    Ok(())
                }
                Err(error) => {
                    let _ = handler.refuse(code(error)).await;
                    return "not an RTSP request";
                }
            };
            if let Err(Ended) = handled {
                return "the peer does not read";
            }
        }
    }
}

fn code(error: RequestError) -> StatusCode {
    match error {
        RequestError::Malformed | RequestError::HeadTooLong => StatusCode::BadRequest,
        RequestError::BodyTooLong => StatusCode::RequestMessageBodyTooLarge,
    }
}

const ACCESS_WITHDRAWN: &str = "the viewer may not watch any more";

/// Answers that wait to be written. When there are so many, no more requests are read.
const MAX_WAITING: usize = 16;

/// Requests have some hundred bytes.
const READ_BYTES: usize = 4096;
