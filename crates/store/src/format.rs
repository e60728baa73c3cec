//! The bytes of a store, as `docs/store-format.md` describes them: encoding and decoding without any input or output.
//!
//! All numbers are little endian; the check sums are CRC-32/ISO-HDLC. Whatever decodes gives `None` for bytes that are
//! not what was encoded.

mod block;
mod fields;
mod index;
mod record;
mod table;
pub mod v1;

pub use block::BlockHeader;
pub use index::{Footer, IndexEntry};
pub use record::{
    MAX_NAME_BYTES, MAX_REASON_BYTES, RECORD_ALIGNMENT, RecordHeader, RecordKind, decode_gap, decode_params,
    packet_header, padded_bytes, write_gap, write_packet, write_params,
};
pub use table::{BlockState, Row, TableHeader};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_is_refused_or_bounded() {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..20_000 {
            let data: Vec<u8> = (0..random.usize(0..200)).map(|_| random.u8(..)).collect();
            assert_eq!(BlockHeader::decode(&data), None);
            assert_eq!(Footer::decode(&data), None);
            assert_eq!(RecordHeader::decode(&data), None);
            assert_eq!(TableHeader::decode(&data), None);
            assert_eq!(Row::decode(&data), None);
            let _ = (decode_gap(&data), decode_params(valkka_core::codec::Codec::H264, &data));
            assert_eq!(v1::RecordHeader::decode(&data).is_some(), data.len() >= v1::RecordHeader::BYTES);
        }
    }
}
