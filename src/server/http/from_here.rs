//! Whether a request comes to this server by a name of its own: not from a page elsewhere that a browser here has open.
//!
//! A browser says from where a page comes (`Origin`), and under which name it reached this server (`Host`); a page elsewhere can
//! choose neither, but it can have its own name lead here (DNS rebinding). Both are looked at before anything else of a request.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use http::header::{AsHeaderName, HOST, ORIGIN};

use super::place::Place;
use super::sparse::Sparse;

/// What is said to a request from elsewhere: a page elsewhere reads it, so it doesn't say which names they are.
const NOT_FROM_HERE: &str = "Forbidden: this server answers only to its own names, and only its own pages. Its operator sets them with --public-url.\n";

/// How much of what came is shown, in characters.
const MAX_SHOWN: usize = 100;

/// How many values of a header are shown.
const MAX_VALUES: usize = 3;

/// The server's own names, and the log of requests that came by others.
#[derive(Debug)]
pub(super) struct FromHere {
    place: Arc<Place>,
    /// Whoever reaches the port can cause these lines.
    lines: Sparse,
}

impl FromHere {
    pub(super) fn new(place: Arc<Place>) -> Arc<Self> {
        Arc::new(Self {
            place,
            lines: Sparse::default(),
        })
    }

    /// Tells the operator what came, and what would have been right: most are a proxy that was set up wrongly.
    fn tell(&self, request: &Request, is_own_host: bool) {
        let Some(left_out) = self.lines.turn(Instant::now()) else {
            return;
        };
        let (name, came, own) = match is_own_host {
            false => ("Host", came(request, HOST), self.place.own_hosts()),
            true => ("Origin", came(request, ORIGIN), self.place.own_origins()),
        };
        let own = if own.is_empty() { "none".to_owned() } else { own };
        tracing::warn!(
            left_out,
            "a request from elsewhere is refused: its {name} is {came}, and this server's own is {own}. A proxy in front passes on what \
             clients send; --public-url says what they see"
        );
    }
}

/// What a request says in a header, quoted and cut.
fn came(request: &Request, name: impl AsHeaderName) -> String {
    let values = quoted(request.headers(), name);
    let of_uri = || request.uri().authority().map(|name| cut(name.as_str()));
    match values.is_empty() {
        false => values.join(", "),
        true => of_uri().unwrap_or_else(|| "not there".to_owned()),
    }
}

fn quoted(headers: &HeaderMap, name: impl AsHeaderName) -> Vec<String> {
    let values = headers.get_all(name).into_iter().take(MAX_VALUES);
    values
        .map(|value| cut(&String::from_utf8_lossy(value.as_bytes())))
        .collect()
}

fn cut(text: &str) -> String {
    let shown: String = text.chars().take(MAX_SHOWN).collect();
    let more = if shown.len() < text.len() { "..." } else { "" };
    format!("{shown:?}{more}")
}

/// Lets only requests in that come by a name of the server's, and from no page or one of its own: the others are refused (403)
/// whatever they ask for. Nothing of the body is read before.
pub(super) async fn checked(State(here): State<Arc<FromHere>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let is_own_host = here.place.is_own_host(headers, request.uri());
    if is_own_host && here.place.is_own_origin(headers) {
        return next.run(request).await;
    }
    here.tell(&request, is_own_host);
    (StatusCode::FORBIDDEN, NOT_FROM_HERE).into_response()
}
