//! Who a compute says it is: the ids of its project, its branch and itself, in settings as at Neon.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::{DataPlane, connect, run, value};
use harness::sandbox_process::{self, Places};

const IDS: &str = "SELECT current_setting('neon.project_id') || ' ' || current_setting('neon.branch_id') || ' ' || \
                   current_setting('neon.endpoint_id') AS ids";

impl DataPlane {
    /// What the compute at a URI says it is: over the wire, and over HTTP.
    async fn ids(&self, uri: &str) -> String {
        let ids = value(uri, IDS).await;
        let sql = self.rig.sandbox.api_url().replace("/api/v2", "/sql");
        let request = self.rig.http.post(sql).header("Neon-Connection-String", uri);
        let answer = request.body(json!({ "query": IDS }).to_string()).send().await.unwrap();
        let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(answer["rows"][0]["ids"], ids.as_str(), "{answer}");
        assert_eq!(
            format!("{} {}", self.project, value(uri, "SHOW neon.branch_id").await),
            ids.rsplit_once(' ').unwrap().0
        );
        ids
    }

    /// What a compute of a branch should say.
    fn named(&self, branch: &str, endpoint: &str) -> String {
        format!("{} {branch} {endpoint}", self.project)
    }

    /// The computes of a branch.
    async fn computes(&self, branch: &str) -> Vec<String> {
        let path = self.path(&format!("/branches/{branch}/endpoints"));
        let answer = self.rig.call(Method::GET, &path, None).await.expect(200);
        let computes = answer["endpoints"].as_array().unwrap().iter();
        computes
            .map(|compute| compute["id"].as_str().unwrap().to_owned())
            .collect()
    }

    async fn uri(&self, branch: &str) -> String {
        self.uri_of(branch, "neondb_owner", "neondb").await
    }
}

#[tokio::test]
async fn compute_says_which_project_branch_and_endpoint_it_is() {
    let plane = DataPlane::start().await;
    let own = plane.computes(&plane.main).await.remove(0);
    assert_eq!(plane.ids(&plane.uri).await, plane.named(&plane.main, &own));
    let (dev, uri) = plane.branch(json!({"name": "dev"})).await;
    let compute = plane.computes(&dev).await.remove(0);
    assert_eq!(plane.ids(&uri).await, plane.named(&dev, &compute));
    assert_eq!(plane.ids(&plane.uri).await, plane.named(&plane.main, &own));
    // Suspended and woken by a connection.
    plane
        .change(Method::POST, &format!("/endpoints/{own}/suspend"), json!({}))
        .await;
    assert_eq!(plane.ids(&plane.uri).await, plane.named(&plane.main, &own));
    // Restarted.
    plane
        .change(Method::POST, &format!("/endpoints/{own}/restart"), json!({}))
        .await;
    assert_eq!(plane.ids(&plane.uri).await, plane.named(&plane.main, &own));
}

#[tokio::test]
async fn compute_that_moves_says_the_branch_that_it_serves_now() {
    let plane = DataPlane::start().await;
    let (dev, uri) = plane.branch(json!({"name": "dev"})).await;
    let compute = plane.computes(&dev).await.remove(0);
    let bare = plane
        .change(Method::POST, "/branches", json!({"branch": {"name": "bare"}}))
        .await;
    let bare = bare["branch"]["id"].as_str().unwrap().to_owned();
    plane
        .change(
            Method::PATCH,
            &format!("/endpoints/{compute}"),
            json!({"endpoint": {"branch_id": bare}}),
        )
        .await;
    assert_eq!(plane.ids(&uri).await, plane.named(&bare, &compute));
    // The branch that it left gets another one.
    let body = json!({"endpoint": {"branch_id": dev, "type": "read_write"}});
    plane.change(Method::POST, "/endpoints", body).await;
    let other = plane.computes(&dev).await.remove(0);
    assert_ne!(other, compute);
    assert_eq!(plane.ids(&plane.uri(&dev).await).await, plane.named(&dev, &other));
}

#[tokio::test]
async fn compute_of_a_restored_branch_says_the_branch_and_its_backup_another_one() {
    let plane = DataPlane::start().await;
    let (dev, uri) = plane.branch(json!({"name": "dev"})).await;
    let compute = plane.computes(&dev).await.remove(0);
    plane.reset(&dev, &plane.main).await;
    assert_eq!(plane.ids(&uri).await, plane.named(&dev, &compute), "after a reset");
    let body = json!({"source_branch_id": plane.main, "preserve_under_name": "before"});
    plane
        .change(Method::POST, &format!("/branches/{dev}/restore"), body)
        .await;
    assert_eq!(plane.ids(&uri).await, plane.named(&dev, &compute), "after a restore");
    let branches = plane
        .rig
        .call(Method::GET, &plane.path("/branches"), None)
        .await
        .expect(200);
    let backup = branches["branches"].as_array().unwrap().iter();
    let backup = backup
        .clone()
        .find(|branch| branch["name"] == "before")
        .map(|branch| branch["id"].as_str().unwrap().to_owned())
        .unwrap();
    let body = json!({"endpoint": {"branch_id": backup, "type": "read_write"}});
    plane.change(Method::POST, "/endpoints", body).await;
    let other = plane.computes(&backup).await.remove(0);
    assert_eq!(plane.ids(&plane.uri(&backup).await).await, plane.named(&backup, &other));
}

#[tokio::test]
async fn compute_that_a_finalized_restore_takes_over_says_the_new_branch() {
    let plane = DataPlane::start().await;
    let compute = plane.computes(&plane.main).await.remove(0);
    let made = plane
        .change(Method::POST, &format!("/branches/{}/snapshot", plane.main), json!({}))
        .await;
    let snapshot = made["snapshot"]["id"].as_str().unwrap().to_owned();
    let body = json!({"name": "restored", "target_branch_id": plane.main, "finalize_restore": true});
    let restored = plane
        .change(Method::POST, &format!("/snapshots/{snapshot}/restore"), body)
        .await;
    let restored = restored["branch"]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        plane.computes(&restored).await,
        std::slice::from_ref(&compute),
        "it moved"
    );
    assert_eq!(plane.ids(&plane.uri).await, plane.named(&restored, &compute));
}

#[tokio::test]
async fn read_replica_says_its_own_endpoint_and_follows_a_server_that_restarts() {
    let plane = DataPlane::start().await;
    run(&plane.uri, "CREATE TABLE t (x int)").await;
    let body = json!({"endpoint": {"branch_id": plane.main, "type": "read_only"}});
    let made = plane.change(Method::POST, "/endpoints", body).await;
    let replica = made["endpoint"]["id"].as_str().unwrap().to_owned();
    let host = made["endpoint"]["host"].as_str().unwrap();
    let own = plane.uri.split('@').nth(1).unwrap().split('/').next().unwrap();
    let uri = plane.uri.replace(own, host);
    assert_eq!(plane.ids(&uri).await, plane.named(&plane.main, &replica));
    let mut computes = plane.computes(&plane.main).await;
    computes.retain(|id| *id != replica);
    assert_eq!(plane.ids(&plane.uri).await, plane.named(&plane.main, &computes[0]));
    // What it follows restarts beside it, and with other settings.
    let settings = json!({"endpoint": {"settings": {"pg_settings": {"work_mem": "7MB"}}}});
    plane
        .change(Method::PATCH, &format!("/endpoints/{}", computes[0]), settings)
        .await;
    run(&plane.uri, "INSERT INTO t VALUES (1)").await;
    let began = Instant::now();
    while value(&uri, "SELECT count(*) FROM t").await != "1" {
        assert!(began.elapsed() < Duration::from_secs(20), "it doesn't follow");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn settings_that_were_asked_for_make_no_compute_another_one() {
    let plane = DataPlane::start().await;
    let compute = plane.computes(&plane.main).await.remove(0);
    let settings = json!({"endpoint": {"settings": {"pg_settings": {
        "neon.branch_id": "br-other-one-a1b2c3d4", "neon.endpoint_id": "ep-other-one-a1b2c3d4", "work_mem": "7MB",
    }}}});
    let path = plane.path(&format!("/endpoints/{compute}"));
    plane.rig.call(Method::PATCH, &path, Some(settings)).await;
    plane.settle().await;
    assert_eq!(plane.ids(&plane.uri).await, plane.named(&plane.main, &compute));
    // And a session's own lasts for the session.
    let session = connect(&plane.uri).await;
    session.batch_execute("SET neon.branch_id = 'x'").await.ok();
    drop(session);
    assert_eq!(plane.ids(&plane.uri).await, plane.named(&plane.main, &compute));
}

#[tokio::test(flavor = "multi_thread")]
async fn compute_of_a_kept_sandbox_says_the_same_after_a_restart() {
    let places = Places::new(crate::PROGRAM);
    let required = ["--sandbox-postgres", "required"];
    let sandbox = places.start_kept(&required).await;
    let project = sandbox.project().await;
    let url = sandbox.database_url().to_owned();
    let ids = async || {
        let client = sandbox_process::connect(&url).await.unwrap();
        client.query_one(IDS, &[]).await.unwrap().get::<_, String>(0)
    };
    let before = ids().await;
    assert!(before.starts_with(&format!("{project} br-")), "{before}");
    sandbox.interrupt().await;
    let sandbox = places.start_kept(&required).await;
    assert_eq!(ids().await, before);
    sandbox.interrupt().await;
}
