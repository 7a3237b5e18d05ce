//! Applying a script part by part: where it is tried, and to its target.

use std::time::Duration;

use serde_json::Value;

use super::fingerprint;
use super::script::{Part, Script, about_sessions, again, statements_before, torn};
use crate::engine::{Failure, Held, Kind, WorkflowContext, WorkflowError};
use crate::neon::Changed;
use crate::neon::sql::{Allowance, Connection, Isolation, Measured, Query, Reads, Statements};
use crate::sql::{Statement, Transaction};
use crate::workflows::sql::failing;
use crate::workflows::sql::outside::{self, Left};
use crate::workflows::sql::statements::{Target, about};

/// How long a statement waits for a lock: those that wait for it would wait as long.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// How long a transaction whose answer was lost may take to its end: Neon ends it when it finds the client gone.
const SETTLES: Duration = Duration::from_secs(20);

/// SQLSTATE of the use of an enum's value in the transaction that added it.
const NEW_VALUE_USED: &str = "55P04";

/// What trying a script gave.
#[derive(Debug, Default)]
pub(super) struct Tried {
    /// The schema's fingerprint after each part.
    pub(super) states: Vec<String>,
    /// What all parts lost.
    pub(super) measured: Measured,
}

/// How an application ended that didn't reach its end.
#[derive(Debug)]
pub(super) struct Stopped {
    pub(super) failure: Failure,
    /// The part that failed.
    pub(super) part: usize,
    /// The schema had moved, so that nothing was run.
    pub(super) moved: bool,
    /// The part itself ran: what failed is the look at the schema after it.
    pub(super) looking: bool,
    /// What the part's transaction holds as long as it lasts: see [`settled`].
    pub(super) hold: String,
    /// What its statement left that ran outside of transactions.
    pub(super) left: Option<Left>,
}

impl Stopped {
    fn at(part: usize, failure: Failure) -> Self {
        Self {
            failure,
            part,
            moved: false,
            looking: false,
            hold: String::new(),
            left: None,
        }
    }
}

impl Script {
    /// Applies the script where it is tried, part by part, and gives the schema's fingerprint after each. A part that uses an
    /// enum's value that it has just added is cut behind the addition, as Postgres wants it, and tried again.
    ///
    /// # Errors
    /// As [`apply`].
    pub(super) async fn try_on(
        &mut self,
        flow: &WorkflowContext<'_, '_>,
        connection: &Connection,
        timeout: Duration,
    ) -> Result<Tried, Stopped> {
        let mut tried = Tried::default();
        let mut at = 0;
        let mut first = 0;
        while let Some(part) = self.parts.get(at).cloned() {
            let own = self.statements.get(first..first + part.count).unwrap_or_default();
            let earlier = self.statements.get(..first).unwrap_or_default();
            let ran = (earlier, own, part.alone);
            match run(flow, connection, ran, None, &mark(), Held::Trial, timeout).await {
                Ok(measured) => {
                    if let Some(measured) = measured {
                        tried.measured.add(measured);
                    }
                    let stopped = |failure| Stopped {
                        looking: true,
                        ..Stopped::at(at, failure)
                    };
                    tried
                        .states
                        .push(fingerprint::of(flow, connection).await.map_err(stopped)?);
                    first += part.count;
                    at += 1;
                }
                Err(failure) => {
                    let uses_new_value =
                        matches!(&failure, Failure::Sql(error) if error.code() == Some(NEW_VALUE_USED));
                    let cut = own.iter().position(|statement| statement.kind.contains("ADD VALUE"));
                    match cut
                        .map(|cut| cut + 1)
                        .filter(|cut| uses_new_value && !self.whole && *cut < part.count)
                    {
                        Some(cut) => {
                            let halves = [cut, part.count - cut].map(|count| Part { count, alone: false });
                            let mut parts = self.parts.clone();
                            parts.splice(at..=at, halves);
                            if let Some(why) = torn(&self.statements, &parts) {
                                return Err(Stopped::at(at, cut_by_enum(&why)));
                            }
                            self.parts = parts;
                            for note in about_sessions(&self.statements, &self.parts) {
                                if !self.notes.contains(&note) {
                                    self.notes.push(note);
                                }
                            }
                        }
                        None => {
                            return Err(Stopped::at(at, failure));
                        }
                    }
                }
            }
        }
        Ok(tried)
    }

    /// Which statement of a part in one transaction fails: found by running ever shorter beginnings of it, which are all rolled
    /// back. For the branch where it is tried, never for another.
    pub(super) async fn culprit(
        &self,
        flow: &WorkflowContext<'_, '_>,
        connection: &Connection,
        part: usize,
        timeout: Duration,
    ) -> usize {
        let first = statements_before(&self.parts, part);
        let count = self.parts.get(part).map_or(0, |part| part.count);
        let own = self.statements.get(first..first + count).unwrap_or_default();
        // All before `good` run; one of those before `bad` fails.
        let (mut good, mut bad) = (0, count);
        while bad - good > 1 {
            let middle = good + (bad - good) / 2;
            let beginning = own.get(..middle).unwrap_or_default();
            let earlier = self.statements.get(..first).unwrap_or_default();
            match flow.measure(connection, &together(earlier, beginning), timeout).await {
                Ok(_) => good = middle,
                Err(_) => bad = middle,
            }
        }
        first + good
    }
}

/// Applies statements to a branch, part by part. Where `unmoved` is given, the first part runs only if the schema has that
/// fingerprint.
///
/// # Errors
/// At the first part that fails: those before it hold, and a part in a transaction leaves nothing behind.
pub(super) async fn apply(
    flow: &WorkflowContext<'_, '_>,
    at: (&Target<'_>, &Connection),
    (statements, parts): (&[Statement], &[Part]),
    unmoved: &str,
    allowance: &Allowance,
) -> Result<(), Stopped> {
    let (target, connection) = at;
    // What stands in the database tells where some statements run: it may be another thing by now. Then none of them runs.
    if let Some(index) = misplaced(statements, parts) {
        return Err(Stopped {
            moved: true,
            ..Stopped::at(index, Failure::Internal("a statement runs in another place".to_owned()))
        });
    }
    let mut first = 0;
    let mut allowance = allowance.clone();
    for (index, part) in parts.iter().enumerate() {
        let mark = mark();
        let stopped = |failure| Stopped {
            hold: mark.clone(),
            ..Stopped::at(index, failure)
        };
        let (Some(earlier), Some(own)) = (statements.get(..first), statements.get(first..first + part.count)) else {
            return Err(stopped(Failure::Internal(
                "a part has more statements than there are".to_owned(),
            )));
        };
        first += part.count;
        let moved = |failure| Stopped {
            moved: true,
            ..Stopped::at(index, failure)
        };
        if index == 0 && part.alone && fingerprint::of(flow, connection).await.map_err(stopped)? != unmoved {
            return Err(moved(Failure::Internal("the schema moved".to_owned())));
        }
        let check = (index == 0 && !part.alone).then(|| fingerprint::unmoved(unmoved, &mark));
        let held = Held::AsTried(&allowance);
        let before = if part.alone {
            outside::before(flow, target, connection).await
        } else {
            None
        };
        match run(
            flow,
            connection,
            (earlier, own, part.alone),
            check,
            &mark,
            held,
            target.timeout(),
        )
        .await
        {
            Ok(lost) => {
                if let Some(lost) = lost {
                    allowance.spend(&lost);
                }
            }
            Err(Failure::Sql(error)) if error.said().is_some_and(|said| said.contains(&mark)) => {
                return Err(moved(Failure::Sql(error)));
            }
            Err(failure) => {
                let left = match (&failure, own) {
                    (Failure::Sql(error), [statement]) if part.alone => {
                        outside::left(flow, at, statement, before, error).await
                    }
                    _ => None,
                };
                return Err(Stopped {
                    left,
                    ..stopped(failure)
                });
            }
        }
    }
    Ok(())
}

/// The first part of which a statement stands elsewhere to transactions than where it was tried.
fn misplaced(statements: &[Statement], parts: &[Part]) -> Option<usize> {
    let mut rest = statements;
    parts.iter().position(|part| {
        let (own, others) = rest.split_at(part.count.min(rest.len()));
        rest = others;
        own.iter()
            .any(|statement| (statement.transaction == Transaction::Outside) != part.alone)
    })
}

/// Statements in one transaction, behind what earlier ones left around them.
fn together(earlier: &[Statement], statements: &[Statement]) -> Statements {
    let all = || again(earlier).into_iter().chain(statements);
    let queries = all().map(|statement| Query::plain(statement.text.clone()));
    let together = Statements::together(queries.collect(), Isolation::ReadCommitted);
    about(together, all())
}

/// What comes of a cut that an enum's new value demands and the session's state forbids.
fn cut_by_enum(why: &str) -> Failure {
    Failure::WorkflowError(Box::new(WorkflowError {
        kind: Kind::TrialFailed,
        message: format!(
            "It was tried on a throwaway branch. An enum's new value is used, which Postgres allows only after the addition took effect, so \
             the script would be cut there; but {why} The target was not touched, and nothing is prepared."
        ),
        changed: Changed::No,
        next: "Make two migrations of it: the new value first.".to_owned(),
        more: Value::Null,
    }))
}

async fn run(
    flow: &WorkflowContext<'_, '_>,
    connection: &Connection,
    (earlier, own, alone): (&[Statement], &[Statement], bool),
    check: Option<(&'static str, Vec<Value>)>,
    hold: &str,
    held: Held<'_>,
    timeout: Duration,
) -> Result<Option<Measured>, Failure> {
    let statements = if alone {
        let Some(statement) = own.first() else {
            return Ok(None);
        };
        about(
            Statements::alone(Query::plain(statement.text.clone())),
            std::iter::once(statement),
        )
    } else {
        // The lock is nobody else's, and ends with the transaction: it tells whether that is over.
        const HOLD: &str = "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended($1, 0))";
        let first = std::iter::once((HOLD, vec![hold.into()])).chain(check).collect();
        together(earlier, own).behind(first).waiting_for_locks(LOCK_WAIT)
    };
    flow.execute(connection, statements, held, timeout)
        .await
        .map(|executed| executed.measured)
}

/// Waits until the transaction that holds this is over. What looks at the schema before that may see nothing of what is still
/// going to take effect.
///
/// # Errors
/// When it isn't over in time, or nobody can say.
pub(super) async fn settled(
    flow: &WorkflowContext<'_, '_>,
    connection: &Connection,
    hold: &str,
) -> Result<(), Failure> {
    let reads = Reads::own(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
        vec![hold.into()],
    )
    .pinned();
    flow.query(connection, reads, SETTLES).await.map(|_| ())
}

/// A word that nobody can know beforehand.
fn mark() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// The failure of a part in a transaction, with what can be found out about it; and the number of the statement that failed, among
/// all, where that is known. Nothing is changed for that: where one must be found, they run once more and are rolled back.
pub(super) async fn explained(
    flow: &WorkflowContext<'_, '_>,
    at: (&Target<'_>, &Connection),
    (statements, parts): (&[Statement], &[Part]),
    part: usize,
    failure: Failure,
) -> (Failure, Option<usize>) {
    let first = statements_before(parts, part);
    let count = parts.get(part).map_or(0, |part| part.count);
    let alone = parts.get(part).is_some_and(|part| part.alone);
    let own = statements.get(first..first + count).unwrap_or_default();
    let around = match alone {
        true => Vec::new(),
        false => again(statements.get(..first).unwrap_or_default()),
    };
    let sent = around.len();
    let single = |statement: &Statement| crate::sql::Script {
        statements: vec![Statement {
            start: 0,
            ..statement.clone()
        }],
    };
    // What stands around a single statement was run for earlier parts already: it isn't what fails.
    let (skipped, scripts): (usize, Vec<crate::sql::Script>) = match own {
        [only] => (0, vec![single(only)]),
        _ => (sent, around.into_iter().chain(own).map(single).collect()),
    };
    let sources: Vec<String> = scripts
        .iter()
        .filter_map(|script| Some(script.only()?.text.clone()))
        .collect();
    let all = failing::Sent::all(&scripts, &sources);
    let failure = failing::explained(flow, at, failure, &all).await;
    let Failure::Sql(error) = &failure else {
        return (failure, None);
    };
    let number = match (&error.found().statement, own) {
        (Some((number, _)), _) => number.checked_sub(skipped).filter(|number| *number > 0),
        (None, [_]) => Some(1),
        _ => None,
    };
    let number = number.map(|number| first + number);
    (failure, number)
}
