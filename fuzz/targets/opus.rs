#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code)] // each target uses one function
#[path = "../../crates/core/tests/invariants/mod.rs"]
mod invariants;

fuzz_target!(|data: &[u8]| invariants::opus(data));
