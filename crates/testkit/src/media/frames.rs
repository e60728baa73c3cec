//! Single frames of a file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::{Codec, cached, ffmpeg, run};
use crate::process;

/// The video of a file as one file per access unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frames {
    /// Holds one byte stream as in Annex B of H.264 and H.265 per access unit; the names are in decoding order.
    pub directory: PathBuf,
    /// Their codec.
    pub codec: Codec,
    /// Frames per second, as a fraction: `25/1`.
    pub rate: String,
}

impl Frames {
    /// Takes the video of `file` apart.
    ///
    /// # Errors
    /// If the file cannot be read, or its video is neither H.264 nor H.265.
    pub fn of(file: &Path) -> io::Result<Self> {
        let mut probe = process::command("ffprobe")?;
        probe.args(["-v", "error", "-select_streams", "v:0", "-of", "csv=p=0"]);
        probe.args(["-show_entries", "stream=codec_name,r_frame_rate"]).arg(file);
        let answer = run(probe)?;
        let (name, rate) = answer.trim().split_once(',').unwrap_or((answer.trim(), ""));
        let (codec, filter) = match name {
            "h264" => (Codec::H264, "h264_mp4toannexb"),
            "hevc" => (Codec::H265, "hevc_mp4toannexb"),
            _ => {
                return Err(io::Error::other(format!(
                    "{} holds no H.264 or H.265 but {name:?}",
                    file.display()
                )));
            }
        };
        let directory = cached(&cache_name(file)?, |path| {
            match fs::remove_dir_all(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => fs::create_dir(path)?,
            }
            let mut command = ffmpeg()?;
            command.arg("-i").arg(file).args(["-map", "0:v:0", "-c", "copy", "-bsf:v", filter]);
            command.args(["-f", "image2"]).arg(path.join(format!("%08d.{codec}")));
            run(command).map(|_| ())
        })?;
        Ok(Self { directory, codec, rate: rate.to_owned() })
    }
}

/// Another name for each version of the file.
fn cache_name(file: &Path) -> io::Result<String> {
    let metadata = fs::metadata(file)?;
    let age = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(format!("{stem}-{age:x}-{:x}-frames", metadata.len()))
}
