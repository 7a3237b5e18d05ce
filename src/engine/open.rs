//! What a call does before it sends anything: it is counted, recorded, and what it destroys is kept.

use serde_json::{Map, Value};

use crate::catalog::SafetyCopy;
use crate::engine::context::CallContext;
use crate::engine::decide::{assess, safety};
use crate::engine::error::Failure;
use crate::engine::rate_cap::fit;
use crate::engine::record::Record;
use crate::engine::snapshot::ReadSnapshot;
use crate::engine::workflow::WorkflowCall;
use crate::guard::{Assessment, Denied};

/// A call that began: it is recorded, and what it destroys is kept.
pub(in crate::engine) struct Opened {
    /// The copy, as the result shows it.
    pub(in crate::engine) copy: Option<Value>,
}

/// Begins what a call does: counts it, records it (a call that leaves no trace doesn't run), and keeps what it destroys. `approved_plan` is the
/// digest of the plan that was approved.
///
/// # Errors
/// When it comes too fast, can't be recorded, or its copy can't be made: nothing was changed, but for what the error names.
pub(in crate::engine) async fn open(
    call: &CallContext<'_>,
    workflow: Option<&dyn WorkflowCall>,
    assessment: &Assessment,
    arguments: &Map<String, Value>,
    approved_plan: Option<&str>,
    record: &mut Record,
) -> Result<Opened, Failure> {
    if assessment.changes() {
        paced(call, true)?;
    }
    if assessment.is_recorded() {
        record.begin(call)?;
    }
    let copy = match assessment.tool().declaration.safety.safety_copy {
        Some(SafetyCopy::Branch) if safety::wanted(call, assessment) => {
            let copy = safety::copy(call, arguments, record).await?;
            if let Some(digest) = approved_plan {
                // A copy takes its time: what was approved must still be there.
                let look = ReadSnapshot::passing_over(call, copy.branch);
                let assessment = assess::judge(call, &look, arguments).await?;
                let plan = assess::plan(call, workflow, &look, &assessment, arguments).await?;
                if plan.digest() != digest {
                    return Err(Failure::ChangedMeanwhile(copy.shown));
                }
            }
            Some(copy.shown)
        }
        Some(SafetyCopy::Preserve) if safety::wanted(call, assessment) => safety::preserved(arguments),
        _ => None,
    };
    Ok(Opened { copy })
}

/// Refuses a change that comes too fast by any of the caps on it, and counts one that doesn't, where that is wanted.
pub(in crate::engine) fn paced(call: &CallContext<'_>, count: bool) -> Result<(), Failure> {
    let fits = fit(call.rate_caps, &call.guards.approval_flow, count);
    if fits.map_err(|error| Failure::NotApproved(error.into()))? {
        return Ok(());
    }
    Err(Failure::Denied(Denied {
        rule: "caps.changes_per_minute".to_owned(),
        message: "The operator's policy allows fewer changes in a minute. Nothing was sent.".to_owned(),
        next: "Wait a minute, then call again.".to_owned(),
    }))
}
