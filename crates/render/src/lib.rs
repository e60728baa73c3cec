//! Presentation: decoded pictures of many streams in many windows, at the right moment.
//!
//! A [`Presenter`] is one thread for one X display. Decoders put [`Frame`](valkka_core::frame::Frame)s into its
//! input; each stream is known by its slot. A **window** is made here or adopted from somebody else by its id.
//! A **view** shows one slot in a part of a window; a slot may be shown in any number of views. Each slot has a
//! jitter buffer ([`schedule`]), and a placeholder for the time when its stream is dead.
//!
//! What is shown when, and where, is decided without a screen: [`schedule`] and [`layout`] are pure, and the
//! driver `null` does everything but draw.
//!
//! ```
//! use valkka_core::bitmap::{Bitmap, ColorSpec, PixelFormat};
//! use valkka_core::stream::Slot;
//! use valkka_render::{OutputKind, Presenter, PresenterOptions, ViewOptions, WindowOptions};
//!
//! // With `OutputKind::X11` this window would be seen.
//! let options = PresenterOptions { output: OutputKind::Null, ..PresenterOptions::default() };
//! let presenter = Presenter::spawn(options)?;
//! let window = presenter.create_window(WindowOptions::default())?;
//! let view = presenter.add_view(ViewOptions::new(Slot::new(1), window))?;
//!
//! // Until the stream of slot 1 comes in at `presenter.input()`, something else is shown.
//! let gray = Bitmap::from_packed(PixelFormat::Gray, 16, 9, ColorSpec::default(), vec![126; 16 * 9])?;
//! presenter.set_placeholder(Slot::new(1), Some(gray))?;
//! assert_eq!(presenter.screenshot_view(view)?.pixel(320, 180), Some([128, 128, 128]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(unsafe_code)]

mod capture;
mod color;
mod command;
mod error;
mod event;
mod image;
mod inbox;
pub mod layout;
mod output;
mod pictures;
mod png;
mod presenter;
mod raster;
mod scene;
pub mod schedule;
mod stage;
mod wake;
mod window;

pub use error::Error;
pub use event::{Event, Key};
pub use image::RgbImage;
pub use layout::{Area, Fit, Grid, Rectangle};
pub use output::{OutputKind, UnknownOutput};
pub use png::{encode_png, write_png};
pub use presenter::{ANSWER_TIMEOUT, Presenter, PresenterOptions, Rendering};
pub use scene::{ViewId, ViewOptions, WindowId};
pub use window::{Input, WindowChange, WindowOptions};
