//! What was recorded, over HTTP.
//!
//! Reading waits for the disk, and decoding takes a core: both run beside the thread that serves, and only so many at a
//! time. Who asks for more waits a moment, and is then told to come again.

mod film;
mod list;
mod moment;
mod picture;
mod timeline;
mod trigger;

pub(crate) use film::film;
pub(crate) use list::{Recordings, list};
pub(crate) use picture::picture;
pub(crate) use timeline::{Timeline, timeline};
pub(crate) use trigger::{Trigger, trigger};

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use valkka::playback::Stills;
use valkka::reason::reason;
use valkka::store::{Store, StreamId};
use valkka_site::{ArchiveState, Site};

use crate::answer::Problem;
use crate::tally::Tally;

/// Who may read the archive at this moment.
#[derive(Debug)]
pub(crate) struct Readers {
    /// One after the other, for each has the disk's head move.
    reading: Arc<Semaphore>,
    /// Pictures, each of which takes a core for a moment.
    decoding: Arc<Semaphore>,
    pub(crate) stills: Stills,
    /// Films that are being sent, each of which holds a megabyte or two, by their user.
    films: Arc<Tally<String>>,
}

/// The recordings of one camera.
pub(crate) struct Footage {
    pub(crate) store: Arc<Store>,
    pub(crate) stream: StreamId,
}

impl Readers {
    pub(crate) fn new() -> Self {
        let permits = |count| Arc::new(Semaphore::new(count));
        Self {
            reading: permits(MAX_READING),
            decoding: permits(MAX_DECODING),
            stills: Stills::new(MAX_DECODING),
            films: Arc::new(Tally::new(MAX_FILMS, MAX_FILMS_PER_USER)),
        }
    }

    /// What `read` returns, which may wait for the disk.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        beside(&self.reading, read).await
    }

    /// What `decode` returns, which may take a while.
    async fn decode<T: Send + 'static>(
        &self,
        decode: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        beside(&self.decoding, decode).await
    }
}

impl Footage {
    /// What was recorded of `camera`; `None` if nothing was, so far. It may wait for the disk.
    ///
    /// # Errors
    /// If there is no store, or it cannot be read.
    fn of(site: &Site, camera: &str) -> Result<Option<Self>, Problem> {
        let Some(store) = site.archive().store() else { return Err(no_store(site)) };
        // Another process may write it.
        store.refresh().map_err(|error| unreadable(&error))?;
        let stream = store.stream(camera);
        Ok(stream.map(|stream| Self { store, stream }))
    }
}

/// Runs `work` on a thread where it holds up nobody, once it has one of `permits`.
async fn beside<T: Send + 'static>(
    permits: &Arc<Semaphore>,
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let Ok(Ok(permit)) = timeout(PATIENCE, permits.clone().acquire_owned()).await else {
        return Err(Problem::busy("too many are looking at recordings at this moment"));
    };
    let working = spawn_blocking(move || {
        let _permit = permit;
        work()
    });
    working.await.unwrap_or_else(|_| {
        Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the recordings could not be read"))
    })
}

fn no_store(site: &Site) -> Problem {
    match site.archive().state() {
        ArchiveState::Off => Problem::new(StatusCode::NOT_FOUND, "nothing is recorded here"),
        ArchiveState::Failing(reason) => Problem::busy(&format!("the recordings cannot be read: {reason}")),
        ArchiveState::Opening | ArchiveState::Open => Problem::busy("the recordings are being opened"),
    }
}

/// A store or a recording cannot be read.
fn unreadable(error: &dyn std::error::Error) -> Problem {
    Problem::busy(&format!("the recordings cannot be read: {}", reason(error)))
}

/// Nothing is there of this time, for this reason.
fn nothing(why: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, why)
}

/// Why there is nothing of a camera.
const NEVER: &str = "nothing was recorded of this camera";

const MAX_READING: usize = 4;
const MAX_DECODING: usize = 2;
const MAX_FILMS: usize = 64;
const MAX_FILMS_PER_USER: usize = 24;

/// How long a request waits until it may read.
const PATIENCE: Duration = Duration::from_secs(5);
