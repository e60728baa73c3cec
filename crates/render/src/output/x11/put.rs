//! Painting without a graphics processor: tiles are painted into memory the X server can see.
//!
//! A tile is painted once however many windows show the same slot at the same size; each further window costs
//! one request of 40 bytes. Nothing waits for the server: memory is used again when a fence behind the
//! requests that read it has come back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::warn;
use x11rb::connection::{Connection, RequestConnection};
use x11rb::errors::{ConnectionError, ReplyOrIdError};
use x11rb::protocol::shm::{ConnectionExt as _, Seg};
use x11rb::protocol::xproto::{ConnectionExt as _, Drawable, ImageFormat};
use x11rb::rust_connection::RustConnection;

use super::display::Display;
use super::shm::Segment;
use super::window::Windows;
use crate::layout::PixelRect;
use crate::pictures::Pictures;
use crate::raster::{Canvas, Rasterizer};
use crate::scene::{Painting, Tile, WindowId};

/// Paints tiles on the CPU and hands them to the server.
#[derive(Debug, Default)]
pub(super) struct PutPainter {
    rasterizer: Rasterizer,
    buffers: Vec<Buffer>,
    out_of_memory: bool,
}

/// A painted tile, or room for one.
#[derive(Debug)]
struct Buffer {
    memory: Memory,
    /// The fence behind the last request that reads it.
    fence: Option<u32>,
    used: Instant,
}

#[derive(Debug)]
enum Memory {
    Shared(Segment, Seg),
    /// For servers on other machines: the pixels go through the connection.
    Own(Vec<u32>),
}

/// Which buffer holds a tile that was painted just now.
struct Painted {
    tile: Tile,
    buffer: usize,
}

impl PutPainter {
    /// Paints what there is room for; returns the windows that are painted completely.
    pub(super) fn paint(
        &mut self,
        display: &mut Display,
        windows: &Windows,
        paintings: Vec<Painting>,
        pictures: &Pictures,
    ) -> Result<Vec<WindowId>, ConnectionError> {
        if display.is_behind() {
            return Ok(Vec::new());
        }
        self.drop_unused(display)?;
        let mut fresh: Vec<Painted> = Vec::new();
        let mut done = Vec::with_capacity(paintings.len());
        for painting in paintings {
            let Some(drawable) = windows.drawable(painting.window) else { continue };
            let window = PixelRect::of_size(painting.size.0, painting.size.1);
            if painting.clear && !painting.tiles.iter().any(|tile| tile.area == window) {
                // The background is black.
                display.conn.clear_area(false, drawable, 0, 0, 0, 0)?;
            }
            let mut complete = true;
            for tile in painting.tiles {
                if !tile.changed {
                    continue;
                }
                let found = fresh.iter().find(|painted| shows_the_same(&painted.tile, &tile));
                let buffer = match found.map(|painted| painted.buffer) {
                    Some(buffer) => buffer,
                    None => {
                        let Some(buffer) = self.paint_tile(display, &tile, pictures, &fresh) else {
                            complete = false;
                            continue;
                        };
                        fresh.push(Painted { tile: tile.clone(), buffer });
                        buffer
                    }
                };
                self.buffers[buffer].memory.put(display, drawable, tile.area)?;
            }
            if complete {
                done.push(painting.window);
            }
        }
        let fence = display.send_fence()?;
        display.conn.flush()?;
        for painted in &fresh {
            self.buffers[painted.buffer].fence = Some(fence);
        }
        Ok(done)
    }

    /// Paints a tile into a free buffer; `None` if there is none to be had.
    fn paint_tile(
        &mut self,
        display: &Display,
        tile: &Tile,
        pictures: &Pictures,
        fresh: &[Painted],
    ) -> Option<usize> {
        let pixels = tile.area.width as usize * tile.area.height as usize;
        let free = |index: usize, buffer: &Buffer| {
            buffer.fence.is_none_or(|fence| display.has_reached(fence))
                && fresh.iter().all(|painted| painted.buffer != index)
                // One that is far too large is left to those who need it.
                && (pixels..=pixels.saturating_mul(4)).contains(&buffer.memory.len())
        };
        let best = (self.buffers.iter().enumerate())
            .filter(|(index, buffer)| free(*index, buffer))
            .min_by_key(|(_, buffer)| buffer.memory.len())
            .map(|(index, _)| index);
        let index = match best {
            Some(index) => index,
            None => self.add_buffer(display, pixels)?,
        };
        let buffer = &mut self.buffers[index];
        buffer.used = Instant::now();
        let bitmap = pictures.get(tile.slot).map(|shown| &shown.bitmap);
        let mut canvas = Canvas {
            pixels: &mut buffer.memory.pixels_mut()[..pixels],
            width: tile.area.width,
            height: tile.area.height,
        };
        self.rasterizer.paint(&mut canvas, bitmap, tile.fit, &tile.rectangles);
        Some(index)
    }

    fn add_buffer(&mut self, display: &Display, pixels: usize) -> Option<usize> {
        let total: usize = self.buffers.iter().map(|buffer| buffer.memory.len()).sum();
        let memory = if total.saturating_add(pixels) <= MOST_PIXELS {
            Memory::new(display, pixels)
        } else {
            Err(format!("{total} pixels wait for the X server"))
        };
        match memory {
            Ok(memory) => {
                self.out_of_memory = false;
                self.buffers.push(Buffer { memory, fence: None, used: Instant::now() });
                Some(self.buffers.len() - 1)
            }
            Err(error) => {
                if !self.out_of_memory {
                    warn!(error, pixels, "no memory to paint in; pictures are dropped");
                }
                self.out_of_memory = true;
                None
            }
        }
    }

    /// Gives back what has not been used for a while.
    fn drop_unused(&mut self, display: &Display) -> Result<(), ConnectionError> {
        let (unused, kept) = std::mem::take(&mut self.buffers).into_iter().partition(|buffer| {
            buffer.used.elapsed() >= KEEP && buffer.fence.is_none_or(|fence| display.has_reached(fence))
        });
        self.buffers = kept;
        let unused: Vec<Buffer> = unused;
        for buffer in unused {
            if let Memory::Shared(_, id) = buffer.memory {
                display.conn.shm_detach(id)?;
            }
        }
        Ok(())
    }
}

impl Memory {
    fn new(display: &Display, pixels: usize) -> Result<Self, String> {
        if !display.shared_memory {
            return Ok(Self::Own(vec![0; pixels]));
        }
        let (segment, id) = attach(&display.conn, pixels).map_err(|error| error.to_string())?;
        Ok(Self::Shared(segment, id))
    }

    fn len(&self) -> usize {
        match self {
            Self::Shared(segment, _) => segment.len(),
            Self::Own(pixels) => pixels.len(),
        }
    }

    fn pixels_mut(&mut self) -> &mut [u32] {
        match self {
            Self::Shared(segment, _) => segment.pixels_mut(),
            Self::Own(pixels) => pixels,
        }
    }

    /// Has the server copy the tile into a window.
    fn put(&self, display: &Display, drawable: Drawable, area: PixelRect) -> Result<(), ConnectionError> {
        let (conn, gc, depth) = (&display.conn, display.gc, display.screen.root_depth);
        // X11 has 16 bits for sizes and places, and no larger windows.
        let (x, y) = (area.x as i16, area.y as i16);
        let (width, height) = (area.width as u16, area.height as u16);
        match self {
            Self::Shared(_, id) => {
                let format = u8::from(ImageFormat::Z_PIXMAP);
                conn.shm_put_image(
                    drawable, gc, width, height, 0, 0, width, height, x, y, depth, format, false, *id, 0,
                )?;
            }
            Self::Own(pixels) => {
                // As many rows at a time as one request can hold.
                let row_bytes = area.width as usize * size_of::<u32>();
                let rows = (conn.maximum_request_bytes().saturating_sub(64) / row_bytes.max(1)).max(1);
                let all = &pixels[..area.width as usize * area.height as usize];
                for (index, part) in all.chunks(rows * area.width as usize).enumerate() {
                    let bytes: Vec<u8> = part.iter().flat_map(|pixel| pixel.to_ne_bytes()).collect();
                    let part_rows = (part.len() / area.width as usize) as u16;
                    let top = y.saturating_add((index * rows) as i16);
                    conn.put_image(
                        ImageFormat::Z_PIXMAP,
                        drawable,
                        gc,
                        width,
                        part_rows,
                        x,
                        top,
                        0,
                        depth,
                        &bytes,
                    )?;
                }
            }
        }
        Ok(())
    }
}

/// Makes memory that the server maps too. Whether it could is not waited for.
pub(super) fn attach(conn: &RustConnection, pixels: usize) -> Result<(Segment, Seg), ReplyOrIdError> {
    let (segment, fd) = Segment::new(pixels).map_err(ConnectionError::from)?;
    let id = conn.generate_id()?;
    conn.shm_attach_fd(id, fd, true)?;
    Ok((segment, id))
}

/// Whether two tiles have the same pixels, wherever they are.
fn shows_the_same(a: &Tile, b: &Tile) -> bool {
    a.slot == b.slot
        && (a.area.width, a.area.height, a.fit) == (b.area.width, b.area.height, b.fit)
        && (Arc::ptr_eq(&a.rectangles, &b.rectangles) || a.rectangles == b.rectangles)
}

/// All buffers together: 512 MiB, several times what the largest wall of screens needs.
const MOST_PIXELS: usize = 128 << 20;

/// Buffers that have not been used for so long are given back.
const KEEP: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use valkka_core::bitmap::{Bitmap, ColorRange, ColorSpec, PixelFormat};
    use valkka_core::stream::Slot;
    use valkka_testkit::{require, wait, watchdog::Watchdog, xvfb};

    use super::*;
    use crate::layout::Fit;
    use crate::window::WindowOptions;

    /// A server that cannot see our memory gets the pixels in several requests.
    #[test]
    fn without_shared_memory_pixels_go_through_the_connection() {
        require!(xvfb::available());
        let _watchdog = Watchdog::start(Duration::from_secs(300));
        let (width, height) = (2100, 2100);
        let server = xvfb::Display::with_screens(&[(width, height)]).unwrap();
        let mut display = Display::open(Some(server.name())).unwrap();
        assert!(display.shared_memory, "the server runs on this machine");
        display.shared_memory = false;
        assert!(display.conn.maximum_request_bytes() < (width * height * 4) as usize, "one request will do");
        let mut windows = Windows::default();
        let options = WindowOptions { width, height, ..WindowOptions::default() };
        let window = windows.create(&display, &options).unwrap().id;
        let slot = Slot::new(1);
        let mut pictures = Pictures::default();
        let color = ColorSpec { range: ColorRange::Full, ..ColorSpec::default() };
        let rows: Vec<u8> = (0..25).map(|i| 50 + i / 5 * 40).collect();
        pictures.set_live(slot, Some(Bitmap::from_packed(PixelFormat::Gray, 5, 5, color, rows).unwrap()));
        let area = PixelRect::of_size(width, height);
        let tile = Tile { slot, area, fit: Fit::Fill, rectangles: [].into(), changed: true };
        let painting = Painting { window, size: (width, height), clear: true, tiles: vec![tile] };
        let mut painter = PutPainter::default();
        wait::until(Duration::from_secs(60), "the picture", || {
            let done = painter.paint(&mut display, &windows, vec![painting.clone()], &pictures).unwrap();
            display.conn.flush().unwrap();
            while let Some(event) = display.conn.poll_for_event().unwrap() {
                if let x11rb::protocol::Event::ClientMessage(message) = event {
                    display.take_fence(&message);
                }
            }
            let Ok(shown) = server.window_picture(window.number()) else { return false };
            !done.is_empty() && shown.pixel(0, 0) == [50; 3] && shown.pixel(2099, 2099) == [210; 3]
        });
        let shown = server.window_picture(window.number()).unwrap();
        assert_eq!(shown.pixel(1000, 1050), [130; 3]);
        assert!(painter.buffers.len() <= 2, "{} buffers", painter.buffers.len());
    }
}
