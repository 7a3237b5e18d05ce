//! SQL that a workflow runs: what reads, and what runs under the permit of its call.

use std::time::Duration;

use super::WorkflowContext;
use crate::engine::dispatch;
use crate::engine::error::Failure;
use crate::guard::{AllowedCall, Effect};
use crate::neon::sql::{
    Allowance, CommitRule, Connection, Executed, Expected, Measured, Reads, ResultSet, SqlError, Statements, Unasked,
};
use crate::neon::{BranchId, ProjectId};

/// What holds statements.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Held<'f> {
    /// What the call was judged and approved for.
    AsJudged,
    /// Nothing: they are tried on a branch that this call made for it. What they lose is measured.
    Trial,
    /// What they lost when they were tried.
    AsTried(&'f Allowance),
}

impl WorkflowContext<'_, '_> {
    /// How to connect to a branch: to the database and as the role that are given, or those that there are.
    pub(crate) async fn connection(
        &self,
        project: &ProjectId,
        branch: &BranchId,
        database: Option<&str>,
        role: Option<&str>,
    ) -> Result<Connection, Failure> {
        crate::engine::connect::connection(self.call, project, branch, database, role).await
    }

    /// Runs statements that only read.
    pub(crate) async fn query(
        &self,
        connection: &Connection,
        reads: Reads,
        timeout: Duration,
    ) -> Result<Vec<ResultSet>, Failure> {
        crate::engine::connect::query(self.call, connection, reads, timeout).await
    }

    /// Which types a statement expects in the place of its parameters; `None` where Postgres can't be asked.
    pub(crate) async fn expected(
        &self,
        connection: &Connection,
        statement: &crate::sql::Statement,
        timeout: Duration,
    ) -> Result<Option<Vec<Expected>>, Failure> {
        crate::engine::connect::expected(self.call, connection, statement, timeout).await
    }

    /// Runs statements under the permit of the call, held by what it was judged and approved for.
    ///
    /// # Errors
    /// [`Failure::Exceeded`] where they lose more than that: nothing was changed.
    pub(crate) async fn execute(
        &self,
        connection: &Connection,
        statements: Statements,
        held: Held<'_>,
        timeout: Duration,
    ) -> Result<Executed, Failure> {
        let allowed = self
            .allowed
            .ok_or_else(|| Failure::Internal("nothing is changed while a plan is made".to_owned()))?;
        let allowance = self.allowance(allowed);
        let guard = match (held, &allowance) {
            (Held::Trial, _) => CommitRule::Report,
            (Held::AsTried(allowance), _) => CommitRule::Enforce(allowance),
            (Held::AsJudged, Some(allowance)) => CommitRule::Enforce(allowance),
            (Held::AsJudged, None) => CommitRule::Identity,
        };
        let statements = match held {
            // On a branch that is there to try them, code of the database's own may run.
            Held::Trial => statements,
            _ if allowed.assessment().runs_index_code() => statements,
            _ => statements.only_plain_indexes(),
        };
        let (client, context) = (self.call.client, &self.call.context);
        let permit = || dispatch::statements(allowed, statements.clone());
        let mut ran = client.execute(connection, permit()?, guard, timeout, context).await;
        if let Err(error) = &ran
            && let Some(fresh) = crate::engine::connect::again(self.call, connection, error).await
        {
            ran = client.execute(&fresh, permit()?, guard, timeout, context).await;
        }
        ran.map_err(Failure::of_sql)
    }

    /// What the statements of the call may lose; nothing where they may lose anything: what destroys on a throwaway branch, or is
    /// allowed by the operator's policy, or was approved by a human who was told that it can't be measured.
    pub(super) fn allowance(&self, allowed: &AllowedCall) -> Option<Allowance> {
        let unasked = self.unasked();
        match (self.approved, allowed.assessment().effect()) {
            (Some(approved), _) if allowed.approver().is_human() => Some(Allowance::approved(approved, unasked)),
            (_, Effect::Read | Effect::Write) => Some(Allowance::unasked(unasked)),
            (_, Effect::Access | Effect::Destructive) => None,
        }
    }

    /// What Postgres objects to in a text's syntax; the text is never run.
    pub(crate) async fn objection(&self, connection: &Connection, text: &str) -> Result<Option<SqlError>, Failure> {
        let objection = self.call.client.objection(connection, text, &self.call.context).await;
        objection.map_err(Failure::of_sql)
    }

    /// What SQL may lose unasked, by the operator's policy and by what the branch is.
    pub(crate) fn unasked(&self) -> Unasked {
        Unasked {
            rows: self.call.unasked_rows(),
            deletes: !self.is_on_protected(),
        }
    }

    /// Whether the call changes a protected branch by SQL, as it was judged.
    pub(crate) fn is_on_protected(&self) -> bool {
        self.allowed
            .is_some_and(|allowed| allowed.assessment().is_on_protected())
    }

    /// Runs statements in a transaction that is never committed, to see what they would lose.
    pub(crate) async fn measure(
        &self,
        connection: &Connection,
        statements: &Statements,
        timeout: Duration,
    ) -> Result<Measured, Failure> {
        let (client, context) = (self.call.client, &self.call.context);
        let mut ran = client.measure(connection, statements, timeout, context).await;
        if let Err(error) = &ran
            && let Some(fresh) = crate::engine::connect::again(self.call, connection, error).await
        {
            ran = client.measure(&fresh, statements, timeout, context).await;
        }
        ran.map_err(Failure::of_sql)
    }
}
