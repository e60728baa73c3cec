//! What windows are asked for.

use crate::scene::WindowId;

/// A window to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowOptions {
    /// In the title bar.
    pub title: String,
    /// The class by which window managers know the program (both strings of `WM_CLASS`).
    pub class: String,
    /// The window of ours it is a child of; `None` makes a top-level window.
    pub parent: Option<WindowId>,
    /// Where its left edge is to be, in pixels of the parent or screen. Window managers may decide otherwise.
    pub x: i16,
    /// Where its upper edge is to be, likewise.
    pub y: i16,
    /// Width in pixels; at least 1, at most 32767.
    pub width: u32,
    /// Height in pixels, likewise.
    pub height: u32,
    /// Whether it appears at once. A window to be embedded in another program's is shown by that program.
    pub mapped: bool,
    /// Who gets its keys and mouse buttons.
    pub input: Input,
}

impl Default for WindowOptions {
    fn default() -> Self {
        Self {
            title: "Valkka".to_owned(),
            class: "valkka".to_owned(),
            parent: None,
            x: 0,
            y: 0,
            width: 640,
            height: 360,
            mapped: true,
            input: Input::Events,
        }
    }
}

/// Who gets the keys and mouse buttons of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Input {
    /// They become [`Event`](crate::event::Event)s.
    #[default]
    Events,
    /// The window it lies in, as if this one were not there.
    Parent,
}

/// A change of a window of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WindowChange {
    /// A new title.
    Title(String),
    /// A new place and size, as in [`WindowOptions`].
    Place {
        /// Left edge.
        x: i16,
        /// Upper edge.
        y: i16,
        /// Width.
        width: u32,
        /// Height.
        height: u32,
    },
    /// The whole screen, without a frame; or back to where it was.
    Fullscreen(bool),
    /// Shown or hidden.
    Mapped(bool),
}

/// Sizes a window can have: X11 has 16 bits for them, and so have other outputs, so that all behave alike.
pub(crate) fn bounded((width, height): (u32, u32)) -> (u32, u32) {
    (width.clamp(1, MOST_PIXELS), height.clamp(1, MOST_PIXELS))
}

const MOST_PIXELS: u32 = i16::MAX as u32;
