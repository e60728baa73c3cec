//! Names of rings as names of files.

/// The file that stands for the ring `name`: the name itself if it is short and plain. Different names have different
/// files.
pub(crate) fn file_name(name: &str) -> String {
    let mut encoded = String::new();
    for (position, byte) in name.bytes().enumerate() {
        match byte {
            // Files that start with a point are ours.
            b'.' if position == 0 => encoded.push_str("%2e"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02x}")),
        }
    }
    if encoded.is_empty() {
        return "%".to_owned();
    }
    if encoded.len() > LONGEST {
        // Addresses of sockets are at most 107 bytes long, with the directory. All that was encoded is ASCII.
        encoded.truncate(LONGEST - 17);
        encoded.push_str(&format!("~{:016x}", fnv1a(name.as_bytes())));
    }
    encoded
}

const LONGEST: usize = 64;

/// A hash that is the same in all programs (<http://www.isthe.com/chongo/tech/comp/fnv/>).
fn fnv1a(bytes: &[u8]) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn plain_names_stay_what_they_are() {
        assert_eq!(file_name("cam_1-a.b"), "cam_1-a.b");
        assert_eq!(file_name(".."), "%2e.");
        assert_eq!(file_name("a/b \u{e4}%"), "a%2fb%20%c3%a4%25");
    }

    #[test]
    fn every_name_has_a_file_of_its_own() {
        let long = "x".repeat(1000);
        let names =
            ["", "%", ".", "%2e", "a/b", "a%2fb", "a~b", &long, &long[..999], &long[..64], &long[..65]];
        let files: HashSet<_> = names.map(file_name).into();
        assert_eq!(files.len(), names.len(), "{files:?}");
        for file in files {
            assert!(file.len() <= LONGEST && !file.starts_with('.') && !file.contains('/'), "{file}");
        }
    }

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x85944171f73967e8);
    }
}
