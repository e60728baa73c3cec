//! Painting with OpenGL ES 3.
//!
//! The planes of a picture are uploaded once, as textures; a shader converts them while they are drawn, into
//! as many windows as show the slot. Whole windows are drawn: after a swap, nothing of the last drawing can be
//! relied on.
#![allow(unsafe_code, reason = "OpenGL is a library of C")]

use std::collections::BTreeMap;

use glow::HasContext as _;
use tracing::{trace, warn};
use valkka_core::bitmap::{Bitmap, PixelFormat};
use valkka_core::stream::Slot;

use super::egl::Egl;
use super::window::Windows;
use crate::color::Conversion;
use crate::layout::{PixelRect, Placement};
use crate::pictures::{Pictures, Shown};
use crate::raster::chroma_divisors;
use crate::scene::{Painting, Tile, WindowId};

/// Draws by OpenGL, on the thread that made it.
///
/// SAFETY of the calls to OpenGL below, unless said otherwise: the context is current on this thread (it is
/// made current by [`Egl::open`] and never released before the drop), the objects belong to it, and calls
/// without pointers cannot do worse than set an error flag.
pub(super) struct GlPainter {
    gl: glow::Context,
    program: glow::Program,
    uniforms: Uniforms,
    vertices: glow::VertexArray,
    /// Where pictures wait for a graphics processor to fetch them; `None` where the CPU plays one, for which
    /// it would be one copy more.
    upload: Option<glow::Buffer>,
    textures: BTreeMap<Slot, Textures>,
    largest: u32,
    renderer: String,
    too_large: bool,
    /// Last: the objects above belong to its context.
    egl: Egl,
}

struct Uniforms {
    source: Option<glow::UniformLocation>,
    chroma_scale: Option<glow::UniformLocation>,
    kind: Option<glow::UniformLocation>,
    offset: Option<glow::UniformLocation>,
    matrix: Option<glow::UniformLocation>,
}

/// A picture on the graphics processor.
struct Textures {
    planes: Vec<glow::Texture>,
    format: PixelFormat,
    size: (u32, u32),
    conversion: Conversion,
    serial: u64,
}

impl GlPainter {
    /// Opens OpenGL for windows with this visual of a display's screen.
    pub(super) fn open(display: &str, screen: usize, visual: u32) -> Result<Self, String> {
        let egl = Egl::open(display, screen, visual)?;
        // SAFETY: the functions come from the context that is current.
        let gl = unsafe { glow::Context::from_loader_function(|name| egl.function(name)) };
        // SAFETY: see the type.
        let (renderer, largest) = unsafe {
            (gl.get_parameter_string(glow::RENDERER), gl.get_parameter_i32(glow::MAX_TEXTURE_SIZE))
        };
        let program = link(&gl)?;
        // SAFETY: see the type.
        unsafe {
            let uniform = |name| gl.get_uniform_location(program, name);
            let uniforms = Uniforms {
                source: uniform("source"),
                chroma_scale: uniform("chroma_scale"),
                kind: uniform("kind"),
                offset: uniform("offset"),
                matrix: uniform("matrix"),
            };
            let vertices = gl.create_vertex_array()?;
            gl.bind_vertex_array(Some(vertices));
            gl.use_program(Some(program));
            for (unit, name) in (0..).zip(["plane0", "plane1", "plane2"]) {
                gl.uniform_1_i32(uniform(name).as_ref(), unit);
            }
            gl.disable(glow::DITHER);
            gl.pixel_store_i32(glow::UNPACK_ALIGNMENT, 1);
            let mut painter = Self {
                gl,
                program,
                uniforms,
                vertices,
                upload: None,
                textures: BTreeMap::new(),
                largest: u32::try_from(largest).unwrap_or_default(),
                renderer,
                too_large: false,
                egl,
            };
            if !painter.is_software() {
                painter.upload = Some(painter.gl.create_buffer()?);
            }
            Ok(painter)
        }
    }

    /// What draws, in its own words.
    pub(super) fn renderer(&self) -> &str {
        &self.renderer
    }

    /// Whether the CPU plays the graphics processor.
    pub(super) fn is_software(&self) -> bool {
        let name = self.renderer.to_lowercase();
        SOFTWARE.iter().any(|software| name.contains(software))
    }

    /// Draws all of `paintings`; returns the windows that show what they should.
    pub(super) fn paint(
        &mut self,
        windows: &Windows,
        paintings: Vec<Painting>,
        pictures: &Pictures,
    ) -> Vec<WindowId> {
        self.egl.drain();
        self.egl.retain(|window| windows.is_canvas(window));
        self.textures_of_the_living(pictures);
        let mut done = Vec::with_capacity(paintings.len());
        for painting in paintings {
            let Some(canvas) = windows.drawable(painting.window) else { continue };
            if let Err(reason) = self.egl.bind(canvas) {
                // Gone, most likely, and the event that says so is on its way.
                trace!(reason, canvas, "cannot draw in a window");
                continue;
            }
            let size = self.egl.size(canvas).unwrap_or(painting.size);
            self.draw(&painting, size, pictures);
            if let Err(reason) = self.egl.swap(canvas) {
                trace!(reason, canvas, "cannot show a window");
                continue;
            }
            // A window that was just resized is drawn once more when OpenGL knows its size.
            if size == painting.size {
                done.push(painting.window);
            }
        }
        done
    }

    fn draw(&mut self, painting: &Painting, size: (u32, u32), pictures: &Pictures) {
        self.fill(&PixelRect::of_size(size.0, size.1), size, [0; 3]);
        for tile in &painting.tiles {
            self.draw_tile(tile, size, pictures);
        }
    }

    fn draw_tile(&mut self, tile: &Tile, size: (u32, u32), pictures: &Pictures) {
        let shown = pictures.get(tile.slot).filter(|shown| self.fits(&shown.bitmap));
        let Some(shown) = shown else {
            self.fill(&tile.area, size, [0; 3]);
            return;
        };
        if self.textures.get(&tile.slot).is_none_or(|textures| textures.serial != shown.serial) {
            self.upload(tile.slot, shown);
        }
        let Some(textures) = self.textures.get(&tile.slot) else { return };
        let placement = Placement::new(textures.size, (tile.area.width, tile.area.height), tile.fit);
        let in_window = |rect: &PixelRect| PixelRect {
            x: rect.x.saturating_add(tile.area.x),
            y: rect.y.saturating_add(tile.area.y),
            ..*rect
        };
        let target = in_window(&placement.target);
        if target != tile.area {
            self.fill(&tile.area, size, [0; 3]);
        }
        let (x, y, width, height) = flipped(&target, size);
        let [left, top, columns, rows] = placement.source;
        let (picture_width, picture_height) = (textures.size.0 as f32, textures.size.1 as f32);
        let (across, down) = chroma_divisors(textures.format);
        // Of an odd number of columns, the last chroma sample covers one more than there is.
        let covered = |pixels: u32, divisor: u32| (pixels.div_ceil(divisor) * divisor) as f32;
        let chroma_scale = [
            picture_width / covered(textures.size.0, across),
            picture_height / covered(textures.size.1, down),
        ];
        let Conversion { offset, matrix } = textures.conversion;
        // OpenGL takes columns.
        let columns_first: Vec<f32> = (0..3).flat_map(|column| matrix.map(|row| row[column])).collect();
        let gl = &self.gl;
        // SAFETY: see the type; the slices live through the calls.
        unsafe {
            for (unit, &plane) in (0..).zip(&textures.planes) {
                gl.active_texture(glow::TEXTURE0 + unit);
                gl.bind_texture(glow::TEXTURE_2D, Some(plane));
            }
            gl.viewport(x, y, width, height);
            gl.uniform_4_f32(
                self.uniforms.source.as_ref(),
                left / picture_width,
                top / picture_height,
                columns / picture_width,
                rows / picture_height,
            );
            gl.uniform_2_f32_slice(self.uniforms.chroma_scale.as_ref(), &chroma_scale);
            gl.uniform_1_i32(self.uniforms.kind.as_ref(), kind(textures.format));
            gl.uniform_3_f32_slice(self.uniforms.offset.as_ref(), &offset);
            gl.uniform_matrix_3_f32_slice(self.uniforms.matrix.as_ref(), false, &columns_first);
            gl.draw_arrays(glow::TRIANGLE_STRIP, 0, 4);
        }
        for rectangle in tile.rectangles.iter() {
            for bar in rectangle.outline(&placement) {
                self.fill(&in_window(&bar), size, rectangle.color);
            }
        }
    }

    /// Fills a rectangle of a window.
    fn fill(&self, rect: &PixelRect, size: (u32, u32), color: [u8; 3]) {
        if rect.is_empty() {
            return;
        }
        let (x, y, width, height) = flipped(rect, size);
        let [red, green, blue] = color.map(|value| f32::from(value) / 255.0);
        // SAFETY: see the type.
        unsafe {
            self.gl.enable(glow::SCISSOR_TEST);
            self.gl.scissor(x, y, width, height);
            self.gl.clear_color(red, green, blue, 1.0);
            self.gl.clear(glow::COLOR_BUFFER_BIT);
            self.gl.disable(glow::SCISSOR_TEST);
        }
    }

    /// Whether OpenGL takes pictures of this size; says so once if not.
    fn fits(&mut self, bitmap: &Bitmap) -> bool {
        let (width, height) = (bitmap.width(), bitmap.height());
        let fits = (1..=self.largest).contains(&width) && (1..=self.largest).contains(&height);
        if !fits && !self.too_large {
            warn!(width, height, largest = self.largest, "a picture is too large for OpenGL; shown black");
            self.too_large = true;
        }
        fits
    }

    fn upload(&mut self, slot: Slot, shown: &Shown) {
        let bitmap = &shown.bitmap;
        let (format, size) = (bitmap.format(), (bitmap.width(), bitmap.height()));
        let reusable = |textures: &Textures| (textures.format, textures.size) == (format, size);
        if !self.textures.get(&slot).is_some_and(reusable) {
            if let Some(old) = self.textures.remove(&slot) {
                self.delete(&old);
            }
            let planes = (0..format.planes()).map_while(|plane| self.new_texture(bitmap, plane)).collect();
            let conversion = Conversion::new(bitmap.color());
            self.textures.insert(slot, Textures { planes, format, size, conversion, serial: 0 });
        }
        let Some(mut textures) = self.textures.remove(&slot) else { return };
        for (plane, &texture) in textures.planes.iter().enumerate() {
            self.upload_plane(texture, bitmap, plane);
        }
        textures.serial = shown.serial;
        textures.conversion = Conversion::new(bitmap.color());
        self.textures.insert(slot, textures);
    }

    fn new_texture(&self, bitmap: &Bitmap, plane: usize) -> Option<glow::Texture> {
        let (width, height) = texture_size(bitmap, plane);
        let format = if bitmap.format() == PixelFormat::Rgb24 { glow::RGB8 } else { glow::R8 };
        let gl = &self.gl;
        // SAFETY: see the type.
        unsafe {
            let texture = gl.create_texture().ok()?;
            gl.bind_texture(glow::TEXTURE_2D, Some(texture));
            gl.tex_storage_2d(glow::TEXTURE_2D, 1, format, width, height);
            for filter in [glow::TEXTURE_MIN_FILTER, glow::TEXTURE_MAG_FILTER] {
                gl.tex_parameter_i32(glow::TEXTURE_2D, filter, glow::LINEAR.cast_signed());
            }
            for wrap in [glow::TEXTURE_WRAP_S, glow::TEXTURE_WRAP_T] {
                gl.tex_parameter_i32(glow::TEXTURE_2D, wrap, glow::CLAMP_TO_EDGE.cast_signed());
            }
            Some(texture)
        }
    }

    fn upload_plane(&self, texture: glow::Texture, bitmap: &Bitmap, index: usize) {
        let plane = bitmap.plane(index);
        let (row_bytes, rows) = bitmap.format().plane_size(index, bitmap.width(), bitmap.height());
        let (width, height) = texture_size(bitmap, index);
        let (format, pixel_bytes) =
            if bitmap.format() == PixelFormat::Rgb24 { (glow::RGB, 3) } else { (glow::RED, 1) };
        // OpenGL trusts these numbers, so they are not taken on trust from whoever made the picture.
        let needed = plane.stride_bytes * rows.saturating_sub(1) + row_bytes;
        if rows == 0 || plane.data.len() < needed || plane.stride_bytes < row_bytes {
            return;
        }
        let gl = &self.gl;
        let sub_image = |stride_pixels: usize, y: i32, height: i32, data: glow::PixelUnpackData<'_>| {
            // SAFETY: see the type. OpenGL reads `height` rows, `stride_pixels` apart (0: without gaps), of
            // `width` pixels each, which the caller has checked to be there.
            unsafe {
                gl.pixel_store_i32(glow::UNPACK_ROW_LENGTH, i32::try_from(stride_pixels).unwrap_or_default());
                gl.tex_sub_image_2d(
                    glow::TEXTURE_2D,
                    0,
                    0,
                    y,
                    width,
                    height,
                    format,
                    glow::UNSIGNED_BYTE,
                    data,
                );
            }
        };
        // SAFETY: see the type.
        unsafe {
            gl.active_texture(glow::TEXTURE0);
            gl.bind_texture(glow::TEXTURE_2D, Some(texture));
        }
        if let Some(buffer) = self.upload
            && self.fill_upload_buffer(buffer, plane.data, plane.stride_bytes, row_bytes, rows)
        {
            sub_image(0, 0, height, glow::PixelUnpackData::BufferOffset(0));
            // SAFETY: see the type.
            unsafe { gl.bind_buffer(glow::PIXEL_UNPACK_BUFFER, None) };
        } else if plane.stride_bytes.is_multiple_of(pixel_bytes) {
            let data = glow::PixelUnpackData::Slice(Some(&plane.data[..needed]));
            sub_image(plane.stride_bytes / pixel_bytes, 0, height, data);
        } else {
            for (y, row) in (0..).zip(plane.data.chunks(plane.stride_bytes).take(rows)) {
                sub_image(0, y, 1, glow::PixelUnpackData::Slice(Some(&row[..row_bytes])));
            }
        }
    }

    /// Copies rows without gaps into memory that the graphics processor fetches from by itself, and leaves it
    /// bound. Returns whether it could; if not, nothing is bound.
    fn fill_upload_buffer(
        &self,
        buffer: glow::Buffer,
        data: &[u8],
        stride: usize,
        row_bytes: usize,
        rows: usize,
    ) -> bool {
        let gl = &self.gl;
        let Ok(bytes) = i32::try_from(row_bytes * rows) else { return false };
        // SAFETY: see the type. The mapping is as long as asked for, is written to before it is unmapped, and
        // belongs to nobody else: `buffer_data_size` gave the buffer new memory.
        unsafe {
            gl.bind_buffer(glow::PIXEL_UNPACK_BUFFER, Some(buffer));
            gl.buffer_data_size(glow::PIXEL_UNPACK_BUFFER, bytes, glow::STREAM_DRAW);
            let access = glow::MAP_WRITE_BIT | glow::MAP_INVALIDATE_BUFFER_BIT;
            let mapped = gl.map_buffer_range(glow::PIXEL_UNPACK_BUFFER, 0, bytes, access);
            if !mapped.is_null() {
                let to = std::slice::from_raw_parts_mut(mapped, bytes as usize);
                for (to, from) in to.chunks_exact_mut(row_bytes).zip(data.chunks(stride)) {
                    to.copy_from_slice(&from[..row_bytes]);
                }
                gl.unmap_buffer(glow::PIXEL_UNPACK_BUFFER);
                return true;
            }
            gl.bind_buffer(glow::PIXEL_UNPACK_BUFFER, None);
        }
        false
    }

    /// Deletes the textures of slots that show nothing any more.
    fn textures_of_the_living(&mut self, pictures: &Pictures) {
        let dead: Vec<Slot> =
            self.textures.keys().copied().filter(|&slot| pictures.get(slot).is_none()).collect();
        for slot in dead {
            if let Some(textures) = self.textures.remove(&slot) {
                self.delete(&textures);
            }
        }
    }

    fn delete(&self, textures: &Textures) {
        for &plane in &textures.planes {
            // SAFETY: see the type.
            unsafe { self.gl.delete_texture(plane) };
        }
    }
}

impl Drop for GlPainter {
    fn drop(&mut self) {
        for textures in std::mem::take(&mut self.textures).values() {
            self.delete(textures);
        }
        // SAFETY: see the type.
        unsafe {
            if let Some(buffer) = self.upload {
                self.gl.delete_buffer(buffer);
            }
            self.gl.delete_vertex_array(self.vertices);
            self.gl.delete_program(self.program);
        }
    }
}

fn link(gl: &glow::Context) -> Result<glow::Program, String> {
    // SAFETY: as for the calls of `GlPainter`.
    unsafe {
        let program = gl.create_program()?;
        for (kind, source) in [(glow::VERTEX_SHADER, VERTEX_SHADER), (glow::FRAGMENT_SHADER, FRAGMENT_SHADER)]
        {
            let shader = gl.create_shader(kind)?;
            gl.shader_source(shader, source);
            gl.compile_shader(shader);
            if !gl.get_shader_compile_status(shader) {
                return Err(format!("a shader does not compile: {}", gl.get_shader_info_log(shader).trim()));
            }
            gl.attach_shader(program, shader);
            // It goes when the program goes.
            gl.delete_shader(shader);
        }
        gl.link_program(program);
        if !gl.get_program_link_status(program) {
            return Err(format!("the shaders do not link: {}", gl.get_program_info_log(program).trim()));
        }
        Ok(program)
    }
}

/// Width and height of a plane in pixels.
fn texture_size(bitmap: &Bitmap, plane: usize) -> (i32, i32) {
    let (row_bytes, rows) = bitmap.format().plane_size(plane, bitmap.width(), bitmap.height());
    let columns = if bitmap.format() == PixelFormat::Rgb24 { row_bytes / 3 } else { row_bytes };
    (i32::try_from(columns).unwrap_or_default(), i32::try_from(rows).unwrap_or_default())
}

/// x, y, width and height as OpenGL counts them: from the bottom of a window of this size.
fn flipped(rect: &PixelRect, (_, height): (u32, u32)) -> (i32, i32, i32, i32) {
    let (columns, rows) = (rect.width as i32, rect.height as i32);
    (rect.x, (height as i32).saturating_sub(rect.y).saturating_sub(rows), columns, rows)
}

/// The `kind` of the fragment shader.
fn kind(format: PixelFormat) -> i32 {
    match format {
        PixelFormat::Rgb24 => 0,
        PixelFormat::Gray => 1,
        _ => 2,
    }
}

/// Parts of the names of renderers that run on the CPU.
const SOFTWARE: [&str; 5] = ["llvmpipe", "softpipe", "swrast", "software", "swiftshader"];

/// Four corners without any data: the picture's upper left corner comes first.
const VERTEX_SHADER: &str = "#version 300 es
precision highp float;
uniform vec4 source;
uniform vec2 chroma_scale;
out vec2 at;
out vec2 chroma_at;
void main() {
    vec2 corner = vec2(float(gl_VertexID & 1), float(gl_VertexID >> 1));
    at = source.xy + corner * source.zw;
    chroma_at = at * chroma_scale;
    gl_Position = vec4(corner.x * 2.0 - 1.0, 1.0 - corner.y * 2.0, 0.0, 1.0);
}
";

const FRAGMENT_SHADER: &str = "#version 300 es
precision highp float;
uniform sampler2D plane0;
uniform sampler2D plane1;
uniform sampler2D plane2;
uniform int kind;
uniform vec3 offset;
uniform mat3 matrix;
in vec2 at;
in vec2 chroma_at;
out vec4 color;
void main() {
    if (kind == 0) {
        color = vec4(texture(plane0, at).rgb, 1.0);
        return;
    }
    vec2 chroma = vec2(128.0 / 255.0);
    if (kind == 2) {
        chroma = vec2(texture(plane1, chroma_at).r, texture(plane2, chroma_at).r);
    }
    vec3 yuv = vec3(texture(plane0, at).r, chroma);
    color = vec4(matrix * (yuv - offset), 1.0);
}
";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use valkka_core::bitmap::ColorSpec;
    use valkka_testkit::{require, wait, watchdog::Watchdog, xvfb};

    use super::*;
    use crate::layout::Fit;
    use crate::output::x11::display::Display;
    use crate::window::WindowOptions;

    /// The way to a real graphics processor, on one that the CPU plays.
    #[test]
    fn pictures_come_through_the_upload_buffer_too() {
        require!(xvfb::available());
        let _watchdog = Watchdog::start(Duration::from_secs(300));
        let server = xvfb::Display::spawn().unwrap();
        let display = Display::open(Some(server.name())).unwrap();
        let mut windows = Windows::default();
        let options = WindowOptions { width: 64, height: 64, ..WindowOptions::default() };
        let window = windows.create(&display, &options).unwrap().id;
        let mut painter =
            GlPainter::open(server.name(), display.screen_number, display.screen.root_visual).unwrap();
        assert!(painter.upload.is_none() && painter.is_software(), "{}", painter.renderer());
        // SAFETY: see the type.
        painter.upload = Some(unsafe { painter.gl.create_buffer() }.unwrap());

        // Each picture of another kind and size, with a colour of its own (BT.601, limited range).
        let slot = Slot::new(1);
        let cases = [
            (PixelFormat::Yuv420, [81, 90, 240], [255, 0, 0]),
            (PixelFormat::Yuv444, [41, 240, 110], [0, 0, 255]),
            (PixelFormat::Rgb24, [10, 200, 30], [10, 200, 30]),
            (PixelFormat::Gray, [126, 0, 0], [128, 128, 128]),
        ];
        for (index, (format, samples, color)) in cases.into_iter().enumerate() {
            let (width, height) = (33 + index as u32, 21);
            let data = (0..format.planes())
                .flat_map(|plane| {
                    let (row_bytes, rows) = format.plane_size(plane, width, height);
                    let rgb = format == PixelFormat::Rgb24;
                    (0..row_bytes * rows).map(move |i| if rgb { samples[i % 3] } else { samples[plane] })
                })
                .collect();
            let bitmap = Bitmap::from_packed(format, width, height, ColorSpec::default(), data).unwrap();
            let mut pictures = Pictures::default();
            // Serials differ from one picture to the next.
            (0..=index).for_each(|_| pictures.set_live(slot, Some(bitmap.clone())));
            wait::until(Duration::from_secs(60), "the picture's colour", || {
                let area = PixelRect::of_size(64, 64);
                let tile = Tile { slot, area, fit: Fit::Fill, rectangles: [].into(), changed: true };
                let painting = Painting { window, size: (64, 64), clear: true, tiles: vec![tile] };
                painter.paint(&windows, vec![painting], &pictures);
                let Ok(shown) = server.window_picture(window.number()) else { return false };
                let near = |x, y| {
                    shown.pixel(x, y).into_iter().zip(color).all(|(a, b): (u8, u8)| a.abs_diff(b) <= 3)
                };
                near(0, 0) && near(63, 0) && near(32, 32) && near(63, 63)
            });
        }
        // A picture no texture can hold is black, and does no harm.
        painter.largest = 16;
        let mut pictures = Pictures::default();
        let gray = Bitmap::from_packed(PixelFormat::Gray, 17, 1, ColorSpec::default(), vec![255; 17]);
        pictures.set_live(slot, Some(gray.unwrap()));
        let area = PixelRect::of_size(64, 64);
        let tile = Tile { slot, area, fit: Fit::Fill, rectangles: [].into(), changed: true };
        let painting = Painting { window, size: (64, 64), clear: true, tiles: vec![tile] };
        painter.paint(&windows, vec![painting], &pictures);
        wait::until(Duration::from_secs(60), "black", || {
            server.window_picture(window.number()).is_ok_and(|shown| shown.pixel(32, 32) == [0; 3])
        });
        assert!(painter.too_large);
    }
}
