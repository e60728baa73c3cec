//! Decoding on demand: a decoder exists while somebody wants pictures.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use valkka_av::{Decoder, DecoderOptions};
use valkka_core::fork::{Branch, Fork};
use valkka_core::lock::lock;
use valkka_core::sink::Sink;
use valkka_core::stats::StreamStats;

use crate::error::Error;

/// Hands the pictures of one stream to every branch that wants them, decoding each picture once, and not at
/// all while there is no branch.
pub(crate) struct Decoding {
    name: String,
    options: DecoderOptions,
    stats: Arc<StreamStats>,
    packets: Fork,
    glimpses: Glimpses,
    running: Mutex<Weak<Running>>,
    /// How many decoders there have been.
    started: AtomicU64,
}

/// A decoder and its place between the two forks.
struct Running {
    // The order of the fields is the order in which they are dropped: first nothing more comes in, then the
    // decoder ends.
    _input: Branch,
    _decoder: Decoder,
    pictures: Fork,
    _glimpses: Branch,
    _counted: Counted,
}

/// The pictures that are decoded for others: to look at them starts no decoder.
#[derive(Clone, Default)]
pub(crate) struct Glimpses {
    pictures: Fork,
    decoders: Arc<AtomicUsize>,
}

/// A decoder among those that give glimpses.
struct Counted(Arc<AtomicUsize>);

/// Keeps pictures coming; dropping it disconnects the branch, and with the last one decoding ends.
#[must_use = "dropping the branch disconnects it"]
pub struct PictureBranch {
    // Dropped in this order: the branch first, so that the last one to go stops a decoder nobody listens to.
    _branch: Branch,
    _running: Arc<Running>,
}

impl Decoding {
    pub(crate) fn new(name: &str, options: DecoderOptions, stats: Arc<StreamStats>, packets: Fork) -> Self {
        Self {
            name: name.to_owned(),
            options,
            stats,
            packets,
            glimpses: Glimpses::default(),
            running: Mutex::default(),
            started: AtomicU64::new(0),
        }
    }

    pub(crate) fn branch(&self, tag: &str, sink: Arc<dyn Sink>) -> Result<PictureBranch, Error> {
        let mut slot = lock(&self.running);
        let running = match slot.upgrade() {
            Some(running) => running,
            None => {
                let running = Arc::new(self.start()?);
                *slot = Arc::downgrade(&running);
                running
            }
        };
        Ok(PictureBranch { _branch: running.pictures.branch(tag, sink)?, _running: running })
    }

    pub(crate) fn glimpses(&self) -> Glimpses {
        self.glimpses.clone()
    }

    fn start(&self) -> Result<Running, Error> {
        let pictures = Fork::new();
        let glimpses = pictures.branch("glimpses", Arc::new(self.glimpses.pictures.clone()))?;
        let sink = Arc::new(pictures.clone());
        let decoder = Decoder::spawn(&self.name, self.options.clone(), self.stats.clone(), sink)
            .map_err(|cause| Error::Thread { what: format!("the decoder of {}", self.name), cause })?;
        decoder.set_decoding(true);
        // The decoder before this one may still be on its way out: numbers tell their branches apart.
        let tag = format!("decoder {}", self.started.fetch_add(1, Ordering::Relaxed));
        let input = self.packets.branch(&tag, Arc::new(decoder.input()))?;
        let counted = Counted::new(&self.glimpses.decoders);
        Ok(Running { _input: input, _decoder: decoder, pictures, _glimpses: glimpses, _counted: counted })
    }
}

impl Glimpses {
    /// Hands every picture to `sink` that is decoded for somebody else, in the decoder's thread.
    pub(crate) fn branch(&self, tag: &str, sink: Arc<dyn Sink>) -> Result<Branch, Error> {
        Ok(self.pictures.branch(tag, sink)?)
    }

    /// Whether anybody decodes.
    pub(crate) fn are_coming(&self) -> bool {
        self.decoders.load(Ordering::Relaxed) > 0
    }
}

impl Counted {
    fn new(decoders: &Arc<AtomicUsize>) -> Self {
        decoders.fetch_add(1, Ordering::Relaxed);
        Self(decoders.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for PictureBranch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self._branch.fmt(f)
    }
}
