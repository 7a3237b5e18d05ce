//! What a call tells of statements that ran: their rows, what they lost beside them, and what ended with their session.

use serde_json::{Map, Value, json};

use super::losses::{described, sentences};
use super::rows;
use crate::engine::{WorkflowContext, WorkflowOutput};
use crate::neon::sql::{Connection, Measured};
use crate::sql::{Statement, kept};

/// What is said of what the statements left in a session that is over: nothing of what the same call used.
pub(in crate::workflows) fn ends_with_the_call(all: &[&Statement]) -> Option<String> {
    let gone: Vec<String> = kept(all.iter().copied())
        .into_iter()
        .filter(|kept| {
            let later = all.get(kept.by + 1..).unwrap_or_default();
            kept.is_around() || !later.iter().any(|statement| kept.is_used_by(statement))
        })
        .map(|kept| kept.in_words())
        .collect();
    if !gone.is_empty() {
        return Some(format!(
            "Gone with this call, since each call is a session of its own: {}. Send statements that need one another as one list in one \
             call.",
            gone.join(", ")
        ));
    }
    let takes_back = |statement: &&Statement| {
        use crate::sql::SessionAct as Does;
        let only_ends = |act: &Does| {
            matches!(
                act,
                Does::Resets(_)
                    | Does::LeavesRole
                    | Does::LeavesUser
                    | Does::Forgets(_)
                    | Does::Closes(_)
                    | Does::Unlistens
                    | Does::Unlocks
                    | Does::UnlocksAll
                    | Does::DiscardsTemporary
                    | Does::DiscardsAll
            )
        };
        !statement.session.is_empty() && statement.session.iter().all(only_ends)
    };
    // There was nothing that it could have taken back.
    matches!(all, [only] if takes_back(only)).then(|| {
        "It took nothing back: each call is a session of its own, and begins with nothing of an earlier one.".to_owned()
    })
}

/// What statements lost beside the rows of the tables that they name: what a cascade, a trigger or a rule took with it.
pub(in crate::workflows) fn taken_along(measured: Option<&Measured>, statements: &[&Statement]) -> Vec<String> {
    let Some(measured) = measured else { return Vec::new() };
    let named = |table: &str| {
        let mut names = statements.iter().flat_map(|statement| &statement.tables);
        names.any(|name| match &name.schema {
            Some(schema) => table == format!("{schema}.{}", name.name),
            None => table.split_once('.').is_some_and(|(_, own)| own == name.name),
        })
    };
    crate::guard::done_losses(measured, |table| !named(&table.name))
}

pub(in crate::workflows) fn ended(
    flow: &WorkflowContext<'_, '_>,
    connection: &Connection,
    results: &[crate::neon::sql::ResultSet],
    taken: &[String],
) -> WorkflowOutput {
    let fence = flow.fence();
    let mut ended = WorkflowOutput::default();
    let shown = rows::shown(
        results,
        fence,
        flow.most_bytes().saturating_sub(2_000),
        &mut ended.notes,
    );
    let mut result = Map::new();
    result.insert("database".into(), connection.database.as_str().into());
    result.insert("role".into(), connection.role.as_str().into());
    match <[Value; 1]>::try_from(shown) {
        Ok([Value::Object(one)]) => result.extend(one),
        Ok([other]) => {
            result.insert("result".into(), other);
        }
        Err(several) => {
            result.insert("results".into(), several.into());
        }
    }
    if !taken.is_empty() {
        let mut lost = json!(taken);
        fence.enclose_plan(&mut lost);
        let lost = sentences(&lost);
        result.insert("losses".into(), described(&lost));
        ended.ours.extend(lost);
    }
    ended.result = Value::Object(result);
    ended
}
