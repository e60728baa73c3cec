//! A screen without a screen.

use std::io;
use std::time::Duration;

use crate::process::{self, Child};

/// Whether Xvfb can be run.
///
/// # Errors
/// That it is not there, in words.
pub fn available() -> Result<(), String> {
    process::available("Xvfb")
}

/// An X server that draws into memory, with Mesa's software OpenGL; it ends when this is dropped.
#[derive(Debug)]
pub struct Display {
    name: String,
    server: Child,
}

impl Display {
    /// Starts a server with one screen of 1280 × 1024 pixels, 24 bits deep, on a number of its own.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn spawn() -> io::Result<Self> {
        Self::with_screens(&[(1280, 1024)])
    }

    /// Starts a server with screens of these widths and heights, `:N.0`, `:N.1` and so on.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn with_screens(sizes: &[(u32, u32)]) -> io::Result<Self> {
        let mut command = process::command("Xvfb")?;
        // Without -noreset the server starts anew, and drops everything, whenever the last client leaves.
        command.args(["-displayfd", "1", "-noreset", "-nolisten", "tcp"]);
        for (screen, (width, height)) in sizes.iter().enumerate() {
            command.args(["-screen", &screen.to_string(), &format!("{width}x{height}x24")]);
        }
        let server = Child::spawn(command)?;
        let number: u32 = server.wait_line(STARTUP, |line| line.parse().ok())?;
        Ok(Self { name: format!(":{number}"), server })
    }

    /// Its name, e.g. `:99`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of one of its screens, e.g. `:99.1`.
    pub fn screen(&self, screen: usize) -> String {
        format!("{}.{screen}", self.name)
    }

    /// The server's process, to freeze it or to kill it.
    pub fn server(&mut self) -> &mut Child {
        &mut self.server
    }
}

const STARTUP: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use x11rb::connection::Connection as _;

    use super::*;
    use crate::require;
    use crate::watchdog::Watchdog;

    #[test]
    fn displays_have_numbers_and_screens_of_their_own() {
        require!(available());
        let _watchdog = Watchdog::start(STARTUP * 4);
        let one = Display::spawn().unwrap();
        let other = Display::with_screens(&[(640, 480), (320, 240)]).unwrap();
        assert_ne!(one.name(), other.name());
        let (connection, screen) = x11rb::connect(Some(&other.screen(1))).unwrap();
        assert_eq!(screen, 1);
        let screens = &connection.setup().roots;
        assert_eq!(screens.iter().map(|screen| screen.width_in_pixels).collect::<Vec<_>>(), [640, 320]);
    }
}
