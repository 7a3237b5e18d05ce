//! Copies and the past: branches, snapshots, restores, resets, all on rows.

use harness::assert_worded;
use reqwest::Method;
use serde_json::{Value, json};

use super::{DataPlane, run, value};

/// The moment now, as the API takes it.
fn now() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

async fn tables(uri: &str) -> String {
    value(
        uri,
        "SELECT coalesce(string_agg(relname, ',' ORDER BY relname), '') FROM pg_stat_user_tables",
    )
    .await
}

/// Lets a moment pass, so that what comes after it has another timestamp.
async fn a_moment() {
    tokio::time::sleep(std::time::Duration::from_millis(60)).await;
}

#[tokio::test]
async fn a_branch_is_a_copy_that_goes_its_own_way() {
    let plane = DataPlane::start().await;
    run(
        &plane.uri,
        "CREATE TABLE t (x int); INSERT INTO t SELECT generate_series(1, 500)",
    )
    .await;
    let (dev, uri) = plane.branch(json!({"name": "dev"})).await;
    run(&uri, "DELETE FROM t WHERE x > 10; CREATE TABLE own (x int)").await;
    run(&plane.uri, "INSERT INTO t VALUES (501)").await;
    assert_eq!(value(&uri, "SELECT count(*) FROM t").await, "10");
    assert_eq!(value(&plane.uri, "SELECT count(*) FROM t").await, "501");
    plane.reset(&dev, &plane.main).await;
    assert_eq!(tables(&uri).await, "t");
    assert_eq!(value(&uri, "SELECT count(*) FROM t").await, "501");
    // Of a child of a child, too.
    run(&uri, "CREATE TABLE own (x int)").await;
    let (_, grandchild) = plane.branch(json!({"name": "deep", "parent_id": dev})).await;
    assert_eq!(tables(&grandchild).await, "own,t");
}

#[tokio::test]
async fn a_branch_of_the_past_has_what_was_there_then() {
    let plane = DataPlane::start().await;
    run(&plane.uri, "CREATE TABLE first (x int)").await;
    a_moment().await;
    let then = now();
    a_moment().await;
    run(&plane.uri, "CREATE TABLE second (x int)").await;
    let position = value(&plane.uri, "SELECT pg_current_wal_insert_lsn()").await;
    run(&plane.uri, "CREATE TABLE third (x int)").await;
    let (_, by_time) = plane.branch(json!({"name": "by-time", "parent_timestamp": then})).await;
    assert_eq!(tables(&by_time).await, "first");
    let (branch, by_lsn) = plane.branch(json!({"name": "by-lsn", "parent_lsn": position})).await;
    assert_eq!(tables(&by_lsn).await, "first,second");
    // What came off the past has a past of its own, through its parent's.
    run(&by_lsn, "CREATE TABLE fourth (x int)").await;
    a_moment().await;
    let (_, again) = plane
        .branch(json!({"name": "again", "parent_id": branch, "parent_timestamp": now()}))
        .await;
    assert_eq!(tables(&again).await, "first,fourth,second");
    let beyond = plane
        .rig
        .call(
            Method::POST,
            &plane.path("/branches"),
            Some(json!({"branch": {"parent_lsn": "FF/0"}})),
        )
        .await
        .refused(422);
    assert!(beyond.contains("hasn't reached"), "{beyond}");
}

#[tokio::test]
async fn a_branch_goes_back_in_its_own_history_and_what_was_there_is_preserved() {
    let plane = DataPlane::start().await;
    run(&plane.uri, "CREATE TABLE t (x int); INSERT INTO t VALUES (1)").await;
    a_moment().await;
    let then = now();
    a_moment().await;
    run(&plane.uri, "DROP TABLE t; CREATE TABLE wrong (x int)").await;
    let body = json!({"source_branch_id": plane.main, "source_timestamp": then, "preserve_under_name": "before"});
    plane
        .change(Method::POST, &format!("/branches/{}/restore", plane.main), body)
        .await;
    assert_eq!(tables(&plane.uri).await, "t", "the host is the same");
    assert_eq!(value(&plane.uri, "SELECT count(*) FROM t").await, "1");
    let branches = plane
        .rig
        .call(Method::GET, &plane.path("/branches"), None)
        .await
        .expect(200);
    let before = branches["branches"]
        .as_array()
        .unwrap()
        .iter()
        .find(|branch| branch["name"] == "before")
        .expect("the preserved branch");
    let id = before["id"].as_str().unwrap().to_owned();
    plane
        .change(
            Method::POST,
            "/endpoints",
            json!({"endpoint": {"branch_id": id, "type": "read_write"}}),
        )
        .await;
    let uri = plane.uri_of(&id, "neondb_owner", "neondb").await;
    assert_eq!(tables(&uri).await, "wrong");
    // And once more, on what the first restore made.
    run(&plane.uri, "INSERT INTO t VALUES (2)").await;
    a_moment().await;
    let then = now();
    a_moment().await;
    run(&plane.uri, "DELETE FROM t").await;
    let body = json!({"source_branch_id": plane.main, "source_timestamp": then, "preserve_under_name": "again"});
    plane
        .change(Method::POST, &format!("/branches/{}/restore", plane.main), body)
        .await;
    assert_eq!(value(&plane.uri, "SELECT count(*) FROM t").await, "2");
}

#[tokio::test]
async fn a_snapshot_takes_the_place_of_its_branch_with_its_computes() {
    let plane = DataPlane::start().await;
    run(&plane.uri, "CREATE TABLE t (x int); INSERT INTO t VALUES (1), (2)").await;
    let path = format!("/branches/{}/snapshot?name=good", plane.main);
    let made = plane.change(Method::POST, &path, json!({})).await;
    let snapshot = made["snapshot"]["id"].as_str().unwrap().to_owned();
    run(&plane.uri, "DROP TABLE t").await;
    let path = format!("/snapshots/{snapshot}/restore");
    let restored = plane
        .change(Method::POST, &path, json!({"name": "back", "finalize_restore": true}))
        .await;
    assert_ne!(restored["branch"]["id"], plane.main.as_str(), "the branch is another");
    assert_eq!(value(&plane.uri, "SELECT count(*) FROM t").await, "2", "the host stays");
    let branches = plane
        .rig
        .call(Method::GET, &plane.path("/branches"), None)
        .await
        .expect(200);
    let names: Vec<&Value> = branches["branches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|branch| &branch["name"])
        .collect();
    assert!(names.contains(&&json!("main (old)")), "{names:?}");
    // A snapshot is kept as it was, whatever happens to where it came from.
    let path = format!("/branches/{}", plane.main);
    plane.change(Method::DELETE, &path, json!({})).await;
    let again = plane
        .change(
            Method::POST,
            &format!("/snapshots/{snapshot}/restore"),
            json!({"name": "twice", "target_branch_id": restored["branch"]["id"]}),
        )
        .await;
    let id = again["branch"]["id"].as_str().unwrap().to_owned();
    plane
        .change(
            Method::POST,
            "/endpoints",
            json!({"endpoint": {"branch_id": id, "type": "read_write"}}),
        )
        .await;
    let uri = plane.uri_of(&id, "neondb_owner", "neondb").await;
    assert_eq!(value(&uri, "SELECT count(*) FROM t").await, "2");
}

#[tokio::test]
async fn a_schema_only_branch_has_no_rows() {
    let plane = DataPlane::start().await;
    run(
        &plane.uri,
        "CREATE SCHEMA crm; CREATE TABLE crm.t (id serial PRIMARY KEY, x text CHECK (x <> '')); \
         INSERT INTO crm.t (x) VALUES ('a'); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 7'; \
         CREATE ROLE reader; GRANT USAGE ON SCHEMA crm TO reader",
    )
    .await;
    let (id, uri) = plane
        .branch(json!({"name": "bare", "init_source": "schema-only"}))
        .await;
    assert_eq!(value(&uri, "SELECT count(*) FROM crm.t").await, "0");
    assert_eq!(value(&uri, "SELECT f()").await, "7");
    assert_eq!(
        value(&uri, "SELECT count(*) FROM pg_roles WHERE rolname = 'reader'").await,
        "1"
    );
    let compared = plane
        .rig
        .call(
            Method::GET,
            &plane.path(&format!(
                "/branches/{id}/compare_schema?db_name=neondb&base_branch_id={}",
                plane.main
            )),
            None,
        )
        .await
        .expect(200);
    assert_eq!(compared["diff"], "", "equal schemas compare empty");
}

#[tokio::test]
async fn a_restore_that_cannot_be_leaves_the_branch_as_it_was() {
    let plane = DataPlane::start().await;
    run(&plane.uri, "CREATE TABLE t (x int)").await;
    let (dev, uri) = plane.branch(json!({"name": "dev"})).await;
    run(&uri, "CREATE TABLE mine (x int)").await;
    plane
        .rig
        .arm(json!({"times": 1, "method": "POST", "path": "*/restore", "kind": {"type": "failed_operation"}}))
        .await;
    let answer = plane
        .rig
        .call(
            Method::POST,
            &plane.path(&format!("/branches/{dev}/restore")),
            Some(json!({"source_branch_id": plane.main})),
        )
        .await;
    answer.expect(200);
    plane.operations().await;
    assert_eq!(tables(&uri).await, "mine,t");
}

#[tokio::test]
async fn a_position_before_the_history_window_is_refused() {
    let plane = DataPlane::start().await;
    run(&plane.uri, "CREATE TABLE first (x int)").await;
    let position = value(&plane.uri, "SELECT pg_current_wal_insert_lsn()").await;
    run(&plane.uri, "CREATE TABLE second (x int)").await;
    let early = json!({"name": "early", "parent_lsn": position});
    plane.branch(early).await;
    // The project keeps a day.
    plane.rig.advance(25 * 3600).await;
    let path = plane.path("/branches");
    let late = json!({"branch": {"name": "late", "parent_lsn": position}});
    let message = plane.rig.call(Method::POST, &path, Some(late)).await.refused(422);
    assert_worded!("refusals", "position before the history", message);
    let head = value(&plane.uri, "SELECT pg_current_wal_insert_lsn()").await;
    plane.branch(json!({"name": "now", "parent_lsn": head})).await;
}
