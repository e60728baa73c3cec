//! What is wrong with a block, and where.

use std::fmt;
use std::io;

/// Bytes of a block that are not what was written. Reading goes on behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("block {block}, byte {offset}: {reason}")]
pub struct Damage {
    /// The number of the block.
    pub block: u64,
    /// Where in the block it starts, in bytes.
    pub offset: u64,
    /// What is wrong.
    pub reason: DamageReason,
}

/// What is wrong with bytes of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DamageReason {
    /// The block does not start with a valid header of the sequence that was expected.
    BlockHeader,
    /// There is no valid record; so many bytes were passed over.
    NoRecord {
        /// Bytes to where reading goes on.
        bytes: u64,
    },
    /// The payload of a record has another check sum than was written. It is rotten, or was cut off while it was written.
    Payload,
    /// The record is whole, but its contents make no sense: a newer program may have written it.
    Contents,
    /// A packet of a track whose parameters are missing, and do not follow from the packet.
    NoParameters,
    /// The check sum of the index is wrong; the records are not affected.
    Index,
    /// The system cannot read the bytes.
    Unreadable(io::ErrorKind),
}

impl fmt::Display for DamageReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BlockHeader => f.write_str("the header of the block is damaged or of an earlier lap"),
            Self::NoRecord { bytes } => write!(f, "{bytes} bytes are no valid record"),
            Self::Payload => f.write_str("the payload of a record is rotten or torn"),
            Self::Contents => f.write_str("a record holds what is not understood"),
            Self::NoParameters => f.write_str("the codec parameters of a packet are missing"),
            Self::Index => f.write_str("the index of the block is damaged"),
            Self::Unreadable(kind) => write!(f, "it cannot be read: {kind}"),
        }
    }
}
