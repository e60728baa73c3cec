//! The Authorization header (RFC 2617, RFC 2069).

use std::collections::HashMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_auth::parser::ChallengeParser;
use md5::{Digest as _, Md5};

/// What a viewer says of itself.
pub(super) enum Authorization {
    /// Its name and password.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// A proof that it knows its password.
    Digest(Proof),
}

/// The answer to a Digest challenge with MD5.
pub(super) struct Proof {
    /// The parameters, their names in lower case.
    params: HashMap<String, String>,
}

impl Authorization {
    /// Reads the value of the header; `None` if it is neither of the two.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ')?;
        if scheme.eq_ignore_ascii_case("Basic") {
            let decoded = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
            let (user, password) = decoded.split_once(':')?;
            return Some(Self::Basic { user: user.to_owned(), password: password.to_owned() });
        }
        if !scheme.eq_ignore_ascii_case("Digest") {
            return None;
        }
        // Credentials have the grammar of a challenge.
        let parsed = ChallengeParser::new(header).next()?.ok()?;
        let params = parsed.params.iter();
        let params = params.map(|(name, value)| (name.to_ascii_lowercase(), value.to_unescaped())).collect();
        Some(Self::Digest(Proof { params }))
    }
}

impl Proof {
    /// Whose it is.
    pub(super) fn user(&self) -> &str {
        self.param("username")
    }

    /// The challenge it answers.
    pub(super) fn nonce(&self) -> &str {
        self.param("nonce")
    }

    /// Whether it proves the knowledge of `secret` (see [`super::gatekeeper::digest_secret`]) for a request of
    /// `method`.
    ///
    /// The address is the one the client has hashed: clients differ in which of the addresses of a session they take,
    /// and the nonce already ties the answer to one connection.
    pub(super) fn proves(&self, secret: &str, method: &str) -> bool {
        let request = md5_hex(&format!("{method}:{}", self.param("uri")));
        let nonce = self.nonce();
        let expected = match self.param("qop") {
            "" => md5_hex(&format!("{secret}:{nonce}:{request}")),
            qop => {
                let (count, cnonce) = (self.param("nc"), self.param("cnonce"));
                md5_hex(&format!("{secret}:{nonce}:{count}:{cnonce}:{qop}:{request}"))
            }
        };
        same(self.param("response").to_ascii_lowercase().as_bytes(), expected.as_bytes())
    }

    fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }
}

/// Compares in a time that depends on the lengths alone.
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b));
    a.len() == b.len() && std::hint::black_box(difference) == 0
}

/// The MD5 sum of `text` in lower-case hexadecimal.
pub(super) fn md5_hex(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().fold(String::with_capacity(32), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes everything");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(header: &str) -> Option<(String, String)> {
        match Authorization::parse(header)? {
            Authorization::Basic { user, password } => Some((user, password)),
            Authorization::Digest(_) => None,
        }
    }

    #[test]
    fn basic_holds_a_name_and_a_password() {
        let read = |text: &str| basic(&format!("basic  {} ", STANDARD.encode(text)));
        assert_eq!(read("anna:p:ss wörd"), Some(("anna".into(), "p:ss wörd".into())));
        assert_eq!(read(":"), Some((String::new(), String::new())));
        assert_eq!(read("anna"), None);
        for none in ["", "Basic", "Basic ", "Basic ???", "Basic /w==", "Bearer abc", "Digest", "Digest "] {
            assert!(basic(none).is_none(), "{none}");
        }
    }

    /// The example of RFC 2617, section 3.5.
    #[test]
    fn a_digest_proves_the_knowledge_of_a_password() {
        let header = "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", \
            nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", qop=auth, nc=00000001, \
            cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\"";
        let Some(Authorization::Digest(proof)) = Authorization::parse(header) else { panic!("a digest") };
        assert_eq!((proof.user(), &proof.nonce()[..4]), ("Mufasa", "dcd9"));
        let secret = md5_hex("Mufasa:testrealm@host.com:Circle Of Life");
        assert!(proof.proves(&secret, "GET"));
        assert!(!proof.proves(&secret, "PLAY") && !proof.proves(&md5_hex("another"), "GET"));
    }

    #[test]
    fn garbage_does_no_harm() {
        let words =
            ["Digest", "Basic", " ", "=", ",", "\"", "username", "response", "\\", "ü", "nonce", "OmE="];
        let mut random = fastrand::Rng::with_seed(2617);
        for _ in 0..20_000 {
            let header: String =
                (0..random.usize(..12)).map(|_| words[random.usize(..words.len())]).collect();
            if let Some(Authorization::Digest(proof)) = Authorization::parse(&header) {
                assert!(!proof.proves("", "PLAY"));
            }
        }
    }
}
