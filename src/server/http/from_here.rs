//! Whether a request comes from this machine's own programs: not from a page elsewhere that a browser here has open.
//!
//! A browser says from where a page comes (`Origin`), and under which name it reached this server (`Host`); a page elsewhere can
//! choose neither, but it can have its own name lead here (DNS rebinding). Both are looked at before anything else of a request.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{HOST, HeaderMap, ORIGIN};
use axum::http::{StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

/// The names of this machine for itself, as they stand in an address.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// What is said to a request from elsewhere.
const NOT_FROM_HERE: &str = "Forbidden: this server answers only programs and pages of this machine.\n";

/// The origins that are a server's own on that port. Of the port that the scheme implies, browsers leave the number out (RFC 6454,
/// section 6.2).
pub(in crate::server) fn origins(port: u16) -> Vec<String> {
    let with_port = NAMES.map(|name| format!("http://{name}:{port}"));
    let without = NAMES.map(|name| format!("http://{name}"));
    let without = without.into_iter().filter(|_| port == 80);
    with_port.into_iter().chain(without).collect()
}

/// Whether the request names this machine as its host, and nothing else beside it.
pub(in crate::server) fn is_own_host(headers: &HeaderMap, uri: &Uri) -> bool {
    let is_own = |name: &str| {
        let name = name.parse::<http::uri::Authority>().ok();
        name.is_some_and(|name| NAMES.iter().any(|own| own.eq_ignore_ascii_case(name.host())))
    };
    let mut hosts = headers.get_all(HOST).iter().peekable();
    if hosts.peek().is_none() {
        return uri.authority().is_some_and(|name| is_own(name.as_str()));
    }
    hosts.all(|host| host.to_str().is_ok_and(is_own)) && uri.authority().is_none_or(|name| is_own(name.as_str()))
}

/// Whether the request comes from no page, or from one of these origins.
pub(in crate::server) fn is_own_origin(headers: &HeaderMap, own: &[String]) -> bool {
    let is_own = |origin: &str| own.iter().any(|own| own.eq_ignore_ascii_case(origin));
    headers
        .get_all(ORIGIN)
        .iter()
        .all(|origin| origin.to_str().is_ok_and(is_own))
}

/// Lets only requests in that come from here: the others are refused (403) whatever they ask for. Nothing of the body is read
/// before.
pub(super) async fn checked(State(own): State<Arc<[String]>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    if is_own_host(headers, request.uri()) && is_own_origin(headers, &own) {
        return next.run(request).await;
    }
    tracing::warn!("a request from elsewhere is refused: its Host or Origin isn't this machine's own");
    (StatusCode::FORBIDDEN, NOT_FROM_HERE).into_response()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn host_is_own_only_where_every_one_is() {
        let uri = Uri::from_static("/mcp");
        for own in ["localhost", "LOCALHOST:7373", "127.0.0.1:1", "[::1]", "[::1]:7373"] {
            assert!(is_own_host(&headers("host", &[own]), &uri), "{own}");
        }
        for foreign in [
            vec![],
            vec![""],
            vec!["evil.example"],
            vec!["localhost.evil.example"],
            vec!["127.0.0.1.nip.io"],
            vec!["127.0.0.2"],
            vec!["0.0.0.0"],
            vec!["evil.example", "localhost"],
            vec!["localhost", "evil.example"],
        ] {
            assert!(!is_own_host(&headers("host", &foreign), &uri), "{foreign:?}");
        }
        let foreign = Uri::from_static("http://evil.example/mcp");
        assert!(!is_own_host(&headers("host", &["localhost"]), &foreign));
        assert!(!is_own_host(&HeaderMap::new(), &foreign));
    }

    #[test]
    fn origin_is_own_only_with_scheme_and_port() {
        let own = origins(7373);
        assert!(is_own_origin(&HeaderMap::new(), &own));
        for origin in ["http://localhost:7373", "http://127.0.0.1:7373", "http://[::1]:7373"] {
            assert!(is_own_origin(&headers("origin", &[origin]), &own), "{origin}");
        }
        for foreign in [
            vec![""],
            vec!["null"],
            vec!["http://localhost"],
            vec!["https://localhost:7373"],
            vec!["http://localhost:73730"],
            vec!["http://localhost:7373.evil.example"],
            vec!["http://localhost:7373", "https://evil.example"],
        ] {
            assert!(!is_own_origin(&headers("origin", &foreign), &own), "{foreign:?}");
        }
        assert!(is_own_origin(&headers("origin", &["http://localhost"]), &origins(80)));
    }
}
