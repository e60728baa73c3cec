//! Who is logged in with a cookie.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use valkka::lock::lock;

/// What a cookie holds: 32 random bytes, which mean nothing outside this process.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Token([u8; 32]);

/// All sessions, in memory: who was logged in logs in again after a restart.
#[derive(Debug)]
pub(crate) struct Sessions {
    idle: Duration,
    open: Mutex<HashMap<Token, Session>>,
}

#[derive(Debug)]
struct Session {
    user: String,
    used: Instant,
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
    /// Sessions that end when they were not used for `idle`.
    pub(crate) fn new(idle: Duration) -> Self {
        Self { idle, open: Mutex::default() }
    }

    /// Begins a session of `user`, whose oldest gives way if there are too many.
    ///
    /// # Errors
    /// If the kernel gives no random bytes.
    pub(crate) fn begin(&self, user: &str, now: Instant) -> Result<Token, Errno> {
        let token = Token::random()?;
        let mut open = lock(&self.open);
        if open.len() >= MAX_SESSIONS {
            open.retain(|_, session| !session.is_over(now, self.idle));
        }
        while open.values().filter(|session| session.user == user).count() >= MAX_PER_USER {
            remove_oldest(&mut open, |session| session.user == user);
        }
        if open.len() >= MAX_SESSIONS {
            remove_oldest(&mut open, |_| true);
        }
        open.insert(token, Session { user: user.to_owned(), used: now });
        Ok(token)
    }

    /// The user of a session that is not over, which counts as its use.
    pub(crate) fn user(&self, token: Token, now: Instant) -> Option<String> {
        let mut open = lock(&self.open);
        let session = open.get_mut(&token)?;
        if session.is_over(now, self.idle) {
            open.remove(&token);
            return None;
        }
        session.used = now;
        Some(session.user.clone())
    }

    /// Ends a session; whether there was one.
    pub(crate) fn end(&self, token: Token) -> bool {
        lock(&self.open).remove(&token).is_some()
    }

    /// Ends the sessions of all users who may not stay.
    pub(crate) fn keep(&self, mut may_stay: impl FnMut(&str) -> bool) {
        lock(&self.open).retain(|_, session| may_stay(&session.user));
    }
}

impl Session {
    fn is_over(&self, now: Instant, idle: Duration) -> bool {
        now.saturating_duration_since(self.used) >= idle
    }
}

fn remove_oldest(open: &mut HashMap<Token, Session>, among: impl Fn(&Session) -> bool) {
    let oldest = open.iter().filter(|(_, session)| among(session)).min_by_key(|(_, session)| session.used);
    if let Some(token) = oldest.map(|(token, _)| *token) {
        open.remove(&token);
    }
}

/// Sessions at the same time.
const MAX_SESSIONS: usize = 4096;

/// Sessions of one user: browsers that were left without logging out.
const MAX_PER_USER: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(100);

    #[test]
    fn a_session_lasts_as_long_as_it_is_used() {
        let (sessions, start) = (Sessions::new(IDLE), Instant::now());
        let token = sessions.begin("anna", start).unwrap();
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
        let (sessions, now) = (Sessions::new(IDLE), Instant::now());
        let (anna, ben) = (sessions.begin("anna", now).unwrap(), sessions.begin("ben", now).unwrap());
        assert!(sessions.end(ben) && !sessions.end(ben));
        assert_eq!(sessions.user(ben, now), None);
        sessions.keep(|user| user != "anna");
        assert_eq!(sessions.user(anna, now), None);
    }

    #[test]
    fn one_user_takes_no_sessions_of_others() {
        let (sessions, start) = (Sessions::new(IDLE), Instant::now());
        let anna = sessions.begin("anna", start).unwrap();
        let first = sessions.begin("ben", start).unwrap();
        for number in 1..=MAX_PER_USER as u64 {
            sessions.begin("ben", start + Duration::from_millis(number)).unwrap();
        }
        assert_eq!(sessions.user(first, start), None, "ben's oldest gave way");
        assert_eq!(sessions.user(anna, start).as_deref(), Some("anna"));
        for number in 0..2 * MAX_SESSIONS {
            sessions.begin(&number.to_string(), start).unwrap();
        }
        assert!(lock(&sessions.open).len() <= MAX_SESSIONS);
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
