//! How writers and readers find each other, in any order, and what does not fit.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod common;

use std::thread;
use std::time::Duration;

use valkka_shm::{Content, Error, Meta, Reader, Shape, Writer};
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;

use common::{SOON, met, publish, pull, unique};

fn shape() -> Shape {
    Shape::bytes(4, 100).unwrap()
}

#[test]
fn a_reader_may_be_there_first() {
    let _watchdog = Watchdog::start(SOON * 2);
    let name = unique("first");
    let mut reader = Reader::open(&name, shape()).unwrap();
    assert!(!reader.is_connected());
    assert!(reader.pull(Duration::ZERO).unwrap().is_none());
    assert!(reader.pull(Duration::from_millis(20)).unwrap().is_none());
    thread::scope(|scope| {
        let reading = scope.spawn(|| pull(&mut reader));
        let mut writer = Writer::create(&name, shape()).unwrap();
        assert!(publish(&mut writer, 1));
        assert_eq!(reading.join().unwrap(), 1);
    });
}

#[test]
fn a_late_reader_sees_what_is_in_the_ring() {
    let _watchdog = Watchdog::start(SOON);
    let name = unique("late");
    let mut writer = Writer::create(&name, shape()).unwrap();
    for number in 1..=6 {
        publish(&mut writer, number);
    }
    let mut reader = Reader::open(&name, shape()).unwrap();
    for number in 3..=6 {
        assert_eq!(pull(&mut reader), number);
    }
    assert_eq!(reader.lost(), 0);
    assert!(reader.pull(Duration::ZERO).unwrap().is_none());
}

#[test]
fn readers_have_positions_of_their_own() {
    let _watchdog = Watchdog::start(SOON);
    let name = unique("positions");
    let mut writer = Writer::create(&name, shape()).unwrap();
    let mut readers: Vec<_> = (0..64).map(|_| met(&name, shape())).collect();
    assert_eq!(writer.stats().readers, 64);
    for number in 1..=3 {
        publish(&mut writer, number);
    }
    for reader in &mut readers {
        assert_eq!((1..=3).map(|_| pull(reader)).collect::<Vec<_>>(), [1, 2, 3]);
    }
    readers.truncate(10);
    wait::until(SOON, "the others have gone", || writer.stats().readers == 10);
}

#[test]
fn the_newest_writer_of_a_name_is_found() {
    let _watchdog = Watchdog::start(SOON * 2);
    let name = unique("newest");
    let mut old = Writer::create(&name, shape()).unwrap();
    publish(&mut old, 1);
    let mut reader = Reader::open(&name, shape()).unwrap();
    assert_eq!(pull(&mut reader), 1);
    let mut new = Writer::create(&name, shape()).unwrap();
    publish(&mut new, 1);
    publish(&mut new, 2);
    assert_eq!(pull(&mut Reader::open(&name, shape()).unwrap()), 1);
    // A reader of the old one looks around while nothing comes from there.
    assert_eq!(pull(&mut reader), 1);
    assert_eq!(old.stats().readers, 1, "a frame of the old one is held");
    assert_eq!(pull(&mut reader), 2);
    wait::until(SOON, "nobody is left behind", || old.stats().readers == 0);
    // The old one takes nothing with it.
    drop(old);
    assert_eq!(pull(&mut Reader::open(&name, shape()).unwrap()), 1);
}

#[test]
fn a_writer_that_is_dropped_is_followed_by_another() {
    let _watchdog = Watchdog::start(SOON * 2);
    let name = unique("dropped");
    let mut reader = Reader::open(&name, shape()).unwrap();
    for number in 1..4 {
        // Also one that is made in another way.
        let shape = Shape::bytes(number, 100 - 10 * number).unwrap();
        let mut writer = Writer::create(&name, shape).unwrap();
        publish(&mut writer, 1);
        assert_eq!(pull(&mut reader), 1);
    }
}

#[test]
fn what_does_not_fit_is_said_with_both_sizes() {
    let _watchdog = Watchdog::start(SOON * 2);
    let name = unique("sizes");
    let wants = Shape::pictures(5, 480, 270).unwrap();
    let mut early = Reader::open(&name, wants).unwrap();
    let writer = Writer::create(&name, Shape::pictures(10, 640, 360).unwrap()).unwrap();
    let expected = format!(
        "shared memory \"{name}\" has RGB pictures of 640x360, this reader asks for RGB pictures of 480x270"
    );
    // Said when it is opened, or when it pulls if a busy machine holds the writer up.
    let refusal =
        |asked| Reader::open(&name, asked).and_then(|mut reader| reader.pull(SOON)).map(drop).unwrap_err();
    assert_eq!(refusal(wants).to_string(), expected);
    assert_eq!(early.pull(SOON).unwrap_err().to_string(), expected);
    let less = Shape::bytes(10, 640 * 360 * 3 - 1).unwrap();
    assert!(matches!(refusal(less), Error::DoesNotFit { .. }));
    assert!(matches!(refusal(Shape::fragments(10, 1 << 20).unwrap()), Error::DoesNotFit { .. }));
    // A writer that fits is found in the end.
    let mut fits = Writer::create(&name, wants).unwrap();
    fits.push(
        Meta { content: Content::Picture { width: 480, height: 270 }, ..Meta::default() },
        &[1; 388_800],
    );
    let pulled = wait::until_some(SOON, "the fitting writer", || early.pull(SOON).ok().flatten());
    assert_eq!(pulled.len, 388_800);
    drop(writer);
}

#[test]
fn who_reads_bytes_reads_everything_and_may_have_more_room() {
    let _watchdog = Watchdog::start(SOON);
    let name = unique("more-room");
    let mut writer = Writer::create(&name, Shape::pictures(10, 480, 270).unwrap()).unwrap();
    let meta = Meta { content: Content::Picture { width: 480, height: 270 }, ..Meta::default() };
    for places in [1, 2, 3, 20] {
        let mut reader = Reader::open(&name, Shape::bytes(places, 30 << 20).unwrap()).unwrap();
        while reader.pull(Duration::ZERO).unwrap().is_some() {}
        let views: Vec<_> = (0..places).map(|index| reader.view(index).unwrap()).collect();
        assert!(views.iter().all(|view| view.len() == 30 << 20));
        for number in 1..=25 {
            assert!(writer.push(meta, &[number; 388_800]));
            let pulled = reader.pull(SOON).unwrap().unwrap();
            assert_eq!((pulled.len, pulled.meta), (388_800, meta));
            assert!(pulled.index < places);
            assert_eq!(reader.frame(pulled.index).unwrap(), [number; 388_800]);
        }
    }
}

#[test]
fn frames_may_be_smaller_than_cells_and_are_cut_if_larger() {
    let _watchdog = Watchdog::start(SOON);
    let name = unique("cut");
    let mut writer = Writer::create(&name, shape()).unwrap();
    let mut reader = Reader::open(&name, shape()).unwrap();
    for len in [0, 1, 100, 101, 5000] {
        assert!(writer.push(Meta::default(), &vec![7; len]));
        let pulled = reader.pull(SOON).unwrap().unwrap();
        assert_eq!(reader.frame(pulled.index).unwrap(), vec![7; len.min(100)]);
    }
    assert_eq!((writer.stats().clipped, writer.stats().published), (2, 5));
    assert!(reader.frame(99).is_none());
}

#[test]
fn views_outlive_everything() {
    let _watchdog = Watchdog::start(SOON);
    let name = unique("views");
    let mut writer = Writer::create(&name, shape()).unwrap();
    let mut reader = Reader::open(&name, shape()).unwrap();
    publish(&mut writer, 1);
    pull(&mut reader);
    let view = reader.view(0).unwrap();
    drop(reader);
    for number in 2..20 {
        publish(&mut writer, number);
    }
    assert_eq!((writer.stats().readers, writer.stats().cells), (1, 5), "a view holds what was pulled last");
    assert_eq!(writer.views().unwrap().len(), 4);
    drop(view);
    wait::until(SOON, "the reader has gone", || writer.stats().readers == 0);
}

#[test]
fn any_name_will_do() {
    let long = "n".repeat(3000);
    for name in ["", "/etc/passwd", "..", "a b\n\u{0}c", &long] {
        let name = format!("{}{name}", if name.is_empty() { "" } else { "any-" });
        let mut writer = Writer::create(&name, shape()).unwrap();
        let mut reader = Reader::open(&name, shape()).unwrap();
        publish(&mut writer, 1);
        assert_eq!(pull(&mut reader), 1);
    }
}
