//! What runs unasked: so many rows, no more than a tenth of a table, and on a protected branch no deletion.

use neon_mcp::neon::sql::{Unasked, large_share};
use serde_json::{Value, json};

use super::shop;
use crate::examples::Story;
use crate::support::human::Manner;
use crate::support::server::{Era, TestClient, TestServer, program, state_home};
use harness::sandbox_process::{connect, execute, number};

#[tokio::test]
async fn share_of_a_table_is_the_same_in_the_database_and_here() {
    let story = shop().await;
    let client = connect(&story.uri("main").await).await.expect("a connection");
    let query = format!(
        "SELECT x.lost, x.held, {} FROM unnest($1::bigint[], $2::bigint[]) AS x(lost, held)",
        large_share("x.lost", "x.held")
    );
    let counts = (0..40).chain([99, 100, 101, 999, 1_000, 1_001, 100_000, i64::from(u32::MAX)]);
    let counts: Vec<i64> = counts.collect();
    let mut pairs: Vec<(i64, Option<i64>)> = Vec::new();
    for lost in &counts {
        pairs.push((*lost, None));
        // Around a tenth of it, too.
        let held = counts.iter().copied().chain([lost * 10 - 1, lost * 10, lost * 10 + 1]);
        pairs.extend(held.filter(|held| *held >= 0).map(|held| (*lost, Some(held))));
    }
    let (lost, held): (Vec<i64>, Vec<Option<i64>>) = pairs.iter().copied().unzip();
    let rows = client.query(&query, &[&lost, &held]).await.expect("the rule");
    assert_eq!(rows.len(), pairs.len());
    let number = |count: i64| u64::try_from(count).unwrap_or_default();
    for row in rows {
        let (lost, held, there): (i64, Option<i64>, bool) = (row.get(0), row.get(1), row.get(2));
        let table = json!({"oid": 1, "name": "public.t", "inserted": 0, "updated": 0, "deleted": 0, "lost": lost, "held": held});
        let measured = json!({"tables": [table], "lines": [], "count": 0});
        let measured: neon_mcp::neon::sql::Measured = serde_json::from_value(measured).expect("a measurement");
        let any = Unasked {
            rows: u64::MAX,
            deletes: true,
        };
        let own = number(lost) > 1 && held.is_none_or(|held| number(lost) * 10 > number(held));
        assert_eq!((measured.exceeds(any), there), (own, own), "{lost} of {held:?}");
    }
}

/// A table of many rows, and triggers and keys that delete of others.
const TABLES: &str = "
    CREATE TABLE orders (id int PRIMARY KEY, note text);
    INSERT INTO orders SELECT i, 'n' FROM generate_series(1, 1000) i;
    CREATE TABLE lines (id int PRIMARY KEY, order_id int REFERENCES orders ON DELETE CASCADE);
    INSERT INTO lines SELECT i, i FROM generate_series(1, 1000) i;
    CREATE TABLE inbox (id int);
    CREATE FUNCTION purge() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM lines WHERE id = NEW.id; RETURN NEW; END $$;
    CREATE TRIGGER purge AFTER INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION purge();
    CREATE FUNCTION drop_one(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM lines WHERE id = n; RETURN n; END $$;
    CREATE TABLE quiet (id int);";

async fn left(uri: &str) -> i64 {
    number(
        uri,
        "SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM lines)",
    )
    .await
}

async fn decline(story: &Story, server: &TestServer, tool: &str, call: Value) -> (Value, Vec<String>) {
    story.human().changes_to(Manner::Declines);
    let asked = story.human().count();
    let (value, is_error) = server.call(tool, call.clone()).await;
    let questions = story.human().asked_since(asked);
    assert!(is_error && questions.len() == 1, "{call}: {value}");
    assert_eq!(value["error"]["kind"], "rejected", "{call}: {value}");
    (value, questions.into_iter().map(|(question, _)| question).collect())
}

/// Whatever deletes one row asks on the branch, and what deletes none doesn't.
async fn deletes_nothing_unasked(story: &Story, server: &TestServer) {
    let uri = story.uri("main").await;
    let before = left(&uri).await;
    for (sql, says) in [
        ("DELETE FROM orders WHERE id = 1", "would delete 1 of 1000 rows of"),
        (
            "WITH gone AS (DELETE FROM lines WHERE id = 2 RETURNING id) INSERT INTO quiet SELECT id FROM gone",
            "would delete 1 of 1000 rows of",
        ),
        (
            "MERGE INTO lines l USING (VALUES (3)) v(id) ON l.id = v.id WHEN MATCHED THEN DELETE",
            "would delete 1 of 1000 rows of",
        ),
        (
            "DO $$ BEGIN DELETE FROM lines WHERE id = 4; END $$",
            "would delete 1 of 1000 rows of",
        ),
        // What nothing in its text tells is caught where it is measured.
        ("INSERT INTO inbox VALUES (5)", "would delete 1 of 1000 rows of"),
        ("INSERT INTO quiet SELECT drop_one(6)", "would delete 1 of 1000 rows of"),
        // It matches none, but that is what it is for.
        ("DELETE FROM orders WHERE id = 0", "protected"),
    ] {
        let call = json!({"project_id": "shop", "branch_id": "main", "sql": sql});
        let (_, questions) = decline(story, server, "run_sql", call).await;
        let question = questions.concat();
        for part in [says, "protected"] {
            assert!(question.contains(part), "{sql}: {part}: {question}");
        }
        assert_eq!(left(&uri).await, before, "{sql}");
    }
    let statements = json!(["INSERT INTO quiet VALUES (1)", "DELETE FROM lines WHERE id = 7"]);
    let call = json!({"project_id": "shop", "branch_id": "main", "statements": statements});
    decline(story, server, "run_sql_transaction", call).await;
    let call = json!({"project_id": "shop", "branch_id": "main", "sql": "DELETE FROM lines WHERE id = 8"});
    let (prepared, is_error) = server.call("prepare_database_migration", call).await;
    assert!(!is_error, "{prepared}");
    assert_eq!(
        prepared["result"]["completion"]["requires_approval"], true,
        "{prepared}"
    );
    let call = json!({"project_id": "shop", "branch_id": "main", "migration": prepared["result"]["migration"]});
    decline(story, server, "complete_database_migration", call).await;
    assert_eq!(left(&uri).await, before);
    // What deletes nothing of what was there runs unasked.
    let asked = story.human().count();
    for sql in [
        "UPDATE orders SET note = 'x' WHERE id <= 100",
        "INSERT INTO quiet VALUES (2)",
    ] {
        let call = json!({"project_id": "shop", "branch_id": "main", "sql": sql});
        let (value, is_error) = server.call("run_sql", call).await;
        assert!(!is_error, "{sql}: {value}");
    }
    let statements = json!([
        "CREATE TABLE scratch (id int)",
        "INSERT INTO scratch VALUES (1)",
        "DELETE FROM scratch WHERE id = 1",
        "DROP TABLE scratch"
    ]);
    let call = json!({"project_id": "shop", "branch_id": "main", "statements": statements});
    let (value, is_error) = server.call("run_sql_transaction", call).await;
    assert!(!is_error, "{value}");
    assert_eq!(story.human().count(), asked);
    // Approved, it is done.
    story.human().changes_to(Manner::Accepts);
    let call = json!({"project_id": "shop", "branch_id": "main", "sql": "DELETE FROM lines WHERE id = 9"});
    let (value, is_error) = server.call("run_sql", call).await;
    assert!(!is_error, "{value}");
    assert_eq!(left(&uri).await, before - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn protected_branch_loses_no_row_unasked() {
    let story = shop().await;
    execute(&story.uri("main").await, TABLES).await;
    story
        .shop("update_branch", json!({"branch_id": "main", "protected": true}))
        .await;
    let server = story
        .server_at(&["--toolsets", "all"], &story.sandbox().api_url())
        .await;
    deletes_nothing_unasked(&story, &server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn branch_that_the_policy_protects_loses_no_row_unasked() {
    let story = shop().await;
    execute(&story.uri("main").await, TABLES).await;
    let state = state_home();
    let file = state.join("policy.toml");
    std::fs::write(&file, "protected_branches = [\"ma*\"]\n").expect("a policy");
    let arguments = ["--toolsets", "all", "--policy", file.to_str().expect("a path")];
    let mut command = program(&arguments, &story.sandbox().api_url(), story.sandbox().api_key());
    command.env("XDG_STATE_HOME", &state).env("NEON_MCP_LOG", "error");
    let server = TestServer::run(command, TestClient::with(story.human().clone()), Era::Legacy).await;
    deletes_nothing_unasked(&story, &server).await;
}

#[tokio::test]
async fn unprotected_default_branch_deletes_a_few_rows_unasked() {
    let story = shop().await;
    let uri = story.uri("main").await;
    execute(&uri, TABLES).await;
    let asked = story.human().count();
    for sql in ["DELETE FROM lines WHERE id <= 100", "INSERT INTO inbox VALUES (500)"] {
        story.shop("run_sql", json!({"branch_id": "main", "sql": sql})).await;
    }
    assert_eq!(story.human().count(), asked);
    assert_eq!(left(&uri).await, 1_899);
}
