//! What a call does, and the plan of it that a human is shown.

use std::borrow::Cow;

use chrono::Utc;
use serde_json::{Map, Value};

use super::whole::Whole;
use super::{facts, impact, safety};
use crate::engine::check::bind;
use crate::engine::context::CallContext;
use crate::engine::error::Failure;
use crate::engine::snapshot::ReadSnapshot;
use crate::engine::workflow::Workflows;
use crate::engine::workflow_context::WorkflowContext;
use crate::guard::{Assessment, Line, Plan, RiskAssessment};

/// What the call does, from its declaration, its arguments and what is read where those don't decide.
pub(in crate::engine) async fn judge(
    call: &CallContext<'_>,
    look: &ReadSnapshot<'_, '_>,
    arguments: &Map<String, Value>,
) -> Result<Assessment, Failure> {
    let tool = &call.selected.tool;
    match RiskAssessment::begin_assessed(tool, arguments, call.assessed.clone()) {
        RiskAssessment::Done(assessment) => Ok(assessment),
        RiskAssessment::Looks(pending) => {
            let facts = facts::read(look, &call.guards.policy, tool, arguments, pending.needs()).await?;
            Ok(pending.with(&facts))
        }
    }
}

/// The plan: what is shown to whoever must say yes.
pub(in crate::engine) async fn plan(
    call: &CallContext<'_>,
    workflows: &dyn Workflows,
    look: &ReadSnapshot<'_, '_>,
    assessment: &Assessment,
    arguments: &Map<String, Value>,
) -> Result<Plan, Failure> {
    let tool = &*call.selected.tool;
    let mut impact = impact::read(look, &call.guards.policy, tool, arguments, assessment).await?;
    impact.lines.extend(call.files.lines.iter().cloned());
    let measured = match &call.assessed {
        // A dry run sends nothing, what would be rolled back neither.
        Some(assessed) if assessed.measurable && !call.guards.policy.dry_run() => {
            let measured = workflows
                .measure(&WorkflowContext::looking(call, arguments), tool)
                .await?;
            // What was told as the reason is what an approval covers, also where it couldn't be measured once more.
            measured.or_else(|| call.exceeded.clone())
        }
        _ => None,
    };
    // What nothing bounds is shown whole. A completion is held to what was lost where it was tried.
    let shown = if measured.is_some() || tool.declaration.completes.is_some() {
        workflows.shown(tool, arguments, &call.scripts)
    } else {
        Cow::Borrowed(arguments)
    };
    let request = bind::bind(tool, &shown, &call.files).map_err(Failure::Internal)?;
    let seen = workflows
        .seen(&WorkflowContext::looking(call, arguments), tool, measured.as_ref())
        .await?;
    impact.lines.extend(seen);
    impact.measured = measured;
    if let (Cow::Owned(_), Some(statements)) = (&shown, arguments.get("statements")) {
        let whole = Whole::of(statements);
        impact.lines.push(Line::fact("all statements", [whole.uri.clone()]));
        // This server's own key is shown to nobody.
        if !call.key.is_in(&whole.text) {
            impact.whole = Some(whole.text.clone());
            call.wholes.keep(whole);
        }
    }
    impact.safety_copy = safety::announced(call, assessment, arguments);
    Ok(Plan::new(tool, &shown, assessment, &request, impact, Utc::now()))
}
