//! Connections that end, and come back.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::fake::Fake;
use common::{SOON, receive_with, request};
use valkka_core::frame::{Body, Frame, Signal};
use valkka_core::source::{SourceError, SourceRequest};
use valkka_net::{Opened, Opener, Plan, Reconnect, RtspOpener, StreamState};
use valkka_testkit::fake::Nobody;
use valkka_testkit::gst::{Launch, RtspServer};
use valkka_testkit::lossy::{Impairment, Proxy};
use valkka_testkit::{gst, require, wait, watchdog::Watchdog};

#[test]
fn a_killed_server_that_comes_back_is_received_again() {
    require!(gst::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let mut server = RtspServer::with_mount("/cam", Launch::h264_bars(320, 180)).unwrap();
    // The end of a connection is no silence: a machine that stands still for a while is not to make another one of it.
    let patient = Reconnect::After(SOON);
    let receiving = receive_with(request(&server.url("/cam")), patient, Arc::new(RtspOpener));
    wait::until(SOON, "frames", || receiving.stats.received.get() > 10);

    server.process().kill().unwrap();
    wait::until(SOON, "a refused connection", || match receiving.stream.state() {
        StreamState::Waiting { reason, retry_at } => {
            assert!(retry_at < Instant::now() + Duration::from_secs(2));
            reason.contains("refused")
        }
        _ => false,
    });
    let before = receiving.stats.received.get();
    let _server =
        RtspServer::builder().port(server.port()).mount("/cam", Launch::h264_bars(320, 180)).spawn().unwrap();
    wait::until(SOON, "frames again", || receiving.stats.received.get() > before + 10);

    // However many tries it took: offline once, and online once.
    let signals = receiving.recorder.signals();
    assert_eq!(signals.len(), 3, "{signals:?}");
    assert_eq!((signals[0].as_str(), signals[2].as_str()), ("online", "online"));
    assert!(signals[1].starts_with("offline: 127.0.0.1:"), "{signals:?}");
    assert_eq!(receiving.stats.reconnects.get(), 1);
    assert!(matches!(receiving.stream.state(), StreamState::Online(_)));
    // What follows `Online` can be decoded from its start.
    let frames = receiving.recorder.frames();
    let online = frames.iter().rposition(|f| matches!(f.body, Body::Signal(Signal::Online(_)))).unwrap();
    let first = frames[online..].iter().find_map(Frame::packet).unwrap();
    assert!(first.params.as_video().is_some());
}

#[test]
fn a_pulled_cable_is_noticed_and_found_to_be_back() {
    require!(gst::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let server = RtspServer::with_mount("/cam", Launch::h264_bars(320, 180)).unwrap();
    let address = format!("127.0.0.1:{}", server.port()).parse().unwrap();
    let network = Proxy::spawn(address, Impairment::default()).unwrap();
    let receiving = receive_with(request(&network.url("/cam")), Reconnect::PROMPT, Arc::new(RtspOpener));
    wait::until(SOON, "frames", || receiving.stats.received.get() > 10);
    network.set_dark(true);
    let silent = |signal: &String| signal.ends_with("sent nothing for 2 s");
    wait::until(SOON, "the silence", || receiving.recorder.signals().last().is_some_and(silent));
    let before = receiving.stats.received.get();
    network.set_dark(false);
    wait::until(SOON, "frames again", || receiving.stats.received.get() > before + 10);
    // A server that a busy machine holds up for 2 s is silent, too: each time offline once, and online once.
    let signals = receiving.recorder.signals();
    for pair in signals.chunks(2) {
        assert_eq!(pair[0], "online", "{signals:?}");
        assert!(pair.get(1).is_none_or(silent), "{signals:?}");
    }
    assert!(signals.len() >= 3, "{signals:?}");
}

#[test]
fn a_camera_that_is_never_there_is_offline_once() {
    let _watchdog = Watchdog::start(SOON * 2);
    let nobody = Nobody::new().unwrap();
    let receiving = receive_with(request(&nobody.url()), Reconnect::default(), Arc::new(RtspOpener));
    let first = wait::until_some(SOON, "a try", || receiving.stream.last_error());
    wait::until(SOON, "another try", || {
        receiving.stream.last_error().is_some_and(|error| !Arc::ptr_eq(&error, &first))
    });
    let signals = receiving.recorder.signals();
    assert_eq!(signals.len(), 1, "{signals:?}");
    assert!(signals[0].contains("refused"), "{signals:?}");
    assert_eq!(receiving.stats.reconnects.get(), 0);
}

#[test]
fn a_wrong_password_is_not_tried_again_in_a_hurry() {
    require!(gst::available());
    let _watchdog = Watchdog::start(SOON * 2);
    let builder = RtspServer::builder().digest("viewer", "s3cret");
    let server = builder.mount("/cam", Launch::h264_bars(320, 180)).spawn().unwrap();
    let url = server.url_with("viewer", "wrong-word", "/cam");
    let receiving = receive_with(request(&url), Reconnect::PROMPT, Arc::new(RtspOpener));
    wait::until(SOON, "the refusal", || match receiving.stream.state() {
        StreamState::Waiting { reason, retry_at } => {
            assert!(reason.ends_with("refused our credentials"), "{reason}");
            assert!(retry_at > Instant::now() + Duration::from_secs(30));
            true
        }
        _ => false,
    });
}

#[test]
fn a_server_that_stops_sending_is_left_and_found_again() {
    let _watchdog = Watchdog::start(SOON * 2);
    // Every connection brings one picture, and then nothing.
    let fake = Fake::start(|peer| {
        peer.play()?;
        peer.picture(1)?;
        peer.wait_for_end()
    });
    let reconnect = Reconnect::After(Duration::from_millis(300));
    let receiving = receive_with(request(&fake.url()), reconnect, Arc::new(RtspOpener));
    wait::until(SOON, "a third connection", || receiving.stats.reconnects.get() >= 2);
    let signals = receiving.recorder.signals();
    for pair in signals.chunks(2) {
        assert_eq!(pair[0], "online");
        assert!(pair.get(1).is_none_or(|signal| signal.ends_with("sent nothing for 0.3 s")), "{signals:?}");
    }
}

#[test]
fn a_camera_that_is_never_there_is_silent_after_the_time_it_has() {
    let _watchdog = Watchdog::start(SOON * 2);
    let nobody = Nobody::new().unwrap();
    let limit = Duration::from_secs(2);
    let before = Instant::now();
    let receiving = receive_with(request(&nobody.url()), Reconnect::After(limit), Arc::new(RtspOpener));
    let told = wait::until_some(SOON, "the silence", || receiving.recorder.silences().first().copied());
    assert!(told >= limit && before.elapsed() >= limit, "{told:?}");
    // It was refused, and not only once, usually before that.
    let signals = receiving.recorder.wait_signals(1);
    assert!(signals[0].contains("refused") && signals.len() == 1, "{signals:?}");
    // Further tries are one and the same silence.
    let error = receiving.stream.last_error();
    wait::until(SOON, "two more tries", || {
        let now = receiving.stream.last_error();
        now.as_ref().map(Arc::as_ptr) != error.as_ref().map(Arc::as_ptr)
    });
    assert_eq!(receiving.recorder.silences().len(), 1);
}

#[test]
fn a_lost_camera_that_comes_back_in_time_was_not_silent() {
    let _watchdog = Watchdog::start(SOON * 2);
    let fake = Fake::start(|peer| {
        peer.play()?;
        peer.picture(1)
    });
    let receiving = receive_with(request(&fake.url()), Reconnect::After(SOON * 3), Arc::new(RtspOpener));
    wait::until(SOON, "a third connection", || receiving.stats.reconnects.get() >= 2);
    assert_eq!(receiving.recorder.silences(), []);
}

#[test]
fn a_stream_that_failed_for_good_is_silent_too() {
    let _watchdog = Watchdog::start(SOON * 2);
    let nobody = Nobody::new().unwrap();
    // There is no such thing as receiving this: it is never tried again.
    let mut request = request(&nobody.url());
    request.url = "http://127.0.0.1/".parse().unwrap();
    let limit = Duration::from_millis(500);
    let receiving = receive_with(request.clone(), Reconnect::After(limit), Arc::new(RtspOpener));
    receiving.failure();
    wait::until(SOON, "the silence", || receiving.recorder.silences().len() == 1);
    // Who does not reconnect bears any silence.
    let receiving = receive_with(request, Reconnect::Never, Arc::new(RtspOpener));
    wait::until(SOON, "the end", || receiving.recorder.signals().len() == 1);
    assert_eq!(receiving.recorder.silences(), []);
}

#[test]
fn one_stream_reconnects_again_and_again() {
    let _watchdog = Watchdog::start(SOON * 3);
    let fake = Fake::start(|peer| {
        peer.play()?;
        peer.picture(1)
    });
    let receiving = receive_with(request(&fake.url()), Reconnect::default(), Arc::new(RtspOpener));
    wait::until(SOON, "ten connections", || receiving.stats.reconnects.get() >= 10);
    let signals = receiving.recorder.signals();
    let offline = signals.iter().filter(|signal| signal.starts_with("offline")).count();
    let online = signals.iter().filter(|signal| *signal == "online").count();
    assert!(online - offline <= 1, "{signals:?}");
}

/// Goes to another address after the first failure, and takes notes.
struct Moving {
    to: String,
    ended: Mutex<Vec<(String, bool)>>,
}

impl Opener for Moving {
    fn open(&self, request: &SourceRequest) -> Result<Opened, SourceError> {
        RtspOpener.open(request)
    }

    fn prepare(&self, plan: &mut Plan) -> Result<(), SourceError> {
        // Without a bound, a camera that never was there is tried again later and later.
        plan.longest_wait = Duration::from_millis(100);
        match self.ended.lock().unwrap().len() {
            0 => {}
            1 => return Err(SourceError::Ended { host: "nothing yet".into() }),
            _ => plan.request.url = self.to.parse().unwrap(),
        }
        Ok(())
    }

    fn ended(&self, error: &SourceError, was_online: bool) {
        self.ended.lock().unwrap().push((error.to_string(), was_online));
    }
}

#[test]
fn an_opener_may_change_the_address_between_connections() {
    let _watchdog = Watchdog::start(SOON * 2);
    let nobody = Nobody::new().unwrap();
    let fake = Fake::start(|peer| {
        peer.play()?;
        peer.picture(1)
    });
    let opener = Arc::new(Moving { to: fake.url(), ended: Mutex::default() });
    let receiving = receive_with(request(&nobody.url()), Reconnect::default(), opener.clone());
    wait::until(SOON, "the end of a connection", || opener.ended.lock().unwrap().len() >= 3);
    let ended = opener.ended.lock().unwrap();
    assert!(ended[0].0.contains("refused") && !ended[0].1, "{ended:?}");
    assert_eq!(ended[1], ("nothing yet ended the stream".into(), false));
    assert!(ended[2].1, "{ended:?}");
    assert!(!receiving.recorder.packets().is_empty());
}

/// Bounds the wait for the next try.
struct Hurried;

impl Opener for Hurried {
    fn open(&self, request: &SourceRequest) -> Result<Opened, SourceError> {
        RtspOpener.open(request)
    }

    fn prepare(&self, plan: &mut Plan) -> Result<(), SourceError> {
        plan.longest_wait = Duration::from_millis(100);
        Ok(())
    }
}

#[test]
fn an_opener_may_have_credentials_tried_again_in_a_hurry() {
    let _watchdog = Watchdog::start(SOON * 2);
    let fake = Fake::start(|peer| {
        let request = peer.request()?;
        let challenge = "WWW-Authenticate: Digest realm=\"cam\", nonce=\"1\"\r\n";
        peer.answer(&request, "401 Unauthorized", challenge, "")
    });
    let receiving = receive_with(request(&fake.url()), Reconnect::default(), Arc::new(Hurried));
    wait::until(SOON, "a third try", || fake.connections() >= 3);
    let error = receiving.stream.last_error().unwrap().to_string();
    assert!(error.ends_with("wants a user name and a password"), "{error}");
}
