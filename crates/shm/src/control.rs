//! The words that a writer and its readers share.
//!
//! ```text
//! bell | head | waiting | ring: where the newest frames are | cells: sequence, pins, description
//! ```
//!
//! The writer believes nothing here but the bits that its readers set (pins, waiting): the worst that they can do is to
//! keep cells from being written. A reader believes nothing without checking it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::futex;

use crate::map::{self, Words};
use crate::meta::{self, Described};
use crate::shape::Shape;

/// The most readers of one writer.
pub(crate) const MAX_READERS: usize = 256;

/// One bit for each reader.
pub(crate) type ReaderBits = [u64; MAX_READERS / 64];

/// The sizes of everything, which follow from the shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) cells: usize,
    pub(crate) frame_bytes: usize,
}

impl Layout {
    pub(crate) fn of(shape: Shape) -> Self {
        Self { cells: shape.cells(), frame_bytes: shape.frame_bytes() }
    }

    /// How many frames a reader may keep: half of them, so that the other half can be written even while it keeps the
    /// newest ones.
    pub(crate) fn hold(&self) -> usize {
        (self.cells / 2).clamp(1, MAX_HOLD)
    }

    /// The most cells that there ever are: whatever readers hold (one frame more each while it changes hands), there
    /// are as many as promised.
    pub(crate) fn pool(&self) -> usize {
        self.cells + MAX_READERS * (self.hold() + 1) + 2
    }

    /// From one cell to the next, in bytes.
    pub(crate) fn stride(&self) -> usize {
        self.frame_bytes.next_multiple_of(map::page())
    }

    /// Where a cell starts in the data.
    pub(crate) fn offset(&self, cell: usize) -> u64 {
        cell as u64 * self.stride() as u64
    }

    pub(crate) fn data_len(&self) -> u64 {
        self.offset(self.pool())
    }

    fn first_cell(&self) -> usize {
        RING + self.cells.next_multiple_of(8)
    }

    pub(crate) fn control_words(&self) -> usize {
        self.first_cell() + self.pool() * CELL_WORDS
    }
}

/// The words, with their meaning.
#[derive(Debug)]
pub(crate) struct Control {
    words: Words,
    layout: Layout,
}

impl Control {
    pub(crate) fn map(file: &OwnedFd, layout: Layout) -> io::Result<Self> {
        Ok(Self { words: Words::map(file, layout.control_words())?, layout })
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// The sequence number of the newest frame; 0 before the first. Numbers go up by one.
    pub(crate) fn head(&self) -> u64 {
        self.words.words()[HEAD].load(Ordering::Acquire)
    }

    /// The cell that holds frame `sequence`, unless it was overtaken.
    pub(crate) fn find(&self, sequence: u64) -> Option<CellControl<'_>> {
        let entry = self.ring(sequence).load(Ordering::Acquire);
        let index = (entry & 0xffff) as usize;
        (entry >> 16 == sequence & SEQUENCE_MASK && index < self.layout.pool()).then(|| self.cell(index))
    }

    /// The cell `index`, which must be less than the layout's `pool`.
    pub(crate) fn cell(&self, index: usize) -> CellControl<'_> {
        let start = self.layout.first_cell() + index * CELL_WORDS;
        CellControl { index, words: &self.words.words()[start..start + CELL_WORDS] }
    }

    /// Makes frame `sequence` in the cell `index` known, and wakes who waits for it. The writer only.
    pub(crate) fn announce(&self, sequence: u64, index: usize, live: &ReaderBits) {
        self.ring(sequence).store((sequence & SEQUENCE_MASK) << 16 | index as u64, Ordering::Release);
        self.words.words()[HEAD].store(sequence, Ordering::Release);
        // Whoever looked for a frame before this finds that the bell has rung when it goes to sleep; whoever sleeps
        // already has said so before. Hence the order on both sides.
        self.words.bell().fetch_add(1, Ordering::SeqCst);
        let mut anybody = false;
        for (word, live) in self.waiting().iter().zip(live) {
            if word.load(Ordering::SeqCst) & live != 0 {
                word.store(0, Ordering::SeqCst);
                anybody = true;
            }
        }
        if anybody {
            self.wake();
        }
    }

    /// Wakes all who wait, for no frame.
    pub(crate) fn ring_bell(&self) {
        self.words.bell().fetch_add(1, Ordering::SeqCst);
        self.wake();
    }

    /// What [`wait`](Self::wait) compares with: read before looking for frames.
    pub(crate) fn bell(&self) -> u32 {
        self.words.bell().load(Ordering::SeqCst)
    }

    /// Waits until the bell has rung since it was `bell`, or `timeout` is over. It may wake up for nothing.
    pub(crate) fn wait(&self, reader: usize, bell: u32, timeout: Duration) {
        let (word, bit) = bit_of(reader);
        let waiting = &self.waiting()[word];
        waiting.fetch_or(bit, Ordering::SeqCst);
        let timeout = futex::Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        match futex::wait(self.words.bell(), futex::Flags::empty(), bell, Some(&timeout)) {
            // It rang; it had rung already; the time is over; a signal came: the caller looks again in any case.
            Ok(()) | Err(Errno::AGAIN | Errno::TIMEDOUT | Errno::INTR) => (),
            Err(error) => {
                tracing::debug!(%error, "cannot wait for the bell; looking again after a while");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        waiting.fetch_and(!bit, Ordering::SeqCst);
    }

    /// Forgets what `reader` holds, in the first `cells` cells. It must be gone.
    pub(crate) fn forget(&self, reader: usize, cells: usize) {
        let (word, bit) = bit_of(reader);
        self.waiting()[word].fetch_and(!bit, Ordering::SeqCst);
        for index in 0..cells.min(self.layout.pool()) {
            self.cell(index).unpin(reader);
        }
    }

    /// All of them, to be written by those who should not.
    #[cfg(test)]
    pub(crate) fn words(&self) -> &[AtomicU64] {
        self.words.words()
    }

    fn ring(&self, sequence: u64) -> &AtomicU64 {
        &self.words.words()[RING + (sequence % self.layout.cells as u64) as usize]
    }

    fn waiting(&self) -> &[AtomicU64] {
        &self.words.words()[WAITING..WAITING + MAX_READERS / 64]
    }

    fn wake(&self) {
        // It fails for addresses that are none.
        let _ = futex::wake(self.words.bell(), futex::Flags::empty(), i32::MAX.cast_unsigned());
    }
}

/// The words of one cell.
#[derive(Clone, Copy)]
pub(crate) struct CellControl<'a> {
    pub(crate) index: usize,
    words: &'a [AtomicU64],
}

impl CellControl<'_> {
    /// The frame that is in it; 0 while there is none to be read. Everything that is done with a cell hangs on the
    /// order of this word and the pins: a reader pins and then looks at this word, the writer clears this word and then
    /// looks at the pins, so at least one of the two notices the other.
    pub(crate) fn sequence(&self) -> u64 {
        self.words[0].load(Ordering::SeqCst)
    }

    pub(crate) fn set_sequence(&self, sequence: u64) {
        // Also orders it against the pins that are read next, as a plain store would not.
        self.words[0].swap(sequence, Ordering::SeqCst);
    }

    pub(crate) fn pin(&self, reader: usize) {
        let (word, bit) = bit_of(reader);
        self.words[PINS + word].fetch_or(bit, Ordering::SeqCst);
    }

    pub(crate) fn unpin(&self, reader: usize) {
        let (word, bit) = bit_of(reader);
        self.words[PINS + word].fetch_and(!bit, Ordering::SeqCst);
    }

    /// Whether one of the readers `live` holds it.
    pub(crate) fn is_pinned(&self, live: &ReaderBits) -> bool {
        let pins = &self.words[PINS..META];
        pins.iter().zip(live).any(|(pins, live)| pins.load(Ordering::SeqCst) & live != 0)
    }

    pub(crate) fn describe(&self, described: Described) {
        for (word, value) in self.words[META..].iter().zip(described.to_words()) {
            word.store(value, Ordering::Relaxed);
        }
    }

    pub(crate) fn described(&self) -> Option<Described> {
        let mut words = [0; meta::WORDS];
        for (value, word) in words.iter_mut().zip(&self.words[META..]) {
            *value = word.load(Ordering::Relaxed);
        }
        Described::from_words(words)
    }
}

/// The bit of a reader, and the word that it is in.
pub(crate) fn bit_of(reader: usize) -> (usize, u64) {
    (reader / 64 % (MAX_READERS / 64), 1 << (reader % 64))
}

// What different sides write often is on different cache lines.
const HEAD: usize = 0;
const WAITING: usize = 8;
const RING: usize = 16;

/// Two cache lines.
const CELL_WORDS: usize = 16;
const PINS: usize = 1;
const META: usize = PINS + MAX_READERS / 64;

/// Entries of the ring have 16 bits for the cell.
const SEQUENCE_MASK: u64 = u64::MAX >> 16;

/// The most frames a reader keeps, whatever the ring's size.
const MAX_HOLD: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::memory_file;

    #[test]
    fn everything_has_its_place() {
        const { assert!(META + meta::WORDS <= CELL_WORDS) };
        for (cells, bytes) in [(1, 1), (10, 388_800), (Shape::MAX_CELLS, Shape::MAX_BYTES)] {
            let layout = Layout::of(Shape::bytes(cells, bytes).unwrap());
            assert!(layout.pool() <= 1 << 16, "entries of the ring have 16 bits");
            assert!(layout.hold() >= 1 && layout.stride() >= bytes);
            let file = memory_file("test", Words::file_len(layout.control_words())).unwrap();
            let control = Control::map(&file, layout).unwrap();
            control.cell(layout.pool() - 1).set_sequence(5);
            control.announce(7, layout.pool() - 1, &[0; 4]);
            assert_eq!(control.head(), 7);
            assert_eq!(control.find(7).unwrap().index, layout.pool() - 1);
            assert!(control.find(7 + cells as u64).is_none());
        }
    }

    #[test]
    fn readers_bits_do_not_touch_each_other() {
        let layout = Layout::of(Shape::bytes(2, 1).unwrap());
        let file = memory_file("test", Words::file_len(layout.control_words())).unwrap();
        let control = Control::map(&file, layout).unwrap();
        for reader in 0..MAX_READERS {
            let mut live = ReaderBits::default();
            let (word, bit) = bit_of(reader);
            live[word] = bit;
            assert!(!control.cell(1).is_pinned(&live));
            control.cell(1).pin(reader);
            assert!(control.cell(1).is_pinned(&live) && !control.cell(0).is_pinned(&[u64::MAX; 4]));
            live = [u64::MAX; 4];
            live[word] = !bit;
            assert!(!control.cell(1).is_pinned(&live));
            control.forget(reader, 2);
            assert!(!control.cell(1).is_pinned(&[u64::MAX; 4]));
        }
    }

    #[test]
    fn who_waits_is_woken() {
        let layout = Layout::of(Shape::bytes(2, 1).unwrap());
        let file = memory_file("test", Words::file_len(layout.control_words())).unwrap();
        let control = Control::map(&file, layout).unwrap();
        let bell = control.bell();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while control.bell() == bell {
                    control.wait(200, bell, Duration::from_secs(60));
                }
            });
            valkka_testkit::wait::until(Duration::from_secs(60), "it waits", || {
                control.waiting()[3].load(Ordering::SeqCst) != 0
            });
            control.announce(1, 0, &[u64::MAX; 4]);
        });
        // Whoever comes too late for the bell does not sleep.
        control.wait(0, bell, Duration::from_secs(600));
    }
}
