//! Arguments as clients send them: lists, numbers and booleans as their text, nothing as an empty text, and numbers that no value
//! holds. What is refused is told with the reason first.

use harness::assert_worded;
use serde_json::{Value, json};

use crate::examples::Story;
use crate::support::fence::fenced;
use crate::support::http::{OverHttp, plain};
use crate::support::server::{self, KEY, TestServer, program, state_home};
use crate::support::world::{BRANCH, PROJECT, World};

async fn with_every_tool(world: &World) -> TestServer {
    server::start(&["--toolsets", "all"], &world.url()).await
}

#[tokio::test]
async fn somebody_sent_lists_numbers_and_booleans_as_text() {
    let story = Story::with_data().await;
    let in_shop = |mut arguments: Value| {
        arguments["branch_id"] = "main".into();
        arguments
    };
    let done = story
        .shop(
            "run_sql_transaction",
            in_shop(json!({
                "statements": "[\"SELECT 1\", \"SELECT 2\"]", "isolation": "", "timeout_seconds": "30", "database_name": "", "role_name": null
            })),
        )
        .await;
    assert_eq!(done["results"].as_array().unwrap().len(), 2, "{done}");
    for params in [json!("[5, \"a\"]"), json!(" [ 5.0 , \"a\" ] "), json!(["5", "a"])] {
        let done = story
            .shop(
                "run_sql",
                in_shop(json!({"sql": "SELECT $1::int, $2", "params": params})),
            )
            .await;
        assert!(fenced(&done["rows"]).ends_with("[5,\"a\"]"), "{done}");
    }
    let digits = in_shop(json!({"sql": "SELECT $1::numeric", "params": "[0.1234567890123456789]"}));
    let done = story.shop("run_sql", digits).await;
    assert!(fenced(&done["rows"]).ends_with("[\"0.1234567890123456789\"]"), "{done}");
    for analyze in ["true", "True", "false", ""] {
        let done = story
            .shop(
                "explain_sql_statement",
                in_shop(json!({"sql": "SELECT 1", "analyze": analyze})),
            )
            .await;
        assert_eq!(done["analyzed"], analyze.eq_ignore_ascii_case("true"), "{done}");
    }
    // A list inside, whose items are numbers.
    let days = json!({"project_id": "shop", "maintenance_weekdays": "[\"6\", 7]", "maintenance_start": "03:00", "maintenance_end": "05:00"});
    let (answer, _) = story.answer("update_project", days).await;
    assert_ne!(answer["error"]["kind"], "invalid_arguments", "{answer}");
    // What is a text stays one, whatever it looks like.
    let done = story
        .shop("run_sql", in_shop(json!({"sql": "SELECT $1 AS x", "params": ["true"]})))
        .await;
    assert!(fenced(&done["rows"]).ends_with("[\"true\"]"), "{done}");
    story.shop("create_branch", json!({"name": "5"})).await;
    assert!(story.branches().await.contains(&"5".to_owned()));
}

#[tokio::test]
async fn somebody_sent_texts_that_mean_something_else() {
    let world = World::start().await;
    let server = with_every_tool(&world).await;
    for (tool, arguments, argument) in [
        ("inspect_database", json!({"checks": "blocked, cache"}), "checks"),
        ("inspect_database", json!({"checks": "blocked cache"}), "checks"),
        ("inspect_database", json!({"checks": "everything"}), "checks"),
        ("run_sql_transaction", json!({"statements": "{\"a\": 1}"}), "statements"),
        ("run_sql_transaction", json!({"statements": "[1, 2]"}), "statements"),
        (
            "run_sql",
            json!({"sql": "SELECT 1", "timeout_seconds": "thirty"}),
            "timeout_seconds",
        ),
        (
            "run_sql",
            json!({"sql": "SELECT 1", "timeout_seconds": "30 s"}),
            "timeout_seconds",
        ),
        (
            "run_sql",
            json!({"sql": "SELECT 1", "timeout_seconds": "1e400"}),
            "timeout_seconds",
        ),
        (
            "run_sql",
            json!({"sql": "SELECT 1", "timeout_seconds": "9999"}),
            "timeout_seconds",
        ),
        ("run_sql", json!({"sql": ""}), "sql"),
        (
            "explain_sql_statement",
            json!({"sql": "SELECT 1", "analyze": "maybe"}),
            "analyze",
        ),
        (
            "explain_sql_statement",
            json!({"sql": "SELECT 1", "analyze": 2}),
            "analyze",
        ),
        (
            "explain_sql_statement",
            json!({"sql": "SELECT 1", "analyze": -1}),
            "analyze",
        ),
    ] {
        let mut given = json!({"project_id": PROJECT, "branch_id": BRANCH});
        for (name, value) in arguments.as_object().unwrap() {
            given[name] = value.clone();
        }
        let (value, is_error) = server.call(tool, given).await;
        assert!(
            is_error && value["error"]["kind"] == "invalid_arguments",
            "{arguments}: {value}"
        );
        let told = value["error"]["problems"][0]["argument"].as_str().unwrap();
        assert!(told.starts_with(argument), "{arguments}: {value}");
    }
    assert_eq!(world.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn somebody_was_refused_and_got_the_reason_before_the_value() {
    let world = World::start().await;
    let server = with_every_tool(&world).await;
    let long = "x".repeat(5_000);
    for (tool, arguments, argument, reason) in [
        (
            "run_sql_transaction",
            json!({"statements": vec!["SELECT 1 /* long */"; 201]}),
            "statements",
            "has more than 200 items",
        ),
        (
            "run_sql_transaction",
            json!({"statements": []}),
            "statements",
            "has less than 1 item",
        ),
        (
            "run_sql_transaction",
            json!({"statements": ["SELECT 1"], "isolation": long}),
            "isolation",
            "is not one of \"read_committed\"",
        ),
        (
            "run_sql",
            json!({"sql": {"text": long}}),
            "sql",
            "is not of type \"string\"",
        ),
        (
            "run_sql",
            json!({"sql": "SELECT 1", "timeout_seconds": 121}),
            "timeout_seconds",
            "is greater than the maximum of 120",
        ),
        (
            "run_sql",
            json!({"sql": "SELECT 1", "timeout_seconds": 0}),
            "timeout_seconds",
            "is less than the minimum of 1",
        ),
        (
            "run_sql",
            json!({"sql": "SELECT 1", "timeout_seconds": 1.5}),
            "timeout_seconds",
            "is not of type \"integer\"",
        ),
        (
            "describe_table_schema",
            json!({"table": long}),
            "table",
            "is longer than 260 characters",
        ),
    ] {
        let mut given = json!({"project_id": PROJECT, "branch_id": BRANCH});
        for (name, value) in arguments.as_object().unwrap() {
            given[name] = value.clone();
        }
        let (value, is_error) = server.call(tool, given).await;
        assert!(is_error && value["error"]["kind"] == "invalid_arguments", "{value}");
        let problem = &value["error"]["problems"][0];
        assert_eq!(problem["argument"], argument, "{value}");
        let message = crate::support::fence::bare(problem["message"].as_str().unwrap());
        assert!(message.starts_with(reason), "{reason}: {message}");
        assert!(message.len() <= 220, "{message}");
    }
}

#[tokio::test]
async fn somebody_called_through_a_caller_with_arguments_as_text() {
    let world = World::start().await;
    let server = server::start(&["--discovery", "--project-id", PROJECT], &world.url()).await;
    for arguments in [
        json!(format!("{{\"branch_id\": \"{BRANCH}\"}}")),
        json!({"branch_id": BRANCH}),
    ] {
        let (value, is_error) = server
            .call(
                "call_read_tool",
                json!({"name": "describe_branch", "arguments": arguments}),
            )
            .await;
        assert!(!is_error, "{value}");
    }
    let (value, is_error) = server
        .call("call_read_tool", json!({"name": "list_branches", "arguments": ""}))
        .await;
    assert!(!is_error, "{value}");
    let (value, is_error) = server
        .call(
            "search_tools",
            json!({"query": "branches", "limit": "2", "effect": "", "toolset": ""}),
        )
        .await;
    assert!(!is_error && value["tools"].as_array().unwrap().len() == 2, "{value}");
    for (arguments, says) in [
        (json!("{\"branch_id\": 1e400}"), "/branch_id"),
        (json!("{\"branch_id\": \"a\", \"branch_id\": \"b\"}"), "twice"),
        (json!("[]"), "must be an object"),
        (json!([]), "must be an object"),
    ] {
        let inner = json!({"name": "describe_branch", "arguments": arguments});
        let (value, is_error) = server.call("call_read_tool", inner).await;
        assert!(is_error && value.to_string().contains(says), "{says}: {value}");
    }
    let (value, is_error) = server.call("search_tools", json!({"query": 5, "limit": "two"})).await;
    let message = value["error"]["problems"][0]["message"].to_string();
    assert!(
        is_error && message.contains("expected ") && !message.contains('5'),
        "{value}"
    );
}

#[tokio::test]
async fn somebody_sent_numbers_beyond_a_double_over_http() {
    let command = program(
        &["http", "--listen", "127.0.0.1:0", "--no-auth", "--toolsets", "all"],
        "http://127.0.0.1:1/api/v2",
        KEY,
    );
    let server = OverHttp::start(command, &state_home()).await;
    for (arguments, place) in [
        (r#"{"a":1e400}"#, "/params/arguments/a"),
        (r#"{"a":[0,{"b":-1E+999}]}"#, "/params/arguments/a/1/b"),
        (r#"{"params":[1e400]}"#, "/params/arguments/params/0"),
        (r#"{"a":"\ud800"}"#, "/params/arguments/a"),
        (r#"{"sql":"SELECT 1","sql":"DROP TABLE t"}"#, "/params/arguments/sql"),
    ] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","method":"tools/call","params":{{"name":"run_sql","arguments":{arguments}}},"id":"seven"}}"#
        );
        let request = plain().post(&server.url).header("content-type", "application/json");
        let answer = request
            .header("accept", "application/json, text/event-stream")
            .body(body)
            .send();
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 400, "{arguments}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(
            (&answer["id"], &answer["error"]["code"]),
            (&json!("seven"), &json!(-32_700)),
            "{answer}"
        );
        assert!(
            answer["error"]["message"]
                .as_str()
                .unwrap()
                .contains(&format!("{place} ")),
            "{place}: {answer}"
        );
    }
}

#[tokio::test]
async fn somebody_sent_one_item_for_a_list() {
    let story = Story::with_data().await;
    for (tool, arguments) in [
        ("run_sql_transaction", json!({"statements": "SELECT 1, ';'"})),
        ("inspect_database", json!({"checks": "blocked"})),
        ("inspect_database", json!({"checks": " blocked\u{200b}"})),
        ("run_sql", json!({"sql": "SELECT $1::int", "params": 5})),
        ("run_sql", json!({"sql": "SELECT $1::int", "params": "5"})),
        ("run_sql", json!({"sql": "SELECT $1::bool", "params": true})),
        ("run_sql", json!({"sql": "SELECT $1 || ''", "params": " two  "})),
    ] {
        let mut given = arguments.clone();
        given["branch_id"] = "main".into();
        let done = story.shop(tool, given).await;
        if arguments["params"] == json!(" two  ") {
            assert!(fenced(&done["rows"]).ends_with("[\" two  \"]"), "{done}");
        }
    }
    let several = json!({"branch_id": "main", "statements": "SELECT 1; SELECT 2"});
    let refused = story.shop_fails("run_sql_transaction", several).await;
    assert_eq!(refused["problems"][0]["argument"], "statements", "{refused}");
    assert_worded!("errors", "statements as one text", refused["problems"][0]["message"]);
}

#[tokio::test]
async fn somebody_sent_words_and_numbers_for_a_boolean() {
    let story = Story::with_data().await;
    for (analyze, is) in [
        (json!(1), true),
        (json!(0), false),
        (json!("1"), true),
        (json!("yes"), true),
        (json!("No"), false),
        (json!("ON"), true),
        (json!(" off "), false),
        (json!(" true"), true),
    ] {
        let arguments = json!({"branch_id": "main", "sql": "SELECT 1", "analyze": analyze});
        let done = story.shop("explain_sql_statement", arguments).await;
        assert_eq!(done["analyzed"], is, "{analyze}: {done}");
    }
    let arguments = json!({"branch_id": "main", "sql": "SELECT 1", "analyze": "maybe"});
    let refused = story.shop_fails("explain_sql_statement", arguments).await;
    assert_eq!(refused["problems"][0]["argument"], "analyze", "{refused}");
    assert_worded!("errors", "boolean that is none", refused["problems"][0]["message"]);
}

#[tokio::test]
async fn somebody_copied_ids_with_what_stood_around_them() {
    let story = Story::with_data().await;
    let branch = story.branch_id("main").await;
    for given in [
        format!(" {branch}"),
        format!("{branch}\n"),
        format!("\u{feff}{branch}\u{200b}"),
        format!("\u{a0}{branch}\u{2060} "),
        " main ".to_owned(),
        "main\u{200b}".to_owned(),
    ] {
        let about = story.shop("describe_branch", json!({"branch_id": given})).await;
        assert_eq!(about["branch"]["id"], branch.as_str(), "{given:?}: {about}");
    }
    for given in [format!("{branch}\u{202e}"), format!("{}\u{200b}x", branch)] {
        let refused = story.shop_fails("describe_branch", json!({"branch_id": given})).await;
        assert_eq!(refused["kind"], "invalid_arguments", "{given:?}: {refused}");
    }
    let done = story
        .shop(
            "describe_table_schema",
            json!({"branch_id": "main", "table": "\u{feff} pg_catalog.pg_class\u{200b}"}),
        )
        .await;
    assert!(done.to_string().contains("relname"), "{done}");
}

#[tokio::test]
async fn somebody_misspelt_a_project_or_a_branch() {
    let story = Story::with_data().await;
    let branch = story.branch_id("main").await;
    let refused = story.shop_fails("describe_branch", json!({"branch_id": "mian"})).await;
    assert!(refused["next"].to_string().contains(&branch), "{refused}");
    let refused = story.fails("describe_project", json!({"project_id": "shopp"})).await;
    assert!(refused["next"].to_string().contains("(shop)"), "{refused}");
    let refused = story.fails("describe_project", json!({"project_id": "zzzzzz"})).await;
    assert!(!refused["next"].to_string().contains("(shop)"), "{refused}");
    assert_worded!("errors", "project that no other is named like", refused["next"]);
}
