//! What is advised after a failure: tools that there are, and what helps in that case.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::examples::Story;

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
    found
}

/// The names of the tools, and what else declarations call by a name that looks like one: arguments and fields.
fn declared() -> (BTreeSet<String>, BTreeSet<String>) {
    fn names(value: &Value, all: &mut BTreeSet<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| names(item, all)),
            Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                all.insert(name.clone());
                names(value, all);
            }),
            _ => {}
        }
    }
    let (mut tools, mut others) = (BTreeSet::new(), BTreeSet::new());
    for file in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tools"), "json") {
        let text = std::fs::read_to_string(&file).expect("a text");
        let area: Value = serde_json::from_str(&text).expect("JSON");
        names(&area, &mut others);
        for tool in area["tools"].as_array().into_iter().flatten() {
            tools.extend(tool["name"].as_str().map(str::to_owned));
        }
    }
    assert!(tools.len() > 100, "{}", tools.len());
    (tools, others)
}

/// Every name in a text of the program's that is built as a tool's is: one of their verbs, and more behind it.
#[test]
fn every_tool_that_a_text_names_is_there() {
    let (mut tools, others) = declared();
    tools.insert("search_tools".to_owned());
    let verbs: BTreeSet<String> = tools
        .iter()
        .filter_map(|tool| Some(tool.split_once('_')?.0.to_owned()))
        .collect();
    let mut seen = 0;
    let mut wrong = Vec::new();
    for file in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "rs") {
        let text = std::fs::read_to_string(&file).expect("a text");
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let text = code
            .collect::<Vec<_>>()
            .join("\n")
            .replace("'\"'", "")
            .replace("\\\"", "");
        // Sentences of a text: what stands in quotes and has a blank in it, and no line of code.
        for sentence in text
            .split('"')
            .skip(1)
            .step_by(2)
            .filter(|sentence| sentence.contains(' ') && ![";\n", "{\n"].iter().any(|end| sentence.contains(end)))
        {
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.' || c == '$';
            for word in sentence.split(|c| !is_part(c)).map(|word| word.trim_matches('.')) {
                let plain = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
                let verb = word.split_once('_').map(|(verb, rest)| (verb, !rest.is_empty()));
                if !plain || !verb.is_some_and(|(verb, more)| more && verbs.contains(verb)) {
                    continue;
                }
                seen += 1;
                // A condition and a column of Postgres'.
                let of_postgres = ["query_canceled", "query_start"].contains(&word);
                if !tools.contains(word) && !others.contains(word) && !of_postgres {
                    wrong.push(format!("{}: {word}", file.display()));
                }
            }
        }
    }
    assert!(seen > 60, "{seen}");
    assert!(wrong.is_empty(), "no such tool: {wrong:#?}");
}

async fn fails(story: &Story, sql: &str, params: Value) -> Value {
    story
        .shop_fails("run_sql", json!({"branch_id": "main", "sql": sql, "params": params}))
        .await
}

#[tokio::test]
async fn advice_fits_the_case() {
    let story = Story::with_data().await;
    for sql in [
        "CREATE TABLE orgs (id int PRIMARY KEY)",
        "CREATE TABLE u (id int, org int REFERENCES orgs, data bytea, at timestamptz)",
        "CREATE VIEW uv AS SELECT id FROM u",
    ] {
        story.shop("run_sql", json!({"branch_id": "main", "sql": sql})).await;
    }
    let columns: Vec<String> = (0..1_700).map(|number| format!("c{number} int")).collect();
    let wide = format!("CREATE TABLE wide ({})", columns.join(", "));
    for (sql, code, word) in [
        ("SET ROLE nope", "22023", "list_roles"),
        ("INSERT INTO u (data) VALUES ('\\xzz')", "22023", "bytea"),
        ("CREATE TABLE t2 (a serial, a int)", "42701", "twice"),
        ("CREATE EXTENSION there_is_none", "0A000", "pg_available_extensions"),
        ("TRUNCATE orgs", "0A000", "foreign key"),
        (
            "INSERT INTO u (id) VALUES (1) ON CONFLICT (id) DO NOTHING",
            "42P10",
            "unique",
        ),
        ("CREATE TABLE k (id int REFERENCES u (id))", "42830", "unique"),
        ("DROP TABLE uv", "42809", "DROP VIEW"),
        (wide.as_str(), "54011", "columns"),
        ("SELECT (SELECT generate_series(1, 3))", "21000", "LIMIT 1"),
        ("SELECT interval 'x'", "22007", "interval"),
        ("SELECT now() > now() - $1", "42883", "$1::interval"),
    ] {
        let params = if sql.contains("$1") {
            json!(["1 day"])
        } else {
            json!([])
        };
        let failed = fails(&story, sql, params).await;
        assert_eq!(failed["sqlstate"], code, "{sql}: {failed}");
        assert!(failed["next"].to_string().contains(word), "{sql}: {failed}");
    }
}
