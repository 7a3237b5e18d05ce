//! Scopes bound what calls do: at the door by the tool, in the engine by what the arguments make of it, and in the list.

use std::time::Instant;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::oauth::{metadata, start};
use super::{PROJECT, calling, challenge, post};
use crate::support::server::{Era, TestClient, call};

/// The challenge to a token that lacks scopes.
fn insufficient(server: &crate::support::http::OverHttp, needed: &str) -> (StatusCode, String) {
    let asks = format!(
        "Bearer error=\"insufficient_scope\", error_description=\"the call needs scopes that the token lacks\", {}, scope=\"{needed}\"",
        metadata(server)
    );
    (StatusCode::FORBIDDEN, asks)
}

#[tokio::test]
async fn call_without_the_scopes_is_told_all_that_it_needs_at_once() {
    let (upstream, issuer, server) = start(&["--toolsets", "all"]).await;
    let shown = |scope: &str| format!("Bearer {}", issuer.token(&issuer.claims(&server.url, scope)));
    let (none, reads, writes) = (shown("openid"), shown("neon:read"), shown("neon:read neon:write"));
    let project = json!({"project_id": PROJECT});
    for era in [Era::Legacy, Era::Modern] {
        for (token, tool, needed) in [
            (&none, "list_projects", "neon:read"),
            (&none, "delete_project", "neon:read neon:destructive"),
            (&reads, "create_branch", "neon:read neon:write"),
            (&reads, "get_connection_string", "neon:read neon:access"),
            (&writes, "delete_project", "neon:read neon:destructive"),
            (&writes, "create_api_key", "neon:read neon:access"),
        ] {
            let answer = post(&server, &[token], era, &calling(tool, &project, era)).await;
            assert_eq!(challenge(&answer), insufficient(&server, needed), "{era:?} {tool}");
        }
        let answer = post(&server, &[&none], era, &calling("no_such_tool", &project, era)).await;
        assert_ne!(answer.status(), StatusCode::FORBIDDEN);
    }
    assert_eq!(upstream.count(), 0);
    // Each refusal of what changes something has its line.
    let log = std::fs::read_to_string(server.state.join("neon-mcp/audit.jsonl")).expect("a log");
    let subject = format!("{} ada", issuer.origin());
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let lacking = |line: &&Value| line.to_string().contains("the token lacks a scope");
    assert_eq!(lines.iter().filter(lacking).count(), 10, "{log}");
    assert!(lines.iter().all(|line| line.to_string().contains(&subject)), "{log}");
}

#[tokio::test]
async fn discovery_callers_need_the_scopes_of_the_tool_that_they_call() {
    let (_upstream, issuer, server) = start(&["--discovery"]).await;
    let token = format!("Bearer {}", issuer.token(&issuer.claims(&server.url, "neon:read")));
    for era in [Era::Legacy, Era::Modern] {
        let through = |name: &str| {
            let arguments = json!({"name": name, "arguments": json!({"project_id": PROJECT}).to_string()});
            calling("call_destructive_tool", &arguments, era)
        };
        let answer = post(&server, &[&token], era, &through("delete_project")).await;
        assert_eq!(challenge(&answer), insufficient(&server, "neon:read neon:destructive"));
        let answer = post(&server, &[&token], era, &through("describe_project")).await;
        assert_ne!(answer.status(), StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn list_shows_what_the_scopes_allow_and_no_more() {
    let (_upstream, issuer, mut server) = start(&[]).await;
    for era in [Era::Legacy, Era::Modern] {
        let mut lists = Vec::new();
        for scope in ["neon:read neon:access", "neon:read", "neon:read neon:write"] {
            server.token = Some(issuer.token(&issuer.claims(&server.url, scope)));
            let client = server.client(TestClient::alone(), era).await;
            let tools = client.list_all_tools().await.expect("a list");
            lists.push(tools.iter().map(|tool| tool.name.to_string()).collect::<Vec<_>>());
        }
        let has = |list: usize, name: &str| lists[list].iter().any(|tool| tool == name);
        assert!(has(0, "get_connection_string"), "{:?}", lists[0]);
        assert!(
            has(1, "list_projects") && has(1, "run_sql") && !has(1, "create_branch"),
            "{:?}",
            lists[1]
        );
        assert!(has(2, "create_branch") && !has(2, "delete_project"), "{:?}", lists[2]);
        assert!(!has(2, "get_connection_string"), "{:?}", lists[2]);
    }
}

#[tokio::test]
async fn token_without_the_scope_to_read_is_challenged_and_given_no_empty_list() {
    let (_upstream, issuer, server) = start(&[]).await;
    for scope in ["openid", "neon:write"] {
        let token = format!("Bearer {}", issuer.token(&issuer.claims(&server.url, scope)));
        let needed = insufficient(&server, "neon:read");
        assert_eq!(challenge(&super::begin(&server, &[&token]).await), needed, "{scope}");
        for method in ["tools/list", "server/discover", "resources/list"] {
            let mut asked = calling("x", &json!({}), Era::Modern);
            asked["method"] = method.into();
            let meta = asked["params"]["_meta"].clone();
            asked["params"] = json!({ "_meta": meta });
            let answer = post(&server, &[&token], Era::Modern, &asked).await;
            assert_eq!(challenge(&answer), needed, "{scope} {method}");
            let told: Value = answer.json().await.expect("JSON");
            assert_eq!(told["id"], 7, "{told}");
            assert_eq!(told["error"]["data"]["scopes_needed"], json!(["neon:read"]), "{told}");
        }
    }
}

#[tokio::test]
async fn arguments_that_raise_the_effect_are_denied_by_the_scope_that_lacks() {
    let (upstream, issuer, mut server) = start(&[]).await;
    for era in [Era::Legacy, Era::Modern] {
        server.token = Some(issuer.token(&issuer.claims(&server.url, "neon:read neon:write")));
        let client = server.client(TestClient::alone(), era).await;
        let arguments = json!({"project_id": PROJECT, "branch_id": "br-root", "database": "neondb", "role": "r", "sql": "DROP TABLE users"});
        let (value, is_error) = call(&client, "run_sql", arguments).await;
        assert!(is_error, "{value}");
        assert_eq!(value["error"]["kind"], "denied_by_policy", "{value}");
        assert_eq!(value["error"]["rule"], "scope", "{value}");
        let message = value["error"]["message"].as_str().expect("a text");
        assert!(
            message.contains("the token of this caller lacks neon:destructive"),
            "{message}"
        );
        assert_eq!(value["error"]["changed"], "no");
        // All that it lacks at once.
        server.token = Some(issuer.token(&issuer.claims(&server.url, "neon:read")));
        let client = server.client(TestClient::alone(), era).await;
        let arguments = json!({"project_id": PROJECT, "branch_id": "br-root", "database": "neondb", "role": "r", "sql": "DROP TABLE users"});
        let (value, _) = call(&client, "run_sql", arguments).await;
        let message = value["error"]["message"].as_str().expect("a text");
        assert!(message.contains("lacks neon:write neon:destructive"), "{message}");
    }
    let writes = upstream
        .requests()
        .into_iter()
        .filter(|request| request.method != "GET");
    assert_eq!(writes.count(), 0);
}

#[tokio::test]
async fn scope_stands_for_no_approval() {
    let (upstream, issuer, mut server) = start(&[]).await;
    server.token = Some(issuer.token(&issuer.claims(&server.url, super::oauth::ALL)));
    for era in [Era::Legacy, Era::Modern] {
        let client = server.client(TestClient::alone(), era).await;
        let (value, is_error) = call(&client, "delete_project", json!({"project_id": PROJECT})).await;
        assert!(is_error, "{value}");
        assert_eq!(value["error"]["kind"], "requires_approval", "{value}");
    }
    assert!(upstream.requests().iter().all(|request| request.method == "GET"));
}

#[tokio::test]
async fn whoever_may_call_nothing_fills_no_log_and_is_counted() {
    let (upstream, issuer, server) = start(&["--toolsets", "all", "--calls-per-minute", "100"]).await;
    let token = format!("Bearer {}", issuer.token(&issuer.claims(&server.url, "openid")));
    let arguments = json!({"name": "n", "note": "CANARY-of-no-argument", "more": ["x".repeat(3_000)]});
    let asked = calling("create_project", &arguments, Era::Modern);
    let began = Instant::now();
    let (mut lacking, mut too_many) = (0, 0);
    // As many as are needed however slow the machine is: some come back while it lasts.
    while too_many < 20 {
        let many = (0..20).map(|_| async { post(&server, &[&token], Era::Modern, &asked).await.status() });
        for status in futures::future::join_all(many).await {
            match status {
                StatusCode::FORBIDDEN => lacking += 1,
                StatusCode::TOO_MANY_REQUESTS => too_many += 1,
                other => panic!("{other}"),
            }
        }
        assert!(lacking < 5_000, "calls without a scope are counted");
    }
    assert!(lacking >= 100, "{lacking}");
    let log = std::fs::read_to_string(server.state.join("neon-mcp/audit.jsonl")).expect("a log");
    let most = 60 + began.elapsed().as_secs() as usize / 6 + 2;
    assert!((60..=most).contains(&log.lines().count()), "{}", log.lines().count());
    assert!(!log.contains("CANARY") && log.contains(r#""name":"n""#), "{log:.2000}");
    assert_eq!(upstream.count(), 0);
}
