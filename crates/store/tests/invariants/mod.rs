//! What holds of a store whatever its bytes are. Shared by `tests/garbage.rs` and `fuzz/`.
#![allow(dead_code, unused_imports, reason = "each fuzz target uses one of them")]

mod image;

use std::fs;
use std::path::Path;

use bytes::Bytes;
use valkka_core::time::WallTime;
use valkka_store::format::{BlockHeader, Footer, RecordHeader, Row, TableHeader, decode_gap, v1};
use valkka_store::{BlockReader, CheckOptions, Store, check};

pub(crate) use image::image;

/// The bytes of a block, of either format, and of what else a store consists of.
pub(crate) fn block(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    for reader in [
        BlockReader::new(0, bytes.clone(), None),
        BlockReader::new(0, bytes.clone(), Some(7)),
        BlockReader::older(0, bytes),
    ] {
        assert!(reader.count() <= data.len() + 2, "each record and each damage takes a byte");
    }
    let _ =
        (BlockHeader::decode(data), RecordHeader::decode(data), Row::decode(data), TableHeader::decode(data));
    let _ = (v1::RecordHeader::decode(data), v1::Row::decode(data), decode_gap(data));
    let _ = Footer::decode(data).and_then(|footer| footer.index(data));
}

/// What `valkkafs.json`, the table and the data in `dir` may be.
pub(crate) fn directory(dir: &Path, [json, table, data]: [&[u8]; 3]) {
    // No file but those in the directory is anybody's business here.
    if json.contains(&b'/') || json.contains(&b'\\') || json.windows(4).any(|part| part == b"uuid") {
        return;
    }
    for (name, bytes) in [("valkkafs.json", json), ("blockfile", table), ("dumpfile", data)] {
        fs::write(dir.join(name), bytes).expect("a temporary directory can be written");
    }
    let _ = check(dir, &CheckOptions { deep: true, ..CheckOptions::default() });
    let Ok(store) = Store::open(dir) else { return };
    for stream in store.streams().into_iter().take(8) {
        let mut cursor = store.cursor(stream.id);
        let _ = cursor.seek(WallTime::from_micros(1_000_000));
        for _ in 0..1000 {
            if !matches!(cursor.next(), Ok(Some(_))) {
                break;
            }
        }
    }
}
