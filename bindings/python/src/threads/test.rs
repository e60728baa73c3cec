//! A thread that calls Python: a demonstration of callbacks from native threads.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use valkka::lock::lock;
use valkka::worker::{StopToken, Worker};

use crate::callback::Callback;
use crate::thread::{Control, Thread};

/// Calls its callback with 0, 1, 2, … once a second.
#[pyclass(extends = Thread, subclass, frozen, module = "valkka.core")]
pub(crate) struct TestThread {
    ticker: Arc<Ticker>,
}

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl TestThread {
    #[new]
    fn py_new(name: &str) -> PyClassInitializer<Self> {
        let ticker = Arc::new(Ticker { name: name.to_owned(), ..Ticker::default() });
        PyClassInitializer::from(Thread::new(name, ticker.clone())).add_subclass(Self { ticker })
    }

    /// Has `callable(i)` called once a second; None has nobody called.
    fn setCallback(&self, callable: Py<PyAny>) {
        self.ticker.callback.set(callable);
    }

    /// Adds 100 to the number, from the next tick on. Takes any arguments: it is connected to signals of buttons.
    #[pyo3(signature = (*_args))]
    fn addCall(&self, _args: &Bound<'_, PyTuple>) {
        self.ticker.count.fetch_add(100, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Ticker {
    name: String,
    count: AtomicI64,
    callback: Arc<Callback>,
    worker: Mutex<Option<Worker>>,
}

impl Control for Ticker {
    fn start(self: Arc<Self>, affinity: Option<usize>) -> Result<(), String> {
        let ticker = Arc::downgrade(&self);
        let body = move |stop: StopToken| {
            while !stop.wait(PERIOD) {
                let Some(ticker) = ticker.upgrade() else { return };
                let count = ticker.count.fetch_add(1, Ordering::Relaxed);
                ticker.callback.call(|_| Ok((count,)));
            }
        };
        let worker = Worker::spawn(&self.name, affinity, body).map_err(|error| error.to_string())?;
        *lock(&self.worker) = Some(worker);
        Ok(())
    }

    fn request_stop(&self) {
        if let Some(worker) = &*lock(&self.worker) {
            worker.stop_token().stop();
        }
    }

    fn wait_stop(&self) {
        let worker = lock(&self.worker).take();
        drop(worker);
    }
}

const PERIOD: Duration = Duration::from_secs(1);
