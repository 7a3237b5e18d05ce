//! Tokens of our own: `neon-mcp token`, and servers that take them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{PROJECT, answered, begin, calling, challenge, gets_in, neon, post, serve};
use crate::support::fake_neon::FakeNeon;
use crate::support::http::plain;
use crate::support::server::{Era, KEY, TestClient, call, program, state_home};

const INVALID: &str = "Bearer error=\"invalid_token\", error_description=";

/// What `neon-mcp token` says: on standard output and standard error, and whether it succeeded.
pub async fn token(arguments: &[&str], state: &Path) -> (String, String, bool) {
    let arguments = [&["token"], arguments].concat();
    let mut command = program(&arguments, "http://127.0.0.1:1", KEY);
    let output = command.env("XDG_STATE_HOME", state).output().await.expect("runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    (text(&output.stdout), text(&output.stderr), output.status.success())
}

/// A new token.
pub async fn made(arguments: &[&str], state: &Path) -> String {
    let (made, said, is_made) = token(&[&["create"], arguments].concat(), state).await;
    assert!(is_made, "{said}");
    made
}

#[tokio::test]
async fn token_is_shown_once_and_its_digest_alone_is_kept() {
    let state = state_home();
    let (made, said, is_made) = token(&["create", "ci"], &state).await;
    assert!(is_made, "{said}");
    assert!(made.starts_with("nmcp_") && made.len() == 48, "256 bits");
    assert!(!said.contains(&made));
    let file = state.join("neon-mcp/tokens.toml");
    assert_eq!(file.metadata().expect("there").permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).expect("a text");
    assert!(
        text.contains("ci") && !text.contains("nmcp_") && !text.contains(&made[5..]),
        "{text}"
    );
    let (listed, _, _) = token(&["list", "--json"], &state).await;
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    assert_eq!(
        (listed[0]["name"].clone(), listed[0]["expires_at"].clone()),
        (json!("ci"), Value::Null)
    );
    let (_, said, is_made) = token(&["create", "ci"], &state).await;
    assert!(!is_made && said.contains("ci"), "{said}");
    for wrong in [
        &["create", "a b"][..],
        &["create", "x", "--scopes", "neon:everything"],
        &["create", "x", "--expires", "soon"],
        &["create", "x", "--policy", "/nowhere"],
        &["create", "x", "--api-key-file", "/nowhere"],
        &["create", "x", "--api-key-file", "/nowhere", "--profile", "a"],
        &["create", "x", "--calls-per-minute", "0"],
        &["revoke", "x"],
    ] {
        assert!(!token(wrong, &state).await.2, "{wrong:?}");
    }
    assert_eq!(std::fs::read_to_string(&file).expect("a text"), text);
}

#[tokio::test]
async fn token_lets_in_until_it_is_revoked_or_ends() {
    let upstream = FakeNeon::route(neon).await;
    let state = state_home();
    let (first, short) = (
        made(&["first"], &state).await,
        made(&["short", "--expires", "2s"], &state).await,
    );
    let mut server = serve(&upstream, &["--auth", "bearer"], &state).await;
    gets_in(&mut server, &first).await;
    assert_eq!(
        challenge(&begin(&server, &[]).await),
        (StatusCode::UNAUTHORIZED, "Bearer".to_owned())
    );
    let wrong = format!("nmcp_{}", "x".repeat(43));
    let unknown = (
        StatusCode::UNAUTHORIZED,
        format!("{INVALID}\"the token is unknown, or was revoked\""),
    );
    for wrong in [&wrong, &first[..47], &first[5..]] {
        assert_eq!(answered(&server, wrong).await, unknown);
    }
    let right = format!("Bearer {first}");
    let twice = challenge(&begin(&server, &[&right, &right]).await);
    assert_eq!(twice.0, StatusCode::BAD_REQUEST);
    let asked = plain()
        .post(format!("{}?token={first}", server.url))
        .header("authorization", &right);
    assert_eq!(asked.send().await.expect("an answer").status(), StatusCode::BAD_REQUEST);
    // A token that is made while the server runs counts, and one that is revoked doesn't: at once.
    let second = made(&["second"], &state).await;
    assert_eq!(answered(&server, &second).await.0, StatusCode::OK);
    assert!(token(&["revoke", "first"], &state).await.2);
    assert_eq!(answered(&server, &first).await, unknown);
    assert_eq!(answered(&server, &second).await.0, StatusCode::OK);
    let expired = (StatusCode::UNAUTHORIZED, format!("{INVALID}\"the token expired\""));
    harness::wait::until_async("the answer", async || answered(&server, &short).await == expired).await;
    // A file that is broken opens nothing.
    let file = state.join("neon-mcp/tokens.toml");
    std::fs::write(&file, "broken").expect("written");
    assert_eq!(answered(&server, &second).await, unknown);
    assert_eq!(answered(&server, &first).await, unknown);
    let said = super::ended(server).await;
    assert!(
        said.contains("tokens.toml") && !said.contains(&first) && !said.contains(&second),
        "{said}"
    );
}

#[tokio::test]
async fn token_made_again_under_a_revoked_name_inherits_nothing() {
    let upstream = FakeNeon::route(neon).await;
    let state = state_home();
    let first = format!("Bearer {}", made(&["ci"], &state).await);
    let server = serve(&upstream, &["--auth", "bearer"], &state).await;
    let session = begin(&server, &[&first]).await.headers()["mcp-session-id"].clone();
    let pinged = async |shown: &str| {
        let ping = plain()
            .post(&server.url)
            .header("authorization", shown)
            .header("mcp-session-id", &session);
        let ping = ping
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25");
        let answer = ping
            .json(&json!({"jsonrpc": "2.0", "id": 2, "method": "ping"}))
            .send()
            .await;
        answer.expect("an answer").status()
    };
    assert_eq!(pinged(&first).await, StatusCode::OK);
    assert!(token(&["revoke", "ci"], &state).await.2);
    let second = format!("Bearer {}", made(&["ci"], &state).await);
    assert_eq!(pinged(&second).await, StatusCode::NOT_FOUND, "it is another's");
    // For people it has its name.
    let body = calling("delete_project", &json!({"project_id": PROJECT}), Era::Modern);
    assert_eq!(
        post(&server, &[&second], Era::Modern, &body).await.status(),
        StatusCode::OK
    );
    let log = std::fs::read_to_string(state.join("neon-mcp/audit.jsonl")).expect("a log");
    assert!(log.contains("\"caller\":\"token ci\""), "{log}");
}

#[tokio::test]
async fn rotated_token_and_the_one_before_it_are_one_caller_for_a_while() {
    let upstream = FakeNeon::route(neon).await;
    let state = state_home();
    let first = made(&["ci", "--scopes", "neon:read", "--expires", "90d"], &state).await;
    let server = serve(&upstream, &["--auth", "bearer"], &state).await;
    let answer = begin(&server, &[&format!("Bearer {first}")]).await;
    let session = answer.headers()["mcp-session-id"].clone();
    let (second, said, is_made) = token(&["rotate", "ci", "--overlap", "3s"], &state).await;
    assert!(
        is_made && said.contains("counts until") && !said.contains(&second),
        "{said}"
    );
    // What the one began, the other goes on with.
    for shown in [&first, &second] {
        let ping = plain()
            .post(&server.url)
            .bearer_auth(shown)
            .header("mcp-session-id", &session);
        let ping = ping
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25");
        let answer = ping
            .json(&json!({"jsonrpc": "2.0", "id": 2, "method": "ping"}))
            .send()
            .await;
        assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
    }
    let (listed, _, _) = token(&["list", "--json"], &state).await;
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    assert!(
        listed[0]["previous_expires_at"].is_string() && listed[0]["expires_at"].is_string(),
        "{listed}"
    );
    assert_eq!(listed[0]["scopes"], json!(["neon:read"]));
    harness::wait::until_async("its end", async || {
        answered(&server, &first).await.0 == StatusCode::UNAUTHORIZED
    })
    .await;
    assert_eq!(answered(&server, &second).await.0, StatusCode::OK);
    // Without an overlap, and of a name that isn't there.
    let (third, said, is_made) = token(&["rotate", "ci", "--overlap", "0s"], &state).await;
    assert!(is_made && said.contains("no more"), "{said}");
    assert_eq!(answered(&server, &second).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(answered(&server, &third).await.0, StatusCode::OK);
    assert!(!token(&["rotate", "nobody"], &state).await.2);
    // Revoking a name ends all that it has.
    let (fourth, _, _) = token(&["rotate", "ci"], &state).await;
    assert!(token(&["revoke", "ci"], &state).await.2);
    for shown in [&third, &fourth] {
        assert_eq!(answered(&server, shown).await.0, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn refusal_of_a_token_is_an_error_that_clients_show_and_the_log_has() {
    let upstream = FakeNeon::route(neon).await;
    let state = state_home();
    let reads = format!("Bearer {}", made(&["reads", "--scopes", "neon:read"], &state).await);
    let blind = format!("Bearer {}", made(&["blind", "--scopes", "neon:write"], &state).await);
    let server = serve(&upstream, &["--auth", "bearer"], &state).await;
    let told = async |shown: &[&str], body: &Value| {
        let answer = post(&server, shown, Era::Modern, body).await;
        assert_eq!(answer.headers()["content-type"], "application/json");
        let status = answer.status();
        (status, answer.json::<Value>().await.expect("JSON"))
    };
    let list = calling("list_projects", &json!({}), Era::Modern);
    let (status, none) = told(&[], &list).await;
    let message = |value: &Value| value["error"]["message"].as_str().expect("a text").to_owned();
    assert!(
        status == StatusCode::UNAUTHORIZED && message(&none).contains("token create"),
        "{none}"
    );
    assert_eq!((&none["jsonrpc"], &none["id"]), (&json!("2.0"), &Value::Null), "{none}");
    let wrong = format!("Bearer nmcp_{}", "x".repeat(43));
    let (status, unknown) = told(&[&wrong], &list).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    // It showed one.
    assert!(message(&unknown).contains("unknown, or was revoked"), "{unknown}");
    assert!(
        !message(&unknown).contains("wants") && !message(&unknown).contains("xxx"),
        "{unknown}"
    );
    let body = calling(
        "create_branch",
        &json!({"project_id": PROJECT, "name": "b"}),
        Era::Modern,
    );
    let (status, lacks) = told(&[&reads], &body).await;
    assert_eq!((status, &lacks["id"]), (StatusCode::FORBIDDEN, &json!(7)), "{lacks}");
    assert_eq!(
        lacks["error"]["data"]["scopes_needed"],
        json!(["neon:read", "neon:write"]),
        "{lacks}"
    );
    assert_eq!(lacks["error"]["data"]["scopes_held"], json!(["neon:read"]), "{lacks}");
    assert!(message(&lacks).contains("lacks neon:write"), "{lacks}");
    // Without the scope that every tool needs, there is no list.
    assert_eq!(begin(&server, &[&blind]).await.status(), StatusCode::FORBIDDEN);
    // One line a second, with the caller of each call.
    assert_eq!(
        post(&server, &[&reads], Era::Modern, &list).await.status(),
        StatusCode::OK
    );
    let said = super::ended(server).await;
    let refused = said.lines().find(|line| line.contains("refused for what it shows"));
    let refused = refused.expect("a line");
    assert!(
        refused.contains("127.0.0.1") && refused.contains("unknown, or was revoked"),
        "{refused}"
    );
    assert!(
        said.lines()
            .any(|line| line.contains("tool call") && line.contains("token reads")),
        "{said}"
    );
    assert!(!said.contains("xxx"), "{said}");
}

#[tokio::test]
async fn entry_narrows_the_policy_and_brings_its_own_credential() {
    let upstream = FakeNeon::route(neon).await;
    let state = state_home();
    let write = |name: &str, text: &str| {
        let path = state.join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("a path").to_owned()
    };
    let key = write("key", "napi_canary_of_the_entry_0123456789");
    let policy = write("policy.toml", "read_only = true\n# end\n");
    let narrow = made(
        &[
            "narrow",
            "--policy",
            &policy,
            "--api-key-file",
            &key,
            "--scopes",
            "neon:read,neon:write",
        ],
        &state,
    )
    .await;
    let plain = made(&["plain"], &state).await;
    let mut server = serve(&upstream, &["--auth", "bearer"], &state).await;
    for era in [Era::Legacy, Era::Modern] {
        server.token = Some(narrow.clone());
        let client = server.client(TestClient::alone(), era).await;
        let before = upstream.count();
        let (value, is_error) = call(&client, "describe_project", json!({"project_id": PROJECT})).await;
        assert!(!is_error, "{value}");
        for request in &upstream.requests()[before..] {
            assert_eq!(
                request.header("authorization"),
                Some("Bearer napi_canary_of_the_entry_0123456789")
            );
        }
        let tools = client.list_all_tools().await.expect("a list");
        assert!(!tools.iter().any(|tool| tool.name == "create_branch"));
        let before = upstream.count();
        let refused = client
            .call_tool(
                serde_json::from_value(
                    json!({"name": "create_branch", "arguments": {"project_id": PROJECT, "name": "b"}}),
                )
                .expect("a call"),
            )
            .await
            .expect("an answer");
        assert_eq!(refused.is_error, Some(true));
        assert_eq!(upstream.count(), before);
        server.token = Some(plain.clone());
        let client = server.client(TestClient::alone(), era).await;
        let before = upstream.count();
        call(&client, "describe_project", json!({"project_id": PROJECT})).await;
        assert_eq!(
            upstream.requests()[before].header("authorization"),
            Some(format!("Bearer {KEY}").as_str())
        );
    }
    // What it lacks by its scopes is told at the door, without metadata that there are none of.
    let shown = format!("Bearer {narrow}");
    let body = calling("delete_project", &json!({"project_id": PROJECT}), Era::Legacy);
    let answer = post(&server, &[&shown], Era::Legacy, &body).await;
    assert_eq!(
        challenge(&answer),
        (
            StatusCode::FORBIDDEN,
            "Bearer error=\"insufficient_scope\", error_description=\"the call needs scopes that the token lacks\", scope=\"neon:read neon:destructive\"".to_owned()
        )
    );
    let log = std::fs::read_to_string(state.join("neon-mcp/audit.jsonl")).expect("a log");
    assert!(
        log.contains("token narrow") && !log.contains("nmcp_") && !log.contains("napi_"),
        "{log}"
    );
    let said = super::ended(server).await;
    assert!(!said.contains("napi_") && !said.contains("nmcp_"), "{said}");
}

#[tokio::test]
async fn calls_beyond_those_of_a_minute_are_refused_with_when_to_come_again() {
    let upstream = FakeNeon::route(neon).await;
    let state = state_home();
    let few = format!("Bearer {}", made(&["few", "--calls-per-minute", "2"], &state).await);
    let other = format!("Bearer {}", made(&["other"], &state).await);
    let server = serve(&upstream, &["--auth", "bearer"], &state).await;
    let body = calling("list_projects", &json!({}), Era::Modern);
    for _ in 0..2 {
        assert_eq!(
            post(&server, &[&few], Era::Modern, &body).await.status(),
            StatusCode::OK
        );
    }
    let refused = post(&server, &[&few], Era::Modern, &body).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = refused.headers()["retry-after"]
        .to_str()
        .expect("a text")
        .parse()
        .expect("a number");
    assert!((1..=31).contains(&wait), "{wait}");
    // Another token changes the file, and nothing about this one.
    made(&["third"], &state).await;
    let refused = post(&server, &[&few], Era::Modern, &body).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        post(&server, &[&other], Era::Modern, &body).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn file_of_tokens_that_cannot_be_trusted_stops_the_start() {
    let state = state_home();
    let start = async |more: &[&str]| {
        let arguments = [&["http", "--listen", "127.0.0.1:0", "--auth", "bearer"], more].concat();
        let mut command = program(&arguments, "http://127.0.0.1:1", KEY);
        let output = command.env("XDG_STATE_HOME", &state).output().await.expect("runs");
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty(), "no address is told");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = start(&[]).await;
    assert!(said.contains("neon-mcp token create"), "{said}");
    made(&["one"], &state).await;
    let file = state.join("neon-mcp/tokens.toml");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).expect("set");
    let said = start(&[]).await;
    assert!(said.contains("tokens.toml"), "{said}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("set");
    let text = std::fs::read_to_string(&file).expect("a text");
    std::fs::write(
        &file,
        text.replace("# end\n", "policy = \"/nowhere/policy.toml\"\n# end\n"),
    )
    .expect("written");
    let said = start(&[]).await;
    assert!(said.contains("/nowhere/policy.toml"), "{said}");
    // Cut off after a line, or left empty.
    for text in [text.replace("# end\n", ""), String::new()] {
        std::fs::write(&file, text).expect("written");
        let said = start(&[]).await;
        assert!(said.contains("tokens.toml") && said.contains("# end"), "{said}");
    }
}

#[tokio::test]
async fn stream_of_a_revoked_token_ends() {
    let upstream = FakeNeon::route(neon).await;
    let state = state_home();
    let alice = format!("Bearer {}", made(&["alice"], &state).await);
    let server = serve(&upstream, &["--auth", "bearer"], &state).await;
    let begun = begin(&server, &[&alice]).await;
    let session = begun.headers()["mcp-session-id"].clone();
    let stream = plain()
        .get(&server.url)
        .header("authorization", &alice)
        .header("accept", "text/event-stream")
        .header("mcp-session-id", session)
        .send()
        .await
        .expect("an answer");
    assert_eq!(stream.status(), StatusCode::OK);
    let ends = tokio::spawn(stream.bytes());
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert!(!ends.is_finished(), "it lasts as long as its token counts");
    let (_, said, is_done) = token(&["revoke", "alice"], &state).await;
    assert!(is_done, "{said}");
    let ended = tokio::time::timeout(std::time::Duration::from_secs(30), ends).await;
    assert!(ended.expect("it ends").expect("runs").is_ok());
}
