//! Traces tell what was asked and how it went, and nothing that is secret.

use std::io;
use std::sync::{Arc, Mutex, Once};

use neon_mcp::neon::Method;
use serde_json::json;
use tracing::Level;
use tracing::instrument::WithSubscriber;
use tracing_subscriber::fmt::format::FmtSpan;

use super::{KEY, changing, client, context};
use crate::support::fake_neon::{FakeNeon, Reply};
use crate::support::permit::permit;

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Has every place that traces ask who listens. Else one that another test reaches first, in the moment in which this test begins to
/// listen, may note for good that nobody does.
fn ask_always() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Takes all, and keeps nothing.
        let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
    });
}

#[tokio::test]
async fn a_trace_has_method_route_status_id_and_attempt_and_no_secret() {
    let upstream = FakeNeon::start(vec![
        Reply::status(503),
        Reply::json(201, json!({ "password": "answer-secret" })).header("x-request-id", "theirs-7"),
    ])
    .await;
    ask_always();
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_ansi(false)
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(move || writer.clone())
        .finish();
    let request = changing(Method::Post)
        .with_query("token", "query-secret")
        .with_body(json!({ "password": "body-secret" }));
    async {
        client(&upstream).send(permit(request), &context()).await.unwrap();
    }
    .with_subscriber(subscriber)
    .await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let ours: Vec<&str> = log.lines().filter(|line| line.contains("neon request")).collect();
    for expected in [
        "method=POST",
        "route=/projects",
        "attempt=1",
        "status=503",
        "attempt=2",
        "status=201",
        "request_id=\"theirs-7\"",
    ] {
        assert!(ours.iter().any(|line| line.contains(expected)), "{expected}\n{log}");
    }
    for secret in [KEY, "answer-secret", "body-secret"] {
        assert!(!log.contains(secret), "{secret}\n{log}");
    }
    assert!(!ours.iter().any(|line| line.contains("query-secret")), "{log}");
}
