//! What a folder keeps over a restart, without PostgreSQL.

use harness::assert_worded;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use neon_sandbox::{Sandbox, SandboxOptions};
use serde_json::{Value, json};

use super::{Rig, options};

fn kept(place: &tempfile::TempDir) -> SandboxOptions {
    SandboxOptions {
        dir: Some(place.path().join("kept")),
        ..options()
    }
}

/// A free port that nobody is given by chance: it lies below those that systems hand out. One that is handed out may be
/// another test's by the time that the sandbox comes back to it.
fn own_port() -> u16 {
    (0..200)
        .map(|_| rand::random_range(20_000..30_000))
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

/// A project without what grows by the second.
fn without_meter(mut answer: Value) -> Value {
    if let Some(project) = answer.get_mut("project") {
        project.as_object_mut().unwrap().remove("data_storage_bytes_hour");
    }
    answer
}

#[tokio::test]
async fn projects_branches_keys_and_the_clock_outlive_the_sandbox() {
    let place = tempfile::tempdir().unwrap();
    let rig = Rig::with(SandboxOptions {
        port: own_port(),
        ..kept(&place)
    })
    .await;
    let project = rig.project().await;
    let branch = rig.branch(&project, "second").await;
    rig.set_schema(&project, &branch, "CREATE TABLE t (id int);").await;
    let other = rig.post("/api_keys", json!({ "key_name": "other" })).await.expect(200);
    rig.post(&project.main("/roles"), json!({ "role": { "name": "reader" } }))
        .await
        .expect(201);
    rig.settle().await;
    rig.post(&project.main("/snapshot"), json!({})).await.expect(200);
    rig.settle().await;
    rig.advance(100_000).await;
    let paths = [
        project.path(""),
        project.path("/branches"),
        project.path("/snapshots"),
        project.path("/operations"),
        project.path("/endpoints"),
        project.main("/roles/reader/reveal_password"),
        project.branch(&branch, "/schema?db_name=neondb"),
        "/users/me".to_owned(),
        "/users/me/organizations".to_owned(),
    ];
    let mut before = Vec::new();
    for path in &paths {
        before.push(without_meter(rig.get(path).await.expect(200)));
    }
    let (url, key, now) = (rig.sandbox.api_url(), rig.key.clone(), rig.time(0).await);
    rig.sandbox.shutdown().await;

    let rig = Rig::with(kept(&place)).await;
    assert_eq!((rig.sandbox.api_url(), rig.key.clone()), (url, key));
    assert!(rig.time(0).await >= now, "the clock went back");
    for (path, before) in paths.iter().zip(&before) {
        assert_eq!(without_meter(rig.get(path).await.expect(200)), *before, "{path}");
    }
    let other = other["key"].as_str().unwrap().to_owned();
    let rig = Rig { key: other, ..rig };
    rig.get(&project.path("")).await.expect(200);
    // Ids go on: none comes twice.
    let third = rig.branch(&project, "third").await;
    let branches = rig.get(&project.path("/branches")).await.expect(200);
    let mut ids = super::each(&branches["branches"], "id");
    assert!(ids.contains(&third.as_str()));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn an_answered_change_is_on_the_disk() {
    let place = tempfile::tempdir().unwrap();
    let rig = Rig::with(kept(&place)).await;
    let file = place.path().join("kept/state.json");
    let state = || serde_json::from_slice::<Value>(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(state()["projects"], json!([]));
    for count in 1..=3 {
        rig.post("/projects", json!({ "project": {} })).await.expect(201);
        assert_eq!(state()["projects"].as_array().unwrap().len(), count);
    }
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn computes_are_idle_after_a_restart_and_their_sessions_have_ended() {
    let place = tempfile::tempdir().unwrap();
    let rig = Rig::with(kept(&place)).await;
    let project = rig.project().await;
    let endpoint = project.path(&format!("/endpoints/{}", project.endpoint));
    let state = async |rig: &Rig| rig.get(&endpoint).await.expect(200)["endpoint"]["current_state"].clone();
    assert_eq!(state(&rig).await, "active");
    rig.sandbox.shutdown().await;
    let rig = Rig::with(kept(&place)).await;
    assert_eq!(state(&rig).await, "idle");
    rig.post(&format!("{endpoint}/start"), json!({})).await.expect(200);
    rig.settle().await;
    assert_eq!(state(&rig).await, "active");
}

#[tokio::test]
async fn a_second_sandbox_refuses_a_folder_in_use() {
    let place = tempfile::tempdir().unwrap();
    let first = Rig::with(kept(&place)).await;
    let error = Sandbox::start(kept(&place)).await.unwrap_err().to_string();
    assert_worded!(
        "refusals",
        "folder in use",
        error.replace(place.path().to_str().unwrap(), "[folder]")
    );
    first.get("/users/me").await.expect(200);
    first.sandbox.shutdown().await;
    Sandbox::start(kept(&place)).await.unwrap();
}

#[tokio::test]
async fn a_state_of_another_version_or_none_at_all_is_refused_in_words_and_left_alone() {
    let place = tempfile::tempdir().unwrap();
    Rig::with(kept(&place)).await.sandbox.shutdown().await;
    let file = place.path().join("kept/state.json");
    let good = fs::read_to_string(&file).unwrap();
    for (bad, told) in [
        (good.replacen("\"version\":1", "\"version\":99", 1), "the form 99"),
        (good[..good.len() / 2].to_owned(), "no state of a sandbox"),
        ("[]".to_owned(), "no state of a sandbox"),
    ] {
        assert_ne!(bad, good);
        fs::write(&file, &bad).unwrap();
        let error = Sandbox::start(kept(&place)).await.unwrap_err().to_string();
        assert!(error.contains(told) && error.contains("state.json"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), bad);
    }
    fs::write(&file, &good).unwrap();
    Sandbox::start(kept(&place)).await.unwrap();
}
