//! Where pictures go: grids of tiles, letterboxing and cropping, outlines. Pure arithmetic.
//!
//! Three systems of coordinates meet here. An [`Area`] is a part of a window, in fractions, from the top left
//! corner. A [`PixelRect`] is in pixels of a window or tile, from the top left corner. A [`Rectangle`] over a
//! picture is in fractions of the whole picture, from its *bottom* left corner, so that it stays on the same
//! thing whatever the size, the letterbox or the crop.

/// How a picture whose shape differs from its tile's is fitted in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fit {
    /// The whole picture, with black bars.
    #[default]
    Letterbox,
    /// No bars: what sticks out on two sides is cut off.
    Fill,
}

/// A part of a window in fractions of its size, from the top left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// Left edge.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

impl Area {
    /// The whole window.
    pub const FULL: Self = Self { x: 0.0, y: 0.0, width: 1.0, height: 1.0 };

    /// The pixels of this area in a window of `width` × `height` pixels, cut off at the window's edges.
    ///
    /// Areas that share an edge get pixels that meet without a gap or an overlap.
    pub fn pixels(&self, width: u32, height: u32) -> PixelRect {
        let (left, right) = span(self.x, self.width, width);
        let (top, bottom) = span(self.y, self.height, height);
        PixelRect { x: left, y: top, width: (right - left) as u32, height: (bottom - top) as u32 }
    }
}

impl Default for Area {
    fn default() -> Self {
        Self::FULL
    }
}

/// A rectangle in pixels, from the top left corner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PixelRect {
    /// Left edge.
    pub x: i32,
    /// Upper edge.
    pub y: i32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

impl PixelRect {
    /// A rectangle at the origin.
    pub const fn of_size(width: u32, height: u32) -> Self {
        Self { x: 0, y: 0, width, height }
    }

    /// Whether it holds no pixel.
    pub fn is_empty(&self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// What it shares with `other`; empty if nothing.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let right = self.right().min(other.right());
        let bottom = self.bottom().min(other.bottom());
        let length = |from: i32, to: i64| u32::try_from(to - i64::from(from)).unwrap_or(0);
        Self { x, y, width: length(x, right), height: length(y, bottom) }
    }

    /// Whether the pixel (`x`, `y`) lies in it.
    pub fn contains(&self, x: i32, y: i32) -> bool {
        x >= self.x && y >= self.y && i64::from(x) < self.right() && i64::from(y) < self.bottom()
    }

    fn right(&self) -> i64 {
        i64::from(self.x) + i64::from(self.width)
    }

    fn bottom(&self) -> i64 {
        i64::from(self.y) + i64::from(self.height)
    }
}

/// The outline of a rectangle over a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rectangle {
    /// Left edge, in fractions of the picture's width.
    pub left: f32,
    /// Right edge, likewise.
    pub right: f32,
    /// Upper edge, in fractions of the picture's height, counted from the bottom upwards.
    pub top: f32,
    /// Lower edge, likewise.
    pub bottom: f32,
    /// Red, green and blue of the line.
    pub color: [u8; 3],
    /// Width of the line in pixels of the window; drawn inwards from the edges.
    pub line_px: u32,
}

impl Rectangle {
    /// A green rectangle with a line of two pixels.
    pub const fn new(left: f32, right: f32, top: f32, bottom: f32) -> Self {
        Self { left, right, top, bottom, color: [0, 255, 0], line_px: 2 }
    }

    /// The four bars of its outline in the pixels of the tile, cut off where the picture ends.
    pub fn outline(&self, placement: &Placement) -> [PixelRect; 4] {
        let (x0, x1) = ordered(placement.column(self.left), placement.column(self.right));
        let (y0, y1) = ordered(placement.row(self.top), placement.row(self.bottom));
        let (width, height) = ((x1 - x0).max(1), (y1 - y0).max(1));
        let line = i32::try_from(self.line_px.max(1)).unwrap_or(i32::MAX);
        let (across, down) = (line.min(width), line.min(height));
        let bar = |x: i32, y: i32, width: i32, height: i32| {
            PixelRect { x, y, width: width as u32, height: height as u32 }.intersection(&placement.target)
        };
        [
            bar(x0, y0, width, down),
            bar(x0, y0 + height - down, width, down),
            bar(x0, y0, across, height),
            bar(x0 + width - across, y0, across, height),
        ]
    }
}

/// Where a picture lies in its tile, and which part of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// Size of the whole picture in pixels.
    pub picture: (u32, u32),
    /// The part of the picture that is shown, in its pixels from the top left corner: x, y, width, height.
    pub source: [f32; 4],
    /// The pixels of the tile it is shown in. The rest of the tile is black.
    pub target: PixelRect,
}

impl Placement {
    /// Fits a picture into a tile; sizes are width and height in pixels. Without a pixel on either side, the
    /// target is empty.
    pub fn new(picture: (u32, u32), tile: (u32, u32), fit: Fit) -> Self {
        let whole = [0.0, 0.0, picture.0 as f32, picture.1 as f32];
        if picture.0 == 0 || picture.1 == 0 || tile.0 == 0 || tile.1 == 0 {
            return Self { picture, source: whole, target: PixelRect::default() };
        }
        // Cross-multiplied in integers, so that equal shapes are found equal.
        let picture_is_wider =
            u64::from(picture.0) * u64::from(tile.1) > u64::from(tile.0) * u64::from(picture.1);
        let same_shape = u64::from(picture.0) * u64::from(tile.1) == u64::from(tile.0) * u64::from(picture.1);
        let full = PixelRect::of_size(tile.0, tile.1);
        if same_shape {
            return Self { picture, source: whole, target: full };
        }
        match fit {
            Fit::Letterbox if picture_is_wider => {
                let height = scaled(tile.0, picture.1, picture.0).clamp(1, tile.1);
                let y = ((tile.1 - height) / 2) as i32;
                Self { picture, source: whole, target: PixelRect { y, height, ..full } }
            }
            Fit::Letterbox => {
                let width = scaled(tile.1, picture.0, picture.1).clamp(1, tile.0);
                let x = ((tile.0 - width) / 2) as i32;
                Self { picture, source: whole, target: PixelRect { x, width, ..full } }
            }
            Fit::Fill if picture_is_wider => {
                let width = (f64::from(picture.1) * f64::from(tile.0) / f64::from(tile.1)) as f32;
                let x = (whole[2] - width) / 2.0;
                Self { picture, source: [x, 0.0, width, whole[3]], target: full }
            }
            Fit::Fill => {
                let height = (f64::from(picture.0) * f64::from(tile.1) / f64::from(tile.0)) as f32;
                let y = (whole[3] - height) / 2.0;
                Self { picture, source: [0.0, y, whole[2], height], target: full }
            }
        }
    }

    /// The pixel column of the tile at a fraction of the picture's width.
    fn column(&self, fraction: f32) -> i32 {
        let [x, _, width, _] = self.source;
        let within = (bounded(fraction) * self.picture.0 as f32 - x) / width.max(f32::MIN_POSITIVE);
        self.target.x.saturating_add((within * self.target.width as f32).round() as i32)
    }

    /// The pixel row of the tile at a fraction of the picture's height, counted from the bottom.
    fn row(&self, fraction: f32) -> i32 {
        let [_, y, _, height] = self.source;
        let from_top = (1.0 - bounded(fraction)) * self.picture.1 as f32;
        let within = (from_top - y) / height.max(f32::MIN_POSITIVE);
        self.target.y.saturating_add((within * self.target.height as f32).round() as i32)
    }
}

/// Tiles of equal size in rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    tiles: usize,
    columns: usize,
    rows: usize,
}

impl Grid {
    /// A grid of `tiles` tiles with so many columns (at least one).
    pub fn with_columns(tiles: usize, columns: usize) -> Self {
        let columns = columns.clamp(1, tiles.max(1));
        Self { tiles, columns, rows: tiles.div_ceil(columns).max(1) }
    }

    /// The grid in which `tiles` pictures of the shape `picture` (width, height) come out largest in a window
    /// of `window` pixels.
    pub fn for_window(tiles: usize, window: (u32, u32), picture: (u32, u32)) -> Self {
        let height_of = |columns: usize| {
            let grid = Self::with_columns(tiles, columns);
            let width = f64::from(window.0.max(1)) / grid.columns as f64;
            let height = f64::from(window.1.max(1)) / grid.rows as f64;
            height.min(width * f64::from(picture.1.max(1)) / f64::from(picture.0.max(1)))
        };
        // More columns than MOST never make pictures larger in a window that a screen can hold.
        let mut best = Self::with_columns(tiles, 1);
        let mut best_height = height_of(1);
        for columns in 2..=tiles.min(MOST_COLUMNS) {
            let height = height_of(columns);
            // Of two that are equal, screens are wider than high.
            if height >= best_height {
                (best, best_height) = (Self::with_columns(tiles, columns), height);
            }
        }
        best
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The area of tile `index`, counted from the top left, row by row; `None` beyond the last tile.
    pub fn tile(&self, index: usize) -> Option<Area> {
        (index < self.tiles).then(|| {
            let (width, height) = (1.0 / self.columns as f32, 1.0 / self.rows as f32);
            let (column, row) = (index % self.columns, index / self.columns);
            Area { x: column as f32 * width, y: row as f32 * height, width, height }
        })
    }

    /// The areas of all tiles; with `enlarged`, that tile fills the window and the others have none.
    pub fn areas(&self, enlarged: Option<usize>) -> Vec<Option<Area>> {
        (0..self.tiles)
            .map(|index| match enlarged {
                Some(chosen) if chosen < self.tiles => (index == chosen).then_some(Area::FULL),
                _ => self.tile(index),
            })
            .collect()
    }
}

/// From and to, in pixels, of a stretch of a window's side of `length` pixels.
fn span(start: f32, extent: f32, length: u32) -> (i32, i32) {
    let length = f64::from(length.min(i32::MAX as u32));
    // A NaN becomes 0 by the cast.
    let edge = |fraction: f64| (fraction * length).round().clamp(0.0, length) as i32;
    let from = edge(f64::from(start));
    (from, edge(f64::from(start) + f64::from(extent)).max(from))
}

/// `length * numerator / denominator`, rounded.
fn scaled(length: u32, numerator: u32, denominator: u32) -> u32 {
    let product = u64::from(length) * u64::from(numerator) + u64::from(denominator) / 2;
    u32::try_from(product / u64::from(denominator.max(1))).unwrap_or(u32::MAX)
}

/// A fraction of a picture near enough to it for arithmetic without overflow; not a number is 0.
fn bounded(fraction: f32) -> f32 {
    if fraction.is_nan() { 0.0 } else { fraction.clamp(-16.0, 16.0) }
}

/// Both in order, and within a range in which sums cannot overflow.
fn ordered(a: i32, b: i32) -> (i32, i32) {
    const LIMIT: i32 = 1 << 24;
    let (a, b) = (a.clamp(-LIMIT, LIMIT), b.clamp(-LIMIT, LIMIT));
    (a.min(b), a.max(b))
}

/// Largest number of columns that [`Grid::for_window`] considers.
const MOST_COLUMNS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const HD: (u32, u32) = (1920, 1080);

    #[test]
    fn equal_shapes_fill_the_tile_whatever_the_fit() {
        for fit in [Fit::Letterbox, Fit::Fill] {
            let placement = Placement::new(HD, (320, 180), fit);
            assert_eq!(placement.target, PixelRect::of_size(320, 180));
            assert_eq!(placement.source, [0.0, 0.0, 1920.0, 1080.0]);
        }
    }

    #[test]
    fn letterbox_shows_everything_in_the_middle() {
        let wide = Placement::new(HD, (400, 400), Fit::Letterbox);
        assert_eq!(wide.target, PixelRect { x: 0, y: 87, width: 400, height: 225 });
        let tall = Placement::new((600, 800), (400, 400), Fit::Letterbox);
        assert_eq!(tall.target, PixelRect { x: 50, y: 0, width: 300, height: 400 });
        assert_eq!(tall.source, [0.0, 0.0, 600.0, 800.0]);
    }

    #[test]
    fn fill_cuts_off_both_sides_alike() {
        let wide = Placement::new(HD, (400, 400), Fit::Fill);
        assert_eq!(wide.target, PixelRect::of_size(400, 400));
        assert_eq!(wide.source, [420.0, 0.0, 1080.0, 1080.0]);
        let tall = Placement::new((600, 800), (400, 400), Fit::Fill);
        assert_eq!(tall.source, [0.0, 100.0, 600.0, 600.0]);
    }

    #[test]
    fn extreme_shapes_keep_a_pixel_and_nothing_has_none() {
        let line = Placement::new((10_000, 1), (100, 100), Fit::Letterbox);
        assert_eq!(line.target, PixelRect { x: 0, y: 49, width: 100, height: 1 });
        for (picture, tile) in [((0, 1), HD), ((1, 0), HD), (HD, (0, 9)), (HD, (9, 0))] {
            assert!(Placement::new(picture, tile, Fit::Fill).target.is_empty());
        }
        let huge = Placement::new((u32::MAX, 1), (u32::MAX, u32::MAX), Fit::Letterbox);
        assert_eq!(huge.target.height, 1);
    }

    #[test]
    fn rectangles_count_from_the_bottom_left_of_the_picture() {
        let placement = Placement::new((100, 100), (200, 100), Fit::Letterbox);
        let [top, bottom, left, right] =
            Rectangle { line_px: 3, ..Rectangle::new(0.1, 0.5, 0.9, 0.6) }.outline(&placement);
        assert_eq!(top, PixelRect { x: 60, y: 10, width: 40, height: 3 });
        assert_eq!(bottom, PixelRect { x: 60, y: 37, width: 40, height: 3 });
        assert_eq!(left, PixelRect { x: 60, y: 10, width: 3, height: 30 });
        assert_eq!(right, PixelRect { x: 97, y: 10, width: 3, height: 30 });
        // Upside down and mirrored is the same outline.
        assert_eq!(
            Rectangle { line_px: 3, ..Rectangle::new(0.5, 0.1, 0.6, 0.9) }.outline(&placement)[0],
            top
        );
    }

    #[test]
    fn rectangles_follow_the_crop_and_end_with_the_picture() {
        // A square tile shows the middle 1080 of 1920 columns: the picture's middle half is not the tile's.
        let placement = Placement::new(HD, (108, 108), Fit::Fill);
        let [top, ..] = Rectangle::new(0.5, 2.0, 2.0, 0.5).outline(&placement);
        assert!(top.is_empty());
        let [_, bottom, left, right] = Rectangle::new(0.5, 2.0, 2.0, 0.5).outline(&placement);
        assert_eq!(bottom, PixelRect { x: 54, y: 52, width: 54, height: 2 });
        assert_eq!(left, PixelRect { x: 54, y: 0, width: 2, height: 54 });
        assert!(right.is_empty());
    }

    #[test]
    fn any_number_makes_an_outline_within_the_picture() {
        let placement = Placement::new((7, 5), (64, 48), Fit::Letterbox);
        let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -1e30, 0.0, 1.0];
        for left in odd {
            for right in odd {
                for line_px in [0, 1, u32::MAX] {
                    let rectangle = Rectangle { line_px, ..Rectangle::new(left, right, right, left) };
                    for bar in rectangle.outline(&placement) {
                        assert_eq!(bar.intersection(&placement.target), bar);
                    }
                }
            }
        }
    }

    #[test]
    fn tiles_meet_without_gap_or_overlap() {
        let grid = Grid::with_columns(21, 7);
        for width in [100, 641, 1919] {
            let mut edge = 0;
            for index in 0..7 {
                let tile = grid.tile(index).unwrap().pixels(width, 300);
                assert_eq!(tile.x, edge);
                edge = tile.x + tile.width as i32;
            }
            assert_eq!(edge, width as i32);
        }
    }

    #[test]
    fn areas_end_at_the_window() {
        let area = Area { x: -0.5, y: 0.5, width: 1.0, height: 9.0 };
        assert_eq!(area.pixels(100, 100), PixelRect { x: 0, y: 50, width: 50, height: 50 });
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let pixels = Area { x: odd, y: odd, width: odd, height: odd }.pixels(100, 100);
            assert_eq!(pixels.intersection(&PixelRect::of_size(100, 100)), pixels);
        }
    }

    #[test]
    fn the_grid_suits_the_window() {
        let shape = |tiles, window| {
            let grid = Grid::for_window(tiles, window, (16, 9));
            (grid.columns(), grid.rows())
        };
        assert_eq!(shape(1, HD), (1, 1));
        assert_eq!(shape(4, HD), (2, 2));
        assert_eq!(shape(5, HD), (3, 2));
        assert_eq!(shape(9, HD), (3, 3));
        assert_eq!(shape(24, HD), (5, 5));
        assert_eq!(shape(4, (1080, 1920)), (1, 4));
        assert_eq!(shape(4, (4000, 300)), (4, 1));
        assert_eq!(shape(0, HD), (1, 1));
        assert_eq!(shape(3, (0, 0)).0 * shape(3, (0, 0)).1, 3);
        assert_eq!(Grid::with_columns(5, 0).columns(), 1);
    }

    #[test]
    fn one_tile_can_be_enlarged() {
        let grid = Grid::with_columns(3, 2);
        assert_eq!(grid.areas(Some(1)), [None, Some(Area::FULL), None]);
        let all = grid.areas(None);
        assert_eq!(all[2], Some(Area { x: 0.0, y: 0.5, width: 0.5, height: 0.5 }));
        assert_eq!(grid.areas(Some(3)), all);
        assert_eq!(grid.tile(3), None);
    }
}
