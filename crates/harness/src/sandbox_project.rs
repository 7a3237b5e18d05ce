//! A server with every tool on a sandbox of its own, and the human behind its client, who approves unless told otherwise.

use std::collections::BTreeSet;
use std::sync::Mutex;

use neon_sandbox::{Sandbox, SandboxOptions};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::fence::{bare, bare_value};
use crate::human::{Human, Manner};
use crate::server::{Era, TestClient, TestServer};

/// The server, its sandbox, and what was called. Most of its calls are about the project `shop`.
pub struct SandboxProject {
    sandbox: Sandbox,
    pub server: TestServer,
    human: Human,
    /// The id of the organization that new projects belong to.
    pub org: String,
    /// The tools that were called with success.
    called: Mutex<BTreeSet<String>>,
}

impl SandboxProject {
    /// Starts a sandbox with these options, and the program on it, by the command that is made for its API and its key. There is no
    /// project yet: [`Self::make_shop`].
    pub async fn start(options: SandboxOptions, program: impl FnOnce(&str, &str) -> Command) -> Self {
        let sandbox = crate::sandbox::start(options).await;
        let human = Human::who(Manner::Accepts);
        let client = TestClient::with(human.clone());
        let server = TestServer::run(program(&sandbox.api_url(), sandbox.api_key()), client, Era::Legacy).await;
        // What is needed here is no part of what a test calls.
        let (organizations, _) = server.call("list_organizations", json!({})).await;
        Self {
            sandbox,
            server,
            human,
            org: text(&organizations["result"]["organizations"][0]["id"]),
            called: Mutex::default(),
        }
    }

    /// The tools that were called with success so far.
    pub fn called(&self) -> BTreeSet<String> {
        self.called.lock().expect("a lock").clone()
    }

    /// The human behind the client.
    pub fn human(&self) -> &Human {
        &self.human
    }

    /// A call that must succeed: all that the tool says.
    pub async fn done(&self, tool: &str, arguments: Value) -> Value {
        let (value, is_error) = self.server.call(tool, arguments).await;
        assert!(!is_error, "{tool}: {value}");
        self.called.lock().expect("a lock").insert(tool.to_owned());
        value
    }

    /// A call that must succeed: Neon's part of what the tool says.
    pub async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.done(tool, arguments).await["result"].take()
    }

    /// A call about the project `shop` that must succeed.
    pub async fn shop(&self, tool: &str, arguments: Value) -> Value {
        self.call(tool, in_shop(arguments)).await
    }

    /// A call that may succeed or fail: all that the tool says, and whether that is an error.
    pub async fn answer(&self, tool: &str, arguments: Value) -> (Value, bool) {
        self.server.call(tool, arguments).await
    }

    /// A call that must fail: its error.
    pub async fn fails(&self, tool: &str, arguments: Value) -> Value {
        let (mut value, is_error) = self.server.call(tool, arguments).await;
        assert!(is_error, "{tool}: {value}");
        value["error"].take()
    }

    /// A call about the project `shop` that must fail: its error.
    pub async fn shop_fails(&self, tool: &str, arguments: Value) -> Value {
        self.fails(tool, in_shop(arguments)).await
    }

    /// The call that an answer names as the way back.
    pub async fn undo(&self, done: &Value) -> Value {
        let undo = &done["undo"];
        self.call(&text(&undo["tool"]), bare_value(&undo["arguments"])).await
    }

    /// Makes the project `shop`, with these settings: its id.
    pub async fn make_shop(&self, mut arguments: Value) -> String {
        arguments["name"] = "shop".into();
        self.make_project(arguments).await
    }

    /// Makes a project with these settings: its id.
    pub async fn make_project(&self, mut arguments: Value) -> String {
        arguments["org_id"] = self.org.as_str().into();
        text(&self.call("create_project", arguments).await["project"]["id"])
    }

    /// Makes a branch of `shop`: its id.
    pub async fn make_branch(&self, arguments: Value) -> String {
        text(&self.shop("create_branch", arguments).await["branch"]["id"])
    }

    /// The id of a branch of `shop`.
    pub async fn branch_id(&self, name: &str) -> String {
        let shown = self.shop("describe_branch", json!({"branch_id": name})).await;
        text(&shown["branch"]["id"])
    }

    /// The names of the branches of `shop`, sorted.
    pub async fn branches(&self) -> Vec<String> {
        let listed = self.shop("list_branches", json!({})).await;
        let mut names = each(&listed["branches"], "name");
        names.sort();
        names
    }

    /// How `neondb` is reached on a branch of `shop`, as its owner.
    pub async fn uri(&self, branch: &str) -> String {
        let arguments = json!({"branch_id": branch, "database_name": "neondb", "role_name": "neondb_owner"});
        text(&self.shop("get_connection_string", arguments).await["uri"])
    }

    /// The sandbox behind it.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// A resource's text, if there is one.
    pub async fn resource(&self, uri: &str) -> Option<String> {
        let request = rmcp::model::ReadResourceRequestParams::new(uri);
        let read = self.server.client.read_resource(request).await.ok()?;
        match read.contents.into_iter().next()? {
            rmcp::model::ResourceContents::TextResourceContents { text, .. } => Some(text),
            _ => None,
        }
    }

    /// How often the human was asked.
    pub fn asked(&self) -> usize {
        self.human.asked().len()
    }

    /// The last question that the human got.
    pub fn question(&self) -> String {
        self.human.asked().pop().expect("a question").0
    }

    /// Moves the sandbox's time ahead.
    pub async fn advance(&self, seconds: u32) {
        self.admin(reqwest::Method::POST, "/clock", json!({"advance_seconds": seconds}))
            .await;
    }

    /// The sandbox's present, moved by so many seconds.
    pub async fn time(&self, seconds: i64) -> String {
        let clock = self.admin(reqwest::Method::GET, "/clock", Value::Null).await;
        let now = chrono::DateTime::parse_from_rfc3339(clock["now"].as_str().expect("a time")).expect("a time");
        (now + chrono::TimeDelta::seconds(seconds)).to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
    }

    /// Gives `neondb` on a branch of `shop` another schema, as statements there would.
    pub async fn set_schema(&self, branch: &str, sql: &str) {
        let project = self.shop("describe_project", json!({})).await;
        let body = json!({
            "project_id": project["project"]["id"], "branch_id": self.branch_id(branch).await,
            "database_name": "neondb", "sql": sql,
        });
        self.admin(reqwest::Method::PUT, "/schema", body).await;
        // What happened is told apart from what comes by its time.
        self.advance(1).await;
    }

    /// The schema of `neondb` on a branch of `shop`.
    pub async fn schema(&self, branch: &str) -> String {
        let arguments = json!({"branch_id": branch, "db_name": "neondb"});
        text(&self.shop("get_database_schema", arguments).await["sql"])
    }

    /// A call to one of the sandbox's own routes.
    pub async fn admin(&self, method: reqwest::Method, path: &str, body: Value) -> Value {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let url = format!("{}{path}", self.sandbox.admin_url());
        let mut request = client.request(method, url).bearer_auth(self.sandbox.api_key());
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let body: Value = answer.json().await.expect("JSON");
        assert!(status.is_success(), "{path}: {body}");
        body
    }
}

/// These arguments about the project `shop`.
pub fn in_shop(mut arguments: Value) -> Value {
    arguments["project_id"] = "shop".into();
    arguments
}

/// A text in an answer, as an agent uses it: without the marks around what others wrote.
#[track_caller]
pub fn text(value: &Value) -> String {
    bare(value.as_str().unwrap_or_else(|| panic!("no text: {value}")))
}

/// A field of every item of a list.
#[track_caller]
pub fn each(items: &Value, field: &str) -> Vec<String> {
    let items = items.as_array().unwrap_or_else(|| panic!("no list: {items}"));
    items.iter().map(|item| text(&item[field])).collect()
}

/// The item of a list whose field has that value.
#[track_caller]
pub fn find<'a>(items: &'a Value, field: &str, value: impl Into<Value>) -> &'a Value {
    let value = value.into();
    let list = items.as_array().unwrap_or_else(|| panic!("no list: {items}"));
    list.iter()
        .find(|item| bare_value(&item[field]) == value)
        .unwrap_or_else(|| panic!("no {field} {value} in {items}"))
}
