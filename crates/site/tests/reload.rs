//! A site that runs: what is served, and what a new configuration leaves alone.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

#[path = "common/cameras.rs"]
mod cameras;

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use cameras::{ANY, SOON, cameras};
use valkka::source::Transport;
use valkka_site::{
    CameraConfig, CameraState, Certificate, Config, EventKind, MulticastConfig, Role, RtspConfig,
    RtspTlsConfig, SendConfig, Site, UserConfig, hash_password,
};
use valkka_testkit::process::{Child, command};
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{certificate, media, require, wait};

fn config(urls: &[String]) -> Config {
    let camera = |(index, url): (usize, &String)| {
        let camera = CameraConfig { transport: Transport::Tcp, ..CameraConfig::new(url.parse().unwrap()) };
        (format!("cam{}", index + 1), camera)
    };
    Config {
        rtsp: Some(RtspConfig { listen: ANY, anyone: true, ..RtspConfig::default() }),
        cameras: urls.iter().enumerate().map(camera).collect(),
        ..Config::default()
    }
}

/// An `ffmpeg` that counts the pictures of `url`; each has a line.
fn viewer(url: &str) -> Child {
    viewer_over("tcp", url)
}

/// The same, over this transport.
fn viewer_over(transport: &str, url: &str) -> Child {
    let mut ffmpeg = command("ffmpeg").unwrap();
    ffmpeg.args(["-v", "warning", "-rtsp_transport", transport, "-i", url]);
    ffmpeg.args(["-an", "-c", "copy", "-flush_packets", "1", "-f", "framecrc", "-"]);
    Child::spawn(ffmpeg).unwrap()
}

/// The times of the packets that an `ffmpeg` has written so far, in its time base.
fn times(viewer: &Child) -> Vec<i64> {
    let output = viewer.output();
    let packets = output.lines().filter(|line| line.starts_with("0,"));
    packets.filter_map(|line| line.split(',').nth(2)?.trim().parse().ok()).collect()
}

fn wait_online(site: &Site, camera: &str) {
    wait::until(SOON, "the camera to be online", || {
        site.camera(camera).is_some_and(|camera| camera.status().state == CameraState::Online)
    });
}

#[test]
fn twenty_reloads_cost_a_viewer_not_one_picture() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let cameras = cameras(2);
    let urls = cameras.urls();
    let site = Site::start(config(&urls)).unwrap();
    wait_online(&site, "cam1");
    let watched = viewer(&site.camera("cam1").unwrap().status().rtsp.unwrap());
    wait::until(SOON, "pictures", || times(&watched).len() > 10);
    let connections = || site.camera("cam1").unwrap().status().reconnects;
    for number in 0..20 {
        let mut next = config(&urls);
        if number % 2 == 0 {
            next.cameras.remove("cam2");
        }
        next.cameras.get_mut("cam1").unwrap().title = format!("number {number}");
        let user = UserConfig { password: hash_password("x").unwrap(), ..UserConfig::default() };
        next.users.insert(format!("user{number}"), user);
        let port = if number % 5 == 4 { free_port() } else { site_port(&site) };
        next.rtsp.as_mut().unwrap().listen.set_port(port);
        let changes = site.apply(next).unwrap();
        assert_eq!(
            (changes.changed.as_slice(), changes.users),
            (&["cam1".to_owned()][..], true),
            "{changes}"
        );
        assert_eq!(site.camera("cam1").unwrap().title(), format!("number {number}"));
        let seen = times(&watched).len();
        wait::until(SOON, "pictures go on", || times(&watched).len() > seen + 2);
    }
    assert_eq!(connections(), 0);
    // But for the first few, which players guess.
    let times = &times(&watched)[5..];
    let step = times[1] - times[0];
    let gaps: Vec<_> = times.windows(2).filter(|pair| (pair[1] - pair[0] - step).abs() > step / 2).collect();
    assert!(gaps.is_empty(), "{} pictures, but: {gaps:?}", times.len());
}

fn site_port(site: &Site) -> u16 {
    site.rtsp_urls()[0].rsplit_once(':').unwrap().1.parse().unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind(ANY).unwrap().local_addr().unwrap().port()
}

#[test]
fn viewers_stay_when_the_camera_is_another_one() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let cameras = cameras(2);
    let urls = cameras.urls();
    let site = Site::start(config(&urls[..1])).unwrap();
    wait_online(&site, "cam1");
    let camera = site.camera("cam1").unwrap();
    let mut watched = viewer(&camera.status().rtsp.unwrap());
    wait::until(SOON, "pictures", || times(&watched).len() > 10);
    camera.reconnect().unwrap();
    let seen = times(&watched).len();
    wait::until(SOON, "pictures of the new connection", || times(&watched).len() > seen + 10);
    site.apply(config(&urls[1..])).unwrap();
    let seen = times(&watched).len();
    wait::until(SOON, "pictures of the other camera", || times(&watched).len() > seen + 10);
    assert!(watched.is_running());
    let (seen, status) = (times(&watched).len(), camera.status());
    assert!(status.url.ends_with("/cam2") && status.frames as usize >= seen, "{seen} {status:?}");
    assert_eq!(status.viewers.rtsp, 1);
    wait::until(SOON, "figures", || camera.status().fps > 20.0 && camera.status().kbit_s > 10.0);
    let kinds: Vec<_> = site.events().recent(0).iter().map(|event| event.kind).collect();
    for kind in [EventKind::Online, EventKind::Offline, EventKind::Reconnect, EventKind::Configuration] {
        assert!(kinds.contains(&kind), "{kind:?} in {kinds:?}");
    }
}

#[test]
fn whoever_may_no_longer_watch_is_ended() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let cameras = cameras(1);
    let user = |password: &str, camera: &str| UserConfig {
        password: hash_password(password).unwrap(),
        digest: None,
        roles: BTreeMap::from([(camera.to_owned(), Role::Viewer)]),
    };
    let mut asked = config(&cameras.urls());
    asked.rtsp.as_mut().unwrap().anyone = false;
    asked.users = BTreeMap::from([
        ("anna".to_owned(), user("a", "cam1")),
        ("bob".to_owned(), user("b", "*")),
        ("eve".to_owned(), user("e", "*")),
    ]);
    asked.users.get_mut("eve").unwrap().roles.clear();
    let site = Site::start(asked.clone()).unwrap();
    wait_online(&site, "cam1");
    let url = site.camera("cam1").unwrap().status().rtsp.unwrap();
    let as_user = |login: &str| viewer(&url.replace("rtsp://", &format!("rtsp://{login}@")));
    for wrong in ["anna:b", "nobody:a", "eve:e"] {
        let mut refused = as_user(wrong);
        assert!(!refused.wait(SOON).unwrap().success(), "{wrong}");
        assert!(refused.output().contains("401"), "{}", refused.output());
    }
    let is_told = || site.events().recent(0).iter().any(|event| event.kind == EventKind::Refused);
    wait::until(SOON, "it is told", is_told);
    let (mut anna, bob) = (as_user("anna:a"), as_user("bob:b"));
    wait::until(SOON, "both see pictures", || times(&anna).len() > 5 && times(&bob).len() > 5);
    asked.users.remove("anna");
    let before = site.access_changes();
    site.apply(asked).unwrap();
    assert!(site.access_changes() > before);
    anna.wait(SOON).unwrap();
    let seen = times(&bob).len();
    wait::until(SOON, "bob goes on", || times(&bob).len() > seen + 10);
}

#[test]
fn what_cannot_be_had_leaves_things_as_they_were() {
    let _watchdog = Watchdog::start(SOON * 2);
    let cameras = cameras(1);
    let good = config(&cameras.urls());
    let site = Site::start(good.clone()).unwrap();
    let before = site.rtsp_urls();
    let taken = TcpListener::bind(ANY).unwrap();
    let mut bad = good.clone();
    bad.rtsp.as_mut().unwrap().listen = taken.local_addr().unwrap();
    site.apply(bad).unwrap();
    assert_eq!(site.rtsp_urls(), before);
    let last = site.events().recent(0).into_iter().find(|event| event.kind == EventKind::Listener).unwrap();
    assert!(last.text.contains("cannot listen at 127.0.0.1:"), "{last:?}");
    let mut wrong = good;
    wrong.cameras.insert("a b".into(), CameraConfig::new("rtsp://h/1".parse().unwrap()));
    assert!(site.apply(wrong).unwrap_err().to_string().contains("a camera's name"));
    assert_eq!(site.cameras().len(), 1);
    site.answers(SOON).unwrap();
}

#[test]
fn an_address_that_was_not_to_be_had_is_tried_again() {
    require!(certificate::available());
    let _watchdog = Watchdog::start(SOON * 6);
    let cameras = cameras(1);
    let mut wanted = config(&cameras.urls());
    let site = Site::start(wanted.clone()).unwrap();
    let told = |kind| site.events().recent(0).into_iter().filter(|event| event.kind == kind).count();
    let is_served_at = |address: SocketAddr| {
        let served = site.camera("cam1").unwrap().status().rtsp;
        served.is_some_and(|url| url.starts_with(&format!("rtsp://{address}/")))
    };
    let taken = TcpListener::bind(ANY).unwrap();
    let address = taken.local_addr().unwrap();
    wanted.rtsp.as_mut().unwrap().listen = address;
    // Whoever asks again is told again.
    for failures in 1..=2 {
        site.apply(wanted.clone()).unwrap();
        assert_eq!((told(EventKind::Listener), is_served_at(address)), (failures, false));
    }
    drop(taken);
    wait::until(SOON, "it is there by itself", || is_served_at(address));
    assert_eq!(told(EventKind::Listener), 2);
    let text = format!("the RTSP server is at rtsp://{address} now");
    let is_told = || site.events().recent(0).iter().any(|event| event.text == text);
    wait::until(SOON, "it is told", is_told);

    // That of TLS.
    let files = certificate::Certificate::make().unwrap();
    let taken = TcpListener::bind(ANY).unwrap();
    let listen = taken.local_addr().unwrap();
    let certificate = Certificate::new(files.path(), files.key()).unwrap();
    wanted.rtsp.as_mut().unwrap().tls = Some(RtspTlsConfig { listen, certificate });
    site.apply(wanted.clone()).unwrap();
    assert_eq!(site.rtsp_urls(), [format!("rtsp://{address}")]);
    drop(taken);
    wait::until(SOON, "TLS", || site.rtsp_urls().contains(&format!("rtsps://{listen}")));

    // Where viewers have to connect again, it is tried when somebody asks for it.
    let taken = TcpListener::bind(ANY).unwrap();
    let address = taken.local_addr().unwrap();
    let multicast = MulticastConfig { address: [239, 255, 42, 3].into(), port: 50_100, ttl: 0 };
    let rtsp = wanted.rtsp.as_mut().unwrap();
    (rtsp.listen, rtsp.multicast) = (address, Some(multicast));
    site.apply(wanted.clone()).unwrap();
    assert!(!is_served_at(address));
    drop(taken);
    wait::until(SOON, "it is there", || {
        site.apply(wanted.clone()).unwrap();
        is_served_at(address)
    });
}

#[test]
fn a_server_takes_its_own_address_again() {
    let _watchdog = Watchdog::start(SOON * 2);
    let cameras = cameras(1);
    let mut next = config(&cameras.urls());
    next.rtsp.as_mut().unwrap().listen.set_port(free_port());
    let site = Site::start(next.clone()).unwrap();
    let before = site.rtsp_urls();
    let multicast = MulticastConfig { address: [239, 255, 42, 1].into(), port: 50_000, ttl: 0 };
    next.rtsp.as_mut().unwrap().multicast = Some(multicast);
    site.apply(next.clone()).unwrap();
    assert_eq!(site.rtsp_urls(), before);
    // From one address of the machine to all, and back.
    for ip in [Ipv4Addr::UNSPECIFIED, Ipv4Addr::LOCALHOST] {
        next.rtsp.as_mut().unwrap().listen.set_ip(ip.into());
        site.apply(next.clone()).unwrap();
    }
    assert_eq!(site.rtsp_urls(), before);
    let failures = site.events().recent(0).into_iter().filter(|event| event.kind == EventKind::Listener);
    assert_eq!(failures.count(), 0);
    next.rtsp = None;
    site.apply(next.clone()).unwrap();
    assert_eq!((site.rtsp_urls().len(), site.camera("cam1").unwrap().status().rtsp), (0, None));
}

#[test]
fn a_camera_is_sent_unasked_and_described() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let directory = TempDir::new().unwrap();
    let sdp = directory.join("cam1.sdp");
    let cameras = cameras(1);
    let mut sent = config(&cameras.urls());
    let port = 26_000 + (std::process::id() % 3000) as u16 * 2;
    let send = SendConfig { address: Ipv4Addr::LOCALHOST.into(), port, ttl: 1, sdp: Some(sdp.clone()) };
    let cam1 = sent.cameras.get_mut("cam1").unwrap();
    (cam1.multicast, cam1.title) = (Some(send), "Front door".to_owned());
    let site = Site::start(sent.clone()).unwrap();
    let is_called = |title: &str| fs::read_to_string(&sdp).is_ok_and(|sdp| sdp.contains(title));
    wait::until(SOON, "the description", || is_called("\r\ns=Front door\r\n"));
    sent.cameras.get_mut("cam1").unwrap().title.clear();
    site.apply(sent).unwrap();
    wait::until(SOON, "the description by another name", || is_called("\r\ns=cam1\r\n"));
    let mut ffmpeg = command("ffmpeg").unwrap();
    ffmpeg.args(["-v", "warning", "-protocol_whitelist", "file,udp,rtp", "-i", sdp.to_str().unwrap()]);
    ffmpeg.args(["-an", "-c", "copy", "-flush_packets", "1", "-f", "framecrc", "-"]);
    let receiver = Child::spawn(ffmpeg).unwrap();
    wait::until(SOON, "pictures", || times(&receiver).len() > 10);
    drop(site);
}

#[test]
fn viewers_come_by_tls_and_by_multicast() {
    require!(media::available());
    require!(certificate::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let files = certificate::Certificate::make().unwrap();
    let cameras = cameras(1);
    let mut served = config(&cameras.urls());
    let port = 20_000 + (std::process::id() % 3000) as u16 * 2;
    let multicast = MulticastConfig { address: [239, 255, 42, 7].into(), port, ttl: 0 };
    let certificate = Certificate::new(files.path(), files.key()).unwrap();
    let rtsp = served.rtsp.as_mut().unwrap();
    (rtsp.multicast, rtsp.tls) = (Some(multicast), Some(RtspTlsConfig { listen: ANY, certificate }));
    let site = Site::start(served).unwrap();
    wait_online(&site, "cam1");
    let urls = site.rtsp_urls();
    assert!(urls[0].starts_with("rtsp://") && urls[1].starts_with("rtsps://"), "{urls:?}");
    let by_tls = viewer(&format!("{}/cam1", urls[1]));
    let by_multicast = viewer_over("udp_multicast", &format!("{}/cam1", urls[0]));
    for (how, viewer) in [("TLS", by_tls), ("multicast", by_multicast)] {
        wait::until(SOON, how, || times(&viewer).len() > 10);
    }
}

#[test]
fn everything_may_be_dropped_in_any_order() {
    let _watchdog = Watchdog::start(SOON * 2);
    let cameras = cameras(2);
    let site = Arc::new(Site::start(config(&cameras.urls())).unwrap());
    let kept = site.camera("cam1").unwrap();
    wait_online(&site, "cam1");
    let told = Arc::new(());
    let weak = Arc::downgrade(&told);
    let subscription = site.events().subscribe(move || drop(told.clone()));
    drop(site);
    kept.reconnect().unwrap();
    assert_eq!(kept.status().state, CameraState::Failed);
    drop((subscription, kept, cameras));
    // Whoever tells the last event may have it for a moment.
    wait::until(SOON, "nobody is told any more", || weak.upgrade().is_none());
}
