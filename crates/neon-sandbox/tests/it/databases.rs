//! Databases of a branch.

use serde_json::{Value, json};

use super::{Rig, actions, each};

fn database(name: &str, owner: &str) -> Value {
    json!({ "database": { "name": name, "owner_name": owner } })
}

#[tokio::test]
async fn databases_are_made_renamed_and_deleted() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let all = project.main("/databases");
    let made = rig.post(&all, database("app", "neondb_owner")).await.expect(201);
    assert_eq!(actions(&made), ["apply_config"]);
    rig.settle().await;
    rig.patch(&format!("{all}/app"), json!({ "database": { "name": "app2" } }))
        .await
        .expect(200);
    rig.settle().await;
    assert_eq!(
        each(&rig.get(&all).await.expect(200)["databases"], "name"),
        ["neondb", "app2"]
    );
    rig.get(&format!("{all}/app")).await.refused(404);
    rig.delete(&format!("{all}/app2")).await.expect(200);
    rig.settle().await;
    assert_eq!(rig.delete(&format!("{all}/app2")).await.status, 204);
}

#[tokio::test]
async fn a_database_needs_a_free_name_and_an_owner_that_exists() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let all = project.main("/databases");
    rig.post(&all, database("neondb", "neondb_owner")).await.refused(409);
    rig.post(&all, database("app", "nobody")).await.refused(422);
    rig.post(&all, database("", "neondb_owner")).await.refused(400);
    rig.post(&all, database(&"x".repeat(64), "neondb_owner"))
        .await
        .refused(400);
    rig.post(&all, database("template1", "neondb_owner")).await.refused(422);
    rig.patch(
        &format!("{all}/neondb"),
        json!({ "database": { "owner_name": "nobody" } }),
    )
    .await
    .refused(422);
    rig.patch(&format!("{all}/none"), json!({ "database": { "name": "x" } }))
        .await
        .refused(404);
}

#[tokio::test]
async fn an_idle_compute_wakes_for_a_change_and_suspends_again() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    rig.advance(400).await;
    let made = rig
        .post(&project.main("/databases"), database("app", "neondb_owner"))
        .await
        .expect(201);
    assert_eq!(actions(&made), ["apply_config", "suspend_compute"]);
    rig.settle().await;
    let path = project.path(&format!("/endpoints/{}", project.endpoint));
    assert_eq!(rig.get(&path).await.expect(200)["endpoint"]["current_state"], "idle");
}
