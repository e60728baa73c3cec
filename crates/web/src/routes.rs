//! Every route, in one table: from it come the router, who may do what, and the document of the API.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts as _, RawPathParams, Request, State};
use axum::http::header::{USER_AGENT, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use futures::future::BoxFuture;
use valkka_site::{Role, SiteCamera};

use crate::answer::{Problem, with_header};
use crate::api::{cameras, events, health, login, snapshot, viewers};
use crate::app::App;
use crate::auth::{self, Caller};
use crate::call::{Call, is_json};
use crate::headers::{for_this_machine, from_our_page, secure};
use crate::openapi::{SchemaOf, schema_of};
use crate::server::Peer;
use crate::{archive, live, live_mp4, metrics, openapi, pages};

/// A row of the table.
pub(crate) struct Route {
    pub(crate) method: Verb,
    pub(crate) path: &'static str,
    pub(crate) who: Who,
    /// What it does, in a sentence for those who use the API.
    pub(crate) summary: &'static str,
    pub(crate) query: &'static [Parameter],
    /// What is sent, as JSON.
    pub(crate) body: Option<SchemaOf>,
    pub(crate) answer: Answer,
    handler: Handler,
}

/// The methods that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Post,
}

/// Who may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Everybody,
    /// Whoever is logged in, and everybody where nobody is asked.
    LoggedIn,
    /// Who has this role, or a greater one, for the camera that the path names. Who may not see the camera is told that
    /// there is none.
    OfCamera(Role),
    /// Who has the greatest role for all cameras.
    Admin,
}

/// A value behind the question mark.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) kind: Kind,
}

/// What a value behind the question mark is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A whole number, not below 0.
    Number,
    /// A moment, as RFC 3339 writes it.
    Moment,
    /// Whether or not: 1 or 0.
    Flag,
}

/// What is answered if all goes well.
pub(crate) enum Answer {
    Json(SchemaOf),
    /// Nothing but the status 204.
    Nothing,
    /// Something of this media type.
    Typed(&'static str),
    /// The connection becomes a WebSocket.
    Socket,
}

type Handler = fn(Call) -> BoxFuture<'static, Result<Response, Problem>>;

/// `handler!(cameras::list)` is that function as the table takes it.
macro_rules! handler {
    ($function:path) => {
        |call| Box::pin($function(call))
    };
}

/// All routes.
pub(crate) static ROUTES: &[Route] = &[
    Route {
        method: Verb::Get,
        path: "/",
        who: Who::Everybody,
        summary: "The page with all cameras. What it shows needs the API.",
        query: &[],
        body: None,
        answer: Answer::Typed("text/html"),
        handler: handler!(pages::index),
    },
    Route {
        method: Verb::Get,
        path: "/cameras/{name}",
        who: Who::Everybody,
        summary: "The page with one camera.",
        query: &[],
        body: None,
        answer: Answer::Typed("text/html"),
        handler: handler!(pages::index),
    },
    Route {
        method: Verb::Get,
        path: "/archive",
        who: Who::Everybody,
        summary: "The page with what was recorded of all cameras.",
        query: &[],
        body: None,
        answer: Answer::Typed("text/html"),
        handler: handler!(pages::index),
    },
    Route {
        method: Verb::Get,
        path: "/static/{file}",
        who: Who::Everybody,
        summary: "What the page is made of.",
        query: &[],
        body: None,
        answer: Answer::Typed("*/*"),
        handler: handler!(pages::file),
    },
    Route {
        method: Verb::Get,
        path: "/healthz",
        who: Who::Everybody,
        summary: "Whether the service runs.",
        query: &[],
        body: None,
        answer: Answer::Json(schema_of::<health::Health>),
        handler: handler!(health::healthz),
    },
    Route {
        method: Verb::Get,
        path: "/api/openapi.json",
        who: Who::Everybody,
        summary: "This document.",
        query: &[],
        body: None,
        answer: Answer::Typed("application/json"),
        handler: handler!(openapi::serve),
    },
    Route {
        method: Verb::Post,
        path: "/api/login",
        who: Who::Everybody,
        summary: "Logs in: the answer sets a cookie. Scripts may send Basic authentication with each request instead.",
        query: &[],
        body: Some(schema_of::<login::Login>),
        answer: Answer::Json(schema_of::<login::Me>),
        handler: handler!(login::login),
    },
    Route {
        method: Verb::Post,
        path: "/api/logout",
        who: Who::LoggedIn,
        summary: "Logs out: the session ends, and all that is live in it.",
        query: &[],
        body: None,
        answer: Answer::Nothing,
        handler: handler!(login::logout),
    },
    Route {
        method: Verb::Get,
        path: "/api/me",
        who: Who::LoggedIn,
        summary: "Who is logged in, and what he may do.",
        query: &[],
        body: None,
        answer: Answer::Json(schema_of::<login::Me>),
        handler: handler!(login::me),
    },
    Route {
        method: Verb::Get,
        path: "/api/cameras",
        who: Who::LoggedIn,
        summary: "The cameras that the caller may watch, and how they are.",
        query: &[],
        body: None,
        answer: Answer::Json(schema_of::<cameras::Cameras>),
        handler: handler!(cameras::list),
    },
    Route {
        method: Verb::Get,
        path: "/api/cameras/{name}",
        who: Who::OfCamera(Role::Viewer),
        summary: "How a camera is.",
        query: &[],
        body: None,
        answer: Answer::Json(schema_of::<valkka_site::CameraStatus>),
        handler: handler!(cameras::one),
    },
    Route {
        method: Verb::Get,
        path: "/api/cameras/{name}/snapshot.jpg",
        who: Who::OfCamera(Role::Viewer),
        summary: "The newest picture of a camera that there is, with its time in seconds since 1970 in the header `x-picture-time`.",
        query: &[Parameter {
            name: "width",
            summary: "Its width in pixels, 16 to 3840; that of the camera if left out.",
            kind: Kind::Number,
        }],
        body: None,
        answer: Answer::Typed("image/jpeg"),
        handler: handler!(snapshot::snapshot),
    },
    Route {
        method: Verb::Get,
        path: "/api/cameras/{name}/live.mp4",
        who: Who::OfCamera(Role::Viewer),
        summary: "Live video without end, as fragmented MP4. It ends when the parameters of the stream change.",
        query: &[],
        body: None,
        answer: Answer::Typed("video/mp4"),
        handler: handler!(live_mp4::live_mp4),
    },
    Route {
        method: Verb::Get,
        path: "/api/archive",
        who: Who::LoggedIn,
        summary: "What was recorded of the cameras that the caller may watch.",
        query: &[],
        body: None,
        answer: Answer::Json(schema_of::<archive::Recordings>),
        handler: handler!(archive::list),
    },
    Route {
        method: Verb::Get,
        path: "/api/cameras/{name}/archive",
        who: Who::OfCamera(Role::Viewer),
        summary: "From when to when a camera was recorded, and why not in between.",
        query: &[
            Parameter { name: "from", summary: "Where the span begins.", kind: Kind::Moment },
            Parameter { name: "to", summary: "Where it ends, ten years later at most.", kind: Kind::Moment },
        ],
        body: None,
        answer: Answer::Json(schema_of::<archive::Timeline>),
        handler: handler!(archive::timeline),
    },
    Route {
        method: Verb::Get,
        path: "/api/cameras/{name}/archive/video.mp4",
        who: Who::OfCamera(Role::Viewer),
        summary: "What was recorded from a key frame on, as fragmented MP4; the header `valkka-start` is the moment of its first picture.",
        query: &[
            Parameter {
                name: "from",
                summary: "It begins at the key frame before this.",
                kind: Kind::Moment,
            },
            Parameter { name: "to", summary: "Where it ends, an hour later at most.", kind: Kind::Moment },
            Parameter {
                name: "download",
                summary: "1 to save it: then it may be 24 hours long.",
                kind: Kind::Flag,
            },
        ],
        body: None,
        answer: Answer::Typed("video/mp4"),
        handler: handler!(archive::film),
    },
    Route {
        method: Verb::Get,
        path: "/api/cameras/{name}/archive/picture.jpg",
        who: Who::OfCamera(Role::Viewer),
        summary: "What was to be seen at a moment; the header `valkka-time` is when the picture was taken.",
        query: &[
            Parameter { name: "at", summary: "The moment.", kind: Kind::Moment },
            Parameter {
                name: "width",
                summary: "Its width in pixels, 16 to 3840; as recorded if left out.",
                kind: Kind::Number,
            },
            Parameter {
                name: "near",
                summary: "1 for the key frame near the moment, which is there sooner.",
                kind: Kind::Flag,
            },
        ],
        body: None,
        answer: Answer::Typed("image/jpeg"),
        handler: handler!(archive::picture),
    },
    Route {
        method: Verb::Post,
        path: "/api/cameras/{name}/record",
        who: Who::OfCamera(Role::Operator),
        summary: "Has something that happened recorded, with what came before and comes after it.",
        query: &[],
        body: Some(schema_of::<archive::Trigger>),
        answer: Answer::Nothing,
        handler: handler!(archive::trigger),
    },
    Route {
        method: Verb::Post,
        path: "/api/cameras/{name}/reconnect",
        who: Who::OfCamera(Role::Operator),
        summary: "Ends the connection to a camera and makes a new one.",
        query: &[],
        body: None,
        answer: Answer::Nothing,
        handler: handler!(cameras::reconnect),
    },
    Route {
        method: Verb::Get,
        path: "/api/events",
        who: Who::LoggedIn,
        summary: "What happened lately to the cameras that the caller may watch, the oldest first.",
        query: &[Parameter {
            name: "since",
            summary: "Only events after the one with this number.",
            kind: Kind::Number,
        }],
        body: None,
        answer: Answer::Json(schema_of::<events::Events<'static>>),
        handler: handler!(events::events),
    },
    Route {
        method: Verb::Get,
        path: "/api/live",
        who: Who::LoggedIn,
        summary: "A WebSocket for live video, the state of the cameras and events as they happen.",
        query: &[],
        body: None,
        answer: Answer::Socket,
        handler: handler!(live::live),
    },
    Route {
        method: Verb::Get,
        path: "/api/viewers",
        who: Who::Admin,
        summary: "Who watches over RTSP.",
        query: &[],
        body: None,
        answer: Answer::Json(schema_of::<viewers::Viewers>),
        handler: handler!(viewers::viewers),
    },
    Route {
        method: Verb::Get,
        path: "/metrics",
        who: Who::LoggedIn,
        summary: "Figures for Prometheus, in the OpenMetrics text format, of the cameras that the caller may watch.",
        query: &[],
        body: None,
        answer: Answer::Typed("application/openmetrics-text"),
        handler: handler!(metrics::metrics),
    },
];

/// What answers requests.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        router = router.route(route.path, method_router(route));
    }
    let not_found = || async { Problem::new(StatusCode::NOT_FOUND, "there is nothing here") };
    let not_allowed = || async { Problem::new(StatusCode::METHOD_NOT_ALLOWED, "not by this method") };
    let router = router.fallback(not_found).method_not_allowed_fallback(not_allowed);
    router.layer(map_response(secure)).with_state(app.clone())
}

fn method_router(route: &'static Route) -> MethodRouter<Arc<App>> {
    let filter = match route.method {
        Verb::Get => MethodFilter::GET,
        Verb::Post => MethodFilter::POST,
    };
    on(filter, move |State(app): State<Arc<App>>, request: Request| answer(route, app, request))
}

async fn answer(route: &'static Route, app: Arc<App>, request: Request) -> Response {
    app.figures.requests.add(1);
    let challenge = if is_browser(request.headers()) { FORM } else { BASIC };
    let answered = match admit(route, app, request).await {
        Ok(call) => {
            let operates = call.caller.as_ref().is_some_and(Caller::operates);
            (route.handler)(call).await.map_err(|problem| problem.told(operates))
        }
        Err(problem) => Err(problem),
    };
    answered.unwrap_or_else(|problem| {
        let unauthorized = problem.status() == StatusCode::UNAUTHORIZED;
        let response = problem.into_response();
        if !unauthorized {
            return response;
        }
        with_header(response, WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    })
}

/// Makes a call of a request, if it may be made.
async fn admit(route: &Route, app: Arc<App>, request: Request) -> Result<Call, Problem> {
    let (mut parts, body) = request.into_parts();
    let headers = &parts.headers;
    if app.options.anyone && app.is_private() && !for_this_machine(headers) {
        let message = "this service is for the machine that it runs on: ask for localhost or an address";
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, message));
    }
    if route.method == Verb::Post || matches!(route.answer, Answer::Socket) {
        if !from_our_page(headers) {
            return Err(Problem::new(StatusCode::FORBIDDEN, "the page that asks is not of this server"));
        }
        if route.method == Verb::Post && !is_json(headers) {
            let message = "what is sent has to be of the type application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
        }
    }
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
    let peer =
        peer.ok_or_else(|| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "it is not known who asks"))?;
    let caller = match route.who {
        Who::Everybody => None,
        Who::LoggedIn | Who::OfCamera(_) | Who::Admin => {
            Some(auth::identify(&app, peer.ip(), headers).await?)
        }
    };
    let params = RawPathParams::from_request_parts(&mut parts, &()).await;
    let params = params.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    let param = params.iter().next().map(|(_, value)| value.to_owned());
    let camera = match (route.who, &caller) {
        (Who::OfCamera(role), Some(caller)) => {
            Some(camera_for(role, &app, caller, param.as_deref().unwrap_or_default())?)
        }
        (Who::Admin, Some(caller)) if caller.user.service_role() < Some(Role::Admin) => {
            return Err(Problem::new(StatusCode::FORBIDDEN, "this takes the role admin for all cameras"));
        }
        _ => None,
    };
    Ok(Call { app, peer, caller, camera, param, request: Request::from_parts(parts, body) })
}

/// The camera called `name`, with which the caller may do what `role` may.
fn camera_for(role: Role, app: &App, caller: &Caller, name: &str) -> Result<Arc<SiteCamera>, Problem> {
    if !caller.sees(name) {
        return Err(Problem::no_camera());
    }
    let camera = app.site.camera(name).ok_or_else(Problem::no_camera)?;
    if !caller.user.may(role, name) {
        let message = format!("this takes the role {role} for the camera");
        return Err(Problem::new(StatusCode::FORBIDDEN, message));
    }
    Ok(camera)
}

/// Whether a request is of a browser, every one of which has called itself so for thirty years.
///
/// Browsers answer a challenge with a dialogue of their own, which the page cannot do anything about; programs wait for
/// one before they send what they have been given in the address.
fn is_browser(headers: &HeaderMap) -> bool {
    let agent = headers.get(USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
    agent.starts_with(b"Mozilla/")
}

/// What programs are asked for.
const BASIC: &str = "Basic realm=\"valkka\", charset=\"UTF-8\"";

/// What browsers are asked for, in words that none of them knows: the page has a form.
const FORM: &str = "Form realm=\"valkka\"";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_rows_are_of_one_path_and_each_says_what_it_does() {
        let paths: BTreeSet<_> = ROUTES.iter().map(|route| route.path).collect();
        assert_eq!(paths.len(), ROUTES.len());
        for route in ROUTES {
            assert!(route.summary.ends_with('.'), "{}", route.path);
            let of_camera = matches!(route.who, Who::OfCamera(_));
            assert_eq!(of_camera, route.path.starts_with("/api/cameras/{name}"), "{}", route.path);
        }
    }

    #[test]
    fn whatever_is_under_the_api_is_for_somebody() {
        let open: Vec<_> = ROUTES.iter().filter(|route| route.who == Who::Everybody).collect();
        let open: Vec<_> =
            open.iter().map(|route| route.path).filter(|path| path.starts_with("/api")).collect();
        assert_eq!(open, ["/api/openapi.json", "/api/login"]);
    }
}
