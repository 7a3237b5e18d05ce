//! What goes over the wire, and what comes back from it.

use neon_mcp::neon::{Client, Method, PathSegment, Read};
use serde_json::json;

use super::{changing, client, config, context, get, read, send};
use crate::support::fake_neon::{FakeNeon, Reply};
use crate::support::permit::permit;

#[tokio::test]
async fn a_read_on_the_wire() {
    let upstream = FakeNeon::start(vec![Reply::json(200, json!({ "a": 1 }))]).await;
    let name = PathSegment::name("a/b c").unwrap();
    let query = Read::new("/projects/{name}/x", &[("name", name)])
        .unwrap()
        .with_query("search", "a&b=c d/é");
    let answer = client(&upstream).read(query, &context()).await.unwrap();
    assert_eq!(answer.body, Some(json!({ "a": 1 })));
    let request = &upstream.requests()[0];
    assert_eq!(request.method, "GET");
    assert_eq!(request.path(), "/api/v2/projects/a%2Fb%20c/x");
    assert_eq!(request.query(), "search=a%26b%3Dc+d%2F%C3%A9");
    assert_eq!(request.header("accept"), Some("application/json"));
    let agent = request.header("user-agent").unwrap();
    assert!(agent.starts_with("neon-mcp/"), "{agent}");
    assert!(request.body.is_empty());
    assert_eq!(request.header("content-type"), None);
    assert_eq!(answer.request_id, request.header("x-request-id").unwrap());
}

#[tokio::test]
async fn each_method_on_the_wire() {
    for method in super::CHANGING {
        let upstream = FakeNeon::start(vec![Reply::status(204)]).await;
        let answer = send(&upstream, method).await.unwrap();
        assert_eq!((answer.status, answer.body), (204, None));
        let request = &upstream.requests()[0];
        assert_eq!(request.method, method.as_str());
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.json(), json!({ "project": { "name": "x" } }));
    }
}

#[tokio::test]
async fn empty_answers_have_no_body() {
    for reply in [
        Reply::status(204),
        Reply::status(200),
        Reply::status(202),
        Reply::raw(200, " \n"),
    ] {
        let upstream = FakeNeon::start(vec![reply]).await;
        assert_eq!(read(&upstream).await.unwrap().body, None);
    }
}

#[tokio::test]
async fn neons_request_id_is_preferred_when_it_is_fit_to_show() {
    for (theirs, taken) in [("abc-1", true), ("", false), ("a b", false)] {
        let reply = Reply::status(204).header("x-request-id", theirs);
        let upstream = FakeNeon::start(vec![reply]).await;
        let answer = read(&upstream).await.unwrap();
        let ours = upstream.requests()[0].header("x-request-id").unwrap().to_owned();
        assert_eq!(answer.request_id, if taken { theirs } else { &ours });
    }
    let body = json!({ "request_id": "in-the-body", "code": "", "message": "x" });
    let upstream = FakeNeon::start(vec![Reply::json(404, body)]).await;
    let error = read(&upstream).await.unwrap_err();
    assert_eq!(error.request_id(), Some("in-the-body"));
}

#[tokio::test]
async fn clones_share_a_connection() {
    let upstream = FakeNeon::always(Reply::json(200, json!({}))).await;
    let client = client(&upstream);
    for _ in 0..3 {
        client.clone().read(get(), &context()).await.unwrap();
    }
    let connections: std::collections::HashSet<_> =
        upstream.requests().iter().map(|request| request.connection).collect();
    assert_eq!(connections.len(), 1);
}

#[tokio::test]
async fn a_base_with_its_own_path_is_kept() {
    let upstream = FakeNeon::always(Reply::status(204)).await;
    let base = format!("{}/gateway/neon/", upstream.origin());
    Client::new(config(&base))
        .send(permit(changing(Method::Put)), &context())
        .await
        .unwrap();
    assert_eq!(upstream.requests()[0].target, "/gateway/neon/projects");
}

#[tokio::test]
async fn gzip_is_asked_for() {
    let upstream = FakeNeon::always(Reply::status(204)).await;
    read(&upstream).await.unwrap();
    assert_eq!(upstream.requests()[0].header("accept-encoding"), Some("gzip"));
}

#[tokio::test]
async fn a_slow_answer_within_the_time_is_an_answer() {
    let slow = Reply::json(200, json!({})).after(std::time::Duration::from_millis(200));
    let upstream = FakeNeon::start(vec![slow]).await;
    assert_eq!(read(&upstream).await.unwrap().attempts, 1);
}

#[test]
fn a_new_client_has_done_nothing() {
    // Outside a runtime: no connection, no timer, no TLS.
    let client = Client::new(config("https://console.neon.tech"));
    assert_eq!(client.config().base.as_str(), neon_mcp::neon::DEFAULT_BASE);
}
