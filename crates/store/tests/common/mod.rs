//! What the tests of recording share: frames that tell who they are, and reading a store back.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "each test uses a part of it, and fails where something is missing"
)]

pub(crate) mod disk;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use valkka_core::codec::{Codec, CodecParams};
use valkka_core::frame::{Body, Frame, FrameTime, Packet};
use valkka_core::payload::Payload;
use valkka_core::stream::{Slot, Track};
use valkka_core::time::{MediaTime, WallTime};
use valkka_store::{Damage, Gap, Record, Store};

/// Frames of one stream: a key frame every [`Camera::GOP`] frames, each 40 ms after the one before.
pub(crate) struct Camera {
    params: Arc<CodecParams>,
    number: u64,
    pub(crate) wall: WallTime,
}

impl Camera {
    pub(crate) const GOP: u64 = 10;

    pub(crate) fn new() -> Self {
        let params = Arc::new(CodecParams::video(Codec::H265, Bytes::from_static(b"parameter sets")));
        Self { params, number: 0, wall: WallTime::from_micros(1_700_000_000_000_000) }
    }

    /// The next frame, with so many bytes; at least 8.
    pub(crate) fn frame(&mut self, bytes: usize) -> Frame {
        let number = self.number;
        self.number += 1;
        self.wall = self.wall + Duration::from_millis(40);
        // Its number, and bytes that follow from it.
        let mut data = number.to_le_bytes().to_vec();
        data.extend((8..bytes).map(|at| (at as u64).wrapping_mul(number + 7) as u8));
        let packet = Packet {
            params: self.params.clone(),
            payload: Payload::from_vec(data),
            keyframe: number.is_multiple_of(Self::GOP),
            lost: 0,
        };
        let media = MediaTime::from_rate(number as i64, 25);
        let time = FrameTime { media, arrival: self.wall, capture: None, wall: self.wall };
        Frame { slot: Slot::default(), track: Track::new(0), time, body: Body::Packet(packet) }
    }

    pub(crate) fn next_number(&self) -> u64 {
        self.number
    }

    /// Goes on with this frame.
    pub(crate) fn skip_to(&mut self, number: u64) {
        self.number = number;
    }
}

/// What a store holds of a stream.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The numbers of its frames, in the order in which they were recorded.
    pub(crate) frames: Vec<u64>,
    pub(crate) gaps: Vec<Gap>,
}

/// All that `store` holds, by stream, and what is damaged. Payloads are checked.
pub(crate) fn read_back(store: &Store) -> (BTreeMap<u64, Found>, Vec<Damage>) {
    let mut rows: Vec<_> = store.rows().into_iter().enumerate().collect();
    rows.sort_by_key(|(_, row)| row.sequence);
    let (mut streams, mut damage) = (BTreeMap::<u64, Found>::new(), Vec::new());
    for (block, _) in rows {
        for record in store.block(block as u64).unwrap() {
            match record {
                Ok(Record::Packet { id, frame }) => {
                    let (payload, number) = (&frame.packet().unwrap().payload, number_of(&frame));
                    let whole = (8..payload.len())
                        .all(|at| payload[at] == (at as u64).wrapping_mul(number + 7) as u8);
                    assert!(whole, "frame {number} of stream {id} is not what was recorded");
                    streams.entry(id.number()).or_default().frames.push(number);
                }
                Ok(Record::Gap { id, gap }) => streams.entry(id.number()).or_default().gaps.push(gap),
                Ok(Record::Params { .. }) => (),
                Err(found) => damage.push(found),
            }
        }
    }
    (streams, damage)
}

/// The number of a camera's frame.
pub(crate) fn number_of(frame: &Frame) -> u64 {
    u64::from_le_bytes(frame.packet().unwrap().payload[..8].try_into().unwrap())
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Says something to the test that started this process, on a line of its own.
pub(crate) fn say(text: &str) {
    println!("\n{text}");
}
