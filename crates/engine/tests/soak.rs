//! A long run in which everything comes and goes. `VALKKA_SOAK_SECONDS` says how long; by default, it is short.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::env;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Fingerprints, Held, SOON, connect, held};
use valkka::fork::Branch;
use valkka::source::Transport;
use valkka::wall::{OutputKind, Wall, WallOptions};
use valkka::{Camera, Engine, EngineOptions, PictureBranch};
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;

const CAMERAS: u16 = 8;
/// How often everything is dropped at once.
const LIVES: u32 = 6;

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// What comes and goes.
#[derive(Default)]
struct Life {
    walls: Vec<Wall>,
    pictures: Vec<PictureBranch>,
    packets: Vec<Branch>,
    /// Things made so far, which tells branches apart.
    made: usize,
}

impl Life {
    /// Makes something, or drops something of which there is enough.
    fn step(&mut self, cameras: &[Arc<Camera>], random: &mut Random) {
        let camera = &cameras[random.below(cameras.len())];
        let tag = format!("branch {}", self.made);
        match random.below(6) {
            0 if self.walls.len() < 2 => {
                let options = WallOptions {
                    output: OutputKind::Null,
                    buffering: Duration::from_millis(100),
                    ..WallOptions::default()
                };
                let mut wall = Wall::open(options).unwrap();
                for _ in 0..=random.below(cameras.len()) {
                    wall.show(&cameras[random.below(cameras.len())]).unwrap();
                }
                self.walls.push(wall);
                self.made += 1;
            }
            1 if self.pictures.len() < 6 => {
                self.pictures.push(camera.pictures(&tag, Arc::new(Fingerprints::default())).unwrap());
                self.made += 1;
            }
            2 if self.packets.len() < 6 => {
                self.packets.push(camera.packets(&tag, Arc::new(valkka::sink::Discard)).unwrap());
                self.made += 1;
            }
            3 if !self.walls.is_empty() => drop(self.walls.swap_remove(random.below(self.walls.len()))),
            4 if !self.pictures.is_empty() => {
                drop(self.pictures.swap_remove(random.below(self.pictures.len())));
            }
            5 if !self.packets.is_empty() => {
                drop(self.packets.swap_remove(random.below(self.packets.len())));
            }
            _ => {}
        }
        for wall in &mut self.walls {
            assert!(wall.run_for(Duration::from_millis(10)).unwrap());
        }
    }
}

/// Lives for so long, lets all go, and returns how many things were made.
fn live(cameras: &[Arc<Camera>], random: &mut Random, time: Duration) -> usize {
    let mut life = Life::default();
    let start = Instant::now();
    while start.elapsed() < time {
        life.step(cameras, random);
        std::thread::sleep(Duration::from_millis(20));
    }
    life.made
}

#[test]
fn a_long_and_restless_life_costs_no_more_than_a_short_one() {
    let seconds = env::var("VALKKA_SOAK_SECONDS").map_or(15, |seconds| seconds.parse().unwrap());
    let time = Duration::from_secs(seconds);
    let _watchdog = Watchdog::start(time + SOON * 4);
    let served = common::cameras(CAMERAS);
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let cameras: Vec<_> = served
        .urls()
        .iter()
        .zip([Transport::Tcp, Transport::Udp].into_iter().cycle())
        .map(|(url, transport)| connect(&engine, url, transport))
        .collect();
    wait::until(SOON, "all cameras are seen", || {
        cameras.iter().all(|camera| camera.stats().received.get() > 25)
    });
    let idle = held();

    // What is held at rest, after each of several lives. The first ones fill pools and caches.
    let mut random = Random(7);
    let (mut made, mut at_rest) = (0, Vec::new());
    for _ in 0..LIVES {
        made += live(&cameras, &mut random, time / LIVES);
        at_rest.push(held().memory_bytes >> 20);
    }
    println!("{made} things made and dropped; MiB at rest: {at_rest:?}; before: {idle:?}");
    assert!(made > 10, "only {made} things were made");
    let (early, late) = at_rest.split_at(at_rest.len() / 2);
    let most = |of: &[u64]| of.iter().copied().max().unwrap_or_default();
    assert!(most(late) < most(early) + 24, "MiB at rest: {at_rest:?}");

    // All that is left are the cameras.
    wait::until(SOON, &format!("nothing is left over: {idle:?}"), || {
        let Held { descriptors, threads, .. } = held();
        descriptors <= idle.descriptors && threads <= idle.threads
    });
    for camera in &cameras {
        let stats = camera.stats();
        assert_eq!(stats.reconnects.get(), 0, "{}", camera.name());
        wait::until(SOON, &format!("{} goes on", camera.name()), || stats.received.get() > 25 * seconds / 2);
        let decoded = stats.decoded.get();
        common::wait_for_frames(camera, 10);
        assert_eq!(stats.decoded.get(), decoded, "{}: nobody wants pictures any more", camera.name());
    }
}
