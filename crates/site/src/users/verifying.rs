//! Whether a password is the one of a hash by argon2.

use std::sync::Mutex;

use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use valkka::lock::lock;

/// Whether `hash` is of `password`. Takes as long and as much memory as the hash says.
pub(super) fn is_right(password: &str, hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    // Outputs are compared in a time that tells nothing.
    hash.hash.is_some() && output(password, &hash) == hash.hash
}

fn output(password: &str, hash: &PasswordHash) -> Option<Output> {
    let algorithm: Algorithm = hash.algorithm.as_str().parse().ok()?;
    let version = hash.version.map(Version::try_from).transpose().ok()?.unwrap_or_default();
    let params = Params::try_from(hash).ok()?;
    let mut output = vec![0; hash.hash.as_ref()?.as_bytes().len()];
    let mut blocks = Blocks::take(params.block_count());
    Argon2::new(algorithm, version, params)
        .hash_password_into_with_memory(
            password.as_bytes(),
            hash.salt.as_ref()?.as_ref(),
            &mut output,
            &mut blocks.0,
        )
        .ok()?;
    Output::new(&output).ok()
}

/// The memory that one check works in.
///
/// It is kept for the next one. Each thread that takes some 20 MB and gives it back would leave it with its own part of
/// the allocator, which does not give it back to the system: whoever sends wrong passwords could have the service hold
/// that many times the number of its threads.
struct Blocks(Vec<Block>);

impl Blocks {
    fn take(count: usize) -> Self {
        let mut blocks = lock(&KEPT).pop().unwrap_or_default();
        blocks.resize(count, Block::new());
        Self(blocks)
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        let mut kept = lock(&KEPT);
        if self.0.capacity() <= MAX_KEPT_BLOCKS && kept.len() < MAX_KEPT {
            kept.push(std::mem::take(&mut self.0));
        }
    }
}

static KEPT: Mutex<Vec<Vec<Block>>> = Mutex::new(Vec::new());

/// As many as check at the same time: two for RTSP, and two for the web.
const MAX_KEPT: usize = 4;

/// 32 MiB; what is larger comes from the system, and goes back to it.
const MAX_KEPT_BLOCKS: usize = 32 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::hash_password;

    #[test]
    fn memory_that_was_used_makes_no_difference() {
        let hashes = [hash_password("a").unwrap(), hash_password("b").unwrap()];
        for _ in 0..2 {
            for (hash, right) in hashes.iter().zip(["a", "b"]) {
                for password in ["a", "b", "", "ab"] {
                    assert_eq!(is_right(password, hash), password == right);
                }
            }
        }
        assert!(lock(&KEPT).len() <= MAX_KEPT);
    }

    #[test]
    fn what_is_no_hash_is_of_no_password() {
        for hash in ["", "x", "$argon2id$v=19$m=64,t=1,p=1", "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ"] {
            assert!(!is_right("", hash) && !is_right("x", hash), "{hash}");
        }
    }
}
