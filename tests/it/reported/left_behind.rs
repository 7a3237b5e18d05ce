//! Neon fails somebody in the middle of a tool's work, and the clean-up fails, too: what was made is named, with how to remove it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use futures::stream::{self, StreamExt as _};
use neon_mcp::catalog::Catalog;
use neon_mcp::sandbox::{Postgres, SandboxOptions};
use serde_json::{Value, json};

use crate::examples::{Story, text};
use crate::support::counting::{Counting, Trouble};
use crate::support::fence::bare_value;
use crate::support::server::Server;

/// How many runs there are at the same time.
const AT_ONCE: usize = 4;

/// How long a call may take, in seconds: what is never answered ends then.
const SECONDS: &str = "6";

/// A call: the tool, and what is special about it.
#[derive(Debug, Clone, Copy)]
struct Row {
    tool: &'static str,
    what: &'static str,
}

/// Runs that come one after the other, in a project of their own: what is under way locks a project.
struct Lane<'s> {
    story: &'s Story,
    project: String,
}

impl<'s> Lane<'s> {
    async fn new(story: &'s Story, number: usize) -> Self {
        let project = story.make_project(json!({"name": format!("lane-{number}")})).await;
        let lane = Self { story, project };
        let table = json!({"branch_id": "main", "sql": "CREATE TABLE t (x int)"});
        lane.call("run_sql", table).await;
        lane
    }

    /// A call about the project that must succeed, as soon as nothing else is under way there.
    async fn call(&self, tool: &str, mut arguments: Value) -> Value {
        arguments["project_id"] = self.project.as_str().into();
        loop {
            let (mut value, is_error) = self.story.answer(tool, arguments.clone()).await;
            if !is_error {
                return value["result"].take();
            }
            assert_eq!(value["error"]["kind"], "locked", "{tool}: {value}");
        }
    }
}

/// What a run needs beside the proxy: a branch of its own to act on, where the tool uses one up.
async fn arguments(lane: &Lane<'_>, server: &Server, proxy: &Counting, row: Row, number: usize) -> Value {
    let project = lane.project.as_str();
    let on_main = |more: Value| {
        let mut all = json!({"project_id": project, "branch_id": "main"});
        all.as_object_mut()
            .expect("an object")
            .extend(more.as_object().cloned().unwrap_or_default());
        all
    };
    let changes = format!("CREATE INDEX by_{number} ON t (x)");
    match (row.tool, row.what) {
        ("run_sql", "outside of a transaction") => on_main(json!({"sql": "VACUUM t"})),
        ("run_sql", _) => on_main(json!({"sql": "INSERT INTO t VALUES (1)"})),
        ("run_sql_transaction", _) => on_main(json!({"statements": ["INSERT INTO t VALUES (1)", "SELECT 1"]})),
        ("describe_table_schema", _) => on_main(json!({"table": "t"})),
        ("explain_sql_statement", _) => on_main(json!({"sql": "SELECT * FROM t"})),
        ("create_throwaway_branch", "masked") => json!({"project_id": project, "masking_rules": [{
            "database_name": "neondb", "schema_name": "public", "table_name": "t", "column_name": "x", "masking_value": "0",
        }]}),
        ("create_throwaway_branch" | "list_throwaway_branches", _) => json!({"project_id": project}),
        ("delete_throwaway_branches", _) => {
            let made = lane.call("create_throwaway_branch", json!({})).await;
            json!({"project_id": project, "branches": [made["branch_id"]]})
        }
        ("reset_from_parent", _) => {
            let made = lane.call("create_throwaway_branch", json!({})).await;
            json!({"project_id": project, "branch_id": made["branch_id"], "preserve_under_name": format!("kept-{number}")})
        }
        ("delete_branch", _) => {
            let parent = if row.what == "a root branch" {
                json!({"init_source": "schema-only"})
            } else {
                json!({})
            };
            let mut asked = parent;
            asked["name"] = format!("goes-{number}").into();
            let made = lane.call("create_branch", asked).await;
            let id = text(&made["branch"]["id"]);
            json!({"project_id": project, "branch_id": id})
        }
        ("prepare_database_migration", "a failing script") => on_main(json!({"sql": "ALTER TABLE t ADD COLUMN x int"})),
        ("prepare_database_migration", _) => on_main(json!({"sql": format!("ALTER TABLE t ADD COLUMN y{number} int")})),
        ("prepare_query_tuning", _) => on_main(json!({"sql": "SELECT * FROM t WHERE x = 1", "changes": changes})),
        ("complete_database_migration", _) => {
            let prepared = on_main(json!({"sql": format!("ALTER TABLE t ADD COLUMN z{number} int")}));
            let value = prepared_by(server, "prepare_database_migration", prepared).await;
            proxy.made();
            let mut all = on_main(json!({"migration": value["result"]["migration"]}));
            if row.what == "discarded" {
                all["discard"] = true.into();
            }
            all
        }
        ("complete_query_tuning", _) => {
            let prepared = on_main(json!({"sql": "SELECT * FROM t WHERE x = 1", "changes": changes}));
            let value = prepared_by(server, "prepare_query_tuning", prepared).await;
            proxy.made();
            on_main(json!({"tuning": value["result"]["tuning"]}))
        }
        ("search", _) => json!({"query": "shop"}),
        ("fetch", _) => json!({"id": format!("project:{project}")}),
        ("list_docs_resources", _) => json!({}),
        ("get_doc_resource", _) => json!({"slug": "a-page"}),
        _ => on_main(json!({})),
    }
}

/// What a tool prepares. On a machine that has much to do, a call may run out of its time.
async fn prepared_by(server: &Server, tool: &str, arguments: Value) -> Value {
    for _ in 0..20 {
        let (value, is_error) = server.call(tool, arguments.clone()).await;
        if !is_error {
            return value;
        }
    }
    panic!("{tool} never succeeds");
}

/// Runs a call with the request after `after` others in trouble, and every deletion failing. What is wrong with what was told,
/// and whether that request was sent at all.
async fn run(lane: &Lane<'_>, policy: &str, row: Row, after: usize, trouble: Trouble, number: usize) -> (String, bool) {
    let story = lane.story;
    let proxy = Counting::before(&story.sandbox().api_url()).await;
    let seconds = if trouble == Trouble::Unanswered { SECONDS } else { "120" };
    let flags = [
        "--toolsets",
        "all",
        "--call-timeout-seconds",
        seconds,
        "--policy",
        policy,
    ];
    let server = story.server_at(&flags, &proxy.url()).await;
    let arguments = arguments(lane, &server, &proxy, row, number).await;
    proxy.taken();
    proxy.always("DELETE ", Trouble::Status(500));
    proxy.trouble("", after, trouble);
    let (value, is_error) = server.call(row.tool, arguments).await;
    let count = proxy.taken().iter().filter(|line| !line.starts_with("DELETE ")).count();
    let made: BTreeSet<(String, String)> = proxy.made().into_iter().collect();
    let mut wrong = String::new();
    let mut complain = |what: String| {
        let _ = writeln!(wrong, "{row:?}, request {after}, {trouble:?}: {what}: {value}");
    };
    let error = &value["error"];
    let left: Vec<Value> = error["left_behind"]
        .as_array()
        .into_iter()
        .flatten()
        .map(bare_value)
        .collect();
    let there = there(lane).await;
    for (what, id) in &made {
        if !there.contains(id) {
            continue;
        }
        if !is_error {
            // What a result hands over, or keeps on purpose, is named there.
            if what != "compute" && !value.to_string().contains(id.as_str()) {
                complain(format!("{what} {id} isn't in the result"));
            }
            continue;
        }
        // A masking, a failed deletion of several: a result that is told as failed, with all it has.
        if error.is_null() {
            if what != "compute" && !value.to_string().contains(id.as_str()) {
                complain(format!("{what} {id} isn't in the failed result"));
            }
            continue;
        }
        if error["changed"] == "nothing" {
            complain(format!("{what} {id} was made, and nothing changed"));
        }
        let known = left
            .iter()
            .any(|item| item["what"] == *what && item["id"] == id.as_str());
        // Where the answer that told the id was lost, it is its name that is told, and how to look for it.
        let by_name = left.iter().any(|item| {
            item["what"] == "branch"
                && item["exists"] == "unknown"
                && item["name"].is_string()
                && item["find"].is_object()
        }) || left
            .iter()
            .any(|item| item["what"] == "snapshot" && item["find"].is_object());
        if !known && !by_name {
            complain(format!("{what} {id} isn't named"));
        }
    }
    // The way to remove each is a call that works.
    proxy.at_ease();
    for item in left.iter().filter(|item| item["remove"].is_object()) {
        if item["goes_with"].is_string() {
            continue;
        }
        let remove = &item["remove"];
        let (removed, is_error) = story.answer(&text(&remove["tool"]), remove["arguments"].clone()).await;
        if is_error {
            complain(format!("{remove} doesn't work: {removed}"));
        }
    }
    (wrong, after < count)
}

/// The ids of all branches, computes and snapshots of the project.
async fn there(lane: &Lane<'_>) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for (tool, list) in [
        ("list_branches", "branches"),
        ("list_computes", "endpoints"),
        ("list_snapshots", "snapshots"),
    ] {
        let listed = lane.call(tool, json!({})).await;
        let items = listed[list]
            .as_array()
            .unwrap_or_else(|| panic!("{tool}: {listed}"))
            .iter();
        ids.extend(items.map(|item| text(&item["id"])));
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_loses_neon_in_the_middle_of_any_workflow() {
    let story = Story::aside(SandboxOptions {
        postgres: Postgres::Required,
        rate_limits: false,
        ..SandboxOptions::default()
    })
    .await;
    let place = tempfile::tempdir().expect("a directory");
    let policy = place.path().join("policy.toml");
    std::fs::write(&policy, "[safety_copy]\nbefore = \"destructive\"\n").expect("a policy");
    let policy = policy.to_str().expect("a path");
    let catalog = Catalog::embedded().expect("the catalogue loads");
    let workflows = catalog
        .tools()
        .iter()
        .filter(|tool| tool.declaration.workflow.is_some());
    let mut rows: Vec<(Row, bool)> = workflows
        .map(|tool| {
            let name: &'static str = Box::leak(tool.name().to_owned().into_boxed_str());
            let steps = !tool.declaration.required_steps.is_empty();
            (Row { tool: name, what: "" }, steps)
        })
        .collect();
    for (tool, what) in [
        ("create_throwaway_branch", "masked"),
        ("prepare_database_migration", "a failing script"),
        ("complete_database_migration", "discarded"),
        ("delete_branch", "a child"),
        ("delete_branch", "a root branch"),
    ] {
        rows.push((Row { tool, what }, true));
    }
    let mut runs = Vec::new();
    for (row, steps) in rows {
        let troubles: &[Trouble] = match steps {
            // What completes has to prepare first, for which that time may be too short; it makes nothing itself.
            true if row.tool.starts_with("complete_") => &[Trouble::Status(500), Trouble::AnswerLost],
            true => &[Trouble::Status(500), Trouble::AnswerLost, Trouble::Unanswered],
            false => &[Trouble::Status(500)],
        };
        runs.extend(troubles.iter().map(|trouble| (row, *trouble)));
    }
    let number = std::sync::atomic::AtomicUsize::new(0);
    let (story, number) = (&story, &number);
    let found: Vec<(String, usize)> = stream::iter(runs)
        .enumerate()
        .map(|(lane, (row, trouble))| async move {
            let lane = &Lane::new(story, lane).await;
            let mut wrong = String::new();
            let mut after = 0;
            // One after the other, until the call is through before that request.
            loop {
                let own = number.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let (complaints, was_sent) = run(lane, policy, row, after, trouble, own).await;
                wrong.push_str(&complaints);
                if !was_sent || after == 60 {
                    break (wrong, after);
                }
                after += 1;
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let tried: usize = found.iter().map(|(_, requests)| requests).sum();
    let wrong: String = found.into_iter().map(|(wrong, _)| wrong).collect();
    assert!(tried > 60, "{tried} requests were tried");
    assert!(wrong.is_empty(), "{wrong}");
}
