//! Several users, and rules that change while they watch.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod served;

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use served::client::Client;
use served::{Camera, SOON, streams};
use valkka_net::server::{Asks, Gatekeeper, ServerOptions, digest_secret};
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{media, require, wait};

/// Everyone may watch `open`. For the rest there are anna, bert and slow, whose password is their name, and who may
/// watch the paths that are listed with them.
#[derive(Default)]
struct House {
    rights: Mutex<Vec<(&'static str, &'static str)>>,
    /// Passwords that were checked.
    checked: AtomicUsize,
    /// Who was not let in, and where.
    refused: Mutex<Vec<(String, String, IpAddr)>>,
}

impl House {
    fn with(rights: &[(&'static str, &'static str)]) -> Arc<Self> {
        Arc::new(Self { rights: Mutex::new(rights.to_vec()), ..Self::default() })
    }

    fn may(&self, path: &str, user: &str) -> bool {
        self.rights.lock().unwrap().contains(&(user, path))
    }
}

impl Gatekeeper for House {
    fn asks(&self, path: &str) -> Asks {
        match path {
            "open" => Asks::Nothing,
            "cam1" => Asks::BasicOrDigest,
            _ => Asks::Basic,
        }
    }

    fn allows(&self, path: &str, user: &str, password: &str) -> bool {
        self.checked.fetch_add(1, Ordering::SeqCst);
        if user == "slow" {
            std::thread::sleep(Duration::from_millis(100));
        }
        user == password && self.may(path, user)
    }

    fn digest_secret(&self, path: &str, user: &str) -> Option<String> {
        self.may(path, user).then(|| digest_secret(user, user))
    }

    fn still_allows(&self, path: &str, user: &str) -> bool {
        self.may(path, user)
    }

    fn refused(&self, path: &str, user: &str, peer: IpAddr) {
        self.refused.lock().unwrap().push((path.to_owned(), user.to_owned(), peer));
    }
}

fn camera(house: &Arc<House>) -> Camera {
    let options = ServerOptions { access: house.clone(), ..ServerOptions::default() };
    Camera::with(vec![streams::h264()], options)
}

// The credentials, user and password alike, as base64 has them.
const ANNA: &str = "Authorization: Basic YW5uYTphbm5h";
const BERT: &str = "Authorization: Basic YmVydDpiZXJ0";
const SLOW: &str = "Authorization: Basic c2xvdzpzbG93";
const TCP: &str = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1";

/// Plays `/cam1` with credentials.
fn play(camera: &Camera, credentials: &str) -> Client {
    let mut client = Client::connect(camera.addr());
    assert_eq!(client.ask("DESCRIBE", "/cam1", &[credentials]).status, 200);
    let answer = client.ask("SETUP", "/cam1/trackID=0", &[credentials, TCP]);
    assert_eq!(answer.status, 200);
    let session = format!("Session: {}", answer.header("Session").unwrap().split(';').next().unwrap());
    assert_eq!(client.ask("PLAY", "/cam1/", &[credentials, &session]).status, 200);
    client
}

#[test]
fn each_path_has_its_viewers() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let house = House::with(&[("anna", "cam1"), ("bert", "cam2")]);
    let camera = camera(&house);
    let _others = [camera.server.mount("cam2").unwrap(), camera.server.mount("open").unwrap()];
    let cases: &[(&str, &[&str], u16)] = &[
        ("/cam1", &[], 401),
        ("/cam1", &[ANNA], 200),
        ("/cam1", &[BERT], 401),
        ("/cam2", &[ANNA], 401),
        // He may, but nothing has come yet.
        ("/cam2", &[BERT], 503),
        ("/open", &[], 503),
        ("/open", &[ANNA], 503),
        // Whoever has no right to it does not learn whether there is such a path.
        ("/nowhere", &[], 401),
        ("/nowhere", &[ANNA], 401),
        ("/open/../cam1", &[], 401),
        ("/cam1/trackID=0", &[], 401),
    ];
    for &(path, headers, status) in cases {
        let mut client = Client::connect(camera.addr());
        assert_eq!(client.ask("DESCRIBE", path, headers).status, status, "{path} {headers:?}");
    }
    // Whoever has given no name is not known to have been refused.
    let refused = [("cam1", "bert"), ("cam2", "anna"), ("nowhere", "anna")];
    let refused = refused.map(|(path, user)| (path.into(), user.into(), Ipv4Addr::LOCALHOST.into()));
    assert_eq!(*house.refused.lock().unwrap(), refused);
    // In one connection, each request for its own path; what plays has been paid for.
    let mut client = Client::connect(camera.addr());
    assert_eq!(client.ask("DESCRIBE", "/cam1", &[ANNA]).status, 200);
    assert_eq!(client.ask("DESCRIBE", "/cam1", &[]).status, 401);
    assert_eq!(client.ask("SETUP", "/cam2/trackID=0", &[ANNA, TCP]).status, 401);
    // A stream without a track: whoever may watch it learns what is wrong.
    assert_eq!(client.ask("SETUP", "/cam1", &[ANNA, TCP]).status, 459);
    let answer = client.ask("SETUP", "/cam1/trackID=0", &[ANNA, TCP]);
    assert_eq!(answer.status, 200);
    let session = format!("Session: {}", answer.header("Session").unwrap().split(';').next().unwrap());
    // The session's path counts, whatever the address says.
    assert_eq!(client.ask("PLAY", "/open/", &[&session]).status, 401);
    assert_eq!(client.ask("PLAY", "/open/", &[&session, ANNA]).status, 200);
    assert_eq!(camera.server.viewers()[0].user.as_deref(), Some("anna"));
}

#[test]
fn what_was_right_is_not_checked_again() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let house = House::with(&[("anna", "cam1")]);
    let camera = camera(&house);
    let mut client = play(&camera, ANNA);
    for _ in 0..10 {
        assert_eq!(client.ask("GET_PARAMETER", "/cam1/", &[ANNA]).status, 200);
    }
    assert_eq!(house.checked.load(Ordering::SeqCst), 1);
}

#[test]
fn whoever_may_no_longer_watch_is_ended_and_nobody_else() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let house = House::with(&[("anna", "cam1"), ("bert", "cam1")]);
    let camera = camera(&house);
    let (mut anna, mut bert) = (play(&camera, ANNA), play(&camera, BERT));
    let mut by_udp = Client::connect(camera.addr());
    let sockets = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let [rtp, rtcp] = [0, 1].map(|index: usize| sockets[index].local_addr().unwrap().port());
    let transport = format!("Transport: RTP/AVP;unicast;client_port={rtp}-{rtcp}");
    let answer = by_udp.ask("SETUP", "/cam1/trackID=0", &[ANNA, &transport]);
    let session = format!("Session: {}", answer.header("Session").unwrap().split(';').next().unwrap());
    assert_eq!(by_udp.ask("PLAY", "/cam1/", &[ANNA, &session]).status, 200);
    wait::until(SOON, "three viewers", || camera.mount.stats().viewers == 3);
    // A goodbye has a moment, which nothing has before the first picture.
    wait::until(SOON, "the first picture", || camera.put.load(Ordering::SeqCst) > 0);

    camera.server.revise_access();
    assert_eq!(bert.ask("GET_PARAMETER", "/cam1/", &[BERT]).status, 200);
    assert_eq!(anna.ask("GET_PARAMETER", "/cam1/", &[ANNA]).status, 200, "nothing has changed");
    assert_eq!(house.checked.load(Ordering::SeqCst), 5, "but all are asked anew");

    house.rights.lock().unwrap().retain(|&(user, _)| user != "anna");
    camera.server.revise_access();
    let last = std::iter::from_fn(|| anna.packet()).last().unwrap();
    assert_eq!((last.channel, &last.data[last.data.len() - 8..][..2]), (1, &[0x81, 203][..]), "a goodbye");
    assert!(by_udp.rest().is_empty());
    wait::until(SOON, "one viewer", || camera.mount.stats().viewers == 1);
    assert_eq!(bert.ask("GET_PARAMETER", "/cam1/", &[BERT]).status, 200);
    assert_eq!(Client::connect(camera.addr()).ask("DESCRIBE", "/cam1", &[ANNA]).status, 401);
}

#[test]
fn slow_checks_hold_up_no_viewer() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let house = House::with(&[("anna", "cam1"), ("slow", "cam1")]);
    let camera = camera(&house);
    let mut viewer = play(&camera, ANNA);
    let slow: Vec<_> = (0..20)
        .map(|_| {
            let addr = camera.addr();
            std::thread::spawn(move || Client::connect(addr).ask("DESCRIBE", "/cam1", &[SLOW]).status)
        })
        .collect();
    let mut last: Option<u16> = None;
    // The checks take two seconds.
    let enough = camera.put.load(Ordering::SeqCst) + 50;
    while camera.put.load(Ordering::SeqCst) < enough {
        let packet = viewer.packet().unwrap();
        if packet.channel == 0 {
            assert!(last.is_none_or(|last| packet.sequence() == last.wrapping_add(1)));
            last = Some(packet.sequence());
        }
    }
    assert_eq!(camera.mount.stats().skipped, 0);
    for thread in slow {
        assert_eq!(thread.join().unwrap(), 200);
    }
}
