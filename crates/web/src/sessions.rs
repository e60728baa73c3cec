//! Who is logged in with a cookie.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use valkka::lock::lock;
use valkka_site::Users;

/// What a cookie holds: 32 random bytes, which mean nothing outside this process.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Token([u8; 32]);

/// Who is logged in with a cookie.
///
/// It is in memory alone, but may outlive a server: whoever is logged in stays so when [`Web::resume`](crate::Web::resume)
/// starts another one of the same site. Clones share it. Methods may be called from any thread.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    /// All sessions are of users who have the password among these that they logged in with.
    users: Option<Arc<Users>>,
    sessions: HashMap<Token, Session>,
}

#[derive(Debug)]
struct Session {
    user: String,
    used: Instant,
    /// After how long without use it is over.
    idle: Duration,
}

impl Token {
    /// One that nobody can guess.
    ///
    /// # Errors
    /// If the kernel gives no random bytes, as in the first moments after its start.
    fn random() -> Result<Self, Errno> {
        let mut bytes = [0; 32];
        // Up to 256 bytes come at once or not at all (getrandom(2)).
        getrandom(&mut bytes[..], GetRandomFlags::NONBLOCK)?;
        Ok(Self(bytes))
    }

    /// That a cookie holds, if it can be one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        // The length first: nothing long is decoded.
        if text.len() != 43 {
            return None;
        }
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// As a cookie holds it.
    pub(crate) fn to_text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(***)")
    }
}

impl Sessions {
    /// Begins a session of `user`, which ends when it was not used for `idle`. His oldest gives way if there are too many.
    ///
    /// # Errors
    /// If the kernel gives no random bytes.
    pub(crate) fn begin(&self, user: &str, idle: Duration, now: Instant) -> Result<Token, Errno> {
        let token = Token::random()?;
        let sessions = &mut lock(&self.open).sessions;
        if sessions.len() >= MAX_SESSIONS {
            sessions.retain(|_, session| !session.is_over(now));
        }
        while sessions.values().filter(|session| session.user == user).count() >= MAX_PER_USER {
            remove_oldest(sessions, |session| session.user == user);
        }
        if sessions.len() >= MAX_SESSIONS {
            remove_oldest(sessions, |_| true);
        }
        sessions.insert(token, Session { user: user.to_owned(), used: now, idle });
        Ok(token)
    }

    /// The user of a session that is not over, which counts as its use.
    pub(crate) fn user(&self, token: Token, now: Instant) -> Option<String> {
        let sessions = &mut lock(&self.open).sessions;
        let session = sessions.get_mut(&token)?;
        if session.is_over(now) {
            sessions.remove(&token);
            return None;
        }
        session.used = now;
        Some(session.user.clone())
    }

    /// Ends a session; whether there was one.
    pub(crate) fn end(&self, token: Token) -> bool {
        lock(&self.open).sessions.remove(&token).is_some()
    }

    /// Goes on among `users`: ends the sessions of those who are gone, or have another password than before.
    pub(crate) fn revise(&self, users: &Arc<Users>) {
        let mut open = lock(&self.open);
        let before = open.users.replace(users.clone());
        if let Some(before) = before.filter(|before| !Arc::ptr_eq(before, users)) {
            open.sessions.retain(|_, session| users.keeps_password(&session.user, &before));
        }
    }
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.used) >= self.idle
    }
}

fn remove_oldest(sessions: &mut HashMap<Token, Session>, among: impl Fn(&Session) -> bool) {
    let oldest =
        sessions.iter().filter(|(_, session)| among(session)).min_by_key(|(_, session)| session.used);
    if let Some(token) = oldest.map(|(token, _)| *token) {
        sessions.remove(&token);
    }
}

/// Sessions at the same time.
const MAX_SESSIONS: usize = 4096;

/// Sessions of one user: browsers that were left without logging out.
const MAX_PER_USER: usize = 64;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use valkka_site::UserConfig;

    use super::*;

    const IDLE: Duration = Duration::from_secs(100);

    /// Users with the hashes of their passwords, which nobody looks into here.
    fn users(users: &[(&str, &str)]) -> Arc<Users> {
        let config = |hash: &str| UserConfig { password: hash.to_owned(), ..UserConfig::default() };
        let users: BTreeMap<_, _> =
            users.iter().map(|(name, hash)| ((*name).to_owned(), config(hash))).collect();
        Arc::new(Users::new(&users))
    }

    #[test]
    fn a_session_lasts_as_long_as_it_is_used() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let token = sessions.begin("anna", IDLE, start).unwrap();
        let mut now = start;
        for _ in 0..5 {
            now += IDLE - Duration::from_secs(1);
            assert_eq!(sessions.user(token, now).as_deref(), Some("anna"));
        }
        assert_eq!(sessions.user(token, now + IDLE), None);
        assert_eq!(sessions.user(token, now), None, "it does not come back");
    }

    #[test]
    fn it_ends_by_logging_out_and_with_its_user() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        sessions.revise(&users(&[("anna", "a"), ("ben", "b"), ("carl", "c")]));
        let [anna, ben, carl] = ["anna", "ben", "carl"].map(|name| sessions.begin(name, IDLE, now).unwrap());
        let other = sessions.begin("anna", IDLE, now).unwrap();
        assert!(sessions.end(other) && !sessions.end(other));
        assert_eq!(sessions.user(other, now), None);
        // Ben has another password, and Carl is gone.
        let later = users(&[("anna", "a"), ("ben", "x")]);
        sessions.clone().revise(&later);
        sessions.revise(&later);
        let left = [anna, ben, carl].map(|token| sessions.user(token, now));
        assert_eq!(left, [Some("anna".to_owned()), None, None]);
    }

    #[test]
    fn one_user_takes_no_sessions_of_others() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let anna = sessions.begin("anna", IDLE, start).unwrap();
        let first = sessions.begin("ben", IDLE, start).unwrap();
        for number in 1..=MAX_PER_USER as u64 {
            sessions.begin("ben", IDLE, start + Duration::from_millis(number)).unwrap();
        }
        assert_eq!(sessions.user(first, start), None, "ben's oldest gave way");
        assert_eq!(sessions.user(anna, start).as_deref(), Some("anna"));
        for number in 0..2 * MAX_SESSIONS {
            sessions.begin(&number.to_string(), IDLE, start).unwrap();
        }
        assert!(lock(&sessions.open).sessions.len() <= MAX_SESSIONS);
    }

    #[test]
    fn a_token_is_read_back_and_nothing_else_is_one() {
        let token = Token::random().unwrap();
        let text = token.to_text();
        assert_eq!(Token::parse(&text), Some(token));
        assert_ne!(Token::random().unwrap(), token);
        for wrong in ["", "x", &text[1..], &format!("{text}="), &format!("{text}a"), &"é".repeat(43)] {
            assert_eq!(Token::parse(wrong), None, "{wrong}");
        }
        assert!(!format!("{token:?}").contains(&text));
    }
}
