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
