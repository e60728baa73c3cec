//! The windows of one X display in a hand-wired graph.
//!
//! What is to be seen is kept in a [`Plan`](plan::Plan), which calls change at once. A thread, the keeper, has the
//! presenter show what the plan says, and tries again where it cannot yet: a window that another connection makes may
//! come late, go, and come again.

mod background;
mod keeper;
mod notice;
mod plan;

pub use background::{BackgroundError, read_background};
pub use notice::ScreenNotice;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use valkka_core::bitmap::Bitmap;
use valkka_core::frame::Frame;
use valkka_core::lock::lock;
use valkka_core::sink::Sink;
use valkka_core::stream::Slot;
use valkka_core::worker::Worker;
use valkka_render::schedule::Limits;
use valkka_render::{
    Input, OutputKind, Presenter, PresenterOptions, Rectangle, Rendering, WindowId, WindowOptions,
};

use self::keeper::Keeper;
use self::plan::Shared;
use crate::error::Error;

/// How a [`Screen`] is made. All fields are free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScreenOptions {
    /// Names its threads.
    pub name: String,
    /// Where it is shown.
    pub output: OutputKind,
    /// The X display and screen, e.g. `:0.1`; `None` takes `DISPLAY`.
    pub display: Option<String>,
    /// How pictures get into windows.
    pub rendering: Rendering,
    /// How long pictures wait for those that come late, and so much more delay.
    pub buffering: Duration,
    /// How many pictures may wait.
    pub limits: Limits,
}

impl Default for ScreenOptions {
    fn default() -> Self {
        let PresenterOptions { name, output, display, rendering, buffering, limits, .. } =
            PresenterOptions::default();
        Self { name, output, display, rendering, buffering, limits }
    }
}

/// Shows streams in windows: its own, and those of others. One display, any number of windows.
///
/// It is made without a display. Everything may be called at any time, but for [`Self::create_window`]: what is asked
/// for before the start is shown after it. The calls that change what is shown return at once; what becomes of them
/// that people should know goes to a closure, from any thread.
pub struct Screen {
    options: ScreenOptions,
    entrance: Arc<Entrance>,
    shared: Arc<Shared>,
    life: Mutex<Life>,
}

enum Life {
    New,
    Starting,
    Running(Running),
    Stopped,
}

/// What runs between start and stop.
struct Running {
    // Dropped in this order: the keeper works for the presenter.
    keeper: Worker,
    presenter: Arc<Presenter>,
}

impl Screen {
    /// A screen without a window.
    pub fn new(options: ScreenOptions, notify: impl Fn(ScreenNotice) + Send + Sync + 'static) -> Self {
        Self {
            options,
            entrance: Arc::default(),
            shared: Arc::new(Shared::new(notify)),
            life: Mutex::new(Life::New),
        }
    }

    /// Where pictures go in, and signals of their streams. Before the start and after the stop they are dropped.
    pub fn input(&self) -> Arc<dyn Sink> {
        self.entrance.clone()
    }

    /// Opens the display, with the presenting thread bound to the CPU with this index. A second start does nothing.
    ///
    /// # Errors
    /// If the display cannot be used, or the system gives no thread. It may be tried again.
    pub fn start(&self, affinity: Option<usize>) -> Result<(), Error> {
        {
            let mut life = lock(&self.life);
            match &*life {
                Life::New => *life = Life::Starting,
                _ => return Ok(()),
            }
        }
        // Opening a display may take a while, and others call meanwhile.
        let opened = self.open(affinity);
        let mut life = lock(&self.life);
        match (opened, &*life) {
            (Ok(running), Life::Starting) => {
                self.entrance.lead_to(Some(running.presenter.input()));
                *life = Life::Running(running);
                Ok(())
            }
            (Ok(running), _) => {
                // Stopped meanwhile.
                drop(life);
                drop(running);
                Ok(())
            }
            (Err(error), state) => {
                if matches!(state, Life::Starting) {
                    *life = Life::New;
                }
                Err(error)
            }
        }
    }

    /// Asks for a stop, and does not wait: from now on pictures are dropped.
    pub fn request_stop(&self) {
        self.entrance.lead_to(None);
        if let Life::Running(running) = &*lock(&self.life) {
            running.keeper.stop_token().stop();
        }
    }

    /// Stops its threads, destroys its own windows and leaves those of others. It cannot be started again.
    pub fn stop(&self) {
        self.entrance.lead_to(None);
        let life = std::mem::replace(&mut *lock(&self.life), Life::Stopped);
        drop(life);
        self.shared.close();
    }

    /// Makes a window of 600 × 600 pixels, which is seen at once if it is to be `mapped`; otherwise it is for
    /// somebody to put into theirs. Returns its X id. It goes when the screen stops.
    ///
    /// # Errors
    /// If the screen does not run, or the display refuses.
    pub fn create_window(&self, mapped: bool) -> Result<u32, Error> {
        let presenter = self.presenter().ok_or(valkka_render::Error::Ended)?;
        let window = presenter.create_window(WindowOptions {
            title: "test window".to_owned(),
            width: 600,
            height: 600,
            mapped,
            // Whoever takes the window into theirs wants the keys and clicks too.
            input: Input::Parent,
            ..WindowOptions::default()
        })?;
        self.shared.with(|plan| plan.created(window.number()));
        Ok(window.number())
    }

    /// Whether streams can be shown in the window with this X id now: it is one of the screen's own, or a registered
    /// one of somebody else that is there.
    pub fn has_window(&self, window: u32) -> bool {
        self.presenter().is_some_and(|presenter| presenter.window_size(WindowId::new(window)).is_ok())
    }

    /// Registers the window with this X id, of the screen's own or somebody else's, as a place to show streams in. It
    /// may not be there yet, and may go and come again.
    pub fn add_window(&self, window: u32) {
        self.shared.change(|plan| plan.add_window(window));
    }

    /// Has nothing shown in a window any more.
    pub fn remove_window(&self, window: u32) {
        self.shared.change(|plan| plan.remove_window(window));
    }

    /// Shows a stream in all of a registered window, cropped to its shape, above those that are shown there. Returns
    /// the number of the view, which is not zero and never used again.
    pub fn add_view(&self, slot: Slot, window: u32) -> u32 {
        self.shared.change(|plan| plan.add_view(slot, window))
    }

    /// Takes a view away.
    pub fn remove_view(&self, view: u32) {
        self.shared.change(|plan| plan.remove_view(view));
    }

    /// Draws one more rectangle over a view.
    pub fn add_rectangle(&self, view: u32, rectangle: Rectangle) {
        self.shared.change(|plan| plan.add_rectangle(view, rectangle));
    }

    /// Removes the rectangles of a view.
    pub fn clear_rectangles(&self, view: u32) {
        self.shared.change(|plan| plan.clear_rectangles(view));
    }

    /// What is shown for streams without a picture; black for `None`.
    pub fn set_background(&self, bitmap: Option<Bitmap>) {
        self.shared.change(|plan| plan.set_background(bitmap));
    }

    /// Has what is shown told as [`ScreenNotice::State`].
    pub fn report(&self) {
        self.shared.change(plan::Plan::report);
    }

    /// Waits until what was asked for so far is shown, where it can be; not before the start, after the stop, or for
    /// longer than [`ANSWER_TIMEOUT`](valkka_render::ANSWER_TIMEOUT).
    pub fn settle(&self) {
        if matches!(&*lock(&self.life), Life::Running(_)) {
            self.shared.settle();
        }
    }

    fn open(&self, affinity: Option<usize>) -> Result<Running, Error> {
        let ScreenOptions { name, output, display, rendering, buffering, limits } = self.options.clone();
        let presenter = Arc::new(Presenter::spawn(PresenterOptions {
            name: name.clone(),
            output,
            display,
            rendering,
            buffering,
            limits,
            affinity,
        })?);
        let keeper = Keeper::new(presenter.clone(), self.shared.clone());
        let what = || format!("the keeper of {name}");
        let keeper = Worker::spawn(&name, None, move |stop| keeper.run(&stop))
            .map_err(|cause| Error::Thread { what: what(), cause })?;
        Ok(Running { keeper, presenter })
    }

    fn presenter(&self) -> Option<Arc<Presenter>> {
        match &*lock(&self.life) {
            Life::Running(running) => Some(running.presenter.clone()),
            Life::New | Life::Starting | Life::Stopped => None,
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").field("options", &self.options).finish_non_exhaustive()
    }
}

/// The way to the presenter, while there is one.
#[derive(Default)]
struct Entrance(RwLock<Option<Arc<dyn Sink>>>);

impl Entrance {
    fn lead_to(&self, sink: Option<Arc<dyn Sink>>) {
        let before = std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), sink);
        drop(before);
    }
}

impl Sink for Entrance {
    fn put(&self, frame: Frame) {
        let sink = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(sink) = sink {
            sink.put(frame);
        }
    }
}
