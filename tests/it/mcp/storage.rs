//! Buckets, functions, triggers and logs through a client, on the sandbox.

use harness::assert_worded;
use harness::wait::until_async;
use neon_mcp::sandbox::{Sandbox, SandboxOptions};
use serde_json::{Value, json};

use super::error;
use crate::support::fence::bare;
use crate::support::human::{Human, Manner};
use crate::support::sandbox;
use crate::support::server::{Era, TestClient, TestServer, program};

/// A server on a sandbox with a project, and a human who approves.
struct Story {
    _sandbox: Sandbox,
    server: TestServer,
    human: Human,
    project: String,
    branch: String,
}

impl Story {
    async fn start() -> Self {
        let sandbox = sandbox::start(SandboxOptions {
            require_org_id: false,
            ..SandboxOptions::default()
        })
        .await;
        let human = Human::who(Manner::Accepts);
        let command = program(&["--toolsets", "all"], &sandbox.api_url(), sandbox.api_key());
        let server = TestServer::run(command, TestClient::with(human.clone()), Era::Legacy).await;
        let (made, is_error) = server.call("create_project", json!({"name": "shop"})).await;
        assert!(!is_error, "{made}");
        let text = |pointer: &str| made.pointer(pointer).and_then(Value::as_str).expect(pointer).to_owned();
        Self {
            project: text("/result/project/id"),
            branch: text("/result/branch/id"),
            _sandbox: sandbox,
            server,
            human,
        }
    }

    /// Calls a tool on the branch.
    async fn try_call(&self, tool: &str, more: Value) -> (Value, bool) {
        let mut given = json!({"project_id": self.project, "branch_id": self.branch});
        given
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        self.server.call(tool, given).await
    }

    async fn call(&self, tool: &str, more: Value) -> Value {
        let (value, is_error) = self.try_call(tool, more).await;
        assert!(!is_error, "{tool}: {value}");
        value
    }

    /// Uploads an object through a link.
    async fn upload(&self, key: &str, content: impl Into<Vec<u8>>) {
        let given = json!({"bucket_name": "files", "object_key": key, "operation": "upload"});
        let link = self.call("presign_bucket_object", given).await;
        let url = link["result"]["url"].as_str().expect("a link");
        // A second installation fails, and the first serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let answer = http.put(url).body(content.into()).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
    }

    async fn read(&self, key: &str, from: u64) -> (Value, bool) {
        let given = json!({"bucket_name": "files", "object_key": key, "from_byte": from});
        self.try_call("get_bucket_object", given).await
    }

    /// The questions so far.
    fn asked(&self) -> usize {
        self.human.asked().len()
    }
}

#[tokio::test]
async fn a_bucket_is_filled_read_and_deleted() {
    let story = Story::start().await;
    story.call("create_bucket", json!({"name": "files"})).await;
    assert_eq!(story.asked(), 0);
    let listed = story.call("list_buckets", json!({})).await;
    assert_eq!(listed["result"]["buckets"][0]["access_level"], "private");
    story.upload("docs/read me.txt", "hello").await;
    assert_eq!(story.asked(), 1, "a link is asked for");
    story.upload("docs/a/b", "deep").await;
    story.upload("top", [0_u8, 159, 146, 150]).await;

    let top = story
        .call("list_bucket_objects", json!({"bucket_name": "files", "delimiter": "/"}))
        .await;
    assert_eq!(top["result"]["folders"], json!(["docs/"]));
    assert_eq!(top["result"]["objects"][0]["key"], "top");
    assert_eq!(top["page"], json!({"total": 1}), "one number where all are here");
    assert_eq!(top["result"]["is_truncated"], Value::Null);

    let (text, _) = story.read("docs/read me.txt", 0).await;
    assert_eq!(text["result"]["content"], "hello");
    assert_eq!(text["result"]["encoding"], "text");
    assert!(text["notes"].to_string().contains("untrusted"), "{text}");
    let (bytes, _) = story.read("top", 0).await;
    assert_eq!(bytes["result"]["encoding"], "base64");
    assert_eq!(bytes["result"]["content"], "AJ+Slg==");
    let (missing, is_error) = story.read("none", 0).await;
    assert!(is_error && error(&missing)["kind"] == "not_found", "{missing}");

    let before = story.asked();
    let key = json!({"bucket_name": "files", "object_key": "docs/read me.txt"});
    story.call("delete_bucket_object", key).await;
    let question = story.human.asked().pop().expect("a question").0;
    assert!(question.contains("docs/read me.txt"), "{question}");
    let below = json!({"bucket_name": "files", "prefix": "docs/"});
    let deleted = story.call("delete_bucket_objects", below).await;
    assert_eq!(deleted["result"]["deleted"], 1);
    let question = story.human.asked().pop().expect("a question").0;
    assert!(question.contains("docs/a/b") && !question.contains("top"), "{question}");
    story.call("delete_bucket", json!({"bucket_name": "files"})).await;
    assert_eq!(story.asked(), before + 3);
    let listed = story.call("list_buckets", json!({})).await;
    assert_eq!(listed["result"]["buckets"], json!([]));
}

#[tokio::test]
async fn a_bucket_for_everyone_is_asked_for_and_a_no_makes_none() {
    let story = Story::start().await;
    story.human.changes_to(Manner::Declines);
    let public = json!({"name": "site", "access_level": "public_read"});
    let (value, is_error) = story.try_call("create_bucket", public).await;
    assert!(is_error && error(&value)["kind"] == "rejected", "{value}");
    assert!(
        story.human.asked()[0].0.contains("internet"),
        "{}",
        story.human.asked()[0].0
    );
    let listed = story.call("list_buckets", json!({})).await;
    assert_eq!(listed["result"]["buckets"], json!([]));
}

#[tokio::test]
async fn long_content_is_read_in_parts_and_too_long_by_a_link() {
    let story = Story::start().await;
    story.call("create_bucket", json!({"name": "files"})).await;
    let text: String = (0..6_000).map(|number| format!("ü{number}\n")).collect();
    assert!(text.len() > 40_000 && text.len() < 65_536);
    story.upload("text", text.clone()).await;
    let bytes: Vec<u8> = (0..65_536_u32).map(|number| (number % 256) as u8).collect();
    story.upload("bytes", bytes.clone()).await;
    let (mut from, mut read) = (0, String::new());
    loop {
        let (part, is_error) = story.read("text", from).await;
        assert!(
            !is_error && part.to_string().len() <= 40_000,
            "{}",
            part.to_string().len()
        );
        read.push_str(&bare(part["result"]["content"].as_str().expect("text")));
        match part["result"]["next_from_byte"].as_u64() {
            Some(next) => from = next,
            None => break,
        }
    }
    assert_eq!(read, text);
    let (mut from, mut read) = (0, Vec::new());
    loop {
        use base64::Engine as _;
        let (part, is_error) = story.read("bytes", from).await;
        assert!(!is_error && part.to_string().len() <= 40_000);
        let content = part["result"]["content"].as_str().expect("text");
        read.extend(
            base64::engine::general_purpose::STANDARD
                .decode(content)
                .expect("base64"),
        );
        match part["result"]["next_from_byte"].as_u64() {
            Some(next) => from = next,
            None => break,
        }
    }
    assert_eq!(read, bytes);
    let (past, _) = story.read("bytes", 70_000).await;
    assert_eq!(past["result"]["content"], "");
    assert_worded!("notes", "part beyond the end of an object", past["notes"]);

    story.upload("more", vec![b'x'; 65_537]).await;
    let (value, is_error) = story.read("more", 0).await;
    assert!(is_error);
    assert!(value.to_string().contains("presign_bucket_object"), "{value}");
    story.upload("empty", "").await;
    let (empty, is_error) = story.read("empty", 0).await;
    assert!(!is_error && empty["result"]["content"] == "", "{empty}");
}

#[tokio::test]
async fn content_that_holds_a_password_is_masked() {
    let story = Story::start().await;
    story.call("create_bucket", json!({"name": "files"})).await;
    story
        .upload(".env", "DATABASE_URL=postgresql://me:s3cret-canary@host/db")
        .await;
    let (value, _) = story.read(".env", 0).await;
    assert!(!value.to_string().contains("s3cret-canary"), "{value}");
    assert!(value["notes"].to_string().contains("masked"), "{value}");
}

#[tokio::test]
async fn folders_of_all_pages_are_in_one_result() {
    let story = Story::start().await;
    story.call("create_bucket", json!({"name": "files"})).await;
    for key in ["a/1", "b", "c/1", "d/1", "e", "f/1"] {
        story.upload(key, "x").await;
    }
    let given =
        |limit: u32, cursor: Value| json!({"bucket_name": "files", "delimiter": "/", "limit": limit, "cursor": cursor});
    let all = story.call("list_bucket_objects", given(50, Value::Null)).await;
    assert_eq!(all["result"]["folders"], json!(["a/", "c/", "d/", "f/"]));
    let (mut cursor, mut seen) = (Value::Null, Vec::new());
    for _ in 0..10 {
        let page = story.call("list_bucket_objects", given(1, cursor.clone())).await;
        let folders = page["result"]["folders"].as_array().expect("folders");
        seen.extend(folders.iter().map(|folder| folder.as_str().expect("text").to_owned()));
        let objects = page["result"]["objects"].as_array().expect("objects");
        seen.extend(
            objects
                .iter()
                .map(|object| object["key"].as_str().expect("text").to_owned()),
        );
        cursor = page["page"]["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(seen, ["a/", "b", "c/", "d/", "e", "f/"]);
}

#[tokio::test]
async fn a_function_is_deployed_triggered_and_its_logs_are_read() {
    let story = Story::start().await;
    let secret = "s3cret-canary";
    let given = json!({"slug": "hello", "archive_base64": "UEsDBHh4", "environment": {"TOKEN": secret}});
    let made = story.call("deploy_function", given).await;
    assert_eq!(made["result"]["deployment"]["environment"], json!(["TOKEN"]));
    let question = story.human.asked().pop().expect("a question").0;
    assert!(!question.contains(secret), "{question}");
    until_async("the deployment", async || {
        let shown = story.call("describe_function", json!({"slug": "hello"})).await;
        shown["result"]["function"]["active_deployment"]["status"] == "completed"
    })
    .await;
    story
        .call("update_function", json!({"slug": "hello", "name": "Hello"}))
        .await;
    let listed = story.call("list_functions", json!({})).await;
    assert_eq!(listed["result"]["functions"][0]["name"], "Hello");

    story.call("create_bucket", json!({"name": "files"})).await;
    let asked = story.asked();
    let off =
        json!({"type": "schedule", "function_slug": "hello", "name": "nightly", "cron": "0 3 * * *", "enabled": false});
    let nightly = story.call("create_trigger", off).await;
    assert_eq!(story.asked(), asked, "a trigger that is off costs nothing");
    let id = nightly["result"]["trigger"]["trigger_id"].clone();
    let on = story
        .call(
            "update_trigger",
            json!({"trigger_id": id, "type": "schedule", "enabled": true}),
        )
        .await;
    assert_eq!(story.asked(), asked + 1);
    assert_eq!(on["undo"]["arguments"]["enabled"], false, "{on}");
    let watch = json!({
        "type": "storage_object_created", "function_slug": "hello", "name": "thumbs", "bucket_name": "files", "prefix": "in/",
    });
    story.call("create_trigger", watch).await;
    story.upload("in/a", "x").await;
    let wrong = json!({"type": "schedule", "function_slug": "hello", "name": "x", "bucket_name": "files"});
    let (value, is_error) = story.try_call("create_trigger", wrong).await;
    assert!(is_error && error(&value)["kind"] == "invalid_arguments", "{value}");

    let logs = story.call("query_logs", json!({"limit": 1, "sort_order": "asc"})).await;
    let cursor = logs["page"]["next_cursor"].clone();
    assert!(cursor.is_string(), "{logs}");
    let rest = story
        .call("query_logs", json!({"sort_order": "asc", "cursor": cursor}))
        .await;
    assert_eq!(rest["page"]["returned"], 2, "{rest}");
    assert!(rest.to_string().contains("trigger thumbs"), "{rest}");
    let both = json!({"since": "1h", "start_time": "2026-01-01T00:00:00Z"});
    assert!(story.try_call("query_logs", both).await.1);
    let fields = story.call("list_log_fields", json!({})).await;
    assert!(fields["result"]["fields"].to_string().contains("trigger_id"));
    let values = story
        .call("list_log_field_values", json!({"field_name": "source"}))
        .await;
    assert_eq!(values["result"]["values"], json!(["function", "storage"]));

    let domain = json!({"domain": "api.example.com", "function_slug": "hello"});
    let added = story.call("add_custom_domain", domain).await;
    assert_eq!(added["undo"]["tool"], "remove_custom_domain", "{added}");
    let removed = story
        .call("remove_custom_domain", json!({"domain": "api.example.com"}))
        .await;
    assert_eq!(removed["undo"]["arguments"]["function_slug"], "hello", "{removed}");
    story.call("delete_trigger", json!({"trigger_id": id})).await;
    story.call("delete_function", json!({"slug": "hello"})).await;
    let listed = story.call("list_triggers", json!({})).await;
    assert_eq!(listed["result"]["triggers"].as_array().map(Vec::len), Some(1));
}
