//! Approving a prepared migration: by a client that asks, in both protocols, and in a terminal.

use serde_json::{Value, json};

use super::{rows, shop, sql};
use crate::examples::Story;
use crate::support::human::Manner;
use crate::support::server::{Era, KEY, TestClient, TestServer, program, state_home};
use crate::support::terminal::AtTerminal;

async fn started() -> Story {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x int)").await;
    story
}

async fn prepared(server: &TestServer) -> Value {
    let call = json!({"project_id": "shop", "branch_id": "main", "sql": "DROP TABLE t"});
    let (value, is_error) = server.call("prepare_database_migration", call).await;
    assert!(!is_error, "{value}");
    json!({"project_id": "shop", "branch_id": "main", "migration": value["result"]["migration"]})
}

async fn is_there(story: &Story) -> bool {
    rows(&sql(story, "main", "SELECT to_regclass('t') IS NOT NULL").await) == [json!([true])]
}

#[tokio::test]
async fn handle_survives_a_rejection_and_is_applied_by_an_approval_in_both_protocols() {
    for era in [Era::Legacy, Era::Modern] {
        let story = started().await;
        let mut command = program(
            &["--toolsets", "all"],
            &story.sandbox().api_url(),
            story.sandbox().api_key(),
        );
        command.env("NEON_MCP_LOG", "error");
        let server = TestServer::run(command, TestClient::with(story.human().clone()), era).await;
        let call = prepared(&server).await;
        let asked = story.asked();
        story.human().changes_to(Manner::Declines);
        for _ in 0..2 {
            let (value, is_error) = server.call("complete_database_migration", call.clone()).await;
            assert!(is_error && value["error"]["kind"] == "rejected", "{era:?}: {value}");
        }
        assert!(is_there(&story).await);
        story.human().changes_to(Manner::Accepts);
        let (value, is_error) = server.call("complete_database_migration", call).await;
        assert!(
            !is_error && value["result"]["applied_statements"] == 1,
            "{era:?}: {value}"
        );
        assert_eq!(story.asked(), asked + 3);
        assert!(!is_there(&story).await);
    }
}

#[tokio::test]
async fn approval_in_a_terminal_lets_the_same_call_complete_it() {
    let story = started().await;
    let state = state_home();
    let mut command = program(
        &["--toolsets", "all"],
        &story.sandbox().api_url(),
        story.sandbox().api_key(),
    );
    command.env("XDG_STATE_HOME", &state).env("NEON_MCP_LOG", "error");
    let server = TestServer::run(command, TestClient::alone(), Era::Legacy).await;
    let ask = async |call: &Value| {
        let (value, is_error) = server.call("complete_database_migration", call.clone()).await;
        assert!(is_error && value["error"]["kind"] == "requires_approval", "{value}");
        value["error"]["code"].as_str().expect("a code").to_owned()
    };
    let decide = async |code: String, line: &'static str| {
        let mut command = program(&["approve", &code], "http://127.0.0.1:1/api/v2", KEY);
        command.env("XDG_STATE_HOME", &state);
        let command = command.into_std();
        let ended = tokio::task::spawn_blocking(move || {
            let mut terminal = AtTerminal::start(command);
            terminal.wait_for("to reject: ", 1);
            terminal.type_line(line);
            terminal.end()
        });
        ended.await.expect("ends")
    };
    let call = prepared(&server).await;
    let (exit, _, screen) = decide(ask(&call).await, "no").await;
    assert!(exit == 1 && screen.contains("DROP TABLE t"), "{screen}");
    let (value, is_error) = server.call("complete_database_migration", call.clone()).await;
    assert!(is_error && value["error"]["kind"] == "rejected", "{value}");
    assert!(is_there(&story).await);
    // A no stays one. What is prepared anew is another call. The branch is the default one: its name is typed.
    let call = prepared(&server).await;
    let (exit, _, screen) = decide(ask(&call).await, "main").await;
    assert_eq!(exit, 0, "{screen}");
    let (value, is_error) = server.call("complete_database_migration", call).await;
    assert!(
        !is_error && value["approved_by"] == "terminal" && value["result"]["applied_statements"] == 1,
        "{value}"
    );
    assert!(!is_there(&story).await);
}
