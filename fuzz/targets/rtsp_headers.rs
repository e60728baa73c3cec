#![no_main]

use authorization::Authorization;
use libfuzzer_sys::fuzz_target;
use range::is_range_of_times;
use transport::Wanted;

#[allow(dead_code)] // what only the server uses
#[path = "../../crates/net/src/server/authorization.rs"]
mod authorization;
#[allow(dead_code)]
#[path = "../../crates/net/src/server/range.rs"]
mod range;
#[allow(dead_code)]
#[path = "../../crates/net/src/server/transport.rs"]
mod transport;

// The values of the headers that viewers send.
fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Wanted::choose(text, |_| true) {
        Some(Wanted::Interleaved(Some((rtp, rtcp)))) => assert_ne!(rtp, rtcp),
        Some(Wanted::Udp { rtp, rtcp }) => assert!(rtp != rtcp && rtp != 0 && rtcp != 0),
        _ => {}
    }
    match Authorization::parse(text) {
        Some(Authorization::Basic { user, .. }) => assert!(!user.contains(':')),
        Some(Authorization::Digest(proof)) => assert!(!proof.proves(proof.user(), "PLAY")),
        None => {}
    }
    assert!(!is_range_of_times(text) || text.contains('='));
});
