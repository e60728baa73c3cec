//! What is to be seen at a moment.

use std::sync::Arc;

use valkka_core::bitmap::Bitmap;
use valkka_core::frame::Frame;
use valkka_core::time::WallTime;

/// What a stream shows at a moment of the archive, and from when to when.
#[derive(Clone, Debug)]
pub enum View {
    /// A picture.
    Picture(Picture),
    /// No picture, for a reason.
    Blank(Blank),
}

/// A picture and the time for which it is shown.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The picture with the times of its packet, in the slot and track of the recording. Its body is a bitmap.
    pub frame: Frame,
    /// The moment at which it was taken: it is shown from here on.
    pub from: WallTime,
    /// The moment from which something else is shown.
    pub to: WallTime,
}

/// A time without pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blank {
    /// Since when; `None` if there was nothing before.
    pub from: Option<WallTime>,
    /// Until when; `None` if nothing comes after, so far.
    pub to: Option<WallTime>,
    /// Why.
    pub why: Why,
}

/// Why there is no picture.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// The recording has not begun yet.
    Before,
    /// It was recorded up to here, so far.
    After,
    /// Nothing was recorded, with the reason that was recorded instead.
    Gap(Arc<str>),
    /// Nothing was recorded, and no reason.
    Silence,
    /// What was recorded cannot be decoded; why, in words.
    Damage(Arc<str>),
}

impl View {
    /// The picture, if there is one.
    pub fn picture(&self) -> Option<&Picture> {
        match self {
            Self::Picture(picture) => Some(picture),
            Self::Blank(_) => None,
        }
    }

    /// Since when this is to be seen; `None` if there was nothing before.
    pub fn from(&self) -> Option<WallTime> {
        match self {
            Self::Picture(picture) => Some(picture.from),
            Self::Blank(blank) => blank.from,
        }
    }

    /// Until when; `None` if nothing comes after, so far.
    pub fn to(&self) -> Option<WallTime> {
        match self {
            Self::Picture(picture) => Some(picture.to),
            Self::Blank(blank) => blank.to,
        }
    }
}

impl Picture {
    /// The picture itself.
    ///
    /// # Panics
    /// If the frame was replaced by one that is no picture.
    pub fn bitmap(&self) -> &Bitmap {
        self.frame.bitmap().expect("made of what a decoder gave")
    }
}

impl Why {
    /// In words, for people.
    pub fn words(&self) -> &str {
        match self {
            Self::Before => "the recording has not begun yet",
            Self::After => "nothing is recorded yet",
            Self::Gap(reason) => reason,
            Self::Silence => "nothing was recorded, and no reason is known",
            Self::Damage(reason) => reason,
        }
    }
}
