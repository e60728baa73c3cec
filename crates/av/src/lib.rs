//! FFmpeg: decoding, scaling, demultiplexing, multiplexing and encoding.
//!
//! - A [`Decoder`] is a worker that turns the packets of a stream into pictures, which stay where FFmpeg put them.
//!   What it does to each frame is a filter of its own, [`PictureDecoder`]; what decodes is a line in the table of
//!   `driver.rs`.
//! - A [`Scaler`] writes a picture as packed RGB, at any size, straight into the caller's memory.
//! - An [`AvSource`] receives what libavformat can: RTSP over UDP, multicast and TLS, and session descriptions.
//! - A [`Capture`] receives a camera of this machine.
//! - A [`FileReader`] reads the frames of a file as a source would deliver them, from any position.
//! - A [`Recorder`] writes the stream that passes through it into a file, on a thread of its own; a [`FileWriter`] does so
//!   on the caller's, and so does a [`Muxer`], packet by packet. A [`LiveMuxer`] makes fragmented MP4 for browsers, a
//!   [`Fragmenter`] as a filter, of video alone.
//! - An [`Encoder`] makes packets of generated pictures, [`jpeg`] a file of a single one.
//!
//! FFmpeg is reached through a small C shim of our own; all unsafe code is in `ffi`. FFmpeg's log goes to `tracing`:
//! its warnings and errors at DEBUG, the rest at TRACE, addresses without credentials.
//!
//! ```no_run
//! use std::sync::{Arc, mpsc};
//! use valkka_av::{Decoder, DecoderOptions, FileReader, Sampling, Scaler};
//! use valkka_core::sink::{FnSink, Sink as _};
//! use valkka_core::stats::StreamStats;
//!
//! let (tx, rx) = mpsc::sync_channel(8);
//! let pictures = FnSink(move |frame| drop(tx.send(frame)));
//! let decoder = Decoder::spawn("cam1", DecoderOptions::default(), Arc::new(StreamStats::default()), Arc::new(pictures))?;
//! decoder.set_decoding(true);
//!
//! let mut file = FileReader::open("footage.mp4")?;
//! while let Some(frame) = file.read()? {
//!     decoder.input().put(frame);
//! }
//! let frame = rx.recv()?;
//! let picture = frame.bitmap().ok_or("not a picture")?;
//! let mut rgb = vec![0; 640 * 360 * 3];
//! Scaler::new().rgb24(picture, 640, 360, Sampling::Bilinear, &mut rgb)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(unsafe_code)]

mod capture;
mod decoder;
mod description;
mod driver;
mod encoder;
mod ffi;
mod file_reader;
mod floor;
mod fragmenter;
mod jpeg;
mod live_muxer;
mod muxer;
mod nearest;
mod picture_decoder;
mod reason;
mod recorder;
mod scaler;
mod source;
mod timeline;
mod track;
mod versions;

pub use capture::Capture;
pub use decoder::Decoder;
pub use driver::{DecodeError, MAX_SIDE};
pub use encoder::{EncodeError, Encoder, EncoderOptions};
pub use ffi::duplicate_descriptor;
pub use file_reader::FileReader;
pub use floor::decode_floor;
pub use fragmenter::Fragmenter;
pub use jpeg::{JpegError, jpeg};
pub use live_muxer::{LiveFragment, LiveMuxer};
pub use muxer::{Container, LeftOut, MuxError, Muxer, MuxerOptions};
pub use picture_decoder::{Damaged, DecoderOptions, PictureDecoder};
pub use reason::Reason;
pub use recorder::{
    FileWriter, FileWriterOptions, Recorder, RecorderEvent, RecorderOptions, Segment, SegmentNames,
};
pub use scaler::{Sampling, ScaleError, Scaler};
pub use source::AvSource;
pub use versions::ffmpeg_versions;
