//! What statements lose, in words and as they are kept: what was measured, and the worst of what can't be.

use serde_json::{Value, json};

use crate::neon::sql::Measured;
use crate::sql::{Statement, Unguarded};

/// Why a statement asks that nothing holds.
pub(in crate::workflows) const UNHELD: &str = "runs outside of a transaction, where nothing can stop what it loses";

/// Whether a statement can lose something where the measured commit can't hold it: it runs in no transaction.
pub(in crate::workflows) fn is_unheld(statement: &Statement) -> bool {
    statement.unguarded == Unguarded::MayLose
        // A copy of a database has its rows, but not its rights.
        || (statement.kind == "CREATE DATABASE" && statement.mentions().identifiers.contains("template"))
}

/// What the statements of a script lose that run in no transaction, a sentence each.
///
/// It is the worst that they can do, and not what they did where they were tried. Postgres counts rows within a transaction alone; its
/// counters beyond that are told late and by each session for itself, and a procedure may do something else on the target (other
/// rows, another time, a counter of its own). A count that is too low would make the question milder than what happens.
pub(in crate::workflows) fn unmeasured<'s>(statements: impl IntoIterator<Item = &'s Statement>) -> Vec<String> {
    let all = statements.into_iter().enumerate();
    let worst = |(index, statement): (usize, &Statement)| {
        let tables: Vec<String> = statement
            .tables
            .iter()
            .map(|table| crate::guard::told(&table.to_string()))
            .collect();
        let named = tables.join(", ");
        let does = match statement.kind.split(' ').take(2).collect::<Vec<_>>().as_slice() {
            ["DROP", "INDEX"] => "drops the index that it names, with the uniqueness that it keeps".to_owned(),
            ["DROP", "DATABASE"] => "drops the database with all that it holds".to_owned(),
            ["CREATE", "DATABASE"] => "copies a database with its rows, but not the rights on it".to_owned(),
            ["ALTER", "TABLE"] => format!("takes a partition with all of its rows out of {named}"),
            ["CALL" | "DO", ..] => {
                "can change, delete or drop all that its role may, and commits it by itself".to_owned()
            }
            _ => "can lose all that its role may change".to_owned(),
        };
        format!(
            "statement {} ({}) runs outside of a transaction, so what it loses isn't measured: it {does}",
            index + 1,
            statement.kind
        )
    };
    all.filter(|(_, statement)| is_unheld(statement)).map(worst).collect()
}

/// What prepared statements lost where they were tried.
pub(in crate::workflows) fn lost_when_tried(prepared: &Value) -> Option<Measured> {
    serde_json::from_value(prepared.get("measured")?.clone()).ok()
}

/// The texts of a list.
pub(in crate::workflows) fn sentences(list: &Value) -> Vec<String> {
    let all = list.as_array().into_iter().flatten();
    all.filter_map(|one| one.as_str().map(str::to_owned)).collect()
}

/// What is lost, an object for each.
pub(in crate::workflows) fn described(losses: &[String]) -> Value {
    losses.iter().map(|loss| json!({"description": loss})).collect()
}
