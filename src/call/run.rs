//! The way of one call: each step ends it or hands on to the next.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::failure::Failure;
use super::shape::Shaping;
use super::{CallLimits, CallResult, Progress, Service, arguments, bind, facts, list, reference, resolve, wait};
use crate::catalog::SelectedTool;
use crate::guard::{self, Judgement, Plan, Verdict};
use crate::neon::{Client, Context};

/// A call under way.
pub(super) struct Call<'a> {
    pub(super) client: &'a Client,
    pub(super) service: Service,
    pub(super) limits: &'a CallLimits,
    pub(super) selected: &'a SelectedTool,
    pub(super) context: Context,
    pub(super) progress: Option<Arc<dyn Progress>>,
}

impl Call<'_> {
    /// Runs the call.
    pub(super) async fn run(&self, given: Map<String, Value>) -> CallResult {
        match self.steps(given).await {
            Ok(result) => result,
            Err(failure) => CallResult {
                value: self.stamped(failure),
                is_error: true,
            },
        }
    }

    async fn steps(&self, given: Map<String, Value>) -> Result<CallResult, Failure> {
        let tool = &*self.selected.tool;
        let mut arguments = arguments::check(self.selected, given).map_err(Failure::Arguments)?;
        reference::check(tool, &arguments).map_err(Failure::Arguments)?;

        // What declaration and arguments decide is decided before anything is sent, reads included.
        if let Judgement::Done(verdict) = Judgement::begin(tool, &arguments)
            && verdict.asks()
        {
            return Err(self.refuse(&arguments, &verdict));
        }
        resolve::resolve(self, tool, &mut arguments).await?;
        let verdict = match Judgement::begin(tool, &arguments) {
            Judgement::Done(verdict) => verdict,
            Judgement::Looks(pending) => {
                let facts = facts::read(self, tool, &arguments, pending.needs()).await?;
                pending.with(&facts)
            }
        };
        if verdict.asks() {
            return Err(self.refuse(&arguments, &verdict));
        }
        self.execute(arguments, &verdict).await
    }

    async fn execute(&self, arguments: Map<String, Value>, verdict: &Verdict) -> Result<CallResult, Failure> {
        let tool = &*self.selected.tool;
        let request = bind::bind(tool, &arguments).map_err(Failure::Internal)?;
        let shaping = Shaping {
            service: self.service,
            tool,
            arguments: &arguments,
            most_bytes: self.limits.result_bytes,
        };
        if let Some(pages) = &tool.declaration.pages {
            let list = list::read(self, self.selected, pages, &arguments, verdict, request).await?;
            return Ok(CallResult {
                value: shaping.list(list),
                is_error: false,
            });
        }
        let permitted = verdict
            .permit(request)
            .map_err(|error| Failure::Internal(error.to_string()))?;
        let answer = self.client.send(permitted, &self.context).await.map_err(|error| {
            let failure = Failure::from(error);
            match &tool.declaration.check {
                Some(check) => failure.with_check(check),
                None => failure,
            }
        })?;
        let waited = if tool.declaration.waits {
            let waits = arguments.get("wait") != Some(&Value::Bool(false));
            Some(wait::wait(self, &arguments, answer.body.as_ref(), waits).await)
        } else {
            None
        };
        let is_error = waited.as_ref().is_some_and(|waited| waited.failed);
        Ok(CallResult {
            value: shaping.single(answer.body, answer.request_id, waited),
            is_error,
        })
    }

    /// A refusal with the plan of what the call would have done.
    fn refuse(&self, arguments: &Map<String, Value>, verdict: &Verdict) -> Failure {
        let tool = &*self.selected.tool;
        match bind::bind(tool, arguments) {
            Ok(request) => Failure::Refused(Box::new(Plan::new(tool, arguments, verdict, &request))),
            Err(error) => Failure::Internal(error),
        }
    }

    /// A failure as a result that says where it happened.
    fn stamped(&self, failure: Failure) -> Value {
        let mut value = failure.into_value();
        // Neon's own words may quote a secret.
        guard::mask(&mut value, &[], &[]);
        if let Some(object) = value.as_object_mut() {
            object.insert("tool".into(), self.selected.tool.name().into());
            object.insert("service".into(), self.service.name().into());
        }
        value
    }
}
