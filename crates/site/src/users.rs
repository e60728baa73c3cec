//! Who may come in.

mod memory;
mod user;
mod verifying;

pub(crate) use user::ALL;
pub use user::User;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;
use std::time::Instant;

use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash;

use crate::config::UserConfig;
use memory::Memory;
use verifying::is_right;

/// The users of one configuration. Methods may be called from any thread.
pub struct Users {
    users: BTreeMap<String, Known>,
    memory: Memory,
}

struct Known {
    user: User,
    /// By argon2, in the format of PHC strings.
    password: String,
    /// For Digest authentication, if he may log in by it.
    digest: Option<String>,
}

impl Users {
    /// The users of a configuration, by their names.
    pub fn new(users: &BTreeMap<String, UserConfig>) -> Self {
        let known = |(name, config): (&String, &UserConfig)| {
            let known = Known {
                user: User::new(name, config.roles.clone()),
                password: config.password.clone(),
                digest: config.digest.clone(),
            };
            (name.clone(), known)
        };
        Self { users: users.iter().map(known).collect(), memory: Memory::default() }
    }

    /// Lets `name` in, if this password was right for him within the last five minutes. It takes next to no time; of all other
    /// passwords [`Self::verify`] knows.
    pub fn recall(&self, name: &str, password: &str) -> Option<User> {
        let known = self.users.get(name).filter(|_| password.len() <= MAX_PASSWORD_BYTES)?;
        self.memory.knows(name, password, Instant::now()).then(|| known.user.clone())
    }

    /// Lets `name` in, if this is the right password.
    ///
    /// It takes some 50 ms and 20 MB, also for a user who does not exist, unless the password was right within the last five
    /// minutes: call it where that holds up nobody, and not for many at a time.
    pub fn verify(&self, name: &str, password: &str) -> Option<User> {
        if password.len() > MAX_PASSWORD_BYTES {
            return None;
        }
        if let Some(user) = self.recall(name, password) {
            return Some(user);
        }
        let known = self.users.get(name);
        // Whether a user exists is not told by how long it takes.
        let hash = known.map_or(nobodys_hash(), |known| &known.password);
        let right = is_right(password, hash);
        let known = known.filter(|_| right)?;
        self.memory.note(name, password, Instant::now());
        Some(known.user.clone())
    }

    /// The user called `name`, as he is now; for whoever was let in earlier.
    pub fn get(&self, name: &str) -> Option<User> {
        self.users.get(name).map(|known| known.user.clone())
    }

    /// Whether `name` is let in by the same password as among `before`, so that who was let in then may stay.
    pub fn keeps_password(&self, name: &str, before: &Self) -> bool {
        match (self.users.get(name), before.users.get(name)) {
            (Some(now), Some(before)) => now.password == before.password,
            _ => false,
        }
    }

    /// Whether there are none, so that nobody can be let in.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// The secret of Digest authentication of `name`: the MD5 of name, realm and password in hexadecimal.
    pub(crate) fn digest(&self, name: &str) -> Option<&str> {
        self.users.get(name)?.digest.as_deref()
    }

    /// Whether there are users, and all can log in by Digest.
    pub(crate) fn all_have_digest(&self) -> bool {
        !self.users.is_empty() && self.users.values().all(|known| known.digest.is_some())
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.users.values().map(|known| &known.user)).finish()
    }
}

/// The hash of `password` by argon2 with its default parameters and a new salt, as configurations have it.
///
/// # Errors
/// If the password is empty or longer than [`MAX_PASSWORD_BYTES`], or the system gives no random numbers.
pub fn hash_password(password: &str) -> Result<String, PasswordError> {
    if password.is_empty() || password.len() > MAX_PASSWORD_BYTES {
        return Err(PasswordError(format!(
            "a password has 1 to {MAX_PASSWORD_BYTES} bytes, and this one {}",
            password.len()
        )));
    }
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| PasswordError(format!("cannot hash it: {error}")))
}

/// Why there is no hash of a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PasswordError(String);

/// More is no password.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// Whether `hash` is one that [`Users::verify`] can check, and one that does not take more than a service can give.
pub(crate) fn check_hash(hash: &str) -> Result<(), &'static str> {
    const HOW: &str = "it is no hash by argon2; `valkka passwd` makes one";
    let parsed = PasswordHash::new(hash).map_err(|_| HOW)?;
    let is_known = parsed.algorithm.as_str().parse::<argon2::Algorithm>().is_ok()
        && parsed.version.is_none_or(|version| argon2::Version::try_from(version).is_ok());
    if !is_known || parsed.salt.is_none() || parsed.hash.is_none() {
        return Err(HOW);
    }
    let params = argon2::Params::try_from(&parsed).map_err(|_| HOW)?;
    if params.m_cost() > MAX_MEMORY_KIB || params.t_cost() > MAX_PASSES || params.p_cost() > MAX_LANES {
        return Err("checking it takes more than 256 MiB, 10 passes or 8 lanes");
    }
    Ok(())
}

/// The hash of a password that nobody has: what is asked for is too long.
fn nobodys_hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| {
        let nobodys = "x".repeat(MAX_PASSWORD_BYTES + 1);
        Argon2::default().hash_password(nobodys.as_bytes()).map(|hash| hash.to_string()).unwrap_or_default()
    })
}

/// What one check may take at most.
const MAX_MEMORY_KIB: u32 = 256 << 10;
const MAX_PASSES: u32 = 10;
const MAX_LANES: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::Role;

    #[test]
    fn passwords_are_checked() {
        let config = UserConfig {
            password: hash_password("correct horse").unwrap(),
            digest: None,
            roles: BTreeMap::from([("front".to_owned(), Role::Viewer)]),
        };
        assert!(!format!("{config:?}").contains("argon2"));
        let users = Users::new(&BTreeMap::from([("anna".to_owned(), config)]));
        assert!(users.recall("anna", "correct horse").is_none(), "nobody has looked at it yet");
        for _ in 0..2 {
            assert_eq!(users.verify("anna", "correct horse").unwrap().role("front"), Some(Role::Viewer));
            assert_eq!(&*users.recall("anna", "correct horse").unwrap().name, "anna");
            assert!(
                users.recall("anna", "wrong").is_none() && users.recall("bob", "correct horse").is_none()
            );
            assert!(
                users.verify("anna", "wrong").is_none() && users.verify("bob", "correct horse").is_none()
            );
        }
        let long = "x".repeat(MAX_PASSWORD_BYTES + 1);
        assert!(users.verify("anna", &long).is_none() && users.verify("nobody", &long).is_none());
        assert_eq!(&*users.get("anna").unwrap().name, "anna");
    }

    #[test]
    fn hashes_are_told_from_what_is_none() {
        assert_eq!(check_hash(&hash_password("x").unwrap()), Ok(()));
        for bad in [
            "",
            "secret",
            "$argon2id$",
            "$argon2id$v=19$m=19456,t=2,p=1",
            "$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$RWRjQ2FsbXNvbWVoYXNoMDEyMzQ1Njc4OTAxMjM0NTY",
            "$argon2id$v=20$m=19456,t=2,p=1$c29tZXNhbHQ$RWRjQ2FsbXNvbWVoYXNoMDEyMzQ1Njc4OTAxMjM0NTY",
            "$argon2x$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$RWRjQ2FsbXNvbWVoYXNoMDEyMzQ1Njc4OTAxMjM0NTY",
            "$pbkdf2-sha256$i=1000$c29tZXNhbHQ$RWRjQ2FsbXNvbWVoYXNoMDEyMzQ1Njc4OTAxMjM0NTY",
        ] {
            assert!(check_hash(bad).is_err(), "{bad}");
        }
        assert!(hash_password("").is_err() && hash_password(&"x".repeat(2000)).is_err());
    }
}
