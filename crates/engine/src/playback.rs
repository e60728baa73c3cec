//! Seeking and playing recordings.
//!
//! A recording is a [`PacketSource`]: a stream of a store ([`Cursor`](valkka_store::Cursor)), a media file ([`FilePackets`]), or
//! packets in memory ([`MemoryPackets`]). Its time is
//! the *archive time*, the moments at which its packets were recorded. A [`PictureReader`] gives what is to be seen at any
//! of them, [`Stills`] give it as JPEG files, and a [`Player`] plays several recordings in step.
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
//!
//! Two recordings in step, backward at double speed; what a `Sink` takes, windows, other processes and browsers show:
//!
//! ```no_run
//! use std::sync::Arc;
//! use valkka::playback::{FilePackets, Player, PlayerOptions, PlayerStream};
//! use valkka::sink::FnSink;
//! use valkka::stream::Slot;
//! use valkka::time::WallTime;
//!
//! let start = WallTime::from_micros(1_795_435_200_000_000);
//! let mut streams = Vec::new();
//! for (number, file) in [(1, "front.mkv"), (2, "yard.mkv")] {
//!     let source = Box::new(FilePackets::open(file, start)?);
//!     let sink = Arc::new(FnSink(|frame| println!("{frame:?}")));
//!     streams.push(PlayerStream { slot: Slot::new(number), source, sink });
//! }
//! let player = Player::new(streams, start.offset_micros(60_000_000), PlayerOptions::default())?;
//! player.set_speed(-2.0)?;
//! player.play();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod clock;
mod error;
mod player;
mod reader;
mod run;
mod source;
mod still;
mod transport;
mod view;
mod window;

pub use clock::{Clock, MonotonicClock};
pub use error::PlaybackError;
pub use player::{Gaps, Player, PlayerEvent, PlayerOptions, PlayerState, PlayerStream, Step};
pub use reader::{PictureOptions, PictureReader};
pub use source::{Entry, FilePackets, Gap, MemoryPackets, PacketSource};
pub use still::{Precision, Still, StillError, Stills};
pub use view::{Blank, Picture, View, Why};
