//! Statements that run outside of any transaction.

use std::time::Duration;

use tracing::Instrument as _;

use super::answer::{self, SqlError};
use super::measure::{self, Body, Grade, Look};
use super::query::{Connection, Isolation, Query, milliseconds, query_body};
use super::statements::{Builds, Executed, Reads, Statements};
use super::turns::Turn;
use crate::neon::Changed;
use crate::neon::client::Client;
use crate::neon::context::Context;

/// Cancels the statement that begins with a mark.
const CANCEL: &str = "SELECT pg_catalog.count(pg_catalog.pg_cancel_backend(a.pid)) FROM pg_catalog.pg_stat_activity a \
    WHERE a.state = 'active' AND pg_catalog.starts_with(a.query, $1)";

/// Ends the session of the statement that begins with a mark.
const TERMINATE: &str = "SELECT pg_catalog.count(pg_catalog.pg_terminate_backend(a.pid)) FROM pg_catalog.pg_stat_activity a \
    WHERE a.state = 'active' AND pg_catalog.starts_with(a.query, $1)";

/// How long a statement that was cancelled may take to end.
const CANCELLING: Duration = Duration::from_secs(5);

impl Statements {
    /// What the look at the indexes wants to know; nothing where any may run.
    fn looks_at_indexes(&self) -> Option<(String, bool)> {
        let builds = self.builds.filter(|_| self.only_plain_indexes)?;
        Some((
            self.mentions.clone().unwrap_or_default().to_json().to_string(),
            builds == Builds::Expressions,
        ))
    }
}

impl Client {
    /// Runs one statement outside of any transaction. Whom we talk to, and how a text is read there, is checked right before, and
    /// where nobody approved it that building indexes calls no code of the database's own: from that look until the statement's end
    /// no other call changes definitions. It is sent behind a comment of ours, by which it is found and cancelled when `timeout` is
    /// over or the call is.
    pub(super) async fn execute_alone(
        &self,
        connection: &Connection,
        statements: &Statements,
        least: Option<Grade>,
        timeout: Duration,
        context: &Context,
    ) -> Result<Executed, SqlError> {
        let Some(query) = statements.queries.first() else {
            return Ok(Executed::default());
        };
        let looks = statements.looks_at_indexes();
        let turn = match looks {
            Some(_) => self.turns().alone(connection, timeout, context).await?,
            None => self.turns().to_define(connection, timeout, context).await?,
        };
        let timeout_ms = milliseconds(timeout);
        let look = statements.mentions.as_ref().zip(least);
        let look = look.map(|(mentions, least)| Look::search(mentions, least));
        let body = Body {
            turn: looks.is_some().then_some(measure::OWN_TURN),
            first: &[],
            look: look.as_ref(),
            statements: &[],
            names: &[],
            timeout_ms: &timeout_ms,
            lock_ms: "0",
        };
        let check = measure::before_alone(connection, body, looks);
        let checked = self
            .batch(connection, &check, Isolation::ReadCommitted, true, context)
            .await;
        let checked = match checked {
            Ok(checked) => checked,
            Err(error) => {
                turn.ended();
                return Err(error.changed_nothing());
            }
        };
        let running = Alone {
            client: self.clone(),
            connection: connection.clone(),
            query: query.clone(),
            timeout,
            context: context.clone(),
            moment: checked.moment,
            turn,
        };
        // Whoever waits may go away: it is ended all the same.
        match tokio::spawn(running.run().in_current_span()).await {
            Ok(ran) => ran,
            Err(_) => Err(SqlError::lost("waiting for it broke off")),
        }
    }
}

/// A statement that is sent now.
struct Alone {
    client: Client,
    connection: Connection,
    query: Query,
    timeout: Duration,
    context: Context,
    /// Before it.
    moment: Option<String>,
    turn: Turn,
}

impl Alone {
    async fn run(self) -> Result<Executed, SqlError> {
        let mark = format!("/* neon-mcp {} */ ", uuid::Uuid::new_v4().simple());
        let marked = Query::new(format!("{mark}{}", self.query.sql), self.query.parameters.clone());
        let body = query_body(&marked);
        if self.context.cancel.is_cancelled() {
            return Err(SqlError::cancelled_before());
        }
        // The call's own end cancels the statement, and its answer is waited for.
        let mut whole = Context::within(self.timeout + 3 * CANCELLING);
        whole.lane = self.context.lane.clone();
        let running = self.client.post(&self.connection, &body, &[], &whole);
        let mut running = std::pin::pin!(running);
        let answer = tokio::select! {
            biased;
            answered = &mut running => answered,
            // No setting can bound it, since nothing runs before it in its session.
            () = self.is_over() => {
                let cancelling = self.end(CANCEL, &mark, &whole);
                let ended = async { tokio::join!(cancelling, &mut running).1 };
                match tokio::time::timeout(CANCELLING, ended).await {
                    Ok(answered) => answered,
                    // Code of the database's own may catch that.
                    Err(_) => {
                        self.end(TERMINATE, &mark, &whole).await;
                        Err(SqlError::lost("it didn't end in time, nor when it was cancelled, so its session was ended"))
                    }
                }
            }
        };
        let answer = answer.map_err(|error| error.behind(mark.chars().count()));
        if !answer.as_ref().is_err_and(|error| error.changed() == Changed::Unknown) {
            self.turn.ended();
        }
        Ok(Executed {
            results: vec![answer::one(answer?)?],
            moment: self.moment,
            measured: None,
        })
    }

    /// Waits until the statement's time or its call is over.
    async fn is_over(&self) {
        tokio::select! {
            () = tokio::time::sleep(self.timeout) => {}
            () = tokio::time::sleep_until(self.context.deadline) => {}
            () = self.context.cancel.cancelled() => {}
        }
    }

    /// Cancels the statement that begins with this mark, or ends its session, from another session of the same role.
    async fn end(&self, how: &'static str, mark: &str, context: &Context) {
        let reads = Reads::own(how, vec![mark.into()]).pinned();
        // Whether it was there to be cancelled, its own answer tells.
        drop(self.client.query(&self.connection, reads, CANCELLING, context).await);
    }
}
