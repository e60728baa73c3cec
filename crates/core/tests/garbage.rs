//! Foreign bytes are never a reason to panic, to hang or to take much memory: every parser is fed with real
//! streams that are cut, flipped, spliced and stretched. A seed makes a failure come again.
//!
//! The same checks run under libFuzzer in `fuzz/`.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use fastrand::Rng;
use valkka_core::url::StreamUrl;
use valkka_testkit::length;
use valkka_testkit::watchdog::Watchdog;

mod invariants;

#[test]
fn nal_units() {
    mangle(&["h264", "h265", "avcc", "hvcc"], invariants::nal);
}

#[test]
fn h264() {
    mangle(&["h264", "avcc"], invariants::h264);
}

#[test]
fn h265() {
    mangle(&["h265", "hvcc"], invariants::h265);
}

#[test]
fn aac() {
    mangle(&["aac"], invariants::aac);
}

#[test]
fn aac_configurations() {
    let _watchdog = watchdog();
    let mut random = Rng::with_seed(SEED);
    for _ in rounds(200_000) {
        let config: Vec<u8> = (0..random.usize(0..12)).map(|_| random.u8(..)).collect();
        invariants::aac(&config);
    }
}

#[test]
fn opus() {
    let _watchdog = watchdog();
    let mut random = Rng::with_seed(SEED);
    for _ in rounds(10_000) {
        let packet: Vec<u8> = (0..random.usize(0..4)).map(|_| random.u8(..)).collect();
        invariants::opus(&packet);
    }
}

#[test]
fn mjpeg() {
    mangle(&["jpg"], invariants::mjpeg);
}

#[test]
fn boxes() {
    let _watchdog = watchdog();
    let mut random = Rng::with_seed(SEED);
    let long = [&[0, 0, 0, 1][..], b"mdat", &[0, 0, 0, 0, 0, 0, 0, 20, 1, 2, 3, 4]].concat();
    let seed = [&[0, 0, 0, 12][..], b"moof", &[9; 4], &long, &[0, 0, 0, 8], b"free"].concat();
    for _ in rounds(50_000) {
        let mut bytes = seed.clone();
        for _ in 0..random.usize(0..6) {
            change(&mut bytes, &seed, &mut random);
        }
        invariants::boxes(&bytes);
    }
}

#[test]
fn addresses() {
    let _watchdog = watchdog();
    let mut random = Rng::with_seed(SEED);
    let seeds =
        ["rtsp://user:p%40ss@[::1]:554/a?b=c#d", "file:///tmp/%20", "rtsps://h/user=a_password=secret"];
    for _ in rounds(50_000) {
        let mut bytes = random.choice(seeds).unwrap().as_bytes().to_vec();
        change(&mut bytes, b"://", &mut random);
        let text = String::from_utf8_lossy(&bytes);
        match text.parse::<StreamUrl>() {
            Ok(url) => {
                let _ = (url.host(), url.port(), url.scheme(), url.to_string());
            }
            Err(error) => assert!(!error.to_string().contains("p%40ss"), "{error}"),
        }
    }
}

/// So many, or in full many times as many.
fn rounds(short: usize) -> Range<usize> {
    0..length::pick(short, 20 * short)
}

/// For many times what any of these tests needs.
fn watchdog() -> Watchdog {
    Watchdog::start(Duration::from_secs(length::pick(300, 7200)))
}

/// Checks every fixture with one of `extensions`, and many changed copies of each.
fn mangle(extensions: &'static [&'static str], check: fn(&[u8])) {
    let _watchdog = watchdog();
    let fixtures = fixtures(extensions);
    assert!(!fixtures.is_empty());
    let mut random = Rng::with_seed(SEED);
    for fixture in &fixtures {
        check(fixture);
        // The interesting part, the parameters, stands at the front.
        let front = &fixture[..fixture.len().min(FRONT_BYTES)];
        for length in 0..=front.len() {
            check(&front[..length]);
        }
        for _ in rounds(CHANGED_FRONTS) {
            let mut bytes = front.to_vec();
            for _ in 0..random.usize(1..6) {
                change(&mut bytes, random.choice(&fixtures).unwrap(), &mut random);
            }
            check(&bytes);
        }
        for _ in rounds(CHANGED_WHOLES) {
            let mut bytes = fixture.clone();
            for _ in 0..random.usize(1..20) {
                change(&mut bytes, random.choice(&fixtures).unwrap(), &mut random);
            }
            check(&bytes);
        }
    }
}

/// Changes `bytes` in one of the ways in which streams get broken. It never gets longer than [`MAX_BYTES`].
fn change(bytes: &mut Vec<u8>, other: &[u8], random: &mut Rng) {
    if bytes.is_empty() {
        bytes.push(random.u8(..));
    }
    let at = random.usize(..bytes.len());
    let length = random.usize(..=(bytes.len() - at).min(64));
    match random.u8(..8) {
        0 => bytes[at] ^= 1 << random.u8(..8),
        1 => bytes[at] = random.u8(..),
        2 => bytes[at] = *random.choice(&[0, 1, 3, 0x7f, 0x80, 0xff]).unwrap(),
        3 => bytes.truncate(at),
        4 => drop(bytes.drain(at..at + length)),
        5 => bytes[at..at + length].fill(random.choice([0, 0xff]).unwrap()),
        6 => {
            let part = bytes[at..at + length].to_vec();
            bytes.splice(at..at, part);
        }
        _ => {
            let from = random.usize(..other.len());
            let part = other[from..].iter().copied().take(64).collect::<Vec<_>>();
            bytes.splice(at..at + length, part);
        }
    }
    bytes.truncate(MAX_BYTES);
}

fn fixtures(extensions: &[&str]) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut paths: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let wanted =
        |path: &Path| path.extension().is_some_and(|extension| extensions.iter().any(|&e| extension == e));
    paths.iter().filter(|path| wanted(path)).map(|path| std::fs::read(path).unwrap()).collect()
}

const SEED: u64 = 2;
const FRONT_BYTES: usize = 160;
const CHANGED_FRONTS: usize = 2000;
const CHANGED_WHOLES: usize = 100;
const MAX_BYTES: usize = 1 << 16;
