//! The base class of all rings of shared memory.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyList;
use valkka::lock::lock;
use valkka::shm::{Error, Meta, Pulled, Reader, Shape, View, Writer};

use super::event_fd::EventFd;
use super::frag_mp4_meta::FragMP4Meta;
use super::int_cell::IntCell;
use super::rgb24_meta::RGB24Meta;
use super::view::arrays;
use super::{CELL_BYTES, CELLS, count, raised};
use crate::logging::FIFO;
use crate::native::Native;

/// A ring of cells in shared memory, found by its name: one end of it. A server writes to it, clients read from it, any
/// number of them, each at its own position.
///
/// A client may be made before its server, and finds the next one if that goes. `mstimeout` is how long a pull waits, in
/// milliseconds; 0 is for ever.
#[pyclass(subclass, dict, weakref, frozen, module = "valkka.core")]
pub(crate) struct SharedMemRingBufferBase {
    name: String,
    /// How long a pull waits.
    timeout: Duration,
    end: Native<End>,
}

enum End {
    Server(Mutex<Writer>),
    Client(Client),
}

struct Client {
    reader: Mutex<Reader>,
    /// They stay where they are: to see them, nobody has to wait for a pull.
    views: Vec<View>,
    /// When the frame was published that was pulled last.
    published: Mutex<Option<Instant>>,
    overflow: Mutex<Overflow>,
}

/// What was said of frames that were overtaken.
#[derive(Default)]
struct Overflow {
    lost: u64,
    said: Option<Instant>,
}

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl SharedMemRingBufferBase {
    #[new]
    #[pyo3(signature = (name, n_cells, n_bytes, mstimeout = 0, is_server = false))]
    fn py_new(
        py: Python<'_>,
        name: &str,
        n_cells: i64,
        n_bytes: i64,
        mstimeout: i64,
        is_server: bool,
    ) -> PyResult<Self> {
        let shape = Shape::bytes(count(CELLS, n_cells)?, count(CELL_BYTES, n_bytes)?)
            .map_err(|error| raised(error.into()))?;
        Self::open(py, name, shape, mstimeout, is_server)
    }

    /// Has `eventfd` set at each frame that is written.
    fn serverUseFd(&self, py: Python<'_>, eventfd: &EventFd) -> PyResult<()> {
        let event = eventfd.duplicate()?;
        self.serve(py, |writer| writer.notify(event))?.map_err(raised)
    }

    /// Has `eventfd` set while there are frames to be pulled.
    fn clientUseFd(&self, py: Python<'_>, eventfd: &EventFd) -> PyResult<()> {
        let event = eventfd.duplicate()?;
        let client = self.client()?;
        py.detach(|| lock(&client.reader).use_event(event)).map_err(raised)
    }

    /// The age of the frame pulled last: how long ago it was published, in seconds. None before the first.
    fn clientAge(&self) -> PyResult<Option<f64>> {
        let published = *lock(&self.client()?.published);
        Ok(published.map(|published| published.elapsed().as_secs_f64()))
    }

    /// The cells as flat arrays of `numpy.uint8`, which show the memory itself and cannot be written to. Pulling gives the
    /// index of the one that a frame is in. Half of the frames pulled stay as they are, the newest ones.
    ///
    /// They may be used as long as you like, also when this object is gone.
    fn getBufferListPy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        match &*self.end {
            End::Client(client) => arrays(py, client.views.iter().cloned()),
            End::Server(_) => {
                let views = self.serve(py, |writer| writer.views())?.map_err(raised)?;
                arrays(py, views.into_iter())
            }
        }
    }

    /// Waits for a frame; writes to `index_p` where it is, and what is known of it to `meta`: a meta object, or a cell made
    /// by `new_intp()` for its size. Returns False when the time is over.
    fn clientPull(&self, py: Python<'_>, index_p: &IntCell, meta: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Some(pulled) = self.pull(py)? else { return Ok(false) };
        index_p.assign(pulled.index);
        if let Ok(meta) = meta.cast::<RGB24Meta>() {
            meta.try_borrow_mut()?.assign(&pulled);
        } else if let Ok(meta) = meta.cast::<FragMP4Meta>() {
            meta.try_borrow_mut()?.assign(&pulled);
        } else if let Ok(size) = meta.cast::<IntCell>() {
            size.get().assign(pulled.len);
        } else {
            return Err(PyTypeError::new_err(
                "meta must be a RGB24Meta, a FragMP4Meta or made by new_intp()",
            ));
        }
        Ok(true)
    }

    /// The same as `clientPull`: other Python threads run meanwhile in both.
    fn clientPullThread(&self, py: Python<'_>, index_p: &IntCell, meta: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.clientPull(py, index_p, meta)
    }
}

impl SharedMemRingBufferBase {
    /// One end of the ring `name`.
    pub(crate) fn open(
        py: Python<'_>,
        name: &str,
        shape: Shape,
        mstimeout: i64,
        is_server: bool,
    ) -> PyResult<Self> {
        let end = py.detach(|| {
            if is_server {
                return Ok(End::Server(Mutex::new(Writer::create(name, shape)?)));
            }
            let reader = Reader::open(name, shape)?;
            let views = (0..shape.cells()).filter_map(|index| reader.view(index)).collect();
            Ok(End::Client(Client {
                reader: Mutex::new(reader),
                views,
                published: Mutex::default(),
                overflow: Mutex::default(),
            }))
        });
        let timeout = match u64::try_from(mstimeout) {
            Ok(millis @ 1..) => Duration::from_millis(millis),
            _ => Duration::MAX,
        };
        Ok(Self { name: name.to_owned(), timeout, end: Native::new(end.map_err(raised)?) })
    }

    /// Waits for a frame; `None` when the time is over.
    pub(crate) fn pull(&self, py: Python<'_>) -> PyResult<Option<Pulled>> {
        let client = self.client()?;
        let deadline = Instant::now().checked_add(self.timeout);
        loop {
            let left = deadline.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
            let pulled = py.detach(|| client.pull(left.min(TICK))).map_err(raised)?;
            if pulled.is_some() || left <= TICK {
                return Ok(pulled);
            }
            // Ctrl-C
            py.check_signals()?;
        }
    }

    /// Waits for a frame; writes to the cells where it is and how many bytes it has. False when the time is over.
    pub(crate) fn pull_into(&self, py: Python<'_>, index: &IntCell, size: &IntCell) -> PyResult<bool> {
        let Some(pulled) = self.pull(py)? else { return Ok(false) };
        index.assign(pulled.index);
        size.assign(pulled.len);
        Ok(true)
    }

    /// Writes the bytes of `array` if it is a numpy array of bytes whose shape is `shape`, or is flat if there is none.
    /// Returns whether it was written.
    pub(crate) fn push(
        &self,
        py: Python<'_>,
        array: &Bound<'_, PyAny>,
        shape: Option<[usize; 3]>,
        meta: Meta,
    ) -> PyResult<bool> {
        if !is_bytes(array, shape)? {
            return Ok(false);
        }
        // In the order of its indices, whatever the order in memory.
        let bytes: PyBackedBytes = array.call_method0("tobytes")?.extract()?;
        self.serve(py, |writer| writer.push(meta, &bytes))
    }

    /// The array of cell `index` shows this.
    pub(crate) fn view(&self, index: usize) -> Option<View> {
        match &*self.end {
            End::Client(client) => client.views.get(index).cloned(),
            End::Server(writer) => lock(writer).views().ok()?.get(index).cloned(),
        }
    }

    /// Calls `body` with the writer, if this is a server.
    pub(crate) fn serve<R: Send>(
        &self,
        py: Python<'_>,
        body: impl FnOnce(&mut Writer) -> R + Send,
    ) -> PyResult<R> {
        self.check_process()?;
        match &*self.end {
            End::Server(writer) => Ok(py.detach(|| body(&mut lock(writer)))),
            End::Client(_) => Err(PyRuntimeError::new_err(format!("\"{}\" is not a server here", self.name))),
        }
    }

    fn client(&self) -> PyResult<&Client> {
        self.check_process()?;
        match &*self.end {
            End::Client(client) => Ok(client),
            End::Server(_) => Err(PyRuntimeError::new_err(format!("\"{}\" is not a client here", self.name))),
        }
    }

    /// In a process that was forked off, a thread that does not exist may have the lock.
    fn check_process(&self) -> PyResult<()> {
        if self.end.is_ours() {
            return Ok(());
        }
        let said =
            format!("\"{}\" was made before this process was forked off: make another one here", self.name);
        Err(PyRuntimeError::new_err(said))
    }
}

impl Client {
    fn pull(&self, timeout: Duration) -> Result<Option<Pulled>, Error> {
        let mut reader = lock(&self.reader);
        let pulled = reader.pull(timeout)?;
        if let Some(pulled) = &pulled {
            *lock(&self.published) = Instant::now().checked_sub(pulled.age);
            lock(&self.overflow).note(reader.name(), reader.lost());
        }
        Ok(pulled)
    }
}

impl Overflow {
    /// Says in the words that people look for how many frames this client was too slow for, once a second at most.
    fn note(&mut self, name: &str, lost: u64) {
        let more = lost.saturating_sub(self.lost);
        if more > 0 && self.said.is_none_or(|said| said.elapsed() >= OVERFLOW_PERIOD) {
            FIFO.normal(format_args!(
                "RingBuffer {name} ServerPush: OVERFLOW (this client was too slow for {more} frames)"
            ));
            (self.lost, self.said) = (lost, Some(Instant::now()));
        }
    }
}

fn is_bytes(array: &Bound<'_, PyAny>, shape: Option<[usize; 3]>) -> PyResult<bool> {
    let numpy = array.py().import("numpy")?;
    if !array.is_instance(&numpy.getattr("ndarray")?)?
        || !array.getattr("dtype")?.eq(numpy.getattr("uint8")?)?
    {
        return Ok(false);
    }
    let found: Vec<usize> = array.getattr("shape")?.extract()?;
    Ok(shape.map_or(found.len() == 1, |shape| found == shape))
}

/// Frames that were overtaken are spoken of so often.
const OVERFLOW_PERIOD: Duration = Duration::from_secs(1);

/// How often a pull that waits looks for Ctrl-C.
const TICK: Duration = Duration::from_millis(250);
