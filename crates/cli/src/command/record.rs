//! `valkka record`: streams into files, or into a store.

mod files;
mod room;
mod status;
mod store;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::ValueEnum;
use valkka::av::{Container, Segment, SegmentNames};
use valkka::source::{SourceOptions, Transport};
use valkka::store::Retention;
use valkka::url::StreamUrl;
use valkka::{CameraOptions, Reconnect};

use crate::address::Address;
use crate::archive::NewStore;
use crate::exit::cannot_start;
use crate::interrupt::Interrupt;
use crate::named_address::{self, NamedAddress};
use crate::units::{parse_length, parse_size};
use files::Target;
use room::Room;

/// Record streams into files or into a store, as they come: nothing is decoded or encoded
///
/// A camera that goes away is waited for, and the recording goes on. Ctrl-C ends it; what was cut off by anything worse can
/// be played all the same, up to its last second. The path of each file is printed when it is whole. What is in a store, valkka
/// archive lists and valkka export gets out, also while it is being recorded.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// rtsp://USER:PASSWORD@HOST:PORT/PATH, rtsps://…, the path of an .sdp file, or a camera of this machine: /dev/video0
    #[arg(
        value_name = "URL",
        required_unless_present = "cameras",
        conflicts_with = "cameras",
        requires = "file"
    )]
    url: Option<Address>,

    /// Where it is recorded: FILE.mkv takes everything, FILE.mp4 no G.711
    #[arg(value_name = "FILE", conflicts_with = "cameras")]
    file: Option<PathBuf>,

    /// Cameras to record, each by its name and address
    #[arg(long = "camera", value_name = "NAME=URL", num_args = 1.., requires = "place")]
    cameras: Vec<NamedAddress>,

    /// The directory for the files of these cameras, NAME-2026-11-23T06-41-02.125Z.mkv; it is made if it is missing
    #[arg(long, value_name = "DIR", requires = "cameras", group = "place")]
    dir: Option<PathBuf>,

    /// The directory of a store (ValkkaFS) for these cameras, of which the oldest recordings make room for new ones
    #[arg(long, value_name = "DIR", requires = "cameras", group = "place")]
    #[arg(conflicts_with_all = ["segment", "segment_size", "format", "overwrite"])]
    store: Option<PathBuf>,

    /// Make a store of this size, e.g. 10G, if there is none; without it, none is made where a disk is not mounted
    #[arg(long, value_name = "SIZE", value_parser = parse_size, requires = "store")]
    size: Option<u64>,

    /// Make it on this partition or disk, e.g. /dev/disk/by-partuuid/…, if there is none; by default all of it. All that is on
    /// it is lost
    #[arg(long, value_name = "PATH", requires = "store")]
    device: Option<PathBuf>,

    /// Do so also if it holds a file system or recordings; never if it is mounted
    #[arg(long, requires = "device")]
    overwrite_device: bool,

    /// The size of its blocks, of which each camera has one to itself at any time; by default as suits
    #[arg(long, value_name = "SIZE", value_parser = parse_size, requires = "store")]
    block_size: Option<u64>,

    /// Keep recordings in the store for this long at most, e.g. 30d
    #[arg(long, value_name = "LENGTH", value_parser = parse_length, requires = "store")]
    keep: Option<Duration>,

    /// Keep this much of each camera in the store at most, e.g. 100G
    #[arg(long, value_name = "SIZE", value_parser = parse_size, requires = "store")]
    quota: Option<u64>,

    /// Begin another file whenever one is this long, e.g. 10m; by default 1h with --dir
    #[arg(long, value_name = "LENGTH", value_parser = parse_length)]
    segment: Option<Duration>,

    /// Begin another file whenever one is this large, e.g. 500M
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    segment_size: Option<u64>,

    /// How files are laid out; by default as the name of FILE says, else mkv
    #[arg(long, value_enum)]
    format: Option<Format>,

    /// Record over FILE if it is there
    #[arg(long)]
    overwrite: bool,

    /// End when less than this is free where the files are, e.g. 5G; what was recorded until then is whole
    #[arg(long, value_name = "SIZE", value_parser = parse_size, conflicts_with = "store")]
    min_free: Option<u64>,

    /// Leave after this long, e.g. 30s, 10m or 1h30m
    #[arg(long, value_name = "LENGTH", value_parser = parse_length)]
    duration: Option<Duration>,

    /// How the packets are to travel: auto, udp, tcp or multicast
    #[arg(long, default_value = "auto")]
    transport: Transport,

    /// Connect again when a stream brings nothing for this long
    #[arg(long, value_name = "LENGTH", default_value = "5s", value_parser = parse_length)]
    silence: Duration,
}

/// How a file is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Matroska
    Mkv,
    /// MP4 in fragments
    Mp4,
}

impl Format {
    /// As the name of `file` says.
    pub(crate) fn of(file: &Path) -> anyhow::Result<Self> {
        let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        Self::from_str(extension, true).map_err(|_| {
            anyhow::anyhow!("{}: a file is called .mkv or .mp4, unless --format is given", file.display())
        })
    }

    /// The name that files have.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Mkv => "mkv",
            Self::Mp4 => "mp4",
        }
    }

    /// As the library calls it.
    pub(crate) fn container(self) -> Container {
        match self {
            Self::Mkv => Container::Matroska,
            Self::Mp4 => Container::Mp4,
        }
    }
}

pub(crate) fn run(mut args: Args) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::listen()?;
    let started = match args.store.take() {
        Some(dir) => args
            .store_target(dir)
            .and_then(|target| Ok((target.open()?, target)))
            .map(|(archive, target)| store::run(&archive, target, args.duration, &interrupt)),
        None => args.targets().map(|targets| {
            let kept = args.min_free.unwrap_or(0);
            let room = Room::new(targets.iter().map(|target| target.path.as_path()), kept);
            files::run(targets, room, args.duration, &interrupt)
        }),
    };
    started.unwrap_or_else(|error| Ok(cannot_start(&format_args!("{error:#}"))))
}

impl Args {
    /// What is recorded into which files.
    fn targets(&mut self) -> anyhow::Result<Vec<Target>> {
        if let Some(dir) = &self.dir {
            std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
            let format = self.format.unwrap_or(Format::Mkv);
            let segment = Segment {
                duration: self.segment.or(self.segment_size.is_none().then_some(HOUR)),
                bytes: self.segment_size,
                names: SegmentNames::Time,
            };
            let cameras = named_address::parse_all(std::mem::take(&mut self.cameras))?;
            let target = |(name, url): (String, StreamUrl)| Target {
                path: dir.join(format!("{name}.{}", format.extension())),
                camera: self.camera(name),
                url,
                container: format.container(),
                segment: Some(segment.clone()),
            };
            return Ok(cameras.into_iter().map(target).collect());
        }
        let (Some(url), Some(path)) = (self.url.take(), self.file.take()) else {
            bail!("neither a stream and a file nor cameras and a directory are given");
        };
        let format = self.format.map_or_else(|| Format::of(&path), Ok)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        ensure!(parent.is_dir(), "{} is no directory", parent.display());
        let is_cut = self.segment.is_some() || self.segment_size.is_some();
        ensure!(
            is_cut || self.overwrite || !path.exists(),
            "{} is there already (--overwrite)",
            path.display()
        );
        let names = SegmentNames::Number;
        let segment = is_cut.then_some(Segment { duration: self.segment, bytes: self.segment_size, names });
        let camera = self.camera(String::new());
        Ok(vec![Target { url: url.parsed()?, camera, path, container: format.container(), segment }])
    }

    /// Which cameras are recorded into the store in `dir`.
    fn store_target(&mut self, dir: PathBuf) -> anyhow::Result<store::Target> {
        let cameras = named_address::parse_all(std::mem::take(&mut self.cameras))?;
        Ok(store::Target {
            dir,
            new: NewStore {
                size: self.size,
                block_size: self.block_size,
                device: self.device.take(),
                overwrite_device: self.overwrite_device,
            },
            retention: Retention { max_bytes: self.quota, max_age: self.keep },
            cameras: cameras.into_iter().map(|(name, url)| (url, self.camera(name))).collect(),
        })
    }

    /// How a camera of this name is received.
    fn camera(&self, name: String) -> CameraOptions {
        let source = SourceOptions {
            transport: self.transport,
            silence_timeout: self.silence,
            ..SourceOptions::default()
        };
        CameraOptions { name, source, reconnect: Reconnect::After(self.silence), ..CameraOptions::default() }
    }
}

const HOUR: Duration = Duration::from_secs(3600);

const EXAMPLES: &str = "\
Examples:
  valkka record rtsp://192.168.1.20/stream1 front.mkv
  valkka record rtsp://192.168.1.20/stream1 front.mkv --segment 10m     # front-000001.mkv, front-000002.mkv …
  valkka record --dir /srv/video --camera front=rtsp://192.168.1.20/stream1 gate=rtsp://192.168.1.21/live
  valkka record --store /srv/archive --size 100G --camera front=rtsp://192.168.1.20/stream1
  valkka record --store /srv/archive --device /dev/disk/by-partuuid/0f9a… --camera front=rtsp://192.168.1.20/stream1";

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn a_camera_may_be_silent_for_as_long_as_is_said() {
        for (said, seconds) in [(&[][..], 5), (&["--silence", "10"], 10)] {
            let arguments = ["record", "rtsp://h/1", "a.mkv"].iter().chain(said).copied();
            let camera = Command::parse_from(arguments).args.camera("front".to_owned());
            let silence = Duration::from_secs(seconds);
            // The shorter one holds.
            assert_eq!(
                (camera.reconnect, camera.source.silence_timeout),
                (Reconnect::After(silence), silence)
            );
        }
    }
}
