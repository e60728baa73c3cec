//! Seeking and playing recordings.
//!
//! A recording is a [`PacketSource`]: a media file ([`FilePackets`]), or packets in memory ([`MemoryPackets`]). Its time is
//! the *archive time*, the moments at which its packets were recorded. A [`PictureReader`] gives what is to be seen at any
//! of them.
//!
//! ```no_run
//! use std::time::Duration;
//! use valkka::playback::{FilePackets, PictureOptions, PictureReader, View};
//! use valkka::time::WallTime;
//!
//! // Its first picture was taken on 2026-11-23 at 12:00 UTC.
//! let start = WallTime::from_micros(1_795_435_200_000_000);
//! let mut reader = PictureReader::new(Box::new(FilePackets::open("footage.mkv", start)?), PictureOptions::default());
//! match reader.at(start + Duration::from_millis(61_500))? {
//!     View::Picture(picture) => {
//!         let bitmap = picture.bitmap();
//!         println!("{} x {} of {:?}", bitmap.width(), bitmap.height(), picture.from);
//!     }
//!     View::Blank(blank) => println!("nothing: {}", blank.why.words()),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod reader;
mod run;
mod source;
mod view;
mod window;

pub use error::PlaybackError;
pub use reader::{PictureOptions, PictureReader};
pub use source::{Entry, FilePackets, Gap, MemoryPackets, PacketSource};
pub use view::{Blank, Picture, View, Why};
