//! Pipelines for the server.

use std::fmt;
use std::io;
use std::path::Path;

use crate::media::Frames;

/// A pipeline in the notation of `gst-launch-1.0`, with payloaders named `pay0`, `pay1` and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    pipeline: String,
    /// What is fed to it.
    frames: Option<Frames>,
}

impl Launch {
    /// Any pipeline.
    pub fn new(pipeline: impl Into<String>) -> Self {
        Self { pipeline: pipeline.into(), frames: None }
    }

    /// SMPTE colour bars in H.264 at 25 frames per second, a key frame every second.
    /// See [`bars`](crate::media::bars) for their colours.
    pub fn h264_bars(width: u32, height: u32) -> Self {
        Self::new(format!("{} ! {X264} ! {H264_PAY}", test_source("smpte75", width, height)))
    }

    /// A moving ball in H.264 at 25 frames per second, a key frame every second.
    pub fn h264_ball(width: u32, height: u32) -> Self {
        Self::new(format!("{} ! {X264} ! {H264_PAY}", test_source("ball", width, height)))
    }

    /// SMPTE colour bars in H.265 at 25 frames per second, a key frame every second.
    pub fn h265_bars(width: u32, height: u32) -> Self {
        let source = test_source("smpte75", width, height);
        Self::new(format!(
            "{source} ! x265enc speed-preset=ultrafast tune=zerolatency key-int-max=25 bitrate=1000 \
             ! h265parse config-interval=-1 ! rtph265pay name=pay0 pt=96"
        ))
    }

    /// SMPTE colour bars in Motion JPEG at 25 frames per second.
    pub fn mjpeg_bars(width: u32, height: u32) -> Self {
        let source = test_source("smpte75", width, height);
        // JFIF is BT.601 in full range, videotestsrc makes limited range, and jpegenc takes samples as they are.
        Self::new(format!(
            "{source} ! videoconvert ! video/x-raw,format=RGB ! videoconvert \
             ! video/x-raw,format=I420,colorimetry=1:4:0:0 ! jpegenc quality=90 ! rtpjpegpay name=pay0 pt=26"
        ))
    }

    /// Adds a second track: a tone in AAC-LC, 48 kHz, one channel.
    #[must_use]
    pub fn and_aac(self) -> Self {
        self.and("audio/x-raw,rate=48000,channels=1 ! voaacenc bitrate=64000 ! aacparse ! rtpmp4gpay pt=97")
    }

    /// Adds a second track: a tone in G.711 µ-law, 8 kHz, one channel.
    #[must_use]
    pub fn and_pcmu(self) -> Self {
        self.and("audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay pt=0")
    }

    /// Adds a second track: a tone in G.711 A-law, 8 kHz, one channel.
    #[must_use]
    pub fn and_pcma(self) -> Self {
        self.and("audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay pt=8")
    }

    /// Adds a second track: a tone in Opus, 48 kHz, one channel.
    #[must_use]
    pub fn and_opus(self) -> Self {
        self.and("audio/x-raw,rate=48000,channels=1 ! opusenc ! rtpopuspay pt=97")
    }

    /// The video of a file as a live stream, again and again without a gap, sent as it is in the file. It must be
    /// H.264 or H.265 at a constant frame rate without B frames, and start with a key frame.
    ///
    /// # Errors
    /// If the `ffmpeg` program cannot read the file.
    pub fn file(path: &Path) -> io::Result<Self> {
        let frames = Frames::of(path)?;
        let codec = frames.codec;
        let pipeline = format!(
            "appsrc name=frames format=time caps=video/x-{codec},stream-format=byte-stream,alignment=au \
             ! {codec}parse config-interval=-1 ! rtp{codec}pay name=pay0 pt=96"
        );
        Ok(Self { pipeline, frames: Some(frames) })
    }

    /// What the server is to be told.
    pub(super) fn arguments(&self, path: &str) -> Vec<String> {
        let mut arguments = Vec::new();
        if let Some(frames) = &self.frames {
            let directory = frames.directory.display().to_string();
            arguments.extend(["--frames".to_owned(), directory, frames.rate.clone()]);
        }
        arguments.extend(["--mount".to_owned(), path.to_owned(), self.pipeline.clone()]);
        arguments
    }

    fn and(self, encoder: &str) -> Self {
        let source = "audiotestsrc is-live=true wave=sine ! audioconvert";
        Self { pipeline: format!("{} {source} ! {encoder} name=pay1", self.pipeline), ..self }
    }
}

impl fmt::Display for Launch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pipeline)
    }
}

fn test_source(pattern: &str, width: u32, height: u32) -> String {
    format!(
        "videotestsrc is-live=true pattern={pattern} ! capsfilter name=size \
         caps=video/x-raw,format=I420,width={width},height={height},framerate=25/1"
    )
}

const X264: &str = "x264enc speed-preset=ultrafast tune=zerolatency key-int-max=25 bframes=0 bitrate=2000";

const H264_PAY: &str = "h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96";
