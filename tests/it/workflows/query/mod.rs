//! `query_database`: everyday reads run, nothing else does.

mod reached;

use serde_json::{Value, json};

use super::{rows, shop};
use crate::examples::in_shop;
use crate::support::fake_neon::FakeNeon;
use harness::sandbox_process::{connect, execute};

/// A case of a data file: its name, its parameters, its text.
struct Case {
    name: String,
    params: Value,
    sql: String,
}

/// The cases of a file, each of which begins with `-- case: name`.
fn cases(file: &'static str) -> Vec<Case> {
    let cases = file.split("-- case: ").skip(1);
    cases
        .map(|case| {
            let (name, rest) = case.split_once('\n').expect("a name and a text");
            let (params, sql) = match rest.strip_prefix("-- params: ") {
                Some(rest) => rest.split_once('\n').expect("a text"),
                None => ("[]", rest),
            };
            Case {
                name: name.to_owned(),
                params: serde_json::from_str(params).expect("a list"),
                sql: sql.trim().to_owned(),
            }
        })
        .collect()
}

#[tokio::test]
async fn everyday_reads_run_unasked() {
    let story = shop().await;
    execute(&story.uri("main").await, include_str!("schema.sql")).await;
    let branch = story.branch_id("main").await;
    let asked = story.human().asked().len();
    let cases = cases(include_str!("reads.sql"));
    assert!(cases.len() >= 300, "{}", cases.len());
    let mut refused = Vec::new();
    for case in cases {
        let call = json!({"project_id": "shop", "branch_id": branch, "sql": case.sql, "params": case.params});
        let (value, is_error) = story.answer("query_database", call).await;
        if is_error {
            refused.push(format!("{}: {}: {}", case.name, case.sql, value["error"]));
        }
    }
    assert!(refused.is_empty(), "{} refused: {refused:#?}", refused.len());
    assert_eq!(story.human().asked().len(), asked, "a read asks nobody");
}

/// What a database holds that a write would change.
async fn held(uri: &str) -> String {
    let client = connect(uri).await.expect("a connection");
    let row = client
        .query_one(
            "select concat_ws(' ', (select string_agg(x::text, ',' order by x) from t), (select concat(last_value, is_called) from s), \
             (select count(*) from pg_class where relnamespace = 'public'::regnamespace), (select count(*) from pg_attribute), \
             (select count(*) from pg_largeobject_metadata), (select count(*) from pg_replication_slots), \
             (select count(*) from pg_locks where locktype = 'advisory'), (select relacl::text from pg_class where oid = 't'::regclass), \
             obj_description('t'::regclass), (select count from m))",
            &[],
        )
        .await
        .expect("the tables");
    row.get(0)
}

#[tokio::test]
async fn write_in_any_disguise_is_not_run() {
    let story = shop().await;
    let uri = story.uri("main").await;
    execute(&uri, include_str!("bites.sql")).await;
    let branch = story.branch_id("main").await;
    let asked = story.human().asked().len();
    let before = held(&uri).await;
    let cases = cases(include_str!("writes.sql"));
    assert!(cases.len() >= 60, "{}", cases.len());
    for case in cases {
        let call = json!({"project_id": "shop", "branch_id": branch, "sql": case.sql});
        let (value, is_error) = story.answer("query_database", call).await;
        assert!(is_error, "{} ran: {value}", case.sql);
        assert_eq!(value["error"]["changed"], "no", "{}: {value}", case.sql);
        assert_eq!(held(&uri).await, before, "{}: {value}", case.sql);
    }
    assert_eq!(
        story.human().asked().len(),
        asked,
        "what isn't run is asked about by nobody"
    );
}

#[tokio::test]
async fn refusal_says_why_and_names_the_call_that_runs_it() {
    let story = shop().await;
    execute(&story.uri("main").await, include_str!("bites.sql")).await;
    let call = json!({"sql": "INSERT INTO t VALUES ($1)", "params": [10]});
    let refused = story.shop_fails("query_database", call).await;
    assert_eq!(refused["kind"], "not_a_read");
    assert!(
        refused["reasons"][0]
            .as_str()
            .is_some_and(|why| why.contains("inserts rows")),
        "{refused}"
    );
    assert!(
        refused["next"].as_str().is_some_and(|next| next.contains("run_sql")),
        "{refused}"
    );
    assert_eq!(refused["call"]["tool"], "run_sql");
    // The call is good as it stands: the branch is filled in.
    let done = story.call("run_sql", refused["call"]["arguments"].clone()).await;
    assert_eq!(done["row_count"], 1);
    // What reaches a listed function under another name is found in the database.
    let reaches = story
        .shop_fails("query_database", json!({"sql": "SELECT 1 ?! 2"}))
        .await;
    assert_eq!(reaches["kind"], "not_a_read", "{reaches}");
}

#[tokio::test]
async fn branch_that_is_left_out_is_the_default_one_and_is_told() {
    let story = shop().await;
    execute(&story.uri("main").await, "create table here (x int)").await;
    let main = story.branch_id("main").await;
    let other = story.make_branch(json!({"name": "other"})).await;
    let asked = json!({"sql": "SELECT current_setting('neon.branch_id', true)"});
    let left_out = story.done("query_database", in_shop(asked)).await;
    assert_eq!(left_out["branch_id"], json!(main));
    let named = json!({"branch_id": "other", "sql": "SELECT 1"});
    let named = story.done("query_database", in_shop(named)).await;
    assert_eq!(named["branch_id"], json!(other));
    assert_eq!(rows(&named["result"]), [json!([1])]);
    // Who wrote the id itself isn't told it again.
    let by_id = json!({"branch_id": other, "sql": "SELECT 1"});
    let by_id = story.done("query_database", in_shop(by_id)).await;
    assert!(by_id.get("branch_id").is_none(), "{by_id}");
}

#[tokio::test]
async fn read_only_server_lists_the_query_in_place_of_what_writes() {
    let neon = FakeNeon::start(Vec::new()).await;
    let listed = async |options: &[&str]| {
        let server = crate::support::server::start(options, &neon.url()).await;
        let tools = server.client.list_all_tools().await.expect("a list");
        let names: Vec<String> = tools.iter().map(|tool| tool.name.to_string()).collect();
        let hinted = tools
            .iter()
            .find(|tool| tool.name == "query_database")
            .and_then(|tool| tool.annotations.clone());
        (names, hinted)
    };
    let has = |names: &[String], name: &str| names.iter().any(|known| known == name);
    let (plain, hints) = listed(&[]).await;
    assert!(
        ["query_database", "run_sql", "run_sql_transaction"]
            .iter()
            .all(|name| has(&plain, name))
    );
    let hints = hints.expect("hints");
    assert_eq!(
        (hints.read_only_hint, hints.destructive_hint),
        (Some(true), Some(false))
    );
    let (read_only, _) = listed(&["--read-only"]).await;
    assert!(
        has(&read_only, "query_database") && !has(&read_only, "run_sql") && !has(&read_only, "run_sql_transaction")
    );
    // Whoever names it gets it, and where the query isn't offered it stays.
    let (named, _) = listed(&["--read-only", "--tools", "run_sql"]).await;
    assert_eq!(named, ["run_sql"]);
    let (without, _) = listed(&["--read-only", "--exclude-tools", "query_database"]).await;
    assert!(has(&without, "run_sql"));
}

#[tokio::test]
async fn reading_caller_of_discovery_runs_proven_reads_alone() {
    let story = shop().await;
    let uri = story.uri("main").await;
    execute(&uri, include_str!("bites.sql")).await;
    let server = story.server_at(&["--discovery"], &story.sandbox().api_url()).await;
    let project = story.shop("describe_project", json!({})).await["project"]["id"].clone();
    let branch = story.branch_id("main").await;
    let before = held(&uri).await;
    let through = async |caller: &str, tool: &str, more: Value| {
        let mut arguments = json!({"project_id": project, "branch_id": branch});
        arguments
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        let call = json!({"name": tool, "arguments": arguments.to_string()});
        server.call(caller, call).await
    };
    for (tool, more) in [
        ("query_database", json!({"sql": "SELECT count(*) FROM t"})),
        ("run_sql", json!({"sql": "SELECT count(*) FROM t"})),
        (
            "run_sql_transaction",
            json!({"statements": ["SELECT 1", "SELECT count(*) FROM t"]}),
        ),
    ] {
        let (value, is_error) = through("call_read_tool", tool, more).await;
        assert!(!is_error, "{tool}: {value}");
    }
    for (tool, more) in [
        ("run_sql", json!({"sql": "INSERT INTO t VALUES (10)"})),
        ("run_sql", json!({"sql": "DELETE FROM t"})),
        // Found in the database alone, when it is run.
        ("run_sql", json!({"sql": "SELECT 1 ?! 2"})),
        (
            "run_sql_transaction",
            json!({"statements": ["SELECT 1", "UPDATE t SET x = 0 WHERE x = 1"]}),
        ),
    ] {
        let (value, is_error) = through("call_read_tool", tool, more.clone()).await;
        assert!(is_error, "{more}: {value}");
        assert_eq!(value["error"]["kind"], "wrong_caller", "{more}: {value}");
        assert_eq!(value["error"]["caller"], "call_destructive_tool");
        assert_eq!(held(&uri).await, before, "{more}");
    }
}
