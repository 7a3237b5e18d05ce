//! The tools that are more than one request.
//!
//! What they are called, what they take and what they do to the world is declared in `tools/*.json` as every tool's is; what
//! is here is the way from arguments to a result, over [`crate::engine`]'s flow: it reads, it calls declared tools, it runs SQL,
//! it reads the documentation, and nothing else leads out.
//!
//! ```
//! use neon_mcp::catalog::Workflow;
//! use serde_json::json;
//!
//! let workflows = neon_mcp::workflows::all();
//! let begin = |arguments: serde_json::Value| workflows.begin(Workflow::RunSql, arguments.as_object().unwrap());
//! let arguments = json!({"project_id": "p-1", "branch_id": "br-1", "sql": "SELECT 1"});
//! assert!(begin(arguments).is_ok());
//! // An argument that a workflow doesn't know is none.
//! let arguments = json!({"project_id": "p-1", "branch_id": "br-1", "sql": "SELECT 1", "force": true});
//! assert!(begin(arguments).is_err());
//! ```

mod branch_name;
mod docs;
mod inspect;
mod migration;
mod schema;
mod search;
mod sql;
mod throwaway;

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::catalog::{Addition, Workflow};
use crate::engine::{Failure, WorkflowCall, WorkflowContext, Workflows};

/// All workflows, to be handed to an engine.
#[must_use]
pub fn all() -> Arc<dyn Workflows> {
    Arc::new(All)
}

/// The table of the workflows: what each takes, which is also what runs it.
macro_rules! workflows {
    ($($workflow:ident => $call:ty,)*) => {
        /// A workflow's call with these arguments.
        fn begin(workflow: Workflow, arguments: &Map<String, Value>) -> Result<Arc<dyn WorkflowCall>, Failure> {
            match workflow {
                $(Workflow::$workflow => started::<$call>(arguments),)*
            }
        }

        /// What each workflow takes, as a schema.
        #[cfg(test)]
        fn inputs() -> Vec<(Workflow, schemars::Schema)> {
            vec![$((Workflow::$workflow, schemars::schema_for!($call)),)*]
        }
    };
}

workflows! {
    QueryDatabase => sql::QueryDatabase,
    RunSql => sql::RunSql,
    RunSqlTransaction => sql::RunSqlTransaction,
    ExplainSqlStatement => sql::ExplainSqlStatement,
    GetDatabaseTables => inspect::GetDatabaseTables,
    DescribeTableSchema => inspect::DescribeTableSchema,
    ListSlowQueries => inspect::ListSlowQueries,
    InspectDatabase => inspect::InspectDatabase,
    CreateThrowawayBranch => throwaway::CreateThrowawayBranch,
    ListThrowawayBranches => throwaway::ListThrowawayBranches,
    DeleteThrowawayBranches => throwaway::DeleteThrowawayBranches,
    ResetFromParent => throwaway::ResetFromParent,
    PrepareDatabaseMigration => migration::PrepareDatabaseMigration,
    CompleteDatabaseMigration => migration::Completion<migration::MigrationHandle>,
    PrepareQueryTuning => migration::PrepareQueryTuning,
    CompleteQueryTuning => migration::Completion<migration::TuningHandle>,
    Search => search::SearchNeon,
    Fetch => search::Fetch,
    ListDocsResources => docs::ListDocsResources,
    GetDocResource => docs::GetDocResource,
}

fn started<'d, C: WorkflowCall + Deserialize<'d> + 'static>(
    arguments: &'d Map<String, Value>,
) -> Result<Arc<dyn WorkflowCall>, Failure> {
    match C::deserialize(arguments) {
        Ok(call) => Ok(Arc::new(call)),
        Err(error) => Err(Failure::Internal(format!("the arguments: {error}"))),
    }
}

#[derive(Debug)]
struct All;

impl Workflows for All {
    fn begin(&self, workflow: Workflow, arguments: &Map<String, Value>) -> Result<Arc<dyn WorkflowCall>, Failure> {
        begin(workflow, arguments)
    }

    fn add<'f>(
        &'f self,
        addition: Addition,
        flow: &'f WorkflowContext<'_, '_>,
        value: &'f mut Value,
    ) -> BoxFuture<'f, ()> {
        match addition {
            Addition::SchemaSummary => schema::add_summary(flow, value).boxed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::catalog::{Catalog, Tool};

    fn names(list: Option<&Value>) -> BTreeSet<String> {
        match list {
            Some(Value::Object(properties)) => properties.keys().cloned().collect(),
            Some(Value::Array(required)) => required
                .iter()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect(),
            _ => BTreeSet::new(),
        }
    }

    fn assert_takes(tool: &Tool, schema: &schemars::Schema) {
        let (name, declared) = (tool.name(), &tool.input);
        let of = |key: &str| (names(schema.get(key)), names(declared.get(key)));
        let (taken, published) = of("properties");
        assert_eq!(taken, published, "{name}: properties");
        // What is filled in before a workflow begins needn't be given to the tool.
        let (mut wanted, required) = of("required");
        wanted.retain(|argument| required.contains(argument) || !tool.declaration.request.fills_in(argument));
        assert_eq!(wanted, required, "{name}: required");
        assert_eq!(schema.get("additionalProperties"), Some(&Value::Bool(false)), "{name}");
    }

    #[test]
    fn input_of_each_workflow_is_what_its_tool_declares() {
        let catalog = Catalog::embedded().expect("tools");
        let inputs = inputs();
        let mut seen = Vec::new();
        for tool in catalog.tools() {
            let Some(workflow) = tool.declaration.workflow() else {
                continue;
            };
            let (_, schema) = inputs.iter().find(|(known, _)| *known == workflow).expect("an input");
            assert_takes(tool, schema);
            seen.push(workflow);
        }
        assert_eq!(seen.len(), inputs.len(), "every workflow has a tool");
    }

    /// A value that a property takes, by its schema.
    fn value_of(schema: &Value) -> Value {
        match schema.get("type").and_then(Value::as_str) {
            Some("array") => Value::Array(Vec::new()),
            Some("integer") => 1.into(),
            Some("boolean") => false.into(),
            _ => "a-1".into(),
        }
    }

    #[test]
    fn unknown_argument_of_each_workflow_is_rejected() {
        let catalog = Catalog::embedded().expect("tools");
        for tool in catalog.tools() {
            let Some(workflow) = tool.declaration.workflow.as_ref().map(|workflow| workflow.name) else {
                continue;
            };
            let properties = names(tool.input.get("properties")).into_iter();
            let filled = properties.filter(|name| tool.declaration.request.fills_in(name));
            let mut arguments: Map<String, Value> = names(tool.input.get("required"))
                .into_iter()
                .chain(filled)
                .map(|name| {
                    let value = value_of(&tool.input["properties"][name.as_str()]);
                    (name, value)
                })
                .collect();
            begin(workflow, &arguments).unwrap_or_else(|error| panic!("{}: {error:?}", tool.name()));
            arguments.insert("no_such_argument".to_owned(), Value::Null);
            let Err(Failure::Internal(error)) = begin(workflow, &arguments) else {
                panic!("{}: it takes what it doesn't know", tool.name());
            };
            assert!(error.contains("unknown field"), "{}: {error}", tool.name());
        }
    }

    #[test]
    fn input_of_the_schema_comparison_is_what_its_tool_declares() {
        let catalog = Catalog::embedded().expect("tools");
        let tool = catalog.tool("compare_database_schema").expect("a tool");
        let schema = schemars::schema_for!(schema::CompareDatabaseSchema);
        assert_takes(tool, &schema);
    }
}
