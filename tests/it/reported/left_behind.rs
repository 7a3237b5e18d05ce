//! Neon fails somebody in the middle of a tool's work, and the clean-up fails, too: what was made is named, with how to remove it.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use neon_mcp::catalog::Catalog;
use neon_mcp::sandbox::{Limits, Postgres, SandboxOptions};
use serde_json::{Value, json};

use crate::examples::{Story, text};
use crate::support::fence::bare_value;
use crate::support::proxy::{Counting, Trouble};
use crate::support::server::TestServer;

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

/// What happens to one request of a call: the one after so many whose `METHOD /path` begins so.
#[derive(Debug, Clone, Copy)]
struct Blow {
    begins: &'static str,
    after: usize,
    trouble: Trouble,
}

/// Runs that come one after the other, in a project of their own: what is under way locks a project.
struct FairQueue<'s> {
    story: &'s Story,
    project: String,
}

impl<'s> FairQueue<'s> {
    async fn new(story: &'s Story, number: usize) -> Self {
        let project = story.make_project(json!({"name": format!("lane-{number}")})).await;
        let lane = Self { story, project };
        let table = json!({"branch_id": "main", "sql": "CREATE TABLE t (x int)"});
        lane.call("run_sql", table).await;
        lane
    }

    /// A call about the project that must succeed.
    async fn call(&self, tool: &str, mut arguments: Value) -> Value {
        arguments["project_id"] = self.project.as_str().into();
        let (mut value, is_error) = self.unlocked(tool, arguments).await;
        assert!(!is_error, "{tool}: {value}");
        value["result"].take()
    }

    /// A call that is made as soon as nothing else is under way in the project.
    async fn unlocked(&self, tool: &str, arguments: Value) -> (Value, bool) {
        loop {
            let (value, is_error) = self.story.answer(tool, arguments.clone()).await;
            if !is_error || value["error"]["kind"] != "locked" {
                return (value, is_error);
            }
        }
    }

    /// A branch without a compute, to be used up: its id.
    async fn branch(&self, number: usize, more: Value) -> Value {
        let mut asked = json!({"name": format!("goes-{number}"), "compute": false});
        let more = more.as_object().cloned().unwrap_or_default();
        asked.as_object_mut().expect("an object").extend(more);
        self.call("create_branch", asked).await["branch"]["id"].take()
    }

    /// The same for one that expires.
    async fn throwaway(&self, number: usize) -> Value {
        let tomorrow = chrono::Utc::now() + chrono::TimeDelta::days(1);
        let expires = tomorrow.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        self.branch(number, json!({"expires_at": expires})).await
    }
}

/// What a restore keeps is called so.
fn kept_name(number: usize) -> String {
    format!("kept-{number}")
}

/// What a run needs beside the proxy: a branch of its own to act on, where the tool uses one up.
async fn arguments(lane: &FairQueue<'_>, server: &TestServer, proxy: &Counting, row: Row, number: usize) -> Value {
    let project = lane.project.as_str();
    let on_main = |more: Value| {
        let mut all = json!({"project_id": project, "branch_id": "main"});
        all.as_object_mut()
            .expect("an object")
            .extend(more.as_object().cloned().unwrap_or_default());
        all
    };
    let changes = format!("CREATE INDEX by_{number} ON t (x)");
    let (goes, drop) = (
        format!("CREATE TABLE goes_{number} (x int)"),
        format!("DROP TABLE goes_{number}"),
    );
    match (row.tool, row.what) {
        ("run_sql", "outside of a transaction") => on_main(json!({"sql": "VACUUM t"})),
        ("run_sql", "a loss on a root branch") => {
            lane.call("run_sql", on_main(json!({"sql": goes}))).await;
            on_main(json!({"sql": drop}))
        }
        ("run_sql", "a loss on a child") => {
            let child = lane.branch(number, json!({"compute": true})).await;
            json!({"project_id": project, "branch_id": child, "sql": "DROP TABLE t"})
        }
        ("run_sql", _) => on_main(json!({"sql": "INSERT INTO t VALUES (1)"})),
        ("run_sql_transaction", _) => on_main(json!({"statements": ["INSERT INTO t VALUES (1)", "SELECT 1"]})),
        ("describe_table_schema", _) => on_main(json!({"table": "t"})),
        ("explain_sql_statement", _) => on_main(json!({"sql": "SELECT * FROM t"})),
        ("create_throwaway_branch", "masked") => json!({"project_id": project, "masking_rules": [{
            "database_name": "neondb", "schema_name": "public", "table_name": "t", "column_name": "x", "masking_value": "0",
        }]}),
        ("create_throwaway_branch" | "list_throwaway_branches", _) => json!({"project_id": project}),
        ("delete_throwaway_branches", _) => {
            json!({"project_id": project, "branches": [lane.throwaway(number).await]})
        }
        ("reset_from_parent", _) => json!({
            "project_id": project,
            "branch_id": lane.throwaway(number).await,
            "preserve_under_name": kept_name(number),
        }),
        ("prepare_database_migration", "a failing script") => on_main(json!({"sql": "ALTER TABLE t ADD COLUMN x int"})),
        ("prepare_database_migration", _) => on_main(json!({"sql": format!("ALTER TABLE t ADD COLUMN y{number} int")})),
        ("prepare_query_tuning", _) => on_main(json!({"sql": "SELECT * FROM t WHERE x = 1", "changes": changes})),
        ("complete_database_migration", _) => {
            let script = if row.what == "a loss" {
                lane.call("run_sql", on_main(json!({"sql": goes}))).await;
                drop
            } else {
                format!("ALTER TABLE t ADD COLUMN z{number} int")
            };
            let prepared = on_main(json!({"sql": script}));
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
async fn prepared_by(server: &TestServer, tool: &str, arguments: Value) -> Value {
    for _ in 0..20 {
        let (value, is_error) = server.call(tool, arguments.clone()).await;
        if !is_error {
            return value;
        }
    }
    panic!("{tool} never succeeds");
}

/// Runs a call with one request in trouble, and every deletion failing. What is wrong with what was told, and the requests.
async fn run(lane: &FairQueue<'_>, policy: &str, row: Row, blow: Option<Blow>, number: usize) -> (String, Vec<String>) {
    let story = lane.story;
    let proxy = Counting::before(&story.sandbox().api_url()).await;
    let hangs = blow.is_some_and(|blow| blow.trouble == Trouble::Unanswered);
    let seconds = if hangs { SECONDS } else { "120" };
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
    if let Some(blow) = blow {
        proxy.trouble(blow.begins, blow.after, blow.trouble);
    }
    let (value, is_error) = server.call(row.tool, arguments).await;
    let taken = proxy.taken();
    let made: BTreeSet<(String, String)> = proxy.made().into_iter().collect();
    let mut wrong = String::new();
    let mut complain = |what: String| {
        let _ = writeln!(wrong, "{row:?}, {blow:?}: {what}: {value}");
    };
    let error = &value["error"];
    let left: Vec<Value> = error["left_behind"]
        .as_array()
        .into_iter()
        .flatten()
        .map(bare_value)
        .collect();
    let there = if made.is_empty() && row.tool != "reset_from_parent" {
        BTreeSet::new()
    } else {
        there(lane).await
    };
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
        if error["changed"] == "no" {
            complain(format!("{what} {id} was made, and nothing changed"));
        }
        let known = left
            .iter()
            .any(|item| item["what"] == *what && item["id"] == id.as_str());
        // Where the answer that told the id was lost, it is its name that is told, and how to look for it.
        let kind = if what == "compute" { "branch" } else { what.as_str() };
        let by_name = left.iter().any(|item| {
            item["what"] == kind && item["exists"] == "unknown" && item["name"].is_string() && item["find"].is_object()
        });
        if !known && !by_name {
            complain(format!("{what} {id} isn't named"));
        }
    }
    // What a restore keeps has no id in an answer.
    let kept = kept_name(number);
    if is_error && there.contains(&kept) {
        let named = left.iter().any(|item| item["name"] == kept.as_str());
        if !named || error["changed"] == "no" {
            complain(format!("the branch {kept} isn't named"));
        }
    }
    // The way to remove each is a call that works.
    proxy.at_ease();
    for item in left.iter().filter(|item| item["remove"].is_object()) {
        if item["goes_with"].is_string() {
            continue;
        }
        let remove = &item["remove"];
        let (removed, is_error) = lane.unlocked(&text(&remove["tool"]), remove["arguments"].clone()).await;
        if is_error {
            complain(format!("{remove} doesn't work: {removed}"));
        }
    }
    // What else is there would only make the machine slow: it may be gone already.
    for (_, id) in made.iter().filter(|(what, _)| what == "branch") {
        let arguments = json!({"project_id": lane.project, "branch_id": id});
        lane.unlocked("delete_branch", arguments).await;
    }
    (wrong, taken)
}

/// What comes into trouble, by what a call asks for where nothing does: each request since the first that makes something, but
/// of those that ask for the same thing again one; before that there is nothing to be left. What only reads is asked again
/// where its answer is lost, so that this makes a difference only for what changes.
fn blows(row: Row, requests: &[String]) -> Vec<Blow> {
    let requests: Vec<&str> = requests
        .iter()
        .map(String::as_str)
        .filter(|line| !line.starts_with("DELETE "))
        .collect();
    let Some(first) = requests.iter().position(|line| line.starts_with("POST /projects")) else {
        return Vec::new();
    };
    let mut blows: Vec<Blow> = (first..requests.len())
        .filter(|&at| !requests[at].starts_with("GET ") || !requests[first..at].contains(&requests[at]))
        .map(|after| Blow {
            begins: "",
            after,
            trouble: Trouble::Status(500),
        })
        .collect();
    for begins in ["POST /projects", "WRITE "] {
        let count = requests.iter().filter(|line| line.starts_with(begins)).count();
        blows.extend((0..count).map(|after| Blow {
            begins,
            after,
            trouble: Trouble::AnswerLost,
        }));
        // What completes has to prepare first, for which that time may be too short; it makes nothing itself.
        if begins == "POST /projects" && !row.tool.starts_with("complete_") {
            blows.extend((0..count).map(|after| Blow {
                begins,
                after,
                trouble: Trouble::Unanswered,
            }));
        }
    }
    blows
}

/// The ids of all branches, computes and snapshots of the project, and the names of those that have one.
async fn there(lane: &FairQueue<'_>) -> BTreeSet<String> {
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
        let known = items.flat_map(|item| [&item["id"], &item["name"]]);
        ids.extend(known.filter_map(|known| known.as_str().map(str::to_owned)));
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_loses_neon_in_the_middle_of_any_workflow() {
    let many = 10_000;
    let story = Story::aside(SandboxOptions {
        postgres: Postgres::Required,
        // What the runs leave stays, so that the plan must hold it all.
        limits: Limits {
            branches: many,
            root_branches: many,
            endpoints: many,
            manual_snapshots: many,
            ..Limits::launch()
        },
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
    let mut rows: VecDeque<Row> = workflows
        .map(|tool| Row {
            tool: Box::leak(tool.name().to_owned().into_boxed_str()),
            what: "",
        })
        .collect();
    for (tool, what) in [
        ("create_throwaway_branch", "masked"),
        ("prepare_database_migration", "a failing script"),
        ("complete_database_migration", "discarded"),
        ("complete_database_migration", "a loss"),
        ("run_sql", "a loss on a root branch"),
        ("run_sql", "a loss on a child"),
    ] {
        rows.push_back(Row { tool, what });
    }
    // First each call as it is, then with its requests in trouble.
    let runs: VecDeque<(Row, Option<Blow>)> = rows.into_iter().map(|row| (row, None)).collect();
    let (runs, number) = (&Mutex::new(runs), &AtomicUsize::new(0));
    let (story, next) = (&story, || runs.lock().expect("a lock").pop_front());
    let lanes = (0..AT_ONCE).map(|lane| async move {
        let lane = &FairQueue::new(story, lane).await;
        let (mut wrong, mut tried) = (String::new(), 0);
        while let Some((row, blow)) = next() {
            let own = number.fetch_add(1, Ordering::SeqCst);
            let (complaints, requests) = run(lane, policy, row, blow, own).await;
            wrong.push_str(&complaints);
            tried += 1;
            if blow.is_none() {
                let new = blows(row, &requests).into_iter().map(|blow| (row, Some(blow)));
                runs.lock().expect("a lock").extend(new);
            }
        }
        (wrong, tried)
    });
    let found: Vec<(String, usize)> = futures::future::join_all(lanes).await;
    let tried: usize = found.iter().map(|(_, runs)| runs).sum();
    let wrong: String = found.into_iter().map(|(wrong, _)| wrong).collect();
    assert!(tried > 60, "{tried} runs");
    assert!(wrong.is_empty(), "{wrong}");
}
