//! The answer that the browser brings back: one, on loopback, and what a person reads then.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use super::error::SignInError;
use super::page::{self, Told};
use crate::text::one_line;

/// The path that the browser comes back to.
const PATH: &str = "/callback";

/// The largest query that is read, in bytes.
const MAX_QUERY: usize = 16 * 1_024;

/// How many answers to other questions are turned away before that is told in the log. They end nothing: nobody guesses the state, and
/// whoever is on this machine could end every login.
const MANY_STRAYS: usize = 1_000;

/// How long one of them waits for its page, and how many wait at once; more get none.
const STRAY_WAITS: Duration = Duration::from_millis(100);
const STRAYS_AT_ONCE: usize = 32;

/// A listener for one answer.
pub(super) struct Callback {
    listener: TcpListener,
    address: SocketAddr,
}

/// An answer that came, with the browser that waits for what became of it.
pub(super) struct Came {
    pub(super) answer: Result<Answer, SignInError>,
    pub(super) reply: oneshot::Sender<Result<Became, String>>,
}

/// What became of an answer that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Became {
    /// The login is kept.
    Kept,
    /// A person is asked about it.
    Asked,
}

/// What it says (RFC 6749, 4.1.2; RFC 9207).
pub(super) struct Answer {
    pub(super) issuer: Option<String>,
    pub(super) result: Result<SecretString, (String, Option<String>)>,
}

/// What the listener has: which question the answer must be to, and whom to hand it to.
struct Shared {
    authority: String,
    state: [u8; 32],
    strays: AtomicUsize,
    strays_at_once: Semaphore,
    takes: Mutex<Option<oneshot::Sender<Came>>>,
}

impl Callback {
    /// Listens on a free port of 127.0.0.1.
    pub(super) async fn listen() -> Result<Self, SignInError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(SignInError::Listener)?;
        let address = listener.local_addr().map_err(SignInError::Listener)?;
        Ok(Self { listener, address })
    }

    /// Where the browser is to come back to.
    pub(super) fn redirect(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    /// Takes one answer to the question of that state and gives it to whoever judges it; what is none is turned away, so that nobody
    /// ends a sign-in by opening an address. The rest ends when the last page was sent, or `ended` says so.
    pub(super) fn serve(self, state: &str, ended: oneshot::Receiver<()>) -> (oneshot::Receiver<Came>, JoinHandle<()>) {
        let (takes, comes) = oneshot::channel();
        let shared = Arc::new(Shared {
            authority: self.address.to_string(),
            state: hashed(state),
            strays: AtomicUsize::new(0),
            strays_at_once: Semaphore::new(STRAYS_AT_ONCE),
            takes: Mutex::new(Some(takes)),
        });
        let router = Router::new()
            .route(PATH, get(answer))
            .fallback(|| async { StatusCode::NOT_FOUND })
            .with_state(shared);
        let serving = tokio::spawn(async move {
            let served = axum::serve(self.listener, router).with_graceful_shutdown(async {
                let _ = ended.await;
            });
            if let Err(error) = served.await {
                tracing::debug!("the page of the sign-in ended: {error}");
            }
        });
        (comes, serving)
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    if method != Method::GET {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    // A page elsewhere whose name leads here isn't the browser coming back.
    if headers.get(HOST).and_then(|host| host.to_str().ok()) != Some(&shared.authority) {
        return StatusCode::FORBIDDEN.into_response();
    }
    // A browser that comes back shows a page, and fetches nothing for one.
    if headers.get("sec-fetch-dest").is_some_and(|kind| kind != "document") {
        return StatusCode::FORBIDDEN.into_response();
    }
    let query = query.unwrap_or_default();
    if !is_to(&query, &shared.state) {
        if shared.strays.fetch_add(1, Ordering::Relaxed) == MANY_STRAYS {
            tracing::warn!(
                "{MANY_STRAYS} answers to other questions came to the sign-in: something on this machine guesses. It can't guess right, and \
                 the sign-in still waits"
            );
        }
        let Ok(_turn) = shared.strays_at_once.try_acquire() else {
            return StatusCode::TOO_MANY_REQUESTS.into_response();
        };
        tokio::time::sleep(STRAY_WAITS).await;
        return told(StatusCode::BAD_REQUEST, Told::Stray);
    }
    let takes = shared.takes.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(takes) = takes else {
        return told(StatusCode::GONE, Told::Failed("This page was used already."));
    };
    let (reply, judged) = oneshot::channel();
    let answer = read(&query);
    let nobody = || {
        told(
            StatusCode::GONE,
            Told::Failed("Nobody waits for this sign-in any more: begin again."),
        )
    };
    if takes.send(Came { answer, reply }).is_err() {
        return nobody();
    }
    match judged.await {
        Ok(Ok(Became::Kept)) => told(StatusCode::OK, Told::Kept),
        Ok(Ok(Became::Asked)) => told(StatusCode::OK, Told::Asked),
        Ok(Err(why)) => told(StatusCode::BAD_REQUEST, Told::Failed(&why)),
        Err(_) => nobody(),
    }
}

/// Compared in place of the text: how long that takes says nothing about the text.
fn hashed(state: &str) -> [u8; 32] {
    Sha256::digest(state.as_bytes()).into()
}

/// Reads a query that must be the answer to the question of that state.
pub(super) fn read_for(query: &str, state: &str) -> Result<Answer, SignInError> {
    match is_to(query, &hashed(state)) {
        true => read(query),
        false => Err(SignInError::Callback("it is the answer to another question (state)")),
    }
}

/// Whether a query is an answer to the question of that state, which it says once.
fn is_to(query: &str, state: &[u8; 32]) -> bool {
    if query.len() > MAX_QUERY {
        return false;
    }
    let mut states = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "state");
    match (states.next(), states.next()) {
        (Some((_, said)), None) => hashed(&said) == *state,
        _ => false,
    }
}

/// Reads the query. What stands in it twice is no answer.
fn read(query: &str) -> Result<Answer, SignInError> {
    let mut fields: [(&str, Option<String>); 4] =
        ["code", "iss", "error", "error_description"].map(|name| (name, None));
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if let Some((_, field)) = fields.iter_mut().find(|(known, _)| *known == name)
            && field.replace(value.into_owned()).is_some()
        {
            return Err(SignInError::Callback("it says something twice"));
        }
    }
    let [(_, code), (_, issuer), (_, error), (_, description)] = fields;
    let result = match (code, error) {
        (Some(code), None) if !code.is_empty() => Ok(SecretString::from(code)),
        (None, Some(error)) => Err((one_line(&error, 60), description.map(|text| one_line(&text, 200)))),
        _ => return Err(SignInError::Callback("it has neither a code nor an error")),
    };
    Ok(Answer { issuer, result })
}

fn told(status: StatusCode, told: Told<'_>) -> Response {
    let policy = HeaderValue::from_str(&page::CONTENT_POLICY).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    let headers = [
        (CONTENT_SECURITY_POLICY, policy),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // The address holds the code.
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (status, headers, Html(page::written(told))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_has_a_code_or_an_error_and_each_thing_once() {
        let right = read("state=s&code=c%2B1&iss=https%3A%2F%2Fi&more=x").unwrap();
        assert_eq!(right.issuer.as_deref(), Some("https://i"));
        assert!(right.result.is_ok());
        let denied = read("error=access_denied&state=s").unwrap();
        assert_eq!(denied.result.unwrap_err().0, "access_denied");
        for wrong in ["", "state=s", "code=", "code=a&error=b", "code=a&code=b"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn answer_is_to_the_question_of_its_state() {
        let state = hashed("s1");
        assert!(is_to("code=c&state=s1", &state));
        for wrong in [
            "",
            "code=c",
            "state=",
            "state=s2",
            "state=s1&state=s1",
            "state=s1&state=s2",
            "State=s1",
        ] {
            assert!(!is_to(wrong, &state), "{wrong}");
        }
        assert!(!is_to(&format!("state=s1&code={}", "x".repeat(MAX_QUERY)), &state));
    }
}
