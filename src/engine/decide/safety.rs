//! Keeping what a call destroys, where the operator demands it and Neon allows.

use chrono::Utc;
use serde_json::{Map, Value, json};

use crate::catalog::SafetyCopy;
use crate::engine::context::CallContext;
use crate::engine::decide::target::branch_of;
use crate::engine::dispatch::{Origin, dispatch};
use crate::engine::error::Failure;
use crate::engine::record::Record;
use crate::engine::snapshot::{ReadSnapshot, unread};
use crate::engine::values::{id, text};
use crate::guard::{Assessment, Effect, told};
use crate::neon::text::one_line;
use crate::neon::views::{Branch, Parent};
use crate::neon::{BranchId, Changed, ProjectId, SnapshotId};

/// Whether the policy demands a copy before this call. What Neon would delete anyway needs none.
pub(in crate::engine) fn wanted(call: &CallContext<'_>, assessment: &Assessment) -> bool {
    call.guards.policy.safety_copy() && assessment.effect() == Effect::Destructive && assessment.asks()
}

/// The name under which Neon keeps what a restore overwrites, where the call gives none and the policy demands it.
/// It is the same as long as the project's branches are.
pub(in crate::engine) async fn preserved_name(
    call: &CallContext<'_>,
    look: &ReadSnapshot<'_, '_>,
    assessment: &Assessment,
    arguments: &Map<String, Value>,
) -> Result<Option<String>, Failure> {
    let tool = &call.selected.tool;
    let applies = tool.declaration.safety.safety_copy == Some(SafetyCopy::Preserve) && wanted(call, assessment);
    if !applies || arguments.contains_key("preserve_under_name") {
        return Ok(None);
    }
    let (Some(project), Some(branch)) = (
        id::<ProjectId>(arguments, "project_id")?,
        branch_of(look, tool, arguments).await?,
    ) else {
        return Ok(None);
    };
    let answer = look.branch(&project, &branch).await?;
    let name = one_line(Branch::in_answer(&answer).name().map_err(unread)?, 200);
    let branches = look.branches(&project).await?;
    let taken = |wanted: &str| Branch::all(&branches).any(|branch| branch.name() == Ok(wanted));
    let free = (1..1_000)
        .map(|number| format!("{name} before restore {number}"))
        .find(|name| !taken(name));
    Ok(free)
}

/// What the plan says about the copy.
pub(in crate::engine) fn announced(
    call: &CallContext<'_>,
    assessment: &Assessment,
    arguments: &Map<String, Value>,
) -> Option<String> {
    if !wanted(call, assessment) {
        return None;
    }
    Some(match call.selected.tool.declaration.safety.safety_copy {
        Some(SafetyCopy::Branch) => "a copy of the branch is made, and the call isn't sent if that fails".to_owned(),
        Some(SafetyCopy::Preserve) => match text(arguments, "preserve_under_name") {
            Some(name) => format!("Neon keeps what is overwritten as branch {}", told(name)),
            None => "no copy: the branch has no free name for it".to_owned(),
        },
        None => "no copy: Neon has none that would hold what this call destroys".to_owned(),
    })
}

/// The copy that Neon makes itself, for the result.
pub(in crate::engine) fn preserved(arguments: &Map<String, Value>) -> Option<Value> {
    text(arguments, "preserve_under_name").map(|name| json!({"branch_name": name}))
}

/// A copy that was made.
pub(in crate::engine) struct Copy {
    /// Its id, where it is a branch: a look at the target passes it over.
    pub(in crate::engine) branch: Option<BranchId>,
    /// What the result says of it.
    pub(in crate::engine) shown: Value,
}

/// Copies the branch that a call acts on: a snapshot of a root branch, a child of any other. Returns what was made.
///
/// # Errors
/// When it can't be made, or isn't ready in time: then the call isn't sent.
pub(in crate::engine) async fn copy(
    call: &CallContext<'_>,
    arguments: &Map<String, Value>,
    record: &mut Record,
) -> Result<Copy, Failure> {
    let look = ReadSnapshot::new(call);
    let (Some(project), Some(branch)) = (
        id::<ProjectId>(arguments, "project_id")?,
        branch_of(&look, &call.selected.tool, arguments).await?,
    ) else {
        return Err(not_made("the call names no branch"));
    };
    let answer = look.branch(&project, &branch).await?;
    let about = Branch::in_answer(&answer);
    let name = about.name().map_err(unread)?;
    let now = Utc::now();
    let stamp = now.format("%Y-%m-%d %H:%M:%S");
    let is_root = about.parent() == Parent::Root;
    let name = format!("{} before {} {stamp}", one_line(name, 150), call.selected.tool.name());
    let (tool, copy) = if is_root {
        (
            "create_snapshot",
            json!({"project_id": project, "branch_id": branch, "name": name}),
        )
    } else {
        // Without an expiry: a branch that has one may be deleted unasked, and this is what must not be lost.
        (
            "create_branch",
            json!({"project_id": project, "parent_id": branch, "name": name, "compute": false}),
        )
    };
    let Value::Object(copy) = copy else {
        return Err(not_made("it can't be put together"));
    };
    let tool = call
        .catalog
        .tool(tool)
        .ok_or_else(|| Failure::Internal(format!("there is no tool `{tool}`")))?;
    let sent = dispatch(call, Origin::Copy, tool, &copy, &look, &mut |request_id| {
        record.copied(request_id);
    })
    .await
    .map_err(|failure| Failure::NoCopy {
        begun: failure.changed() != Changed::No,
        why: match failure {
            Failure::Neon { error, .. } => one_line(error.summary(), 300),
            Failure::Denied(denied) => one_line(&denied.message, 300),
            Failure::Step { why, .. } => one_line(&why, 300),
            other => one_line(&other.into_message(&call.fence), 300),
        },
    })?;
    let body = sent.answer.body.unwrap_or_default();
    let kind = if is_root { "snapshot" } else { "branch" };
    let id = body.get(kind).and_then(|made| made.get("id")).and_then(Value::as_str);
    // What is no id names nothing that could be found again.
    let id = id.filter(|id| SnapshotId::parse(*id).is_ok());
    let begun = |why: &str| Failure::NoCopy {
        why: one_line(why, 300),
        begun: true,
    };
    let Some(id) = id else {
        return Err(begun("Neon's answer names no copy"));
    };
    if let Some(waited) = sent.waited
        && (waited.failed || (!waited.done && !waited.operations.is_empty()))
    {
        let why = waited.note.as_deref().unwrap_or("it wasn't ready in time");
        return Err(begun(&format!("{kind} {id}: {why}")));
    }
    let shown = if is_root {
        json!({"snapshot_id": id, "name": name})
    } else {
        json!({"branch_id": id, "branch_name": name, "note": "It is kept until someone deletes it."})
    };
    Ok(Copy {
        branch: BranchId::parse(id).ok().filter(|_| !is_root),
        shown,
    })
}

fn not_made(why: &str) -> Failure {
    Failure::NoCopy {
        why: one_line(why, 300),
        begun: false,
    }
}
