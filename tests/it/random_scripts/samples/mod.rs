//! The kinds of attack on what the server promises of SQL, each with several samples of it: through a real client, on every kind
//! of branch, with a superuser beside who looks before and after.
//!
//! ```text
//! cases.txt  the samples, and what must become of each
//! table      how they are written
//! branch     a branch, a call on it, and what it did there
//! found      what an attack with the source found, where it takes more than a statement
//! approved   what approvals, the policy and trials let through
//! ```
//!
//! Every case is tried on the default branch, read-only too, and on a throwaway one, and by turns on a protected or a plain one;
//! with `SAMPLES_ALL` on all of them and in every way. `SAMPLES` chooses those whose kind and name hold a text.

mod approved;
mod branch;
mod found;
mod table;

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::json;

use branch::{Branch, Kind, Mode};
use table::{Case, Expected, cases};

use crate::examples::Story;
use crate::support::human::Manner;
use crate::support::server::{Era, TestClient, TestServer, program};

/// A sandbox with the project `shop`.
async fn shop() -> Story {
    Story::with_data().await
}

/// Another server on the sandbox, with the same human.
async fn server(story: &Story, arguments: &[&str]) -> TestServer {
    let api = story.sandbox().api_url();
    let mut command = program(arguments, &api, story.sandbox().api_key());
    command.env("NEON_MCP_LOG", "error");
    TestServer::run(command, TestClient::with(story.human().clone()), Era::Legacy).await
}

/// The cases of this run: those whose name has `SAMPLES` in it.
fn chosen() -> Vec<Case> {
    let part = std::env::var("SAMPLES").unwrap_or_default();
    cases().into_iter().filter(|case| case.name().contains(&part)).collect()
}

/// Every so many cases are sent in the other ways, too.
const SOME: usize = 8;

/// Makes every case's calls on a branch.
async fn run(story: &Story, branch: &mut Branch, cases: &[Case], discovery: &TestServer, read_only: &TestServer) {
    let all = std::env::var_os("SAMPLES_ALL").is_some();
    for (number, case) in cases.iter().enumerate() {
        let turn = match branch.kind {
            Kind::Protected => number % 4 == 0,
            Kind::Plain => number % 4 == 2,
            Kind::Default | Kind::Throwaway => true,
        };
        if !turn && !all {
            continue;
        }
        branch.arrange(case).await;
        match branch.kind {
            Kind::Default => branch.check_unchanged(story, case, Some(read_only), "read only").await,
            Kind::Plain | Kind::Protected => branch.check_unchanged(story, case, None, "explain analyze").await,
            _ => {}
        }
        let inside =
            case.statements.len() == 1 && case.kind != "outside" && !matches!(case.expected, Expected::Fails { .. });
        let mut modes = vec![(Mode::Plain, None)];
        match branch.kind {
            _ if !number.is_multiple_of(SOME) && branch.kind == Kind::Default && !all => {}
            Kind::Plain => modes.push((Mode::Discovery, Some(discovery))),
            Kind::Default if inside => modes.push((Mode::Together, None)),
            _ => {}
        }
        let mut changed = false;
        for (mode, server) in modes {
            if changed {
                branch.restore().await;
                branch.arrange(case).await;
            }
            changed = branch.check(story, case, mode, server).await;
        }
        if changed || !case.before.is_empty() {
            branch.restore().await;
        }
    }
}

#[test]
fn each_kind_has_its_samples() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for case in cases() {
        assert!(!case.statements.is_empty(), "{}", case.name());
        *counts.entry(case.kind).or_default() += 1;
    }
    assert_eq!(counts.len(), 9, "{counts:?}");
    assert!(counts.values().all(|count| *count >= 6), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sample_of_a_kind_changes_nothing_unasked() {
    let began = Instant::now();
    let story = shop().await;
    story.make_branch(json!({"name": "release", "protected": true})).await;
    story.make_branch(json!({"name": "dev"})).await;
    story.shop("create_throwaway_branch", json!({"name": "try"})).await;
    let mut branches = Vec::new();
    for (kind, name) in [
        (Kind::Default, "main"),
        (Kind::Protected, "release"),
        (Kind::Plain, "dev"),
        (Kind::Throwaway, "try"),
    ] {
        branches.push(Branch::start(&story, kind, name).await);
    }
    story.human().changes_to(Manner::Declines);
    let discovery = server(&story, &["--discovery", "--toolsets", "all"]).await;
    let read_only = server(
        &story,
        &[
            "--read-only",
            "--toolsets",
            "all",
            "--tools",
            "run_sql,run_sql_transaction",
        ],
    )
    .await;
    let cases = chosen();
    eprintln!("ready after {:?}", began.elapsed());
    let runs = branches
        .iter_mut()
        .map(|branch| run(&story, branch, &cases, &discovery, &read_only));
    futures::future::join_all(runs).await;
    for case in cases.iter().filter(|case| case.prepared) {
        branches[0].check_prepared(&story, case).await;
    }
    let calls: usize = branches.iter().map(|branch| branch.calls).sum();
    eprintln!("{} cases, {calls} calls, {:?}", cases.len(), began.elapsed());
    let wrong: Vec<&str> = branches
        .iter()
        .flat_map(|branch| &branch.wrong)
        .map(String::as_str)
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {calls} calls:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
