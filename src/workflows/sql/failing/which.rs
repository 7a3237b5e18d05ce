//! Which of several statements failed.

use std::time::{Duration, Instant};

use super::advice::limits_itself;
use super::sent::Sent;
use crate::engine::{Failure, WorkflowContext};
use crate::neon::sql::{Connection, Query, Reads, SqlError, Statements};
use crate::sql::{Reading, takes_parameters};
use crate::workflows::sql::statements::{Target, about};

/// How long a second run may take that only shows which statement fails.
const AGAIN: Duration = Duration::from_secs(15);

/// How near to its end a second run counts as ended by that.
const NEARLY: Duration = Duration::from_secs(1);

/// How long such a run waits for a lock.
const LOCKS: Duration = Duration::from_secs(3);

/// SQLSTATE of a statement that took too long or was cancelled.
pub(super) const CANCELLED: &str = "57014";

/// Which statement failed.
pub(super) enum Which {
    Number(usize),
    /// What was put off until the end of the transaction.
    End,
    Unknown,
}

/// Finds out which of several statements failed. Neon's proxy doesn't say, so they run once more with their numbers, in a
/// transaction that reads only or is rolled back; not what outlives a rollback, and not what waited.
pub(super) async fn which(
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
            let (numbered, numbers) = about(together, statements()).waiting_for_locks(LOCKS).numbered();
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

/// SQLSTATEs of what a second run would show otherwise, or wait for once more: time-outs, locks, conflicts, ends.
fn passes(code: &str) -> bool {
    matches!(code, "57014" | "55P03" | "40001" | "40P01")
        || code.starts_with("57P")
        || code.starts_with("08") && code != "08P01"
}
