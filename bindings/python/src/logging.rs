//! The loggers of level 1: what is said of which part, and how much of it.
//!
//! The binding's own messages, which programs and people know by their wording, are said by a [`Logger`]. What the
//! crates below say by `tracing` comes out of the logger of their part too. All of it goes to the standard output of
//! the process, a line each, without the interpreter's lock: a call of Python says nothing before it has given that back.
#![expect(non_snake_case, reason = "the names are those of Python")]

use std::fmt::{self, Display, Write as _};
use std::sync::atomic::{AtomicI32, Ordering};

use pyo3::prelude::*;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, Subscriber};
use tracing::{Event, Level, Metadata};

use crate::stdout;

/// One of the loggers: a message passes if its level is the logger's or below.
pub(crate) struct Logger {
    level: AtomicI32,
}

/// Frames.
pub(crate) static FRAME: Logger = Logger::new(NORMAL);
/// Frame filters.
pub(crate) static FILTER: Logger = Logger::new(NORMAL);
/// Connections to cameras, and to those who receive from us.
pub(crate) static LIVE: Logger = Logger::new(NORMAL);
/// Threads in general.
pub(crate) static THREAD: Logger = Logger::new(NORMAL);
/// `LiveThread`.
pub(crate) static LIVE_THREAD: Logger = Logger::new(NORMAL);
/// `AVThread` and the like.
pub(crate) static AV_THREAD: Logger = Logger::new(NORMAL);
/// Decoders.
pub(crate) static DECODER: Logger = Logger::new(NORMAL);
/// The inputs of threads, and memory shared with other processes.
pub(crate) static FIFO: Logger = Logger::new(NORMAL);
/// Windows and what is drawn into them.
pub(crate) static OPENGL: Logger = Logger::new(NORMAL);
/// Files.
pub(crate) static FILE: Logger = Logger::new(NORMAL);
/// `FileThread`.
pub(crate) static FILE_THREAD: Logger = Logger::new(NORMAL);
/// Cameras on USB.
pub(crate) static USB: Logger = Logger::new(NORMAL);
/// ValkkaFS.
pub(crate) static FS: Logger = Logger::new(NORMAL);
/// FFmpeg's own words. Not one of the thirteen: FFmpeg's function sets it.
static FFMPEG: Logger = Logger::new(NORMAL);

impl Logger {
    const fn new(level: i32) -> Self {
        Self { level: AtomicI32::new(level) }
    }

    /// Says what keeps something from working, unless all is to be quiet.
    pub(crate) fn fatal(&self, message: impl Display) {
        self.say(FATAL, message);
    }

    /// Says what users should know.
    pub(crate) fn normal(&self, message: impl Display) {
        self.say(NORMAL, message);
    }

    /// Says what helps to find a fault.
    pub(crate) fn debug(&self, message: impl Display) {
        self.say(DEBUG, message);
    }

    /// Whether a message of `level` passes.
    fn admits(&self, level: i32) -> bool {
        level <= self.level.load(Ordering::Relaxed)
    }

    fn say(&self, level: i32, message: impl Display) {
        if self.admits(level) {
            stdout::line(message);
        }
    }

    fn set(&self, level: i32) {
        self.level.store(level, Ordering::Relaxed);
    }
}

/// Adds the functions that set levels, and has the crates below say what they have to say by the loggers.
pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    add_setters(module)?;
    module.add_function(wrap_pyfunction!(crazy_log_all, module)?)?;
    module.add_function(wrap_pyfunction!(debug_log_all, module)?)?;
    module.add_function(wrap_pyfunction!(normal_log_all, module)?)?;
    module.add_function(wrap_pyfunction!(fatal_log_all, module)?)?;
    module.add_function(wrap_pyfunction!(quiet_log_all, module)?)?;
    module.add_function(wrap_pyfunction!(ffmpeg_av_log_set_level, module)?)?;
    // Whoever has put a subscriber in our place already reads there what we would say.
    let _ = tracing::subscriber::set_global_default(Lines);
    Ok(())
}

/// The functions that set one logger each.
macro_rules! setters {
    ($($function:ident: $logger:ident),* $(,)?) => {
        $(
            /// Sets how much is said of this part: -3 nothing, -2 what keeps it from working, 0 what users should
            /// know, 2 what helps to find faults, 3 what happens all the time.
            #[pyfunction]
            fn $function(level: i32) {
                set(&[&$logger], level);
            }
        )*

        /// All thirteen.
        static ALL: &[&Logger] = &[$(&$logger),*];

        fn add_setters(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($function, module)?)?;)*
            Ok(())
        }
    };
}

setters! {
    setLogLevel_framelogger: FRAME,
    setLogLevel_filterlogger: FILTER,
    setLogLevel_livelogger: LIVE,
    setLogLevel_threadlogger: THREAD,
    setLogLevel_livethreadlogger: LIVE_THREAD,
    setLogLevel_avthreadlogger: AV_THREAD,
    setLogLevel_decoderlogger: DECODER,
    setLogLevel_fifologger: FIFO,
    setLogLevel_opengllogger: OPENGL,
    setLogLevel_filelogger: FILE,
    setLogLevel_filethreadlogger: FILE_THREAD,
    setLogLevel_usblogger: USB,
    setLogLevel_valkkafslogger: FS,
}

/// Says everything.
#[pyfunction]
fn crazy_log_all() {
    set(ALL, CRAZY);
}

/// Says what helps to find faults.
#[pyfunction]
fn debug_log_all() {
    set(ALL, DEBUG);
}

/// Says what users should know, as at first.
#[pyfunction]
fn normal_log_all() {
    set(ALL, NORMAL);
}

/// Says only what keeps something from working.
#[pyfunction]
fn fatal_log_all() {
    set(ALL, FATAL);
}

/// Says nothing.
#[pyfunction]
fn quiet_log_all() {
    set(ALL, QUIET);
}

/// Sets which of its own words FFmpeg says, by FFmpeg's numbers: errors and warnings from 16 on, the rest from 32 on.
/// At first it says none.
#[pyfunction]
fn ffmpeg_av_log_set_level(level: i32) {
    const AV_LOG_ERROR: i32 = 16;
    const AV_LOG_INFO: i32 = 32;
    let level = match level {
        ..AV_LOG_ERROR => NORMAL,
        AV_LOG_ERROR..AV_LOG_INFO => DEBUG,
        AV_LOG_INFO.. => CRAZY,
    };
    set(&[&FFMPEG], level);
}

fn set(loggers: &[&Logger], level: i32) {
    loggers.iter().for_each(|logger| logger.set(level));
    // Messages that do not pass cost nothing, for whether they do is kept where they are made.
    tracing::callsite::rebuild_interest_cache();
}

const QUIET: i32 = -3;
const FATAL: i32 = -2;
const NORMAL: i32 = 0;
const DEBUG: i32 = 2;
const CRAZY: i32 = 3;

/// The loggers of our modules, by how the modules' names start; the more exact ones come first.
const TARGETS: &[(&str, &Logger)] = &[
    ("valkka_core::queue", &FIFO),
    ("valkka_core::worker", &THREAD),
    ("valkka_core", &FILTER),
    ("valkka_net", &LIVE),
    ("valkka_av::ffi::log", &FFMPEG),
    ("valkka_av::source", &LIVE),
    ("valkka_av::file", &FILE),
    ("valkka_av::frag", &FILE),
    ("valkka_av::muxer", &FILE),
    ("valkka_av::recorder", &FILE),
    ("valkka_av::capture", &USB),
    ("valkka_av", &DECODER),
    ("valkka_render", &OPENGL),
    ("valkka_shm", &FIFO),
    ("valkka_store", &FS),
    ("valkka::graph::block_store", &FS),
    ("valkka::graph::cache", &FILE_THREAD),
    ("valkka::graph::decoder", &AV_THREAD),
    ("valkka::graph::file", &FILE_THREAD),
    ("valkka::graph::live", &LIVE_THREAD),
    ("valkka::graph::scale", &FILTER),
    ("valkka::graph::screen", &OPENGL),
    ("valkka::graph::shared", &FIFO),
    ("valkka::graph::store", &FS),
    ("valkka::graph::usb", &USB),
    ("valkka", &THREAD),
];

/// The logger that a message from the module `target` comes out of, if it is one of ours.
///
/// Other libraries warn of a camera's odd packets, and of much more: what matters of that, we say ourselves.
fn logger_of(target: &str) -> Option<&'static Logger> {
    TARGETS.iter().find(|(module, _)| target.starts_with(module)).map(|&(_, logger)| logger)
}

fn level_of(metadata: &Metadata<'_>) -> i32 {
    match *metadata.level() {
        // The inputs of threads say it themselves, in the words that users know.
        Level::WARN if metadata.target() == "valkka_core::queue" => DEBUG,
        Level::ERROR => FATAL,
        Level::WARN | Level::INFO => NORMAL,
        Level::DEBUG => DEBUG,
        Level::TRACE => CRAZY,
    }
}

/// Prints what the crates below say.
struct Lines;

impl Subscriber for Lines {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && logger_of(metadata.target()).is_some_and(|logger| logger.admits(level_of(metadata)))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let loggers = ALL.iter().copied().chain([&FFMPEG]);
        let highest = loggers.map(|logger| logger.level.load(Ordering::Relaxed)).max();
        Some(match highest.unwrap_or(NORMAL) {
            CRAZY.. => LevelFilter::TRACE,
            DEBUG.. => LevelFilter::DEBUG,
            NORMAL.. => LevelFilter::INFO,
            FATAL.. => LevelFilter::ERROR,
            _ => LevelFilter::OFF,
        })
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        stdout::line(line);
    }

    // There are no spans, for none is enabled.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The text of an event: its message, and its fields behind it.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Line {
    fn put(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => self.message.write_fmt(value),
            name => write!(self.fields, " {name}={value}"),
        };
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format_args!("{value:?}"));
    }
}

impl Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.message, self.fields)
    }
}
