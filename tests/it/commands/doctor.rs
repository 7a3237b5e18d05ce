//! `neon-mcp doctor`: each thing that can be wrong, what is said of it, and the next step.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{at_home, ran};
use crate::support::fake_neon::{FakeNeon, Reply};
use crate::support::sandbox;
use crate::support::server::KEY;
use neon_mcp::sandbox::SandboxOptions;

/// The checks, and the exit code.
struct Told {
    code: i32,
    all: Value,
}

impl Told {
    /// The first check of that name.
    fn check(&self, name: &str) -> &Value {
        let checks = self.all["checks"].as_array().expect("a list");
        let found = checks.iter().find(|check| check["check"] == name);
        found.unwrap_or_else(|| panic!("no check {name}: {}", self.all))
    }

    #[track_caller]
    fn is(&self, name: &str, state: &str) -> &Value {
        let check = self.check(name);
        assert_eq!(check["state"], state, "{check}");
        // Whatever isn't as it should be has a next step.
        assert_eq!(
            check["next"].is_string(),
            ["warning", "problem"].contains(&state),
            "{check}"
        );
        check
    }
}

async fn doctor(home: &TempDir, api: &str, key: &str, more: &[&str], variables: &[(&str, &str)]) -> Told {
    let mut command = at_home(home, &[&["doctor", "--json"], more].concat(), api, key);
    for (name, value) in variables {
        command.env(name, value);
    }
    let ran = ran(command).await;
    assert!(key.is_empty() || !ran.all().contains(key), "{}", ran.all());
    Told {
        code: ran.code,
        all: serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.all())),
    }
}

fn home() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

#[tokio::test]
async fn what_is_as_it_should_be_is_told_so() {
    let neon = sandbox::start(SandboxOptions {
        require_org_id: false,
        ..SandboxOptions::default()
    })
    .await;
    let home = home();
    let (url, key) = (neon.api_url(), neon.api_key().to_owned());
    let project = json!({"name": "p"}).to_string();
    let made = ran(at_home(&home, &["call", "create_project", &project], &url, &key)).await;
    assert_eq!(made.code, 0, "{}", made.all());
    let told = doctor(&home, &url, &key, &[], &[]).await;
    for name in [
        "program", "settings", "api", "clock", "sql", "state", "policy", "proxy", "tls",
    ] {
        told.is(name, "ok");
    }
    // A personal key works, and reaches far.
    let credential = told.is("credential", "warning");
    assert_eq!(credential["found"]["reach"], "account", "{credential}");
    assert_eq!(credential["found"]["kind"], "api_key");
    assert_eq!(credential["found"]["expires_at"], Value::Null);
    assert!(
        credential["found"]["source"]
            .as_str()
            .expect("a source")
            .contains("NEON_API_KEY")
    );
    assert_eq!((told.code, &told.all["healthy"]), (0, &json!(true)), "{}", told.all);
    // For people, the same without JSON.
    let mut command = at_home(&home, &["doctor"], &url, &key);
    command.env("NEON_MCP_LOG", "trace");
    let people = ran(command).await;
    assert_eq!(people.code, 0);
    for name in ["credential", "api", "sql", "clock", "state", "policy"] {
        assert!(people.stdout.contains(name), "{}", people.stdout);
    }
    assert!(!people.all().contains(&key), "{}", people.all());
    // Nothing was changed, and nothing was left.
    assert!(!home.path().join("state/neon-mcp/.doctor").exists());
}

#[tokio::test]
async fn missing_and_wrong_credentials_have_a_next_step() {
    let neon = sandbox::start(SandboxOptions::default()).await;
    let home = home();
    let told = doctor(&home, &neon.api_url(), "", &[], &[]).await;
    let check = told.is("credential", "problem");
    assert!(
        check["next"].as_str().expect("a step").contains("NEON_API_KEY"),
        "{check}"
    );
    told.is("api", "ok");
    assert_eq!(told.code, 1);
    let told = doctor(&home, &neon.api_url(), "sandbox_wrong_0123456789abcdef", &[], &[]).await;
    told.is("credential", "problem");
    assert_eq!(told.code, 1);
    let file = home.path().join("key");
    std::fs::write(&file, neon.api_key()).expect("written");
    let told = doctor(&home, &neon.api_url(), "", &["--api-key-file", text(&file)], &[]).await;
    let check = told.check("credential");
    assert!(
        check["found"]["source"]
            .as_str()
            .expect("a source")
            .contains(text(&file)),
        "{check}"
    );
}

#[tokio::test]
async fn api_that_is_not_reached_is_a_problem() {
    let home = home();
    let told = doctor(&home, "http://127.0.0.1:1/api/v2", KEY, &[], &[]).await;
    told.is("api", "problem");
    told.is("clock", "skipped");
    told.is("sql", "skipped");
    assert_eq!(told.code, 1);
    let offline = doctor(&home, "http://127.0.0.1:1/api/v2", KEY, &["--offline"], &[]).await;
    for name in ["api", "clock", "sql", "credential"] {
        offline.is(name, "skipped");
    }
    assert_eq!(offline.code, 0, "{}", offline.all);
    // A proxy that isn't there, for a host that is elsewhere.
    let proxy = [("HTTPS_PROXY", "http://me:hunter2@127.0.0.1:1")];
    let told = doctor(&home, "https://console.example.invalid/api/v2", KEY, &[], &proxy).await;
    told.is("api", "problem");
    let check = told.is("proxy", "ok");
    assert_eq!(check["found"]["proxy"], "127.0.0.1:1", "{check}");
    assert!(!told.all.to_string().contains("hunter2"), "{}", told.all);
    let told = doctor(
        &home,
        "http://127.0.0.1:1/api/v2",
        KEY,
        &["--offline"],
        &[("SSL_CERT_FILE", "/nowhere.pem")],
    )
    .await;
    told.is("tls", "problem");
}

#[tokio::test]
async fn clock_that_is_off_is_a_problem() {
    let neon =
        FakeNeon::always(Reply::json(200, json!({"regions": []})).header("date", "Wed, 01 Jan 2025 00:00:00 GMT"))
            .await;
    let told = doctor(&home(), &neon.url(), KEY, &[], &[]).await;
    let check = told.is("clock", "problem");
    assert!(
        check["found"]["seconds_off"].as_i64().expect("a number") > 1_000_000,
        "{check}"
    );
    // Only what names no credential asks for the time.
    let plain = neon
        .requests()
        .into_iter()
        .find(|request| request.path().ends_with("/regions"))
        .expect("asked");
    assert_eq!(plain.header("authorization"), None);
}

#[tokio::test]
async fn what_is_wrong_on_the_machine_has_a_next_step() {
    let home = home();
    let offline = |more: Vec<String>| {
        let home = &home;
        async move {
            let more: Vec<&str> = std::iter::once("--offline")
                .chain(more.iter().map(String::as_str))
                .collect();
            doctor(home, "http://127.0.0.1:1/api/v2", KEY, &more, &[]).await
        }
    };
    let path = |name: &str| home.path().join(name).to_str().expect("a path").to_owned();
    std::fs::write(path("file"), "").expect("written");
    let told = offline(vec!["--state-dir".into(), path("file")]).await;
    told.is("state", "problem");
    let told = offline(vec!["--state-dir".into(), path("file/below")]).await;
    told.is("state", "problem");
    std::fs::create_dir(path("open")).expect("made");
    std::fs::set_permissions(path("open"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("set");
    offline(vec!["--state-dir".into(), path("open")])
        .await
        .is("state", "warning");
    std::fs::write(path("policy.toml"), "red_only = true\n").expect("written");
    let told = offline(vec!["--policy".into(), path("policy.toml")]).await;
    told.is("policy", "problem");
    std::fs::write(path("good.toml"), "read_only = true\n").expect("written");
    let told = offline(vec!["--policy".into(), path("good.toml")]).await;
    assert_eq!(told.is("policy", "ok")["found"]["file"], path("good.toml"));
    let told = offline(vec!["--policy".into(), "/nowhere.toml".into()]).await;
    told.is("policy", "problem");
    let told = offline(vec!["--config".into(), "/nowhere.toml".into()]).await;
    told.is("settings", "problem");
    let told = offline(vec!["--toolsets".into(), "nonsense".into()]).await;
    told.is("policy", "problem");
    let told = offline(vec!["--postgres-bin".into(), path("open")]).await;
    told.is("postgres", "problem");
    let told = offline(vec!["--sandbox".into()]).await;
    // The variable for the host of the tests stands against it.
    told.is("settings", "problem");
    assert_eq!(told.code, 1);
}

#[tokio::test]
async fn clients_and_their_entries_are_looked_at() {
    let home = home();
    let told = doctor(&home, "http://127.0.0.1:1/api/v2", KEY, &["--offline"], &[]).await;
    told.is("client", "warning");
    std::fs::create_dir_all(home.path().join(".cursor")).expect("made");
    std::fs::create_dir_all(home.path().join(".kiro/settings")).expect("made");
    std::fs::create_dir_all(home.path().join(".codeium/windsurf")).expect("made");
    let install = ["install", "cursor", "--yes", "--sandbox", "--sandbox-postgres", "off"];
    let mut command = at_home(&home, &install, "", "");
    command.env_remove("NEON_API_HOST");
    let installed = ran(command).await;
    assert_eq!(installed.code, 0, "{}", installed.all());
    std::fs::write(home.path().join(".kiro/settings/mcp.json"), "{").expect("written");
    std::fs::write(
        home.path().join(".codeium/windsurf/mcp_config.json"),
        json!({"mcpServers": {"neon": {"command": "/nowhere/neon-mcp", "env": {"NEON_API_KEY": "napi_secret"}}}})
            .to_string(),
    )
    .expect("written");
    let mut command = at_home(&home, &["doctor", "--json"], "", "");
    command.env_remove("NEON_API_HOST").env("NEON_MCP_SANDBOX", "true");
    let ran = ran(command).await;
    assert!(!ran.all().contains("napi_secret"));
    let all: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let state = |client: &str| {
        let checks = all["checks"].as_array().expect("a list");
        let found = checks.iter().find(|check| check["found"]["client"] == client);
        found.unwrap_or_else(|| panic!("no {client}: {all}"))["state"].clone()
    };
    assert_eq!(
        [state("cursor"), state("kiro"), state("windsurf")],
        ["ok", "problem", "problem"],
        "{all}"
    );
    assert_eq!(ran.code, 1);
}
