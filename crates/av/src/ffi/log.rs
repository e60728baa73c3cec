//! FFmpeg's log: handed on to `tracing`, and read for what the libraries say in no other way.

use std::ffi::{CStr, c_char, c_int};
use std::sync::Once;

use tracing::{Level, debug, enabled, trace};

/// What libavformat said on this thread, in words only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogNotes {
    /// RTP packets that never came.
    pub(crate) lost: u32,
    /// Whether a TCP connection was made.
    pub(crate) connected: bool,
    /// Whether a host name had no address.
    pub(crate) unresolved: bool,
    /// The RTSP request that was answered with an error last: method, status and words.
    pub(crate) refused: Option<(String, u16, String)>,
}

/// Hands FFmpeg's log on from now on.
pub(super) fn init() {
    static ONCE: Once = Once::new();
    // SAFETY: the two functions are made for being called from any thread at any time.
    ONCE.call_once(|| unsafe { vk_log_init(wanted, write) });
}

/// Runs `body` and returns what libavformat said in it.
pub(crate) fn with_notes<T>(body: impl FnOnce() -> T) -> (T, LogNotes) {
    /// Stops the notes also when `body` panics.
    struct Collecting;
    impl Drop for Collecting {
        fn drop(&mut self) {
            // SAFETY: ends what was begun below.
            unsafe { vk_log_notes(std::ptr::null_mut()) };
        }
    }

    init();
    let mut notes = VkNotes::default();
    let value = {
        // SAFETY: `notes` outlives `_collecting`, which ends the collecting on this same thread.
        unsafe { vk_log_notes(&mut notes) };
        let _collecting = Collecting;
        body()
    };
    let text = |bytes: &[c_char]| {
        let bytes: Vec<u8> = bytes.iter().take_while(|&&c| c != 0).map(|&c| c.cast_unsigned()).collect();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    };
    let status = u16::try_from(notes.status).unwrap_or(0);
    let refused = (status != 0).then(|| (text(&notes.method), status, text(&notes.reason)));
    let notes = LogNotes {
        lost: notes.lost,
        connected: notes.connected != 0,
        unresolved: notes.unresolved != 0,
        refused,
    };
    (value, notes)
}

/// Hides what stands between `://` and `@` in each address of `line`.
fn mask_credentials(line: &str) -> String {
    let mut masked = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        masked.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "\"'<>".contains(c)).unwrap_or(after.len());
        // A password may itself hold slashes and at signs: the last one counts.
        rest = match after[..end].rfind('@') {
            Some(sign) => &after[sign + 1..],
            None => after,
        };
    }
    masked.push_str(rest);
    masked
}

/// Whether the log has readers: FFmpeg's errors and warnings are our debugging (what they come to, we say
/// ourselves), the rest is for following it step by step.
extern "C" fn wanted(depth: c_int) -> c_int {
    let wanted = if depth == WARNING { enabled!(Level::DEBUG) } else { enabled!(Level::TRACE) };
    wanted.into()
}

extern "C" fn write(depth: c_int, line: *const c_char) {
    if line.is_null() {
        return;
    }
    // SAFETY: the shim hands in a terminated line that is valid for the call.
    let line = unsafe { CStr::from_ptr(line) }.to_string_lossy();
    let line = mask_credentials(line.trim_end());
    if depth == WARNING {
        debug!("ffmpeg: {line}");
    } else {
        trace!("ffmpeg: {line}");
    }
}

const WARNING: c_int = 1;

#[repr(C)]
struct VkNotes {
    lost: u32,
    connected: i32,
    unresolved: i32,
    status: i32,
    method: [c_char; 24],
    reason: [c_char; 96],
}

impl Default for VkNotes {
    fn default() -> Self {
        Self { lost: 0, connected: 0, unresolved: 0, status: 0, method: [0; 24], reason: [0; 96] }
    }
}

unsafe extern "C" {
    fn vk_log_init(wanted: extern "C" fn(c_int) -> c_int, write: extern "C" fn(c_int, *const c_char));
    fn vk_log_notes(notes: *mut VkNotes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_masked() {
        for (line, masked) in [
            ("rtsp://u:p@h/1", "rtsp://h/1"),
            ("a rtsp://u:p@h/1 and rtsp://v:q@i/2 b", "a rtsp://h/1 and rtsp://i/2 b"),
            ("rtsp://u:p@s/w@h/1", "rtsp://h/1"),
            ("nothing@all here", "nothing@all here"),
            ("udp://h:1?localport=2", "udp://h:1?localport=2"),
        ] {
            assert_eq!(mask_credentials(line), masked);
        }
    }

    #[test]
    fn notes_are_of_their_own_body_only() {
        let (value, notes) = with_notes(|| 7);
        assert_eq!((value, notes), (7, LogNotes::default()));
    }
}
