//! Answers of Neon's that don't say what they should: what decides is read in the cautious direction, for every tool.

use std::sync::Arc;

use futures::future::join_all;
use neon_mcp::catalog::Tool;
use serde_json::{Map, Value, json};

use super::catalogue::{AT_ONCE, calls};
use super::{NOTHING, error, start};
use crate::support::human::{Human, Manner};
use crate::support::server::{Era, TestClient};
use crate::support::world::{BRANCH, Facts, PROJECT, World};

type Call = (Arc<Tool>, Map<String, Value>);

/// What is odd, and the change to the facts that makes it so.
type Oddity = (&'static str, fn(&mut Facts));

/// The branch that tests act on is a throwaway.
fn throwaway(facts: &mut Facts) {
    facts.branch()["expires_at"] = "2026-01-31T00:00:00Z".into();
}

/// What keeps a branch from being known as a throwaway.
const ODDITIES: [Oddity; 8] = [
    ("no word on the default", |facts| without(facts.branch(), "default")),
    ("no word on protection", |facts| without(facts.branch(), "protected")),
    ("the default as a text", |facts| {
        facts.branch()["default"] = "false".into();
    }),
    ("an odd default beside the older word", |facts| {
        facts.branch()["default"] = json!([]);
        facts.branch()["primary"] = false.into();
    }),
    ("protection as a number", |facts| facts.branch()["protected"] = 0.into()),
    ("an expiry that is no time", |facts| {
        facts.branch()["expires_at"] = "soon".into();
    }),
    ("another branch whose parent is a number", |facts| {
        facts.branches.push(other_branch(json!(7)));
    }),
    ("another branch whose parent is no id", |facts| {
        facts.branches.push(other_branch(json!("../x")));
    }),
];

fn without(branch: &mut Value, field: &str) {
    branch.as_object_mut().expect("a branch").remove(field);
}

fn other_branch(parent: Value) -> Value {
    json!({
        "id": "br-other", "project_id": PROJECT, "name": "other", "default": false, "protected": false, "parent_id": parent,
        "created_at": "2026-01-01T00:00:00Z",
    })
}

/// Makes calls in a world with those facts: what came of each.
async fn made(calls: &[Call], change: impl FnOnce(&mut Facts)) -> (World, Vec<(Value, bool)>) {
    let world = World::with(|facts| {
        throwaway(facts);
        change(facts);
    })
    .await;
    let started = start(&world, TestClient::alone(), Era::Legacy, "").await;
    let results = calls
        .iter()
        .map(|(tool, arguments)| started.call(tool.name(), Value::Object(arguments.clone())));
    let results = join_all(results).await;
    (world, results)
}

#[tokio::test]
async fn branch_that_may_be_no_throwaway_is_asked_about_by_every_tool() {
    let mut calls = calls();
    calls.retain(|(tool, _)| !tool.name().starts_with("complete_"));
    let mut free = Vec::new();
    for some in calls.chunks(AT_ONCE) {
        let (_world, results) = made(some, |_| {}).await;
        let ran = some.iter().zip(results).filter(|(_, (_, is_error))| !is_error);
        free.extend(ran.map(|(call, _)| call.clone()));
    }
    assert!(free.len() >= 10, "{} calls are free on a throwaway branch", free.len());
    for (oddity, change) in ODDITIES {
        for some in free.chunks(AT_ONCE) {
            let (world, results) = made(some, change).await;
            for ((tool, _), (value, is_error)) in some.iter().zip(results) {
                let asks = is_error && error(&value)["kind"] == "requires_approval";
                assert!(asks, "{oddity}: {}: {value}", tool.name());
            }
            assert_eq!(world.changes(), NOTHING, "{oddity}");
        }
    }
}

#[tokio::test]
async fn copy_of_a_branch_whose_parent_is_odd_is_no_snapshot() {
    for (parent, copied_by) in [
        (json!(null), "/snapshot"),
        (json!("br-root"), "/branches"),
        (json!(7), "/branches"),
        (json!("no id"), "/branches"),
    ] {
        let world = World::with(|facts| facts.branch()["parent_id"] = parent.clone()).await;
        let client = TestClient::with(Human::who(Manner::Accepts));
        let started = start(&world, client, Era::Legacy, "[safety_copy]\nbefore = \"destructive\"\n").await;
        let arguments = json!({"project_id": PROJECT, "branch_id": BRANCH, "database_name": "abc"});
        started.call("delete_database", arguments).await;
        let changes = world.changes();
        let first = changes.first().expect("a copy");
        assert!(
            first.starts_with("POST ") && first.ends_with(copied_by),
            "{parent}: {changes:?}"
        );
    }
}

#[tokio::test]
async fn compute_that_names_no_branch_is_not_acted_on() {
    for branch in [json!(null), json!(""), json!("br/../x"), json!(5)] {
        let world = World::with(|facts| facts.endpoints[0]["branch_id"] = branch.clone()).await;
        let started = start(&world, TestClient::alone(), Era::Legacy, "").await;
        let id = world.facts().lock().expect("a lock").endpoints[0]["id"].clone();
        let (value, is_error) = started
            .call("delete_compute", json!({"project_id": PROJECT, "endpoint_id": id}))
            .await;
        assert!(
            is_error && error(&value)["kind"] != "requires_approval",
            "{branch}: {value}"
        );
        assert_eq!(error(&value)["changed"], "no", "{branch}: {value}");
        assert_eq!(world.changes(), NOTHING, "{branch}");
    }
}
