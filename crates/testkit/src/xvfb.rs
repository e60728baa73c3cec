//! A screen without a screen.

use std::io;
use std::time::Duration;

use x11rb::connection::Connection;
use x11rb::protocol::xproto::{ConnectionExt as _, ImageFormat};

use crate::picture::Picture;
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

    /// What the whole of its first screen shows.
    ///
    /// # Errors
    /// If the server is gone.
    pub fn picture(&self) -> io::Result<Picture> {
        let (connection, screen) = x11rb::connect(Some(&self.name)).map_err(io::Error::other)?;
        let root = connection.setup().roots.get(screen).map(|screen| screen.root);
        picture_of(&connection, root.unwrap_or_default())
    }

    /// What the part of the screen shows at which a window is; the window must lie within the screen, with nothing
    /// above it.
    ///
    /// # Errors
    /// If there is no such window, or it is not shown.
    pub fn window_picture(&self, window: u32) -> io::Result<Picture> {
        let (connection, _) = x11rb::connect(Some(&self.name)).map_err(io::Error::other)?;
        picture_of(&connection, window)
    }

    /// The server's process, to freeze it or to kill it.
    pub fn server(&mut self) -> &mut Child {
        &mut self.server
    }
}

/// As the server itself tells it, of 24 or 32 bits per pixel.
fn picture_of(connection: &impl Connection, window: u32) -> io::Result<Picture> {
    let geometry = connection.get_geometry(window).map_err(io::Error::other)?;
    let geometry = geometry.reply().map_err(io::Error::other)?;
    let (width, height) = (geometry.width, geometry.height);
    let image = connection.get_image(ImageFormat::Z_PIXMAP, window, 0, 0, width, height, !0);
    let image = image.map_err(io::Error::other)?.reply().map_err(io::Error::other)?;
    let rgb = image.data.chunks_exact(4).flat_map(|pixel| [pixel[2], pixel[1], pixel[0]]);
    Ok(Picture::new(width.into(), height.into(), rgb.collect()))
}

const STARTUP: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
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
        let picture = other.picture().unwrap();
        assert_eq!((picture.width(), picture.height(), picture.pixel(0, 0)), (640, 480, [0, 0, 0]));
    }
}
