//! What a tool that reads is about where it is told of no branch, database or role: the default branch, its only database, its owner.

use harness::fence::bare_value;
use neon_mcp::catalog::Effect;
use serde_json::json;

use crate::examples::{Story, in_shop};
use crate::support::arguments::arguments;
use crate::support::catalog;

const FILLED: [&str; 3] = ["branch_id", "database_name", "role_name"];

#[tokio::test]
async fn place_that_is_left_out_of_a_read_is_the_default_one() {
    let story = Story::with_data().await;
    story.make_branch(json!({"name": "dev"})).await;
    let table = json!({"branch_id": "main", "sql": "CREATE TABLE here (id int)"});
    story.shop("run_sql", table).await;
    let main = story.branch_id("main").await;
    let catalog = catalog();
    let mut tried = 0;
    for tool in catalog.tools() {
        let request = &tool.declaration.request;
        let fills = request.default_branch.is_some() || request.default_database;
        if !fills || tool.declaration.safety.effect != Effect::Read {
            continue;
        }
        let mut given = arguments(tool, false);
        given.retain(|name, _| !FILLED.contains(&name.as_str()));
        if request.default_branch.is_none() {
            given.insert("branch_id".to_owned(), "dev".into());
        }
        for (name, value) in [("sql", "SELECT * FROM here"), ("table", "here")] {
            if given.contains_key(name) {
                given.insert(name.to_owned(), value.into());
            }
        }
        let done = story.done(tool.name(), in_shop(given.into())).await;
        let branch = bare_value(&done)["branch_id"].take();
        let expected = if request.default_branch.is_some() {
            json!(main)
        } else {
            branch.clone()
        };
        assert_eq!(branch, expected, "{}: {done}", tool.name());
        tried += 1;
    }
    assert!(tried >= 9, "{tried}");
    // Which of several is meant is for the caller to say, unless one has the usual name.
    for name in ["one", "two"] {
        let made = json!({"branch_id": "main", "name": name, "owner_name": "neondb_owner"});
        story.shop("create_database", made).await;
    }
    let usual = story.shop("get_database_schema", json!({})).await;
    assert!(bare_value(&usual).to_string().contains("here"), "{usual}");
    // A change takes none of several, also where a read has just taken the usual one.
    let on_main = |sql: &str| json!({"branch_id": "main", "sql": sql});
    story.shop("run_sql", on_main("SELECT 1")).await;
    for (tool, arguments) in [
        ("run_sql", on_main("CREATE TABLE made (id int)")),
        (
            "run_sql_transaction",
            json!({"branch_id": "main", "statements": ["CREATE TABLE made (id int)"]}),
        ),
    ] {
        let error = story.shop_fails(tool, arguments).await;
        assert_eq!(
            (&error["argument"], &error["changed"]),
            (&json!("database_name"), &json!("no")),
            "{tool}: {error}"
        );
    }
    // What is tried on a copy changes nothing there, and its result says which one it took.
    let tried = story
        .shop("prepare_database_migration", on_main("CREATE TABLE made (id int)"))
        .await;
    assert_eq!(tried["database"], "neondb", "{tried}");
    let gone = json!({"branch_id": "main", "database_name": "neondb"});
    story.shop("delete_database", gone).await;
    let error = story.shop_fails("get_database_schema", json!({})).await;
    assert_eq!(error["argument"], "database_name", "{error}");
    // A compute is on one branch, which isn't the default one here: its database and role are that branch's.
    let computes = story.shop("list_branch_computes", json!({"branch_id": "dev"})).await;
    let compute = json!({"endpoint_id": bare_value(&computes["endpoints"][0]["id"])});
    let handed = story.done("get_connection_string", in_shop(compute)).await;
    assert_eq!(bare_value(&handed["password_of"])["branch"], "dev", "{handed}");
}

#[test]
fn change_falls_back_to_no_branch() {
    for tool in catalog().tools() {
        let fills = tool.declaration.request.default_branch.is_some();
        assert!(
            !fills || tool.declaration.safety.effect == Effect::Read,
            "{}",
            tool.name()
        );
    }
}

#[tokio::test]
async fn change_takes_the_only_database_and_none_of_several() {
    let story = Story::with_data().await;
    story.make_branch(json!({"name": "dev"})).await;
    let other = json!({"branch_id": "main", "name": "other", "owner_name": "neondb_owner"});
    story.shop("create_database", other).await;
    let mut tried = Vec::new();
    for tool in catalog().tools() {
        let takes = tool.property("database_name").is_some();
        let required = tool.input.get("required").and_then(|names| names.as_array());
        let must = required.is_some_and(|names| names.iter().any(|name| name == "database_name"));
        // The database of a new project is a new one.
        if !takes || must || tool.declaration.safety.effect == Effect::Read || tool.name() == "create_project" {
            continue;
        }
        let name = tool.name();
        let mut given = arguments(tool, false);
        given.retain(|name, _| !FILLED.contains(&name.as_str()));
        let table = format!("CREATE TABLE of_{name} (id int)");
        for (argument, value) in [
            ("sql", json!(table)),
            ("statements", json!([table])),
            ("changes", json!(table)),
        ] {
            if given.contains_key(argument) {
                given.insert(argument.to_owned(), value);
            }
        }
        if name == "prepare_query_tuning" {
            given.insert("sql".to_owned(), "SELECT 1".into());
        }
        let mut on = |branch: &str| {
            given.insert("branch_id".to_owned(), branch.into());
            given.clone().into()
        };
        let workflow = tool.declaration.workflow.as_ref();
        if workflow.is_some_and(|workflow| workflow.name.tries_on_a_copy()) {
            let tried = story.shop(name, on("main")).await;
            assert_eq!(tried["database"], "neondb", "{name}: {tried}");
        } else {
            let error = story.shop_fails(name, on("main")).await;
            assert_eq!(
                (&error["argument"], &error["changed"]),
                (&json!("database_name"), &json!("no")),
                "{name}: {error}"
            );
            let message = error["message"].as_str().expect("a message");
            assert!(
                message.contains("neondb") && message.contains("other"),
                "{name}: {error}"
            );
        }
        story.shop(name, on("dev")).await;
        tried.push(name);
    }
    tried.sort_unstable();
    assert_eq!(
        tried,
        [
            "prepare_database_migration",
            "prepare_query_tuning",
            "provision_neon_auth",
            "run_sql",
            "run_sql_transaction"
        ]
    );
}

#[tokio::test]
async fn read_falls_back_to_the_branch_that_the_operator_fixed() {
    let story = Story::with_data().await;
    story.make_branch(json!({"name": "dev"})).await;
    story
        .shop(
            "run_sql",
            json!({"branch_id": "dev", "sql": "CREATE TABLE here (id int)"}),
        )
        .await;
    let dev = story.branch_id("dev").await;
    let flags = ["--toolsets", "all", "--branch", "dev"];
    let server = story.server_at(&flags, &story.sandbox().api_url()).await;
    let listed = server.client.list_all_tools().await.expect("a list");
    for tool in catalog().tools() {
        let Some(argument) = &tool.declaration.request.default_branch else {
            continue;
        };
        let name = tool.name();
        let published = listed.iter().find(|one| one.name == name).expect("it is listed");
        let taken = published
            .input_schema
            .get("properties")
            .and_then(|all| all.get(argument));
        assert!(taken.is_none(), "{name} takes {argument}");
        let mut given = arguments(tool, false);
        given.retain(|name, _| !FILLED.contains(&name.as_str()));
        for (name, value) in [("sql", "SELECT * FROM here"), ("table", "here")] {
            if given.contains_key(name) {
                given.insert(name.to_owned(), value.into());
            }
        }
        let (value, is_error) = server.call(name, in_shop(given.into())).await;
        assert!(!is_error, "{name}: {value}");
        assert_eq!(bare_value(&value)["branch_id"], json!(dev), "{name}");
    }
}
