//! Computes that are PostgreSQL: what the control plane says of them, and what they do.

use std::time::Duration;

use neon_sandbox::{Postgres, SandboxOptions};
use serde_json::json;
use tokio_postgres::NoTls;

use super::{Made, Rig, options};

/// Tries that operations are given to end, and the time between two of them.
const TRIES: usize = 1200;
const PAUSE: Duration = Duration::from_millis(50);

impl Rig {
    /// A sandbox whose branches hold data, with a project.
    async fn with_postgres() -> (Self, Made) {
        let rig = Self::with(SandboxOptions {
            postgres: Postgres::Required,
            postgres_bin: Some(harness::postgres::programs()),
            operation_time: Duration::from_millis(10),
            ..options()
        })
        .await;
        let made = rig.post("/projects", json!({ "project": {} })).await.expect(201);
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let project = Made {
            id: text(&made["project"]["id"]),
            branch: text(&made["branch"]["id"]),
            endpoint: text(&made["endpoints"][0]["id"]),
        };
        rig.wait(&project).await;
        (rig, project)
    }

    /// Waits until no operation of a project is open; none may have failed.
    async fn wait(&self, project: &Made) {
        for _ in 0..TRIES {
            let body = self.get(&project.path("/operations")).await.expect(200);
            let operations = body["operations"].as_array().unwrap();
            if operations.iter().all(|operation| operation["status"] == "finished") {
                return;
            }
            assert!(
                operations.iter().all(|operation| operation["status"] != "failed"),
                "{body}"
            );
            tokio::time::sleep(PAUSE).await;
        }
        panic!("the operations of {} don't end", project.id);
    }

    /// The first value that a statement gives, run on the default branch by its owner.
    async fn value(&self, project: &Made, sql: &str) -> Option<String> {
        let path = project.path("/connection_uri?database_name=neondb&role_name=neondb_owner");
        let body = self.get(&path).await.expect(200);
        let uri = body["uri"].as_str().unwrap();
        let (client, connection) = tokio_postgres::connect(uri, NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        let messages = client.simple_query(sql).await.unwrap();
        drop(client);
        connection.await.unwrap().unwrap();
        messages.into_iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logical_replication_is_what_the_servers_are_set_to() {
    let (rig, project) = Rig::with_postgres().await;
    assert_eq!(rig.value(&project, "SHOW wal_level").await.as_deref(), Some("replica"));
    let settings = json!({ "project": { "settings": { "enable_logical_replication": true } } });
    rig.patch(&project.path(""), settings).await.expect(200);
    rig.wait(&project).await;
    assert_eq!(rig.value(&project, "SHOW wal_level").await.as_deref(), Some("logical"));
    let slot = "SELECT slot_name FROM pg_create_logical_replication_slot('out', 'pgoutput')";
    assert_eq!(rig.value(&project, slot).await.as_deref(), Some("out"));
    rig.sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_goes_back_to_the_place_of_its_log_that_sql_names() {
    let (rig, project) = Rig::with_postgres().await;
    let position = "SELECT pg_current_wal_insert_lsn()";
    let count = "SELECT count(*) FROM prices";
    rig.value(&project, "CREATE TABLE prices AS SELECT generate_series(1, 3) AS cents")
        .await;

    // A new project, whose log is short; and again, of what was restored.
    for round in 0..2 {
        let lsn = rig.value(&project, position).await.unwrap();
        rig.value(&project, "DELETE FROM prices").await;
        let body = json!({
            "source_branch_id": project.branch,
            "source_lsn": lsn,
            "preserve_under_name": format!("before-{round}"),
        });
        rig.post(&project.main("/restore"), body).await.expect(200);
        rig.wait(&project).await;
        assert_eq!(rig.value(&project, count).await.as_deref(), Some("3"), "round {round}");
    }

    // Another branch's log is longer, and a change through the API comes between.
    let longer = json!({ "branch": { "name": "longer" }, "endpoints": [{ "type": "read_write" }] });
    let made = rig.post(&project.path("/branches"), longer).await.expect(201);
    rig.wait(&project).await;
    let uri = made["connection_uris"][0]["connection_uri"].as_str().unwrap();
    let (client, connection) = tokio_postgres::connect(uri, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client
        .batch_execute("CREATE TABLE filler AS SELECT repeat('x', 900) FROM generate_series(1, 9000)")
        .await
        .unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
    let other = made["branch"]["id"].as_str().unwrap();
    let role = json!({ "role": { "name": "clerk" } });
    rig.post(&project.branch(other, "/roles"), role.clone())
        .await
        .expect(201);
    rig.wait(&project).await;
    rig.post(&project.main("/roles"), role).await.expect(201);
    rig.wait(&project).await;
    let lsn = rig.value(&project, position).await.unwrap();
    rig.value(&project, "DELETE FROM prices").await;
    let body = json!({ "source_branch_id": project.branch, "source_lsn": lsn, "preserve_under_name": "last" });
    rig.post(&project.main("/restore"), body).await.expect(200);
    rig.wait(&project).await;
    assert_eq!(rig.value(&project, count).await.as_deref(), Some("3"));
    rig.get(&project.main("/roles/clerk")).await.expect(200);
    rig.sandbox.shutdown().await;
}
