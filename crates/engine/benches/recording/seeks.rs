//! How soon a moment of a large archive can be seen.

use std::collections::BTreeMap;
use std::io;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use valkka::playback::{PictureOptions, PictureReader, View};
use valkka::store::StreamId;

use crate::archive::{Archive, Place};
use crate::feed::FRAME;

/// The heading of the table.
pub(crate) const NAME: &str = "In an archive of 30 days of 8 cameras, nothing of it in memory";

/// What was measured, in milliseconds: the median and the 99th percentile of each.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Waits {
    open: [f64; 2],
    keyframe: [f64; 2],
    exact: [f64; 2],
    again: [f64; 2],
}

/// A line of the table: a name, the figures, and what we want.
type Line = (&'static str, fn(&Waits) -> [f64; 2], &'static str);

/// The lines of the table.
pub(crate) const ROWS: [Line; 4] = [
    ("opening it", |waits| waits.open, "≤ 1000"),
    ("seek to a key frame → it is decoded", |waits| waits.keyframe, "≤ 100"),
    ("seek to any frame → it is decoded, with all from the key frame on", |waits| waits.exact, "≤ 100"),
    ("the same once more, in memory, by a reader that is open", |waits| waits.again, "≤ 100"),
];

/// Looks for every place of an archive.
pub(crate) fn measure() -> io::Result<Waits> {
    let archive = Archive::make(PLACES)?;
    let (mut open, mut keyframe, mut exact, mut again) = (vec![], vec![], vec![], vec![]);
    let mut readers: BTreeMap<StreamId, PictureReader> = BTreeMap::new();
    for (index, place) in archive.places.iter().enumerate() {
        archive.forget()?;
        let (store, millis) = timed(|| archive.open())?;
        open.push(millis);
        let reader = || PictureReader::new(Box::new(store.cursor(place.id)), PictureOptions::default());
        let number = if index.is_multiple_of(2) { 0 } else { index % 25 };
        let ((), millis) = timed(|| see(&mut reader(), place, number))?;
        if index.is_multiple_of(2) {
            keyframe.push(millis);
            continue;
        }
        exact.push(millis);
        let open_reader = readers.entry(place.id).or_insert_with(reader);
        let ((), millis) = timed(|| see(open_reader, place, number))?;
        again.push(millis);
    }
    let [open, keyframe, exact, again] = [open, keyframe, exact, again].map(percentiles);
    Ok(Waits { open, keyframe, exact, again })
}

/// Has the frame of this number behind the key frame of `place` decoded.
fn see(reader: &mut PictureReader, place: &Place, number: usize) -> io::Result<()> {
    let at = place.start + FRAME * number as u32;
    match reader.at(at).map_err(io::Error::other)? {
        View::Picture(picture) if picture.from == at => Ok(()),
        View::Picture(picture) => Err(io::Error::other(format!("{} instead of {at}", picture.from))),
        View::Blank(blank) => Err(io::Error::other(format!("nothing at {at}: {}", blank.why.words()))),
    }
}

fn timed<T>(work: impl FnOnce() -> io::Result<T>) -> io::Result<(T, f64)> {
    let started = Instant::now();
    let result = work()?;
    Ok((result, started.elapsed().as_secs_f64() * 1000.0))
}

/// The median and the 99th percentile.
fn percentiles(mut values: Vec<f64>) -> [f64; 2] {
    values.sort_by(f64::total_cmp);
    let at =
        |part: f64| values.get(((values.len() as f64 * part) as usize).min(values.len().saturating_sub(1)));
    [0.5, 0.99].map(|part| at(part).copied().unwrap_or(f64::NAN))
}

/// Half of them for key frames, half for any frame.
const PLACES: usize = 400;
