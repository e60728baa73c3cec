//! A thread that shows streams in windows.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use valkka::graph::{Screen, ScreenNotice, ScreenOptions, read_background};
use valkka::reason::reason;
use valkka::render::schedule::{DropReason, Drops};
use valkka::render::{Error, Rectangle};

use crate::contexts::OpenGLFrameFifoContext;
use crate::filters::fifo::FifoFrameFilter;
use crate::logging::OPENGL;
use crate::native::Native;
use crate::slot::slot as slot_of;
use crate::stdout;
use crate::thread::{Control, Thread};

/// Shows streams in windows of one X display: its own windows, and those of others.
///
/// A window is made known by newRenderGroupCall, and a stream is shown in it by newRenderContextCall. Calls take effect
/// in their order, before or after the start; what cannot be done is said, and done as soon as it can be.
#[pyclass(extends = Thread, frozen, subclass, module = "valkka.core")]
pub(crate) struct OpenGLThread {
    name: String,
    screen: Native<Arc<Screen>>,
}

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl OpenGLThread {
    /// `msbuftime` milliseconds is for how long pictures wait for those that come late, and by how much later they are
    /// shown. `x_connection` is the X display, for example ":0.1"; without it, the environment says which.
    #[new]
    #[pyo3(signature = (name, fifo_ctx = None, msbuftime = 300, x_connection = ""))]
    fn py_new(
        py: Python<'_>,
        name: &str,
        fifo_ctx: Option<OpenGLFrameFifoContext>,
        msbuftime: i64,
        x_connection: &str,
    ) -> PyClassInitializer<Self> {
        if msbuftime < SHORT_BUFFERING_MS {
            py.detach(|| {
                OPENGL.normal(format_args!(
                    "OpenGLThread: {name}: WARNING: a buffering time of {msbuftime} ms is short: pictures may be late"
                ));
            });
        }
        let options = ScreenOptions {
            name: name.to_owned(),
            display: (!x_connection.is_empty()).then(|| x_connection.to_owned()),
            buffering: Duration::from_millis(u64::try_from(msbuftime).unwrap_or(0)),
            limits: fifo_ctx.unwrap_or_default().limits(),
            ..ScreenOptions::default()
        };
        let speaker = name.to_owned();
        let screen = Arc::new(Screen::new(options, move |notice| say(&speaker, &notice)));
        let (name, base) = (name.to_owned(), Thread::new(name, screen.clone()));
        PyClassInitializer::from(base).add_subclass(Self { name, screen: Native::new(screen) })
    }

    /// The filter through which pictures come in.
    fn getFrameFilter(&self, py: Python<'_>) -> PyResult<Py<FifoFrameFilter>> {
        FifoFrameFilter::of(py, self.screen.input())
    }

    /// Makes a window of 600 x 600 pixels, and returns its X id. With `map` it is seen at once; otherwise it is to be
    /// put into a window of somebody else. It goes when the thread stops.
    ///
    /// RuntimeError if the thread does not run, or the display refuses.
    #[pyo3(signature = (map = true, show = false))]
    fn createWindow(&self, py: Python<'_>, map: bool, show: bool) -> PyResult<u32> {
        // All windows can be drawn into at any time; there is none to choose.
        let _ = show;
        py.detach(|| self.screen.create_window(map)).map_err(|error| {
            let why = match error {
                valkka::Error::Render(Error::Ended) => "the thread does not run".to_owned(),
                error => reason(&error),
            };
            PyRuntimeError::new_err(format!("{}: cannot make a window: {why}", self.name))
        })
    }

    /// Tells whether streams can be shown in a window now. All windows can be drawn into at any time, so that there is
    /// nothing to choose.
    fn makeCurrent(&self, py: Python<'_>, window_id: i64) -> bool {
        py.detach(|| {
            let known = self.screen.has_window(number(window_id));
            if !known {
                self.complain("makeCurrent", format_args!("there is no window {window_id:#x}"));
            }
            known
        })
    }

    /// Shows a picture where a stream has none: raw YUV 4:2:0 of 1280 x 720 pixels, one plane behind the other.
    fn setStaticTexFile(&self, py: Python<'_>, fname: PathBuf) {
        py.detach(|| {
            let background = read_background(&fname);
            if let Err(error) = &background {
                self.complain("setStaticTexFile", error);
            }
            self.screen.set_background(background.ok());
        });
    }

    /// After how many screen refreshes pictures are shown: 0, for none is waited for.
    fn getVsyncAtStartup(&self) -> i32 {
        0
    }

    /// Makes a window known, of ours or of somebody else, as one to show streams in. It need not be there yet.
    fn newRenderGroupCall(&self, py: Python<'_>, window_id: i64) -> bool {
        py.detach(|| self.screen.add_window(number(window_id)));
        true
    }

    /// Shows nothing in a window any more.
    fn delRenderGroupCall(&self, py: Python<'_>, window_id: i64) -> bool {
        py.detach(|| self.screen.remove_window(number(window_id)));
        true
    }

    /// Shows the stream of a slot in a window, above those that are shown there already. Returns the number of the
    /// context. `z` has no meaning.
    fn newRenderContextCall(&self, py: Python<'_>, slot: i64, window_id: i64, z: i64) -> u32 {
        let _ = z;
        py.detach(|| match slot_of(slot) {
            Ok(slot) => self.screen.add_view(slot, number(window_id)),
            Err(wrong) => {
                self.complain("newRenderContext", wrong);
                0
            }
        })
    }

    /// Takes a stream out of a window.
    fn delRenderContextCall(&self, py: Python<'_>, id: i64) -> bool {
        py.detach(|| self.screen.remove_view(number(id)));
        true
    }

    /// Draws the outline of a rectangle over a context, besides those that it has. The sides are in fractions of the
    /// whole picture, from its left and from its bottom.
    fn addRectangleCall(
        &self,
        py: Python<'_>,
        id: i64,
        left: f32,
        right: f32,
        top: f32,
        bottom: f32,
    ) -> bool {
        py.detach(|| self.screen.add_rectangle(number(id), Rectangle::new(left, right, top, bottom)));
        true
    }

    /// Removes the rectangles of a context.
    fn clearObjectsCall(&self, py: Python<'_>, id: i64) -> bool {
        py.detach(|| self.screen.clear_rectangles(number(id)));
        true
    }

    /// Prints which streams are shown where.
    fn infoCall(&self, py: Python<'_>) {
        py.detach(|| self.screen.report());
    }
}

impl OpenGLThread {
    fn complain(&self, call: &str, reason: impl std::fmt::Display) {
        OPENGL.normal(format_args!("OpenGLThread: {}: {call}: {reason}", self.name));
    }
}

impl Control for Screen {
    fn start(self: Arc<Self>, affinity: Option<usize>) -> Result<(), String> {
        Self::start(&self, affinity).map_err(|error| reason(&error))
    }

    fn request_stop(&self) {
        Self::request_stop(self);
    }

    fn wait_stop(&self) {
        self.stop();
    }

    fn wait_ready(&self) {
        self.settle();
    }
}

/// The number of a window or context; 0, which none has, for what is no such number.
fn number(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(0)
}

fn say(name: &str, notice: &ScreenNotice) {
    match notice {
        ScreenNotice::Dropped(drops) => say_dropped(drops),
        ScreenNotice::State(_) => stdout::line(format_args!("OpenGLThread: {name}: {notice}")),
        ScreenNotice::NotRegistered { .. } | ScreenNotice::DisplayLost => {
            OPENGL.fatal(format_args!("OpenGLThread: {name}: {notice}"));
        }
        _ => OPENGL.normal(format_args!("OpenGLThread: {name}: {notice}")),
    }
}

/// In the words that people have learnt to look for.
fn say_dropped(drops: &Drops) {
    let Drops { slot, reason, count, wall, ahead_micros, size: (width, height) } = *drops;
    let (stamp, ahead_ms) = (wall.millis(), ahead_micros / 1000);
    let more = format!("({count} of slot {slot})");
    match reason {
        DropReason::Late => OPENGL.normal(format_args!(
            "OpenGLThread: handleFifo: DISCARDING late frame  {ahead_ms} <{stamp}> {more}"
        )),
        DropReason::TooFast => OPENGL.normal(format_args!(
            "OpenGLThread: handleFifo: feeding frames too fast, dropping, dt={} {more}",
            ahead_ms.abs()
        )),
        DropReason::TooEarly => OPENGL.normal(format_args!(
            "OpenGLThread: handleFifo: DISCARDING a frame too far in the future {ahead_ms} \
             <AVBitmapFrame: timestamp={stamp} slot={slot} / h={height}; w={width}> {more}"
        )),
        DropReason::NoRoom => OPENGL.normal(format_args!(
            "OpenGLFrameFifo: prepareAVFrame: OVERFLOW! No more frames in stack for bitmap type {} {more}",
            bitmap_type(width, height)
        )),
        _ => {}
    }
}

/// The number of the smallest of the four sizes of a context that holds a picture.
fn bitmap_type(width: u32, height: u32) -> usize {
    const LARGEST: [u64; 3] = [1280 * 720, 1920 * 1080, 3000 * 1690];
    let pixels = u64::from(width) * u64::from(height);
    LARGEST.iter().take_while(|&&largest| pixels > largest).count() + 1
}

/// With less, users are warned.
const SHORT_BUFFERING_MS: i64 = 100;
