//! Canaries, put in wherever somebody can put something, stand in no line of the log at `trace`, no metric and no trace; secrets and rows
//! in no line of the audit log either, which has arguments.

use std::fs;

use harness::fence::bare_value;
use neon_sandbox::{Postgres, SandboxOptions};
use serde_json::{Value, json};

use super::Watched;
use super::collector::{Collector, holds};
use crate::support::http::{connect, plain};
use crate::support::human::{Human, Manner};
use crate::support::sandbox;
use crate::support::server::{Era, TestClient, call, program, state_home};

const TOKEN: &str = "canarytoken0123456789abcdefghijklmnop";
const COLLECTOR_KEY: &str = "canarycollectorkey0123456789";
const NAMES: [&str; 2] = ["canaryproject", "canarybranch"];
const SQL: [&str; 7] = [
    "canarytable",
    "woryranac",
    // The same the other way around: it stands in rows alone.
    "canaryrow",
    "canaryliteral",
    "canaryparameter",
    "canaryerror",
    "canarypasswordofrole",
];

/// What stands in odd messages.
const SAID: [&str; 6] = [
    "canaryexperiment",
    "canaryversion",
    "canarytool",
    "canaryargument",
    "canaryreason",
    "canarymethod",
];

/// Calls a tool for its value, fences taken off.
async fn value(
    client: &rmcp::service::RunningService<rmcp::RoleClient, TestClient>,
    tool: &str,
    arguments: Value,
) -> Value {
    let (value, _) = call(client, tool, arguments).await;
    bare_value(&value)
}

async fn leaves_nothing(format: &str) {
    let options = SandboxOptions {
        postgres: Postgres::Required,
        ..SandboxOptions::default()
    };
    let neon = sandbox::start(options).await;
    let (collector, folder) = (Collector::start().await, state_home());
    let (token, audit) = (folder.join("token"), folder.join("audit.jsonl"));
    fs::write(&token, TOKEN).unwrap();
    fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let arguments = [
        "http",
        "--listen",
        "127.0.0.1:0",
        "--metrics-listen",
        "127.0.0.1:0",
        "--toolsets",
        "all",
        "--log-format",
        format,
    ];
    let mut command = program(&arguments, &neon.api_url(), neon.api_key());
    command
        .arg("--auth-token-file")
        .arg(&token)
        .arg("--audit-log")
        .arg(&audit)
        .env("NEON_MCP_LOG", "trace")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
        .env("OTEL_EXPORTER_OTLP_HEADERS", format!("api-key={COLLECTOR_KEY}"));
    let mut server = Watched::run(command).await;
    let metrics = server.metrics_url().await;

    let mut secrets = vec![TOKEN.to_owned(), COLLECTOR_KEY.to_owned(), neon.api_key().to_owned()];
    for era in [Era::Legacy, Era::Modern] {
        let human = Human::who(Manner::Accepts);
        let client = connect(&server.http.url, Some(TOKEN), TestClient::with(human.clone()), era).await;
        let organizations = value(&client, "list_organizations", json!({})).await;
        let org = &organizations["result"]["organizations"][0]["id"];
        let made = value(&client, "create_project", json!({"name": NAMES[0], "org_id": org})).await;
        let project = made["result"]["project"]["id"]
            .as_str()
            .unwrap_or_else(|| panic!("{made}"));
        let of = |more: Value| {
            let mut arguments = json!({"project_id": project});
            arguments
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            arguments
        };
        let branch = value(&client, "create_branch", of(json!({"name": NAMES[1]}))).await;
        let branch = branch["result"]["branch"]["id"]
            .as_str()
            .unwrap_or_else(|| panic!("{branch}"));
        for sql in [
            "CREATE TABLE canarytable (word text)",
            "INSERT INTO canarytable VALUES (reverse('woryranac'))",
            "SELECT word FROM canarytable WHERE word <> 'canaryliteral'",
            "SELECT canaryerror FROM canarytable",
            "DROP TABLE canarytable",
            "CREATE ROLE somebody PASSWORD 'canarypasswordofrole'",
        ] {
            value(&client, "run_sql", of(json!({"branch_id": branch, "sql": sql}))).await;
        }
        let parameters = json!({"branch_id": branch, "sql": "SELECT $1::text", "params": ["canaryparameter"]});
        value(&client, "run_sql", of(parameters)).await;
        let shown = value(&client, "get_connection_string", of(json!({"branch_id": branch}))).await;
        if let Some(password) = password(&shown.to_string()) {
            secrets.push(password);
        }
        value(&client, "delete_branch", of(json!({"branch_id": branch}))).await;
        assert!(human.count() > 0, "nothing was asked");
        client.cancel().await.unwrap();
    }
    assert!(secrets.len() > 3, "no password was shown");
    odd_messages(&server.http.url).await;
    // Who comes with a wrong token, and one who puts it where it doesn't belong.
    for url in [server.http.url.clone(), format!("{}?api_key={TOKEN}", server.http.url)] {
        let answer = plain()
            .post(url)
            .bearer_auth("canarywrongtoken0123456789abcdefghij")
            .body("{}")
            .send()
            .await;
        assert!(answer.unwrap().status().is_client_error());
    }
    secrets.push("canarywrongtoken".to_owned());
    let metrics = plain().get(&metrics).send().await.unwrap().text().await.unwrap();
    server.stop().await;

    let (traces, sent_metrics) = (collector.bytes("/v1/traces"), collector.bytes("/v1/metrics"));
    let (_, headers, _) = &collector.received()[0];
    assert_eq!(headers["api-key"], COLLECTOR_KEY);
    assert!(holds(&traces, "SQL write") && holds(&sent_metrics, "neon_mcp.calls"));
    let (log, audit) = (server.log(), fs::read_to_string(&audit).unwrap());
    assert!(log.contains("neon request") && audit.contains("run_sql"), "{log}");
    let places = [
        ("the log", log.as_bytes()),
        ("/metrics", metrics.as_bytes()),
        ("traces", &traces),
        ("metrics that are sent", &sent_metrics),
    ];
    let secrets = secrets.iter().map(String::as_str);
    for canary in secrets.clone().chain(NAMES).chain(SQL).chain(SAID) {
        for (place, bytes) in places {
            let lines = || {
                log.lines()
                    .filter(|line| line.contains(canary))
                    .collect::<Vec<_>>()
                    .join("\n")
            };
            assert!(!holds(bytes, canary), "{canary} stands in {place}\n{}", lines());
        }
    }
    for canary in secrets.chain(["canaryrow", "canarypasswordofrole"]) {
        let lines = || {
            audit
                .lines()
                .filter(|line| line.contains(canary))
                .collect::<Vec<_>>()
                .join("\n")
        };
        assert!(!audit.contains(canary), "{canary} stands in the audit log\n{}", lines());
    }
    drop(server.state);
}

/// Messages that the library of the protocol would log whole: without an id, and of a method and a tool that there aren't.
async fn odd_messages(url: &str) {
    let post = async |session: Option<&str>, message: Value| {
        let mut request = plain()
            .post(url)
            .bearer_auth(TOKEN)
            .header("accept", "application/json, text/event-stream")
            .json(&message);
        if let Some(session) = session {
            request = request.header("mcp-session-id", session);
        }
        request.send().await.unwrap()
    };
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-06-18",
        "capabilities": {"experimental": {SAID[0]: {}}}, "clientInfo": {"name": "odd", "version": SAID[1]}}});
    let begun = post(None, hello).await;
    let session = begun.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let call = json!({"name": SAID[2], "arguments": {"sql": SAID[3]}});
    for message in [
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "method": "tools/call", "params": call}),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7, "reason": SAID[4]}}),
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}),
        json!({"jsonrpc": "2.0", "id": 2, "method": SAID[5]}),
    ] {
        let answer = post(Some(&session), message).await;
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.text().await.unwrap();
    }
}

/// The password of the first connection string in a text.
fn password(text: &str) -> Option<String> {
    let rest = text.split_once("postgresql://")?.1;
    let (_, rest) = rest.split_once(':')?;
    let (password, _) = rest.split_once('@')?;
    (password.len() > 7 && !password.contains("masked")).then(|| password.to_owned())
}

#[tokio::test]
async fn no_canary_shows_with_lines_of_text() {
    leaves_nothing("text").await;
}

#[tokio::test]
async fn no_canary_shows_with_lines_of_json() {
    leaves_nothing("json").await;
}
