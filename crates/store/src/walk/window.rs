//! Bytes of a block that were read, and may be wanted again.

use std::io;

/// The bytes of one block, wherever they lie.
pub(crate) trait BlockBytes {
    /// How many there are.
    fn size(&self) -> u64;

    /// Fills `data` with what lies at `offset` in the block.
    fn read_at(&self, offset: u64, data: &mut [u8]) -> io::Result<()>;
}

impl BlockBytes for &[u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, data: &mut [u8]) -> io::Result<()> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..));
        let found = rest.and_then(|rest| rest.get(..data.len()));
        data.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// A part of a block.
#[derive(Debug, Default)]
pub(crate) struct Window {
    start: u64,
    data: Vec<u8>,
}

impl Window {
    /// Forgets what was read.
    pub(crate) fn forget(&mut self) {
        self.data.clear();
    }

    /// What lies at `offset`: `least` bytes or more, unless the block ends before. If they have to be read, `ahead` bytes
    /// are, if those are more.
    pub(crate) fn get(
        &mut self,
        bytes: &dyn BlockBytes,
        offset: u64,
        least: usize,
        ahead: usize,
    ) -> io::Result<&[u8]> {
        let room = usize::try_from(bytes.size().saturating_sub(offset)).unwrap_or(usize::MAX);
        let least = least.min(room);
        let skip = offset.checked_sub(self.start).and_then(|skip| usize::try_from(skip).ok());
        let known = skip.filter(|skip| self.data.len().checked_sub(*skip).is_some_and(|left| left >= least));
        if let Some(skip) = known {
            return Ok(&self.data[skip..]);
        }
        // What is known of the beginning need not be read again.
        let kept = match skip.filter(|&skip| skip < self.data.len()) {
            Some(skip) => {
                self.data.copy_within(skip.., 0);
                self.data.len() - skip
            }
            None => 0,
        };
        self.start = offset;
        self.data.truncate(kept);
        self.data.resize(ahead.max(least).min(room), 0);
        if kept == self.data.len() {
            return Ok(&self.data);
        }
        if let Err(error) = bytes.read_at(offset + kept as u64, &mut self.data[kept..]) {
            self.data.clear();
            return Err(error);
        }
        Ok(&self.data)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    struct Counted(Vec<u8>, Cell<usize>);

    impl BlockBytes for Counted {
        fn size(&self) -> u64 {
            self.0.len() as u64
        }

        fn read_at(&self, offset: u64, data: &mut [u8]) -> io::Result<()> {
            self.1.set(self.1.get() + data.len());
            (&self.0[..]).read_at(offset, data)
        }
    }

    #[test]
    fn nothing_is_read_twice() {
        let bytes = Counted((0..=255).collect(), Cell::new(0));
        let mut window = Window::default();
        assert_eq!(window.get(&bytes, 10, 4, 20).unwrap(), &bytes.0[10..30]);
        assert_eq!(window.get(&bytes, 25, 5, 20).unwrap(), &bytes.0[25..30]);
        assert_eq!(bytes.1.get(), 20);
        assert_eq!(window.get(&bytes, 25, 6, 20).unwrap(), &bytes.0[25..45]);
        assert_eq!(bytes.1.get(), 35);
        assert_eq!(window.get(&bytes, 250, 100, 100).unwrap(), &bytes.0[250..]);
        assert_eq!(window.get(&bytes, 300, 1, 1).unwrap(), [0u8; 0]);
        assert_eq!(window.get(&bytes, 0, 1, 1).unwrap(), [0]);
        window.forget();
        assert_eq!(window.get(&bytes, 0, 1, 1).unwrap(), [0]);
    }
}
