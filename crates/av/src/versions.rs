//! Which FFmpeg is loaded.

use crate::ffi::{self, Library};

/// The versions of what is loaded of FFmpeg, which need not be what this was built against: `"ffmpeg"` with what the
/// distribution calls it, then each library with its own, such as `("libavcodec", "59.37.100")`.
#[must_use]
pub fn ffmpeg_versions() -> Vec<(&'static str, String)> {
    let libraries = [
        ("libavformat", Library::Format),
        ("libavcodec", Library::Codec),
        ("libswscale", Library::Scale),
        ("libavutil", Library::Util),
    ];
    let versions = libraries.map(|(name, library)| {
        let [major, minor, micro] = ffi::library_version(library);
        (name, format!("{major}.{minor}.{micro}"))
    });
    [("ffmpeg", ffi::release())].into_iter().chain(versions).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libraries_that_this_was_built_for_are_loaded() {
        let versions = ffmpeg_versions();
        let names: Vec<_> = versions.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["ffmpeg", "libavformat", "libavcodec", "libswscale", "libavutil"]);
        let major = |index: usize| versions[index].1.split('.').next().unwrap().parse::<u32>().unwrap();
        assert!(!versions[0].1.is_empty());
        assert!(major(1) >= 59 && major(2) >= 59 && major(3) >= 6 && major(4) >= 57, "{versions:?}");
    }
}
