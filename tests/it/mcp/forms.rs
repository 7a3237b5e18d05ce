//! Arguments as models send them, over every tool: as texts, in camel case, with empty ones, wrapped. Where they can mean only one
//! thing, the call is the same.

use neon_mcp::catalog::{SHARED_ALIASES, Tool};
use serde_json::{Map, Value, json};

use super::{catalog, error};
use crate::support::arguments::arguments;
use crate::support::server::{self, TestServer};
use crate::support::world::World;

/// A server that shows what it would change and changes nothing.
async fn dry(world: &World) -> (TestServer, tempfile::TempDir) {
    let place = tempfile::tempdir().expect("a directory");
    let policy = place.path().join("policy.toml");
    std::fs::write(&policy, "dry_run = true\n").expect("a policy");
    let policy = policy.to_str().expect("a path");
    let server = server::start(&["--toolsets", "all", "--policy", policy], &world.url()).await;
    (server, place)
}

/// What a call would send, or what it read, in whatever order. A workflow reads what it knows by then only once, so that only what it
/// would send counts.
async fn effect(world: &World, server: &TestServer, tool: &Tool, given: Value) -> Value {
    let before = world.upstream.count();
    let (value, is_error) = server.call(tool.name(), given.clone()).await;
    if is_error {
        let of = |key: &str| error(&value)[key].clone();
        return json!({"kind": of("kind"), "problems": of("problems"), "argument": of("argument")});
    }
    let would_send = &value["would_send"];
    if tool.declaration.workflow.is_some() {
        return json!({"would_send": would_send, "branch": value["branch_id"]});
    }
    let sent = world.upstream.requests().split_off(before);
    let mut parts: Vec<Vec<String>> = Vec::new();
    for request in sent {
        let mut query: Vec<String> = request.query().split('&').map(str::to_owned).collect();
        query.push(request.path().to_owned());
        query.sort();
        parts.push(query);
    }
    parts.sort();
    json!({"would_send": in_any_order(would_send), "sent": parts})
}

/// A request with its parameters in one order.
fn in_any_order(would_send: &Value) -> Value {
    let mut parts: Vec<&str> = would_send["request"]
        .as_str()
        .unwrap_or_default()
        .split(['?', '&'])
        .collect();
    parts.sort_unstable();
    json!({"request": parts, "body": would_send["body"]})
}

/// Checks that each tool does the same with its arguments in another form.
async fn same_in(form: impl Fn(&Tool, Map<String, Value>) -> Value) {
    let world = World::start().await;
    let (server, _place) = dry(&world).await;
    let mut compared = 0;
    for tool in catalog().tools() {
        let given = arguments(tool, true);
        let other = form(tool, given.clone());
        if other == Value::Object(given.clone()) {
            continue;
        }
        let plain = effect(&world, &server, tool, given.into()).await;
        let meant = effect(&world, &server, tool, other.clone()).await;
        assert_eq!(meant, plain, "{}: {other}", tool.name());
        compared += 1;
    }
    assert!(compared >= 50, "{compared}");
}

fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| {
        let (head, rest) = part.split_at(1);
        name + &head.to_uppercase() + rest
    })
}

#[tokio::test]
async fn lists_objects_numbers_and_booleans_as_texts_are_what_they_hold() {
    same_in(|_, given| {
        let as_text = |value: Value| match value {
            Value::String(_) | Value::Null => value,
            other => other.to_string().into(),
        };
        given.into_iter().map(|(name, value)| (name, as_text(value))).collect()
    })
    .await;
}

#[tokio::test]
async fn argument_in_camel_case_is_the_same_argument() {
    same_in(|_, given| given.into_iter().map(|(name, value)| (camel(&name), value)).collect()).await;
}

#[tokio::test]
async fn call_inside_one_argument_is_that_call() {
    same_in(|_, given| json!({"params": given})).await;
}

#[tokio::test]
async fn empty_text_for_an_optional_argument_is_none() {
    let world = World::start().await;
    let (server, _place) = dry(&world).await;
    let mut compared = 0;
    for tool in catalog().tools() {
        // What they are instead depends on the time: `lookups` has them.
        if !tool.declaration.request.defaults.is_empty() {
            continue;
        }
        let given = arguments(tool, false);
        let plain = effect(&world, &server, tool, given.clone().into()).await;
        for (name, schema) in tool.input["properties"].as_object().expect("properties") {
            // What takes any text, takes an empty one: that is what it says.
            let is_text = schema["type"] == "string" && schema.get("enum").is_none() && schema.get("format").is_none();
            let takes_empty = is_text && tool.names(name).is_none() && name != "cursor";
            if given.contains_key(name) || takes_empty || schema["type"][0] == "string" {
                continue;
            }
            let mut with = given.clone();
            with.insert(name.clone(), "".into());
            let meant = effect(&world, &server, tool, with.into()).await;
            assert_eq!(meant, plain, "{} {name}", tool.name());
            compared += 1;
        }
    }
    assert!(compared >= 200, "{compared}");
}

#[tokio::test]
async fn wrong_value_of_every_argument_is_told_by_its_name_and_without_a_request() {
    let world = World::start().await;
    let (server, _place) = dry(&world).await;
    for tool in catalog().tools() {
        for (name, schema) in tool.input["properties"].as_object().expect("properties") {
            let kind = schema["type"].as_str().unwrap_or_default();
            // A list of statements may be given as its one statement.
            let is_wrong = ["array", "object", "integer", "number", "boolean"].contains(&kind);
            if !is_wrong || tool.declaration.statements() == Some(name.as_str()) {
                continue;
            }
            let mut given = arguments(tool, false);
            given.insert(name.clone(), "canary at all, but many words of it".into());
            let (value, is_error) = server.call(tool.name(), given.into()).await;
            assert!(is_error, "{} {name}: {value}", tool.name());
            let problems = error(&value)["problems"].as_array();
            let problems = problems.unwrap_or_else(|| panic!("{} {name}: {value}", tool.name()));
            let named = |problem: &Value| {
                problem["argument"]
                    .as_str()
                    .is_some_and(|at| at.starts_with(name.as_str()))
            };
            assert!(problems.iter().any(named), "{} {name}: {value}", tool.name());
            // Who sent it has it; whoever reads a log of it may not.
            assert!(!value.to_string().contains("canary"), "{} {name}: {value}", tool.name());
        }
    }
    assert_eq!(world.upstream.count(), 0);
}

#[tokio::test]
async fn alias_is_taken_where_it_can_mean_only_one_argument() {
    let world = World::start().await;
    let (server, _place) = dry(&world).await;
    let mut compared = 0;
    for tool in catalog().tools() {
        let given = arguments(tool, true);
        for (alias, name) in tool.aliases() {
            if tool.property(alias).is_some() || !given.contains_key(name) {
                continue;
            }
            let mut other = given.clone();
            let value = other.remove(name).expect("given");
            other.insert(alias.to_owned(), value);
            let plain = effect(&world, &server, tool, given.clone().into()).await;
            let meant = effect(&world, &server, tool, other.into()).await;
            assert_eq!(meant, plain, "{} {alias}", tool.name());
            compared += 1;
        }
    }
    assert!(compared >= 100 && SHARED_ALIASES.len() >= 10, "{compared}");
}

#[tokio::test]
async fn argument_that_is_missing_says_what_it_may_be_or_who_lists_it() {
    let world = World::start().await;
    let (server, _place) = dry(&world).await;
    for (tool, argument, says) in [
        ("describe_branch", "branch_id", "list_branches"),
        ("delete_project", "project_id", "list_projects"),
        ("revoke_api_key", "key_id", "list_api_keys"),
        ("provision_neon_auth", "auth_provider", "better_auth"),
    ] {
        let tool = catalog().tool(tool).expect("a tool");
        let mut given = arguments(tool, false);
        given.remove(argument);
        let (value, is_error) = server.call(tool.name(), given.into()).await;
        assert!(is_error, "{value}");
        let problem = &value["error"]["problems"][0];
        assert_eq!(problem["argument"], argument, "{value}");
        assert!(
            problem["message"].as_str().is_some_and(|text| text.contains(says)),
            "{value}"
        );
    }
}

#[test]
fn database_has_one_name_in_every_tool() {
    for tool in catalog().tools() {
        for other in ["db_name", "database", "databaseName", "dbname", "db"] {
            assert!(tool.property(other).is_none(), "{} takes {other}", tool.name());
        }
        // No argument has the name under which another one is taken.
        for (alias, name) in tool.aliases() {
            let both = tool.property(alias).is_some() && tool.property(name).is_some();
            let differ = ["role", "query", "search", "table_name", "schema_name"].contains(&alias);
            assert!(!both || differ, "{}: {alias} and {name}", tool.name());
        }
    }
}
