//! What a viewer sees of a stream: packets counted, their sequence checked.

/// What has arrived.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) bytes: u64,
    /// Pictures, by the marker of their last packet.
    pub(crate) pictures: u64,
    /// Packets that are missing between others.
    pub(crate) lost: u64,
    /// Nothing more will come.
    pub(crate) over: bool,
}

impl Counts {
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            bytes: self.bytes - before.bytes,
            pictures: self.pictures - before.pictures,
            lost: self.lost - before.lost,
            over: self.over,
        }
    }
}

/// RTP packets of one track.
#[derive(Debug, Default)]
pub(crate) struct Track {
    pub(crate) counts: Counts,
    next: Option<u16>,
}

impl Track {
    /// Takes the beginning of a packet, at least its first four bytes.
    pub(crate) fn packet(&mut self, head: [u8; 4]) {
        let sequence = u16::from_be_bytes([head[2], head[3]]);
        let expected = self.next.unwrap_or(sequence);
        self.counts.lost += u64::from(sequence.wrapping_sub(expected));
        self.next = Some(sequence.wrapping_add(1));
        self.counts.pictures += u64::from(head[1] >> 7);
    }
}

/// Packets in a connection (RFC 2326, section 10.12), cut anywhere. Looks at their beginnings and passes over the rest.
#[derive(Debug, Default)]
pub(crate) struct Interleaved {
    pub(crate) track: Track,
    head: [u8; HEAD_BYTES],
    head_length: usize,
    /// What is left of the packet, behind its beginning.
    rest: usize,
}

impl Interleaved {
    /// Takes what was read. Answers to requests are not expected any more; whatever is no packet is an error.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) -> Result<(), NotAPacket> {
        self.track.counts.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let passed = bytes.len().min(self.rest);
            self.rest -= passed;
            bytes = &bytes[passed..];
            let taken = bytes.len().min(HEAD_BYTES - self.head_length);
            self.head[self.head_length..self.head_length + taken].copy_from_slice(&bytes[..taken]);
            self.head_length += taken;
            bytes = &bytes[taken..];
            if self.head_length == HEAD_BYTES {
                let [dollar, channel, high, low, head @ ..] = self.head;
                let length = usize::from(u16::from_be_bytes([high, low]));
                if dollar != b'$' || length < head.len() {
                    return Err(NotAPacket);
                }
                self.rest = length - head.len();
                self.head_length = 0;
                if channel == 0 {
                    self.track.packet(head);
                }
            }
        }
        Ok(())
    }
}

/// Something came where a packet must begin.
#[derive(Debug)]
pub(crate) struct NotAPacket;

/// The frame of a packet, and the part of it that is looked at.
const HEAD_BYTES: usize = 8;
