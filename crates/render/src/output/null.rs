//! The driver that draws nothing. Its windows are numbers with a size.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;

use super::{NewWindow, Output, OutputEvent};
use crate::error::Error;
use crate::pictures::Pictures;
use crate::presenter::PresenterOptions;
use crate::scene::{Painting, WindowId};
use crate::window::{WindowChange, WindowOptions, bounded};

/// Keeps windows that nobody sees.
#[derive(Debug, Default)]
struct Null {
    windows: BTreeMap<WindowId, Place>,
    last_id: u32,
    events: Vec<OutputEvent>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    size: (u32, u32),
    parent: Option<WindowId>,
    /// The size to go back to from full screen.
    windowed: Option<(u32, u32)>,
}

pub(super) fn open(_: &PresenterOptions) -> Result<Box<dyn Output>, Error> {
    Ok(Box::new(Null::default()))
}

impl Null {
    fn add(&mut self, id: WindowId, size: (u32, u32), visible: bool, parent: Option<WindowId>) -> NewWindow {
        self.windows.insert(id, Place { size, parent, windowed: None });
        NewWindow { id, size, visible }
    }
}

impl Output for Null {
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn create_window(&mut self, options: &WindowOptions) -> Result<NewWindow, Error> {
        if let Some(parent) = options.parent
            && !self.windows.contains_key(&parent)
        {
            return Err(Error::NoSuchWindow { window: parent.number() });
        }
        self.last_id += 1;
        while self.windows.contains_key(&WindowId::new(self.last_id)) {
            self.last_id += 1;
        }
        Ok(self.add(
            WindowId::new(self.last_id),
            bounded((options.width, options.height)),
            options.mapped,
            options.parent,
        ))
    }

    fn adopt_window(&mut self, window: u32) -> Result<NewWindow, Error> {
        Ok(self.add(WindowId::new(window), FULL_SCREEN, true, None))
    }

    fn remove_window(&mut self, window: WindowId) {
        self.windows.remove(&window);
        // Children go with their parent.
        let mut gone = vec![window];
        while let Some(parent) = gone.pop() {
            let children = self.windows.extract_if(.., |_, place| place.parent == Some(parent));
            let children: Vec<WindowId> = children.map(|(id, _)| id).collect();
            self.events.extend(children.iter().map(|&child| OutputEvent::Gone(child)));
            gone.extend(children);
        }
    }

    fn change_window(&mut self, window: WindowId, change: &WindowChange) -> Result<(), Error> {
        let place = self.windows.get_mut(&window).ok_or(Error::NoSuchWindow { window: window.number() })?;
        match *change {
            WindowChange::Title(_) => return Ok(()),
            WindowChange::Mapped(mapped) => {
                self.events.push(OutputEvent::Visible(window, mapped));
                return Ok(());
            }
            WindowChange::Place { width, height, .. } => place.size = bounded((width, height)),
            WindowChange::Fullscreen(true) => {
                place.windowed.get_or_insert(place.size);
                place.size = FULL_SCREEN;
            }
            WindowChange::Fullscreen(false) => place.size = place.windowed.take().unwrap_or(place.size),
        }
        self.events.push(OutputEvent::Resized(window, place.size));
        Ok(())
    }

    fn paint(&mut self, paintings: Vec<Painting>, _: &Pictures) -> Result<Vec<WindowId>, Error> {
        Ok(paintings.into_iter().map(|painting| painting.window).collect())
    }

    fn events(&mut self) -> Result<Vec<OutputEvent>, Error> {
        Ok(std::mem::take(&mut self.events))
    }
}

/// The size of a screen that is not there.
const FULL_SCREEN: (u32, u32) = (1920, 1080);
