//! What a workflow may do: read from Neon, call declared tools as any caller would, and run SQL.
//!
//! It can send nothing by another way. What a step changes is a declared tool's request, judged and ruled over by the policy
//! like any other, or SQL under the permit of the workflow's own call.

mod bounds;
mod docs;
mod prepared;
mod sql;
mod steps;

pub(crate) use sql::Held;

use bounds::Bounds;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::engine::Service;
use crate::engine::check::sql::Explained;
use crate::engine::context::CallContext;
use crate::engine::decide::reach;
use crate::engine::error::Failure;
use crate::engine::present::untrusted::Fence;
use crate::engine::record::Record;
use crate::engine::snapshot::ReadSnapshot;
use crate::engine::values::items;
use crate::guard::AllowedCall;
use crate::neon::sql::Measured;
use crate::neon::views::Branch;
use crate::neon::{BranchId, PathSegment, ProjectId, Read};
use crate::sql::Script;

/// A workflow's way to Neon.
pub struct WorkflowContext<'c, 'a> {
    call: &'c CallContext<'a>,
    /// Nothing while a plan is made: then nothing can be changed.
    allowed: Option<&'c AllowedCall>,
    arguments: &'c Map<String, Value>,
    record: Option<Mutex<&'c mut Record>>,
    /// What the call was judged by, where it is still that: nobody was asked in between.
    look: Option<&'c ReadSnapshot<'c, 'a>>,
    /// What the statements would lose, as it was shown to the human who approved the call.
    approved: Option<&'c Measured>,
}

impl<'c, 'a> WorkflowContext<'c, 'a> {
    pub(in crate::engine) fn new(
        call: &'c CallContext<'a>,
        allowed: Option<&'c AllowedCall>,
        arguments: &'c Map<String, Value>,
        record: Option<&'c mut Record>,
    ) -> Self {
        Self {
            call,
            allowed,
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
        self.allowed.is_some_and(|allowed| allowed.assessment().changes())
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
        segments: &[(&str, PathSegment)],
        query: &[(&str, &str)],
    ) -> Result<Value, Failure> {
        let mut read = Read::new(route, segments).map_err(|error| Failure::Internal(error.to_string()))?;
        for (name, value) in query {
            read = read.with_query(*name, *value);
        }
        let answer = self.call.client.read(read, &self.call.context).await?;
        Ok(answer.body.unwrap_or_default())
    }

    /// Whether the operator lets calls reach a branch that was read; each step finds out by itself, too.
    ///
    /// # Errors
    /// The denial.
    pub(crate) async fn admit_branch(&self, project: &ProjectId, branch: Branch<'_>) -> Result<(), Failure> {
        let policy = &self.call.guards.policy;
        if !policy.bounds_branches() {
            return Ok(());
        }
        reach::admit_seen(policy, &ReadSnapshot::new(self.call), project, branch).await
    }

    /// Whether this is the sandbox, which can't do all that Neon does.
    pub(crate) fn is_sandbox(&self) -> bool {
        self.call.service == Service::Sandbox
    }

    /// What calls may look at, by the operator's policy and what the operator fixed.
    pub(crate) fn bounds(&self) -> Bounds<'_> {
        Bounds {
            policy: &self.call.guards.policy,
            project: self.call.selected.project.as_ref(),
            organization: self.call.selected.organization.as_ref(),
        }
    }

    /// The arguments of the call, complete.
    pub(crate) fn arguments(&self) -> &'c Map<String, Value> {
        self.arguments
    }

    /// Whether this server offers the tool.
    pub(crate) fn offers(&self, name: &str) -> bool {
        self.call.selection.tool(name).is_some()
    }

    /// A call of a tool as this server offers it: without the arguments that the operator fixed.
    ///
    /// # Errors
    /// Where the tool isn't offered: why, and in which toolset it is.
    pub(crate) fn offered(&self, name: &str, mut arguments: Map<String, Value>) -> Result<Value, String> {
        let Some(selected) = self.call.selection.tool(name) else {
            let toolset = self.call.catalog.tool(name).map(|tool| tool.toolset.to_string());
            let toolset = toolset
                .map(|toolset| format!(" It is in the toolset {toolset}."))
                .unwrap_or_default();
            return Err(format!("{}{toolset}", self.call.selection.missing(name)));
        };
        arguments.retain(|argument, _| !selected.fixed.contains_key(argument));
        Ok(serde_json::json!({"tool": name, "arguments": arguments}))
    }

    /// A project, read now.
    pub(crate) async fn project(&self, project: &ProjectId) -> Result<Arc<Value>, Failure> {
        ReadSnapshot::new(self.call).project(project).await
    }

    /// Where people look at something in Neon's console: beside the API. The sandbox has none.
    pub(crate) fn console(&self, path: &str) -> Option<String> {
        let base = &self.call.client.config().base;
        (self.call.service == Service::Neon).then(|| format!("{}/app/{path}", base.origin().ascii_serialization()))
    }

    /// A branch, as the call was judged by it.
    pub(crate) async fn branch(&self, project: &ProjectId, branch: &BranchId) -> Result<Arc<Value>, Failure> {
        match self.look {
            Some(look) => look.branch(project, branch).await,
            None => ReadSnapshot::new(self.call).branch(project, branch).await,
        }
    }

    /// What Neon says of a branch: in the list where the call was judged by it, which has it already, else by itself.
    pub(crate) async fn listed_branch(&self, project: &ProjectId, branch: &BranchId) -> Result<Value, Failure> {
        if let Some(look) = self.look {
            let listed = look.branches(project).await?;
            let found = items(&listed).find(|item| Branch::of(item).is(branch));
            return Ok(found.cloned().unwrap_or_default());
        }
        let answer = ReadSnapshot::new(self.call).branch(project, branch).await?;
        Ok(answer.get("branch").cloned().unwrap_or_default())
    }

    /// All branches of a project.
    pub(crate) async fn branches(&self, project: &ProjectId) -> Result<Vec<Value>, Failure> {
        let look = ReadSnapshot::new(self.call);
        let branches = look.branches(project).await?;
        Ok(items(&branches).cloned().collect())
    }
}
