//! The page, built in.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::OnceLock;

use axum::http::header::{CACHE_CONTROL, ETAG};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};

use crate::answer::{Problem, typed, with_header};
use crate::call::Call;
use crate::headers::knows;

/// A file of the page.
struct Page {
    name: &'static str,
    mime: &'static str,
    content: &'static [u8],
    /// What its content is called, made when it is first asked for.
    tag: OnceLock<String>,
}

/// `GET /`, `GET /cameras/{name}` and `GET /archive`: the page, which looks at its own address.
pub(crate) async fn index(call: Call) -> Result<Response, Problem> {
    Ok(INDEX.answer(call.request.headers()))
}

/// `GET /static/{file}`: what the page is made of.
pub(crate) async fn file(call: Call) -> Result<Response, Problem> {
    let name = call.param.as_deref().unwrap_or_default();
    let page = FILES.iter().find(|page| page.name == name);
    let page = page.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "there is no such file"))?;
    Ok(page.answer(call.request.headers()))
}

impl Page {
    const fn new(name: &'static str, mime: &'static str, content: &'static [u8]) -> Self {
        Self { name, mime, content, tag: OnceLock::new() }
    }

    /// The file, or that the browser has it already.
    fn answer(&self, headers: &HeaderMap) -> Response {
        let tag = self.tag.get_or_init(|| {
            let mut hasher = DefaultHasher::new();
            self.content.hash(&mut hasher);
            format!("\"{:016x}\"", hasher.finish())
        });
        let response = if knows(headers, tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            typed(self.mime, self.content)
        };
        // The browser asks each time whether it changed, so a new version is there at once.
        let response = with_header(response, CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        match HeaderValue::from_str(tag) {
            Ok(tag) => with_header(response, ETAG, tag),
            Err(_) => response,
        }
    }
}

/// `page!("app.js", JS)` is the file of that name in the folder of the page.
macro_rules! page {
    ($name:literal, $mime:expr) => {
        Page::new($name, $mime, include_bytes!(concat!("../page/", $name)))
    };
}

const HTML: &str = "text/html; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";

static INDEX: Page = page!("index.html", HTML);

/// Everything in the folder of the page but the page itself.
static FILES: [Page; 41] = [
    page!("address.js", JS),
    page!("api.js", JS),
    page!("app.js", JS),
    page!("archive.css", CSS),
    page!("archive.js", JS),
    page!("attention.js", JS),
    page!("bar.js", JS),
    page!("camera.js", JS),
    page!("clock.js", JS),
    page!("deck.js", JS),
    page!("dom.js", JS),
    page!("events.js", JS),
    page!("export.js", JS),
    page!("feed.js", JS),
    page!("footage.js", JS),
    page!("format.js", JS),
    page!("gaps.js", JS),
    page!("grid.js", JS),
    page!("help.js", JS),
    page!("icon.svg", SVG),
    page!("lane.js", JS),
    page!("login.js", JS),
    page!("moment.js", JS),
    page!("mp4.js", JS),
    page!("notice.js", JS),
    page!("peek.js", JS),
    page!("picture.js", JS),
    page!("player.js", JS),
    page!("recorder.js", JS),
    page!("recordings.js", JS),
    page!("reel.js", JS),
    page!("replay.js", JS),
    page!("screen.js", JS),
    page!("socket.js", JS),
    page!("span.js", JS),
    page!("stills.js", JS),
    page!("style.css", CSS),
    page!("theme.js", JS),
    page!("timeline.js", JS),
    page!("transport.js", JS),
    page!("wall.js", JS),
];

#[cfg(test)]
mod tests {
    use std::fs;

    use axum::http::header::IF_NONE_MATCH;

    use super::*;

    #[test]
    fn every_file_of_the_page_is_built_in_with_its_type() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/page");
        let mut found: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != INDEX.name)
            .collect();
        found.sort();
        assert_eq!(found, FILES.iter().map(|page| page.name).collect::<Vec<_>>());
        for page in &FILES {
            let mime = match page.name.rsplit_once('.').unwrap().1 {
                "js" => JS,
                "css" => CSS,
                "svg" => SVG,
                other => panic!("a type for .{other}"),
            };
            assert_eq!(page.mime, mime, "{}", page.name);
        }
    }

    #[test]
    fn what_the_browser_has_is_not_sent_again() {
        let first = INDEX.answer(&HeaderMap::new());
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers()[ETAG].to_str().unwrap();
        for (known, status) in [(tag, StatusCode::NOT_MODIFIED), ("\"x\"", StatusCode::OK)] {
            let headers = HeaderMap::from_iter([(IF_NONE_MATCH, known.parse().unwrap())]);
            assert_eq!(INDEX.answer(&headers).status(), status, "{known}");
        }
    }
}
