//! Blocking sources, each on a thread of its own.

use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;
use valkka_core::lock::lock;
use valkka_core::sink::Sink;
use valkka_core::source::{Source, SourceError};
use valkka_core::worker::{StopToken, Worker};

use crate::gate::Intake;

/// Threads of sources that were asked to stop. The live thread never waits for them; whoever drops this does.
#[derive(Debug, Default)]
pub(crate) struct Leaving(Mutex<Vec<Worker>>);

impl Leaving {
    fn push(&self, worker: Worker) {
        worker.stop_token().stop();
        let mut workers = lock(&self.0);
        // Joining a thread that has returned takes no time.
        workers.retain(|worker| !worker.is_finished());
        workers.push(worker);
    }
}

/// A blocking source at work. Dropping it asks the thread to stop, and does not wait.
pub(crate) struct ThreadSource {
    worker: Option<Worker>,
    result: oneshot::Receiver<Result<(), SourceError>>,
    host: String,
    leaving: Arc<Leaving>,
}

impl ThreadSource {
    /// Starts `source` on a thread called `name`.
    pub(crate) fn start(
        name: &str,
        host: String,
        mut source: Box<dyn Source>,
        intake: Arc<Intake>,
        leaving: Arc<Leaving>,
    ) -> Result<Self, SourceError> {
        let (tx, result) = oneshot::channel();
        let body = move |stop: StopToken| {
            let sink: &dyn Sink = &*intake;
            // Nobody waits for the result of a source that was left behind.
            let _ = tx.send(source.run(sink, &stop));
        };
        let worker = Worker::spawn(name, None, body)
            .map_err(|cause| SourceError::Io { what: format!("{host} (no thread)"), cause })?;
        Ok(Self { worker: Some(worker), result, host, leaving })
    }

    /// Waits for its end.
    pub(crate) async fn end(&mut self) -> SourceError {
        match (&mut self.result).await {
            Ok(Err(error)) => error,
            Ok(Ok(())) => SourceError::Ended { host: self.host.clone() },
            Err(_) => SourceError::Protocol {
                host: self.host.clone(),
                detail: "the source failed on what was sent".into(),
            },
        }
    }

    /// Asks it to stop.
    pub(crate) fn stop(&self) {
        if let Some(worker) = &self.worker {
            worker.stop_token().stop();
        }
    }
}

impl Drop for ThreadSource {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            self.leaving.push(worker);
        }
    }
}
