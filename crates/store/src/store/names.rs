//! What the streams of a store are called.
//!
//! `valkkafs.json` says it, and so does every block: the parameters in it carry the name. Where the file does not have it,
//! as after a crash with a full disk, on which it could not be written, the newest block of the stream is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use valkka_core::lock::lock;

use crate::cursor::StoredBlock;
use crate::error::StoreError;
use crate::format::{BlockHeader, BlockState, RecordHeader, RecordKind, Row, decode_params};
use crate::record::StreamId;
use crate::walk::{BlockBytes as _, Search, Step, Walk};

use super::Store;

/// The names of streams.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) by_id: BTreeMap<StreamId, String>,
    /// Streams whose newest block has no name either, with the sequence of that block. Bounded as the lanes are.
    asked: BTreeMap<StreamId, u64>,
}

/// The newest block of a stream.
struct Newest {
    id: StreamId,
    block: u64,
    row: Row,
}

impl Names {
    /// The stream called `name`.
    pub(super) fn find(&self, name: &str) -> Option<StreamId> {
        self.by_id.iter().find(|(_, known)| *known == name).map(|(&id, _)| id)
    }

    fn contradicts(&self, id: StreamId, name: &str) -> bool {
        self.by_id.iter().any(|(&known, called)| (known == id) != (called == name))
    }
}

impl Store {
    /// The stream called `name`.
    pub fn stream(&self, name: &str) -> Option<StreamId> {
        lock(&self.names).find(name)
    }

    /// What the stream `id` is called; empty if nobody knows. It reads nothing.
    pub fn name_of(&self, id: StreamId) -> String {
        lock(&self.names).by_id.get(&id).cloned().unwrap_or_default()
    }

    /// The stream called `name`, which gets a number if it has none; [`Self::save_manifest`] writes it down.
    pub(crate) fn name_stream(&self, name: &str) -> Result<StreamId, StoreError> {
        // Rows and names are never held together. A lane that appears meanwhile is that of a stream with a name.
        let recorded = self.table.rows().iter().map(|row| row.lane).max().unwrap_or(0);
        let mut names = lock(&self.names);
        if let Some(id) = names.find(name) {
            return Ok(id);
        }
        let named = names.by_id.keys().next_back().map_or(0, |id| id.number());
        let id = named.max(recorded).checked_add(1).and_then(StreamId::new);
        let count = names.by_id.len();
        let id = id.filter(|_| count < MAX_NAMES).ok_or(StoreError::TooManyStreams(count))?;
        names.by_id.insert(id, name.to_owned());
        Ok(id)
    }

    /// The streams that have a name.
    pub(super) fn named(&self) -> Vec<StreamId> {
        lock(&self.names).by_id.keys().copied().collect()
    }

    /// Names by numbers, as `valkkafs.json` has them.
    pub(super) fn names_by_number(&self) -> BTreeMap<u64, String> {
        lock(&self.names).by_id.iter().map(|(id, name)| (id.number(), name.clone())).collect()
    }

    /// All names: those that are `written`, and where those say nothing of a stream in `rows`, what was known before, or
    /// what its newest block says.
    pub(super) fn names_with(&self, written: &BTreeMap<u64, String>, rows: &[Row]) -> Names {
        let known = lock(&self.names).clone();
        let written = written.iter().filter_map(|(&id, name)| Some((StreamId::new(id)?, name.clone())));
        let mut names = Names { by_id: written.collect(), asked: BTreeMap::new() };
        let newest = newest_blocks(rows);
        let recorded: BTreeSet<StreamId> = newest.iter().map(|newest| newest.id).collect();
        let mut left = MAX_ASKED;
        for Newest { id, block, row } in newest {
            if names.by_id.contains_key(&id) {
                continue;
            }
            let known_name = known.by_id.get(&id).cloned();
            if known_name.is_none() && known.asked.get(&id) == Some(&row.sequence) {
                names.asked.insert(id, row.sequence);
                continue;
            }
            let told = known_name.or_else(|| {
                left = left.checked_sub(1)?;
                // What cannot be read has no name.
                ask(self, block, &row, id).ok().flatten().filter(|name| !name.is_empty())
            });
            let Some(name) = told else {
                if left > 0 && row.state != BlockState::Open {
                    names.asked.insert(id, row.sequence);
                }
                continue;
            };
            match names.find(&name) {
                // Two streams of one name were recorded one after the other; but not if there is only one.
                Some(holder) if recorded.contains(&holder) => drop(names.asked.insert(id, row.sequence)),
                Some(holder) => {
                    names.by_id.remove(&holder);
                    names.by_id.insert(id, name);
                }
                None => drop(names.by_id.insert(id, name)),
            }
        }
        names
    }

    /// Goes on with `names`, in which the streams `kept` are called what they are called now.
    ///
    /// # Errors
    /// If they are called otherwise there: it is another store. Nothing has changed then.
    pub(super) fn take_names(&self, mut names: Names, kept: &BTreeSet<StreamId>) -> Result<(), StoreError> {
        let mut now = lock(&self.names);
        for &id in kept {
            let Some(name) = now.by_id.get(&id) else { continue };
            if names.contradicts(id, name) {
                return Err(StoreError::OtherStore(self.data.place().to_owned()));
            }
            names.by_id.insert(id, name.clone());
        }
        *now = names;
        Ok(())
    }
}

/// The newest block in which something of each stream is, of those that have their blocks to themselves; the newest first.
fn newest_blocks(rows: &[Row]) -> Vec<Newest> {
    let mut newest = BTreeMap::<StreamId, (u64, Row)>::new();
    for (block, row) in (0..).zip(rows) {
        let Some(id) = StreamId::new(row.lane) else { continue };
        let is_begun = row.used_bytes as usize > BlockHeader::BYTES;
        if row.state == BlockState::Free || row.is_older || row.sequence == 0 || !is_begun {
            continue;
        }
        let known = newest.entry(id).or_insert((block, *row));
        if row.sequence > known.1.sequence {
            *known = (block, *row);
        }
    }
    let mut newest: Vec<Newest> =
        newest.into_iter().map(|(id, (block, row))| Newest { id, block, row }).collect();
    newest.sort_unstable_by_key(|newest| std::cmp::Reverse(newest.row.sequence));
    newest
}

/// What `block` says that the stream `id` is called.
fn ask(store: &Store, block: u64, row: &Row, id: StreamId) -> io::Result<Option<String>> {
    let bytes = StoredBlock::new(store, block);
    let mut walk = Walk::new(row.sequence, Some(row.used_bytes.into()));
    for _ in 0..MAX_RECORDS {
        let (start, header) = match walk.next(&bytes, Search::Little)? {
            Step::Record(start, header) => (start, header),
            Step::Damage(..) => continue,
            Step::End => break,
        };
        let (Some(codec), true) = (header.codec, header.id == id && header.kind == RecordKind::Params) else {
            continue;
        };
        if header.payload_bytes > MAX_PARAMS_BYTES {
            continue;
        }
        let mut payload = vec![0; header.payload_bytes as usize];
        bytes.read_at(start + RecordHeader::BYTES as u64, &mut payload)?;
        if header.fits(&payload)
            && let Some((name, _)) = decode_params(codec, &payload)
        {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// All of them are written whenever one comes.
const MAX_NAMES: usize = 1 << 16;
/// So many blocks are looked into at once at the most: a store is to be open at once. Few files lack any name.
const MAX_ASKED: u32 = 1024;
/// The parameters are among the first records of a block, and stand again after a change and before another track.
const MAX_RECORDS: usize = 64;
const MAX_PARAMS_BYTES: u32 = 1 << 20;

#[cfg(test)]
mod tests {
    use crate::directory::Manifest;
    use crate::testing::*;

    use super::*;

    fn image() -> Image {
        let image = Image::new(4096, 5);
        image.close(2, &Block::video(3, (1000..1160).step_by(40), &[1000]));
        image.close(3, &Block::video(4, (1160..1320).step_by(40), &[1160]));
        image
    }

    #[test]
    fn a_block_tells_what_the_file_does_not() {
        let image = image();
        let store = image.store();
        assert_eq!((store.stream("name"), store.name_of(ID)), (Some(ID), "name".to_owned()));
        assert_eq!(store.name_stream("name").unwrap(), ID, "it goes on with its number");
        image.name("as it is written");
        assert_eq!(image.store().name_of(ID), "as it is written", "the file counts first");
        // The newest block cannot be read: the next load asks nobody again.
        let image = Image::new(4096, 5);
        image.close(0, &Block::new(7, ID.number()).packet(ID, VIDEO, 1000, true));
        let store = image.store();
        assert_eq!((store.name_of(ID), lock(&store.names).asked.get(&ID)), (String::new(), Some(&7)));
        store.refresh().unwrap();
        assert_eq!(lock(&store.names).asked.len(), 1);
    }

    #[test]
    fn nobody_who_is_recorded_loses_his_name_to_another() {
        let write = |image: &Image, name: &str| {
            let mut manifest = Manifest::load(image.dir.path()).unwrap();
            manifest.streams.insert(OTHER.number(), name.to_owned());
            manifest.save(image.dir.path()).unwrap();
        };
        // The other one got the name when this one's was lost, and was recorded.
        let other = image();
        other.close(4, &Block::new(9, OTHER.number()).params(OTHER, VIDEO).packet(OTHER, VIDEO, 2000, true));
        write(&other, "name");
        let store = other.store();
        assert_eq!((store.stream("name"), store.name_of(ID)), (Some(OTHER), String::new()));
        // It was not: there is one.
        let only = image();
        write(&only, "name");
        assert_eq!(only.store().stream("name"), Some(ID));
    }

    #[test]
    fn streams_that_are_recorded_keep_their_names_or_it_is_another_store() {
        let store = image().store();
        let kept = BTreeSet::from([ID]);
        let names = |number: u64, name: &str| Names {
            by_id: [(StreamId::new(number).unwrap(), name.to_owned())].into(),
            ..Names::default()
        };
        let refused = [names(2, "name"), names(1, "another")].map(|names| store.take_names(names, &kept));
        assert!(refused.iter().all(|taken| matches!(taken, Err(StoreError::OtherStore(_)))));
        store.take_names(names(7, "other"), &kept).unwrap();
        assert_eq!((store.name_of(ID), store.stream("other")), ("name".to_owned(), StreamId::new(7)));
    }
}
