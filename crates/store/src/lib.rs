//! ValkkaFS: recordings of many streams in blocks of one pre-reserved file or partition.
//!
//! A store consists of [blocks](Geometry) that are written one after the other, and again from the oldest when all are
//! full. A block holds [`Record`]s: packets, the parameters that they need, and gaps with their reasons.
//! What is rotten or torn is [`Damage`].
//!
//! The bytes are described in `docs/store-format.md`, and written and read in [`mod@format`]. Nothing here opens a file.
#![forbid(unsafe_code)]

mod damage;
pub mod format;
mod geometry;
mod record;

pub use damage::{Damage, DamageReason};
pub use geometry::{BadGeometry, Geometry};
pub use record::{Gap, Record, StreamId};
