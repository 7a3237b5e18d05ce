//! Computes: they start when they are used, suspend when they aren't, and follow one another.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use super::{DataPlane, connect, run, try_connect, value};

#[tokio::test]
async fn a_suspended_compute_wakes_for_a_connection_and_an_open_one_ends_when_it_suspends() {
    let plane = DataPlane::start().await;
    run(&plane.uri, "CREATE TABLE kept (x int); INSERT INTO kept VALUES (1)").await;
    let open = connect(&plane.uri).await;
    let computes = plane
        .rig
        .call(Method::GET, &plane.path("/endpoints"), None)
        .await
        .expect(200);
    let id = computes["endpoints"][0]["id"].as_str().unwrap().to_owned();
    plane
        .change(Method::POST, &format!("/endpoints/{id}/suspend"), json!({}))
        .await;
    assert!(open.simple_query("SELECT 1").await.is_err(), "cut");
    let state = async || {
        let compute = plane
            .rig
            .call(Method::GET, &plane.path(&format!("/endpoints/{id}")), None)
            .await
            .expect(200);
        compute["endpoint"]["current_state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state().await, "idle");
    assert_eq!(value(&plane.uri, "SELECT count(*) FROM kept").await, "1");
    assert_eq!(state().await, "active");
    // When nobody has used it for the suspend timeout, it goes to sleep by itself.
    plane.rig.advance(400).await;
    assert_eq!(state().await, "idle");
    let sql = plane.rig.sandbox.api_url().replace("/api/v2", "/sql");
    let answer = plane
        .rig
        .http
        .post(sql)
        .header("Neon-Connection-String", &plane.uri)
        .body(json!({"query": "SELECT count(*)::int AS n FROM kept"}).to_string())
        .send()
        .await
        .unwrap();
    let answer: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(answer["rows"][0]["n"], 1, "a query wakes it too: {answer}");
    assert_eq!(state().await, "active");
}

#[tokio::test]
async fn a_disabled_compute_says_no_in_postgres_own_way() {
    let plane = DataPlane::start().await;
    let computes = plane
        .rig
        .call(Method::GET, &plane.path("/endpoints"), None)
        .await
        .expect(200);
    let id = computes["endpoints"][0]["id"].as_str().unwrap().to_owned();
    plane
        .change(
            Method::PATCH,
            &format!("/endpoints/{id}"),
            json!({"endpoint": {"disabled": true}}),
        )
        .await;
    let error = try_connect(&plane.uri).await.expect_err("refused").to_string();
    let error = format!("{error} {:?}", try_connect(&plane.uri).await.err());
    assert!(error.contains("disabled"), "{error}");
}

#[tokio::test]
async fn a_read_replica_follows_its_branch_and_refuses_writes() {
    let plane = DataPlane::start().await;
    run(&plane.uri, "CREATE TABLE t (x int); INSERT INTO t VALUES (1)").await;
    let made = plane
        .change(
            Method::POST,
            "/endpoints",
            json!({"endpoint": {"branch_id": plane.main, "type": "read_only"}}),
        )
        .await;
    let host = made["endpoint"]["host"].as_str().unwrap();
    let own = plane.uri.split('@').nth(1).unwrap().split('/').next().unwrap();
    let replica = plane.uri.replace(own, host);
    assert_eq!(value(&replica, "SELECT pg_is_in_recovery()").await, "t");
    run(&plane.uri, "INSERT INTO t VALUES (2)").await;
    let began = Instant::now();
    while value(&replica, "SELECT count(*) FROM t").await != "2" {
        assert!(began.elapsed() < Duration::from_secs(20), "it doesn't follow");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let refused = connect(&replica).await.batch_execute("INSERT INTO t VALUES (3)").await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn settings_of_a_compute_reach_its_server() {
    let plane = DataPlane::start().await;
    let computes = plane
        .rig
        .call(Method::GET, &plane.path("/endpoints"), None)
        .await
        .expect(200);
    let id = computes["endpoints"][0]["id"].as_str().unwrap().to_owned();
    let settings = json!({"endpoint": {"settings": {"pg_settings": {"work_mem": "7MB"}}}});
    plane.change(Method::PATCH, &format!("/endpoints/{id}"), settings).await;
    assert_eq!(value(&plane.uri, "SHOW work_mem").await, "7MB");
}

#[tokio::test]
async fn a_new_role_and_a_new_password_cut_connections() {
    let plane = DataPlane::start().await;
    let roles = format!("/branches/{}/roles", plane.main);
    let open = connect(&plane.uri).await;
    let database = json!({"database": {"name": "second", "owner_name": "neondb_owner"}});
    let databases = format!("/branches/{}/databases", plane.main);
    plane.change(Method::POST, &databases, database).await;
    open.simple_query("SELECT 1")
        .await
        .expect("a new database cuts nothing");
    plane
        .change(Method::POST, &roles, json!({"role": {"name": "app"}}))
        .await;
    assert!(open.simple_query("SELECT 1").await.is_err(), "cut by the role");
    let open = connect(&plane.uri).await;
    plane
        .change(Method::POST, &format!("{roles}/app/reset_password"), json!({}))
        .await;
    assert!(open.simple_query("SELECT 1").await.is_err(), "cut by the password");
    assert_eq!(value(&plane.uri, "SELECT 1").await, "1");
}
