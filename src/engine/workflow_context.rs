//! What a workflow may do: read from Neon, call declared tools as any caller would, and run SQL.
//!
//! It can send nothing by another way. What a step changes is a declared tool's request, judged and ruled over by the policy
//! like any other, or SQL under the permit of the workflow's own call.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::docs::{Docs, DocsError, Entry, Slug};
use crate::engine::check::sql::Explained;
use crate::engine::context::CallContext;
use crate::engine::decide::reach;
use crate::engine::dispatch::{Origin, dispatch};
use crate::engine::error::{ArgumentProblem, Failure, WorkflowError};
use crate::engine::kind::Kind;
use crate::engine::left_behind::Left;
use crate::engine::present::untrusted::Fence;
use crate::engine::record::Record;
use crate::engine::snapshot::ReadSnapshot;
use crate::engine::values::items;
use crate::engine::{Service, dispatch};
use crate::guard::{self, AllowedCall, Effect, NotPrepared, Policy};
use crate::neon::sql::{
    Allowance, Connection, Executed, Expected, Guard, Measured, Reads, ResultSet, SqlError, Statements,
};
use crate::neon::{Changed, ErrorKind, OrganizationId, PathSegment, ProjectId, Read};
use crate::sql::Script;

/// How long a clean-up waits for what is under way in a project.
const UNLOCKED: Duration = Duration::from_secs(20);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// A workflow's way to Neon.
pub struct WorkflowContext<'c, 'a> {
    call: &'c CallContext<'a>,
    /// Nothing while a plan is made: then nothing can be changed.
    cleared: Option<&'c AllowedCall>,
    arguments: &'c Map<String, Value>,
    record: Option<Mutex<&'c mut Record>>,
    /// What the call was judged by, where it is still that: nobody was asked in between.
    look: Option<&'c ReadSnapshot<'c, 'a>>,
    /// What the statements would lose, as it was shown to the human who approved the call.
    approved: Option<&'c Measured>,
}

/// What holds statements.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Held<'f> {
    /// What the call was judged and approved for.
    AsJudged,
    /// Nothing: they are tried on a branch that this call made for it. What they lose is measured.
    Trial,
    /// What they lost when they were tried.
    AsTried(&'f Allowance),
}

/// What a workflow may look at, where it finds things by itself rather than by the call's arguments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds<'f> {
    policy: &'f Policy,
    /// The one project.
    pub(crate) project: Option<&'f str>,
    /// The one organization.
    pub(crate) organization: Option<&'f str>,
}

impl Bounds<'_> {
    /// Whether a project may be seen, as far as its id tells.
    pub(crate) fn admits_project(&self, id: &str) -> bool {
        self.policy.admits_project(id) && self.project.is_none_or(|only| only == id)
    }

    /// Whether an organization and what belongs to it may be seen; `None` where Neon doesn't tell which one something is of.
    pub(crate) fn admits_organization(&self, id: Option<&str>) -> bool {
        self.policy.check_organization(id).is_ok() && self.organization.is_none_or(|only| id == Some(only))
    }

    /// Whether it matters whose a project is.
    pub(crate) fn wants_organization(&self) -> bool {
        self.policy.wants_organization() || self.organization.is_some()
    }

    /// Refuses what lies outside of the project that the operator fixed.
    pub(crate) fn check_project(&self, argument: &str, project: Option<&str>) -> Result<(), Failure> {
        match self.project {
            Some(only) if project != Some(only) => Err(outside(argument, "project", only)),
            _ => Ok(()),
        }
    }

    /// Refuses what belongs to another organization than the operator allows or fixed.
    pub(crate) fn check_organization(&self, argument: &str, organization: Option<&str>) -> Result<(), Failure> {
        self.policy.check_organization(organization)?;
        match self.organization {
            Some(only) if organization != Some(only) => Err(outside(argument, "organization", only)),
            _ => Ok(()),
        }
    }
}

fn outside(argument: &str, what: &str, only: &str) -> Failure {
    Failure::Arguments(vec![ArgumentProblem {
        argument: argument.to_owned(),
        message: format!("this server works on the {what} {only} alone, and that is another one"),
    }])
}

impl<'c, 'a> WorkflowContext<'c, 'a> {
    pub(in crate::engine) fn new(
        call: &'c CallContext<'a>,
        cleared: Option<&'c AllowedCall>,
        arguments: &'c Map<String, Value>,
        record: Option<&'c mut Record>,
    ) -> Self {
        Self {
            call,
            cleared,
            arguments,
            record: record.map(Mutex::new),
            look: None,
            approved: None,
        }
    }

    /// A flow that only looks: for a plan.
    pub(in crate::engine) fn looking(call: &'c CallContext<'a>, arguments: &'c Map<String, Value>) -> Self {
        Self::new(call, None, arguments, None)
    }

    /// The same flow, which needn't read again what the call was judged by.
    pub(in crate::engine) fn having_seen(self, look: Option<&'c ReadSnapshot<'c, 'a>>) -> Self {
        Self { look, ..self }
    }

    /// The same flow, for a call that a human approved with these losses.
    pub(in crate::engine) fn approved_with(self, approved: Option<&'c Measured>) -> Self {
        Self { approved, ..self }
    }

    /// Whether the call was cancelled or is out of time: nothing more is sent.
    pub(crate) fn is_over(&self) -> bool {
        let context = &self.call.context;
        context.cancel.is_cancelled() || context.left().is_zero()
    }

    /// Whether the call was judged to change something.
    pub(crate) fn changes(&self) -> bool {
        self.cleared.is_some_and(|cleared| cleared.assessment().changes())
    }

    /// The statements of the call, parsed: a script for each text.
    pub(crate) fn scripts(&self) -> &'c [Script] {
        &self.call.scripts
    }

    /// The texts that those statements stand in, as the caller sent them.
    pub(crate) fn statement_sources(&self) -> Vec<String> {
        self.call.sources.clone()
    }

    /// What the call only explains, parsed.
    ///
    /// # Errors
    /// Where the call has nothing of that kind.
    pub(crate) fn explained(&self) -> Result<&'c Explained, Failure> {
        let explained = self.call.explained.as_ref();
        explained.ok_or_else(|| Failure::Internal("the call explains nothing".to_owned()))
    }

    /// The arguments as the type that says what a workflow takes.
    ///
    /// # Errors
    /// Where the type isn't what the tool's schema says: arguments were checked against that.
    pub(crate) fn input<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        T::deserialize(self.arguments).map_err(|error| Failure::Internal(format!("the arguments: {error}")))
    }

    /// What the call completes.
    pub(crate) fn prepared(&self) -> Result<&Value, Failure> {
        match &self.call.prepared {
            Some(opened) => Ok(&opened.content),
            None => Err(Failure::Internal("the call completes nothing".to_owned())),
        }
    }

    /// Keeps what was prepared until then, for a call that completes it. Gives the handle.
    pub(crate) fn prepare(&self, content: Value, until: DateTime<Utc>) -> Result<String, Failure> {
        let confirmations = &self.call.guards.confirmations;
        confirmations
            .prepare(&self.call.owner, content, until, Utc::now())
            .map_err(|error| self.not_stored(error))
    }

    /// Why nothing is prepared: where too much waits, with what waits of the caller's own and how to complete or give up each.
    fn not_stored(&self, error: NotPrepared) -> Failure {
        let is_full = matches!(error, NotPrepared::Full(_));
        let mut failure = not_stored(error);
        if is_full && let Failure::WorkflowError(told) = &mut failure {
            let waiting = self.call.guards.confirmations.waiting(&self.call.owner, Utc::now());
            let all = waiting.len();
            let shown: Vec<Value> = waiting
                .into_iter()
                .take(MAX_WAITING_TOLD)
                .map(|(handle, until, content)| {
                    let field = |name: &str| content.get(name).cloned().unwrap_or_default();
                    let tool = field("tool");
                    let argument = if tool == "complete_query_tuning" { "tuning" } else { "migration" };
                    serde_json::json!({
                        "tool": tool,
                        "arguments": {"project_id": field("project_id"), "branch_id": field("branch_id"), argument: handle, "discard": true},
                        "good_until": until.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
                    })
                })
                .collect();
            if !shown.is_empty() {
                told.more = serde_json::json!({"waiting": all, "to_discard": shown});
                told.next = "Give up what isn't wanted: `to_discard` has the calls, those that end first in front; without discard the same \
                             call completes it. Each ends by itself when its branch does."
                    .to_owned();
            }
        }
        failure
    }

    /// Refuses what would be prepared in vain, before any work: too much waits already, or the statements are too long to be kept.
    pub(crate) fn room_to_prepare(&self) -> Result<(), Failure> {
        let confirmations = &self.call.guards.confirmations;
        let statements = self.call.scripts.iter().flat_map(|script| &script.statements);
        let bytes = statements.map(|statement| statement.text.len()).sum();
        confirmations
            .room_to_prepare(&self.call.owner, bytes, Utc::now())
            .map_err(|error| self.not_stored(error))
    }

    /// Takes what the call completes: of several calls at the same time, one does.
    pub(crate) fn take_prepared(&self) -> Result<(), Failure> {
        let Some(opened) = &self.call.prepared else {
            return Err(Failure::Internal("the call completes nothing".to_owned()));
        };
        let confirmations = &self.call.guards.confirmations;
        confirmations
            .take_prepared(&self.call.owner, &opened.handle, Utc::now())
            .map_err(|error| {
                Failure::WorkflowError(Box::new(WorkflowError {
                    kind: Kind::AlreadyCompleted,
                    message: format!("The handle {error}. This call did nothing."),
                    changed: Changed::No,
                    next: "If another call completes it, wait for that one; otherwise prepare again.".to_owned(),
                    more: Value::Null,
                }))
            })
    }

    /// Gives back what was taken: nothing came of it.
    pub(crate) fn give_back_prepared(&self) {
        if let Some(opened) = &self.call.prepared {
            self.call.guards.confirmations.give_back_prepared(&opened.handle);
        }
    }

    /// How long a throwaway branch may live, by the operator's policy.
    pub(crate) fn longest_throwaway(&self) -> Duration {
        self.call.guards.policy.throwaway_lifetime()
    }

    /// What stands around texts of others in the result.
    pub(crate) fn fence(&self) -> &Fence {
        &self.call.fence
    }

    /// How large a result may be, in bytes.
    pub(crate) fn most_bytes(&self) -> usize {
        self.call.limits.result_bytes
    }

    /// Reads from the API. The answer may hold secrets.
    pub(crate) async fn get(
        &self,
        route: &'static str,
        segments: &[(&str, &str)],
        query: &[(&str, &str)],
    ) -> Result<Value, Failure> {
        let mut filled = Vec::new();
        for (name, id) in segments {
            let segment = PathSegment::name(id).map_err(|error| Failure::Internal(error.to_string()))?;
            filled.push((*name, segment));
        }
        let mut read = Read::new(route, &filled).map_err(|error| Failure::Internal(error.to_string()))?;
        for (name, value) in query {
            read = read.with_query(*name, *value);
        }
        let answer = self.call.client.read(read, &self.call.context).await?;
        Ok(answer.body.unwrap_or_default())
    }

    /// The documentation: the index, or the text of a page.
    pub(crate) async fn docs_index(&self) -> Result<Vec<Entry>, Failure> {
        let docs = self.docs()?;
        docs.index(&self.call.context)
            .await
            .map_err(|error| self.undocumented(error))
    }

    /// The text of a page of the documentation.
    pub(crate) async fn docs_page(&self, slug: &Slug) -> Result<String, Failure> {
        let docs = self.docs()?;
        docs.page(slug, &self.call.context)
            .await
            .map_err(|error| self.undocumented(error))
    }

    /// The documentation's host.
    pub(crate) fn docs(&self) -> Result<&'c Docs, Failure> {
        self.call
            .docs
            .ok_or_else(|| Failure::Internal("the documentation is switched off".to_owned()))
    }

    fn undocumented(&self, error: DocsError) -> Failure {
        Failure::Docs {
            error,
            sandbox: self.call.service == Service::Sandbox,
        }
    }

    /// What calls may look at, by the operator's policy and what the operator fixed.
    pub(crate) fn bounds(&self) -> Bounds<'_> {
        Bounds {
            policy: &self.call.guards.policy,
            project: self.call.selected.project.as_ref().map(ProjectId::as_str),
            organization: self.call.selected.organization.as_ref().map(OrganizationId::as_str),
        }
    }

    /// Where people look at something in Neon's console: beside the API. The sandbox has none.
    pub(crate) fn console(&self, path: &str) -> Option<String> {
        let base = &self.call.client.config().base;
        (self.call.service == Service::Neon).then(|| format!("{}/app/{path}", base.origin().ascii_serialization()))
    }

    /// A branch, as the call was judged by it.
    pub(crate) async fn branch(&self, project: &str, branch: &str) -> Result<Arc<Value>, Failure> {
        match self.look {
            Some(look) => look.branch(project, branch).await,
            None => ReadSnapshot::new(self.call).branch(project, branch).await,
        }
    }

    /// All branches of a project.
    pub(crate) async fn branches(&self, project: &str) -> Result<Vec<Value>, Failure> {
        let look = ReadSnapshot::new(self.call);
        let branches = look.branches(project).await?;
        Ok(items(&branches).cloned().collect())
    }

    /// Whether the operator lets calls reach a branch that was read; each step finds out by itself, too.
    ///
    /// # Errors
    /// The denial.
    pub(crate) async fn admit_branch(&self, project: &str, branch: &Value) -> Result<(), Failure> {
        let policy = &self.call.guards.policy;
        if !policy.bounds_branches() {
            return Ok(());
        }
        reach::admit_seen(policy, &ReadSnapshot::new(self.call), project, branch.clone()).await
    }

    /// Calls a declared tool as any caller would, but for asking: a step that a human would have to be asked about is refused.
    /// Waits for the operations that it starts. The answer is Neon's own, and may hold secrets.
    pub(crate) async fn tool(&self, name: &str, arguments: Value) -> Result<Value, Failure> {
        self.step(name, arguments, &ReadSnapshot::new(self.call)).await
    }

    /// The same for a call's only step, about the target that the call was judged by: what was read for that isn't read again.
    pub(crate) async fn tool_at_once(&self, name: &str, arguments: Value) -> Result<Value, Failure> {
        match self.look {
            Some(look) => self.step(name, arguments, look).await,
            None => self.tool(name, arguments).await,
        }
    }

    async fn step(&self, name: &str, arguments: Value, look: &ReadSnapshot<'_, '_>) -> Result<Value, Failure> {
        let refused = |why: String| Failure::Step {
            step: name.to_owned(),
            why,
            changed: Changed::No,
        };
        let tool = self
            .call
            .catalog
            .tool(name)
            .ok_or_else(|| Failure::Internal(format!("there is no tool `{name}`")))?;
        let Value::Object(arguments) = arguments else {
            return Err(Failure::Internal("a step's arguments are no object".to_owned()));
        };
        let selected = self.call.selected;
        if !selected.tool.declaration.may_call(name) {
            return Err(Failure::Internal(format!("the step `{name}` isn't declared")));
        }
        if selected.excluded_steps.iter().any(|step| step == name) {
            return Err(refused("the operator excluded it".to_owned()));
        }
        let sent = dispatch(
            self.call,
            Origin::Step(self.cleared),
            tool,
            &arguments,
            look,
            &mut |request_id| self.sent(request_id),
        )
        .await?;
        let body = sent.answer.body.unwrap_or_default();
        if let Some(waited) = sent.waited
            && (waited.failed || (!waited.done && !waited.operations.is_empty()))
        {
            return Err(Failure::Step {
                step: name.to_owned(),
                why: waited
                    .note
                    .unwrap_or_else(|| "Neon's work didn't end in time".to_owned()),
                changed: Changed::Yes,
            });
        }
        // Not before Neon's work is done: a deletion can be taken and then fail.
        self.call.left_behind.removed(name, &arguments);
        Ok(body)
    }

    /// Deletes the branches that this call made and doesn't hand over. What can't be deleted is named by the call's failure.
    pub(crate) async fn clean_up(&self) {
        for left in self.call.left_behind.list() {
            if left.what != "branch" {
                continue;
            }
            let left = match &left.id {
                Some(_) => left,
                // The answer was lost: its name says which one it is.
                None => match self.found(&left).await {
                    Some(found) => found,
                    None => continue,
                },
            };
            let Some(id) = left.id.as_deref() else { continue };
            let branch = serde_json::json!({"project_id": left.project, "branch_id": id});
            if self.deleted_when_free(branch).await.is_err() && self.is_gone(&left.project, id).await {
                self.call.left_behind.is_gone(&left);
            }
        }
    }

    /// Deletes a branch as soon as nothing else is under way in its project: what made it may still be.
    async fn deleted_when_free(&self, branch: Value) -> Result<Value, Failure> {
        let until = tokio::time::Instant::now() + UNLOCKED;
        loop {
            match self.tool("delete_branch", branch.clone()).await {
                Err(Failure::Neon { error, .. })
                    if error.kind() == ErrorKind::Locked && tokio::time::Instant::now() < until && !self.is_over() =>
                {
                    tokio::time::sleep(PAUSE).await;
                }
                ended => return ended,
            }
        }
    }

    /// Whether nothing is there that this call made.
    pub(crate) fn left_nothing(&self) -> bool {
        self.call.left_behind.list().is_empty()
    }

    /// The branch that has the name which this call gave one, where Neon has exactly one.
    async fn found(&self, left: &Left) -> Option<Left> {
        let name = left.name.as_deref()?;
        // A name that the caller chose may be that of a branch which somebody else made.
        if self.arguments.values().any(|given| given.as_str() == Some(name)) {
            return None;
        }
        let segments = [("project_id", left.project.as_str())];
        let answer = self
            .get("/projects/{project_id}/branches", &segments, &[("search", name)])
            .await
            .ok()?;
        let branches = answer.get("branches")?.as_array()?;
        let mut same = branches
            .iter()
            .filter(|branch| branch.get("name").and_then(Value::as_str) == Some(name));
        let (Some(one), None) = (same.next(), same.next()) else {
            return None;
        };
        let id = one.get("id")?.as_str()?;
        self.call.left_behind.is_found(left, id);
        // The lost answer would have told them, too.
        let segments = [("project_id", left.project.as_str()), ("branch_id", id)];
        let listed = self
            .get("/projects/{project_id}/branches/{branch_id}/endpoints", &segments, &[])
            .await
            .unwrap_or_default();
        let computes = listed.get("endpoints").and_then(Value::as_array).into_iter().flatten();
        let ids: Vec<String> = computes
            .filter_map(|compute| compute.get("id").and_then(Value::as_str).map(str::to_owned))
            .collect();
        self.call.left_behind.has_computes(&left.project, id, &ids);
        let all = self.call.left_behind.list();
        all.into_iter().find(|left| left.id.as_deref() == Some(id))
    }

    /// Whether Neon says that there is no such branch.
    pub(crate) async fn is_gone(&self, project: &str, branch: &str) -> bool {
        let segments = [("project_id", project), ("branch_id", branch)];
        let answer = self
            .get("/projects/{project_id}/branches/{branch_id}", &segments, &[])
            .await;
        matches!(answer, Err(Failure::Neon { error, .. }) if error.kind() == ErrorKind::NotFound)
    }

    /// What a declared reading tool answers, with its secrets masked.
    pub(crate) async fn masked(&self, name: &str, arguments: Value) -> Result<Value, Failure> {
        let mut answer = self.tool(name, arguments).await?;
        let masks = self
            .call
            .catalog
            .tool(name)
            .map(|tool| tool.declaration.returns.mask.as_slice());
        guard::mask(&mut answer, masks.unwrap_or_default(), &[]);
        Ok(answer)
    }

    fn sent(&self, request_id: &str) {
        if request_id.is_empty() {
            return;
        }
        if let Some(record) = &self.record {
            let mut record = record.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            record.answered(request_id);
        }
    }

    /// How to connect to a branch: to the database and as the role that are given, or those that there are.
    pub(crate) async fn connection(
        &self,
        project: &str,
        branch: &str,
        database: Option<&str>,
        role: Option<&str>,
    ) -> Result<Connection, Failure> {
        crate::engine::connect::connection(self.call, project, branch, database, role).await
    }

    /// Runs statements that only read.
    pub(crate) async fn query(
        &self,
        connection: &Connection,
        reads: Reads,
        timeout: Duration,
    ) -> Result<Vec<ResultSet>, Failure> {
        crate::engine::connect::query(self.call, connection, reads, timeout).await
    }

    /// Which types a statement expects in the place of its parameters; `None` where Postgres can't be asked.
    pub(crate) async fn expected(
        &self,
        connection: &Connection,
        statement: &crate::sql::Statement,
        timeout: Duration,
    ) -> Result<Option<Vec<Expected>>, Failure> {
        crate::engine::connect::expected(self.call, connection, statement, timeout).await
    }

    /// Runs statements under the permit of the call, held by what it was judged and approved for.
    ///
    /// # Errors
    /// [`Failure::Exceeded`] where they lose more than that: nothing was changed.
    pub(crate) async fn execute(
        &self,
        connection: &Connection,
        statements: Statements,
        held: Held<'_>,
        timeout: Duration,
    ) -> Result<Executed, Failure> {
        let cleared = self
            .cleared
            .ok_or_else(|| Failure::Internal("nothing is changed while a plan is made".to_owned()))?;
        let allowance = self.allowance(cleared);
        let guard = match (held, &allowance) {
            (Held::Trial, _) => Guard::Report,
            (Held::AsTried(allowance), _) => Guard::Enforce(allowance),
            (Held::AsJudged, Some(allowance)) => Guard::Enforce(allowance),
            (Held::AsJudged, None) => Guard::Identity,
        };
        let statements = match held {
            // On a branch that is there to try them, code of the database's own may run.
            Held::Trial => statements,
            _ if cleared.assessment().runs_index_code() => statements,
            _ => statements.only_plain_indexes(),
        };
        let (client, context) = (self.call.client, &self.call.context);
        let permit = || dispatch::statements(cleared, statements.clone());
        let mut ran = client.execute(connection, permit()?, guard, timeout, context).await;
        if let Err(error) = &ran
            && let Some(fresh) = crate::engine::connect::again(self.call, connection, error).await
        {
            ran = client.execute(&fresh, permit()?, guard, timeout, context).await;
        }
        ran.map_err(Failure::of_sql)
    }

    /// What the statements of the call may lose; nothing where they may lose anything: what destroys on a throwaway branch, or is
    /// allowed by the operator's policy, or was approved by a human who was told that it can't be measured.
    fn allowance(&self, cleared: &AllowedCall) -> Option<Allowance> {
        let unasked = self.unasked_rows();
        match (self.approved, cleared.assessment().effect()) {
            (Some(approved), _) if cleared.approver().is_human() => Some(Allowance::approved(approved, unasked)),
            (_, Effect::Read | Effect::Write) => Some(Allowance::unasked(unasked)),
            (_, Effect::Access | Effect::Destructive) => None,
        }
    }

    /// What Postgres objects to in a text's syntax; the text is never run.
    pub(crate) async fn objection(&self, connection: &Connection, text: &str) -> Result<Option<SqlError>, Failure> {
        let objection = self.call.client.objection(connection, text, &self.call.context).await;
        objection.map_err(Failure::of_sql)
    }

    /// How many rows of a table SQL may lose unasked, by the operator's policy.
    pub(crate) fn unasked_rows(&self) -> u64 {
        self.call.unasked_rows()
    }

    /// Runs statements in a transaction that is never committed, to see what they would lose.
    pub(crate) async fn measure(
        &self,
        connection: &Connection,
        statements: &Statements,
        timeout: Duration,
    ) -> Result<Measured, Failure> {
        let (client, context) = (self.call.client, &self.call.context);
        let mut ran = client.measure(connection, statements, timeout, context).await;
        if let Err(error) = &ran
            && let Some(fresh) = crate::engine::connect::again(self.call, connection, error).await
        {
            ran = client.measure(&fresh, statements, timeout, context).await;
        }
        ran.map_err(Failure::of_sql)
    }
}

/// The most of what waits that is told.
const MAX_WAITING_TOLD: usize = 10;

/// Why nothing is prepared.
fn not_stored(error: NotPrepared) -> Failure {
    match error {
        NotPrepared::Full(why) => Failure::WorkflowError(Box::new(WorkflowError {
            kind: Kind::TooManyPrepared,
            message: format!("Nothing more can be prepared: {why}."),
            changed: Changed::No,
            next: "Complete one that waits, or give it up: the tool that completes it takes discard: true. Each ends by itself \
                   when its branch does."
                .to_owned(),
            more: Value::Null,
        })),
        NotPrepared::TooLarge(_) => Failure::WorkflowError(Box::new(WorkflowError {
            kind: Kind::TooLargeToPrepare,
            message: format!("What would be prepared {error}."),
            changed: Changed::No,
            next: "Prepare it in several smaller steps.".to_owned(),
            more: Value::Null,
        })),
        error => Failure::WorkflowError(Box::new(WorkflowError {
            kind: Kind::NotStored,
            message: format!("What was prepared {error}. Nothing was applied."),
            changed: Changed::No,
            next: "Tell the user: the operator must make the state directory writable, or name another with --state-dir.".to_owned(),
            more: Value::Null,
        })),
    }
}
