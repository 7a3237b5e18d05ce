//! What each fault does, and whether the work was done.

use std::time::{Duration, Instant};

use neon_sandbox::{Fault, FaultKind, Sandbox, SandboxOptions};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Rig, each, options};

async fn names(rig: &Rig) -> Vec<String> {
    let listed = rig.get("/projects").await.expect(200);
    each(&listed["projects"], "name")
        .into_iter()
        .map(str::to_owned)
        .collect()
}

fn shop() -> Value {
    json!({ "project": { "name": "shop" } })
}

#[tokio::test]
async fn a_status_fault_answers_for_its_times_and_does_no_work() {
    let rig = Rig::start().await;
    rig.arm(json!({
        "method": "post",
        "path": "/projects",
        "times": 2,
        "kind": { "type": "status", "status": 503, "retry_after": "Wed, 21 Oct 2015 07:28:00 GMT", "code": "BUSY", "message": "later" },
    }))
    .await;
    for _ in 0..2 {
        let answer = rig.post("/projects", shop()).await;
        assert_eq!(answer.headers["retry-after"], "Wed, 21 Oct 2015 07:28:00 GMT");
        let body = answer.expect(503);
        assert_eq!(
            (body["code"].as_str(), body["message"].as_str()),
            (Some("BUSY"), Some("later"))
        );
    }
    assert!(names(&rig).await.is_empty());
    rig.post("/projects", shop()).await.expect(201);
}

#[tokio::test]
async fn a_reset_does_no_work_and_a_lost_answer_does() {
    let rig = Rig::start().await;
    rig.arm(json!({ "method": "POST", "kind": { "type": "reset_before" } }))
        .await;
    assert!(rig.try_call(Method::POST, "/projects", Some(shop())).await.is_err());
    assert!(names(&rig).await.is_empty());
    rig.arm(json!({ "method": "POST", "kind": { "type": "lost_answer" } }))
        .await;
    assert!(rig.try_call(Method::POST, "/projects", Some(shop())).await.is_err());
    assert_eq!(names(&rig).await, ["shop"]);
}

/// Sends a GET by hand and returns the bytes that came before the end, and how it ended.
async fn raw_get(rig: &Rig, path: &str) -> (Vec<u8>, Option<std::io::ErrorKind>) {
    let address = rig.sandbox.api_url();
    let address = address.strip_prefix("http://").unwrap().split('/').next().unwrap();
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /api/v2{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
        rig.key
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let error = socket.read_to_end(&mut bytes).await.err().map(|error| error.kind());
    (bytes, error)
}

#[tokio::test]
async fn a_lost_answer_is_a_reset_without_one_byte() {
    let rig = Rig::start().await;
    for kind in ["reset_before", "lost_answer"] {
        rig.arm(json!({ "kind": { "type": kind } })).await;
        let (bytes, error) = raw_get(&rig, "/regions").await;
        assert_eq!(
            (bytes.len(), error),
            (0, Some(std::io::ErrorKind::ConnectionReset)),
            "{kind}"
        );
    }
}

#[tokio::test]
async fn a_cut_body_promises_more_than_it_sends() {
    let rig = Rig::start().await;
    rig.arm(json!({ "kind": { "type": "cut_body" } })).await;
    let (bytes, _) = raw_get(&rig, "/regions").await;
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let promised = head
        .to_lowercase()
        .split("content-length: ")
        .nth(1)
        .unwrap()
        .split("\r\n")
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(body.len(), promised.parse::<usize>().unwrap() / 2);
    rig.arm(json!({ "kind": { "type": "cut_body" } })).await;
    assert!(rig.try_call(Method::GET, "/regions", None).await.is_err());
}

#[tokio::test]
async fn malformed_json_is_complete_as_http() {
    let rig = Rig::start().await;
    rig.arm(json!({ "kind": { "type": "malformed_json" } })).await;
    let answer = rig.try_call(Method::GET, "/regions", None).await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.body.as_str().unwrap().starts_with("{\"regions\""));
}

#[tokio::test]
async fn a_slow_body_and_a_delay_take_their_time() {
    let rig = Rig::start().await;
    for kind in ["slow_body", "delay"] {
        rig.arm(json!({ "kind": { "type": kind, "millis": 160 } })).await;
        let start = Instant::now();
        rig.get("/regions").await.expect(200);
        assert!(start.elapsed() >= Duration::from_millis(150), "{kind}");
    }
}

#[tokio::test]
async fn a_redirect_does_no_work() {
    let rig = Rig::start().await;
    rig.arm(json!({ "method": "POST", "kind": { "type": "redirect", "location": "http://elsewhere.example/" } }))
        .await;
    let answer = rig.post("/projects", shop()).await;
    assert_eq!(answer.status, 307);
    assert_eq!(answer.headers["location"], "http://elsewhere.example/");
    assert!(names(&rig).await.is_empty());
}

#[tokio::test]
async fn failed_operations_fail_and_stuck_ones_hold_the_project() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    rig.arm(json!({ "method": "POST", "path": "*/branches", "kind": { "type": "failed_operation" } }))
        .await;
    let broken = rig.branch(&project, "broken").await;
    let listed = rig.get(&project.path("/operations?limit=1")).await.expect(200);
    assert_eq!(listed["operations"][0]["status"], "failed");
    assert_eq!(listed["operations"][0]["failures_count"], 1);
    assert!(listed["operations"][0]["error"].is_string());
    let read = rig.get(&project.branch(&broken, "")).await.expect(200);
    assert_eq!(read["branch"]["current_state"], "init");

    rig.arm(json!({ "method": "POST", "path": "*/branches", "kind": { "type": "stuck_operation" } }))
        .await;
    let body = json!({ "endpoints": [{ "type": "read_write" }] });
    rig.post(&project.path("/branches"), body).await.expect(201);
    rig.advance(86_400).await;
    let listed = rig.get(&project.path("/operations?limit=3")).await.expect(200);
    let mut statuses = each(&listed["operations"], "status");
    statuses.retain(|status| *status != "finished");
    assert_eq!(statuses, ["scheduling", "running"].as_slice(), "{listed}");
    rig.post(&project.path("/branches"), json!({})).await.refused(423);
}

#[tokio::test]
async fn faults_are_listed_counted_and_cleared() {
    let rig = Rig::start().await;
    rig.arm(json!([
        { "path": "/regions", "times": 3, "kind": { "type": "status", "status": 500 } },
        { "path": "/auth", "times": 0, "kind": { "type": "status", "status": 502 } },
    ]))
    .await;
    rig.get("/regions").await.refused(500);
    for _ in 0..3 {
        rig.get("/auth").await.refused(502);
    }
    let armed = rig.admin(Method::GET, "/faults", None).await.expect(200);
    assert_eq!(armed["faults"][0]["times"], 2);
    assert_eq!(armed["faults"][1]["times"], 0);
    rig.admin(Method::DELETE, "/faults", None).await.expect(200);
    rig.get("/regions").await.expect(200);
    rig.get("/auth").await.expect(200);
    for wrong in [
        json!({ "kind": { "type": "explosion" } }),
        json!({ "kind": { "type": "status", "status": 200 } }),
        json!({ "pth": "/x", "kind": { "type": "reset_before" } }),
        json!({ "probability": 2, "kind": { "type": "reset_before" } }),
    ] {
        rig.admin(Method::POST, "/faults", Some(wrong)).await.refused(400);
    }
}

#[tokio::test]
async fn a_probability_is_decided_by_the_seed() {
    let hits = async |seed: u64| {
        let fault = Fault {
            method: None,
            path: Some("/regions".into()),
            times: 0,
            kind: FaultKind::Status {
                status: 500,
                retry_after: None,
                code: String::new(),
                message: String::new(),
            },
            probability: Some(0.5),
        };
        let rig = Rig::with(SandboxOptions {
            seed,
            faults: vec![fault],
            ..options()
        })
        .await;
        let mut hits = Vec::new();
        for _ in 0..24 {
            hits.push(rig.get("/regions").await.status == 500);
        }
        hits
    };
    let first = hits(7).await;
    assert!(first.contains(&true) && first.contains(&false));
    assert_eq!(first, hits(7).await);
    assert_ne!(first, hits(8).await);
}

#[tokio::test]
async fn an_answer_that_is_damaged_was_preceded_by_the_work() {
    let rig = Rig::start().await;
    let named = |name: &str| Some(json!({ "project": { "name": name } }));
    rig.arm(json!({ "method": "POST", "kind": { "type": "cut_body" } }))
        .await;
    assert!(rig.try_call(Method::POST, "/projects", named("cut")).await.is_err());
    rig.arm(json!({ "method": "POST", "kind": { "type": "malformed_json" } }))
        .await;
    let answer = rig
        .try_call(Method::POST, "/projects", named("malformed"))
        .await
        .unwrap();
    assert_eq!(answer.status, 201);
    assert!(answer.body.is_string(), "not JSON: {}", answer.body);
    assert_eq!(names(&rig).await, ["malformed", "cut"]);
}

#[tokio::test]
async fn a_fault_hits_only_the_calls_it_is_for() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let kind = json!({ "type": "status", "status": 429, "retry_after": "7" });
    rig.arm(json!({ "method": "DELETE", "path": "/projects/*", "times": 0, "kind": kind }))
        .await;
    rig.get(&project.path("")).await.expect(200);
    rig.post("/projects", shop()).await.expect(201);
    let answer = rig.delete(&project.path("")).await;
    assert_eq!(answer.headers["retry-after"], "7");
    answer.refused(429);
    rig.get(&project.path("")).await.expect(200);
}

#[tokio::test]
async fn a_failed_operation_frees_the_project() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    rig.arm(json!({ "method": "POST", "kind": { "type": "failed_operation" } }))
        .await;
    rig.post(&project.path("/branches"), json!({})).await.expect(201);
    rig.post(&project.path("/branches"), json!({})).await.refused(423);
    rig.settle().await;
    rig.post(&project.path("/branches"), json!({})).await.expect(201);
}

#[tokio::test]
async fn a_sandbox_does_not_start_with_a_fault_that_makes_no_sense() {
    let fault: Fault = serde_json::from_value(json!({ "kind": { "type": "status", "status": 200 } })).unwrap();
    let started = Sandbox::start(SandboxOptions {
        faults: vec![fault],
        ..options()
    })
    .await;
    assert_eq!(started.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
}
