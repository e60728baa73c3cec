//! Builds the C shim against the FFmpeg that is installed.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=shim");
    let mut build = cc::Build::new();
    // The least versions are those of FFmpeg 5.1.
    for (library, version) in
        [("libavformat", "59.27"), ("libavcodec", "59.37"), ("libswscale", "6.7"), ("libavutil", "57.28")]
    {
        match pkg_config::Config::new().atleast_version(version).probe(library) {
            Ok(found) => {
                build.includes(found.include_paths);
            }
            Err(error) => {
                println!(
                    "cargo::error=FFmpeg's {library} (5.1 or later) is needed: on Debian, \
                     apt-get install libavformat-dev libavcodec-dev libswscale-dev libavutil-dev\n{error}"
                );
                return;
            }
        }
    }
    let shim = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("shim");
    for file in
        ["decode.c", "demux.c", "encode.c", "log.c", "mux.c", "picture.c", "scale.c", "v4l2.c", "versions.c"]
    {
        build.file(shim.join(file));
    }
    build
        .include(&shim)
        .std("c11")
        .warnings(true)
        .extra_warnings(true)
        .opt_level(2)
        .compile("valkka_av_shim");
}
