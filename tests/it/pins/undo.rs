//! The calls that results hand over are calls that this server takes.

use serde_json::{Value, json};

use super::{catalog, server};
use crate::support::arguments::{arguments, ready};
use crate::support::fence::bare_value;
use crate::support::world::{BRANCH, PROJECT, World};

#[tokio::test]
async fn undo_of_every_tool_fits_what_is_fixed() {
    for flags in [
        vec!["--project-id", PROJECT],
        vec!["--project-id", PROJECT, "--branch", "dev"],
        vec![
            "--project-id",
            PROJECT,
            "--branch",
            BRANCH,
            "--role",
            "abc",
            "--database",
            "abc",
        ],
    ] {
        let mut calls = 0;
        let mut undone = 0;
        for tool in catalog().tools() {
            if tool.declaration.safety.undo.is_none() {
                continue;
            }
            // One world and server for each: what one tool does to the world is nothing to the next.
            let world = World::with(|facts| facts.snapshots[0]["source_branch_id"] = BRANCH.into()).await;
            let server = server(&world, &flags, "").await;
            let listed = server.client.list_all_tools().await.expect("tools");
            let schema = |name: &str| {
                let tool = listed.iter().find(|tool| tool.name == name)?;
                Some(Value::Object((*tool.input_schema).clone()))
            };
            let Some(own) = schema(tool.name()) else { continue };
            let mut given = arguments(tool, false);
            given = ready(&world, tool, given, async |name, mut given: Value| {
                let taken = schema(name).expect("a schema");
                let object = given.as_object_mut().expect("an object");
                object.retain(|name, _| taken["properties"].get(name).is_some());
                server.call(name, given).await
            })
            .await;
            given.retain(|name, _| own["properties"].get(name).is_some());
            let (value, is_error) = server.call(tool.name(), Value::Object(given)).await;
            calls += 1;
            let undo = &value["undo"];
            if is_error || !undo.is_object() {
                continue;
            }
            let name = undo["tool"].as_str().expect("a tool");
            let Some(schema) = schema(name) else { continue };
            let arguments = bare_value(&undo["arguments"]);
            for argument in arguments.as_object().expect("arguments").keys() {
                assert!(
                    schema["properties"].get(argument).is_some(),
                    "{flags:?} {}: {undo}",
                    tool.name()
                );
            }
            undone += 1;
        }
        assert!(calls > 20 && undone > 8, "{flags:?}: {calls} {undone}");
    }
}

#[tokio::test]
async fn undo_of_what_another_branch_is_needed_for_is_told_as_none() {
    let world = World::start().await;
    let only = server(&world, &["--project-id", PROJECT], "").await;
    let (value, _) = only.call("create_branch", json!({"name": "next"})).await;
    assert_eq!(value["undo"]["tool"], "delete_branch", "{value}");
    assert!(value["undo"]["arguments"].get("project_id").is_none(), "{value}");
    let pinned = server(&world, &["--project-id", PROJECT, "--branch", "main"], "").await;
    let (value, is_error) = pinned.call("create_branch", json!({"name": "next"})).await;
    assert!(!is_error, "{value}");
    let undo = value["undo"].as_str().unwrap_or_default();
    assert!(undo.starts_with("none"), "{value}");
}
