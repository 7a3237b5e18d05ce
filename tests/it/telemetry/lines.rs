//! Lines of the log as JSON objects.

use chrono::DateTime;
use serde_json::{Value, json};

use super::{PROJECT, Watched, call_body, post};
use crate::support::fake_neon::{FakeNeon, Reply};
use crate::support::server::{Era, KEY, TestClient, TestServer, program, state_home};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

async fn neon() -> FakeNeon {
    FakeNeon::always(Reply::json(200, json!({"project": {"id": PROJECT, "name": "shop"}}))).await
}

/// Every line of a log, those for whoever started it among them.
fn lines(log: &str) -> Vec<Value> {
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for line in &lines {
        let time = line["timestamp"].as_str().unwrap();
        assert!(
            time.ends_with('Z') && DateTime::parse_from_rfc3339(time).is_ok(),
            "{line}"
        );
        for name in ["level", "target", "message"] {
            assert!(line[name].is_string(), "{line}");
        }
    }
    lines
}

fn of_call(lines: &[Value]) -> &Value {
    let mut of_call = lines.iter().filter(|line| line["message"] == "tool call");
    of_call.next().unwrap_or_else(|| panic!("{lines:?}"))
}

#[tokio::test]
async fn line_is_one_object_with_the_trace_that_the_client_named() {
    let upstream = neon().await;
    for (arguments, variables) in [
        (vec!["--log-format", "json"], vec![]),
        (vec![], vec![("NEON_MCP_LOG_FORMAT", "json")]),
    ] {
        let variables = [&[("NEON_MCP_LOG", "trace")][..], &variables].concat();
        let mut server = Watched::start(&upstream.url(), KEY, &arguments, &variables).await;
        let meta = json!({"traceparent": format!("00-{TRACE}-00f067aa0ba902b7-01")});
        let body = call_body("describe_project", &json!({"project_id": PROJECT}), &meta);
        post(&server.http.url, &body, &[]).await;
        server.stop().await;
        let lines = lines(&server.log());
        let line = of_call(&lines);
        assert_eq!(line["fields"]["tool"], "describe_project", "{line}");
        assert_eq!(
            (&line["level"], &line["trace_id"]),
            (&json!("INFO"), &json!(TRACE)),
            "{line}"
        );
        assert!(line["span_id"].is_string(), "{line}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn lines_are_objects_from_the_first_one_to_the_last_where_the_settings_file_says_so() {
    let upstream = neon().await;
    let folder = state_home();
    let put = |name: &str, text: &str, mode: u32| {
        use std::os::unix::fs::PermissionsExt as _;
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.to_string_lossy().into_owned()
    };
    let config = put("settings.toml", "[http]\nlog_format = \"json\"\n", 0o600);
    let key = put("neon-api-key", KEY, 0o644);
    let policy = put("policy.toml", "no_such_key = 1\n", 0o600);
    let usual = ["http", "--listen", "127.0.0.1:0", "--no-auth", "--config", &config];
    let arguments = [&usual[..], &["--api-key-file", &key, "--policy", &policy]].concat();
    let mut command = program(&arguments, &upstream.url(), KEY);
    command.env_remove("NEON_API_KEY");
    let output = command.output().await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let lines = lines(&String::from_utf8_lossy(&output.stderr));
    let levels = (&lines[0]["level"], &lines.last().unwrap()["level"]);
    assert_eq!(levels, (&json!("WARN"), &json!("ERROR")), "{lines:?}");
}

#[tokio::test]
async fn stdio_writes_objects_too_and_text_stays_the_default() {
    let upstream = neon().await;
    for format in [Some("json"), None] {
        let mut command = program(&["stdio"], &upstream.url(), KEY);
        if let Some(format) = format {
            command.env("NEON_MCP_LOG_FORMAT", format);
        }
        let server = TestServer::run(command, TestClient::alone(), Era::Legacy).await;
        server.call("describe_project", json!({"project_id": PROJECT})).await;
        let log = server.stop().await;
        match format {
            Some(_) => assert!(of_call(&lines(&log))["trace_id"].is_string()),
            None => assert!(
                log.contains(r#"tool call tool="describe_project" outcome="ok""#),
                "{log}"
            ),
        }
    }
}
