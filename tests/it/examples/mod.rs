//! The examples of Neon's API overview, row by row: each works end to end through a real MCP client on a sandbox.

mod account;
mod branching;
mod core;
mod data;
mod replicas;
mod rows;
mod security;
mod snapshots;
mod upkeep;
mod usage;

use std::collections::BTreeSet;
use std::sync::Mutex;

use neon_mcp::catalog::Catalog;
use neon_mcp::sandbox::{Postgres, Sandbox, SandboxOptions};
use serde_json::{Value, json};

use crate::support::fence::{bare, bare_value};
use crate::support::human::{Human, Manner};
use crate::support::sandbox;
use crate::support::server::{Era, TestClient, TestServer, program};

/// One row, told through a server with every tool on a sandbox of its own; the human behind the client says yes.
///
/// When it goes out of scope, each operation of its row must have been called, through its tool and with success.
pub struct Story {
    /// `None`: beside the rows.
    row: Option<u8>,
    sandbox: Sandbox,
    server: TestServer,
    human: Human,
    /// The id of the organization that new projects belong to.
    org: String,
    /// The tools that were called with success.
    called: Mutex<BTreeSet<String>>,
}

impl Drop for Story {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let called = self.called.lock().expect("a lock");
        let catalog = Catalog::embedded().expect("the catalogue loads");
        let called: BTreeSet<&str> = catalog
            .tools()
            .iter()
            .filter(|tool| called.contains(tool.name()))
            .flat_map(|tool| tool.declaration.operation.iter())
            .collect();
        let Some(row) = self.row else { return };
        let missing: Vec<&str> = rows::operations(row)
            .filter(|operation| !called.contains(operation))
            .collect();
        assert!(missing.is_empty(), "row {row} never called {missing:?}");
    }
}

impl Story {
    pub async fn of(row: u8) -> Self {
        Self::with(row, SandboxOptions::default()).await
    }

    pub async fn with(row: u8, options: SandboxOptions) -> Self {
        Self::told(Some(row), options).await
    }

    /// A story beside the rows.
    pub async fn aside(options: SandboxOptions) -> Self {
        Self::told(None, options).await
    }

    /// A story on branches that hold data: it has the project `shop`.
    pub async fn with_data() -> Self {
        let story = Self::aside(SandboxOptions {
            postgres: Postgres::Required,
            ..SandboxOptions::default()
        })
        .await;
        story.make_shop(json!({})).await;
        story
    }

    async fn told(row: Option<u8>, options: SandboxOptions) -> Self {
        let sandbox = sandbox::start(options).await;
        let human = Human::who(Manner::Accepts);
        let server = server(&sandbox, sandbox.api_key(), &human).await;
        // What the story itself needs is no part of what the row calls.
        let (organizations, _) = server.call("list_organizations", json!({})).await;
        Self {
            row,
            sandbox,
            server,
            human,
            org: text(&organizations["result"]["organizations"][0]["id"]),
            called: Mutex::default(),
        }
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

    /// The call that an answer names as the way back, with what it says must be added: nobody had read that before.
    pub async fn undo_with(&self, done: &Value, former: Value) -> Value {
        let undo = &done["undo"];
        let mut arguments = bare_value(&undo["arguments"]);
        for (name, value) in former.as_object().expect("an object") {
            assert!(text(&undo["note"]).contains(name), "the note names what to add: {undo}");
            arguments[name] = value.clone();
        }
        self.call(&text(&undo["tool"]), arguments).await
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

    /// A second server, whose key is this one.
    pub async fn client_with(&self, key: &str) -> TestServer {
        server(&self.sandbox, key, &self.human).await
    }

    /// The sandbox behind it.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// A second server with these arguments, whose requests go to that API.
    pub async fn server_at(&self, arguments: &[&str], api: &str) -> TestServer {
        let mut command = program(arguments, api, self.sandbox.api_key());
        command.env("NEON_MCP_LOG", "error");
        TestServer::run(command, TestClient::with(self.human.clone()), Era::Legacy).await
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

/// The program on a sandbox, with every tool and a client whose human this is.
async fn server(sandbox: &Sandbox, key: &str, human: &Human) -> TestServer {
    let mut command = program(&["--toolsets", "all"], &sandbox.api_url(), key);
    command.env("NEON_MCP_LOG", "error");
    TestServer::run(command, TestClient::with(human.clone()), Era::Legacy).await
}

/// These arguments about the project `shop`.
fn in_shop(mut arguments: Value) -> Value {
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
