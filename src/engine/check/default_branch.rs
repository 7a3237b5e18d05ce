//! The default branch, where a tool that reads is told of none.

use serde_json::{Map, Value};

use crate::catalog::Tool;
use crate::engine::context::CallContext;
use crate::engine::error::Failure;
use crate::engine::snapshot::ReadSnapshot;
use crate::engine::values::{items, text};

/// Fills in the argument that the tool declares for it. Neon is asked each time: which branch is the default can change.
pub(in crate::engine) async fn fill(
    call: &CallContext<'_>,
    tool: &Tool,
    arguments: &mut Map<String, Value>,
) -> Result<(), Failure> {
    let Some(argument) = &tool.declaration.request.default_branch else {
        return Ok(());
    };
    let Some(project) = text(arguments, "project_id").filter(|_| !arguments.contains_key(argument)) else {
        return Ok(());
    };
    // Nothing is looked up in a project that calls may not be about: the bounds say so.
    if !call.guards.policy.admits_project(project) {
        return Ok(());
    }
    let branches = ReadSnapshot::new(call).branches(project).await?;
    let default = items(&branches).find(|branch| branch.get("default") == Some(&Value::Bool(true)));
    let id = default.and_then(|branch| branch.get("id")).and_then(Value::as_str);
    let id = id.ok_or_else(|| Failure::Reference {
        argument: argument.clone(),
        message: "Neon doesn't say which branch is the default. Nothing was run.".to_owned(),
        next: format!("Give {argument}: list_branches shows what there is."),
    })?;
    arguments.insert(argument.clone(), id.into());
    Ok(())
}
