//! A viewer that is stopped for a while among many, and what the others see of it: nothing.

mod served;

use std::env;
use std::time::{Duration, Instant};

use served::client::Client;
use served::{Camera, SOON, start, streams};
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{media, require, wait};

/// What one viewer has seen.
#[derive(Debug)]
struct Seen {
    pictures: u32,
    /// Breaks in the order of the sequence numbers.
    gaps: u32,
    /// The longest wait for a picture.
    longest: Duration,
}

#[test]
fn a_stopped_viewer_changes_nothing_for_the_others() {
    require!(media::available());
    // A minute is what matters in life, and too long for every day.
    let seconds = env::var("VALKKA_FROZEN_SECONDS").ok().and_then(|value| value.parse().ok()).unwrap_or(5);
    let _watchdog = Watchdog::start(SOON * 3 + Duration::from_secs(seconds.into()));
    let camera = Camera::new(vec![streams::h264()]);
    let arguments =
        format!("-nostdin -v error -rtsp_transport tcp -i {} -c copy -f framecrc -", camera.url());
    let frozen = start("ffmpeg", &arguments);
    let frames = || frozen.output().lines().filter(|line| line.starts_with("0,")).count();
    wait::until(SOON, "the first viewer's pictures", || frames() > 0);
    let others: Vec<_> = (0..OTHERS)
        .map(|_| {
            let mut viewer = Client::connect(camera.addr());
            viewer.play();
            viewer
        })
        .collect();
    wait::until(SOON, "all viewers", || camera.mount.stats().viewers == OTHERS + 1);
    frozen.freeze().unwrap();
    let watching: Vec<_> = others
        .into_iter()
        .map(|viewer| std::thread::spawn(move || watch(viewer, seconds * FRAME_RATE)))
        .collect();
    let seen: Vec<Seen> = watching.into_iter().map(|watching| watching.join().unwrap()).collect();
    let before = frames();
    frozen.thaw().unwrap();

    let longest = seen.iter().map(|seen| seen.longest).max().unwrap();
    println!("{OTHERS} viewers beside one stopped for {seconds} s: {} pictures each", seconds * FRAME_RATE);
    println!(
        "gaps: {}, longest wait for a picture: {longest:?}",
        seen.iter().map(|seen| seen.gaps).sum::<u32>()
    );
    assert!(seen.iter().all(|seen| seen.gaps == 0 && seen.pictures == seconds * FRAME_RATE), "{seen:?}");
    wait::until(SOON, "the stopped viewer goes on", || frames() > before + 50);
    if seconds >= LONG {
        // More than the kernel holds for it.
        wait::until(SOON, "the stopped viewer's loss", || camera.mount.stats().skipped > 0);
    }
    println!("the stopped viewer was not sent {} units", camera.mount.stats().skipped);
}

/// Counts `pictures` pictures.
fn watch(mut viewer: Client, pictures: u32) -> Seen {
    let mut seen = Seen { pictures: 0, gaps: 0, longest: Duration::ZERO };
    let mut last: Option<(u16, Instant)> = None;
    while seen.pictures < pictures {
        let packet = viewer.packet().expect("the server goes on");
        if packet.channel != 0 {
            continue;
        }
        let since = last.map_or_else(Instant::now, |(_, since)| since);
        seen.gaps += u32::from(last.is_some_and(|(last, _)| packet.sequence() != last.wrapping_add(1)));
        if packet.marker() {
            seen.pictures += 1;
            seen.longest = seen.longest.max(since.elapsed());
            last = Some((packet.sequence(), Instant::now()));
        } else {
            last = Some((packet.sequence(), since));
        }
    }
    seen
}

/// Seconds after which what is kept for slow viewers is used up.
const LONG: u32 = 30;

const OTHERS: u64 = 31;

/// Pictures in a second.
const FRAME_RATE: u32 = 25;
