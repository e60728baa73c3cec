//! One stream to many branches that come and go while it runs.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tracing::{error, warn};

use crate::frame::Frame;
use crate::lock::lock;
use crate::sink::Sink;
use crate::thread_mark::this_thread;

/// Hands every frame to each of its branches, in the order of their tags.
///
/// Clones are the same fork. Branches may be added and dropped from any thread at any time. A branch that
/// joins gets the frames from then on; a decoder or recorder finds the codec parameters on each packet and
/// starts at the next key frame. Several threads may feed it, and are inside a branch at the same time then; a
/// frame that comes back to a branch by a loop in the graph is dropped there.
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
    state: Mutex<State>,
    /// Notified when a frame has left a branch that is being dropped.
    left: Condvar,
}

struct State {
    /// `None` once the branch is dropped.
    sink: Option<Arc<dyn Sink>>,
    /// The threads that are inside the sink, nearly always at most one.
    inside: Vec<usize>,
}

/// Keeps a branch connected; dropping it disconnects the branch.
///
/// When the drop returns, no frame is inside the branch any more (or one has been for [`LEAVE_TIMEOUT`], which
/// is logged). From within the branch itself (a consumer that leaves by its own decision), the drop returns at
/// once and the frame is this thread's last one.
#[must_use = "dropping the branch disconnects it"]
pub struct Branch {
    shared: Arc<Shared>,
    output: Arc<Output>,
}

/// How long dropping a [`Branch`] waits for the frame inside.
pub const LEAVE_TIMEOUT: Duration = Duration::from_secs(10);

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
        let state = Mutex::new(State { sink: Some(sink), inside: Vec::new() });
        let output = Arc::new(Output { tag: tag.to_owned(), state, left: Condvar::new() });
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
        let thread = this_thread();
        let sink = {
            let mut state = lock(&self.state);
            let Some(sink) = state.sink.clone() else { return };
            if state.inside.contains(&thread) {
                warn!(branch = self.tag, "the graph has a loop; what comes back by it is dropped");
                return;
            }
            state.inside.push(thread);
            sink
        };
        let left = Left { output: self, thread };
        sink.put(frame);
        // Whoever waits for the frame to leave may rely on the sink being gone then.
        drop(sink);
        drop(left);
    }
}

/// Notes that the frame has left the branch, also after a panic in it.
struct Left<'a> {
    output: &'a Output,
    thread: usize,
}

impl Drop for Left<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.output.state);
        state.inside.retain(|&thread| thread != self.thread);
        if state.sink.is_none() {
            self.output.left.notify_all();
        }
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
        let mut state = lock(&self.output.state);
        // The sink is dropped after the lock, for its drop may take a while.
        let sink = state.sink.take();
        if !state.inside.contains(&this_thread()) {
            let occupied = |state: &mut State| !state.inside.is_empty();
            let waited = self.output.left.wait_timeout_while(state, LEAVE_TIMEOUT, occupied);
            let (occupied_state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = occupied_state;
            if timeout.timed_out() {
                error!(
                    branch = self.output.tag,
                    "a frame is still inside {LEAVE_TIMEOUT:?} after the branch was dropped"
                );
            }
        }
        drop(state);
        drop(sink);
    }
}

impl fmt::Debug for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Branch({})", self.output.tag)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

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

    #[test]
    fn a_loop_does_not_hang() {
        let fork = Fork::new();
        let (tx, rx) = mpsc::channel();
        let back = fork.clone();
        let looping = FnSink(move |frame: Frame| {
            tx.send(()).unwrap();
            back.put(frame);
        });
        let branch = fork.branch("loop", Arc::new(looping)).unwrap();
        fork.put(frame());
        assert_eq!(rx.try_iter().count(), 1);
        drop(branch);
    }

    #[test]
    fn two_branches_may_drop_each_other() {
        let fork = Fork::new();
        let (tx, rx) = mpsc::channel();
        let branches: Arc<Mutex<Vec<Branch>>> = Arc::default();
        for tag in ["a", "b"] {
            let (tx, all) = (tx.clone(), branches.clone());
            let sink = FnSink(move |_| {
                let dropped = std::mem::take(&mut *all.lock().unwrap());
                drop(dropped);
                tx.send(tag).unwrap();
            });
            branches.lock().unwrap().push(fork.branch(tag, Arc::new(sink)).unwrap());
        }
        fork.put(frame());
        fork.put(frame());
        assert_eq!(rx.try_iter().collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn the_sink_of_a_dropped_branch_is_gone() {
        let fork = Fork::new();
        let owned = Arc::new(());
        let held = Arc::downgrade(&owned);
        let sink = FnSink(move |_| {
            let _ = &owned;
        });
        let branch = fork.branch("a", Arc::new(sink)).unwrap();
        thread::scope(|scope| {
            let feeding = scope.spawn(|| (0..1000).for_each(|_| fork.put(frame())));
            drop(branch);
            assert_eq!(held.strong_count(), 0);
            feeding.join().unwrap();
        });
    }
}
