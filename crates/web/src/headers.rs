//! What requests say of where they come from and what they have, and what every answer tells the browser, so that a page of
//! somebody else gets nothing out of ours.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderMap, IF_NONE_MATCH, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;

/// Adds what is not there yet.
pub(crate) async fn secure(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Whether the peer has what is called `tag`, an entity tag with its quotation marks, already (RFC 9110, 13.1.2).
pub(crate) fn knows(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.flat_map(|value| value.split(',')).any(|value| {
        let value = value.trim();
        value == "*" || value.strip_prefix("W/").unwrap_or(value) == tag
    })
}

/// Whether the page that a request comes from, if it says so, is ours: it was loaded from the host that it now asks.
pub(crate) fn from_our_page(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let (Ok(origin), Some(Ok(host))) = (origin.to_str(), headers.get(HOST).map(HeaderValue::to_str)) else {
        return false;
    };
    let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

/// Whether the request was meant for this machine alone, by the name that it was sent to.
///
/// A page of somebody else can have its own name lead to a loopback address, and would then be taken for ours.
pub(crate) fn for_this_machine(headers: &HeaderMap) -> bool {
    let Some(Ok(host)) = headers.get(HOST).map(HeaderValue::to_str) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    address.is_ok() || name.eq_ignore_ascii_case("localhost")
}

const HEADERS: [(HeaderName, &str); 7] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (CACHE_CONTROL, "no-store"),
];

/// Video comes from `blob:` addresses, which Media Source Extensions are attached by. Nothing else is from elsewhere than
/// this server, and nothing is written into the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
                      media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn what_the_peer_has_is_known_by_its_tag() {
        for (value, known) in [
            ("\"a\"", true),
            ("\"x\", W/\"a\"", true),
            ("*", true),
            ("\"x\"", false),
            ("a", false),
            ("", false),
        ] {
            assert_eq!(knows(&headers(&[(IF_NONE_MATCH, value)]), "\"a\""), known, "{value}");
        }
        assert!(!knows(&HeaderMap::new(), "\"a\""));
    }

    #[test]
    fn pages_of_others_are_told_from_ours() {
        for (origin, ours) in [
            ("http://cams.example:8080", true),
            ("https://CAMS.example:8080", true),
            ("http://cams.example", false),
            ("http://evil.example", false),
            ("http://cams.example:8080.evil.example", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(
                from_our_page(&headers(&[(HOST, "cams.example:8080"), (ORIGIN, origin)])),
                ours,
                "{origin}"
            );
        }
        assert!(from_our_page(&headers(&[(HOST, "cams.example")])), "a script says nothing");
        assert!(!from_our_page(&headers(&[(ORIGIN, "http://cams.example")])));
    }

    #[test]
    fn names_of_others_are_told_from_addresses() {
        for host in
            ["127.0.0.1", "127.0.0.1:8080", "localhost", "LocalHost:80", "[::1]:8080", "[::1]", "192.0.2.1"]
        {
            assert!(for_this_machine(&headers(&[(HOST, "x"), (HOST, host)][1..])), "{host}");
        }
        for host in
            ["evil.example", "evil.example:8080", "localhost.evil.example", "", "127.0.0.1.evil.example"]
        {
            assert!(!for_this_machine(&headers(&[(HOST, host)])), "{host}");
        }
        assert!(!for_this_machine(&HeaderMap::new()));
    }
}
