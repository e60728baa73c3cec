//! VLC as a viewer, where it was built with RTSP: Debian's is not, so there this test is skipped.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod served;

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use served::house::all_play;
use served::{SOON, Said, finish, run};
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{media, require, vlc};

/// Runs VLC with these arguments, separated by spaces, to its end.
fn play(arguments: &str) -> Said {
    let mut command = vlc::command().unwrap();
    command.args(arguments.split_ascii_whitespace());
    finish(command)
}

#[test]
fn vlc_plays_every_codec() {
    require!(media::available(), vlc::available());
    let _watchdog = Watchdog::start(SOON * 4);
    if !play("--list").output.contains("live555") {
        // Said, but never a failure: nothing that Debian has would help.
        let _ = writeln!(
            io::stderr(),
            "skipped: vlc_plays_every_codec: this VLC was built without live555 and RTSP"
        );
        return;
    }
    let directory = TempDir::new().unwrap();
    // It writes what it plays here, as somebody else.
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    all_play(&["tcp", "udp"], |url, codec, _, transport| {
        let file = directory.join(format!("{codec}-{transport}.mkv"));
        let file = file.display();
        let tcp = if transport == "tcp" { "--rtsp-tcp" } else { "" };
        let Said { output, .. } = play(&format!(
            "{tcp} {url} --sout #std{{access=file,mux=avformat{{mux=matroska}},dst={file}}} --run-time=4 vlc://quit"
        ));
        let probed = run("ffprobe", &format!("-v error -show_entries packet=size -of csv {file}"));
        let packets = probed.output.lines().filter(|line| line.starts_with("packet,")).count();
        // It keeps a second of what comes for itself.
        (packets >= 50).then_some(()).ok_or_else(|| format!("{packets} packets\n{output}\n{}", probed.output))
    });
}
