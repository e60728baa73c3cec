//! Memory for what precedes events, which all cameras share.

use std::time::Duration;

use valkka::recording::RecordingMemory;

use crate::config::Size;

/// Divides `total` bytes. Who needs less than an equal part gets what he needs, and the others equal parts of the rest; what
/// nobody needs now is divided equally, for what comes next. `None` needs as much as there is.
pub(crate) fn divide(total: usize, needs: &[Option<usize>]) -> Vec<usize> {
    let mut parts = vec![0; needs.len()];
    let mut order: Vec<usize> = (0..needs.len()).collect();
    order.sort_by_key(|&index| needs[index].unwrap_or(usize::MAX));
    let mut left = total;
    for (served, index) in order.into_iter().enumerate() {
        let equal = left / (needs.len() - served);
        parts[index] = needs[index].unwrap_or(usize::MAX).min(equal);
        left -= parts[index];
    }
    let spare = left.checked_div(needs.len()).unwrap_or(0);
    parts.iter().map(|part| part + spare).collect()
}

/// Whether one camera has as much as it needs.
#[derive(Debug, Default)]
pub(crate) struct Sufficiency {
    /// For how many seconds it has not had, or has.
    short: u32,
    enough: u32,
    is_told: bool,
}

impl Sufficiency {
    /// Looks at `memory`, once a second, where `before` is to be kept and all cameras have `total` bytes. Returns what is
    /// worth telling.
    pub(crate) fn look(&mut self, memory: RecordingMemory, before: Duration, total: u64) -> Option<String> {
        if !memory.is_short {
            (self.short, self.enough) = (0, self.enough.saturating_add(1));
            self.is_told &= self.enough < CALM;
            return None;
        }
        (self.short, self.enough) = (self.short.saturating_add(1), 0);
        if self.is_told || self.short < PATIENCE {
            return None;
        }
        self.is_told = true;
        let total = Size(total);
        Some(format!(
            "{}: there are {total} for all cameras (memory in [record])",
            self.shortage(memory, before)?
        ))
    }

    /// What is missing, in words; `None` if nothing is, or not for long.
    pub(crate) fn shortage(&self, memory: RecordingMemory, before: Duration) -> Option<String> {
        let is_short = memory.is_short && self.short >= PATIENCE;
        let [reach, before] = [memory.reach, before].map(|time| time.as_secs());
        is_short.then(|| format!("memory holds {reach} of the {before} seconds before an event"))
    }
}

/// What a camera needs that has `memory`: a little more than it has, for pictures differ; `None` if it has too little.
pub(crate) fn need(memory: RecordingMemory) -> Option<usize> {
    (!memory.is_short).then(|| memory.bytes + memory.bytes / 4 + SLACK)
}

/// What a camera may have until it is known what it needs.
pub(crate) const FIRST_BYTES: usize = 4 << 20;
/// A large key frame.
const SLACK: usize = 512 << 10;
/// Seconds of too little until it is told …
const PATIENCE: u32 = 10;
/// … and of enough until it is told again.
const CALM: u32 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_needs_little_leaves_the_rest_to_others() {
        assert_eq!(divide(100, &[]), [0; 0]);
        assert_eq!(divide(100, &[Some(10), None, Some(20)]), [10, 70, 20]);
        assert_eq!(divide(100, &[None, Some(90), None, Some(10)]), [30, 30, 30, 10]);
        assert_eq!(divide(100, &[Some(10), Some(30)]), [40, 60], "what is left is for what comes");
        assert_eq!(divide(0, &[None, Some(5)]), [0, 0]);
        let some = [None, Some(0), Some(7), Some(40)];
        let needs =
            some.iter().flat_map(|one| some.iter().flat_map(|two| some.map(|three| [*one, *two, three])));
        for (total, needs) in needs.flat_map(|needs| [0, 5, 60, 200].map(|total| (total, needs))) {
            let parts = divide(total, &needs);
            assert!(parts.iter().sum::<usize>() <= total, "{total} {needs:?} {parts:?}");
            let enough =
                |(part, need): (&usize, &Option<usize>)| *part >= need.unwrap_or(total).min(total / 3);
            assert!(parts.iter().zip(&needs).all(enough), "{total} {needs:?} {parts:?}");
        }
    }

    #[test]
    fn too_little_is_told_once_and_after_a_while() {
        let mut sufficiency = Sufficiency::default();
        let (before, total) = (Duration::from_secs(30), 512_000_000);
        let short = RecordingMemory { bytes: 9, reach: Duration::from_secs(4), is_short: true };
        let told: Vec<_> = (0..100).filter_map(|_| sufficiency.look(short, before, total)).collect();
        let said = "memory holds 4 of the 30 seconds before an event";
        assert_eq!(told, [format!("{said}: there are 512 MB for all cameras (memory in [record])")]);
        assert_eq!(sufficiency.shortage(short, before).as_deref(), Some(said));
        let enough = RecordingMemory { is_short: false, ..short };
        assert_eq!(
            (sufficiency.look(enough, before, total), sufficiency.shortage(enough, before)),
            (None, None)
        );
        assert_eq!(
            (0..50).find_map(|_| sufficiency.look(short, before, total)),
            None,
            "it was told just now"
        );
        assert_eq!((0..60).find_map(|_| sufficiency.look(enough, before, total)), None);
        assert!((0..50).find_map(|_| sufficiency.look(short, before, total)).is_some());
        assert_eq!((need(short), need(enough)), (None, Some(11 + SLACK)));
    }
}
