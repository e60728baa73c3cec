//! Pictures of text: for a tile that has none, the name of the camera and what is the matter; and a line over others.

use valkka_core::bitmap::{Bitmap, ColorSpec, PixelFormat};

use crate::text;

/// Draws `title` and, below it, `message` in grey on black, lines broken at spaces, in a picture of 640 × 360.
pub(crate) fn placeholder(title: &str, message: &str) -> Bitmap {
    let mut data = vec![0; (WIDTH * HEIGHT * 3) as usize];
    let lines = wrap(title, 1).into_iter().map(|line| (line, TITLE));
    let lines = lines.chain(wrap(message, MAX_LINES - 1).into_iter().map(|line| (line, MESSAGE)));
    let lines: Vec<_> = lines.collect();
    let line_height = text::LINE_HEIGHT * SCALE + SPACING;
    let mut top = HEIGHT.saturating_sub(line_height * lines.len() as u32) / 2;
    for (line, level) in lines {
        let width = line.chars().count() as u32 * text::CHAR_WIDTH * SCALE;
        let left = WIDTH.saturating_sub(width) / 2;
        text::draw(&line, SCALE, |x, y| {
            let (x, y) = (left + x, top + y);
            if x < WIDTH && y < HEIGHT {
                let start = ((y * WIDTH + x) * 3) as usize;
                data[start..start + 3].fill(level);
            }
        });
        top += line_height;
    }
    Bitmap::from_packed(PixelFormat::Rgb24, WIDTH, HEIGHT, ColorSpec::default(), data)
        .expect("the data has the picture's size")
}

/// Draws `text` in white on black, as one line of at most [`MAX_CAPTION`] characters, in a picture as large as it needs.
pub(crate) fn caption(text: &str) -> Bitmap {
    let text: String = text.chars().take(MAX_CAPTION).collect();
    let width = text.chars().count() as u32 * text::CHAR_WIDTH + 2 * CAPTION_MARGIN;
    let height = text::LINE_HEIGHT + 2 * CAPTION_MARGIN;
    let mut data = vec![0; (width * height * 3) as usize];
    text::draw(&text, 1, |x, y| {
        let (x, y) = (x + CAPTION_MARGIN, y + CAPTION_MARGIN);
        if x < width && y < height {
            let start = ((y * width + x) * 3) as usize;
            data[start..start + 3].fill(CAPTION);
        }
    });
    Bitmap::from_packed(PixelFormat::Rgb24, width, height, ColorSpec::default(), data)
        .expect("the data has the picture's size")
}

const WIDTH: u32 = 640;
const HEIGHT: u32 = 360;
const SCALE: u32 = 2;
const SPACING: u32 = 8;
const MAX_LINES: usize = 6;
const MAX_CHARS: usize = (WIDTH / (text::CHAR_WIDTH * SCALE)) as usize;
/// Grey levels.
const TITLE: u8 = 220;
const MESSAGE: u8 = 150;
const CAPTION: u8 = 235;
/// Around it, in pixels.
const CAPTION_MARGIN: u32 = 2;
/// No window is wider.
const MAX_CAPTION: usize = 200;

/// Breaks `text` into at most `most` lines of at most `MAX_CHARS` characters; the rest is cut.
fn wrap(text: &str, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        for piece in pieces(word) {
            let line = lines.last_mut().expect("there is always a line");
            let used = line.chars().count();
            if used == 0 {
                *line = piece;
            } else if used + 1 + piece.chars().count() <= MAX_CHARS {
                line.push(' ');
                line.push_str(&piece);
            } else {
                lines.push(piece);
            }
        }
    }
    lines.truncate(most);
    lines
}

/// Cuts a word that is longer than a line.
fn pieces(word: &str) -> Vec<String> {
    let chars: Vec<char> = word.chars().collect();
    chars.chunks(MAX_CHARS).map(|piece| piece.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces_and_long_words_anywhere() {
        assert_eq!(
            wrap("cannot connect to 127.0.0.1:554: refused", 9),
            ["cannot connect to 127.0.0.1:554:", "refused"]
        );
        assert_eq!(wrap(&"x".repeat(70), 9).iter().map(String::len).collect::<Vec<_>>(), [32, 32, 6]);
        assert_eq!(wrap(&"word ".repeat(100), 3).len(), 3);
        assert_eq!(wrap("", 3), [""]);
    }

    #[test]
    fn a_caption_is_as_long_as_its_text() {
        let picture = caption("12:00");
        assert_eq!((picture.width(), picture.height()), (54, 24));
        assert!(picture.plane(0).data.contains(&CAPTION));
        assert_eq!(caption(&"x".repeat(5000)).width(), 2004);
    }

    #[test]
    fn something_is_drawn() {
        let picture = placeholder("cam1", "connecting");
        assert!(picture.plane(0).data.contains(&TITLE));
        assert!(picture.plane(0).data.contains(&MESSAGE));
    }
}
