//! Somebody has a personal key, as most people do: it reaches several organizations, and Neon wants to be told which one.

use std::collections::BTreeSet;

use neon_mcp::sandbox::{ExtraKey, KeyKind, Sandbox, SandboxOptions};
use serde_json::{Value, json};

use crate::support::fence::bare_value;
use crate::support::sandbox;
use crate::support::server::{Era, TestClient, TestServer, program};

/// A sandbox whose user is in these organizations beside the first one, and the ids of all.
async fn in_organizations(more: &[&str]) -> (Sandbox, Vec<String>) {
    let sandbox = sandbox::start(SandboxOptions {
        extra_organizations: more.iter().map(|name| (*name).to_owned()).collect(),
        extra_keys: vec![ExtraKey {
            key: "sandbox_of_the_organization".to_owned(),
            name: "organization".to_owned(),
            kind: KeyKind::Organization,
        }],
        ..SandboxOptions::default()
    })
    .await;
    let (_, listed) = get(&sandbox, sandbox.api_key(), "/users/me/organizations").await;
    let ids = listed["organizations"].as_array().expect("a list").iter();
    let ids = ids.map(|one| one["id"].as_str().expect("an id").to_owned()).collect();
    (sandbox, ids)
}

async fn get(sandbox: &Sandbox, key: &str, path: &str) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = format!("{}{path}", sandbox.api_url());
    let answer = client.get(url).bearer_auth(key).send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

async fn server(sandbox: &Sandbox, key: &str, more: &[&str]) -> TestServer {
    let mut command = program(&[&["--toolsets", "all"], more].concat(), &sandbox.api_url(), key);
    command.env("NEON_MCP_LOG", "error");
    TestServer::run(command, TestClient::alone(), Era::Legacy).await
}

async fn done(server: &TestServer, tool: &str, arguments: Value) -> Value {
    let (value, is_error) = server.call(tool, arguments).await;
    assert!(!is_error, "{tool}: {value}");
    bare_value(&value["result"])
}

async fn make(server: &TestServer, organization: &str, name: &str) -> String {
    let made = done(server, "create_project", json!({"name": name, "org_id": organization})).await;
    assert_eq!(made["project"]["org_id"], organization, "{made}");
    made["project"]["id"].as_str().expect("an id").to_owned()
}

fn names(listed: &Value) -> Vec<String> {
    let projects = listed["projects"].as_array().expect("a list").iter();
    projects
        .map(|one| one["name"].as_str().expect("a name").to_owned())
        .collect()
}

#[tokio::test]
async fn sandbox_wants_the_organization_of_a_personal_key_as_neon_does() {
    let (sandbox, ids) = in_organizations(&[]).await;
    for path in ["/projects", "/projects?search=a", "/projects?recoverable=true&limit=3"] {
        let (status, said) = get(&sandbox, sandbox.api_key(), path).await;
        assert_eq!(status, 400, "{path}: {said}");
        assert!(
            said["message"].as_str().expect("words").starts_with("org_id "),
            "{said}"
        );
        assert_eq!(
            get(&sandbox, "sandbox_of_the_organization", path).await.0,
            200,
            "{path}"
        );
    }
    assert_eq!(
        get(&sandbox, sandbox.api_key(), &format!("/projects?org_id={}", ids[0]))
            .await
            .0,
        200
    );
}

#[tokio::test]
async fn somebody_in_one_organization_never_names_it() {
    let (sandbox, ids) = in_organizations(&[]).await;
    let server = server(&sandbox, sandbox.api_key(), &[]).await;
    let made = done(&server, "create_project", json!({"name": "shop"})).await;
    assert_eq!(made["project"]["org_id"], ids[0].as_str(), "{made}");
    assert_eq!(names(&done(&server, "list_projects", json!({})).await), ["shop"]);
    // A human is asked about a large one, with the names that there are.
    let (value, is_error) = server
        .call("create_project", json!({"name": "large", "default_max_cu": 16}))
        .await;
    assert!(is_error && value["error"]["kind"] == "requires_approval", "{value}");
    let shown = done(&server, "describe_project", json!({"project_id": "shop"})).await;
    assert_eq!(shown["project"]["name"], "shop", "{shown}");
    done(&server, "list_branches", json!({"project_id": "shop"})).await;
}

#[tokio::test]
async fn somebody_in_several_organizations_lists_and_names_projects_of_all() {
    let (sandbox, ids) = in_organizations(&["second", "third"]).await;
    let server = server(&sandbox, sandbox.api_key(), &[]).await;
    for (organization, name) in [(0, "a"), (0, "b"), (2, "c"), (2, "twice"), (0, "twice")] {
        make(&server, &ids[organization], name).await;
    }
    let all: BTreeSet<String> = ["a", "b", "c", "twice"].map(str::to_owned).into();
    let listed = done(&server, "list_projects", json!({})).await;
    assert_eq!(listed["projects"].as_array().map(Vec::len), Some(5), "{listed}");
    assert_eq!(names(&listed).into_iter().collect::<BTreeSet<_>>(), all);
    // Whose each is, is told where the call doesn't say it.
    let tells = |listed: &Value| {
        let mut projects = listed["projects"].as_array().expect("a list").iter();
        projects.any(|one| one.get("org_id").is_some())
    };
    assert!(tells(&listed), "{listed}");
    let of_one = done(&server, "list_projects", json!({"org_id": ids[0]})).await;
    assert!(names(&of_one).len() == 3 && !tells(&of_one), "{of_one}");
    // Page by page, whatever its size: nothing twice, nothing left out.
    for limit in 1..=5 {
        let (mut seen, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let mut arguments = json!({"limit": limit});
            if cursor.is_string() {
                arguments["cursor"] = cursor;
            }
            let (page, is_error) = server.call("list_projects", arguments).await;
            assert!(!is_error, "{page}");
            let page_of = bare_value(&page);
            let found = names(&page_of["result"]);
            assert!(found.len() <= limit, "{page_of}");
            seen.extend(found);
            cursor = page["page"]["next_cursor"].clone();
            if !cursor.is_string() {
                break;
            }
            assert!(seen.len() <= 5, "{seen:?}");
        }
        seen.sort();
        assert_eq!(seen, ["a", "b", "c", "twice", "twice"], "{limit}");
    }
    // A name is looked for in all of them; one that two have is nobody's.
    for name in ["a", "c"] {
        let shown = done(&server, "describe_project", json!({"project_id": name})).await;
        assert_eq!(shown["project"]["name"], name, "{shown}");
    }
    let (value, is_error) = server.call("describe_project", json!({"project_id": "twice"})).await;
    assert!(is_error && value["error"]["kind"] == "unresolved", "{value}");
    // What is made is made in one that is named: the answer says which there are.
    let (value, is_error) = server.call("create_project", json!({"name": "unmade"})).await;
    assert!(is_error, "{value}");
    assert_eq!(value["error"]["argument"], "org_id", "{value}");
    for id in &ids {
        assert!(value["error"]["message"].to_string().contains(id), "{value}");
    }
    let listed = done(&server, "list_projects", json!({"search": "unmade"})).await;
    assert_eq!(listed["projects"], json!([]), "nothing was made");
    // With --org-id, look-ups are about that one alone.
    let fixed = self::server(&sandbox, sandbox.api_key(), &["--org-id", &ids[2]]).await;
    let shown = done(&fixed, "describe_project", json!({"project_id": "twice"})).await;
    assert_eq!(shown["project"]["org_id"], ids[2].as_str(), "{shown}");
    assert_eq!(names(&done(&fixed, "list_projects", json!({})).await).len(), 2);
    assert_eq!(
        done(&fixed, "create_project", json!({"name": "e"})).await["project"]["org_id"],
        ids[2].as_str()
    );
    let (value, is_error) = fixed.call("describe_project", json!({"project_id": "a"})).await;
    assert!(is_error && value["error"]["kind"] == "unresolved", "{value}");
}

#[tokio::test]
async fn somebody_whose_policy_allows_one_organization_works_in_that_one() {
    let (sandbox, ids) = in_organizations(&["second"]).await;
    let server = server(&sandbox, sandbox.api_key(), &[]).await;
    for (organization, name) in ids.iter().zip(["a", "b"]) {
        make(&server, organization, name).await;
    }
    let place = tempfile::tempdir().expect("a directory");
    let policy = place.path().join("policy.toml");
    std::fs::write(&policy, format!("allowed_organizations = [\"{}\"]\n", ids[1])).expect("a policy");
    let policy = policy.to_str().expect("a path");
    let bound = self::server(&sandbox, sandbox.api_key(), &["--policy", policy]).await;
    assert_eq!(names(&done(&bound, "list_projects", json!({})).await), ["b"]);
    let made = done(&bound, "create_project", json!({"name": "c"})).await;
    assert_eq!(made["project"]["org_id"], ids[1].as_str(), "{made}");
    let (value, is_error) = bound.call("describe_project", json!({"project_id": "a"})).await;
    assert!(is_error, "{value}");
}

#[tokio::test]
async fn somebody_with_the_key_of_an_organization_or_a_project_names_none_either() {
    let (sandbox, ids) = in_organizations(&["second"]).await;
    let own = server(&sandbox, sandbox.api_key(), &[]).await;
    let project = make(&own, &ids[0], "shop").await;
    make(&own, &ids[1], "other").await;
    let of_organization = server(&sandbox, "sandbox_of_the_organization", &[]).await;
    assert_eq!(
        names(&done(&of_organization, "list_projects", json!({})).await),
        ["shop"]
    );
    done(&of_organization, "describe_project", json!({"project_id": "shop"})).await;
    done(&of_organization, "create_project", json!({"name": "more"})).await;
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let key: Value = client
        .post(format!("{}/keys", sandbox.admin_url()))
        .bearer_auth(sandbox.api_key())
        .json(&json!({"name": "one", "kind": {"type": "project", "project_id": project}}))
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    let key = key["key"].as_str().unwrap_or_else(|| panic!("{key}"));
    let of_project = server(&sandbox, key, &[]).await;
    assert_eq!(names(&done(&of_project, "list_projects", json!({})).await), ["shop"]);
    done(&of_project, "list_branches", json!({"project_id": "shop"})).await;
}
