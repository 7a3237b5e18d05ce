//! Statements that may have to run outside of a transaction, where that depends on what stands in the database: a procedure that
//! commits, an index or table that is partitioned.

use std::collections::{BTreeMap, BTreeSet};

use super::effect::Transaction;
use super::lex::{self, Kind, Token};
use super::name::TableName;
use super::statement::Statement;
use super::unguarded::Unguarded;
use super::{mentions, name};

/// What the database must be asked to know whether a statement can run inside a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// Whether a procedure of one of these names ends transactions (`CALL`, and `DO` with a `CALL` in it). Postgres refuses
    /// to call one inside a transaction, with 2D000.
    Calls(BTreeSet<String>),
    /// Whether this table or index is partitioned (`REINDEX`, `CLUSTER`): then Postgres takes a transaction for every
    /// partition, and refuses to do so inside one, with 25001.
    Relation(TableName),
}

/// What a procedure's body tells about transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routine {
    /// It commits or rolls back, or may: code in C can't be read.
    pub ends_transactions: bool,
    /// What it may call.
    pub calls: BTreeSet<String>,
}

impl Routine {
    /// Reads a procedure's body. `body` is none where there is none to be read, or it is too long.
    #[must_use]
    pub fn read(language: &str, body: Option<&str>) -> Self {
        let Some(body) = body.filter(|_| !matches!(language, "c" | "internal")) else {
            return Self {
                ends_transactions: language != "sql",
                calls: BTreeSet::new(),
            };
        };
        match language {
            // Postgres lets no routine in SQL end transactions, nor what it calls.
            "sql" => Self {
                ends_transactions: false,
                calls: BTreeSet::new(),
            },
            "plpgsql" => Self::of(&mentions::of(body).identifiers),
            _ => {
                let body = body.to_ascii_lowercase();
                Self {
                    ends_transactions: ENDS.iter().any(|word| body.contains(word)),
                    calls: BTreeSet::new(),
                }
            }
        }
    }

    fn of(mentioned: &BTreeSet<String>) -> Self {
        Self {
            ends_transactions: ENDS.iter().any(|word| mentioned.contains(*word)),
            calls: if mentioned.contains("call") {
                mentioned.clone()
            } else {
                BTreeSet::new()
            },
        }
    }

    /// The names of the procedures that end transactions, by themselves or by what they call.
    #[must_use]
    pub fn ending(procedures: &[(String, Self)]) -> BTreeSet<&str> {
        let mut ending: BTreeSet<&str> = BTreeSet::new();
        let mut callers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (name, routine) in procedures {
            if routine.ends_transactions {
                ending.insert(name);
            }
            for called in &routine.calls {
                callers.entry(called).or_default().insert(name);
            }
        }
        let mut open: Vec<&str> = ending.iter().copied().collect();
        while let Some(called) = open.pop() {
            for caller in callers.get(called).into_iter().flatten() {
                if ending.insert(caller) {
                    open.push(caller);
                }
            }
        }
        ending
    }
}

/// The commands that end a transaction inside a procedure.
const ENDS: [&str; 2] = ["commit", "rollback"];

impl Statement {
    /// What the database must be asked to know whether the statement can run inside a transaction; nothing where its text
    /// tells.
    #[must_use]
    pub fn placement(&self) -> Option<Placement> {
        if self.transaction != Transaction::Inside {
            return None;
        }
        let tokens = lex::lex(&self.text);
        let (first, rest) = tokens.split_first()?;
        if first.is_any(&["call", "do"]) {
            let mentioned = self.mentions().identifiers;
            return mentioned.contains("call").then_some(Placement::Calls(mentioned));
        }
        let mut rest = behind_options(rest);
        if first.is("reindex") {
            let (target, name) = rest.split_first()?;
            if !target.is_any(&["table", "index"]) {
                return None;
            }
            rest = name;
        } else if first.is("cluster") {
            let verbose = rest.first().is_some_and(|word| word.is("verbose"));
            rest = rest.get(usize::from(verbose)..)?;
            // `CLUSTER index ON table`
            if let Some(on) = rest.iter().position(|word| word.is("on")) {
                rest = rest.get(on + 1..)?;
            }
        } else {
            return None;
        }
        name::path(rest).map(Placement::Relation)
    }

    /// The procedure that the statement makes, and what its body tells.
    #[must_use]
    pub fn makes_procedure(&self) -> Option<(String, Routine)> {
        if !self.kind.starts_with("CREATE PROCEDURE") && !self.kind.starts_with("CREATE OR REPLACE PROCEDURE") {
            return None;
        }
        let tokens = lex::lex(&self.text);
        let at = tokens.iter().position(|word| word.is("procedure"))?;
        let made = name::path(tokens.get(at + 1..)?)?;
        Some((made.name, Routine::of(&self.mentions().identifiers)))
    }

    /// The partitioned table that the statement makes.
    #[must_use]
    pub fn makes_partitioned(&self) -> Option<TableName> {
        let tokens = lex::lex(&self.text);
        let by = |pair: &[Token<'_>]| matches!(pair, [partition, by] if partition.is("partition") && by.is("by"));
        if self.kind != "CREATE TABLE" || !tokens.windows(2).any(by) {
            return None;
        }
        let rest = tokens.get(tokens.iter().position(|word| word.is("table"))? + 1..)?;
        let rest = match rest {
            [first, _, exists, rest @ ..] if first.is("if") && exists.is("exists") => rest,
            _ => rest,
        };
        name::path(rest)
    }

    /// The statement, once the database has told that it can run outside of transactions only.
    #[must_use]
    pub fn placed_outside(self) -> Self {
        let unguarded = if matches!(self.placement(), Some(Placement::Relation(_))) {
            self.unguarded.max(Unguarded::RebuildsIndexes)
        } else {
            Unguarded::MayLose
        };
        Self {
            transaction: Transaction::Outside,
            unguarded,
            ..self
        }
    }
}

/// What follows options in brackets, where there are any.
fn behind_options<'t, 's>(tokens: &'t [Token<'s>]) -> &'t [Token<'s>] {
    let opens = tokens.first().is_some_and(|token| token.kind == Kind::Open);
    let closed = tokens.iter().position(|token| token.kind == Kind::Close);
    match closed.filter(|_| opens) {
        Some(closed) => tokens.get(closed + 1..).unwrap_or_default(),
        None => tokens,
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;
    use crate::parse;

    fn only(text: &str) -> Statement {
        let script = parse(text);
        script.only().expect("it is one statement").clone()
    }

    #[test]
    fn relation_is_found_behind_whatever_stands_before_it() {
        let cases = [
            ("REINDEX TABLE t", "t"),
            (
                "reindex (verbose, tablespace x) index \"Sales\".\"a.b\"",
                "\"Sales\".\"a.b\"",
            ),
            ("REINDEX TABLE only_one.t", "only_one.t"),
            ("CLUSTER t", "t"),
            ("CLUSTER s.t USING i", "s.t"),
            ("CLUSTER VERBOSE s.t USING i", "s.t"),
            ("CLUSTER (VERBOSE) s.t", "s.t"),
            ("CLUSTER i ON s.t", "s.t"),
            ("REINDEX TABLE U&\"d!0061t\" UESCAPE '!'", "dat"),
        ];
        for (text, expected) in cases {
            let Some(Placement::Relation(found)) = only(text).placement() else {
                unreachable!("{text}");
            };
            assert_eq!(found.to_string(), expected, "{text}");
        }
        for told_by_text in [
            "REINDEX TABLE CONCURRENTLY t",
            "REINDEX SCHEMA s",
            "REINDEX DATABASE",
            "CLUSTER",
            "VACUUM t",
            "SELECT 1",
            "DO $$ BEGIN PERFORM 1; END $$",
        ] {
            assert_eq!(only(told_by_text).placement(), None, "{told_by_text}");
        }
    }

    #[test]
    fn procedure_ends_transactions_by_itself_or_by_what_it_calls() {
        let plain = |body| Routine::read("plpgsql", Some(body));
        let procedures = [
            ("ends", plain("BEGIN UPDATE t SET a = 1; COMMIT; END")),
            ("comment", plain("BEGIN -- COMMIT comes later\n NULL; END")),
            ("undoes", plain("BEGIN IF x THEN rollback AND CHAIN; END IF; END")),
            ("calls", plain("BEGIN CALL s.\"ends\"(); END")),
            ("deep", plain("DECLARE x int; BEGIN call CALLS(); END")),
            ("other", plain("BEGIN CALL comment(); END")),
            ("mutual", plain("BEGIN CALL mutual2(); END")),
            ("mutual2", plain("BEGIN CALL mutual(); END")),
            ("sql", Routine::read("sql", Some("INSERT INTO commit VALUES (1)"))),
            ("c", Routine::read("c", None)),
            ("py", Routine::read("plpython3u", Some("plpy.commit()"))),
            ("long", Routine::read("plpgsql", None)),
        ];
        let procedures: Vec<_> = procedures.map(|(name, routine)| (name.to_owned(), routine)).into();
        let ending: Vec<&str> = Routine::ending(&procedures).into_iter().collect();
        assert_eq!(ending, ["c", "calls", "deep", "ends", "long", "py", "undoes"]);
    }

    #[test]
    fn script_tells_what_it_makes_itself() {
        let (name, routine) = only("CREATE OR REPLACE PROCEDURE s.Tidy() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$")
            .makes_procedure()
            .expect("it makes one");
        assert_eq!((name.as_str(), routine.ends_transactions), ("tidy", true));
        let made = only("CREATE TABLE s.t (a int) PARTITION BY RANGE (a)").makes_partitioned();
        assert_eq!(made.map(|table| table.to_string()).as_deref(), Some("s.t"));
        let made =
            only("CREATE UNLOGGED TABLE IF NOT EXISTS \"T\" PARTITION OF s.t FOR VALUES IN (1) PARTITION BY LIST (a)");
        assert_eq!(made.makes_partitioned().map(|table| table.name).as_deref(), Some("T"));
        assert_eq!(only("CREATE TABLE t (a int)").makes_partitioned(), None);
    }
}
