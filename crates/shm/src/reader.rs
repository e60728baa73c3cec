//! Where frames come out.

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::OwnedFd;
use std::process;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{debug, trace};
use valkka_core::lock::lock;

use crate::connection::Connection;
use crate::error::{Error, trying};
use crate::event::Event;
use crate::map::Windows;
use crate::meta::{Content, Described, Meta};
use crate::shape::{Contents, Shape};
use crate::view::View;
use crate::writer::monotonic_ns;

/// A reading end of a ring, at a position of its own.
///
/// It may be there before its writer, and outlive it: it finds the next writer of the name by itself. It sees every
/// frame as long as it is no more than the ring's cells behind; what is overtaken by then is lost to it and counted.
///
/// Frames are seen in *places*, as many as the reader has asked for cells, which stay at their addresses as long as
/// anybody holds a [`View`] of them. The newest half of the frames pulled (at least one, at most 16) stay as they are;
/// the writer writes elsewhere meanwhile.
pub struct Reader {
    name: String,
    asked: Shape,
    process: u32,
    windows: Windows,
    /// What each place shows.
    shown: Vec<Shown>,
    held: Arc<Mutex<VecDeque<Held>>>,
    connection: Option<Arc<Connection>>,
    /// Counts connections, to tell their cells apart.
    connections: u64,
    /// The frame last pulled, or given up.
    position: u64,
    event: Option<Event>,
    retry: Retry,
    /// When it was last looked whether there is a newer writer.
    looked: Instant,
    pulled: u64,
    lost: u64,
}

/// A frame that was pulled. Its bytes are in the [view](Reader::view) `index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pulled {
    /// The place that it is seen in.
    pub index: usize,
    /// How many bytes it has.
    pub len: usize,
    /// What is known of it.
    pub meta: Meta,
    /// Its number: the writer counts its frames from 1.
    pub sequence: u64,
    /// The time from its publishing until it was pulled.
    pub age: Duration,
}

impl Reader {
    /// A reader of the ring `name`, with `asked.cells()` places for frames as `asked` describes them. It connects at
    /// once if there is a writer, and otherwise while it pulls.
    ///
    /// # Errors
    /// If there is a writer and its frames do not fit, or the system does not let us.
    pub fn open(name: &str, asked: Shape) -> Result<Self, Error> {
        let windows = Windows::reserve(asked.cells(), asked.frame_bytes())
            .map_err(trying(name, "reserve addresses"))?;
        let mut reader = Self {
            name: name.to_owned(),
            asked,
            process: process::id(),
            shown: vec![Shown::default(); windows.count()],
            windows,
            held: Arc::default(),
            connection: None,
            connections: 0,
            position: 0,
            event: None,
            retry: Retry::default(),
            looked: Instant::now(),
            pulled: 0,
            lost: 0,
        };
        reader.connect(GREETING)?;
        Ok(reader)
    }

    /// The name of the ring.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it has asked for.
    pub fn asked(&self) -> Shape {
        self.asked
    }

    /// Whether it has a writer, as far as it knows.
    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// How many frames were overtaken before they were pulled.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The oldest frame that was not pulled yet and is still there; waits for one if there is none. `None` when
    /// `timeout` is over, whether there is a writer or not. [`Duration::MAX`] waits for ever.
    ///
    /// # Errors
    /// If a writer has come whose frames do not fit, or this process was forked off from the reader's.
    pub fn pull(&mut self, timeout: Duration) -> Result<Option<Pulled>, Error> {
        if self.process != process::id() {
            return Err(Error::Forked { name: self.name.clone(), owner: self.process });
        }
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let left =
                deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
            let Some(connection) = self.connection.clone() else {
                if self.retry.is_due() {
                    self.connect(left.clamp(SHORTEST_GREETING, GREETING))?;
                }
                if self.connection.is_none() {
                    if left.is_zero() {
                        return Ok(None);
                    }
                    thread::sleep(self.retry.left().min(left));
                }
                continue;
            };
            let bell = connection.control.bell();
            let pulled = self.take(&connection)?;
            self.settle_event(&connection);
            if pulled.is_some() {
                return Ok(pulled);
            }
            if !connection.is_alive() {
                self.part("it is gone");
            } else if self.looks_around() && connection.is_superseded(&self.name) {
                self.part("another one has taken its place");
            } else if left.is_zero() {
                return Ok(None);
            } else {
                connection.control.wait(connection.reader, bell, left.min(SLICE));
            }
        }
    }

    /// The bytes of the frame in the place `index`, if it is one of those that stay as they are.
    pub fn frame(&self, index: usize) -> Option<&[u8]> {
        let held = lock(&self.held);
        let len = held.iter().rev().find(|held| held.place == index)?.len;
        self.windows.bytes(index, len)
    }

    /// The place `index`, to be looked at while frames come and go; there are as many as cells were asked for.
    pub fn view(&self, index: usize) -> Option<View> {
        View::new(self.windows.range(), index, Some(self.held.clone()))
    }

    /// Has `event` set while there are frames to be pulled, and only then: for `select` and the like. It takes the place
    /// of an event that was given before.
    ///
    /// As long as there is no writer the event is not set, and the reader finds a writer only when it pulls: pull now and
    /// then, or have the writer set the event too ([`Writer::notify`](crate::Writer::notify)).
    ///
    /// # Errors
    /// If it is no eventfd.
    pub fn use_event(&mut self, event: OwnedFd) -> Result<(), Error> {
        let event = Event::from_fd(event).map_err(trying(&self.name, "use an event"))?;
        if let Some(connection) = self.connection.clone() {
            if let Err(error) = connection.use_event(&event) {
                debug!(name = self.name, %error, "the writer was not told of an event");
                self.part("it does not listen");
            } else if connection.control.head() > self.position {
                event.set();
            }
        }
        self.event = Some(event);
        Ok(())
    }

    /// Looks for a writer, once.
    fn connect(&mut self, timeout: Duration) -> Result<(), Error> {
        self.retry.tried();
        let Some(connection) = Connection::open(&self.name, self.event.as_ref(), timeout)? else {
            return Ok(());
        };
        let (offered, asked) = (connection.shape.contents(), self.asked.contents());
        if !asked.accepts(offered) {
            return Err(Error::DoesNotFit { name: self.name.clone(), offered, asked });
        }
        debug!(name = self.name, %offered, "found the writer of shared memory");
        self.retry = Retry::default();
        self.looked = Instant::now();
        self.connections += 1;
        // What is in the ring is new to us; what was overtaken before we came is not lost.
        let cells = connection.control.layout().cells as u64;
        self.position = connection.control.head().saturating_sub(cells);
        self.connection = Some(Arc::new(connection));
        Ok(())
    }

    fn part(&mut self, why: &str) {
        debug!(name = self.name, why, "left the writer of shared memory");
        self.connection = None;
    }

    /// Whether it is time to see if there is a newer writer.
    fn looks_around(&mut self) -> bool {
        let due = self.looked.elapsed() >= LOOK_AROUND;
        if due {
            self.looked = Instant::now();
        }
        due
    }

    /// The oldest frame after the position, if there is one.
    fn take(&mut self, connection: &Arc<Connection>) -> Result<Option<Pulled>, Error> {
        let control = &connection.control;
        let cells = control.layout().cells as u64;
        let head = control.head();
        // The head goes up only, unless somebody writes where he should not.
        self.position = self.position.min(head);
        let oldest = self.position.max(head.saturating_sub(cells)).saturating_add(1);
        for sequence in oldest..=head {
            let Some(cell) = control.find(sequence) else { continue };
            cell.pin(connection.reader);
            // From here on the writer leaves it alone, if it is still what was looked for.
            let described = if cell.sequence() == sequence { cell.described() } else { None };
            let described = described.filter(|described| self.is_sound(connection, described));
            let Some(described) = described else {
                cell.unpin(connection.reader);
                continue;
            };
            self.lost = self.lost.saturating_add(sequence.saturating_sub(self.position).saturating_sub(1));
            self.position = sequence;
            return self.hold(connection, cell.index, sequence, described).map(Some);
        }
        // All of them were overtaken while they were looked for. There are newer ones then.
        Ok(None)
    }

    /// Whether this may be a frame of our writer: somebody may have written where he should not.
    fn is_sound(&self, connection: &Connection, described: &Described) -> bool {
        let offered = connection.shape.contents();
        let fits = described.len <= connection.shape.frame_bytes() as u64;
        match (offered, described.meta.content) {
            (Contents::Pictures { width, height }, Content::Picture { width: w, height: h }) => {
                fits && (w, h) == (width, height)
            }
            (Contents::Pictures { .. }, _) => false,
            _ => fits,
        }
    }

    /// Keeps the frame in `cell`, which is pinned, and lets go of the oldest one.
    fn hold(
        &mut self,
        connection: &Arc<Connection>,
        cell: usize,
        sequence: u64,
        described: Described,
    ) -> Result<Pulled, Error> {
        // `is_sound` has seen that it is not larger than a cell.
        let len = described.len as usize;
        let keep = (self.asked.cells() / 2).max(1).min(connection.control.layout().hold());
        let mut held = lock(&self.held);
        // Also those of an earlier connection.
        while held.len() >= keep {
            held.pop_front();
        }
        let mut new = Held { connection: connection.clone(), cell, place: usize::MAX, len };
        let from = (self.connections, cell);
        new.place = match self.shown.iter().position(|shown| shown.what == Some(from)) {
            Some(place) => place,
            None => {
                let is_held = |place: &usize| held.iter().any(|held| held.place == *place);
                let free = (0..self.shown.len()).filter(|place| !is_held(place));
                // Place i is for cell i if nothing speaks against it: then all stays where it is from the second turn on.
                let natural = (cell < self.shown.len() && !is_held(&cell)).then_some(cell).filter(|&place| {
                    self.shown[place].what.is_none_or(|(number, _)| number != self.connections)
                });
                // There are more places than frames held, as the oldest has just been let go.
                let place = natural
                    .or_else(|| free.min_by_key(|&place| self.shown[place].used))
                    .expect("places outnumber the frames held");
                let offset = connection.control.layout().offset(cell);
                self.shown[place].what = None;
                self.windows
                    .show(place, &connection.data, offset, connection.shape.frame_bytes())
                    .map_err(trying(&self.name, "map a frame"))?;
                trace!(name = self.name, place, cell, "mapped");
                self.shown[place].what = Some(from);
                place
            }
        };
        self.pulled += 1;
        self.shown[new.place].used = self.pulled;
        let index = new.place;
        held.push_back(new);
        let age = Duration::from_nanos(monotonic_ns().saturating_sub(described.published_ns));
        Ok(Pulled { index, len, meta: described.meta, sequence, age })
    }

    /// Has the event say whether there are frames to be pulled.
    fn settle_event(&self, connection: &Connection) {
        let Some(event) = &self.event else { return };
        let unread = || connection.control.head() > self.position;
        if !unread() {
            event.clear();
            // A frame that came in between may have set what was just cleared.
            if unread() {
                event.set();
            }
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("name", &self.name).field("asked", &self.asked).finish_non_exhaustive()
    }
}

/// What a place shows.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    /// Connection and cell.
    what: Option<(u64, usize)>,
    /// When a frame was last pulled there, in frames pulled.
    used: u64,
}

/// A frame that stays as it is, as long as this lives.
#[derive(Debug)]
struct Held {
    connection: Arc<Connection>,
    cell: usize,
    place: usize,
    len: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.connection.release(self.cell);
    }
}

/// When to look for a writer again.
#[derive(Debug)]
struct Retry {
    at: Instant,
    pause: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { at: Instant::now(), pause: Duration::from_millis(5) }
    }
}

impl Retry {
    fn is_due(&self) -> bool {
        self.left().is_zero()
    }

    fn left(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    fn tried(&mut self) {
        self.at = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}

/// How often a reader that waits looks whether its writer still lives.
const SLICE: Duration = Duration::from_millis(250);
/// How often it looks whether another writer has taken its place.
const LOOK_AROUND: Duration = Duration::from_secs(1);
/// The longest pause between two looks for a writer.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// For how long a writer is given the chance to answer: at most, and at least.
const GREETING: Duration = Duration::from_millis(500);
const SHORTEST_GREETING: Duration = Duration::from_millis(20);
