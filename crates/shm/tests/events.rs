//! Waiting with `select`: an event is set while there is something to pull, and only then.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod common;

use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use valkka_shm::{Event, Reader, Shape, Writer};
use valkka_testkit::watchdog::Watchdog;

use common::{SOON, meet, met, publish, pull, unique};

fn shape() -> Shape {
    Shape::bytes(200, 8).unwrap()
}

fn is_set(event: &Event, timeout: Duration) -> bool {
    let timeout = Timespec { tv_sec: timeout.as_secs().try_into().unwrap(), tv_nsec: 0 };
    poll(&mut [PollFd::new(event, PollFlags::IN)], Some(&timeout)).unwrap() == 1
}

fn duplicate(event: &Event) -> std::os::fd::OwnedFd {
    use std::os::fd::AsFd as _;
    event.as_fd().try_clone_to_owned().unwrap()
}

#[test]
fn it_is_set_while_there_are_frames() {
    let _watchdog = Watchdog::start(SOON);
    let name = unique("level");
    let mut writer = Writer::create(&name, shape()).unwrap();
    let mut reader = met(&name, shape());
    publish(&mut writer, 1);
    let event = Event::new().unwrap();
    reader.use_event(duplicate(&event)).unwrap();
    let now = |event: &Event| is_set(event, Duration::ZERO);
    assert!(now(&event), "one frame was there already");
    publish(&mut writer, 2);
    pull(&mut reader);
    assert!(now(&event), "there is another one");
    pull(&mut reader);
    assert!(!now(&event));
    publish(&mut writer, 3);
    assert!(now(&event));
    // It was set for nothing: pulling in vain clears it.
    pull(&mut reader);
    event.set();
    assert!(reader.pull(Duration::ZERO).unwrap().is_none());
    assert!(!now(&event));
    // Another event takes its place.
    let other = Event::new().unwrap();
    reader.use_event(duplicate(&other)).unwrap();
    publish(&mut writer, 4);
    assert!(now(&other) && !now(&event));
}

#[test]
fn no_wake_is_lost() {
    let _watchdog = Watchdog::start(SOON * 4);
    let name = unique("wakes");
    const FRAMES: u64 = 20_000;
    let shared = Event::new().unwrap();
    let mut writer = Writer::create(&name, shape()).unwrap();
    writer.notify(duplicate(&shared)).unwrap();
    let mut readers: Vec<_> = (0..3).map(|_| met(&name, shape())).collect();
    thread::scope(|scope| {
        for (index, reader) in readers.iter_mut().enumerate() {
            // One of them uses the event that the writer knows too, as programs do that made it before both.
            let own = if index == 0 { shared.try_clone() } else { Event::new() }.unwrap();
            reader.use_event(duplicate(&own)).unwrap();
            scope.spawn(move || {
                let mut last = 0;
                while last < FRAMES {
                    assert!(is_set(&own, SOON), "reader {index} sleeps at frame {last}");
                    if let Some(pulled) = reader.pull(Duration::ZERO).unwrap() {
                        assert!(pulled.sequence > last);
                        last = pulled.sequence;
                    }
                }
            });
        }
        let mut random = fastrand::Rng::with_seed(5);
        for number in 1..=FRAMES {
            publish(&mut writer, number);
            if random.u8(..4) == 0 {
                thread::yield_now();
            }
        }
    });
}

#[test]
fn it_works_for_writers_that_come_later() {
    let _watchdog = Watchdog::start(SOON);
    let name = unique("later");
    let mut reader = Reader::open(&name, shape()).unwrap();
    let event = Event::new().unwrap();
    reader.use_event(duplicate(&event)).unwrap();
    for _ in 0..2 {
        let mut writer = Writer::create(&name, shape()).unwrap();
        // Nobody told this writer of the event; the reader does when it finds it.
        meet(&mut reader);
        publish(&mut writer, 1);
        assert!(is_set(&event, SOON));
        assert_eq!(pull(&mut reader), 1);
        assert!(!is_set(&event, Duration::ZERO));
    }
}

#[test]
fn what_is_no_event_is_refused() {
    let name = unique("refused");
    let mut writer = Writer::create(&name, shape()).unwrap();
    let mut reader = Reader::open(&name, shape()).unwrap();
    let file = || std::fs::File::open("/dev/null").unwrap().into();
    let error = writer.notify(file()).unwrap_err();
    assert_eq!(error.to_string(), format!("shared memory \"{name}\": cannot use an event"));
    assert!(reader.use_event(file()).is_err());
}
