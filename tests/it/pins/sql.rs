//! The same with SQL, on a sandbox: the branch, its throwaway branches, migrations and their trials.

use crate::examples::Story;
use harness::sandbox_process::execute_as_superuser;
use serde_json::{Value, json};

use crate::support::server::{Era, TestClient, TestServer, program};

async fn shop() -> Story {
    let story = crate::workflows::shop().await;
    story.shop("create_branch", json!({"name": "dev"})).await;
    story
}

/// Another server on the same sandbox, with these flags.
async fn bounded(story: &Story, flags: &[&str]) -> TestServer {
    let mut all = vec!["--toolsets", "all"];
    all.extend(flags);
    let mut command = program(&all, &story.sandbox().api_url(), story.sandbox().api_key());
    command.env("NEON_MCP_LOG", "error");
    TestServer::run(command, TestClient::with(story.human().clone()), Era::Legacy).await
}

async fn done(server: &TestServer, tool: &str, arguments: Value) -> Value {
    let (value, is_error) = server.call(tool, arguments).await;
    assert!(!is_error, "{tool}: {value}");
    value
}

#[tokio::test]
async fn pinned_branch_is_where_sql_throwaway_branches_and_migrations_are() {
    let story = shop().await;
    let project = story.shop("describe_project", json!({})).await["project"]["id"].clone();
    let project = project.as_str().expect("an id");
    let server = bounded(&story, &["--project-id", project, "--branch", "dev"]).await;
    done(&server, "run_sql", json!({"sql": "CREATE TABLE here (x int)"})).await;
    let on_main = crate::workflows::rows(
        &crate::workflows::sql(
            &story,
            "main",
            "SELECT count(*) FROM pg_tables WHERE tablename = 'here'",
        )
        .await,
    );
    assert_eq!(on_main, [json!(["0"])], "main has no such table");
    let made = done(&server, "create_throwaway_branch", json!({})).await;
    let undo = &made["undo"];
    assert_eq!(undo["tool"], "delete_throwaway_branches", "{made}");
    done(&server, "delete_throwaway_branches", undo["arguments"].clone()).await;
    let prepared = done(
        &server,
        "prepare_database_migration",
        json!({"sql": "ALTER TABLE here ADD y int"}),
    )
    .await;
    let migration = prepared["result"]["migration"].clone();
    done(&server, "complete_database_migration", json!({"migration": migration})).await;
    done(&server, "run_sql", json!({"sql": "SELECT y FROM here"})).await;
    // Nothing of the trial is left.
    let left = done(&server, "list_throwaway_branches", json!({})).await;
    assert_eq!(left["result"]["returned"], 0, "{left}");
}

#[tokio::test]
async fn production_is_reached_by_no_sql_where_one_line_denies_it() {
    let story = shop().await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "denied_branches = [\"@default\", \"@protected\"]\n").expect("written");
    let path = file.path().to_str().expect("a path");
    let server = bounded(&story, &["--policy", path]).await;
    let on = |branch: &str, sql: &str| json!({"project_id": "shop", "branch_id": branch, "sql": sql});
    done(&server, "run_sql", on("dev", "CREATE TABLE t (x int)")).await;
    for sql in ["SELECT 1", "CREATE TABLE t (x int)", "DROP TABLE t", "no sql"] {
        let (value, is_error) = server.call("run_sql", on("main", sql)).await;
        assert!(
            is_error && value["error"]["rule"] == "denied_branches",
            "{sql}: {value}"
        );
    }
    done(
        &server,
        "prepare_database_migration",
        on("dev", "ALTER TABLE t ADD y int"),
    )
    .await;
    // Another branch becomes the default: that one is production from then on.
    story.shop("set_default_branch", json!({"branch_id": "dev"})).await;
    let (value, is_error) = server.call("run_sql", on("dev", "SELECT 1")).await;
    assert!(is_error && value["error"]["rule"] == "denied_branches", "{value}");
}

/// Statements that would act for `low`, of which `reader` is a member, or change roles: lists of one call each.
const TAKING: [&[&str]; 43] = [
    &["SET ROLE low"],
    &["SET role = low"],
    &["SET role='low'"],
    &["SET LOCAL role = low"],
    &["SET SESSION role = low"],
    &["SET/**/role/**/=/**/low"],
    &["SET \"role\" TO low"],
    &["SET U&\"\\0072ole\" TO low"],
    &["SET SESSION AUTHORIZATION low"],
    &["SET session_authorization TO low"],
    &["SET session_authorization = 'low'"],
    &["SELECT set_config('role', 'low', false)"],
    &["SELECT set_config('ro' || 'le', 'low', true)"],
    &["SELECT set_config(name, 'low', false) FROM pg_settings WHERE name ~ '^rol'"],
    &["SELECT pg_catalog.set_config(setting_name => 'role', new_value => 'low', is_local => false)"],
    &["EXPLAIN ANALYZE SELECT set_config('role', 'low', false)"],
    &["UPDATE pg_settings SET setting = 'low' WHERE name = 'role'"],
    &[
        "DECLARE c CURSOR FOR SELECT set_config('role', 'low', false)",
        "FETCH c",
    ],
    &["PREPARE p AS SELECT set_config('role', 'low', false)", "EXECUTE p"],
    &[
        "PREPARE p(text) AS SELECT set_config($1, 'low', false)",
        "EXECUTE p('role')",
    ],
    &[
        "CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE plpgsql AS $$BEGIN SET ROLE low; RETURN current_user; END$$",
        "SELECT pg_temp.f()",
    ],
    &[
        "CREATE FUNCTION mine.f() RETURNS text LANGUAGE plpgsql SET role=low AS $$BEGIN RETURN current_user; END$$",
        "SELECT mine.f()",
    ],
    &[
        "CREATE FUNCTION mine.f() RETURNS text LANGUAGE plpgsql SET role TO low AS $$BEGIN RETURN current_user; END$$",
        "SELECT mine.f()",
    ],
    &[
        "CREATE FUNCTION mine.f() RETURNS text LANGUAGE sql AS $$SELECT set_config('role', 'low', false)$$",
        "SELECT mine.f()",
    ],
    &["CREATE OR REPLACE FUNCTION mine.f() RETURNS text LANGUAGE sql AS $$SELECT 'x'$$"],
    &[
        "CREATE PROCEDURE mine.p() LANGUAGE plpgsql AS $$BEGIN SET ROLE low; END$$",
        "CALL mine.p()",
    ],
    &[
        "CREATE VIEW mine.v AS SELECT set_config('role', 'low', false)",
        "SELECT * FROM mine.v",
    ],
    &[
        "CREATE VIEW mine.v AS SELECT set_config(s.x, 'low', false) FROM (VALUES ('role')) s(x)",
        "SELECT * FROM mine.v",
    ],
    &[
        "CREATE VIEW mine.v AS SELECT * FROM pg_settings",
        "UPDATE mine.v SET setting = 'low' WHERE name = 'role'",
    ],
    &[
        "CREATE TEMP TABLE z (x text DEFAULT set_config('role', 'low', false))",
        "INSERT INTO z DEFAULT VALUES",
    ],
    &[
        "CREATE TEMP TABLE z (x text CHECK (set_config('role', 'low', false) IS NOT NULL))",
        "INSERT INTO z VALUES ('1')",
    ],
    &["CREATE TEMP TABLE z AS SELECT set_config('role', 'low', false)"],
    &["CREATE OPERATOR mine.=== (FUNCTION = set_config, LEFTARG = text, RIGHTARG = text)"],
    &["DO $$BEGIN SET ROLE low; END$$"],
    &["DO $$BEGIN EXECUTE 'set ro' || 'le low'; END$$"],
    &["DO $$BEGIN PERFORM set_config('role', 'low', false); END$$"],
    &["DO $$BEGIN CREATE ROLE evil LOGIN PASSWORD 'x'; END$$"],
    &["DO $$BEGIN GRANT low TO reader; END$$"],
    &["SELECT query_to_xml('SELECT set_config(''role'', ''low'', false)', true, true, '')"],
    &["ALTER FUNCTION planted() SET role = low"],
    &["CREATE ROLE evil"],
    &["ALTER ROLE reader SET role = low"],
    &["GRANT low TO reader"],
];

#[tokio::test]
async fn bounded_role_is_left_by_no_sql() {
    let story = shop().await;
    let project = story.shop("describe_project", json!({})).await["project"]["id"].clone();
    let project = project.as_str().expect("an id");
    story
        .shop("create_role", json!({"branch_id": "dev", "name": "reader"}))
        .await;
    execute_as_superuser(
        &story.uri("dev").await,
        &["CREATE ROLE low NOLOGIN; GRANT low TO reader; CREATE SCHEMA mine AUTHORIZATION reader;
         CREATE TABLE secret (x text); INSERT INTO secret VALUES ('top'); ALTER TABLE secret OWNER TO low;
         CREATE FUNCTION planted() RETURNS text LANGUAGE plpgsql AS $$BEGIN SET ROLE low; RETURN 'taken'; END$$;
         CREATE FUNCTION planted_local() RETURNS text LANGUAGE plpgsql AS $$BEGIN PERFORM set_config('role', 'low', true); RETURN 'taken'; END$$;
         CREATE PROCEDURE planted_procedure() LANGUAGE plpgsql AS $$BEGIN SET ROLE low; END$$;
         CREATE FUNCTION planted_deferred() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN SET ROLE low; RETURN NEW; END$$;
         CREATE TABLE mine.queue (x int); ALTER TABLE mine.queue OWNER TO reader;
         CREATE CONSTRAINT TRIGGER later AFTER INSERT ON mine.queue DEFERRABLE INITIALLY DEFERRED
           FOR EACH ROW EXECUTE FUNCTION planted_deferred();"],
    )
    .await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "allowed_roles = [\"reader\"]\n").expect("written");
    let path = file.path().to_str().expect("a path");
    for (flags, named) in [
        (vec!["--project-id", project, "--role", "reader"], false),
        (vec!["--project-id", project, "--policy", path], true),
    ] {
        let server = bounded(&story, &flags).await;
        let on_dev = |mut more: Value| {
            more["branch_id"] = "dev".into();
            if named {
                more["role_name"] = "reader".into();
            }
            more
        };
        let asked = story.human().count();
        let denied = async |tool: &str, more: Value| {
            let (value, is_error) = server.call(tool, on_dev(more.clone())).await;
            assert!(
                is_error && value["error"]["kind"] == "denied_by_policy",
                "{flags:?}: {tool} {more}: {value}"
            );
            assert_eq!(story.human().count(), asked, "{more}");
        };
        let migrate = "prepare_database_migration";
        for statements in TAKING {
            let more = [statements, &["SELECT current_user, (SELECT count(*) FROM secret)"]].concat();
            denied("run_sql_transaction", json!({"statements": more})).await;
            denied("run_sql", json!({"sql": statements[0]})).await;
            denied(
                migrate,
                json!({"sql": format!("{}; CREATE TABLE mine.m (x int)", statements.join("; "))}),
            )
            .await;
        }
        // What was in the database before isn't seen in a text: it is held where it lasts beyond its statement.
        for statement in ["SELECT planted()", "SELECT planted_local()", "CALL planted_procedure()"] {
            let more = json!({"statements": [statement, "SELECT count(*) FROM secret"]});
            denied("run_sql_transaction", more).await;
            denied("run_sql", json!({"sql": statement})).await;
        }
        denied("query_database", json!({"sql": "SELECT planted()"})).await;
        denied("run_sql", json!({"sql": "INSERT INTO mine.queue VALUES (1)"})).await;
        // Where nothing is measured, too, and where it is only tried.
        let made = done(&server, "create_throwaway_branch", json!({"parent_id": "dev"})).await;
        let throwaway = made["result"]["branch_id"].clone();
        let mut more = on_dev(json!({"statements": ["SELECT planted()", "SELECT count(*) FROM secret"]}));
        more["branch_id"] = throwaway;
        let (value, is_error) = server.call("run_sql_transaction", more).await;
        assert!(is_error && value["error"]["kind"] == "denied_by_policy", "{value}");
        let sql = "CREATE TABLE mine.m (x int); SELECT planted(); DROP TABLE mine.m";
        let (value, is_error) = server.call(migrate, on_dev(json!({"sql": sql}))).await;
        assert!(is_error, "{value}");
        // What takes no role runs.
        for sql in [
            "CREATE TABLE mine.own (role text)",
            "SET LOCAL lock_timeout = '1s'",
            "SELECT set_config('app.user', '7', true)",
            "RESET ROLE",
            "INSERT INTO mine.own VALUES ('low')",
        ] {
            done(
                &server,
                "run_sql_transaction",
                on_dev(json!({"statements": ["SELECT 1", sql]})),
            )
            .await;
        }
        let mine = done(&server, "query_database", on_dev(json!({"sql": "SELECT current_user"}))).await;
        assert_eq!(crate::workflows::rows(&mine["result"]), [json!(["reader"])]);
        execute_as_superuser(&story.uri("dev").await, &["DROP TABLE mine.own"]).await;
    }
}

#[tokio::test]
async fn connection_that_another_caller_made_is_taken_within_ones_own_bounds() {
    let story = shop().await;
    let state = crate::support::server::state_home();
    let write = |name: &str, text: &str| {
        let path = state.join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("a path").to_owned()
    };
    let role = write("role.toml", "allowed_roles = [\"app\"]\n# end\n");
    let database = write("database.toml", "allowed_databases = [\"reporting\"]\n# end\n");
    let all = crate::auth::made(&["all"], &state).await;
    let of_role = crate::auth::made(&["role", "--policy", &role], &state).await;
    let of_database = crate::auth::made(&["database", "--policy", &database], &state).await;
    let arguments = [
        "http",
        "--listen",
        "127.0.0.1:0",
        "--toolsets",
        "all",
        "--auth",
        "bearer",
    ];
    let command = program(&arguments, &story.sandbox().api_url(), story.sandbox().api_key());
    let mut server = crate::support::http::OverHttp::start(command, &state).await;
    let mut clients = Vec::new();
    for token in [all, of_role, of_database] {
        server.token = Some(token);
        clients.push(server.client(TestClient::alone(), Era::Modern).await);
    }
    let project = story.shop("describe_project", json!({})).await["project"]["id"].clone();
    let asks = async |client: usize, tool: &str, sql: &str| {
        let mut arguments = json!({"project_id": project, "branch_id": "main"});
        match tool {
            "run_sql_transaction" => arguments["statements"] = json!([sql]),
            "describe_table_schema" => arguments["table_name"] = json!("mine"),
            _ => arguments["sql"] = json!(sql),
        }
        crate::support::server::call(&clients[client], tool, arguments).await
    };
    let (value, is_error) = asks(0, "run_sql", "CREATE TABLE mine (x int)").await;
    assert!(!is_error, "{value}");
    let tools = [
        ("query_database", "SELECT current_user"),
        ("run_sql", "SELECT current_user"),
        ("run_sql", "INSERT INTO mine VALUES (1)"),
        ("run_sql_transaction", "INSERT INTO mine VALUES (2)"),
        ("describe_table_schema", ""),
    ];
    // Whoever comes first, each is held to its own bounds: also where the connection is known from another.
    for round in 0..2 {
        for (tool, sql) in tools {
            for bounded in [1, 2] {
                let (value, is_error) = asks(bounded, tool, sql).await;
                assert!(
                    is_error && value["error"]["kind"] == "denied_by_policy",
                    "{round} {bounded} {tool} {sql}: {value}"
                );
            }
            let (value, is_error) = asks(0, tool, sql).await;
            assert!(!is_error, "{tool} {sql}: {value}");
        }
    }
    let (value, _) = asks(0, "query_database", "SELECT count(*) = 4 AS is_four FROM mine").await;
    assert!(value["result"].to_string().contains("true"), "{value}");
}
