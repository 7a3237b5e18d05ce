use serde_json::{Map, json};

use super::*;
use crate::catalog::{Catalog, Selection, SelectionOptions};
use crate::engine::{ApprovalMode, CallLimits, Caller, Engine, Guards, Service};
use crate::guard::audit::{AuditLimits, AuditLog};
use crate::guard::{ApprovalFlow, Identity, Principal, Sealer, Session};
use crate::neon::{Client, ClientConfig, Credential, api_base};

/// A server whose Neon can't be reached.
fn server(options: &SelectionOptions, policy: &str) -> NeonServer {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let catalog = Catalog::embedded().unwrap();
    let policy = parsed(policy).with_read_only(options.read_only);
    let base = api_base("http://127.0.0.1:9/api/v2").unwrap();
    let credential = Credential::new("sandbox_x".to_owned()).unwrap();
    let engine = Engine::new(
        Client::new(ClientConfig::new(base, credential)),
        Selection::new(catalog, options, &policy).unwrap(),
        Service::Sandbox,
        CallLimits::default(),
        Guards {
            approval_flow: ApprovalFlow::new(Sealer::random(), policy.approval().clone(), None),
            policy: Arc::new(policy),
            audit: None,
        },
        crate::workflows::all(),
    );
    NeonServer::new(engine)
}

fn parsed(policy: &str) -> Policy {
    let catalog = Catalog::embedded().unwrap();
    Policy::parse(policy, catalog.tools().iter().map(|tool| tool.name())).unwrap()
}

fn grant(name: &str, policy: Option<&str>) -> Grant {
    Grant {
        policy: policy.map(parsed),
        ..Grant::of(Identity::Token(name.to_owned()))
    }
}

fn asks(query: &str) -> Asked {
    let uri = format!("/mcp?{query}").parse().unwrap();
    Asked::read(&uri, &http::HeaderMap::new()).unwrap()
}

fn names(admitted: &Admitted) -> Vec<String> {
    let tools = admitted.offer.engine().selection().tools();
    tools.iter().map(|tool| tool.tool.name().to_owned()).collect()
}

#[tokio::test]
async fn list_of_a_caller_is_what_its_own_policy_leaves() {
    let admission = Admission::new(&server(&SelectionOptions::default(), ""));
    let all = names(&admission.admit(&grant("all", None), &Asked::default()).unwrap());
    let reader = grant("reader", Some("read_only = true"));
    let admitted = admission.admit(&reader, &Asked::default()).unwrap();
    let reads = names(&admitted);
    assert!(reads.len() < all.len() && reads.iter().all(|name| all.contains(name)));
    assert!(!reads.iter().any(|name| name == "delete_branch"));
    let selection = admitted.offer.engine().selection();
    assert!(
        selection.leaves_out("delete_branch"),
        "told like any tool that isn't offered"
    );
    assert!(selection.missing("delete_branch").contains("policy"));
    // What is narrowed further stays the caller's own.
    let further = names(&admission.admit(&reader, &asks("toolsets=branches")).unwrap());
    assert!(!further.is_empty() && further.iter().all(|name| reads.contains(name)));
    assert!(admission.admit(&reader, &asks("tools=delete_branch")).is_err());
    assert!(admission.admit(&reader, &asks("readonly=false")).is_err());
    let nothing = grant(
        "nothing",
        Some("[effects]\nread = \"deny\"\nwrite = \"deny\"\naccess = \"deny\"\ndestructive = \"deny\""),
    );
    assert!(names(&admission.admit(&nothing, &Asked::default()).unwrap()).is_empty());
}

#[tokio::test]
async fn offers_that_requests_narrow_are_kept_within_bounds() {
    let admission = Admission::new(&server(&SelectionOptions::default(), ""));
    let ann = grant("ann", None);
    for number in 0..2 * MAX_NARROWED {
        admission.admit(&ann, &asks(&format!("branch=b{number}"))).unwrap();
    }
    assert!(admission.narrowed.len() <= MAX_NARROWED, "{}", admission.narrowed.len());
    assert_eq!(admission.kept.len(), 1);
    // Said in another way, it is the same; to another caller it isn't.
    let offer = |grant: &Grant, query| admission.admit(grant, &asks(query)).unwrap().offer;
    let one = offer(&ann, "readonly=true&toolsets=sql,branches");
    assert!(Arc::ptr_eq(
        &one,
        &offer(&ann, "category=branches,querying&read_only=1")
    ));
    assert!(!Arc::ptr_eq(
        &one,
        &offer(&grant("bob", None), "readonly=true&toolsets=sql,branches")
    ));
}

/// What becomes of a change: whether the cap on changes held it back.
async fn is_capped(admitted: &Admitted) -> bool {
    let caller = Caller {
        principal: admitted.principal.clone(),
        session: Session::Stateless,
        approval: None,
        client: None,
        way: ApprovalMode::OutOfBand,
        lane: FairQueue::new(),
        bound: None,
        cancel: tokio_util::sync::CancellationToken::new(),
        progress: None,
    };
    let given = json!({"name": "p", "org_id": "org-plain-moon-12345678"});
    let given: Map<_, _> = given.as_object().unwrap().clone();
    let outcome = admitted.offer.engine().call("create_project", given, caller).await;
    let Ok(crate::engine::Outcome::Done(result)) = outcome else {
        panic!("nobody is asked");
    };
    result.value["error"]["rule"] == "caps.changes_per_minute"
}

#[tokio::test]
async fn cap_on_changes_holds_however_a_caller_varies_what_it_asks_for() {
    let place = tempfile::tempdir().unwrap();
    let audit = AuditLog::new(place.path().join("audit.jsonl"), AuditLimits::default());
    let with_audit = |policy: &str| {
        let server = server(&SelectionOptions::default(), policy);
        let mut guards = server.engine().guards().clone();
        guards.audit = Some(audit.clone());
        let engine = Engine::new(
            server.engine().clients().next().unwrap().clone(),
            server.engine().selection().for_caller(&*guards.policy),
            Service::Sandbox,
            CallLimits {
                deadline: std::time::Duration::from_millis(500),
                ..CallLimits::default()
            },
            guards,
            crate::workflows::all(),
        );
        Admission::new(&NeonServer::new(engine))
    };
    let queries = [
        "",
        "toolsets=projects",
        "tools=create_project",
        "database=a",
        "database=b",
    ];
    let capped = "[caps]\nchanges_per_minute = 1";
    // The operator's cap counts all callers together, and a caller's own counts it alone.
    for (admission, own) in [(with_audit(capped), None), (with_audit(""), Some(capped))] {
        let ann = grant("ann", own);
        for (index, query) in queries.into_iter().enumerate() {
            let admitted = admission.admit(&ann, &asks(query)).unwrap();
            assert_eq!(is_capped(&admitted).await, index > 0, "{own:?} {query}");
        }
        let admitted = admission.admit(&grant("bob", own), &Asked::default()).unwrap();
        assert_eq!(is_capped(&admitted).await, own.is_none(), "{own:?}");
        // The caller is forgotten, and its count isn't.
        admission.kept.clear();
        admission.narrowed.clear();
        let admitted = admission.admit(&ann, &asks("database=c")).unwrap();
        assert!(is_capped(&admitted).await, "{own:?}");
    }
}

#[test]
fn principal_without_anything_set_up_is_served_the_operators_offer() {
    let server = server(&SelectionOptions::default(), "");
    let admission = Admission::new(&server);
    let admitted = admission.admit(&grant("ann", None), &Asked::default()).unwrap();
    assert!(Arc::ptr_eq(&admitted.offer, server.offer()));
    assert_eq!(admitted.principal, Principal::new(Identity::Token("ann".to_owned())));
}
