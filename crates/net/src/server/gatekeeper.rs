//! Who may watch what.

use std::fmt;
use std::net::IpAddr;

use valkka_core::url::Credentials;

use super::authorization::{md5_hex, same};

/// Who may watch what.
///
/// A server asks it about every path that a request names, whether or not something is mounted there: a path that it
/// does not know should ask for the same as one that it guards, or whoever has no credentials can find out which
/// paths there are.
///
/// [`Self::asks`], [`Self::still_allows`] and [`Self::refused`] are called in the server's thread, which serves all viewers:
/// they must answer at once. [`Self::allows`] and [`Self::digest_secret`] may take their time, as slow hashes do: they are called
/// off that thread, at most two at a time per server and one at a time per address of a peer, and what they let in is
/// remembered as long as the connection lasts and until [`Server::revise_access`](super::Server::revise_access).
pub trait Gatekeeper: Send + Sync {
    /// What viewers of `path` are asked for. Paths are percent-encoded, without slashes at their ends.
    fn asks(&self, path: &str) -> Asks;

    /// Whether `user` with `password` may watch `path`.
    fn allows(&self, path: &str, user: &str, password: &str) -> bool;

    /// What [`digest_secret`] makes of the name and password of `user`, for Digest authentication; `None` if he may
    /// not watch `path`, if there is no such user, or if the secret is not known. Only asked where
    /// [`Self::asks`] says [`Asks::BasicOrDigest`].
    fn digest_secret(&self, path: &str, user: &str) -> Option<String>;

    /// Whether `user`, let in earlier, may still watch `path`.
    fn still_allows(&self, path: &str, user: &str) -> bool;

    /// Told of everybody who was not let in: `user`, as the viewer at `peer` called himself, has no rights for `path` or
    /// has not proved who he is. Called in the server's thread. Nothing is done about it unless a gatekeeper wants to.
    fn refused(&self, path: &str, user: &str, peer: IpAddr) {
        let _ = (path, user, peer);
    }
}

/// What the viewers of a path are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// For nothing: anyone may watch.
    Nothing,
    /// For a name and a password as they are. Only TLS keeps them from being overheard.
    Basic,
    /// For either a proof that the viewer knows his password, which most players prefer, or the password itself.
    BasicOrDigest,
}

/// Lets anyone watch anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open;

impl Gatekeeper for Open {
    fn asks(&self, _path: &str) -> Asks {
        Asks::Nothing
    }

    fn allows(&self, _path: &str, _user: &str, _password: &str) -> bool {
        true
    }

    fn digest_secret(&self, _path: &str, _user: &str) -> Option<String> {
        None
    }

    fn still_allows(&self, _path: &str, _user: &str) -> bool {
        true
    }
}

/// One user may watch everything.
impl Gatekeeper for Credentials {
    fn asks(&self, _path: &str) -> Asks {
        Asks::BasicOrDigest
    }

    fn allows(&self, _path: &str, user: &str, password: &str) -> bool {
        let name = same(user.as_bytes(), self.username.as_bytes());
        name & same(password.as_bytes(), self.password.as_bytes())
    }

    fn digest_secret(&self, _path: &str, user: &str) -> Option<String> {
        let name = same(user.as_bytes(), self.username.as_bytes());
        name.then(|| digest_secret(user, &self.password))
    }

    fn still_allows(&self, _path: &str, user: &str) -> bool {
        user == self.username
    }
}

impl fmt::Debug for dyn Gatekeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gatekeeper")
    }
}

/// What a server needs to know of a password for Digest authentication: in hexadecimal, the MD5 sum of name,
/// [`REALM`] and password (the HA1 of RFC 2617). It opens this server as the password does, so keep it as safe.
pub fn digest_secret(user: &str, password: &str) -> String {
    md5_hex(&format!("{user}:{REALM}:{password}"))
}

/// The realm of all our challenges. It is part of what [`digest_secret`] sums up, so it never changes.
pub const REALM: &str = "valkka";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_what_other_programs_make_of_it() {
        // printf 'admin:valkka:secret' | md5sum
        assert_eq!(digest_secret("admin", "secret"), "6f07d615572c142ad8df4de1f5327331");
    }

    #[test]
    fn one_user_is_one_user() {
        let one = Credentials { username: "anna".into(), password: "p".into() };
        assert!(one.allows("cam1", "anna", "p") && one.still_allows("cam1", "anna"));
        assert!(!one.allows("cam1", "anna", "q") && !one.allows("cam1", "bert", "p"));
        assert!(!one.allows("cam1", "anna", "") && !one.still_allows("cam1", "bert"));
        assert_eq!(one.digest_secret("cam1", "anna"), Some(digest_secret("anna", "p")));
        assert_eq!(one.digest_secret("cam1", "bert"), None);
    }
}
