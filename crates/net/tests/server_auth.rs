//! Who may watch.

mod served;

use served::client::Client;
use served::{Camera, SOON, streams};
use valkka_core::url::Credentials;
use valkka_net::server::ServerOptions;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{media, process, require};

fn camera() -> Camera {
    let credentials = Credentials { username: "admin".into(), password: "p@ss word".into() };
    Camera::with(
        vec![streams::h264()],
        ServerOptions { access: std::sync::Arc::new(credentials), ..Default::default() },
    )
}

#[test]
fn ffprobe_with_the_right_password_and_with_wrong_ones() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let camera = camera();
    let probe = |url: &str| {
        let arguments = format!("-v error -rtsp_transport tcp -show_entries stream=codec_name,width {url}");
        served::run("ffprobe", &arguments)
    };
    let right = probe(&camera.url_with("admin:p%40ss%20word"));
    assert!(right.success, "{}", right.output);
    assert!(right.output.contains("codec_name=h264") && right.output.contains("width=640"));
    for url in [camera.url(), camera.url_with("admin:secret"), camera.url_with("root:p%40ss%20word")] {
        let wrong = probe(&url);
        assert!(!wrong.success && wrong.output.contains("401"), "{}", wrong.output);
    }
}

#[test]
fn gstreamer_with_the_right_password_and_with_a_wrong_one() {
    require!(media::available(), process::available("gst-launch-1.0"));
    let _watchdog = Watchdog::start(SOON * 3);
    let camera = camera();
    for (password, right) in [("p@ss word", true), ("secret", false)] {
        // Word by word, as the password holds a space.
        let mut command = process::command("gst-launch-1.0").unwrap();
        command.args(["rtspsrc", "protocols=tcp", "user-id=admin"]);
        command.arg(format!("user-pw={password}")).arg(format!("location={}", camera.url()));
        command.args(["!", "rtph264depay", "!", "identity", "eos-after=10", "!", "fakesink"]);
        let mut child = process::Child::spawn(command).unwrap();
        child.wait(SOON).unwrap();
        // Its exit status tells nothing: rtspsrc may close its connection before it sends PAUSE by it at the end, and
        // calls that an error.
        let output = child.output();
        assert_eq!(output.contains("Got EOS"), right, "{output}");
        assert_eq!(output.contains("Unauthorized"), !right, "{output}");
    }
}

#[test]
fn nothing_but_options_is_answered_without_credentials() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let camera = camera();
    let mut client = Client::connect(camera.addr());
    assert_eq!(client.ask("OPTIONS", "/cam1", &[]).status, 200);
    for method in ["DESCRIBE", "SETUP", "PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER", "ANNOUNCE"] {
        // Whether there is such a path is not told either.
        for path in ["/cam1", "/nowhere"] {
            let answer = client.ask(method, path, &[]);
            assert_eq!(answer.status, 401);
            let challenges = answer.text.lines().filter(|line| line.starts_with("WWW-Authenticate: "));
            let schemes: Vec<_> = challenges.filter_map(|line| line.split(' ').nth(1)).collect();
            assert_eq!(schemes, ["Digest", "Basic"]);
        }
    }
    let basic = "Authorization: Basic YWRtaW46cEBzcyB3b3Jk";
    assert_eq!(client.ask("DESCRIBE", "/cam1", &[basic]).status, 200);
    let wrong = "Authorization: Basic YWRtaW46c2VjcmV0";
    for _ in 0..3 {
        assert_eq!(client.ask("DESCRIBE", "/cam1", &[wrong]).status, 401);
    }
    assert!(client.rest().is_empty(), "three times is enough");
}
