//! Parts of recordings as files, without decoding anything.
//!
//! What is exported begins with the last key frame at or before the moment that was asked for, because nothing before it can
//! be decoded; what lies beyond a gap is not gone back to. It ends with the last picture before the end. All tracks that the
//! file has a place for are in it.
//!
//! [`export`] writes files, [`FragmentExport`] gives the bytes of one as they are asked for, for whoever sends them on;
//! [`find_change`] tells beforehand where that will end.
//!
//! ```no_run
//! use std::ops::ControlFlow;
//! use std::time::Duration;
//! use valkka::export::{ExportOptions, export};
//! use valkka::playback::FilePackets;
//! use valkka::time::WallTime;
//!
//! let start = WallTime::from_micros(1_795_435_200_000_000);
//! let mut recording = FilePackets::open("day.mkv", start)?;
//! let minute = start + Duration::from_secs(3600)..start + Duration::from_secs(3660);
//! let report = export(&mut recording, minute, "minute.mp4".as_ref(), &ExportOptions::default(), &mut |position| {
//!     println!("{position}");
//!     ControlFlow::Continue(())
//! })?;
//! println!("{} pictures from {} on", report.pictures, report.from);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod change;
mod error;
mod files;
mod fragments;
mod range;

pub use change::find_change;
pub use error::ExportError;
pub use files::{ExportOptions, ExportReport, Gaps, export};
pub use fragments::{AtGap, Ending, FragmentExport};
