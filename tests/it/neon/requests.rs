//! Requests as data: templates, ids, methods.

use neon_mcp::neon::{BranchId, Method, OperationId, PathSegment, ProjectId, Read, Request, RequestError};
use serde_json::json;

const ROUTE: &str = "/projects/{project_id}/branches/{branch_id}";

fn segments() -> [(&'static str, PathSegment); 2] {
    [
        ("branch_id", PathSegment::id("br-1").unwrap()),
        ("project_id", PathSegment::id("p-1").unwrap()),
    ]
}

#[test]
fn placeholders_are_filled_by_name() {
    let request = Request::new(Method::Patch, ROUTE, &segments())
        .unwrap()
        .with_query("a", "1")
        .with_query("a", "2")
        .with_query("b", "&=?")
        .with_query_replaced("b", "3")
        .with_body(json!({ "x": 1 }));
    assert_eq!(request.method(), Method::Patch);
    assert_eq!(request.path(), "/projects/p-1/branches/br-1");
    assert_eq!(&**request.route(), ROUTE);
    let pairs: Vec<_> = request
        .query()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(pairs, [("a", "1"), ("a", "2"), ("b", "3")]);
    assert_eq!(request.body(), Some(&json!({ "x": 1 })));
}

#[test]
fn missing_and_extra_placeholders_are_errors() {
    let [branch, project] = segments();
    assert!(matches!(
        Request::new(Method::Get, ROUTE, std::slice::from_ref(&project)),
        Err(RequestError::Missing { placeholder, .. }) if placeholder == "branch_id"
    ));
    assert!(matches!(
        Request::new(Method::Get, "/projects/{project_id}", &[branch.clone(), project.clone()]),
        Err(RequestError::Extra { placeholder, .. }) if placeholder == "branch_id"
    ));
    assert!(matches!(
        Request::new(Method::Get, ROUTE, &[branch.clone(), project, branch]),
        Err(RequestError::Extra { .. })
    ));
}

#[test]
fn a_route_is_a_plain_path() {
    for route in [
        "", "projects", "//host", "/a//b", "/a/", "/a/../b", "/./a", "/a?b", "/a#b", "/a%2e", "/{}", "/{a", "/a b",
        "/a\\b", "/@", "/é",
    ] {
        assert!(
            matches!(Request::new(Method::Get, route, &[]), Err(RequestError::BadRoute(_))),
            "{route}"
        );
    }
}

#[test]
fn only_a_get_is_a_read() {
    for method in super::CHANGING {
        let request = Request::new(method, "/projects", &[]).unwrap();
        assert_eq!(Read::try_from(request), Err(RequestError::NotARead(method)));
    }
    let request = Request::new(Method::Get, "/projects", &[]).unwrap();
    let read = Read::try_from(request.clone()).unwrap();
    assert_eq!(read.request(), &request);
    assert!(Read::try_from(request.with_body(json!({}))).is_err());
}

#[test]
fn methods_are_upper_case_in_json() {
    assert_eq!(serde_json::to_value(Method::Patch).unwrap(), json!("PATCH"));
    assert_eq!(
        serde_json::from_value::<Method>(json!("DELETE")).unwrap(),
        Method::Delete
    );
    assert!(serde_json::from_value::<Method>(json!("delete")).is_err());
    assert!(!Method::Get.changes());
    assert!(super::CHANGING.into_iter().all(Method::changes));
}

#[test]
fn ids_are_checked_wherever_they_come_from() {
    assert_eq!(ProjectId::parse("plain-sun-1").unwrap().as_ref(), "plain-sun-1");
    assert_eq!(BranchId::parse("br-x").unwrap().to_string(), "br-x");
    for text in ["", "..", "a/b", "A", "a_b", &"a".repeat(61)] {
        assert!(ProjectId::parse(text).is_err(), "{text}");
        assert!(serde_json::from_value::<ProjectId>(json!(text)).is_err());
    }
    assert!(OperationId::parse("not-a-uuid").is_err());
    let uuid = "a07f8772-1877-4da9-a939-3a3ae62d1d8d";
    let id: OperationId = serde_json::from_value(json!(uuid)).unwrap();
    assert_eq!(serde_json::to_value(&id).unwrap(), json!(uuid));
    assert_eq!(PathSegment::from(&id).as_str(), uuid);
}
