#[cfg(feature = "http-server")]
mod interleavings;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::*;
use crate::catalog::{Catalog, Tool};
use crate::guard::plan::Impact;
use crate::guard::policy::Policy;
use crate::guard::session::Session;
use crate::guard::{Identity, PolicyDecision, Principal, RiskAssessment};
use crate::neon::{Method, PathSegment, Request};

/// A call that asks.
struct Call {
    principal: Principal,
    tool: Arc<Tool>,
    arguments: Map<String, Value>,
    session: Session,
}

impl Call {
    fn new() -> Self {
        let catalog = Catalog::embedded().unwrap();
        Self {
            tool: catalog.tool("revoke_api_key").unwrap().clone(),
            arguments: json!({"key_id": 5}).as_object().unwrap().clone(),
            session: Session::Mcp("one".to_owned()),
            principal: Principal::new(Identity::Stdio),
        }
    }

    fn asks(&self) -> (AwaitingApproval, Plan) {
        let RiskAssessment::Done(assessment) = RiskAssessment::begin(&self.tool, &self.arguments) else {
            panic!("its declaration says what it does");
        };
        let place = [("key_id", PathSegment::integer(5))];
        let request = Request::new(Method::Delete, "/api_keys/{key_id}", &place).unwrap();
        let plan = Plan::new(
            &self.tool,
            &self.arguments,
            &assessment,
            &request,
            Impact::default(),
            Utc::now(),
        );
        let PolicyDecision::RequireApproval(asking) = assessment.under(&Policy::default()) else {
            panic!("it asks");
        };
        (asking, plan)
    }

    fn subject<'a>(&'a self, tool: &'a str) -> Subject<'a> {
        Subject {
            tool,
            arguments: &self.arguments,
            caller: "caller",
            peer: "peer",
            session: &self.session,
            approval: None,
            principal: &self.principal,
            client: None,
        }
    }
}

fn flow(channels: Vec<Channel>, approvals: Option<Approvals>) -> ApprovalFlow {
    let rules = ApprovalRules {
        channels,
        ..ApprovalRules::default()
    };
    ApprovalFlow::new(Sealer::random(), rules, approvals)
}

fn accepted_by_click() -> Reply {
    Reply::Accepted(json!({APPROVE_FIELD: true}))
}

fn answered(flow: &ApprovalFlow, call: &Call, as_tool: &str, by: Channel, later: TimeDelta) -> Result<(), NotApproved> {
    let now = Utc::now();
    let (asking, plan) = call.asks();
    let seal = flow.question(&plan, call.subject("revoke_api_key"), now).unwrap().seal;
    let reply = accepted_by_click();
    let answer = Answer {
        seal: &seal,
        reply: &reply,
        by,
    };
    flow.answer(asking, &plan, call.subject(as_tool), answer, now + later)
        .map(|_| ())
}

#[test]
fn answer_counts_for_its_tool_by_a_channel_that_the_policy_takes_and_in_time() {
    let call = Call::new();
    let own = "revoke_api_key";
    let by_client = || flow(vec![Channel::Client], None);
    let at_once = TimeDelta::zero();
    assert_eq!(answered(&by_client(), &call, own, Channel::Client, at_once), Ok(()));
    let elsewhere = flow(vec![Channel::Terminal, Channel::Page], None);
    let refused = answered(&elsewhere, &call, own, Channel::Client, at_once);
    assert!(matches!(refused, Err(NotApproved::Channel(_))), "{refused:?}");
    let refused = answered(&by_client(), &call, own, Channel::Page, at_once);
    assert!(matches!(refused, Err(NotApproved::Channel(_))), "{refused:?}");
    // The same arguments mean something else to another tool.
    let refused = answered(&by_client(), &call, "delete_everything", Channel::Client, at_once);
    assert_eq!(refused, Err(NotApproved::Other("tool")));
    let late = seconds(by_client().rules.question_seconds + 1);
    assert_eq!(
        answered(&by_client(), &call, own, Channel::Client, late),
        Err(NotApproved::Expired)
    );
}

#[test]
fn approval_that_was_given_elsewhere_counts_for_its_tool_and_in_time() {
    let place = tempfile::tempdir().unwrap();
    let approvals = Approvals::new(place.path().join("approvals"));
    let flow = flow(vec![Channel::Terminal], Some(approvals.clone()));
    let call = Call::new();
    let now = Utc::now();
    let (asking, plan) = call.asks();
    let own = call.subject("revoke_api_key");
    let OutOfBand::Waits(waiting, _) = flow.elsewhere(asking, &plan, own, now).unwrap() else {
        panic!("nobody approved it");
    };
    let approved = approvals
        .decide(&waiting.code, &Decision::Approve { typed: None }, now)
        .unwrap();
    let taken = |subject, now| flow.taken(&approved, &plan, subject, Channel::Terminal, now);
    let late = now + seconds(flow.rules.question_seconds + flow.rules.approval_seconds + 1);
    assert_eq!(taken(own, late), Err(NotApproved::Expired));
    assert_eq!(
        taken(call.subject("delete_everything"), now),
        Err(NotApproved::Other("tool"))
    );
    let by_page = flow.taken(&approved, &plan, own, Channel::Page, now);
    assert!(matches!(by_page, Err(NotApproved::Channel(_))), "{by_page:?}");
    assert_eq!(taken(own, now), Ok(()));
    assert_eq!(taken(own, now), Err(NotApproved::Used));
}
