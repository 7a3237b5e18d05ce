//! What to do about SQL that failed, where more is known than Postgres' code says.

use super::names::is_about_setting;
use super::sent::Sent;
use crate::neon::sql::Found;
use crate::sql::{is_operator_at, is_quoted_at};
use crate::workflows::sql::statements::Target;

/// What to do, where more is known than the code says.
pub(super) fn next(
    code: &str,
    kind: Option<&str>,
    texts: &[&str],
    position: Option<usize>,
    found: &Found,
) -> Option<String> {
    let only = match texts {
        [only] => Some(*only),
        _ => None,
    };
    let at = only.zip(position);
    let told = match code {
        "42804" if kind.is_some_and(|kind| kind.starts_with("ALTER TABLE")) => {
            "Say how values get their new type: ALTER COLUMN c TYPE int USING c::int (or any expression). A default that doesn't fit goes \
             before it (ALTER COLUMN c DROP DEFAULT) and is set again after it, in one ALTER TABLE or one list."
        }
        "22P02" if !found.labels.is_empty() => {
            "The enum has no such label: `labels` are those that it has, and they are written exactly so. ALTER TYPE … ADD VALUE adds one."
        }
        "42703" if at.is_some_and(|(text, position)| is_quoted_at(text, position)) => {
            "There is no such column: what stands in double quotes is a name. A text stands in single quotes ('Ann'), or is a parameter \
             ($1). describe_table_schema shows the columns."
        }
        "42883" if at.is_some_and(|(text, position)| is_operator_at(text, position)) => {
            "There is no such operator for these types: cast one side to the type of the other, as in name = 5::text, id = $1::int or now() - $1::interval; \
             for a list of values: = ANY($1)."
        }
        "42883" if !found.nearest.is_empty() => {
            "There is no such function for these types: where `nearest` has its very name, cast the arguments to what is there, as in \
             round(x::numeric, 1); else it is called otherwise, or in another schema."
        }
        "42704" if kind.is_some_and(|kind| kind.starts_with("ALTER")) && texts.iter().any(|text| gives_owner(text)) => {
            "The role that should own it isn't there, or OWNER TO names something that isn't: leave OWNER TO lines out (a dump without them: \
             pg_dump --no-owner --no-privileges). Who makes something owns it; list_roles shows the roles."
        }
        "42501"
            if kind.is_some_and(|kind| kind.starts_with("COMMENT"))
                && texts.iter().any(|text| is_about_extension(text)) =>
        {
            "Who doesn't own the extension can't comment on it: leave the COMMENT ON EXTENSION line out, it changes nothing that anybody needs."
        }
        "42501" if kind.is_some_and(|kind| kind.starts_with("ALTER")) && texts.iter().any(|text| gives_owner(text)) => {
            "The role may not give it to that owner: leave OWNER TO lines out (a dump without them: pg_dump --no-owner --no-privileges). Who \
             makes something owns it."
        }
        "0A000" if kind.is_some_and(|kind| kind.starts_with("CREATE EXTENSION")) => {
            "The server doesn't have that extension: SELECT name, comment FROM pg_available_extensions lists those that it has."
        }
        "0A000" if kind.is_some_and(|kind| kind.starts_with("TRUNCATE")) => {
            "A foreign key of another table refers to it: name both in one TRUNCATE (TRUNCATE a, b), or delete rows with DELETE. CASCADE \
             empties every table that refers to it, too."
        }
        "0A000" if kind.is_some_and(|kind| kind.starts_with("DROP INDEX")) => {
            "That index can't be dropped CONCURRENTLY: of a partitioned table, with CASCADE, or several at once it can't. Drop them one by \
             one, without CASCADE; an index of a partitioned table by DROP INDEX without CONCURRENTLY, which locks the table shortly."
        }
        "0A000" if kind.is_some_and(|kind| kind.starts_with("ALTER TABLE")) => {
            "Postgres doesn't do this with what depends on it: the message says what. A view or rule on a column whose type changes is dropped \
             first and made again after it."
        }
        "42704" if texts.iter().any(|text| is_about_setting(text)) => {
            "There is no such setting: pg_settings lists those that there are. One of your own has a dot in its name (app.user_id), and \
             before it is set only current_setting('app.user_id', true) reads it, as null."
        }
        "22023" if texts.iter().any(|text| becomes_role(text)) => {
            "There is no such role, or it isn't one that yours may become: list_roles shows those of the branch. Without SET ROLE, role_name \
             chooses who runs the statements."
        }
        "22023" if texts.iter().any(|text| is_about_setting(text)) => {
            "The setting doesn't take that value: sizes and times have units in their text ('64MB', '5s'); unit, min_val, max_val and \
             enumvals in pg_settings say what it takes."
        }
        _ => return None,
    };
    Some(told.to_owned())
}

/// What is said where a statement took too long.
pub(super) fn too_long(target: &Target<'_>, sent: &[Sent<'_>]) -> String {
    let seconds = target.timeout().as_secs();
    let mut texts = sent.iter().map(|one| &one.statement.text);
    let own = texts.any(|text| limits_itself(text));
    let given = if target.timeout_seconds.is_some() {
        "as given"
    } else {
        "where none is given"
    };
    let which = match own {
        true => format!("the statement_timeout that is set here, or timeout_seconds ({seconds}, {given})"),
        false => format!("timeout_seconds ({seconds}, {given}, for all statements of the call; 120 at most)"),
    };
    format!(
        "It took longer than {which}, or somebody cancelled it: give it more time or less to do. explain_sql_statement shows the plan, \
         inspect_database (blocked, long_running) who else holds it up."
    )
}

/// Whether a statement gives something to an owner.
fn gives_owner(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower
        .split_whitespace()
        .collect::<Vec<_>>()
        .windows(2)
        .any(|pair| pair == ["owner", "to"])
}

/// Whether a statement is about an extension.
fn is_about_extension(text: &str) -> bool {
    text.split_whitespace()
        .take(3)
        .any(|word| word.eq_ignore_ascii_case("extension"))
}

/// Whether a statement sets how long it or others may take.
pub(super) fn limits_itself(text: &str) -> bool {
    text.to_ascii_lowercase().contains("statement_timeout")
}

/// Whether a statement becomes another role.
fn becomes_role(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let words: Vec<&str> = lower.split_whitespace().take(3).collect();
    matches!(
        words.as_slice(),
        ["set", "role", ..] | ["set", "session" | "local", "role" | "authorization"]
    )
}
