//! The way of one call: each step ends it or hands on to the next.

use std::sync::Arc;

use chrono::Utc;
use serde_json::{Map, Value, json};
use tracing::Instrument as _;

use crate::catalog::{Argument, Resource, SelectedTool, Tool, Undo, templates_within};
use crate::engine::check::defaults;
use crate::engine::check::files::Files;
use crate::engine::check::linked::Filled;
use crate::engine::check::prepared;
use crate::engine::check::{arguments, bind, lookup, reference, resolve, sql};
use crate::engine::context::CallContext;
use crate::engine::decide::approve::{Ready, Step};
use crate::engine::decide::{approve, assess, bounds, light, reach, safety, self_lockout, target};
use crate::engine::dispatch::{Origin, Sent, dispatch};
use crate::engine::error::{ArgumentProblem, Failure};
use crate::engine::open::{self, Opened};
use crate::engine::present::list;
use crate::engine::present::offered;
use crate::engine::present::shape::{Extras, Shaping};
use crate::engine::present::undo;
use crate::engine::present::untrusted as fence;
use crate::engine::present::{advice, done};
use crate::engine::record::Record;
use crate::engine::snapshot::{ReadSnapshot, Seen};
use crate::engine::workflow::{Basis, RunsOn, WorkflowCall, Workflows};
use crate::engine::{CallResult, Outcome, WorkflowContext};
use crate::guard::{self, AllowedCall, Assessment, Effect, Plan, PolicyDecision, StatementRisk, Undoing};
use crate::neon::sql::Measured;
use crate::telemetry;
use crate::text::one_line;

/// How often one call is judged anew because its statements lose more than was judged or approved.
const MAX_ATTEMPTS: usize = 4;

/// A call on its way.
pub(in crate::engine) struct Pipeline<'a> {
    call: CallContext<'a>,
    workflows: &'a dyn Workflows,
    /// The workflow's call, where the tool is one: with what its arguments say.
    workflow: Option<Arc<dyn WorkflowCall>>,
    /// The call's arguments, with names resolved to ids as far as it came.
    arguments: Map<String, Value>,
    /// What the caller wrote of where the call is to run.
    said: Map<String, Value>,
    /// What was read to fill arguments in, for the first attempt.
    seen: Option<Seen>,
}

/// What the call of a workflow's tool does with its arguments.
fn begin(
    workflows: &dyn Workflows,
    tool: &Tool,
    arguments: &Map<String, Value>,
) -> Result<Option<Arc<dyn WorkflowCall>>, Failure> {
    let workflow = tool.declaration.workflow();
    workflow
        .map(|workflow| workflows.begin(workflow, arguments))
        .transpose()
}

impl<'a> Pipeline<'a> {
    pub(in crate::engine) fn new(call: CallContext<'a>, workflows: &'a dyn Workflows) -> Self {
        Self {
            call,
            workflows,
            workflow: None,
            seen: None,
            arguments: Map::new(),
            said: Map::new(),
        }
    }

    /// Runs the call.
    pub(in crate::engine) async fn run(mut self, given: Map<String, Value>) -> Outcome {
        let mut record = Record::new(&self.call);
        let ended = self.steps(given, &mut record).await;
        let (outcome, failure) = match ended {
            Ok(Outcome::Done(result)) => (Outcome::Done(result), None),
            Ok(outcome @ (Outcome::Ask(_) | Outcome::SignIn(..))) => (outcome, None),
            Err(failure) => {
                let mut named = failure.recorded();
                named.reason = self.call.fence.bare(&named.reason);
                if let Some(left) = self.call.left_behind.in_words() {
                    named.reason = format!("{}; {left}", named.reason.trim_end_matches('.'));
                }
                let value = self.stamped(failure);
                (Outcome::Done(self.result(value, true)), Some(named))
            }
        };
        let unrecorded = record.close(&self.call, &outcome, failure);
        let mut outcome = outcome;
        if let Outcome::Done(result) = &mut outcome {
            self.call.linked.told(&mut result.value);
            offered::fit(&self.call, &mut result.value);
            self.call.fence.explain(&mut result.value);
        }
        match (outcome, unrecorded) {
            (Outcome::Done(mut result), Some(error)) => {
                // It ran, and can't be unsent: whoever reads the result learns that the log lacks it.
                if let Some(object) = result.value.as_object_mut() {
                    object.insert("audit".into(), format!("not recorded: {error}").into());
                }
                Outcome::Done(result)
            }
            (outcome, _) => outcome,
        }
    }

    async fn steps(&mut self, given: Map<String, Value>, record: &mut Record) -> Result<Outcome, Failure> {
        let tool = &self.call.selected.tool;
        let policy = &self.call.guards.policy;
        policy.offers(tool)?;
        let mut arguments =
            arguments::check(self.call.selected, given, &mut self.call.times).map_err(Failure::Arguments)?;
        copied(&arguments).map_err(Failure::Arguments)?;
        let fixed = &self.call.selected.fixed;
        self.said = arguments
            .iter()
            .filter(|(name, _)| {
                ["project_id", "branch_id", "org_id"].contains(&name.as_str()) && !fixed.contains_key(*name)
            })
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let mut linked = Filled::begin(self.call.selected, &mut arguments);
        reference::check(tool, &arguments).map_err(Failure::Arguments)?;
        record.given(tool, &arguments);
        self.call.files = Files::load(tool, &arguments, self.call.limits.files_dir.as_ref()).await?;
        resolve::resolve(&self.call, tool, &mut arguments, &mut linked).await?;
        if linked.branch(self.call.selected, &mut arguments)? {
            let resolved = resolve::resolve(&self.call, tool, &mut arguments, &mut linked).await;
            resolved.map_err(|failure| linked.without_branch(failure))?;
        }
        let look = ReadSnapshot::new(&self.call);
        defaults::fill_branch(&self.call, &look, tool, &mut arguments).await?;
        let seen = look.into_seen();
        self.call.linked = linked;
        self.call.pinned_branch = pinned_branch(self.call.selected, &arguments);
        let look = ReadSnapshot::going_on(&self.call, seen);
        if policy.bounds_branches() {
            // Before anything of a branch is read, its SQL looked into, or a human asked.
            bounds::check(&self.call, &look, tool, Effect::Read, &arguments).await?;
            reach::check_new_branch(policy, tool, &arguments)?;
        }
        defaults::fill_database(&self.call, &look, tool, &mut arguments).await?;
        self.seen = Some(look.into_seen());
        self.arguments = arguments.clone();
        self.call.prepared = prepared::open(&self.call, tool, &mut arguments)?;
        record.given(tool, &arguments);
        self.workflow = begin(self.workflows, tool, &arguments)?;
        if let Some(workflow) = self.workflow.clone() {
            self.assess(&*workflow, &arguments, record).await?;
        } else {
            approve::look_over(&self.call, &arguments, record)?;
        }

        for _ in 1..MAX_ATTEMPTS {
            match self.attempt(arguments.clone(), record).await {
                // Nothing was changed. What it loses is known now, and judged as that.
                Err(Failure::Exceeded(measured)) if self.is_run_at_once() => {
                    let unasked = self.call.unasked_rows();
                    let assessed = self.call.assessed.take();
                    self.call.assessed = assessed.map(|assessed| assessed.exceeding(&measured, unasked));
                    self.call.exceeded = Some(*measured);
                }
                Err(Failure::Reaches(reaching)) if self.is_run_at_once() => {
                    let assessed = self.call.assessed.take();
                    self.call.assessed = assessed.map(|assessed| assessed.reaching(&reaching));
                }
                Err(Failure::CallsCode) if self.is_run_at_once() => {
                    self.call.assessed = self.call.assessed.take().map(StatementRisk::running_code);
                }
                ended => return ended,
            }
        }
        self.attempt(arguments, record).await
    }

    /// Parses the SQL of a workflow's call, and finds out what it does.
    async fn assess(
        &mut self,
        workflow: &dyn WorkflowCall,
        arguments: &Map<String, Value>,
        record: &mut Record,
    ) -> Result<(), Failure> {
        let prepared = self.call.prepared.clone();
        let prepared = prepared.as_ref().map(|opened| &opened.content);
        let sql = workflow.sql(prepared);
        let parsed = sql::parse(&sql.runs, sql.explains).await?;
        self.call.scripts = parsed.scripts;
        self.call.sources = parsed.sources;
        self.call.explained = parsed.explained;
        reach::check_sql(&self.call.guards.policy, &self.call.scripts)?;
        let basis = Basis {
            declared: self.call.selected.tool.declaration.safety.effect,
            prepared,
            unasked_rows: self.call.unasked_rows(),
        };
        let assessed = workflow.assess(&self.call.scripts, &basis)?;
        if let Some(assessed) = &assessed {
            self.call.within_bound(assessed.effect)?;
        }
        let tried = assessed.as_ref().is_some_and(|assessed| assessed.measurable);
        approve::look_over(&self.call, arguments, record).map_err(|failure| failure.after_trial(tried))?;
        let mut scripts = std::mem::take(&mut self.call.scripts);
        let looked = workflow
            .look(
                &WorkflowContext::looking(&self.call, arguments),
                &mut scripts,
                &basis,
                assessed,
            )
            .await;
        self.call.scripts = scripts;
        self.call.assessed = looked?;
        Ok(())
    }

    /// Whether the call's statements are its own, not what was prepared before.
    fn is_run_at_once(&self) -> bool {
        let workflow = self.workflow.as_ref();
        workflow.is_some_and(|workflow| workflow.runs_on() == RunsOn::Target)
    }

    /// Judges the call, has it approved where it must be, and runs it.
    async fn attempt(&mut self, mut arguments: Map<String, Value>, record: &mut Record) -> Result<Outcome, Failure> {
        let tool = &self.call.selected.tool;
        let policy = &self.call.guards.policy;
        // The first attempt goes on with what was read to fill arguments in; another one looks anew.
        let look = ReadSnapshot::going_on(&self.call, self.seen.take().unwrap_or_default());
        let deciding = assess::judge(&self.call, &look, &arguments);
        let mut assessment = deciding.instrument(telemetry::spans::decide()).await?;
        if let Some(name) = safety::preserved_name(&self.call, &look, &assessment, &arguments).await? {
            arguments.insert("preserve_under_name".to_owned(), name.into());
            record.given(tool, &arguments);
            self.workflow = begin(self.workflows, tool, &arguments)?;
            assessment = assess::judge(&self.call, &look, &arguments).await?;
        }
        record.judged(&assessment);
        self.call.within_bound(assessment.effect())?;
        bounds::check(&self.call, &look, tool, assessment.effect(), &arguments).await?;
        self_lockout::check(&look, tool, &arguments).await?;
        let workflow = self.workflow.as_deref();
        if let Some(workflow) = workflow
            && !policy.dry_run()
        {
            workflow
                .check(&WorkflowContext::looking(&self.call, &arguments))
                .await?;
        }
        let step = match assessment.under(policy) {
            PolicyDecision::Deny(denied) => return Err(denied.into()),
            PolicyDecision::Allow(allowed) if policy.dry_run() && allowed.assessment().changes() => {
                return self.dry_run(&arguments, allowed.assessment(), None, record);
            }
            PolicyDecision::Allow(allowed) => {
                let ready = Ready {
                    allowed,
                    arguments,
                    before: None,
                    approved_plan: None,
                    measured: None,
                };
                // No time passes: what was seen is what there is.
                return self.execute(ready, Some(&look), record).await.map(Outcome::Done);
            }
            PolicyDecision::RequireApproval(asking) => {
                let plan = assess::plan(&self.call, workflow, &look, asking.assessment(), &arguments).await?;
                record.planned(&plan);
                if policy.dry_run() && asking.assessment().changes() {
                    return self.dry_run(&arguments, asking.assessment(), Some(&plan), record);
                }
                drop(look);
                // An approval would be used up for nothing where the call can't be made anyway.
                if plan.assessment().changes() {
                    open::paced(&self.call, false)?;
                    record.can_begin(&self.call)?;
                }
                let tried = plan.measured().is_some();
                approve::approve(
                    &mut self.call,
                    self.workflow.as_deref(),
                    asking,
                    plan,
                    arguments,
                    record,
                )
                .instrument(telemetry::spans::approve())
                .await
                .map_err(|failure| failure.after_trial(tried))?
            }
        };
        match step {
            Step::Ask(mut question) => {
                question.seal = self.call.times.mark(std::mem::take(&mut question.seal));
                Ok(Outcome::Ask(question))
            }
            // While a human read, what was seen may have changed.
            Step::Run(ready) => self.execute(*ready, None, record).await.map(Outcome::Done),
        }
    }

    async fn execute(
        &self,
        ready: Ready,
        seen: Option<&ReadSnapshot<'_, 'a>>,
        record: &mut Record,
    ) -> Result<CallResult, Failure> {
        let Ready {
            allowed,
            arguments,
            before,
            approved_plan,
            measured,
        } = ready;
        let tool = &*self.call.selected.tool;
        if seen.is_none() && self.call.guards.policy.bounds_branches() {
            // While a human read, another branch may have become the default.
            let (look, effect) = (ReadSnapshot::new(&self.call), allowed.assessment().effect());
            bounds::check(&self.call, &look, tool, effect, &arguments).await?;
        }
        record.allowed(&allowed);
        let request = bind::bind(tool, &arguments, &self.call.files).map_err(Failure::Internal)?;
        let shaping = Shaping {
            service: self.call.service,
            tool,
            arguments: &arguments,
            said: &self.said,
            times: self.call.times,
            most_bytes: self.call.limits.result_bytes,
            fence: &self.call.fence,
        };
        if let Some(workflow) = &self.workflow {
            return self
                .flow(
                    &**workflow,
                    &allowed,
                    &arguments,
                    (approved_plan.as_deref(), measured.as_ref(), seen),
                    &shaping,
                    record,
                )
                .await;
        }
        if let Some(pages) = &tool.declaration.output.pages {
            let mut list = list::read(&self.call, self.call.selected, pages, &arguments, &allowed, request).await?;
            if let Some(items) = list.answer.pointer_mut(&list.pointer).and_then(Value::as_array_mut) {
                lookup::add_names(&self.call, &arguments, items).await;
            }
            let is_first = arguments.get("cursor").is_none();
            let mut value = shaping.list(list);
            if let Some(addition) = tool.declaration.output.adds.filter(|_| is_first) {
                let flow = WorkflowContext::looking(&self.call, &arguments);
                self.workflows.add(addition, &flow, &mut value).await;
            }
            return Ok(self.result(value, false));
        }
        let assessment = allowed.assessment().clone();
        let approver = allowed.approver();
        let approved_by = self.approved_by(&allowed);
        let before = match before {
            None if assessment.changes() && wants_before(tool, &arguments) => self.before(&arguments, seen).await?,
            before => before,
        };
        let Opened { copy } = open::open(
            &self.call,
            None,
            &assessment,
            &arguments,
            approved_plan.as_deref(),
            record,
        )
        .await?;
        let way_back = |answer: &Value| {
            let undoing = Undoing {
                tool,
                arguments: &arguments,
                before: before.as_ref(),
                answer: Some(answer),
                now: Utc::now(),
            };
            if assessment.changes() { undoing.way() } else { None }
        };
        let fitted = |undo: Option<Value>| undo.map(|undo| undo::fitted(self.call.selection, undo));
        let look = ReadSnapshot::new(&self.call);
        let sent = dispatch(
            &self.call,
            Origin::Call(allowed),
            &self.call.selected.tool,
            &arguments,
            &look,
            &mut |request_id| record.answered(request_id),
        )
        .await;
        let Sent { answer, waited } = sent.map_err(|failure| match failure {
            failure @ Failure::Neon { .. } => {
                let check = tool.declaration.output.check.as_deref();
                failure.with_help(check, copy.as_ref(), fitted(way_back(&Value::Null)))
            }
            failure => failure.after_copy(copy.as_ref()),
        })?;
        if let Some(content) = &answer.content {
            return Ok(self.result(shaping.content(content), false));
        }
        let body = answer.body.as_ref().unwrap_or(&Value::Null);
        let undo = way_back(body);
        if let (Some(undo), Some(session)) = (&undo, light::owner(&self.call)) {
            self.call
                .made
                .note(session, (self.call.catalog, tool.name()), undo, body);
        }
        let undo = fitted(undo);
        let is_error = waited.as_ref().is_some_and(|waited| waited.failed);
        let is_over = waited.as_ref().is_none_or(|waited| waited.done);
        let state = match assessment.changes() && is_over && !is_error {
            true => done::state(&self.call, &arguments).await,
            false => None,
        };
        let changes = match (&before, is_error) {
            (Some(before), false) if assessment.changes() => done::changes(tool, &arguments, before, &self.call.fence),
            _ => None,
        };
        let extras = Extras {
            state,
            changes,
            password_of: done::password_of(&self.call, &arguments).await.ok().flatten(),
            approved_by: approver.name(),
            approver: approved_by,
            safety_copy: copy,
            undo,
        };
        Ok(self.result(shaping.single(answer.body, waited, extras), is_error))
    }

    /// Runs a workflow whose call was let through.
    async fn flow(
        &self,
        workflow: &dyn WorkflowCall,
        allowed: &AllowedCall,
        arguments: &Map<String, Value>,
        (approved_plan, measured, seen): (Option<&str>, Option<&Measured>, Option<&ReadSnapshot<'_, 'a>>),
        shaping: &Shaping<'_>,
        record: &mut Record,
    ) -> Result<CallResult, Failure> {
        let assessment = allowed.assessment();
        let Opened { copy } =
            open::open(&self.call, Some(workflow), assessment, arguments, approved_plan, record).await?;
        let ended = {
            let flow = WorkflowContext::new(&self.call, Some(allowed), arguments, Some(record))
                .having_seen(seen)
                .approved_with(measured);
            let ended = workflow.run(&flow).await;
            // Whatever became of the call: a copy that was made is there, and somebody must know of it.
            ended.map_err(|failure| failure.after_copy(copy.as_ref()))?
        };
        let approver = allowed.approver();
        let approved_by = (approver.name(), self.approved_by(allowed));
        let mut ended = ended;
        for note in &mut ended.notes {
            self.add_what_is_not_offered(note);
        }
        if ended.undo.is_none() && assessment.changes() && !ended.unchanged {
            ended.undo = Undoing {
                tool: assessment.tool(),
                arguments,
                before: None,
                answer: None,
                now: Utc::now(),
            }
            .way();
        }
        ended.undo = ended.undo.map(|undo| undo::fitted(self.call.selection, undo));
        let failed = ended.failed;
        Ok(self.result(shaping.workflow(ended, approved_by, copy), failed))
    }

    /// Who approved a call, where that is another than its caller.
    fn approved_by(&self, allowed: &AllowedCall) -> Option<String> {
        let who = allowed.approved_by()?;
        (who != self.call.principal.name()).then(|| self.call.key.redacted(&one_line(who, 200)))
    }

    /// What the plan would have read, for the undo of a call that nobody was asked about: as it was judged by, where that was just
    /// read.
    async fn before(
        &self,
        arguments: &Map<String, Value>,
        seen: Option<&ReadSnapshot<'_, 'a>>,
    ) -> Result<Option<Value>, Failure> {
        let Some(plan) = &self.call.selected.tool.declaration.safety.plan else {
            return Ok(None);
        };
        let shown = match seen {
            Some(look) => target::shown(look, plan, arguments).await,
            None => target::shown(&ReadSnapshot::new(&self.call), plan, arguments).await,
        };
        shown.map(Some)
    }

    /// What a call would send, where the operator wants no more than that.
    fn dry_run(
        &self,
        arguments: &Map<String, Value>,
        assessment: &Assessment,
        plan: Option<&Plan>,
        record: &mut Record,
    ) -> Result<Outcome, Failure> {
        let tool = &*self.call.selected.tool;
        let request = bind::bind(tool, arguments, &self.call.files).map_err(Failure::Internal)?;
        record.dry();
        let mut value = json!({
            "dry_run": true,
            "tool": tool.name(),
            "effect": assessment.effect().name(),
            "would_ask": plan.is_some(),
            "would_send": guard::would_send(tool, arguments, &request),
            "notes": ["Nothing was sent: the operator's policy is a dry run."],
        });
        if let Some(object) = value.as_object_mut() {
            self.call.service.stamp(object);
        }
        if let (Some(object), Some(plan)) = (value.as_object_mut(), plan) {
            let mut plan = plan.told();
            self.call.fence.enclose_plan(&mut plan);
            object.insert("plan".into(), plan);
        }
        Ok(Outcome::Done(self.result(value, false)))
    }

    /// Says of each tool that an advice names and that isn't offered here why not, and what to run in its place.
    pub(in crate::engine) fn add_what_is_not_offered(&self, advice: &mut String) {
        let words = advice.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let mut told: Vec<&str> = Vec::new();
        for word in words.filter(|word| word.contains('_')) {
            let known = self.call.catalog.tool(word).is_some();
            if known && self.call.selection.tool(word).is_none() && !told.contains(&word) {
                told.push(word);
            }
        }
        let more: Vec<String> = told
            .into_iter()
            .map(|name| {
                let mut sentence = self.call.selection.missing(name);
                let runs = ["query_database", "run_sql"];
                let runs = runs.iter().find(|tool| self.call.selection.tool(tool).is_some());
                if let Some((sql, runs)) = instead(name).zip(runs) {
                    sentence.push_str(&format!(" With {runs}: {sql}."));
                }
                sentence
            })
            .collect();
        for sentence in more {
            advice.push(' ');
            advice.push_str(&sentence);
        }
    }

    fn result(&self, value: Value, is_error: bool) -> CallResult {
        CallResult::new(value, is_error, self.call.fence.clone())
    }

    /// A failure as a result that says where it happened.
    fn stamped(&self, failure: Failure) -> Value {
        let advice = failure.of_neon().and_then(|error| {
            let tool = &self.call.selected.tool;
            advice::advise(tool, error, &self.arguments, self.call.selection)
        });
        let mut value = failure.into_value(&self.call.fence);
        self.call.left_behind.told(&mut value, &self.call.fence);
        // Neon's own words may quote a secret.
        guard::mask(&mut value, &[], &[]);
        if let (Some(advice), Some(error)) = (advice, value.get_mut("error").and_then(Value::as_object_mut)) {
            error.insert("next".into(), advice.next.into());
            if let Some(mut call) = advice.call {
                self.call.fence.enclose_undo(&mut call);
                error.insert("next_call".into(), call);
            }
        }
        if let Some(Value::String(next)) = value.pointer_mut("/error/next") {
            self.add_what_is_not_offered(next);
        }
        if let Some(object) = value.as_object_mut() {
            object.insert("tool".into(), self.call.selected.tool.name().into());
            self.call.service.stamp(object);
        }
        value
    }
}

/// The id of the operator's branch, where the call names it.
fn pinned_branch(selected: &SelectedTool, arguments: &Map<String, Value>) -> Option<String> {
    let is_branch = |name: &&String| selected.tool.names(name) == Some(Argument::Resource(Resource::Branch));
    let name = selected.fixed.keys().find(is_branch)?;
    arguments.get(name)?.as_str().map(str::to_owned)
}

/// The SQL that tells what a tool would.
fn instead(tool: &str) -> Option<&'static str> {
    Some(match tool {
        "inspect_database" => {
            "SELECT pid, state, wait_event_type, pg_blocking_pids(pid), left(query, 200) FROM pg_stat_activity WHERE datname = \
             current_database()"
        }
        "get_database_tables" => {
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        }
        "describe_table_schema" => {
            "SELECT column_name, data_type, is_nullable, column_default FROM information_schema.columns WHERE table_name = 'the table'"
        }
        "explain_sql_statement" => "EXPLAIN and the statement",
        "list_databases" => "SELECT datname FROM pg_database",
        "list_roles" => "SELECT rolname FROM pg_roles",
        _ => return None,
    })
}

/// Refuses arguments that were copied from a result with the marks around them: what they would name or store is nobody's.
fn copied(arguments: &Map<String, Value>) -> Result<(), Vec<ArgumentProblem>> {
    let problems: Vec<ArgumentProblem> = arguments
        .iter()
        .filter_map(|(name, value)| {
            Some(ArgumentProblem {
                argument: name.clone(),
                message: fence::problem(value)?,
            })
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Whether the way back needs what was there before.
fn wants_before(tool: &Tool, arguments: &Map<String, Value>) -> bool {
    match &tool.declaration.safety.undo {
        Some(Undo::Way(way)) => {
            way.former.keys().any(|name| arguments.contains_key(name))
                || way.arguments.values().any(|value| {
                    templates_within(value)
                        .iter()
                        .any(|name| name.starts_with("before:") || name.starts_with("before?:"))
                })
        }
        _ => false,
    }
}
