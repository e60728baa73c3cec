#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;
use std::{env, fs, process};

use libfuzzer_sys::fuzz_target;
use valkka_core::time::WallTime;
use valkka_store::{CheckOptions, Store, check};

// What `valkkafs.json`, the table and the data may be: a byte 0 ends one and begins the next.
fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(3, |&byte| byte == 0);
    let json = parts.next().unwrap_or_default();
    // No file but those in the directory is anybody's business here.
    if json.contains(&b'/') || json.contains(&b'\\') || json.windows(4).any(|part| part == b"uuid") {
        return;
    }
    let files = [("valkkafs.json", json), ("blockfile", parts.next().unwrap_or_default())];
    for (name, bytes) in files.into_iter().chain([("dumpfile", parts.next().unwrap_or_default())]) {
        fs::write(DIR.join(name), bytes).expect("a temporary directory can be written");
    }
    let _ = check(&DIR, &CheckOptions { deep: true, ..CheckOptions::default() });
    let Ok(store) = Store::open(&DIR) else { return };
    for stream in store.streams().into_iter().take(8) {
        let mut cursor = store.cursor(stream.id);
        let _ = cursor.seek(WallTime::from_micros(1_000_000));
        for _ in 0..1000 {
            if !matches!(cursor.next(), Ok(Some(_))) {
                break;
            }
        }
    }
});

static DIR: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = env::temp_dir().join(format!("valkka-fuzz-{}", process::id()));
    fs::create_dir_all(&dir).expect("a temporary directory can be made");
    env::set_current_dir(&dir).expect("it is there");
    dir
});
