//! Functions, their deployments and their domains.

use serde_json::{Value, json};

use super::{Answer, Made, Rig, each, read, reference};

/// The smallest text that begins like a zip file.
pub const ZIP: &str = "PK\u{3}\u{4}rest";

/// Sends a deployment with these parts, as a form.
pub async fn deploy(rig: &Rig, path: &str, parts: &[(&str, &str)]) -> Answer {
    let mut body = String::new();
    for (name, content) in parts {
        let file = if *name == "zip" { "; filename=\"f.zip\"" } else { "" };
        body.push_str(&format!(
            "--XX\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{content}\r\n"
        ));
    }
    body.push_str("--XX--\r\n");
    let response = rig
        .http
        .post(format!("{}{path}", rig.sandbox.api_url()))
        .bearer_auth(&rig.key)
        .header("Content-Type", "multipart/form-data; boundary=XX")
        .body(body)
        .send()
        .await
        .unwrap();
    let answer = read(response).await.unwrap();
    reference::check(&reqwest::Method::POST, path, &answer);
    answer
}

/// A function that is live.
pub async fn live(rig: &Rig, project: &Made, slug: &str) -> String {
    let one = project.main(&format!("/functions/{slug}"));
    deploy(rig, &format!("{one}/deployments"), &[("zip", ZIP)])
        .await
        .expect(201);
    rig.settle().await;
    one
}

fn status<'a>(function: &'a Value, which: &str) -> &'a Value {
    &function["function"][which]["status"]
}

#[tokio::test]
async fn a_function_is_deployed_goes_live_and_is_deleted() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let one = project.main("/functions/hello");
    let deployments = format!("{one}/deployments");
    rig.get(&one).await.refused(404);
    let first = [("zip", ZIP), ("environment", "{\"TOKEN\":\"s3cret\",\"MODE\":\"a\"}")];
    let made = deploy(&rig, &deployments, &first).await.expect(201);
    assert_eq!(made["deployment"]["id"], 1);
    assert_eq!(made["deployment"]["status"], "pending");
    assert_eq!(made["deployment"]["environment"], json!(["MODE", "TOKEN"]));
    assert!(!made.to_string().contains("s3cret"));
    let early = rig.get(&one).await.expect(200);
    assert_eq!(early["function"]["name"], "hello");
    assert_eq!(early["function"]["active_deployment"], Value::Null);
    rig.settle().await;
    let live = rig.get(&one).await.expect(200);
    assert_eq!(status(&live, "active_deployment"), "completed");
    assert!(
        live["function"]["invocation_url"]
            .as_str()
            .unwrap()
            .starts_with("https://hello-")
    );

    let second = deploy(&rig, &deployments, &[("environment", "{\"MODE\":\"\"}")])
        .await
        .expect(201);
    assert_eq!(second["deployment"]["environment"], json!(["TOKEN"]));
    rig.settle().await;
    let live = rig.get(&one).await.expect(200);
    assert_eq!(live["function"]["active_deployment"]["id"], 2);
    rig.delete(&one).await.expect(204);
    rig.delete(&one).await.refused(404);
    rig.get(&one).await.refused(404);
}

#[tokio::test]
async fn a_deployment_that_makes_no_sense_is_refused() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let at = |slug: &str| project.main(&format!("/functions/{slug}/deployments"));
    let hello = at("hello");
    for parts in [
        vec![],
        vec![("runtime", "nodejs24")],
        vec![("zip", "no zip")],
        vec![("zip", ZIP), ("runtime", "python")],
        vec![("zip", ZIP), ("environment", "[]")],
        vec![("zip", ZIP), ("environment", "{\"A\":1}")],
    ] {
        deploy(&rig, &hello, &parts).await.refused(400);
    }
    for slug in ["Hello", "a-b", "abcdefghijklmnopqrstu"] {
        deploy(&rig, &at(slug), &[("zip", ZIP)]).await.refused(400);
    }
    // JSON is no form.
    rig.post(&hello, json!({ "runtime": "nodejs24" })).await.refused(400);
    let none = rig.get(&project.main("/functions")).await.expect(200);
    assert_eq!(none["functions"], json!([]));
}

#[tokio::test]
async fn a_failed_deployment_leaves_the_last_one_live() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let one = live(&rig, &project, "hello").await;
    rig.arm(json!({ "kind": { "type": "failed_operation" }, "method": "POST", "path": "*/deployments" }))
        .await;
    deploy(&rig, &format!("{one}/deployments"), &[("zip", ZIP)])
        .await
        .expect(201);
    rig.settle().await;
    let function = rig.get(&one).await.expect(200);
    assert_eq!(status(&function, "current_deployment"), "failed");
    assert!(function["function"]["current_deployment"]["error"].is_string());
    assert_eq!(function["function"]["active_deployment"]["id"], 1);
}

#[tokio::test]
async fn a_function_has_a_name_for_people_where_it_is_the_branch_s_own() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let one = live(&rig, &project, "hello").await;
    let renamed = rig.patch(&one, json!({ "name": " Hello there\t" })).await.expect(200);
    assert_eq!(renamed["function"]["name"], "Hello there");
    for wrong in [
        json!({}),
        json!({ "name": "  " }),
        json!({ "name": "" }),
        json!({ "name": "x".repeat(257) }),
    ] {
        rig.patch(&one, wrong).await.refused(400);
    }
    let cleared = rig.patch(&one, json!({ "name": null })).await.expect(200);
    assert_eq!(cleared["function"]["name"], "hello");
    let child = rig.branch(&project, "child").await;
    let there = project.branch(&child, "/functions/hello");
    rig.get(&there).await.expect(200);
    rig.patch(&there, json!({ "name": "x" })).await.refused(404);
}

#[tokio::test]
async fn functions_are_paged() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    for slug in ["a", "b", "c"] {
        live(&rig, &project, slug).await;
    }
    let all = project.main("/functions");
    let page = rig.get(&format!("{all}?limit=2")).await.expect(200);
    assert_eq!(each(&page["functions"], "slug"), ["a", "b"]);
    let cursor = page["pagination"]["next"].as_str().unwrap();
    let rest = rig.get(&format!("{all}?limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!(each(&rest["functions"], "slug"), ["c"]);
    assert_eq!(rest["pagination"], Value::Null);
}

#[tokio::test]
async fn a_domain_is_held_by_one_function_at_a_time() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    live(&rig, &project, "hello").await;
    live(&rig, &project, "other").await;
    let all = project.main("/custom-domains");
    let body = |domain: &str, slug: &str| json!({ "domain": domain, "entity_type": "function", "entity_id": slug });
    let made = rig.post(&all, body("API.Example.com.", "hello")).await.expect(201);
    assert_eq!(made["domain"], "api.example.com");
    assert!(made["cname_target"].is_string());
    rig.post(&all, body("api.example.com", "hello")).await.expect(201);
    rig.post(&all, body("api.example.com", "other")).await.refused(409);
    let elsewhere = rig.branch(&project, "child").await;
    let there = project.branch(&elsewhere, "/custom-domains");
    rig.post(&there, body("api.example.com", "hello")).await.refused(409);
    rig.post(&all, body("b.example.com", "none")).await.refused(404);
    for wrong in [
        "localhost",
        "a..b",
        "-a.example.com",
        "x.neon.tech",
        "a b.com",
        &format!("{}.com", "a.".repeat(130)),
    ] {
        rig.post(&all, body(wrong, "hello")).await.refused(400);
    }
    let branch = json!({ "domain": "c.example.com", "entity_type": "branch", "entity_id": "hello" });
    assert_eq!(rig.post(&all, branch).await.expect(400)["code"], "invalid_entity_type");
    rig.post(&all, body("b.example.com", "hello")).await.expect(201);
    let page = rig.get(&format!("{all}?limit=1")).await.expect(200);
    assert_eq!(each(&page["custom_domains"], "domain"), ["api.example.com"]);
    let cursor = page["pagination"]["next"].as_str().unwrap();
    let rest = rig.get(&format!("{all}?cursor={cursor}")).await.expect(200);
    assert_eq!(each(&rest["custom_domains"], "domain"), ["b.example.com"]);
    assert_eq!(rig.get(&there).await.expect(200)["custom_domains"], json!([]));
    rig.delete(&format!("{all}/API.example.com")).await.expect(204);
    rig.delete(&format!("{all}/api.example.com")).await.refused(404);
    rig.post(&there, body("api.example.com", "hello")).await.expect(201);
}
