//! The default branch, where a tool that reads is told of none.

use serde_json::{Map, Value};

use crate::catalog::Tool;
use crate::engine::context::CallContext;
use crate::engine::error::Failure;
use crate::engine::snapshot::ReadSnapshot;
use crate::engine::values::id;
use crate::neon::ProjectId;
use crate::neon::views::Branch;

/// Fills in the argument that the tool declares for it. Neon is asked each time: which branch is the default can change.
pub(in crate::engine) async fn fill(
    call: &CallContext<'_>,
    tool: &Tool,
    arguments: &mut Map<String, Value>,
) -> Result<(), Failure> {
    let Some(argument) = &tool.declaration.request.default_branch else {
        return Ok(());
    };
    if arguments.contains_key(argument) {
        return Ok(());
    }
    let Some(project) = id::<ProjectId>(arguments, "project_id")? else {
        return Ok(());
    };
    // Nothing is looked up in a project that calls may not be about: the bounds say so.
    if !call.guards.policy.admits_project(Some(&project)) {
        return Ok(());
    }
    let branches = ReadSnapshot::new(call).branches(&project).await?;
    // One that doesn't say whether it is the default isn't taken for it.
    let mut defaults = Branch::all(&branches).filter(|branch| branch.is_default());
    let default = match (defaults.next(), defaults.next()) {
        (Some(one), None) => one.id().ok(),
        _ => None,
    };
    let id = default.ok_or_else(|| Failure::Reference {
        argument: argument.clone(),
        message: "Neon doesn't say which branch is the default. Nothing was run.".to_owned(),
        next: format!("Give {argument}: list_branches shows what there is."),
    })?;
    arguments.insert(argument.clone(), id.to_string().into());
    Ok(())
}
