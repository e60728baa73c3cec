//! What a filter remembers of each track that passes it.

use std::collections::BTreeMap;

use crate::stream::{Slot, Track};

/// A value per track, of at most so many tracks: when another one comes, all are forgotten. Filters start
/// again with the new track then, as if the streams had just begun.
#[derive(Debug)]
pub(super) struct TrackMap<T> {
    values: BTreeMap<(Slot, Track), T>,
    limit: usize,
}

impl<T> TrackMap<T> {
    pub(super) fn new(limit: usize) -> Self {
        Self { values: BTreeMap::new(), limit }
    }

    pub(super) fn get_mut(&mut self, slot: Slot, track: Track) -> Option<&mut T> {
        self.values.get_mut(&(slot, track))
    }

    pub(super) fn insert(&mut self, slot: Slot, track: Track, value: T) {
        if self.values.len() >= self.limit && !self.values.contains_key(&(slot, track)) {
            self.values.clear();
        }
        self.values.insert((slot, track), value);
    }

    pub(super) fn remove(&mut self, slot: Slot, track: Track) {
        self.values.remove(&(slot, track));
    }

    /// Forgets all tracks of a stream.
    pub(super) fn remove_slot(&mut self, slot: Slot) {
        self.values.retain(|key, _| key.0 != slot);
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.values.values_mut()
    }

    pub(super) fn clear(&mut self) {
        self.values.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_the_limit() {
        let mut map = TrackMap::new(3);
        for number in 0..100 {
            map.insert(Slot::new(number), Track::new(0), number);
            assert!(map.values_mut().count() <= 3);
            assert_eq!(map.get_mut(Slot::new(number), Track::new(0)), Some(&mut number.clone()));
        }
        map.remove_slot(Slot::new(99));
        assert_eq!(map.get_mut(Slot::new(99), Track::new(0)), None);
    }
}
