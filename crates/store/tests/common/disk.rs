//! Media in memory: one that tells what was read and written, and one that fails on demand.

use std::io::{self, ErrorKind, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use valkka_store::medium::Medium;

/// Bytes in memory.
#[derive(Debug)]
pub(crate) struct Memory {
    place: PathBuf,
    pub(crate) bytes: Mutex<Vec<u8>>,
    /// Where was read, and how much.
    pub(crate) reads: Mutex<Vec<(u64, usize)>>,
    log: Option<(Log, usize)>,
}

/// What was written to all media of a store, in its order.
pub(crate) type Log = Arc<Mutex<Vec<Step>>>;

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Write {
        medium: usize,
        offset: u64,
        bytes: Vec<u8>,
    },
    Sync {
        medium: usize,
    },
    /// So many frames of each stream were acknowledged.
    Acknowledged(u64),
}

impl Memory {
    pub(crate) fn new(place: &str, bytes: Vec<u8>) -> Arc<Self> {
        Arc::new(Self { place: place.into(), bytes: Mutex::new(bytes), reads: Mutex::default(), log: None })
    }

    /// One that logs what is written to it, as to medium number `medium`.
    pub(crate) fn logged(place: &str, bytes: Vec<u8>, log: &Log, medium: usize) -> Arc<Self> {
        let log = Some((log.clone(), medium));
        Arc::new(Self { place: place.into(), bytes: Mutex::new(bytes), reads: Mutex::default(), log })
    }
}

impl Medium for Memory {
    fn place(&self) -> &Path {
        &self.place
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }

    fn read_at(&self, offset: u64, data: &mut [u8]) -> io::Result<usize> {
        self.reads.lock().unwrap().push((offset, data.len()));
        let bytes = self.bytes.lock().unwrap();
        let there = bytes.get(offset as usize..).unwrap_or_default();
        let count = there.len().min(data.len());
        data[..count].copy_from_slice(&there[..count]);
        Ok(count)
    }

    fn write_at(&self, offset: u64, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let written: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let mut bytes = self.bytes.lock().unwrap();
        let place = bytes.get_mut(offset as usize..).and_then(|rest| rest.get_mut(..written.len()));
        place.ok_or(ErrorKind::WriteZero)?.copy_from_slice(&written);
        drop(bytes);
        let count = written.len();
        if let Some((log, medium)) = &self.log {
            log.lock().unwrap().push(Step::Write { medium: *medium, offset, bytes: written });
        }
        Ok(count)
    }

    fn sync(&self) -> io::Result<()> {
        if let Some((log, medium)) = &self.log {
            log.lock().unwrap().push(Step::Sync { medium: *medium });
        }
        Ok(())
    }
}

/// Another medium, with faults.
#[derive(Debug)]
pub(crate) struct Faulty<M> {
    inner: M,
    faults: Arc<Faults>,
}

/// What is wrong at the moment, with data and table together.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// Writing fails so.
    pub(crate) write: Mutex<Option<ErrorKind>>,
    /// Syncing fails so.
    pub(crate) sync: Mutex<Option<ErrorKind>>,
    /// The byte at this place cannot be written.
    pub(crate) unwritable: Mutex<Option<u64>>,
    /// Nor this one be read.
    pub(crate) unreadable: Mutex<Option<u64>>,
    /// Everything fails, until it is opened anew.
    pub(crate) is_gone: AtomicBool,
    /// What is opened anew is another medium than before, as far as anybody can tell.
    pub(crate) is_replaced: AtomicBool,
    /// Writing is a panic.
    pub(crate) has_bug: AtomicBool,
    stuck: Mutex<bool>,
    freed: Condvar,
}

impl Faults {
    /// Writing waits from now on.
    pub(crate) fn stick(&self) {
        *self.stuck.lock().unwrap() = true;
    }

    /// Writing goes on.
    pub(crate) fn free(&self) {
        *self.stuck.lock().unwrap() = false;
        self.freed.notify_all();
    }

    fn pass(&self, fault: &Mutex<Option<ErrorKind>>) -> io::Result<()> {
        let mut stuck = self.stuck.lock().unwrap();
        while *stuck {
            stuck = self.freed.wait(stuck).unwrap();
        }
        drop(stuck);
        assert!(!self.has_bug.load(Ordering::SeqCst), "on purpose");
        self.look()?;
        fault.lock().unwrap().map_or(Ok(()), |kind| Err(kind.into()))
    }

    /// Fails if `bad` is among so many bytes from `offset` on.
    fn pass_over(bad: &Mutex<Option<u64>>, offset: u64, bytes: usize) -> io::Result<()> {
        let bad = bad.lock().unwrap();
        let is_hit = bad.is_some_and(|bad| (offset..offset + bytes as u64).contains(&bad));
        if is_hit { Err(io::Error::other("a bad sector")) } else { Ok(()) }
    }

    fn look(&self) -> io::Result<()> {
        if self.is_gone.load(Ordering::SeqCst) { Err(ErrorKind::NotFound.into()) } else { Ok(()) }
    }
}

impl<M: Medium> Faulty<M> {
    pub(crate) fn new(inner: M, faults: &Arc<Faults>) -> Arc<Self> {
        Arc::new(Self { inner, faults: faults.clone() })
    }
}

impl<M: Medium> Medium for Faulty<M> {
    fn place(&self) -> &Path {
        self.inner.place()
    }

    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn read_at(&self, offset: u64, data: &mut [u8]) -> io::Result<usize> {
        self.faults.look()?;
        Faults::pass_over(&self.faults.unreadable, offset, data.len())?;
        self.inner.read_at(offset, data)
    }

    fn write_at(&self, offset: u64, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.faults.pass(&self.faults.write)?;
        let bytes = slices.iter().map(|slice| slice.len()).sum();
        Faults::pass_over(&self.faults.unwritable, offset, bytes)?;
        self.inner.write_at(offset, slices)
    }

    fn sync(&self) -> io::Result<()> {
        self.faults.pass(&self.faults.sync)?;
        self.inner.sync()
    }

    fn check(&self) -> io::Result<()> {
        self.faults.look()
    }

    fn reopen(&self) -> io::Result<bool> {
        self.faults.look()?;
        Ok(self.faults.is_replaced.load(Ordering::SeqCst))
    }
}
