//! Another program on the same load.

use std::io;
use std::time::{Duration, Instant};

use valkka_testkit::media::Clip;
use valkka_testkit::process::{self, Child};
use valkka_testkit::temp::TempDir;

use crate::row::Figures;

/// `ffmpeg` reads the clip at the pace of a camera, `streams` times, and writes segments of ten seconds for each. It syncs
/// nothing. One process gets sixteen streams: with many more it does not keep up. Their start-up is not counted.
pub(crate) fn ffmpeg(streams: usize) -> io::Result<Figures> {
    let directory = TempDir::new()?;
    let clip = Clip::bench().file()?;
    let mut children = Vec::new();
    for first in (0..streams).step_by(STREAMS_EACH) {
        let numbers = first..streams.min(first + STREAMS_EACH);
        let mut command = process::command("ffmpeg")?;
        command.args(["-nostdin", "-hide_banner", "-progress", "pipe:1", "-stats_period", "0.5"]);
        for _ in numbers.clone() {
            command.args(["-re", "-stream_loop", "-1", "-i"]).arg(&clip);
        }
        for (input, stream) in numbers.enumerate() {
            command.args([
                "-map",
                &format!("{input}:v"),
                "-c",
                "copy",
                "-f",
                "segment",
                "-segment_time",
                "10",
            ]);
            command.arg(directory.join(format!("{stream}-%d.mkv")));
        }
        children.push(Child::spawn(command)?);
    }
    let frames = |at_least: &dyn Fn(usize) -> u64| -> io::Result<Vec<u64>> {
        let each = children.iter().enumerate();
        each.map(|(index, child)| frames_after(child, at_least(index))).collect()
    };
    let cpu = || children.iter().map(Child::cpu_time).sum::<io::Result<Duration>>();
    let first = frames(&|_| WARM_UP_FRAMES)?;
    let start = frames(&|index| first[index] + 1)?;
    let (before, started) = (cpu()?, Instant::now());
    let end = frames(&|index| start[index] + MEASURED_FRAMES)?;
    let (cpu, elapsed) = ((cpu()? - before).as_secs_f64(), started.elapsed().as_secs_f64());
    let written: u64 = start.iter().zip(&end).map(|(start, end)| end - start).sum();
    let rate = written as f64 / children.len() as f64 / elapsed;
    if rate < 24.0 {
        return Err(io::Error::other(format!("it gets {rate:.1} frames of 25 a second written")));
    }
    Ok(Figures {
        cpu_ms_per_frame: cpu * 1000.0 / (rate * elapsed) / streams as f64,
        streams_per_core: elapsed * streams as f64 / cpu,
        written_per_recorded: f64::NAN,
        syncs_per_second: 0.0,
        dropped: f64::NAN,
        kib_per_stream: f64::NAN,
    })
}

/// Waits until so many frames of the first stream were written, and returns how many there are.
fn frames_after(child: &Child, at_least: u64) -> io::Result<u64> {
    child.wait_line(Duration::from_secs(60), |line| {
        line.strip_prefix("frame=")?.trim().parse().ok().filter(|&frames| frames >= at_least)
    })
}

const STREAMS_EACH: usize = 16;
const WARM_UP_FRAMES: u64 = 75;
const MEASURED_FRAMES: u64 = 375;
