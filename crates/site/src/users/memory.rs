//! Passwords that were right a while ago.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use blake2::Blake2sMac256;
use blake2::digest::{KeyInit, Mac};
use rustix::rand::{GetRandomFlags, getrandom};
use valkka::lock::lock;

/// Remembers which password was right for whom, so that it need not be hashed by argon2 for every request of a script or
/// every connection of a player.
///
/// What is kept is a hash with a key that is drawn anew for every process and never leaves it.
pub(super) struct Memory {
    /// `None` if the system gave no random numbers: then nothing is remembered.
    key: Option<[u8; 32]>,
    /// By user; bounded by the users of the configuration.
    right: Mutex<HashMap<String, Remembered>>,
}

struct Remembered {
    hash: [u8; 32],
    since: Instant,
}

impl Default for Memory {
    fn default() -> Self {
        let mut key = [0; 32];
        let drawn = getrandom(&mut key, GetRandomFlags::empty());
        Self { key: (drawn == Ok(key.len())).then_some(key), right: Mutex::default() }
    }
}

impl Memory {
    /// Whether `password` was right for `user` a while before `now`.
    pub(super) fn knows(&self, user: &str, password: &str, now: Instant) -> bool {
        let mut right = lock(&self.right);
        let Some(remembered) = right.get(user) else { return false };
        if now.saturating_duration_since(remembered.since) > KEPT {
            right.remove(user);
            return false;
        }
        // Compared in constant time.
        self.mac(user, password).is_some_and(|mac| mac.verify(&remembered.hash.into()).is_ok())
    }

    /// Notes that `password` is right for `user`.
    pub(super) fn note(&self, user: &str, password: &str, now: Instant) {
        let Some(mac) = self.mac(user, password) else { return };
        let hash = mac.finalize().into_bytes().into();
        lock(&self.right).insert(user.to_owned(), Remembered { hash, since: now });
    }

    fn mac(&self, user: &str, password: &str) -> Option<Blake2sMac256> {
        let mut mac = Blake2sMac256::new(&self.key?.into());
        mac.update(&(user.len() as u64).to_le_bytes());
        mac.update(user.as_bytes());
        mac.update(password.as_bytes());
        Some(mac)
    }
}

/// For how long a password need not be hashed again.
const KEPT: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_passwords_are_remembered_for_a_while() {
        let memory = Memory::default();
        let start = Instant::now();
        assert!(!memory.knows("anna", "secret", start));
        memory.note("anna", "secret", start);
        assert!(memory.knows("anna", "secret", start + KEPT));
        assert!(!memory.knows("anna", "Secret", start) && !memory.knows("bob", "secret", start));
        // The border between name and password counts.
        memory.note("an", "nasecret", start);
        assert!(!memory.knows("an", "secret", start));
        assert!(!memory.knows("anna", "secret", start + KEPT + Duration::from_secs(1)));
        assert!(!memory.knows("anna", "secret", start), "it is forgotten then");
    }
}
