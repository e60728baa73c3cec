//! Frames as memory, for those who look at it by its address.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::map::Range;

/// A place in which frames are seen: a range of addresses that stays readable as long as this lives, its reader or writer
/// gone or not. The frames that the reader held last stay as they are for as long.
#[derive(Clone)]
pub struct View {
    address: usize,
    len: usize,
    _range: Arc<Range>,
    _held: Option<Held>,
}

/// What keeps frames as they are: all that a reader holds.
type Held = Arc<dyn Any + Send + Sync>;

impl View {
    /// The place `index` of `range`.
    pub(crate) fn new(range: Arc<Range>, index: usize, held: Option<Held>) -> Option<Self> {
        let (address, len) = range.place(index)?;
        Some(Self { address, len, _range: range, _held: held })
    }

    /// Where it starts. It must be read only; what is read there changes when the reader pulls,
    /// and with the view of a writer whenever a frame is written.
    pub fn address(&self) -> usize {
        self.address
    }

    /// How many bytes can be read there: as many as were asked for.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("address", &self.address).field("len", &self.len).finish()
    }
}
