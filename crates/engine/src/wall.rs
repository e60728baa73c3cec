//! One window with a tile per stream.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::debug;
use valkka_core::stream::Slot;
use valkka_net::StreamState;
use valkka_render::layout::{Fit, Grid};
use valkka_render::{
    Event, Key, Presenter, PresenterOptions, RgbImage, ViewId, ViewOptions, WindowChange, WindowId,
    WindowOptions,
};

pub use valkka_render::{OutputKind, Rendering};

use crate::camera::Camera;
use crate::decoding::PictureBranch;
use crate::error::Error;
use crate::placeholder::placeholder;

/// How a wall looks and works. All fields are free.
#[derive(Clone, Debug)]
pub struct WallOptions {
    /// Where it is shown.
    pub output: OutputKind,
    /// The X display, e.g. `:0.1`; `None` takes that of the environment.
    pub display: Option<String>,
    /// How pictures get into the window.
    pub rendering: Rendering,
    /// How long pictures wait for those that come late, and so much more delay.
    pub buffering: Duration,
    /// In the title bar.
    pub title: String,
    /// Width of the window in pixels.
    pub width: u32,
    /// Height of the window in pixels.
    pub height: u32,
    /// Tiles side by side; `None` for as many as make the pictures largest.
    pub columns: Option<u32>,
    /// How pictures fit into their tiles.
    pub fit: Fit,
}

impl Default for WallOptions {
    fn default() -> Self {
        let PresenterOptions { output, display, rendering, buffering, .. } = PresenterOptions::default();
        Self {
            output,
            display,
            rendering,
            buffering,
            title: "Valkka".into(),
            width: 1280,
            height: 720,
            columns: None,
            fit: Fit::default(),
        }
    }
}

/// One window with a tile per stream. Esc and q close it, f switches to the full screen and back, a double
/// click enlarges a tile and makes it small again.
///
/// A tile whose camera has no picture shows its name and what is the matter. The wall belongs to one thread,
/// which calls [`Self::run_for`] again and again; pictures are shown by the presenter's own.
pub struct Wall {
    // Dropped in this order: no more pictures come, then the window goes.
    streams: BTreeMap<Slot, Stream>,
    presenter: Presenter,
    window: WindowId,
    options: WallOptions,
    size: (u32, u32),
    /// In the order of the tiles.
    views: Vec<ViewId>,
    enlarged: Option<usize>,
    fullscreen: bool,
}

/// One camera on the wall.
struct Stream {
    _pictures: PictureBranch,
    camera: Arc<Camera>,
    /// What the placeholder says.
    message: String,
}

impl Wall {
    /// Opens the window.
    ///
    /// # Errors
    /// If the display cannot be used.
    pub fn open(options: WallOptions) -> Result<Self, Error> {
        let presenter = Presenter::spawn(PresenterOptions {
            output: options.output,
            display: options.display.clone(),
            rendering: options.rendering,
            buffering: options.buffering,
            ..PresenterOptions::default()
        })?;
        let window = presenter.create_window(WindowOptions {
            title: options.title.clone(),
            width: options.width,
            height: options.height,
            ..WindowOptions::default()
        })?;
        let size = presenter.window_size(window)?;
        Ok(Self {
            streams: BTreeMap::new(),
            presenter,
            window,
            options,
            size,
            views: Vec::new(),
            enlarged: None,
            fullscreen: false,
        })
    }

    /// Adds a tile with `camera`. A camera may have several tiles; it is decoded once.
    ///
    /// # Errors
    /// If the system gives no thread for the decoder, or the display is lost.
    pub fn show(&mut self, camera: &Arc<Camera>) -> Result<(), Error> {
        let slot = camera.slot();
        if !self.streams.contains_key(&slot) {
            self.presenter.set_stats(slot, camera.stats().clone())?;
            let input = self.presenter.input();
            // Not by its window: windows of different displays may have the same number.
            let tag = format!("wall {:p}", Arc::as_ptr(&input));
            let pictures = camera.pictures(&tag, input)?;
            let stream = Stream { _pictures: pictures, camera: camera.clone(), message: String::new() };
            self.streams.insert(slot, stream);
            self.update_placeholders()?;
        }
        let view = ViewOptions { fit: self.options.fit, area: None, ..ViewOptions::new(slot, self.window) };
        self.views.push(self.presenter.add_view(view)?);
        self.arrange()
    }

    /// Serves the window for `time`. Returns whether it is still open: false as soon as the user closes it.
    ///
    /// # Errors
    /// If the display is lost.
    pub fn run_for(&mut self, time: Duration) -> Result<bool, Error> {
        let deadline = Instant::now() + time;
        loop {
            self.update_placeholders()?;
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(event) = self.presenter.next_event(left.min(STATE_INTERVAL)) else {
                if Instant::now() >= deadline {
                    return Ok(true);
                }
                continue;
            };
            if !self.handle(event)? {
                return Ok(false);
            }
        }
    }

    /// What the window shows.
    ///
    /// # Errors
    /// If the window is gone.
    pub fn screenshot(&self) -> Result<RgbImage, Error> {
        Ok(self.presenter.screenshot_window(self.window)?)
    }

    /// The window, e.g. to embed it.
    pub fn window(&self) -> WindowId {
        self.window
    }

    /// Returns whether the wall stays open.
    fn handle(&mut self, event: Event) -> Result<bool, Error> {
        match event {
            Event::Key { key: Key::Escape | Key::Char('q' | 'Q'), .. } | Event::CloseRequested { .. } => {
                return Ok(false);
            }
            Event::Gone { window } if window == self.window => return Ok(false),
            Event::DisplayLost => {
                let named = self.options.display.clone().or_else(|| std::env::var("DISPLAY").ok());
                let display = named.unwrap_or_default();
                return Err(valkka_render::Error::DisplayLost { display }.into());
            }
            Event::Key { key: Key::Char('f' | 'F'), .. } => {
                self.fullscreen = !self.fullscreen;
                self.presenter.change_window(self.window, WindowChange::Fullscreen(self.fullscreen))?;
            }
            Event::DoubleClick { view, .. } => {
                let clicked = self.views.iter().position(|&tile| Some(tile) == view);
                self.enlarged = if self.enlarged.is_some() { None } else { clicked };
                self.arrange()?;
            }
            Event::Resized { window, width, height } if window == self.window => {
                self.size = (width, height);
                self.arrange()?;
            }
            other => debug!(event = ?other, "not for the wall"),
        }
        Ok(true)
    }

    /// Puts every tile into its place.
    fn arrange(&self) -> Result<(), Error> {
        let tiles = self.views.len();
        let grid = match self.options.columns {
            Some(columns) => Grid::with_columns(tiles, columns as usize),
            None => Grid::for_window(tiles, self.size, TILE_SHAPE),
        };
        for (&view, area) in self.views.iter().zip(grid.areas(self.enlarged)) {
            self.presenter.place_view(view, area)?;
        }
        Ok(())
    }

    /// Has tiles without a picture say what is the matter now.
    fn update_placeholders(&mut self) -> Result<(), Error> {
        for (&slot, stream) in &mut self.streams {
            let message = message(&stream.camera.state());
            if stream.message != message {
                let picture = placeholder(stream.camera.name(), &message);
                self.presenter.set_placeholder(slot, Some(picture))?;
                stream.message = message;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wall").field("window", &self.window).field("tiles", &self.views.len()).finish()
    }
}

fn message(state: &StreamState) -> String {
    match state {
        StreamState::Connecting => "connecting".into(),
        StreamState::Online(_) => "waiting for a picture".into(),
        StreamState::Waiting { reason, .. } | StreamState::Failed { reason } => reason.to_string(),
    }
}

/// How often the cameras' states are looked at.
const STATE_INTERVAL: Duration = Duration::from_millis(100);

/// The shape of pictures for which the grid is chosen: what most cameras send.
const TILE_SHAPE: (u32, u32) = (16, 9);
