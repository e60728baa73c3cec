//! One window with a tile per stream.

mod feed;
mod subject;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::debug;
use valkka_core::stream::Slot;
use valkka_render::layout::{Area, Fit, Grid};
use valkka_render::{
    Event, Key, Presenter, PresenterOptions, RgbImage, ViewId, ViewOptions, WindowChange, WindowId,
    WindowOptions,
};

pub use feed::Feed;
pub use valkka_render::{OutputKind, Rendering};

use crate::camera::Camera;
use crate::error::Error;
use crate::placeholder::{caption, placeholder};
use subject::Subject;

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
/// which calls [`Self::run_for`] again and again; pictures are shown by the presenter's own. Other keys are for whoever
/// takes them ([`Self::take_key`]).
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
    caption: Option<Caption>,
    /// Those that nobody has taken.
    keys: VecDeque<Key>,
}

/// One stream on the wall.
struct Stream {
    subject: Subject,
    /// What the placeholder says.
    message: Arc<str>,
}

/// A line of text over the tiles.
struct Caption {
    slot: Slot,
    view: ViewId,
    text: String,
    /// Width and height in pixels.
    size: (u32, u32),
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
            caption: None,
            keys: VecDeque::new(),
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
            self.add(slot, Subject::Camera { camera: camera.clone(), _pictures: pictures })?;
        }
        self.add_tile(slot)
    }

    /// Adds a tile for pictures that no camera sends. They are put into what is returned.
    ///
    /// # Errors
    /// If there are tiles for all slots, or the display is lost.
    pub fn feed(&mut self, name: &str) -> Result<Arc<Feed>, Error> {
        let slot = self.free_slot()?;
        let feed = Arc::new(Feed::new(name, slot, self.presenter.input()));
        self.add(slot, Subject::Feed(feed.clone()))?;
        self.add_tile(slot)?;
        Ok(feed)
    }

    /// Changes what stands in the title bar.
    ///
    /// # Errors
    /// If the display is lost.
    pub fn set_title(&mut self, title: &str) -> Result<(), Error> {
        if self.options.title != title {
            self.presenter.change_window(self.window, WindowChange::Title(title.to_owned()))?;
            title.clone_into(&mut self.options.title);
        }
        Ok(())
    }

    /// Puts a line of text into the lower left corner, over the tiles that are there; an empty one takes it away.
    ///
    /// # Errors
    /// If there are tiles for all slots, or the display is lost.
    pub fn set_caption(&mut self, text: &str) -> Result<(), Error> {
        if self.caption.as_ref().map_or("", |caption| &caption.text) == text {
            return Ok(());
        }
        let mut shown = match self.caption.take() {
            Some(caption) => caption,
            None => {
                let slot = self.free_slot()?;
                let view = self.presenter.add_view(ViewOptions::new(slot, self.window))?;
                Caption { slot, view, text: String::new(), size: (0, 0) }
            }
        };
        let picture = (!text.is_empty()).then(|| caption(text));
        shown.size = picture.as_ref().map_or((0, 0), |picture| (picture.width(), picture.height()));
        text.clone_into(&mut shown.text);
        let slot = shown.slot;
        self.caption = Some(shown);
        self.presenter.set_placeholder(slot, picture)?;
        self.arrange_caption()
    }

    /// The oldest key that was pressed and means nothing to the wall itself, once.
    pub fn take_key(&mut self) -> Option<Key> {
        self.keys.pop_front()
    }

    /// Serves the window for `time`, or up to a key that is for [`Self::take_key`]. Returns whether it is still open: false
    /// as soon as the user closes it.
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
            let keys = self.keys.len();
            if !self.handle(event)? {
                return Ok(false);
            }
            if self.keys.len() > keys {
                return Ok(true);
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
            Event::Key { key, .. } => {
                if self.keys.len() < MAX_KEYS {
                    self.keys.push_back(key);
                }
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
        self.arrange_caption()
    }

    fn arrange_caption(&self) -> Result<(), Error> {
        let Some(caption) = &self.caption else { return Ok(()) };
        let part = |pixels: u32, of: u32| (pixels as f32 / of.max(1) as f32).min(1.0);
        let (width, height) = (part(caption.size.0, self.size.0), part(caption.size.1, self.size.1));
        let area = Area { x: 0.0, y: 1.0 - height, width, height };
        Ok(self.presenter.place_view(caption.view, (!caption.text.is_empty()).then_some(area))?)
    }

    /// One that neither a camera nor a tile has, as far as is known: cameras have the lowest ones.
    fn free_slot(&self) -> Result<Slot, Error> {
        let is_free = |slot: &Slot| {
            !self.streams.contains_key(slot)
                && self.caption.as_ref().is_none_or(|caption| caption.slot != *slot)
        };
        let free = (1..=u16::MAX).rev().map(Slot::new).find(is_free);
        free.ok_or(Error::NoSlot { used: self.streams.len() })
    }

    fn add(&mut self, slot: Slot, subject: Subject) -> Result<(), Error> {
        self.streams.insert(slot, Stream { subject, message: "".into() });
        self.update_placeholders()
    }

    fn add_tile(&mut self, slot: Slot) -> Result<(), Error> {
        let view = ViewOptions { fit: self.options.fit, area: None, ..ViewOptions::new(slot, self.window) };
        self.views.push(self.presenter.add_view(view)?);
        self.arrange()
    }

    /// Has tiles without a picture say what is the matter now.
    fn update_placeholders(&mut self) -> Result<(), Error> {
        for (&slot, stream) in &mut self.streams {
            let message = stream.subject.message();
            if stream.message != message {
                let picture = placeholder(stream.subject.name(), &message);
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

/// How often the cameras' states are looked at.
const STATE_INTERVAL: Duration = Duration::from_millis(100);

/// The shape of pictures for which the grid is chosen: what most cameras send.
const TILE_SHAPE: (u32, u32) = (16, 9);

/// More keys do not wait to be taken.
const MAX_KEYS: usize = 64;
