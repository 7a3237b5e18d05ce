//! What the audit log will say about a call, gathered on its way.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::catalog::Tool;
use crate::engine::context::CallContext;
use crate::engine::error::{Failure, Named};
use crate::engine::values::text;
use crate::engine::{Caller, Guards, Outcome, Service};
use crate::guard::audit::{AuditOutcome as Recorded, Entry, Pending};
use crate::guard::{AllowedCall, Approver, Assessment, Effect, FileError, OwnKey, Plan};
use crate::telemetry;

/// A call's line under way.
#[derive(Debug)]
pub(in crate::engine) struct Record {
    began: Instant,
    entry: Entry,
    /// The log holds the call though it neither changes something nor is refused.
    wanted: bool,
    pending: Option<Pending>,
    dry: bool,
    /// The server's own key, which no line holds.
    key: OwnKey,
}

impl Record {
    pub(in crate::engine) fn new(call: &CallContext<'_>) -> Self {
        let tool = &call.selected.tool;
        let mut entry = Entry::new(tool.name(), tool.declaration.safety.effect, Recorded::Done);
        entry.time = DateTime::<Utc>::from(std::time::SystemTime::now());
        match call.service {
            Service::Neon | Service::Sandbox => call.service.name().clone_into(&mut entry.service),
        }
        entry.caller = call.principal.name();
        entry.person = call.principal.said_person();
        entry.client = call.client_name.map(str::to_owned);
        entry.account = call.account.map(str::to_owned);
        Self {
            began: Instant::now(),
            entry,
            wanted: tool.declaration.safety.effect != Effect::Read || tool.declaration.safety.reveals,
            pending: None,
            dry: false,
            key: call.key.clone(),
        }
    }

    /// The arguments, as far as they are known.
    pub(in crate::engine) fn given(&mut self, tool: &Tool, arguments: &Map<String, Value>) {
        self.entry.arguments = Entry::arguments(tool, arguments);
        self.key.redact(&mut self.entry.arguments);
        let id = |name: &str| text(arguments, name).map(|id| self.key.redacted(id));
        (self.entry.project_id, self.entry.branch_id) = (id("project_id"), id("branch_id"));
    }

    pub(in crate::engine) fn judged(&mut self, assessment: &Assessment) {
        self.entry.effect = assessment.effect();
        self.wanted |= assessment.is_recorded();
    }

    pub(in crate::engine) fn planned(&mut self, plan: &Plan) {
        self.entry.plan = Some(plan.digest().to_owned());
        self.wanted = true;
    }

    pub(in crate::engine) fn allowed(&mut self, allowed: &AllowedCall) {
        self.asked_by(allowed.approver(), allowed.approved_by());
    }

    pub(in crate::engine) fn asked_again(&mut self) {
        self.entry.reason = Some("the target changed: asked anew".to_owned());
    }

    pub(in crate::engine) fn dry(&mut self) {
        self.dry = true;
    }

    /// A request of the safety copy.
    pub(in crate::engine) fn copied(&mut self, request_id: &str) {
        if !request_id.is_empty() {
            self.answered(request_id);
        }
    }

    pub(in crate::engine) fn answered(&mut self, request_id: &str) {
        self.entry.request_ids.push(request_id.to_owned());
    }

    /// Whether the call could be noted now.
    pub(in crate::engine) fn can_begin(&self, call: &CallContext<'_>) -> Result<(), Failure> {
        let log = call.guards.audit.as_ref();
        let log = log.ok_or_else(|| Failure::Unrecorded("there is no place for it".to_owned()))?;
        log.check().map_err(|error| Failure::Unrecorded(error.to_string()))
    }

    /// Who was asked, whatever the answer is.
    pub(in crate::engine) fn asked_by(&mut self, approver: Approver, who: Option<&str>) {
        self.entry.channel = approver.name().map(str::to_owned);
        self.entry.approver = who.map(|who| self.key.redacted(who));
    }

    /// Notes the call before it is sent: one that leaves no trace isn't.
    pub(in crate::engine) fn begin(&mut self, call: &CallContext<'_>) -> Result<(), Failure> {
        if self.pending.is_some() {
            // An attempt before this one was rolled back: it is the same call.
            return Ok(());
        }
        let log = call.guards.audit.as_ref();
        let log = log.ok_or_else(|| Failure::Unrecorded("there is no place for it".to_owned()))?;
        let pending = log
            .begin(&self.entry)
            .map_err(|error| Failure::Unrecorded(error.to_string()))?;
        self.pending = Some(pending);
        Ok(())
    }

    /// Writes the line. The error is of a call that ran and couldn't be recorded; a refusal that can't be is told in
    /// the log of the server alone.
    pub(in crate::engine) fn close(
        mut self,
        call: &CallContext<'_>,
        outcome: &Outcome,
        failure: Option<Named>,
    ) -> Option<FileError> {
        let is_refusal = failure.as_ref().is_some_and(|failure| failure.is_refusal);
        let took = self.began.elapsed();
        self.entry.duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        match (failure, outcome) {
            (Some(named), _) => {
                self.entry.outcome = named.outcome;
                self.entry.reason = Some(self.key.redacted(&named.reason));
                self.entry.rule = named.rule.or(self.entry.rule);
                self.entry.request_ids.extend(named.request_id);
            }
            (None, Outcome::Ask(_)) => self.entry.outcome = Recorded::Asked,
            (None, Outcome::Done(_)) if self.dry => self.entry.outcome = Recorded::DryRun,
            (None, Outcome::Done(result)) if result.is_error => {
                self.entry.outcome = Recorded::Failed;
                self.entry.reason = Some("an operation failed at Neon".to_owned());
            }
            (None, Outcome::Done(_) | Outcome::SignIn(..)) => {}
        }
        let (effect, ended) = (self.entry.effect.name(), self.entry.outcome.name());
        telemetry::call(Some(call.selected.tool.name()), effect, ended, took);
        let span = tracing::Span::current();
        span.record("neon_mcp.effect", effect);
        span.record("neon_mcp.outcome", ended);
        if matches!(outcome, Outcome::Done(result) if result.is_error) {
            telemetry::spans::failed(&span, ended);
        }
        if !self.wanted && !is_refusal {
            return None;
        }
        match (self.pending.take(), call.guards.audit.as_ref()) {
            (Some(pending), _) => pending.finish(&self.entry).err(),
            (None, Some(log)) => {
                // Nothing was sent, so nothing is hidden: the log itself told of the error.
                let _ = log.write(&self.entry);
                None
            }
            (None, None) => None,
        }
    }
}

/// The line of a call whose tool isn't offered, or not this way: it would have changed something, or handed over a secret.
pub(in crate::engine) fn left_out(
    tool: &Tool,
    why: &str,
    arguments: &Map<String, Value>,
    caller: &Caller,
    (guards, service): (&Guards, Service),
    redact: impl FnOnce(&mut Value),
) {
    let declaration = &tool.declaration;
    let effect = declaration.safety.effect.name();
    telemetry::call(Some(tool.name()), effect, Recorded::Refused.name(), Duration::ZERO);
    if declaration.safety.effect == Effect::Read && !declaration.safety.reveals {
        return;
    }
    let Some(log) = &guards.audit else { return };
    let mut entry = Entry::new(tool.name(), declaration.safety.effect, Recorded::Refused);
    service.name().clone_into(&mut entry.service);
    entry.caller = caller.principal.name();
    entry.person = caller.principal.said_person();
    entry.client.clone_from(&caller.client);
    // Nothing has checked them: what the tool doesn't take stands for nothing, and may be anything.
    let mut arguments = arguments.clone();
    arguments.retain(|name, _| tool.takes(name));
    entry.arguments = Entry::arguments(tool, &arguments);
    redact(&mut entry.arguments);
    entry.reason = Some(why.to_owned());
    entry.rule = guards.policy.offers(tool).err().map(|denied| denied.rule);
    // Nothing was sent, so nothing is hidden: the log itself told of an error.
    let _ = log.write(&entry);
}
