//! What one process prepared, another completes: with the same key, in the same directory, once.

use serde_json::{Value, json};

use super::{rows, shop, sql};

#[tokio::test]
async fn another_process_completes_it_and_of_two_at_the_same_time_one_does() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x int)").await;
    let place = crate::support::server::state_home();
    std::fs::write(place.join("seal.key"), "k".repeat(32)).expect("a key");
    let (key, state) = (place.join("seal.key"), place.join("shared"));
    let (key, state) = (key.to_str().expect("a path"), state.to_str().expect("a path"));
    let serve = async || {
        let arguments = ["--toolsets", "all", "--seal-key-file", key, "--state-dir", state];
        story.server_at(&arguments, &story.sandbox().api_url()).await
    };
    let (one, two, three) = (serve().await, serve().await, serve().await);
    for round in 1..=3 {
        let call = json!({"project_id": "shop", "branch_id": "main", "sql": "INSERT INTO t VALUES (1)"});
        let (value, is_error) = one.call("prepare_database_migration", call).await;
        assert!(!is_error, "{value}");
        let handle = &value["result"]["migration"];
        let call = || json!({"project_id": "shop", "branch_id": "main", "migration": handle});
        let ended: [(Value, bool); 2] = <[_; 2]>::from(tokio::join!(
            two.call("complete_database_migration", call()),
            three.call("complete_database_migration", call())
        ));
        let done = ended.iter().filter(|(_, is_error)| !is_error).count();
        assert_eq!(done, 1, "{ended:?}");
        for (value, _) in ended.iter().filter(|(_, is_error)| *is_error) {
            assert_eq!(value["error"]["changed"], "no", "{value}");
        }
        let count = sql(&story, "main", "SELECT count(*) FROM t").await;
        assert_eq!(rows(&count), [json!([round.to_string()])]);
        let (value, is_error) = one.call("complete_database_migration", call()).await;
        assert!(is_error && value.to_string().contains("used already"), "{value}");
    }
    // Without the key there is none.
    let call = json!({"project_id": "shop", "branch_id": "main", "sql": "INSERT INTO t VALUES (1)"});
    let (value, _) = one.call("prepare_database_migration", call).await;
    let call = json!({"project_id": "shop", "branch_id": "main", "migration": value["result"]["migration"]});
    let (value, is_error) = story.answer("complete_database_migration", call).await;
    assert!(is_error && value["error"]["kind"] == "invalid_arguments", "{value}");
}
