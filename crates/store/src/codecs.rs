//! Which codecs the tracks have that an index tells of.

use std::collections::BTreeMap;

use valkka_core::codec::Codec;
use valkka_core::stream::Track;

use crate::format::{IndexEntry, RecordHeader, RecordKind};
use crate::walk::{BlockBytes, Window};

/// The codecs of the tracks of all streams in `entries`, the index of the block of this sequence, which does not have them: for
/// each track, a record is read. Those of which the first records are all damaged are missing.
pub(crate) fn codecs_of<'a>(
    entries: impl Iterator<Item = &'a IndexEntry>,
    bytes: &dyn BlockBytes,
    sequence: u64,
) -> BTreeMap<(u64, Track), Codec> {
    let mut window = Window::default();
    let mut looked_for = BTreeMap::<(u64, Track), (Option<Codec>, u8)>::new();
    for entry in entries.filter(|entry| entry.kind != RecordKind::Gap) {
        let (codec, tries) = looked_for.entry((entry.id, entry.track)).or_default();
        if codec.is_some() || *tries == MAX_TRIES {
            continue;
        }
        *tries += 1;
        let header = window.get(bytes, entry.offset.into(), RecordHeader::BYTES, RecordHeader::BYTES);
        let header = header.ok().and_then(RecordHeader::decode);
        *codec = header.filter(|header| header.sequence == sequence).and_then(|header| header.codec);
    }
    looked_for.into_iter().filter_map(|(track, (codec, _))| Some((track, codec?))).collect()
}

/// Nobody looks for a track's codec in each of its records, should they all be damaged.
const MAX_TRIES: u8 = 8;

#[cfg(test)]
mod tests {
    use crate::format::Footer;
    use crate::testing::*;

    use super::*;

    #[test]
    fn a_record_tells_the_codec_of_its_track() {
        let block = Block::new(3, 0)
            .params(ID, VIDEO)
            .packet(ID, VIDEO, 40, true)
            .packet(OTHER, AUDIO, 40, true)
            .packet(OTHER, AUDIO, 80, true);
        let starts = block.starts();
        let image = Image::new(4096, 2);
        image.close(0, &block);
        let codecs = |sequence| {
            let mut data = vec![0; 4096];
            image.store().read(0, 0, &mut data).unwrap();
            let index = Footer::decode(&data).unwrap().index(&data).unwrap();
            codecs_of(index.iter(), &&data[..], sequence).into_iter().collect::<Vec<_>>()
        };
        let (video, audio) = (((ID.number(), VIDEO), Codec::H265), ((OTHER.number(), AUDIO), Codec::Aac));
        assert_eq!(codecs(3), [video, audio]);
        assert_eq!(codecs(4), [], "of an earlier lap");
        image.flip(0, starts[2] + 10);
        assert_eq!(codecs(3), [video, audio]);
        image.flip(0, starts[3] + 10);
        assert_eq!(codecs(3), [video]);
    }
}
