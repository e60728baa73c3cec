//! What a check came to.

use std::fmt;

use crate::table::Format;

/// What [`check`](crate::check()) found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The format of the table.
    pub format: Format,
    /// Blocks there are.
    pub blocks: u64,
    /// Blocks that hold recordings.
    pub used_blocks: u64,
    /// Records in them, damaged ones left out.
    pub records: u64,
    /// Bytes that they take.
    pub bytes: u64,
    /// What is wrong, or was; at most [`Self::MAX_FINDINGS`].
    pub findings: Vec<Finding>,
    /// How many findings more there are.
    pub left_out: u64,
    /// Whether it was to be mended.
    pub is_repair: bool,
}

/// Something wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// What, in words.
    pub what: String,
    /// What becomes of it.
    pub outcome: Outcome,
}

/// Where something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `valkkafs.json`.
    Manifest,
    /// The table.
    Table,
    /// The data as a whole.
    Data,
    /// A block.
    Block(u64),
    /// Bytes within a block.
    Record {
        /// The block.
        block: u64,
        /// Where in it, in bytes.
        offset: u64,
    },
}

/// What becomes of something wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is as it should be now. No recording was lost.
    Mended,
    /// A repair can mend it.
    Mendable,
    /// What stood there is lost; readers tell of it, and step over it.
    Lasting,
}

impl Report {
    /// The most findings that are listed.
    pub const MAX_FINDINGS: usize = 10_000;

    pub(super) fn new(is_repair: bool) -> Self {
        Self {
            format: Format::V2,
            blocks: 0,
            used_blocks: 0,
            records: 0,
            bytes: 0,
            findings: Vec::new(),
            left_out: 0,
            is_repair,
        }
    }

    /// Whether nothing is wrong, or was.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// How many of the listed findings came to `outcome`.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.findings.iter().filter(|finding| finding.outcome == outcome).count()
    }

    pub(super) fn add(&mut self, place: Place, what: String, outcome: Outcome) {
        if self.findings.len() < Self::MAX_FINDINGS {
            self.findings.push(Finding { place, what, outcome });
        } else {
            self.left_out += 1;
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.place, self.what, self.outcome)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest => f.write_str("valkkafs.json"),
            Self::Table => f.write_str("the table"),
            Self::Data => f.write_str("the data"),
            Self::Block(block) => write!(f, "block {block}"),
            Self::Record { block, offset } => write!(f, "block {block}, byte {offset}"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mended => "mended",
            Self::Mendable => "can be mended",
            Self::Lasting => "lost",
        })
    }
}
