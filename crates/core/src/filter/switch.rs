//! Switches: one of several ways at a time.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::gate_stage::GateStage;
use crate::frame::Frame;
use crate::lock::lock;
use crate::sink::Sink;

/// Hands every frame to one of several outputs, at first the first. Clones are the same switch.
#[derive(Clone)]
pub struct Switch {
    outputs: Arc<[Arc<dyn Sink>]>,
    selected: Arc<AtomicUsize>,
}

/// There is no channel with this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("wrong channel {channel}: there are {channels}, counted from 0")]
pub struct NoChannel {
    /// What was asked for.
    pub channel: usize,
    /// How many there are.
    pub channels: usize,
}

impl Switch {
    /// A switch between `outputs`.
    pub fn new(outputs: impl IntoIterator<Item = Arc<dyn Sink>>) -> Self {
        Self { outputs: outputs.into_iter().collect(), selected: Arc::default() }
    }

    /// Hands frames to output `channel` (from 0) from now on. May be called from any thread.
    ///
    /// # Errors
    /// If there is no such output; nothing changes then.
    pub fn select(&self, channel: usize) -> Result<(), NoChannel> {
        check(channel, self.outputs.len())?;
        self.selected.store(channel, Ordering::SeqCst);
        Ok(())
    }

    /// The output that frames are handed to.
    pub fn selected(&self) -> usize {
        self.selected.load(Ordering::SeqCst)
    }
}

impl Sink for Switch {
    fn put(&self, frame: Frame) {
        if let Some(output) = self.outputs.get(self.selected()) {
            output.put(frame);
        }
    }
}

impl fmt::Debug for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Switch({} of {})", self.selected(), self.outputs.len())
    }
}

/// Several inputs, of which at most one at a time is let through, at first none. Each input is a
/// [`CachingGate`](super::CachingGate), so that what comes out can be decoded right after switching.
///
/// Clones are the same selector.
#[derive(Clone)]
pub struct Selector {
    channels: Arc<[GateStage]>,
    /// Held while gates are opened and closed, so that never two are open.
    selected: Arc<Mutex<Option<usize>>>,
}

impl Selector {
    /// `inputs` inputs into one `output`.
    pub fn merging(inputs: usize, output: Arc<dyn Sink>) -> Self {
        Self::between(std::iter::repeat_n(output, inputs))
    }

    /// One input for each output.
    pub fn between(outputs: impl IntoIterator<Item = Arc<dyn Sink>>) -> Self {
        Self { channels: outputs.into_iter().map(GateStage::new).collect(), selected: Arc::default() }
    }

    /// The way into channel `channel`, counted from 0. Whoever opens or closes this gate himself has to know that the
    /// selector does so too.
    ///
    /// # Errors
    /// If there is no such channel.
    pub fn input(&self, channel: usize) -> Result<GateStage, NoChannel> {
        check(channel, self.channels.len())?;
        Ok(self.channels[channel].clone())
    }

    /// Closes the open channel and opens `channel`, which emits what it remembers on the caller's thread. When
    /// it returns, no frame of the other channel is on its way any more.
    ///
    /// Called from inside a channel (by what lies downstream of it), it waits for nobody: frames that are on
    /// their way arrive, and the remembered ones come with the channel's next frame.
    ///
    /// # Errors
    /// If there is no such channel; nothing changes then.
    pub fn select(&self, channel: usize) -> Result<(), NoChannel> {
        check(channel, self.channels.len())?;
        let before = {
            let mut selected = lock(&self.selected);
            let before = selected.replace(channel).filter(|&before| before != channel);
            if let Some(before) = before {
                self.channels[before].handle().close();
            }
            self.channels[channel].handle().open();
            before
        };
        // Two threads inside two channels must not wait for each other.
        if !self.channels.iter().any(GateStage::is_inside) {
            before.into_iter().chain([channel]).for_each(|channel| self.channels[channel].settle());
        }
        Ok(())
    }

    /// The open channel; `None` until one is selected.
    pub fn selected(&self) -> Option<usize> {
        *lock(&self.selected)
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Selector({:?} of {})", self.selected(), self.channels.len())
    }
}

fn check(channel: usize, channels: usize) -> Result<(), NoChannel> {
    if channel < channels { Ok(()) } else { Err(NoChannel { channel, channels }) }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver};

    use super::*;
    use crate::sink::FnSink;
    use crate::testing::{names, packet};

    fn output() -> (Arc<dyn Sink>, Receiver<Frame>) {
        let (tx, rx) = mpsc::channel();
        (Arc::new(FnSink(move |frame| tx.send(frame).unwrap())), rx)
    }

    fn put(sink: &dyn Sink, frames: &str) {
        frames.chars().for_each(|name| sink.put(packet(name)));
    }

    #[test]
    fn a_switch_has_one_output_at_a_time() {
        let ((first, first_rx), (second, second_rx)) = (output(), output());
        let switch = Switch::new([first, second]);
        put(&switch, "ab");
        switch.select(1).unwrap();
        put(&switch, "c");
        let error = switch.select(2).unwrap_err();
        assert_eq!(error.to_string(), "wrong channel 2: there are 2, counted from 0");
        put(&switch, "d");
        assert_eq!((names(first_rx.try_iter()), names(second_rx.try_iter())), ("ab".into(), "cd".into()));
        put(&Switch::new([]), "a");
    }

    #[test]
    fn a_selector_starts_each_channel_with_its_key_frame() {
        let (output, rx) = output();
        let selector = Selector::merging(2, output);
        let (first, second) = (selector.input(0).unwrap(), selector.input(1).unwrap());
        assert_eq!(selector.selected(), None);
        put(&first, "Ab");
        put(&second, "Xy");
        assert_eq!(names(rx.try_iter()), "");
        selector.select(1).unwrap();
        assert_eq!(names(rx.try_iter()), "X");
        put(&first, "c");
        put(&second, "zYz");
        assert_eq!(names(rx.try_iter()), "Yz");
        selector.select(0).unwrap();
        selector.select(0).unwrap();
        assert_eq!(names(rx.try_iter()), "A");
        assert_eq!(selector.selected(), Some(0));
        selector.select(2).unwrap_err();
        assert!(selector.input(2).is_err());
        put(&first, "D");
        put(&second, "Z");
        assert_eq!(names(rx.try_iter()), "D");
    }

    #[test]
    fn a_selector_between_has_one_output_each() {
        let ((first, first_rx), (second, second_rx)) = (output(), output());
        let selector = Selector::between([first, second]);
        for channel in [0, 1] {
            selector.select(channel).unwrap();
            for input in [0, 1] {
                put(&selector.input(input).unwrap(), "A");
            }
        }
        // Channel 1 had the first key frame while it was closed, and emits it when it opens.
        assert_eq!((names(first_rx.try_iter()), names(second_rx.try_iter())), ("A".into(), "AA".into()));
    }

    #[test]
    fn switching_from_within_does_not_hang() {
        let slot: Arc<Mutex<Option<Selector>>> = Arc::default();
        let handle = slot.clone();
        let selector = Selector::merging(
            2,
            Arc::new(FnSink(move |_| {
                let selector = handle.lock().unwrap().take();
                selector.into_iter().for_each(|selector| selector.select(1).unwrap());
            })),
        );
        selector.select(0).unwrap();
        *slot.lock().unwrap() = Some(selector.clone());
        put(&selector.input(0).unwrap(), "A");
        assert_eq!(selector.selected(), Some(1));
    }
}
