//! Where frames go in.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::os::fd::OwnedFd;
use std::process;
use std::sync::{Arc, Mutex};

use rustix::process::PidfdFlags;
use valkka_core::lock::lock;
use valkka_core::worker::Worker;

use crate::control::{Control, Layout};
use crate::directory::Listener;
use crate::error::{Error, trying};
use crate::event::Event;
use crate::map::{Words, memory_file};
use crate::meta::{Described, Meta};
use crate::pool::Pool;
use crate::readers::{Offer, Readers, read_only, receive};
use crate::shape::Shape;
use crate::view::View;

/// The writing end of a ring, found by its name by any number of [`Reader`](crate::Reader)s of the same user.
///
/// It never waits for readers, and allocates nothing for them but what they hold. The newest writer of a name is the one
/// that readers find. Dropping it takes the ring away; so does the end of its process, however it ends. In a process
/// that was forked off, it does nothing.
pub struct Writer {
    name: String,
    shape: Shape,
    process: u32,
    pool: Pool,
    control: Arc<Control>,
    readers: Arc<Mutex<Readers>>,
    published: u64,
    dropped: u64,
    clipped: u64,
    // In this order: first nobody finds it any more, then those who have found it are told that it is gone.
    _listener: Listener,
    _reception: Worker,
}

/// What a writer has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriterStats {
    /// Frames that were published.
    pub published: u64,
    /// Frames that found no cell: readers held more than they may.
    pub dropped: u64,
    /// Frames that were longer than a cell, and cut.
    pub clipped: u64,
    /// Readers there are at present.
    pub readers: usize,
    /// Cells that take up memory: those of the ring, and some more while readers that stand still hold frames.
    pub cells: usize,
}

impl Writer {
    /// Makes the ring `name`, and starts the thread that receives its readers.
    ///
    /// # Errors
    /// If the system does not let us: no memory, no file descriptors, or a directory `/dev/shm/valkka-<user>` that is not
    /// ours alone.
    pub fn create(name: &str, shape: Shape) -> Result<Self, Error> {
        let layout = Layout::of(shape);
        let make = trying(name, "make the memory");
        let (pool, control, offer) = (|| {
            let control_file = memory_file("valkka control", Words::file_len(layout.control_words()))?;
            let data = memory_file("valkka frames", layout.data_len())?;
            let control = Control::map(&control_file, layout)?;
            let process = this_process()?;
            let offer =
                Offer { name: name.to_owned(), shape, control_file, data_file: read_only(&data)?, process };
            Ok((Pool::new(data, layout)?, Arc::new(control), offer))
        })()
        .map_err(make)?;
        let readers = Arc::new(Mutex::new(Readers::default()));
        let listener = Listener::bind(name)?;
        let reception = receive(&listener, offer, control.clone(), readers.clone())
            .map_err(trying(name, "start the thread that receives readers"))?;
        Ok(Self {
            name: name.to_owned(),
            shape,
            process: process::id(),
            pool,
            control,
            readers,
            published: 0,
            dropped: 0,
            clipped: 0,
            _listener: listener,
            _reception: reception,
        })
    }

    /// The name by which readers find it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it offers.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// A cell for the next frame, to be filled and then [published](Cell::publish). It is [`Shape::frame_bytes`] long
    /// and holds remains of older frames. Readers see nothing of it before; dropped, it was never there.
    ///
    /// `None` if readers hold all cells that there may be, which they do only if they write where they should not: the
    /// frame is counted as dropped. Also in a process that was forked off from the writer's.
    pub fn claim(&mut self) -> Option<Cell<'_>> {
        if self.process != process::id() {
            return None;
        }
        let claimed = {
            let mut readers = lock(&self.readers);
            let claimed = self.pool.claim(&self.control, &readers.live);
            readers.cells = self.pool.len();
            claimed
        };
        match claimed {
            Some(index) => Some(Cell { writer: self, index }),
            None => {
                self.dropped += 1;
                None
            }
        }
    }

    /// Publishes a copy of `frame`, cut to the size of a cell. Returns whether it was published.
    pub fn push(&mut self, meta: Meta, frame: &[u8]) -> bool {
        let Some(mut cell) = self.claim() else { return false };
        let len = frame.len().min(cell.len());
        cell[..len].copy_from_slice(&frame[..len]);
        cell.publish(meta, len);
        self.clipped += u64::from(len < frame.len());
        true
    }

    /// Has `event` set at every frame from now on, as long as the writer exists.
    ///
    /// Readers do that by themselves with [`Reader::use_event`](crate::Reader::use_event); this is for events that
    /// were made before both. At most 256 are kept.
    ///
    /// # Errors
    /// If it is no eventfd.
    pub fn notify(&mut self, event: OwnedFd) -> Result<(), Error> {
        let event = Event::from_fd(event).map_err(trying(&self.name, "use an event"))?;
        lock(&self.readers).notify(event);
        Ok(())
    }

    /// The cells of the ring, read only, for programs that look at what they write. Frames come and go there as they are
    /// written, and those in cells that were added for a while are not seen.
    ///
    /// # Errors
    /// If the system has no addresses left.
    pub fn views(&self) -> Result<Vec<View>, Error> {
        let windows = self.pool.windows().map_err(trying(&self.name, "map the cells"))?;
        Ok((0..windows.count()).filter_map(|index| View::new(windows.range(), index, None)).collect())
    }

    /// What it has done so far.
    pub fn stats(&self) -> WriterStats {
        WriterStats {
            published: self.published,
            dropped: self.dropped,
            clipped: self.clipped,
            readers: lock(&self.readers).count(),
            cells: self.pool.in_use(),
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("name", &self.name).field("shape", &self.shape).finish_non_exhaustive()
    }
}

/// A cell to be filled with the next frame. It is used as a slice of bytes.
pub struct Cell<'a> {
    writer: &'a mut Writer,
    index: usize,
}

impl Cell<'_> {
    /// Publishes the first `len` bytes as a frame, and wakes who waits for it.
    ///
    /// # Panics
    /// If `len` is more than the cell is long.
    pub fn publish(self, meta: Meta, len: usize) {
        assert!(len <= self.len(), "{len} bytes of a cell of {}", self.len());
        let Writer { pool, control, readers, published, .. } = self.writer;
        let cell = control.cell(self.index);
        cell.describe(Described { meta, len: len as u64, published_ns: monotonic_ns() });
        cell.set_sequence(pool.next());
        pool.published(self.index);
        *published += 1;
        let readers = lock(readers);
        control.announce(pool.next() - 1, self.index, &readers.live);
        readers.set_events();
    }
}

impl Deref for Cell<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.writer.pool.cell(self.index).bytes()
    }
}

impl DerefMut for Cell<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.writer.pool.cell_mut(self.index).bytes_mut()
    }
}

impl fmt::Debug for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cell").field("index", &self.index).finish_non_exhaustive()
    }
}

/// Now, by the clock that all processes share, in nanoseconds.
pub(crate) fn monotonic_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.unsigned_abs().wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec.unsigned_abs())
}

/// A handle on this process, by which others see whether it still runs.
pub(crate) fn this_process() -> std::io::Result<OwnedFd> {
    Ok(rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())?)
}
