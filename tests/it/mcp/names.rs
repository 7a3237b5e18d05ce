//! Names resolve to ids; an id beats a name; what is ambiguous is an error.

use serde_json::{Value, json};

use super::{BRANCH, PROJECT, error};
use crate::support::fake_neon::{FakeNeon, Recorded, Reply};
use crate::support::server;

fn branches(request: &Recorded) -> Reply {
    let branch = |id: &str, name: &str| json!({"id": id, "name": name, "default": false, "protected": false});
    if request.path().ends_with("/branches") {
        let list = [
            branch("br-one", "dev"),
            branch("br-two", "twin"),
            branch("br-three", "twin"),
            branch("dev-old", "other"),
            branch("br-four", "dev-old"),
            branch("br-five", "feature/login"),
            branch("../../users/me", "odd"),
        ];
        return Reply::json(200, json!({"branches": list, "pagination": {}}));
    }
    if request.path() == "/api/v2/projects" || request.path() == "/projects" {
        return Reply::json(
            200,
            json!({"projects": [{"id": PROJECT, "name": "My Shop"}], "pagination": {}}),
        );
    }
    Reply::json(200, json!({"branch": branch("br-one", "dev")}))
}

#[tokio::test]
async fn a_name_is_looked_up_exactly_and_an_id_costs_nothing() {
    let upstream = FakeNeon::route(branches).await;
    let server = server::start(&[], &upstream.url()).await;
    let (value, is_error) = server
        .call("describe_branch", json!({"project_id": PROJECT, "branch_id": BRANCH}))
        .await;
    assert!(!is_error, "{value}");
    assert_eq!(upstream.count(), 1, "an id needs no look-up");
    for (name, id) in [
        ("dev", "br-one"),
        ("dev-old", "dev-old"),
        ("name:dev-old", "br-four"),
        ("name:feature/login", "br-five"),
        ("feature/login", "br-five"),
    ] {
        let (value, is_error) = server
            .call("describe_branch", json!({"project_id": "My Shop", "branch_id": name}))
            .await;
        assert!(!is_error, "{value}");
        let last = upstream.requests().pop().expect("a request");
        assert!(
            last.path().ends_with(&format!("/projects/{PROJECT}/branches/{id}")),
            "{name}: {}",
            last.path()
        );
        // It is told once, in the answer or above it; an id that the caller wrote need not be.
        let told = value.get("branch_id").or(value.pointer("/result/branch/id"));
        assert!(
            name == id || told.and_then(Value::as_str) == Some(id),
            "{name}: {value}"
        );
    }
}

#[tokio::test]
async fn two_matches_are_listed_and_none_says_where_to_look() {
    let upstream = FakeNeon::route(branches).await;
    let server = server::start(&[], &upstream.url()).await;
    let (value, is_error) = server
        .call("describe_branch", json!({"project_id": PROJECT, "branch_id": "twin"}))
        .await;
    assert!(is_error, "{value}");
    let message = error(&value)["message"].as_str().expect("a message");
    assert!(message.contains("br-two") && message.contains("br-three"), "{message}");
    let (value, is_error) = server
        .call("describe_branch", json!({"project_id": PROJECT, "branch_id": "nobody"}))
        .await;
    assert!(
        is_error && error(&value)["next"].as_str().expect("next").contains("list_branches"),
        "{value}"
    );
    assert!(
        upstream
            .requests()
            .iter()
            .all(|request| request.path().ends_with("/branches"))
    );
}

#[tokio::test]
async fn odd_id_of_a_named_branch_is_not_passed_on() {
    let upstream = FakeNeon::route(branches).await;
    let server = server::start(&[], &upstream.url()).await;
    let (value, is_error) = server
        .call("describe_branch", json!({"project_id": PROJECT, "branch_id": "odd"}))
        .await;
    assert!(is_error && error(&value)["kind"] == "malformed_answer", "{value}");
    assert_eq!(error(&value)["changed"], "no", "{value}");
    assert!(!value.to_string().contains("users/me"), "{value}");
    assert!(
        upstream
            .requests()
            .iter()
            .all(|request| request.path().ends_with("/branches"))
    );
}

#[tokio::test]
async fn a_deleted_thing_is_never_taken_for_a_living_namesake() {
    let upstream = FakeNeon::route(|request: &Recorded| {
        let deleted = request.query().contains("include_deleted=true");
        let gone = json!({"id": "br-gone", "name": "twin", "recovery": {"deleted_at": "2026-01-01T00:00:00Z"}});
        match (request.path().ends_with("/branches"), deleted) {
            (true, true) => {
                let living = json!({"id": "br-one", "name": "dev"});
                let namesake = json!({"id": "br-two", "name": "twin"});
                Reply::json(200, json!({"branches": [living, namesake, gone], "pagination": {}}))
            }
            _ => branches(request),
        }
    })
    .await;
    let server = server::start(&["--toolsets", "all"], &upstream.url()).await;
    let (value, is_error) = server
        .call(
            "recover_branch",
            json!({"project_id": PROJECT, "branch_id": "name:dev"}),
        )
        .await;
    assert!(
        is_error
            && error(&value)["next"]
                .as_str()
                .expect("next")
                .contains("include_deleted"),
        "{value}"
    );
    let (value, is_error) = server
        .call("recover_branch", json!({"project_id": PROJECT, "branch_id": "dev"}))
        .await;
    assert!(is_error && error(&value)["kind"] == "unresolved", "{value}");
    assert!(upstream.requests().iter().all(|request| request.method == "GET"));
    server
        .call("recover_branch", json!({"project_id": PROJECT, "branch_id": "twin"}))
        .await;
    let last = upstream.requests().pop().expect("a request");
    assert!(last.path().ends_with("/branches/br-gone/recover"), "{}", last.path());
}

#[tokio::test]
async fn a_project_by_name_costs_one_look_up_though_its_last_page_has_a_cursor() {
    let upstream = FakeNeon::route(|request: &Recorded| {
        if request.path().ends_with("/projects") {
            let list = [json!({"id": PROJECT, "name": "My Shop"})];
            return Reply::json(200, json!({"projects": list, "pagination": {"cursor": PROJECT}}));
        }
        Reply::json(200, json!({"project": {"id": PROJECT, "name": "My Shop"}}))
    })
    .await;
    let server = server::start(&[], &upstream.url()).await;
    // Once, the server asks which organizations the key reaches.
    for count in [3, 5] {
        let (value, is_error) = server.call("describe_project", json!({"project_id": "My Shop"})).await;
        assert!(!is_error, "{value}");
        assert_eq!(
            upstream.count(),
            count,
            "one look-up and the call: {:?}",
            upstream.requests()
        );
    }
}
