//! The only loop that retries: runs the source of one stream again and again.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::time::{sleep, timeout};
use tracing::{debug, error};
use valkka_core::clock::SystemClock;
use valkka_core::frame::{Frame, Signal};
use valkka_core::source::{Retry, Source, SourceError, SourceRequest, Transport};
use valkka_core::stats::StreamStats;

use crate::backoff::Backoff;
use crate::gate::{Gate, Intake};
use crate::opener::{Opened, Opener, Plan, TaskSource};
use crate::reconnect::Reconnect;
use crate::silence::Silence;
use crate::state::{Status, StreamState};
use crate::stream_config::StreamConfig;
use crate::thread_source::{Leaving, ThreadSource};
use crate::transport::TransportPlan;

/// Runs one stream until it fails for good. Stopped by dropping [`Self::run`]'s future.
pub(crate) struct Supervisor {
    opener: Arc<dyn Opener>,
    stats: Arc<StreamStats>,
    /// As it was asked for, and changed by the opener.
    plan: Plan,
    /// What of it sources are asked for.
    request: SourceRequest,
    transports: TransportPlan,
    gate: Arc<Gate>,
    status: Arc<Status>,
    silence: Arc<Silence>,
    leaving: Arc<Leaving>,
    /// The source of the last connection, if it was a task: it may have learnt something.
    source: Option<(Transport, Box<dyn TaskSource>)>,
}

/// How a connection ended.
struct End {
    error: SourceError,
    frames: u64,
    was_online: bool,
}

impl Supervisor {
    pub(crate) fn new(
        config: StreamConfig,
        gate: Arc<Gate>,
        status: Arc<Status>,
        leaving: Arc<Leaving>,
    ) -> Self {
        let StreamConfig { request, reconnect, sink: _, stats, opener } = config;
        let transports = TransportPlan::new(request.options.transport);
        let plan = Plan { request: request.clone(), reconnect, longest_wait: Duration::MAX };
        let silence = Arc::new(Silence::new(reconnect.limit(), Instant::now()));
        Self { opener, stats, plan, request, transports, gate, status, silence, leaving, source: None }
    }

    pub(crate) async fn run(mut self) {
        // Whatever ends this (failure, the handle, the live thread), the state says so.
        let _stopped = StopOnDrop(self.status.clone());
        let (slot, gate, silence) = (self.request.slot, self.gate.clone(), self.silence.clone());
        let tell_silence = async || {
            silence.wait().await;
            gate.tell(|| {
                let silence = silence.notice(Instant::now())?;
                Some(Frame::signal(slot, SystemClock.now(), Signal::Silent(silence)))
            });
        };
        {
            let mut connected = pin!(self.keep_connected());
            loop {
                tokio::select! { biased;
                    () = &mut connected => break,
                    () = tell_silence() => {}
                }
            }
        }
        // A stream that has failed for good is silent, too.
        while !silence.is_settled() {
            tell_silence().await;
        }
    }

    /// Makes connections until one fails for good.
    async fn keep_connected(&mut self) {
        let status = self.status.clone();
        let mut backoff = Backoff::default();
        let mut told_offline = false;
        loop {
            status.set(StreamState::Connecting);
            let end = match self.prepare() {
                Ok(()) => self.connect_somehow().await,
                Err(error) => End { error, frames: 0, was_online: false },
            };
            self.opener.ended(&end.error, end.was_online);
            if end.frames > 0 {
                backoff.reset();
            }
            if end.was_online {
                told_offline = false;
            }
            let reason: Arc<str> = end.error.to_string().into();
            let wait = match self.plan.reconnect {
                Reconnect::Never => None,
                Reconnect::After(_) => self.wait(&mut backoff, end.error.retry()),
            };
            status.set_error(Arc::new(end.error));
            status.set(match wait {
                Some(wait) => {
                    StreamState::Waiting { reason: reason.clone(), retry_at: Instant::now() + wait }
                }
                None => StreamState::Failed { reason: reason.clone() },
            });
            if !told_offline {
                told_offline = true;
                debug!(host = self.host(), %reason, "offline");
                self.tell(Signal::Offline(reason));
            }
            let Some(wait) = wait else { return };
            sleep(wait).await;
        }
    }

    /// Has the opener say what the next connection is made by.
    fn prepare(&mut self) -> Result<(), SourceError> {
        self.opener.prepare(&mut self.plan)?;
        self.silence.set_limit(self.plan.reconnect.limit());
        let mut request = self.plan.request.clone();
        request.slot = self.request.slot;
        let options = &mut request.options;
        options.silence_timeout = self.plan.reconnect.silence(options.silence_timeout);
        if request != self.request {
            if request.url != self.request.url || request.options.transport != self.request.options.transport
            {
                self.transports = TransportPlan::new(request.options.transport);
            }
            self.request = request;
            self.source = None;
        }
        Ok(())
    }

    /// How long to wait for the next try; `None` if there is none.
    fn wait(&self, backoff: &mut Backoff, retry: Retry) -> Option<Duration> {
        Some(backoff.next(retry, fastrand::f64())?.min(self.plan.longest_wait))
    }

    /// Makes one connection by the transport that does it, and sees it to its end.
    async fn connect_somehow(&mut self) -> End {
        let mut transport = self.transports.first();
        loop {
            let end = self.connect(transport, self.transports.is_on_trial(transport)).await;
            match self.transports.next(transport, end.frames, &end.error) {
                Some(other) => {
                    debug!(host = self.host(), %transport, reason = %end.error, "trying {other} instead");
                    transport = other;
                }
                None => return end,
            }
        }
    }

    /// Makes one connection and sees it to its end.
    async fn connect(&mut self, transport: Transport, trial: bool) -> End {
        let (gate, status, silence) = (self.gate.clone(), self.status.clone(), self.silence.clone());
        let intake = Arc::new(Intake::new(gate, status, self.stats.clone(), silence, trial));
        let error = self.receive(transport, trial, &intake).await;
        End { error, frames: intake.frames(), was_online: intake.was_online() }
    }

    async fn receive(&mut self, transport: Transport, trial: bool, intake: &Arc<Intake>) -> SourceError {
        match self.open(transport) {
            Ok(Opened::Task(source)) => self.receive_here(transport, source, trial, intake).await,
            Ok(Opened::Thread(source)) => self.receive_elsewhere(source, trial, intake).await,
            Err(error) => error,
        }
    }

    /// Runs a source as a part of this task, and keeps it for the next connection.
    async fn receive_here(
        &mut self,
        transport: Transport,
        mut source: Box<dyn TaskSource>,
        trial: bool,
        intake: &Intake,
    ) -> SourceError {
        let host = self.host();
        let end = {
            let run = pin!(AssertUnwindSafe(source.run(intake)).catch_unwind());
            tokio::select! { biased;
                end = run => end,
                error = lost_trial(&host, intake), if trial => Ok(error),
            }
        };
        match end {
            Ok(error) => {
                self.source = Some((transport, source));
                error
            }
            // A parser that fails on what it was sent must not take the other streams with it.
            Err(_) => {
                error!(host, "receiving panicked; the connection is given up");
                SourceError::Protocol { host, detail: "receiving it failed (see the log)".into() }
            }
        }
    }

    /// Runs a source on a thread of its own.
    async fn receive_elsewhere(
        &mut self,
        source: Box<dyn Source>,
        trial: bool,
        intake: &Arc<Intake>,
    ) -> SourceError {
        let host = self.host();
        let name = format!("source {}", self.request.slot);
        let started = ThreadSource::start(&name, host.clone(), source, intake.clone(), self.leaving.clone());
        let mut source = match started {
            Ok(source) => source,
            Err(error) => return error,
        };
        let error = tokio::select! { biased;
            error = source.end() => return error,
            error = lost_trial(&host, intake), if trial => error,
        };
        // What it brings now comes too late. A camera that serves one client at a time must see this one leave
        // first.
        self.gate.next_connection();
        source.stop();
        let _ = timeout(STOP_TIMEOUT, source.end()).await;
        error
    }

    fn open(&mut self, transport: Transport) -> Result<Opened, SourceError> {
        match self.source.take() {
            Some((same, source)) if same == transport => Ok(Opened::Task(source)),
            _ => {
                let mut request = self.request.clone();
                request.options.transport = transport;
                self.opener.open(&request)
            }
        }
    }

    /// Emits `signal` after the frames of the last connection, of which none comes any more.
    fn tell(&self, signal: Signal) {
        let connection = self.gate.next_connection();
        let frame = Frame::signal(self.request.slot, SystemClock.now(), signal);
        self.gate.put(connection, frame, |_| ());
    }

    fn host(&self) -> String {
        self.request.url.host()
    }
}

struct StopOnDrop(Arc<Status>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Waits for a connection that brings no frame within [`TRIAL`]; forever if a frame comes.
async fn lost_trial(host: &str, intake: &Intake) -> SourceError {
    while !intake.is_held() && intake.frames() == 0 {
        intake.progress.notified().await;
    }
    let first = async {
        while intake.frames() == 0 {
            intake.progress.notified().await;
        }
    };
    match timeout(TRIAL, first).await {
        Ok(()) => std::future::pending().await,
        Err(_) => SourceError::Silent { host: host.into(), silence: TRIAL },
    }
}

/// How long a transport on trial has, from the answer to PLAY to the first frame.
const TRIAL: Duration = Duration::from_secs(1);
/// How long the next transport waits for a blocking source to leave.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
