//! What happens to windows.

use crate::scene::{ViewId, WindowId};

/// Something that happened to a window.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A key was pressed in a window of ours.
    Key {
        /// The window that has the keyboard.
        window: WindowId,
        /// The key.
        key: Key,
    },
    /// The left mouse button was pressed twice in a window of ours.
    DoubleClick {
        /// The window.
        window: WindowId,
        /// The uppermost view under the pointer.
        view: Option<ViewId>,
    },
    /// The window has a new size.
    Resized {
        /// The window.
        window: WindowId,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The user wants to close a window of ours. It stays until it is removed.
    CloseRequested {
        /// The window.
        window: WindowId,
    },
    /// The window was destroyed, by its owner or with its parent. It and its views are known no more.
    Gone {
        /// The window.
        window: WindowId,
    },
    /// The connection to the display is lost. All windows are gone; pictures are dropped from now on.
    DisplayLost,
}

/// A key, by what it means with the modifiers held down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Key {
    /// A key that writes this character.
    Char(char),
    /// Esc.
    Escape,
    /// Enter or Return.
    Enter,
    /// Tab.
    Tab,
    /// Backspace.
    Backspace,
    /// Delete.
    Delete,
    /// Home.
    Home,
    /// End.
    End,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// The left arrow.
    Left,
    /// The right arrow.
    Right,
    /// The upward arrow.
    Up,
    /// The downward arrow.
    Down,
    /// A function key, `F1` being 1.
    Function(u8),
    /// Any other key, by its X keysym.
    Other(u32),
}
