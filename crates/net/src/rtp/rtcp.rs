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
    describe(&mut packet, info.ssrc, name);
    packet
}

/// Adds the name of the source `ssrc`.
fn describe(packet: &mut Vec<u8>, ssrc: u32, name: &str) {
    // One chunk with one item, zero-terminated and padded to a multiple of four.
    let name = &name.as_bytes()[..name.len().min(255)];
    let item_bytes = (2 + name.len() + 1).next_multiple_of(4);
    packet.extend([0x81, SOURCE_DESCRIPTION]);
    packet.extend(((4 + item_bytes) as u16 / 4).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    let item = packet.len();
    packet.extend([CNAME, name.len() as u8]);
    packet.extend(name);
    packet.resize(item + item_bytes, 0);
}

/// A compound packet that says that the source `ssrc` is gone, behind what there is to report of it.
pub(super) fn goodbye(ssrc: u32, info: Option<&SenderInfo>, name: &str) -> Vec<u8> {
    let mut packet = match info {
        Some(info) => sender_report(info, name),
        None => {
            // A compound begins with a report, be it one that reports nothing.
            let mut packet = vec![0x80, RECEIVER_REPORT, 0, 1];
            packet.extend(ssrc.to_be_bytes());
            describe(&mut packet, ssrc, name);
            packet
        }
    };
    packet.extend([0x81, BYE, 0, 1]);
    packet.extend(ssrc.to_be_bytes());
    packet
}

/// One report block: what a viewer says of one source (RFC 3550, section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReportBlock {
    /// The synchronisation source of who reports.
    pub(crate) reporter: u32,
    /// The synchronisation source that is reported on.
    pub(crate) ssrc: u32,
    /// The share of packets lost since the report before, in 256ths.
    pub(crate) fraction_lost: u8,
    /// Packets lost since the beginning; negative if more came than were sent.
    pub(crate) lost: i32,
    /// Mean deviation of the time between packets, in units of the track's clock.
    pub(crate) jitter: u32,
    /// The [identity](report_id) of the last sender report that came; 0 if none has.
    pub(crate) last_report: u32,
    /// How long ago that came, in 65536ths of a second.
    pub(crate) delay: u32,
}

/// The report blocks in a compound packet from a viewer; none in anything else.
pub(crate) fn report_blocks(compound: &[u8]) -> impl Iterator<Item = ReportBlock> + '_ {
    packets(compound).flat_map(|packet| {
        // A viewer that also sends puts its blocks behind the account of what it sends.
        let start = match packet[1] {
            RECEIVER_REPORT => 8,
            SENDER_REPORT => 28,
            _ => packet.len(),
        };
        let reporter = word(packet, 4);
        let blocks = packet.get(start..).unwrap_or_default().chunks_exact(24);
        blocks.take(usize::from(packet[0] & 0x1f)).map(move |block| ReportBlock {
            reporter,
            ssrc: word(block, 0),
            fraction_lost: block[4],
            // 24 bits with a sign.
            lost: (word(block, 4) << 8) as i32 >> 8,
            jitter: word(block, 12),
            last_report: word(block, 16),
            delay: word(block, 20),
        })
    })
}

/// What viewers call a sender report by: the middle of its NTP time stamp. `None` for other packets.
pub(crate) fn report_id(compound: &[u8]) -> Option<u32> {
    let report =
        packets(compound).next().filter(|packet| packet[1] == SENDER_REPORT && packet.len() >= 28)?;
    Some(word(report, 10))
}

/// The packets of a compound, each of at least four bytes, as far as they are whole.
fn packets(mut compound: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if !is_rtcp(compound) {
            return None;
        }
        let length = 4 + 4 * usize::from(u16::from_be_bytes([compound[2], compound[3]]));
        let packet = compound.get(..length)?;
        compound = &compound[length..];
        Some(packet)
    })
}

/// The 32 bits at `at`; 0 beyond the end.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
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
        let packet = goodbye(info.ssrc, Some(&info), "valkka");
        assert_eq!(packet[..4], [0x80, 200, 0, 6]);
        let ntp = u64::from_be_bytes(packet[8..16].try_into().unwrap());
        assert_eq!(WallTime::from_ntp(ntp), moment.0);
        assert_eq!(packet[16..20], [1, 2, 3, 4]);
        assert_eq!(packet[20..28], [0, 0, 0, 5, 0, 0, 0x17, 0x70]);
        assert_eq!(packet[28..32], [0x81, 202, 0, 4]);
        assert_eq!(packet[36..48], *b"\x01\x06valkka\0\0\0\0");
        assert_eq!(packet[48..], [0x81, 203, 0, 1, 0xa0, 0xb0, 0xc0, 0xd0]);
        let without = goodbye(info.ssrc, None, "valkka");
        assert_eq!(without[..8], [0x80, 201, 0, 1, 0xa0, 0xb0, 0xc0, 0xd0]);
        assert_eq!(without[8..], packet[28..]);
    }

    #[test]
    fn what_viewers_report_is_read() {
        let mut compound = vec![0x82, 201, 0, 13, 0, 0, 0, 9];
        for ssrc in [7, 8] {
            compound.extend([0, 0, 0, ssrc, 64, 0xff, 0xff, 0xfe]);
            compound.extend([0, 1, 0, 5, 0, 0, 0, 90, 1, 2, 3, 4, 0, 1, 0, 0]);
        }
        compound.extend([0x81, 202, 0, 1, 0, 0, 0, 9]);
        let blocks: Vec<_> = report_blocks(&compound).collect();
        let expected = ReportBlock {
            reporter: 9,
            ssrc: 7,
            fraction_lost: 64,
            lost: -2,
            jitter: 90,
            last_report: 0x0102_0304,
            delay: 0x1_0000,
        };
        assert_eq!(blocks, [expected, ReportBlock { ssrc: 8, ..expected }]);
        // Behind the account of a viewer that sends itself.
        let mut sending = vec![0x81, 200, 0, 12];
        sending.resize(28, 0);
        sending.extend(&compound[8..32]);
        assert_eq!(report_blocks(&sending).collect::<Vec<_>>(), [ReportBlock { reporter: 0, ..expected }]);
        assert_eq!(report_id(&compound), None);
    }

    #[test]
    fn a_report_is_known_by_the_middle_of_its_time() {
        let moment = (WallTime::from_micros(1_700_000_000_500_000), 0);
        let report = sender_report(&SenderInfo { ssrc: 1, moment, packets: 0, octets: 0 }, "valkka");
        assert_eq!(report_id(&report), Some((moment.0.to_ntp() >> 16) as u32));
    }

    #[test]
    fn garbage_reports_nothing_and_does_no_harm() {
        assert_eq!(report_blocks(&[0x81, 201, 255, 255]).count(), 0, "it is cut");
        assert_eq!(report_blocks(&[0x9f, 201, 0, 0]).count(), 0, "it promises more than it holds");
        let mut random = fastrand::Rng::with_seed(3550);
        for _ in 0..10_000 {
            let mut packet: Vec<u8> = (0..random.usize(..128)).map(|_| random.u8(..)).collect();
            if let [first, kind, high, low, ..] = &mut packet[..] {
                (*first, *kind, *high, *low) = (*first >> 2 | 0x80, random.u8(200..204), 0, *low % 32);
            }
            assert!(report_blocks(&packet).count() <= 5);
            let _ = report_id(&packet);
        }
    }
}
