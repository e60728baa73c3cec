//! What is to be written in one go.

use std::io::{self, IoSlice};
use std::ops::Range;

use valkka_core::payload::Payload;

use crate::medium::{Medium, write_all};

/// Bytes for any places of the data. Payloads are referred to, not copied.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Headers and other small things.
    own: Vec<u8>,
    writes: Vec<Write>,
}

/// Bytes that lie one after the other.
#[derive(Debug)]
struct Write {
    start: u64,
    end: u64,
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    /// Of [`Batch::own`].
    Own(Range<usize>),
    Payload(Payload),
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Bytes that the disk has to write: it knows pages only.
    pub(super) fn page_bytes(&self) -> u64 {
        let pages = |write: &Write| write.end.div_ceil(PAGE_BYTES) - write.start / PAGE_BYTES;
        self.writes.iter().map(pages).sum::<u64>() * PAGE_BYTES
    }

    /// Appends `bytes` for `offset`.
    pub(super) fn push(&mut self, offset: u64, bytes: &[u8]) {
        let start = self.own.len();
        self.own.extend_from_slice(bytes);
        let end = self.own.len();
        let write = Self::write_at(&mut self.writes, offset, bytes.len());
        match write.parts.last_mut() {
            Some(Part::Own(range)) if range.end == start => range.end = end,
            _ => write.parts.push(Part::Own(start..end)),
        }
    }

    /// Appends `payload` for `offset`.
    pub(super) fn push_payload(&mut self, offset: u64, payload: &Payload) {
        Self::write_at(&mut self.writes, offset, payload.len()).parts.push(Part::Payload(payload.clone()));
    }

    /// Writes all of it, in the order in which it was appended.
    pub(super) fn write(&self, medium: &dyn Medium) -> io::Result<()> {
        for write in &self.writes {
            let slices = write.parts.iter().map(|part| match part {
                Part::Own(range) => IoSlice::new(&self.own[range.clone()]),
                Part::Payload(payload) => IoSlice::new(payload),
            });
            let mut slices: Vec<IoSlice<'_>> = slices.collect();
            write_all(medium, write.start, &mut slices)?;
        }
        Ok(())
    }

    /// The write that goes on at `offset`, now longer by `bytes`.
    fn write_at(writes: &mut Vec<Write>, offset: u64, bytes: usize) -> &mut Write {
        if writes.last().is_none_or(|last| last.end != offset) {
            writes.push(Write { start: offset, end: offset, parts: Vec::new() });
        }
        let write = writes.last_mut().expect("there is one, or it was just pushed");
        write.end += bytes as u64;
        write
    }
}

/// What the page cache and disks write at the least.
pub(super) const PAGE_BYTES: u64 = 4096;

#[cfg(test)]
mod tests {
    use std::fs::File;

    use valkka_testkit::temp::TempDir;

    use crate::medium::{FileMedium, read_all};

    use super::*;

    #[test]
    fn what_belongs_together_is_written_together() {
        let dir = TempDir::new().unwrap();
        File::create(dir.join("data")).unwrap().set_len(20_000).unwrap();
        let medium = FileMedium::open(&dir.join("data")).unwrap();
        let mut batch = Batch::default();
        batch.push(4090, b"one");
        batch.push_payload(4093, &Payload::copy_from_slice(b"two"));
        batch.push(4096, b"three");
        batch.push(4101, b"four");
        batch.push(10_000, b"five");
        assert_eq!((batch.writes.len(), batch.writes[0].parts.len()), (2, 3));
        assert_eq!(batch.page_bytes(), 3 * 4096);
        batch.write(&medium).unwrap();
        let mut data = [0; 15];
        read_all(&medium, 4090, &mut data).unwrap();
        assert_eq!(&data, b"onetwothreefour");
        assert!(!batch.is_empty() && Batch::default().is_empty());
    }
}
