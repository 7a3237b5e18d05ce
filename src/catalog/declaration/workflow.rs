//! What a tool does that is more than one request.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A tool that is more than one request: which of the server's workflows it is, what decides its calls, what it calls.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkflowDeclaration {
    /// Which one. What the tool declares as its `request` is what the workflow is about, and is not sent.
    pub name: Workflow,
    /// The argument with the SQL that decides what a call does: its effect is the statements', and `safety.effect` is the
    /// most that it can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statements: Option<String>,
    /// For a tool that completes what another one prepared: the argument with the handle. What was prepared decides what a
    /// call does, and `safety.effect` is the most that it can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completes: Option<String>,
    /// The tools without which a workflow does nothing: where the operator excludes one, the workflow isn't offered either.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_steps: Vec<String>,
    /// The tools that a workflow calls beside those, as far as the operator doesn't exclude them. It calls no others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub optional_steps: Vec<String>,
    /// The tools that a workflow calls as its steps that an approval of the workflow's own call covers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved_steps: Vec<String>,
}

impl WorkflowDeclaration {
    /// Whether the workflow calls the tool as a step.
    pub(super) fn may_call(&self, step: &str) -> bool {
        let declared = self.required_steps.iter().chain(&self.optional_steps);
        declared.into_iter().any(|name| name == step)
    }

    /// Whether an approval of the workflow's own call covers the tool as a step.
    pub(super) fn covers(&self, step: &str) -> bool {
        self.approved_steps.iter().any(|name| name == step)
    }
}

/// A workflow: what is more than one request, written in Rust (`src/workflows`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Workflow {
    /// One SQL statement that only reads.
    QueryDatabase,
    /// One SQL statement.
    RunSql,
    /// Several, in one transaction.
    RunSqlTransaction,
    /// The plan of a statement.
    ExplainSqlStatement,
    /// Tables with their sizes.
    GetDatabaseTables,
    /// A table with its columns, keys, indexes and constraints.
    DescribeTableSchema,
    /// The statements that take the most time.
    ListSlowQueries,
    /// Why a database is slow.
    InspectDatabase,
    /// A branch that is deleted by itself.
    CreateThrowawayBranch,
    /// Those that there are.
    ListThrowawayBranches,
    /// Their end.
    DeleteThrowawayBranches,
    /// A branch as its parent is now.
    ResetFromParent,
    /// Statements tried on a throwaway branch, to be applied later.
    PrepareDatabaseMigration,
    /// Their application.
    CompleteDatabaseMigration,
    /// Changes that should make a query faster, tried and measured on a throwaway branch.
    PrepareQueryTuning,
    /// Their application.
    CompleteQueryTuning,
    /// Organizations, projects and branches by words.
    Search,
    /// One of them, whole.
    Fetch,
    /// What the documentation has.
    ListDocsResources,
    /// A page of it.
    GetDocResource,
}

impl Workflow {
    /// Whether what it runs is run on a copy of the branch that it is about.
    #[must_use]
    pub fn tries_on_a_copy(self) -> bool {
        matches!(self, Self::PrepareDatabaseMigration | Self::PrepareQueryTuning)
    }

    /// Whether it reads the documentation rather than Neon.
    #[must_use]
    pub fn reads_docs(self) -> bool {
        matches!(self, Self::ListDocsResources | Self::GetDocResource)
    }
}
