//! The terminal the user sits at.

use std::os::fd::AsFd;

use rustix::termios::tcgetwinsize;

/// Columns and rows of the terminal behind `stream`; `None` if it is a file or a pipe.
pub(crate) fn size(stream: impl AsFd) -> Option<(usize, usize)> {
    let size = tcgetwinsize(stream).ok()?;
    // A serial line does not know.
    (size.ws_col > 0 && size.ws_row > 0).then(|| (size.ws_col.into(), size.ws_row.into()))
}
