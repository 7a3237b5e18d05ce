//! How often the SQL of a call is parsed: once, however often it is looked at, and once more where the client repeats the call to be
//! decided anew.

use serde_json::json;

use super::{shop, sql};
use crate::support::human::Manner;
use crate::support::server::{Era, TestClient, TestServer, program};

/// What the log says of a parse.
const PARSED: &str = "the SQL of a call is parsed";

#[tokio::test]
async fn sql_of_a_call_is_parsed_once_for_each_decision() {
    let story = shop().await;
    for table in ["t", "asked_within", "asked_between"] {
        sql(&story, "main", &format!("CREATE TABLE {table} (x int)")).await;
    }
    sql(&story, "main", "INSERT INTO t VALUES (1), (2), (3)").await;
    story.human().changes_to(Manner::Accepts);
    let mut wrong = Vec::new();
    for (era, tool, given, succeeds, parses) in [
        (Era::Legacy, "run_sql", json!({"sql": "SELECT * FROM t"}), true, 1),
        (Era::Legacy, "run_sql", json!({"sql": "SELECT y FROM t"}), false, 1),
        (
            Era::Legacy,
            "run_sql",
            json!({"sql": "INSERT INTO t VALUES (4)"}),
            true,
            1,
        ),
        (
            Era::Legacy,
            "run_sql_transaction",
            json!({"statements": ["SELECT 1", "SELECT 2"]}),
            true,
            1,
        ),
        (
            Era::Legacy,
            "explain_sql_statement",
            json!({"sql": "SELECT * FROM t"}),
            true,
            1,
        ),
        (
            Era::Legacy,
            "prepare_query_tuning",
            json!({"sql": "SELECT * FROM t WHERE x = 1", "changes": "CREATE INDEX by_x ON t (x)"}),
            true,
            1,
        ),
        // Asked while the call runs.
        (
            Era::Legacy,
            "run_sql",
            json!({"sql": "DROP TABLE asked_within"}),
            true,
            1,
        ),
        // Asked between two calls, of which each is decided by itself.
        (
            Era::Modern,
            "run_sql",
            json!({"sql": "DROP TABLE asked_between"}),
            true,
            2,
        ),
    ] {
        let mut command = program(
            &["--toolsets", "all"],
            &story.sandbox().api_url(),
            story.sandbox().api_key(),
        );
        command.env("NEON_MCP_LOG", "debug");
        let server = TestServer::run(command, TestClient::with(story.human().clone()), era).await;
        let mut call = json!({"project_id": "shop", "branch_id": "main"});
        call.as_object_mut()
            .expect("an object")
            .extend(given.as_object().cloned().unwrap_or_default());
        let (value, is_error) = server.call(tool, call).await;
        assert_eq!(!is_error, succeeds, "{tool} {given}: {value}");
        let found = server.stop().await.matches(PARSED).count();
        if found != parses {
            wrong.push(format!("{tool} {given}: {found} times, not {parses}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(story.human().asked().len(), 2, "both drops were asked about");
}
