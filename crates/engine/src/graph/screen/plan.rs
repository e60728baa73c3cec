//! What a screen is to show. Pure, but for the lock around it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use valkka_core::bitmap::Bitmap;
use valkka_core::lock::lock;
use valkka_core::stream::Slot;
use valkka_render::{ANSWER_TIMEOUT, Rectangle};

use super::notice::ScreenNotice;

/// What was asked for, less what was taken back. Bounded by [`MOST`].
#[derive(Default)]
pub(super) struct Plan {
    /// Windows that streams are shown in, by X id.
    pub(super) windows: BTreeSet<u32>,
    /// The views, by number, which is the order in which they lie above each other.
    pub(super) views: BTreeMap<u32, View>,
    /// Windows that we made.
    pub(super) own: BTreeSet<u32>,
    /// What stands in for pictures, and how often it was set.
    pub(super) background: (u64, Option<Bitmap>),
    last_view: u32,
    /// How often its state is to be told.
    reports: u32,
    notices: VecDeque<ScreenNotice>,
    /// Counts the changes.
    revision: u64,
    /// The last change that is on the screen, as far as it can be.
    settled: u64,
    /// The keeper is not to wait any more.
    woken: bool,
    closed: bool,
}

/// A stream shown in all of a window.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) slot: Slot,
    pub(super) window: u32,
    /// The same `Arc` until they change.
    pub(super) rectangles: Arc<Vec<Rectangle>>,
}

impl Plan {
    pub(super) fn created(&mut self, window: u32) {
        self.own.insert(window);
    }

    /// Forgets a window of ours that is gone.
    pub(super) fn gone(&mut self, window: u32) {
        self.own.remove(&window);
    }

    pub(super) fn add_window(&mut self, window: u32) {
        if self.windows.contains(&window) {
            self.notices.push_back(ScreenNotice::Twice { window });
        } else if self.windows.len() >= MOST {
            self.notices.push_back(ScreenNotice::TooMany { what: "windows", most: MOST });
        } else {
            self.windows.insert(window);
        }
    }

    pub(super) fn remove_window(&mut self, window: u32) {
        if !self.windows.remove(&window) {
            self.notices.push_back(ScreenNotice::UnknownWindow { window });
        }
        self.views.retain(|_, view| view.window != window);
    }

    pub(super) fn add_view(&mut self, slot: Slot, window: u32) -> u32 {
        // Zero means none, also after four thousand million views.
        self.last_view = self.last_view.checked_add(1).unwrap_or(1);
        if !self.windows.contains(&window) {
            self.notices.push_back(ScreenNotice::NotRegistered { slot, window });
        } else if self.views.len() >= MOST {
            self.notices.push_back(ScreenNotice::TooMany { what: "views", most: MOST });
        } else {
            self.views.insert(self.last_view, View { slot, window, rectangles: Arc::default() });
        }
        self.last_view
    }

    pub(super) fn remove_view(&mut self, view: u32) {
        if self.views.remove(&view).is_none() {
            self.notices.push_back(ScreenNotice::UnknownView { view });
        }
    }

    pub(super) fn add_rectangle(&mut self, view: u32, rectangle: Rectangle) {
        let Some(shown) = self.views.get_mut(&view) else {
            return self.notices.push_back(ScreenNotice::UnknownView { view });
        };
        if shown.rectangles.len() >= MOST {
            self.notices.push_back(ScreenNotice::TooMany { what: "rectangles", most: MOST });
        } else {
            Arc::make_mut(&mut shown.rectangles).push(rectangle);
        }
    }

    pub(super) fn clear_rectangles(&mut self, view: u32) {
        match self.views.get_mut(&view) {
            Some(shown) => shown.rectangles = Arc::default(),
            None => self.notices.push_back(ScreenNotice::UnknownView { view }),
        }
    }

    pub(super) fn set_background(&mut self, bitmap: Option<Bitmap>) {
        self.background = (self.background.0 + 1, bitmap);
    }

    pub(super) fn report(&mut self) {
        self.reports = self.reports.saturating_add(1).min(MOST_REPORTS);
    }

    fn close(&mut self) {
        *self = Self { last_view: self.last_view, woken: true, closed: true, ..Self::default() };
    }

    /// What is shown, in words; `shown` tells of a window whether it is there.
    fn describe(&self, shown: impl Fn(u32) -> bool) -> String {
        let mut text = format!("{} windows, {} views", self.windows.len(), self.views.len());
        for &window in &self.windows {
            let owner = if self.own.contains(&window) { "ours" } else { "of somebody else" };
            let state = if shown(window) { "" } else { ", not there" };
            let _ = write!(text, "\n  window {window:#x} ({owner}{state})");
            for (id, view) in self.views.iter().filter(|(_, view)| view.window == window) {
                let (slot, rectangles) = (view.slot, view.rectangles.len());
                let _ = write!(text, "\n    view {id}: slot {slot}, {rectangles} rectangles");
            }
        }
        text
    }
}

/// What the keeper works on, taken from a plan at one moment.
pub(super) struct Target {
    pub(super) windows: BTreeSet<u32>,
    pub(super) views: BTreeMap<u32, View>,
    pub(super) own: BTreeSet<u32>,
    pub(super) background: (u64, Option<Bitmap>),
    pub(super) revision: u64,
}

/// The plan, between those who call and the keeper.
pub(super) struct Shared {
    plan: Mutex<Plan>,
    changed: Condvar,
    notify: Box<dyn Fn(ScreenNotice) + Send + Sync>,
}

impl Shared {
    pub(super) fn new(notify: impl Fn(ScreenNotice) + Send + Sync + 'static) -> Self {
        Self { plan: Mutex::default(), changed: Condvar::new(), notify: Box::new(notify) }
    }

    /// Tells something, from whatever thread it is.
    pub(super) fn tell(&self, notice: ScreenNotice) {
        (self.notify)(notice);
    }

    /// Looks at the plan, or changes what needs no work of the keeper.
    pub(super) fn with<R>(&self, action: impl FnOnce(&mut Plan) -> R) -> R {
        action(&mut lock(&self.plan))
    }

    /// Changes the plan, has the keeper carry it out, and tells what there is to be said.
    pub(super) fn change<R>(&self, action: impl FnOnce(&mut Plan) -> R) -> R {
        let mut plan = lock(&self.plan);
        let result = action(&mut plan);
        let notices = std::mem::take(&mut plan.notices);
        if plan.closed {
            // Nothing will be shown any more: only numbers are given out.
            plan.close();
            return result;
        }
        plan.revision += 1;
        drop(plan);
        self.changed.notify_all();
        notices.into_iter().for_each(|notice| self.tell(notice));
        result
    }

    /// What is to be shown now.
    pub(super) fn target(&self) -> Target {
        let plan = lock(&self.plan);
        let Plan { windows, views, own, background, revision, .. } = &*plan;
        Target {
            windows: windows.clone(),
            views: views.clone(),
            own: own.clone(),
            background: background.clone(),
            revision: *revision,
        }
    }

    /// Tells the state if that was asked for, and notes that all up to `revision` has been carried out; `shown` tells
    /// of a window whether it is there.
    pub(super) fn settled(&self, revision: u64, shown: impl Fn(u32) -> bool) {
        let mut plan = lock(&self.plan);
        let reports = std::mem::take(&mut plan.reports);
        let state = (reports > 0).then(|| plan.describe(shown));
        drop(plan);
        for state in state.into_iter().cycle().take(reports as usize) {
            self.tell(ScreenNotice::State(state));
        }
        // Only now: whoever waits for it has been told.
        let mut plan = lock(&self.plan);
        plan.settled = plan.settled.max(revision);
        drop(plan);
        self.changed.notify_all();
    }

    /// Waits until the plan differs from what it was at `revision`, or `timeout` is over. Not at all after
    /// [`Self::wake`].
    pub(super) fn wait(&self, revision: u64, timeout: Duration) {
        let plan = lock(&self.plan);
        if plan.revision == revision && !plan.woken {
            let waited = self.changed.wait_timeout(plan, timeout);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Has [`Self::wait`] return, now and always.
    pub(super) fn wake(&self) {
        lock(&self.plan).woken = true;
        self.changed.notify_all();
    }

    /// Waits until all changes so far have been carried out.
    pub(super) fn settle(&self) {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let mut plan = lock(&self.plan);
        let revision = plan.revision;
        while plan.settled < revision && !plan.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            plan = self.changed.wait_timeout(plan, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Nothing will be shown any more.
    pub(super) fn close(&self) {
        lock(&self.plan).close();
        self.changed.notify_all();
    }
}

/// Windows, views, and rectangles of a view.
const MOST: usize = 4096;

/// Reports that wait to be told.
const MOST_REPORTS: u32 = 64;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const WINDOW: u32 = 0x200_0001;

    fn shared() -> (Shared, mpsc::Receiver<String>) {
        let (tx, rx) = mpsc::channel();
        (Shared::new(move |notice| tx.send(notice.to_string()).unwrap()), rx)
    }

    #[test]
    fn what_makes_no_sense_is_told_and_changes_nothing() {
        let (shared, told) = shared();
        let slot = Slot::new(3);
        let lost = shared.change(|plan| plan.add_view(slot, WINDOW));
        assert_ne!(lost, 0);
        shared.change(|plan| plan.remove_view(lost));
        shared.change(|plan| plan.add_window(WINDOW));
        shared.change(|plan| plan.add_window(WINDOW));
        shared.change(|plan| plan.clear_rectangles(lost));
        shared.change(|plan| plan.remove_window(1));
        let told: Vec<_> = told.try_iter().collect();
        let expected = [
            "slot 3 is not shown: window 0x2000001 is not registered",
            "there is no view 1",
            "window 0x2000001 is registered already",
            "there is no view 1",
            "window 0x1 is not registered",
        ];
        assert_eq!(told, expected);
        assert!(shared.target().views.is_empty());
    }

    #[test]
    fn views_go_with_their_window_and_numbers_are_not_used_again() {
        let (shared, told) = shared();
        shared.change(|plan| plan.add_window(WINDOW));
        let numbers: Vec<_> =
            (0..3).map(|slot| shared.change(|plan| plan.add_view(Slot::new(slot), WINDOW))).collect();
        assert_eq!(numbers, [1, 2, 3]);
        shared.change(|plan| plan.remove_window(WINDOW));
        assert!(shared.target().views.is_empty());
        shared.change(|plan| plan.add_window(WINDOW));
        assert_eq!(shared.change(|plan| plan.add_view(Slot::new(1), WINDOW)), 4);
        assert_eq!(told.try_iter().count(), 0);
    }

    #[test]
    fn rectangles_add_up_to_a_bound() {
        let (shared, told) = shared();
        shared.change(|plan| plan.add_window(WINDOW));
        let view = shared.change(|plan| plan.add_view(Slot::new(1), WINDOW));
        let rectangle = Rectangle::new(0.1, 0.2, 0.4, 0.3);
        let before = shared.target().views[&view].rectangles.clone();
        (0..=MOST).for_each(|_| shared.change(|plan| plan.add_rectangle(view, rectangle)));
        assert_eq!((before.len(), shared.target().views[&view].rectangles.len()), (0, MOST));
        assert_eq!(told.try_iter().collect::<Vec<_>>(), ["too many rectangles: 4096 at most"]);
        shared.change(|plan| plan.clear_rectangles(view));
        assert_eq!(shared.target().views[&view].rectangles.len(), 0);
    }

    #[test]
    fn the_state_is_told_when_it_is_reached_and_as_often_as_asked() {
        let (shared, told) = shared();
        shared.change(|plan| plan.add_window(WINDOW));
        shared.change(|plan| plan.add_view(Slot::new(7), WINDOW));
        shared.change(Plan::report);
        shared.change(Plan::report);
        assert_eq!(told.try_iter().count(), 0);
        shared.settled(shared.target().revision, |_| false);
        shared.settle();
        let text = "1 windows, 1 views\n  window 0x2000001 (of somebody else, not there)\n    view 1: slot 7, 0 rectangles";
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [text, text]);
    }

    #[test]
    fn after_the_end_nothing_is_kept_or_said() {
        let (shared, told) = shared();
        shared.change(|plan| plan.add_window(WINDOW));
        shared.close();
        shared.settle();
        shared.change(|plan| plan.add_window(WINDOW));
        shared.change(|plan| plan.add_window(WINDOW));
        assert_eq!(shared.change(|plan| plan.add_view(Slot::new(1), WINDOW)), 1);
        assert_eq!(shared.change(|plan| plan.add_view(Slot::new(1), WINDOW)), 2);
        assert!(shared.target().windows.is_empty());
        assert_eq!(told.try_iter().count(), 0);
    }
}
