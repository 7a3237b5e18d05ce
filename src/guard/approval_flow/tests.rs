#[cfg(feature = "http-server")]
mod interleavings;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::*;
use crate::catalog::{Catalog, Tool};
use crate::guard::plan::Impact;
use crate::guard::policy::Policy;
use crate::guard::session::Session;
use crate::guard::{Approver, Identity, PolicyDecision, Principal, RiskAssessment, Standing};
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

fn subject(name: &str, groups: &[&str]) -> Principal {
    let identity = Identity::Subject {
        issuer: "https://id.example/".to_owned(),
        subject: name.to_owned(),
    };
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    Principal::with(identity, groups, crate::guard::Scopes::ALL)
}

/// A flow under that policy, with a page where approvers sign in.
fn signing_in(policy: &str, approvals: &Approvals) -> ApprovalFlow {
    let policy = Policy::parse(policy, ["revoke_api_key", "delete_branch"].into_iter()).unwrap();
    let flow = ApprovalFlow::new(Sealer::random(), policy.approval().clone(), Some(approvals.clone()));
    flow.serve_page(signed_in_by("sub"));
    flow
}

/// A page where approvers sign in, whom that claim names.
fn signed_in_by(claim: &str) -> Page {
    Page {
        origin: "https://mcp.example".to_owned(),
        secret: None,
        issuer: Some("https://id.example".to_owned()),
        names_claim: true,
        claim: claim.to_owned(),
        is_shared: true,
    }
}

fn asked(flow: &ApprovalFlow, call: &Call) -> Result<Approval, NobodyToAsk> {
    let (asking, plan) = call.asks();
    match flow.elsewhere(asking, &plan, call.subject("revoke_api_key"), Utc::now())? {
        OutOfBand::Waits(waiting, _) => Ok(*waiting),
        other => panic!("{other:?}"),
    }
}

fn decided(flow: &ApprovalFlow, approval: &Approval, who: &Principal, decision: &Decision) -> Result<(), String> {
    let decided = flow.decide_signed_in(&approval.code, who, decision, Utc::now());
    decided.map(|_| ()).map_err(|error| error.to_string())
}

const YES: Decision = Decision::Approve { typed: None };

const DBA: &str = "[approval]\nchannels = [\"page\"]\n[[approval.approvers]]\ngroups = [\"dba\"]\n";

#[test]
fn signed_in_approver_is_who_the_policy_names_and_the_code_is_unknown_to_others() {
    let place = tempfile::tempdir().unwrap();
    let approvals = Approvals::new(place.path().join("approvals"));
    let flow = signing_in(DBA, &approvals);
    let call = Call {
        principal: subject("caller", &[]),
        ..Call::new()
    };
    let waiting = asked(&flow, &call).unwrap();
    let unknown = DecideError::Unknown.to_string();
    for (who, standing) in [
        (subject("ann", &["dev"]), Standing::Stranger),
        (subject("ann", &[]), Standing::Stranger),
        (subject("caller", &[]), Standing::Caller),
        (subject("bob", &["dba"]), Standing::Approver),
    ] {
        assert_eq!(flow.standing_of(&waiting, &who), standing, "{}", who.name());
        if standing == Standing::Stranger {
            assert_eq!(decided(&flow, &waiting, &who, &YES).unwrap_err(), unknown);
            assert_eq!(decided(&flow, &waiting, &who, &Decision::Reject).unwrap_err(), unknown);
        }
    }
    // Named by nobody, the caller may give its own call up, and no more.
    let caller = subject("caller", &[]);
    assert!(
        decided(&flow, &waiting, &caller, &YES)
            .unwrap_err()
            .contains("your own call")
    );
    // The secret of a page that has none opens nothing.
    let by_secret = flow.decide_from_page(&waiting.code, "", &YES, Utc::now());
    assert!(matches!(by_secret, Err(DecideError::NotHere(_))), "{by_secret:?}");
    assert_eq!(decided(&flow, &waiting, &subject("bob", &["dba"]), &YES), Ok(()));
    let (asking, plan) = call.asks();
    let ran = flow.elsewhere(asking, &plan, call.subject("revoke_api_key"), Utc::now());
    let Ok(OutOfBand::Allowed(allowed, _)) = ran else {
        panic!("{ran:?}")
    };
    assert_eq!(allowed.approved_by(), Some("https://id.example/ bob"));
    assert_eq!(allowed.approver(), Approver::Page);
}

#[test]
fn approver_is_looked_at_again_when_the_approval_is_used() {
    let place = tempfile::tempdir().unwrap();
    let approvals = Approvals::new(place.path().join("approvals"));
    let flow = signing_in(DBA, &approvals);
    let call = Call {
        principal: subject("caller", &[]),
        ..Call::new()
    };
    let waiting = asked(&flow, &call).unwrap();
    assert_eq!(decided(&flow, &waiting, &subject("bob", &["dba"]), &YES), Ok(()));
    // The policy was read again meanwhile, or this caller's own is narrower.
    let others = "[[approval.approvers]]\ngroups = [\"security\"]\nchannels = [\"page\"]\n";
    let stricter = Policy::parse(others, ["revoke_api_key"].into_iter()).unwrap();
    let stricter = flow.with_rules(stricter.approval().clone());
    let (asking, plan) = call.asks();
    let refused = stricter.elsewhere(asking, &plan, call.subject("revoke_api_key"), Utc::now());
    let Ok(OutOfBand::NotApproved(NotApproved::Approver(who), Some(by))) = refused else {
        panic!("{refused:?}")
    };
    assert!(who.contains("group security"), "{who}");
    assert_eq!(by.who.as_deref(), Some("https://id.example/ bob"));
}

#[test]
fn approver_that_somebody_wrote_into_the_file_is_none() {
    let place = tempfile::tempdir().unwrap();
    let approvals = Approvals::new(place.path().join("approvals"));
    let flow = signing_in(DBA, &approvals);
    let call = Call {
        principal: subject("caller", &["dev"]),
        ..Call::new()
    };
    let waiting = asked(&flow, &call).unwrap();
    assert_eq!(decided(&flow, &waiting, &subject("bob", &["dba"]), &YES), Ok(()));
    let file = place
        .path()
        .join("approvals")
        .join(format!("{}.json", waiting.code.replace('-', "")));
    let mut kept: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(kept["state"]["approved"]["who"]["groups"], json!(["dba"]));
    kept["state"]["approved"]["who"]["name"] = "https://id.example/ ann".into();
    std::fs::write(&file, kept.to_string()).unwrap();
    let (asking, plan) = call.asks();
    let again = flow.elsewhere(asking, &plan, call.subject("revoke_api_key"), Utc::now());
    assert!(matches!(again, Ok(OutOfBand::Waits(..))), "{again:?}");
}

#[test]
fn own_call_is_another_ones_to_approve_where_the_policy_says_so() {
    let place = tempfile::tempdir().unwrap();
    let approvals = Approvals::new(place.path().join("approvals"));
    let own = "[approval]\nown_calls = false\n";
    let flow = signing_in(
        &format!("{own}[[approval.approvers]]\ngroups = [\"dba\"]\n"),
        &approvals,
    );
    let call = Call {
        principal: subject("bob", &["dba"]),
        ..Call::new()
    };
    // The client's human is the caller's own.
    let refused = answered(&flow, &call, "revoke_api_key", Channel::Client, TimeDelta::zero());
    assert!(matches!(refused, Err(NotApproved::Approver(_))), "{refused:?}");
    let (_, plan) = call.asks();
    assert!(!flow.takes_answer(Channel::Client, &plan, call.subject("revoke_api_key")));
    let waiting = asked(&flow, &call).unwrap();
    assert!(!waiting.terminal, "the terminal is in no group");
    let bob = subject("bob", &["dba"]);
    assert_eq!(flow.standing_of(&waiting, &bob), Standing::Caller);
    assert!(
        decided(&flow, &waiting, &bob, &YES)
            .unwrap_err()
            .contains("your own call")
    );
    assert_eq!(decided(&flow, &waiting, &subject("ann", &["dba"]), &YES), Ok(()));
    // Who calls by hand in a terminal approves there, too.
    let by_hand = Call {
        principal: Principal::new(Identity::Cli),
        ..Call::new()
    };
    let policy = Policy::parse(own, ["revoke_api_key"].into_iter()).unwrap();
    let flow = ApprovalFlow::new(Sealer::random(), policy.approval().clone(), Some(approvals.clone()));
    let refused = answered(&flow, &by_hand, "revoke_api_key", Channel::Terminal, TimeDelta::zero());
    assert!(matches!(refused, Err(NotApproved::Approver(_))), "{refused:?}");
    assert!(matches!(asked(&flow, &by_hand), Err(NobodyToAsk::CallerUntold(_))));
}

#[test]
fn without_named_approvers_a_signed_in_caller_approves_its_own_calls_and_nobody_elses() {
    let place = tempfile::tempdir().unwrap();
    let approvals = Approvals::new(place.path().join("approvals"));
    let flow = signing_in("[approval]\nchannels = [\"page\"]\n", &approvals);
    let call = Call {
        principal: subject("caller", &[]),
        ..Call::new()
    };
    let waiting = asked(&flow, &call).unwrap();
    let (ann, caller) = (subject("ann", &[]), subject("caller", &[]));
    assert_eq!(flow.standing_of(&waiting, &ann), Standing::Stranger);
    assert!(decided(&flow, &waiting, &ann, &YES).is_err());
    assert_eq!(decided(&flow, &waiting, &caller, &YES), Ok(()));
    // A caller that can't sign in there has nobody to ask.
    let other = Call {
        principal: Principal::new(Identity::token("ci")),
        session: Session::Mcp("two".to_owned()),
        ..Call::new()
    };
    assert!(matches!(asked(&flow, &other), Err(NobodyToAsk::Policy(_))));
}

#[test]
fn what_is_known_by_one_claim_proves_nothing_by_another() {
    let place = tempfile::tempdir().unwrap();
    let approvals = Approvals::new(place.path().join("approvals"));
    let others = "[approval]\nchannels = [\"page\"]\nown_calls = false\n[[approval.approvers]]\ngroups = [\"dba\"]\n";
    let flow = signing_in(others, &approvals);
    let alice = subject("alice@corp.example", &[]);
    let call = Call {
        principal: Principal::new(Identity::token("alice")).of_person(alice.person()),
        ..Call::new()
    };
    // By her address, the issuer named her so, and her calls are another's to approve.
    flow.serve_page(signed_in_by("email"));
    flow.signed_in(&alice);
    let waiting = asked(&flow, &call).unwrap();
    let bob = subject("bob@corp.example", &["dba"]);
    assert_eq!(flow.standing_of(&waiting, &bob), Standing::Approver);
    // By another claim she has another name, which tells nothing: not of what waits, nor of what comes.
    let herself = subject("00u1alice", &["dba"]);
    flow.serve_page(signed_in_by("sub"));
    assert_eq!(flow.standing_of(&waiting, &herself), Standing::Stranger);
    assert!(decided(&flow, &waiting, &herself, &YES).is_err());
    let (asking, plan) = call.asks();
    let none = flow.page_decides(
        &flow.may_approve(&plan, call.subject("revoke_api_key")),
        &call.principal,
    );
    assert!(none.is_none(), "nobody named her so by this claim");
    drop(asking);
    // What was approved by a name of the one claim isn't by that name of the other.
    flow.serve_page(signed_in_by("email"));
    assert_eq!(decided(&flow, &waiting, &bob, &YES), Ok(()));
    flow.serve_page(signed_in_by("sub"));
    flow.signed_in(&alice);
    let (asking, plan) = call.asks();
    let ran = flow.elsewhere(asking, &plan, call.subject("revoke_api_key"), Utc::now());
    assert!(!matches!(ran, Ok(OutOfBand::Allowed(..))), "{ran:?}");
}

#[test]
fn page_secret_counts_only_where_everybody_may_approve_there() {
    let place = tempfile::tempdir().unwrap();
    let approvals = Approvals::new(place.path().join("approvals"));
    for (policy, asks) in [
        ("[approval]\nchannels = [\"page\"]\n", true),
        (
            "[[approval.approvers]]\nchannels = [\"page\"]\neffects = [\"access\", \"destructive\"]\n",
            true,
        ),
        (DBA, false),
        (
            "[[approval.approvers]]\nchannels = [\"page\"]\ntools = [\"delete_branch\"]\n",
            false,
        ),
    ] {
        let flow = signing_in(policy, &approvals);
        flow.serve_page(Page {
            origin: "http://127.0.0.1:1".to_owned(),
            secret: Some(Arc::new("a secret of the operator".into())),
            issuer: None,
            names_claim: false,
            claim: "sub".to_owned(),
            is_shared: false,
        });
        assert_eq!(asked(&flow, &Call::new()).is_ok(), asks, "{policy}");
    }
}

#[test]
fn what_a_browser_keeps_is_read_for_its_purpose_alone() {
    let place = tempfile::tempdir().unwrap();
    let flow = signing_in(DBA, &Approvals::new(place.path().join("approvals")));
    let sealed = flow.page_sealed(PageSeal::SignIn, b"x").unwrap();
    assert_eq!(flow.page_unsealed(PageSeal::SignIn, &sealed).unwrap(), b"x");
    assert_eq!(flow.page_unsealed(PageSeal::Approver, &sealed), None);
    let tag = flow.page_form_tag("one", "BCDF-GHJK");
    assert!(flow.is_page_form_tag("one", "BCDF-GHJK", &tag));
    for (sign_in, code) in [("two", "BCDF-GHJK"), ("one", "BCDF-GHJL")] {
        assert!(!flow.is_page_form_tag(sign_in, code, &tag));
    }
    assert!(!flow.is_page_form_tag("one", "BCDF-GHJK", ""));
}
