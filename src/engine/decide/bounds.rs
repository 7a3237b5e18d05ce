//! The operator's bounds on a call: scope, branches, roles, hours, effects, organization, and how many branches there may be.

use chrono::Utc;
use serde_json::{Map, Value};

use crate::catalog::{Resource, Tool};
use crate::engine::context::CallContext;
use crate::engine::decide::reach;
use crate::engine::error::Failure;
use crate::engine::snapshot::ReadSnapshot;
use crate::engine::values::id;
use crate::guard::Effect;
use crate::neon::ProjectId;
use crate::neon::views::Project;

/// The operator's bounds on a tool with these arguments, of that effect.
pub(in crate::engine) async fn check(
    call: &CallContext<'_>,
    look: &ReadSnapshot<'_, '_>,
    tool: &Tool,
    effect: Effect,
    arguments: &Map<String, Value>,
) -> Result<(), Failure> {
    let policy = &call.guards.policy;
    policy.admits(tool, arguments, effect, Utc::now())?;
    reach::check(call, look, tool, arguments).await?;
    // Of a deleted project Neon tells nothing.
    let gone = tool.declaration.safety.target_is_deleted && matches!(tool.target(), Some((_, Resource::Project)));
    let Some(project) = id::<ProjectId>(arguments, "project_id")?.filter(|_| !gone) else {
        return Ok(());
    };
    if policy.wants_organization() {
        let answer = look.project(&project).await?;
        policy.check_organization(Project::in_answer(&answer).organization().as_ref())?;
    }
    if adds_to_a_counted_project(call, tool, arguments)?.is_some() {
        policy.check_branches(look.branch_count(&project).await?)?;
    }
    Ok(())
}

/// The project whose branches the policy counts, when the tool adds one.
pub(in crate::engine) fn adds_to_a_counted_project(
    call: &CallContext<'_>,
    tool: &Tool,
    arguments: &Map<String, Value>,
) -> Result<Option<ProjectId>, Failure> {
    let adds = tool.declaration.safety.adds_branch || arguments.contains_key("preserve_under_name");
    match adds && call.guards.policy.branch_limit().is_some() {
        true => id(arguments, "project_id"),
        false => Ok(None),
    }
}
