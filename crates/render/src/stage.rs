//! The presenter's thread: what is shown, and its loop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use tracing::{debug, warn};
use valkka_core::clock::SystemClock;
use valkka_core::frame::FrameTime;
use valkka_core::stats::StreamStats;
use valkka_core::stream::Slot;
use valkka_core::time::WallTime;
use valkka_core::worker::StopToken;

use crate::capture::Capture;
use crate::command::{Command, Reply};
use crate::error::Error;
use crate::event::Event;
use crate::inbox::Inbox;
use crate::output::{NewWindow, Output, OutputEvent};
use crate::pictures::Pictures;
use crate::scene::{Painting, Scene, Tile, ViewId, WindowId};
use crate::schedule::{Picture, Update};

/// Everything the thread owns.
pub(crate) struct Stage {
    /// `None` when the display is lost.
    output: Option<Box<dyn Output>>,
    inbox: Arc<Inbox>,
    commands: Receiver<Command>,
    events: SyncSender<Event>,
    scene: Scene,
    pictures: Pictures,
    stats: BTreeMap<Slot, Arc<StreamStats>>,
    /// Pictures that are due and not yet on the screen everywhere.
    pending: BTreeMap<Slot, FrameTime>,
    last_paint: Option<Instant>,
    events_lost: bool,
}

impl Stage {
    pub(crate) fn new(
        output: Box<dyn Output>,
        inbox: Arc<Inbox>,
        commands: Receiver<Command>,
        events: SyncSender<Event>,
    ) -> Self {
        Self {
            output: Some(output),
            inbox,
            commands,
            events,
            scene: Scene::default(),
            pictures: Pictures::default(),
            stats: BTreeMap::new(),
            pending: BTreeMap::new(),
            last_paint: None,
            events_lost: false,
        }
    }

    /// Presents until `stop` says stop.
    pub(crate) fn run(mut self, stop: &StopToken) {
        while !stop.is_stopped() {
            while let Ok(command) = self.commands.try_recv() {
                self.obey(command);
            }
            self.take_events();
            let (updates, next) = self.inbox.due(SystemClock.now());
            updates.into_iter().for_each(|update| self.update(update));
            let repaint = self.paint();
            // What painting sent has to leave, and what the answers say may change what is to be done.
            if self.take_events() {
                continue;
            }
            let until_next = next.map_or(IDLE, |next| next.saturating_since(SystemClock.now()));
            let timeout = until_next.min(repaint.unwrap_or(IDLE)).min(IDLE);
            self.inbox.wait(self.output.as_ref().and_then(|output| output.fd()), timeout);
        }
    }

    fn update(&mut self, update: Update) {
        match update {
            Update::Show(slot, Picture { bitmap, time }) => {
                self.pictures.set_live(slot, Some(bitmap));
                self.scene.touch(slot);
                if self.scene.shows(slot)
                    && self.pending.insert(slot, time).is_some()
                    && let Some(stats) = self.stats.get(&slot)
                {
                    stats.present_dropped.add(1);
                }
            }
            Update::Blank(slot) => {
                self.pictures.set_live(slot, None);
                self.scene.touch(slot);
            }
        }
    }

    /// Draws what has to be drawn. Returns when to try again what could not be drawn now, if it is known.
    fn paint(&mut self) -> Option<Duration> {
        let paintings = self.scene.paintings();
        if paintings.is_empty() {
            self.count_presented(SystemClock.now());
            return None;
        }
        let output = self.output.as_mut()?;
        if let Some(left) =
            self.last_paint.and_then(|last| output.least_interval().checked_sub(last.elapsed()))
            && !left.is_zero()
        {
            return Some(left);
        }
        match output.paint(paintings, &self.pictures) {
            Ok(painted) => painted.into_iter().for_each(|window| self.scene.painted(window)),
            Err(error) => {
                self.lose_display(&error);
                return None;
            }
        }
        self.last_paint = Some(Instant::now());
        self.count_presented(SystemClock.now());
        None
    }

    /// Counts the pictures that are now everywhere they are to be seen.
    fn count_presented(&mut self, now: WallTime) {
        let (scene, stats) = (&self.scene, &self.stats);
        self.pending.retain(|&slot, time| {
            if !scene.is_current(slot) {
                return true;
            }
            if let Some(stats) = stats.get(&slot)
                && scene.shows(slot)
            {
                stats.presented.add(1);
                stats.age.record(now.saturating_since(time.arrival));
            }
            false
        });
    }

    /// Takes what the output has to say; returns whether it said anything.
    fn take_events(&mut self) -> bool {
        let Some(output) = &mut self.output else { return false };
        match output.events() {
            Ok(events) => {
                let any = !events.is_empty();
                events.into_iter().for_each(|event| self.happened(event));
                any
            }
            Err(error) => {
                self.lose_display(&error);
                false
            }
        }
    }

    fn happened(&mut self, event: OutputEvent) {
        match event {
            OutputEvent::Resized(window, (width, height)) => {
                if self.scene.set_size(window, (width, height)) {
                    self.tell(Event::Resized { window, width, height });
                }
            }
            OutputEvent::Exposed(window) => self.scene.expose(window),
            OutputEvent::Visible(window, visible) => self.scene.set_visible(window, visible),
            OutputEvent::Gone(window) => {
                if self.scene.remove_window(window) {
                    debug!(window = window.number(), "window is gone");
                    self.tell(Event::Gone { window });
                }
            }
            OutputEvent::CloseRequested(window) => self.tell(Event::CloseRequested { window }),
            OutputEvent::Key(window, key) => self.tell(Event::Key { window, key }),
            OutputEvent::DoubleClick(window, (x, y)) => {
                let view = self.scene.view_at(window, x, y);
                self.tell(Event::DoubleClick { window, view });
            }
            OutputEvent::Ready => {}
        }
    }

    fn tell(&mut self, event: Event) {
        let lost = self.events.try_send(event).is_err();
        if lost && !self.events_lost {
            warn!("nobody takes the presenter's events; the newest are dropped");
        }
        self.events_lost = lost;
    }

    fn lose_display(&mut self, error: &Error) {
        warn!(%error, "no windows any more");
        self.output = None;
        for window in self.scene.windows().collect::<Vec<_>>() {
            self.scene.remove_window(window);
        }
        self.pending.clear();
        self.tell(Event::DisplayLost);
    }

    /// Carries out a command. That its caller has given up waiting changes nothing but for new windows, of
    /// which nobody would know.
    fn obey(&mut self, command: Command) {
        match command {
            Command::CreateWindow(options, reply) => {
                let made = self.output().and_then(|output| output.create_window(&options));
                self.introduce(made, &reply);
            }
            Command::AdoptWindow(window, reply) => {
                let made = if self.scene.contains(WindowId::new(window)) {
                    Err(Error::WindowInUse { window })
                } else {
                    self.output().and_then(|output| output.adopt_window(window))
                };
                self.introduce(made, &reply);
            }
            Command::RemoveWindow(window, reply) => {
                let removed = self.scene.remove_window(window);
                if removed && let Some(output) = &mut self.output {
                    output.remove_window(window);
                }
                answer(&reply, removed.then_some(()).ok_or(no_window(window)));
            }
            Command::ChangeWindow(window, change, reply) => {
                let known = self.scene.contains(window);
                let output =
                    self.output().and_then(|output| if known { Ok(output) } else { Err(no_window(window)) });
                answer(&reply, output.and_then(|output| output.change_window(window, &change)));
            }
            Command::WindowSize(window, reply) => {
                answer(&reply, self.scene.size(window).ok_or(no_window(window)));
            }
            Command::AddView(options, reply) => {
                answer(&reply, self.scene.add_view(options).ok_or(no_window(options.window)));
            }
            Command::RemoveView(view, reply) => {
                answer(&reply, self.scene.remove_view(view).then_some(()).ok_or(no_view(view)));
            }
            Command::PlaceView(view, area, fit, reply) => {
                let fit = fit.or_else(|| self.scene.view(view).map(|options| options.fit));
                let placed = fit.is_some_and(|fit| self.scene.place_view(view, area, fit));
                answer(&reply, placed.then_some(()).ok_or(no_view(view)));
            }
            Command::SetRectangles(view, rectangles, reply) => {
                let known = self.scene.set_rectangles(view, rectangles);
                answer(&reply, known.then_some(()).ok_or(no_view(view)));
            }
            Command::SetPlaceholder(slot, bitmap, reply) => {
                self.pictures.set_placeholder(slot, bitmap);
                self.scene.touch(slot);
                answer(&reply, Ok(()));
            }
            Command::SetFallback(bitmap, reply) => {
                self.pictures.set_fallback(bitmap);
                self.scene.windows().collect::<Vec<_>>().into_iter().for_each(|w| self.scene.expose(w));
                answer(&reply, Ok(()));
            }
            Command::SetStats(slot, stats, reply) => {
                self.inbox.with(|schedule| schedule.set_stats(slot, stats.clone()));
                self.stats.insert(slot, stats);
                answer(&reply, Ok(()));
            }
            Command::RemoveSlot(slot, reply) => {
                self.inbox.with(|schedule| schedule.remove(slot));
                self.pictures.set_live(slot, None);
                self.pictures.set_placeholder(slot, None);
                self.stats.remove(&slot);
                self.pending.remove(&slot);
                self.scene.touch(slot);
                answer(&reply, Ok(()));
            }
            Command::CaptureWindow(window, reply) => {
                let capture = self.scene.painting(window).map(|painting| self.capture(painting));
                answer(&reply, capture.ok_or(no_window(window)));
            }
            Command::CaptureView(view, reply) => {
                let capture = self.scene.tile(view).map(|tile| self.capture_tile(tile));
                answer(&reply, capture.ok_or(no_view(view)));
            }
        }
    }

    /// Adds a window that the output has made.
    fn introduce(&mut self, made: Result<NewWindow, Error>, reply: &Reply<WindowId>) {
        let id = made.map(|NewWindow { id, size, visible }| {
            self.scene.add_window(id, size, visible);
            id
        });
        let made = id.as_ref().ok().copied();
        if let (Err(_), Some(id)) = (reply.try_send(id), made) {
            self.scene.remove_window(id);
            if let Some(output) = &mut self.output {
                output.remove_window(id);
            }
        }
    }

    fn capture(&self, painting: Painting) -> Capture {
        let tiles = painting.tiles.into_iter().map(|tile| self.with_picture(tile)).collect();
        Capture { size: painting.size, tiles }
    }

    fn capture_tile(&self, mut tile: Tile) -> Capture {
        (tile.area.x, tile.area.y) = (0, 0);
        let size = (tile.area.width, tile.area.height);
        Capture { size, tiles: vec![self.with_picture(tile)] }
    }

    fn with_picture(&self, tile: Tile) -> (Tile, Option<valkka_core::bitmap::Bitmap>) {
        let bitmap = self.pictures.get(tile.slot).map(|shown| shown.bitmap.clone());
        (tile, bitmap)
    }

    fn output(&mut self) -> Result<&mut Box<dyn Output>, Error> {
        self.output.as_mut().ok_or(Error::Ended)
    }
}

/// Answers a command; its caller may have given up.
fn answer<T>(reply: &Reply<T>, answer: Result<T, Error>) {
    let _ = reply.try_send(answer);
}

fn no_window(window: WindowId) -> Error {
    Error::NoSuchWindow { window: window.number() }
}

fn no_view(view: ViewId) -> Error {
    Error::NoSuchView { view }
}

/// The thread looks at everything at least so often.
const IDLE: Duration = Duration::from_secs(1);
