//! One stream to many branches that come and go while it runs.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use arc_swap::ArcSwap;

use crate::frame::Frame;
use crate::sink::Sink;

/// Hands every frame to each of its branches, in the order of their tags.
///
/// Clones are the same fork. Branches may be added and dropped from any thread at any time. A branch that
/// joins gets the frames from then on; a decoder or recorder finds the codec parameters on each packet and
/// starts at the next key frame.
#[derive(Clone, Default)]
pub struct Fork {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Replaced as a whole when a branch comes or goes, so that passing a frame takes no lock of the list.
    branches: ArcSwap<Vec<Arc<Output>>>,
    /// Held while the list is replaced.
    edit: Mutex<()>,
}

struct Output {
    tag: String,
    sink: Mutex<Option<Arc<dyn Sink>>>,
    /// The thread that is inside the sink, so that a branch can drop itself from within.
    inside: Mutex<Option<ThreadId>>,
}

/// Keeps a branch connected; dropping it disconnects the branch.
///
/// When the drop returns, no frame is inside the branch any more. From within the branch itself (a consumer
/// that leaves by its own decision), the drop returns at once and the frame is the last one.
#[must_use = "dropping the branch disconnects it"]
pub struct Branch {
    shared: Arc<Shared>,
    output: Arc<Output>,
}

/// The tag of a new branch is taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the fork has a branch \"{tag}\" already")]
pub struct TagTaken {
    tag: String,
}

impl Fork {
    /// A fork without branches: it drops everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Connects `sink` under `tag`.
    ///
    /// # Errors
    /// If there is a branch with this tag.
    pub fn branch(&self, tag: &str, sink: Arc<dyn Sink>) -> Result<Branch, TagTaken> {
        let _edit = lock(&self.shared.edit);
        let mut branches = Vec::clone(&self.shared.branches.load());
        let Err(index) = branches.binary_search_by(|output| output.tag.as_str().cmp(tag)) else {
            return Err(TagTaken { tag: tag.to_owned() });
        };
        let output =
            Arc::new(Output { tag: tag.to_owned(), sink: Mutex::new(Some(sink)), inside: Mutex::new(None) });
        branches.insert(index, output.clone());
        self.shared.branches.store(Arc::new(branches));
        Ok(Branch { shared: self.shared.clone(), output })
    }

    /// How many branches there are.
    pub fn branches(&self) -> usize {
        self.shared.branches.load().len()
    }
}

impl Sink for Fork {
    fn put(&self, frame: Frame) {
        for output in self.shared.branches.load_full().iter() {
            output.put(frame.clone());
        }
    }
}

impl fmt::Debug for Fork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let branches = self.shared.branches.load();
        f.debug_list().entries(branches.iter().map(|output| &output.tag)).finish()
    }
}

impl Output {
    fn put(&self, frame: Frame) {
        let sink = lock(&self.sink);
        let Some(target) = sink.as_ref() else { return };
        *lock(&self.inside) = Some(thread::current().id());
        let _left = Left(self);
        target.put(frame);
    }
}

/// Notes that the frame has left the branch, also after a panic in it.
struct Left<'a>(&'a Output);

impl Drop for Left<'_> {
    fn drop(&mut self) {
        *lock(&self.0.inside) = None;
    }
}

impl Drop for Branch {
    fn drop(&mut self) {
        {
            let _edit = lock(&self.shared.edit);
            let mut branches = Vec::clone(&self.shared.branches.load());
            branches.retain(|output| !Arc::ptr_eq(output, &self.output));
            self.shared.branches.store(Arc::new(branches));
        }
        if *lock(&self.output.inside) == Some(thread::current().id()) {
            return;
        }
        // Waits for the frame inside. The sink is dropped after the lock, for its drop may take a while.
        let sink = lock(&self.output.sink).take();
        drop(sink);
    }
}

impl fmt::Debug for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Branch({})", self.output.tag)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::frame::Signal;
    use crate::sink::FnSink;
    use crate::stream::Slot;
    use crate::time::WallTime;

    fn frame() -> Frame {
        Frame::signal(Slot::new(1), WallTime::default(), Signal::End)
    }

    #[test]
    fn branches_run_in_the_order_of_their_tags() {
        let fork = Fork::new();
        let (tx, rx) = mpsc::channel();
        let mut branches = Vec::new();
        for tag in ["b", "a", "c"] {
            let tx = tx.clone();
            branches.push(fork.branch(tag, Arc::new(FnSink(move |_| tx.send(tag).unwrap()))).unwrap());
        }
        fork.put(frame());
        assert_eq!(rx.try_iter().collect::<String>(), "abc");
        let _ = branches.remove(1);
        fork.put(frame());
        assert_eq!(rx.try_iter().collect::<String>(), "bc");
        let again = fork.branch("b", Arc::new(FnSink(|_| ())));
        assert_eq!(again.unwrap_err().to_string(), "the fork has a branch \"b\" already");
    }

    #[test]
    fn a_dropped_branch_has_no_frame_inside() {
        let fork = Fork::new();
        let (entered_tx, entered_rx) = mpsc::channel();
        let (go_tx, go_rx) = mpsc::channel::<()>();
        let go_rx = Mutex::new(go_rx);
        let (left_tx, left_rx) = mpsc::channel();
        let sink = FnSink(move |_| {
            entered_tx.send(()).unwrap();
            go_rx.lock().unwrap().recv().unwrap();
            left_tx.send(()).unwrap();
        });
        let branch = fork.branch("slow", Arc::new(sink)).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| fork.put(frame()));
            entered_rx.recv().unwrap();
            let dropping = scope.spawn(move || {
                drop(branch);
                left_rx.try_recv().expect("the frame left before the drop returned");
            });
            go_tx.send(()).unwrap();
            dropping.join().unwrap();
        });
        assert_eq!(fork.branches(), 0);
    }

    #[test]
    fn a_branch_may_drop_itself_from_within() {
        let fork = Fork::new();
        let own: Arc<Mutex<Option<Branch>>> = Arc::default();
        let (tx, rx) = mpsc::channel();
        let handle = own.clone();
        let sink = FnSink(move |_| {
            handle.lock().unwrap().take();
            tx.send(()).unwrap();
        });
        *own.lock().unwrap() = Some(fork.branch("leaver", Arc::new(sink)).unwrap());
        fork.put(frame());
        fork.put(frame());
        assert_eq!(rx.try_iter().count(), 1);
    }
}
