//! Which tracks of a mount.

/// A set of track indices below [`MAX_TRACKS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TrackSet(u8);

impl TrackSet {
    /// Adds a track; one that cannot be in a set is left out.
    pub(super) fn insert(&mut self, track: u8) {
        self.0 |= 1_u8.checked_shl(track.into()).unwrap_or(0);
    }

    pub(super) fn remove(&mut self, track: u8) {
        self.0 &= !1_u8.checked_shl(track.into()).unwrap_or(0);
    }

    pub(super) fn contains(self, track: u8) -> bool {
        self.0 & 1_u8.checked_shl(track.into()).unwrap_or(0) != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) fn iter(self) -> impl Iterator<Item = u8> {
        (0..MAX_TRACKS).filter(move |&track| self.contains(track))
    }
}

impl FromIterator<u8> for TrackSet {
    fn from_iter<I: IntoIterator<Item = u8>>(tracks: I) -> Self {
        let mut set = Self::default();
        tracks.into_iter().for_each(|track| set.insert(track));
        set
    }
}

/// Tracks per mount; a set of them is one byte.
pub(super) const MAX_TRACKS: u8 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_a_track_is_in_a_set() {
        let mut set: TrackSet = [0, 7, 8, 255].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 7]);
        assert!(set.contains(7) && !set.contains(8) && !set.contains(255));
        assert_eq!(set.intersection([7, 3].into_iter().collect()).iter().collect::<Vec<_>>(), [7]);
        set.remove(0);
        set.remove(8);
        set.remove(7);
        assert!(set.is_empty());
    }
}
