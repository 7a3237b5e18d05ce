//! A proxy in front of an API that counts what goes through.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};

/// The proxy: it ends with the test's runtime.
pub struct Counting {
    url: String,
    seen: Seen,
}

type Seen = Arc<Mutex<Vec<String>>>;

impl Counting {
    /// A proxy in front of the API at `api` (`http://…/api/v2`), and of what stands beside it.
    pub async fn before(api: &str) -> Self {
        let origin = api.trim_end_matches("/api/v2").to_owned();
        let seen = Seen::default();
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let router = Router::new()
            .fallback(forward)
            .with_state((origin, client, seen.clone()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/api/v2", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, seen }
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The requests since the last time: `METHOD /path`.
    pub fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().expect("a lock"))
    }
}

async fn forward(
    State((origin, client, seen)): State<(String, reqwest::Client, Seen)>,
    request: Request,
) -> (StatusCode, HeaderMap, Bytes) {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    seen.lock().expect("a lock").push(format!(
        "{} {}",
        parts.method,
        parts.uri.path().trim_start_matches("/api/v2")
    ));
    let body = to_bytes(body, usize::MAX).await.expect("a body");
    let mut headers = parts.headers;
    headers.remove("host");
    let answer = client
        .request(parts.method, format!("{origin}{target}"))
        .headers(headers)
        .body(body)
        .send()
        .await
        .expect("an answer");
    let status = answer.status();
    let mut headers = answer.headers().clone();
    for hop in ["transfer-encoding", "content-length", "content-encoding", "connection"] {
        headers.remove(hop);
    }
    (status, headers, answer.bytes().await.expect("a body"))
}
