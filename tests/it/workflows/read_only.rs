//! With `--read-only` nothing is changed, whatever SQL is sent; and what only reads is not refused.

use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _};
use neon_mcp::catalog::Catalog;
use serde_json::{Map, Value, json};

use super::shop;
use crate::examples::Story;
use crate::support::arguments::arguments;
use crate::support::server::{self, TestServer};
use crate::support::world::World;
use harness::sandbox_process::{connect, execute};
use harness::sql;

/// How many calls run at once.
const AT_ONCE: usize = 16;

/// What the ways out name, so that they would bite.
const SCHEMA: &str = "\
create table t (a int); insert into t select generate_series(1, 9); \
create table a (a int); insert into a values (1); \
create sequence s; \
create table m_of (a int); create materialized view m as select count(*) from t; insert into t values (10); \
create table b (a int); create index i on b using brin (a); \
create procedure p() language sql as 'delete from t'";

/// What a database holds, in one text: rows, sequences, definitions, settings, large objects, slots, locks.
async fn fingerprint(uri: &str) -> String {
    const PARTS: &[&str] = &[
        "select coalesce(string_agg(format('%s: %s', c.oid::regclass, query_to_xml(format('select * from %s', c.oid::regclass), true, true, '')), '|' order by c.relname), '') \
         from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'public' and c.relkind in ('r', 'm', 'S')",
        "select coalesce(string_agg(concat_ws(' ', c.relname, c.relkind, c.relfilenode), '|' order by c.oid), '') \
         from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'",
        "select coalesce(string_agg(p.oid::regprocedure::text, '|' order by p.oid), '') from pg_proc p where p.oid >= 16384",
        "select coalesce(string_agg(concat_ws(' ', setdatabase, setrole, setconfig::text), '|'), '') from pg_db_role_setting",
        "select coalesce(string_agg(concat_ws(' ', rolname, rolsuper, rolcanlogin, rolconfig::text), '|' order by rolname), '') from pg_roles",
        "select count(*)::text from pg_largeobject_metadata",
        "select count(*)::text from pg_replication_slots",
        "select count(*)::text from pg_prepared_xacts",
        "select count(*)::text from pg_locks where locktype = 'advisory'",
        "select count(*)::text from pg_collation",
        "select count(*)::text from pg_namespace where nspname not like 'pg\\_%temp%' and nspname not like 'pg\\_toast\\_temp%'",
    ];
    let client = connect(uri).await.expect("a connection");
    let mut all = String::new();
    for part in PARTS {
        let row = client.query_one(*part, &[]).await.expect(part);
        all.push_str(&row.get::<_, String>(0));
        all.push('\n');
    }
    all
}

/// A read-only server, and the ids that its calls give.
async fn read_only(story: &Story) -> (TestServer, Value, String) {
    let server = story
        .server_at(
            &["--read-only", "--toolsets", "all", "--tools", "run_sql"],
            &story.sandbox().api_url(),
        )
        .await;
    let project = story.shop("describe_project", json!({})).await["project"]["id"].clone();
    (server, project, story.branch_id("main").await)
}

#[tokio::test]
async fn no_way_out_changes_anything() {
    let story = shop().await;
    let uri = story.uri("main").await;
    execute(&uri, SCHEMA).await;
    let (server, project, branch) = read_only(&story).await;
    let held = connect(&uri).await.expect("a connection");
    let pid = held
        .query_one("select pg_backend_pid()", &[])
        .await
        .expect("a pid")
        .get::<_, i32>(0);
    let asked = story.asked();
    let before = fingerprint(&uri).await;
    let escapes = sql::escapes();
    assert!(escapes.len() >= 150, "{}", escapes.len());
    for escape in &escapes {
        for (tool, refusal) in [("run_sql", "denied_by_policy"), ("query_database", "not_a_read")] {
            let call = json!({"project_id": project, "branch_id": branch, "sql": escape});
            let (value, is_error) = server.call(tool, call).await;
            assert!(is_error, "{escape} ran: {value}");
            let kind = value["error"]["kind"].as_str().expect("a kind");
            // What isn't even SQL, the query says as Postgres does.
            let unreadable = tool == "query_database" && kind == "sql_failed";
            assert!(
                [refusal, "invalid_arguments"].contains(&kind) || unreadable,
                "{escape}: {value}"
            );
            assert_eq!(value["error"]["changed"], "no", "{escape}: {value}");
            assert!(
                value["error"]["message"].as_str().is_some_and(|says| says.len() > 20),
                "{escape}: {value}"
            );
        }
    }
    assert_eq!(fingerprint(&uri).await, before);
    let still = held
        .query_one("select pg_backend_pid()", &[])
        .await
        .expect("the session lives");
    assert_eq!(still.get::<_, i32>(0), pid);
    assert_eq!(story.asked(), asked, "read-only asks nobody");
}

#[tokio::test]
async fn the_ways_out_would_bite_where_they_were_let_through() {
    // These end the sessions of the sandbox itself, or write where others read.
    const SPARED: [&str; 4] = ["pg_terminate_backend", "pg_cancel_backend", "to '/tmp", "program"];
    let story = shop().await;
    let uri = story.uri("main").await;
    let (mut bites, mut tried) = (Vec::new(), 0);
    execute(&uri, SCHEMA).await;
    let mut before = fingerprint(&uri).await;
    for escape in sql::escapes() {
        if SPARED.iter().any(|spared| escape.contains(spared)) {
            continue;
        }
        tried += 1;
        let client = connect(&uri).await.expect("a connection");
        // What one statement begins and doesn't end, a client would.
        let _ = tokio::time::timeout(Duration::from_secs(5), client.simple_query(&escape)).await;
        let _ = tokio::time::timeout(Duration::from_secs(5), client.simple_query("commit")).await;
        let after = fingerprint(&uri).await;
        drop(client);
        if after != before {
            bites.push(escape);
            let again = "drop schema public cascade; create schema public";
            execute(&uri, again).await;
            execute(&uri, SCHEMA).await;
            before = fingerprint(&uri).await;
        }
    }
    assert!(
        bites.len() >= 35,
        "{} of {tried} changed something: {bites:#?}",
        bites.len()
    );
}

/// What each took, on average.
fn each_took(answers: &[(String, Value, bool)], began: Instant) -> Duration {
    began.elapsed() / u32::try_from(answers.len()).expect("a few hundred")
}

#[tokio::test]
async fn ordinary_queries_are_not_refused() {
    let story = shop().await;
    execute(&story.uri("main").await, sql::SCHEMA).await;
    let (server, project, branch) = read_only(&story).await;
    let queries = [sql::written(), sql::made()].concat();
    let (server, project, branch) = (&server, &project, &branch);
    let answers = async |queries: Vec<String>| -> Vec<(String, Value, bool)> {
        let all = stream::iter(queries).map(|query| async move {
            let count = (1..10)
                .take_while(|number| query.contains(&format!("${number}")))
                .count();
            let given = json!({"project_id": project, "branch_id": branch, "sql": query, "params": vec!["1"; count]});
            // By either tool, in turn: each sees half of the shapes.
            let tool = if query.len() % 2 == 0 {
                "run_sql"
            } else {
                "query_database"
            };
            let (value, is_error) = server.call(tool, given).await;
            (query, value, is_error)
        });
        all.buffer_unordered(AT_ONCE).collect().await
    };
    // How fast this machine is at this moment: what a query that costs nothing takes.
    let simple = vec!["SELECT 1".to_owned(); 100];
    let began = Instant::now();
    let simple_took = each_took(&answers(simple).await, began);
    let began = Instant::now();
    let answers = answers(queries).await;
    assert!(answers.len() >= 500, "{}", answers.len());
    for (query, value, is_error) in &answers {
        // A parameter of ours may not be what its query wants: then Postgres said so, and not we.
        let by_postgres = query.contains("$1") && value["error"]["kind"] == "sql_failed";
        assert!(!is_error || by_postgres, "{query}: {value}");
    }
    let took = each_took(&answers, began);
    assert!(
        took < simple_took * 5,
        "each took {took:?}, and nothing {simple_took:?}"
    );
}

#[tokio::test]
async fn no_tool_of_the_list_sends_a_change() {
    let catalog = Catalog::embedded().expect("the catalogue loads");
    let world = World::start().await;
    let server = server::start(&["--read-only", "--toolsets", "all"], &world.url()).await;
    let listed = server.client.list_all_tools().await.expect("a list");
    assert!(listed.len() >= 60, "{}", listed.len());
    for listed in listed {
        let tool = catalog.tool(&listed.name).expect("declared");
        for all in [false, true] {
            let _ = server
                .call(tool.name(), Value::Object(valid(arguments(tool, all))))
                .await;
        }
    }
    let mut changes = world.changes();
    // A query that Neon takes as a POST.
    changes.retain(|request| !request.ends_with("/logs/query"));
    assert_eq!(changes, Vec::<String>::new());
    let sql = json!({"project_id": "quiet-sun-12345678", "branch_id": "br-quiet-sun-a1b2c3d4", "sql": "SELECT 1"});
    let (value, is_error) = server.call("query_database", sql).await;
    assert!(!is_error, "{value}");
}

fn valid(mut given: Map<String, Value>) -> Map<String, Value> {
    given.remove("cursor");
    given
}
