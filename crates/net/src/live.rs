//! One thread that receives any number of streams, and sends them.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tracing::debug;
use valkka_core::lock::lock;
use valkka_core::source::SourceError;
use valkka_core::worker::Worker;

use crate::answers::answers;
use crate::gate::Gate;
use crate::server::{RtpDestination, RtpSender};
use crate::state::{Status, StreamState};
use crate::stream_config::StreamConfig;
use crate::supervisor::Supervisor;
use crate::thread_source::Leaving;

/// How a [`Live`] runs. All fields are free.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// The name of its thread, of which the kernel shows 15 bytes.
    pub name: String,
    /// The CPU its thread is bound to.
    pub affinity: Option<usize>,
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self { name: "live".into(), affinity: None }
    }
}

/// One thread that receives any number of streams, and sends any number by RTP to where it is told.
///
/// Its methods, and those of its handles, may be called from any thread, also from within a sink. Dropping it
/// ends all its streams: it lets cameras know (TEARDOWN), waits a second for them at most, and joins its
/// thread and those of blocking sources. The states of its streams then say that they were stopped.
pub struct Live {
    shared: Arc<Shared>,
    runtime: Handle,
    /// Dropped first: it ends the streams.
    worker: Option<Worker>,
    /// Joins what is left of blocking sources.
    leaving: Arc<Leaving>,
}

/// Keeps a stream going; dropping it ends the stream.
///
/// When the drop returns, no frame is inside the stream's sink, and none comes any more. From within that
/// sink, the drop returns at once, and the frame is the last one. So never drop it while holding a lock that
/// the sink takes. The connection itself is closed soon after, by the live thread.
#[must_use = "dropping the handle ends the stream"]
pub struct StreamHandle {
    gate: Arc<Gate>,
    status: Arc<Status>,
    task: LiveTask,
}

/// A task of the live thread that ends when this is dropped.
pub(crate) struct LiveTask {
    id: u64,
    task: AbortHandle,
    shared: Arc<Shared>,
}

/// What handles and the live thread share.
#[derive(Default)]
struct Shared {
    tasks: Mutex<Tasks>,
    next_id: AtomicU64,
}

/// The tasks that have handles.
#[derive(Default)]
struct Tasks {
    /// Whether the thread is ending, and takes no more.
    ending: bool,
    running: HashMap<u64, AbortHandle>,
}

impl Live {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system gives no thread or no poll descriptor.
    pub fn spawn(options: LiveOptions) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(RESOLVERS).build()?;
        let handle = runtime.handle().clone();
        let shared = Arc::<Shared>::default();
        let streams = shared.clone();
        let worker = Worker::spawn(&options.name, options.affinity, move |stop| {
            let stopped = Arc::new(Notify::new());
            let wake = stopped.clone();
            stop.on_stop(move || wake.notify_one());
            run(runtime, &stopped, &streams);
        })?;
        Ok(Self { shared, runtime: handle, worker: Some(worker), leaving: Arc::default() })
    }

    /// Starts to receive a stream. Returns at once; what becomes of it is seen in [`StreamHandle::state`] and
    /// by the signals in its sink.
    ///
    /// The sink gets [`Signal::Online`](valkka_core::frame::Signal::Online) once per connection, then its
    /// frames, and [`Signal::Offline`](valkka_core::frame::Signal::Offline) once when the connection ends, or
    /// when the very first could not be made. If it has brought nothing for as long as [`Reconnect::After`](crate::Reconnect::After) says,
    /// in one connection or over several tries, the sink gets [`Signal::Silent`](valkka_core::frame::Signal::Silent).
    pub fn add(&self, config: StreamConfig) -> StreamHandle {
        let gate = Arc::new(Gate::new(config.sink.clone()));
        let status = Arc::<Status>::default();
        let supervisor = Supervisor::new(config, gate.clone(), status.clone(), self.leaving.clone());
        StreamHandle { gate, status, task: self.spawn_task(supervisor.run()) }
    }

    /// Starts to send a stream by RTP: what is put into the sender goes to `destination` from now on.
    ///
    /// # Errors
    /// If the destination cannot be sent to, e.g. because there is no route to it.
    pub fn send(&self, destination: RtpDestination) -> io::Result<RtpSender> {
        let prepared = {
            let _within = self.runtime.enter();
            RtpSender::prepare(destination)?
        };
        Ok(prepared.start(|sending| self.spawn_task(sending)))
    }

    /// How many streams are received or sent.
    pub fn streams(&self) -> usize {
        self.shared.lock().running.len()
    }

    /// Whether its thread still works: whether it gets to something new within `limit`.
    pub fn answers(&self, limit: Duration) -> bool {
        answers(&self.runtime, limit)
    }

    /// Asks the thread to end, and returns at once: what dropping does, without waiting for it.
    pub fn request_stop(&self) {
        if let Some(worker) = &self.worker {
            worker.stop_token().stop();
        }
    }

    fn spawn_task(&self, body: impl Future<Output = ()> + Send + 'static) -> LiveTask {
        let task = self.runtime.spawn(body).abort_handle();
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let mut tasks = self.shared.lock();
        if tasks.ending {
            task.abort();
        } else {
            tasks.running.insert(id, task.clone());
        }
        drop(tasks);
        LiveTask { id, task, shared: self.shared.clone() }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        drop(self.worker.take());
    }
}

impl StreamHandle {
    /// Where the stream stands.
    pub fn state(&self) -> StreamState {
        self.status.state()
    }

    /// Why the last connection could not be made, or ended; `None` if none has failed.
    pub fn last_error(&self) -> Option<Arc<SourceError>> {
        self.status.error()
    }
}

impl Drop for StreamHandle {
    fn drop(&mut self) {
        self.task.end();
        self.gate.close();
    }
}

impl LiveTask {
    fn end(&self) {
        self.task.abort();
        self.shared.lock().running.remove(&self.id);
    }
}

impl Drop for LiveTask {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Tasks> {
        lock(&self.tasks)
    }
}

/// The live thread.
fn run(runtime: Runtime, stopped: &Notify, shared: &Shared) {
    runtime.block_on(async {
        stopped.notified().await;
        let tasks = {
            let mut tasks = shared.lock();
            tasks.ending = true;
            std::mem::take(&mut tasks.running)
        };
        tasks.values().for_each(AbortHandle::abort);
        // Sources leave tasks behind that say goodbye to their cameras.
        let metrics = Handle::current().metrics();
        let goodbyes = async {
            while metrics.num_alive_tasks() > 0 {
                sleep(GOODBYE_TICK).await;
            }
        };
        if timeout(GOODBYE_TIMEOUT, goodbyes).await.is_err() {
            debug!(sessions = metrics.num_alive_tasks(), "cameras did not answer TEARDOWN in time");
        }
    });
    // Not waiting for name look-ups, which may take long and cannot be called off.
    runtime.shutdown_background();
}

/// Threads for name look-ups, which block.
const RESOLVERS: usize = 8;
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);
const GOODBYE_TICK: Duration = Duration::from_millis(5);

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("streams", &self.streams()).finish_non_exhaustive()
    }
}

impl fmt::Debug for StreamHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StreamHandle").field(&self.status).finish()
    }
}
