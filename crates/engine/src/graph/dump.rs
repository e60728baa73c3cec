//! Frames as files, a file each: for finding faults.
//!
//! The files are written in the thread that brings the frame, so that they are there when it has passed. That holds the
//! stream up, and is not for daily use.

use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::path::{Path, PathBuf};

use valkka_core::bitmap::{Bitmap, PixelFormat};
use valkka_core::frame::{Body, Frame};

use super::basic::{Content, basic_frames};

/// Writes encoded frames to files called `packet_c<count>_s<track>_<time>.bin`: one for each NAL unit, with its start code,
/// for each payload of another codec, and for each box. The time is in milliseconds.
#[derive(Debug)]
pub struct PayloadFiles {
    directory: PathBuf,
    count: u64,
    failing: bool,
}

impl PayloadFiles {
    /// Writes into `directory`; an empty path is the current directory of the process.
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), count: 0, failing: false }
    }

    /// Writes what `frame` holds. What is not encoded is passed over.
    ///
    /// # Errors
    /// If a file cannot be written; the error names it. It is returned once until a file can be written again.
    pub fn write(&mut self, frame: &Frame) -> io::Result<()> {
        let written = self.write_pieces(frame);
        first_of_a_row(&mut self.failing, written)
    }

    fn write_pieces(&mut self, frame: &Frame) -> io::Result<()> {
        for piece in basic_frames(frame) {
            let parts: [&[u8]; 2] = match &piece.content {
                Content::Unit(unit) => [unit.start_code, unit.data],
                Content::Box(fragment) => [&fragment.data, &[]],
                _ => continue,
            };
            let name = format!("packet_c{}_s{}_{}.bin", self.count, piece.track, piece.time.millis());
            self.count += 1;
            write_file(&self.directory.join(name), |file| {
                parts.iter().try_for_each(|part| file.write_all(part))
            })?;
        }
        Ok(())
    }
}

/// Writes decoded pictures to files called `image_c<count>_s<track>_.yuv`: all rows of all planes, without gaps.
#[derive(Debug)]
pub struct PictureFiles {
    directory: PathBuf,
    count: u64,
    failing: bool,
}

impl PictureFiles {
    /// Writes into `directory`; an empty path is the current directory of the process.
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), count: 0, failing: false }
    }

    /// Writes the picture in `frame`, and says in words what it was: its format, number and size. `None` if there is
    /// none, or it is one in RGB.
    ///
    /// # Errors
    /// If the file cannot be written; the error names it. It is returned once until a file can be written again.
    pub fn write(&mut self, frame: &Frame) -> io::Result<Option<String>> {
        let Body::Bitmap(bitmap) = &frame.body else { return Ok(None) };
        let Some(format) = format_name(bitmap.format()) else { return Ok(None) };
        let number = self.count;
        self.count += 1;
        let path = self.directory.join(format!("image_c{number}_s{}_.yuv", frame.track));
        let written = write_file(&path, |file| file.write_all(&packed(bitmap)))
            .map(|()| Some(format!("{format} image {number} : {}x{}", bitmap.width(), bitmap.height())));
        first_of_a_row(&mut self.failing, written)
    }
}

fn write_file(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    File::create(path)
        .and_then(|mut file| write(&mut file))
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// `result`, or nothing if it is an error as the one before was.
fn first_of_a_row<T: Default>(failing: &mut bool, result: io::Result<T>) -> io::Result<T> {
    let failed_before = mem::replace(failing, result.is_err());
    result.or_else(|error| if failed_before { Ok(T::default()) } else { Err(error) })
}

/// The rows of all planes, without gaps.
fn packed(bitmap: &Bitmap) -> Vec<u8> {
    let mut data = Vec::new();
    for index in 0..bitmap.format().planes() {
        let (row_bytes, rows) = bitmap.format().plane_size(index, bitmap.width(), bitmap.height());
        let plane = bitmap.plane(index);
        for row in 0..rows {
            data.extend_from_slice(&plane.data[row * plane.stride_bytes..][..row_bytes]);
        }
    }
    data
}

fn format_name(format: PixelFormat) -> Option<&'static str> {
    match format {
        PixelFormat::Yuv420 => Some("YUV420P"),
        PixelFormat::Yuv422 => Some("YUV422P"),
        PixelFormat::Yuv444 => Some("YUV444P"),
        PixelFormat::Gray => Some("GRAY8"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use bytes::Bytes;
    use valkka_core::bitmap::ColorSpec;
    use valkka_core::codec::{Codec, CodecParams};
    use valkka_core::frame::{FrameTime, Packet, Signal};
    use valkka_core::payload::Payload;
    use valkka_core::stream::{Slot, Track};
    use valkka_core::time::WallTime;
    use valkka_testkit::temp::TempDir;

    use super::*;

    fn frame(body: Body) -> Frame {
        let time = FrameTime { wall: WallTime::from_micros(7_000_000), ..FrameTime::default() };
        Frame { slot: Slot::new(1), track: Track::new(0), time, body }
    }

    fn packet() -> Frame {
        let params = Arc::new(CodecParams::video(Codec::H264, Bytes::new()));
        let payload = Payload::copy_from_slice(&[0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x65, 2]);
        frame(Body::Packet(Packet { params, payload, keyframe: true, lost: 0 }))
    }

    #[test]
    fn each_nal_unit_is_a_file() {
        let directory = TempDir::new().unwrap();
        let mut files = PayloadFiles::new(directory.path());
        files.write(&packet()).unwrap();
        files.write(&Frame::signal(Slot::new(1), WallTime::default(), Signal::End)).unwrap();
        files.write(&packet()).unwrap();
        let read = |name: &str| fs::read(directory.path().join(name)).unwrap();
        assert_eq!(read("packet_c0_s0_7000.bin"), [0, 0, 0, 1, 0x67, 1]);
        assert_eq!(read("packet_c1_s0_7000.bin"), [0, 0, 0, 1, 0x65, 2]);
        assert_eq!(read("packet_c3_s0_7000.bin"), [0, 0, 0, 1, 0x65, 2]);
    }

    #[test]
    fn pictures_are_files_without_gaps() {
        let directory = TempDir::new().unwrap();
        let mut files = PictureFiles::new(directory.path());
        let picture = |format, data| {
            frame(Body::Bitmap(Bitmap::from_packed(format, 2, 2, ColorSpec::default(), data).unwrap()))
        };
        let yuv = picture(PixelFormat::Yuv420, (0..6).collect());
        assert_eq!(files.write(&packet()).unwrap(), None);
        assert_eq!(files.write(&picture(PixelFormat::Rgb24, vec![0; 12])).unwrap(), None);
        assert_eq!(files.write(&yuv).unwrap().as_deref(), Some("YUV420P image 0 : 2x2"));
        assert_eq!(fs::read(directory.path().join("image_c0_s0_.yuv")).unwrap(), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn an_error_names_the_file_and_is_said_once() {
        let directory = TempDir::new().unwrap();
        let inner = directory.join("inner");
        let mut files = PayloadFiles::new(&inner);
        let error = files.write(&packet()).unwrap_err();
        assert!(error.to_string().contains("inner/packet_c0_s0_7000.bin: "), "{error}");
        files.write(&packet()).unwrap();
        fs::create_dir(&inner).unwrap();
        files.write(&packet()).unwrap();
        fs::remove_dir_all(&inner).unwrap();
        files.write(&packet()).unwrap_err();
    }
}
