//! A collector of OpenTelemetry that keeps what it is sent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use harness::wait::until;
use tokio::net::TcpListener;

/// What came: the path, the headers, the bytes.
type Received = (String, HeaderMap, Bytes);

pub(super) struct Collector {
    received: Arc<Mutex<Vec<Received>>>,
    address: String,
}

impl Collector {
    pub(super) async fn start() -> Self {
        Self::answering(Duration::ZERO).await
    }

    /// One that answers so late.
    pub(super) async fn answering(after: Duration) -> Self {
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let keep =
            async move |State(all): State<Arc<Mutex<Vec<Received>>>>, uri: Uri, headers: HeaderMap, body: Bytes| {
                all.lock().unwrap().push((uri.path().to_owned(), headers, body));
                tokio::time::sleep(after).await;
            };
        let router = Router::new().fallback(keep).with_state(received.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { received, address }
    }

    pub(super) fn url(&self) -> &str {
        &self.address
    }

    pub(super) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// All bytes that came for that path.
    pub(super) fn bytes(&self, path: &str) -> Vec<u8> {
        let all = self.received();
        let of_path = all.iter().filter(|(to, ..)| to == path);
        of_path.flat_map(|(.., body)| body.to_vec()).collect()
    }

    /// Waits until something came for that path.
    pub(super) async fn has(&self, path: &str) {
        until(path, || !self.bytes(path).is_empty()).await;
    }
}

/// Whether bytes hold others.
pub(super) fn holds(bytes: &[u8], others: impl AsRef<[u8]>) -> bool {
    let others = others.as_ref();
    bytes.windows(others.len()).any(|window| window == others)
}

/// The bytes of a text in hexadecimal.
pub(super) fn hex(text: &str) -> Vec<u8> {
    let digit = |place: usize| u8::from_str_radix(&text[place..place + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}
