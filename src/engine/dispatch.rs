//! The gate: whatever may change something at Neon leaves through here, and nowhere else is a permit obtained.
//!
//! A caller's call, a step of a workflow and a safety copy take the same way: fit the schema → judge → the operator's bounds → the
//! policy's decision → the cap on branches → permit → send → note what was made → wait. What differs between them is [`Origin`]; a call
//! itself is also paced, recorded and copied first (`open`), once, whatever it sends.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::catalog::{Content, Tool};
use crate::engine::check::bind;
use crate::engine::check::files::{Files, MAX_INLINE_BYTES};
use crate::engine::check::reference;
use crate::engine::context::CallContext;
use crate::engine::decide::bounds;
use crate::engine::decide::facts;
use crate::engine::error::Failure;
use crate::engine::snapshot::ReadSnapshot;
use crate::engine::values::id;
use crate::engine::wait;
use crate::engine::wait::Waited;
use crate::guard::{AllowedCall, Assessment, Permitted, PolicyDecision, RiskAssessment};
use crate::neon::sql::Statements;
use crate::neon::{Answer, Changed, Error, ErrorKind, Request};

/// Why something is sent, and with it what was checked before and what is checked here.
///
/// | | a caller's call | a step | a copy |
/// |---|---|---|---|
/// | schema and references | before, with names resolved | here: its values come from the call's arguments | here |
/// | judged | before, and shown to whoever approved it | here, by its own arguments | here |
/// | bounds: scope, hours, effects, organization | before | here: a step may reach further than its call | here: a copy is no way around them |
/// | what asks | was approved | runs under the call's approval, where the workflow declares the step and it does no more | isn't made: nobody is asked twice |
/// | cap on branches | here, alone among calls | here | here: a copy is a branch like any other |
/// | pace, audit, dry run | `open` | its call's | its call's |
pub(in crate::engine) enum Origin<'o> {
    /// A caller's own call, which this uses up.
    Call(AllowedCall),
    /// A step of a workflow: under the allowed call of the workflow, where there is one.
    Step(Option<&'o AllowedCall>),
    /// The copy that the policy demands before what destroys.
    Copy,
}

/// What was sent, and what came of it.
pub(in crate::engine) struct Sent {
    /// Neon's answer.
    pub(in crate::engine) answer: Answer,
    /// The operations that it started; nothing where the tool starts none.
    pub(in crate::engine) waited: Option<Waited>,
}

/// Sends what a tool's arguments say. `heard` is told the id of each request that Neon answered.
///
/// # Errors
/// Whatever the gate or Neon refuses; the failure says whether anything was changed.
pub(in crate::engine) async fn dispatch(
    call: &CallContext<'_>,
    origin: Origin<'_>,
    tool: &Arc<Tool>,
    arguments: &Map<String, Value>,
    look: &ReadSnapshot<'_, '_>,
    heard: &mut (dyn FnMut(&str) + Send),
) -> Result<Sent, Failure> {
    let name = tool.name();
    let own = matches!(origin, Origin::Call(_));
    let allowed = match origin {
        Origin::Call(allowed) => allowed,
        Origin::Step(_) | Origin::Copy => {
            let assessment = checked(call, tool, arguments, look).await?;
            let of = match origin {
                Origin::Step(of) => of,
                _ => None,
            };
            if matches!(origin, Origin::Step(_))
                && assessment.changes()
                && of.is_none_or(|allowed| !allowed.assessment().changes())
            {
                return Err(Failure::Internal(format!(
                    "the step `{name}` changes something in a call that doesn't"
                )));
            }
            match assessment.under(&call.guards.policy) {
                PolicyDecision::Allow(allowed) => allowed,
                PolicyDecision::Deny(denied) => return Err(denied.into()),
                PolicyDecision::RequireApproval(asking) => {
                    let because = asking.assessment().reasons().join("; ");
                    of.and_then(|allowed| allowed.step(asking))
                        .ok_or_else(|| refused(name, &would_ask(&because)))?
                }
            }
        }
    };
    let files = if own { &call.files } else { &Files::default() };
    let request = bind::bind(tool, arguments, files).map_err(Failure::Internal)?;
    let changes = allowed.assessment().changes();
    // Of several calls that would each add the last branch, one does.
    let counts = bounds::adds_to_a_counted_project(call, tool, arguments)?;
    let _adding = match &counts {
        Some(_) => Some(call.adding.lock().await),
        None => None,
    };
    if let Some(project) = counts {
        let now = ReadSnapshot::new(call).branch_count(&project).await?;
        call.guards.policy.check_branches(now)?;
    }
    let permitted = allowed
        .permit(asked(tool, request))
        .map_err(|error| Failure::Internal(error.to_string()))?;
    let left = &call.left_behind;
    let sent = call.client.send(permitted, &call.context).await;
    let answer = sent.map_err(|error| {
        // What the call itself asks for is told by its failure.
        if changes && !own && error.changed() != Changed::No {
            left.perhaps_made(tool, arguments);
        }
        heard(error.request_id().filter(|_| !own).unwrap_or_default());
        Failure::from(explained(tool, error))
    })?;
    heard(&answer.request_id);
    if changes {
        if !own {
            left.made(tool, arguments, answer.body.as_ref().unwrap_or(&Value::Null));
        }
        forget_connections(call, own, arguments);
    }
    if answer.content.is_some() || !tool.declaration.output.waits {
        return Ok(Sent { answer, waited: None });
    }
    let waits = !own || arguments.get("wait") != Some(&Value::Bool(false));
    let waited = wait::wait(call, arguments, answer.body.as_ref(), waits).await;
    Ok(Sent {
        answer,
        waited: Some(waited),
    })
}

/// What a step or a copy does, once it is known that its arguments fit and that the operator admits it.
async fn checked(
    call: &CallContext<'_>,
    tool: &Arc<Tool>,
    arguments: &Map<String, Value>,
    look: &ReadSnapshot<'_, '_>,
) -> Result<Assessment, Failure> {
    fits(tool, arguments)?;
    let assessment = match RiskAssessment::begin(tool, arguments) {
        RiskAssessment::Done(assessment) => assessment,
        RiskAssessment::Looks(pending) => {
            let facts = facts::read(look, &call.guards.policy, tool, arguments, pending.needs()).await?;
            pending.with(&facts)
        }
    };
    bounds::check(call, look, tool, assessment.effect(), arguments).await?;
    Ok(assessment)
}

/// Refuses arguments that no caller could give.
fn fits(tool: &Tool, arguments: &Map<String, Value>) -> Result<(), Failure> {
    let validator = tool
        .validator()
        .map_err(|error| Failure::Internal(format!("the schema of `{}` is broken: {error}", tool.name())))?;
    let value = Value::Object(arguments.clone());
    if let Some(error) = validator.iter_errors(&value).next() {
        let place = error.instance_path().to_string();
        return Err(refused(
            tool.name(),
            &format!("its argument {place} doesn't fit the tool's schema"),
        ));
    }
    reference::check(tool, arguments).map_err(|problems| {
        let first = problems.into_iter().next();
        let told = first.map(|problem| format!("its argument {}: {}", problem.argument, problem.message));
        refused(tool.name(), &told.unwrap_or_default())
    })
}

fn refused(step: &str, why: &str) -> Failure {
    Failure::Step {
        step: step.to_owned(),
        why: why.to_owned(),
        changed: Changed::No,
    }
}

fn would_ask(because: &str) -> String {
    let because = match because {
        "" => String::new(),
        because => format!(" because it {because}"),
    };
    format!("a human would have to approve it{because}")
}

/// A change to a project may change its passwords, databases and computes; a step changes what it names.
fn forget_connections(call: &CallContext<'_>, own: bool, arguments: &Map<String, Value>) {
    let Ok(Some(project)) = id(arguments, "project_id") else {
        return;
    };
    match id(arguments, "branch_id") {
        _ if own => call.connections.forget_project(&project),
        Ok(Some(branch)) => call.connections.forget_branch(&project, &branch),
        _ => {}
    }
}

/// The request, taking bytes where its tool answers with them.
fn asked(tool: &Tool, request: Request) -> Request {
    match tool.declaration.output.content {
        Content::Json => request,
        Content::Bytes => request.with_bytes_answer(MAX_INLINE_BYTES),
    }
}

/// The error, saying how to get what is too large for a result.
fn explained(tool: &Tool, error: Error) -> Error {
    match (&tool.declaration.output.link, error.kind()) {
        (Some(link), ErrorKind::TooLarge) => {
            error.with_hint(format!("It doesn't fit into a result: {link} gives a link to it."))
        }
        _ => error,
    }
}

/// The permit for a page of a list that a call reads.
///
/// # Errors
/// When the call was judged to change something.
pub(in crate::engine) fn page(allowed: &AllowedCall, page: Request) -> Result<Permitted<Request>, Failure> {
    allowed
        .permit_page(page)
        .map_err(|error| Failure::Internal(error.to_string()))
}

/// The permit for statements of a workflow's call.
///
/// # Errors
/// When they aren't, byte for byte, those that were judged.
pub(in crate::engine) fn statements(
    allowed: &AllowedCall,
    statements: Statements,
) -> Result<Permitted<Statements>, Failure> {
    allowed
        .permit_statements(statements)
        .map_err(|error| Failure::Internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[test]
    fn step_whose_arguments_no_caller_could_give_is_refused() {
        let catalog = Catalog::embedded().expect("tools");
        let tool = catalog.tool("create_branch").expect("a tool");
        let fits = |arguments: Value| fits(tool, arguments.as_object().expect("an object")).is_ok();
        assert!(fits(serde_json::json!({"project_id": "shop", "name": "next"})));
        for wrong in [
            serde_json::json!({"project_id": "shop", "name": 5}),
            serde_json::json!({"project_id": "shop", "nme": "next"}),
            serde_json::json!({"project_id": "shop", "name": "n\u{1b}[2J"}),
            serde_json::json!({"project_id": "../other", "name": "next"}),
            serde_json::json!({"name": "next"}),
        ] {
            assert!(!fits(wrong.clone()), "{wrong}");
        }
    }

    /// A workflow that sends a step as it is told.
    #[derive(Debug, Clone)]
    struct Steps(Value);

    impl crate::engine::Workflows for Steps {
        fn begin(
            &self,
            _: crate::catalog::Workflow,
            _: &Map<String, Value>,
        ) -> Result<Arc<dyn crate::engine::WorkflowCall>, Failure> {
            Ok(Arc::new(self.clone()))
        }

        fn add<'f>(
            &'f self,
            _: crate::catalog::Addition,
            _: &'f crate::engine::WorkflowContext<'_, '_>,
            _: &'f mut Value,
        ) -> futures::future::BoxFuture<'f, ()> {
            Box::pin(async {})
        }
    }

    impl crate::engine::WorkflowCall for Steps {
        fn run<'f>(
            &'f self,
            flow: &'f crate::engine::WorkflowContext<'_, '_>,
        ) -> futures::future::BoxFuture<'f, Result<crate::engine::WorkflowOutput, Failure>> {
            Box::pin(async {
                let sent = flow.tool("create_branch", self.0.clone()).await?;
                Ok(crate::engine::WorkflowOutput::with(sent))
            })
        }
    }

    /// What becomes of a call whose workflow sends such a step, where Neon can't be reached.
    async fn kind_of_step(step: Value) -> Value {
        use crate::catalog::{Selection, SelectionOptions};
        use crate::engine::{ApprovalMode, CallLimits, Caller, Engine, Guards, Outcome, Service};
        use crate::guard::audit::{AuditLimits, AuditLog};
        use crate::guard::{ApprovalFlow, Identity, Policy, Principal, Sealer, Session};
        use crate::neon::{Client, ClientConfig, Credential, FairQueue, api_base};

        let _ = rustls::crypto::ring::default_provider().install_default();
        let place = tempfile::tempdir().expect("a directory");
        let policy = Policy::default();
        let base = api_base("http://127.0.0.1:9/api/v2").expect("a base");
        let credential = Credential::new("sandbox_x".to_owned()).expect("a key");
        let catalog = Catalog::embedded().expect("tools");
        let engine = Engine::new(
            Client::new(ClientConfig::new(base, credential)),
            Selection::new(catalog, &SelectionOptions::default(), &policy).expect("a selection"),
            Service::Sandbox,
            CallLimits {
                deadline: std::time::Duration::from_millis(500),
                ..CallLimits::default()
            },
            Guards {
                approval_flow: ApprovalFlow::new(Sealer::random(), policy.approval().clone(), None),
                policy: Arc::new(policy),
                audit: Some(AuditLog::new(place.path().join("audit.jsonl"), AuditLimits::default())),
            },
            Arc::new(Steps(step)),
        );
        let caller = Caller {
            principal: Principal::new(Identity::Stdio),
            session: Session::Process("one".to_owned()),
            approval: None,
            client: None,
            way: ApprovalMode::OutOfBand,
            lane: FairQueue::new(),
            bound: None,
            cancel: tokio_util::sync::CancellationToken::new(),
            progress: None,
        };
        let given = serde_json::json!({"project_id": "quiet-sun-12345678"});
        let given = given.as_object().expect("an object").clone();
        match engine.call("create_throwaway_branch", given, caller).await {
            Ok(Outcome::Done(result)) => result.value["error"]["kind"].clone(),
            _ => panic!("nobody is asked"),
        }
    }

    #[tokio::test]
    async fn step_that_no_caller_could_send_is_not_sent() {
        let project = "quiet-sun-12345678";
        let fitting = kind_of_step(serde_json::json!({"project_id": project, "name": "next"})).await;
        assert_ne!(fitting, "step_failed", "it is tried to be sent");
        for wrong in [
            serde_json::json!({"project_id": project, "name": 5}),
            serde_json::json!({"project_id": project, "force": true}),
            serde_json::json!({"project_id": "../other", "name": "next"}),
        ] {
            assert_eq!(kind_of_step(wrong.clone()).await, "step_failed", "{wrong}");
        }
    }
}
