//! A call that runs SQL: what each such tool says of itself, and what the engine is told of all of them alike.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::Value;

use super::index_code::indexes_call_code;
use super::placing;
use super::statements::Target;
use crate::engine::{
    Basis, CallSql, Failure, Measuring, Preview, RunsOn, WorkflowCall, WorkflowContext, WorkflowOutput,
};
use crate::guard::StatementRisk;
use crate::sql::Script;

/// A call that runs SQL: on its target, or first on a branch that is made for it.
///
/// [`WorkflowCall`] has defaults for calls without SQL. Here what the SQL does and what a plan shows of it must be said, and what only the
/// database tells is looked at for each of them.
pub(in crate::workflows) trait SqlCall: std::fmt::Debug + Send + Sync {
    /// Where the SQL runs.
    const RUNS_ON: RunsOn;

    /// The branch, the database and the role that the call is for.
    fn target(&self) -> Target<'_>;

    /// The SQL of the call.
    fn sql<'s>(&'s self, prepared: Option<&'s Value>) -> CallSql<'s>;

    /// What the SQL does.
    ///
    /// # Errors
    /// When the call may not have such SQL.
    fn assess(&self, scripts: &[Script], basis: &Basis<'_>) -> Result<StatementRisk, Failure>;

    /// Rejects SQL that Postgres can't read.
    ///
    /// # Errors
    /// With what Postgres objects to.
    fn check(&self, _flow: &WorkflowContext<'_, '_>) -> impl Future<Output = Result<(), Failure>> + Send {
        async { Ok(()) }
    }

    /// What a plan shows of the call beside its target.
    ///
    /// # Errors
    /// When the call would fail.
    fn preview(
        &self,
        flow: &WorkflowContext<'_, '_>,
        measuring: Measuring<'_>,
    ) -> impl Future<Output = Result<Preview, Failure>> + Send;

    /// Runs the call.
    ///
    /// # Errors
    /// When it ends before its end.
    fn run(&self, flow: &WorkflowContext<'_, '_>) -> impl Future<Output = Result<WorkflowOutput, Failure>> + Send;
}

impl<C: SqlCall> WorkflowCall for C {
    fn sql<'s>(&'s self, prepared: Option<&'s Value>) -> CallSql<'s> {
        SqlCall::sql(self, prepared)
    }

    fn runs_on(&self) -> RunsOn {
        C::RUNS_ON
    }

    fn assess(&self, scripts: &[Script], basis: &Basis<'_>) -> Result<Option<StatementRisk>, Failure> {
        SqlCall::assess(self, scripts, basis).map(Some)
    }

    fn look<'f>(
        &'f self,
        flow: &'f WorkflowContext<'_, '_>,
        scripts: &'f mut [Script],
        basis: &'f Basis<'_>,
        mut assessed: Option<StatementRisk>,
    ) -> BoxFuture<'f, Result<Option<StatementRisk>, Failure>> {
        async move {
            let target = self.target();
            // Statements that the database places elsewhere are assessed there.
            if placing::place(flow, &target, scripts).await? {
                assessed = Some(SqlCall::assess(self, scripts, basis)?);
            }
            Ok(match assessed {
                Some(assessed) if assessed.rebuilds_indexes && indexes_call_code(flow, &target, scripts).await? => {
                    Some(assessed.running_code())
                }
                assessed => assessed,
            })
        }
        .boxed()
    }

    fn check<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<(), Failure>> {
        SqlCall::check(self, flow).boxed()
    }

    fn preview<'f>(
        &'f self,
        flow: &'f WorkflowContext<'_, '_>,
        measuring: Measuring<'f>,
    ) -> BoxFuture<'f, Result<Preview, Failure>> {
        SqlCall::preview(self, flow, measuring).boxed()
    }

    fn run<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<WorkflowOutput, Failure>> {
        SqlCall::run(self, flow).boxed()
    }
}
