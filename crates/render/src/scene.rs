//! Which windows there are, which slots they show, and what of it has to be drawn again. Pure: no display.

use std::collections::BTreeMap;
use std::sync::Arc;

use valkka_core::stream::Slot;

use crate::layout::{Area, Fit, PixelRect, Rectangle};

/// A window. On X11 its number is the X window id: our own window's, or the one that was adopted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowId(u32);

impl WindowId {
    /// The window with this number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// A slot shown in a window. Numbers start at 1 and are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ViewId(u64);

impl ViewId {
    /// Its number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// What a view shows, and where.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ViewOptions {
    /// The stream.
    pub slot: Slot,
    /// The window.
    pub window: WindowId,
    /// How the picture fits in.
    pub fit: Fit,
    /// The part of the window; `None` shows nothing for now.
    pub area: Option<Area>,
}

impl ViewOptions {
    /// `slot` in the whole of `window`, letterboxed.
    pub const fn new(slot: Slot, window: WindowId) -> Self {
        Self { slot, window, fit: Fit::Letterbox, area: Some(Area::FULL) }
    }
}

/// All windows and views.
#[derive(Debug, Default)]
pub(crate) struct Scene {
    windows: BTreeMap<WindowId, Window>,
    views: BTreeMap<ViewId, View>,
    last_view: u64,
}

#[derive(Debug)]
struct Window {
    size: (u32, u32),
    visible: bool,
    /// From the lowest to the uppermost.
    views: Vec<ViewId>,
    /// Whether all of it has to be drawn, the background included.
    stale: bool,
}

#[derive(Debug)]
struct View {
    options: ViewOptions,
    rectangles: Arc<[Rectangle]>,
    stale: bool,
}

/// What is to be drawn in one window.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Painting {
    pub(crate) window: WindowId,
    pub(crate) size: (u32, u32),
    /// Whether what lies outside the tiles has to be made black.
    pub(crate) clear: bool,
    /// All that is seen in the window, from the lowest to the uppermost.
    pub(crate) tiles: Vec<Tile>,
}

/// One view to be drawn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tile {
    pub(crate) slot: Slot,
    pub(crate) area: PixelRect,
    pub(crate) fit: Fit,
    pub(crate) rectangles: Arc<[Rectangle]>,
    /// Whether it differs from what was drawn last, or something below it does.
    pub(crate) changed: bool,
}

impl Scene {
    pub(crate) fn add_window(&mut self, window: WindowId, size: (u32, u32), visible: bool) {
        self.windows.insert(window, Window { size, visible, views: Vec::new(), stale: true });
    }

    /// Forgets a window and its views. Returns whether it was there.
    pub(crate) fn remove_window(&mut self, window: WindowId) -> bool {
        self.views.retain(|_, view| view.options.window != window);
        self.windows.remove(&window).is_some()
    }

    pub(crate) fn windows(&self) -> impl Iterator<Item = WindowId> {
        self.windows.keys().copied()
    }

    pub(crate) fn contains(&self, window: WindowId) -> bool {
        self.windows.contains_key(&window)
    }

    /// Adds a view above the others of its window; `None` if there is no such window.
    pub(crate) fn add_view(&mut self, options: ViewOptions) -> Option<ViewId> {
        let window = self.windows.get_mut(&options.window)?;
        self.last_view += 1;
        let id = ViewId(self.last_view);
        window.views.push(id);
        self.views.insert(id, View { options, rectangles: Arc::default(), stale: true });
        Some(id)
    }

    /// Removes a view. Returns whether it was there.
    pub(crate) fn remove_view(&mut self, id: ViewId) -> bool {
        let Some(view) = self.views.remove(&id) else { return false };
        if let Some(window) = self.windows.get_mut(&view.options.window) {
            window.views.retain(|other| *other != id);
            window.stale = true;
        }
        true
    }

    /// Puts a view elsewhere in its window, or hides it. Returns whether it was there.
    pub(crate) fn place_view(&mut self, id: ViewId, area: Option<Area>, fit: Fit) -> bool {
        let Some(view) = self.views.get_mut(&id) else { return false };
        if (view.options.area, view.options.fit) != (area, fit) {
            (view.options.area, view.options.fit) = (area, fit);
            if let Some(window) = self.windows.get_mut(&view.options.window) {
                window.stale = true;
            }
        }
        true
    }

    /// What view `id` shows, and where.
    pub(crate) fn view(&self, id: ViewId) -> Option<ViewOptions> {
        self.views.get(&id).map(|view| view.options)
    }

    /// Replaces the rectangles over a view. Returns whether it was there.
    pub(crate) fn set_rectangles(&mut self, id: ViewId, rectangles: Vec<Rectangle>) -> bool {
        let Some(view) = self.views.get_mut(&id) else { return false };
        view.rectangles = rectangles.into();
        view.stale = true;
        true
    }

    pub(crate) fn set_size(&mut self, window: WindowId, size: (u32, u32)) -> bool {
        let Some(window) = self.windows.get_mut(&window) else { return false };
        let changed = window.size != size;
        window.size = size;
        window.stale |= changed;
        changed
    }

    pub(crate) fn size(&self, window: WindowId) -> Option<(u32, u32)> {
        self.windows.get(&window).map(|window| window.size)
    }

    pub(crate) fn set_visible(&mut self, window: WindowId, visible: bool) {
        if let Some(window) = self.windows.get_mut(&window) {
            window.stale |= visible && !window.visible;
            window.visible = visible;
        }
    }

    /// All of a window has to be drawn again.
    pub(crate) fn expose(&mut self, window: WindowId) {
        if let Some(window) = self.windows.get_mut(&window) {
            window.stale = true;
        }
    }

    /// The picture of `slot` has changed.
    pub(crate) fn touch(&mut self, slot: Slot) {
        self.views.values_mut().filter(|view| view.options.slot == slot).for_each(|view| view.stale = true);
    }

    /// Whether any view that can be seen shows `slot`.
    pub(crate) fn shows(&self, slot: Slot) -> bool {
        self.views.values().any(|view| {
            view.options.slot == slot
                && view.options.area.is_some()
                && self.windows.get(&view.options.window).is_some_and(|window| window.visible)
        })
    }

    /// Whether every view of `slot` that can be seen has been drawn with its newest picture.
    pub(crate) fn is_current(&self, slot: Slot) -> bool {
        !self.views.values().any(|view| {
            view.options.slot == slot
                && view.stale
                && view.options.area.is_some()
                && self.windows.get(&view.options.window).is_some_and(|window| window.visible)
        })
    }

    /// What has to be drawn now, in windows that can be seen.
    pub(crate) fn paintings(&self) -> Vec<Painting> {
        self.windows
            .iter()
            .filter(|(_, window)| window.visible && (window.stale || self.any_stale(window)))
            .map(|(&id, window)| Painting {
                window: id,
                size: window.size,
                clear: window.stale,
                tiles: self.tiles(window),
            })
            .collect()
    }

    /// All that is seen in a window, whether or not it has to be drawn.
    pub(crate) fn painting(&self, id: WindowId) -> Option<Painting> {
        let window = self.windows.get(&id)?;
        Some(Painting { window: id, size: window.size, clear: true, tiles: self.tiles(window) })
    }

    /// The tile of one view, hidden or not; in all of its window if it is hidden.
    pub(crate) fn tile(&self, id: ViewId) -> Option<Tile> {
        let view = self.views.get(&id)?;
        let (width, height) = self.windows.get(&view.options.window)?.size;
        let area = view.options.area.unwrap_or_default().pixels(width, height);
        Some(view.tile(area, true))
    }

    /// Notes that everything in `window` has been drawn.
    pub(crate) fn painted(&mut self, window: WindowId) {
        let Some(window) = self.windows.get_mut(&window) else { return };
        window.stale = false;
        for id in &window.views {
            if let Some(view) = self.views.get_mut(id) {
                view.stale = false;
            }
        }
    }

    /// The uppermost view at a pixel of a window.
    pub(crate) fn view_at(&self, window: WindowId, x: i32, y: i32) -> Option<ViewId> {
        let window = self.windows.get(&window)?;
        let (width, height) = window.size;
        window.views.iter().rev().copied().find(|id| {
            let area = self.views.get(id).and_then(|view| view.options.area);
            area.is_some_and(|area| area.pixels(width, height).contains(x, y))
        })
    }

    fn any_stale(&self, window: &Window) -> bool {
        window.views.iter().filter_map(|id| self.views.get(id)).any(|view| view.stale)
    }

    fn tiles(&self, window: &Window) -> Vec<Tile> {
        let (width, height) = window.size;
        let mut tiles: Vec<Tile> = Vec::with_capacity(window.views.len());
        for view in window.views.iter().filter_map(|id| self.views.get(id)) {
            let Some(area) = view.options.area else { continue };
            let area = area.pixels(width, height);
            if area.is_empty() {
                continue;
            }
            let covers_a_change =
                || tiles.iter().any(|below| below.changed && !below.area.intersection(&area).is_empty());
            let changed = window.stale || view.stale || covers_a_change();
            tiles.push(view.tile(area, changed));
        }
        tiles
    }
}

impl View {
    fn tile(&self, area: PixelRect, changed: bool) -> Tile {
        let ViewOptions { slot, fit, .. } = self.options;
        Tile { slot, area, fit, rectangles: self.rectangles.clone(), changed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: WindowId = WindowId::new(7);
    const A: Slot = Slot::new(1);
    const B: Slot = Slot::new(2);

    fn area(x: f32, width: f32) -> Option<Area> {
        Some(Area { x, y: 0.0, width, height: 1.0 })
    }

    /// A window of 100x10 pixels with A on its left and B on its right half.
    fn halves() -> (Scene, ViewId, ViewId) {
        let mut scene = Scene::default();
        scene.add_window(WINDOW, (100, 10), true);
        let view = |slot, area| ViewOptions { area, ..ViewOptions::new(slot, WINDOW) };
        let a = scene.add_view(view(A, area(0.0, 0.5))).unwrap();
        let b = scene.add_view(view(B, area(0.5, 0.5))).unwrap();
        (scene, a, b)
    }

    fn changes(scene: &Scene) -> Vec<(u16, bool)> {
        let paintings = scene.paintings();
        paintings.iter().flat_map(|p| &p.tiles).map(|tile| (tile.slot.number(), tile.changed)).collect()
    }

    #[test]
    fn only_what_changed_is_drawn() {
        let (mut scene, ..) = halves();
        assert_eq!(changes(&scene), [(1, true), (2, true)]);
        assert!(scene.paintings()[0].clear);
        scene.painted(WINDOW);
        assert_eq!(changes(&scene), []);
        scene.touch(B);
        assert_eq!(changes(&scene), [(1, false), (2, true)]);
        assert!(!scene.paintings()[0].clear);
        scene.expose(WINDOW);
        assert_eq!(changes(&scene), [(1, true), (2, true)]);
    }

    #[test]
    fn what_lies_above_a_change_is_drawn_again() {
        let (mut scene, a, _) = halves();
        scene.place_view(a, area(0.0, 0.6), Fit::Fill);
        scene.painted(WINDOW);
        scene.touch(A);
        assert_eq!(changes(&scene), [(1, true), (2, true)]);
        scene.painted(WINDOW);
        scene.touch(B);
        assert_eq!(changes(&scene), [(1, false), (2, true)]);
    }

    #[test]
    fn unseen_windows_are_not_drawn_until_they_are_seen() {
        let (mut scene, ..) = halves();
        scene.painted(WINDOW);
        scene.set_visible(WINDOW, false);
        scene.touch(A);
        assert_eq!(scene.paintings(), []);
        assert!(!scene.shows(A));
        scene.set_visible(WINDOW, true);
        assert!(scene.paintings()[0].clear && scene.shows(A));
    }

    #[test]
    fn hidden_views_are_not_drawn_but_can_be_looked_at() {
        let (mut scene, a, b) = halves();
        scene.place_view(a, None, Fit::Letterbox);
        assert_eq!(changes(&scene), [(2, true)]);
        assert!(!scene.shows(A) && scene.shows(B));
        assert_eq!(scene.tile(a).unwrap().area, PixelRect::of_size(100, 10));
        assert_eq!(scene.view_at(WINDOW, 10, 5), None);
        assert_eq!(scene.view_at(WINDOW, 60, 5), Some(b));
    }

    #[test]
    fn views_go_with_their_window() {
        let (mut scene, a, _) = halves();
        assert!(scene.remove_window(WINDOW) && !scene.remove_window(WINDOW));
        assert!(scene.tile(a).is_none() && !scene.remove_view(a));
        assert_eq!(scene.add_view(ViewOptions::new(A, WINDOW)), None);
    }

    #[test]
    fn a_new_size_draws_everything() {
        let (mut scene, ..) = halves();
        scene.painted(WINDOW);
        assert!(!scene.set_size(WINDOW, (100, 10)));
        assert_eq!(scene.paintings(), []);
        assert!(scene.set_size(WINDOW, (50, 10)));
        assert_eq!(scene.paintings()[0].tiles[1].area, PixelRect { x: 25, y: 0, width: 25, height: 10 });
    }

    #[test]
    fn a_removed_view_leaves_no_trace() {
        let (mut scene, a, _) = halves();
        scene.painted(WINDOW);
        assert!(scene.remove_view(a));
        let paintings = scene.paintings();
        assert!(paintings[0].clear);
        assert_eq!(paintings[0].tiles.len(), 1);
    }
}
