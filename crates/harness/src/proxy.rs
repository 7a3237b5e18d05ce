//! A proxy in front of an API that counts what goes through, and loses or spoils what a test wants.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::Value;

/// The proxy: it ends with the test's runtime.
pub struct Counting {
    url: String,
    shared: Arc<Shared>,
}

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It goes through, and its answer doesn't come back.
    AnswerLost,
    /// It goes nowhere, and nobody is told.
    Lost,
    /// It goes nowhere, and is answered with this status.
    Status(u16),
    /// It goes through, and its answer comes back after so many milliseconds.
    Slow(u64),
    /// Its answer doesn't say when a branch expires.
    WithoutExpiry,
    /// It goes through, and its answer never comes.
    Unanswered,
}

#[derive(Default)]
struct Shared {
    origin: String,
    client: reqwest::Client,
    seen: Mutex<Vec<String>>,
    /// What comes: the start of `METHOD /path`, how many of those that fit pass before, and what then happens once.
    troubles: Mutex<Vec<(&'static str, usize, Trouble)>>,
    /// What happens from now on to all that begin so, and counts for no other trouble.
    always: Mutex<Vec<(&'static str, Trouble)>>,
    /// What was made behind it, told or not: `branch`, `snapshot` or `compute`, and the id.
    made: Mutex<Vec<(String, String)>>,
}

impl Counting {
    /// A proxy in front of the API at `api` (`http://…/api/v2`), and of what stands beside it.
    pub async fn before(api: &str) -> Self {
        let shared = Arc::new(Shared {
            origin: api.trim_end_matches("/api/v2").to_owned(),
            client: reqwest::Client::builder().no_proxy().build().expect("a client"),
            ..Shared::default()
        });
        let router = Router::new().fallback(forward).with_state(shared.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/api/v2", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, shared }
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The requests since the last time: `METHOD /path`; SQL that may change something is `WRITE /sql`, and such that is
    /// only measured `MEASURE /sql`.
    pub fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.seen.lock().expect("a lock"))
    }

    /// From now on, each request whose `METHOD /path` begins so comes into trouble.
    pub fn always(&self, begins: &'static str, trouble: Trouble) {
        self.shared.always.lock().expect("a lock").push((begins, trouble));
    }

    /// From now on nothing comes into trouble.
    pub fn at_ease(&self) {
        self.shared.always.lock().expect("a lock").clear();
        self.shared.troubles.lock().expect("a lock").clear();
    }

    /// What was made since the last time, whether the client learned of it or not.
    pub fn made(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.shared.made.lock().expect("a lock"))
    }

    /// Once, after so many that fit, a request whose `METHOD /path` begins so comes into trouble.
    pub fn trouble(&self, begins: &'static str, after: usize, trouble: Trouble) {
        self.shared
            .troubles
            .lock()
            .expect("a lock")
            .push((begins, after, trouble));
    }
}

impl Shared {
    /// Notes what an answer says was made.
    fn note(&self, line: &str, answer: &[u8]) {
        let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
        let id = |of: &Value| of["id"].as_str().map(str::to_owned);
        let mut made = self.made.lock().expect("a lock");
        if line.starts_with("POST ") && (line.ends_with("/branches") || line.ends_with("/branch_anonymized")) {
            made.extend(id(&answer["branch"]).map(|id| ("branch".to_owned(), id)));
            let computes = answer["endpoints"].as_array().into_iter().flatten();
            made.extend(computes.filter_map(id).map(|id| ("compute".to_owned(), id)));
        }
        if line.starts_with("POST ") && line.ends_with("/snapshot") {
            made.extend(id(&answer["snapshot"]).map(|id| ("snapshot".to_owned(), id)));
        }
    }

    fn trouble_of(&self, line: &str) -> Option<Trouble> {
        let always = self.always.lock().expect("a lock");
        if let Some((_, trouble)) = always.iter().find(|(begins, _)| line.starts_with(begins)) {
            return Some(*trouble);
        }
        let mut troubles = self.troubles.lock().expect("a lock");
        let at = troubles.iter().position(|(begins, ..)| line.starts_with(begins))?;
        if troubles[at].1 > 0 {
            troubles[at].1 -= 1;
            return None;
        }
        Some(troubles.remove(at).2)
    }
}

/// An answer that breaks off.
fn broken() -> Response {
    let pieces = [Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("lost"))];
    Response::new(Body::from_stream(futures::stream::iter(pieces)))
}

async fn forward(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("a body");
    let measures = serde_json::from_slice(&body).is_ok_and(|body| crate::world::measuring(&body).is_some());
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let path = parts.uri.path().trim_start_matches("/api/v2");
    let line = match (path, parts.headers.contains_key("neon-batch-read-only")) {
        ("/sql", false) if measures => "MEASURE /sql".to_owned(),
        ("/sql", false) => "WRITE /sql".to_owned(),
        _ => format!("{} {path}", parts.method),
    };
    let trouble = shared.trouble_of(&line);
    shared.seen.lock().expect("a lock").push(line.clone());
    match trouble {
        Some(Trouble::Lost) => return broken(),
        Some(Trouble::Status(status)) => {
            let mut response = Response::new(Body::from(r#"{"code": "", "message": "it broke"}"#));
            *response.status_mut() = status.try_into().expect("a status");
            return response;
        }
        _ => {}
    }
    let mut headers = parts.headers;
    headers.remove("host");
    let answer = shared
        .client
        .request(parts.method, format!("{}{target}", shared.origin))
        .headers(headers)
        .body(body)
        .send()
        .await
        .expect("an answer");
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    for hop in ["transfer-encoding", "content-length", "content-encoding", "connection"] {
        headers.remove(hop);
    }
    let mut bytes = answer.bytes().await.expect("a body");
    shared.note(&line, &bytes);
    match trouble {
        Some(Trouble::AnswerLost) => return broken(),
        Some(Trouble::Unanswered) => std::future::pending().await,
        Some(Trouble::Slow(millis)) => tokio::time::sleep(Duration::from_millis(millis)).await,
        Some(Trouble::WithoutExpiry) => {
            let mut value: Value = serde_json::from_slice(&bytes).expect("JSON");
            value["branch"].as_object_mut().expect("a branch").remove("expires_at");
            bytes = value.to_string().into();
        }
        _ => {}
    }
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
