//! What a folder keeps over a restart where branches are data, and what is left when a sandbox ends, however it ends.

use harness::{
    assert_worded,
    wording::{line_with, message_of, without_numbers},
};
use std::time::{Duration, Instant};

use serde_json::json;

use harness::sandbox_process::{Places, Running, connect, execute, number};

const REQUIRED: [&str; 2] = ["--sandbox-postgres", "required"];

async fn default_branch(sandbox: &Running, project: &str) -> String {
    let page = sandbox.get(&format!("/projects/{project}/branches")).await;
    let branches = page["branches"].as_array().unwrap();
    let default = branches.iter().find(|branch| branch["default"] == true).unwrap();
    default["id"].as_str().unwrap().to_owned()
}

/// Where a branch's database is, as its owner.
async fn uri(sandbox: &Running, project: &str, branch: &str) -> String {
    let path =
        format!("/projects/{project}/connection_uri?branch_id={branch}&database_name=neondb&role_name=neondb_owner");
    sandbox.get(&path).await["uri"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_roles_passwords_and_snapshots_outlive_the_sandbox() {
    let places = Places::new(crate::PROGRAM);
    let sandbox = places.start_kept(&REQUIRED).await;
    let project = sandbox.project().await;
    let main = default_branch(&sandbox, &project).await;
    let url = sandbox.database_url().to_owned();
    execute(&url, "CREATE TABLE t AS SELECT generate_series(1, 100) AS id").await;
    let path = |rest: &str| format!("/projects/{project}{rest}");
    sandbox
        .post(
            &path(&format!("/branches/{main}/roles")),
            json!({ "role": { "name": "reader" } }),
        )
        .await;
    sandbox.finished(&project).await;
    sandbox
        .post(&path(&format!("/branches/{main}/snapshot")), json!({}))
        .await;
    sandbox.finished(&project).await;
    execute(&url, "INSERT INTO t SELECT generate_series(101, 150)").await;
    let body = json!({ "branch": { "name": "child" }, "endpoints": [{ "type": "read_write" }] });
    let child = sandbox.post(&path("/branches"), body).await;
    let child = child["branch"]["id"].as_str().unwrap().to_owned();
    sandbox.finished(&project).await;
    let child_url = uri(&sandbox, &project, &child).await;
    execute(&child_url, "DELETE FROM t WHERE id <= 10").await;
    let reveal = path(&format!("/branches/{main}/roles/reader/reveal_password"));
    let password = sandbox.get(&reveal).await["password"].as_str().unwrap().to_owned();
    let printed = sandbox.printed.clone();
    sandbox.interrupt().await;
    assert_eq!(places.processes(), Vec::<String>::new());
    assert_eq!(places.short_lived(), Vec::<std::path::PathBuf>::new());

    let sandbox = places.start_kept(&REQUIRED).await;
    // The same addresses, key and project: nothing new was made.
    assert_eq!(sandbox.printed, printed);
    assert_eq!(sandbox.project().await, project);
    let endpoints = sandbox.get(&path("/endpoints")).await;
    for endpoint in endpoints["endpoints"].as_array().unwrap() {
        assert_eq!(endpoint["current_state"], "idle", "{endpoint}");
    }
    assert_eq!(number(&url, "SELECT count(*) FROM t").await, 150);
    assert_eq!(number(&child_url, "SELECT count(*) FROM t").await, 140);
    let as_reader = {
        let mut url = url::Url::parse(&url).unwrap();
        url.set_username("reader").unwrap();
        url.set_password(Some(&password)).unwrap();
        url.to_string()
    };
    assert_eq!(number(&as_reader, "SELECT 1::int8").await, 1);
    let snapshots = sandbox.get(&path("/snapshots")).await;
    let snapshot = snapshots["snapshots"][0]["id"].as_str().unwrap();
    let restored = sandbox
        .post(
            &path(&format!("/snapshots/{snapshot}/restore")),
            json!({ "name": "from before" }),
        )
        .await;
    sandbox.finished(&project).await;
    let restored = restored["branch"]["id"].as_str().unwrap();
    let body = json!({ "endpoint": { "branch_id": restored, "type": "read_write" } });
    sandbox.post(&path("/endpoints"), body).await;
    sandbox.finished(&project).await;
    let restored = uri(&sandbox, &project, restored).await;
    assert_eq!(number(&restored, "SELECT count(*) FROM t").await, 100);
    sandbox.interrupt().await;
    assert_eq!(places.processes(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_is_killed_leaves_old_or_new_data_and_the_next_start_says_so() {
    let places = Places::new(crate::PROGRAM);
    let sandbox = places.start_kept(&REQUIRED).await;
    let project = sandbox.project().await;
    let main = default_branch(&sandbox, &project).await;
    let url = sandbox.database_url().to_owned();
    // Enough of a log that the way through it takes a while.
    execute(&url, "CREATE TABLE t AS SELECT generate_series(1, 300000) AS id").await;
    let clock = sandbox.get("/sandbox/clock").await;
    let then = clock["now"].as_str().unwrap().to_owned();
    tokio::time::sleep(Duration::from_millis(50)).await;
    execute(&url, "DELETE FROM t WHERE id % 2 = 0").await;
    let path = format!("/projects/{project}/branches/{main}/restore");
    let body = json!({ "source_branch_id": main, "source_timestamp": then, "preserve_under_name": "old" });
    sandbox.post(&path, body).await;
    let began = Instant::now();
    while places.unfinished().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(30), "nothing was being made");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    sandbox.kill().await;
    assert_eq!(places.unfinished().len(), 1, "it was not in the middle of it");
    places.quiet().await;

    let sandbox = places.start_kept(&REQUIRED).await;
    sandbox.ended(&project).await;
    assert_eq!(places.unfinished(), Vec::<std::path::PathBuf>::new());
    let page = sandbox.get(&format!("/projects/{project}/branches")).await;
    let mut seen = Vec::new();
    for branch in page["branches"].as_array().unwrap() {
        assert_eq!(branch["current_state"], "ready", "{branch}");
        let id = branch["id"].as_str().unwrap();
        let endpoints = sandbox
            .get(&format!("/projects/{project}/branches/{id}/endpoints"))
            .await;
        if endpoints["endpoints"].as_array().unwrap().is_empty() {
            let body = json!({ "endpoint": { "branch_id": id, "type": "read_write" } });
            sandbox.post(&format!("/projects/{project}/endpoints"), body).await;
            sandbox.finished(&project).await;
        }
        let url = uri(&sandbox, &project, id).await;
        let rows = number(&url, "SELECT count(*) FROM t").await;
        seen.push((branch["name"].as_str().unwrap().to_owned(), rows));
    }
    seen.sort();
    // The restore is taken up again: the branch has what it had then, and the backup what it had last.
    assert_eq!(seen, [("main".to_owned(), 300_000), ("old".to_owned(), 150_000)]);
    let stderr = sandbox.interrupt().await;
    assert!(stderr.contains("1 unfinished"), "{stderr}");
    let taken_up = line_with(&stderr, "operations");
    assert!(taken_up.contains(&project), "{stderr}");
    assert_worded!(
        "log",
        "start after one that was killed",
        without_numbers(&message_of(line_with(&stderr, "unfinished")).into())
    );
    assert_worded!("log", "operations that are taken up again", message_of(taken_up));
    assert_eq!(places.processes(), Vec::<String>::new());
    assert_eq!(places.short_lived(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_whose_data_is_missing_says_so() {
    let places = Places::new(crate::PROGRAM);
    let sandbox = places.start_kept(&REQUIRED).await;
    let url = sandbox.database_url().to_owned();
    execute(&url, "CREATE TABLE t (id int)").await;
    sandbox.interrupt().await;
    for timeline in places.timelines() {
        std::fs::remove_dir_all(timeline).unwrap();
    }
    let sandbox = places.start_kept(&REQUIRED).await;
    let error = connect(&url).await.unwrap_err();
    let said = error.as_db_error().map(|error| error.message().to_owned());
    let said = said.unwrap_or_else(|| error.to_string());
    assert_worded!("refusals", "connection to a branch whose data is missing", said);
    let stderr = sandbox.interrupt().await;
    assert_worded!(
        "log",
        "branch whose data is missing",
        message_of(line_with(&stderr, "data any"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_is_run_whole_as_the_owner_or_the_start_fails_with_its_line() {
    let places = Places::new(crate::PROGRAM);
    let good = places.file(
        "good.sql",
        "CREATE TABLE t (id int, word text);\n\\set count 3\nCOPY t FROM stdin;\n1\tone\n2\ttwo\n\\.\n\
         INSERT INTO t VALUES (:count, current_user);\nSELECT * FROM t;\n",
    );
    let mut arguments = vec!["--seed-sql", good.to_str().unwrap()];
    arguments.extend(REQUIRED);
    let sandbox = places.start_kept(&arguments).await;
    let url = sandbox.database_url().to_owned();
    assert_eq!(
        number(&url, "SELECT count(*) FROM t WHERE id < 3 OR word = 'neondb_owner'").await,
        3
    );
    assert_eq!(sandbox.printed[3], format!("# psql '{url}'"));
    sandbox.interrupt().await;
    // What was kept isn't seeded again.
    let sandbox = places.start_kept(&arguments).await;
    assert_eq!(number(&url, "SELECT count(*) FROM t").await, 3);
    let stderr = sandbox.interrupt().await;
    assert_worded!(
        "log",
        "seed of what is kept",
        message_of(line_with(&stderr, "good.sql"))
    );

    let bad = places.file(
        "bad.sql",
        "CREATE TABLE t (id int);\n\nSELECT * FROM missing;\nSELECT 1;\n",
    );
    let mut arguments = vec!["--seed-sql", bad.to_str().unwrap()];
    arguments.extend(REQUIRED);
    let output = places.command(&arguments).output().await.unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("bad.sql:3: ERROR:") && stderr.contains("missing"),
        "{stderr}"
    );
    assert!(!stdout.contains("DATABASE_URL"), "{stdout}");
    assert_eq!(places.processes(), Vec::<String>::new());
}
