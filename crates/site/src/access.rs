//! Who may watch what over RTSP.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use valkka::lock::lock;
use valkka::net::server::{Asks, Gatekeeper};

use crate::event::{EventKind, EventLog};
use crate::role::Role;
use crate::users::Users;

/// What the RTSP server asks. The users may be replaced while it is asked.
pub(crate) struct Access {
    users: ArcSwap<Users>,
    /// Whether nobody is asked.
    anyone: AtomicBool,
    events: Arc<EventLog>,
    /// When the last refusals were noted.
    refusals: Mutex<VecDeque<Instant>>,
}

impl Access {
    pub(crate) fn new(users: Users, anyone: bool, events: Arc<EventLog>) -> Self {
        let users = ArcSwap::from_pointee(users);
        Self { users, anyone: AtomicBool::new(anyone), events, refusals: Mutex::default() }
    }

    /// The users as they are now.
    pub(crate) fn users(&self) -> Arc<Users> {
        self.users.load_full()
    }

    /// Goes on with other users.
    pub(crate) fn replace(&self, users: Users, anyone: bool) {
        self.users.store(Arc::new(users));
        self.anyone.store(anyone, Ordering::Release);
    }

    /// Notes that somebody was refused, but no flood of it: whoever tries passwords must not push everything else out of
    /// the log.
    ///
    /// `what` is what was to be had; names are what a stranger sent.
    pub(crate) fn note_refusal(&self, user: &str, what: &str) {
        let now = Instant::now();
        let mut refusals = lock(&self.refusals);
        while refusals.front().is_some_and(|&first| now.duration_since(first) > REFUSALS_WITHIN) {
            refusals.pop_front();
        }
        if refusals.len() >= REFUSALS {
            return;
        }
        refusals.push_back(now);
        drop(refusals);
        self.events.note(None, EventKind::Refused, format!("{} was refused by {what}", shown(user)));
    }
}

impl Gatekeeper for Access {
    /// The same for all paths, so that the answer tells nobody which cameras there are. Digest is offered once all users
    /// can log in by it: players take the first way that they are offered, and do not try the other one.
    fn asks(&self, _path: &str) -> Asks {
        if self.anyone.load(Ordering::Acquire) {
            Asks::Nothing
        } else if self.users.load().all_have_digest() {
            Asks::BasicOrDigest
        } else {
            Asks::Basic
        }
    }

    fn allows(&self, path: &str, user: &str, password: &str) -> bool {
        let found = self.users().verify(user, password);
        found.is_some_and(|user| user.may(Role::Viewer, path))
    }

    fn digest_secret(&self, path: &str, user: &str) -> Option<String> {
        let users = self.users.load();
        users.get(user).filter(|user| user.may(Role::Viewer, path))?;
        users.digest(user).map(str::to_owned)
    }

    fn still_allows(&self, path: &str, user: &str) -> bool {
        self.anyone.load(Ordering::Acquire)
            || self.users.load().get(user).is_some_and(|user| user.may(Role::Viewer, path))
    }

    fn refused(&self, path: &str, user: &str, peer: IpAddr) {
        self.note_refusal(user, &format!("the RTSP server for {}, from {peer}", shown(path)));
    }
}

/// What a stranger sent: short, and without control characters.
fn shown(text: &str) -> String {
    format!("\"{}\"", text.chars().take(64).collect::<String>().escape_debug())
}

/// So many refusals are noted at most …
const REFUSALS: usize = 10;
/// … within this time.
const REFUSALS_WITHIN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;

    use super::*;
    use crate::config::UserConfig;
    use crate::users::hash_password;

    fn user(digest: Option<&str>, camera: &str) -> UserConfig {
        UserConfig {
            password: hash_password("secret").unwrap(),
            digest: digest.map(str::to_owned),
            roles: BTreeMap::from([(camera.to_owned(), Role::Viewer)]),
        }
    }

    fn access(users: &[(&str, UserConfig)]) -> Access {
        let users = users.iter().map(|(name, user)| ((*name).to_owned(), user.clone())).collect();
        Access::new(Users::new(&users), false, Arc::default())
    }

    #[test]
    fn only_those_with_a_role_are_let_in() {
        let access = access(&[("anna", user(None, "front")), ("root", user(None, "*"))]);
        assert_eq!(access.asks("front"), Asks::Basic);
        assert!(access.allows("front", "anna", "secret") && access.allows("back", "root", "secret"));
        assert!(!access.allows("back", "anna", "secret") && !access.allows("front", "bob", "secret"));
        assert!(!access.allows("front", "anna", "wrong"));
        assert_eq!(access.digest_secret("front", "anna"), None);
        assert!(access.still_allows("front", "anna") && !access.still_allows("back", "anna"));
        access.replace(Users::new(&BTreeMap::new()), false);
        assert!(!access.still_allows("front", "anna") && !access.allows("front", "anna", "secret"));
        access.replace(Users::new(&BTreeMap::new()), true);
        assert!(access.asks("front") == Asks::Nothing && access.still_allows("front", ""));
    }

    #[test]
    fn digest_is_offered_once_all_have_it() {
        let with = || user(Some("0123"), "front");
        let access = access(&[("anna", with()), ("bob", user(None, "back"))]);
        assert_eq!((access.asks("front"), access.asks("none")), (Asks::Basic, Asks::Basic));
        access.replace(Users::new(&BTreeMap::from([("anna".to_owned(), with())])), false);
        assert_eq!((access.asks("front"), access.asks("none")), (Asks::BasicOrDigest, Asks::BasicOrDigest));
        assert_eq!(access.digest_secret("front", "anna").as_deref(), Some("0123"));
        assert_eq!(
            (access.digest_secret("back", "anna"), access.digest_secret("front", "bob")),
            (None, None)
        );
    }

    #[test]
    fn a_flood_of_refusals_leaves_the_log_as_it_is() {
        let access = access(&[]);
        for _ in 0..100 {
            access.refused("front\n", &"x".repeat(1000), Ipv4Addr::LOCALHOST.into());
        }
        let events = access.events.recent(0);
        assert_eq!(events.len(), REFUSALS);
        assert!(events[0].text.len() < 200 && !events[0].text.contains('\n'), "{}", events[0].text);
    }
}
