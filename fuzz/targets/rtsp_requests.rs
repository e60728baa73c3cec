#![no_main]

use libfuzzer_sys::fuzz_target;
use request::{Event, RequestReader};

#[allow(dead_code)] // what only the server uses
#[path = "../../crates/net/src/server/request.rs"]
mod request;

// What a connection brings, cut into pieces of any length, is the same as in one piece.
fuzz_target!(|data: &[u8]| {
    let Some((&length, data)) = data.split_first() else { return };
    let cut = read(data.chunks(usize::from(length).max(1)));
    assert_eq!(cut, read([data]));
});

/// All events; `None` at the end for an error.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Option<String>> {
    let mut reader = RequestReader::default();
    let mut events = Vec::new();
    for piece in pieces {
        reader.push(piece);
        loop {
            events.push(match reader.next() {
                Ok(None) => break,
                Ok(Some(Event::Request(request))) => Some(format!("{request:?}")),
                Ok(Some(Event::Packet { channel, data })) => Some(format!("{channel} {data:?}")),
                Err(_) => {
                    events.push(None);
                    return events;
                }
            });
        }
    }
    events
}
