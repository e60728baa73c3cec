#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/store/tests/invariants/mod.rs"]
mod invariants;

fuzz_target!(|data: &[u8]| invariants::block(data));
