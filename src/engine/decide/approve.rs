//! Getting a human's approval: ask through the channel that the caller has, look again, and only then go on.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::engine::context::CallContext;
use crate::engine::decide::{assess, bounds};
use crate::engine::error::{Failure, InsteadOfClient, RequiresApproval};
use crate::engine::record::Record;
use crate::engine::snapshot::ReadSnapshot;
use crate::engine::workflow::WorkflowCall;
use crate::engine::{ApprovalMode, Ask, Returned};
use crate::guard::audit::AuditOutcome;
use crate::guard::{
    AllowedCall, Answer, Approval, Approver, AwaitingApproval, Channel, NotApproved, OutOfBand, Plan, PolicyDecision,
    Question, Reply,
};
use crate::neon::sql::Measured;
use crate::telemetry;

/// Where a call stands when a human must be asked, or it may run.
pub(in crate::engine) enum Step {
    /// It may run, with these arguments and what was read on the way.
    Run(Box<Ready>),
    /// The client asks, and repeats the call.
    Ask(Box<Question>),
}

/// A call that may run.
pub(in crate::engine) struct Ready {
    pub(in crate::engine) allowed: AllowedCall,
    pub(in crate::engine) arguments: Map<String, Value>,
    /// What the plan read, for the way back.
    pub(in crate::engine) before: Option<Value>,
    /// The digest of the plan that a human approved.
    pub(in crate::engine) approved_plan: Option<String>,
    /// What the statements would lose, as the plan showed it.
    pub(in crate::engine) measured: Option<Measured>,
}

/// How often one call asks anew because the target changed while the human read.
const MAX_QUESTIONS: usize = 3;

/// How an approval that was given is counted.
const APPROVED: &str = "approved";

/// The channel of what a human can approve in a terminal or on the page.
const OUTSIDE: &str = "outside";

/// How often a client that waits hears that a human is being asked.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Rejects what came back with a call and is no approval of it, whatever is there now: before anything is read for it.
pub(in crate::engine) fn look_over(
    call: &CallContext<'_>,
    arguments: &Map<String, Value>,
    record: &mut Record,
) -> Result<(), Failure> {
    let ApprovalMode::InReturn(Some(Returned {
        seal,
        reply: Some(reply),
    })) = call.way
    else {
        return Ok(());
    };
    let answer = Answer {
        seal,
        reply,
        by: Channel::Client,
    };
    record.asked_by(Approver::Client, Some(&call.principal.name()));
    let approval_flow = &call.guards.approval_flow;
    let subject = call.subject(arguments);
    let looked = approval_flow.look_over(subject, answer, Utc::now());
    looked.map_err(|no| {
        let failure = Failure::NotApproved(no);
        count(Approver::Client, &failure, approval_flow.asked_at(subject, seal));
        failure
    })
}

/// Counts what came of an approval that isn't there.
fn count(by: Approver, failure: &Failure, asked_at: Option<DateTime<Utc>>) {
    if matches!(failure, Failure::NotApproved(_) | Failure::RequiresApproval(_)) {
        let waited = asked_at.filter(|_| matches!(failure, Failure::NotApproved(_)));
        telemetry::approval(
            by.name().unwrap_or(OUTSIDE),
            failure.recorded().outcome.name(),
            waited.map(since),
        );
    }
}

/// Counts what came of a question, put through one channel.
fn counted(by: Approver, asked_at: Option<DateTime<Utc>>, ended: Result<Step, Failure>) -> Result<Step, Failure> {
    let channel = by.name().unwrap_or(OUTSIDE);
    match &ended {
        Ok(Step::Ask(_)) => telemetry::approval(channel, AuditOutcome::Asked.name(), None),
        Ok(Step::Run(_)) => telemetry::approval(channel, APPROVED, asked_at.map(since)),
        Err(failure) => count(by, failure, asked_at),
    }
    ended
}

fn since(asked_at: DateTime<Utc>) -> Duration {
    (Utc::now() - asked_at).to_std().unwrap_or_default()
}

/// Asks. `asking` and `plan` are of a look just taken.
pub(in crate::engine) async fn approve(
    call: &mut CallContext<'_>,
    workflow: Option<&dyn WorkflowCall>,
    asking: AwaitingApproval,
    plan: Plan,
    arguments: Map<String, Value>,
    record: &mut Record,
) -> Result<Step, Failure> {
    let approval_flow = &call.guards.approval_flow;
    showable(call, &plan)?;
    let takes = |channel| approval_flow.takes_answer(channel, &plan, call.subject(&arguments));
    let by_client = takes(Channel::Client);
    let in_call = match call.way {
        ApprovalMode::InCall(ask) => takes(ask.channel()),
        _ => false,
    };
    let caller = call.principal.name();
    match call.way {
        ApprovalMode::InCall(ask) if in_call => record.asked_by(ask.channel().into(), Some(&caller)),
        ApprovalMode::InReturn(Some(Returned { reply: Some(_), .. })) if by_client => {
            record.asked_by(Approver::Client, Some(&caller));
        }
        _ => {}
    }
    match call.way {
        ApprovalMode::InCall(ask) if in_call => {
            let asked_at = Utc::now();
            let ended = while_it_runs(call, workflow, ask.as_ref(), plan, arguments, record).await;
            counted(ask.channel().into(), Some(asked_at), ended)
        }
        ApprovalMode::InReturn(Some(Returned {
            seal,
            reply: Some(reply),
        })) if by_client => {
            let asked_at = approval_flow.asked_at(call.subject(&arguments), seal);
            // The look behind this plan is the second one: the first was before the question.
            let ended = match approval_flow.answer(
                asking,
                &plan,
                call.subject(&arguments),
                Answer {
                    seal,
                    reply,
                    by: Channel::Client,
                },
                Utc::now(),
            ) {
                Ok(allowed) => Ok(Step::Run(Box::new(Ready {
                    allowed,
                    before: plan.before().cloned(),
                    approved_plan: Some(plan.digest().to_owned()),
                    measured: plan.measured().cloned(),
                    arguments,
                }))),
                Err(NotApproved::Changed) => {
                    record.asked_again();
                    Ok(Step::Ask(Box::new(anew(call, &plan, &arguments)?)))
                }
                Err(NotApproved::WrongName(_)) if !approval_flow.was_asked_again(call.subject(&arguments), seal) => {
                    record.asked_again();
                    let question = approval_flow.question_again(&plan, call.subject(&arguments), Utc::now());
                    Ok(Step::Ask(Box::new(question.map_err(Failure::NotApproved)?)))
                }
                Err(no) => Err(Failure::NotApproved(no)),
            };
            counted(Approver::Client, asked_at, ended)
        }
        ApprovalMode::InReturn(_) if by_client => {
            let question = approval_flow.question(&plan, call.subject(&arguments), Utc::now());
            let asked = question.map(|question| Step::Ask(Box::new(question)));
            counted(Approver::Client, None, asked.map_err(Failure::NotApproved))
        }
        ApprovalMode::Nobody { why, next } => Err(Failure::RequiresApproval(Box::new(RequiresApproval {
            plan: told(call, &plan),
            code: None,
            terminal: None,
            page: None,
            instead_of_client: None,
            approval: None,
            nobody: Some((*why).to_owned()),
            instead: Some(next),
            waits: 0,
        }))),
        _ => {
            let ended = elsewhere(call, asking, plan, arguments, record);
            match &ended {
                Ok((ready, asked_at)) => telemetry::approval(
                    ready.allowed.approver().name().unwrap_or(OUTSIDE),
                    APPROVED,
                    Some(since(*asked_at)),
                ),
                Err(failure) => count(outside(call), failure, None),
            }
            ended.map(|(ready, _)| Step::Run(Box::new(ready)))
        }
    }
}

/// Refuses what no human can be shown whole.
fn showable(call: &CallContext<'_>, plan: &Plan) -> Result<(), Failure> {
    let whole = plan.can_be_shown().and_then(|()| {
        let own = call.key.is_in(&plan.text()) || call.key.is_in(&plan.to_value().to_string());
        if own {
            Err("it holds this server's own API key".to_owned())
        } else {
            Ok(())
        }
    });
    whole.map_err(|why| {
        Failure::RequiresApproval(Box::new(RequiresApproval {
            plan: told(call, plan),
            code: None,
            terminal: None,
            page: None,
            instead_of_client: None,
            approval: None,
            nobody: Some(why),
            instead: None,
            waits: 0,
        }))
    })
}

/// Asks while the call runs. The time that the human takes isn't the call's.
async fn while_it_runs(
    call: &mut CallContext<'_>,
    workflow: Option<&dyn WorkflowCall>,
    ask: &dyn Ask,
    mut plan: Plan,
    arguments: Map<String, Value>,
    record: &mut Record,
) -> Result<Step, Failure> {
    fn answer<'q>(question: &'q Question, reply: &'q Reply, by: Channel) -> Answer<'q> {
        let seal = &question.seal;
        Answer { seal, reply, by }
    }
    let by = ask.channel();
    let mut question = call
        .guards
        .approval_flow
        .question(&plan, call.subject(&arguments), Utc::now())
        .map_err(Failure::NotApproved)?;
    let mut again = false;
    for _ in 0..MAX_QUESTIONS {
        let reply = waiting(call, ask, &question).await;
        // Who says no needs no second look.
        if !matches!(reply, Reply::Accepted(_)) {
            let asking = asking_of(call, &plan)?;
            let approval_flow = &call.guards.approval_flow;
            let no = approval_flow.answer(
                asking,
                &plan,
                call.subject(&arguments),
                answer(&question, &reply, by),
                Utc::now(),
            );
            return Err(no.map_or_else(Failure::NotApproved, |_| Failure::NotApproved(NotApproved::Changed)));
        }
        let look = ReadSnapshot::new(call);
        let assessment = assess::judge(call, &look, &arguments).await?;
        bounds::check(call, &look, &call.selected.tool, assessment.effect(), &arguments).await?;
        plan = assess::plan(call, workflow, &look, &assessment, &arguments).await?;
        drop(look);
        record.planned(&plan);
        showable(call, &plan)?;
        let asking = asking_of(call, &plan)?;
        let approval_flow = &call.guards.approval_flow;
        match approval_flow.answer(
            asking,
            &plan,
            call.subject(&arguments),
            answer(&question, &reply, by),
            Utc::now(),
        ) {
            Ok(allowed) => {
                return Ok(Step::Run(Box::new(Ready {
                    allowed,
                    before: plan.before().cloned(),
                    approved_plan: Some(plan.digest().to_owned()),
                    measured: plan.measured().cloned(),
                    arguments,
                })));
            }
            Err(NotApproved::Changed) => question = anew(call, &plan, &arguments)?,
            Err(NotApproved::WrongName(_)) if !again => {
                again = true;
                question = approval_flow
                    .question_again(&plan, call.subject(&arguments), Utc::now())
                    .map_err(Failure::NotApproved)?;
            }
            Err(no) => return Err(Failure::NotApproved(no)),
        }
    }
    Err(Failure::NotApproved(NotApproved::Changed))
}

/// The judgement of a plan, as one that waits for approval. One that needs none any more isn't what was asked about.
fn asking_of(call: &CallContext<'_>, plan: &Plan) -> Result<AwaitingApproval, Failure> {
    match plan.assessment().clone().under(&call.guards.policy) {
        PolicyDecision::RequireApproval(asking) => Ok(asking),
        PolicyDecision::Deny(denied) => Err(denied.into()),
        PolicyDecision::Allow(_) => Err(Failure::NotApproved(NotApproved::Changed)),
    }
}

/// The question about a plan that isn't the one that was answered.
fn anew(call: &CallContext<'_>, plan: &Plan, arguments: &Map<String, Value>) -> Result<Question, Failure> {
    let mut question = call
        .guards
        .approval_flow
        .question(plan, call.subject(arguments), Utc::now())
        .map_err(Failure::NotApproved)?;
    question.text = format!(
        "The target changed while you were asked, so nothing was done. This is what it would be now:\n\n{}",
        question.text
    );
    Ok(question)
}

/// Waits for the human, telling the client that it does, and gives the call its time back.
async fn waiting(call: &mut CallContext<'_>, ask: &dyn Ask, question: &Question) -> Reply {
    let began = Instant::now();
    let reply = {
        let asked = ask.ask(question);
        tokio::pin!(asked);
        let mut beat = tokio::time::interval(HEARTBEAT);
        loop {
            tokio::select! {
                biased;
                () = call.context.cancel.cancelled() => break Reply::Cancelled,
                reply = &mut asked => break reply,
                _ = beat.tick() => {
                    if let Some(progress) = &call.progress {
                        progress.report(0, 1, "waiting for a human's answer".to_owned());
                    }
                }
            }
        }
    };
    call.context.deadline += began.elapsed();
    reply
}

/// The plan as the agent gets it.
fn told(call: &CallContext<'_>, plan: &Plan) -> serde_json::Value {
    let mut told = plan.told();
    call.fence.enclose_plan(&mut told);
    told
}

/// By whom a call can be approved outside the client: nobody, where terminal and page are both open.
fn outside(call: &CallContext<'_>) -> Approver {
    let approval_flow = &call.guards.approval_flow;
    match (approval_flow.takes(Channel::Terminal), approval_flow.serves_page()) {
        (true, false) => Approver::Terminal,
        (false, true) => Approver::Page,
        _ => Approver::Nobody,
    }
}

/// What the policy says, where it is why the client's human isn't asked: of a client that can't ask, only whom it names instead.
fn instead_of_client(call: &CallContext<'_>, plan: &Plan, arguments: &Map<String, Value>) -> Option<InsteadOfClient> {
    let approval_flow = &call.guards.approval_flow;
    let subject = call.subject(arguments);
    if approval_flow.takes_answer(Channel::Client, plan, subject) {
        return None;
    }
    let can_ask = matches!(call.way, ApprovalMode::InCall(_) | ApprovalMode::InReturn(_));
    match approval_flow.named_approvers(plan, subject) {
        Some(who) => Some(InsteadOfClient::Approvers(who)),
        None => can_ask.then_some(InsteadOfClient::NoClient),
    }
}

/// Asks outside the client, or takes what was said there.
fn elsewhere(
    call: &CallContext<'_>,
    asking: AwaitingApproval,
    plan: Plan,
    arguments: Map<String, Value>,
    record: &mut Record,
) -> Result<(Ready, DateTime<Utc>), Failure> {
    let approval_flow = &call.guards.approval_flow;
    let instead_of_client = instead_of_client(call, &plan, &arguments);
    let needs = |waiting: Option<&Approval>, proof: Option<String>, nobody: Option<String>, waits: u64| {
        let page = waiting.and_then(|waiting| approval_flow.page_for(waiting));
        Failure::RequiresApproval(Box::new(RequiresApproval {
            plan: told(call, &plan),
            terminal: waiting.and_then(|waiting| approval_flow.in_terminal(waiting)),
            code: waiting
                .filter(|waiting| waiting.terminal)
                .map(|waiting| waiting.code.clone()),
            page: page.map(|page| (page, approval_flow.page_asks())),
            instead_of_client: instead_of_client.clone(),
            approval: proof,
            nobody,
            instead: None,
            waits,
        }))
    };
    match approval_flow.elsewhere(asking, &plan, call.subject(&arguments), Utc::now()) {
        Ok(OutOfBand::Allowed(allowed, asked_at)) => {
            let ready = Ready {
                allowed: *allowed,
                before: plan.before().cloned(),
                approved_plan: Some(plan.digest().to_owned()),
                measured: plan.measured().cloned(),
                arguments,
            };
            Ok((ready, asked_at))
        }
        Ok(OutOfBand::Waits(approval, _)) => {
            let left = (approval.expires_at - Utc::now()).num_seconds().max(0);
            let proof = call.times.mark(approval_flow.proof(&approval));
            Err(needs(Some(&approval), Some(proof), None, left.unsigned_abs()))
        }
        Ok(OutOfBand::NotApproved(no, by)) => {
            if let Some(by) = by {
                record.asked_by(by.channel.into(), by.who.as_deref());
            }
            Err(Failure::NotApproved(no))
        }
        Err(nobody) => Err(match nobody.store_unavailable() {
            Some(no) => Failure::NotApproved(no),
            None => needs(None, None, Some(nobody.to_string()), 0),
        }),
    }
}
