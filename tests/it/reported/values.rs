//! Values that went into a database or came out of it as others: lists, digits, names that stand twice, large ones.

use harness::assert_worded;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::examples::Story;
use crate::support::fence::fenced;
use crate::support::server::program;

const HELLO: &str = r#"{"jsonrpc":"2.0","id":"hello","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;

/// A client that writes its own JSON, digit by digit.
struct Raw {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    _child: Child,
}

impl Raw {
    async fn on(story: &Story) -> Self {
        let mut command = program(
            &["stdio", "--toolsets", "all"],
            &story.sandbox().api_url(),
            story.sandbox().api_key(),
        );
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut raw = Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            _child: child,
        };
        raw.line(HELLO).await;
        raw.input
            .write_all(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n")
            .await
            .unwrap();
        raw
    }

    async fn line(&mut self, line: &str) -> Value {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).await.unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    /// Runs a statement with parameters as they are written: what the tool says.
    async fn sql(&mut self, sql: &str, params: &str) -> Value {
        let sql = json!(sql);
        let answer = self
            .line(&format!(
                r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"run_sql","arguments":{{"project_id":"shop","branch_id":"main","sql":{sql},"params":{params}}}}}}}"#
            ))
            .await;
        match &answer["result"]["structuredContent"] {
            Value::Null => answer,
            value => value.clone(),
        }
    }
}

async fn sql(story: &Story, sql: &str, params: Value) -> Value {
    let arguments = json!({"branch_id": "main", "sql": sql, "params": params});
    story.shop("run_sql", arguments).await
}

async fn refused(story: &Story, sql: &str, params: Value) -> Value {
    let arguments = json!({"branch_id": "main", "sql": sql, "params": params});
    story.shop_fails("run_sql", arguments).await
}

/// The lines of a result's rows, without the one that names the columns.
#[track_caller]
fn lines(result: &Value) -> Vec<String> {
    fenced(&result["rows"]).lines().skip(1).map(str::to_owned).collect()
}

#[track_caller]
fn rows(result: &Value) -> Vec<Value> {
    lines(result)
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn somebody_stored_lists_in_columns_of_many_types() {
    let story = Story::with_data().await;
    sql(
        &story,
        "CREATE TABLE v (j json, b jsonb, i int[], t text[], n numeric[], d jsonb[], bytes bytea[])",
        json!([]),
    )
    .await;
    sql(&story, "CREATE DOMAIN tags AS text[]", json!([])).await;
    sql(&story, "CREATE DOMAIN doc AS jsonb", json!([])).await;
    sql(&story, "ALTER TABLE v ADD tags tags, ADD doc doc", json!([])).await;
    for (column, value, is) in [
        ("j", json!([[]]), "[[]]"),
        ("j", json!([]), "[]"),
        (
            "b",
            json!([1, "a", null, {"k": [true]}]),
            r#"[1, "a", null, {"k": [true]}]"#,
        ),
        ("b", json!({"a": []}), r#"{"a": []}"#),
        ("doc", json!([["x"]]), r#"[["x"]]"#),
        ("i", json!([1, null, 3]), "{1,NULL,3}"),
        ("i", json!([]), "{}"),
        ("i", json!([[1, 2], [3, 4]]), "{{1,2},{3,4}}"),
        ("i", json!("{1,2}"), "{1,2}"),
        ("i", json!("[1, 2]"), "{1,2}"),
        ("i", json!("[0:1]={1,2}"), "[0:1]={1,2}"),
        (
            "t",
            json!(["a,b", "\"q\"\\", "NULL", "", null, "{}"]),
            r#"{"a,b","\"q\"\\","NULL","",NULL,"{}"}"#,
        ),
        ("tags", json!(["x", 5, true]), "{x,5,true}"),
        (
            "n",
            json!([0.5, "0.1234567890123456789"]),
            "{0.5,0.1234567890123456789}",
        ),
        ("d", json!([{"a": 1}, [1, 2], null]), r#"{"{\"a\": 1}","[1, 2]",NULL}"#),
        ("bytes", json!(["\\x00ff"]), r#"{"\\x00ff"}"#),
    ] {
        let read = sql(
            &story,
            &format!("INSERT INTO v ({column}) VALUES ($1) RETURNING {column}::text"),
            json!([value]),
        )
        .await;
        assert_eq!(rows(&read), [json!([is])], "{column} {value}");
    }
    // A read, a list beside others, and the same statement explained.
    let read = sql(
        &story,
        "SELECT i::text FROM v WHERE i = $2 AND $1 < 5",
        json!([1, [1, 2]]),
    )
    .await;
    assert_eq!(rows(&read).len(), 2);
    let read = sql(
        &story,
        "SELECT x FROM unnest($1::text[]) WITH ORDINALITY u(x, n) WHERE x <> ALL ($2)",
        json!([["a", "b"], ["a"]]),
    )
    .await;
    assert_eq!(rows(&read), [json!(["b"])]);
    let read = sql(&story, "SELECT $1 AS text", json!([[1, {"a": "b"}]])).await;
    assert_eq!(rows(&read), [json!([r#"[1,{"a":"b"}]"#])]);
    for arguments in [
        json!({"branch_id": "main", "sql": "SELECT * FROM v WHERE i = $1 OR b = $2", "params": [[1], [[]]]}),
        json!({"branch_id": "main", "sql": "DELETE FROM v WHERE i = $1", "params": [[]]}),
    ] {
        let explained = story.shop("explain_sql_statement", arguments).await;
        assert!(explained["plan"].as_str().unwrap().contains("cost="), "{explained}");
    }
    let read = sql(&story, "EXPLAIN (COSTS) SELECT * FROM v WHERE i = $1", json!([[1]])).await;
    assert!(lines(&read).concat().contains("cost="), "{read}");
    let tuned = json!({"branch_id": "main", "sql": "SELECT * FROM v WHERE i = $1", "params": [[1, 2]], "changes": "CREATE INDEX ON v (i)"});
    let tuned = story.shop("prepare_query_tuning", tuned).await;
    assert!(tuned["plan_before"].is_object(), "{tuned}");
    // What is destructive by its text is measured with its parameters, too.
    let deleted = sql(&story, "DELETE FROM v WHERE i = $1 OR true", json!([[1]])).await;
    assert!(deleted["row_count"].as_u64() > Some(10), "{deleted}");
}

#[tokio::test]
async fn somebody_gave_what_is_no_array() {
    let story = Story::with_data().await;
    sql(&story, "CREATE TABLE v (id int, i int[], b jsonb)", json!([])).await;
    for value in [
        json!([[]]),
        json!([[1], [2, 3]]),
        json!([1, [2]]),
        json!("1,2"),
        json!("abc"),
        json!(5),
        json!({"a": 1}),
    ] {
        let error = refused(&story, "INSERT INTO v (id, i) VALUES ($1, $2)", json!([1, value])).await;
        assert_eq!(error["kind"], "invalid_arguments", "{value}: {error}");
        assert_eq!(error["problems"][0]["argument"], "params/1", "{value}: {error}");
        assert_worded!(
            "errors",
            &format!("parameter that is no array: {value}"),
            error["problems"][0]["message"]
        );
    }
    // Postgres can't be asked for these; what to write instead can be written.
    sql(
        &story,
        "CREATE PROCEDURE p(b jsonb) LANGUAGE sql AS 'INSERT INTO v (b) VALUES (b)'",
        json!([]),
    )
    .await;
    let error = refused(&story, "CALL p($1)", json!([[1]])).await;
    assert!(error.to_string().contains("CALL"), "{error}");
    // A failure of the statement itself stays one, with the place in its own text.
    let error = refused(&story, "SELECT nope FROM v WHERE i = $1", json!([[1]])).await;
    assert_eq!(
        (&error["sqlstate"], &error["position"]),
        (&json!("42703"), &json!(8)),
        "{error}"
    );
    assert_eq!(
        rows(&sql(&story, "SELECT count(*) FROM v", json!([])).await),
        [json!(["0"])]
    );
}

#[tokio::test]
async fn somebody_sent_more_digits_than_a_double_has() {
    let story = Story::with_data().await;
    sql(
        &story,
        "CREATE TABLE v (n numeric, i int8, j json, b jsonb, a numeric[], t text)",
        json!([]),
    )
    .await;
    let mut raw = Raw::on(&story).await;
    let deep = format!("{}1{}", "[".repeat(300), "]".repeat(300));
    for (column, written, is) in [
        ("n", "0.1234567890123456789", "0.1234567890123456789"),
        ("n", "1.10", "1.10"),
        ("n", "1e20", "100000000000000000000"),
        ("n", "5.0", "5"),
        ("n", "\"1e400\"", &format!("1{}", "0".repeat(400))),
        ("i", "9223372036854775807", "9223372036854775807"),
        ("i", "-9007199254740993", "-9007199254740993"),
        ("i", "5.0", "5"),
        (
            "j",
            r#"{"a": 0.1234567890123456789, "a": [1.10]}"#,
            r#"{"a": 0.1234567890123456789, "a": [1.10]}"#,
        ),
        ("b", r#"{"a": 12345678901234567890}"#, r#"{"a": 12345678901234567890}"#),
        ("b", "[0.1234567890123456789, {}]", "[0.1234567890123456789, {}]"),
        ("b", deep.as_str(), deep.as_str()),
        ("a", "[0.1234567890123456789, 2.0]", "{0.1234567890123456789,2}"),
        ("t", "0.1234567890123456789", "0.1234567890123456789"),
    ] {
        let done = raw
            .sql(
                &format!("INSERT INTO v ({column}) VALUES ($1) RETURNING {column}::text"),
                &format!("[{written}]"),
            )
            .await;
        assert_eq!(rows(&done["result"]), [json!([is])], "{column} {written}");
    }
    // What nothing can hold is refused with its place.
    for (written, place) in [
        ("1e400", "/params/arguments/params/0"),
        (r#"{"a":"\ud800"}"#, "/params/arguments/params/0/a"),
    ] {
        let refused = raw.sql("SELECT $1", &format!("[{written}]")).await;
        assert_eq!(refused["id"], 7, "{refused}");
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(message.contains(place) && message.contains("string"), "{message}");
    }
}

#[tokio::test]
async fn somebody_read_documents_that_a_double_would_change() {
    let story = Story::with_data().await;
    for (expression, is, as_text) in [
        (
            r#"'{"a": 0.1234567890123456789}'::jsonb"#,
            json!(r#"{"a": 0.1234567890123456789}"#),
            true,
        ),
        (
            r#"'{"id": 9007199254740993}'::jsonb"#,
            json!(r#"{"id": 9007199254740993}"#),
            true,
        ),
        (r#"'{"a":1,"a":2}'::json"#, json!(r#"{"a":1,"a":2}"#), true),
        (r#"'"\ud800"'::json"#, json!(r#""\ud800""#), true),
        (r#"'[1e400]'::json"#, json!("[1e400]"), true),
        (
            r#"'{"a": [1.5, null, "x"]}'::jsonb"#,
            json!({"a": [1.5, null, "x"]}),
            false,
        ),
        (
            "repeat('[', 500)::text || repeat(']', 500)",
            json!(format!("{}{}", "[".repeat(500), "]".repeat(500))),
            false,
        ),
        (
            "(repeat('[', 500) || repeat(']', 500))::json",
            json!(format!("{}{}", "[".repeat(500), "]".repeat(500))),
            true,
        ),
        ("'NaN'::numeric", json!("NaN"), false),
        ("'Infinity'::float8", json!("Infinity"), false),
        ("'-Infinity'::float4", json!("-Infinity"), false),
        ("0.1::float8", json!(0.1), false),
        ("0.1234567890123456789::numeric", json!("0.1234567890123456789"), false),
        ("9223372036854775807", json!("9223372036854775807"), false),
        (r"'\x00ff'::bytea", json!(r"\x00ff"), false),
        ("date '2024-02-29'", json!("2024-02-29"), false),
        ("'infinity'::timestamptz", json!("infinity"), false),
        ("true", json!(true), false),
        ("ARRAY[1, NULL, 3]", json!([1, null, 3]), false),
        ("'[0:1]={1,2}'::int[]", json!("[0:1]={1,2}"), false),
        ("ARRAY['{\"a\": 1}'::jsonb]", json!([{"a": 1}]), false),
        ("NULL::json", json!(null), false),
    ] {
        let read = story
            .done(
                "run_sql",
                json!({"project_id": "shop", "branch_id": "main", "sql": format!("SELECT {expression} AS x")}),
            )
            .await;
        assert_eq!(rows(&read["result"]), [json!([is])], "{expression}");
        let noted = read["notes"].to_string().contains("Postgres printed");
        assert_eq!(noted, as_text, "{expression}: {read}");
        if noted {
            assert_worded!("notes", &format!("value as text: {expression}"), read["notes"]);
        }
    }
}

#[tokio::test]
async fn somebody_read_rows_of_which_one_value_was_large() {
    let story = Story::with_data().await;
    sql(&story, "CREATE TABLE docs (id int, doc jsonb, more text)", json!([])).await;
    sql(
        &story,
        "INSERT INTO docs SELECT i, CASE WHEN i = 2 THEN jsonb_build_object('head', repeat('é\"', 25000), 'tail', 'end') \
         ELSE jsonb_build_object('i', i) END, 'row ' || i FROM generate_series(1, 3) i",
        json!([]),
    )
    .await;
    let arguments =
        json!({"project_id": "shop", "branch_id": "main", "sql": "SELECT id, doc, more FROM docs ORDER BY id"});
    let read = story.done("run_sql", arguments).await;
    assert!(read.to_string().len() < 41_000);
    let seen = rows(&read["result"]);
    assert_eq!(seen.len(), 3, "{read}");
    assert_eq!(
        (&seen[0], &seen[2]),
        (&json!([1, {"i": 1}, "row 1"]), &json!([3, {"i": 3}, "row 3"]))
    );
    assert_eq!((&seen[1][0], &seen[1][2]), (&json!(2), &json!("row 2")));
    let cut = &read["result"]["cut_values"][0];
    assert_eq!((&cut["row"], &cut["column"]), (&json!(2), &json!(2)), "{cut}");
    // The length, the digest and the way to the rest are true.
    let known = sql(
        &story,
        "SELECT length(doc::text), encode(sha256(convert_to(doc::text, 'UTF8')), 'hex') FROM docs WHERE id = 2",
        json!([]),
    )
    .await;
    assert_eq!(rows(&known), [json!([cut["characters"], cut["sha256"]])]);
    let start = seen[1][1].as_str().unwrap().trim_end_matches('…').to_owned();
    let from = cut["shown_characters"].as_u64().unwrap() + 1;
    assert_eq!(cut["from_character"], from, "{cut}");
    assert!(
        read["notes"].to_string().contains("substr(c::text, from_character, "),
        "{}",
        read["notes"]
    );
    let mut whole = start;
    for at in (from..cut["characters"].as_u64().unwrap() + 1).step_by(8_000) {
        let part = sql(
            &story,
            "SELECT substr(doc::text, $1, 8000) FROM docs WHERE id = 2",
            json!([at]),
        )
        .await;
        whole.push_str(rows(&part)[0][0].as_str().unwrap());
    }
    assert_eq!(whole.chars().count() as u64, cut["characters"]);
    assert!(serde_json::from_str::<Value>(&whole).unwrap()["tail"] == "end");
    // The same in the second statement of a list, and where a row is wide by itself.
    let several = json!({"branch_id": "main", "statements": ["SELECT 1", "SELECT * FROM docs ORDER BY id"]});
    let several = story.shop("run_sql_transaction", several).await;
    assert_eq!(rows(&several["results"][1]).len(), 3);
    assert_eq!(several["results"][1]["cut_values"][0]["row"], 2);
    let wide = (0..100)
        .map(|place| format!("repeat('{place}', 2000)"))
        .collect::<Vec<_>>()
        .join(", ");
    let wide = sql(&story, &format!("SELECT {wide} FROM generate_series(1, 3)"), json!([])).await;
    assert!(!rows(&wide).is_empty(), "{wide}");
}

#[tokio::test]
async fn somebody_described_a_table_of_1600_columns() {
    let story = Story::with_data().await;
    let columns: Vec<String> = (0..1_600).map(|at| format!("column_number_{at} int")).collect();
    let create = format!("CREATE TABLE wide ({})", columns.join(", "));
    sql(&story, &create, json!([])).await;
    sql(&story, "CREATE INDEX last ON wide (column_number_0)", json!([])).await;
    let mut seen: Vec<String> = Vec::new();
    let (mut offset, mut pages, mut indexes) = (0, 0, 0);
    loop {
        let arguments = json!({"project_id": "shop", "branch_id": "main", "table": "wide", "offset": offset});
        let page = story.done("describe_table_schema", arguments).await;
        assert!(page.to_string().len() < 41_000);
        let about: Value = serde_json::from_str(&fenced(&page["result"]["table"])).expect("a whole document");
        let columns = about["columns"].as_array().cloned().unwrap_or_default();
        seen.extend(columns.iter().map(|column| column["name"].as_str().unwrap().to_owned()));
        indexes += about["indexes"].as_array().map_or(0, Vec::len);
        pages += 1;
        let Some(next) = page["result"]["next_offset"].as_u64() else {
            break;
        };
        offset = next;
        assert!(pages < 20);
    }
    let all: Vec<String> = (0..1_600).map(|at| format!("column_number_{at}")).collect();
    assert!(
        seen == all && pages > 1 && indexes == 1,
        "{pages} pages, {} columns, {indexes} indexes",
        seen.len()
    );
}

#[tokio::test]
async fn somebody_dumped_a_schema_of_many_tables_as_json() {
    let story = Story::with_data().await;
    let create = "DO $$ BEGIN FOR i IN 1000..1399 LOOP EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, name text)', i); END LOOP; END $$";
    sql(&story, create, json!([])).await;
    let mut seen: Vec<String> = Vec::new();
    let (mut cursor, mut pages) = (Value::Null, 0);
    loop {
        let arguments =
            json!({"project_id": "shop", "branch_id": "main", "db_name": "neondb", "format": "json", "cursor": cursor});
        let page = story.done("get_database_schema", arguments).await;
        assert!(page.to_string().len() < 42_000, "{}", page.to_string().len());
        seen.extend(crate::examples::each(&page["result"]["json"]["tables"], "name"));
        pages += 1;
        cursor = page["page"]["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
        assert!(pages < 50);
    }
    seen.sort();
    assert_eq!((seen.len(), pages > 1), (400, true), "{seen:?}");
    assert_eq!((&*seen[0], &*seen[399]), ("t1000", "t1399"));
}

#[tokio::test]
async fn somebody_wrote_a_long_comment_on_one_of_the_tables() {
    let story = Story::with_data().await;
    sql(&story, "CREATE TABLE a (id int)", json!([])).await;
    sql(&story, "CREATE TABLE b (id int, CHECK (id < 5))", json!([])).await;
    sql(
        &story,
        "DO $$ BEGIN EXECUTE format('COMMENT ON TABLE a IS %L', repeat('long ', 20000)); END $$",
        json!([]),
    )
    .await;
    sql(
        &story,
        "DO $$ BEGIN EXECUTE format('COMMENT ON COLUMN b.id IS %L', repeat('long ', 20000)); END $$",
        json!([]),
    )
    .await;
    let listed = story.shop("get_database_tables", json!({"branch_id": "main"})).await;
    let tables: Vec<Value> = fenced(&listed["tables"])
        .lines()
        .map(|line| serde_json::from_str(line).expect("a table"))
        .collect();
    assert_eq!((&tables[0]["name"], &tables[1]["name"]), (&json!("a"), &json!("b")));
    assert!(
        tables[0]["comment"]
            .as_str()
            .unwrap()
            .ends_with("… (100000 characters)"),
        "{}",
        tables[0]
    );
    let described = story
        .shop("describe_table_schema", json!({"branch_id": "main", "table": "b"}))
        .await;
    let about: Value = serde_json::from_str(&fenced(&described["table"])).expect("a whole document");
    assert!(
        about["constraints"][0]["definition"].as_str().unwrap().contains("< 5"),
        "{about}"
    );
}
