#![no_main]

use libfuzzer_sys::fuzz_target;
use rtcp::{report_blocks, report_id};

#[allow(dead_code)] // what only the server uses
#[path = "../../crates/net/src/rtp/rtcp.rs"]
mod rtcp;

// What viewers report.
fuzz_target!(|data: &[u8]| {
    // A block takes 24 bytes.
    assert!(report_blocks(data).count() <= data.len() / 24);
    assert!(report_id(data).is_none() || data.len() >= 28);
});
