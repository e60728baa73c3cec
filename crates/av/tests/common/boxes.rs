//! What stands in the boxes of a fragment (ISO/IEC 14496-12, 8.8).

/// One sample of a fragment. Times are in units of its track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// The number of the track, from 1 on.
    pub(crate) track: u32,
    pub(crate) dts: i64,
    pub(crate) pts: i64,
    pub(crate) duration: i64,
}

/// The samples of a fragment, track by track.
pub(crate) fn samples(fragment: &[u8]) -> Vec<Sample> {
    let mut found = Vec::new();
    let moof = children(fragment).into_iter().find(|(kind, _)| kind == b"moof").unwrap().1;
    for (_, traf) in children(moof).into_iter().filter(|(kind, _)| kind == b"traf") {
        let inside =
            |wanted: &[u8; 4]| children(traf).into_iter().find(|(kind, _)| kind == wanted).unwrap().1;
        let (tfhd, tfdt, trun) = (inside(b"tfhd"), inside(b"tfdt"), inside(b"trun"));
        let flags = number(tfhd, 0);
        assert_eq!(flags & 3, 0, "neither an offset nor a description");
        let default_duration = if flags & 8 != 0 { number(tfhd, 8) } else { 0 };
        assert_eq!(tfdt[0], 1, "64 bits");
        let mut dts = i64::from_be_bytes(tfdt[4..12].try_into().unwrap());
        let flags = number(trun, 0);
        let mut at = 8 + if flags & 1 != 0 { 4 } else { 0 } + if flags & 4 != 0 { 4 } else { 0 };
        for _ in 0..number(trun, 4) {
            let mut field = |flag| {
                let told = flags & flag != 0;
                at += if told { 4 } else { 0 };
                told.then(|| number(trun, at - 4))
            };
            let duration = field(0x100).unwrap_or(default_duration).into();
            let (_size, _flags) = (field(0x200), field(0x400));
            // Signed in version 1.
            let offset = field(0x800).unwrap_or_default().cast_signed();
            found.push(Sample { track: number(tfhd, 4), dts, pts: dts + i64::from(offset), duration });
            dts += duration;
        }
    }
    found
}

/// Bytes of a fragment that are not samples.
pub(crate) fn head_bytes(fragment: &[u8]) -> usize {
    let samples: usize =
        children(fragment).iter().filter(|(kind, _)| kind == b"mdat").map(|(_, content)| content.len()).sum();
    fragment.len() - samples
}

fn children(mut data: &[u8]) -> Vec<([u8; 4], &[u8])> {
    let mut found = Vec::new();
    while !data.is_empty() {
        let (this, rest) = data.split_at(number(data, 0) as usize);
        found.push((this[4..8].try_into().unwrap(), &this[8..]));
        data = rest;
    }
    found
}

fn number(data: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(data[at..at + 4].try_into().unwrap())
}
