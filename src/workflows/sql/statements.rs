//! What all workflows with statements share: where they run, how long, and what the measured commit wants to know of them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::engine::{Failure, WorkflowContext};
use crate::neon::sql::{Builds, Connection, Isolation, Statements};
use crate::neon::{BranchId, ProjectId};
use crate::sql::{Mentions, Statement, Unguarded};

/// How long a statement may run when the caller doesn't say.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The branch, the database and the role of a call, as callers name them: arguments that all tools share which reach a database.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::workflows) struct Place {
    project_id: ProjectId,
    branch_id: BranchId,
    database_name: Option<String>,
    role_name: Option<String>,
}

impl Place {
    /// Where the statements of the call run.
    pub(in crate::workflows) fn target(&self) -> Target<'_> {
        Target {
            project_id: &self.project_id,
            branch_id: &self.branch_id,
            database_name: self.database_name.as_deref(),
            role_name: self.role_name.as_deref(),
            timeout_seconds: None,
            isolation: Isolation::ReadCommitted,
        }
    }
}

/// Where the statements of a call run, and how.
#[derive(Debug, Clone, Copy)]
pub(in crate::workflows) struct Target<'a> {
    pub(in crate::workflows) project_id: &'a ProjectId,
    pub(in crate::workflows) branch_id: &'a BranchId,
    pub(in crate::workflows) database_name: Option<&'a str>,
    pub(in crate::workflows) role_name: Option<&'a str>,
    /// How long they may run, where the caller says so.
    pub(in crate::workflows) timeout_seconds: Option<u64>,
    pub(in crate::workflows) isolation: Isolation,
}

impl<'a> Target<'a> {
    /// The same, for as long as the caller says.
    pub(in crate::workflows) fn within(self, timeout_seconds: Option<u64>) -> Self {
        Self {
            timeout_seconds,
            ..self
        }
    }

    /// How to connect to it.
    pub(in crate::workflows) async fn connect(&self, flow: &WorkflowContext<'_, '_>) -> Result<Connection, Failure> {
        flow.connection(self.project_id, self.branch_id, self.database_name, self.role_name)
            .await
    }

    /// How long the statements may run.
    pub(in crate::workflows) fn timeout(&self) -> Duration {
        self.timeout_seconds.map_or(TIMEOUT, Duration::from_secs)
    }
}

/// Statements with what the measured commit wants to know of them.
pub(in crate::workflows) fn about<'s>(statements: Statements, all: impl Iterator<Item = &'s Statement>) -> Statements {
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
pub(in crate::workflows) fn building(statement: &Statement) -> Option<Builds> {
    let brings = statement.unguarded == Unguarded::RebuildsIndexes && statement.kind.starts_with("CREATE INDEX");
    let builds = if brings { Builds::Expressions } else { Builds::AsTheyAre };
    statement.builds_indexes().then_some(builds)
}

/// The isolation of a transaction, as callers name it.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::workflows) enum Level {
    #[default]
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

impl From<Level> for Isolation {
    fn from(level: Level) -> Self {
        match level {
            Level::ReadCommitted => Self::ReadCommitted,
            Level::RepeatableRead => Self::RepeatableRead,
            Level::Serializable => Self::Serializable,
        }
    }
}
