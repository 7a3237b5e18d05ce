//! What a call does, and the plan of it that a human is shown.

use std::borrow::Cow;

use chrono::Utc;
use serde_json::{Map, Value};

use super::whole::Whole;
use super::{facts, safety, sight};
use crate::engine::check::bind;
use crate::engine::context::Call;
use crate::engine::error::Failure;
use crate::engine::flow::Flow;
use crate::engine::snapshot::Look;
use crate::engine::workflow::Workflows;
use crate::guard::{Judgement, Line, Plan, Verdict};

/// What the call does, from its declaration, its arguments and what is read where those don't decide.
pub(in crate::engine) async fn judge(
    call: &Call<'_>,
    look: &Look<'_, '_>,
    arguments: &Map<String, Value>,
) -> Result<Verdict, Failure> {
    let tool = &call.selected.tool;
    match Judgement::begin_assessed(tool, arguments, call.assessed.clone()) {
        Judgement::Done(verdict) => Ok(verdict),
        Judgement::Looks(pending) => {
            let facts = facts::read(look, &call.guards.policy, tool, arguments, pending.needs()).await?;
            Ok(pending.with(&facts))
        }
    }
}

/// The plan: what is shown to whoever must say yes.
pub(in crate::engine) async fn plan(
    call: &Call<'_>,
    workflows: &dyn Workflows,
    look: &Look<'_, '_>,
    verdict: &Verdict,
    arguments: &Map<String, Value>,
) -> Result<Plan, Failure> {
    let tool = &*call.selected.tool;
    let mut sight = sight::read(look, &call.guards.policy, tool, arguments, verdict).await?;
    sight.lines.extend(call.files.lines.iter().cloned());
    let measured = match &call.assessed {
        // A dry run sends nothing, what would be rolled back neither.
        Some(assessed) if assessed.measurable && !call.guards.policy.dry_run() => {
            let measured = workflows.measure(&Flow::looking(call, arguments), tool).await?;
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
        .seen(&Flow::looking(call, arguments), tool, measured.as_ref())
        .await?;
    sight.lines.extend(seen);
    sight.measured = measured;
    if let (Cow::Owned(_), Some(statements)) = (&shown, arguments.get("statements")) {
        let whole = Whole::of(statements);
        sight.lines.push(Line::fact("all statements", [whole.uri.clone()]));
        // This server's own key is shown to nobody.
        if !call.key.is_in(&whole.text) {
            sight.whole = Some(whole.text.clone());
            call.wholes.keep(whole);
        }
    }
    sight.safety_copy = safety::announced(call, verdict, arguments);
    Ok(Plan::new(tool, &shown, verdict, &request, sight, Utc::now()))
}
