//! `query_database`: one statement that is proven to read.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{ended, ends_with_the_call};
use super::assess::sendable;
use super::failing::{self, Sent};
use super::parameters;
use super::readable::refused;
use super::statements::Target;
use crate::engine::{Basis, CallSql, Failure, Kind, WorkflowCall, WorkflowContext, WorkflowError, WorkflowOutput};
use crate::guard::{self, StatementRisk};
use crate::neon::sql::{Isolation, Reads};
use crate::neon::{BranchId, Changed, ProjectId};
use crate::sql::{Reading, Script, Statement};

/// What runs the statements that aren't proven to read.
const OTHERWISE: &str = "run_sql";

/// The longest arguments that a refusal repeats, in bytes.
const MAX_REPEATED: usize = 900;

/// What `query_database` takes. The branch is filled in where it is left out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::workflows) struct QueryDatabase {
    project_id: ProjectId,
    branch_id: Option<BranchId>,
    database_name: Option<String>,
    role_name: Option<String>,
    sql: String,
    params: Option<Vec<Value>>,
    timeout_seconds: Option<u64>,
}

impl QueryDatabase {
    fn target(&self) -> Result<Target<'_>, Failure> {
        let branch_id = self.branch_id.as_ref();
        let branch_id = branch_id.ok_or_else(|| Failure::Internal("no branch was filled in".to_owned()))?;
        let target = Target {
            project_id: &self.project_id,
            branch_id,
            database_name: self.database_name.as_deref(),
            role_name: self.role_name.as_deref(),
            timeout_seconds: None,
            isolation: Isolation::ReadCommitted,
        };
        Ok(target.within(self.timeout_seconds))
    }
}

impl WorkflowCall for QueryDatabase {
    fn sql<'s>(&'s self, _: Option<&'s Value>) -> CallSql<'s> {
        CallSql {
            runs: vec![&self.sql],
            explains: None,
        }
    }

    fn assess(&self, scripts: &[Script], _: &Basis<'_>) -> Result<Option<StatementRisk>, Failure> {
        sendable("sql", scripts, false)?;
        // Whatever it is, it is run as a read or not at all.
        Ok(None)
    }

    fn run<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<WorkflowOutput, Failure>> {
        query(flow, self).boxed()
    }
}

/// `query_database`
async fn query(flow: &WorkflowContext<'_, '_>, input: &QueryDatabase) -> Result<WorkflowOutput, Failure> {
    let target = input.target()?;
    let statement = flow.scripts().first().and_then(Script::only);
    let statement = statement.ok_or_else(|| Failure::Internal("it isn't one statement".to_owned()))?;
    let Some(reading) = Reading::of(statement) else {
        return Err(refused(flow, &target, not_a_read(flow, reasons(statement))).await);
    };
    let connection = target.connect(flow).await?;
    let given = input.params.as_deref().unwrap_or_default();
    let parameters = parameters::encoded(flow, (&target, &connection), statement, given).await?;
    let reads = Reads::proven(reading, parameters);
    let results = match flow.query(&connection, reads, target.timeout()).await {
        Ok(results) => results,
        Err(Failure::Reaches(reaching)) => return Err(not_a_read(flow, vec![guard::reaching(&reaching)])),
        Err(failure) => {
            let failure = parameters::explained(flow, (&target, &connection), statement, given, failure).await;
            let sources = flow.statement_sources();
            let sent = Sent::all(flow.scripts(), &sources);
            return Err(failing::explained(flow, (&target, &connection), failure, &sent).await);
        }
    };
    let mut ended = ended(flow, &connection, &results, &[]);
    ended.notes.extend(ends_with_the_call(&[statement]));
    Ok(ended)
}

/// Why a statement isn't taken for a read.
fn reasons(statement: &Statement) -> Vec<String> {
    match statement.reasons.as_slice() {
        [] => vec![format!("is {}, which isn't known to only read", statement.kind)],
        reasons => reasons.to_vec(),
    }
}

/// The refusal of what isn't proven to read, with the call that runs it.
fn not_a_read(flow: &WorkflowContext<'_, '_>, reasons: Vec<String>) -> Failure {
    const MAX_REASONS: usize = 5;
    let reasons: Vec<String> = reasons
        .into_iter()
        .take(MAX_REASONS)
        .map(|reason| format!("it {reason}"))
        .collect();
    let mut more = json!({ "reasons": reasons });
    flow.fence().enclose_plan(&mut more);
    let repeated = flow.arguments().clone();
    let short = Value::Object(repeated.clone()).to_string().len() <= MAX_REPEATED;
    if let (true, Ok(call), Some(more)) = (short, flow.offered(OTHERWISE, repeated), more.as_object_mut()) {
        more.insert("call".into(), call);
    }
    let branch = flow
        .arguments()
        .get("branch_id")
        .and_then(Value::as_str)
        .unwrap_or_default();
    Failure::WorkflowError(Box::new(WorkflowError {
        kind: Kind::NotARead,
        message: "query_database runs what is proven to only read, and this statement isn't: `reasons` says why. Nothing was run.".to_owned(),
        changed: Changed::No,
        next: format!(
            "Call {OTHERWISE} with the same arguments (branch_id {branch}), if the user wants that: it asks them where it must."
        ),
        more,
    }))
}
