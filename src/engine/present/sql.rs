//! What Postgres says of a failure, and what helps against it, by its code.

use serde_json::{Map, Value};

use crate::engine::error::is_sqlstate;
use crate::engine::present::untrusted::Fence;
use crate::neon::Changed;
use crate::neon::sql::{SqlEnd, SqlError};
use crate::neon::text::one_line;

/// What Postgres says of a failed statement, as fields of a result. Its own words may hold what somebody stored, so they stand
/// inside a fence.
pub(crate) fn postgres_says(failed: &SqlError, fence: &Fence) -> Map<String, Value> {
    let mut more = Map::new();
    more.extend(
        failed
            .code()
            .filter(|code| is_sqlstate(code))
            .map(|code| ("sqlstate".to_owned(), code.into())),
    );
    more.extend(
        failed
            .position()
            .filter(|_| failed.found().place.is_none())
            .and_then(|position| position.parse::<u32>().ok())
            .map(|position| ("position".to_owned(), position.into())),
    );
    more.extend(found(failed, fence));
    let said: Vec<String> = [
        ("", failed.said()),
        ("detail: ", failed.detail()),
        ("hint: ", failed.hint()),
    ]
    .into_iter()
    .filter_map(|(what, text)| Some(format!("{what}{}", one_line(text?, 300))))
    .chain(
        failed
            .context()
            .iter()
            .map(|line| format!("context: {}", one_line(line, 200))),
    )
    .collect();
    if !said.is_empty() {
        more.insert("postgres_says".to_owned(), fence.around(&said.join(" | ")).into());
    }
    more
}

/// What was found out about a failed statement, as fields of a result.
fn found(failed: &SqlError, fence: &Fence) -> Map<String, Value> {
    let found = failed.found();
    let mut more = Map::new();
    if let Some((number, kind)) = &found.statement {
        more.insert("statement".into(), (*number).into());
        if kind != crate::sql::UNREAD {
            more.insert("kind_of_statement".into(), kind.as_str().into());
        }
    }
    if let Some(beginning) = &found.beginning {
        more.insert("statement_begins".into(), fence.quote(&one_line(beginning, 120)).into());
    }
    for (field, name) in [("constraint", failed.constraint()), ("column_name", failed.column())] {
        more.extend(name.map(|name| (field.to_owned(), fence.quote(&one_line(name, 100)).into())));
    }
    if let Some((schema, table)) = failed.table() {
        let table = schema.map_or_else(|| table.to_owned(), |schema| format!("{schema}.{table}"));
        more.insert("table".into(), fence.quote(&one_line(&table, 160)).into());
    }
    if let Some(place) = found.place {
        more.insert("position".into(), place.position.into());
        more.insert("line".into(), place.line.into());
        more.insert("column".into(), place.column.into());
    }
    if let Some(position) = found.in_statement {
        more.insert("position_in_statement".into(), position.into());
    }
    if !found.nearest.is_empty() {
        let names = found
            .nearest
            .iter()
            .map(|name| Value::from(fence.quote(&one_line(name, 200))));
        more.insert("nearest".into(), names.collect());
    }
    if !found.labels.is_empty() {
        let labels = found
            .labels
            .iter()
            .map(|label| Value::from(fence.quote(&one_line(label, 100))));
        more.insert("labels".into(), labels.collect());
    }
    more
}

/// What to do about a failed statement.
pub(crate) fn sql_next(failed: &SqlError) -> String {
    let found = failed.found();
    let next = match failed.changed() {
        _ if failed.is_too_large() => match failed.changed() {
            Changed::No => TOO_LARGE,
            _ => TOO_LARGE_CHANGE,
        },
        Changed::Unknown => "Look at the data before deciding to run it again.",
        // Nothing was changed, and nothing is wrong with the statement.
        Changed::No if failed.end() != SqlEnd::Refused => "Call it again.",
        _ if is_within_function(failed) => WITHIN_FUNCTION,
        _ if failed.refused_login() => {
            "Check branch, database_name and role_name; a password may have been changed: try again."
        }
        _ => found
            .next
            .as_deref()
            .unwrap_or_else(|| advice(failed.code().unwrap_or_default())),
    };
    let mut next = next.to_owned();
    if !found.nearest.is_empty() {
        next.push_str(" Names like it are in `nearest`.");
    }
    next
}

/// Said where a function's own code doesn't fit what is there: its author has to be looked for by its name and line.
const WITHIN_FUNCTION: &str = "It is the code of a function, procedure, trigger or block that fails, not the statement: the first context in \
                               `postgres_says` names it and its line. SELECT pg_get_functiondef('name'::regproc) shows its code; correct that, or \
                               what it is given.";

/// Whether it failed by what the code of a function is or computes: a name that isn't there, a value that can't be used.
fn is_within_function(failed: &SqlError) -> bool {
    let of_code = failed
        .code()
        .is_some_and(|code| ["42", "22", "21", "0A"].iter().any(|class| code.starts_with(class)) && code != "42501");
    let of_function = |line: &String| {
        let languages = ["PL/pgSQL function ", "SQL function "];
        languages.iter().any(|language| line.starts_with(language))
    };
    of_code && failed.context().iter().any(of_function)
}

/// What to do where a result is over a limit.
const TOO_LARGE: &str = "Ask for less: fewer rows (LIMIT, and from there on by WHERE key > the last one), fewer columns, or a part of large \
                         values (left(text, 1000), length(text), data -> 'key', substring(bytes FROM 1 FOR 1000)).";

/// The same where it isn't known whether the statement was committed.
const TOO_LARGE_CHANGE: &str = "Look whether it took effect before running it again; then leave out RETURNING, or return fewer columns and rows, or a \
                                part of large values (left(text, 1000)).";

/// What to do about a failure, by Postgres' code (PostgreSQL documentation, appendix A) and never by its words, which may quote
/// anything.
fn advice(code: &str) -> &'static str {
    match code {
        "57014" => {
            "It took longer than timeout_seconds (30 where none is given, 120 at most; all statements of a call together) or than a \
             statement_timeout of its own, or was cancelled: give it more time or less to do. explain_sql_statement shows the plan, \
             inspect_database who else holds it up."
        }
        "25P03" => {
            "The session waited in its transaction for longer than idle_in_transaction_session_timeout: run all of it again."
        }
        "25P04" => {
            "The transaction took longer than transaction_timeout, which the role, the database or a SET gives it: do less at once, or \
             set more."
        }
        "40001" | "40P01" => "It met another transaction, and was rolled back: run it again.",
        "55P03" => {
            "Somebody else holds a lock on it, for longer than lock_timeout or in the way of NOWAIT: inspect_database (blocked, long_running) shows \
             who. Run it again later."
        }
        "57P01" | "57P02" | "57P03" | "57P05" | "08000" | "08001" | "08003" | "08006" => {
            "The compute was restarted or is starting, and the statement was rolled back: run it again."
        }
        "53300" => "Too many connections are open: run it again in a moment; inspect_database shows who is connected.",
        "53100" | "53200" | "53400" | "54000" => {
            "The compute's memory, disk or a limit was not enough: do less at once, or use a larger compute."
        }
        "08P01" => {
            "The number of params isn't that of $1, $2, … in the statement: give one for each, in their order. Statements of a list take \
             none: write the values into them, or run such a statement by itself with run_sql."
        }
        "42P02" => "The statement has a $1, $2, … that no param is given for: give one for each, with run_sql.",
        "42P18" => "The type of a parameter can't be told: cast it where it stands, as in $1::text or $1::int[].",
        "42804" => {
            "The types don't match: cast what has the wrong one (total::int, $1::date), or give another value. ALTER COLUMN … TYPE wants \
             USING c::type where Postgres doesn't cast by itself."
        }
        "42846" => {
            "Postgres casts neither directly into the other: go by text where that says the same (x::text::type), or make the value by a \
             function."
        }
        "22P02" | "22P03" => {
            "The value can't be read as the type that is expected there: correct it, or cast the parameter to what it is ($1::text). For a \
             list of values: = ANY($1)."
        }
        "22007" | "22008" => {
            "It isn't a date, time or interval that Postgres reads, or none that there is: write 2026-01-31, 2026-01-31T10:00:00Z, or for an \
             interval '1 day' or '02:30:00'. A parameter is cast to what it is: $1::date, $1::timestamptz, $1::interval."
        }
        "22003" => "The number is beyond what its type holds: use bigint or numeric, for the column or by a cast.",
        "22023" => {
            "The value isn't one that is taken there: the message names what it is for. bytea in hex is '\\x' and two of the digits 0-9 and \
             a-f for each byte ('\\xDEADBEEF'); decode(text, 'hex') and decode(text, 'base64') read it from text."
        }
        "22001" => "A text is longer than its column takes: shorten it, or change the column's type.",
        "22012" => "Something is divided by zero: use nullif(divisor, 0).",
        "22004" | "22002" => "A value is null where none may be.",
        "42P01" => {
            "There is no such table, view or alias: get_database_tables shows what there is, with its schema; a name with capitals stands in \
             double quotes."
        }
        "3F000" => "There is no such schema: get_database_tables shows what there is, with its schema.",
        "42703" => {
            "There is no such column: describe_table_schema shows the columns; a name with capitals stands in double quotes."
        }
        "42883" => {
            "There is no such function or operator for these types: cast the arguments, or look for its name and schema."
        }
        "42704" => "There is no such type, role, index, constraint or other object: look for its name and schema.",
        "42702" => "The column is in more than one table: write the table's name or alias before it.",
        "42725" => "Several functions or operators fit: cast the arguments.",
        "42803" => "A column is neither in GROUP BY nor inside an aggregate: add it there, or aggregate it.",
        "3D000" => "There is no such database: list_databases shows those of the branch; give database_name.",
        "28000" | "28P01" => "The role can't log in: list_roles shows those of the branch; give role_name.",
        "42601" => {
            "Correct the syntax at `line` and `column`, which count in the text as it was sent, and call again; what is wrong may stand \
             right before it."
        }
        "42501" => {
            "The role may not do this: use another role_name, or have the owner GRANT it (describe_table_schema shows who owns a table)."
        }
        "23505" => {
            "Two rows would have the same values in the key of `constraint`: choose others or use ON CONFLICT; where the rows are there already, find \
             them with GROUP BY … HAVING count(*) > 1."
        }
        "23503" => {
            "The foreign key `constraint` refuses it: insert the row that it refers to first, or delete those that refer to it first; the \
             detail says which. One that is put off (DEFERRABLE) is checked at the end."
        }
        "23001" => "Another row refers to it, and the key restricts that: change or delete that one first.",
        "23502" => {
            "The column `column_name` must have a value and would be null: give one, or a default; of rows that are there, fill it first."
        }
        "23000" | "23514" | "23P01" => {
            "`constraint` refuses a row: describe_table_schema shows what it wants. One that is being added is refused by rows that are there: correct those first, or add it NOT VALID."
        }
        "25006" => {
            "What reads by its text runs in a read-only transaction, and a function in it would change something: say so in the text. For \
             its result: run_sql_transaction with [\"SET LOCAL lock_timeout = '10s'\", \"SELECT f()\"]; to keep it: INSERT … SELECT f(); \
             without: DO $$ BEGIN PERFORM f(); END $$. A read replica takes no change at all."
        }
        "25P02" => {
            "A statement before it failed, so that the transaction takes no other: correct the first that failed, and run all again."
        }
        "2BP01" => "Something depends on it: the detail names it. CASCADE would drop that, too.",
        "55006" => "Somebody uses it: end their work, or try again later; inspect_database (long_running) shows who.",
        "55000" => "It isn't in a state for this: the message says what is missing.",
        "42701" => {
            "A column of that name is there already, or is given twice: leave one out, or choose another name. ALTER TABLE … ADD COLUMN IF NOT \
             EXISTS adds it only where it isn't there."
        }
        "42P10" => {
            "There is nothing that fits the columns: ON CONFLICT wants a unique index or constraint on exactly those that it names \
             (describe_table_schema shows them; CREATE UNIQUE INDEX makes one); ORDER BY and GROUP BY with a number, or with DISTINCT, want \
             what stands in the select list."
        }
        "42830" => {
            "The columns that the foreign key refers to have no unique or primary key constraint on exactly them: add one there first, or \
             refer to those that have (describe_table_schema shows them)."
        }
        "42809" => {
            "It is of another kind than the statement is for (a view and no table, a procedure and no function): use the statement of its \
             kind, such as DROP VIEW, DROP MATERIALIZED VIEW, CALL; get_database_tables and describe_table_schema show what it is."
        }
        "54011" => {
            "It has more columns than Postgres takes (1,600 in a table, 1,664 in a select list): leave some out, or split it into several \
             tables or a jsonb column."
        }
        "54001" | "54023" => "It is deeper or has more arguments than Postgres takes: split it up, or pass an array.",
        "21000" => {
            "Where one row is wanted there are several: a subquery that stands for a value gets LIMIT 1, an aggregate or = ANY (…); ON CONFLICT \
             DO UPDATE and MERGE get each row but once (SELECT DISTINCT ON the key)."
        }
        "55P04" => {
            "A label that was added to an enum can be used once that is committed: run ALTER TYPE … ADD VALUE by a call of its own first \
             (run_sql), then the rest; as a migration, prepare and complete it first."
        }
        "42P07" | "42P06" => {
            "Something of that name is there already: use IF NOT EXISTS where it is what you want, or another name."
        }
        "42723" => {
            "A function with these arguments is there already: CREATE OR REPLACE takes its place, or choose another name."
        }
        "42P04" => "There is a database of that name already: choose another; list_databases shows them.",
        "42710" => {
            "Something of that name is there already (a type, role, constraint, trigger, policy, publication or extension, most of which have \
             no IF NOT EXISTS): leave it out, DROP … IF EXISTS first, or choose another name."
        }
        "2D000" => {
            "It would end the transaction that it runs in: a procedure or block that commits runs by itself with run_sql, where what it \
             does can be told; else take COMMIT and ROLLBACK out of it."
        }
        "25001" => {
            "It can't run inside of a transaction, or not after its first statement: run it by itself with run_sql; for an isolation level \
             give run_sql_transaction its isolation."
        }
        "25P01" => "It only has an effect inside of a transaction: give it to run_sql_transaction with what it is for.",
        "3B001" => "There is no such savepoint: a DO block with BEGIN … EXCEPTION WHEN … END does the same.",
        "0A000" => {
            "Postgres doesn't do this, or not with what it is applied to: the message says what. Write it otherwise, or leave it out."
        }
        code if code.starts_with("22") => {
            "A value can't be used there: correct it, or cast it to the type that is wanted."
        }
        code if code.starts_with("23") => "A constraint refuses a row: describe_table_schema shows the constraints.",
        code if code.starts_with("40") => "The transaction was rolled back: run it again.",
        code if code.starts_with("53") => {
            "The compute has too little of something: do less at once, or run it again later."
        }
        code if code.starts_with("P0") => {
            "A function or block raised this error itself: the message is its own. Correct what it objects to."
        }
        code if code.starts_with("XX") => {
            "Postgres met an error of its own: run it again; if it comes back, write it otherwise."
        }
        _ => "Correct the statement; get_database_tables and describe_table_schema show what there is.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes that hardly anybody can cause on purpose, each with a word that its advice can't do without. The others are caused
    /// on a real Postgres by the black-box tests.
    #[test]
    fn advice_fits_codes_that_are_hard_to_cause() {
        for (code, words) in [
            ("40001", "run it again"),
            ("40P01", "run it again"),
            ("55P03", "lock"),
            ("57P01", "again"),
            ("57P03", "again"),
            ("53300", "connections"),
            ("08P01", "param"),
            ("08006", "again"),
            ("2D000", "procedure"),
            ("25001", "transaction"),
            ("25P02", "transaction"),
            ("25P01", "run_sql_transaction"),
            ("25P03", "idle"),
            ("3B001", "savepoint"),
            ("42846", "cast"),
            ("40003", "run it again"),
            ("53200", ""),
            ("XX000", ""),
        ] {
            let said = advice(code);
            assert!(said.to_lowercase().contains(words), "{code}: {said}");
            assert_ne!(said, advice("no such code"), "{code} has no advice of its own");
        }
    }
}
