//! The parameters of a statement: as texts that mean in Postgres what the JSON of the call means, or refused with what to write.

use serde_json::Value;

use super::statements::Target;
use crate::engine::{ArgumentProblem, Failure, WorkflowContext};
use crate::neon::sql::{Connection, Expected, SqlError, depend_on_types, is_array_literal, texts};
use crate::neon::text::one_line;
use crate::sql::{Statement, is_in_list};

/// The argument that holds them.
const ARGUMENT: &str = "params";

/// SQLSTATE of a text that its type can't be read from (`invalid_text_representation`).
const UNREADABLE: &str = "22P02";

/// SQLSTATE of a text that is no date (`invalid_datetime_format`).
const NO_DATE: &str = "22007";

/// The most parameters that are told of.
const MAX_TOLD: usize = 10;

/// The parameters of a call as a statement takes them. Where what one means depends on the type that is expected, Postgres is asked.
///
/// # Errors
/// Where one can't be said exactly, and where the statement itself can't be understood.
pub(in crate::workflows) async fn encoded(
    flow: &WorkflowContext<'_, '_>,
    (target, connection): (&Target<'_>, &Connection),
    statement: &Statement,
    given: &[Value],
) -> Result<Vec<Value>, Failure> {
    let expected = if depend_on_types(given) {
        match flow.expected(connection, statement, target.timeout()).await? {
            Some(expected) => expected,
            None => return Err(not_told(statement, given)),
        }
    } else {
        Vec::new()
    };
    // Several values that are to be compared with one by one aren't one value, whose text would compare with nothing.
    let lists = given.iter().zip(&expected).enumerate();
    let in_place_of_one: Vec<(usize, String)> = lists
        .filter(|(index, (value, expected))| {
            // Postgres reads a date out of `["2026-01-31"]`, too.
            let is_one = !expected.is_any_text() || is_in_list(&statement.text, index + 1);
            value.is_array() && (!expected.takes_lists() && is_one || expected.is_range())
        })
        .map(|(index, (_, expected))| {
            let told = if expected.is_range() {
                one_range(index, expected)
            } else {
                one_value(index, expected)
            };
            (index, told)
        })
        .collect();
    if !in_place_of_one.is_empty() {
        return Err(problems(in_place_of_one.into_iter()));
    }
    texts(given, &expected).map_err(|wrong| problems(wrong.into_iter()))
}

/// A failure of a statement with these parameters, in the words of its arguments where one of them is a text for which an array is
/// expected. It is asked for after the failure alone: a text that Postgres reads is what it reads.
pub(in crate::workflows) async fn explained(
    flow: &WorkflowContext<'_, '_>,
    (target, connection): (&Target<'_>, &Connection),
    statement: &Statement,
    given: &[Value],
    failure: Failure,
) -> Failure {
    let code = match &failure {
        Failure::Sql(error) => SqlError::code(error),
        _ => None,
    };
    if given.is_empty() || !matches!(code, Some(UNREADABLE | NO_DATE)) {
        return failure;
    }
    let Ok(Some(expected)) = flow.expected(connection, statement, target.timeout()).await else {
        return failure;
    };
    let wrong: Vec<(usize, String)> = given
        .iter()
        .zip(&expected)
        .enumerate()
        .filter_map(|(index, (value, expected))| Some((index, mistaken(index, value, expected)?)))
        .collect();
    if wrong.is_empty() {
        failure
    } else {
        problems(wrong.into_iter())
    }
}

/// Why a value isn't an array where one is expected.
fn mistaken(index: usize, value: &Value, expected: &Expected) -> Option<String> {
    let is_one = match value {
        Value::Null | Value::Array(_) => true,
        Value::String(text) => is_array_literal(text) || text.trim_start().starts_with('['),
        _ => false,
    };
    if value.is_array() && !expected.takes_lists() {
        return Some(one_value(index, expected));
    }
    (expected.is_array() && !is_one).then(|| {
        format!(
            "Postgres expects {} for ${}: give a list, such as [1, 2], or the text of an array, such as \"{{1,2}}\"",
            one_line(&expected.type_name, 100),
            index + 1
        )
    })
}

/// Said where a list is given for a range.
fn one_range(index: usize, expected: &Expected) -> String {
    format!(
        "Postgres expects one {} for ${}, and a list doesn't say whether its ends belong to it: give its text, such as \"[1,5]\" with both \
         ends or \"[1,5)\" without the upper one",
        one_line(&expected.type_name, 100),
        index + 1
    )
}

/// Said where a list is given for what is one value.
fn one_value(index: usize, expected: &Expected) -> String {
    let number = index + 1;
    format!(
        "Postgres expects one {} for ${number}, and this is a list: write = ANY(${number}) in place of IN (${number}) or = ${number}, and \
         <> ALL(${number}) in place of NOT IN (${number}), which take the list as it is",
        one_line(&expected.type_name, 100)
    )
}

fn not_told(statement: &Statement, given: &[Value]) -> Failure {
    let lists = given
        .iter()
        .enumerate()
        .filter(|(_, value)| depend_on_types(std::slice::from_ref(value)));
    problems(lists.map(|(index, _)| {
        let why = format!(
            "what a list means depends on the type, which Postgres can't be asked for in {}: give the text for ${}, \"{{1,2}}\" for an \
             array; or for a document give an object that holds the list",
            one_line(&statement.kind, 60),
            index + 1
        );
        (index, why)
    }))
}

fn problems(wrong: impl Iterator<Item = (usize, String)>) -> Failure {
    Failure::Arguments(
        wrong
            .take(MAX_TOLD)
            .map(|(index, message)| ArgumentProblem {
                argument: format!("{ARGUMENT}/{index}"),
                message,
            })
            .collect(),
    )
}
