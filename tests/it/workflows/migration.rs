//! `prepare_database_migration` and `complete_database_migration`.

use harness::assert_worded;
use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{fenced, rows, shop, sql};
use crate::examples::Story;
use crate::support::human::Manner;

async fn prepare(story: &Story, sql: &str) -> Value {
    story
        .shop("prepare_database_migration", json!({"branch_id": "main", "sql": sql}))
        .await
}

async fn complete(story: &Story, prepared: &Value) -> Value {
    story.shop("complete_database_migration", completing(prepared)).await
}

fn completing(prepared: &Value) -> Value {
    json!({"branch_id": "main", "migration": prepared["migration"]})
}

/// The lines of a summary.
fn objects(prepared: &Value) -> String {
    fenced(&prepared["summary"]["objects"])
}

async fn columns(story: &Story, branch: &str, table: &str) -> BTreeSet<String> {
    let query = format!(
        "SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped"
    );
    rows(&sql(story, branch, &query).await)
        .iter()
        .map(|row| row[0].as_str().expect("a name").to_owned())
        .collect()
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

#[tokio::test]
async fn a_migration_is_tried_shown_and_applied_as_it_was_shown() {
    let story = shop().await;
    story.human().changes_to(Manner::Declines);
    sql(&story, "main", "CREATE TABLE users (id int8 PRIMARY KEY, name text)").await;
    let script = "BEGIN; ALTER TABLE users ADD COLUMN email text; -- a comment; with a semicolon\n\
                  CREATE INDEX by_email ON users (email); COMMIT;";
    let prepared = prepare(&story, script).await;
    assert_eq!(
        columns(&story, "main", "users").await,
        set(["id", "name"]),
        "the target is untouched"
    );
    let tried = prepared["trial_branch"]["branch_id"].as_str().expect("a branch");
    assert_eq!(columns(&story, tried, "users").await, set(["id", "name", "email"]));
    assert!(fenced(&prepared["diff"]).contains("+    email text"), "{prepared}");
    assert_eq!(prepared["summary"]["added"], 1);
    assert_eq!(prepared["summary"]["losses"], 0);
    let shown = objects(&prepared);
    assert!(shown.contains("~ TABLE public.users: + email text"), "{shown}");
    assert!(shown.contains("+ INDEX public.by_email"), "{shown}");
    assert_eq!(prepared["parts"], json!([{"statements": 2, "in_transaction": true}]));
    let kinds: Vec<&Value> = prepared["statements"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| &one["kind"])
        .collect();
    assert_eq!(kinds, ["ALTER TABLE … ADD COLUMN", "CREATE INDEX"]);

    let done = story
        .done(
            "complete_database_migration",
            json!({"project_id": "shop", "branch_id": "main", "migration": prepared["migration"]}),
        )
        .await;
    assert_eq!(done["result"]["applied_statements"], 2);
    assert_eq!(done["result"]["schema_matches_preview"], true);
    assert_eq!(done["result"]["trial_branch_deleted"], true);
    assert_eq!(done["undo"]["tool"], "restore_branch");
    assert_eq!(columns(&story, "main", "users").await, set(["id", "name", "email"]));
    assert_eq!(
        story.branches().await,
        ["main"],
        "the branch where it was tried is gone"
    );
    assert_eq!(
        story.human().asked(),
        [],
        "nobody is asked about what can be changed back"
    );
    let again = story
        .shop_fails("complete_database_migration", completing(&prepared))
        .await;
    assert!(again.to_string().contains("used already"), "{again}");
}

#[tokio::test]
async fn what_is_lost_is_marked_and_asked_about_with_all_that_runs() {
    let story = shop().await;
    sql(
        &story,
        "main",
        "CREATE TABLE users (id int8 PRIMARY KEY, name text, age int)",
    )
    .await;
    sql(&story, "main", "CREATE TABLE old (id int8)").await;
    sql(
        &story,
        "main",
        "INSERT INTO users SELECT i, 'n', i FROM generate_series(1, 7) i",
    )
    .await;
    let prepared = prepare(
        &story,
        "ALTER TABLE users DROP COLUMN name; ALTER TABLE users ALTER COLUMN age TYPE int8; DROP TABLE old",
    )
    .await;
    let shown = objects(&prepared);
    for line in [
        "! loses TABLE public.old: all of its rows",
        "! loses TABLE public.users: all values of column name",
        "! loses TABLE public.users: values of column age are converted from integer to bigint",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert_eq!(prepared["statements"][0]["effect"], "destructive");
    assert!(
        prepared["statements"][2]["description"]
            .as_str()
            .expect("a reason")
            .contains("drops")
    );

    story.human().changes_to(Manner::Declines);
    let refused = story
        .shop_fails("complete_database_migration", completing(&prepared))
        .await;
    assert_eq!(refused["kind"], "rejected");
    let plan = story.question();
    for part in [
        "DROP TABLE old",
        "ALTER TABLE users DROP COLUMN name",
        "loses TABLE public.old",
        "\"public.users\": ",
        "severe",
    ] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
    assert_eq!(columns(&story, "main", "users").await, set(["id", "name", "age"]));
    story.human().changes_to(Manner::Accepts);
    let done = complete(&story, &prepared).await;
    assert_eq!(done["applied_statements"], 3);
    assert_eq!(columns(&story, "main", "users").await, set(["id", "age"]));
}

#[tokio::test]
async fn functions_triggers_enums_schemas_and_concurrent_indexes_are_applied_as_postgres_wants_them() {
    let story = shop().await;
    sql(&story, "main", "CREATE TYPE mood AS ENUM ('glad')").await;
    sql(
        &story,
        "main",
        "CREATE TABLE t (id int8 PRIMARY KEY, x text, m mood, changed timestamptz)",
    )
    .await;
    let script = r#"
        CREATE SCHEMA "Back office";
        CREATE TABLE "Back office".notes (id int8 PRIMARY KEY, t int8 REFERENCES public.t (id), "a;b" text);
        CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $body$
        BEGIN
            /* a comment; $x$ */ NEW.changed := now();
            IF NEW.x = 'a;b' THEN RAISE NOTICE 'semicolon; %', NEW.x; END IF;
            RETURN NEW;
        END
        $body$;
        CREATE TRIGGER touched BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch();
        ALTER TYPE mood ADD VALUE 'sad';
        ALTER TABLE t ALTER COLUMN m SET DEFAULT 'sad';
        CREATE INDEX CONCURRENTLY by_x ON t (x);
        COMMENT ON TABLE t IS 'it''s; here';
        INSERT INTO t (id, x) VALUES (1, $$;$$)"#;
    let prepared = prepare(&story, script).await;
    assert_eq!(
        prepared["parts"],
        json!([
            {"statements": 5, "in_transaction": true},
            {"statements": 1, "in_transaction": true},
            {"statements": 1, "in_transaction": false},
            {"statements": 2, "in_transaction": true},
        ])
    );
    let shown = objects(&prepared);
    for line in [
        "+ SCHEMA Back office",
        "+ TABLE Back office.notes",
        "+ FUNCTION public.touch()",
        "+ TRIGGER public.t touched",
        "~ TYPE public.mood",
        "+ INDEX public.by_x",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let done = complete(&story, &prepared).await;
    assert_eq!(
        (&done["applied_statements"], &done["schema_matches_preview"]),
        (&json!(9), &json!(true))
    );
    let read = sql(
        &story,
        "main",
        "SELECT m, indisvalid FROM t, pg_index WHERE indexrelid = 'by_x'::regclass",
    )
    .await;
    assert_eq!(rows(&read), [json!(["sad", true])]);
    assert_eq!(story.branches().await, ["main"]);
}

#[tokio::test]
async fn a_migration_that_fails_when_it_is_tried_says_where_and_leaves_nothing() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x int)").await;
    let script = "CREATE TABLE a (x int); CREATE TABLE b (x int); ALTER TABLE t ADD COLUMN y int; ALTER TABLE nowhere ADD COLUMN y int; CREATE TABLE c (x int)";
    let failed = story
        .shop_fails(
            "prepare_database_migration",
            json!({"branch_id": "main", "sql": script}),
        )
        .await;
    assert_eq!(
        (&failed["kind"], &failed["changed"]),
        (&json!("trial_failed"), &json!("no"))
    );
    assert_eq!(
        (&failed["statement"], &failed["sqlstate"]),
        (&json!(4), &json!("42P01")),
        "{failed}"
    );
    assert!(fenced(&failed["postgres_says"]).contains("nowhere"), "{failed}");
    assert_eq!(story.branches().await, ["main"]);
    assert_eq!(columns(&story, "main", "t").await, set(["x"]));
}

#[tokio::test]
async fn a_script_that_could_never_be_applied_is_refused_before_a_branch_is_made() {
    let story = shop().await;
    for (script, says) in [
        ("", "invalid"),
        ("-- nothing", "no statement"),
        (
            "CREATE TABLE a (x int); COMMIT; DROP TABLE a",
            "transaction control (COMMIT)",
        ),
        ("CREATE TABLE a (x int); SAVEPOINT s", "transaction control"),
        (
            "COPY (SELECT 1) TO PROGRAM 'curl example.com'",
            "runs a program on the server",
        ),
        ("CREATE TABLE a (x int); this is no SQL", "statement 2"),
        ("\\d t", "statement 1"),
    ] {
        let refused = story
            .shop_fails(
                "prepare_database_migration",
                json!({"branch_id": "main", "sql": script}),
            )
            .await;
        let kind = if script.contains("this is no SQL") {
            "sql_failed"
        } else {
            "invalid_arguments"
        };
        assert_eq!(refused["kind"], kind, "{script}: {refused}");
        assert!(refused.to_string().contains(says), "{script}: {refused}");
    }
    assert_eq!(story.branches().await, ["main"]);
}

#[tokio::test]
async fn what_fails_in_its_transaction_leaves_nothing_and_can_be_tried_again() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x int)").await;
    let prepared = prepare(
        &story,
        "ALTER TABLE t ADD COLUMN y int; ALTER TABLE t ADD CONSTRAINT once UNIQUE (x)",
    )
    .await;
    // Rows don't move the schema, and make the constraint fail.
    sql(&story, "main", "INSERT INTO t VALUES (1), (1)").await;
    let failed = story
        .shop_fails("complete_database_migration", completing(&prepared))
        .await;
    assert_eq!(
        (&failed["kind"], &failed["changed"]),
        (&json!("not_applied"), &json!("no")),
        "{failed}"
    );
    assert_eq!(failed["applied_statements"], 0);
    assert_eq!(columns(&story, "main", "t").await, set(["x"]));
    assert_eq!(story.branches().await.len(), 2, "the branch where it was tried stays");
    sql(
        &story,
        "main",
        "UPDATE t SET x = 2 WHERE ctid = (SELECT max(ctid) FROM t)",
    )
    .await;
    assert_eq!(complete(&story, &prepared).await["applied_statements"], 2);
}

#[tokio::test]
async fn what_fails_half_way_says_what_holds() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x int)").await;
    let prepared = prepare(
        &story,
        "ALTER TABLE t ADD COLUMN y int; CREATE TABLE u (x int); CREATE UNIQUE INDEX CONCURRENTLY once ON t (x); CREATE TABLE v (x int)",
    )
    .await;
    sql(&story, "main", "INSERT INTO t VALUES (1), (1)").await;
    let failed = story
        .shop_fails("complete_database_migration", completing(&prepared))
        .await;
    assert_eq!(
        (&failed["kind"], &failed["changed"]),
        (&json!("applied_in_part"), &json!("yes")),
        "{failed}"
    );
    assert_eq!(
        (&failed["applied_statements"], &failed["statement_count"]),
        (&json!(2), &json!(4))
    );
    assert_worded!("errors", "migration: applied in part", failed["message"]);
    assert_eq!(columns(&story, "main", "t").await, set(["x", "y"]));
    let left = sql(
        &story,
        "main",
        "SELECT to_regclass('v') IS NULL, indisvalid FROM pg_index WHERE indexrelid = 'once'::regclass",
    )
    .await;
    assert_eq!(rows(&left), [json!([true, false])]);
    let again = story
        .shop_fails("complete_database_migration", completing(&prepared))
        .await;
    assert!(
        again.to_string().contains("used already"),
        "half of it can't be applied once more: {again}"
    );
}

#[tokio::test]
async fn a_target_that_moved_gets_nothing() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x int)").await;
    let plain = prepare(&story, "ALTER TABLE t ADD COLUMN y int").await;
    let alone = prepare(&story, "CREATE INDEX CONCURRENTLY by_x ON t (x)").await;
    let rows_only = prepare(&story, "INSERT INTO t VALUES (1)").await;
    // It would be asked about, if it could be applied.
    let loses = prepare(&story, "DROP TABLE t").await;
    for (moves, back) in [
        ("ALTER TABLE t ADD COLUMN z int", "ALTER TABLE t DROP COLUMN z"),
        (
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "DROP FUNCTION f",
        ),
        ("COMMENT ON TABLE t IS 'new'", "COMMENT ON TABLE t IS NULL"),
    ] {
        sql(&story, "main", moves).await;
        let asked = story.asked();
        for prepared in [&plain, &alone, &rows_only, &loses] {
            let failed = story
                .shop_fails("complete_database_migration", completing(prepared))
                .await;
            assert_eq!(
                (&failed["kind"], &failed["changed"]),
                (&json!("schema_moved"), &json!("no")),
                "{moves}: {failed}"
            );
        }
        assert_eq!(story.asked(), asked, "{moves}");
        sql(&story, "main", back).await;
    }
    let none = sql(&story, "main", "SELECT count(*), to_regclass('by_x') IS NULL FROM t").await;
    assert_eq!(rows(&none), [json!(["0", true])]);
    assert_eq!(columns(&story, "main", "t").await, set(["x"]));
    // It is the schema that counts: rows may move, and what was changed back is what it was.
    sql(&story, "main", "INSERT INTO t VALUES (7)").await;
    assert_eq!(complete(&story, &rows_only).await["applied_statements"], 1);
    assert_eq!(complete(&story, &alone).await["applied_statements"], 1);
    let moved = story
        .shop_fails("complete_database_migration", completing(&plain))
        .await;
    assert_eq!(moved["kind"], "schema_moved", "the other migration moved it");
    let since = fenced(&moved["prepared_to_target_diff"]["objects"]);
    assert!(since.contains("+ INDEX public.by_x"), "{moved}");
    assert!(
        !since.contains("column") && !since.contains(" y ") && !since.contains("loses"),
        "the script's own changes aren't among them: {moved}"
    );
}

#[tokio::test]
async fn of_many_that_complete_at_once_one_does() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x int)").await;
    let prepared = prepare(&story, "INSERT INTO t VALUES (1)").await;
    let arguments = json!({"project_id": "shop", "branch_id": "main", "migration": prepared["migration"]});
    let all = (0..6).map(|_| story.answer("complete_database_migration", arguments.clone()));
    let answers = futures::future::join_all(all).await;
    let done = answers.iter().filter(|(_, is_error)| !is_error).count();
    assert_eq!(done, 1, "{answers:?}");
    for (value, _) in answers.iter().filter(|(_, is_error)| *is_error) {
        let kind = &value["error"]["kind"];
        assert!(kind == "already_completed" || kind == "invalid_arguments", "{value}");
        assert_eq!(value["error"]["changed"], "no");
    }
    let count = sql(&story, "main", "SELECT count(*) FROM t").await;
    assert_eq!(rows(&count), [json!(["1"])]);
}

#[tokio::test]
async fn a_handle_is_good_for_its_target_its_tool_and_its_client_alone() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x int)").await;
    let other = story.make_branch(json!({"name": "other"})).await;
    let prepared = prepare(&story, "INSERT INTO t VALUES (1)").await;
    let for_other = story
        .shop(
            "prepare_database_migration",
            json!({"branch_id": "other", "sql": "INSERT INTO t VALUES (2)"}),
        )
        .await;
    let tuning = json!({"branch_id": "main", "sql": "SELECT * FROM t", "changes": "CREATE INDEX by_x ON t (x)"});
    let tuning = story.shop("prepare_query_tuning", tuning).await;
    let handle = prepared["migration"].as_str().expect("a handle");
    let (id, tag) = handle.split_once('.').expect("two parts");
    let (_, other_tag) = for_other["migration"]
        .as_str()
        .expect("a handle")
        .split_once('.')
        .expect("two parts");
    for (branch, altered) in [
        ("other", handle.to_owned()),
        (&other, handle.to_owned()),
        ("main", for_other["migration"].as_str().expect("a handle").to_owned()),
        ("main", format!("{id}.{other_tag}")),
        ("main", format!("{id}.{}", tag.chars().rev().collect::<String>())),
        ("main", format!("{id}.")),
        ("main", id.to_owned()),
        ("main", "../../etc/passwd.x".to_owned()),
        ("main", tuning["tuning"].as_str().expect("a handle").to_owned()),
    ] {
        let refused = story
            .shop_fails(
                "complete_database_migration",
                json!({"branch_id": branch, "migration": altered}),
            )
            .await;
        assert_eq!(refused["kind"], "invalid_arguments", "{branch} {altered}: {refused}");
    }
    let refused = story
        .shop_fails("complete_query_tuning", json!({"branch_id": "main", "tuning": handle}))
        .await;
    assert_eq!(refused["problems"][0]["argument"], "tuning", "{refused}");
    assert_worded!(
        "errors",
        "handle of another workflow",
        refused["problems"][0]["message"]
    );
    // Another program, even with the same key, has another server: it never gave that handle out.
    let key = story.call("create_api_key", json!({"key_name": "other agent"})).await;
    let second = story.client_with(key["key"].as_str().expect("a key")).await;
    let (value, is_error) = second
        .call(
            "complete_database_migration",
            json!({"project_id": "shop", "branch_id": "main", "migration": handle}),
        )
        .await;
    assert!(is_error, "{value}");
    assert_worded!(
        "errors",
        "handle of another server",
        value["error"]["problems"][0]["message"]
    );
    for branch in ["main", "other"] {
        assert_eq!(
            rows(&sql(&story, branch, "SELECT count(*) FROM t").await),
            [json!(["0"])]
        );
    }
    assert_eq!(
        complete(&story, &prepared).await["applied_statements"],
        1,
        "the right one still works"
    );
}

#[tokio::test]
async fn what_is_discarded_is_gone() {
    let story = shop().await;
    story.human().changes_to(Manner::Declines);
    sql(&story, "main", "CREATE TABLE t (x int)").await;
    let prepared = prepare(&story, "DROP TABLE t").await;
    let mut arguments = completing(&prepared);
    arguments["discard"] = true.into();
    let done = story.shop("complete_database_migration", arguments).await;
    assert_eq!(
        (&done["applied_statements"], &done["trial_branch_deleted"]),
        (&json!(0), &json!(true))
    );
    assert_eq!(story.human().asked(), [], "nothing is lost, so nobody is asked");
    assert_eq!(story.branches().await, ["main"]);
    assert_eq!(columns(&story, "main", "t").await, set(["x"]));
    let again = story
        .shop_fails("complete_database_migration", completing(&prepared))
        .await;
    assert!(again.to_string().contains("used already"), "{again}");
}

#[tokio::test]
async fn on_a_throwaway_branch_there_is_nothing_to_prepare() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x int)").await;
    story.shop("create_throwaway_branch", json!({"name": "try"})).await;
    let failed = story
        .shop_fails(
            "prepare_database_migration",
            json!({"branch_id": "try", "sql": "DROP TABLE t"}),
        )
        .await;
    assert_eq!(
        (&failed["kind"], &failed["changed"]),
        (&json!("target_expires"), &json!("no"))
    );
    assert!(
        failed["next"].as_str().expect("words").contains("run_sql_transaction"),
        "{failed}"
    );
}

#[tokio::test]
async fn of_a_long_migration_a_human_reads_what_destroys() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE old (x int)").await;
    let body = "-- a long comment in a function\n".repeat(200);
    let function = format!("CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$\nBEGIN\n{body}RETURN 1;\nEND $$");
    let prepared = prepare(&story, &format!("{function}; DROP TABLE old")).await;
    let done = complete(&story, &prepared).await;
    assert_eq!(done["applied_statements"], 2);
    let plan = story.question();
    assert!(plan.contains("\"DROP TABLE old\""), "{plan}");
    assert!(plan.contains("(CREATE FUNCTION, 6"), "{plan}");
    let called = sql(&story, "main", "SELECT f(), to_regclass('old') IS NULL").await;
    assert_eq!(rows(&called), [json!([1, true])]);
}

/// Makes the call that an answer names as the way back, exactly as it stands there.
async fn take_back(story: &Story, answer: &Value) -> Value {
    let tool = answer["undo"]["tool"].as_str().expect("a tool").to_owned();
    story.call(&tool, answer["undo"]["arguments"].clone()).await
}

#[tokio::test]
async fn the_way_back_is_exact_to_the_moment_and_good_as_it_stands() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x int, y text)").await;
    let prepared = prepare(&story, "ALTER TABLE t DROP COLUMN y").await;
    // Another one's row, right before.
    sql(&story, "main", "INSERT INTO t VALUES (1, 'kept')").await;
    let done = story
        .done(
            "complete_database_migration",
            json!({"project_id": "shop", "branch_id": "main", "migration": prepared["migration"]}),
        )
        .await;
    assert_eq!(columns(&story, "main", "t").await, set(["x"]));
    take_back(&story, &done).await;
    assert_eq!(
        rows(&sql(&story, "main", "SELECT * FROM t").await),
        [json!([1, "kept"])]
    );
    let kept = done["undo"]["arguments"]["preserve_under_name"]
        .as_str()
        .expect("a name");
    assert!(story.branches().await.contains(&kept.to_owned()));
}

#[tokio::test]
async fn a_branch_with_a_parent_has_no_way_back_that_neon_would_refuse() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x int, y text)").await;
    story.make_branch(json!({"name": "dev"})).await;
    let prepared = story
        .shop(
            "prepare_database_migration",
            json!({"branch_id": "dev", "sql": "ALTER TABLE t ADD COLUMN z int"}),
        )
        .await;
    let done = story
        .done(
            "complete_database_migration",
            json!({"project_id": "shop", "branch_id": "dev", "migration": prepared["migration"]}),
        )
        .await;
    let way = done["undo"].as_str().expect("a sentence");
    assert_worded!("approvals", "undo of a migration on a child", way);
}

#[tokio::test]
async fn what_is_too_long_for_a_question_is_said_when_it_is_prepared_and_can_be_given_up() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x int, y text)").await;
    let comment = "long ".repeat(400);
    let says = |prepared: &Value| {
        let notes = prepared["notes"].as_array().into_iter().flatten();
        notes.filter_map(Value::as_str).any(|note| note.contains("2,000"))
    };
    let arguments = |script: String| json!({"project_id": "shop", "branch_id": "main", "sql": script});
    // What loses nothing asks nobody, however long it is.
    let harmless = story
        .done(
            "prepare_database_migration",
            arguments(format!("COMMENT ON TABLE t IS '{comment}'")),
        )
        .await;
    assert!(!says(&harmless), "{harmless}");
    take_back(&story, &harmless).await;
    let prepared = story
        .done(
            "prepare_database_migration",
            arguments(format!("ALTER TABLE t /* {comment} */ DROP COLUMN y")),
        )
        .await;
    assert!(says(&prepared), "{prepared}");
    assert_worded!("notes", "migration: too long to be approved", prepared["notes"]);
    let refused = story
        .shop_fails("complete_database_migration", completing(&prepared["result"]))
        .await;
    assert_eq!(refused["kind"], "requires_approval", "{refused}");
    assert_worded!("errors", "too long to be approved", refused["message"]);
    assert_eq!(
        story.branches().await.len(),
        2,
        "the branch where it was tried is there"
    );
    let given_up = take_back(&story, &prepared).await;
    assert_eq!(
        (&given_up["applied_statements"], &given_up["discarded"]),
        (&json!(0), &json!(true))
    );
    assert_eq!(story.branches().await, ["main"]);
    assert_eq!(columns(&story, "main", "t").await, set(["x", "y"]));
}

#[tokio::test]
async fn sql_is_not_said_to_drop_connections() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x int)").await;
    story.human().changes_to(Manner::Declines);
    story
        .shop_fails("run_sql", json!({"branch_id": "main", "sql": "DROP TABLE t"}))
        .await;
    let question = story.question();
    assert!(
        question.contains("Running computes: ") && !question.contains("Connections"),
        "{question}"
    );
}

#[tokio::test]
async fn what_fails_outside_of_a_transaction_and_left_nothing_is_not_said_to_have_left_something() {
    let story = shop().await;
    for statement in [
        "CREATE TABLE flags (fails bool)",
        "INSERT INTO flags VALUES (false)",
        "CREATE FUNCTION f(x int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS \
         $$ BEGIN IF (SELECT fails FROM public.flags) THEN RAISE 'no'; END IF; RETURN x; END $$",
        "CREATE TABLE t (x int)",
        "INSERT INTO t VALUES (1)",
        "CREATE INDEX by_f ON t (f(x))",
    ] {
        sql(&story, "main", statement).await;
    }
    let prepared = prepare(&story, "REINDEX SCHEMA public").await;
    assert_eq!(
        prepared["parts"],
        json!([{"statements": 1, "in_transaction": false}]),
        "{prepared}"
    );
    sql(&story, "main", "UPDATE flags SET fails = true WHERE NOT fails").await;
    let failed = story
        .shop_fails("complete_database_migration", completing(&prepared))
        .await;
    assert_eq!(
        (&failed["kind"], &failed["changed"]),
        (&json!("not_applied"), &json!("no")),
        "{failed}"
    );
    assert_worded!("errors", "migration: reindex that failed", failed["message"]);
    sql(&story, "main", "UPDATE flags SET fails = false WHERE fails").await;
    assert_eq!(complete(&story, &prepared).await["applied_statements"], 1);
}

#[tokio::test]
async fn a_rename_is_said_to_lose_nothing() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x int, y text)").await;
    for (script, renames) in [
        ("ALTER TABLE t RENAME COLUMN y TO z", true),
        ("ALTER TABLE t RENAME TO u", true),
        ("ALTER TABLE t DROP COLUMN y", false),
    ] {
        let prepared = story
            .done(
                "prepare_database_migration",
                json!({"project_id": "shop", "branch_id": "main", "sql": script}),
            )
            .await;
        let loses = objects(&prepared["result"]).contains("! loses");
        assert_eq!(loses, !renames, "{script}: {prepared}");
        let said = prepared["notes"].to_string().contains("rename");
        assert_eq!(said, renames, "{script}: {prepared}");
        if renames {
            assert_worded!("notes", &format!("migration that renames: {script}"), prepared["notes"]);
        }
    }
}
