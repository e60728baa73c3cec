//! Windows of an X server: ours, and those of others that we draw in.
//!
//! A window of somebody else has any visual, which ours may not suit, and its input belongs to its owner. So
//! we never draw in it, but in a child window of ours that covers it: same visual as everything we draw, no
//! interest in input, so that keys and clicks go through to the owner.

use std::collections::BTreeMap;

use x11rb::connection::Connection;
use x11rb::errors::{ConnectionError, ReplyError, ReplyOrIdError};
use x11rb::protocol::Event as XEvent;
use x11rb::protocol::xproto::{
    AtomEnum, ButtonPressEvent, ChangeWindowAttributesAux, ClientMessageData, ClientMessageEvent,
    ConfigureWindowAux, ConnectionExt as _, CreateWindowAux, EventMask, KeyButMask, MapState, PropMode,
    StackMode, Visibility, Window as XWindow, WindowClass,
};
use x11rb::wrapper::ConnectionExt as _;

use super::display::Display;
use crate::error::Error;
use crate::output::{NewWindow, OutputEvent};
use crate::scene::WindowId;
use crate::window::{Input, WindowChange, WindowOptions, bounded};

/// All windows, by their ids.
#[derive(Debug, Default)]
pub(super) struct Windows {
    table: BTreeMap<WindowId, Window>,
    /// The windows we draw in, where they are others than those we are known by.
    canvases: BTreeMap<XWindow, WindowId>,
}

#[derive(Debug)]
struct Window {
    /// Where we draw.
    canvas: XWindow,
    owner: Owner,
    size: (u32, u32),
    /// The canvas is mapped.
    mapped: bool,
    /// The window of the owner is mapped; true for ours.
    owner_mapped: bool,
    /// Other windows cover all of it.
    covered: bool,
    last_click: Option<Click>,
}

#[derive(Debug)]
enum Owner {
    Us {
        /// Where the window was before it took the whole screen.
        windowed: Option<(i16, i16, u32, u32)>,
    },
    SomebodyElse,
}

/// A press of the left button.
#[derive(Clone, Copy, Debug)]
struct Click {
    time_ms: u32,
    x: i16,
    y: i16,
}

impl Windows {
    /// Where to draw for a window.
    pub(super) fn drawable(&self, window: WindowId) -> Option<XWindow> {
        self.table.get(&window).map(|window| window.canvas)
    }

    /// Whether a window of ours is one to draw in.
    pub(super) fn is_canvas(&self, xid: XWindow) -> bool {
        let id = self.canvases.get(&xid).copied().unwrap_or(WindowId::new(xid));
        self.drawable(id) == Some(xid)
    }

    /// Makes a window of ours.
    pub(super) fn create(&mut self, display: &Display, options: &WindowOptions) -> Result<NewWindow, Error> {
        let parent = match options.parent {
            Some(parent) => match self.table.get(&parent) {
                Some(Window { canvas, owner: Owner::Us { .. }, .. }) => *canvas,
                Some(_) => return Err(Error::ForeignWindow { window: parent }),
                None => return Err(Error::NoSuchWindow { window: parent.number() }),
            },
            None => display.screen.root,
        };
        let size = bounded((options.width, options.height));
        let input = match options.input {
            Input::Events => EventMask::KEY_PRESS | EventMask::BUTTON_PRESS,
            Input::Parent => EventMask::NO_EVENT,
        };
        let make = || -> Result<XWindow, ReplyOrIdError> {
            let id = new_canvas(display, parent, (options.x, options.y), size, input)?;
            if options.parent.is_none() {
                name(display, id, &options.title)?;
                let class = format!("{0}\0{0}\0", options.class.replace('\0', ""));
                let conn = &display.conn;
                conn.change_property8(
                    PropMode::REPLACE,
                    id,
                    AtomEnum::WM_CLASS,
                    AtomEnum::STRING,
                    class.as_bytes(),
                )?;
                let (protocols, delete) = (display.atoms.WM_PROTOCOLS, display.atoms.WM_DELETE_WINDOW);
                conn.change_property32(PropMode::REPLACE, id, protocols, AtomEnum::ATOM, &[delete])?;
            }
            if options.mapped {
                display.conn.map_window(id)?;
            }
            // Waits for the answer, so that the id is good for other connections too when we return it.
            display.conn.get_geometry(id)?.reply()?;
            Ok(id)
        };
        let id = make().map_err(|error| display.refused("make a window", error))?;
        Ok(self.add(WindowId::new(id), id, Owner::Us { windowed: None }, size))
    }

    /// Makes a canvas in a window of somebody else.
    pub(super) fn adopt(&mut self, display: &Display, window: XWindow) -> Result<NewWindow, Error> {
        let gone = |error: ReplyError| match error {
            ReplyError::X11Error(_) => Error::NoSuchWindow { window },
            ReplyError::ConnectionError(_) => display.lost(),
        };
        let conn = &display.conn;
        // Watched from before it is looked at, so that no change is missed.
        let watch = ChangeWindowAttributesAux::new().event_mask(EventMask::STRUCTURE_NOTIFY);
        let lost = |_: ConnectionError| display.lost();
        conn.change_window_attributes(window, &watch).map_err(lost)?.check().map_err(gone)?;
        let attributes = conn.get_window_attributes(window).map_err(lost)?.reply().map_err(gone)?;
        let geometry = conn.get_geometry(window).map_err(lost)?.reply().map_err(gone)?;
        if attributes.class == WindowClass::INPUT_ONLY {
            let reason = format!("window {window:#x} is for input only");
            return Err(Error::Refused { action: "draw in a window", reason });
        }
        let size = (u32::from(geometry.width), u32::from(geometry.height));
        let make = || -> Result<XWindow, ReplyOrIdError> {
            let canvas = new_canvas(display, window, (0, 0), size, EventMask::NO_EVENT)?;
            conn.map_window(canvas)?;
            conn.get_geometry(canvas)?.reply()?;
            Ok(canvas)
        };
        let canvas = make().map_err(|error| match error {
            ReplyOrIdError::X11Error(_) => Error::NoSuchWindow { window },
            error => display.refused("make a window", error),
        })?;
        self.canvases.insert(canvas, WindowId::new(window));
        let made = self.add(WindowId::new(window), canvas, Owner::SomebodyElse, size);
        if let Some(entry) = self.table.get_mut(&made.id) {
            entry.owner_mapped = attributes.map_state != MapState::UNMAPPED;
        }
        Ok(made)
    }

    fn add(&mut self, id: WindowId, canvas: XWindow, owner: Owner, size: (u32, u32)) -> NewWindow {
        let window = Window {
            canvas,
            owner,
            size,
            mapped: false,
            owner_mapped: true,
            covered: false,
            last_click: None,
        };
        self.table.insert(id, window);
        // It is seen when the server says that it is mapped.
        NewWindow { id, size, visible: false }
    }

    /// Destroys a window of ours, or our canvas in that of somebody else; returns the canvas.
    pub(super) fn remove(
        &mut self,
        display: &Display,
        id: WindowId,
    ) -> Result<Option<XWindow>, ConnectionError> {
        let Some(window) = self.forget(id) else { return Ok(None) };
        display.conn.destroy_window(window.canvas)?;
        if let Owner::SomebodyElse = window.owner {
            let ignore = ChangeWindowAttributesAux::new().event_mask(EventMask::NO_EVENT);
            display.conn.change_window_attributes(id.number(), &ignore)?;
        }
        Ok(Some(window.canvas))
    }

    fn forget(&mut self, id: WindowId) -> Option<Window> {
        let window = self.table.remove(&id)?;
        self.canvases.remove(&window.canvas);
        Some(window)
    }

    /// Changes a window of ours.
    pub(super) fn change(
        &mut self,
        display: &Display,
        id: WindowId,
        change: &WindowChange,
    ) -> Result<(), Error> {
        let window = self.table.get_mut(&id).ok_or(Error::NoSuchWindow { window: id.number() })?;
        let Owner::Us { windowed } = &mut window.owner else {
            return Err(Error::ForeignWindow { window: id });
        };
        let (conn, xid) = (&display.conn, window.canvas);
        let mut change = || -> Result<(), ReplyOrIdError> {
            match *change {
                WindowChange::Title(ref title) => name(display, xid, title)?,
                WindowChange::Mapped(true) => drop(conn.map_window(xid)?),
                WindowChange::Mapped(false) => drop(conn.unmap_window(xid)?),
                WindowChange::Place { x, y, width, height } => place(display, xid, (x, y), (width, height))?,
                WindowChange::Fullscreen(full) if has_window_manager(display)? => {
                    let state =
                        [u32::from(full), display.atoms._NET_WM_STATE_FULLSCREEN, 0, SOURCE_APPLICATION, 0];
                    let event = ClientMessageEvent::new(32, xid, display.atoms._NET_WM_STATE, state);
                    let mask = EventMask::SUBSTRUCTURE_NOTIFY | EventMask::SUBSTRUCTURE_REDIRECT;
                    conn.send_event(false, display.screen.root, mask, event)?;
                }
                WindowChange::Fullscreen(true) => {
                    if windowed.is_none() {
                        let was = conn.get_geometry(xid)?.reply()?;
                        *windowed = Some((was.x, was.y, was.width.into(), was.height.into()));
                    }
                    let screen = &display.screen;
                    let size = (screen.width_in_pixels.into(), screen.height_in_pixels.into());
                    place(display, xid, (0, 0), size)?;
                    conn.configure_window(xid, &ConfigureWindowAux::new().stack_mode(StackMode::ABOVE))?;
                }
                WindowChange::Fullscreen(false) => {
                    if let Some((x, y, width, height)) = windowed.take() {
                        place(display, xid, (x, y), (width, height))?;
                    }
                }
            }
            Ok(())
        };
        change().map_err(|error| display.refused("change a window", error))
    }

    /// What an event of the server means, if it is about one of these windows.
    pub(super) fn translate(
        &mut self,
        display: &Display,
        event: &XEvent,
    ) -> Result<Option<OutputEvent>, ConnectionError> {
        let translated = match event {
            XEvent::Expose(expose) if expose.count == 0 => {
                self.find(expose.window).map(|(id, _)| OutputEvent::Exposed(id))
            }
            XEvent::ConfigureNotify(configure) => {
                let size = (u32::from(configure.width), u32::from(configure.height));
                let Some((id, window)) = self.find(configure.window) else { return Ok(None) };
                if configure.window != window.canvas {
                    // The owner's window: ours follows, and tells its size itself.
                    place(display, window.canvas, (0, 0), size)?;
                    return Ok(None);
                }
                (std::mem::replace(&mut window.size, size) != size).then_some(OutputEvent::Resized(id, size))
            }
            XEvent::MapNotify(map) => self.set_visible(map.window, |window, canvas| {
                if canvas {
                    window.mapped = true;
                } else {
                    window.owner_mapped = true;
                }
            }),
            XEvent::UnmapNotify(unmap) => self.set_visible(unmap.window, |window, canvas| {
                if canvas {
                    window.mapped = false;
                } else {
                    window.owner_mapped = false;
                }
            }),
            XEvent::VisibilityNotify(visibility) => self.set_visible(visibility.window, |window, _| {
                window.covered = visibility.state == Visibility::FULLY_OBSCURED;
            }),
            XEvent::DestroyNotify(destroy) => {
                let id = self.find(destroy.window).map(|(id, _)| id);
                id.and_then(|id| self.forget(id).map(|_| OutputEvent::Gone(id)))
            }
            XEvent::ClientMessage(message) => {
                let close = message.type_ == display.atoms.WM_PROTOCOLS
                    && first_word(&message.data) == display.atoms.WM_DELETE_WINDOW;
                self.find(message.window).filter(|_| close).map(|(id, _)| OutputEvent::CloseRequested(id))
            }
            XEvent::KeyPress(press) => {
                let shift = press.state.contains(KeyButMask::SHIFT);
                let caps_lock = press.state.contains(KeyButMask::LOCK);
                let key = display.keymap.key(press.detail, shift, caps_lock);
                self.find(press.event).zip(key).map(|((id, _), key)| OutputEvent::Key(id, key))
            }
            XEvent::ButtonPress(press) if press.detail == LEFT_BUTTON => self.click(press),
            _ => None,
        };
        Ok(translated)
    }

    /// The window an event is about: one we are known by, or the canvas in it.
    fn find(&mut self, xid: XWindow) -> Option<(WindowId, &mut Window)> {
        let id = self.canvases.get(&xid).copied().unwrap_or(WindowId::new(xid));
        self.table.get_mut(&id).map(|window| (id, window))
    }

    /// Applies `change`, which is told whether it is about the canvas, and says so if the window is seen or
    /// unseen by it.
    fn set_visible(&mut self, xid: XWindow, change: impl FnOnce(&mut Window, bool)) -> Option<OutputEvent> {
        let (id, window) = self.find(xid)?;
        let before = window.is_visible();
        change(window, xid == window.canvas);
        let visible = window.is_visible();
        (visible != before).then_some(OutputEvent::Visible(id, visible))
    }

    fn click(&mut self, press: &ButtonPressEvent) -> Option<OutputEvent> {
        let (id, window) = self.find(press.event)?;
        let click = Click { time_ms: press.time, x: press.event_x, y: press.event_y };
        let double = window.last_click.is_some_and(|last| {
            click.time_ms.wrapping_sub(last.time_ms) <= DOUBLE_CLICK_MS
                && click.x.abs_diff(last.x) <= DOUBLE_CLICK_PX
                && click.y.abs_diff(last.y) <= DOUBLE_CLICK_PX
        });
        window.last_click = (!double).then_some(click);
        double.then_some(OutputEvent::DoubleClick(id, (click.x.into(), click.y.into())))
    }
}

impl Window {
    fn is_visible(&self) -> bool {
        self.mapped && self.owner_mapped && !self.covered
    }
}

/// Makes a window with the root's visual, black where nothing is drawn. It is not mapped yet.
fn new_canvas(
    display: &Display,
    parent: XWindow,
    (x, y): (i16, i16),
    size: (u32, u32),
    input: EventMask,
) -> Result<XWindow, ReplyOrIdError> {
    let (conn, screen) = (&display.conn, &display.screen);
    let events = EventMask::EXPOSURE | EventMask::STRUCTURE_NOTIFY | EventMask::VISIBILITY_CHANGE;
    // With a visual other than its parent's, a window needs its own colour map and border.
    let attributes = CreateWindowAux::new()
        .background_pixel(screen.black_pixel)
        .border_pixel(screen.black_pixel)
        .colormap(screen.default_colormap)
        .event_mask(events | input);
    let (width, height) = bounded(size);
    let id = conn.generate_id()?;
    conn.create_window(
        screen.root_depth,
        id,
        parent,
        x,
        y,
        width as u16,
        height as u16,
        0,
        WindowClass::INPUT_OUTPUT,
        screen.root_visual,
        &attributes,
    )?;
    Ok(id)
}

fn place(
    display: &Display,
    xid: XWindow,
    (x, y): (i16, i16),
    size: (u32, u32),
) -> Result<(), ConnectionError> {
    let (width, height) = bounded(size);
    let place = ConfigureWindowAux::new().x(i32::from(x)).y(i32::from(y)).width(width).height(height);
    display.conn.configure_window(xid, &place)?;
    Ok(())
}

fn name(display: &Display, xid: XWindow, title: &str) -> Result<(), ConnectionError> {
    let (conn, atoms) = (&display.conn, &display.atoms);
    let bytes = title.as_bytes();
    conn.change_property8(PropMode::REPLACE, xid, atoms._NET_WM_NAME, atoms.UTF8_STRING, bytes)?;
    conn.change_property8(PropMode::REPLACE, xid, AtomEnum::WM_NAME, AtomEnum::STRING, bytes)?;
    Ok(())
}

/// Whether a window manager runs that takes orders about full screens (EWMH, "_NET_SUPPORTING_WM_CHECK").
fn has_window_manager(display: &Display) -> Result<bool, ReplyError> {
    let (conn, atoms) = (&display.conn, &display.atoms);
    let ask = |window, atom, kind, length| -> Result<Vec<u32>, ReplyError> {
        let property = conn.get_property(false, window, atom, kind, 0, length)?.reply()?;
        Ok(property.value32().map(Iterator::collect).unwrap_or_default())
    };
    let root = display.screen.root;
    let check = ask(root, atoms._NET_SUPPORTING_WM_CHECK, AtomEnum::WINDOW, 1)?;
    let Some(&window) = check.first() else { return Ok(false) };
    // One that has ended leaves the property behind, but not the window.
    let alive = match ask(window, atoms._NET_SUPPORTING_WM_CHECK, AtomEnum::WINDOW, 1) {
        Ok(same) => same.first() == Some(&window),
        Err(ReplyError::X11Error(_)) => false,
        Err(error) => return Err(error),
    };
    let supported = ask(root, atoms._NET_SUPPORTED, AtomEnum::ATOM, 1024)?;
    Ok(alive && supported.contains(&atoms._NET_WM_STATE_FULLSCREEN))
}

fn first_word(data: &ClientMessageData) -> u32 {
    data.as_data32()[0]
}

const LEFT_BUTTON: u8 = 1;

/// Two presses so near to each other are a double click.
const DOUBLE_CLICK_MS: u32 = 400;
const DOUBLE_CLICK_PX: u16 = 6;

/// That a program like ours asks, and not a pager (EWMH, "_NET_WM_STATE").
const SOURCE_APPLICATION: u32 = 1;
