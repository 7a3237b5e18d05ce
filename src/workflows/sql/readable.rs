//! SQL that Postgres can't read: rejected before anybody is asked about it, and before what follows from it is told.

use super::failing::{self, Sent};
use super::statements::Target;
use crate::engine::{Explained, Failure, WorkflowContext};

/// Refuses statements that Postgres can't read either, so that nobody is asked about them. They are not run.
///
/// # Errors
/// With the place that Postgres names. What can't be found out is no error: then a human decides.
pub(in crate::workflows) async fn readable(flow: &WorkflowContext<'_, '_>, target: &Target<'_>) -> Result<(), Failure> {
    let sources = flow.statement_sources();
    let sent = Sent::all(flow.scripts(), &sources);
    if sent.iter().all(Sent::is_read) {
        return Ok(());
    }
    let Ok(connection) = target.connect(flow).await else {
        return Ok(());
    };
    failing::readable(flow, &connection, &sent).await
}

/// Why a script is refused: where it isn't SQL, that is told as Postgres tells it, before anything that follows from it.
pub(in crate::workflows) async fn refused(
    flow: &WorkflowContext<'_, '_>,
    target: &Target<'_>,
    failure: Failure,
) -> Failure {
    let mut statements = flow.scripts().iter().flat_map(|script| &script.statements);
    // What no server runs is told as that.
    if statements.any(|statement| statement.refusal.is_some()) {
        return failure;
    }
    readable(flow, target).await.err().unwrap_or(failure)
}

/// The statements of what is explained, as the caller sent them.
pub(in crate::workflows) fn sent(explained: &Explained) -> Vec<Sent<'_>> {
    let (script, source) = (&explained.script, &explained.source);
    Sent::all(std::slice::from_ref(script), std::slice::from_ref(source))
}

/// Why a text that has no plan is refused: where it isn't SQL, that is told as Postgres tells it.
pub(in crate::workflows) async fn without_plan(
    flow: &WorkflowContext<'_, '_>,
    target: &Target<'_>,
    explained: &Explained,
    failure: Failure,
) -> Failure {
    let statements = &explained.script.statements;
    let refused = statements.iter().any(|statement| statement.refusal.is_some());
    if refused || statements.iter().all(crate::sql::Statement::is_read) {
        return failure;
    }
    let Ok(connection) = target.connect(flow).await else {
        return failure;
    };
    let readable = failing::readable(flow, &connection, &sent(explained)).await;
    readable.err().unwrap_or(failure)
}
