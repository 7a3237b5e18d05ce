//! The shared client, against an upstream that breaks where it is told to.

use std::time::{Duration, Instant};

use neon_mcp::neon::{
    Answer, Client, ClientConfig, Context, Credential, Error, Method, PollPolicy, Read, Request, RetryPolicy, api_base,
};
use serde_json::json;

use crate::support::fake_neon::FakeNeon;
use crate::support::permit::permit;

mod base;
mod deadlines;
mod errors;
mod files;
mod limits;
mod lost_answers;
mod operations;
mod pages;
mod redirects;
mod requests;
mod retries;
mod schedule;
mod secrets;
mod segments;
mod traces;
mod wire;

/// A key that no message may show.
const KEY: &str = "napi_test_secret_0123456789";

/// The defaults with short waits.
fn config(url: &str) -> ClientConfig {
    let base = api_base(url).unwrap();
    let credential = Credential::new(KEY.to_owned()).unwrap();
    let mut config = ClientConfig::new(base, credential);
    config.retry = RetryPolicy {
        first: Duration::from_millis(5),
        ..RetryPolicy::default()
    };
    config.poll = PollPolicy {
        first: Duration::from_millis(5),
        cap: Duration::from_millis(20),
        not_found_grace: Duration::from_secs(1),
    };
    config
}

fn client(upstream: &FakeNeon) -> Client {
    Client::new(config(&upstream.url()))
}

fn context() -> Context {
    Context::within(Duration::from_secs(20))
}

fn get() -> Read {
    Read::new("/projects", &[]).unwrap()
}

fn changing(method: Method) -> Request {
    Request::new(method, "/projects", &[])
        .unwrap()
        .with_body(json!({ "project": { "name": "x" } }))
}

const CHANGING: [Method; 4] = [Method::Post, Method::Put, Method::Patch, Method::Delete];

async fn read(upstream: &FakeNeon) -> Result<Answer, Error> {
    client(upstream).read(get(), &context()).await
}

async fn send(upstream: &FakeNeon, method: Method) -> Result<Answer, Error> {
    client(upstream).send(permit(changing(method)), &context()).await
}

/// How long a future took, beside its output.
async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let started = Instant::now();
    let output = future.await;
    (output, started.elapsed())
}
