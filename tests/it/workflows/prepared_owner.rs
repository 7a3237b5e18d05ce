//! Prepared work belongs to the session that prepared it; where no session lasts, to whoever has its handle.

use rmcp::RoleClient;
use rmcp::service::RunningService;
use serde_json::{Value, json};

use super::{rows, shop, sql};
use crate::support::http::OverHttp;
use crate::support::server::{Era, TestClient, call, program, state_home};

type Client = RunningService<RoleClient, TestClient>;

async fn prepared(client: &Client) -> Value {
    let work = json!({"project_id": "shop", "branch_id": "main", "sql": "INSERT INTO t VALUES (1)"});
    let (value, is_error) = call(client, "prepare_database_migration", work).await;
    assert!(!is_error, "{value}");
    json!({"project_id": "shop", "branch_id": "main", "migration": value["result"]["migration"]})
}

async fn complete(client: &Client, work: &Value) -> (Value, bool) {
    call(client, "complete_database_migration", work.clone()).await
}

#[tokio::test]
async fn prepared_work_of_a_client_is_none_for_another_of_the_same_name_and_credential() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x int)").await;
    let state = state_home();
    let arguments = ["http", "--listen", "127.0.0.1:0", "--toolsets", "all"];
    let mut command = program(&arguments, &story.sandbox().api_url(), story.sandbox().api_key());
    command.env("NEON_MCP_LOG", "error");
    let server = OverHttp::start(command, &state).await;
    for (era, count) in [(Era::Legacy, "1"), (Era::Modern, "2")] {
        let one = server.client(TestClient::alone(), era).await;
        let other = server.client(TestClient::alone(), era).await;
        let work = prepared(&one).await;
        let own = prepared(&other).await;
        // What the other can have: its own handle with parts of this one.
        let handle = |work: &Value| work["migration"].as_str().expect("a handle").to_owned();
        let (id, tag) = (handle(&work), handle(&own));
        let (id, tag) = (id.split_once('.').expect("two").0, tag.split_once('.').expect("two").1);
        let mut tries = vec![json!(format!("{id}.{tag}")), json!(id), json!(format!("{id}."))];
        if era == Era::Legacy {
            tries.push(work["migration"].clone());
        }
        for migration in tries {
            for discard in [false, true] {
                let mut work = work.clone();
                work["migration"] = migration.clone();
                if discard {
                    work["discard"] = true.into();
                }
                let (value, is_error) = complete(&other, &work).await;
                assert!(
                    is_error && value["error"]["kind"] == "invalid_arguments",
                    "{era:?}: {value}"
                );
            }
        }
        let (value, is_error) = complete(&one, &work).await;
        assert!(
            !is_error && value["result"]["applied_statements"] == 1,
            "{era:?}: {value}"
        );
        let seen = sql(&story, "main", "SELECT count(*) FROM t").await;
        assert_eq!(rows(&seen), [json!([count])]);
        let mut given_up = own.clone();
        given_up["discard"] = true.into();
        let (value, is_error) = complete(&other, &given_up).await;
        assert!(!is_error && value["result"]["discarded"] == true, "{era:?}: {value}");
    }
}
