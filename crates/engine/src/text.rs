//! Text in pictures: camera names in generated scenes, states in tiles.

use std::convert::Infallible;

use embedded_graphics::Drawable;
use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::iso_8859_1::FONT_10X20;
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::text::{Baseline, Text};

/// Width of one character at scale 1, in pixels.
pub(crate) const CHAR_WIDTH: u32 = 10;
/// Height of one line at scale 1, in pixels.
pub(crate) const LINE_HEIGHT: u32 = 20;

/// Calls `dot` with each pixel that `text`, `scale` times enlarged, sets when its upper left corner is the
/// origin. Characters beyond Latin-1 show as `?`.
pub(crate) fn draw(text: &str, scale: u32, dot: impl FnMut(u32, u32)) {
    let mut dots = Dots { scale, dot };
    let style = MonoTextStyle::new(&FONT_10X20, BinaryColor::On);
    let Ok(_) = Text::with_baseline(text, Point::zero(), style, Baseline::Top).draw(&mut dots);
}

struct Dots<F> {
    scale: u32,
    dot: F,
}

impl<F: FnMut(u32, u32)> DrawTarget for Dots<F> {
    type Color = BinaryColor;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = Pixel<BinaryColor>>,
    {
        for Pixel(point, color) in pixels {
            let (Ok(x), Ok(y), BinaryColor::On) = (u32::try_from(point.x), u32::try_from(point.y), color)
            else {
                continue;
            };
            for row in 0..self.scale {
                for column in 0..self.scale {
                    (self.dot)(x * self.scale + column, y * self.scale + row);
                }
            }
        }
        Ok(())
    }
}

impl<F> OriginDimensions for Dots<F> {
    fn size(&self) -> Size {
        Size::new(u32::MAX, u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enlarged_text_covers_enlarged_dots() {
        let mut small = Vec::new();
        draw("A", 1, |x, y| small.push((x, y)));
        assert!(!small.is_empty());
        assert!(small.iter().all(|&(x, y)| x < CHAR_WIDTH && y < LINE_HEIGHT));
        let mut large = 0;
        draw("A", 3, |x, y| {
            assert!(small.contains(&(x / 3, y / 3)));
            large += 1;
        });
        assert_eq!(large, small.len() * 9);
    }
}
