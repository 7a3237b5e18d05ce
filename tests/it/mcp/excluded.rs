//! Whoever excludes a tool excludes what it does, by whatever other name it is called.

use neon_mcp::catalog::{Selection, SelectionOptions};
use neon_mcp::guard::Policy;
use serde_json::{Map, Value, json};

use super::catalog;
use crate::support::arguments::ready;
use crate::support::own_catalog;
use crate::support::policy::write_policy;
use crate::support::server::{Era, KEY, TestClient, TestServer, program, state_home};
use crate::support::world::{BRANCH, PROJECT, World};

/// What stays of these workflows when a tool is excluded, by the flag or by the policy.
fn offered(excluded: &str, by_policy: bool) -> (Vec<&'static str>, Vec<String>) {
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("policy.toml");
    let text = if by_policy {
        format!("[tools]\n{excluded} = \"deny\"\n")
    } else {
        String::new()
    };
    write_policy(&file, &text);
    let catalog = catalog();
    let policy = Policy::read(&file, catalog.tools().iter().map(|tool| tool.name())).expect("a policy");
    let options = SelectionOptions {
        toolsets: Some(vec!["all".to_owned()]),
        exclude: if by_policy {
            Vec::new()
        } else {
            vec![excluded.to_owned()]
        },
        ..SelectionOptions::default()
    };
    let selection = Selection::new(own_catalog(), &options, &policy).expect("a selection");
    let there = WORKFLOWS
        .into_iter()
        .filter(|name| selection.tool(name).is_some())
        .collect();
    let said = selection
        .without_step()
        .map(|(name, why)| format!("{name}: {why}"))
        .collect();
    assert!(selection.tool(excluded).is_none());
    (there, said)
}

const WORKFLOWS: [&str; 7] = [
    "create_throwaway_branch",
    "delete_throwaway_branches",
    "reset_from_parent",
    "prepare_database_migration",
    "complete_database_migration",
    "prepare_query_tuning",
    "complete_query_tuning",
];

#[test]
fn excluded_step_excludes_the_workflows_that_are_nothing_without_it() {
    for by_policy in [false, true] {
        for (excluded, gone) in [
            (
                "create_branch",
                vec![
                    "create_throwaway_branch",
                    "prepare_database_migration",
                    "prepare_query_tuning",
                ],
            ),
            ("delete_branch", vec!["delete_throwaway_branches"]),
            ("restore_branch", vec!["reset_from_parent"]),
            ("create_anonymized_branch", vec![]),
            ("list_roles", vec![]),
            ("run_sql", vec![]),
        ] {
            let (there, said) = offered(excluded, by_policy);
            for workflow in WORKFLOWS {
                assert_ne!(
                    there.contains(&workflow),
                    gone.contains(&workflow),
                    "{excluded}: {workflow}"
                );
            }
            assert_eq!(said.len(), gone.len());
            assert!(
                said.iter().all(|said| said.contains(&format!("`{excluded}`"))),
                "{said:?}"
            );
        }
    }
}

#[test]
fn steps_are_tools_and_belong_to_workflows() {
    let catalog = catalog();
    let mut count = 0;
    for tool in catalog.tools() {
        let declaration = &tool.declaration;
        let Some(workflow) = &declaration.workflow else {
            continue;
        };
        for step in workflow.required_steps.iter().chain(&workflow.optional_steps) {
            assert!(catalog.tool(step).is_some(), "{}: {step}", tool.name());
            assert!(declaration.may_call(step));
            count += 1;
        }
        assert!(
            workflow.approved_steps.iter().all(|step| declaration.may_call(step)),
            "{}",
            tool.name()
        );
    }
    assert!(count >= 15, "{count}");
}

async fn without(world: &World, excluded: &str) -> TestServer {
    let mut command = program(&["--toolsets", "all", "--exclude-tools", excluded], &world.url(), KEY);
    command.env("XDG_STATE_HOME", state_home()).env("NEON_MCP_LOG", "warn");
    TestServer::run(command, TestClient::alone(), Era::Modern).await
}

#[tokio::test]
async fn start_and_refusal_say_which_step_is_missing() {
    let world = World::start().await;
    let server = without(&world, "create_branch").await;
    let (value, is_error) = server.call("create_throwaway_branch", json!({})).await;
    assert!(is_error && value["error"]["kind"] == "not_offered", "{value}");
    let error = value["error"]["message"].as_str().expect("a message");
    assert!(
        error.contains("not offered") && error.contains("`create_branch`"),
        "{error}"
    );
    assert!(world.changes().is_empty(), "{:?}", world.changes());
    let said = server.stop().await;
    for workflow in [
        "create_throwaway_branch",
        "prepare_database_migration",
        "prepare_query_tuning",
    ] {
        assert!(said.contains(&format!("{workflow} is not offered")), "{said}");
    }
}

#[tokio::test]
async fn excluded_step_is_not_taken_by_a_workflow_that_goes_without_it() {
    let world = World::start().await;
    let server = without(&world, "delete_branch").await;
    let catalog = catalog();
    let tool = catalog.tool("complete_database_migration").expect("a tool");
    let given: Map<String, Value> = json!({"project_id": PROJECT, "branch_id": BRANCH, "discard": true})
        .as_object()
        .cloned()
        .expect("an object");
    let given = ready(&world, tool, given, async |name, arguments| {
        server.call(name, arguments).await
    })
    .await;
    let (value, is_error) = server.call(tool.name(), Value::Object(given)).await;
    assert!(!is_error && value["result"]["discarded"] == true, "{value}");
    assert_eq!(value["result"]["trial_branch_deleted"], false, "{value}");
    assert!(world.changes().is_empty(), "{:?}", world.changes());
}
