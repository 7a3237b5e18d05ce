//! The operator's bounds on a call: scope, branches, roles, hours, effects, organization, and how many branches there may be.

use chrono::Utc;
use serde_json::{Map, Value};

use crate::catalog::{Resource, Tool};
use crate::engine::context::CallContext;
use crate::engine::decide::reach;
use crate::engine::error::Failure;
use crate::engine::snapshot::ReadSnapshot;
use crate::engine::values::text;
use crate::guard::Effect;

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
    let gone = tool.declaration.target_is_deleted && matches!(tool.target(), Some((_, Resource::Project)));
    let Some(project) = text(arguments, "project_id").filter(|_| !gone) else {
        return Ok(());
    };
    if policy.wants_organization() {
        let answer = look.project(project).await?;
        policy.check_organization(answer.pointer("/project/org_id").and_then(Value::as_str))?;
    }
    if adds_to_a_counted_project(call, tool, arguments).is_some() {
        policy.check_branches(look.branch_count(project).await?)?;
    }
    Ok(())
}

/// The project whose branches the policy counts, when the tool adds one.
pub(in crate::engine) fn adds_to_a_counted_project<'s>(
    call: &CallContext<'_>,
    tool: &Tool,
    arguments: &'s Map<String, Value>,
) -> Option<&'s str> {
    let adds = tool.declaration.adds_branch || arguments.contains_key("preserve_under_name");
    text(arguments, "project_id").filter(|_| adds && call.guards.policy.branch_limit().is_some())
}
