//! The numbers of streams.

use valkka::stream::Slot;

/// The slot with this number, or what is wrong with it.
pub(crate) fn slot(number: i64) -> Result<Slot, String> {
    let slot = u16::try_from(number).ok().filter(|&number| number <= LAST).map(Slot::new);
    slot.ok_or_else(|| format!("slot {number} is not from 0 to {LAST}"))
}

const LAST: u16 = 255;
