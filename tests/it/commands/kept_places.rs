//! `neon-mcp approve` and `neon-mcp log` find what a server keeps by its own settings file.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Ran, ran};
use crate::support::http::OverHttp;
use crate::support::policy::write_policy;
use crate::support::server::{Era, KEY, TestClient, call, program, state_home};
use crate::support::world::{BRANCH, PROJECT, World};

/// A server whose places are named by its settings file alone.
struct Placed {
    world: World,
    folder: PathBuf,
    server: OverHttp,
}

impl Placed {
    async fn start(settings: &str, policy: &str) -> Self {
        let world = World::start().await;
        let folder = state_home();
        let place = |name: &str| folder.join(name).display().to_string();
        write_policy(folder.join("policy.toml"), policy);
        let settings = settings.replace("FOLDER", &folder.display().to_string());
        let settings = format!("policy = \"{}\"\n{settings}", place("policy.toml"));
        std::fs::write(folder.join("settings.toml"), settings).expect("written");
        let arguments = [
            "http",
            "--listen",
            "127.0.0.1:0",
            "--no-auth",
            "--toolsets",
            "all",
            "--config",
        ];
        let mut command = program(&arguments, &world.url(), KEY);
        command.arg(folder.join("settings.toml")).env("NEON_MCP_LOG", "error");
        let server = OverHttp::start(command, &state_home()).await;
        Self { world, folder, server }
    }

    fn settings(&self) -> PathBuf {
        self.folder.join("settings.toml")
    }

    /// Has a call wait: its code, where it has one, and all that is said.
    async fn waits(&self) -> Value {
        let client = self.server.client(TestClient::alone(), Era::Modern).await;
        let (value, is_error) = call(
            &client,
            "delete_branch",
            json!({"project_id": PROJECT, "branch_id": BRANCH}),
        )
        .await;
        assert!(is_error && value["error"]["kind"] == "requires_approval", "{value}");
        value["error"].clone()
    }
}

/// A command of the operator, from a home of its own.
async fn operator(arguments: &[&str], config: Option<&Path>) -> Ran {
    let mut command = program(arguments, "http://127.0.0.1:1/api/v2", KEY);
    command
        .env("XDG_STATE_HOME", state_home())
        .stdin(std::process::Stdio::null());
    if let Some(config) = config {
        command.env("NEON_MCP_CONFIG", config);
    }
    ran(command).await
}

#[tokio::test]
async fn approve_and_log_find_the_place_that_the_settings_file_names() {
    // Relative places start at the file, in whichever folder server and operator are.
    for settings in [
        "state_dir = \"FOLDER/kept\"\n",
        "[http]\nstore = \"dir:FOLDER/kept\"\n",
        "state_dir = \"kept\"\n",
        "[http]\nstore = \"dir:./kept\"\n",
    ] {
        let placed = Placed::start(settings, "[approval]\nwithout_terminal = true\n").await;
        let code = placed.waits().await["code"].as_str().expect("a code").to_owned();
        let config = placed.settings();
        // Elsewhere there is nothing, and it is said where that is.
        let lost = operator(&["approve"], None).await;
        assert!(
            !lost.stdout.contains(&code) && lost.stdout.contains("/approvals"),
            "{}",
            lost.all()
        );
        let unknown = operator(&["approve", &code, "--yes"], None).await;
        assert!(
            unknown.code == 2 && unknown.stderr.contains("/approvals"),
            "{}",
            unknown.all()
        );
        // By a flag as by the variable.
        let path = config.to_str().expect("a path");
        let listed = operator(&["approve", "--config", path], None).await;
        assert!(listed.stdout.contains(&code), "{}", listed.all());
        let approved = operator(&["approve", &code, "--yes"], Some(&config)).await;
        assert_eq!(approved.code, 0, "{}", approved.all());
        for (arguments, config) in [
            (&["log", "--json"][..], Some(&*config)),
            (&["log", "--json", "--config", path], None),
        ] {
            let log = operator(arguments, config).await;
            let outcomes: Vec<String> = log
                .stdout
                .lines()
                .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["outcome"].to_string())
                .collect();
            assert_eq!(outcomes, ["\"asked\"", "\"approved\""], "{}", log.all());
        }
        // What is named on the command line is where it is looked, whatever the file says.
        let elsewhere = state_home();
        let directory = elsewhere.to_str().expect("a path");
        let there = operator(&["approve", "--state-dir", directory], Some(&config)).await;
        assert!(there.stdout.contains(directory), "{}", there.all());
        assert_eq!(placed.world.changes().len(), 0);
    }
    let broken = state_home().join("settings.toml");
    std::fs::write(&broken, "stat_dir = 1\n").expect("written");
    let ran = operator(&["approve"], Some(&broken)).await;
    assert!(ran.code == 1 && ran.stderr.contains("`state_dir`"), "{}", ran.all());
}

#[tokio::test]
async fn call_that_no_terminal_approves_is_told_before_anything_is_asked() {
    let policy = "[approval]\nchannels = [\"page\"]\n";
    let placed = Placed::start("state_dir = \"FOLDER/kept\"\n", policy).await;
    let error = placed.waits().await;
    let page = error["approval_page"].as_str().expect("a page");
    let code = page.rsplit('/').next().expect("a code").to_owned();
    let config = placed.settings();
    let listed = operator(&["approve"], Some(&config)).await;
    assert!(listed.stdout.contains(&format!("/approve/{code}")), "{}", listed.all());
    let mut command = program(&["approve", &code], "http://127.0.0.1:1/api/v2", KEY);
    command.env("NEON_MCP_CONFIG", &config);
    let command = command.into_std();
    let ended = tokio::task::spawn_blocking(move || crate::support::terminal::AtTerminal::start(command).end());
    let (exit, printed, screen) = ended.await.expect("ends");
    assert_eq!(exit, 2, "{screen}");
    assert!(
        screen.contains(&format!("/approve/{code}")) && screen.contains(BRANCH),
        "{screen}"
    );
    // No question stood there.
    assert!(!screen.contains("yes") && printed.is_empty(), "{screen}");
    let rejected = operator(&["approve", &code, "--reject"], Some(&config)).await;
    assert_eq!(rejected.code, 1, "{}", rejected.all());
    assert_eq!(placed.world.changes().len(), 0);
}
