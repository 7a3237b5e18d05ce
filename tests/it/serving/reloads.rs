//! A policy that is read again while many call.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use harness::wait::until_async;
use serde_json::{Value, json};

use super::{look, post, put, said, signal};
use crate::mcp::neon;
use crate::support::fake_neon::FakeNeon;
use crate::support::http::{OverHttp, plain};
use crate::support::server::{Era, KEY, TestClient, program, state_home};

/// Two policies, each of which denies what the other allows.
const ONE: &str = "[tools]\ndescribe_project = \"deny\"\nlist_branches = \"deny\"\n";
const OTHER: &str = "[tools]\nlist_projects = \"deny\"\ndescribe_branch = \"deny\"\n";

struct Ruled {
    server: OverHttp,
    policy: PathBuf,
    _folder: tempfile::TempDir,
}

async fn ruled(upstream: &FakeNeon) -> Ruled {
    let folder = tempfile::tempdir().expect("a folder");
    let policy = folder.path().join("policy.toml");
    put(&policy, ONE);
    let mut command = program(
        &[
            "http",
            "--listen",
            "127.0.0.1:0",
            "--no-auth",
            "--calls-per-minute",
            "100000",
        ],
        &upstream.url(),
        KEY,
    );
    command.arg("--policy").arg(&policy);
    Ruled {
        server: OverHttp::start(command, &state_home()).await,
        policy,
        _folder: folder,
    }
}

/// The tools that are listed.
async fn listed(client: &reqwest::Client, url: &str) -> BTreeSet<String> {
    let answer = post(client, url, "tools/list", json!({}))
        .send()
        .await
        .expect("an answer");
    let body: Value = answer.json().await.expect("JSON");
    let tools = body["result"]["tools"].as_array().expect("tools").iter();
    tools
        .map(|tool| tool["name"].as_str().expect("a name").to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_sees_half_a_policy() {
    let upstream = FakeNeon::route(neon).await;
    let Ruled {
        server,
        policy,
        _folder,
    } = ruled(&upstream).await;
    let client = plain();
    let one = listed(&client, &server.url).await;
    assert!(!one.contains("describe_project") && one.contains("list_projects"));
    put(&policy, OTHER);
    signal(&server.child, "-HUP").await;
    until_async("the other policy", async || listed(&client, &server.url).await != one).await;
    let other = listed(&client, &server.url).await;
    assert!(other.contains("describe_project") && other.contains("list_branches"));
    assert!(!other.contains("list_projects") && !other.contains("describe_branch"));

    let over = Arc::new(AtomicBool::new(false));
    let (ran, denied) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (url, over, one, other) = (server.url.clone(), over.clone(), one.clone(), other.clone());
            let (ran, denied) = (ran.clone(), denied.clone());
            tokio::spawn(async move {
                let client = plain();
                while !over.load(Ordering::SeqCst) {
                    let listed = listed(&client, &url).await;
                    assert!(listed == one || listed == other, "half of each: {listed:?}");
                    let answer = look(&client, &url).send().await.expect("an answer");
                    assert_eq!(answer.status(), 200);
                    let body: Value = answer.json().await.expect("JSON");
                    match body["result"]["isError"].as_bool() {
                        Some(false) => ran.fetch_add(1, Ordering::SeqCst),
                        _ => denied.fetch_add(1, Ordering::SeqCst),
                    };
                }
            })
        })
        .collect();
    for round in 0..12 {
        let (text, expected) = if round % 2 == 0 { (ONE, &one) } else { (OTHER, &other) };
        put(&policy, text);
        signal(&server.child, "-HUP").await;
        until_async("the flip", async || listed(&client, &server.url).await == *expected).await;
    }
    over.store(true, Ordering::SeqCst);
    for caller in callers {
        caller.await.expect("whole policies");
    }
    assert!(ran.load(Ordering::SeqCst) > 0 && denied.load(Ordering::SeqCst) > 0);
    // Whoever was denied sent nothing.
    assert_eq!(upstream.count(), ran.load(Ordering::SeqCst));
}

#[tokio::test]
async fn session_that_was_open_before_is_under_the_new_policy() {
    let upstream = FakeNeon::route(neon).await;
    let Ruled {
        server,
        policy,
        _folder,
    } = ruled(&upstream).await;
    let client = server.client(TestClient::alone(), Era::Legacy).await;
    let offers = async || {
        let tools = client.list_all_tools().await.expect("tools");
        tools.iter().any(|tool| tool.name == "describe_project")
    };
    assert!(!offers().await);
    put(&policy, OTHER);
    signal(&server.child, "-HUP").await;
    until_async("the new policy", offers).await;
}

#[tokio::test]
async fn broken_policy_keeps_the_old_one_and_says_so() {
    let upstream = FakeNeon::route(neon).await;
    let Ruled {
        mut server,
        policy,
        _folder,
    } = ruled(&upstream).await;
    let before = listed(&plain(), &server.url).await;
    put(&policy, "[tools]\nno_such_tool = \"deny\"\n");
    signal(&server.child, "-HUP").await;
    put(&policy.with_file_name("other.toml"), "");
    assert_eq!(listed(&plain(), &server.url).await, before);
    signal(&server.child, "-TERM").await;
    let said = said(&mut server).await;
    assert!(
        said.contains("not read again") && said.contains("no_such_tool"),
        "{said}"
    );
}

#[tokio::test]
async fn policy_that_is_cut_off_keeps_the_old_one_until_it_says_where_it_ends() {
    let upstream = FakeNeon::route(neon).await;
    let Ruled {
        mut server,
        policy,
        _folder,
    } = ruled(&upstream).await;
    let before = listed(&plain(), &server.url).await;
    assert!(!before.contains("list_branches"));
    // Without its last line it would offer more.
    let cut = ONE.trim_end().rsplit_once('\n').expect("lines").0;
    put(&policy, &format!("{cut}\n"));
    signal(&server.child, "-HUP").await;
    for _ in 0..40 {
        assert_eq!(listed(&plain(), &server.url).await, before);
    }
    put(&policy, &format!("{cut}\n# end\n"));
    signal(&server.child, "-HUP").await;
    until_async("less is denied", async || {
        listed(&plain(), &server.url).await.contains("list_branches")
    })
    .await;
    signal(&server.child, "-TERM").await;
    let said = said(&mut server).await;
    assert!(said.contains("beginning"), "{said}");
}
