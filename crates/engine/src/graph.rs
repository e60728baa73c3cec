//! Hand-wired graphs: the parts of the engine for programs that connect sources, filters and sinks themselves, and tell
//! streams apart by slots that they choose. Python's level 1 is a face over this module.
//!
//! Every part is made without a thread, a display or a connection, takes calls in any order from then on, and runs
//! between its `start` and its `stop`.

pub mod basic;
mod block_store;
pub mod cache;
mod decoder;
mod dump;
mod fd_writer;
mod file_player;
mod fork;
mod input;
pub mod live;
mod part_worker;
mod scale;
mod screen;
mod shared;
mod store_reader;
mod store_writer;
pub mod text;

pub use block_store::{BlockChange, BlockChangeKind, BlockStore, BlockTimes, KeyTime};
pub use decoder::{DecoderStage, DecoderStageOptions};
pub use dump::{PayloadFiles, PictureFiles};
pub use fd_writer::{FdNotice, FdWriter, FdWriterOptions};
pub use file_player::{FilePlayer, FilePosition, OpenedFile, PlayerError, PlayerEvent};
pub use fork::NamedFork;
pub use input::{INPUT_PATIENCE, InputNotice};
pub use scale::Scale;
pub use screen::{BackgroundError, Screen, ScreenNotice, ScreenOptions, read_background};
pub use shared::{SharedFragments, SharedPackets, SharedPictures};
pub use store_reader::{StoreReader, StoreReaderNotice};
pub use store_writer::{StoreWriter, StoreWriterError, StoreWriterNotice};
