//! The way of one call: each step ends it or hands on to the next.

use std::borrow::Cow;
use std::sync::Arc;

use chrono::Utc;
use serde_json::{Map, Value, json};

use crate::catalog::{Catalog, SelectedTool, Selection, Tool, Undo, Workflow, templates_within};
use crate::docs::Docs;
use crate::engine::check::files::Files;
use crate::engine::check::organizations;
use crate::engine::check::organizations::Organizations;
use crate::engine::check::prepared;
use crate::engine::check::prepared::Opened;
use crate::engine::check::{arguments, bind, reference, resolve};
use crate::engine::connect::Connections;
use crate::engine::decide::whole::{Whole, Wholes};
use crate::engine::decide::{approve as confirm, facts, own_key, safety, sight};
use crate::engine::dispatch;
use crate::engine::dispatch::Origin;
use crate::engine::error::{ArgumentProblem, Failure};
use crate::engine::left_behind::LeftBehind;
use crate::engine::pace::Pace;
use crate::engine::present::list;
use crate::engine::present::shape::{Extras, Shaping};
use crate::engine::present::untrusted as fence;
use crate::engine::present::untrusted::Fence;
use crate::engine::record::Record;
use crate::engine::snapshot::Look;
use crate::engine::{CallLimits, CallResult, Flow, Guards, Outcome, Progress, Service, Way};
use crate::guard::{self, Assessed, Cleared, Judgement, Line, Plan, Ruling, SaidYes, Subject, Undoing, Verdict};
use crate::neon::sql::Measured;
use crate::neon::{Client, Context};
use crate::sql::Script;
use crate::workflows;

/// A call under way.
pub(in crate::engine) struct Call<'a> {
    pub(in crate::engine) client: &'a Client,
    pub(in crate::engine) catalog: &'a Catalog,
    pub(in crate::engine) service: Service,
    pub(in crate::engine) limits: &'a CallLimits,
    pub(in crate::engine) guards: &'a Guards,
    pub(in crate::engine) pace: Option<&'a Pace>,
    pub(in crate::engine) adding: &'a tokio::sync::Mutex<()>,
    pub(in crate::engine) connections: &'a Connections,
    /// The lists of statements that plans show in part.
    pub(in crate::engine) wholes: &'a Wholes,
    pub(in crate::engine) docs: Option<&'a Docs>,
    /// The organizations of the key, once they were read.
    pub(in crate::engine) organizations: &'a Organizations,
    /// What the call made on its way and didn't remove.
    pub(in crate::engine) left_behind: LeftBehind,
    /// What the statements of the call do, where it has some.
    pub(in crate::engine) assessed: Option<Assessed>,
    /// What the statements lost in an attempt that was stopped.
    pub(in crate::engine) exceeded: Option<Measured>,
    /// Those statements, parsed once: a script for each text.
    pub(in crate::engine) scripts: Vec<Script>,
    /// What the call completes, where it completes something.
    pub(in crate::engine) prepared: Option<Opened>,
    /// Account, way and credential, and what the client calls itself.
    pub(in crate::engine) who: String,
    /// Account, way and credential alone.
    pub(in crate::engine) peer: String,
    /// Whom prepared work belongs to.
    pub(in crate::engine) owner: String,
    pub(in crate::engine) session: &'a guard::Session,
    /// What came back of an earlier question outside the client.
    pub(in crate::engine) approval: Option<String>,
    pub(in crate::engine) principal: &'a str,
    pub(in crate::engine) client_name: Option<&'a str>,
    pub(in crate::engine) way: &'a Way,
    pub(in crate::engine) selected: &'a SelectedTool,
    /// What is offered here.
    pub(in crate::engine) selection: &'a Selection,
    pub(in crate::engine) context: Context,
    pub(in crate::engine) progress: Option<Arc<dyn Progress>>,
    /// What stands around texts of others in the result.
    pub(in crate::engine) fence: Fence,
    /// The files that the arguments give, once they are read.
    pub(in crate::engine) files: Files,
    /// The server's own key, which nothing that is told or kept holds.
    pub(in crate::engine) key: &'a guard::OwnKey,
}

/// Where a call stands when a human must be asked, or it may run.
pub(in crate::engine) enum Step {
    /// It may run, with these arguments and what was read on the way.
    Run(Box<Ready>),
    /// The client asks, and repeats the call.
    Ask(Box<guard::Question>),
}

/// A call that may run.
pub(in crate::engine) struct Ready {
    pub(in crate::engine) cleared: Cleared,
    pub(in crate::engine) arguments: Map<String, Value>,
    /// What the plan read, for the way back.
    pub(in crate::engine) before: Option<Value>,
    /// The digest of the plan that a human said yes to.
    pub(in crate::engine) confirmed: Option<String>,
    /// What the statements would lose, as the plan showed it.
    pub(in crate::engine) measured: Option<Measured>,
}

/// How often one call is judged anew because its statements lose more than was judged or approved.
const MOST_ATTEMPTS: usize = 4;

impl<'a> Call<'a> {
    /// Runs the call.
    pub(in crate::engine) async fn run(mut self, given: Map<String, Value>) -> Outcome {
        let mut record = Record::new(&self);
        let ended = self.steps(given, &mut record).await;
        let (outcome, failure) = match ended {
            Ok(Outcome::Done(result)) => (Outcome::Done(result), None),
            Ok(outcome @ Outcome::Ask(_)) => (outcome, None),
            Err(failure) => {
                let mut named = failure.recorded();
                named.reason = self.fence.bare(&named.reason);
                if let Some(left) = self.left_behind.in_words() {
                    named.reason = format!("{}; {left}", named.reason.trim_end_matches('.'));
                }
                let value = self.stamped(failure);
                (Outcome::Done(CallResult { value, is_error: true }), Some(named))
            }
        };
        let unrecorded = record.close(&self, &outcome, failure);
        let mut outcome = outcome;
        if let Outcome::Done(result) = &mut outcome {
            self.fence.explain(&mut result.value);
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
        let tool = &self.selected.tool;
        let policy = &self.guards.policy;
        policy.offers(tool)?;
        let mut arguments = arguments::check(self.selected, given).map_err(Failure::Arguments)?;
        copied(&arguments).map_err(Failure::Arguments)?;
        reference::check(tool, &arguments).map_err(Failure::Arguments)?;
        record.given(tool, &arguments);
        self.files = Files::load(tool, &arguments, self.limits.files_dir.as_ref()).await?;
        resolve::resolve(self, tool, &mut arguments).await?;
        organizations::fill(self, tool, &mut arguments).await?;
        self.prepared = prepared::open(self, tool, &mut arguments)?;
        record.given(tool, &arguments);
        self.scripts = parsed(workflows::texts(tool, &arguments)).await?;
        self.assessed = self.assess(&arguments)?;
        confirm::look_over(self, &arguments, record)?;
        let mut scripts = std::mem::take(&mut self.scripts);
        let placed = workflows::place(&self.looking(&arguments), &mut scripts).await;
        self.scripts = scripts;
        if placed? {
            self.assessed = self.assess(&arguments)?;
        }
        if self.assessed.as_ref().is_some_and(|assessed| assessed.rebuilds_indexes)
            && workflows::indexes_call_code(&self.looking(&arguments)).await?
        {
            self.assessed = self.assessed.take().map(Assessed::running_code);
        }

        for _ in 1..MOST_ATTEMPTS {
            match self.attempt(arguments.clone(), record).await {
                // Nothing was changed. What it loses is known now, and judged as that.
                Err(Failure::Exceeded(measured)) if self.is_run_at_once() => {
                    let unasked = self.guards.policy.unasked_rows();
                    let assessed = self.assessed.take();
                    self.assessed = assessed.map(|assessed| assessed.exceeding(&measured, unasked));
                    self.exceeded = Some(*measured);
                }
                Err(Failure::Reaches(reaching)) if self.is_run_at_once() => {
                    let assessed = self.assessed.take();
                    self.assessed = assessed.map(|assessed| assessed.reaching(&reaching));
                }
                Err(Failure::CallsCode) if self.is_run_at_once() => {
                    self.assessed = self.assessed.take().map(Assessed::running_code);
                }
                ended => return ended,
            }
        }
        self.attempt(arguments, record).await
    }

    /// What the statements of the call do.
    fn assess(&self, arguments: &Map<String, Value>) -> Result<Option<Assessed>, Failure> {
        let prepared = self.prepared.as_ref().map(|opened| &opened.content);
        let unasked = self.guards.policy.unasked_rows();
        workflows::assess(&self.selected.tool, arguments, &self.scripts, prepared, unasked)
    }

    /// Whether the call's statements are its own, not what was prepared before.
    fn is_run_at_once(&self) -> bool {
        self.selected.tool.declaration.statements.is_some()
    }

    /// Judges the call, has it approved where it must be, and runs it.
    async fn attempt(&mut self, mut arguments: Map<String, Value>, record: &mut Record) -> Result<Outcome, Failure> {
        let tool = &self.selected.tool;
        let policy = &self.guards.policy;
        let look = Look::new(self);
        let mut verdict = self.judge(&look, &arguments).await?;
        if let Some(name) = safety::preserved_name(self, &look, &verdict, &arguments).await? {
            arguments.insert("preserve_under_name".to_owned(), name.into());
            record.given(tool, &arguments);
            verdict = self.judge(&look, &arguments).await?;
        }
        record.judged(&verdict);
        self.bounds(&look, &verdict, &arguments).await?;
        own_key::check(&look, tool, &arguments).await?;
        if self.is_run_at_once() && !policy.dry_run() {
            workflows::readable(&self.looking(&arguments)).await?;
        }
        let step = match verdict.under(policy) {
            Ruling::Deny(denied) => return Err(denied.into()),
            Ruling::Run(cleared) if policy.dry_run() && cleared.verdict().changes() => {
                return self.dry_run(&arguments, cleared.verdict(), None, record);
            }
            Ruling::Run(cleared) => {
                let ready = Ready {
                    cleared,
                    arguments,
                    before: None,
                    confirmed: None,
                    measured: None,
                };
                // No time passes: what was seen is what there is.
                return self.execute(ready, Some(&look), record).await.map(Outcome::Done);
            }
            Ruling::Ask(asking) => {
                let plan = self.plan(&look, asking.verdict(), &arguments).await?;
                record.planned(&plan);
                if policy.dry_run() && asking.verdict().changes() {
                    return self.dry_run(&arguments, asking.verdict(), Some(&plan), record);
                }
                drop(look);
                // A yes would be used up for nothing where the call can't be made anyway.
                if plan.verdict().changes() {
                    dispatch::paced(self, Pace::fits)?;
                    record.can_begin(self)?;
                }
                confirm::confirm(self, asking, plan, arguments, record).await?
            }
        };
        match step {
            Step::Ask(question) => Ok(Outcome::Ask(question)),
            // While a human read, what was seen may have changed.
            Step::Run(ready) => self.execute(*ready, None, record).await.map(Outcome::Done),
        }
    }

    /// What the call does, from its declaration, its arguments and what is read where those don't decide.
    pub(in crate::engine) async fn judge(
        &self,
        look: &Look<'_, '_>,
        arguments: &Map<String, Value>,
    ) -> Result<Verdict, Failure> {
        let tool = &self.selected.tool;
        match Judgement::begin_assessed(tool, arguments, self.assessed.clone()) {
            Judgement::Done(verdict) => Ok(verdict),
            Judgement::Looks(pending) => {
                let facts = facts::read(look, &self.guards.policy, tool, arguments, pending.needs()).await?;
                Ok(pending.with(&facts))
            }
        }
    }

    /// The policy's bounds on the call.
    pub(in crate::engine) async fn bounds(
        &self,
        look: &Look<'_, '_>,
        verdict: &Verdict,
        arguments: &Map<String, Value>,
    ) -> Result<(), Failure> {
        dispatch::bounds(self, look, &self.selected.tool, verdict.effect(), arguments).await
    }

    /// The plan: what is shown to whoever must say yes.
    pub(in crate::engine) async fn plan(
        &self,
        look: &Look<'_, '_>,
        verdict: &Verdict,
        arguments: &Map<String, Value>,
    ) -> Result<Plan, Failure> {
        let tool = &*self.selected.tool;
        let mut sight = sight::read(look, &self.guards.policy, tool, arguments, verdict).await?;
        sight.lines.extend(self.files.lines.iter().cloned());
        let measured = match &self.assessed {
            // A dry run sends nothing, what would be rolled back neither.
            Some(assessed) if assessed.measurable && !self.guards.policy.dry_run() => {
                let measured = workflows::measure(&self.looking(arguments), tool).await?;
                // What was told as the reason is what an approval covers, also where it couldn't be measured once more.
                measured.or_else(|| self.exceeded.clone())
            }
            _ => None,
        };
        // What nothing bounds is shown whole. A completion is held to what was lost where it was tried.
        let shown = if measured.is_some() || tool.declaration.completes.is_some() {
            workflows::shown(tool, arguments, &self.scripts)
        } else {
            Cow::Borrowed(arguments)
        };
        let request = bind::bind(tool, &shown, &self.files).map_err(Failure::Internal)?;
        let seen = workflows::seen(&self.looking(arguments), tool, measured.as_ref()).await?;
        sight.lines.extend(seen);
        sight.measured = measured;
        if let (Cow::Owned(_), Some(statements)) = (&shown, arguments.get("statements")) {
            let whole = Whole::of(statements);
            sight.lines.push(Line::fact("all statements", [whole.uri.clone()]));
            // This server's own key is shown to nobody.
            if !self.key.is_in(&whole.text) {
                sight.whole = Some(whole.text.clone());
                self.wholes.keep(whole);
            }
        }
        sight.safety_copy = safety::announced(self, verdict, arguments);
        Ok(Plan::new(tool, &shown, verdict, &request, sight, Utc::now()))
    }

    /// Who asks for what.
    pub(in crate::engine) fn subject<'s>(&'s self, arguments: &'s Map<String, Value>) -> Subject<'s> {
        Subject {
            tool: self.selected.tool.name(),
            arguments,
            caller: &self.who,
            peer: &self.peer,
            session: self.session,
            approval: self.approval.as_deref(),
            principal: self.principal,
            client: self.client_name,
        }
    }

    async fn execute(
        &self,
        ready: Ready,
        seen: Option<&Look<'_, 'a>>,
        record: &mut Record,
    ) -> Result<CallResult, Failure> {
        let Ready {
            cleared,
            arguments,
            before,
            confirmed,
            measured,
        } = ready;
        let tool = &*self.selected.tool;
        record.cleared(cleared.said_yes());
        let request = bind::bind(tool, &arguments, &self.files).map_err(Failure::Internal)?;
        let shaping = Shaping {
            service: self.service,
            tool,
            arguments: &arguments,
            most_bytes: self.limits.result_bytes,
            fence: &self.fence,
        };
        if let Some(workflow) = tool.declaration.workflow {
            return self
                .flow(
                    workflow,
                    &cleared,
                    &arguments,
                    (confirmed.as_deref(), measured.as_ref(), seen),
                    &shaping,
                    record,
                )
                .await;
        }
        if let Some(pages) = &tool.declaration.pages {
            let list = list::read(self, self.selected, pages, &arguments, &cleared, request).await?;
            let whole = arguments.get("cursor").is_none() && !list.positions.is_empty();
            let mut value = shaping.list(list);
            if let Some(addition) = tool.declaration.adds.filter(|_| whole) {
                let flow = self.looking(&arguments);
                workflows::add(addition, &flow, &mut value).await;
            }
            return Ok(CallResult { value, is_error: false });
        }
        let verdict = cleared.verdict().clone();
        let said_yes = cleared.said_yes();
        let before = match before {
            None if verdict.effect().needs_consent() && wants_before(tool) => self.before(&arguments).await?,
            before => before,
        };
        let dispatch::Opened { copy } =
            dispatch::open(self, &verdict, &arguments, confirmed.as_deref(), record).await?;
        let way_back = |answer: &Value| {
            let undoing = Undoing {
                tool,
                arguments: &arguments,
                before: before.as_ref(),
                answer: Some(answer),
                now: Utc::now(),
            };
            if verdict.changes() { undoing.way() } else { None }
        };
        let look = Look::new(self);
        let sent = dispatch::dispatch(
            self,
            Origin::Call(cleared),
            &self.selected.tool,
            &arguments,
            &look,
            &mut |request_id| record.answered(request_id),
        )
        .await;
        let dispatch::Sent { answer, waited } = sent.map_err(|failure| match failure {
            failure @ Failure::Neon { .. } => {
                let check = tool.declaration.check.as_deref();
                failure.with_help(check, copy.as_ref(), way_back(&Value::Null))
            }
            failure => failure.after_copy(copy.as_ref()),
        })?;
        if let Some(content) = &answer.content {
            return Ok(CallResult {
                value: shaping.content(content, answer.request_id),
                is_error: false,
            });
        }
        let undo = way_back(answer.body.as_ref().unwrap_or(&Value::Null));
        let is_error = waited.as_ref().is_some_and(|waited| waited.failed);
        let extras = Extras {
            confirmed_by: said_yes.name().filter(|_| said_yes != SaidYes::Nobody),
            safety_copy: copy,
            undo,
        };
        Ok(CallResult {
            value: shaping.single(answer.body, answer.request_id, waited, extras),
            is_error,
        })
    }

    /// Runs a workflow whose call was let through.
    async fn flow(
        &self,
        workflow: Workflow,
        cleared: &Cleared,
        arguments: &Map<String, Value>,
        (confirmed, measured, seen): (Option<&str>, Option<&Measured>, Option<&Look<'_, 'a>>),
        shaping: &Shaping<'_>,
        record: &mut Record,
    ) -> Result<CallResult, Failure> {
        let verdict = cleared.verdict();
        let dispatch::Opened { copy } = dispatch::open(self, verdict, arguments, confirmed, record).await?;
        let ended = {
            let flow = Flow::new(self, Some(cleared), arguments, Some(record))
                .having_seen(seen)
                .approved_with(measured);
            let ended = workflows::run(workflow, &flow).await;
            // Whatever became of the call: a copy that was made is there, and somebody must know of it.
            ended.map_err(|failure| failure.after_copy(copy.as_ref()))?
        };
        let said_yes = cleared.said_yes();
        let confirmed_by = said_yes.name().filter(|_| said_yes != SaidYes::Nobody);
        let mut ended = ended;
        for note in &mut ended.notes {
            self.add_what_is_not_offered(note);
        }
        if ended.undo.is_none() && verdict.changes() {
            ended.undo = Undoing {
                tool: verdict.tool(),
                arguments,
                before: None,
                answer: None,
                now: Utc::now(),
            }
            .way();
        }
        Ok(CallResult {
            is_error: ended.failed,
            value: shaping.workflow(ended, confirmed_by, copy),
        })
    }

    /// A flow that only looks: for a plan.
    fn looking<'c>(&'c self, arguments: &'c Map<String, Value>) -> Flow<'c, 'a> {
        Flow::new(self, None, arguments, None)
    }

    /// What the plan would have read, for the way back of a call that nobody was asked about.
    async fn before(&self, arguments: &Map<String, Value>) -> Result<Option<Value>, Failure> {
        match &self.selected.tool.declaration.plan {
            Some(plan) => sight::shown(&Look::new(self), plan, arguments).await.map(Some),
            None => Ok(None),
        }
    }

    /// What a call would send, where the operator wants no more than that.
    fn dry_run(
        &self,
        arguments: &Map<String, Value>,
        verdict: &Verdict,
        plan: Option<&Plan>,
        record: &mut Record,
    ) -> Result<Outcome, Failure> {
        let tool = &*self.selected.tool;
        let request = bind::bind(tool, arguments, &self.files).map_err(Failure::Internal)?;
        record.dry();
        let mut value = json!({
            "service": self.service.name(),
            "dry_run": true,
            "tool": tool.name(),
            "effect": verdict.effect().name(),
            "would_ask": plan.is_some(),
            "would_send": guard::would_send(tool, arguments, &request),
            "notes": ["Nothing was sent: the operator's policy is a dry run."],
        });
        if let (Some(object), Some(plan)) = (value.as_object_mut(), plan) {
            let mut plan = plan.told();
            self.fence.enclose_plan(&mut plan);
            object.insert("plan".into(), plan);
        }
        Ok(Outcome::Done(CallResult { value, is_error: false }))
    }

    /// Says of each tool that an advice names and that isn't offered here why not, and what to run in its place.
    pub(in crate::engine) fn add_what_is_not_offered(&self, advice: &mut String) {
        let words = advice.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let mut told: Vec<&str> = Vec::new();
        for word in words.filter(|word| word.contains('_')) {
            let known = self.catalog.tool(word).is_some();
            if known && self.selection.tool(word).is_none() && !told.contains(&word) {
                told.push(word);
            }
        }
        let more: Vec<String> = told
            .into_iter()
            .map(|name| {
                let mut sentence = self.selection.missing(name);
                if let Some(sql) = instead(name).filter(|_| self.selection.tool("run_sql").is_some()) {
                    sentence.push_str(&format!(" With run_sql: {sql}."));
                }
                sentence
            })
            .collect();
        for sentence in more {
            advice.push(' ');
            advice.push_str(&sentence);
        }
    }

    /// A failure as a result that says where it happened.
    fn stamped(&self, failure: Failure) -> Value {
        let mut value = failure.into_value(&self.fence);
        self.left_behind.told(&mut value, &self.fence);
        // Neon's own words may quote a secret.
        guard::mask(&mut value, &[], &[]);
        if let Some(Value::String(next)) = value.pointer_mut("/error/next") {
            self.add_what_is_not_offered(next);
        }
        if let Some(object) = value.as_object_mut() {
            object.insert("tool".into(), self.selected.tool.name().into());
            object.insert("service".into(), self.service.name().into());
        }
        value
    }
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
        "list_branch_databases" => "SELECT datname FROM pg_database",
        "list_branch_roles" => "SELECT rolname FROM pg_roles",
        _ => return None,
    })
}

/// The statements of texts. Parsing takes a while for long ones, in which others must get on.
async fn parsed(texts: Vec<String>) -> Result<Vec<Script>, Failure> {
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let parse = move || {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut scripts = crate::sql::parse_all(&texts);
        crate::sql::relate(&mut scripts);
        scripts
    };
    tokio::task::spawn_blocking(parse)
        .await
        .map_err(|error| Failure::Internal(error.to_string()))
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
fn wants_before(tool: &Tool) -> bool {
    match &tool.declaration.undo {
        Some(Undo::Way(way)) => {
            !way.former.is_empty()
                || way.arguments.values().any(|value| {
                    templates_within(value)
                        .iter()
                        .any(|name| name.starts_with("before:") || name.starts_with("before?:"))
                })
        }
        _ => false,
    }
}
