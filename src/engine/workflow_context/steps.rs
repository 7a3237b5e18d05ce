//! The declared tools that a workflow calls, and the branches that it leaves behind.

use std::time::Duration;

use serde_json::Value;

use super::WorkflowContext;
use crate::engine::dispatch::{Origin, dispatch};
use crate::engine::error::Failure;
use crate::engine::left_behind::Left;
use crate::engine::snapshot::ReadSnapshot;
use crate::guard;
use crate::neon::views::{Branch, Endpoint};
use crate::neon::{BranchId, EndpointId, ProjectId};
use crate::neon::{Changed, ErrorKind};

/// How long a clean-up waits for what is under way in a project.
const UNLOCKED: Duration = Duration::from_secs(20);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);

impl WorkflowContext<'_, '_> {
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

    pub(super) async fn step(
        &self,
        name: &str,
        arguments: Value,
        look: &ReadSnapshot<'_, '_>,
    ) -> Result<Value, Failure> {
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
            Origin::Step(self.allowed),
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
            let named = left.project.as_ref().zip(BranchId::parse(id).ok());
            if self.deleted_when_free(branch).await.is_err()
                && let Some((project, branch)) = named
                && self.is_gone(project, &branch).await
            {
                self.call.left_behind.is_gone(&left);
            }
        }
    }

    /// Deletes a branch as soon as nothing else is under way in its project: what made it may still be.
    pub(super) async fn deleted_when_free(&self, branch: Value) -> Result<Value, Failure> {
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
    pub(super) async fn found(&self, left: &Left) -> Option<Left> {
        let name = left.name.as_deref()?;
        // A name that the caller chose may be that of a branch which somebody else made.
        if self.arguments.values().any(|given| given.as_str() == Some(name)) {
            return None;
        }
        let project = left.project.as_ref()?;
        let segments = [("project_id", project.into())];
        let answer = self
            .get("/projects/{project_id}/branches", &segments, &[("search", name)])
            .await
            .ok()?;
        let mut same = Branch::all(answer.get("branches")?).filter(|branch| branch.name() == Ok(name));
        let (Some(one), None) = (same.next(), same.next()) else {
            return None;
        };
        let id = one.id().ok()?;
        self.call.left_behind.is_found(left, &id);
        // The lost answer would have told them, too.
        let segments = [("project_id", project.into()), ("branch_id", (&id).into())];
        let listed = self
            .get("/projects/{project_id}/branches/{branch_id}/endpoints", &segments, &[])
            .await
            .unwrap_or_default();
        let computes = listed.get("endpoints").unwrap_or(&Value::Null);
        let ids: Vec<EndpointId> = Endpoint::all(computes)
            .filter_map(|compute| compute.id().ok())
            .collect();
        self.call.left_behind.has_computes(project, &id, &ids);
        let all = self.call.left_behind.list();
        all.into_iter().find(|left| left.id.as_deref() == Some(id.as_str()))
    }

    /// Whether Neon says that there is no such branch.
    pub(crate) async fn is_gone(&self, project: &ProjectId, branch: &BranchId) -> bool {
        let segments = [("project_id", project.into()), ("branch_id", branch.into())];
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
            .map(|tool| tool.declaration.output.mask.as_slice());
        guard::mask(&mut answer, masks.unwrap_or_default(), &[]);
        Ok(answer)
    }

    pub(super) fn sent(&self, request_id: &str) {
        if request_id.is_empty() {
            return;
        }
        if let Some(record) = &self.record {
            let mut record = record.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            record.answered(request_id);
        }
    }
}
