//! How many frames a ring holds, and of what kind and size.

use std::fmt;

/// What a writer offers, and what a reader asks for: a number of cells, and what is in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    cells: usize,
    contents: Contents,
}

/// The kind and size of the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Contents {
    /// Bytes that mean something to those who know: at most so many.
    Bytes(usize),
    /// RGB pictures, 8 bits each, rows without gaps.
    Pictures {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
    },
    /// Boxes of fragmented MP4: at most so many bytes each.
    Fragments(usize),
}

/// Why a shape cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot be {got}: it must lie between 1 and {max}")]
pub struct OutOfBounds {
    what: &'static str,
    got: u64,
    max: u64,
}

impl Shape {
    /// The most cells that a ring has.
    pub const MAX_CELLS: usize = 1024;
    /// The most bytes of one frame.
    pub const MAX_BYTES: usize = 256 << 20;
    /// The longest side of a picture, in pixels.
    pub const MAX_SIDE: u32 = 16_384;

    /// `cells` frames of at most `bytes` bytes each. A reader who asks for it reads frames of all kinds.
    ///
    /// # Errors
    /// If a number is zero or too large.
    pub fn bytes(cells: usize, bytes: usize) -> Result<Self, OutOfBounds> {
        Self::checked(cells, Contents::Bytes(bytes))
    }

    /// `cells` RGB pictures of this size in pixels.
    ///
    /// # Errors
    /// If a number is zero or too large.
    pub fn pictures(cells: usize, width: u32, height: u32) -> Result<Self, OutOfBounds> {
        within("the width of a picture", u64::from(width), u64::from(Self::MAX_SIDE))?;
        within("the height of a picture", u64::from(height), u64::from(Self::MAX_SIDE))?;
        Self::checked(cells, Contents::Pictures { width, height })
    }

    /// `cells` boxes of fragmented MP4 of at most `bytes` bytes each.
    ///
    /// # Errors
    /// If a number is zero or too large.
    pub fn fragments(cells: usize, bytes: usize) -> Result<Self, OutOfBounds> {
        Self::checked(cells, Contents::Fragments(bytes))
    }

    /// How many of the newest frames stay readable, at least.
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// What is in the cells.
    pub fn contents(&self) -> Contents {
        self.contents
    }

    /// The most bytes of one frame.
    pub fn frame_bytes(&self) -> usize {
        self.contents.frame_bytes()
    }

    fn checked(cells: usize, contents: Contents) -> Result<Self, OutOfBounds> {
        within("the number of cells", cells as u64, Self::MAX_CELLS as u64)?;
        within("the size of a cell in bytes", contents.frame_bytes() as u64, Self::MAX_BYTES as u64)?;
        Ok(Self { cells, contents })
    }
}

impl Contents {
    /// Whether a reader who asks for this can read what `offered` describes. A reader of bytes reads all kinds.
    pub(crate) fn accepts(self, offered: Self) -> bool {
        match (self, offered) {
            (Self::Bytes(room), offered) => offered.frame_bytes() <= room,
            (Self::Fragments(room), Self::Fragments(bytes)) => bytes <= room,
            (Self::Pictures { .. }, offered) => self == offered,
            (Self::Fragments(_), _) => false,
        }
    }

    fn frame_bytes(self) -> usize {
        match self {
            Self::Bytes(bytes) | Self::Fragments(bytes) => bytes,
            // Sides are at most 2^14, so this fits.
            Self::Pictures { width, height } => width as usize * height as usize * 3,
        }
    }
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "frames of at most {bytes} bytes"),
            Self::Pictures { width, height } => write!(f, "RGB pictures of {width}x{height}"),
            Self::Fragments(bytes) => write!(f, "MP4 boxes of at most {bytes} bytes"),
        }
    }
}

fn within(what: &'static str, got: u64, max: u64) -> Result<(), OutOfBounds> {
    if (1..=max).contains(&got) { Ok(()) } else { Err(OutOfBounds { what, got, max }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_said_with_its_numbers() {
        let said = |shape: Result<Shape, OutOfBounds>| shape.unwrap_err().to_string();
        assert_eq!(
            said(Shape::bytes(0, 1)),
            "the number of cells cannot be 0: it must lie between 1 and 1024"
        );
        assert_eq!(
            said(Shape::fragments(1, usize::MAX)),
            format!(
                "the size of a cell in bytes cannot be {}: it must lie between 1 and 268435456",
                usize::MAX
            )
        );
        assert!(said(Shape::pictures(1, 0, 5)).starts_with("the width of a picture cannot be 0"));
        assert!(said(Shape::pictures(1, 5, u32::MAX)).starts_with("the height of a picture"));
        assert!(said(Shape::pictures(1, 16_384, 16_384)).starts_with("the size of a cell in bytes"));
        assert_eq!(Shape::pictures(3, 480, 270).unwrap().frame_bytes(), 388_800);
    }

    #[test]
    fn who_can_read_what() {
        let picture = Contents::Pictures { width: 10, height: 10 };
        assert!(picture.accepts(picture));
        assert!(!picture.accepts(Contents::Pictures { width: 10, height: 11 }));
        assert!(!picture.accepts(Contents::Bytes(300)));
        assert!(Contents::Bytes(300).accepts(picture) && !Contents::Bytes(299).accepts(picture));
        assert!(Contents::Bytes(300).accepts(Contents::Fragments(300)));
        assert!(Contents::Fragments(300).accepts(Contents::Fragments(20)));
        assert!(!Contents::Fragments(300).accepts(Contents::Fragments(301)));
        assert!(!Contents::Fragments(300).accepts(Contents::Bytes(20)));
    }
}
