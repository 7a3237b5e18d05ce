//! What the statements of one call are to one another: a table that an earlier one made, a statement that an earlier one prepared.
//!
//! A call is a session of its own, so what it executes it must have prepared, and what it made nobody else has. This is a matter of
//! text, and decides who is asked, not what is held: a name may lead to another table than it seems to (a search path, a temporary
//! table that is gone again). The measured commit measures what is really lost, and has it asked about: where such
//! a judgement counts, not one row of what existed before may go.

use std::collections::{BTreeMap, BTreeSet};

use super::act::SessionAct;
use super::effect::{StatementEffect, Transaction};
use super::grade::Grade;
use super::lex::{self, Kind, Token};
use super::name::TableName;
use super::statement::{Script, Statement};
use super::{functions, name};

/// What a statement does that takes a table's rows or a part of its definition, and nothing else: the beginnings of reasons.
const OF_TABLES: [&str; 14] = [
    "drops the table ",
    "empties ",
    "deletes rows of ",
    "deletes all rows of ",
    "updates rows of ",
    "updates all rows of ",
    "inserts rows into ",
    "changes the table ",
    "drops a column",
    "drops a constraint",
    "changes a column's type",
    "changes the type of a column",
    "merges rows into ",
    "merges into, and can ",
];

/// Kinds of statements that can be about tables alone.
const KINDS: [&str; 6] = ["DROP TABLE", "TRUNCATE", "DELETE", "UPDATE", "MERGE", "ALTER TABLE … "];

/// The reason of `EXECUTE` as long as it isn't known what it runs.
const UNSEEN: &str = "runs a prepared statement, which isn't seen here";

/// Judges statements by those before them in the same call: one that is executed by what was prepared, one that changes or drops what
/// the call made as no loss. What executes a statement that nothing prepared is refused: Postgres would refuse it with 26000.
pub fn relate(scripts: &mut [Script]) {
    let mut made: BTreeSet<TableName> = BTreeSet::new();
    let mut prepared: BTreeMap<String, Statement> = BTreeMap::new();
    // What isn't seen here may prepare something.
    let mut unseen = false;
    for statement in scripts.iter_mut().flat_map(|script| &mut script.statements) {
        if let Some(name) = executed(statement) {
            match prepared.get(&name) {
                Some(known) => judge_by(statement, known),
                None if !unseen && statement.refusal.is_none() => {
                    statement.refusal = Some(format!(
                        "executes the prepared statement {}, which no statement before it in this call prepares, and each call is a session of \
                         its own: give PREPARE and EXECUTE as one list, or the statement itself with its params",
                        name::quoted(&name)
                    ));
                }
                None => {}
            }
        }
        if is_about(statement, &made) {
            statement.deletes = false;
            if statement.effect == StatementEffect::Destructive {
                statement.effect = StatementEffect::Write;
                statement.of_made = true;
            }
        }
        unseen |= may_prepare(statement);
        for act in &statement.session {
            match act {
                SessionAct::Prepares(name) => drop(prepared.insert(name.clone(), statement.clone())),
                SessionAct::Forgets(Some(name)) => drop(prepared.remove(name)),
                SessionAct::Forgets(None) | SessionAct::DiscardsAll => prepared.clear(),
                _ => {}
            }
        }
        // A name leads elsewhere once it is dropped or renamed, or the search path or the role is another one.
        if statement.kind.starts_with("DROP")
            || statement.kind.contains("RENAME")
            || statement.kind.contains("SET SCHEMA")
        {
            // In whatever schema: a temporary table hides another one of its name, which is found once that is gone.
            made.retain(|table| !statement.tables.iter().any(|moved| moved.name == table.name));
        }
        if moves_any(statement) {
            made.clear();
        }
        if statement.session.iter().any(moves_names) {
            made.retain(|table| table.schema.is_some());
        }
        made.extend(makes(statement));
    }
}

/// Whether a statement may rename or drop any table: a schema with all that is in it, or by code that isn't seen here.
fn moves_any(statement: &Statement) -> bool {
    let schema = statement.kind.contains("SCHEMA") && !statement.kind.starts_with("CREATE");
    let code = matches!(statement.kind.as_str(), "DO" | "CALL" | "EXECUTE");
    schema || code || !statement.is_read()
}

/// Whether an act changes what a name without a schema means.
fn moves_names(act: &SessionAct) -> bool {
    match act {
        SessionAct::Sets { setting, .. } => setting.as_deref().is_none_or(|setting| setting == "search_path"),
        SessionAct::SetsLocally(setting) | SessionAct::Resets(setting) => {
            matches!(setting.as_str(), "search_path" | "role" | "session_authorization" | "")
        }
        SessionAct::ResetsAll
        | SessionAct::TakesRole
        | SessionAct::LeavesRole
        | SessionAct::TakesUser
        | SessionAct::LeavesUser
        | SessionAct::DiscardsTemporary
        | SessionAct::DiscardsAll => true,
        _ => false,
    }
}

/// Whether a statement only takes something of tables that are among these.
fn is_about(statement: &Statement, made: &BTreeSet<TableName>) -> bool {
    statement.effect > StatementEffect::Read
        && !statement.leaves
        && statement.transaction == Transaction::Inside
        && KINDS.iter().any(|kind| statement.kind.starts_with(kind))
        && !statement.tables.is_empty()
        && statement.tables.iter().all(|table| made.contains(table))
        && statement
            .reasons
            .iter()
            .all(|reason| OF_TABLES.iter().any(|begins| reason.starts_with(begins)))
}

/// The table that a statement makes, where it fails if there is one already.
fn makes(statement: &Statement) -> Option<TableName> {
    if !matches!(statement.kind.as_str(), "CREATE TABLE" | "CREATE TABLE AS") {
        return None;
    }
    let tokens = lex::lex(&statement.text);
    let at = tokens.iter().position(|word| word.is("table"))?;
    let before = tokens.get(1..at)?;
    let known = |word: &Token<'_>| word.is_any(&["temp", "temporary", "local", "global", "unlogged"]);
    let rest = tokens.get(at + 1..)?;
    match rest {
        [first, second, ..] if first.is("if") && second.is("not") => None,
        _ if before.iter().all(known) => name::path(rest),
        _ => None,
    }
}

/// The prepared statement that a statement executes.
fn executed(statement: &Statement) -> Option<String> {
    let tokens = lex::lex(&statement.text);
    let first = tokens.first()?;
    // Also what the parser doesn't know: Postgres reads it by the same words.
    let at = match first {
        first if first.is("execute") => 0,
        first if first.is_any(&["explain", "create"]) => tokens.iter().position(|word| word.is("execute"))?,
        _ => return None,
    };
    // In `EXPLAIN SELECT execute FROM t` it is a name, in `CREATE TRIGGER … EXECUTE FUNCTION` another clause.
    let before = tokens.get(..at)?;
    let fits = match before.last() {
        None => true,
        Some(last) if first.is("create") => last.is("as") && before.iter().any(|word| word.is("table")),
        Some(last) => {
            let options = before
                .iter()
                .skip(1)
                .all(|word| word.is_any(&["analyze", "analyse", "verbose"]));
            options || last.kind == Kind::Close && before.get(1).is_some_and(|word| word.kind == Kind::Open)
        }
    };
    let name = tokens.get(at + 1).filter(|_| fits)?;
    name::named(name, tokens.get(at + 2..).unwrap_or_default())
}

/// Whether a statement may prepare another one without saying so: by code that puts statements together.
fn may_prepare(statement: &Statement) -> bool {
    if !statement.is_read() || matches!(statement.kind.as_str(), "DO" | "CALL" | "EXECUTE") {
        return true;
    }
    let tokens = lex::lex(&statement.text);
    tokens.windows(2).any(|pair| match pair {
        [name, open] => {
            open.kind == Kind::Open
                && match name.kind {
                    Kind::Quoted | Kind::Unicode => true,
                    Kind::Word => !name.is_any(&[
                        "values", "in", "as", "and", "or", "not", "exists", "where", "on", "using",
                    ]),
                    _ => false,
                }
        }
        _ => false,
    }) && matches!(
        statement.kind.as_str(),
        "SELECT" | "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "VALUES"
    )
}

/// Judges an `EXECUTE` by what was prepared; never as a proven read. Its own arguments count, too.
fn judge_by(statement: &mut Statement, prepared: &Statement) {
    if statement.kind != "EXECUTE" {
        return;
    }
    let called = functions::called(&lex::lex(&statement.text));
    let others = statement.reasons.iter().filter(|reason| *reason != UNSEEN);
    // A text that can be read in two ways stays what it was.
    if !others
        .clone()
        .all(|reason| called.iter().any(|(_, known)| known == reason))
    {
        return;
    }
    let own = called.iter().map(|(grade, _)| *grade).max().unwrap_or(Grade::Read);
    let mut reasons: Vec<String> = prepared.reasons.clone();
    reasons.extend(
        others
            .filter(|reason| !prepared.reasons.contains(*reason))
            .cloned()
            .collect::<Vec<_>>(),
    );
    statement.effect = prepared.effect.max(own.effect()).max(StatementEffect::Write);
    statement.deletes = prepared.deletes;
    statement.leaves = prepared.leaves || own == Grade::Leaves;
    statement.tables.clone_from(&prepared.tables);
    statement.reasons = reasons;
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;
    use crate::parse_all;

    fn related(texts: &[&str]) -> Vec<Statement> {
        let mut scripts = parse_all(texts);
        relate(&mut scripts);
        scripts.into_iter().flat_map(|script| script.statements).collect()
    }

    fn last(texts: &[&str]) -> Statement {
        related(texts).pop().expect("a statement")
    }

    #[test]
    fn executed_statement_is_judged_by_what_was_prepared() {
        use StatementEffect::{Destructive, Write};
        for (texts, effect, leaves) in [
            (&["PREPARE p AS SELECT 1", "EXECUTE p"][..], Write, false),
            (
                &["PREPARE p (int) AS DELETE FROM t WHERE x = $1", "EXECUTE P (5)"],
                Write,
                false,
            ),
            (&["PREPARE p AS DELETE FROM t", "EXECUTE p"], Destructive, false),
            (
                &["PREPARE p AS SELECT dblink('x', 'y')", "EXECUTE p"],
                Destructive,
                true,
            ),
            (
                &["PREPARE p (bool) AS SELECT $1", "EXECUTE p (pg_terminate_backend(1))"],
                Destructive,
                false,
            ),
            (
                &[
                    "PREPARE p AS DELETE FROM t",
                    "DEALLOCATE p",
                    "PREPARE p AS SELECT 1",
                    "EXECUTE p",
                ],
                Write,
                false,
            ),
            (
                &[
                    "PREPARE p AS SELECT 1",
                    "PREPARE \"P\" AS DELETE FROM t",
                    "EXECUTE \"P\"",
                ],
                Destructive,
                false,
            ),
        ] {
            let executes = last(texts);
            assert_eq!((executes.effect, executes.leaves), (effect, leaves), "{texts:?}");
            assert_eq!(executes.refusal, None, "{texts:?}");
        }
    }

    #[test]
    fn executing_what_nothing_prepared_is_refused() {
        for texts in [
            &["EXECUTE p"][..],
            &["EXECUTE p (1)"],
            &["PREPARE p AS SELECT 1", "EXECUTE q"],
            &["PREPARE p AS SELECT 1", "DEALLOCATE ALL", "EXECUTE p"],
            &["EXECUTE p", "PREPARE p AS SELECT 1"],
            &["EXPLAIN ANALYZE EXECUTE p"],
            &["EXPLAIN (COSTS OFF) EXECUTE p"],
            &["CREATE TABLE t AS EXECUTE p"],
            &["CREATE TABLE t (x int)", "INSERT INTO t VALUES (1)", "EXECUTE p"],
        ] {
            let refused = related(texts).iter().any(|statement| statement.refusal.is_some());
            assert!(refused, "{texts:?}");
        }
        // What isn't seen here may have prepared it.
        for texts in [
            &["DO $$ BEGIN EXECUTE 'PREPARE p AS SELECT 1'; END $$", "EXECUTE p"][..],
            &["SELECT f()", "EXECUTE p"],
            &["EXPLAIN SELECT execute FROM t"],
            &["GRANT EXECUTE ON FUNCTION f() TO r"],
        ] {
            let refused = related(texts).iter().any(|statement| statement.refusal.is_some());
            assert!(!refused, "{texts:?}");
        }
    }

    #[test]
    fn what_the_same_call_made_is_no_loss() {
        let lowered = |texts: &[&str]| last(texts).effect == StatementEffect::Write;
        for texts in [
            &["CREATE TABLE t (x int)", "DROP TABLE t"][..],
            &["CREATE TEMP TABLE t (x int)", "TRUNCATE t"],
            &["CREATE TABLE s.t (x int)", "SET search_path = s", "DELETE FROM s.t"],
            &["CREATE TABLE t AS SELECT 1 AS x", "ALTER TABLE t DROP COLUMN x"],
            &["CREATE UNLOGGED TABLE \"T\" (x int)", "UPDATE \"T\" SET x = 1"],
            &["CREATE TABLE a (x int)", "CREATE TABLE b (x int)", "DROP TABLE a, b"],
        ] {
            assert!(lowered(texts), "{texts:?}: {:?}", last(texts).reasons);
        }
        for texts in [
            &["DROP TABLE t"][..],
            &["CREATE TABLE IF NOT EXISTS t (x int)", "DROP TABLE t"],
            &["CREATE TABLE t (x int)", "SET search_path = s", "DROP TABLE t"],
            &["CREATE TABLE t (x int)", "SET ROLE r", "DROP TABLE t"],
            &["CREATE TEMP TABLE t (x int)", "DROP TABLE t", "DROP TABLE t"],
            &["CREATE TEMP TABLE t (x int)", "DROP TABLE public.t"],
            &[
                "CREATE TEMP TABLE t (x int)",
                "ALTER TABLE pg_temp.t RENAME TO u",
                "DELETE FROM t",
            ],
            &["CREATE TEMP TABLE t (x int)", "DROP TABLE pg_temp.t", "TRUNCATE t"],
            &[
                "CREATE TABLE s.t (x int)",
                "ALTER SCHEMA s RENAME TO r",
                "DROP TABLE s.t",
            ],
            &[
                "CREATE TEMP TABLE t (x int)",
                "DO $$ BEGIN EXECUTE 'ALTER TABLE pg_temp.t RENAME TO u'; END $$",
                "DROP TABLE t",
            ],
            &["CREATE TABLE t (x int)", "ALTER TABLE t RENAME TO u", "DROP TABLE t"],
            &["CREATE TABLE t (x int)", "DROP TABLE t, other"],
            &["CREATE TABLE t (x int)", "WITH d AS (DELETE FROM other) DELETE FROM t"],
            &["CREATE TABLE t (x int)", "DELETE FROM t WHERE pg_terminate_backend(x)"],
            &[
                "CREATE TABLE t (x int)",
                "ALTER TABLE t OWNER TO somebody, DROP COLUMN x",
            ],
            &["CREATE TABLE \"T\" (x int)", "DROP TABLE t"],
            &["CREATE TABLE t (x int)", "DROP VIEW t"],
        ] {
            assert!(!lowered(texts), "{texts:?}");
        }
    }
}
