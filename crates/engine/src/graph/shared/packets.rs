//! Encoded frames for other processes.

use std::os::fd::OwnedFd;

use tracing::trace;
use valkka_core::frame::Frame;
use valkka_core::sink::Sink;
use valkka_shm::{Content, Error, Shape, WriterStats};

use super::{Ring, meta_of};
use crate::graph::basic::units;

/// Shares the NAL units of encoded frames, each with its start code; of other codecs, whole payloads. What does not fit
/// into a cell is cut. Nothing else is shared.
#[derive(Debug)]
pub struct SharedPackets {
    ring: Ring,
}

impl SharedPackets {
    /// Shares at least the newest `cells` units of at most `bytes` bytes as `name`.
    ///
    /// # Errors
    /// As for [`valkka_shm::Writer::create`], or if a number is zero or too large.
    pub fn create(name: &str, cells: usize, bytes: usize) -> Result<Self, Error> {
        Ok(Self { ring: Ring::create(name, Shape::bytes(cells, bytes)?)? })
    }

    /// Has the event set at every unit.
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

impl Sink for SharedPackets {
    fn put(&self, frame: Frame) {
        let Some(packet) = frame.packet() else {
            trace!(slot = %frame.slot, "only packets are shared here");
            return;
        };
        let meta = meta_of(&frame, Content::Bytes);
        self.ring.with(|writer| {
            for unit in units(packet) {
                let Some(mut cell) = writer.claim() else { return };
                let len = unit.size().min(cell.len());
                let start = unit.start_code.len().min(len);
                cell[..start].copy_from_slice(&unit.start_code[..start]);
                cell[start..len].copy_from_slice(&unit.data[..len - start]);
                cell.publish(meta, len);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use valkka_core::codec::{Codec, CodecParams};
    use valkka_core::frame::{Body, FrameTime, Packet, Signal};
    use valkka_core::payload::Payload;
    use valkka_core::stream::{Slot, Track};
    use valkka_core::time::WallTime;
    use valkka_shm::Reader;

    use super::*;

    fn packet(codec: Codec, payload: &[u8]) -> Frame {
        let packet = Packet {
            params: Arc::new(CodecParams::video(codec, Bytes::new())),
            payload: Payload::copy_from_slice(payload),
            keyframe: true,
            lost: 0,
        };
        let time = FrameTime { wall: WallTime::from_micros(1_234_567), ..FrameTime::default() };
        Frame { slot: Slot::new(3), track: Track::default(), time, body: Body::Packet(packet) }
    }

    #[test]
    fn units_are_shared_one_by_one() {
        let name = format!("test-packets-{}", std::process::id());
        let shared = SharedPackets::create(&name, 10, 8).unwrap();
        let mut reader = Reader::open(&name, Shape::bytes(10, 8).unwrap()).unwrap();
        shared.put(Frame::signal(Slot::new(3), WallTime::default(), Signal::End));
        shared.put(packet(
            Codec::H264,
            &[0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 1, 0x65, 4, 5, 6, 7, 8],
        ));
        shared.put(packet(Codec::Mjpeg, &[0xff, 0xd8]));
        let expected: [&[u8]; 4] =
            [&[0, 0, 0, 1, 0x67, 1, 2], &[0, 0, 0, 1, 0x68, 3], &[0, 0, 0, 1, 0x65, 4, 5, 6], &[0xff, 0xd8]];
        for bytes in expected {
            let pulled = reader.pull(Duration::from_secs(60)).unwrap().unwrap();
            assert_eq!(reader.frame(pulled.index).unwrap(), bytes);
            assert_eq!((pulled.meta.slot, pulled.meta.time.millis()), (Slot::new(3), 1234));
        }
        assert!(reader.pull(Duration::ZERO).unwrap().is_none());
        assert_eq!(shared.stats().published, 4);
    }
}
