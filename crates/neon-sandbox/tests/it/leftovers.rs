//! Nothing of a sandbox stays: no process, no folder, no port, however many branches it had and however it ended.

use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use neon_sandbox::{Postgres, SandboxOptions};
use serde_json::{Value, json};

use super::{Rig, options};
use harness::sandbox_process::{Places, Running, connect, execute, number};

const REQUIRED: [&str; 2] = ["--sandbox-postgres", "required"];

/// How many branches come and go.
const BRANCHES: usize = 200;

fn port(answer: &Value) -> u16 {
    let host = answer["endpoints"][0]["host"].as_str().unwrap();
    host.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// Waits until all operations of a project have finished.
async fn finished(rig: &Rig, project: &str) {
    let path = format!("/projects/{project}/operations?limit=20");
    loop {
        let page = rig.get(&path).await.expect(200);
        let statuses = super::each(&page["operations"], "status");
        assert!(!statuses.contains(&"failed"), "{page}");
        if statuses.iter().all(|status| *status == "finished") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_branches_come_and_go_while_their_parent_is_asked() {
    let places = Places::new(crate::PROGRAM);
    let rig = Rig::with(SandboxOptions {
        postgres: Postgres::Required,
        postgres_bin: Some(harness::postgres::programs()),
        dir: Some(places.kept()),
        operation_time: Duration::from_millis(2),
        ..options()
    })
    .await;
    let made = rig.post("/projects", json!({ "project": {} })).await.expect(201);
    let project = made["project"]["id"].as_str().unwrap().to_owned();
    finished(&rig, &project).await;
    let url = made["connection_uris"][0]["connection_uri"]
        .as_str()
        .unwrap()
        .to_owned();
    execute(&url, "CREATE TABLE t AS SELECT generate_series(1, 1000) AS id").await;
    let at_first = (places.timelines(), places.servers());
    assert_eq!(at_first.1.len(), 1);

    let done = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicUsize::new(0));
    let asking = tokio::spawn({
        let (url, done, asked) = (url.clone(), Arc::clone(&done), Arc::clone(&asked));
        async move {
            let kept = connect(&url).await.unwrap();
            while !done.load(Ordering::Relaxed) {
                let rows: i64 = kept.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get(0);
                assert_eq!(rows, 1000);
                assert_eq!(number(&url, "SELECT count(*) FROM t").await, 1000);
                asked.fetch_add(2, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
    let path = format!("/projects/{project}/branches");
    let mut children = Vec::new();
    for index in 0..BRANCHES {
        let body = json!({ "branch": { "name": format!("b{index}") }, "endpoints": [{ "type": "read_write" }] });
        let made = rig.post(&path, body).await.expect(201);
        let child = made["connection_uris"][0]["connection_uri"]
            .as_str()
            .unwrap()
            .to_owned();
        finished(&rig, &project).await;
        if index % 50 == 0 {
            assert_eq!(number(&child, "SELECT count(*) FROM t").await, 1000);
        }
        let id = made["branch"]["id"].as_str().unwrap();
        rig.delete(&format!("{path}/{id}")).await.expect(200);
        finished(&rig, &project).await;
        children.push((port(&made), child));
    }
    done.store(true, Ordering::Relaxed);
    asking.await.unwrap();
    assert!(asked.load(Ordering::Relaxed) > BRANCHES, "the parent was hardly asked");
    // Deleted branches can be recovered for a week.
    assert!(places.timelines().len() > BRANCHES / 2, "nothing can be recovered");
    rig.advance(8 * 86_400).await;
    // The parent's compute has suspended meanwhile; this wakes it again, when all else is done.
    assert_eq!(number(&url, "SELECT count(*) FROM t").await, 1000);
    let left = (places.timelines(), places.servers().len());
    assert_eq!(left, (at_first.0, 1));
    for (port, child) in children {
        if TcpStream::connect(("127.0.0.1", port)).is_err() {
            continue;
        }
        // A port that is free may be anybody's by now; one of ours says that its compute is gone.
        let answer = tokio::time::timeout(Duration::from_secs(5), connect(&child)).await;
        if let Ok(Err(error)) = answer {
            let said = error.as_db_error().map(|error| error.message().to_owned());
            assert!(!said.unwrap_or_default().contains("gone"), "{port} is still ours");
        }
    }
    rig.sandbox.shutdown().await;
    assert_eq!(places.processes(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_leaves_nothing_in_the_middle_of_anything() {
    let places = Places::new(crate::PROGRAM);
    let sandbox = Running::of(places.command(&REQUIRED)).await;
    let project = sandbox.project().await;
    let url = sandbox.database_url().to_owned();
    let client = connect(&url).await.unwrap();
    let asking = tokio::spawn(async move { client.batch_execute("SELECT pg_sleep(60)").await });
    let body = json!({ "branch": {}, "endpoints": [{ "type": "read_write" }] });
    sandbox.post(&format!("/projects/{project}/branches"), body).await;
    sandbox.interrupt().await;
    asking.await.unwrap().unwrap_err();
    assert_eq!(places.processes(), Vec::<String>::new());
    assert_eq!(places.short_lived(), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sandboxes_at_once_know_nothing_of_each_other() {
    let places = Places::new(crate::PROGRAM);
    let (first, second) = tokio::join!(
        Running::of(places.command(&REQUIRED)),
        Running::of(places.command(&REQUIRED))
    );
    execute(first.database_url(), "CREATE TABLE one (id int)").await;
    execute(second.database_url(), "CREATE TABLE two (id int)").await;
    let tables = "SELECT count(*) FROM pg_tables WHERE tablename IN ('one', 'two')";
    assert_eq!(number(first.database_url(), tables).await, 1);
    let (status, _) = first.as_who_has(&second.key, "/users/me").await;
    assert_eq!(status, 401);
    first.interrupt().await;
    assert_eq!(number(second.database_url(), tables).await, 1);
    second.interrupt().await;
    assert_eq!(places.processes(), Vec::<String>::new());
}

#[test]
fn a_sandbox_that_is_dropped_takes_its_servers_along() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (url, port) = runtime.block_on(async {
        let rig = Rig::with(SandboxOptions {
            postgres: Postgres::Required,
            postgres_bin: Some(harness::postgres::programs()),
            ..options()
        })
        .await;
        let made = rig.post("/projects", json!({ "project": {} })).await.expect(201);
        let url = made["connection_uris"][0]["connection_uri"]
            .as_str()
            .unwrap()
            .to_owned();
        // A connection that stays open keeps nothing alive.
        let open = connect(&url).await.unwrap();
        let rows = open.query_one("SELECT 1::int8", &[]).await.unwrap();
        assert_eq!(rows.get::<_, i64>(0), 1);
        drop(rig);
        for _ in 0..400 {
            if open.is_closed() && connect(&url).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        assert!(open.is_closed(), "its server still runs");
        (url, port(&made))
    });
    drop(runtime);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "{url}");
}

#[tokio::test]
async fn a_removal_that_was_cut_short_is_gone_on_with() {
    let user = rustix::process::geteuid().as_raw();
    let temporary = harness::folder::of_a_sandbox();
    let half = temporary.join(format!("neon-mcp-sandbox-{user}/half.gone"));
    std::fs::create_dir_all(half.join("data/timelines")).unwrap();
    let rig = Rig::with(SandboxOptions {
        postgres: Postgres::Required,
        postgres_bin: Some(harness::postgres::programs()),
        temporary_dir: Some(temporary),
        ..options()
    })
    .await;
    assert!(!half.exists());
    rig.sandbox.shutdown().await;
}
