//! Lets viewers in: Digest and Basic authentication (RFC 2617, RFC 2069).
//!
//! Digest is offered with MD5 alone. RTSP 1.0 knows nothing else, and of the clients that do, some take the
//! parameters of one challenge with the algorithm of another when they are offered two.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::warn;

use super::authorization::{Authorization, same};
use super::gatekeeper::{Asks, Gatekeeper, REALM, digest_secret};
use super::peer::Peer;

/// Checks the requests of one connection.
pub(super) struct Authenticator {
    checks: Arc<Checks>,
    /// Where the requests come from.
    addr: IpAddr,
    peer: Arc<Peer>,
    /// Good for this connection only, so that what was overheard elsewhere is of no use here.
    nonce: String,
    failures: u32,
    has_let_in: bool,
    /// Whom the gatekeeper has told about; at most [`MAX_KNOWN`].
    known: Vec<Known>,
}

/// What the check of a request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Go ahead; this user asks, if a name was asked for.
    Allowed(Option<String>),
    /// Ask for credentials.
    Challenge,
    /// Ask for credentials, and close the connection: it has been wrong too often.
    TooManyFailures,
    /// The check has not come to an end in time.
    Busy,
}

/// Somebody who may watch something if he proves that he knows the secret.
struct Known {
    path: String,
    user: String,
    secret: String,
}

impl Authenticator {
    /// Lets in whom `checks` lets in of those who connect from `addr`, of which `peer` is known.
    pub(super) fn new(checks: Arc<Checks>, addr: IpAddr, peer: Arc<Peer>) -> Self {
        let nonce = format!("{:016x}{:016x}", random(), random());
        Self { checks, addr, peer, nonce, failures: 0, has_let_in: false, known: Vec::new() }
    }

    /// Checks the Authorization header of a request of `method` about `path`.
    pub(super) async fn check(&mut self, path: &str, method: &str, authorization: Option<&str>) -> Verdict {
        let asks = self.checks.gatekeeper.asks(path);
        if asks == Asks::Nothing {
            return Verdict::Allowed(None);
        }
        let Some(authorization) = authorization else { return Verdict::Challenge };
        let (user, name) = match Authorization::parse(authorization) {
            Some(Authorization::Basic { user, password }) => {
                (self.basic(path, user.clone(), password).await, Some(user))
            }
            Some(Authorization::Digest(proof))
                if asks == Asks::BasicOrDigest && proof.nonce() == self.nonce =>
            {
                let secret = self.secret(path, proof.user()).await;
                let proves =
                    |secret: Option<String>| secret.is_some_and(|secret| proof.proves(&secret, method));
                let user = proof.user().to_owned();
                (secret.map(|secret| proves(secret).then(|| user.clone())), Some(user))
            }
            // An answer to the challenge of an earlier connection tells nothing of who sends it.
            _ => (Ok(None), None),
        };
        match user {
            Ok(Some(user)) => {
                self.has_let_in = true;
                Verdict::Allowed(Some(user))
            }
            Ok(None) => {
                if let Some(name) = name {
                    self.checks.gatekeeper.refused(path, &name, self.addr);
                }
                self.peer.failed();
                self.failures += 1;
                if self.failures < MAX_FAILURES { Verdict::Challenge } else { Verdict::TooManyFailures }
            }
            Err(NoAnswer) => Verdict::Busy,
        }
    }

    /// The values of the WWW-Authenticate headers that ask for what viewers of `path` are asked for, the better one
    /// first.
    pub(super) fn challenges(&self, path: &str) -> Vec<String> {
        let digest = format!("Digest realm=\"{REALM}\", nonce=\"{}\", algorithm=MD5", self.nonce);
        let basic = format!("Basic realm=\"{REALM}\"");
        match self.checks.gatekeeper.asks(path) {
            Asks::BasicOrDigest => vec![digest, basic],
            Asks::Basic | Asks::Nothing => vec![basic],
        }
    }

    /// Whether `user`, let in to `path` earlier, may stay.
    pub(super) fn still_allows(&self, path: &str, user: Option<&str>) -> bool {
        let gatekeeper = &self.checks.gatekeeper;
        match user {
            _ if gatekeeper.asks(path) == Asks::Nothing => true,
            Some(user) => gatekeeper.still_allows(path, user),
            None => false,
        }
    }

    /// Whether somebody with a name was let in.
    pub(super) fn has_let_in(&self) -> bool {
        self.has_let_in
    }

    /// Forgets what the gatekeeper has told: it is asked anew.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }

    /// The user, if he may watch `path`.
    async fn basic(
        &mut self,
        path: &str,
        user: String,
        password: String,
    ) -> Result<Option<String>, NoAnswer> {
        let secret = digest_secret(&user, &password);
        if self.known(path, &user).is_some_and(|known| same(known.as_bytes(), secret.as_bytes())) {
            return Ok(Some(user));
        }
        let (asked, name) = (path.to_owned(), user.clone());
        let allows = self
            .checks
            .ask(&self.peer, move |gatekeeper| gatekeeper.allows(&asked, &name, &password))
            .await?;
        if !allows {
            return Ok(None);
        }
        self.remember(path, &user, secret);
        Ok(Some(user))
    }

    /// The secret of `user`, if he may watch `path`. It is remembered before it is proved: that it is asked for but
    /// once is the point, and nobody is let in by it alone.
    async fn secret(&mut self, path: &str, user: &str) -> Result<Option<String>, NoAnswer> {
        if let Some(known) = self.known(path, user) {
            return Ok(Some(known.to_owned()));
        }
        let (asked, name) = (path.to_owned(), user.to_owned());
        let secret =
            self.checks.ask(&self.peer, move |gatekeeper| gatekeeper.digest_secret(&asked, &name)).await?;
        if let Some(secret) = &secret {
            self.remember(path, user, secret.clone());
        }
        Ok(secret)
    }

    fn known(&self, path: &str, user: &str) -> Option<&str> {
        let known = self.known.iter().find(|known| known.path == path && known.user == user)?;
        Some(&known.secret)
    }

    fn remember(&mut self, path: &str, user: &str, secret: String) {
        self.known.retain(|known| known.path != path || known.user != user);
        self.known.truncate(MAX_KNOWN - 1);
        self.known.insert(0, Known { path: path.to_owned(), user: user.to_owned(), secret });
    }
}

/// Asks the gatekeeper what may take its time, off the server's thread.
#[derive(Debug)]
pub(super) struct Checks {
    gatekeeper: Arc<dyn Gatekeeper>,
    permits: Arc<Semaphore>,
}

/// The gatekeeper did not answer in time.
#[derive(Clone, Copy, Debug)]
struct NoAnswer;

impl Checks {
    pub(super) fn new(gatekeeper: Arc<dyn Gatekeeper>) -> Self {
        Self { gatekeeper, permits: Arc::new(Semaphore::new(MAX_CHECKS)) }
    }

    async fn ask<T: Send + 'static>(
        &self,
        peer: &Peer,
        question: impl FnOnce(&dyn Gatekeeper) -> T + Send + 'static,
    ) -> Result<T, NoAnswer> {
        let answer = async {
            let _turn = peer.turn().await;
            let permit = self.permits.clone().acquire_owned().await.map_err(|_| NoAnswer)?;
            let gatekeeper = self.gatekeeper.clone();
            let task = spawn_blocking(move || {
                let answer = question(&*gatekeeper);
                // Only now: a check that takes too long still takes its place.
                drop(permit);
                answer
            });
            task.await.map_err(|error| {
                warn!(%error, "the check of credentials has failed");
                NoAnswer
            })
        };
        timeout(CHECK_TIMEOUT, answer).await.unwrap_or(Err(NoAnswer))
    }
}

/// A number that nobody outside can guess: the keys of the hash come from the system's random source.
pub(super) fn random() -> u64 {
    static KEYS: OnceLock<RandomState> = OnceLock::new();
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    KEYS.get_or_init(RandomState::new).hash_one(COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// Wrong answers per connection before it is closed.
const MAX_FAILURES: u32 = 3;

/// Users and paths that a connection remembers. Viewers have one or two.
const MAX_KNOWN: usize = 8;

/// Checks at the same time.
const MAX_CHECKS: usize = 2;

/// How long a viewer waits for a check at most, its turn included.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicUsize;

    use http_auth::{PasswordClient, PasswordParams};
    use valkka_core::url::Credentials;

    use super::*;

    fn authenticator() -> Authenticator {
        let credentials = Credentials { username: "ad\"min".into(), password: "p:ss wörd".into() };
        authenticator_of(Arc::new(Checks::new(Arc::new(credentials))))
    }

    fn authenticator_of(checks: Arc<Checks>) -> Authenticator {
        Authenticator::new(checks, Ipv4Addr::LOCALHOST.into(), Arc::new(Peer::new()))
    }

    fn answer(challenge: &str, method: &str, password: &str) -> String {
        let params =
            PasswordParams { username: "ad\"min", password, uri: "rtsp://h/cam1", method, body: Some(&[]) };
        PasswordClient::try_from(challenge).unwrap().respond(&params).unwrap()
    }

    fn allowed() -> Verdict {
        Verdict::Allowed(Some("ad\"min".into()))
    }

    #[tokio::test]
    async fn right_answers_to_both_challenges_are_taken() {
        let mut authenticator = authenticator();
        assert_eq!(authenticator.check("cam1", "DESCRIBE", None).await, Verdict::Challenge);
        for challenge in authenticator.challenges("cam1") {
            let right = answer(&challenge, "DESCRIBE", "p:ss wörd");
            assert_eq!(authenticator.check("cam1", "DESCRIBE", Some(&right)).await, allowed(), "{challenge}");
        }
        let digest = answer(&authenticator.challenges("cam1")[0], "DESCRIBE", "p:ss wörd");
        let verdict = authenticator.check("cam1", "PLAY", Some(&digest)).await;
        assert_eq!(verdict, Verdict::Challenge, "for another method");
    }

    #[tokio::test]
    async fn wrong_answers_are_refused_and_not_for_ever() {
        for index in 0..2 {
            let mut authenticator = authenticator();
            let wrong = answer(&authenticator.challenges("cam1")[index], "SETUP", "secret");
            assert_eq!(authenticator.check("cam1", "SETUP", Some(&wrong)).await, Verdict::Challenge);
            assert_eq!(authenticator.check("cam1", "SETUP", Some("Basic")).await, Verdict::Challenge);
            assert_eq!(authenticator.check("cam1", "SETUP", Some(&wrong)).await, Verdict::TooManyFailures);
        }
    }

    /// The one of `authenticator`, with the names of those who were not let in.
    struct Diary(Credentials, Mutex<Vec<String>>);

    impl Gatekeeper for Diary {
        fn asks(&self, path: &str) -> Asks {
            self.0.asks(path)
        }

        fn allows(&self, path: &str, user: &str, password: &str) -> bool {
            self.0.allows(path, user, password)
        }

        fn digest_secret(&self, path: &str, user: &str) -> Option<String> {
            self.0.digest_secret(path, user)
        }

        fn still_allows(&self, path: &str, user: &str) -> bool {
            self.0.still_allows(path, user)
        }

        fn refused(&self, _path: &str, user: &str, _peer: IpAddr) {
            self.1.lock().unwrap().push(user.to_owned());
        }
    }

    #[tokio::test]
    async fn who_is_refused_is_told_with_either_way_to_prove_it() {
        let credentials = Credentials { username: "ad\"min".into(), password: "p:ss wörd".into() };
        let diary = Arc::new(Diary(credentials, Mutex::default()));
        let mut authenticator = authenticator_of(Arc::new(Checks::new(diary.clone())));
        let challenges = authenticator.challenges("cam1");
        for challenge in &challenges {
            let [right, wrong] = ["p:ss wörd", "secret"].map(|it| answer(challenge, "PLAY", it));
            authenticator.check("cam1", "PLAY", Some(&right)).await;
            authenticator.check("cam1", "PLAY", Some(&wrong)).await;
        }
        authenticator.check("cam1", "PLAY", None).await;
        authenticator_of(Arc::new(Checks::new(diary.clone())))
            .check("cam1", "PLAY", Some(&answer(&challenges[0], "PLAY", "p:ss wörd")))
            .await;
        assert_eq!(*diary.1.lock().unwrap(), ["ad\"min", "ad\"min"]);
    }

    #[tokio::test]
    async fn an_answer_for_another_connection_is_refused() {
        let challenge = &authenticator().challenges("cam1")[0];
        let overheard = answer(challenge, "DESCRIBE", "p:ss wörd");
        let verdict = authenticator().check("cam1", "DESCRIBE", Some(&overheard)).await;
        assert_eq!(verdict, Verdict::Challenge);
    }

    /// Lets anna watch `east` after a while, and counts how often it was asked.
    #[derive(Default)]
    struct Slow {
        asked: AtomicUsize,
        at_once: AtomicUsize,
        most_at_once: AtomicUsize,
    }

    impl Gatekeeper for Slow {
        fn asks(&self, path: &str) -> Asks {
            if path == "open" { Asks::Nothing } else { Asks::Basic }
        }

        fn allows(&self, path: &str, user: &str, password: &str) -> bool {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(10));
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            (path, user, password) == ("east", "anna", "a")
        }

        fn digest_secret(&self, _path: &str, _user: &str) -> Option<String> {
            unreachable!("nobody is asked for a digest")
        }

        fn still_allows(&self, path: &str, user: &str) -> bool {
            (path, user) == ("east", "anna")
        }
    }

    #[tokio::test]
    async fn what_was_right_is_asked_once_for_each_path() {
        let slow = Arc::new(Slow::default());
        let mut authenticator = authenticator_of(Arc::new(Checks::new(slow.clone())));
        assert_eq!(authenticator.challenges("east").len(), 1);
        assert_eq!(authenticator.check("open", "PLAY", None).await, Verdict::Allowed(None));
        let anna = Verdict::Allowed(Some("anna".into()));
        for _ in 0..3 {
            assert_eq!(authenticator.check("east", "PLAY", Some("Basic YW5uYTph")).await, anna);
        }
        assert_eq!(slow.asked.load(Ordering::SeqCst), 1);
        authenticator.forget();
        assert_eq!(authenticator.check("east", "PLAY", Some("Basic YW5uYTph")).await, anna);
        assert_eq!(slow.asked.load(Ordering::SeqCst), 2);
        assert!(authenticator.still_allows("east", Some("anna")) && authenticator.still_allows("open", None));
        assert!(
            !authenticator.still_allows("west", Some("anna")) && !authenticator.still_allows("east", None)
        );
        // Another password, and another path, are other questions.
        assert_eq!(authenticator.check("east", "PLAY", Some("Basic YW5uYTpi")).await, Verdict::Challenge);
        assert_eq!(authenticator.check("west", "PLAY", Some("Basic YW5uYTph")).await, Verdict::Challenge);
        // There is no challenge that this answers.
        let digest = "Digest username=\"anna\", nonce=\"\", response=\"\"";
        assert_eq!(authenticator.check("east", "PLAY", Some(digest)).await, Verdict::TooManyFailures);
        assert_eq!(slow.asked.load(Ordering::SeqCst), 4);
    }

    #[tokio::test]
    async fn few_are_checked_at_the_same_time() {
        let slow = Arc::new(Slow::default());
        let checks = Arc::new(Checks::new(slow.clone()));
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let mut authenticator = authenticator_of(checks.clone());
                tokio::spawn(async move { authenticator.check("east", "PLAY", Some("Basic YW5uYTph")).await })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), Verdict::Allowed(Some("anna".into())));
        }
        assert!(slow.most_at_once.load(Ordering::SeqCst) <= MAX_CHECKS);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut authenticator = authenticator();
        for path in 0..100 {
            authenticator.remember(&path.to_string(), "anna", String::new());
        }
        assert_eq!(authenticator.known.len(), MAX_KNOWN);
        assert!(authenticator.known("99", "anna").is_some() && authenticator.known("0", "anna").is_none());
    }
}
