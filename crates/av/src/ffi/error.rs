//! FFmpeg's error numbers.

use std::ffi::{CStr, c_char, c_int};
use std::fmt;
use std::io;

/// An error number of FFmpeg.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct AvError(c_int);

impl AvError {
    /// What C returned: an error if it is negative.
    pub(super) fn check(returned: c_int) -> Result<c_int, Self> {
        if returned < 0 { Err(Self(returned)) } else { Ok(returned) }
    }

    /// Invalid data.
    pub(crate) fn invalid() -> Self {
        // SAFETY: a constant of the shim.
        Self(unsafe { vk_err_invalid })
    }

    /// What it means.
    pub(crate) fn kind(self) -> AvErrorKind {
        // SAFETY: constants of the shim.
        let kinds = unsafe {
            [
                (vk_err_again, AvErrorKind::Again),
                (vk_err_eof, AvErrorKind::End),
                (vk_err_exit, AvErrorKind::Interrupted),
                (vk_err_unauthorized, AvErrorKind::Status(401)),
                (vk_err_forbidden, AvErrorKind::Status(403)),
                (vk_err_not_found, AvErrorKind::Status(404)),
                (vk_err_bad_request, AvErrorKind::Status(400)),
                (vk_err_other_4xx, AvErrorKind::Status(499)),
                (vk_err_server, AvErrorKind::Status(500)),
                (vk_err_protocol, AvErrorKind::UnknownProtocol),
                (vk_err_no_stream, AvErrorKind::NoStream),
                (vk_err_no_encoder, AvErrorKind::NoEncoder),
            ]
        };
        match kinds.into_iter().find(|&(number, _)| number == self.0) {
            Some((_, kind)) => kind,
            // FFmpeg's own numbers are made of four letters and lie far beyond errno's.
            None if self.0 > -4096 => AvErrorKind::System(io::Error::from_raw_os_error(-self.0)),
            None => AvErrorKind::Other,
        }
    }

    pub(crate) fn is_again(self) -> bool {
        matches!(self.kind(), AvErrorKind::Again)
    }

    pub(crate) fn is_end(self) -> bool {
        matches!(self.kind(), AvErrorKind::End)
    }
}

/// The errors that are told apart.
#[derive(Debug)]
pub(crate) enum AvErrorKind {
    /// Nothing now.
    Again,
    /// The end.
    End,
    /// We asked it to give up.
    Interrupted,
    /// The peer answered with this status; 499 and 500 stand for any other 4xx and for 5xx.
    Status(u16),
    /// No such protocol.
    UnknownProtocol,
    /// There is no such stream.
    NoStream,
    /// FFmpeg was built without this encoder.
    NoEncoder,
    /// The system's error.
    System(io::Error),
    /// Anything else.
    Other,
}

impl fmt::Display for AvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0 as c_char; 128];
        // SAFETY: the buffer has the size that is told, and is terminated after the call.
        let words = unsafe {
            vk_error_text(self.0, text.as_mut_ptr(), text.len());
            CStr::from_ptr(text.as_ptr())
        };
        f.write_str(&words.to_string_lossy())
    }
}

impl fmt::Debug for AvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({})", self.0)
    }
}

impl std::error::Error for AvError {}

unsafe extern "C" {
    static vk_err_again: c_int;
    static vk_err_eof: c_int;
    static vk_err_exit: c_int;
    static vk_err_unauthorized: c_int;
    static vk_err_forbidden: c_int;
    static vk_err_not_found: c_int;
    static vk_err_bad_request: c_int;
    static vk_err_other_4xx: c_int;
    static vk_err_server: c_int;
    static vk_err_protocol: c_int;
    static vk_err_invalid: c_int;
    static vk_err_no_stream: c_int;
    static vk_err_no_encoder: c_int;
    fn vk_error_text(error: c_int, text: *mut c_char, size: usize);
}
