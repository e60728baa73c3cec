//! What was recorded, over HTTP.
//!
//! Reading waits for the disk, and decoding takes a core: both run beside the thread that serves, only so many at a time, and
//! each kind of them by a crew of its own. Who asks for more waits a moment, and is then told to come again.

mod film;
mod list;
mod parameter;
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
use valkka::playback::Stills;
use valkka::reason::reason;
use valkka::store::{Store, StreamId};
use valkka_site::{ArchiveState, Site};

use crate::answer::Problem;
use crate::crew::Crew;
use crate::tally::Tally;

/// Who may read the archive at this moment.
#[derive(Debug)]
pub(crate) struct Readers {
    /// What is in memory, and little of the disk.
    summaries: Crew,
    /// Timelines, each of which may have much to read.
    timelines: Crew,
    /// The pieces of films. Between them, nobody is kept busy by a film.
    pieces: Crew,
    /// Pictures, each of which takes a core for a moment.
    pictures: Crew,
    pub(crate) stills: Stills,
    /// Films that are being sent, each of which holds some three megabytes, by their user.
    films: Arc<Tally<String>>,
}

/// The recordings of one camera.
pub(crate) struct Footage {
    pub(crate) store: Arc<Store>,
    pub(crate) stream: StreamId,
}

impl Readers {
    pub(crate) fn new() -> Self {
        Self {
            summaries: Crew::new(MAX_SUMMARIES, "what was recorded"),
            timelines: Crew::new(MAX_TIMELINES, "timelines"),
            pieces: Crew::new(MAX_PIECES, "recordings"),
            pictures: Crew::new(MAX_DECODING, "pictures of recordings"),
            stills: Stills::new(MAX_DECODING),
            films: Arc::new(Tally::new(MAX_FILMS, MAX_FILMS_PER_USER)),
        }
    }

    /// What `read` returns, which takes next to no time.
    pub(crate) async fn summary<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        self.summaries.work(PATIENCE, read).await
    }

    /// How many films are being sent.
    pub(crate) fn films(&self) -> usize {
        self.films.total()
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

fn no_store(site: &Site) -> Problem {
    match site.archive().state() {
        ArchiveState::Off => Problem::new(StatusCode::NOT_FOUND, "nothing is recorded here"),
        ArchiveState::Failing(reason) => Problem::busy(UNREADABLE).detailed(&*reason),
        ArchiveState::Opening | ArchiveState::Open => Problem::busy("the recordings are being opened"),
    }
}

/// A store or a recording cannot be read.
fn unreadable(error: &dyn std::error::Error) -> Problem {
    Problem::busy(UNREADABLE).detailed(reason(error))
}

/// Nothing is there of this time, for this reason.
fn nothing(why: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, why)
}

const UNREADABLE: &str = "the recordings cannot be read";

/// Why there is nothing of a camera.
const NEVER: &str = "nothing was recorded of this camera";

/// Threads that reading takes at most.
pub(crate) const MAX_THREADS: usize = MAX_SUMMARIES + MAX_TIMELINES + MAX_PIECES + MAX_DECODING;

const MAX_SUMMARIES: usize = 2;
const MAX_TIMELINES: usize = 4;
const MAX_PIECES: usize = 4;
const MAX_DECODING: usize = 2;
const MAX_FILMS: usize = 64;
const MAX_FILMS_PER_USER: usize = 24;

/// How long a request waits until it may read.
const PATIENCE: Duration = Duration::from_secs(5);
