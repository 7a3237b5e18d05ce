//! What can be found out about SQL that failed: which statement of several it was, where in the text as it was sent, and what is
//! there under nearly the name that isn't.
//!
//! What to look for is told by Postgres' code alone. The name that is missing is read from the text at the place that Postgres
//! tells, else from its message: there it is only something to look for.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::statements::Target;
use crate::engine::{Failure, WorkflowContext};
use crate::neon::sql::{Connection, Found, Query, Reads, ResultSet, SqlError, Statements};
use crate::neon::text::one_line;
use crate::sql::{
    Place, Reading, Statement, Unshowable, is_operator_at, is_quoted_at, name_at, never_closed, redact,
    takes_parameters,
};

/// How long a second run may take that only shows which statement fails.
const AGAIN: Duration = Duration::from_secs(15);

/// How near to its end a second run counts as ended by that.
const NEARLY: Duration = Duration::from_secs(1);

/// How long such a run waits for a lock.
const LOCKS: Duration = Duration::from_secs(3);

/// How long looking for names may take.
const LOOKING: Duration = Duration::from_secs(5);

/// The most names that are told.
const MAX_NAMES: usize = 5;

/// How much of a statement is shown, in characters.
const SHOWN: usize = 80;

/// The most labels of an enum that are told.
const MAX_LABELS: usize = 50;

/// SQLSTATE of a statement that took too long or was cancelled.
const CANCELLED: &str = "57014";

/// How like a name another one must be, by Jaro and Winkler (1 is the same).
const LIKE_ENOUGH: f64 = 0.8;

/// SQLSTATEs of what a second run would show otherwise, or wait for once more: time-outs, locks, conflicts, ends.
fn passes(code: &str) -> bool {
    matches!(code, "57014" | "55P03" | "40001" | "40P01")
        || code.starts_with("57P")
        || code.starts_with("08") && code != "08P01"
}

/// A statement as the caller sent it.
pub(super) struct Sent<'s> {
    statement: &'s Statement,
    /// The text that it stands in.
    source: &'s str,
    /// That text holds other statements, too.
    shares: bool,
    /// How many characters of our own stand before the statement where it runs.
    ours: usize,
}

impl<'s> Sent<'s> {
    /// The statements of texts, a script for each.
    pub(super) fn all(scripts: &'s [crate::sql::Script], sources: &'s [String]) -> Vec<Self> {
        let of = |(index, script): (usize, &'s crate::sql::Script)| {
            let shares = script.statements.len() > 1;
            script.statements.iter().map(move |statement| Self {
                statement,
                source: sources.get(index).map_or(statement.text.as_str(), String::as_str),
                shares,
                ours: 0,
            })
        };
        scripts.iter().enumerate().flat_map(of).collect()
    }

    /// Whether it could be read here.
    pub(super) fn is_read(&self) -> bool {
        self.statement.is_read()
    }

    /// The same, behind a beginning of our own.
    pub(super) fn behind(self, ours: usize) -> Self {
        Self { ours, ..self }
    }

    /// The place in the caller's text, and in the statement alone.
    fn place(&self, position: usize) -> Option<(Place, usize)> {
        let own = position.checked_sub(self.ours).filter(|own| *own > 0)?;
        Place::of(&self.statement.text, own)?;
        let before = match self.source.get(self.statement.start..) {
            Some(rest) if rest.starts_with(self.statement.text.as_str()) => {
                self.source.get(..self.statement.start).unwrap_or_default()
            }
            _ => return Place::of(&self.statement.text, own).map(|place| (place, own)),
        };
        Some((Place::of(self.source, before.chars().count() + own)?, own))
    }
}

/// The failure with what can be found out about it. Nothing is changed for that: what is run once more is rolled back, or reads.
pub(super) async fn explained(
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
pub(super) async fn readable(
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
pub(super) async fn explained_one(
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

/// What to do, where more is known than the code says.
fn next(code: &str, kind: Option<&str>, texts: &[&str], position: Option<usize>, found: &Found) -> Option<String> {
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
fn too_long(target: &Target<'_>, sent: &[Sent<'_>]) -> String {
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
fn limits_itself(text: &str) -> bool {
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

/// Whether a statement is about a setting of Postgres'.
fn is_about_setting(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let first = name_at(text, 1);
    first
        .first()
        .is_some_and(|word| matches!(word.as_str(), "set" | "show" | "reset"))
        || lower.contains("current_setting")
        || lower.contains("set_config")
}

/// An enum that the message is about, with its labels: the name stands at the end of what is said before the value.
const LABELS: &str = "WITH said AS (SELECT CASE WHEN strpos($1, ': ') > 0 THEN left($1, strpos($1, ': ') - 1) ELSE $1 END AS head), \
 enums AS (SELECT DISTINCT ON (e.enumtypid) e.enumtypid AS oid, quote_ident(t.typname) AS name FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid), \
 one AS (SELECT oid FROM enums, said WHERE right(head, length(name)) = name ORDER BY length(name) DESC, oid LIMIT 1) \
 SELECT NULL AS place, e.enumlabel AS name, NULL AS more FROM pg_enum e WHERE e.enumtypid = (SELECT oid FROM one) ORDER BY e.enumsortorder LIMIT 50";

/// The labels of the enum that an error is about.
async fn labels(flow: &WorkflowContext<'_, '_>, connection: &Connection, error: &SqlError) -> Vec<String> {
    let Some(said) = error.said() else { return Vec::new() };
    let reads = Reads::own(LABELS, vec![said.into()]).pinned();
    let Ok(results) = flow.query(connection, reads, LOOKING).await else {
        return Vec::new();
    };
    let rows = results.first().map(ResultSet::objects).unwrap_or_default();
    let labels = rows.iter().filter_map(|row| row.get("name").and_then(Value::as_str));
    labels.take(MAX_LABELS).map(str::to_owned).collect()
}

/// Which statement failed.
enum Which {
    Number(usize),
    /// What was put off until the end of the transaction.
    End,
    Unknown,
}

/// Finds out which of several statements failed. Neon's proxy doesn't say, so they run once more with their numbers, in a
/// transaction that reads only or is rolled back; not what outlives a rollback, and not what waited.
async fn which(
    flow: &WorkflowContext<'_, '_>,
    (target, connection): (&Target<'_>, &Connection),
    error: &SqlError,
    code: &str,
    sent: &[Sent<'_>],
) -> Which {
    // What took long would take as long once more, and with less time another statement might be the one.
    let again = match code {
        CANCELLED if target.timeout() <= AGAIN => target.timeout(),
        // A time-out of the list's own is met once more.
        CANCELLED if sent.iter().any(|one| limits_itself(&one.statement.text)) => AGAIN,
        code if passes(code) => return Which::Unknown,
        _ => AGAIN,
    };
    if code == "08P01" {
        let first = sent.iter().position(|one| takes_parameters(&one.statement.text));
        return first.map_or(Which::Unknown, |index| Which::Number(index + 1));
    }
    let began = Instant::now();
    let readings: Option<Vec<Reading>> = sent.iter().map(|one| Reading::of(one.statement)).collect();
    let (ran, numbers) = match readings.filter(|_| !flow.changes()) {
        Some(readings) => {
            let (reads, numbers) = Reads::proven_batch(readings).numbered();
            (flow.query(connection, reads, again).await.map(|_| ()), numbers)
        }
        None => {
            let statements = || sent.iter().map(|one| one.statement);
            if statements().any(|one| one.leaves || one.mentions().outlive_rollback()) {
                return Which::Unknown;
            }
            let queries = statements().map(|one| Query::plain(one.text.clone())).collect();
            let together = Statements::together(queries, target.isolation);
            let (numbered, numbers) = super::statements::about(together, statements())
                .waiting_for_locks(LOCKS)
                .numbered();
            (flow.measure(connection, &numbered, again).await.map(|_| ()), numbers)
        }
    };
    // What waits for somebody's lock waits less long there.
    let same = |second: &SqlError| second.code() == Some(code) || code == CANCELLED && second.code() == Some("55P03");
    // Another statement may be the one that met the time of the second run.
    let own_end = code == CANCELLED && target.timeout() > again && began.elapsed() + NEARLY >= again;
    match ran {
        Err(Failure::Sql(second)) if same(&second) && !own_end => match numbers.of(&second) {
            Some(number) => Which::Number(number),
            None if second.said() == error.said() => Which::End,
            None => Which::Unknown,
        },
        _ => Which::Unknown,
    }
}

/// What could be meant, by the code.
const RELATIONS: &str = "SELECT n.nspname AS place, c.relname AS name, NULL AS more FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname !~ '^pg_(toast|temp)' AND ($1::text IS NOT NULL OR true) LIMIT 5000";
const COLUMNS: &str = "SELECT c.relname AS place, a.attname AS name, NULL AS more FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped \
 AND c.relname IN (SELECT json_array_elements_text($1::json)) LIMIT 5000";
const FUNCTIONS: &str = "SELECT n.nspname AS place, p.proname AS name, pg_get_function_identity_arguments(p.oid) AS more \
 FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
 WHERE p.prorettype <> 'internal'::regtype AND ($1::text IS NOT NULL OR true) ORDER BY n.nspname = 'pg_catalog' LIMIT 8000";
const SCHEMAS: &str = "SELECT NULL AS place, nspname AS name, NULL AS more FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp)' AND ($1::text IS NOT NULL OR true) LIMIT 2000";
const OBJECTS: &str = "SELECT n.nspname AS place, t.typname AS name, 'type' AS more FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace \
  WHERE t.typname !~ '^_' AND t.typtype <> 'c' AND n.nspname !~ '^pg_(toast|temp)' AND ($1::text IS NOT NULL OR true) \
 UNION ALL SELECT NULL, rolname, 'role' FROM pg_roles \
 UNION ALL (SELECT n.nspname, c.relname, 'index' FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
  WHERE c.relkind IN ('i', 'I') AND n.nspname !~ '^pg_' LIMIT 3000) \
 UNION ALL (SELECT conrelid::regclass::text, conname, 'constraint' FROM pg_constraint WHERE conrelid <> 0 AND connamespace <> 'pg_catalog'::regnamespace LIMIT 3000) \
 UNION ALL (SELECT tgrelid::regclass::text, tgname, 'trigger' FROM pg_trigger WHERE NOT tgisinternal LIMIT 1000) \
 UNION ALL SELECT NULL, extname, 'extension' FROM pg_extension \
 UNION ALL SELECT NULL, name, 'setting' FROM pg_settings";

/// Names that are there and nearly are the one that isn't, the nearest first.
async fn nearest(
    flow: &WorkflowContext<'_, '_>,
    connection: &Connection,
    error: &SqlError,
    code: &str,
    statements: &[&Statement],
    position: Option<usize>,
) -> Vec<String> {
    let question = match code {
        "42P01" => RELATIONS,
        "42703" => COLUMNS,
        "42883" => FUNCTIONS,
        "3F000" => SCHEMAS,
        "42704" => OBJECTS,
        _ => return Vec::new(),
    };
    let said = error.said().unwrap_or_default();
    let written = match (statements, position) {
        ([only], Some(position)) => name_at(&only.text, position),
        _ => Vec::new(),
    };
    let Some(missing) = missing(code, &written, said) else {
        return Vec::new();
    };
    let identifiers: Vec<String> = statements
        .iter()
        .flat_map(|statement| statement.mentions().identifiers)
        .take(1_000)
        .collect();
    let reads = Reads::own(question, vec![json!(identifiers).to_string().into()]).pinned();
    let Ok(results) = flow.query(connection, reads, LOOKING).await else {
        return Vec::new();
    };
    let mut rows = results.first().map(ResultSet::objects).unwrap_or_default();
    if code == "42704" {
        let settings = statements.iter().any(|statement| is_about_setting(&statement.text));
        let sets = statements
            .iter()
            .any(|statement| statement.text.to_ascii_lowercase().contains("set"));
        rows.retain(|row| match row.get("more").and_then(Value::as_str) {
            Some("setting") => sets || settings,
            _ => !settings,
        });
    }
    ranked(&missing, &rows)
}

/// The schemas whose name is like that one, the nearest first.
pub(super) async fn nearest_schemas(
    flow: &WorkflowContext<'_, '_>,
    connection: &Connection,
    name: &str,
) -> Vec<String> {
    let reads = Reads::own(SCHEMAS, vec!["[]".into()]).pinned();
    match flow.query(connection, reads, LOOKING).await {
        Ok(results) => ranked(name, &results.first().map(ResultSet::objects).unwrap_or_default()),
        Err(_) => Vec::new(),
    }
}

/// The relations whose name is like that one, the nearest first.
pub(super) async fn nearest_relations(
    flow: &WorkflowContext<'_, '_>,
    connection: &Connection,
    name: &str,
) -> Vec<String> {
    let reads = Reads::own(RELATIONS, vec!["[]".into()]).pinned();
    match flow.query(connection, reads, LOOKING).await {
        Ok(results) => ranked(name, &results.first().map(ResultSet::objects).unwrap_or_default()),
        Err(_) => Vec::new(),
    }
}

/// The name that is missing: where it stands in the text, else as the message quotes it.
fn missing(code: &str, written: &[String], said: &str) -> Option<String> {
    match written {
        [] => {}
        // An alias that nothing has.
        [first, _, ..] if code == "42P01" && said.contains(&format!("\"{first}\"")) => return Some(first.clone()),
        [first, _, ..] if code == "3F000" => return Some(first.clone()),
        [.., last] => return Some(last.clone()),
    }
    let quoted = [("\"", "\""), ("«", "»"), ("„", "“"), ("“", "”")]
        .iter()
        .find_map(|(opens, closes)| {
            let (_, rest) = said.split_once(opens)?;
            let (name, _) = rest.split_once(closes)?;
            Some(name.rsplit('.').next().unwrap_or(name).to_owned())
        });
    let called = || {
        let (before, _) = said.split_once('(')?;
        let name = before.split_whitespace().next_back()?;
        Some(name.rsplit('.').next().unwrap_or(name).to_owned())
    };
    quoted
        .or_else(called)
        .filter(|name| !name.is_empty() && name.len() <= 63)
}

/// The names that are like the missing one, the most like first.
fn ranked(missing: &str, rows: &[Value]) -> Vec<String> {
    let text = |row: &Value, field: &str| row.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let plain = |name: &str| {
        name.chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_ascii_lowercase()
    };
    let wanted = plain(missing);
    let mut near: Vec<(f64, String)> = rows
        .iter()
        .filter_map(|row| {
            let name = text(row, "name");
            let like = match (name == missing, plain(&name) == wanted && !wanted.is_empty()) {
                (true, _) => 2.0,
                (_, true) => 1.5,
                _ => strsim::jaro_winkler(&plain(&name), &wanted),
            };
            if like < LIKE_ENOUGH {
                return None;
            }
            let place = match text(row, "place") {
                place if place.is_empty() => String::new(),
                place => format!("{}.", written(&place)),
            };
            let more = match row.get("more").and_then(Value::as_str) {
                Some(kind @ ("type" | "role" | "index" | "constraint" | "trigger" | "extension" | "setting")) => {
                    format!(" ({kind})")
                }
                Some(arguments) => format!("({arguments})"),
                None => String::new(),
            };
            Some((like, format!("{place}{}{more}", written(&name))))
        })
        .collect();
    near.sort_by(|(one, first), (other, second)| other.total_cmp(one).then_with(|| first.cmp(second)));
    near.dedup();
    near.into_iter().take(MAX_NAMES).map(|(_, name)| name).collect()
}

/// A name as SQL writes it.
fn written(name: &str) -> String {
    crate::sql::TableName {
        schema: None,
        name: name.to_owned(),
    }
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_counts_in_the_text_as_it_was_sent() {
        let source = "-- größe\n/* ä */ SELECT 1;\n SELECT ü FROM t".to_owned();
        let scripts = [crate::sql::parse(&source)];
        let sources = [source];
        let mut sent = Sent::all(&scripts, &sources);
        let second = sent.pop().expect("two");
        let (place, own) = second.place(8).expect("a place");
        assert_eq!((place.line, place.column, own), (3, 9, 8));
        assert_eq!(sources[0].chars().nth(place.position - 1), Some('ü'));
        let explained = second.behind("EXPLAIN (COSTS) ".len());
        let (place, own) = explained.place(8 + "EXPLAIN (COSTS) ".len()).expect("a place");
        assert_eq!((place.line, place.column, own), (3, 9, 8));
        assert!(explained.place(3).is_none(), "in our own text");
    }

    #[test]
    fn missing_name_is_read_from_the_text_before_the_message() {
        let parts = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
        for (code, written, said, name) in [
            (
                "42P01",
                parts(&["crm", "deals"]),
                "relation \"crm.deals\" does not exist",
                "deals",
            ),
            (
                "42P01",
                parts(&["x", "id"]),
                "missing FROM-clause entry for table \"x\"",
                "x",
            ),
            ("42703", parts(&["t", "nmae"]), "column t.nmae does not exist", "nmae"),
            (
                "42703",
                Vec::new(),
                "column \"endpoint\" of relation \"t\" does not exist",
                "endpoint",
            ),
            ("42883", Vec::new(), "function s.foo(integer) does not exist", "foo"),
            ("3F000", parts(&["smth", "t"]), "schema \"smth\" does not exist", "smth"),
        ] {
            assert_eq!(missing(code, &written, said).as_deref(), Some(name), "{said}");
        }
    }

    #[test]
    fn nearest_names_come_first() {
        let row = |place: &str, name: &str| json!({"place": place, "name": name, "more": null});
        let rows = [
            row("public", "orders"),
            row("crm", "order"),
            row("public", "customers"),
            row("x", "Ordrs"),
        ];
        assert_eq!(ranked("ordrs", &rows)[0], "x.\"Ordrs\"");
        assert!(ranked("ordrs", &rows).contains(&"public.orders".to_owned()));
        assert!(!ranked("ordrs", &rows).contains(&"public.customers".to_owned()));
    }
}
