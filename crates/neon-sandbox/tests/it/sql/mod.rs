//! SQL over HTTP against a real PostgreSQL: requests as Neon's clients send them, answers as Neon's proxy gives them.

mod batches;
mod breaks;
mod errors;
mod forms;
mod params;
mod values;

use std::{
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Answer, client};
use harness::postgres::{PASSWORD, Postgres, ROLE};

/// A connection URI with everything escaped.
fn uri(role: &str, password: &str, database: &str) -> String {
    let escaped = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    format!(
        "postgresql://{}:{}@ep-quiet-forest-a1b2c3d4.eu-central-1.aws.neon.tech/{}?sslmode=require",
        escaped(role),
        escaped(password),
        escaped(database)
    )
}

/// The protocol in front of a socket.
async fn serve(socket: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = neon_sandbox::sql_router_for(socket.to_owned());
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/sql")
}

/// The protocol in front of a database of its own.
struct Sql {
    url: String,
    uri: String,
    http: reqwest::Client,
}

impl Sql {
    async fn start() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let postgres = tokio::task::spawn_blocking(Postgres::shared).await.unwrap();
        let database = format!("db {}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut sql = Self::at(serve(&postgres.socket).await, "postgres");
        sql.run(&format!("CREATE DATABASE \"{database}\"")).await;
        sql.uri = uri(ROLE, PASSWORD, &database);
        sql
    }

    fn at(url: String, database: &str) -> Self {
        Self {
            url,
            uri: uri(ROLE, PASSWORD, database),
            http: client(),
        }
    }

    fn request(&self, body: &Value) -> RequestBuilder {
        self.http
            .post(&self.url)
            .header("Neon-Connection-String", &self.uri)
            .body(body.to_string())
    }

    /// Sends a body with headers besides the connection.
    async fn post(&self, headers: &[(&str, &str)], body: Value) -> Answer {
        let mut request = self.request(&body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request).await
    }

    /// Runs a statement that must succeed, with typed rows that are objects.
    async fn run(&self, query: &str) -> Value {
        let answer = self.post(&[], json!({ "query": query })).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        answer.body
    }

    /// The one value that a statement with parameters gives, typed or as text.
    async fn value(&self, raw: &str, query: &str, params: Value) -> Value {
        let headers = [("Neon-Raw-Text-Output", raw), ("Neon-Array-Mode", "true")];
        let answer = self.post(&headers, json!({ "query": query, "params": params })).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        answer.body["rows"][0][0].clone()
    }

    /// The error that a statement gives.
    async fn error(&self, query: &str) -> Value {
        let answer = self.post(&[], json!({ "query": query })).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.body);
        answer.body
    }
}

async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    assert_eq!(headers["access-control-allow-origin"], "*");
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    Answer { status, headers, body }
}
