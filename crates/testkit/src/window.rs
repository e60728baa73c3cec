//! A window that another process owns.

use std::io;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::process::{self, Child, PYTHON};

/// Whether [`Window`]s can be made.
///
/// # Errors
/// What is missing, in words.
pub fn available() -> Result<(), String> {
    static AVAILABLE: OnceLock<Result<(), String>> = OnceLock::new();
    let probe = || process::python_can("import Xlib.display", "windows of another process cannot be made");
    AVAILABLE.get_or_init(probe).clone()
}

/// An orange window of a process that knows nothing of us. It goes when this is dropped.
#[derive(Debug)]
pub struct Window {
    owner: Child,
    id: u32,
}

impl Window {
    /// Puts a window of `width` × `height` pixels on the screen `display`, e.g. `:99` or `:99.1`.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn spawn(display: &str, width: u32, height: u32) -> io::Result<Self> {
        Self::with_depth(display, width, height, 24)
    }

    /// As [`Self::spawn`], with a visual that has an alpha channel (32 bits deep), as toolkits use for translucent
    /// windows.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn with_alpha(display: &str, width: u32, height: u32) -> io::Result<Self> {
        Self::with_depth(display, width, height, 32)
    }

    /// The number by which the X server knows the window.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Changes its size.
    ///
    /// # Errors
    /// If its owner is gone.
    pub fn resize(&mut self, width: u32, height: u32) -> io::Result<()> {
        self.command(&format!("resize {width} {height}"))
    }

    /// Takes it off the screen.
    ///
    /// # Errors
    /// If its owner is gone.
    pub fn hide(&mut self) -> io::Result<()> {
        self.command("hide")
    }

    /// Puts it back on the screen.
    ///
    /// # Errors
    /// If its owner is gone.
    pub fn show(&mut self) -> io::Result<()> {
        self.command("show")
    }

    /// Has its owner destroy it; the owner lives on.
    ///
    /// # Errors
    /// If its owner is gone.
    pub fn destroy(&mut self) -> io::Result<()> {
        self.command("destroy")
    }

    /// The owner's process; killing it ends the window too.
    pub fn owner(&mut self) -> &mut Child {
        &mut self.owner
    }

    fn with_depth(display: &str, width: u32, height: u32, depth: u32) -> io::Result<Self> {
        let mut command: Command = process::command(PYTHON)?;
        command.args(["-c", SCRIPT, display]).args([width, height, depth].map(|number| number.to_string()));
        let owner = Child::spawn(command)?;
        let id = owner.wait_line(PATIENCE, |line| line.strip_prefix("window ")?.parse().ok())?;
        Ok(Self { owner, id })
    }

    fn command(&mut self, line: &str) -> io::Result<()> {
        self.owner.ask(line, &format!("done {line}"), PATIENCE)
    }
}

const SCRIPT: &str = include_str!("window/window.py");

const PATIENCE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use x11rb::protocol::xproto::ConnectionExt as _;

    use super::*;
    use crate::watchdog::Watchdog;
    use crate::{require, wait, xvfb};

    #[test]
    fn the_window_does_as_it_is_told_and_goes_with_its_owner() {
        require!(available(), xvfb::available());
        let _watchdog = Watchdog::start(PATIENCE * 4);
        let display = xvfb::Display::spawn().unwrap();
        let (x, _) = x11rb::connect(Some(display.name())).unwrap();
        let size = |id| {
            let geometry = x.get_geometry(id).unwrap().reply().ok()?;
            Some((geometry.width, geometry.height, geometry.depth))
        };
        let mut plain = Window::spawn(display.name(), 320, 240).unwrap();
        let mut alpha = Window::with_alpha(display.name(), 200, 100).unwrap();
        assert_eq!((size(plain.id()), size(alpha.id())), (Some((320, 240, 24)), Some((200, 100, 32))));

        plain.resize(400, 300).unwrap();
        assert_eq!(size(plain.id()), Some((400, 300, 24)));
        plain.hide().unwrap();
        plain.show().unwrap();
        // Outside of the other window, which lies above.
        let orange =
            x.get_image(x11rb::protocol::xproto::ImageFormat::Z_PIXMAP, plain.id(), 300, 200, 1, 1, !0);
        assert_eq!(orange.unwrap().reply().unwrap().data[..3], [0x00, 0x80, 0xff]);

        plain.destroy().unwrap();
        assert_eq!(size(plain.id()), None);
        assert!(plain.owner().is_running());
        alpha.owner().kill().unwrap();
        wait::until(PATIENCE, "the window of a dead process is gone", || size(alpha.id()).is_none());
    }
}
