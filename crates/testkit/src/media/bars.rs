//! The colours of SMPTE colour bars.
//!
//! The upper part of the picture is seven vertical bars of equal width: at least the upper two thirds of the
//! whole picture for standard definition, the upper half of its middle three quarters for high definition.

use crate::picture::Picture;

/// The bars from left to right, at 75 % of full intensity, as red, green and blue.
pub const COLORS: [(&str, [u8; 3]); 7] = [
    ("grey", [191, 191, 191]),
    ("yellow", [191, 191, 0]),
    ("cyan", [0, 191, 191]),
    ("green", [0, 191, 0]),
    ("magenta", [191, 0, 191]),
    ("red", [191, 0, 0]),
    ("blue", [0, 0, 191]),
];

/// A rectangle of a picture in pixels, e.g. where it is shown in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Its leftmost column.
    pub x: u32,
    /// Its uppermost row.
    pub y: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl Area {
    /// The whole of `picture`.
    pub fn whole(picture: &Picture) -> Self {
        Self { x: 0, y: 0, width: picture.width(), height: picture.height() }
    }

    /// The middle three quarters, in which the bars for high definition lie.
    #[must_use]
    pub fn middle(self) -> Self {
        Self { x: self.x + self.width / 8, width: self.width * 3 / 4, ..self }
    }
}

/// Compares the middle of each bar in `area` of `picture` with its colour.
///
/// # Errors
/// The first bar of which a component is more than `tolerance` off, in words.
pub fn check(picture: &Picture, area: Area, tolerance: u8) -> Result<(), String> {
    for (index, (name, wanted)) in (0..).zip(COLORS) {
        let (x, y) = (area.x + (2 * index + 1) * area.width / 14, area.y + area.height / 4);
        let found = picture.pixel(x, y);
        if wanted.iter().zip(found).any(|(wanted, found)| wanted.abs_diff(found) > tolerance) {
            return Err(format!("the {name} bar at ({x}, {y}) is {found:?}, not {wanted:?} ± {tolerance}"));
        }
    }
    Ok(())
}

/// Compares many points of each bar in `area` of `picture` with its colour, so that a smear is found wherever it
/// is: the middle three fifths of each bar's width, from a quarter to three fifths of the height.
///
/// # Errors
/// As [`check`], with the first point that is wrong.
pub fn check_everywhere(picture: &Picture, area: Area, tolerance: u8) -> Result<(), String> {
    for (index, (name, wanted)) in (0..).zip(COLORS) {
        for (column, row) in (0..=6).flat_map(|column| (0..=9).map(move |row| (column, row))) {
            // In parts of 70 of the width and of 180 of the height.
            let x = area.x + (10 * index + 2 + column) * area.width / 70;
            let y = area.y + (45 + row * 7) * area.height / 180;
            let found = picture.pixel(x, y);
            if wanted.iter().zip(found).any(|(wanted, found)| wanted.abs_diff(found) > tolerance) {
                return Err(format!(
                    "the {name} bar at ({x}, {y}) is {found:?}, not {wanted:?} ± {tolerance}"
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smear_is_found() {
        let (width, height) = (140, 60);
        let mut rgb = Vec::new();
        for _ in 0..height {
            rgb.extend(COLORS.iter().flat_map(|(_, color)| color.repeat(width / 7)));
        }
        let whole = |rgb: &[u8]| {
            let picture = Picture::new(width as u32, height, rgb.to_vec());
            check_everywhere(&picture, Area::whole(&picture), 0)
        };
        assert_eq!(whole(&rgb), Ok(()));
        // Blocks of 8 x 8 pixels in the cyan bar.
        for (x, y) in (44..52).flat_map(|x| (30..38).map(move |y| (x, y))) {
            rgb[(y * width + x) * 3] = 90;
        }
        assert!(whole(&rgb).unwrap_err().starts_with("the cyan bar at ("));
    }

    #[test]
    fn a_wrong_bar_is_named() {
        let mut rgb = Vec::new();
        for _ in 0..4 {
            rgb.extend(COLORS.iter().flat_map(|(_, color)| [*color, *color]).flatten());
        }
        let picture = Picture::new(14, 4, rgb.clone());
        assert_eq!(check(&picture, Area::whole(&picture), 0), Ok(()));
        // The second bar's middle is column 3 of row 1.
        rgb[(14 + 3) * 3 + 2] = 9;
        let picture = Picture::new(14, 4, rgb);
        assert_eq!(check(&picture, Area::whole(&picture), 9), Ok(()));
        let error = check(&picture, Area::whole(&picture), 8).unwrap_err();
        assert_eq!(error, "the yellow bar at (3, 1) is [191, 191, 9], not [191, 191, 0] ± 8");
    }
}
