//! Work beside the thread that serves.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::answer::Problem;

/// Threads for one kind of work that waits for disks or takes a core, so many at a time: however much there is of one kind,
/// there are threads for the others.
#[derive(Debug)]
pub(crate) struct Crew {
    permits: Arc<Semaphore>,
    /// What its work is about, in words.
    about: &'static str,
}

impl Crew {
    /// A crew of `count`, for work that is `about` something.
    pub(crate) fn new(count: usize, about: &'static str) -> Self {
        Self { permits: Arc::new(Semaphore::new(count)), about }
    }

    /// What `work` returns, which begins once there is a thread for it, within `patience`. Nobody waits for a disk that does
    /// not answer; its thread is one less until it does.
    ///
    /// # Errors
    /// Those of `work`, and if there is no thread in time, or no answer.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let Ok(Ok(permit)) = timeout(patience, self.permits.clone().acquire_owned()).await else {
            return Err(Problem::busy(&format!("too many ask for {} at this moment", self.about)));
        };
        let working = spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        match timeout(LONGEST, working).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => {
                let message = format!("asking for {} failed", self.about);
                Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, message))
            }
            Err(_) => Err(Problem::busy(&format!("no answer for {} within {LONGEST:?}", self.about))),
        }
    }
}

/// How long an answer may take.
const LONGEST: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::runtime;

    use super::*;

    #[test]
    fn one_crew_does_not_wait_for_another() {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (films, pictures) = (Arc::new(Crew::new(1, "films")), Crew::new(1, "pictures"));
            let (begun, has_begun) = mpsc::channel();
            let (end, ends) = mpsc::channel::<()>();
            let crew = films.clone();
            let slow = tokio::spawn(async move {
                let wait = move || {
                    begun.send(()).map_err(|_| Problem::busy("nobody is there"))?;
                    Ok(ends.recv().is_err())
                };
                crew.work(Duration::from_secs(60), wait).await
            });
            pictures
                .work(Duration::from_secs(60), move || has_begun.recv().map_err(|_| Problem::busy("gone")))
                .await
                .unwrap();
            let busy = films.work(Duration::from_millis(1), || Ok(())).await.unwrap_err();
            assert_eq!(busy.message(), "too many ask for films at this moment");
            drop(end);
            assert!(slow.await.unwrap().unwrap());
            films.work(Duration::from_secs(60), || Ok(())).await.unwrap();
        });
    }

    #[test]
    fn work_that_fails_is_told_of_and_costs_no_thread() {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let crew = Crew::new(1, "films");
            for _ in 0..3 {
                let failed = crew.work(Duration::from_secs(60), || -> Result<(), _> { panic!("as told") });
                assert_eq!(failed.await.unwrap_err().status(), StatusCode::INTERNAL_SERVER_ERROR);
            }
        });
    }
}
