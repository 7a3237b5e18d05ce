//! What is inside a branch: roles, passwords, databases, schemas, masked rows.

use reqwest::Method;
use serde_json::{Value, json};

use super::{DataPlane, connect, run, try_connect, value};

#[tokio::test]
async fn roles_and_their_passwords_are_real() {
    let plane = DataPlane::start().await;
    let roles = format!("/branches/{}/roles", plane.main);
    let made = plane
        .change(Method::POST, &roles, json!({"role": {"name": "app \"user\""}}))
        .await;
    assert!(made["role"]["password"].is_string());
    let uri = plane.uri_of(&plane.main, "app%20%22user%22", "neondb").await;
    assert_eq!(value(&uri, "SELECT current_user").await, "app \"user\"");
    assert_eq!(
        value(&uri, "SELECT pg_has_role(current_user, 'neon_superuser', 'member')").await,
        "t"
    );
    let other = plane
        .change(Method::POST, &roles, json!({"role": {"name": "app"}}))
        .await;
    let old = plane.uri_of(&plane.main, "app", "neondb").await;
    plane
        .change(Method::POST, &format!("{roles}/app/reset_password"), json!({}))
        .await;
    assert!(try_connect(&old).await.is_err(), "the old password: {other}");
    let new = plane.uri_of(&plane.main, "app", "neondb").await;
    run(&new, "CREATE SCHEMA own; CREATE TABLE own.by_app (x int)").await;
    plane.change(Method::DELETE, &format!("{roles}/app"), json!({})).await;
    assert!(try_connect(&new).await.is_err(), "gone");
    let owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'by_app'";
    assert_eq!(value(&plane.uri, owner).await, "neondb_owner", "what it owned stays");
}

#[tokio::test]
async fn databases_are_made_renamed_and_dropped_on_their_branch_alone() {
    let plane = DataPlane::start().await;
    let (dev, dev_uri) = plane.branch(json!({"name": "dev"})).await;
    let databases = format!("/branches/{}/databases", plane.main);
    plane
        .change(
            Method::POST,
            &databases,
            json!({"database": {"name": "crm", "owner_name": "neondb_owner"}}),
        )
        .await;
    let crm = plane.uri_of(&plane.main, "neondb_owner", "crm").await;
    run(&crm, "CREATE TABLE deals (x int)").await;
    let held = connect(&crm).await;
    plane
        .change(
            Method::PATCH,
            &format!("{databases}/crm"),
            json!({"database": {"name": "sales"}}),
        )
        .await;
    assert!(
        held.simple_query("SELECT 1").await.is_err(),
        "a rename cuts connections"
    );
    let sales = plane.uri_of(&plane.main, "neondb_owner", "sales").await;
    assert_eq!(value(&sales, "SELECT count(*) FROM deals").await, "0");
    let named = "SELECT count(*) FROM pg_database WHERE datname IN ('crm', 'sales')";
    assert_eq!(value(&dev_uri, named).await, "0", "the other branch has none");
    plane
        .change(Method::DELETE, &format!("{databases}/sales"), json!({}))
        .await;
    assert_eq!(value(&plane.uri, named).await, "0");
    // Even where the branch has no compute.
    let bare = plane
        .change(Method::POST, "/branches", json!({"branch": {"parent_id": dev}}))
        .await;
    let bare = bare["branch"]["id"].as_str().unwrap().to_owned();
    plane
        .change(
            Method::POST,
            &format!("/branches/{bare}/databases"),
            json!({"database": {"name": "late", "owner_name": "neondb_owner"}}),
        )
        .await;
}

#[tokio::test]
async fn schemas_are_read_now_and_as_they_were() {
    let plane = DataPlane::start().await;
    run(&plane.uri, "CREATE TABLE t (id int PRIMARY KEY)").await;
    tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    let then = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    run(
        &plane.uri,
        "ALTER TABLE t ADD COLUMN note text; CREATE TABLE u (t int REFERENCES t)",
    )
    .await;
    let read = async |rest: &str| {
        let path = plane.path(&format!("/branches/{}/schema?db_name=neondb{rest}", plane.main));
        plane.rig.call(Method::GET, &path, None).await.expect(200)
    };
    let sql = read("").await["sql"].as_str().unwrap().to_owned();
    assert!(
        sql.contains("note text") && sql.contains("CREATE TABLE public.u"),
        "{sql}"
    );
    assert!(!sql.contains("Dumped"), "{sql}");
    let before = read(&format!("&timestamp={then}")).await["sql"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        before.contains("CREATE TABLE public.t") && !before.contains("note"),
        "{before}"
    );
    let tables = read("&format=json").await;
    assert_eq!(tables["json"]["tables"][0]["name"], "t");
    let keys: Vec<&Value> = tables["json"]["tables"][1]["constraints"]
        .as_array()
        .unwrap()
        .iter()
        .collect();
    assert_eq!(keys[0]["referenced_table"]["table"], "t", "{keys:?}");
    let path = plane.path(&format!("/branches/{}/schema?db_name=nowhere", plane.main));
    plane.rig.call(Method::GET, &path, None).await.refused(404);
    let path = plane.path(&format!(
        "/branches/{0}/compare_schema?db_name=neondb&base_branch_id={0}&base_timestamp={then}",
        plane.main
    ));
    let diff = plane.rig.call(Method::GET, &path, None).await.expect(200);
    let diff = diff["diff"].as_str().unwrap();
    assert!(diff.starts_with("--- a/neondb\n+++ b/neondb\n"), "{diff}");
    assert!(
        diff.contains("\n+    note text\n") || diff.contains("+    note text"),
        "{diff}"
    );
}

#[tokio::test]
async fn rows_of_an_anonymized_branch_are_masked_and_those_of_its_parent_are_not() {
    let plane = DataPlane::start().await;
    run(
        &plane.uri,
        "CREATE TABLE users (id int, email text, name text, age int); \
         INSERT INTO users VALUES (1, 'real@person.org', 'Real Person', 41)",
    )
    .await;
    let rule = |column: &str, how: (&str, &str)| {
        json!({
            "database_name": "neondb", "schema_name": "public", "table_name": "users", "column_name": column, how.0: how.1,
        })
    };
    let made = plane
        .change(
            Method::POST,
            "/branch_anonymized",
            json!({
                "branch_create": {"branch": {"name": "masked"}, "endpoints": [{"type": "read_write"}]},
                "masking_rules": [
                    rule("email", ("masking_function", "anon.fake_email()")),
                    rule("name", ("masking_value", "hidden")),
                    rule("age", ("masking_function", "anon.random_int_between(100, 110)")),
                ],
                "start_anonymization": true,
            }),
        )
        .await;
    let id = made["branch"]["id"].as_str().unwrap().to_owned();
    let status = plane.path(&format!("/branches/{id}/anonymized_status"));
    for _ in 0..500 {
        let now = plane.rig.call(Method::GET, &status, None).await.expect(200);
        match now["state"].as_str().unwrap() {
            "anonymized" => break,
            "error" | "initialization_error" => panic!("{now}"),
            _ => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    }
    let uri = plane.uri_of(&id, "neondb_owner", "neondb").await;
    let row = "SELECT email || '|' || name || '|' || (age BETWEEN 100 AND 110) FROM users";
    let masked = value(&uri, row).await;
    assert!(masked.ends_with("@example.com|hidden|true"), "{masked}");
    assert_eq!(value(&plane.uri, "SELECT email FROM users").await, "real@person.org");
    assert_eq!(
        value(&uri, "SELECT count(*) FROM pg_namespace WHERE nspname = 'anon'").await,
        "0"
    );
    // A rule that Postgres refuses ends the run, and says why.
    let rules = json!({"masking_rules": [rule("email", ("masking_function", "pg_read_file('/etc/passwd')"))]});
    plane
        .change(Method::PATCH, &format!("/branches/{id}/masking_rules"), rules)
        .await;
    let started = plane
        .rig
        .call(Method::POST, &plane.path(&format!("/branches/{id}/anonymize")), None)
        .await;
    started.expect(200);
    let mut last = json!(null);
    for _ in 0..500 {
        last = plane.rig.call(Method::GET, &status, None).await.expect(200);
        if last["state"] == "error" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(last["state"], "error", "{last}");
    assert!(
        last["status_message"].as_str().unwrap().contains("permission denied"),
        "{last}"
    );
}

#[tokio::test]
async fn the_sandboxs_own_superuser_is_nobodys_else() {
    let plane = DataPlane::start().await;
    let uri = plane.uri.replace("neondb_owner:", "cloud_admin:");
    assert!(try_connect(&uri).await.is_err());
    let sql = plane.rig.sandbox.api_url().replace("/api/v2", "/sql");
    let answer = plane
        .rig
        .http
        .post(sql)
        .header("Neon-Connection-String", &uri)
        .body(json!({"query": "SELECT 1"}).to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 400);
}
