//! The numbers of level 1.

use pyo3::prelude::*;

/// After how many milliseconds of a stream the correction of its time stamps is forgotten.
pub(crate) const DEFAULT_TIMESTAMP_RESET_TIME: u64 = 60_000;

/// How time stamps of streams are corrected.
#[expect(non_upper_case_globals, reason = "the names are those of Python")]
pub(crate) mod time_correction {
    /// Not at all.
    pub(crate) const TimeCorrectionType_none: i32 = 0;
    /// Those that are far away from the clock are moved to the present.
    pub(crate) const TimeCorrectionType_smart: i32 = 1;
    /// Each frame is stamped with its arrival.
    pub(crate) const TimeCorrectionType_dummy: i32 = 2;
}

/// What a live connection is.
#[expect(non_upper_case_globals, reason = "the names are those of Python")]
pub(crate) mod live_connection {
    /// None yet.
    pub(crate) const LiveConnectionType_none: i32 = 0;
    /// An RTSP server is asked for a stream, or serves one.
    pub(crate) const LiveConnectionType_rtsp: i32 = 1;
    /// A stream as a session description says.
    pub(crate) const LiveConnectionType_sdp: i32 = 2;
}

/// What a file, or a recording, is doing.
#[expect(non_upper_case_globals, reason = "the names are those of Python")]
pub(crate) mod file_state {
    /// It is not open.
    pub(crate) const FileState_none: i32 = 0;
    /// It cannot be opened.
    pub(crate) const FileState_error: i32 = 1;
    /// Its position jumps.
    pub(crate) const FileState_seek: i32 = 2;
    /// It stands still.
    pub(crate) const FileState_stop: i32 = 3;
    /// It plays.
    pub(crate) const FileState_play: i32 = 4;
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    use file_state::*;
    use live_connection::*;
    use time_correction::*;

    let numbers = [
        // The version of libValkka whose programs run with this module.
        ("VERSION_MAJOR", 1),
        ("VERSION_MINOR", 6),
        ("VERSION_PATCH", 1),
        ("TimeCorrectionType_none", TimeCorrectionType_none),
        ("TimeCorrectionType_smart", TimeCorrectionType_smart),
        ("TimeCorrectionType_dummy", TimeCorrectionType_dummy),
        ("LiveConnectionType_none", LiveConnectionType_none),
        ("LiveConnectionType_rtsp", LiveConnectionType_rtsp),
        ("LiveConnectionType_sdp", LiveConnectionType_sdp),
        ("FileState_none", FileState_none),
        ("FileState_error", FileState_error),
        ("FileState_seek", FileState_seek),
        ("FileState_stop", FileState_stop),
        ("FileState_play", FileState_play),
        ("DEFAULT_OPENGLTHREAD_BUFFERING_TIME", 300),
        ("TIMESTAMP_CORRECT_TRESHOLD", 2000),
        ("FS_GRAIN_SIZE", 4096),
    ];
    for (name, number) in numbers {
        module.add(name, number)?;
    }
    module.add("DEFAULT_TIMESTAMP_RESET_TIME", DEFAULT_TIMESTAMP_RESET_TIME)?;
    module.add("DEFAULT_FRAMEFIFO_FLUSH_WHEN_FULL", false)?;
    module.add("DEFAULT_OPENGLFRAMEFIFO_FLUSH_WHEN_FULL", false)?;
    module.add("PRODUCT_VERSION", env!("CARGO_PKG_VERSION"))
}
