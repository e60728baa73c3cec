//! Who may watch: Digest and Basic authentication (RFC 2617, RFC 2069).
//!
//! Digest is offered with MD5 alone. RTSP 1.0 knows nothing else, and of the clients that do, some take the
//! parameters of one challenge with the algorithm of another when they are offered two.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt::Write as _;
use std::hash::BuildHasher;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_auth::parser::ChallengeParser;
use md5::{Digest as _, Md5};
use valkka_core::url::Credentials;

/// Checks the requests of one connection.
pub(super) struct Authenticator {
    credentials: Option<Credentials>,
    /// Good for this connection only, so that what was overheard elsewhere is of no use here.
    nonce: String,
    failures: u32,
}

/// What the check of a request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Go ahead.
    Allowed,
    /// Ask for credentials.
    Challenge,
    /// Ask for credentials, and close the connection: it has been wrong too often.
    TooManyFailures,
}

impl Authenticator {
    /// Asks for `credentials`, or for nothing if there are none.
    pub(super) fn new(credentials: Option<Credentials>) -> Self {
        Self { credentials, nonce: format!("{:016x}{:016x}", random(), random()), failures: 0 }
    }

    /// Checks the Authorization header of a request.
    pub(super) fn check(&mut self, method: &str, authorization: Option<&str>) -> Verdict {
        let Some(credentials) = &self.credentials else { return Verdict::Allowed };
        let Some(authorization) = authorization else { return Verdict::Challenge };
        if check_basic(authorization, credentials)
            || check_digest(authorization, method, &self.nonce, credentials)
        {
            return Verdict::Allowed;
        }
        self.failures += 1;
        if self.failures < MAX_FAILURES { Verdict::Challenge } else { Verdict::TooManyFailures }
    }

    /// The values of the WWW-Authenticate headers that ask for credentials, the better one first.
    pub(super) fn challenges(&self) -> [String; 2] {
        [
            format!("Digest realm=\"{REALM}\", nonce=\"{}\", algorithm=MD5", self.nonce),
            format!("Basic realm=\"{REALM}\""),
        ]
    }
}

/// A number that nobody outside can guess: the keys of the hash come from the system's random source.
pub(super) fn random() -> u64 {
    static KEYS: OnceLock<RandomState> = OnceLock::new();
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    KEYS.get_or_init(RandomState::new).hash_one(COUNTER.fetch_add(1, Ordering::Relaxed))
}

fn check_basic(authorization: &str, credentials: &Credentials) -> bool {
    let Some(encoded) = strip_scheme(authorization, "Basic") else { return false };
    let Ok(decoded) = STANDARD.decode(encoded) else { return false };
    let expected = format!("{}:{}", credentials.username, credentials.password);
    same(&decoded, expected.as_bytes())
}

fn check_digest(authorization: &str, method: &str, nonce: &str, credentials: &Credentials) -> bool {
    if strip_scheme(authorization, "Digest").is_none() {
        return false;
    }
    // Credentials have the grammar of a challenge.
    let Some(Ok(parsed)) = ChallengeParser::new(authorization).next() else { return false };
    let params: HashMap<String, String> =
        parsed.params.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_unescaped())).collect();
    let param = |name: &str| params.get(name).map_or("", String::as_str);
    if param("nonce") != nonce || !same(param("username").as_bytes(), credentials.username.as_bytes()) {
        return false;
    }
    let secret = md5_hex(&format!("{}:{REALM}:{}", credentials.username, credentials.password));
    // The address is the one the client has hashed: clients differ in which of the addresses of a session they
    // take, and the nonce already ties the answer to this connection.
    let request = md5_hex(&format!("{method}:{}", param("uri")));
    let expected = match param("qop") {
        "" => md5_hex(&format!("{secret}:{nonce}:{request}")),
        qop => {
            let (count, cnonce) = (param("nc"), param("cnonce"));
            md5_hex(&format!("{secret}:{nonce}:{count}:{cnonce}:{qop}:{request}"))
        }
    };
    same(param("response").to_ascii_lowercase().as_bytes(), expected.as_bytes())
}

/// What follows the name of the scheme, if it is `scheme`.
fn strip_scheme<'a>(authorization: &'a str, scheme: &str) -> Option<&'a str> {
    let (name, rest) = authorization.trim().split_once(' ')?;
    name.eq_ignore_ascii_case(scheme).then_some(rest.trim())
}

/// Compares in a time that depends on the lengths alone.
fn same(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b));
    a.len() == b.len() && std::hint::black_box(difference) == 0
}

fn md5_hex(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().fold(String::with_capacity(32), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes everything");
        hex
    })
}

const REALM: &str = "valkka";

/// Wrong answers per connection before it is closed.
const MAX_FAILURES: u32 = 3;

#[cfg(test)]
mod tests {
    use http_auth::{PasswordClient, PasswordParams};

    use super::*;

    fn authenticator() -> Authenticator {
        Authenticator::new(Some(Credentials { username: "ad\"min".into(), password: "p:ss wörd".into() }))
    }

    fn answer(challenge: &str, method: &str, password: &str) -> String {
        let params =
            PasswordParams { username: "ad\"min", password, uri: "rtsp://h/cam1", method, body: Some(&[]) };
        PasswordClient::try_from(challenge).unwrap().respond(&params).unwrap()
    }

    #[test]
    fn right_answers_to_both_challenges_are_taken() {
        let mut authenticator = authenticator();
        assert_eq!(authenticator.check("DESCRIBE", None), Verdict::Challenge);
        for challenge in authenticator.challenges() {
            let right = answer(&challenge, "DESCRIBE", "p:ss wörd");
            assert_eq!(authenticator.check("DESCRIBE", Some(&right)), Verdict::Allowed, "{challenge}");
        }
        let digest = answer(&authenticator.challenges()[0], "DESCRIBE", "p:ss wörd");
        assert_eq!(authenticator.check("PLAY", Some(&digest)), Verdict::Challenge, "for another method");
    }

    #[test]
    fn wrong_answers_are_refused_and_not_for_ever() {
        for index in 0..2 {
            let mut authenticator = authenticator();
            let wrong = answer(&authenticator.challenges()[index], "SETUP", "secret");
            assert_eq!(authenticator.check("SETUP", Some(&wrong)), Verdict::Challenge);
            assert_eq!(authenticator.check("SETUP", Some("Basic")), Verdict::Challenge);
            assert_eq!(authenticator.check("SETUP", Some(&wrong)), Verdict::TooManyFailures);
        }
    }

    #[test]
    fn an_answer_for_another_connection_is_refused() {
        let challenge = &authenticator().challenges()[0];
        let overheard = answer(challenge, "DESCRIBE", "p:ss wörd");
        assert_eq!(authenticator().check("DESCRIBE", Some(&overheard)), Verdict::Challenge);
    }

    #[test]
    fn garbage_does_no_harm() {
        let words =
            ["Digest", "Basic", " ", "=", ",", "\"", "username", "response", "\\", "ü", "nonce", "OmE="];
        let mut random = fastrand::Rng::with_seed(2617);
        for _ in 0..5000 {
            let header: String =
                (0..random.usize(..12)).map(|_| words[random.usize(..words.len())]).collect();
            assert_ne!(authenticator().check("PLAY", Some(&header)), Verdict::Allowed);
        }
    }
}
