//! What sharing costs: the time to publish a frame, and the time from then until readers in other processes have it.
//!
//! ```sh
//! cargo run --release -p valkka-shm --example latency
//! ```
//!
//! Pictures of 480 × 270 pixels, 25 a second as a camera sends them or as many as the first argument says, for ten
//! seconds or what the second argument says. Readers only pull; what they do then is theirs.
#![allow(clippy::print_stdout, reason = "it is for people")]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use valkka_shm::{Content, Error, Meta, Reader, Shape, Writer};

const WIDTH: u32 = 480;
const HEIGHT: u32 = 270;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1);
    let first = arguments.next();
    if first.as_deref() == Some("--read") {
        return Ok(read(&arguments.next().unwrap_or_default())?);
    }
    let rate: f64 = first.map_or(Ok(25.0), |rate| rate.parse())?;
    let seconds: f64 = arguments.next().map_or(Ok(10.0), |seconds| seconds.parse())?;
    let frames = (rate * seconds) as u32;
    println!("{WIDTH}x{HEIGHT}, {rate} pictures a second; times in microseconds: p50, p99, most");
    for readers in [0, 1, 4] {
        let name = format!("latency-{}", std::process::id());
        let mut writer = Writer::create(&name, Shape::pictures(10, WIDTH, HEIGHT)?)?;
        let children: Vec<_> = (0..readers)
            .map(|_| Command::new(env::current_exe()?).args(["--read", &name]).stdout(Stdio::piped()).spawn())
            .collect::<Result<_, _>>()?;
        while writer.stats().readers < readers {
            thread::sleep(Duration::from_millis(1));
        }
        let (mut publishing, mut filling) = (Vec::new(), Vec::new());
        let start = Instant::now();
        for number in 0..frames {
            thread::sleep((start + Duration::from_secs_f64(f64::from(number) / rate)) - Instant::now());
            let before = Instant::now();
            let mut cell = writer.claim().ok_or("no cell")?;
            let claimed = before.elapsed();
            cell.fill(number as u8);
            let filled = Instant::now();
            let len = cell.len();
            let content = Content::Picture { width: WIDTH, height: HEIGHT };
            cell.publish(Meta { content, ..Meta::default() }, len);
            publishing.push(claimed + filled.elapsed());
            filling.push(filled - before - claimed);
        }
        println!("{readers} readers: claim and publish {}, filling {}", show(publishing), show(filling));
        drop(writer);
        for mut child in children {
            for line in BufReader::new(child.stdout.take().ok_or("no output")?).lines() {
                println!("  reader: {}", line?);
            }
            child.wait()?;
        }
    }
    Ok(())
}

/// Pulls until the writer goes.
fn read(name: &str) -> Result<(), Error> {
    let mut reader = Reader::open(name, Shape::pictures(10, WIDTH, HEIGHT)?)?;
    let mut ages = Vec::new();
    while reader.is_connected() {
        ages.extend(reader.pull(Duration::from_millis(500))?.map(|pulled| pulled.age));
    }
    println!("wake {}, {} pulled, {} lost", show(ages.clone()), ages.len(), reader.lost());
    Ok(())
}

fn show(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |part: f64| times.get((times.len() as f64 * part) as usize).or(times.last());
    let micros = |part| at(part).map_or(0.0, |time| time.as_secs_f64() * 1e6);
    format!("{:.1} {:.1} {:.1}", micros(0.5), micros(0.99), micros(1.0))
}
