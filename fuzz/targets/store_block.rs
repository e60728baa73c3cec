#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use valkka_store::BlockReader;
use valkka_store::format::{BlockHeader, Footer, RecordHeader, Row, TableHeader, decode_gap, v1};

// The bytes of a block, of either format, and of what else a store consists of.
fuzz_target!(|data: &[u8]| {
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
});
