//! A fork whose branches are known by name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use valkka_core::filter::{Filter, chain};
use valkka_core::fork::{Branch, Fork, TagTaken};
use valkka_core::frame::{Body, Frame, Signal};
use valkka_core::lock::lock;
use valkka_core::sink::Sink;
use valkka_core::stream::Slot;

/// Hands every frame to each of its branches, in the order of their tags. Branches come and go from any thread, also
/// from inside a branch.
///
/// A branch learns of the streams that came online before it was connected when its first frame comes.
#[derive(Default)]
pub struct NamedFork {
    fork: Fork,
    branches: Mutex<BTreeMap<String, Branch>>,
    online: Arc<Mutex<Online>>,
}

/// The signals of the streams that are online. Bounded by the number of slots.
type Online = BTreeMap<Slot, Frame>;

impl NamedFork {
    /// A fork without branches: it drops everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Connects `sink` under `tag`.
    ///
    /// # Errors
    /// If there is a branch with this tag.
    pub fn connect(&self, tag: &str, sink: Arc<dyn Sink>) -> Result<(), TagTaken> {
        let sink = chain(Introduce { online: Some(self.online.clone()) }, sink);
        let mut branches = lock(&self.branches);
        let branch = self.fork.branch(tag, sink)?;
        branches.insert(tag.to_owned(), branch);
        Ok(())
    }

    /// Disconnects the branch `tag`; returns whether there was one. No frame is inside the branch any more then, unless
    /// the call comes from inside it, or the frame stays for longer than [`valkka_core::fork::LEAVE_TIMEOUT`].
    pub fn disconnect(&self, tag: &str) -> bool {
        let branch = lock(&self.branches).remove(tag);
        // This waits, and so it is done after the lock.
        branch.map(drop).is_some()
    }
}

impl Sink for NamedFork {
    fn put(&self, frame: Frame) {
        match &frame.body {
            Body::Signal(Signal::Online(_)) => {
                lock(&self.online).insert(frame.slot, frame.clone());
            }
            Body::Signal(Signal::Offline(_)) => {
                lock(&self.online).remove(&frame.slot);
            }
            _ => {}
        }
        self.fork.put(frame);
    }
}

impl fmt::Debug for NamedFork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fork.fmt(f)
    }
}

/// Emits, before the first frame, what is known of the streams.
struct Introduce {
    /// `None` after the first frame.
    online: Option<Arc<Mutex<Online>>>,
}

impl Filter for Introduce {
    fn push(&mut self, frame: Frame, emit: &mut dyn FnMut(Frame)) {
        if let Some(online) = self.online.take() {
            let announces = matches!(frame.body, Body::Signal(Signal::Online(_)));
            let mut online = lock(&online).clone();
            if announces {
                online.remove(&frame.slot);
            }
            online.into_values().for_each(&mut *emit);
        }
        emit(frame);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver};
    use std::thread;

    use valkka_core::sink::FnSink;
    use valkka_core::time::WallTime;

    use super::*;

    fn signal(slot: u16, signal: Signal) -> Frame {
        Frame::signal(Slot::new(slot), WallTime::default(), signal)
    }

    fn online(slot: u16) -> Frame {
        signal(slot, Signal::Online(Arc::default()))
    }

    fn output() -> (Arc<dyn Sink>, Receiver<Frame>) {
        let (tx, rx) = mpsc::channel();
        (Arc::new(FnSink(move |frame| tx.send(frame).unwrap())), rx)
    }

    /// What came out: the slot, and `+` for a stream that is online.
    fn seen(rx: &Receiver<Frame>) -> String {
        let name = |frame: Frame| match frame.body {
            Body::Signal(Signal::Online(_)) => format!("{}+", frame.slot),
            _ => frame.slot.to_string(),
        };
        rx.try_iter().map(name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn branches_come_and_go_by_their_tags() {
        let fork = NamedFork::new();
        let (sink, rx) = output();
        fork.connect("a", sink.clone()).unwrap();
        fork.connect("a", sink).unwrap_err();
        fork.put(signal(1, Signal::End));
        assert!(fork.disconnect("a"));
        assert!(!fork.disconnect("a"));
        fork.put(signal(2, Signal::End));
        assert_eq!(seen(&rx), "1");
    }

    #[test]
    fn who_comes_late_is_told_what_is_online() {
        let fork = NamedFork::new();
        let (early, early_rx) = output();
        fork.connect("early", early).unwrap();
        for frame in [online(1), online(2), online(3), signal(2, Signal::Offline("gone".into()))] {
            fork.put(frame);
        }
        assert_eq!(seen(&early_rx), "1+ 2+ 3+ 2");
        let ((late, late_rx), (again, again_rx)) = (output(), output());
        fork.connect("late", late).unwrap();
        fork.put(signal(3, Signal::End));
        fork.put(signal(1, Signal::End));
        assert_eq!(seen(&late_rx), "1+ 3+ 3 1");
        fork.connect("again", again).unwrap();
        fork.put(online(1));
        assert_eq!(seen(&again_rx), "3+ 1+");
    }

    #[test]
    fn a_branch_may_connect_and_disconnect_from_inside() {
        let fork = Arc::new(NamedFork::new());
        let (sink, rx) = output();
        let within = Arc::downgrade(&fork);
        let inside = FnSink(move |_| {
            let fork = within.upgrade().expect("it is fed");
            assert!(fork.connect("b", sink.clone()).is_ok());
            assert!(fork.disconnect("a"));
        });
        fork.connect("a", Arc::new(inside)).unwrap();
        (1..=3).for_each(|slot| fork.put(signal(slot, Signal::End)));
        assert_eq!(seen(&rx), "2 3");
    }

    #[test]
    fn branches_may_change_while_frames_come() {
        let fork = NamedFork::new();
        thread::scope(|scope| {
            let feeding = scope.spawn(|| (0..2000).for_each(|_| fork.put(online(1))));
            while !feeding.is_finished() {
                let (sink, rx) = output();
                fork.connect("a", sink).unwrap();
                assert!(fork.disconnect("a"));
                let count = rx.try_iter().count();
                assert_eq!(rx.try_iter().count(), 0, "after {count} frames");
            }
        });
    }
}
