//! `valkka play`: recordings in a window.

mod control;
mod recordings;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use valkka::playback::{Gaps, PictureOptions, Player, PlayerOptions, PlayerState, PlayerStream};
use valkka::wall::{Feed, Wall};

use self::control::Action;
use self::recordings::Recordings;
use crate::exit::cannot_start;
use crate::interrupt::Interrupt;
use crate::moment::MOMENTS;
use crate::window::{WindowArgs, save_screenshot};

/// Play recordings in one window, several cameras in step, a tile each
///
/// The store may be written meanwhile: at the end, playing waits for more. There is no sound.
#[derive(Debug, clap::Args)]
#[command(after_help = KEYS, after_long_help = format!("{KEYS}\n\n{MOMENTS}\n\n{EXAMPLES}"))]
pub(crate) struct Args {
    /// The directory of the store
    #[arg(long, value_name = "DIR", required_unless_present = "files", conflicts_with = "files")]
    store: Option<PathBuf>,

    /// Which cameras of the store, by their names; by default all that have recordings
    #[arg(long, value_name = "NAME", num_args = 1.., conflicts_with = "files")]
    camera: Vec<String>,

    /// From when on, e.g. "2026-11-23 14:00" or -10m; of files, how far from their beginning, e.g. 1m30s. By default from the
    /// beginning
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    from: Option<String>,

    /// So many times as fast as things happened: 1/16 (0.0625) to 64; -1/16 to -64 to go backward
    #[arg(long, value_name = "X", default_value_t = 1.0, allow_hyphen_values = true)]
    speed: f64,

    /// Begin with a picture that stands still
    #[arg(long)]
    paused: bool,

    /// Jump over times in which no camera has recorded anything
    #[arg(long)]
    skip_gaps: bool,

    #[command(flatten)]
    window: WindowArgs,

    /// Write what is shown as a PNG file here before leaving
    #[arg(long, value_name = "FILE")]
    screenshot: Option<PathBuf>,

    /// Matroska and MP4 files, played in step from their beginnings on
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::listen()?;
    let (mut wall, mut playing) = match args.start() {
        Ok(started) => started,
        Err(error) => return Ok(cannot_start(&format_args!("{error:#}"))),
    };
    args.window.run(&mut wall, &interrupt, |wall| playing.tick(wall))?;
    if let Some(file) = &args.screenshot {
        playing.player.wait_shown(PATIENCE);
        save_screenshot(&wall, file)?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Args {
    fn start(&self) -> anyhow::Result<(Wall, Playing)> {
        let mut recordings = match &self.store {
            Some(store) => Recordings::of_store(store, &self.camera)?,
            None => Recordings::of_files(&self.files)?,
        };
        let from = match &self.from {
            Some(from) => recordings.parse(from)?,
            None => recordings.first(),
        };
        let sources = recordings.take_sources();
        // Nothing waits for what comes late: the player gives each picture when it is due.
        let mut wall = self.window.open_with(recordings.title(), self.window.output, Duration::ZERO)?;
        let (mut feeds, mut streams) = (Vec::new(), Vec::new());
        let kept_bytes = (KEPT_BYTES / sources.len().max(1)).min(PictureOptions::default().kept_bytes);
        for (name, source) in sources {
            let feed = wall.feed(&name)?;
            streams.push(PlayerStream { slot: feed.slot(), source, sink: feed.clone() });
            feeds.push(feed);
        }
        let options = PlayerOptions {
            pictures: PictureOptions { kept_bytes, ..PictureOptions::default() },
            gaps: if self.skip_gaps { Gaps::Skip } else { Gaps::Wait },
            ..PlayerOptions::default()
        };
        let player = Player::new(streams, from, options)?;
        player.set_speed(self.speed)?;
        if !self.paused {
            player.play();
        }
        Ok((wall, Playing { player, recordings, feeds, has_caption: true }))
    }
}

/// What is played in the window.
struct Playing {
    player: Player,
    recordings: Recordings,
    feeds: Vec<Arc<Feed>>,
    /// Whether the time is written over the pictures.
    has_caption: bool,
}

impl Playing {
    fn tick(&mut self, wall: &mut Wall) -> anyhow::Result<()> {
        while let Some(key) = wall.take_key() {
            if let Some(action) = control::action(key) {
                self.act(action);
            }
        }
        self.clear_what_is_past();
        let status = self.status();
        wall.set_title(&format!("{} – {status}", self.recordings.title()))?;
        wall.set_caption(if self.has_caption { &status } else { "" })?;
        Ok(())
    }

    fn act(&mut self, action: Action) {
        let player = &self.player;
        match action {
            Action::Pause if player.state() == PlayerState::Paused => player.play(),
            Action::Pause => player.pause(),
            // One that is not decoded in time is not made; the next key tries again.
            Action::Step(step) => drop(player.step(step, PATIENCE)),
            Action::Skip(seconds) => {
                let (first, last) = self.recordings.span();
                let to = player.position().offset_micros(seconds * 1_000_000);
                player.seek(to.max(first).min(last.unwrap_or(to).max(first)));
            }
            Action::First => player.seek(self.recordings.span().0),
            Action::Last => {
                if let (_, Some(last)) = self.recordings.span() {
                    player.seek(last);
                }
            }
            Action::Speed(change) => {
                player.set_speed(change.of(player.speed())).expect("it is kept within what is possible");
            }
            Action::Caption => self.has_caption = !self.has_caption,
        }
    }

    /// Who has come to its end keeps its last picture, but not for long after it, nor where one has jumped to.
    fn clear_what_is_past(&self) {
        let position = self.player.position();
        for feed in &self.feeds {
            let is_past =
                |picture: valkka::time::WallTime| position.micros_since(picture).abs() > KEPT_MICROS;
            if feed.last_picture().is_some_and(is_past) {
                feed.clear("nothing is recorded yet");
            }
        }
    }

    /// Where it is, and how it plays.
    fn status(&self) -> String {
        let (position, state, speed) = (self.player.position(), self.player.state(), self.player.speed());
        let mut status = self.recordings.moment(position, state != PlayerState::Playing);
        status += match state {
            PlayerState::Playing => "",
            PlayerState::Paused => ", paused",
            PlayerState::Ended => ", at the end",
        };
        if speed != 1.0 {
            status += &format!(", {}", control::speed(speed));
        }
        status
    }
}

/// How long a key may have to wait for a picture that is still being decoded.
const PATIENCE: Duration = Duration::from_secs(2);

/// Microseconds from the end of a camera's recordings at which its last picture is still shown.
const KEPT_MICROS: i64 = 10_000_000;

/// Bytes of decoded pictures that are kept of all cameras together.
const KEPT_BYTES: usize = 1 << 30;

const KEYS: &str = "\
Keys:
  Space, p           pause and go on
  . and ,            one picture forward, back
  Right and Left     5 seconds forward, back
  Up and Down        1 minute forward, back
  Page up and down   10 minutes forward, back
  Home and End       to the oldest and the newest picture
  ] or +, [ or -     twice, half as fast; Backspace: as fast as things happened
  r                  backward, and forward again
  o                  show or hide the time
  f                  full screen and back; a double click enlarges a tile
  q, Esc             leave";

const EXAMPLES: &str = "\
Examples:
  valkka play --store /srv/video
  valkka play --store /srv/video --camera front yard --from -10m --speed 4
  valkka play front.mkv yard.mkv";
