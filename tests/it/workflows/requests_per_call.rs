//! How many requests a call of each workflow tool is: the first one of a server, and the next.

use harness::assert_worded;
use std::collections::BTreeSet;

use neon_mcp::catalog::Catalog;
use serde_json::{Value, json};

use super::{rows, shop, sql};
use crate::examples::text;
use crate::support::fake_neon::{FakeNeon, Reply};
use crate::support::human::Manner;
use crate::support::proxy::Counting;

/// A tool, what is special about the call, and its requests when the server knows nothing yet and when it does. Looks at
/// operations under way are left out: how many there are is time's to say.
const TABLE: &[(&str, &str, usize, usize)] = &[
    ("query_database", "a read", 3, 1),
    ("query_database", "the default branch", 4, 2),
    ("run_sql", "a read", 3, 1),
    ("run_sql", "a read of a given database and role", 2, 1),
    ("run_sql", "a write", 5, 3),
    ("run_sql", "a deletion on a throwaway branch", 5, 3),
    ("run_sql_transaction", "reads", 3, 1),
    ("run_sql_transaction", "writes", 5, 3),
    ("get_database_tables", "", 3, 1),
    ("describe_table_schema", "", 3, 1),
    ("explain_sql_statement", "", 3, 1),
    ("list_slow_queries", "", 3, 1),
    ("inspect_database", "", 3, 1),
    ("create_throwaway_branch", "", 4, 4),
    ("list_throwaway_branches", "", 1, 1),
    ("delete_throwaway_branches", "one branch", 4, 4),
    ("reset_from_parent", "of a throwaway branch", 3, 3),
    // What the base is, is told in words.
    ("compare_database_schema", "no difference", 3, 3),
    ("compare_database_schema", "a difference", 5, 5),
    ("compare_database_schema", "a difference from a given branch", 4, 4),
    ("prepare_database_migration", "one part", 10, 8),
    ("prepare_query_tuning", "measured", 12, 10),
    ("complete_database_migration", "", 9, 8),
    ("complete_database_migration", "discarded", 4, 4),
    ("complete_query_tuning", "", 10, 9),
    ("search", "", 3, 3),
    ("fetch", "an organization", 1, 1),
    ("fetch", "a project", 2, 2),
    ("fetch", "a branch", 4, 4),
    ("list_docs_resources", "", 0, 0),
    ("get_doc_resource", "", 0, 0),
];

#[tokio::test]
async fn each_workflow_sends_as_few_requests_as_the_table_says() {
    let story = shop().await;
    story.human().changes_to(Manner::Declines);
    sql(&story, "main", "CREATE TABLE t (x int)").await;
    let project = story.shop("describe_project", json!({})).await["project"]["id"].clone();
    let main = story.branch_id("main").await;
    // Two of each for what uses a branch up.
    let mut throwaways = Vec::new();
    for _ in 0..6 {
        let made = story.shop("create_throwaway_branch", json!({})).await;
        throwaways.push(made["branch_id"].clone());
    }
    let id_of = |of: usize| throwaways[of].as_str().expect("an id").to_owned();
    sql(&story, &id_of(4), "CREATE TABLE other (x int)").await;
    let documentation =
        FakeNeon::always(Reply::raw(200, "- [A page](a-page.md)\n").header("content-type", "text/markdown")).await;
    let docs = format!("{}/docs", documentation.origin());
    let organization = story.shop("describe_project", json!({})).await["project"]["org_id"].clone();
    let proxy = Counting::before(&story.sandbox().api_url()).await;
    let mut found = Vec::new();
    for (tool, what, ..) in TABLE {
        let on = |branch: &Value, more: Value| {
            let mut all = json!({"project_id": project, "branch_id": branch});
            all.as_object_mut()
                .expect("an object")
                .extend(more.as_object().cloned().unwrap_or_default());
            all
        };
        let main = Value::from(main.as_str());
        let calls = match (*tool, *what) {
            (_, "a read") => vec![on(&main, json!({"sql": "SELECT * FROM t"})); 2],
            (_, "the default branch") => vec![json!({"project_id": project, "sql": "SELECT * FROM t"}); 2],
            (_, "a read of a given database and role") => {
                let given = json!({"sql": "SELECT 1", "database_name": "neondb", "role_name": "neondb_owner"});
                vec![on(&main, given); 2]
            }
            (_, "a write") => vec![on(&main, json!({"sql": "INSERT INTO t VALUES (1)"})); 2],
            (_, "a deletion on a throwaway branch") => vec![on(&throwaways[0], json!({"sql": "DELETE FROM t"})); 2],
            (_, "reads") => vec![on(&main, json!({"statements": ["SELECT 1", "SELECT 2"]})); 2],
            (_, "writes") => vec![on(&main, json!({"statements": ["INSERT INTO t VALUES (1)", "SELECT 2"]})); 2],
            ("describe_table_schema", _) => vec![on(&main, json!({"table": "t"})); 2],
            ("explain_sql_statement", _) => vec![on(&main, json!({"sql": "SELECT * FROM t"})); 2],
            ("create_throwaway_branch" | "list_throwaway_branches", _) => vec![json!({"project_id": project}); 2],
            ("delete_throwaway_branches", _) => [&throwaways[2], &throwaways[3]]
                .map(|branch| json!({"project_id": project, "branches": [branch]}))
                .to_vec(),
            ("complete_database_migration", what) => ["a", "b"]
                .map(|column| {
                    let script = format!("ALTER TABLE t ADD COLUMN {column}_{} int", what.len());
                    match what {
                        "discarded" => on(&main, json!({"sql": script, "discard": true})),
                        _ => on(&main, json!({"sql": script})),
                    }
                })
                .to_vec(),
            ("complete_query_tuning" | "prepare_query_tuning", _) => ["x", "y"]
                .map(|name| on(&main, json!({"sql": "SELECT * FROM t WHERE x = 1", "changes": format!("CREATE INDEX by_{name} ON t (x)")})))
                .to_vec(),
            ("prepare_database_migration", _) => vec![on(&main, json!({"sql": "ALTER TABLE t ADD COLUMN z int"})); 2],
            ("search", _) => vec![json!({"query": "shop"}); 2],
            ("fetch", "an organization") => vec![json!({"id": format!("org:{}", text(&organization))}); 2],
            ("fetch", "a project") => vec![json!({"id": format!("project:{}", text(&project))}); 2],
            ("fetch", _) => vec![json!({"id": format!("branch:{}/{}", text(&project), text(&main))}); 2],
            ("list_docs_resources", _) => vec![json!({}); 2],
            ("get_doc_resource", _) => vec![json!({"slug": "a-page"}); 2],
            ("compare_database_schema", "no difference") => vec![on(&throwaways[5], json!({"db_name": "neondb"})); 2],
            ("compare_database_schema", "a difference") => vec![on(&throwaways[4], json!({"db_name": "neondb"})); 2],
            ("compare_database_schema", _) => {
                vec![on(&throwaways[4], json!({"db_name": "neondb", "base_branch_id": throwaways[5]})); 2]
            }
            ("reset_from_parent", _) => vec![on(&throwaways[1], json!({})); 2],
            _ => vec![on(&main, json!({})); 2],
        };
        // A server of its own knows nothing yet.
        let server = story
            .server_at(&["--toolsets", "all", "--docs-url", &docs], &proxy.url())
            .await;
        let mut counts = Vec::new();
        let mut seen = Vec::new();
        for mut call in calls {
            // What completes is prepared first, which doesn't count.
            let preparing = match *tool {
                "complete_database_migration" => Some(("prepare_database_migration", "migration")),
                "complete_query_tuning" => Some(("prepare_query_tuning", "tuning")),
                _ => None,
            };
            if let Some((prepare, handle)) = preparing {
                let discards = call.as_object_mut().and_then(|call| call.remove("discard"));
                let (value, is_error) = server.call(prepare, call).await;
                assert!(!is_error, "{tool} {what}: {value}");
                call = on(&main, json!({handle: value["result"][handle]}));
                if let Some(discard) = discards {
                    call["discard"] = discard;
                }
            }
            proxy.taken();
            let (value, is_error) = server.call(tool, call).await;
            assert!(!is_error, "{tool} {what}: {value}");
            let mut sent = proxy.taken();
            sent.retain(|request| !(request.starts_with("GET") && request.contains("/operations")));
            counts.push(sent.len());
            seen.push(sent);
        }
        found.push((*tool, *what, counts[0], counts[1], seen));
    }
    assert_eq!(
        story.human().asked(),
        [],
        "nobody was asked, which would be more requests"
    );
    let wrong: Vec<_> = TABLE
        .iter()
        .zip(&found)
        .filter(|((.., cold, warm), (_, _, found_cold, found_warm, _))| (cold, warm) != (found_cold, found_warm))
        .map(|(_, found)| format!("{found:#?}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let listed: BTreeSet<&str> = TABLE.iter().map(|(tool, ..)| *tool).collect();
    let catalog = Catalog::embedded().expect("the catalogue loads");
    let workflows: BTreeSet<&str> = catalog
        .tools()
        .iter()
        .filter(|tool| tool.declaration.workflow.is_some() || tool.declaration.output.adds.is_some())
        .map(|tool| tool.name())
        .collect();
    assert_eq!(listed, workflows, "the table has every workflow");
}

#[tokio::test]
async fn a_project_without_stored_passwords_says_what_to_do() {
    let story = shop().await;
    story
        .make_project(json!({"name": "sealed", "store_passwords": false}))
        .await;
    let given = json!({"project_id": "sealed", "branch_id": "main", "sql": "SELECT 1"});
    let refused = story.fails("run_sql", given).await;
    assert_eq!(refused["status"], 412, "{refused}");
    assert_eq!(refused["changed"], "no", "{refused}");
    assert_worded!("errors", "project that stores no passwords", refused["next"]);
}

#[tokio::test]
async fn a_connection_string_is_forgotten_when_its_login_is_refused() {
    let story = shop().await;
    let proxy = Counting::before(&story.sandbox().api_url()).await;
    let server = story.server_at(&["--toolsets", "all"], &proxy.url()).await;
    let project = story.shop("describe_project", json!({})).await["project"]["id"].clone();
    let call = json!({"project_id": project, "branch_id": story.branch_id("main").await, "sql": "SELECT 1"});
    for requests in [3, 1] {
        proxy.taken();
        let (value, is_error) = server.call("run_sql", call.clone()).await;
        assert!(!is_error, "{value}");
        assert_eq!(proxy.taken().len(), requests);
    }
    // Somebody else changes the password.
    let role = json!({"branch_id": "main", "role_name": "neondb_owner"});
    story.shop("reset_role_password", role).await;
    proxy.taken();
    let (value, is_error) = server.call("run_sql", call.clone()).await;
    assert!(!is_error, "{value}");
    assert_eq!(rows(&value["result"]), [json!([1])]);
    assert_eq!(
        proxy.taken().len(),
        3,
        "one that was refused, then how to connect as the same role, and the statement"
    );
    // A statement that writes is sent again as well: who wasn't let in has run nothing.
    let mut write = call;
    write["sql"] = "CREATE TABLE once (x int)".into();
    let role = json!({"branch_id": "main", "role_name": "neondb_owner"});
    story.shop("reset_role_password", role).await;
    let (value, is_error) = server.call("run_sql", write).await;
    assert!(!is_error, "{value}");
}

#[tokio::test]
async fn another_connection_after_a_refused_one_leads_to_the_same_database() {
    let story = shop().await;
    let server = story
        .server_at(&["--toolsets", "all"], &story.sandbox().api_url())
        .await;
    let project = story.shop("describe_project", json!({})).await["project"]["id"].clone();
    let branch = story.branch_id("main").await;
    let run = async |database: Option<&str>, sql: &str| {
        let mut call = json!({"project_id": project, "branch_id": branch, "sql": sql});
        if let Some(database) = database {
            call["database_name"] = database.into();
        }
        server.call("run_sql", call).await
    };
    // Known by two names: of the only database, and of `neondb`.
    for database in [None, Some("neondb")] {
        let (value, is_error) = run(database, "SELECT 1").await;
        assert!(!is_error, "{value}");
    }
    // Meanwhile, elsewhere: the only database is another one, with another password of its owner.
    let other = json!({"branch_id": "main", "name": "other", "owner_name": "neondb_owner"});
    story.shop("create_database", other).await;
    let table = json!({"branch_id": "main", "database_name": "other", "sql": "CREATE TABLE t AS SELECT 1 AS x"});
    story.shop("run_sql", table).await;
    let gone = json!({"branch_id": "main", "database_name": "neondb"});
    story.shop("delete_database", gone).await;
    let role = json!({"branch_id": "main", "role_name": "neondb_owner"});
    story.shop("reset_role_password", role).await;
    let (value, is_error) = run(Some("neondb"), "INSERT INTO t VALUES (2)").await;
    assert!(is_error, "{value}");
    let (value, is_error) = run(Some("neondb"), "SELECT count(*) FROM t").await;
    assert!(is_error, "{value}");
    let count = json!({"branch_id": "main", "database_name": "other", "sql": "SELECT count(*) FROM t"});
    let count = story.shop("run_sql", count).await;
    assert_eq!(rows(&count), [json!(["1"])]);
    // Without a name it is the only one again.
    let (value, is_error) = run(None, "SELECT count(*) FROM t").await;
    assert!(!is_error, "{value}");
}
