//! Lines for people, on the standard output of the process.

use std::fmt;

/// Writes one line (or several, if `text` has some; none, if it is empty), whole and at once, to file descriptor 1.
///
/// It needs neither the interpreter's lock nor its `sys.stdout`: frames are shown by threads that know nothing of
/// Python. Nor may the caller have that lock: if it is a pipe that a thread of Python reads, this waits for that thread.
/// What cannot be written is lost.
pub(crate) fn line(text: impl fmt::Display) {
    let mut text = text.to_string();
    if text.is_empty() {
        return;
    }
    text.push('\n');
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match rustix::io::write(rustix::stdio::stdout(), rest) {
            Ok(written) => rest = &rest[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
    }
}
