#![no_main]

use libfuzzer_sys::fuzz_target;

// What comes over the socket at which the processes that share memory meet, with up to four file descriptors.
fuzz_target!(|data: &[u8]| {
    if let Some((files, message)) = data.split_first() {
        valkka_shm::read_garbage(message, usize::from(files % 5));
    }
});
