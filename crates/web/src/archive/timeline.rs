//! `GET /api/cameras/{name}/archive`: from when to when a camera was recorded.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use valkka::store::{Entry, Gap, Overview, Stretch};
use valkka::time::WallTime;

use super::parameter::span;
use super::{Footage, unreadable};
use crate::answer::{Problem, json};
use crate::call::Call;

/// From when to when a camera was recorded, within a span of time. Times are in RFC 3339.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Timeline {
    camera: String,
    from: String,
    to: String,
    /// In the order of time, without what lies beyond the span. What is closer together than a two-thousandth of it is one.
    stretches: Vec<Piece>,
    /// The times between them and around them, of which it is known why nothing was recorded.
    gaps: Vec<Hole>,
    /// Times of which it is not known yet what was recorded, for the disk has much to read: ask again, for each answer knows
    /// more. Empty if everything is known.
    unread: Vec<Piece>,
    /// The video of the first stretch, as browsers call its codec, e.g. `avc1.64001f`; `null` if browsers have no name for
    /// it.
    codec: Option<String>,
    /// Its audio; `null` if there is none, or browsers have no name for it.
    audio: Option<String>,
}

/// A piece of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
struct Piece {
    from: String,
    to: String,
}

/// A time in which nothing was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
struct Hole {
    from: String,
    to: String,
    /// Why, in words.
    reason: String,
}

#[derive(Deserialize)]
struct Query {
    from: Option<String>,
    to: Option<String>,
}

pub(crate) async fn timeline(call: Call) -> Result<Response, Problem> {
    let Query { from, to } = call.query()?;
    let span = span(from.as_deref(), to.as_deref(), LONGEST)?;
    let (site, camera) = (call.app.site.clone(), call.camera()?.name().to_owned());
    // Goes with this future, should the peer leave.
    let asked = Arc::new(());
    let asks = Arc::downgrade(&asked);
    let read = call.app.readers.timelines.work(super::PATIENCE, move || {
        let mut timeline = Timeline {
            from: span.start.to_string(),
            to: span.end.to_string(),
            stretches: Vec::new(),
            gaps: Vec::new(),
            unread: Vec::new(),
            codec: None,
            audio: None,
            camera,
        };
        if let Some(footage) = Footage::of(&site, &timeline.camera)? {
            let until = Instant::now() + AT_ONCE;
            let mut goes_on = || asks.strong_count() > 0 && Instant::now() < until;
            let overview = footage.store.overview(footage.stream, span.clone(), &mut goes_on);
            let Overview { stretches, gap_after, unread } = overview.map_err(|error| unreadable(&error))?;
            timeline.unread = unread.into_iter().map(piece).collect();
            if let Some(first) = stretches.first() {
                (timeline.codec, timeline.audio) = codecs(&footage, first.from.max(span.start))?;
            }
            (timeline.stretches, timeline.gaps) = lay_out(&stretches, gap_after.as_ref(), &span);
        }
        Ok(timeline)
    });
    let timeline = read.await?;
    drop(asked);
    Ok(json(&timeline))
}

/// What is within `span`, with little more detail than a screen can show.
fn lay_out(
    stretches: &[Stretch],
    gap_after: Option<&Gap>,
    span: &Range<WallTime>,
) -> (Vec<Piece>, Vec<Hole>) {
    let least = span.end.saturating_since(span.start) / DETAIL;
    let clip = |time: WallTime| time.clamp(span.start, span.end);
    let mut laid: Vec<Range<WallTime>> = Vec::new();
    let hole = |gap: &Gap| {
        let (from, to) = (clip(gap.from), clip(gap.to));
        let reason = gap.reason.to_string();
        (from < to).then(|| Hole { from: from.to_string(), to: to.to_string(), reason })
    };
    let mut holes = Vec::new();
    for stretch in stretches {
        let piece = clip(stretch.from)..clip(stretch.to);
        let after = laid.last().map(|last| piece.start.saturating_since(last.end));
        if let Some(last) = laid.last_mut()
            && after < Some(least)
        {
            last.end = last.end.max(piece.end);
            continue;
        }
        holes.extend(stretch.gap_before.as_ref().and_then(hole));
        laid.push(piece);
    }
    holes.extend(gap_after.and_then(hole));
    (laid.into_iter().map(piece).collect(), holes)
}

fn piece(times: Range<WallTime>) -> Piece {
    Piece { from: times.start.to_string(), to: times.end.to_string() }
}

/// The codecs of video and audio at `time`, as browsers call them.
fn codecs(footage: &Footage, time: WallTime) -> Result<(Option<String>, Option<String>), Problem> {
    let mut cursor = footage.store.cursor(footage.stream);
    let (mut video, mut audio) = (None, None);
    let mut left = if cursor.seek(time).map_err(|error| unreadable(&error))? { LOOKED_AT } else { 0 };
    while left > 0 && (video.is_none() || audio.is_none()) {
        left -= 1;
        match cursor.next().map_err(|error| unreadable(&error))? {
            Some(Entry::Frame(frame)) => {
                let Some(packet) = frame.packet() else { continue };
                let found = if packet.params.codec.is_video() { &mut video } else { &mut audio };
                found.get_or_insert_with(|| packet.params.rfc6381());
            }
            Some(_) => (),
            None => break,
        }
    }
    Ok((video.flatten(), audio.flatten()))
}

/// Packets that are looked at for the codecs of a recording; its audio comes within the first pictures.
const LOOKED_AT: usize = 32;

/// How long blocks are read for one answer. Others wait for the disk, too, and who asks again goes on from there.
const AT_ONCE: Duration = Duration::from_secs(2);

/// A timeline has so many parts at most.
const DETAIL: u32 = 2000;

/// Ten years.
const LONGEST: Duration = Duration::from_secs(3660 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> WallTime {
        WallTime::from_micros(seconds * 1_000_000)
    }

    fn stretch(from: i64, to: i64, reason: Option<&str>) -> Stretch {
        let gap = |reason: &str| Gap { from: at(0), to: at(from), reason: reason.into() };
        Stretch { from: at(from), to: at(to), gap_before: reason.map(gap) }
    }

    #[test]
    fn what_is_asked_for_is_cut_out_with_its_gaps() {
        let stretches =
            [stretch(5, 30, Some("off")), stretch(40, 50, None), stretch(55, 90, Some("disk full"))];
        let (pieces, holes) = lay_out(&stretches, None, &(at(10)..at(60)));
        let times: Vec<_> = pieces.iter().map(|piece| (piece.from.clone(), piece.to.clone())).collect();
        let expected =
            [(10, 30), (40, 50), (55, 60)].map(|(from, to)| (at(from).to_string(), at(to).to_string()));
        assert_eq!(times, expected);
        let hole = Hole { from: at(10).to_string(), to: at(55).to_string(), reason: "disk full".into() };
        assert_eq!(holes, [hole]);
        // In the middle of a gap there is nothing else.
        let gap = Gap { from: at(30), to: at(90), reason: "off".into() };
        let (pieces, holes) = lay_out(&[], Some(&gap), &(at(40)..at(60)));
        let hole = Hole { from: at(40).to_string(), to: at(60).to_string(), reason: "off".into() };
        assert_eq!((pieces, holes), (vec![], vec![hole]));
    }

    #[test]
    fn an_answer_is_no_longer_than_a_screen_is_wide() {
        let stretches: Vec<_> = (0..100_000).map(|n| stretch(n * 10 + 1, n * 10 + 9, Some("x"))).collect();
        let (pieces, holes) = lay_out(&stretches, None, &(at(0)..at(1_000_000)));
        assert_eq!((pieces.len(), holes.len()), (1, 1));
        let sparse: Vec<_> = (0..1000).map(|n| stretch(n * 1000 + 1, n * 1000 + 9, Some("x"))).collect();
        assert_eq!(lay_out(&sparse, None, &(at(0)..at(1_000_000))).0.len(), 1000);
    }
}
