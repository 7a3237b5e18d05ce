//! What a newcomer types: each answer says what to do next, to the one who typed it.

use serde_json::{Value, json};

use super::{Ran, at_home, ran, run};

/// A call on a sandbox of its own that holds no data, where nobody sits at a terminal.
async fn on_sandbox(arguments: &[&str]) -> Ran {
    let home = tempfile::tempdir().expect("a directory");
    let mut command = at_home(&home, arguments, "", "");
    command
        .env_remove("NEON_API_HOST")
        .env_remove("NEON_API_KEY")
        .env_remove("NEON_MCP_SANDBOX_PROJECT")
        .env("NEON_MCP_SANDBOX_POSTGRES", "off");
    ran(command).await
}

#[tokio::test]
async fn sandbox_that_goes_with_its_call_gives_no_code() {
    let project = json!({"project_id": "sandbox"}).to_string();
    let call = ["call", "delete_project", &project, "--json", "--sandbox"];
    let gone = on_sandbox(&call).await;
    let value: Value = serde_json::from_str(&gone.stdout).unwrap_or_else(|_| panic!("{}", gone.all()));
    let error = &value["error"];
    assert_eq!((gone.code, &error["kind"]), (1, &json!("requires_approval")), "{value}");
    assert!(error["code"].is_null() && error["approval"].is_null(), "{value}");
    assert!(
        error["next"]
            .as_str()
            .is_some_and(|next| next.contains("--sandbox-dir")),
        "{value}"
    );
    // One that is kept gives one.
    let place = tempfile::tempdir().expect("a directory");
    let folder = place.path().join("kept");
    let kept = [&call[..], &["--sandbox-dir", folder.to_str().expect("a path")]].concat();
    let value: Value = serde_json::from_str(&on_sandbox(&kept).await.stdout).expect("JSON");
    assert!(value["error"]["code"].is_string(), "{value}");
}

#[tokio::test]
async fn sql_without_postgres_says_how_to_get_one() {
    let sql = json!({"project_id": "sandbox", "branch_id": "main", "sql": "SELECT 1"}).to_string();
    let told = on_sandbox(&["call", "run_sql", &sql, "--json", "--sandbox"]).await;
    let value: Value = serde_json::from_str(&told.stdout).unwrap_or_else(|_| panic!("{}", told.all()));
    let error = &value["error"];
    assert_eq!(
        (&error["kind"], &error["changed"]),
        (&json!("no_postgres"), &json!("no")),
        "{value}"
    );
    let next = error["next"].as_str().expect("a step");
    assert!(
        next.contains("--fetch-postgres") && next.contains("apt install postgresql"),
        "{next}"
    );
}

#[tokio::test]
async fn project_that_was_deleted_in_a_kept_folder_stays_so() {
    let place = tempfile::tempdir().expect("a directory");
    let folder = place.path().join("kept");
    let policy = place.path().join("policy.toml");
    std::fs::write(&policy, "[tools]\ndelete_project = \"allow\"\n").expect("written");
    let call = |tool: &'static str, arguments: Value| {
        let words = [
            "call".to_owned(),
            tool.to_owned(),
            arguments.to_string(),
            "--json".to_owned(),
            "--sandbox".to_owned(),
            "--sandbox-dir".to_owned(),
            folder.to_str().expect("a path").to_owned(),
            "--policy".to_owned(),
            policy.to_str().expect("a path").to_owned(),
        ];
        async move {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let told = on_sandbox(&words).await;
            serde_json::from_str::<Value>(&told.stdout).unwrap_or_else(|_| panic!("{}", told.all()))
        }
    };
    let projects = |value: &Value| value["result"]["projects"].as_array().map(Vec::len);
    assert_eq!(projects(&call("list_projects", json!({})).await), Some(1));
    let deleted = call("delete_project", json!({"project_id": "sandbox"})).await;
    assert!(deleted.get("error").is_none(), "{deleted}");
    let after = call("list_projects", json!({})).await;
    assert_eq!(projects(&after), Some(0), "{after}");
}

#[tokio::test]
async fn one_tool_is_shown_with_an_example_and_others_are_pointed_to_it() {
    let told = run(&["tools", "delete_branch"]).await;
    assert_eq!(told.code, 0, "{}", told.all());
    for part in [
        "effect destructive",
        "project_id: string",
        "required",
        "asks a human",
        "neon-mcp call delete_branch '{",
    ] {
        assert!(told.stdout.contains(part), "{part}: {}", told.stdout);
    }
    let near = run(&["tools", "delete_brunch"]).await;
    assert!(
        near.code != 0 && near.stderr.contains("delete_branch"),
        "{}",
        near.all()
    );
    for arguments in [&["call"][..], &["call", "qqqq"]] {
        let told = run(arguments).await;
        assert_ne!(told.code, 0);
        assert!(
            told.stderr.contains("neon-mcp tools NAME"),
            "{arguments:?}: {}",
            told.all()
        );
    }
    let table = run(&["tools", "--format", "markdown", "--toolsets", "all"])
        .await
        .stdout;
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let asks: Vec<&str> = row
            .trim_end_matches(" |")
            .rsplit("| ")
            .next()
            .expect("a cell")
            .split("; ")
            .collect();
        let mut once = asks.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), asks.len(), "a reason stands twice: {row}");
    }
    let log = run(&["log", "--tool", "create_projet"]).await;
    assert!(log.stderr.contains("`create_project`"), "{}", log.all());
}

#[tokio::test]
async fn help_has_a_commands_own_options_first_and_settings_that_it_uses() {
    let call = run(&["call", "--help"]).await.stdout;
    let at = |text: &str| call.find(text).unwrap_or_else(|| panic!("{text}: {call}"));
    assert!(
        at("\nOptions:") < at("--json") && at("--json") < at("\nTools:"),
        "{call}"
    );
    for (heading, flag) in [
        ("\nBounds:", "--read-only"),
        ("\nCredentials:", "--profile"),
        ("\nSandbox:", "--sandbox-dir"),
    ] {
        assert!(at(heading) < at(flag), "{heading}: {call}");
    }
    assert!(call.contains("neon-mcp call list_projects"), "{call}");
    for command in ["login", "logout", "whoami"] {
        let help = run(&[command, "--help"]).await.stdout;
        assert!(help.contains("--profile"), "{help}");
        for flag in ["--read-only", "--sandbox-dir", "--toolsets", "--policy"] {
            assert!(!help.contains(flag), "{command} {flag}: {help}");
        }
    }
}

#[tokio::test]
async fn network_that_is_away_is_answered_with_what_to_try() {
    let home = tempfile::tempdir().expect("a directory");
    let arguments = [
        "login",
        "--no-browser",
        "--login-issuer",
        "http://127.0.0.1:1",
        "--login-client-id",
        "x",
    ];
    let told = ran(at_home(&home, &arguments, "http://127.0.0.1:1/api/v2", "")).await;
    assert_ne!(told.code, 0);
    for step in ["neon-mcp doctor", "HTTPS_PROXY", "NEON_API_KEY"] {
        assert!(told.stderr.contains(step), "{step}: {}", told.all());
    }
    let whoami = ran(at_home(&home, &["whoami"], "http://127.0.0.1:1/api/v2", "")).await;
    assert!(!whoami.all().to_lowercase().contains("the user"), "{}", whoami.all());
    // A port that is in use is named.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let told = run(&["sandbox", "--sandbox-postgres", "off", "--port", &port]).await;
    assert!(
        told.code != 0 && told.stderr.contains(&format!("port {port}")),
        "{}",
        told.all()
    );
}
