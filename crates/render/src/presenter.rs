//! The presenter as its users see it.

use std::fmt;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use valkka_core::bitmap::Bitmap;
use valkka_core::lock::lock;
use valkka_core::sink::Sink;
use valkka_core::stats::StreamStats;
use valkka_core::stream::Slot;
use valkka_core::worker::Worker;

use crate::command::{Command, Reply};
use crate::error::Error;
use crate::event::Event;
use crate::image::RgbImage;
use crate::inbox::Inbox;
use crate::layout::{Area, Fit, Rectangle};
use crate::output::{self, OutputKind};
use crate::scene::{ViewId, ViewOptions, WindowId};
use crate::schedule::{Drops, Limits, Schedule};
use crate::stage::Stage;
use crate::window::{WindowChange, WindowOptions};

/// How a presenter works. All fields are free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenterOptions {
    /// The name of its thread.
    pub name: String,
    /// Where pictures go.
    pub output: OutputKind,
    /// The X display and screen, e.g. `:0.1`; `None` takes `DISPLAY`.
    pub display: Option<String>,
    /// How pictures get into X windows.
    pub rendering: Rendering,
    /// How long pictures wait for those that come late: the jitter buffer, and so much more delay.
    pub buffering: Duration,
    /// How many pictures may wait.
    pub limits: Limits,
    /// The CPU its thread is bound to.
    pub affinity: Option<usize>,
}

impl Default for PresenterOptions {
    fn default() -> Self {
        Self {
            name: "presenter".to_owned(),
            output: OutputKind::default(),
            display: None,
            rendering: Rendering::default(),
            buffering: Duration::from_millis(300),
            limits: Limits::default(),
            affinity: None,
        }
    }
}

/// How pictures get into X windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Rendering {
    /// OpenGL where a graphics processor does the work, else [`Self::Software`].
    #[default]
    Auto,
    /// OpenGL ES 3 by EGL, also where it is emulated on the CPU.
    OpenGl,
    /// Scaled and converted here, and handed to the X server in shared memory.
    Software,
}

/// Shows the pictures of many streams in many windows, on one thread.
///
/// Frames go in at [`Self::input`]; all other methods may be called from any thread, wait for their answer at
/// most [`ANSWER_TIMEOUT`], and take effect in the order of the calls. Dropping it stops the thread and
/// destroys its windows; what still goes into the input then is dropped.
pub struct Presenter {
    inbox: Arc<Inbox>,
    commands: SyncSender<Command>,
    events: Mutex<Receiver<Event>>,
    /// Last, so that the thread ends while the channels are there.
    _worker: Worker,
}

/// How long a call waits for its answer. Only a display that hangs makes it take long.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

impl Presenter {
    /// Opens the output and starts the thread.
    ///
    /// # Errors
    /// If the display cannot be opened or used, or the system gives no thread.
    pub fn spawn(options: PresenterOptions) -> Result<Self, Error> {
        let inbox = Arc::new(Inbox::new(Schedule::new(options.buffering, options.limits))?);
        let (commands, command_rx) = mpsc::sync_channel(COMMANDS);
        let (event_tx, events) = mpsc::sync_channel(EVENTS);
        let (opened_tx, opened) = mpsc::sync_channel(1);
        let (name, affinity) = (options.name.clone(), options.affinity);
        let stage_inbox = inbox.clone();
        let worker = Worker::spawn(&name, affinity, move |stop| {
            // The display belongs to the thread from the start: OpenGL contexts are bound to theirs.
            match output::open(&options) {
                Ok(output) => {
                    let _ = opened_tx.send(Ok(()));
                    let waker = stage_inbox.clone();
                    stop.on_stop(move || waker.wake());
                    Stage::new(output, stage_inbox.clone(), command_rx, event_tx).run(&stop);
                    stage_inbox.close();
                }
                Err(error) => {
                    let _ = opened_tx.send(Err(error));
                }
            }
        })?;
        match opened.recv_timeout(OPEN_TIMEOUT) {
            Ok(opened) => opened?,
            Err(RecvTimeoutError::Timeout) => return Err(Error::Timeout { waited: OPEN_TIMEOUT }),
            Err(RecvTimeoutError::Disconnected) => return Err(Error::Ended),
        }
        Ok(Self { inbox, commands, events: Mutex::new(events), _worker: worker })
    }

    /// Where pictures and signals go in. Never blocks; what is not for the screen is ignored.
    pub fn input(&self) -> Arc<dyn Sink> {
        self.inbox.clone()
    }

    /// Makes a window.
    ///
    /// # Errors
    /// If the display refuses, or the parent is no window of ours.
    pub fn create_window(&self, options: WindowOptions) -> Result<WindowId, Error> {
        self.call(|reply| Command::CreateWindow(options, reply))
    }

    /// Takes the window with this id, which another part of the program or another process made, as a place
    /// to show views in. Its owner may resize and destroy it at any time; its input stays its owner's.
    ///
    /// # Errors
    /// If there is no such window, or this presenter knows it already.
    pub fn adopt_window(&self, window: u32) -> Result<WindowId, Error> {
        self.call(|reply| Command::AdoptWindow(window, reply))
    }

    /// Destroys a window of ours, or leaves one that was adopted; its views go with it.
    ///
    /// # Errors
    /// If there is no such window.
    pub fn remove_window(&self, window: WindowId) -> Result<(), Error> {
        self.call(|reply| Command::RemoveWindow(window, reply))
    }

    /// Changes a window of ours.
    ///
    /// # Errors
    /// If there is no such window, or it is somebody else's.
    pub fn change_window(&self, window: WindowId, change: WindowChange) -> Result<(), Error> {
        self.call(|reply| Command::ChangeWindow(window, change, reply))
    }

    /// Width and height of a window in pixels.
    ///
    /// # Errors
    /// If there is no such window.
    pub fn window_size(&self, window: WindowId) -> Result<(u32, u32), Error> {
        self.call(|reply| Command::WindowSize(window, reply))
    }

    /// Shows a slot in a window, above the views that are there.
    ///
    /// # Errors
    /// If there is no such window.
    pub fn add_view(&self, options: ViewOptions) -> Result<ViewId, Error> {
        self.call(|reply| Command::AddView(options, reply))
    }

    /// Takes a view away.
    ///
    /// # Errors
    /// If there is no such view.
    pub fn remove_view(&self, view: ViewId) -> Result<(), Error> {
        self.call(|reply| Command::RemoveView(view, reply))
    }

    /// Moves a view within its window; `None` hides it.
    ///
    /// # Errors
    /// If there is no such view.
    pub fn place_view(&self, view: ViewId, area: Option<Area>) -> Result<(), Error> {
        self.call(|reply| Command::PlaceView(view, area, None, reply))
    }

    /// Moves a view within its window, and fits its picture in another way.
    ///
    /// # Errors
    /// If there is no such view.
    pub fn fit_view(&self, view: ViewId, area: Option<Area>, fit: Fit) -> Result<(), Error> {
        self.call(|reply| Command::PlaceView(view, area, Some(fit), reply))
    }

    /// Replaces the rectangles over a view.
    ///
    /// # Errors
    /// If there is no such view.
    pub fn set_rectangles(&self, view: ViewId, rectangles: Vec<Rectangle>) -> Result<(), Error> {
        self.call(|reply| Command::SetRectangles(view, rectangles, reply))
    }

    /// What stands in for `slot` while it has no picture: before its first one, and when it is dead.
    ///
    /// # Errors
    /// If the presenter does not answer.
    pub fn set_placeholder(&self, slot: Slot, bitmap: Option<Bitmap>) -> Result<(), Error> {
        self.call(|reply| Command::SetPlaceholder(slot, bitmap, reply))
    }

    /// What stands in for slots without a picture and without a placeholder of their own. Black if `None`.
    ///
    /// # Errors
    /// If the presenter does not answer.
    pub fn set_fallback(&self, bitmap: Option<Bitmap>) -> Result<(), Error> {
        self.call(|reply| Command::SetFallback(bitmap, reply))
    }

    /// Has the presentation of `slot` counted in `stats`.
    ///
    /// # Errors
    /// If the presenter does not answer.
    pub fn set_stats(&self, slot: Slot, stats: Arc<StreamStats>) -> Result<(), Error> {
        self.call(|reply| Command::SetStats(slot, stats, reply))
    }

    /// Forgets `slot`: its pictures, placeholder and statistics. Its views stay.
    ///
    /// # Errors
    /// If the presenter does not answer.
    pub fn remove_slot(&self, slot: Slot) -> Result<(), Error> {
        self.call(|reply| Command::RemoveSlot(slot, reply))
    }

    /// What the window shows, also if something lies above it on the screen.
    ///
    /// # Errors
    /// If there is no such window, or it has no pixels.
    pub fn screenshot_window(&self, window: WindowId) -> Result<RgbImage, Error> {
        self.call(|reply| Command::CaptureWindow(window, reply))?.paint()
    }

    /// What the view shows, at its size; at the size of its window if it is hidden.
    ///
    /// # Errors
    /// If there is no such view, or it has no pixels.
    pub fn screenshot_view(&self, view: ViewId) -> Result<RgbImage, Error> {
        self.call(|reply| Command::CaptureView(view, reply))?.paint()
    }

    /// Which pictures were dropped unseen since this was last called, by slot and reason.
    pub fn take_drops(&self) -> Vec<Drops> {
        self.inbox.with(Schedule::take_drops).unwrap_or_default()
    }

    /// The next event, waiting for it at most `timeout`; `None` if none came. Of too many that nobody takes,
    /// the newest are dropped.
    pub fn next_event(&self, timeout: Duration) -> Option<Event> {
        lock(&self.events).recv_timeout(timeout).ok()
    }

    fn call<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Error> {
        let (reply, answer) = mpsc::sync_channel(1);
        match self.commands.try_send(command(reply)) {
            Ok(()) => self.inbox.wake(),
            // So many wait only when the display hangs, and their callers have given up.
            Err(TrySendError::Full(_)) => return Err(Error::Timeout { waited: Duration::ZERO }),
            Err(TrySendError::Disconnected(_)) => return Err(Error::Ended),
        }
        match answer.recv_timeout(ANSWER_TIMEOUT) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => Err(Error::Timeout { waited: ANSWER_TIMEOUT }),
            Err(RecvTimeoutError::Disconnected) => Err(Error::Ended),
        }
    }
}

impl fmt::Debug for Presenter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presenter").finish_non_exhaustive()
    }
}

/// Commands whose callers have not got their answer.
const COMMANDS: usize = 1024;

/// Events nobody has taken.
const EVENTS: usize = 1024;

/// How long opening a display may take.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
