//! The data plane: branches hold rows, computes are servers, and what the API does happens to the data.

mod computes;
mod history;
mod identity;
mod inside;

use std::time::Duration;

use neon_sandbox::{Postgres, SandboxOptions};
use reqwest::Method;
use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls};

use super::{Rig, options};

/// A sandbox whose branches hold data, with a project in it.
struct DataPlane {
    rig: Rig,
    project: String,
    /// The default branch.
    main: String,
    /// How to connect to it.
    uri: String,
}

/// Options of such a sandbox. A machine without PostgreSQL fails the test, and the message says how to install one.
fn with_postgres() -> SandboxOptions {
    SandboxOptions {
        operation_time: Duration::from_millis(10),
        postgres: Postgres::Required,
        postgres_bin: Some(harness::postgres::programs()),
        ..options()
    }
}

impl DataPlane {
    async fn start() -> Self {
        let rig = Rig::with(with_postgres()).await;
        let made = rig
            .call(Method::POST, "/projects", Some(json!({"project": {"name": "shop"}})))
            .await
            .expect(201);
        let text = |pointer: &str| made.pointer(pointer).and_then(Value::as_str).expect(pointer).to_owned();
        let plane = Self {
            project: text("/project/id"),
            main: text("/branch/id"),
            uri: text("/connection_uris/0/connection_uri"),
            rig,
        };
        plane.settle().await;
        plane
    }

    fn path(&self, rest: &str) -> String {
        format!("/projects/{}{rest}", self.project)
    }

    /// Waits until no operation runs. None may have failed.
    async fn settle(&self) {
        for operation in self.operations().await {
            assert_eq!(operation["status"], "finished", "{operation}");
        }
    }

    /// The operations, when none runs any more.
    async fn operations(&self) -> Vec<Value> {
        for _ in 0..1_500 {
            let answer = self
                .rig
                .call(Method::GET, &self.path("/operations"), None)
                .await
                .expect(200);
            let operations = answer["operations"].as_array().expect("a list").clone();
            let open = |operation: &Value| matches!(operation["status"].as_str(), Some("running" | "scheduling"));
            if !operations.iter().any(open) {
                return operations;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("operations don't end");
    }

    /// Sends a change and waits until it is done.
    async fn change(&self, method: Method, path: &str, body: Value) -> Value {
        let answer = self.rig.call(method, &self.path(path), Some(body)).await;
        assert!((200..300).contains(&answer.status), "{} {}", answer.status, answer.body);
        self.settle().await;
        answer.body
    }

    /// Makes a branch with a compute. Gives its id and how to connect to it.
    async fn branch(&self, branch: Value) -> (String, String) {
        let body = json!({"endpoints": [{"type": "read_write"}], "branch": branch});
        let made = self.change(Method::POST, "/branches", body).await;
        let id = made["branch"]["id"].as_str().expect("an id").to_owned();
        let uri = self.uri_of(&id, "neondb_owner", "neondb").await;
        (id, uri)
    }

    async fn uri_of(&self, branch: &str, role: &str, database: &str) -> String {
        let path = self.path(&format!(
            "/connection_uri?branch_id={branch}&role_name={role}&database_name={database}"
        ));
        let answer = self.rig.call(Method::GET, &path, None).await.expect(200);
        answer["uri"].as_str().expect("a URI").to_owned()
    }

    async fn reset(&self, branch: &str, from: &str) {
        let body = json!({"source_branch_id": from});
        self.change(Method::POST, &format!("/branches/{branch}/restore"), body)
            .await;
    }
}

/// A connection as a client makes it.
async fn connect(uri: &str) -> Client {
    try_connect(uri).await.expect("a connection")
}

async fn try_connect(uri: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(uri, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn run(uri: &str, sql: &str) {
    connect(uri).await.batch_execute(sql).await.expect(sql);
}

/// The only value of a query, as text.
async fn value(uri: &str, sql: &str) -> String {
    let rows = connect(uri).await.simple_query(sql).await.expect(sql);
    rows.iter()
        .find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("null").to_owned()),
            _ => None,
        })
        .expect("a row")
}
