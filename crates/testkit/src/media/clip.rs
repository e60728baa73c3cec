//! Video files of known content.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::{cached, ffmpeg, run};

/// What a file is to hold. All fields are free; equal clips are the same file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clip {
    /// What its pictures show.
    pub scene: Scene,
    /// How they are encoded.
    pub codec: Codec,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames per second.
    pub frame_rate: u32,
    /// Length in seconds.
    pub seconds: u32,
    /// Frames from one key frame to the next.
    pub gop: u32,
    /// Mean number of bits per second; of no meaning for Motion JPEG.
    pub bitrate_bps: u32,
    /// How many B frames may follow each other.
    pub b_frames: u32,
    /// Whether there is a second track with a tone in AAC-LC (48 kHz, one channel).
    pub audio: bool,
}

/// What the pictures of a [`Clip`] show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// SMPTE colour bars in BT.601, limited range; see [`bars`](super::bars).
    Bars,
    /// SMPTE colour bars for high definition, in BT.709, limited range; see [`bars`](super::bars). Not in Motion
    /// JPEG, which is always BT.601.
    BarsHd,
    /// Moving shapes with the time and the number of the frame.
    Counter,
    /// As [`Self::Counter`] with noise over it, so that it needs the bits it is given.
    Noise,
}

/// How the pictures of a [`Clip`] are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// H.264, Main profile.
    H264,
    /// H.265, Main profile.
    H265,
    /// Motion JPEG.
    Mjpeg,
}

impl Default for Clip {
    fn default() -> Self {
        Self {
            scene: Scene::Counter,
            codec: Codec::H264,
            width: 640,
            height: 360,
            frame_rate: 25,
            seconds: 4,
            gop: 25,
            bitrate_bps: 1_000_000,
            b_frames: 0,
            audio: false,
        }
    }
}

impl Clip {
    /// What all measurements are made with: 1080p25 H.264 at 4 Mbit/s with a key frame every second.
    pub fn bench() -> Self {
        Self {
            scene: Scene::Noise,
            width: 1920,
            height: 1080,
            seconds: 10,
            bitrate_bps: 4_000_000,
            ..Self::default()
        }
    }

    /// The file, an MP4, made now if it is not there.
    ///
    /// # Errors
    /// If `ffmpeg` cannot make it.
    pub fn file(&self) -> io::Result<PathBuf> {
        cached(&format!("{self}.mp4"), |path| {
            let mut command = ffmpeg()?;
            command.args(["-f", "lavfi", "-i", &self.source()]);
            if self.audio {
                command.args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-c:a", "aac"]);
            }
            command.args(["-t", &self.seconds.to_string(), "-pix_fmt", self.pixel_format()]);
            let matrix = if self.scene == Scene::BarsHd { "bt709" } else { "smpte170m" };
            command.args(["-colorspace", matrix, "-color_primaries", matrix, "-color_trc", matrix]);
            command.args(self.encoder()).args(["-movflags", "+faststart"]).arg(path);
            run(command).map(|_| ())
        })
    }

    fn source(&self) -> String {
        let (filter, more) = match self.scene {
            Scene::Bars => ("smptebars", ""),
            Scene::BarsHd => ("smptehdbars", ""),
            Scene::Counter => ("testsrc2", ""),
            Scene::Noise => ("testsrc2", ",noise=alls=12:allf=t"),
        };
        format!("{filter}=size={}x{}:rate={}{more}", self.width, self.height, self.frame_rate)
    }

    fn pixel_format(&self) -> &'static str {
        match self.codec {
            Codec::H264 | Codec::H265 => "yuv420p",
            // JPEG has no other range; that of the samples is converted.
            Codec::Mjpeg => "yuvj420p",
        }
    }

    fn encoder(&self) -> Vec<String> {
        let (gop, rate, b_frames) = (self.gop, self.bitrate_bps, self.b_frames);
        let words = match self.codec {
            Codec::H264 => format!(
                "-c:v libx264 -preset veryfast -profile:v main -g {gop} -keyint_min {gop} -sc_threshold 0 \
                 -bf {b_frames} -b:v {rate} -maxrate {rate} -bufsize {rate}"
            ),
            Codec::H265 => format!(
                "-c:v libx265 -preset ultrafast -tag:v hvc1 -b:v {rate} -x265-params \
                 log-level=error:keyint={gop}:min-keyint={gop}:scenecut=0:open-gop=0:bframes={b_frames}"
            ),
            Codec::Mjpeg => "-c:v mjpeg -q:v 3".to_owned(),
        };
        words.split_ascii_whitespace().map(str::to_owned).collect()
    }
}

/// All that a clip is told by, as a file name.
impl fmt::Display for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scene, codec, width, height, frame_rate, seconds, gop, bitrate_bps, b_frames, audio } =
            self;
        write!(f, "{scene:?}-{codec}-{width}x{height}-{frame_rate}fps-{seconds}s-gop{gop}-{bitrate_bps}bps")?;
        if *b_frames > 0 {
            write!(f, "-b{b_frames}")?;
        }
        f.write_str(if *audio { "-aac" } else { "" })
    }
}

/// As GStreamer and file extensions call it.
impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
            Self::Mjpeg => "mjpeg",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_clips_have_different_names() {
        assert_eq!(Clip::default().to_string(), "Counter-h264-640x360-25fps-4s-gop25-1000000bps");
        let other = Clip { b_frames: 2, audio: true, ..Clip::bench() };
        assert_eq!(other.to_string(), "Noise-h264-1920x1080-25fps-10s-gop25-4000000bps-b2-aac");
    }
}
