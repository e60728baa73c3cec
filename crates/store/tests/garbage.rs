//! Whatever bytes a store is made of, reading and checking it ends, and nothing panics. A seed makes a failure come again.
//!
//! The same checks run under libFuzzer in `fuzz/`.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;
mod invariants;

use std::fs;
use std::time::Duration;

use common::{Camera, soon};
use fastrand::Rng;
use valkka_store::{Geometry, Retention, Store, StoreOptions, Writer, WriterOptions};
use valkka_testkit::length;
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;

#[test]
fn a_block() {
    let [_, _, data] = store();
    run(20_000, |random| {
        let from = random.usize(..data.len() / 8) * 8;
        let mut bytes = data[from..].to_vec();
        bytes.truncate(random.usize(..3 * BLOCK_BYTES as usize));
        for _ in 0..random.usize(0..8) {
            change(&mut bytes, &data, random);
        }
        invariants::block(&bytes);
    });
}

#[test]
fn a_whole_store() {
    run(3000, |random| {
        // What it is made of, then where it is changed.
        let mut steps: Vec<u8> = (0..random.usize(0..200)).map(|_| random.u8(..0xff)).collect();
        steps.insert(0, random.u8(..));
        steps.push(0xff);
        steps.extend((0..3 * random.usize(0..20)).map(|_| random.u8(..)));
        invariants::image(&steps);
    });
}

#[test]
fn a_directory() {
    let [json, table, data] = store();
    // Its paths are not its own.
    let json = String::from_utf8(json).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&json).unwrap();
    json.as_object_mut().unwrap().remove("partition_uuid");
    for (key, name) in [("dumpfile", "dumpfile"), ("blockfile", "blockfile"), ("jsonfile", "valkkafs.json")] {
        json[key] = name.into();
    }
    let json = json.to_string().into_bytes();
    let dir = TempDir::new().unwrap();
    run(600, |random| {
        let mut parts = [json.clone(), table.clone(), data.clone()];
        for _ in 0..random.usize(0..6) {
            let part = random.usize(..3);
            change(&mut parts[part], &table, random);
        }
        invariants::directory(dir.path(), parts.each_ref().map(Vec::as_slice));
    });
}

/// The files of a small store: description, table, data.
fn store() -> [Vec<u8>; 3] {
    let dir = TempDir::new().unwrap();
    let path = dir.join("store");
    let options = StoreOptions::new(Geometry::new(BLOCK_BYTES, 4).unwrap());
    let writer = Writer::open(Store::create(&path, &options).unwrap(), WriterOptions::default()).unwrap();
    let lane = writer.lane("front", Retention::default()).unwrap();
    let mut camera = Camera::new();
    for _ in 0..60 {
        assert!(lane.put(&camera.frame(200)));
    }
    writer.commit(soon()).unwrap();
    ["valkkafs.json", "blockfile", "dumpfile"].map(|name| fs::read(path.join(name)).unwrap())
}

/// So many rounds, thirty times as many in full.
fn run(rounds: u64, mut round: impl FnMut(&mut Rng)) {
    let _watchdog = Watchdog::start(Duration::from_secs(length::pick(300, 7200)));
    for seed in 0..length::pick(rounds, 30 * rounds) {
        round(&mut Rng::with_seed(seed));
    }
}

/// Changes `bytes` in one of the ways in which files get broken.
fn change(bytes: &mut Vec<u8>, other: &[u8], random: &mut Rng) {
    if bytes.is_empty() {
        bytes.push(random.u8(..));
    }
    let at = random.usize(..bytes.len());
    let length = random.usize(..=(bytes.len() - at).min(64));
    match random.u8(..6) {
        0 | 1 => bytes[at] ^= 1 << random.u8(..8),
        2 => bytes[at] = random.u8(..),
        3 => bytes.truncate(at),
        4 => bytes[at..at + length].fill(random.choice([0, 0xff]).unwrap()),
        _ => {
            let from = random.usize(..other.len());
            let part: Vec<u8> = other[from..].iter().copied().take(length).collect();
            bytes[at..at + part.len()].copy_from_slice(&part);
        }
    }
}

const BLOCK_BYTES: u64 = 4096;
