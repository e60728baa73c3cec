//! Has the presenter show what is planned.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use valkka_core::reason::reason;
use valkka_core::worker::StopToken;
use valkka_render::{
    Error as RenderError, Event, Fit, Presenter, Rectangle, ViewId, ViewOptions, WindowChange, WindowId,
};

use super::notice::ScreenNotice;
use super::plan::{Shared, Target};

/// Carries out the plan, on a thread of its own: the presenter's is for pictures, and its answers may take a while.
pub(super) struct Keeper {
    presenter: Arc<Presenter>,
    shared: Arc<Shared>,
    /// Windows in which views can be shown now.
    windows: BTreeSet<u32>,
    /// Windows that are to be shown in and cannot be yet.
    awaited: BTreeMap<u32, Awaited>,
    /// What the presenter shows, by number in the plan.
    views: BTreeMap<u32, Shown>,
    /// How often the background was set that the presenter has.
    background: u64,
    last_drops: Instant,
    lost: bool,
}

/// A window that cannot be shown in yet.
struct Awaited {
    since: Instant,
    told: bool,
}

/// A view as the presenter knows it.
struct Shown {
    view: ViewId,
    window: u32,
    rectangles: Arc<Vec<Rectangle>>,
}

impl Keeper {
    pub(super) fn new(presenter: Arc<Presenter>, shared: Arc<Shared>) -> Self {
        Self {
            presenter,
            shared,
            windows: BTreeSet::new(),
            awaited: BTreeMap::new(),
            views: BTreeMap::new(),
            background: 0,
            last_drops: Instant::now(),
            lost: false,
        }
    }

    /// Works until `stop` says stop.
    pub(super) fn run(mut self, stop: &StopToken) {
        let shared = self.shared.clone();
        stop.on_stop(move || shared.wake());
        while !stop.is_stopped() {
            self.hear();
            self.tell_drops();
            let target = self.shared.target();
            if !self.lost {
                self.show(&target);
            }
            self.shared.settled(target.revision, |window| self.windows.contains(&window));
            if !stop.is_stopped() {
                self.shared.wait(target.revision, self.pause());
            }
        }
        self.shared.close();
    }

    /// Takes what happened to windows.
    fn hear(&mut self) {
        while let Some(event) = self.presenter.next_event(Duration::ZERO) {
            match event {
                Event::Gone { window } => {
                    self.forget(window.number());
                    self.shared.with(|plan| plan.gone(window.number()));
                }
                // Nobody here knows whether the program wants to go on: only the window goes.
                Event::CloseRequested { window } => {
                    let hidden = self.presenter.change_window(window, WindowChange::Mapped(false));
                    self.check("hide a window", hidden);
                }
                Event::DisplayLost => {
                    self.lost = true;
                    self.windows.clear();
                    self.views.clear();
                    self.awaited.clear();
                    self.shared.tell(ScreenNotice::DisplayLost);
                }
                _ => {}
            }
        }
    }

    /// Tells which pictures were dropped, now and then.
    fn tell_drops(&mut self) {
        if self.last_drops.elapsed() >= TICK {
            self.last_drops = Instant::now();
            for drops in self.presenter.take_drops() {
                self.shared.tell(ScreenNotice::Dropped(drops));
            }
        }
    }

    /// Makes the difference between what is shown and what is to be shown.
    fn show(&mut self, target: &Target) {
        let obsolete = |shown: &&u32| !target.views.contains_key(shown);
        for number in self.views.keys().filter(obsolete).copied().collect::<Vec<_>>() {
            if let Some(Shown { view, .. }) = self.views.remove(&number) {
                self.check("remove a view", self.presenter.remove_view(view));
            }
        }
        for window in self.windows.difference(&target.windows).copied().collect::<Vec<_>>() {
            self.windows.remove(&window);
            // A window of ours stays, empty: whoever asked for it may use it again.
            if !target.own.contains(&window) {
                self.check("leave a window", self.presenter.remove_window(WindowId::new(window)));
            }
        }
        self.awaited.retain(|window, _| target.windows.contains(window));
        for &window in &target.windows {
            self.enter(window, target.own.contains(&window));
        }
        if self.background != target.background.0 {
            let (revision, bitmap) = target.background.clone();
            self.background = revision;
            self.check("show the background", self.presenter.set_fallback(bitmap));
        }
        for (&number, wanted) in target.views.iter().filter(|(_, view)| self.windows.contains(&view.window)) {
            if !self.views.contains_key(&number) {
                let window = WindowId::new(wanted.window);
                let options = ViewOptions { fit: Fit::Fill, ..ViewOptions::new(wanted.slot, window) };
                match self.presenter.add_view(options) {
                    Ok(view) => {
                        let (window, rectangles) = (wanted.window, Arc::default());
                        self.views.insert(number, Shown { view, window, rectangles });
                    }
                    // It went just now, which is an event too.
                    Err(RenderError::NoSuchWindow { .. }) => continue,
                    Err(error) => {
                        self.check("add a view", Err(error));
                        continue;
                    }
                }
            }
            let Some(shown) = self.views.get_mut(&number) else { continue };
            if !Arc::ptr_eq(&shown.rectangles, &wanted.rectangles) {
                shown.rectangles = wanted.rectangles.clone();
                let (view, rectangles) = (shown.view, wanted.rectangles.to_vec());
                self.check("draw rectangles", self.presenter.set_rectangles(view, rectangles));
            }
        }
    }

    /// Makes a window one to show in, if that is possible now.
    fn enter(&mut self, window: u32, own: bool) {
        if self.windows.contains(&window) {
            return;
        }
        let entered = if own { Ok(WindowId::new(window)) } else { self.presenter.adopt_window(window) };
        let error = match entered {
            Ok(_) | Err(RenderError::WindowInUse { .. }) => {
                self.awaited.remove(&window);
                self.windows.insert(window);
                return;
            }
            Err(error) => error,
        };
        let awaited = self.awaited.entry(window).or_insert(Awaited { since: Instant::now(), told: false });
        let missing = matches!(error, RenderError::NoSuchWindow { .. });
        // A toolkit may tell its windows to the X server only when it comes to that.
        if awaited.told || (missing && awaited.since.elapsed() < HASTE) {
            return;
        }
        awaited.told = true;
        self.shared.tell(if missing {
            ScreenNotice::Missing { window }
        } else {
            ScreenNotice::Refused { window, reason: reason(&error) }
        });
    }

    /// Forgets a window that is gone, and its views.
    fn forget(&mut self, window: u32) {
        self.windows.remove(&window);
        self.views.retain(|_, shown| shown.window != window);
    }

    /// Says what could not be done. That a window went with its views meanwhile is nothing to be said.
    fn check(&self, action: &'static str, result: Result<(), RenderError>) {
        match result {
            Ok(()) | Err(RenderError::NoSuchWindow { .. } | RenderError::NoSuchView { .. }) => {}
            Err(error) => self.shared.tell(ScreenNotice::Failed { action, reason: reason(&error) }),
        }
    }

    /// When to look again if nothing changes.
    fn pause(&self) -> Duration {
        let hasty = self.awaited.values().any(|awaited| awaited.since.elapsed() < HASTE);
        if hasty { RETRY } else { TICK }
    }
}

/// It looks at everything at least so often.
const TICK: Duration = Duration::from_secs(1);

/// For so long a window that is not there is waited for with haste, and in silence.
const HASTE: Duration = Duration::from_secs(3);

/// How often it is tried then.
const RETRY: Duration = Duration::from_millis(50);
