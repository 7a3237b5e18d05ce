//! What the operator's policy and the facts make of a call: the bounds, throwaway branches, copies, ways back, the record.

use futures::future::join_all;
use harness::assert_worded;
use serde_json::{Value, json};

use super::{NOTHING, Started, catalog, error, start};
use crate::support::arguments::{arguments, ready};
use crate::support::fence::bare_value;
use crate::support::human::{Human, Manner};
use crate::support::server::{Era, KEY, TestClient, TestServer, program};
use crate::support::world::{BRANCH, ENDPOINT, PROJECT, ROOT, World};

fn on(branch: &str) -> Value {
    json!({"project_id": PROJECT, "branch_id": branch})
}

/// Those arguments and one more.
fn with(mut arguments: Value, name: &str, value: impl Into<Value>) -> Value {
    arguments[name] = value.into();
    arguments
}

async fn under(world: &World, policy: &str) -> Started {
    start(world, TestClient::alone(), Era::Legacy, policy).await
}

/// A server whose human approves.
async fn accepting(world: &World, policy: &str) -> (Started, Human) {
    let human = Human::who(Manner::Accepts);
    (
        start(world, TestClient::with(human.clone()), Era::Legacy, policy).await,
        human,
    )
}

fn denied_by<'a>(value: &'a Value, is_error: bool, rule: &str) -> &'a str {
    assert!(is_error && error(value)["kind"] == "denied_by_policy", "{value}");
    assert_eq!(error(value)["rule"], rule, "{value}");
    error(value)["message"].as_str().expect("a message")
}

#[tokio::test]
async fn a_dry_run_answers_with_what_it_would_send() {
    let world = World::start().await;
    let (started, human) = accepting(&world, "dry_run = true\n").await;
    let create = json!({"project_id": PROJECT, "name": "next"});
    let (value, is_error) = started.call("create_branch", create).await;
    assert!(
        !is_error && value["dry_run"] == true && value["would_ask"] == false,
        "{value}"
    );
    assert_eq!(
        value["would_send"]["request"],
        format!("POST /projects/{PROJECT}/branches")
    );
    assert_eq!(value["would_send"]["body"]["branch"]["name"], "next", "{value}");
    let (value, is_error) = started.call("delete_branch", on(BRANCH)).await;
    assert!(
        !is_error && value["would_ask"] == true && value["plan"]["summary"].is_string(),
        "{value}"
    );
    assert!(human.asked().is_empty(), "nobody is asked about nothing");
    assert!(!started.call("describe_branch", on(BRANCH)).await.1);
    assert_eq!(world.changes(), NOTHING);
    let outcomes: Vec<Value> = started
        .audit()
        .into_iter()
        .map(|line| line["outcome"].clone())
        .collect();
    assert_eq!(outcomes, ["dry_run", "dry_run"]);
}

#[tokio::test]
async fn a_freeze_stops_every_change_and_says_why() {
    let world = World::start().await;
    let (started, human) = accepting(&world, "freeze = \"release \\u001b[31mof the shop\"\n").await;
    for (tool, arguments) in [
        ("create_branch", json!({"project_id": PROJECT, "name": "next"})),
        ("delete_branch", on(BRANCH)),
        (
            "suspend_compute",
            json!({"project_id": PROJECT, "endpoint_id": ENDPOINT}),
        ),
    ] {
        let (value, is_error) = started.call(tool, arguments).await;
        let message = denied_by(&value, is_error, "freeze");
        assert!(message.contains("shop") && !message.contains('\u{1b}'), "{message}");
    }
    assert!(!started.call("describe_branch", on(BRANCH)).await.1);
    assert!(human.asked().is_empty());
    assert_eq!(world.changes(), NOTHING);
}

#[tokio::test]
async fn denied_tools_are_neither_listed_nor_run() {
    let world = World::start().await;
    let policy = "[effects]\naccess = \"deny\"\n[tools]\ndelete_branch = \"deny\"\n";
    let (started, human) = accepting(&world, policy).await;
    let listed = started.server.client.list_all_tools().await.expect("a list");
    assert!(
        listed
            .iter()
            .all(|tool| tool.name != "delete_branch" && tool.name != "set_default_branch")
    );
    let (refused, is_error) = started.call("delete_branch", on(BRANCH)).await;
    assert!(is_error && refused["error"]["kind"] == "not_offered", "{refused}");
    assert!(refused.to_string().contains("policy"), "{refused}");
    // What does more than its tool usually does is judged by what it does.
    let rename = with(on(ROOT), "name", "trunk");
    let (value, is_error) = started.call("update_branch", rename).await;
    denied_by(&value, is_error, "effects.access");
    assert!(!started.call("update_branch", with(on(BRANCH), "name", "next")).await.1);
    assert!(human.asked().is_empty());
    assert_eq!(world.changes().len(), 1);
}

#[tokio::test]
async fn a_read_only_policy_lists_and_runs_reads_alone() {
    let world = World::start().await;
    let started = under(&world, "read_only = true\n").await;
    let listed = started.server.client.list_all_tools().await.expect("a list");
    assert!(listed.len() > 10);
    for tool in listed {
        let hints = tool.annotations.expect("annotations");
        assert_eq!(hints.read_only_hint, Some(true), "{}", tool.name);
        assert_ne!(tool.name, "get_role_password");
    }
}

#[tokio::test]
async fn a_call_about_another_project_is_denied_and_lists_show_the_allowed_ones() {
    let world = World::start().await;
    let started = under(&world, "allowed_projects = [\"another-project-1\"]\n").await;
    let (value, is_error) = started.call("list_projects", json!({})).await;
    assert!(!is_error && value["result"]["projects"] == json!([]), "{value}");
    for (tool, arguments) in [
        ("describe_project", json!({"project_id": PROJECT})),
        ("delete_branch", on(BRANCH)),
    ] {
        let (value, is_error) = started.call(tool, arguments).await;
        denied_by(&value, is_error, "allowed_projects");
    }
    // By a name, there is none.
    let (value, is_error) = started.call("describe_project", json!({"project_id": "shop"})).await;
    assert!(is_error && value["error"]["argument"] == "project_id", "{value}");
    assert!(!value.to_string().contains(PROJECT), "{value}");
    let listed = started.server.client.list_all_tools().await.expect("a list");
    assert!(
        listed.iter().all(|tool| tool.name != "create_project"),
        "it reaches beyond any project"
    );
    assert_eq!(world.changes(), NOTHING);
    let started = under(&world, &format!("allowed_projects = [\"{PROJECT}\"]\n")).await;
    let (value, _) = started.call("list_projects", json!({})).await;
    assert_eq!(value["result"]["projects"][0]["id"], PROJECT, "{value}");
    assert!(!started.call("describe_branch", on(BRANCH)).await.1);
}

#[tokio::test]
async fn a_project_of_another_organization_is_denied_by_what_neon_says() {
    let world = World::start().await;
    let started = under(&world, "allowed_organizations = [\"org-other\"]\n").await;
    for (tool, arguments) in [
        ("create_branch", json!({"project_id": PROJECT, "name": "x"})),
        ("delete_branch", on(BRANCH)),
    ] {
        let (value, is_error) = started.call(tool, arguments).await;
        denied_by(&value, is_error, "allowed_organizations");
    }
    let started = under(&world, "allowed_organizations = [\"org-quiet-sun-12345678\"]\n").await;
    assert!(
        !started
            .call("create_branch", json!({"project_id": PROJECT, "name": "x"}))
            .await
            .1
    );
    let started = under(&world, "allowed_organizations = [\"org-other\"]\n").await;
    let (value, is_error) = started.call("recover_branch", on("br-gone")).await;
    denied_by(&value, is_error, "allowed_organizations");
    let started = under(&world, "allowed_organizations = [\"org-quiet-sun-12345678\"]\n").await;
    world.change(|facts| facts.project["org_id"] = Value::Null);
    let (value, is_error) = started
        .call("create_branch", json!({"project_id": PROJECT, "name": "x"}))
        .await;
    denied_by(&value, is_error, "allowed_organizations");
    assert_eq!(world.changes().len(), 1);
}

#[tokio::test]
async fn call_beyond_a_cap_is_denied() {
    let world = World::start().await;
    let create = |more: Value| {
        let mut arguments = json!({"project_id": PROJECT, "name": "next"});
        for (name, value) in more.as_object().expect("an object") {
            arguments[name] = value.clone();
        }
        arguments
    };
    let in_hours = |hours: i64| (chrono::Utc::now() + chrono::TimeDelta::hours(hours)).to_rfc3339();
    let started = under(&world, "[caps]\nthrowaway_lifetime_hours = 24\n").await;
    let (value, is_error) = started
        .call("create_branch", create(json!({"expires_at": in_hours(25)})))
        .await;
    denied_by(&value, is_error, "caps.throwaway_lifetime_hours");
    assert!(
        !started
            .call("create_branch", create(json!({"expires_at": in_hours(23)})))
            .await
            .1
    );
    world.change(|facts| facts.branches.truncate(2));

    let started = under(&world, "[caps]\nbranches_per_project = 2\n").await;
    let (value, is_error) = started.call("create_branch", create(json!({}))).await;
    denied_by(&value, is_error, "caps.branches_per_project");
    let started = under(&world, "[caps]\nbranches_per_project = 3\n").await;
    assert!(!started.call("create_branch", create(json!({}))).await.1);

    let started = under(&world, "[caps]\ncompute_cu = 2\n").await;
    let size = |most: f64| json!({"project_id": PROJECT, "endpoint_id": ENDPOINT, "autoscaling_limit_max_cu": most});
    let (value, is_error) = started.call("update_compute", size(4.0)).await;
    denied_by(&value, is_error, "caps.compute_cu");
    assert!(!started.call("update_compute", size(2.0)).await.1);

    let before = world.changes().len();
    let started = under(&world, "[caps]\nchanges_per_minute = 2\n").await;
    for _ in 0..2 {
        assert!(!started.call("update_branch", with(on(BRANCH), "name", "next")).await.1);
    }
    let (value, is_error) = started.call("update_branch", with(on(BRANCH), "name", "next")).await;
    denied_by(&value, is_error, "caps.changes_per_minute");
    assert!(
        !started.call("describe_branch", on(BRANCH)).await.1,
        "reading is no change"
    );
    assert_eq!(world.changes().len(), before + 2);
}

#[tokio::test]
async fn what_an_effect_allows_runs_unasked_and_what_is_severe_asks_nevertheless() {
    let world = World::start().await;
    let started = under(&world, "[effects]\ndestructive = \"allow\"\n").await;
    let (value, is_error) = started.call("delete_branch", on(BRANCH)).await;
    assert!(!is_error && value["approved_by"] == "policy", "{value}");
    let hard = with(on(BRANCH), "hard_delete", true);
    let (value, is_error) = started.call("delete_branch", hard.clone()).await;
    assert!(is_error && error(&value)["kind"] == "requires_approval", "{value}");
    let (value, is_error) = started
        .call("delete_branch", with(on(BRANCH), "hard_delete", true))
        .await;
    assert!(is_error && error(&value)["plan"]["severe"] == true, "{value}");
    assert_eq!(world.changes().len(), 1);
    // Whoever names the tool means it.
    let started = under(&world, "[tools]\ndelete_branch = \"allow\"\n").await;
    assert!(!started.call("delete_branch", hard).await.1);
    let (value, is_error) = started.call("delete_project", json!({"project_id": PROJECT})).await;
    assert!(is_error && error(&value)["kind"] == "requires_approval", "{value}");
    let started = under(&world, "[effects]\nwrite = \"require_approval\"\n").await;
    let (value, is_error) = started
        .call("create_branch", json!({"project_id": PROJECT, "name": "x"}))
        .await;
    assert!(is_error && error(&value)["kind"] == "requires_approval", "{value}");
    assert_eq!(world.changes().len(), 2);
}

#[tokio::test]
async fn a_policy_can_have_every_call_ask_reading_ones_too() {
    let world = World::start().await;
    let policy = "[effects]\nread = \"require_approval\"\nwrite = \"require_approval\"\n";
    let (started, human) = accepting(&world, policy).await;
    let catalog = catalog();
    // Each server has Neon's rate limits for itself.
    join_all(catalog.tools().chunks(20).map(async |tools| {
        let world = World::start().await;
        let (started, human) = accepting(&world, policy).await;
        human.changes_to(Manner::Declines);
        for tool in tools {
            let (value, is_error) = started.call(tool.name(), Value::Object(arguments(tool, false))).await;
            if tool.declaration.completes().is_some() {
                // What could be completed had to be prepared first, and that asks.
                assert!(is_error && error(&value)["kind"] == "invalid_arguments", "{value}");
                continue;
            }
            assert!(
                is_error && error(&value)["kind"] == "rejected",
                "{}: {value}",
                tool.name()
            );
        }
        let completing = tools.iter().filter(|tool| tool.declaration.completes().is_some());
        assert_eq!(human.asked().len(), tools.len() - completing.count());
        assert_eq!(world.changes(), NOTHING);
    }))
    .await;
    human.changes_to(Manner::Accepts);
    let (value, is_error) = started.call("list_branches", json!({"project_id": PROJECT})).await;
    assert!(!is_error && value["result"]["branches"].is_array(), "{value}");
}

#[tokio::test]
async fn a_branch_that_the_policy_protects_is_protected() {
    let world = World::start().await;
    let (started, human) = accepting(&world, "protected_branches = [\"d?v\"]\n").await;
    let (value, is_error) = started.call("delete_branch", on(BRANCH)).await;
    assert!(!is_error, "{value}");
    assert!(
        human.asked()[0].1["properties"]["name"].is_object(),
        "its name is asked for: {:?}",
        human.asked()
    );
    let throwaway = "2026-01-31T00:00:00Z";
    world.change(|facts| facts.branch()["expires_at"] = throwaway.into());
    assert!(!started.call("delete_branch", on(BRANCH)).await.1);
    assert_eq!(human.asked().len(), 2, "no throwaway either");
    let connection = with(with(on(BRANCH), "database_name", "abc"), "role_name", "made_here");
    world.change(|facts| facts.roles = vec![json!({"name": "made_here", "branch_id": BRANCH})]);
    assert!(!started.call("get_connection_string", connection).await.1);
    assert_eq!(human.asked().len(), 3, "its secret asks");
}

fn throwaway() -> impl FnOnce(&mut crate::support::world::Facts) {
    |facts| facts.branch()["expires_at"] = "2026-01-31T00:00:00Z".into()
}

#[tokio::test]
async fn a_throwaway_branch_is_free_to_delete_and_to_reset() {
    let world = World::with(throwaway()).await;
    let started = under(&world, "").await;
    let restore = with(
        with(on(BRANCH), "source_branch_id", ROOT),
        "preserve_under_name",
        "kept",
    );
    let unpreserved = with(on(BRANCH), "source_branch_id", ROOT);
    let database = with(on(BRANCH), "database_name", "abc");
    for (tool, arguments) in [
        ("restore_branch", restore),
        ("restore_branch", unpreserved),
        ("delete_database", database),
        (
            "delete_compute",
            json!({"project_id": PROJECT, "endpoint_id": ENDPOINT}),
        ),
        ("delete_branch", on(BRANCH)),
    ] {
        let (value, is_error) = started.call(tool, arguments).await;
        assert!(!is_error && value.get("approved_by").is_none(), "{tool}: {value}");
    }
    assert_eq!(world.changes().len(), 5);
    for (tool, arguments) in [
        ("delete_branch", with(on(BRANCH), "hard_delete", true)),
        ("finalize_restore_branch", on(BRANCH)),
        ("set_default_branch", on(BRANCH)),
    ] {
        let (value, is_error) = started.call(tool, arguments).await;
        // A branch that expires can't be the default.
        let expected = if tool == "set_default_branch" {
            "would_fail"
        } else {
            "requires_approval"
        };
        assert!(is_error && error(&value)["kind"] == expected, "{tool}: {value}");
    }
    assert_eq!(world.changes().len(), 5);
}

#[tokio::test]
async fn what_only_looks_like_a_throwaway_asks() {
    type Change = fn(&mut crate::support::world::Facts);
    let changes: [(&str, Change); 12] = [
        ("no expiry", |facts| facts.branch()["expires_at"] = Value::Null),
        ("an expiry in words", |facts| {
            facts.branch()["expires_at"] = "never".into()
        }),
        ("an empty expiry", |facts| facts.branch()["expires_at"] = "".into()),
        ("an expiry that is a number", |facts| {
            facts.branch()["expires_at"] = 1_769_817_600.into()
        }),
        ("an expiry that never comes", |facts| {
            facts.branch()["expires_at"] = "9999-12-31T23:59:59Z".into()
        }),
        ("an expiry beyond what Neon gives", |facts| {
            facts.branch()["expires_at"] = "2026-02-02T00:00:00Z".into()
        }),
        ("an expiry before its creation", |facts| {
            facts.branch()["expires_at"] = "2025-12-31T00:00:00Z".into()
        }),
        ("no creation", |facts| facts.branch()["created_at"] = Value::Null),
        ("an expiry that is no text", |facts| {
            facts.branch()["expires_at"] = true.into()
        }),
        ("the default", |facts| facts.branch()["default"] = true.into()),
        ("protected", |facts| facts.branch()["protected"] = true.into()),
        ("with a child", |facts| {
            facts.branches.push(json!({
                "id": "br-child", "project_id": PROJECT, "name": "child", "default": false, "protected": false,
                "parent_id": BRANCH,
            }));
        }),
    ];
    for (what, change) in changes {
        let world = World::with(throwaway()).await;
        world.change(|facts| facts.branch()["name"] = "tmp-throwaway-preview".into());
        world.change(change);
        let started = under(&world, "").await;
        let (value, is_error) = started.call("delete_branch", on(BRANCH)).await;
        // Of what Neon refuses to delete nobody is asked, and it isn't deleted either.
        let refused = ["the default", "protected", "with a child"].contains(&what);
        let expected = if refused { "would_fail" } else { "requires_approval" };
        assert!(is_error && error(&value)["kind"] == expected, "{what}: {value}");
        assert_eq!(world.changes(), NOTHING, "{what}");
    }
    // The way around: to make it a throwaway first. That asks.
    let world = World::start().await;
    let started = under(&world, "").await;
    let soon = (chrono::Utc::now() + chrono::TimeDelta::days(7)).to_rfc3339();
    let (value, is_error) = started
        .call("update_branch", with(on(BRANCH), "expires_at", soon))
        .await;
    assert!(is_error && error(&value)["kind"] == "requires_approval", "{value}");
    assert_eq!(world.changes(), NOTHING);
}

#[tokio::test]
async fn every_destructive_result_says_the_way_back_or_that_there_is_none() {
    for tool in catalog()
        .tools()
        .iter()
        .filter(|tool| tool.declaration.safety.effect == neon_mcp::guard::Effect::Destructive)
    {
        let world = World::start().await;
        let (started, human) = accepting(&world, "").await;
        let arguments = ready(&world, tool, arguments(tool, false), async |name, given| {
            started.call(name, given).await
        })
        .await;
        let (value, _) = started.call(tool.name(), Value::Object(arguments)).await;
        let undo = &value["undo"];
        match undo.as_str() {
            Some(text) => assert!(text.starts_with("none"), "{}: {value}", tool.name()),
            None => {
                let back = catalog();
                let back = back
                    .tool(undo["tool"].as_str().expect("a tool"))
                    .expect("a tool that there is");
                let given = undo["arguments"].as_object().expect("arguments");
                let validator = jsonschema::draft202012::new(&Value::Object((*back.input).clone())).expect("a schema");
                let errors: Vec<String> = validator
                    .iter_errors(&Value::Object(given.clone()))
                    .map(|error| error.to_string())
                    .collect();
                assert!(errors.is_empty(), "{}: {errors:?} {undo}", tool.name());
            }
        }
        assert!(human.asked()[0].0.contains("Way back: "), "{}", human.asked()[0].0);
    }
}

#[tokio::test]
async fn the_way_back_of_a_deletion_has_its_deadline() {
    let world = World::start().await;
    let (started, _) = accepting(&world, "").await;
    let (value, _) = started.call("delete_branch", on(BRANCH)).await;
    assert_eq!(value["undo"]["tool"], "recover_branch", "{value}");
    assert_eq!(value["undo"]["arguments"], on(BRANCH));
    let until = value["undo"]["until"].as_str().expect("a deadline");
    let until = chrono::DateTime::parse_from_rfc3339(until).expect("a time").to_utc();
    let days = (until - chrono::Utc::now()).num_hours();
    assert!((166..=168).contains(&days), "{value}");
}

const COPY: &str = "[safety_copy]\nbefore = \"destructive\"\n";

#[tokio::test]
async fn a_demanded_copy_comes_first_and_the_result_names_it() {
    let world = World::start().await;
    let (started, human) = accepting(&world, COPY).await;
    let (value, is_error) = started
        .call("delete_database", with(on(BRANCH), "database_name", "abc"))
        .await;
    assert!(!is_error, "{value}");
    assert_worded!(
        "approvals",
        "deletion of a database after a copy of its branch",
        human.asked()[0].0
    );
    assert_eq!(
        world.changes(),
        [
            format!("POST /projects/{PROJECT}/branches"),
            format!("DELETE /projects/{PROJECT}/branches/{BRANCH}/databases/abc")
        ]
    );
    assert!(
        value["safety_copy"]["branch_id"].is_string() && value["safety_copy"]["branch_name"].is_string(),
        "{value}"
    );
    // A root branch has no parent to be a child of: it gets a snapshot.
    let (value, _) = started
        .call("delete_database", with(on(ROOT), "database_name", "abc"))
        .await;
    assert!(value["safety_copy"]["snapshot_id"].is_string(), "{value}");
    assert_eq!(
        world.changes()[2],
        format!("POST /projects/{PROJECT}/branches/{ROOT}/snapshot")
    );
    let (value, is_error) = started
        .call("restore_branch", with(on(BRANCH), "source_branch_id", ROOT))
        .await;
    assert!(!is_error, "{value}");
    let name = bare_value(&value["safety_copy"]["branch_name"]);
    assert_worded!("approvals", "name of the branch that a restore keeps", name);
    let restore = world
        .upstream
        .requests()
        .into_iter()
        .rfind(|request| request.method == "POST")
        .expect("a request");
    assert_eq!(restore.json()["preserve_under_name"], name);
}

#[tokio::test]
async fn copy_that_is_a_branch_counts_against_the_cap_on_branches() {
    let world = World::start().await;
    world.change(|facts| facts.branches.truncate(2));
    let (started, _) = accepting(&world, &format!("{COPY}[caps]\nbranches_per_project = 2\n")).await;
    let (value, is_error) = started
        .call("delete_database", with(on(BRANCH), "database_name", "abc"))
        .await;
    assert!(is_error && error(&value)["kind"] == "no_safety_copy", "{value}");

    assert_worded!("errors", "safety copy above a cap", error(&value)["message"]);
    assert!(world.changes().is_empty(), "{:?}", world.changes());
    let (started, _) = accepting(&world, &format!("{COPY}[caps]\nbranches_per_project = 3\n")).await;
    let (value, is_error) = started
        .call("delete_database", with(on(BRANCH), "database_name", "abc"))
        .await;
    assert!(!is_error, "{value}");
}

#[tokio::test]
async fn copy_that_the_policy_denies_is_not_made_and_the_call_not_sent() {
    let world = World::start().await;
    for rule in [
        "[tools]\ncreate_branch = \"deny\"\n",
        "[tools]\ncreate_branch = \"require_approval\"\n",
    ] {
        let (started, _) = accepting(&world, &format!("{COPY}{rule}")).await;
        let (value, is_error) = started
            .call("delete_database", with(on(BRANCH), "database_name", "abc"))
            .await;
        assert!(is_error && error(&value)["kind"] == "no_safety_copy", "{rule}: {value}");
        assert!(world.changes().is_empty(), "{rule}: {:?}", world.changes());
    }
}

#[tokio::test]
async fn without_its_copy_a_call_is_not_sent() {
    let world = World::with(|facts| facts.broken = vec![("POST", "/branches"), ("POST", "/snapshot")]).await;
    let (started, _) = accepting(&world, COPY).await;
    for branch in [BRANCH, ROOT] {
        let (value, is_error) = started
            .call("delete_database", with(on(branch), "database_name", "abc"))
            .await;
        assert!(is_error && error(&value)["kind"] == "no_safety_copy", "{value}");
    }
    assert!(
        world.changes().iter().all(|change| change.starts_with("POST")),
        "{:?}",
        world.changes()
    );
    // What Neon would delete anyway is not copied.
    let world = World::with(throwaway()).await;
    let (started, human) = accepting(&world, COPY).await;
    assert!(
        !started
            .call("delete_database", with(on(BRANCH), "database_name", "abc"))
            .await
            .1
    );
    assert_eq!(world.changes().len(), 1);
    assert!(human.asked().is_empty());
}

#[tokio::test]
async fn each_call_that_matters_has_its_line() {
    let world = World::start().await;
    let (started, human) = accepting(&world, "").await;
    started.call("describe_branch", on(BRANCH)).await;
    started
        .call("create_branch", json!({"project_id": PROJECT, "name": "next"}))
        .await;
    started.call("delete_branch", on(BRANCH)).await;
    human.changes_to(Manner::Declines);
    started.call("delete_branch", on(BRANCH)).await;
    let lines = started.audit();
    let outcomes: Vec<&str> = lines
        .iter()
        .map(|line| line["outcome"].as_str().expect("an outcome"))
        .collect();
    assert_eq!(outcomes, ["done", "done", "rejected"], "{lines:?}");
    let deleted = &lines[1];
    assert_eq!(deleted["tool"], "delete_branch");
    assert_eq!(deleted["effect"], "destructive");
    assert_eq!(deleted["caller"], "stdio");
    assert_eq!(deleted["client"], "test 1");
    assert_eq!(deleted["channel"], "client");
    assert_eq!(deleted["arguments"]["branch_id"], BRANCH);
    assert_eq!(deleted["project_id"], PROJECT);
    assert_eq!(deleted["plan"].as_str().expect("a digest").len(), 64);
    assert_eq!(deleted["request_ids"].as_array().expect("ids").len(), 1);
    assert!(deleted["duration_ms"].is_u64() && deleted["time"].is_string());
    assert_eq!(lines[2]["plan"].as_str().expect("a digest").len(), 64);
    assert_eq!(lines[2]["request_ids"], Value::Null);
}

#[tokio::test]
async fn where_nothing_can_be_recorded_nothing_changes() {
    let world = World::start().await;
    let state = crate::support::server::state_home();
    let log = state.join("directory");
    std::fs::create_dir(&log).expect("made");
    let log = log.to_str().expect("a path");
    let mut command = program(&["--toolsets", "all", "--audit-log", log], &world.url(), KEY);
    command.env("NEON_MCP_LOG", "off");
    let human = Human::who(Manner::Accepts);
    let server = TestServer::run(command, TestClient::with(human.clone()), Era::Legacy).await;
    for (tool, arguments) in [
        ("create_branch", json!({"project_id": PROJECT, "name": "next"})),
        ("delete_branch", on(BRANCH)),
    ] {
        let (value, is_error) = server.call(tool, arguments).await;
        assert!(is_error && error(&value)["kind"] == "unrecorded", "{value}");
    }
    assert_eq!(human.count(), 0, "an approval would be used up for nothing");
    assert!(!server.call("describe_branch", on(BRANCH)).await.1, "reading goes on");
    assert_eq!(world.changes(), NOTHING);
}

/// A world in which every secret that Neon may give is a canary.
async fn canaries() -> World {
    World::with(|facts| {
        let secret = |what: &str| Value::from(format!("canary-{what}"));
        facts.project["settings"] = json!({"api_key": secret("key"), "secret": secret("secret")});
        for branch in &mut facts.branches {
            branch["connection_uri"] = format!("postgresql://u:{}@host/db", "canary-uri").into();
            branch["password"] = secret("branch");
        }
        facts.endpoints[0]["password"] = secret("compute");
        facts.roles[0]["password"] = secret("role");
        facts.databases[0]["client_secret"] = secret("database");
        facts.snapshots[0]["token"] = secret("snapshot");
    })
    .await
}

#[tokio::test]
async fn no_secret_is_in_a_plan_a_form_a_log_or_a_line() {
    let catalog = catalog();
    for manner in [None, Some(Manner::Accepts), Some(Manner::Declines)] {
        for era in [Era::Legacy, Era::Modern] {
            join_all(
                catalog
                    .tools()
                    .chunks(20)
                    .map(|tools| no_secret_shows(tools, manner.clone(), era)),
            )
            .await;
        }
    }
}

/// Calls these tools, and looks for canaries wherever something of the calls is left.
async fn no_secret_shows(tools: &[std::sync::Arc<neon_mcp::catalog::Tool>], manner: Option<Manner>, era: Era) {
    let clean = |what: &str, text: &str| assert!(!text.contains("canary-"), "{what}: {text}");
    let world = canaries().await;
    let human = manner.map(Human::who);
    let state = crate::support::server::state_home();
    let mut command = super::command(&world, &state, "");
    command.env("NEON_MCP_LOG", "trace");
    let client = human.clone().map_or_else(TestClient::alone, TestClient::with);
    let server = TestServer::run(command, client, era).await;
    for tool in tools {
        let (value, _) = server.call(tool.name(), Value::Object(arguments(tool, false))).await;
        if !tool.declaration.safety.reveals || value.get("error").is_some() {
            clean(tool.name(), &value.to_string());
        }
    }
    for (message, schema) in human.iter().flat_map(Human::asked) {
        clean("a form", &format!("{message} {schema}"));
    }
    let log = server.stop().await;
    assert!(log.len() > 1_000, "the log is on");
    clean("the log", &log);
    assert!(!log.contains(KEY));
    for entry in walk(&state) {
        let text = std::fs::read_to_string(&entry).unwrap_or_default();
        clean(&entry.display().to_string(), &text);
        assert!(!text.contains(KEY));
    }
    let recorded = std::fs::read_to_string(state.join("neon-mcp/audit.jsonl")).unwrap_or_default();
    let changes = tools
        .iter()
        .any(|tool| tool.declaration.safety.effect != neon_mcp::guard::Effect::Read);
    assert_eq!(!recorded.is_empty(), changes, "{recorded}");
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(walk(&path));
        } else {
            found.push(path);
        }
    }
    found
}
