//! Scripts of tools, and texts that no server runs.

use harness::assert_worded;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::examples::Story;
use crate::support::http::{connect, plain, token};
use crate::support::human::Manner;
use crate::support::server::{Era, TestClient, call, program, state_home};

async fn fails(story: &Story, tool: &str, sql: &str) -> Value {
    let arguments = match tool {
        "run_sql_transaction" => json!({"branch_id": "main", "statements": ["SELECT 1", sql]}),
        _ => json!({"branch_id": "main", "sql": sql}),
    };
    story.shop_fails(tool, arguments).await
}

#[tokio::test]
async fn somebody_sent_what_psql_understands() {
    let story = Story::with_data().await;
    story.human().changes_to(Manner::Accepts);
    for (text, says) in [
        ("\\restrict abc", "only guard psql"),
        ("\\dt", "a command of psql's own"),
        ("\\copy t FROM 'x.csv'", "INSERT"),
        ("\\connect other", "database_name"),
        ("SELECT 'DROP TABLE t' \\gexec", "run the query"),
        ("SELECT * FROM t WHERE x = :id", "write its value there"),
        ("COPY t (x) FROM stdin", "pg_dump --inserts"),
        ("COPY t (x) FROM stdin;\n1\n2\n\\.\n", "pg_dump --inserts"),
        ("COPY t TO STDOUT", "SELECT"),
    ] {
        for tool in ["run_sql", "run_sql_transaction", "prepare_database_migration"] {
            let error = fails(&story, tool, text).await;
            assert_eq!(error["kind"], "invalid_arguments", "{tool} {text}: {error}");
            let said = error.to_string();
            assert!(said.contains(says), "{tool} {text}: {said}");
            assert!(
                tool != "prepare_database_migration" || !said.contains("run_sql"),
                "no less safe way round: {said}"
            );
        }
    }
    assert_eq!(story.asked(), 0, "nobody is asked about it");
    assert_eq!(story.branches().await, ["main"], "no branch is made for it");
}

#[tokio::test]
async fn somebody_sent_a_file_that_goes_both_ways() {
    let story = Story::with_data().await;
    for (up, down) in [
        ("-- +goose Up", "-- +goose Down"),
        ("-- migrate:up", "-- migrate:down"),
        ("-- +migrate Up", "-- +migrate Down"),
        ("-- Up Migration", "-- Down Migration"),
    ] {
        let both = format!("{up}\nCREATE TABLE t (x int);\n{down}\nDROP TABLE t;\n");
        let error = fails(&story, "prepare_database_migration", &both).await;
        assert_worded!(
            "errors",
            &format!("script with what takes it back: {up}"),
            error["problems"][0]["message"]
        );
        let statements = json!([format!("{up}\nCREATE TABLE t (x int)"), format!("{down}\nDROP TABLE t")]);
        let arguments = json!({"branch_id": "main", "statements": statements});
        let error = story.shop_fails("run_sql_transaction", arguments).await;
        assert_worded!(
            "errors",
            &format!("statements with what takes them back: {up}"),
            error["problems"][0]["message"]
        );
    }
    assert_eq!(story.asked(), 0);
}

#[tokio::test]
async fn somebody_sent_a_file_of_drizzles() {
    let story = Story::with_data().await;
    let file = "CREATE TABLE \"users\" (\n\t\"id\" serial PRIMARY KEY NOT NULL\n)\n--> statement-breakpoint\n\
                ALTER TABLE \"users\" ADD COLUMN \"name\" text;--> statement-breakpoint\n\
                CREATE INDEX \"by_name\" ON \"users\" USING btree (\"name\");";
    let arguments = json!({"branch_id": "main", "sql": file});
    let prepared = story.shop("prepare_database_migration", arguments).await;
    let arguments = json!({"branch_id": "main", "migration": prepared["migration"]});
    let done = story.shop("complete_database_migration", arguments).await;
    assert_eq!(done["applied_statements"], 3, "{done}");
}

#[tokio::test]
async fn somebody_mistyped_a_statement() {
    let story = Story::with_data().await;
    story.human().changes_to(Manner::Accepts);
    for (text, position) in [
        ("selec 1", 1),
        ("SELECT 'é' FRM t WHERE", 16),
        ("SELECT (1", 10),
        ("DROP TABLE t t", 14),
        ("SELECT 'abc", 8),
        ("SELECT 1 /* never ends", 10),
    ] {
        let error = fails(&story, "run_sql", text).await;
        assert_eq!(error["kind"], "sql_failed", "{text}: {error}");
        assert_eq!(error["changed"], "no", "{text}: {error}");
        assert!(error.to_string().contains("42601"), "{text}: {error}");
        assert!(!error.to_string().contains("SELECT 1;SELECT 1"), "{text}: {error}");
        let at = error["position"].to_string();
        assert_eq!(at.trim_matches('"'), position.to_string(), "{text}: {error}");
    }
    let error = fails(&story, "run_sql_transaction", "selec 1").await;
    assert_eq!(error["statement"], 2, "{error}");
    assert_eq!(story.asked(), 0, "nobody is asked about it");
}

#[tokio::test]
async fn somebody_hid_a_statement_in_a_text_that_is_only_read() {
    let story = Story::with_data().await;
    story
        .shop("run_sql", json!({"branch_id": "main", "sql": "CREATE TABLE t (x int)"}))
        .await;
    story
        .shop("run_sql", json!({"branch_id": "main", "sql": "CREATE SEQUENCE s"}))
        .await;
    story.human().changes_to(Manner::Declines);
    for text in [
        // What the parser here doesn't know and Postgres does is asked about, and not run before.
        "CREATE LOCAL TEMP VIEW v AS SELECT nextval('s')",
        "SET NAMES 'UTF8'",
        // What none of them can read.
        "selec nextval('s'); DROP TABLE t",
        "selec nextval('s') --",
        "selec nextval('s') /*",
        "SELECT nextval('s') FROM (SELECT",
        "CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT nextval('s')",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT nextval('s')::int",
    ] {
        fails(&story, "run_sql", text).await;
    }
    let state = "SELECT is_called, to_regclass('t') IS NOT NULL AS there FROM s";
    let rows = story.shop("run_sql", json!({"branch_id": "main", "sql": state})).await["rows"].to_string();
    assert!(rows.contains("[false,true]"), "{rows}");
}

#[tokio::test]
async fn somebody_copied_into_a_file_of_the_server() {
    let story = Story::with_data().await;
    story.human().changes_to(Manner::Declines);
    for (text, says) in [
        ("COPY (SELECT 1) TO '/tmp/x'", "writes a file on the server"),
        ("COPY t FROM '/tmp/x'", "reads a file on the server"),
        ("COPY t FROM PROGRAM 'true'", "runs a program on the server"),
    ] {
        fails(&story, "run_sql", text).await;
        let asked = story.human().asked();
        let (question, _) = asked.last().expect("a question");
        assert!(question.contains(says), "{text}: {question}");
    }
}

/// A list of 151 statements, of which one drops a table.
fn long_list() -> Value {
    let mut statements: Vec<String> = (0..150).map(|x| format!("INSERT INTO t VALUES ({x})")).collect();
    statements.insert(75, "DROP TABLE old".to_owned());
    statements.push("ALTER ROLE somebody PASSWORD 'S3cret'".to_owned());
    json!({"branch_id": "main", "statements": statements})
}

async fn with_tables() -> Story {
    let story = Story::with_data().await;
    story.human().changes_to(Manner::Accepts);
    for made in ["TABLE t (x int)", "TABLE old (x int)", "ROLE somebody"] {
        let sql = format!("CREATE {made}");
        story.shop("run_sql", json!({"branch_id": "main", "sql": sql})).await;
    }
    story
}

#[tokio::test]
async fn somebody_read_all_statements_of_a_long_list_before_the_approval() {
    let story = with_tables().await;
    story.human().changes_to(Manner::Declines);
    story.shop_fails("run_sql_transaction", long_list()).await;
    let question = story.question();
    let uri = question.split("neon-mcp://").nth(1).expect("an address");
    let uri: String = uri
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '/')
        .collect();
    let all = story.resource(&format!("neon-mcp://{uri}")).await.expect("a resource");
    for part in [
        "INSERT INTO t VALUES (149)",
        "-- 76 of 152\nDROP TABLE old;",
        "PASSWORD '[masked]'",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
    assert!(!all.contains("S3cret"), "{all}");
    assert_eq!(
        story
            .resource("neon-mcp://statements/0123456789abcdef0123456789abcdef")
            .await,
        None
    );
}

#[tokio::test]
async fn somebody_read_all_statements_of_a_long_list_on_the_page() {
    let story = with_tables().await;
    let state = state_home();
    let sandbox = story.sandbox();
    let arguments = ["http", "--listen", "127.0.0.1:0", "--toolsets", "all"];
    let mut command = program(&arguments, &sandbox.api_url(), sandbox.api_key());
    command.env("XDG_STATE_HOME", &state);
    let mut child = command.spawn().expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    let url = lines.next_line().await.expect("a line").expect("a URL");
    let client = connect(&url, token(&state, &url).as_deref(), TestClient::alone(), Era::Modern).await;
    let mut arguments = long_list();
    arguments["project_id"] = "shop".into();
    let (value, is_error) = call(&client, "run_sql_transaction", arguments).await;
    assert!(is_error, "{value}");
    let page = value["error"]["approval_page"].as_str().expect("a page");
    let html = plain()
        .get(page)
        .send()
        .await
        .expect("an answer")
        .text()
        .await
        .expect("text");
    for part in ["<details>", "INSERT INTO t VALUES (149)", "DROP TABLE old", "[masked]"] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(!html.contains("S3cret"), "{html}");
}

#[tokio::test]
async fn somebody_sent_a_long_list_with_one_drop() {
    let story = with_tables().await;
    story.shop("run_sql_transaction", long_list()).await;
    let asked = story.human().asked();
    let (question, _) = asked.last().expect("a question");
    assert!(question.contains("DROP TABLE old"), "{question}");
    assert!(question.contains("(75 statements, INSERT, "), "{question}");
    let count = json!({"branch_id": "main", "sql": "SELECT count(*) AS count FROM t"});
    let rows = story.shop("run_sql", count).await["rows"].to_string();
    assert!(rows.contains("150"), "{rows}");
}
