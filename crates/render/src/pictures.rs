//! What every slot shows at the moment: its picture, or what stands in for it.

use std::collections::BTreeMap;

use valkka_core::bitmap::Bitmap;
use valkka_core::stream::Slot;

/// The picture of every slot.
#[derive(Debug, Default)]
pub(crate) struct Pictures {
    live: BTreeMap<Slot, Shown>,
    placeholders: BTreeMap<Slot, Shown>,
    fallback: Option<Shown>,
    last_serial: u64,
}

/// A picture that is on the screen, or should be.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) bitmap: Bitmap,
    /// Differs from that of any other picture, so that drivers know what they have uploaded.
    pub(crate) serial: u64,
}

impl Pictures {
    /// What `slot` shows; `None` is black.
    pub(crate) fn get(&self, slot: Slot) -> Option<&Shown> {
        self.live.get(&slot).or_else(|| self.placeholders.get(&slot)).or(self.fallback.as_ref())
    }

    /// A new picture of the stream, or none while it is dead.
    pub(crate) fn set_live(&mut self, slot: Slot, bitmap: Option<Bitmap>) {
        match bitmap.map(|bitmap| self.numbered(bitmap)) {
            Some(shown) => self.live.insert(slot, shown),
            None => self.live.remove(&slot),
        };
    }

    /// What stands in for `slot` while it has no picture; with `None`, the fallback does.
    pub(crate) fn set_placeholder(&mut self, slot: Slot, bitmap: Option<Bitmap>) {
        match bitmap.map(|bitmap| self.numbered(bitmap)) {
            Some(shown) => self.placeholders.insert(slot, shown),
            None => self.placeholders.remove(&slot),
        };
    }

    /// What stands in for slots that have neither a picture nor a placeholder.
    pub(crate) fn set_fallback(&mut self, bitmap: Option<Bitmap>) {
        self.fallback = bitmap.map(|bitmap| self.numbered(bitmap));
    }

    fn numbered(&mut self, bitmap: Bitmap) -> Shown {
        self.last_serial += 1;
        Shown { bitmap, serial: self.last_serial }
    }
}

#[cfg(test)]
mod tests {
    use valkka_core::bitmap::{ColorSpec, PixelFormat};

    use super::*;

    fn bitmap(width: u32) -> Bitmap {
        let data = vec![0; width as usize];
        Bitmap::from_packed(PixelFormat::Gray, width, 1, ColorSpec::default(), data).unwrap()
    }

    #[test]
    fn the_stream_comes_first_then_its_placeholder_then_the_fallback() {
        let slot = Slot::new(1);
        let mut pictures = Pictures::default();
        let width = |pictures: &Pictures| pictures.get(slot).map(|shown| shown.bitmap.width());
        assert_eq!(width(&pictures), None);
        pictures.set_fallback(Some(bitmap(1)));
        assert_eq!(width(&pictures), Some(1));
        pictures.set_placeholder(slot, Some(bitmap(2)));
        assert_eq!(width(&pictures), Some(2));
        pictures.set_live(slot, Some(bitmap(3)));
        assert_eq!(width(&pictures), Some(3));
        let serial = pictures.get(slot).unwrap().serial;
        pictures.set_live(slot, Some(bitmap(3)));
        assert_ne!(pictures.get(slot).unwrap().serial, serial);
        pictures.set_live(slot, None);
        pictures.set_placeholder(slot, None);
        assert_eq!(width(&pictures), Some(1));
    }
}
