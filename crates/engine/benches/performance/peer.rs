//! Other programs on the same load.

use std::io;
use std::time::Duration;

use valkka_testkit::process::{self, Child};

use crate::load::Load;
use crate::row::Result as Figures;

/// Runs `ffmpeg` on one stream over TCP for a while. Its start-up (connecting, probing) is not counted.
pub(crate) fn ffmpeg(load: &Load, arguments: &[&str]) -> io::Result<Figures> {
    let mut command = process::command("ffmpeg")?;
    command.args(["-nostdin", "-hide_banner", "-progress", "pipe:1", "-stats_period", "1", "-threads", "1"]);
    command.args(["-rtsp_transport", "tcp", "-i", &load.urls(1)[0]]).args(arguments);
    let child = Child::spawn(command)?;
    let start = frames_at(&child, 50)?;
    let cpu = child.cpu_time()?;
    let end = frames_at(&child, start + 250)?;
    let cpu = child.cpu_time()? - cpu;
    let millis = cpu.as_secs_f64() * 1000.0 / (end - start) as f64;
    Ok(Figures { cpu_ms_per_frame: Some(millis), ..Figures::default() })
}

/// Waits until so many frames were handled, and returns how many there are.
fn frames_at(child: &Child, at_least: u64) -> io::Result<u64> {
    child.wait_line(Duration::from_secs(60), |line| {
        line.strip_prefix("frame=")?.trim().parse().ok().filter(|&frames| frames >= at_least)
    })
}
