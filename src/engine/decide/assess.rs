//! What a call does, and the plan of it that a human is shown.

use std::borrow::Cow;

use chrono::Utc;
use serde_json::{Map, Value};

use super::whole::Whole;
use super::{facts, impact, light, refusals, safety};
use crate::engine::Service;
use crate::engine::check::bind;
use crate::engine::context::CallContext;
use crate::engine::error::Failure;
use crate::engine::present::undo;
use crate::engine::snapshot::ReadSnapshot;
use crate::engine::workflow::{Measuring, Preview, WorkflowCall};
use crate::engine::workflow_context::WorkflowContext;
use crate::guard::{Assessment, Line, Plan, RiskAssessment};

/// What the call does, from its declaration, its arguments and what is read where those don't decide.
pub(in crate::engine) async fn judge(
    call: &CallContext<'_>,
    look: &ReadSnapshot<'_, '_>,
    arguments: &Map<String, Value>,
) -> Result<Assessment, Failure> {
    let tool = &call.selected.tool;
    let assessment = match RiskAssessment::begin_assessed(tool, arguments, call.assessed.clone()) {
        RiskAssessment::Done(assessment) => assessment,
        RiskAssessment::Looks(pending) => {
            let needs = pending.needs();
            let mut facts = match facts::read(look, &call.guards.policy, tool, arguments, needs).await {
                Ok(facts) => facts,
                Err(failure) => {
                    // What Neon doesn't say of the target may be why it would refuse the call.
                    refusals::check(look, tool, arguments).await?;
                    return Err(failure);
                }
            };
            facts.made_here = needs.made_here && light::is_made_here(call, look, arguments).await?;
            if facts.made_here {
                // No plan may follow that would find this out.
                refusals::check(look, tool, arguments).await?;
            }
            pending.with(&facts)
        }
    };
    let is_light = assessment.severe() && assessment.asks() && light::holds(call, look, arguments).await?;
    Ok(if is_light { assessment.lightened() } else { assessment })
}

/// The plan: what is shown to whoever must approve it.
pub(in crate::engine) async fn plan(
    call: &CallContext<'_>,
    workflow: Option<&dyn WorkflowCall>,
    look: &ReadSnapshot<'_, '_>,
    assessment: &Assessment,
    arguments: &Map<String, Value>,
) -> Result<Plan, Failure> {
    let tool = &*call.selected.tool;
    refusals::check(look, tool, arguments).await?;
    let by_sql = workflow.is_some_and(|workflow| workflow.runs_on().is_target());
    let mut impact = impact::read(look, &call.guards.policy, (tool, by_sql), arguments, assessment).await?;
    refusals::check_for_change(tool, arguments, impact.before.as_ref())?;
    impact.lines.extend(call.files.lines.iter().cloned());
    let measurable = call.assessed.as_ref().is_some_and(|assessed| assessed.measurable);
    let measuring = Measuring {
        // A dry run sends nothing, what would be rolled back neither.
        wanted: measurable && !call.guards.policy.dry_run(),
        exceeded: call.exceeded.as_ref(),
    };
    let preview = match workflow {
        Some(workflow) => {
            workflow
                .preview(&WorkflowContext::looking(call, arguments), measuring)
                .await?
        }
        None => Preview::default(),
    };
    let mut shown = Cow::Borrowed(arguments);
    if let Some(statements) = preview.statements {
        shown.to_mut().insert("statements".to_owned(), statements);
    }
    let request = bind::bind(tool, &shown, &call.files).map_err(Failure::Internal)?;
    impact.lines.extend(preview.lines);
    impact.measured = preview.measured;
    if let (Cow::Owned(_), Some(statements)) = (&shown, arguments.get("statements")) {
        let whole = Whole::of(statements);
        impact.lines.push(Line::fact("all statements", [whole.uri.clone()]));
        // This server's own key is shown to nobody.
        if !call.key.is_in(&whole.text) {
            impact.whole = Some(whole.text.clone());
            call.wholes.keep(&call.principal.id(), whole);
        }
    }
    impact.sandbox = call.service == Service::Sandbox;
    impact.account = call.account.map(str::to_owned);
    impact.safety_copy = safety::announced(call, assessment, arguments);
    let plan = Plan::new(tool, &shown, assessment, &request, impact, Utc::now());
    Ok(plan.with_undo(|declared| undo::fitted(call.selection, preview.undo.unwrap_or(declared))))
}
