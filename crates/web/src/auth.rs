//! Who asks: whoever has a cookie of a session, or sends a name and a password with each request.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, COOKIE, HeaderMap};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::task::spawn_blocking;
use tokio::time::timeout_at;
use valkka_site::{Role, User, Users};

use crate::answer::Problem;
use crate::app::App;
use crate::sessions::Token;
use crate::tally::network;

/// Somebody who was let in.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) user: User,
    pub(crate) by: Pass,
}

/// By what somebody was let in.
#[derive(Clone, Debug)]
pub(crate) enum Pass {
    /// Nobody is asked.
    Anyone,
    /// A session.
    Session(Token),
    /// A password that was right for one of these.
    Password(Arc<Users>),
}

impl Caller {
    /// Whether he may see the camera called `camera`.
    pub(crate) fn sees(&self, camera: &str) -> bool {
        self.user.may(Role::Viewer, camera)
    }

    /// Whether he may know how the service fares, with causes and places on this machine: those who operate all cameras.
    pub(crate) fn operates(&self) -> bool {
        self.user.service_role() >= Some(Role::Operator)
    }

    /// Whose what he takes is counted as. Nobody is one user where nobody is asked: then his address, `peer`, stands for him.
    pub(crate) fn owner(&self, peer: IpAddr) -> String {
        if self.is_anyone() { network(peer).to_string() } else { format!("user {}", self.user.name) }
    }

    /// Whether he was let in without being asked.
    pub(crate) fn is_anyone(&self) -> bool {
        matches!(self.by, Pass::Anyone)
    }
}

/// Who sends `headers` from `peer`.
///
/// # Errors
/// If somebody has to be let in first, or the password is wrong, or was wrong too often.
pub(crate) async fn identify(app: &App, peer: IpAddr, headers: &HeaderMap) -> Result<Caller, Problem> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let (name, password) =
            value.to_str().map_or(Err(NOT_BASIC), parse_basic).map_err(Problem::unauthorized)?;
        let (user, users) = verify(app, peer, name, password).await?;
        return Ok(Caller { user, by: Pass::Password(users) });
    }
    let tokens = cookies(headers, &app.cookie_name).filter_map(Token::parse);
    if let Some(caller) = tokens.take(MAX_TOKENS).find_map(|token| of_session(app, token)) {
        return Ok(caller);
    }
    if app.options.anyone {
        return Ok(Caller { user: User::anyone(), by: Pass::Anyone });
    }
    Err(Problem::unauthorized("log in first"))
}

/// The user who has this password, and those among whom he has it.
///
/// # Errors
/// If there is none, or he was wrong too often, or too many others are being looked at.
pub(crate) async fn verify(
    app: &App,
    peer: IpAddr,
    name: String,
    password: String,
) -> Result<(User, Arc<Users>), Problem> {
    let patience = (Instant::now() + VERIFY_PATIENCE).into();
    let busy = || Problem::busy("too many are logging in at this moment");
    let turn = timeout_at(patience, app.throttle.turn(peer, &name)).await;
    let _turn = turn.map_err(|_| busy())?;
    app.throttle.pay(peer, &name, Instant::now()).map_err(|wait| {
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "wrong passwords too often; wait").retry_after(wait)
    })?;
    let users = app.site.users();
    if let Some(user) = users.recall(&name, &password) {
        app.throttle.refund(peer, &name, Instant::now());
        return Ok((user, users));
    }
    let Ok(Ok(permit)) = timeout_at(patience, app.verifying.clone().acquire_owned()).await else {
        app.throttle.refund(peer, &name, Instant::now());
        return Err(busy());
    };
    let (among, user) = (users.clone(), name.clone());
    let verified = spawn_blocking(move || {
        let _permit = permit;
        among.verify(&user, &password)
    });
    match verified.await {
        Ok(Some(user)) => {
            app.throttle.refund(peer, &name, Instant::now());
            Ok((user, users))
        }
        Ok(None) => {
            app.figures.logins_refused.add(1);
            app.site.note_login_refused(&name, peer);
            Err(Problem::unauthorized("the name or the password is wrong"))
        }
        Err(_) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the password could not be checked")),
    }
}

/// `caller` as he is now: his session may have ended, and his password or his roles may have changed.
pub(crate) fn still(app: &App, caller: &Caller) -> Option<Caller> {
    match &caller.by {
        Pass::Anyone => Some(caller.clone()),
        Pass::Session(token) => of_session(app, *token),
        Pass::Password(before) => {
            let (users, name) = (app.site.users(), &caller.user.name);
            let user = users.get(name).filter(|_| users.keeps_password(name, before))?;
            Some(Caller { user, by: Pass::Password(users) })
        }
    }
}

fn of_session(app: &App, token: Token) -> Option<Caller> {
    let name = app.sessions.user(token, Instant::now())?;
    Some(Caller { user: app.site.users().get(&name)?, by: Pass::Session(token) })
}

/// The name and the password of Basic authentication (RFC 7617), or in words why there are none.
fn parse_basic(value: &str) -> Result<(String, String), &'static str> {
    let (scheme, encoded) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(NOT_BASIC);
    }
    let decoded = STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let pair = decoded.as_deref().and_then(|text| text.split_once(':'));
    let (name, password) = pair.ok_or(NO_PAIR)?;
    Ok((name.to_owned(), password.to_owned()))
}

/// The values of all cookies called `name`.
fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(move |pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then_some(value)
    })
}

const NOT_BASIC: &str = "only Basic authentication is known";
const NO_PAIR: &str = "what follows Basic must be name:password in Base64, both in UTF-8";

/// How many passwords are looked at, each of which takes a core and some 20 MB for 50 ms.
pub(crate) const MAX_VERIFYING: usize = 2;

/// How long a password waits until it is looked at.
const VERIFY_PATIENCE: Duration = Duration::from_secs(5);

/// How many cookies of one request are looked at; browsers send one.
const MAX_TOKENS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_passwords_are_read_as_they_are_sent() {
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        let read = |value: &str| parse_basic(value);
        assert_eq!(read(&basic("anna:p:ss wörd")), Ok(("anna".into(), "p:ss wörd".into())));
        assert_eq!(read(&basic("anna:").replace("Basic", "bAsIc")), Ok(("anna".into(), String::new())));
        for wrong in ["", "Bearer abc", "Digest"] {
            assert_eq!(read(wrong), Err(NOT_BASIC), "{wrong}");
        }
        for wrong in ["Basic", "Basic ", "Basic *", &basic("no colon"), "Basic /w=="] {
            assert_eq!(read(wrong), Err(NO_PAIR), "{wrong}");
        }
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        for line in ["a=1; valkka=x; valkkax=y", "valkka=z=w", ";;=;valkka"] {
            headers.append(COOKIE, line.parse().unwrap());
        }
        assert_eq!(cookies(&headers, "valkka").collect::<Vec<_>>(), ["x", "z=w"]);
    }
}
