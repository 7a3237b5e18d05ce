//! Secrets in Neon's answers show in no result but those meant to hand them over, in no log, in no error.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use neon_mcp::catalog::Content;
use serde_json::{Map, Value, json};

use super::{BRANCH, PROJECT, catalog};
use crate::support::arguments::arguments;
use crate::support::fake_neon::{FakeNeon, Recorded, Reply};
use crate::support::server::{self, KEY, program};

const CANARY: &str = "canary-secret-5f1d";

/// Puts the canary at a pointer; `*` is the first item.
fn plant(value: &mut Value, pointer: &str) {
    let mut at = value;
    for step in pointer.split('/').skip(1) {
        if step == "*" {
            if !at.is_array() {
                *at = json!([{}]);
            }
            at = &mut at[0];
        } else {
            if !at.is_object() {
                *at = json!({});
            }
            at = at
                .as_object_mut()
                .expect("an object")
                .entry(step.to_owned())
                .or_insert(Value::Null);
        }
    }
    *at = CANARY.into();
}

/// An answer with the canary at each of these places, and where no place is declared.
fn poisoned(places: &BTreeSet<String>) -> Value {
    let mut body = json!({
        "project": {"id": PROJECT, "name": "shop"},
        "branch": {"id": BRANCH, "name": "dev", "default": false, "protected": false, "parent_id": "br-root"},
        "endpoint": {"id": "ep-a", "branch_id": BRANCH},
        "unexpected": {"password": CANARY, "api_key": CANARY, "client_secret": CANARY},
    });
    for place in places {
        plant(&mut body, place);
    }
    body["note"] = format!("connect with postgresql://me:{CANARY}@host/db").into();
    body
}

#[tokio::test]
async fn canaries_show_only_where_a_tool_is_there_to_reveal_them() {
    let catalog = catalog();
    let answer = Arc::new(Mutex::new(Value::Null));
    let given_out = answer.clone();
    let upstream = FakeNeon::route(move |request: &Recorded| {
        if request.path().ends_with("/branches/br-root") {
            return Reply::json(
                200,
                json!({"branch": {"id": "br-root", "name": "main", "default": true}}),
            );
        }
        if request.path().ends_with("/branches/br-root/roles") {
            return Reply::json(200, json!({"roles": []}));
        }
        Reply::json(200, given_out.lock().expect("a lock").clone())
    })
    .await;
    let server = server::start(&["--toolsets", "all"], &upstream.url()).await;
    let mut revealed = Vec::new();
    let mut planted = 0;
    for tool in catalog.tools() {
        let output = &tool.declaration.output;
        let places: BTreeSet<String> = output.mask.iter().chain(&output.reveal).cloned().collect();
        planted += places.len();
        let mut body = poisoned(&places);
        if output.wrap.is_some() {
            body = json!([body]);
        }
        // Content has no fields: of a text, the passwords in connection strings are known.
        if output.content == Content::Bytes {
            body = body["note"].clone();
        }
        *answer.lock().expect("a lock") = body;
        let mut given: Map<String, Value> = arguments(tool, false);
        if tool.declaration.safety.reveals {
            given.insert("branch_id".into(), BRANCH.into());
        }
        // What is filled in where it is left out can't be read here.
        if tool.declaration.request.default_database {
            let names = ["database_name", "role_name"].into_iter();
            let taken = names.filter(|name| tool.property(name).is_some());
            given.extend(taken.map(|name| (name.to_owned(), "abc".into())));
        }
        if tool.input["properties"].get("detail").is_some() {
            given.insert("detail".into(), "full".into());
        }
        if tool.input["properties"].get("wait").is_some() {
            given.insert("wait".into(), false.into());
        }
        let (value, _) = server.call(tool.name(), Value::Object(given)).await;
        let text = value.to_string();
        assert!(!text.contains(KEY), "{} shows the key", tool.name());
        if text.contains(CANARY) {
            assert!(
                tool.declaration.safety.reveals,
                "{} shows a secret: {text}",
                tool.name()
            );
            revealed.push(tool.name().to_owned());
        }
    }
    assert!(planted >= 15, "{planted} places");
    assert_eq!(
        revealed,
        [
            "get_connection_string",
            "create_role",
            "get_role_password",
            "reveal_credential"
        ],
        "tools that reveal"
    );
    let log = server.stop().await;
    assert!(
        log.contains("describe_project"),
        "the log was read at trace:\n{}",
        log.len()
    );
    assert!(!log.contains(CANARY), "a secret is in the log");
    assert!(!log.contains(KEY), "the key is in the log");
}

#[tokio::test]
async fn an_error_that_quotes_a_secret_does_not_pass_it_on() {
    let message = format!("bad key {KEY}, try postgresql://me:{CANARY}@host/db");
    let upstream = FakeNeon::route(move |_: &Recorded| Reply::error(400, "", &message)).await;
    let server = server::start(&["--toolsets", "all"], &upstream.url()).await;
    let (value, is_error) = server.call("describe_project", json!({"project_id": PROJECT})).await;
    assert!(is_error);
    let text = value.to_string();
    assert!(!text.contains(KEY) && !text.contains(CANARY), "{text}");
    let log = server.stop().await;
    assert!(!log.contains(KEY) && !log.contains(CANARY), "{log}");
}

#[tokio::test]
async fn a_failed_operation_that_quotes_a_secret_does_not_pass_it_on() {
    let upstream = FakeNeon::route(|request: &Recorded| {
        let failed = format!("can't reach postgresql://me:{CANARY}@host/db");
        let operation = json!({"id": "11111111-1111-4111-8111-111111111111", "action": "apply_config",
            "status": if request.method == "POST" { "running" } else { "failed" }, "error": failed});
        match request.method.as_str() {
            "POST" => Reply::json(201, json!({"branch": {"id": "br-a"}, "operations": [operation]})),
            _ => Reply::json(200, json!({"operation": operation})),
        }
    })
    .await;
    let server = server::start(&[], &upstream.url()).await;
    let (value, is_error) = server.call("create_branch", json!({"project_id": PROJECT})).await;
    assert!(is_error && value.to_string().contains("can't reach"), "{value}");
    assert!(!value.to_string().contains(CANARY), "{value}");
}

/// An upstream that repeats the key where the log tells what it said.
#[tokio::test]
async fn key_of_the_server_is_in_no_line_of_its_log_at_any_level() {
    // Like an id, so that it is told as one.
    const KEY: &str = "canary-key-0123456789abcdef";
    let upstream = FakeNeon::route(|_: &Recorded| {
        Reply::error(404, "not_found", KEY)
            .header("x-neon-ret-request-id", KEY)
            .header("x-request-id", KEY)
    })
    .await;
    let arguments = json!({ "project_id": "quiet-sun-12345678" }).to_string();
    let mut command = program(&["call", "describe_project", &arguments], &upstream.url(), KEY);
    command.env("NEON_MCP_LOG", "trace");
    let output = command.output().await.expect("it runs");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(
        log.contains("request_id"),
        "the log tells what the upstream said: {log}"
    );
    assert!(!log.contains(KEY), "{log}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains(KEY));
}
