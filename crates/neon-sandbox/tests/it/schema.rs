//! Schemas, their past, and how two of them differ.

use serde_json::json;

use super::Rig;

const ONE: &str = "CREATE TABLE t (\n    id bigint\n);\n";
const TWO: &str = "CREATE TABLE t (\n    id bigint,\n    name text\n);\n";

#[tokio::test]
async fn a_schema_is_empty_at_first_and_is_what_was_set() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    assert_eq!(rig.schema(&project, &project.branch).await, "");
    let empty = rig
        .get(&project.main("/schema?db_name=neondb&format=json"))
        .await
        .expect(200);
    assert_eq!(empty["json"]["tables"], json!([]));
    rig.set_schema(&project, &project.branch, ONE).await;
    assert_eq!(rig.schema(&project, &project.branch).await, ONE);
    rig.get(&project.main("/schema?db_name=neondb&format=json"))
        .await
        .refused(422);
    rig.get(&project.main("/schema?db_name=none")).await.refused(404);
    rig.get(&project.main("/schema")).await.refused(400);
    rig.get(&project.main("/schema?db_name=neondb&format=xml"))
        .await
        .refused(400);
}

#[tokio::test]
async fn a_schema_can_be_read_at_a_time_and_at_an_lsn() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    rig.set_schema(&project, &project.branch, ONE).await;
    let then = rig.time(0).await;
    rig.advance(5).await;
    rig.set_schema(&project, &project.branch, TWO).await;
    let past = rig
        .get(&project.main(&format!("/schema?db_name=neondb&timestamp={then}")))
        .await
        .expect(200);
    assert_eq!(past["sql"], ONE);
    let both = project.main(&format!("/schema?db_name=neondb&timestamp={then}&lsn=0/1"));
    rig.get(&both).await.refused(400);
}

#[tokio::test]
async fn a_comparison_is_a_unified_diff_against_the_parent() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    rig.set_schema(&project, &project.branch, ONE).await;
    let child = rig.branch(&project, "child").await;
    let compare = project.branch(&child, "/compare_schema?db_name=neondb");
    assert_eq!(rig.get(&compare).await.expect(200)["diff"], "");
    rig.set_schema(&project, &child, TWO).await;
    assert_eq!(
        rig.get(&compare).await.expect(200)["diff"],
        "--- a/neondb\n+++ b/neondb\n@@ -1,3 +1,4 @@\n CREATE TABLE t (\n-    id bigint\n+    id bigint,\n+    name text\n );\n"
    );
    let reverse = project.main(&format!("/compare_schema?db_name=neondb&base_branch_id={child}"));
    let diff = rig.get(&reverse).await.expect(200);
    assert!(diff["diff"].as_str().unwrap().contains("\n-    name text"));
    rig.get(&project.main("/compare_schema?db_name=neondb"))
        .await
        .refused(400);
    rig.get(&project.branch(&child, "/compare_schema?db_name=none"))
        .await
        .refused(404);
}

#[tokio::test]
async fn branches_go_their_own_ways() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    rig.set_schema(&project, &project.branch, ONE).await;
    let child = rig.branch(&project, "child").await;
    rig.set_schema(&project, &child, TWO).await;
    assert_eq!(rig.schema(&project, &project.branch).await, ONE);
    assert_eq!(rig.schema(&project, &child).await, TWO);
}
