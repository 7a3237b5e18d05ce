//! What can be found out about SQL that failed: which statement of several it was, where in the text as it was sent, and what is
//! there under nearly the name that isn't.
//!
//! What to look for is told by Postgres' code alone. The name that is missing is read from the text at the place that Postgres
//! tells, else from its message: there it is only something to look for.

mod advice;
mod names;
mod sent;
mod which;

use advice::{next, too_long};
use names::{labels, nearest};
use which::{CANCELLED, Which, which};

pub(in crate::workflows) use names::{nearest_relations, nearest_schemas};
pub(in crate::workflows) use sent::Sent;

use super::statements::Target;
use crate::engine::{Failure, WorkflowContext};
use crate::neon::sql::{Connection, Found, SqlError};
use crate::neon::text::one_line;
use crate::sql::{Statement, Unshowable, never_closed, redact};

/// How much of a statement is shown, in characters.
const SHOWN: usize = 80;

/// The failure with what can be found out about it. Nothing is changed for that: what is run once more is rolled back, or reads.
pub(in crate::workflows) async fn explained(
    flow: &WorkflowContext<'_, '_>,
    at: (&Target<'_>, &Connection),
    failure: Failure,
    sent: &[Sent<'_>],
) -> Failure {
    match failure {
        Failure::Sql(error) => Failure::Sql(Box::new(explained_error(flow, at, *error, sent).await)),
        other => other,
    }
}

/// Refuses what is no SQL: texts that weren't read here are read by Postgres' own grammar, in a way that runs nothing.
///
/// # Errors
/// With the place that Postgres names. What can't be found out is no error: then what isn't understood is judged as that.
pub(in crate::workflows) async fn readable(
    flow: &WorkflowContext<'_, '_>,
    connection: &Connection,
    sent: &[Sent<'_>],
) -> Result<(), Failure> {
    for (index, one) in sent.iter().enumerate().filter(|(_, one)| !one.statement.is_read()) {
        let text = &one.statement.text;
        let Ok(Some(error)) = flow.objection(connection, text).await else {
            continue;
        };
        let shown = redact(text);
        // What can't be shown is refused as that, unless it is because it never ends.
        if shown.unshowable().is_some_and(|why| why != Unshowable::NotRead) {
            continue;
        }
        let position = error.position().and_then(|position| position.parse().ok());
        let (place, own) = position.and_then(|position| one.place(position)).unzip();
        let several = sent.len() > 1;
        let found = Found {
            statement: several.then(|| (index + 1, one.statement.kind.clone())),
            beginning: several.then(|| beginning(text)).flatten(),
            place,
            in_statement: own.filter(|_| one.shares),
            ..Found::default()
        };
        // Postgres names the word at that place, which may be the secret.
        let unterminated = unterminated(&error, text);
        let error = match (shown.text() == text, unterminated) {
            (true, _) => error,
            (false, Some((words, _))) => error.saying_only(words),
            (false, None) => error.unsaid(),
        };
        let found = Found {
            next: unterminated.map(|(_, next)| next.to_owned()),
            ..found
        };
        return Err(Failure::Sql(Box::new(error.with(found))));
    }
    Ok(())
}

/// What Postgres' scanner says of what is opened and never closed, and what to do.
const UNTERMINATED: [(&str, &str); 4] = [
    (
        "unterminated quoted string",
        "A ' opens a string that nothing closes: a ' inside of a string is written twice ('it''s'), or the value is a parameter ($1).",
    ),
    (
        "unterminated quoted identifier",
        "A \" opens a name that nothing closes: a \" inside of a name is written twice, and texts stand in single quotes ('Ann').",
    ),
    (
        "unterminated dollar-quoted string",
        "A $$ or $tag$ opens a string that nothing closes: its end is exactly its beginning ($body$ … $body$), and the whole stands in \
         one text.",
    ),
    (
        "unterminated /* comment",
        "A /* opens a comment that nothing closes: end it with */.",
    ),
];

/// What is opened and never closed, where Postgres objects to the syntax. It may stumble over a word before that: of `'don't'`, over
/// the t.
fn unterminated(error: &SqlError, text: &str) -> Option<(&'static str, &'static str)> {
    let opens = never_closed(text).filter(|_| error.code() == Some("42601"))?;
    let [string, identifier, dollar, comment] = UNTERMINATED;
    Some(match opens {
        '\'' => string,
        '"' => identifier,
        '$' => dollar,
        _ => comment,
    })
}

/// How a statement begins, without its secrets; nothing where those can't be told apart.
fn beginning(text: &str) -> Option<String> {
    let shown = redact(text);
    if shown.unshowable().is_some() {
        return None;
    }
    let line = one_line(shown.text(), 2 * SHOWN);
    let mut beginning: String = line.chars().take(SHOWN).collect();
    if beginning.len() < line.len() {
        beginning.push('…');
    }
    Some(beginning)
}

/// A failure of one statement of those that the call's texts hold, with what can be found out about it.
pub(in crate::workflows) async fn explained_one(
    flow: &WorkflowContext<'_, '_>,
    at: (&Target<'_>, &Connection),
    error: SqlError,
    statement: &Statement,
) -> SqlError {
    let sources = flow.statement_sources();
    let mut all = Sent::all(flow.scripts(), &sources);
    match all.iter().position(|one| one.statement == statement) {
        Some(index) => explained_error(flow, at, error, &[all.swap_remove(index)]).await,
        None => error,
    }
}

async fn explained_error(
    flow: &WorkflowContext<'_, '_>,
    at: (&Target<'_>, &Connection),
    error: SqlError,
    sent: &[Sent<'_>],
) -> SqlError {
    let (target, connection) = at;
    let Some(code) = error.code().map(str::to_owned) else {
        return error;
    };
    if error.refused_login() || flow.is_over() {
        return error;
    }
    let mut found = Found::default();
    let failed = match sent {
        [only] => Some(only),
        several => match which(flow, at, &error, &code, several).await {
            Which::Number(number) => several.get(number - 1).inspect(|one| {
                found.statement = Some((number, one.statement.kind.clone()));
                found.beginning = beginning(&one.statement.text);
            }),
            Which::End => {
                found.at_end = true;
                if let Some(number) = changing(&error, several)
                    && let Some(one) = several.get(number - 1)
                {
                    found.statement = Some((number, one.statement.kind.clone()));
                    found.beginning = beginning(&one.statement.text);
                }
                None
            }
            Which::Unknown => None,
        },
    };
    let position = error.position().and_then(|position| position.parse::<usize>().ok());
    if let (Some(failed), Some(position)) = (failed, position)
        && let Some((place, own)) = failed.place(position)
    {
        found.place = Some(place);
        found.in_statement = failed.shares.then_some(own);
    }
    let texts: Vec<&str> = match failed {
        Some(failed) => vec![failed.statement.text.as_str()],
        None => sent.iter().map(|one| one.statement.text.as_str()).collect(),
    };
    let place = failed
        .zip(position)
        .and_then(|(failed, position)| position.checked_sub(failed.ours));
    let statements: Vec<&Statement> = match failed {
        Some(failed) => vec![failed.statement],
        None => sent.iter().map(|one| one.statement).collect(),
    };
    found.nearest = nearest(flow, connection, &error, &code, &statements, place).await;
    if code == "22P02" {
        found.labels = labels(flow, connection, &error).await;
    }
    let kind = failed.map(|failed| failed.statement.kind.as_str());
    found.next = match code.as_str() {
        CANCELLED => Some(too_long(target, sent)),
        code => next(code, kind, &texts, place, &found),
    };
    error.with(found)
}

/// The only statement that changes a table which the error names: what was put off is checked because of it.
fn changing(error: &SqlError, sent: &[Sent<'_>]) -> Option<usize> {
    let said = error.said()?;
    let named = |one: &Sent<'_>| {
        let mut tables = one.statement.tables.iter();
        tables.any(|table| said.contains(&format!("\"{}\"", table.name)))
    };
    let mut changing = sent.iter().enumerate().filter(|(_, one)| named(one));
    let (index, _) = changing.next()?;
    changing.next().is_none().then_some(index + 1)
}
