#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;
use std::{env, fs, process};

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/store/tests/invariants/mod.rs"]
mod invariants;

// A byte 0 ends one file and begins the next.
fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(3, |&byte| byte == 0).map(Some).chain(std::iter::repeat(None));
    let files = [(); 3].map(|()| parts.next().flatten().unwrap_or_default());
    invariants::directory(&DIR, files);
});

static DIR: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = env::temp_dir().join(format!("valkka-fuzz-{}", process::id()));
    fs::create_dir_all(&dir).expect("a temporary directory can be made");
    env::set_current_dir(&dir).expect("it is there");
    dir
});
