//! What the tests share: frames that show whether they are whole, and other processes.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "each test uses a part of it, and fails where something is missing"
)]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{env, process};

use valkka_shm::{Meta, Reader, Shape, Writer};
use valkka_testkit::process::{Child, command};
use valkka_testkit::wait;

/// For what happens at once on a machine that has time.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A name that no other test uses.
pub(crate) fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("test-{name}-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Fills `cell` so that [`is_whole`] sees if any word is of another frame.
pub(crate) fn fill(cell: &mut [u8], number: u64) {
    for (index, word) in cell.as_chunks_mut().0.iter_mut().enumerate() {
        *word = word_at(number, index).to_ne_bytes();
    }
}

/// Whether `frame` is frame `number` and nothing else.
pub(crate) fn is_whole(frame: &[u8], number: u64) -> bool {
    let mut words = frame.as_chunks().0.iter().enumerate();
    words.all(|(index, word)| u64::from_ne_bytes(*word) == word_at(number, index))
}

fn word_at(number: u64, index: usize) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ index as u64
}

/// Publishes frame `number` and returns whether there was a cell.
pub(crate) fn publish(writer: &mut Writer, number: u64) -> bool {
    let Some(mut cell) = writer.claim() else { return false };
    fill(&mut cell, number);
    let len = cell.len();
    cell.publish(Meta::default(), len);
    true
}

/// Runs the test `peer` of this test program in another process, as `role` for the ring `name`.
pub(crate) fn spawn(role: &str, name: &str, shape: (usize, usize)) -> Child {
    let program = env::current_exe().unwrap();
    let mut command = command(program.to_str().unwrap()).unwrap();
    command.args(["peer", "--exact", "--ignored", "--nocapture"]);
    command.env(ROLE, format!("{role} {name} {} {}", shape.0, shape.1));
    Child::spawn(command).unwrap()
}

/// What a process that [`spawn`] started is to do: role, name and shape. `None` in the test program itself.
pub(crate) fn task() -> Option<(String, String, Shape)> {
    let task = env::var(ROLE).ok()?;
    let words: Vec<_> = task.split(' ').collect();
    let [role, name, cells, bytes] = words[..] else { panic!("not a task: {task}") };
    let shape = Shape::bytes(cells.parse().unwrap(), bytes.parse().unwrap()).unwrap();
    Some((role.to_owned(), name.to_owned(), shape))
}

/// Says something to the test, on a line of its own.
pub(crate) fn say(text: &str) {
    println!("\n{text}");
}

/// A reader that has found the writer of `name`, from which nothing has come yet.
pub(crate) fn met(name: &str, shape: Shape) -> Reader {
    let mut reader = Reader::open(name, shape).unwrap();
    meet(&mut reader);
    reader
}

/// Waits until `reader` has found its writer, from which nothing has come yet. One that a busy machine holds up is found
/// at a later try.
pub(crate) fn meet(reader: &mut Reader) {
    wait::until(SOON, "the reader finds the writer", || {
        assert!(reader.pull(Duration::from_millis(20)).unwrap().is_none());
        reader.is_connected()
    });
}

/// Pulls the next frame, which must come and be whole, and returns its number.
pub(crate) fn pull(reader: &mut Reader) -> u64 {
    let pulled = reader.pull(SOON).unwrap().expect("a frame");
    let frame = reader.frame(pulled.index).expect("it was just pulled");
    assert!(is_whole(frame, pulled.sequence), "frame {} is torn", pulled.sequence);
    pulled.sequence
}

const ROLE: &str = "VALKKA_TEST_ROLE";
