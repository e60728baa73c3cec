//! `valkka camera`: synthetic cameras.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::ValueEnum;
use valkka::codec::{Codec, FrameRate};
use valkka::synthetic::{Footage, SceneOptions, SyntheticCameras, SyntheticOptions};
use valkka::url::Credentials;

use crate::interrupt::Interrupt;
use crate::{output, stdin};

/// Be one or more cameras: serve a generated scene or a file over RTSP, in a loop at its real pace
///
/// The streams are at rtsp://ADDR:PORT/cam1, /cam2 and so on; their addresses are printed, one a line.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8554", value_parser = parse_listen)]
    listen: SocketAddr,

    /// How many cameras
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    count: u16,

    /// Serve this file (H.264, H.265, MJPEG; AAC, G.711, Opus) instead of a generated scene
    #[arg(long, value_name = "FILE", conflicts_with_all = ["codec", "size", "frame_rate", "bit_rate"])]
    file: Option<PathBuf>,

    /// Codec of the scene
    #[arg(long, value_enum, default_value_t)]
    codec: SceneCodec,

    /// Size of the scene
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "1280x720", value_parser = parse_size)]
    size: (u32, u32),

    /// Pictures per second of the scene
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=240))]
    frame_rate: u32,

    /// Bits per second of the scene, about
    #[arg(long, value_name = "N", default_value_t = 2_000_000)]
    bit_rate: u32,

    /// Ask for this user name and a password
    #[arg(long, value_name = "USER", requires = "password_file")]
    user: Option<String>,

    /// The file with the password, on its first line
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,

    /// Serve beyond this machine without a password
    #[arg(long, conflicts_with = "user")]
    anyone: bool,

    /// End when standard input closes, for programs that start this one
    #[arg(long, hide = true)]
    until_stdin_closes: bool,
}

/// Codecs a scene can have.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum SceneCodec {
    #[default]
    H264,
    H265,
    Mjpeg,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::listen()?;
    let credentials = credentials(&args)?;
    ensure!(
        credentials.is_some() || args.anyone || args.listen.ip().is_loopback(),
        "{} is not only for this machine: give --user and --password-file, or --anyone",
        args.listen.ip()
    );
    let footage = match args.file {
        Some(file) => Footage::File(file),
        None => Footage::Scene {
            scene: SceneOptions {
                width: args.size.0,
                height: args.size.1,
                frame_rate: FrameRate::new(args.frame_rate, 1).context("the frame rate is zero")?,
                frames: args.frame_rate * 2,
                ..SceneOptions::new("Valkka camera")
            },
            codec: match args.codec {
                SceneCodec::H264 => Codec::H264,
                SceneCodec::H265 => Codec::H265,
                SceneCodec::Mjpeg => Codec::Mjpeg,
            },
            bitrate_bps: args.bit_rate,
        },
    };
    let options = SyntheticOptions { listen: args.listen, count: args.count, footage, credentials };
    let cameras = SyntheticCameras::start(&options)?;
    output::print(&(cameras.urls().join("\n") + "\n"))?;

    let stdin = args.until_stdin_closes.then(stdin::wait_for_end);
    while !interrupt.is_set() && !stdin.as_ref().is_some_and(thread::JoinHandle::is_finished) {
        thread::sleep(Duration::from_millis(50));
    }
    Ok(ExitCode::SUCCESS)
}

fn credentials(args: &Args) -> anyhow::Result<Option<Credentials>> {
    let (Some(user), Some(file)) = (&args.user, &args.password_file) else { return Ok(None) };
    // Basic authentication separates name and password by a colon.
    ensure!(!user.is_empty() && !user.contains(':'), "a user name has at least one letter, and no colon");
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let password = text.lines().next().unwrap_or_default();
    ensure!(!password.is_empty(), "the first line of {} is empty", file.display());
    Ok(Some(Credentials { username: user.clone(), password: password.to_owned() }))
}

fn parse_listen(text: &str) -> anyhow::Result<SocketAddr> {
    text.parse()
        .ok()
        .context("it must be like 127.0.0.1:8554 or [::1]:8554; 0.0.0.0 and [::] are all addresses")
}

fn parse_size(text: &str) -> anyhow::Result<(u32, u32)> {
    let size =
        text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    match size {
        Some((width @ 64..=8192, height @ 64..=8192)) if width % 2 == 0 && height % 2 == 0 => {
            Ok((width, height))
        }
        _ => bail!("it must be like 1280x720, both even and between 64 and 8192"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(parse_size("1280x720").unwrap(), (1280, 720));
        for text in ["", "1280", "x", "63x64", "65x64", "-2x64", "99999999999x64", "8194x64"] {
            parse_size(text).unwrap_err();
        }
    }
}
