//! ValkkaFS: recordings of many streams in blocks of one pre-reserved file or partition.
//!
//! A store consists of [blocks](Geometry) that are written one after the other, and again from the oldest when all are
//! full. A block holds [`Record`]s: packets, the parameters that they need, and gaps with their reasons. [`BlockReader`]
//! takes them out of the bytes of a block, of this program's format or of the older one, and reports what is rotten or
//! torn as [`Damage`] before it goes on behind it.
//!
//! ```
//! use bytes::Bytes;
//! use valkka_core::time::WallTime;
//! use valkka_store::format::{BlockHeader, write_gap};
//! use valkka_store::{BlockReader, Gap, Record, StreamId};
//!
//! let header = BlockHeader { sequence: 7, lane: 1, created: WallTime::from_micros(0) };
//! let gap = Gap { from: WallTime::from_micros(1), to: WallTime::from_micros(9), reason: "disk full".into() };
//! let mut block = header.encode().to_vec();
//! write_gap(&mut block, 7, StreamId::new(1).ok_or("zero")?, &gap);
//! block.resize(4096, 0);
//!
//! let mut records = BlockReader::new(0, Bytes::from(block), None);
//! assert_eq!(records.sequence(), Some(7));
//! assert!(matches!(records.next(), Some(Ok(Record::Gap { gap: found, .. })) if found == gap));
//! assert!(records.next().is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The bytes are described in `docs/store-format.md`, and written and read in [`mod@format`].
#![forbid(unsafe_code)]

mod check;
mod codecs;
mod contents;
mod cursor;
mod damage;
mod directory;
mod error;
pub mod format;
mod geometry;
pub mod medium;
mod reader;
mod record;
mod recovery;
mod store;
mod table;
#[cfg(test)]
mod testing;
mod times;
mod upgrade;
mod walk;
mod writer;

pub use check::{CheckOptions, CheckProgress, Finding, Outcome, Place, Report, check};
pub use cursor::{Cursor, Entry, Overview, Stretch};
pub use damage::{Damage, DamageReason};
pub use directory::partition_uuid;
pub use error::StoreError;
pub use geometry::{BadGeometry, Geometry};
pub use reader::BlockReader;
pub use record::{Gap, Record, StreamId};
pub use store::{Store, StoreFiles, StoreOptions, StreamSummary};
pub use table::Format;
pub use upgrade::upgrade;
pub use writer::{Lane, Retention, Retentions, Writer, WriterEvent, WriterOptions, WriterState, WriterStats};
