//! What other people's programs make of our files.

use std::path::Path;

use valkka_testkit::media;

/// What `ffprobe` says of the tracks of `file`, each as `codec` or `codec,width,height`, separated by spaces.
pub(crate) fn probe_file(file: &Path) -> String {
    let mut command = valkka_testkit::process::command("ffprobe").unwrap();
    command.args(["-v", "error", "-of", "csv=p=0", "-show_entries", "stream=codec_name,width,height"]);
    command.arg(file);
    media::run(command).unwrap().lines().collect::<Vec<_>>().join(" ")
}

/// How many frames of the first track of this kind (`v` or `a`) `ffmpeg` decodes.
pub(crate) fn decoded(file: &Path, kind: &str) -> usize {
    let mut command = media::ffmpeg().unwrap();
    command.arg("-i").arg(file).args(["-map", &format!("0:{kind}:0"), "-fps_mode", "passthrough"]);
    command.args(["-f", "framecrc", "-"]);
    media::run(command).unwrap().lines().filter(|line| !line.starts_with('#')).count()
}

/// The check sums of the first track of this kind: of the pictures that are decoded from it (`v`), or of its packets (`a`).
pub(crate) fn check_sums(file: &Path, kind: &str) -> Vec<String> {
    let mut command = media::ffmpeg().unwrap();
    command.arg("-i").arg(file).args(["-map", &format!("0:{kind}:0"), "-fps_mode", "passthrough"]);
    if kind == "a" {
        command.args(["-c", "copy"]);
    }
    command.args(["-f", "framecrc", "-"]);
    let output = media::run(command).unwrap();
    let sum = |line: &str| line.rsplit(',').next().unwrap_or_default().trim().to_owned();
    output.lines().filter(|line| !line.starts_with('#')).map(sum).collect()
}
