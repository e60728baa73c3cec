//! Logging in and out.

use std::collections::BTreeMap;
use std::time::Instant;

use axum::http::header::SET_COOKIE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::debug;
use valkka_site::Role;

use crate::answer::{Problem, json, with_header};
use crate::app::App;
use crate::auth::{Caller, Pass, verify};
use crate::call::Call;

/// Who wants to log in.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Login {
    /// The name.
    user: String,
    /// The password.
    password: String,
}

/// Who is logged in.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Me {
    /// The name; `null` if nobody was asked for it.
    user: Option<String>,
    /// What the caller may do with all cameras.
    role: Option<Role>,
    /// What the caller may do with each camera that he may watch.
    cameras: BTreeMap<String, Role>,
}

impl Me {
    fn new(app: &App, caller: &Caller) -> Self {
        let cameras = app.site.cameras();
        let role = |name: &str| Some((name.to_owned(), caller.user.role(name)?));
        Self {
            user: (!caller.is_anyone()).then(|| caller.user.name.to_string()),
            role: caller.user.service_role(),
            cameras: cameras.iter().filter_map(|camera| role(camera.name())).collect(),
        }
    }
}

pub(crate) async fn login(call: Call) -> Result<Response, Problem> {
    let (app, peer) = (call.app.clone(), call.peer);
    let Login { user, password } = call.body().await?;
    let (user, among) = verify(&app, peer.ip(), user, password).await?;
    // The password may have been changed since it was looked at, or just before.
    let users = app.site.users();
    app.sessions.revise(&users);
    if !users.keeps_password(&user.name, &among) {
        return Err(Problem::unauthorized("the password has just been changed"));
    }
    let token = app.sessions.begin(&user.name, app.options.session_idle, Instant::now());
    let token = token.map_err(|error| {
        debug!(%error, "the system gives no random bytes");
        Problem::busy("no session can be made at this moment")
    })?;
    debug!(%peer, user = %user.name, "logged in");
    let caller = Caller { user, by: Pass::Session(token) };
    cookie(json(&Me::new(&app, &caller)), &app, &token.to_text(), "")
}

pub(crate) async fn logout(call: Call) -> Result<Response, Problem> {
    if let Pass::Session(token) = call.caller()?.by
        && call.app.sessions.end(token)
    {
        call.app.revise_access();
    }
    cookie(StatusCode::NO_CONTENT.into_response(), &call.app, "", "; Max-Age=0")
}

pub(crate) async fn me(call: Call) -> Result<Response, Problem> {
    Ok(json(&Me::new(&call.app, call.caller()?)))
}

/// `response` with our cookie, which scripts cannot read and other sites cannot send.
fn cookie(response: Response, app: &App, value: &str, age: &str) -> Result<Response, Problem> {
    let secure = if app.options.tls.is_some() { "; Secure" } else { "" };
    let text = format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{age}", app.cookie_name);
    let value = HeaderValue::from_str(&text)
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(with_header(response, SET_COOKIE, value))
}
