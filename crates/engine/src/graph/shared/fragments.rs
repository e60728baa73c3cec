//! Fragmented MP4 for other processes.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::{trace, warn};
use valkka_core::frame::{Body, Frame};
use valkka_core::sink::Sink;
use valkka_shm::{Content, Error, Shape, WriterStats};

use super::{Ring, meta_of};

/// Shares boxes of fragmented MP4 one by one. A box that does not fit into a cell is left out: part of one is of no use.
/// Nothing else is shared.
#[derive(Debug)]
pub struct SharedFragments {
    ring: Ring,
    bytes: usize,
    /// Whether the last box was too large: that is said once.
    too_large: AtomicBool,
}

impl SharedFragments {
    /// Shares at least the newest `cells` boxes of at most `bytes` bytes as `name`.
    ///
    /// # Errors
    /// As for [`valkka_shm::Writer::create`], or if a number is zero or too large.
    pub fn create(name: &str, cells: usize, bytes: usize) -> Result<Self, Error> {
        let ring = Ring::create(name, Shape::fragments(cells, bytes)?)?;
        Ok(Self { ring, bytes, too_large: AtomicBool::new(false) })
    }

    /// Has the event set at every box.
    ///
    /// # Errors
    /// If it is no eventfd.
    pub fn notify(&self, event: OwnedFd) -> Result<(), Error> {
        self.ring.notify(event)
    }

    /// What was shared so far.
    pub fn stats(&self) -> WriterStats {
        self.ring.stats()
    }
}

impl Sink for SharedFragments {
    fn put(&self, frame: Frame) {
        let Body::Fragment(fragment) = &frame.body else {
            trace!(slot = %frame.slot, "only fragments are shared here");
            return;
        };
        self.ring.with(|writer| {
            for one in fragment.boxes() {
                let too_large = one.data.len() > self.bytes;
                if too_large {
                    if !self.too_large.swap(true, Ordering::Relaxed) {
                        let kind = String::from_utf8_lossy(&one.kind);
                        let (name, size, cell) = (writer.name(), one.data.len(), self.bytes);
                        warn!(name, "a box {kind} of {size} bytes does not fit into a cell of {cell} bytes");
                    }
                    continue;
                }
                self.too_large.store(false, Ordering::Relaxed);
                let content = Content::Fragment { kind: one.kind, keyframe: one.keyframe };
                writer.push(meta_of(&frame, content), &one.data);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use valkka_core::frame::{Fragment, FrameTime};
    use valkka_core::stream::{Slot, Track};
    use valkka_shm::Reader;

    use super::*;

    fn fragment(boxes: &[(&[u8; 4], usize)]) -> Frame {
        let mut data = Vec::new();
        for (kind, len) in boxes {
            data.extend((*len as u32).to_be_bytes());
            data.extend(*kind);
            data.resize(data.len() + len - 8, 7);
        }
        let fragment = Fragment { kind: *boxes[0].0, keyframe: true, data: Bytes::from(data) };
        let time = FrameTime::default();
        Frame { slot: Slot::new(9), track: Track::default(), time, body: Body::Fragment(fragment) }
    }

    #[test]
    fn boxes_are_shared_one_by_one_if_they_fit() {
        let name = format!("test-fragments-{}", std::process::id());
        let shared = SharedFragments::create(&name, 10, 100).unwrap();
        let mut reader = Reader::open(&name, Shape::fragments(10, 100).unwrap()).unwrap();
        shared.put(fragment(&[(b"ftyp", 20)]));
        shared.put(fragment(&[(b"moof", 60), (b"mdat", 100)]));
        shared.put(fragment(&[(b"moof", 60), (b"mdat", 101)]));
        let mut seen = Vec::new();
        while let Some(pulled) = reader.pull(Duration::ZERO).unwrap() {
            let Content::Fragment { kind, .. } = pulled.meta.content else { panic!("{pulled:?}") };
            assert_eq!(reader.frame(pulled.index).unwrap()[4..8], kind);
            seen.push((kind, pulled.len));
        }
        assert_eq!(seen, [(*b"ftyp", 20), (*b"moof", 60), (*b"mdat", 100), (*b"moof", 60)]);
    }
}
