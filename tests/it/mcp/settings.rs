//! Selection and settings: what stops the start, what vanishes from schemas, what is enforced at the call.

use std::collections::BTreeSet;

use harness::wait::until;
use neon_mcp::catalog::{Selection, SelectionOptions};
use neon_mcp::guard::{Effect, Policy};
use neon_mcp::neon::{OrganizationId, ProjectId};
use serde_json::{Value, json};

use super::{PROJECT, catalog, neon};
use crate::support::fake_neon::FakeNeon;
use crate::support::own_catalog;
use crate::support::server::{self, KEY, program};

/// Starts the program and gives its exit code and what it wrote to standard error.
async fn start(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = program(arguments, "http://127.0.0.1:1/api/v2", KEY);
    for (name, value) in variables {
        command.env(name, value);
    }
    let mut child = command.spawn().expect("starts");
    drop(child.stdin.take());
    let output = child.wait_with_output().await.expect("ends");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[tokio::test]
async fn unknown_names_stop_the_start_and_the_nearest_is_told() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "read_onyl = true\n").expect("written");
    let path = file.path().to_str().expect("a path");
    for (arguments, variables, told) in [
        (vec!["--toolsets", "branch"], vec![], "branches"),
        (vec!["--tools", "list_project"], vec![], "list_projects"),
        (vec!["--exclude-tools", "delete_projects"], vec![], "delete_project"),
        (vec!["--config", path], vec![], "read_only"),
        (vec![], vec![("NEON_MCP_TOOLSET", "all")], "NEON_MCP_TOOLSETS"),
        (vec![], vec![("NEON_MCP_READ_ONLY", "perhaps")], "true or false"),
        (vec![], vec![("NEON_API_HOST", "http://example.com/api/v2")], "https"),
        (vec![], vec![("NEON_API_KEY", "a key")], "key"),
        (vec!["--project-id", "../x"], vec![], "project id"),
        (vec!["--branch", "name:"], vec![], "branch"),
        (vec!["--role", ""], vec![], "role"),
        (vec![], vec![("NEON_MCP_DATABASE", "a\u{1b}b")], "database holds"),
        (vec!["--context-file", "/nowhere/.neon"], vec![], "/nowhere/.neon"),
        (vec!["--sql-host-suffix", "com"], vec![], "db.example.com"),
        (
            vec![],
            vec![("NEON_MCP_SQL_HOST_SUFFIX", "db.example.com,10.0.0.1")],
            "10.0.0.1",
        ),
        (vec!["--docs-url", "http://example.com/docs"], vec![], "https"),
        (vec![], vec![("NEON_MCP_DOCS_URL", "docs")], "no URL"),
        (vec!["--sandbox-dir", "kept"], vec![], "--sandbox-dir wants --sandbox"),
        (
            vec!["--sandbox"],
            vec![("NEON_API_HOST", ""), ("NEON_MCP_SANDBOX_POSTGRES", "maybe")],
            "auto, off or required",
        ),
    ] {
        let (code, stderr) = start(&arguments, &variables).await;
        assert_eq!(code, Some(1), "{arguments:?} {variables:?}: {stderr}");
        assert!(stderr.contains(told), "{arguments:?} {variables:?}: {stderr}");
        assert!(!stderr.contains(KEY), "{stderr}");
    }
}

#[tokio::test]
async fn a_flag_beats_the_environment_and_the_environment_beats_the_file() {
    let upstream = FakeNeon::route(neon).await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "toolsets = [\"regions\"]\n").expect("written");
    let count = async |arguments: &[&str], variable: Option<&str>| {
        let mut command = program(&["tools"], &upstream.url(), KEY);
        command.args(arguments).env("NEON_MCP_CONFIG", file.path());
        if let Some(value) = variable {
            command.env("NEON_MCP_TOOLSETS", value);
        }
        let output = command.output().await.expect("runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(count(&[], None).await.contains("\n1 of "));
    assert!(count(&[], Some("api_keys")).await.contains("\n6 of "));
    assert!(
        count(&["--toolsets", "roles"], Some("api_keys"))
            .await
            .contains("create_role")
    );
}

#[tokio::test]
async fn read_only_lists_and_runs_reads_alone() {
    let upstream = FakeNeon::route(neon).await;
    let server = server::start(&["--read-only", "--toolsets", "all"], &upstream.url()).await;
    let catalog = catalog();
    for tool in server.client.list_all_tools().await.expect("a list") {
        let declaration = &catalog.tool(&tool.name).expect("declared").declaration;
        assert!(
            declaration.least_effect() == Effect::Read && !declaration.safety.reveals,
            "{}",
            tool.name
        );
    }
    for name in ["create_branch", "get_connection_string", "delete_project"] {
        let (value, is_error) = server.call(name, json!({})).await;
        assert!(is_error && value["error"]["kind"] == "not_offered", "{value}");
        assert!(value.to_string().contains("read-only"), "{value}");
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn exclusion_wins_and_fixed_arguments_vanish_everywhere() {
    let options = SelectionOptions {
        toolsets: Some(vec!["all".into()]),
        exclude: vec!["list_branches".into()],
        project_id: Some(ProjectId::parse(PROJECT).expect("an id")),
        organization_id: Some(OrganizationId::parse("org-a").expect("an id")),
        ..SelectionOptions::default()
    };
    let selection = Selection::new(own_catalog(), &options, &Policy::default()).expect("a selection");
    assert!(selection.tool("list_branches").is_none());
    assert!(
        selection.tool("list_projects").is_none(),
        "it reaches beyond the project"
    );
    assert!(selection.tools().len() > 30);
    for selected in selection.tools() {
        let given: BTreeSet<&str> = selected.arguments().collect();
        assert!(
            !given.contains("project_id") && !given.contains("org_id"),
            "{}",
            selected.tool.name()
        );
        // Those that take no project see to it themselves.
        let sees_to_it =
            selected.tool.declaration.safety.stays_in_project && selected.tool.property("project_id").is_none();
        assert!(sees_to_it || selected.fixed["project_id"] == PROJECT);
    }
}

#[tokio::test]
async fn a_fixed_project_is_filled_in_and_cannot_be_given() {
    let upstream = FakeNeon::route(neon).await;
    let server = server::start(&["--project-id", PROJECT], &upstream.url()).await;
    let (value, is_error) = server.call("list_branches", json!({})).await;
    assert!(!is_error && value["project_id"] == PROJECT, "{value}");
    assert!(upstream.requests()[0].path().contains(PROJECT));
    let (value, is_error) = server
        .call("list_branches", json!({"project_id": "other-sun-12345678"}))
        .await;
    assert!(is_error && value["error"]["kind"] == "invalid_arguments", "{value}");
}

#[tokio::test]
async fn an_advanced_argument_is_offered_with_its_toolset_only() {
    let upstream = FakeNeon::route(neon).await;
    let arguments = json!({"project_id": PROJECT, "preload_defaults": true, "preload_libraries": ["x"]});
    let server = server::start(&[], &upstream.url()).await;
    let (value, is_error) = server.call("create_branch", arguments.clone()).await;
    assert!(
        is_error && value.to_string().contains("--toolsets default,branches"),
        "{value}"
    );
    let server = server::start(&["--toolsets", "branches"], &upstream.url()).await;
    let (value, is_error) = server.call("create_branch", arguments).await;
    assert!(!is_error, "{value}");
}

#[tokio::test]
async fn the_start_names_the_kind_of_key_and_fails_on_none() {
    use crate::support::fake_neon::Reply;
    for (method, keys, told) in [
        ("api_key_user", 200, "personal key"),
        ("api_key_org", 200, "organization key"),
        ("api_key_org", 403, "project-scoped key"),
        ("keycloak", 200, "keycloak"),
    ] {
        let upstream = FakeNeon::route(move |request| {
            if request.path().ends_with("/auth") {
                Reply::json(200, json!({"account_id": "org-a", "auth_method": method}))
            } else {
                Reply::json(keys, json!([]))
            }
        })
        .await;
        let server = server::start_with(
            &[],
            &upstream.url(),
            "napi_0123456789",
            crate::support::server::Era::Legacy,
            "info",
        )
        .await;
        until("the kind of key", || server.log().contains("key is")).await;
        let log = server.stop().await;
        assert!(log.contains(told), "{method} {keys}: {log}");
        assert_eq!(log.contains("every project"), told != "project-scoped key", "{log}");
    }
}

#[tokio::test]
async fn a_sandbox_of_the_program_itself_is_kept_where_the_settings_say() {
    let place = tempfile::tempdir().expect("a directory");
    let kept = place.path().join("kept");
    let file = place.path().join("settings.toml");
    std::fs::write(&file, format!("sandbox = true\nsandbox_dir = {kept:?}\n")).expect("written");
    let run = async |arguments: &[&str]| {
        let mut command = program(&["call", "--json"], "", "");
        let output = command.args(arguments).output().await.expect("runs");
        assert!(
            output.status.success(),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let (kept, file) = (kept.to_str().expect("a path"), file.to_str().expect("a path"));
    let organizations = run(&["list_organizations", "--sandbox", "--sandbox-dir", kept]).await;
    let organizations: Value = serde_json::from_str(&organizations).expect("JSON");
    let project = json!({
        "name": "outlives the process",
        "org_id": organizations["result"]["organizations"][0]["id"],
    });
    run(&[
        "create_project",
        &project.to_string(),
        "--sandbox",
        "--sandbox-dir",
        kept,
    ])
    .await;
    let projects = run(&["list_projects", "--config", file]).await;
    assert!(projects.contains("outlives"), "{projects}");
    let others = run(&["list_projects", "--sandbox"]).await;
    assert!(!others.contains("outlives"), "{others}");
}

#[cfg(unix)]
#[tokio::test]
async fn file_of_the_operator_that_others_can_change_stops_the_start() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &std::path::Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("changed");
    };
    let home = tempfile::tempdir().expect("a directory");
    let folder = home.path().join("folder");
    std::fs::create_dir(&folder).expect("made");
    let file = folder.join("file");
    let path = file.to_str().expect("a path").to_owned();
    let page = home.path().join("page.toml");
    std::fs::write(&page, format!("[approval]\npage_secret_file = {path:?}\n")).expect("written");
    let page = page.to_str().expect("a path").to_owned();
    let state = home.path().join("state").to_str().expect("a path").to_owned();
    let secret = "sandbox_0123456789abcdef0123456789abcdef";
    for (arguments, text) in [
        (vec!["stdio", "--policy", &path], "# nothing\n"),
        (vec!["stdio", "--config", &path], ""),
        (vec!["stdio", "--api-key-file", &path], secret),
        (vec!["stdio", "--seal-key-file", &path, "--state-dir", &state], secret),
        (
            vec!["http", "--listen", "127.0.0.1:0", "--auth-token-file", &path],
            secret,
        ),
        (
            vec!["http", "--listen", "127.0.0.1:0", "--no-auth", "--policy", &page],
            secret,
        ),
    ] {
        std::fs::write(&file, text).expect("written");
        for (of_file, of_folder, mends) in [(0o666, 0o755, &file), (0o600, 0o777, &folder)] {
            mode(&file, of_file);
            mode(&folder, of_folder);
            let (code, said) = start(&arguments, &[]).await;
            assert_eq!(code, Some(1), "{arguments:?}: {said}");
            assert!(
                said.contains(&format!("chmod go-w {}`", mends.display())),
                "{arguments:?}: {said}"
            );
        }
        mode(&file, 0o600);
        mode(&folder, 0o755);
        if arguments[0] == "stdio" {
            let (code, said) = start(&arguments, &[]).await;
            assert_eq!(code, Some(0), "{arguments:?}: {said}");
        }
    }
}
