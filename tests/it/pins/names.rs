//! No call names another role or database than it may, and none is handed over.

use neon_mcp::catalog::Named;
use serde_json::{Value, json};

use super::{catalog, rule, server, with};
use crate::support::arguments::arguments;
use crate::support::world::{BRANCH, PROJECT, World};

#[tokio::test]
async fn role_or_database_out_of_bounds_is_named_by_no_argument_of_any_tool() {
    for (policy, named, expected) in [
        ("allowed_roles = [\"abc\"]", Named::Role, "allowed_roles"),
        ("allowed_databases = [\"ab?\"]", Named::Database, "allowed_databases"),
    ] {
        let world = World::start().await;
        let server = server(&world, &[], policy).await;
        let mut calls = 0;
        for tool in catalog().tools() {
            let properties = tool.input["properties"].as_object().expect("properties");
            for name in properties
                .keys()
                .filter(|name| tool.names_in_postgres(name) == Some(named))
            {
                let (value, is_error) = server
                    .call(tool.name(), with(arguments(tool, false), name, "other"))
                    .await;
                assert!(
                    is_error && rule(&value) == expected,
                    "{policy}: {}, {name}: {value}",
                    tool.name()
                );
                assert!(!value.to_string().contains("canary-password"), "{value}");
                calls += 1;
            }
        }
        assert!(calls >= 10, "{calls}");
        assert_eq!(world.changes(), [] as [&str; 0]);
        let asked = world.upstream.requests();
        assert!(
            !asked.iter().any(|request| request.target.contains("connection_uri")),
            "{policy}"
        );
    }
}

#[tokio::test]
async fn role_that_is_taken_when_none_is_named_is_held_to_the_bounds() {
    let world = World::start().await;
    let server = server(&world, &[], "allowed_roles = [\"reader\"]").await;
    // The owner of the database is another.
    let given = json!({"project_id": PROJECT, "branch_id": BRANCH, "sql": "SELECT 1"});
    let (value, is_error) = server.call("run_sql", given).await;
    assert!(is_error && rule(&value) == "allowed_roles", "{value}");
    assert!(!world.upstream.requests().iter().any(|request| request.path() == "/sql"));
}

#[tokio::test]
async fn flags_take_roles_and_databases_out_of_every_schema_and_fill_them_in() {
    let world = World::start().await;
    let server = server(&world, &["--role", "reader", "--database", "shop"], "").await;
    for tool in server.client.list_all_tools().await.expect("tools") {
        let schema = Value::Object((*tool.input_schema).clone());
        for name in ["role_name", "database_name", "db_name"] {
            assert!(schema["properties"].get(name).is_none(), "{}: {name}", tool.name);
        }
    }
    let (_, is_error) = server
        .call(
            "get_connection_string",
            json!({"project_id": PROJECT, "branch_id": BRANCH}),
        )
        .await;
    assert!(!is_error);
    let given = json!({"project_id": PROJECT, "branch_id": BRANCH, "sql": "SELECT 1"});
    let (_, is_error) = server.call("run_sql", given).await;
    assert!(!is_error);
    let requests = world.upstream.requests();
    let strings: Vec<&str> = requests
        .iter()
        .filter(|request| request.path().ends_with("connection_uri"))
        .map(|request| request.query())
        .collect();
    assert_eq!(strings.len(), 2, "{strings:?}");
    for query in strings {
        assert!(
            query.contains("role_name=reader") && query.contains("database_name=shop"),
            "{query}"
        );
    }
    // What opens every role isn't offered.
    let (value, is_error) = server
        .call(
            "create_role",
            json!({"project_id": PROJECT, "branch_id": BRANCH, "name": "x"}),
        )
        .await;
    assert!(is_error && rule(&value) == "--role", "{value}");
    let listed = server.client.list_all_tools().await.expect("tools");
    for name in ["create_api_key", "create_organization_api_key"] {
        assert!(!listed.iter().any(|tool| tool.name == name), "{name}");
    }
}

#[tokio::test]
async fn sql_that_takes_or_changes_a_role_is_denied_where_roles_are_bounded() {
    let world = World::start().await;
    for (flags, policy) in [(vec!["--role", "abc"], ""), (vec![], "allowed_roles = [\"abc\"]")] {
        let server = server(&world, &flags, policy).await;
        for sql in [
            "SET ROLE other",
            "SET LOCAL ROLE other",
            "SET role TO other",
            "SET SESSION AUTHORIZATION other",
            "SELECT set_config('role', 'other', false)",
            "ALTER ROLE other PASSWORD 'x'",
            "ALTER USER other LOGIN",
            "CREATE ROLE next",
            "DROP ROLE other",
            "GRANT other TO abc",
            "SELECT 1; SET ROLE other; SELECT 2",
            "SET role = other",
            "SET LOCAL role = 'other'",
            "DO $$ BEGIN SET ROLE other; END $$",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "PREPARE p AS SELECT 1",
            "SELECT set_config($1, 'other', true)",
            "CREATE VIEW v AS SELECT set_config('a.b', 'other', false)",
        ] {
            let given = json!({"project_id": PROJECT, "branch_id": BRANCH, "sql": sql});
            let (value, is_error) = server.call("run_sql", given).await;
            assert!(is_error, "{sql}: {value}");
            let denied = value["error"]["kind"] == "denied_by_policy";
            // Several statements are another tool's.
            assert!(denied || sql.contains("; "), "{sql}: {value}");
            let given = json!({"project_id": PROJECT, "branch_id": BRANCH, "statements": ["SELECT 1", sql]});
            let (value, is_error) = server.call("run_sql_transaction", given).await;
            assert!(is_error, "{sql}: {value}");
        }
        let mut given = json!({"project_id": PROJECT, "branch_id": BRANCH, "sql": "GRANT SELECT ON t TO other"});
        if flags.is_empty() {
            given["role_name"] = "abc".into();
        }
        let (value, _) = server.call("run_sql", given).await;
        assert_ne!(value["error"]["kind"], "denied_by_policy", "{value}");
    }
    assert!(!world.changes().iter().any(|change| change.contains("ROLE")));
}
