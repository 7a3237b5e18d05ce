//! What all workflows with statements share: where they run, how long, and what the guarded commit wants to know of them.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::engine::{Failure, WorkflowContext};
use crate::neon::sql::{Builds, Connection, Isolation, Statements};
use crate::sql::{Mentions, Statement, Unguarded};

/// How long a statement may run when the caller doesn't say.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How to connect to the branch that a call is about.
pub(crate) async fn connect(flow: &WorkflowContext<'_, '_>) -> Result<Connection, Failure> {
    flow.connection(
        flow.required("project_id")?,
        flow.required("branch_id")?,
        flow.text("database_name"),
        flow.text("role_name"),
    )
    .await
}

/// How long the statements of a call may run.
pub(crate) fn timeout(flow: &WorkflowContext<'_, '_>) -> Duration {
    flow.number("timeout_seconds").map_or(TIMEOUT, Duration::from_secs)
}

/// Statements with what the guarded commit wants to know of them.
pub(super) fn about<'s>(statements: Statements, all: impl Iterator<Item = &'s Statement>) -> Statements {
    let (mut mentions, mut names, mut defines, mut builds) = (Vec::new(), Vec::new(), false, None);
    for statement in all {
        builds = builds.max(building(statement));
        mentions.push(statement.mentions());
        names.extend(statement.tables.iter().map(|table| table.name.clone()));
        defines |= statement.defines();
    }
    statements
        .about(Mentions::all(mentions.into_iter()), names, defines)
        .building(builds)
}

/// What a statement evaluates that builds indexes outside of a transaction.
pub(super) fn building(statement: &Statement) -> Option<Builds> {
    let brings = statement.unguarded == Unguarded::RebuildsIndexes && statement.kind.starts_with("CREATE INDEX");
    let builds = if brings { Builds::Expressions } else { Builds::AsTheyAre };
    statement.builds_indexes().then_some(builds)
}

pub(super) fn isolation(arguments: &Map<String, Value>) -> Isolation {
    match arguments.get("isolation").and_then(Value::as_str) {
        Some("repeatable_read") => Isolation::RepeatableRead,
        Some("serializable") => Isolation::Serializable,
        _ => Isolation::ReadCommitted,
    }
}
