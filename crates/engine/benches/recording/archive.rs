//! An archive of thirty days of eight cameras, of which only what is looked at is on the disk.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use rustix::fs::Advice;
use valkka::frame::{Body, Frame};
use valkka::store::format::{
    BlockHeader, BlockState, Footer, IndexEntry, RECORD_ALIGNMENT, RecordHeader, RecordKind, Row,
    TableHeader, write_packet, write_params,
};
use valkka::store::{Geometry, Store, StoreFiles, StreamId};
use valkka::time::WallTime;
use valkka_testkit::temp::TempDir;

use crate::feed::{self, FRAME};

/// The archive. Its blocks are full by their rows; but for [`Self::places`], the file has holes where their records
/// would be.
pub(crate) struct Archive {
    directory: TempDir,
    geometry: Geometry,
    /// The groups of pictures that are really there.
    pub(crate) places: Vec<Place>,
}

/// A group of pictures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) id: StreamId,
    /// The moment of its key frame; the others follow, [`FRAME`] apart.
    pub(crate) start: WallTime,
}

impl Archive {
    /// Makes it, with so many places to look at, chosen at random but the same each time.
    pub(crate) fn make(places: usize) -> io::Result<Self> {
        let clip = feed::clip()?;
        let layout = Layout::new(&clip)?;
        let blocks_each = (DAYS * 86_400.0 / layout.seconds()) as u64;
        let geometry = Geometry::new(BLOCK_BYTES, blocks_each * CAMERAS).map_err(io::Error::other)?;
        let directory = TempDir::new()?;
        let mut archive = Self { directory, geometry, places: Vec::new() };

        // The cameras' blocks take turns, as they fill.
        let start = |block: u64| ORIGIN + FRAME * (layout.frames() as u32) * (block / CAMERAS) as u32;
        let mut table = TableHeader { geometry, first_sequence: 1 }.encode().to_vec();
        for block in 0..geometry.blocks() {
            let first = start(block);
            let last = first + FRAME * (layout.frames() as u32 - 1);
            let last_keyframe = first + FRAME * ((layout.frames() - 1) / GOP * GOP) as u32;
            table.extend(
                Row {
                    sequence: block + 1,
                    lane: block % CAMERAS + 1,
                    first_keyframe: Some(first),
                    last_keyframe: Some(last_keyframe),
                    first: Some(first),
                    last: Some(last),
                    used_bytes: layout.end,
                    state: BlockState::Closed,
                    has_gaps: false,
                    ..Row::default()
                }
                .encode(),
            );
        }
        fs::write(archive.files().table, table)?;

        let data = File::create(archive.files().data)?;
        data.set_len(geometry.data_bytes())?;
        let mut random = fastrand::Rng::with_seed(30);
        for _ in 0..places {
            let block = random.u64(..geometry.blocks());
            let group = random.usize(..layout.frames() / GOP - 1);
            let id = StreamId::new(block % CAMERAS + 1).ok_or_else(|| io::Error::other("no number"))?;
            layout.write(&data, &clip, geometry, block, id, start(block), group)?;
            archive.places.push(Place { id, start: start(block) + FRAME * (group * GOP) as u32 });
        }
        data.sync_all()?;
        Ok(archive)
    }

    /// Opens it.
    pub(crate) fn open(&self) -> io::Result<Arc<Store>> {
        Store::open_files(&self.files(), self.geometry, false).map_err(io::Error::other)
    }

    /// Has the kernel forget what it knows of its bytes.
    pub(crate) fn forget(&self) -> io::Result<()> {
        let files = self.files();
        for path in [files.data, files.table] {
            rustix::fs::fadvise(File::open(path)?, 0, None, Advice::DontNeed)?;
        }
        Ok(())
    }

    fn files(&self) -> StoreFiles {
        StoreFiles { data: self.directory.join("dumpfile"), table: self.directory.join("blockfile") }
    }
}

/// Where the records of a full block lie; all blocks are alike.
struct Layout {
    /// Of each packet.
    offsets: Vec<u32>,
    /// Where the records end.
    end: u32,
}

impl Layout {
    fn new(clip: &[Frame]) -> io::Result<Self> {
        let padded = |bytes: usize| (RecordHeader::BYTES + bytes).next_multiple_of(RECORD_ALIGNMENT);
        let mut offsets = Vec::new();
        let mut end = first_offset(clip)?;
        loop {
            let bytes = padded(feed::payload_bytes(&clip[offsets.len() % clip.len()]) as usize);
            // One more entry is that of the parameters.
            if end + bytes + Footer::tail_bytes(offsets.len() + 2) > BLOCK_BYTES as usize {
                break;
            }
            offsets.push(end as u32);
            end += bytes;
        }
        Ok(Self { offsets, end: end as u32 })
    }

    fn frames(&self) -> usize {
        self.offsets.len()
    }

    fn seconds(&self) -> f64 {
        (FRAME * self.frames() as u32).as_secs_f64()
    }

    /// Writes of `block` its header, its end, and the records of one group of pictures and of the next one, which a
    /// reader may look into.
    #[allow(clippy::too_many_arguments, reason = "a block is of all that")]
    fn write(
        &self,
        data: &File,
        clip: &[Frame],
        geometry: Geometry,
        block: u64,
        id: StreamId,
        start: WallTime,
        group: usize,
    ) -> io::Result<()> {
        let sequence = block + 1;
        let base = geometry.range(block).ok_or_else(|| io::Error::other("no such block"))?.start;
        let mut bytes = BlockHeader { sequence, lane: id.number(), created: start }.encode().to_vec();
        params(&mut bytes, sequence, id, clip, start)?;
        data.write_all_at(&bytes, base)?;

        let keyframe = |index: usize| index.is_multiple_of(GOP);
        let wall = |index: usize| start + FRAME * index as u32;
        let mut entries = vec![IndexEntry {
            offset: BlockHeader::BYTES as u32,
            kind: RecordKind::Params,
            keyframe: false,
            track: clip[0].track,
            id: id.number(),
            wall: start,
        }];
        entries.extend(self.offsets.iter().enumerate().map(|(index, &offset)| IndexEntry {
            offset,
            kind: RecordKind::Packet,
            keyframe: keyframe(index),
            track: clip[0].track,
            id: id.number(),
            wall: wall(index),
        }));
        let tail = Footer::write_tail(sequence, self.end, &entries);
        data.write_all_at(&tail, base + geometry.block_bytes() - tail.len() as u64)?;

        let first = group * GOP;
        let mut records = Vec::new();
        for index in first..first + 2 * GOP {
            let mut frame = clip[index % clip.len()].clone();
            frame.time.wall = wall(index);
            write_packet(&mut records, sequence, id, &frame);
        }
        data.write_all_at(&records, base + u64::from(self.offsets[first]))
    }
}

fn first_offset(clip: &[Frame]) -> io::Result<usize> {
    let mut bytes = vec![0; BlockHeader::BYTES];
    let id = StreamId::new(1).ok_or_else(|| io::Error::other("no number"))?;
    params(&mut bytes, 1, id, clip, ORIGIN)?;
    Ok(bytes.len())
}

fn params(bytes: &mut Vec<u8>, sequence: u64, id: StreamId, clip: &[Frame], at: WallTime) -> io::Result<()> {
    let first = clip.first().ok_or_else(|| io::Error::other("the clip is empty"))?;
    let Body::Packet(packet) = &first.body else { return Err(io::Error::other("no packet")) };
    write_params(bytes, sequence, (id, first.track), at, "", &packet.params)
        .ok_or_else(|| io::Error::other("no parameters"))
}

const CAMERAS: u64 = 8;
const DAYS: f64 = 30.0;
/// Nine minutes of one camera.
const BLOCK_BYTES: u64 = 256 << 20;
/// Frames from key frame to key frame.
const GOP: usize = 25;
/// When it begins: 2026-10-01.
const ORIGIN: WallTime = WallTime::from_micros(1_790_812_800_000_000);
