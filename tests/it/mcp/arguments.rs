//! Arguments: everything that is wrong at once, nothing sent.

use serde_json::{Value, json};

use super::{BRANCH, PROJECT, catalog, error, neon};
use crate::support::arguments::arguments;
use crate::support::fake_neon::FakeNeon;
use crate::support::server;
use crate::support::world::World;

#[tokio::test]
async fn all_problems_are_told_at_once_with_the_nearest_name() {
    let upstream = FakeNeon::route(neon).await;
    let server = server::start(&[], &upstream.url()).await;
    let (value, is_error) = server
        .call(
            "create_branch",
            json!({"projct_id": "x", "name": 7, "expires_at": "tomorrow"}),
        )
        .await;
    assert!(is_error);
    let problems = error(&value)["problems"].as_array().expect("problems");
    let says = |argument: &str| {
        problems
            .iter()
            .find(|problem| problem["argument"] == argument)
            .map(|problem| problem["message"].to_string())
    };
    assert!(says("projct_id").expect("unknown").contains("`project_id`"), "{value}");
    assert!(says("project_id").expect("missing").contains("required"), "{value}");
    assert!(says("name").is_some() && says("expires_at").is_some(), "{value}");
    assert_eq!(upstream.count(), 0);
    assert!(value.to_string().len() <= 2_000);
}

#[tokio::test]
async fn rules_that_no_schema_publishes_are_checked() {
    let upstream = FakeNeon::route(neon).await;
    let server = server::start(&[], &upstream.url()).await;
    let both = json!({"project_id": PROJECT, "parent_lsn": "0/1", "parent_timestamp": "2026-01-01T00:00:00Z"});
    let (value, is_error) = server.call("create_branch", both).await;
    assert!(is_error && value.to_string().contains("parent_lsn"), "{value}");
    let nothing = json!({"project_id": PROJECT, "branch_id": BRANCH});
    let (value, is_error) = server.call("update_branch", nothing).await;
    assert!(is_error && error(&value)["kind"] == "invalid_arguments", "{value}");
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn null_counts_as_not_given_where_the_schema_knows_no_null() {
    let upstream = FakeNeon::route(neon).await;
    let server = server::start(&[], &upstream.url()).await;
    let (value, is_error) = server
        .call("list_branches", json!({"project_id": PROJECT, "search": null}))
        .await;
    assert!(!is_error, "{value}");
    assert!(!upstream.requests()[0].query().contains("search"));
}

#[tokio::test]
async fn every_tool_that_may_run_sends_what_its_declaration_says() {
    let world = World::start().await;
    let server = server::start(&["--toolsets", "all"], &world.url()).await;
    let mut sent = 0;
    for tool in catalog()
        .tools()
        .iter()
        .filter(|tool| !tool.declaration.safety.effect.needs_consent() && tool.declaration.workflow.is_none())
    {
        let mut given = arguments(tool, false);
        if tool.declaration.safety.reveals && tool.property("branch_id").is_some() {
            given.insert("branch_id".into(), BRANCH.into());
        }
        let before = world.upstream.count();
        let (value, is_error) = server.call(tool.name(), Value::Object(given)).await;
        let escalated = is_error && value["error"]["kind"] == "requires_approval";
        assert!(!is_error || escalated, "{}: {value}", tool.name());
        if !is_error {
            // What is added to an answer is read after it.
            let mut requests = world.upstream.requests().split_off(before);
            let last = match tool.declaration.output.adds {
                Some(_) => requests.into_iter().next(),
                None => requests.pop(),
            };
            let last = last.expect("a request");
            assert_eq!(last.method, tool.declaration.request.method.as_str(), "{}", tool.name());
            let shape = |path: &str| path.split('/').count();
            assert_eq!(
                shape(last.path().trim_start_matches("/api/v2")),
                shape(&tool.declaration.request.path),
                "{}",
                last.path()
            );
            sent += 1;
        }
    }
    assert!(sent >= 40, "{sent}");
}

/// What no argument of any tool may be.
fn beyond() -> Vec<(&'static str, Value)> {
    vec![
        ("the largest number", json!(u64::MAX)),
        (
            "a number beyond all",
            serde_json::from_str("18446744073709551616").expect("a number"),
        ),
        ("the smallest number", json!(i64::MIN)),
        ("a large number", json!(1e18)),
        ("a huge number", json!(1e308)),
        ("a NUL", json!("a\0b")),
        ("a NUL inside", json!({"a": ["\0"]})),
        ("a long text", json!("x".repeat(5_000_000))),
        ("deep nesting", (0..100).fold(json!(1), |inside, _| json!([inside]))),
        (
            "deep objects",
            (0..100).fold(json!(1), |inside, _| json!({"a": inside})),
        ),
        ("many values", json!(vec![0; 100_001])),
    ]
}

#[tokio::test]
async fn argument_beyond_bounds_of_any_tool_is_invalid_and_named() {
    let world = World::start().await;
    let server = server::start_with(
        &["--toolsets", "all"],
        &world.url(),
        crate::support::server::KEY,
        crate::support::server::Era::Modern,
        "error",
    )
    .await;
    let all = beyond();
    let mut tried = 0;
    for (number, tool) in catalog().tools().iter().enumerate() {
        let usual = arguments(tool, true);
        let names: Vec<String> = tool.input["properties"]
            .as_object()
            .expect("properties")
            .keys()
            .cloned()
            .collect();
        for (index, name) in names.iter().enumerate() {
            // Each argument gets two of them, so that each of them meets many arguments. The large ones take their time.
            for turn in 0..2 {
                let (what, value) = &all[(number + index * 2 + turn) % all.len()];
                if matches!(*what, "a long text" | "many values") && number % 8 != 0 {
                    continue;
                }
                // A SQL parameter may be a document of any depth: it goes on as its text.
                if name == "params" && *what == "deep nesting" {
                    continue;
                }
                let mut given = usual.clone();
                given.insert(name.clone(), value.clone());
                let (value, is_error) = server.call(tool.name(), Value::Object(given)).await;
                assert!(
                    is_error && error(&value)["kind"] == "invalid_arguments",
                    "{} {name} {what}: {value}",
                    tool.name()
                );
                let problems = error(&value)["problems"].as_array().expect("problems");
                assert!(
                    problems.iter().any(|problem| problem["argument"] == name.as_str()),
                    "{what}: {value}"
                );
                assert!(value.to_string().len() < 4_000, "{what}");
                tried += 1;
            }
        }
    }
    assert!(tried > 800, "{tried}");
    assert_eq!(world.upstream.count(), 0);
    assert!(!server.stop().await.contains("panicked"));
}

#[tokio::test]
async fn message_that_cannot_be_read_is_answered_and_the_next_one_counts() {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    let world = World::start().await;
    let mut child = crate::support::server::program(&[], &world.url(), crate::support::server::KEY)
        .spawn()
        .expect("starts");
    let mut stdin = child.stdin.take().expect("stdin");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    let mut say = async |line: &str| {
        stdin.write_all(format!("{line}\n").as_bytes()).await.expect("sent");
        let answer = tokio::time::timeout(std::time::Duration::from_secs(30), lines.next_line()).await;
        let line = answer.expect("an answer in time").expect("a line").expect("no end");
        serde_json::from_str::<Value>(&line).expect("JSON")
    };
    let begin = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let long = format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"{}"}}}}"#,
        "x".repeat(17 * 1024 * 1024)
    );
    let call = |limit: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{{"name":"list_branches","arguments":{{"project_id":"{PROJECT}","limit":{limit}}}}}}}"#
        )
    };
    // Before the session begins, too.
    let answer = say(&long).await;
    assert_eq!(
        (&answer["id"], &answer["error"]["code"]),
        (&json!(7), &json!(-32_600)),
        "{answer}"
    );
    assert_eq!(say(&begin.to_string()).await["id"], 0);
    for _ in 0..2 {
        assert_eq!(say(&long).await["id"], 7);
        for wrong in [
            call("1e400"),
            call("\"\\ud800\""),
            call(&format!("{}1{}", "[".repeat(500), "]".repeat(500))),
            call("1,"),
        ] {
            let answer = say(&wrong).await;
            assert_eq!(
                (&answer["id"], &answer["error"]["code"]),
                (&json!(8), &json!(-32_700)),
                "{answer}"
            );
        }
        assert_eq!(say(r#"{"jsonrpc":"2.0","id":9,"method":"ping"}"#).await["id"], 9);
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id().expect("an id"))).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak: u64 = peak
        .and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or_default();
    assert!(peak < 120_000, "{peak} kB for lines of 17 MiB");
}
