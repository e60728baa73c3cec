//! Pictures for other processes.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use tracing::{trace, warn};
use valkka_av::{Sampling, Scaler};
use valkka_core::bitmap::{Bitmap, PixelFormat};
use valkka_core::frame::Frame;
use valkka_core::lock::lock;
use valkka_core::sink::Sink;
use valkka_shm::{Content, Error, Shape, WriterStats};

use super::{Ring, meta_of};

/// Shares packed RGB pictures of one size. Nothing else is shared.
///
/// Decoded pictures are best put into [`scaled`](Self::scaled): then they are written to the shared memory as they are
/// scaled, and never copied.
#[derive(Debug)]
pub struct SharedPictures {
    shared: Arc<Shared>,
}

/// A way into the ring for decoded pictures, which are scaled.
struct Scaled {
    shared: Arc<Shared>,
    scaler: Mutex<Scaler>,
}

#[derive(Debug)]
struct Shared {
    ring: Ring,
    width: u32,
    height: u32,
    /// What was wrong with the last picture: it is said once.
    complaint: Mutex<Option<String>>,
}

impl SharedPictures {
    /// Shares at least the newest `cells` pictures of `width` × `height` pixels as `name`.
    ///
    /// # Errors
    /// As for [`valkka_shm::Writer::create`], or if a number is zero or too large.
    pub fn create(name: &str, cells: usize, width: u32, height: u32) -> Result<Self, Error> {
        let ring = Ring::create(name, Shape::pictures(cells, width, height)?)?;
        Ok(Self { shared: Arc::new(Shared { ring, width, height, complaint: Mutex::default() }) })
    }

    /// Takes decoded pictures of any size and format, and shares them scaled. The nearest sample is taken, and the
    /// picture's shape is not kept. RGB pictures are scaled too; frames without a picture go nowhere.
    pub fn scaled(&self) -> Arc<dyn Sink> {
        Arc::new(Scaled { shared: self.shared.clone(), scaler: Mutex::default() })
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        (self.shared.width, self.shared.height)
    }

    /// Has the event set at every picture.
    ///
    /// # Errors
    /// If it is no eventfd.
    pub fn notify(&self, event: OwnedFd) -> Result<(), Error> {
        self.shared.ring.notify(event)
    }

    /// What was shared so far.
    pub fn stats(&self) -> WriterStats {
        self.shared.ring.stats()
    }
}

impl Sink for SharedPictures {
    fn put(&self, frame: Frame) {
        let Some(bitmap) = frame.bitmap() else {
            trace!(slot = %frame.slot, "only pictures are shared here");
            return;
        };
        let (width, height) = self.size();
        let (format, w, h) = (bitmap.format(), bitmap.width(), bitmap.height());
        if (format, w, h) != (PixelFormat::Rgb24, width, height) {
            let complaint =
                format!("a picture of {w}x{h} in {format:?} is no RGB picture of {width}x{height}");
            return self.shared.complain(complaint);
        }
        self.shared.write(&frame, |cell| {
            copy_rows(bitmap, cell);
            Ok(())
        });
    }
}

impl Sink for Scaled {
    fn put(&self, frame: Frame) {
        let Some(bitmap) = frame.bitmap() else {
            trace!(slot = %frame.slot, "only pictures are shared here");
            return;
        };
        let Shared { width, height, .. } = *self.shared;
        self.shared.write(&frame, |cell| {
            let scaled = lock(&self.scaler).rgb24(bitmap, width, height, Sampling::Point, cell);
            scaled.map_err(|error| error.to_string())
        });
    }
}

impl Shared {
    /// Publishes what `draw` makes of a cell.
    fn write(&self, frame: &Frame, draw: impl FnOnce(&mut [u8]) -> Result<(), String>) {
        let meta = meta_of(frame, Content::Picture { width: self.width, height: self.height });
        let drawn = self.ring.with(|writer| {
            let Some(mut cell) = writer.claim() else { return Ok(()) };
            draw(&mut cell)?;
            let len = cell.len();
            cell.publish(meta, len);
            Ok(())
        });
        match drawn {
            Ok(()) => *lock(&self.complaint) = None,
            Err(complaint) => self.complain(complaint),
        }
    }

    fn complain(&self, complaint: String) {
        let mut before = lock(&self.complaint);
        if before.as_ref() != Some(&complaint) {
            let name = self.ring.with(|writer| writer.name().to_owned());
            warn!(name, "not shared: {complaint}");
            *before = Some(complaint);
        }
    }
}

/// Copies packed RGB to `cell`, which has room for exactly that.
fn copy_rows(bitmap: &Bitmap, cell: &mut [u8]) {
    let plane = bitmap.plane(0);
    let (row_bytes, _) = PixelFormat::Rgb24.plane_size(0, bitmap.width(), bitmap.height());
    let rows = plane.data.chunks(plane.stride_bytes.max(1));
    for (target, row) in cell.chunks_exact_mut(row_bytes.max(1)).zip(rows) {
        target.copy_from_slice(&row[..row_bytes]);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use valkka_core::bitmap::{ColorSpec, Plane, PlaneStore};
    use valkka_core::frame::{Body, FrameTime};
    use valkka_core::stream::{Slot, Track};
    use valkka_core::time::WallTime;
    use valkka_shm::Reader;

    use super::*;

    fn frame(bitmap: Bitmap) -> Frame {
        let time = FrameTime { wall: WallTime::from_micros(5000), ..FrameTime::default() };
        Frame { slot: Slot::new(3), track: Track::new(0), time, body: Body::Bitmap(bitmap) }
    }

    fn shared(what: &str) -> (SharedPictures, Reader) {
        let name = format!("test-pictures-{what}-{}", std::process::id());
        let shared = SharedPictures::create(&name, 4, 6, 2).unwrap();
        let reader = Reader::open(&name, Shape::pictures(4, 6, 2).unwrap()).unwrap();
        (shared, reader)
    }

    /// A picture with gaps between its rows.
    struct Padded(Vec<u8>);

    impl PlaneStore for Padded {
        fn plane(&self, _: usize) -> Plane<'_> {
            Plane { data: &self.0, stride_bytes: 20 }
        }
    }

    #[test]
    fn rows_are_packed() {
        let (shared, mut reader) = shared("rows");
        let rows: Vec<u8> = (0..40).collect();
        let store = Arc::new(Padded(rows.clone()));
        let bitmap = Bitmap::new(PixelFormat::Rgb24, 6, 2, ColorSpec::default(), store).unwrap();
        shared.put(frame(bitmap));
        let pulled = reader.pull(Duration::from_secs(60)).unwrap().unwrap();
        assert_eq!(reader.frame(pulled.index).unwrap(), [&rows[..18], &rows[20..38]].concat());
        assert_eq!(pulled.meta.content, Content::Picture { width: 6, height: 2 });
        assert_eq!((pulled.meta.slot, pulled.meta.time.millis()), (Slot::new(3), 5));
    }

    #[test]
    fn other_pictures_are_left_out() {
        let (shared, mut reader) = shared("others");
        for (format, width) in [(PixelFormat::Rgb24, 5), (PixelFormat::Gray, 6)] {
            let data = vec![0; format.plane_size(0, width, 2).0 * 2];
            let bitmap = Bitmap::from_packed(format, width, 2, ColorSpec::default(), data).unwrap();
            shared.put(frame(bitmap.clone()));
            shared.put(frame(bitmap));
        }
        shared.put(Frame::signal(Slot::new(1), WallTime::default(), valkka_core::frame::Signal::End));
        assert!(reader.pull(Duration::ZERO).unwrap().is_none());
    }

    #[test]
    fn decoded_pictures_are_scaled_into_the_ring() {
        let (shared, mut reader) = shared("scaled");
        let scaled = shared.scaled();
        for (width, value, expected) in [(64, 235, 255), (20, 16, 0)] {
            let data = vec![value; width as usize * 48];
            let bitmap = Bitmap::from_packed(PixelFormat::Gray, width, 48, ColorSpec::default(), data);
            scaled.put(frame(bitmap.unwrap()));
            let pulled = reader.pull(Duration::from_secs(60)).unwrap().unwrap();
            let pixels = reader.frame(pulled.index).unwrap();
            // swscale rounds roughly where it is quick.
            assert!(pixels.len() == 36 && pixels.iter().all(|&sample| sample.abs_diff(expected) <= 4));
        }
        assert_eq!(shared.stats().published, 2);
    }
}
