//! Streams that come and go on one live thread.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use common::fake::Fake;
use common::{Recorder, SOON, config, live, request};
use valkka_core::frame::Frame;
use valkka_core::sink::FnSink;
use valkka_core::source::{SourceError, SourceOptions, SourceRequest, Transport};
use valkka_net::{Live, LiveOptions, Opened, Opener, Reconnect, StreamConfig, StreamHandle, StreamState};
use valkka_testkit::{wait, watchdog::Watchdog};

/// A machine that stands still for a while makes no other connection of it.
const PATIENT: Reconnect = Reconnect::After(SOON);

/// Sends pictures as long as there is a client.
fn camera() -> Fake {
    Fake::start(|peer| {
        peer.play()?;
        for number in 0.. {
            peer.picture(number)?;
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Ok(())
    })
}

#[test]
fn two_hundred_streams_on_one_thread_start_and_stop() {
    let _watchdog = Watchdog::start(SOON * 3);
    let fake = camera();
    let live = live();
    let recorders: Vec<Arc<Recorder>> = (0..200).map(|_| Arc::default()).collect();
    let streams: Vec<_> = recorders
        .iter()
        .map(|recorder| live.add(config(request(&fake.url()), PATIENT, recorder.clone())))
        .collect();
    assert_eq!(live.streams(), 200);
    wait::until(SOON, "frames of all", || recorders.iter().all(|recorder| recorder.packets().len() > 2));
    assert_eq!(fake.connections(), 200, "one connection each");
    drop(streams);
    assert_eq!(live.streams(), 0);
    // Sinks are let go of at once: nothing comes any more.
    assert!(recorders.iter().all(|recorder| Arc::strong_count(recorder) <= 2));
    let counts = |recorders: &[Arc<Recorder>]| -> Vec<usize> {
        recorders.iter().map(|recorder| recorder.frames().len()).collect()
    };
    let before = counts(&recorders);
    // Another stream gets its frames meanwhile, so time has passed on the live thread.
    let after: Arc<Recorder> = Arc::default();
    let _stream = live.add(config(request(&fake.url()), Reconnect::Never, after.clone()));
    wait::until(SOON, "frames of another", || after.packets().len() > 5);
    assert_eq!(counts(&recorders), before);
}

#[test]
fn dropping_the_live_thread_ends_all_streams_and_says_goodbye() {
    let _watchdog = Watchdog::start(SOON * 2);
    let (tx, rx) = mpsc::channel();
    let fake = Fake::start(move |peer| {
        peer.play()?;
        peer.picture(1)?;
        loop {
            let request = peer.request()?;
            peer.answer(&request, "200 OK", "Session: 1234\r\n", "")?;
            let _ = tx.send(request.method);
        }
    });
    let live = live();
    let recorder: Arc<Recorder> = Arc::default();
    let stream = live.add(config(request(&fake.url()), PATIENT, recorder.clone()));
    wait::until(SOON, "a frame", || recorder.packets().len() == 1);
    drop(live);
    assert_eq!(rx.recv_timeout(SOON).unwrap(), "TEARDOWN");
    let StreamState::Failed { reason } = stream.state() else { panic!("{:?}", stream.state()) };
    assert_eq!(&*reason, "it was stopped");
    drop(stream);
}

#[test]
fn a_handle_dropped_within_its_own_sink_ends_the_stream() {
    let _watchdog = Watchdog::start(SOON * 2);
    let fake = camera();
    let live = live();
    let own: Arc<Mutex<Option<StreamHandle>>> = Arc::default();
    let (handle, count) = (own.clone(), Arc::new(AtomicU64::new(0)));
    let seen = count.clone();
    let (tx, rx) = mpsc::channel();
    let sink = FnSink(move |frame: Frame| {
        if frame.packet().is_some()
            && let Some(stream) = handle.lock().unwrap().take()
        {
            drop(stream);
            seen.fetch_add(1, Ordering::SeqCst);
            tx.send(()).unwrap();
        } else if frame.packet().is_some() {
            seen.fetch_add(1, Ordering::SeqCst);
        }
    });
    let mut lock = own.lock().unwrap();
    *lock = Some(live.add(config(request(&fake.url()), Reconnect::Never, Arc::new(sink))));
    drop(lock);
    rx.recv_timeout(SOON).unwrap();
    let other: Arc<Recorder> = Arc::default();
    let _other = live.add(config(request(&fake.url()), Reconnect::Never, other.clone()));
    wait::until(SOON, "frames of another", || other.packets().len() > 3);
    assert_eq!(count.load(Ordering::SeqCst), 1, "it was the last frame");
}

#[test]
fn a_sink_that_panics_ends_only_its_own_connection() {
    let _watchdog = Watchdog::start(SOON * 2);
    let fake = camera();
    let live = live();
    let bad = FnSink(|frame: Frame| assert!(frame.packet().is_none(), "on purpose"));
    let bad = live.add(config(request(&fake.url()), Reconnect::Never, Arc::new(bad)));
    let good: Arc<Recorder> = Arc::default();
    let _good = live.add(config(request(&fake.url()), Reconnect::Never, good.clone()));
    wait::until(SOON, "its failure", || matches!(bad.state(), StreamState::Failed { .. }));
    wait::until(SOON, "frames of the other", || good.packets().len() > 5);
}

#[test]
fn what_cannot_be_opened_fails_at_once() {
    struct Nothing;
    impl Opener for Nothing {
        fn open(&self, request: &SourceRequest) -> Result<Opened, SourceError> {
            let what = request.url.to_string();
            Err(SourceError::Unsupported { what, detail: "there is no such thing".into() })
        }
    }
    let _watchdog = Watchdog::start(SOON * 2);
    let live = live();
    let recorder: Arc<Recorder> = Arc::default();
    let stream = live.add(StreamConfig {
        opener: Arc::new(Nothing),
        ..config(request("rtsp://user:pass@host/cam"), Reconnect::default(), recorder.clone())
    });
    let message = "cannot receive rtsp://host/cam: there is no such thing";
    wait::until(SOON, "its failure", || match stream.state() {
        StreamState::Failed { reason } => {
            assert_eq!(&*reason, message);
            true
        }
        _ => false,
    });
    wait::until(SOON, "the signal", || recorder.signals() == [format!("offline: {message}")]);
}

#[test]
fn addresses_that_are_not_for_this_source() {
    let _watchdog = Watchdog::start(SOON * 2);
    for (url, transport) in
        [("http://host/", Transport::Tcp), ("rtsp://host/", Transport::Udp), ("/tmp/a.sdp", Transport::Tcp)]
    {
        let options = SourceOptions { transport, ..SourceOptions::default() };
        let request = SourceRequest { options, ..request(url) };
        let receiving = common::receive_with(request, Reconnect::default(), Arc::new(valkka_net::RtspOpener));
        assert!(receiving.failure().starts_with("cannot receive "));
    }
}

#[test]
fn live_threads_start_and_stop_without_streams() {
    let _watchdog = Watchdog::start(SOON * 2);
    for affinity in [None, Some(0), Some(usize::MAX)] {
        drop(
            Live::spawn(LiveOptions { name: "a name longer than the kernel shows".into(), affinity })
                .unwrap(),
        );
    }
}
