//! The part of the demo's story that has data in it: a throwaway branch, a migration that loses something, and its way back.

use serde_json::{Value, json};

use super::agent::{Agent, fenced, text};
use super::human::Answer;
use super::layout;
use super::project::{SHOP, way_back};

/// What the migration loses, as plans and summaries say it.
const LOSS: &str = "loses TABLE public.customers: all values of column phone";

/// The rows at first.
const FILLED: [&str; 2] = [r#"[1,"Ada","555-0101"]"#, r#"[2,"Grace","555-0102"]"#];

/// The rows when the column is gone, and another one is there.
const MIGRATED: [&str; 2] = [r#"[1,"Ada",null]"#, r#"[2,"Grace",null]"#];

pub(super) async fn story(agent: &mut Agent) -> anyhow::Result<()> {
    agent
        .does(
            "Put a table and two rows on its main branch, in one transaction.",
            "run_sql_transaction",
            on(
                "main",
                json!({"statements": [
                    "CREATE TABLE customers (id int PRIMARY KEY, name text, phone text)",
                    "INSERT INTO customers VALUES (1, 'Ada', '555-0101'), (2, 'Grace', '555-0102')",
                ]}),
            ),
        )
        .await?;
    rows_are(agent, "main", &FILLED, "The rows are there").await?;
    agent.nobody_was_asked("nothing was lost.")?;
    throwaway(agent).await?;
    migration(agent).await
}

/// When the project is back, so is what is in it.
pub(super) async fn is_back(agent: &mut Agent) -> anyhow::Result<()> {
    rows_are(agent, "main", &FILLED, "Its rows are back, too").await
}

/// On a branch that Neon deletes anyway nothing is asked.
async fn throwaway(agent: &mut Agent) -> anyhow::Result<()> {
    layout::say("\nA THROWAWAY BRANCH");
    let made = agent
        .does(
            "Make a branch to try things on: main's data, copied in no time.",
            "create_throwaway_branch",
            json!({"project_id": SHOP, "name": "try"}),
        )
        .await?;
    rows_are(agent, "try", &FILLED, "It has main's rows").await?;
    let until = text(&made, "/result/expires_at")?;
    agent.check(
        chrono::DateTime::parse_from_rfc3339(&until).is_ok(),
        &format!("Neon deletes it by itself, at {until}."),
        &made,
    )?;
    agent
        .does(
            "Delete all its customers.",
            "run_sql",
            on("try", json!({"sql": "DELETE FROM customers"})),
        )
        .await?;
    agent.nobody_was_asked("the branch is a throwaway.")?;
    rows_are(agent, "try", &[], "The branch has no rows").await?;
    rows_are(agent, "main", &FILLED, "Main has all of its own").await
}

/// A migration: tried and shown, rejected, approved, undone.
async fn migration(agent: &mut Agent) -> anyhow::Result<()> {
    layout::say("\nA MIGRATION: TRIED FIRST, THEN APPLIED AS IT WAS SHOWN");
    let prepared = agent
        .does(
            "Prepare a migration of main. It runs on a throwaway branch of its own.",
            "prepare_database_migration",
            on(
                "main",
                json!({"sql":
                "ALTER TABLE customers DROP COLUMN phone;\nALTER TABLE customers ADD COLUMN email text"}),
            ),
        )
        .await?;
    let summary = fenced(&prepared, "/result/summary/objects")?;
    let diff = fenced(&prepared, "/result/diff")?;
    layout::tell("parts", &parts(&prepared));
    layout::tell("changes", &summary.join("\n"));
    layout::tell_as_is("diff", &diff);
    agent.check(
        summary.iter().any(|line| line.contains(LOSS)) && diff.iter().any(|line| line.trim() == "-    phone text"),
        "What would be lost is marked with \"!\".",
        &prepared,
    )?;
    agent.nobody_was_asked("so far only a throwaway branch changed.")?;
    rows_are(agent, "main", &FILLED, "Main is what it was").await?;

    let tried = text(&prepared, "/result/trial_branch/branch_id")?;
    let compared = agent
        .does(
            "Compare the schemas of the branch where it was tried and of main.",
            "compare_database_schema",
            json!({"project_id": SHOP, "branch_id": tried, "base_branch_id": "main", "database_name": "neondb"}),
        )
        .await?;
    agent.check(
        fenced(&compared, "/summary/objects")? == summary,
        "The two differ by exactly what was shown.",
        &compared,
    )?;

    let complete = on("main", json!({"migration": text(&prepared, "/result/migration")?}));
    agent.human_will(Answer::Declines);
    agent
        .is_refused(
            "Complete it: now main would lose a column. The human doesn't want that.",
            "complete_database_migration",
            complete.clone(),
        )
        .await?;
    agent.was_asked(
        &["ALTER TABLE customers DROP COLUMN phone", LOSS],
        "The question holds every statement that would run, and what is lost.",
    )?;
    rows_are(agent, "main", &FILLED, "Main is what it was").await?;

    agent.human_will(Answer::Types("main"));
    let completed = agent
        .does(
            "Complete it again. Main is the default branch, so its name must be typed.",
            "complete_database_migration",
            complete.clone(),
        )
        .await?;
    agent.was_asked(&[LOSS], "The human was asked, once.")?;
    agent.check(
        completed.pointer("/result/schema_matches_preview") == Some(&json!(true))
            && completed.pointer("/result/applied_statements") == Some(&json!(2)),
        "Both statements were applied, and the schema is as it was shown.",
        &completed,
    )?;
    rows_are(agent, "main", &MIGRATED, "The phone numbers are gone").await?;
    let branches = names(&agent.looks("list_branches", json!({"project_id": SHOP})).await?);
    agent.check(
        branches.len() == 2 && branches.contains(&json!("main")) && branches.contains(&json!("try")),
        "The branch where it was tried is gone, too.",
        &json!(branches),
    )?;

    agent.human_will(Answer::Types("main"));
    way_back(
        agent,
        &completed,
        "Regret it, and take the way back that the result names.",
    )
    .await?;
    agent.was_asked(
        &["Overwrite branch \"main\""],
        "The human was asked: what was written since would go.",
    )?;
    rows_are(agent, "main", &FILLED, "The phone numbers are back").await?;
    let kept = text(&completed, "/undo/arguments/preserve_under_name")?;
    let branches = names(&agent.looks("list_branches", json!({"project_id": SHOP})).await?);
    agent.check(
        branches.contains(&json!(kept)),
        &format!("What main was meanwhile is kept, as the branch {kept}."),
        &json!(branches),
    )
}

/// Arguments about a branch of the project.
fn on(branch: &str, more: Value) -> Value {
    let mut arguments = json!({"project_id": SHOP, "branch_id": branch});
    if let (Some(all), Value::Object(more)) = (arguments.as_object_mut(), more) {
        all.extend(more);
    }
    arguments
}

/// The customers on a branch are these.
async fn rows_are(agent: &mut Agent, branch: &str, expected: &[&str], claim: &str) -> anyhow::Result<()> {
    let query = "SELECT * FROM customers ORDER BY id";
    let found = agent.looks("run_sql", on(branch, json!({"sql": query}))).await?;
    let rows = match found.get("row_count") {
        Some(count) if count == 0 => Vec::new(),
        _ => fenced(&found, "/rows")?.into_iter().skip(1).collect(),
    };
    let shown = if expected.is_empty() {
        format!("{claim}.")
    } else {
        format!("{claim}: {}", expected.join(" "))
    };
    agent.check(rows == expected, &shown, &found)
}

/// The names of branches.
fn names(list: &Value) -> Vec<Value> {
    let branches = list.get("branches").and_then(Value::as_array);
    branches
        .into_iter()
        .flatten()
        .filter_map(|branch| branch.get("name").cloned())
        .collect()
}

/// How the statements of a migration run, a line for each part.
fn parts(prepared: &serde_json::Value) -> String {
    let parts = prepared.pointer("/result/parts").and_then(serde_json::Value::as_array);
    let line = |part: &serde_json::Value| {
        let count = &part["statements"];
        match part["in_transaction"].as_bool() {
            Some(true) => format!("{count} in one transaction"),
            _ => format!("{count} outside of transactions"),
        }
    };
    parts.into_iter().flatten().map(line).collect::<Vec<_>>().join("\n")
}
