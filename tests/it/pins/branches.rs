//! No call reaches another branch than those that it may, whatever it names it by.

use neon_mcp::catalog::{Reached, Resource};
use neon_mcp::guard::{Effect, Policy};
use serde_json::{Value, json};

use super::{catalog, naming, rule, server, with};
use crate::support::arguments::arguments;
use crate::support::policy::write_policy;
use crate::support::server::start;
use crate::support::world::{BRANCH, ENDPOINT, PROJECT, ROOT, SNAPSHOT, World};

/// Another compute and snapshot, so that there is one of each branch.
async fn world() -> World {
    World::with(|facts| {
        let mut endpoint = facts.endpoints[0].clone();
        endpoint["id"] = "ep-root".into();
        endpoint["branch_id"] = ROOT.into();
        facts.endpoints.push(endpoint);
        let mut snapshot = facts.snapshots[0].clone();
        snapshot["id"] = "snap-dev".into();
        snapshot["source_branch_id"] = BRANCH.into();
        facts.snapshots.push(snapshot);
        // What would be replaced by it is itself: another test has it replace another.
        facts.branch()["restored_as"] = BRANCH.into();
        facts.branches[0]["restored_as"] = ROOT.into();
    })
    .await
}

/// What there is of the default branch, and of the other one.
fn of(resource: Resource) -> (&'static str, &'static str) {
    match resource {
        Resource::Endpoint => ("ep-root", ENDPOINT),
        Resource::Snapshot => (SNAPSHOT, "snap-dev"),
        _ => (ROOT, BRANCH),
    }
}

#[tokio::test]
async fn branch_out_of_bounds_is_reached_by_no_argument_of_any_tool() {
    for (policy, expected) in [
        ("denied_branches = [\"@default\"]", "denied_branches"),
        ("denied_branches = [\"ma*\"]", "denied_branches"),
        ("allowed_branches = [\"dev\"]", "allowed_branches"),
    ] {
        let world = world().await;
        let server = server(&world, &[], policy).await;
        let mut calls = 0;
        for tool in catalog().tools() {
            let mut given = arguments(tool, false);
            for (name, resource) in naming(tool) {
                let list = given.get(&name).is_some_and(Value::is_array);
                assert!(!list, "{}: {name}", tool.name());
                given.entry(name).or_insert_with(|| of(resource).1.into());
            }
            for (name, resource) in naming(tool) {
                let (value, is_error) = server
                    .call(tool.name(), with(given.clone(), &name, of(resource).0))
                    .await;
                // One compute is of one branch: another reason comes first.
                let other = value["error"]["kind"] == "invalid_arguments" && name == "endpoint_id";
                let completes = tool.declaration.completes().is_some();
                assert!(
                    is_error && (rule(&value) == expected || other || completes),
                    "{policy}: {}, {name}: {value}",
                    tool.name()
                );
                assert!(!value.to_string().contains("canary-password"), "{value}");
                calls += 1;
            }
        }
        assert!(calls > 100, "{calls}");
        assert_eq!(world.changes(), [] as [&str; 0], "{policy}");
        let requests = world.upstream.requests();
        let beyond = requests.iter().map(|request| request.target.clone()).find(|target| {
            target.contains("connection_uri")
                || target.contains("reveal")
                || target.contains("/schema")
                || target.contains("/sql")
        });
        assert_eq!(beyond, None, "{policy}");
    }
}

#[tokio::test]
async fn branch_in_bounds_is_reached_by_every_tool() {
    let world = world().await;
    let server = server(&world, &[], "allowed_branches = [\"dev\"]").await;
    for tool in catalog().tools().iter().filter(|tool| !naming(tool).is_empty()) {
        // The branch is the default from then on, or was lost: what is told of it is another test's.
        if tool
            .declaration
            .safety
            .reaches
            .iter()
            .any(|reach| reach.unless.is_empty())
            || tool.declaration.safety.target_is_deleted
        {
            continue;
        }
        let mut given = arguments(tool, false);
        for (name, resource) in naming(tool) {
            given.insert(name, of(resource).1.into());
        }
        let makes_one = tool.declaration.safety.adds_branch && tool.property("name").is_some();
        if makes_one || given.contains_key("name") && tool.declaration.safety.renames_branch.is_some() {
            given.insert("name".into(), "dev".into());
        }
        let (value, _) = server.call(tool.name(), Value::Object(given)).await;
        assert_ne!(value["error"]["kind"], "denied_by_policy", "{}: {value}", tool.name());
    }
}

#[tokio::test]
async fn branch_that_is_meant_when_none_is_named_is_held_to_the_bounds() {
    let world = world().await;
    let server = server(&world, &[], "denied_branches = [\"@default\"]").await;
    let mut calls = 0;
    for tool in catalog().tools() {
        for reach in &tool.declaration.safety.reaches {
            let mut given = arguments(tool, false);
            for (name, resource) in naming(tool) {
                if tool.requires(&name) {
                    given.insert(name, of(resource).1.into());
                }
            }
            given.retain(|name, _| !reach.unless.contains(name));
            if reach.branch == Reached::Chosen {
                given.insert("branches".into(), json!(["main"]));
                given.shift_remove("expired");
            }
            let (value, is_error) = server.call(tool.name(), Value::Object(given)).await;
            let refused = rule(&value) == "denied_branches";
            // One that is no throwaway is refused for that.
            let chosen = reach.branch == Reached::Chosen && value["error"]["kind"] == "invalid_arguments";
            assert!(is_error && (refused || chosen), "{}: {value}", tool.name());
            calls += 1;
        }
    }
    assert!(calls >= 10, "{calls}");
    assert_eq!(world.changes(), [] as [&str; 0]);
}

#[tokio::test]
async fn branch_that_a_restore_would_replace_is_held_to_the_bounds() {
    let world = world().await;
    world.change(|facts| facts.branch()["restored_as"] = ROOT.into());
    let server = server(&world, &[], "denied_branches = [\"main\"]").await;
    let given = json!({"project_id": PROJECT, "branch_id": BRANCH});
    let (value, is_error) = server.call("finalize_restore_branch", given).await;
    assert!(is_error && rule(&value) == "denied_branches", "{value}");
    assert_eq!(world.changes(), [] as [&str; 0]);
}

#[tokio::test]
async fn branch_gets_no_name_under_which_no_call_could_reach_it() {
    let world = world().await;
    for (flags, policy, expected) in [
        (vec![], "allowed_branches = [\"dev\"]", "allowed_branches"),
        (vec![], "denied_branches = [\"prod*\"]", "denied_branches"),
        (vec!["--branch", "dev"], "", "--branch"),
    ] {
        let server = server(&world, &flags, policy).await;
        let mut given = json!({"project_id": PROJECT, "branch_id": BRANCH, "name": "production"});
        if !flags.is_empty() {
            given.as_object_mut().expect("an object").remove("branch_id");
        }
        let (value, is_error) = server.call("update_branch", given).await;
        assert!(is_error && rule(&value) == expected, "{value}");
    }
    assert_eq!(world.changes(), [] as [&str; 0]);
}

#[tokio::test]
async fn branch_out_of_bounds_is_not_fetched_by_its_search_id() {
    let world = world().await;
    let server = server(&world, &[], "denied_branches = [\"@default\"]").await;
    for (branch, admitted) in [(BRANCH, true), (ROOT, false)] {
        let (value, is_error) = server
            .call("fetch", json!({"id": format!("branch:{PROJECT}/{branch}")}))
            .await;
        assert_eq!(!is_error, admitted, "{value}");
        assert_eq!(rule(&value) == "denied_branches", !admitted, "{value}");
    }
}

#[tokio::test]
async fn password_from_a_branch_out_of_bounds_asks() {
    let world = world().await;
    // Neither default nor protected: nothing else would ask.
    world.change(|facts| {
        let mut staging = facts.branches[1].clone();
        staging["id"] = "br-staging".into();
        staging["name"] = "staging".into();
        facts.branches.push(staging);
        facts.branches[1]["parent_id"] = "br-staging".into();
        // The default branch has no such role.
        facts.roles[0]["branch_id"] = BRANCH.into();
        let mut role = facts.roles[0].clone();
        role["branch_id"] = "br-staging".into();
        facts.roles.push(role);
    });
    let state = crate::support::server::state_home();
    let file = state.join("policy.toml");
    for (policy, asks) in [
        ("", false),
        ("allowed_branches = [\"dev\"]", true),
        ("denied_branches = [\"staging\"]", true),
    ] {
        write_policy(&file, policy);
        let path = file.to_str().expect("a path");
        let server = start(&["--toolsets", "all", "--policy", path], &world.url()).await;
        let given = json!({"project_id": PROJECT, "branch_id": BRANCH, "database_name": "abc", "role_name": "abc"});
        let (value, _) = server.call("get_connection_string", given).await;
        assert_eq!(value["error"]["kind"] == "requires_approval", asks, "{policy}: {value}");
    }
}

#[test]
fn tool_with_an_optional_branch_declares_what_it_reaches_without() {
    for tool in catalog().tools() {
        for (name, resource) in naming(tool) {
            let mut unless = tool.declaration.safety.reaches.iter().flat_map(|reach| &reach.unless);
            // A snapshot, which must be named, says of which branch it is.
            let has_snapshot = tool.requires("snapshot_id");
            assert!(
                resource != Resource::Branch
                    || tool.requires(&name)
                    || has_snapshot
                    // The default branch is filled in, and judged as one that was given.
                    || tool.declaration.request.fills_in(&name)
                    || unless.any(|unless| *unless == name),
                "{}: {name}",
                tool.name()
            );
        }
    }
}

#[test]
fn tool_that_changes_something_and_is_about_no_branch_is_left_out() {
    let names: Vec<String> = catalog().tools().iter().map(|tool| tool.name().to_owned()).collect();
    let policy = |text: &str| Policy::parse(text, names.iter().map(String::as_str)).expect("a policy");
    let mut left_out = 0;
    for text in ["allowed_branches = [\"dev\"]", "denied_branches = [\"@default\"]"] {
        let policy = policy(text);
        for tool in catalog().tools() {
            let is_about_one = tool.reaches_branches();
            let more = tool.declaration.safety.effect != Effect::Read || tool.declaration.safety.reveals;
            assert_eq!(policy.lists(tool), is_about_one || !more, "{text}: {}", tool.name());
            left_out += usize::from(!policy.lists(tool));
        }
        for name in [
            "update_project",
            "delete_project",
            "create_api_key",
            "grant_project_permission",
        ] {
            let all = catalog();
            assert!(!policy.lists(all.tool(name).expect("a tool")), "{name}");
        }
    }
    assert!(left_out > 30, "{left_out}");
}

#[tokio::test]
async fn throwaway_branch_of_an_allowed_one_is_in_bounds_and_of_another_is_not() {
    let world = World::with(|facts| {
        let expiring = |id: &str, parent: &str| {
            json!({
                "id": id, "project_id": PROJECT, "name": id, "default": false, "protected": false, "parent_id": parent,
                "created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T00:00:00Z",
            })
        };
        facts.branches.push(expiring("br-of-dev", BRANCH));
        facts.branches.push(expiring("br-of-that", "br-of-dev"));
        facts.branches.push(expiring("br-of-main", ROOT));
        let mut stays = expiring("br-stays", BRANCH);
        stays["expires_at"] = Value::Null;
        facts.branches.push(stays);
    })
    .await;
    for (flags, policy) in [(vec![], "allowed_branches = [\"dev\"]"), (vec!["--branch", "dev"], "")] {
        let server = server(&world, &flags, policy).await;
        for (branch, admitted) in [
            ("br-of-dev", true),
            ("br-of-that", true),
            ("br-of-main", false),
            ("br-stays", false),
        ] {
            // A compute stands for its branch: an argument that no flag takes away.
            world.change(|facts| facts.endpoints[0]["branch_id"] = branch.into());
            let given = json!({"project_id": PROJECT, "endpoint_id": ENDPOINT});
            let (value, is_error) = server.call("describe_compute", given).await;
            assert_eq!(!is_error, admitted, "{branch}: {value}");
        }
    }
}

#[tokio::test]
async fn expired_branches_out_of_bounds_are_passed_over_and_named_ones_refused() {
    let world = World::with(|facts| {
        for (id, parent) in [("br-of-dev", BRANCH), ("br-of-main", ROOT)] {
            facts.branches.push(json!({
                "id": id, "project_id": PROJECT, "name": id, "default": false, "protected": false, "parent_id": parent,
                "created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T00:00:00Z",
            }));
        }
    })
    .await;
    let server = server(&world, &[], "allowed_branches = [\"dev\"]").await;
    let named = json!({"project_id": PROJECT, "branches": ["br-of-dev", "br-of-main"]});
    let (value, is_error) = server.call("delete_throwaway_branches", named).await;
    assert!(is_error && rule(&value) == "allowed_branches", "{value}");
    assert_eq!(world.changes(), [] as [&str; 0]);
    let expired = json!({"project_id": PROJECT, "expired": true});
    let (value, is_error) = server.call("delete_throwaway_branches", expired).await;
    assert!(!is_error, "{value}");
    assert_eq!(
        world.changes(),
        [format!("DELETE /projects/{PROJECT}/branches/br-of-dev")]
    );
}

#[tokio::test]
async fn database_of_a_branch_out_of_bounds_is_not_asked_what_sql_would_do() {
    let world = world().await;
    let server = server(&world, &[], "denied_branches = [\"main\"]").await;
    // Only the database knows whether a procedure commits.
    let given = json!({"project_id": PROJECT, "branch_id": ROOT, "sql": "CALL nightly()"});
    let (value, is_error) = server.call("run_sql", given).await;
    assert!(is_error && rule(&value) == "denied_branches", "{value}");
    let requests = world.upstream.requests();
    let asked = |path: &str| requests.iter().any(|request| request.path().ends_with(path));
    assert!(!asked("/connection_uri") && !asked("/sql"), "{requests:?}");
}

#[tokio::test]
async fn branch_facts_are_those_at_the_time_of_the_call() {
    let world = world().await;
    let server = server(&world, &[], "denied_branches = [\"@default\", \"@protected\"]").await;
    let given = json!({"project_id": PROJECT, "branch_id": BRANCH});
    let (value, is_error) = server.call("describe_branch", given.clone()).await;
    assert!(!is_error, "{value}");
    for fact in ["default", "protected"] {
        world.change(|facts| facts.branch()[fact] = true.into());
        let (value, _) = server.call("describe_branch", given.clone()).await;
        assert_eq!(rule(&value), "denied_branches", "{fact}: {value}");
        // What isn't said counts as the dangerous case.
        world.change(|facts| drop(facts.branch().as_object_mut().expect("a branch").remove(fact)));
        let (value, _) = server.call("describe_branch", given.clone()).await;
        assert_eq!(rule(&value), "denied_branches", "{fact}: {value}");
        world.change(|facts| facts.branch()[fact] = false.into());
    }
    let (value, is_error) = server
        .call(
            "describe_branch",
            json!({"project_id": PROJECT, "branch_id": "br-nowhere"}),
        )
        .await;
    assert!(is_error && value["error"]["changed"] == "no", "{value}");
}

#[tokio::test]
async fn branch_that_no_call_could_reach_is_not_made() {
    let world = world().await;
    let server = server(&world, &[], "allowed_branches = [\"dev\", \"feature/*\"]").await;
    for (given, admitted) in [
        (json!({"name": "feature/x"}), true),
        (json!({"name": "other"}), false),
        (json!({}), false),
        (json!({"name": "other", "expires_at": "2036-01-01T00:00:00Z"}), true),
        (
            json!({"name": "other", "expires_at": "2036-01-01T00:00:00Z", "init_source": "schema-only"}),
            false,
        ),
    ] {
        let mut given = given;
        given["project_id"] = PROJECT.into();
        given["parent_id"] = "dev".into();
        let (value, _) = server.call("create_branch", given.clone()).await;
        assert_eq!(rule(&value) != "allowed_branches", admitted, "{given}: {value}");
    }
}

#[tokio::test]
async fn flag_takes_the_branch_out_of_every_schema_and_fills_it_in() {
    let world = world().await;
    for flag in ["dev", "name:dev", BRANCH] {
        let server = server(&world, &["--project-id", PROJECT, "--branch", flag], "").await;
        let listed = server.client.list_all_tools().await.expect("tools");
        assert!(listed.len() > 60, "{}", listed.len());
        for tool in &listed {
            let schema = Value::Object((*tool.input_schema).clone());
            for name in ["branch_id", "parent_id", "source_branch_id", "base_branch_id"] {
                assert!(schema["properties"].get(name).is_none(), "{}: {name}", tool.name);
            }
        }
        let (value, is_error) = server.call("describe_branch", json!({})).await;
        assert!(!is_error && value["result"]["branch"]["id"] == BRANCH, "{value}");
        let (value, is_error) = server.call("list_roles", json!({})).await;
        assert!(!is_error && value["branch_id"] == BRANCH, "{value}");
        let (value, is_error) = server.call("create_branch", json!({"name": "next"})).await;
        assert!(!is_error, "{value}");
        let requests = world.upstream.requests();
        let made = requests
            .iter()
            .rfind(|request| request.method == "POST")
            .expect("a request");
        assert_eq!(made.json()["branch"]["parent_id"], BRANCH, "{flag}");
        let (value, is_error) = server.call("create_throwaway_branch", json!({})).await;
        assert!(!is_error && value["result"]["parent_id"] == BRANCH, "{value}");
        let (value, is_error) = server.call("describe_branch", json!({"branch_id": ROOT})).await;
        assert!(is_error && value["error"]["kind"] == "invalid_arguments", "{value}");
    }
}

#[tokio::test]
async fn flag_that_names_no_branch_is_named_by_the_error() {
    let world = world().await;
    for flag in ["nowhere", "br-nowhere"] {
        let server = server(&world, &["--branch", flag], "").await;
        let (value, is_error) = server.call("describe_branch", json!({"project_id": PROJECT})).await;
        let message = value["error"]["message"].as_str().unwrap_or_default();
        assert!(is_error && message.contains(&format!("--branch {flag}")), "{value}");
        assert_eq!(value["error"]["argument"], "--branch", "{value}");
    }
}
