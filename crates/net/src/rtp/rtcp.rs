//! RTCP: sender reports, goodbyes, and a look at what viewers report (RFC 3550, section 6).

use valkka_core::time::WallTime;

/// What a sender report says of a track.
#[derive(Clone, Copy, Debug)]
pub(super) struct SenderInfo {
    pub(super) ssrc: u32,
    /// A moment, and the RTP time stamp that stands for it.
    pub(super) moment: (WallTime, u32),
    pub(super) packets: u32,
    pub(super) octets: u32,
}

/// A compound packet: a sender report and the source's name.
pub(super) fn sender_report(info: &SenderInfo, name: &str) -> Vec<u8> {
    let (wall, timestamp) = info.moment;
    let mut packet = Vec::with_capacity(64);
    packet.extend([0x80, SENDER_REPORT, 0, 6]);
    packet.extend(info.ssrc.to_be_bytes());
    packet.extend(wall.to_ntp().to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(info.packets.to_be_bytes());
    packet.extend(info.octets.to_be_bytes());

    // One chunk with one item, zero-terminated and padded to a multiple of four.
    let name = &name.as_bytes()[..name.len().min(255)];
    let item_bytes = (2 + name.len() + 1).next_multiple_of(4);
    packet.extend([0x81, SOURCE_DESCRIPTION]);
    packet.extend(((4 + item_bytes) as u16 / 4).to_be_bytes());
    packet.extend(info.ssrc.to_be_bytes());
    let item = packet.len();
    packet.extend([CNAME, name.len() as u8]);
    packet.extend(name);
    packet.resize(item + item_bytes, 0);
    packet
}

/// A compound packet that says that the source is gone.
pub(super) fn goodbye(info: &SenderInfo, name: &str) -> Vec<u8> {
    let mut packet = sender_report(info, name);
    packet.extend([0x81, BYE, 0, 1]);
    packet.extend(info.ssrc.to_be_bytes());
    packet
}

/// How many report blocks a compound packet from a viewer holds; 0 for anything that is none. Viewers that
/// only receive send nothing else of interest.
pub(crate) fn count_reports(mut compound: &[u8]) -> u64 {
    let mut blocks = 0;
    while is_rtcp(compound) {
        let length = 4 + 4 * usize::from(u16::from_be_bytes([compound[2], compound[3]]));
        if compound[1] == RECEIVER_REPORT {
            blocks += u64::from(compound[0] & 0x1f);
        }
        compound = compound.get(length..).unwrap_or_default();
    }
    blocks
}

/// Whether `packet` looks like RTCP.
pub(crate) fn is_rtcp(packet: &[u8]) -> bool {
    matches!(packet, [first, kind, _, _, ..] if first >> 6 == 2 && (SENDER_REPORT..=223).contains(kind))
}

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
const CNAME: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_laid_out_as_the_rfc_says() {
        let moment = (WallTime::from_micros(1_700_000_000_500_000), 0x0102_0304);
        let info = SenderInfo { ssrc: 0xa0b0_c0d0, moment, packets: 5, octets: 6000 };
        let packet = goodbye(&info, "valkka");
        assert_eq!(packet[..4], [0x80, 200, 0, 6]);
        let ntp = u64::from_be_bytes(packet[8..16].try_into().unwrap());
        assert_eq!(WallTime::from_ntp(ntp), moment.0);
        assert_eq!(packet[16..20], [1, 2, 3, 4]);
        assert_eq!(packet[20..28], [0, 0, 0, 5, 0, 0, 0x17, 0x70]);
        assert_eq!(packet[28..32], [0x81, 202, 0, 4]);
        assert_eq!(packet[36..48], *b"\x01\x06valkka\0\0\0\0");
        assert_eq!(packet[48..], [0x81, 203, 0, 1, 0xa0, 0xb0, 0xc0, 0xd0]);
    }

    #[test]
    fn reports_of_viewers_are_counted_and_garbage_is_not() {
        let mut compound = vec![0x82, 201, 0, 13];
        compound.resize(4 + 13 * 4, 0);
        compound.extend([0x81, 202, 0, 1, 0, 0, 0, 0]);
        assert_eq!(count_reports(&compound), 2);
        assert_eq!(count_reports(&[0x81, 201, 255, 255]), 1);
        let mut random = fastrand::Rng::with_seed(3550);
        for _ in 0..10_000 {
            let packet: Vec<u8> = (0..random.usize(..64)).map(|_| random.u8(..)).collect();
            let _ = count_reports(&packet);
        }
    }
}
