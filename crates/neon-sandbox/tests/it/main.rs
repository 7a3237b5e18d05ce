//! The sandbox's control plane over HTTP: what it answers, what it refuses, and what faults do to it.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod access;
mod access_control;
mod account;
mod admin;
mod anonymization;
mod auth;
mod auth_settings;
mod branches;
mod buckets;
mod computes;
mod consumption;
mod consumption_computes;
mod credentials;
mod data_api;
mod databases;
mod endpoints;
mod every_operation;
mod expected;
mod expiry;
mod faults;
mod functions;
mod kept;
mod kept_data;
mod leftovers;
mod operations;
mod ownership;
mod paging;
mod plan_limits;
mod plane;
mod projects;
mod rate_limits;
mod reference;
mod restore;
mod roles;
mod schema;
mod services;
mod snapshots;
mod sql;
mod templates;
mod triggers;
mod upkeep;

use std::sync::Once;

use harness::folder;
use harness::sandbox_process::Program;
use neon_sandbox::{Sandbox, SandboxOptions};
use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};

/// The sandbox as a program.
const PROGRAM: Program = Program {
    path: env!("CARGO_BIN_EXE_neon-sandbox"),
    arguments: &[],
    folder: env!("CARGO_TARGET_TMPDIR"),
};

/// A sandbox and a client of it.
pub struct Rig {
    pub sandbox: Sandbox,
    pub http: reqwest::Client,
    pub key: String,
}

/// An answer, read as a whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// The body of an answer that must have this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// The message of an error that must have this status.
    #[track_caller]
    pub fn refused(self, status: u16) -> String {
        let body = self.expect(status);
        assert!(body["request_id"].is_string() && body["code"].is_string(), "{body}");
        body["message"].as_str().unwrap().to_owned()
    }
}

/// A project that `Rig::project` made, with its default branch.
pub struct Made {
    pub id: String,
    pub branch: String,
    pub endpoint: String,
}

impl Made {
    /// A path below the project.
    pub fn path(&self, rest: &str) -> String {
        format!("/projects/{}{rest}", self.id)
    }

    /// A path below the default branch.
    pub fn main(&self, rest: &str) -> String {
        format!("/projects/{}/branches/{}{rest}", self.id, self.branch)
    }

    /// A path below a branch.
    pub fn branch(&self, branch: &str, rest: &str) -> String {
        format!("/projects/{}/branches/{branch}{rest}", self.id)
    }
}

/// Options under which a project needs no `org_id` and no limit of requests is met.
pub fn options() -> SandboxOptions {
    SandboxOptions {
        require_org_id: false,
        rate_limits: false,
        ..SandboxOptions::default()
    }
}

/// A client that goes through no proxy and follows nothing.
fn client() -> reqwest::Client {
    static CRYPTO: Once = Once::new();
    CRYPTO.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

impl Rig {
    pub async fn start() -> Self {
        Self::with(options()).await
    }

    pub async fn with(options: SandboxOptions) -> Self {
        let temporary_dir = options.temporary_dir.or_else(|| Some(folder::of_a_sandbox()));
        let options = SandboxOptions {
            temporary_dir,
            ..options
        };
        let sandbox = Sandbox::start(options).await.unwrap();
        let http = client();
        let key = sandbox.api_key().to_owned();
        Self { sandbox, http, key }
    }

    /// Sends a request and reads the answer, which must fit the reference where one is at hand.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let answer = self.try_call(method.clone(), path, body).await.unwrap();
        reference::check(&method, path, &answer);
        answer
    }

    /// Sends a request whose answer may not come.
    pub async fn try_call(&self, method: Method, path: &str, body: Option<Value>) -> reqwest::Result<Answer> {
        let url = format!("{}{path}", self.sandbox.api_url());
        let mut request = self.http.request(method, url).bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        read(request.send().await?).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PUT, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    /// A call to one of the sandbox's own routes.
    pub async fn admin(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let url = format!("{}{path}", self.sandbox.admin_url());
        let mut request = self.http.request(method, url).bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        read(request.send().await.unwrap()).await.unwrap()
    }

    /// Moves the sandbox's time ahead.
    pub async fn advance(&self, seconds: u32) -> String {
        let answer = self
            .admin(Method::POST, "/clock", Some(json!({ "advance_seconds": seconds })))
            .await
            .expect(200);
        answer["now"].as_str().unwrap().to_owned()
    }

    /// Lets every operation end.
    pub async fn settle(&self) {
        self.advance(2).await;
    }

    /// The sandbox's present, moved by so many seconds, as a timestamp.
    pub async fn time(&self, seconds: i64) -> String {
        let now = self.admin(Method::GET, "/clock", None).await.expect(200);
        let now = chrono::DateTime::parse_from_rfc3339(now["now"].as_str().unwrap()).unwrap();
        (now + chrono::TimeDelta::seconds(seconds)).to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
    }

    /// A new project whose operations have ended.
    pub async fn project(&self) -> Made {
        self.project_with(json!({})).await
    }

    /// A new project with these fields, whose operations have ended.
    pub async fn project_with(&self, project: Value) -> Made {
        let made = self.post("/projects", json!({ "project": project })).await.expect(201);
        self.settle().await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Made {
            id: text(&made["project"]["id"]),
            branch: text(&made["branch"]["id"]),
            endpoint: text(&made["endpoints"][0]["id"]),
        }
    }

    /// A new branch off the default one, whose operations have ended.
    pub async fn branch(&self, project: &Made, name: &str) -> String {
        self.branch_with(project, json!({ "branch": { "name": name } })).await
    }

    /// A new branch from this body, whose operations have ended.
    pub async fn branch_with(&self, project: &Made, body: Value) -> String {
        let made = self.post(&project.path("/branches"), body).await.expect(201);
        self.settle().await;
        made["branch"]["id"].as_str().unwrap().to_owned()
    }

    /// Gives a branch's `neondb` another schema.
    pub async fn set_schema(&self, project: &Made, branch: &str, sql: &str) {
        let body = json!({
            "project_id": project.id,
            "branch_id": branch,
            "database_name": "neondb",
            "sql": sql,
        });
        self.admin(Method::PUT, "/schema", Some(body)).await.expect(200);
        self.advance(1).await;
    }

    /// The schema of a branch's `neondb`.
    pub async fn schema(&self, project: &Made, branch: &str) -> String {
        let path = project.branch(branch, "/schema?db_name=neondb");
        let body = self.get(&path).await.expect(200);
        body["sql"].as_str().unwrap().to_owned()
    }

    /// Arms a fault.
    pub async fn arm(&self, fault: Value) {
        self.admin(Method::POST, "/faults", Some(fault)).await.expect(200);
    }
}

/// An answer, read as a whole.
pub async fn read(response: reqwest::Response) -> reqwest::Result<Answer> {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let bytes = response.bytes().await?;
    let body =
        serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    Ok(Answer { status, headers, body })
}

/// The actions of an answer's operations.
pub fn actions(body: &Value) -> Vec<&str> {
    body["operations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|operation| operation["action"].as_str().unwrap())
        .collect()
}

/// A field of every item.
pub fn each<'a>(items: &'a Value, field: &str) -> Vec<&'a str> {
    items
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item[field].as_str().unwrap())
        .collect()
}
