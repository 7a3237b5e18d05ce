use std::num::NonZeroU32;

use serde_json::{Map, json};

use super::*;
use crate::catalog::{Catalog, Selection, SelectionOptions};
use crate::engine::{ApprovalMode, CallLimits, Caller, Engine, Guards, Service};
use crate::guard::audit::{AuditLimits, AuditLog};
use crate::guard::{ApprovalFlow, Identity, Policy, Principal, Sealer, Session};
use crate::neon::{Client, ClientConfig, Credential, api_base};
use crate::server::handler::NeonServer;

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
        setup: policy.map(parsed).map(Setup::of_policy),
        ..Grant::of(Identity::token(name))
    }
}

fn admission(server: &NeonServer) -> Admission {
    Admission::new(server.offer().clone())
}

fn admit(admission: &Admission, grant: &Grant, asked: &Asked) -> Result<Admitted, NotAdmitted> {
    admission.admit(grant, &grant.principal.id(), asked, &|| grant.count())
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
    let admission = admission(&server(&SelectionOptions::default(), ""));
    let all = names(&admit(&admission, &grant("all", None), &Asked::default()).unwrap());
    let reader = grant("reader", Some("read_only = true"));
    let admitted = admit(&admission, &reader, &Asked::default()).unwrap();
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
    let further = names(&admit(&admission, &reader, &asks("toolsets=branches")).unwrap());
    assert!(!further.is_empty() && further.iter().all(|name| reads.contains(name)));
    assert!(admit(&admission, &reader, &asks("tools=delete_branch")).is_err());
    assert!(admit(&admission, &reader, &asks("readonly=false")).is_err());
    let nothing = grant(
        "nothing",
        Some("[effects]\nread = \"deny\"\nwrite = \"deny\"\naccess = \"deny\"\ndestructive = \"deny\""),
    );
    assert!(names(&admit(&admission, &nothing, &Asked::default()).unwrap()).is_empty());
}

#[tokio::test]
async fn offers_that_requests_narrow_are_kept_within_bounds() {
    let admission = admission(&server(&SelectionOptions::default(), ""));
    let ann = grant("ann", Some("read_only = true"));
    for number in 0..2 * MAX_NARROWED {
        admit(&admission, &ann, &asks(&format!("branch=b{number}"))).unwrap();
    }
    let kept = admission.current();
    assert!(
        kept.narrowed().kept.len() <= MAX_NARROWED_OF_ONE,
        "{}",
        kept.narrowed().kept.len()
    );
    assert_eq!(kept.kept.len(), 1);
    // Said in another way, it is the same; to another caller it isn't.
    let offer = |grant: &Grant, query| admit(&admission, grant, &asks(query)).unwrap().offer;
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

/// The admission of a server that notes its calls, with its policy.
fn noting(policy: &str, audit: &AuditLog) -> Admission {
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
    admission(&NeonServer::new(engine))
}

fn cap(most: u32) -> String {
    format!("[caps]\nchanges_per_minute = {most}")
}

/// Serves the same under another policy of the operator's.
#[tokio::test]
async fn what_is_made_for_a_request_counts_and_what_is_there_does_not() {
    let admission = admission(&server(&SelectionOptions::default(), ""));
    let grant = grant("one", None);
    let admit = |asked: &Asked, count: Count<'_>| admission.admit(&grant, "one", asked, count);
    let spent = || Err(7);
    let reads = asks("readonly=true");
    assert!(matches!(admit(&reads, &spent), Err(NotAdmitted::TooMany(7))));
    assert!(admit(&Asked::default(), &spent).is_ok());
    assert!(admit(&reads, &|| Ok(())).is_ok());
    assert!(admit(&reads, &spent).is_ok(), "it is kept");
}

fn reload(admission: &Admission, policy: &str) {
    let policy = parsed(policy);
    let selection = Selection::new(Catalog::embedded().unwrap(), &SelectionOptions::default(), &policy).unwrap();
    admission.replace(admission.engine().under(policy, selection));
}

#[tokio::test]
async fn cap_on_changes_holds_however_a_caller_varies_what_it_asks_for() {
    let place = tempfile::tempdir().unwrap();
    let audit = AuditLog::new(place.path().join("audit.jsonl"), AuditLimits::default());
    let queries = [
        "",
        "toolsets=projects",
        "tools=create_project",
        "database=a",
        "database=b",
    ];
    let capped = cap(1);
    let capped = capped.as_str();
    // The operator's cap counts all callers together, and a caller's own counts it alone.
    for (admission, own) in [(noting(capped, &audit), None), (noting("", &audit), Some(capped))] {
        let ann = grant("ann", own);
        for (index, query) in queries.into_iter().enumerate() {
            let admitted = admit(&admission, &ann, &asks(query)).unwrap();
            assert_eq!(is_capped(&admitted).await, index > 0, "{own:?} {query}");
        }
        let admitted = admit(&admission, &grant("bob", own), &Asked::default()).unwrap();
        assert_eq!(is_capped(&admitted).await, own.is_none(), "{own:?}");
        // The caller is forgotten, and its count isn't.
        admission.current().kept.clear();
        admission.current().narrowed().kept.clear();
        let admitted = admit(&admission, &ann, &asks("database=c")).unwrap();
        assert!(is_capped(&admitted).await, "{own:?}");
        // Nor is it when the policy is read again.
        reload(&admission, &cap(if own.is_none() { 2 } else { 60 }));
        let capped = is_capped(&admit(&admission, &ann, &asks("database=d")).unwrap()).await;
        assert_eq!(capped, own.is_some(), "{own:?}");
        let admitted = admit(&admission, &ann, &Asked::default()).unwrap();
        assert!(is_capped(&admitted).await, "{own:?}");
    }
}

#[tokio::test]
async fn caps_of_the_operator_and_of_a_caller_must_both_fit() {
    let place = tempfile::tempdir().unwrap();
    let audit = AuditLog::new(place.path().join("audit.jsonl"), AuditLimits::default());
    let admission = noting(&cap(2), &audit);
    let own = cap(1);
    let mut held_back = Vec::new();
    for name in ["ann", "ann", "ann", "bob", "eve"] {
        let admitted = admit(&admission, &grant(name, Some(&own)), &Asked::default()).unwrap();
        held_back.push(is_capped(&admitted).await);
    }
    // What ann's own cap holds back isn't counted against the others.
    assert_eq!(held_back, [false, true, true, false, true]);
}

#[tokio::test]
async fn scopes_are_judged_by_what_is_offered_without_them() {
    let admission = admission(&server(&SelectionOptions::default(), ""));
    let mut reader = grant("reader", None);
    let reads = Scopes::for_effect(crate::guard::Effect::Read);
    reader.principal = Principal::with(Identity::token("reader"), Vec::new(), reads);
    let call = |asked: &Asked, tool: &str, arguments: serde_json::Value| {
        let admitted = admit(&admission, &reader, asked).unwrap();
        assert!(!names(&admitted).iter().any(|name| name == "delete_branch"));
        let message = json!({"method": "tools/call", "params": {"name": tool, "arguments": arguments}});
        admission
            .called(message.to_string().as_bytes(), &admitted, asked)
            .is_some()
    };
    // The list lacks it, and what is told is the scope.
    assert!(call(&Asked::default(), "delete_branch", json!({})));
    assert!(call(&asks("toolsets=branches"), "delete_branch", json!({})));
    let inner = json!({"name": "delete_branch", "arguments": "{}"});
    assert!(call(&asks("discovery=true"), "call_destructive_tool", inner));
    // What the request leaves out itself is not offered, whatever the scopes are.
    for query in ["readonly=true", "toolsets=projects", "exclude_tools=delete_branch"] {
        assert!(!call(&asks(query), "delete_branch", json!({})), "{query}");
    }
    let project = asks("project_id=quiet-sun-12345678");
    assert!(call(&project, "delete_branch", json!({})) && !call(&project, "create_project", json!({})));
}

#[test]
fn principal_without_anything_set_up_is_served_the_operators_offer() {
    let server = server(&SelectionOptions::default(), "");
    let admission = admission(&server);
    let admitted = admit(&admission, &grant("ann", None), &Asked::default()).unwrap();
    assert!(Arc::ptr_eq(&admitted.offer, server.offer()));
    assert_eq!(admitted.principal, Principal::new(Identity::token("ann")));
}

#[tokio::test]
async fn callers_who_are_offered_the_same_share_its_list_and_one_index() {
    let admission = admission(&server(&SelectionOptions::default(), ""));
    let reader = |name: &str| grant(name, Some("read_only = true"));
    let offers = ["ann", "ben"].map(|name| admit(&admission, &reader(name), &Asked::default()).unwrap().offer);
    assert!(
        !Arc::ptr_eq(&offers[0], &offers[1]),
        "policy and counts are each caller's own"
    );
    let texts = offers.each_ref().map(|offer| offer.written_tools().unwrap().as_ptr());
    assert_eq!(texts[0], texts[1]);
    // Of a project that a request names, nothing stands in the list.
    let of = |id: &str| {
        admit(&admission, &reader("ann"), &asks(&format!("project_id={id}")))
            .unwrap()
            .offer
    };
    let narrowed = [of("quiet-sun-12345678"), of("cold-moon-12345678")];
    let texts = narrowed.each_ref().map(|offer| offer.written_tools().unwrap().as_ptr());
    assert_eq!(texts[0], texts[1]);
    let index = |offer: &Arc<Offer>| std::ptr::from_ref(offer.index().unwrap());
    let first = index(&admission.offer());
    assert!(offers.iter().chain(&narrowed).all(|offer| index(offer) == first));
}

#[tokio::test]
async fn whoever_searches_first_takes_nothing_from_what_others_find() {
    let first = |offer: &Arc<Offer>, request: &str| {
        let found = offer.index().unwrap().search(offer.engine().selection(), request);
        found.first().map(|selected| selected.tool.name().to_owned())
    };
    let mut scoped = grant("scoped", None);
    let reads = Scopes::for_effect(crate::guard::Effect::Read);
    scoped.principal = Principal::with(Identity::token("scoped"), Vec::new(), reads);
    let narrow = [
        (scoped, Asked::default()),
        (grant("reader", Some("read_only = true")), Asked::default()),
        (
            grant("asks", None),
            asks("toolsets=branches&discovery=true&tools=list_branches"),
        ),
        (grant("one", None), asks("tools=list_projects")),
    ];
    for (narrow, asked) in narrow {
        for discovery in [false, true] {
            let options = SelectionOptions {
                discovery,
                ..SelectionOptions::default()
            };
            let admission = admission(&server(&options, ""));
            let reader = admit(&admission, &narrow, &asked).unwrap().offer;
            let found = first(&reader, "delete a project");
            assert_ne!(found.as_deref(), Some("delete_project"), "{asked:?}: it isn't its own");
            let full = admit(&admission, &grant("full", None), &Asked::default())
                .unwrap()
                .offer;
            for (request, tool) in [
                ("delete a project", "delete_project"),
                ("run a query", "query_database"),
            ] {
                assert_eq!(first(&full, request).as_deref(), Some(tool), "after {asked:?}");
            }
        }
    }
}

#[tokio::test]
async fn narrowed_offers_of_one_caller_make_room_for_their_own() {
    let admission = admission(&server(&SelectionOptions::default(), ""));
    let ask = |name: &str, number: usize| {
        let id = format!("quiet-sun-{number:08}");
        admit(&admission, &grant(name, None), &asks(&format!("project_id={id}"))).unwrap()
    };
    let ann = ask("ann", 0).offer;
    (0..100).for_each(|number| drop(ask("mallory", number)));
    assert!(Arc::ptr_eq(&ask("ann", 0).offer, &ann), "kept");
    for caller in 0..100 {
        ask(&format!("caller {caller}"), 0);
    }
    let kept = admission.current().narrowed().kept.len();
    assert_eq!(kept, MAX_NARROWED);
    let of_mallory = admission
        .current()
        .narrowed()
        .kept
        .iter()
        .filter(|(whose, ..)| whose.contains("mallory"))
        .count();
    assert!(of_mallory <= 1, "whoever has most gives way first: {of_mallory}");
}

#[tokio::test]
async fn narrowings_that_have_to_be_made_count_as_calls() {
    let admission = admission(&server(&SelectionOptions::default(), ""));
    let ann = Grant {
        setup: Some(Setup::of_calls(NonZeroU32::new(3).unwrap())),
        ..Grant::of(Identity::token("ann"))
    };
    let ask = |number: usize| admit(&admission, &ann, &asks(&format!("project_id=quiet-sun-{number:08}")));
    assert!((0..3).all(|number| ask(number).is_ok()));
    assert!(matches!(ask(3), Err(NotAdmitted::TooMany(seconds)) if seconds > 0));
    // What is there costs nothing.
    assert!((0..3).all(|number| ask(number).is_ok()));
}

/// More callers with a narrowed URL than offers are kept: nobody pays for another one's.
#[tokio::test]
async fn narrowing_that_made_room_for_another_callers_is_not_counted_again() {
    let admission = admission(&server(&SelectionOptions::default(), ""));
    let grants: Vec<Grant> = (0..MAX_NARROWED + 6)
        .map(|number| grant(&format!("caller {number}"), None))
        .collect();
    let reads = asks("readonly=true");
    let spent = || Err(7);
    for grant in &grants {
        assert!(admission.admit(grant, "p", &reads, &|| Ok(())).is_ok());
    }
    for _ in 0..3 {
        for grant in &grants {
            assert!(admission.admit(grant, "p", &reads, &spent).is_ok());
        }
    }
    // What a caller has too many of is its own.
    let ask = |number: usize, count: Count<'_>| {
        admission.admit(
            &grants[0],
            "p",
            &asks(&format!("project_id=quiet-sun-{number:08}")),
            count,
        )
    };
    for number in 0..=MAX_NARROWED_OF_ONE {
        assert!(ask(number, &|| Ok(())).is_ok());
    }
    assert!(matches!(ask(0, &spent), Err(NotAdmitted::TooMany(7))));
}
