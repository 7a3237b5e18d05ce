//! What a request runs: one statement, or a transaction of them.

use super::{
    error::SqlError,
    request::{Options, Query},
    response::Output,
    session::Session,
    statement,
};

/// Runs one statement in a transaction of its own. The headers about batches change nothing of it, as at Neon.
pub(super) async fn single(session: &mut Session, query: &Query, options: &Options) -> Result<Vec<u8>, SqlError> {
    let mut out = Output::default();
    statement::run(session, query, options, &mut out).await?;
    Ok(out.finish())
}

/// Runs statements in one transaction, of which either everything is done or nothing.
pub(super) async fn transaction(
    session: &mut Session,
    queries: &[Query],
    options: &Options,
) -> Result<Vec<u8>, SqlError> {
    session.command(&options.begin()).await?;
    match statements(session, queries, options).await {
        Ok(json) => {
            session.command("COMMIT").await?;
            Ok(json)
        }
        Err(error) => {
            // What counts is the statement that failed. If this fails too, the end of the session rolls back.
            if session.is_idle()
                && let Err(error) = session.command("ROLLBACK").await
            {
                tracing::debug!(%error, "a batch could not be rolled back");
            }
            Err(error)
        }
    }
}

async fn statements(session: &mut Session, queries: &[Query], options: &Options) -> Result<Vec<u8>, SqlError> {
    let mut out = Output::default();
    out.literal("{\"results\":[");
    for (index, query) in queries.iter().enumerate() {
        out.literal(if index == 0 { "" } else { "," });
        statement::run(session, query, options, &mut out).await?;
    }
    out.literal("]}");
    Ok(out.finish())
}
