//! What the `ffprobe` and `ffmpeg` programs say of a file.

use std::collections::BTreeMap;
use std::path::Path;

use valkka_testkit::{media, process};

/// One stream, packet or format as `ffprobe` shows it.
pub(crate) type Entry = BTreeMap<String, String>;

/// The entries of a section, e.g. `stream=codec_name,width`.
pub(crate) fn probe(file: &Path, section: &str) -> Vec<Entry> {
    let mut command = process::command("ffprobe").unwrap();
    command.args(["-v", "error", "-of", "compact=p=0", "-show_entries", section]).arg(file);
    let pairs = |line: &str| {
        let pairs = line.split('|').filter_map(|pair| pair.split_once('='));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    };
    media::run(command).unwrap().lines().filter(|line| line.contains('=')).map(pairs).collect()
}

/// Presentation times of the packets of a stream, in milliseconds, as they come.
pub(crate) fn times_ms(file: &Path, stream: usize) -> Vec<i64> {
    let packets = probe(file, "packet=stream_index,pts_time");
    let of_stream = packets.iter().filter(|packet| packet["stream_index"] == stream.to_string());
    of_stream.map(|packet| (packet["pts_time"].parse::<f64>().unwrap() * 1000.0).round() as i64).collect()
}

/// Check sums of the packets of a stream, as they come.
pub(crate) fn check_sums(file: &Path, stream: usize) -> Vec<String> {
    let mut command = process::command("ffprobe").unwrap();
    command.args(["-v", "error", "-of", "csv=p=0", "-show_data_hash", "sha256"]);
    command.args(["-show_entries", "packet=data_hash", "-select_streams", &stream.to_string()]).arg(file);
    let sums = media::run(command).unwrap();
    sums.lines().filter(|line| line.contains("SHA256")).map(str::to_owned).collect()
}

/// How many pictures of the first video stream `ffmpeg` decodes, refusing whatever is damaged.
pub(crate) fn decodes(file: &Path) -> usize {
    let mut command = media::ffmpeg().unwrap();
    command.args(["-xerror", "-err_detect", "explode"]).arg("-i").arg(file);
    command.args(["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framecrc", "-"]);
    media::run(command).unwrap().lines().filter(|line| !line.starts_with('#')).count()
}
