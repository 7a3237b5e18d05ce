//! Sending statements: reads, statements that the guard let through, and what is only measured.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::answer::{self, ResultSet, SqlError};
use super::measure::{Baseline, Batch, Body, CommitRule, Grade, Look, Measured, Stop};
use super::parameters::Expected;
use super::query::{
    Connection, Isolation, MAX_ANSWER, MAX_REQUEST, Query, milliseconds, milliseconds_or_none, query_body,
};
use super::statements::{Executed, Reads, Statements, preparing};
use super::turns::Turns;
use crate::neon::Changed;
use crate::neon::client::Client;
use crate::neon::context::Context;
use crate::permit::Permitted;
use crate::sql::Mentions;
use crate::telemetry;

/// What is put behind a text that is only to be read. It holds nothing that could end a string, a comment or a bracket.
const BEHIND: &str = ";SELECT 1;SELECT 1";

/// Two statements of our own, which a query mustn't hold.
const OWN_TWO: &str = "SELECT 1;SELECT 1";

/// SQLSTATE of what the grammar refuses, and of several statements in one query.
const SYNTAX_ERROR: &str = "42601";

const CONNECTION: HeaderName = HeaderName::from_static("neon-connection-string");
const ARRAY_MODE: HeaderName = HeaderName::from_static("neon-array-mode");
const RAW_TEXT: HeaderName = HeaderName::from_static("neon-raw-text-output");
const READ_ONLY: HeaderName = HeaderName::from_static("neon-batch-read-only");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const ISOLATION: HeaderName = HeaderName::from_static("neon-batch-isolation-level");

impl Client {
    /// Runs statements that only read, each with its rows.
    ///
    /// # Errors
    /// [`SqlError`]; nothing was changed.
    pub async fn query(
        &self,
        connection: &Connection,
        reads: Reads,
        timeout: Duration,
        context: &Context,
    ) -> Result<Vec<ResultSet>, SqlError> {
        let timeout_ms = milliseconds(timeout);
        let (first, statements): (&[Query], &[Query]) = if reads.pinned {
            (&reads.queries, &[])
        } else {
            (&[], &reads.queries)
        };
        let mentions = reads.mentions.as_ref();
        let mut look = mentions.map(|mentions| self.catalogues().look(connection, mentions, Grade::Changes));
        loop {
            let body = Body {
                turn: None,
                first,
                look: look.as_ref(),
                statements,
                names: &[],
                timeout_ms: &timeout_ms,
                lock_ms: "0",
            };
            let mut batch = Batch::identified(connection, body);
            if reads.pinned {
                // Behind the pins.
                batch.own = (1..=first.len()).collect();
            }
            let ran = self
                .batch(connection, &batch, Isolation::RepeatableRead, true, context)
                .await;
            match (ran, mentions) {
                (Err(error), Some(mentions)) if matches!(error.stop(), Some(Stop::Stale)) => {
                    look = Some(Look::search(mentions, Grade::Changes));
                }
                (ran, _) => return ran.map(|executed| executed.results).map_err(SqlError::changed_nothing),
            }
        }
    }

    /// Which types a statement expects in the place of its parameters, in their order; `None` where Postgres can't be asked.
    ///
    /// # Errors
    /// [`SqlError`], of a statement that wouldn't run either, with the position in its own text; nothing was changed.
    pub async fn expected(
        &self,
        connection: &Connection,
        statement: &crate::sql::Statement,
        timeout: Duration,
        context: &Context,
    ) -> Result<Option<Vec<Expected>>, SqlError> {
        let Some(reads) = Reads::expecting(statement) else {
            return Ok(None);
        };
        // A name is as long as any other.
        let before = preparing(&format!("neon_mcp_{}", uuid::Uuid::nil().simple()))
            .chars()
            .count();
        let skipped = statement
            .preparable()
            .map_or(0, |text| statement.text.len() - text.len());
        let skipped = statement.text.get(..skipped).unwrap_or_default().chars().count();
        let results = match self.query(connection, reads, timeout, context).await {
            Err(error) if matches!(error.stop(), Some(Stop::Reaches(_))) => return Ok(None),
            ran => ran.map_err(|error| error.behind(before.saturating_sub(skipped)))?,
        };
        Ok(results.get(1).map(Expected::all))
    }

    /// Runs statements that were permitted, under a rule of when they are committed.
    ///
    /// # Errors
    /// [`SqlError`]; it says whether anything was changed, and why the rule stopped it, if it did.
    pub async fn execute(
        &self,
        connection: &Connection,
        statements: Permitted<Statements>,
        rule: CommitRule<'_>,
        timeout: Duration,
        context: &Context,
    ) -> Result<Executed, SqlError> {
        // What is sent is what was judged.
        if !statements.covers(statements.get().texts()) {
            return Err(SqlError::not_sent("a statement isn't one that was judged"));
        }
        let statements = statements.into_inner();
        let least = match rule {
            // What was approved as it is, or is allowed to do anything.
            CommitRule::Identity => None,
            // Where it is only tried, nothing may leave the branch.
            CommitRule::Report => Some(Grade::Leaves),
            CommitRule::Enforce(_) => Some(Grade::Destroys),
        };
        if statements.alone {
            return self
                .execute_alone(connection, &statements, least, timeout, context)
                .await;
        }
        let turns = match rule {
            // Nothing compares, so nothing tells whether it changes definitions.
            CommitRule::Identity => Turns::Always(timeout),
            CommitRule::Report | CommitRule::Enforce(_) => Turns::ToDefine(timeout),
        };
        self.held(connection, &statements, least, turns, context, |baseline, look| {
            statements.batch_of(connection, baseline, look, rule, timeout)
        })
        .await
    }

    /// Runs statements to see what they would lose. They are never committed: the last statement of the batch is one of our own
    /// that fails, with what was measured.
    ///
    /// # Errors
    /// [`SqlError`]: of a statement that fails anyway. Nothing was changed.
    pub async fn measure(
        &self,
        connection: &Connection,
        statements: &Statements,
        timeout: Duration,
        context: &Context,
    ) -> Result<Measured, SqlError> {
        if statements.alone {
            return Err(SqlError::not_sent("what runs outside of a transaction can't be tried"));
        }
        if statements.mentions.as_ref().is_some_and(Mentions::outlive_rollback) {
            return Err(SqlError::not_sent("what outlives a rollback can't be tried"));
        }
        let (timeout_ms, lock_ms) = (milliseconds(timeout), milliseconds_or_none(statements.lock_timeout));
        let ran = self
            .held(
                connection,
                statements,
                Some(Grade::Destroys),
                Turns::None,
                context,
                |baseline, look| Batch::measuring(connection, statements.body(&timeout_ms, &lock_ms, look), baseline),
            )
            .await;
        match ran {
            Ok(_) => Err(SqlError::malformed("statements that were only measured were committed")),
            Err(error) => match error.stop() {
                Some(Stop::Measured(measured)) => Ok((**measured).clone()),
                _ => Err(error.changed_nothing()),
            },
        }
    }

    /// What Postgres objects to in the syntax of a text, which is never run: nothing where it can be read.
    ///
    /// It is sent with two statements behind it. Where a query comes by the extended protocol, as SQL over HTTP has it, Postgres
    /// first reads all of it by its grammar, and then refuses what holds more than one statement, before it looks at any of them
    /// (`exec_parse_message`). What stands behind the text can be swallowed by nothing: an open string, comment or bracket stays
    /// open to the end, which the grammar refuses. That the endpoint keeps to it is tried first, with statements of our own, and
    /// all of it goes in a batch that is READ ONLY.
    ///
    /// # Errors
    /// [`SqlError`] where that can't be found out; nothing was changed.
    pub async fn objection(
        &self,
        connection: &Connection,
        text: &str,
        context: &Context,
    ) -> Result<Option<SqlError>, SqlError> {
        if !matches!(self.read_only_grammar(connection, OWN_TWO, context).await, Ok(None)) {
            return Err(SqlError::not_sent("the endpoint may run what was only to be read"));
        }
        let sent = format!("{text}\n{BEHIND}");
        let objection = self.read_only_grammar(connection, &sent, context).await?;
        Ok(objection.map(|error| error.within(text, BEHIND)))
    }

    /// What the grammar objects to in a text that holds two statements at least.
    async fn read_only_grammar(
        &self,
        connection: &Connection,
        text: &str,
        context: &Context,
    ) -> Result<Option<SqlError>, SqlError> {
        let body = Body {
            turn: None,
            first: &[],
            look: None,
            statements: &[],
            names: &[],
            timeout_ms: "5000",
            lock_ms: "0",
        };
        let mut batch = Batch::identified(connection, body);
        batch.queries.push(Query::plain(text));
        let ran = self
            .batch(connection, &batch, Isolation::ReadCommitted, true, context)
            .await;
        match ran {
            Err(error) if error.code() == Some(SYNTAX_ERROR) => {
                // That there are several statements has no place in the text; what can't be read has.
                Ok(error.position().is_some().then(|| error.changed_nothing()))
            }
            Err(error) => Err(error.changed_nothing()),
            Ok(_) => Err(SqlError::malformed("it ran several statements as one")),
        }
    }

    /// Runs statements with the baseline that their text calls for; where they touch the catalogue after all, once more with the
    /// whole one. Before them, what they mention is looked up. An attempt that was stopped was rolled back.
    async fn held(
        &self,
        connection: &Connection,
        statements: &Statements,
        least: Option<Grade>,
        turns: Turns,
        context: &Context,
        batch: impl Fn(Baseline, Option<&Look>) -> Batch,
    ) -> Result<Executed, SqlError> {
        let mut baseline = statements.baseline();
        let looked_up = statements.mentions.as_ref().zip(least);
        let mut look = looked_up.map(|(mentions, least)| self.catalogues().look(connection, mentions, least));
        loop {
            let batch = batch(baseline, look.as_ref());
            let turn = match turns {
                Turns::Always(time) => Some(time),
                Turns::ToDefine(time) => (baseline == Baseline::All).then_some(time),
                Turns::None => None,
            };
            let turn = match turn {
                Some(time) => Some(self.turns().to_define(connection, time, context).await?),
                None => None,
            };
            let ran = self
                .batch(connection, &batch, statements.isolation, false, context)
                .await;
            if let Some(turn) = turn
                && ran
                    .as_ref()
                    .err()
                    .is_none_or(|error| error.changed() != Changed::Unknown)
            {
                turn.ended();
            }
            let Err(error) = &ran else { return ran };
            match (error.stop(), looked_up) {
                (Some(Stop::Catalogue), _) if baseline == Baseline::Rows => baseline = Baseline::All,
                (Some(Stop::Stale), Some((mentions, least))) => look = Some(Look::search(mentions, least)),
                _ => return ran,
            }
        }
    }

    pub(super) async fn batch(
        &self,
        connection: &Connection,
        batch: &Batch,
        isolation: Isolation,
        read_only: bool,
        context: &Context,
    ) -> Result<Executed, SqlError> {
        let queries: Vec<Value> = batch.queries.iter().map(query_body).collect();
        let mut headers = vec![(ISOLATION, isolation.name())];
        if read_only {
            headers.push((READ_ONLY, "true"));
        }
        let answer = self
            .post(connection, &json!({ "queries": queries }), &headers, context)
            .await
            .map_err(|error| error.stopped_by(|message| batch.stop(message)))?;
        let mut results: Vec<Option<ResultSet>> = answer::many(answer)?.into_iter().map(Some).collect();
        if results.len() != batch.queries.len() {
            return Err(SqlError::malformed("it hasn't a result for every statement"));
        }
        if let Some(found) = batch.catalogue.and_then(|place| results.get(place)?.as_ref()) {
            self.catalogues()
                .keep(connection, found.first("version"), found.first("known"));
        }
        let moment = results.get(batch.head).and_then(Option::as_ref);
        let moment = moment.and_then(|result| result.first("moment")?.as_str().map(str::to_owned));
        let measured = batch.measured.and_then(|place| results.get_mut(place)?.take());
        let measured = measured.as_ref().and_then(|result| result.first("measured"));
        Ok(Executed {
            moment,
            measured: measured.as_ref().and_then(Measured::of),
            results: batch
                .own
                .iter()
                .filter_map(|place| results.get_mut(*place)?.take())
                .collect(),
        })
    }

    /// One request on the wire. It is never sent twice.
    pub(super) async fn post(
        &self,
        connection: &Connection,
        body: &Value,
        headers: &[(HeaderName, &'static str)],
        context: &Context,
    ) -> Result<Value, SqlError> {
        let reads = headers.iter().any(|(name, _)| *name == READ_ONLY);
        let span = telemetry::spans::sql(if reads { "read" } else { "write" });
        let began = Instant::now();
        let mut status = None;
        let ended = self.posted(connection, body, headers, context, &mut status);
        let ended = ended.instrument(span.clone()).await;
        let status = match (status, &ended) {
            (Some(status), _) => status.to_string(),
            (None, Err(error)) if error.changed() == Changed::Unknown => "no_answer".to_owned(),
            (None, _) => "not_sent".to_owned(),
        };
        if ended.is_err() {
            telemetry::spans::failed(&span, &status);
        }
        telemetry::upstream("POST", "sql", &status, began.elapsed());
        ended
    }

    async fn posted(
        &self,
        connection: &Connection,
        body: &Value,
        headers: &[(HeaderName, &'static str)],
        context: &Context,
        status: &mut Option<u16>,
    ) -> Result<Value, SqlError> {
        let text = body.to_string();
        if text.len() > MAX_REQUEST {
            return Err(SqlError::too_large_request(text.len()));
        }
        if context.cancel.is_cancelled() {
            return Err(SqlError::cancelled_before());
        }
        if context.left().is_zero() {
            return Err(SqlError::out_of_time_before());
        }
        let http = self.http().await.map_err(|error| SqlError::not_sent(error.summary()))?;
        let mut secret = HeaderValue::from_str(connection.string.expose_secret())
            .map_err(|_| SqlError::not_sent("the connection string can't stand in a header"))?;
        secret.set_sensitive(true);
        let mut request = http
            .post(connection.address.url().clone())
            .header(CONTENT_TYPE, "application/json")
            .header(CONNECTION, secret)
            .header(ARRAY_MODE, "true")
            .header(RAW_TEXT, "true")
            .body(text);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        if let Some(trace) = telemetry::traceparent() {
            request = request.header(TRACEPARENT, trace);
        }
        let exchange = async {
            let response = request.send().await.map_err(|error| {
                if error.is_connect() || error.is_builder() {
                    SqlError::unreached()
                } else {
                    SqlError::lost("the connection broke")
                }
            })?;
            *status = Some(response.status().as_u16());
            let read = answer::read(response, MAX_ANSWER).await;
            self.hear();
            read
        };
        tokio::select! {
            biased;
            answered = exchange => answered,
            () = context.cancel.cancelled() => Err(SqlError::cancelled()),
            () = tokio::time::sleep_until(context.deadline) => Err(SqlError::out_of_time()),
        }
    }
}
