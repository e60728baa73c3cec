//! What is to be played: cameras of a store, or files.

use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use valkka::av::FileReader;
use valkka::playback::{FilePackets, PacketSource};
use valkka::store::{Store, StreamId};
use valkka::time::WallTime;

use crate::moment::{local, parse_moment};
use crate::{archive, units};

/// Recordings that are played in step.
pub(super) struct Recordings {
    title: String,
    place: Place,
    sources: Vec<(String, Box<dyn PacketSource>)>,
}

enum Place {
    /// Some streams of a store, where times are moments.
    Store(Arc<Store>, Vec<StreamId>),
    /// Files that begin at [`BEGINNING`], the longest of them so long, as far as it is known.
    Files(Option<Duration>),
}

impl Recordings {
    /// The cameras of the store in `dir` with these names; all that have recordings, if none is named.
    pub(super) fn of_store(dir: &Path, names: &[String]) -> anyhow::Result<Self> {
        let store = Store::open(dir)?;
        let wanted = names.iter().map(|name| archive::stream(&store, name)).collect::<Result<Vec<_>, _>>();
        let wanted = wanted.with_context(|| dir.display().to_string())?;
        let streams = store.streams();
        let ids: Vec<StreamId> = if wanted.is_empty() {
            streams.iter().filter(|stream| stream.first.is_some()).map(|stream| stream.id).collect()
        } else {
            wanted
        };
        ensure!(!ids.is_empty(), "{}: nothing is recorded", dir.display());
        let name = |id: StreamId| {
            let stream = streams.iter().find(|stream| stream.id == id);
            archive::title(stream.map_or("", |stream| &stream.name), id)
        };
        let source = |&id: &StreamId| (name(id), Box::new(store.cursor(id)) as Box<dyn PacketSource>);
        let sources: Vec<_> = ids.iter().map(source).collect();
        Ok(Self { title: title(&sources), place: Place::Store(store.clone(), ids), sources })
    }

    /// Files, which begin together.
    pub(super) fn of_files(files: &[PathBuf]) -> anyhow::Result<Self> {
        let (mut sources, mut longest) = (Vec::new(), None);
        for file in files {
            let source: Box<dyn PacketSource> = Box::new(FilePackets::open(file, BEGINNING)?);
            let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
            sources.push((name, source));
            longest = longest.max(FileReader::open(file)?.duration());
        }
        Ok(Self { title: title(&sources), place: Place::Files(longest), sources })
    }

    /// What is played, in a few words.
    pub(super) fn title(&self) -> &str {
        &self.title
    }

    /// Names and packets of all, once.
    pub(super) fn take_sources(&mut self) -> Vec<(String, Box<dyn PacketSource>)> {
        mem::take(&mut self.sources)
    }

    /// The moment of the oldest picture.
    pub(super) fn first(&self) -> WallTime {
        self.span().0
    }

    /// The moments of the oldest picture and of the newest, as far as they are known: more may be recorded.
    pub(super) fn span(&self) -> (WallTime, Option<WallTime>) {
        match &self.place {
            Place::Store(store, ids) => {
                // What was known before is good enough where the disk is gone for the moment.
                let _ = store.refresh();
                let streams: Vec<_> =
                    store.streams().into_iter().filter(|stream| ids.contains(&stream.id)).collect();
                let first = streams.iter().filter_map(|stream| stream.first).min();
                (first.unwrap_or_default(), streams.iter().filter_map(|stream| stream.last).max())
            }
            Place::Files(longest) => {
                // The last picture begins before the end.
                let last = longest.map(|longest| BEGINNING + longest.saturating_sub(LAST_PICTURE));
                (BEGINNING, last)
            }
        }
    }

    /// A position as users write it.
    pub(super) fn parse(&self, text: &str) -> anyhow::Result<WallTime> {
        let parsed = match self.place {
            Place::Store(..) => parse_moment(text),
            Place::Files(_) => units::parse_length(text).map(|length| BEGINNING + length),
        };
        parsed.with_context(|| format!("--from {text}"))
    }

    /// A position for people, with its thousandths of a second or without.
    pub(super) fn moment(&self, position: WallTime, thousandths: bool) -> String {
        let mut text = match self.place {
            Place::Store(..) => local(position),
            Place::Files(_) => units::length(position.saturating_since(BEGINNING)),
        };
        if thousandths {
            text += &format!(".{:03}", position.micros().rem_euclid(1_000_000) / 1000);
        }
        text
    }
}

fn title(sources: &[(String, Box<dyn PacketSource>)]) -> String {
    let names: Vec<_> = sources.iter().map(|(name, _)| name.as_str()).take(4).collect();
    let more = if sources.len() > names.len() { " …" } else { "" };
    names.join(", ") + more
}

/// When files begin: their own times are not known to be moments.
const BEGINNING: WallTime = WallTime::from_micros(0);

/// So long before the end of a file its last picture is surely there.
const LAST_PICTURE: Duration = Duration::from_millis(100);
