//! An approval from the approval page of an HTTP server.

use std::collections::HashMap;
use std::path::PathBuf;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue};
use rmcp::RoleClient;
use rmcp::service::RunningService;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::{NOTHING, error};
use crate::support::http::{connect, plain, token};
use crate::support::policy::write_policy;
use crate::support::server::{Era, KEY, TestClient, call, program, state_home};
use crate::support::world::{BRANCH, PROJECT, World};

/// What stands behind a branch that is deleted for good.
const FOR_GOOD: &str = " for good";

/// A server over HTTP with a client that can't ask.
struct Web {
    child: tokio::process::Child,
    origin: String,
    client: RunningService<RoleClient, TestClient>,
    log: tokio::sync::mpsc::UnboundedReceiver<String>,
    http: reqwest::Client,
    state: PathBuf,
    approvals: std::sync::Mutex<HashMap<String, String>>,
}

impl Web {
    async fn start(world: &World, policy: &str, files: &[(&str, &str)]) -> Self {
        Self::start_in(world, policy, files, false).await
    }

    /// The same; `named` where the state directory isn't the one that the program finds by itself.
    async fn start_in(world: &World, policy: &str, files: &[(&str, &str)], named: bool) -> Self {
        let state: PathBuf = state_home();
        write_policy(state.join("policy.toml"), policy);
        for (name, text) in files {
            std::fs::write(state.join(name), text).expect("written");
        }
        let policy = state.join("policy.toml");
        let policy = policy.to_str().expect("a path");
        let arguments = [
            "http",
            "--listen",
            "127.0.0.1:0",
            "--toolsets",
            "all",
            "--policy",
            policy,
        ];
        let mut command = program(&arguments, &world.url(), KEY);
        if named {
            command.arg("--state-dir").arg(state.join("neon-mcp"));
        } else {
            command.env("XDG_STATE_HOME", &state);
        }
        command.env("NEON_MCP_LOG", "warn");
        let mut child = command.spawn().expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let url = lines.next_line().await.expect("a line").expect("a URL");
        let mut errors = BufReader::new(child.stderr.take().expect("stderr")).lines();
        let (send, log) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = errors.next_line().await {
                let _ = send.send(line);
            }
        });
        let client = connect(&url, token(&state, &url).as_deref(), TestClient::alone(), Era::Modern).await;
        Self {
            child,
            origin: url.trim_end_matches("/mcp").to_owned(),
            client,
            log,
            http: plain(),
            state,
            approvals: std::sync::Mutex::default(),
        }
    }

    /// Deletes a branch: the page's address, as the agent gets it.
    async fn wait_for_approval(&self, branch: &str) -> String {
        let (value, is_error) = self.delete(branch).await;
        assert!(is_error && error(&value)["kind"] == "requires_approval", "{value}");
        let page = error(&value)["approval_page"].as_str().expect("a page").to_owned();
        assert!(page.starts_with(&format!("{}/approve/", self.origin)), "{page}");
        page
    }

    /// A request that stands alone: what was handed out with the code comes back with it, as an agent gives it back.
    async fn delete(&self, branch: &str) -> (Value, bool) {
        let mut arguments = json!({"project_id": PROJECT, "branch_id": branch});
        if let Some(branch) = branch.strip_suffix(FOR_GOOD) {
            arguments = json!({"project_id": PROJECT, "branch_id": branch, "hard_delete": true});
        }
        if let Some(approval) = self.approvals.lock().expect("a lock").get(branch) {
            arguments["approval"] = approval.clone().into();
        }
        let (value, is_error) = call(&self.client, "delete_branch", arguments).await;
        if let Some(approval) = value["error"]["approval"].as_str() {
            let mut approvals = self.approvals.lock().expect("a lock");
            approvals.insert(branch.to_owned(), approval.to_owned());
        }
        (value, is_error)
    }

    /// The secret that the log tells for a page.
    async fn secret(&mut self, page: &str) -> String {
        loop {
            let line = tokio::time::timeout(std::time::Duration::from_secs(10), self.log.recv());
            let line = line.await.expect("a line in time").expect("a line");
            if let Some((before, secret)) = line.split_once("one-time secret ") {
                assert!(before.contains(page), "{line}");
                return secret.trim().to_owned();
            }
        }
    }

    async fn get(&self, page: &str) -> (StatusCode, HeaderMap, String) {
        let response = self.http.get(page).send().await.expect("an answer");
        (
            response.status(),
            response.headers().clone(),
            response.text().await.expect("text"),
        )
    }

    async fn post(&self, page: &str, form: &[(&str, &str)], headers: &[(&'static str, &str)]) -> (StatusCode, String) {
        let form: HashMap<_, _> = form.iter().copied().collect();
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let mut request = self
            .http
            .post(page)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        for (name, value) in headers {
            request = request.header(*name, HeaderValue::from_str(value).expect("a value"));
        }
        let response = request.send().await.expect("an answer");
        (response.status(), response.text().await.expect("text"))
    }
}

#[tokio::test]
async fn approval_on_the_page_lets_the_call_run_once() {
    let world = World::start().await;
    let mut web = Web::start(&world, "", &[]).await;
    let page = web.wait_for_approval(BRANCH).await;
    let secret = web.secret(&page).await;
    let code = page.rsplit('/').next().expect("a code").replace('-', "");
    let kept = std::fs::read_to_string(web.state.join(format!("neon-mcp/approvals/{code}.json"))).expect("a file");
    assert!(kept.contains("page_secret") && !kept.contains(&secret), "{kept}");
    let (status, headers, html) = web.get(&page).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        html.contains("br-quiet-sun-a1b2c3d4") && !html.contains(&secret) && !html.contains("<script"),
        "{html}"
    );
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
    ] {
        assert_eq!(headers[name], value);
    }
    let policy = headers["content-security-policy"].to_str().expect("text");
    assert!(
        policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    let own = web.origin.clone();
    let form = [("decision", "approve"), ("secret", secret.as_str())];
    let (status, html) = web
        .post(&page, &form, &[("origin", &own), ("sec-fetch-site", "same-origin")])
        .await;
    assert!(status == StatusCode::OK && html.contains("Approved"), "{html}");
    assert_eq!(world.changes(), NOTHING);
    let (status, html) = web.post(&page, &form, &[]).await;
    assert!(status == StatusCode::CONFLICT && html.contains("Approved"), "{html}");
    let (value, is_error) = web.delete(BRANCH).await;
    assert!(!is_error && value["approved_by"] == "page", "{value}");
    assert_eq!(world.changes().len(), 1);
    let next = web.wait_for_approval(BRANCH).await;
    assert_ne!(next, page);
    assert_ne!(web.secret(&next).await, secret, "each has a secret of its own");
    assert_eq!(web.get(&page).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn nobody_decides_without_the_secret() {
    let world = World::start().await;
    let mut web = Web::start(&world, "", &[]).await;
    let page = web.wait_for_approval(BRANCH).await;
    let secret = web.secret(&page).await;
    for (form, headers, expected) in [
        (vec![("decision", "approve")], vec![], StatusCode::UNPROCESSABLE_ENTITY),
        (
            vec![("decision", "approve"), ("secret", "")],
            vec![],
            StatusCode::FORBIDDEN,
        ),
        (
            vec![("decision", "reject"), ("secret", "guess")],
            vec![],
            StatusCode::FORBIDDEN,
        ),
        (
            vec![("secret", secret.as_str())],
            vec![],
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            vec![("decision", "maybe"), ("secret", secret.as_str())],
            vec![],
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        // From elsewhere not even with it.
        (
            vec![("decision", "approve"), ("secret", secret.as_str())],
            vec![("origin", "https://evil.example")],
            StatusCode::FORBIDDEN,
        ),
        (
            vec![("decision", "approve"), ("secret", secret.as_str())],
            vec![("origin", "null")],
            StatusCode::FORBIDDEN,
        ),
        (
            vec![("decision", "approve"), ("secret", secret.as_str())],
            vec![("sec-fetch-site", "cross-site")],
            StatusCode::FORBIDDEN,
        ),
        (
            vec![("decision", "approve"), ("secret", secret.as_str())],
            vec![("host", "evil.example")],
            StatusCode::FORBIDDEN,
        ),
    ] {
        let (status, html) = web.post(&page, &form, &headers).await;
        assert_eq!(status, expected, "{form:?} {headers:?} {html}");
        assert!(!html.contains(&secret));
    }
    let get = web.http.get(format!("{page}?decision=approve&secret={secret}"));
    assert_eq!(get.send().await.expect("an answer").status(), StatusCode::OK);
    let json = web
        .http
        .post(&page)
        .header("content-type", "application/json")
        .body("{}");
    let status = json.send().await.expect("an answer").status();
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let large = format!("decision=approve&secret={}", "x".repeat(100_000));
    let large = web
        .http
        .post(&page)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(large);
    assert_eq!(
        large.send().await.expect("an answer").status(),
        StatusCode::PAYLOAD_TOO_LARGE
    );
    let waits = web.wait_for_approval(BRANCH).await;
    assert_eq!(waits, page, "nothing was decided");
    assert_eq!(world.changes(), NOTHING);
}

#[tokio::test]
async fn file_in_the_state_directory_is_no_approval_from_the_page() {
    let world = World::start().await;
    let web = Web::start(&world, "[approval]\nchannels = [\"page\"]\n", &[]).await;
    let (value, _) = web.delete(BRANCH).await;
    let page = error(&value)["approval_page"].as_str().expect("a page").to_owned();
    let code = page.rsplit('/').next().expect("a code").replace('-', "");
    let file = web.state.join(format!("neon-mcp/approvals/{code}.json"));
    let mut known: Value = serde_json::from_str(&std::fs::read_to_string(&file).expect("a file")).expect("JSON");
    for seal in [Value::Null, "made up".into()] {
        known["state"] = json!({"approved": {
            "at": "2026-01-01T00:00:00Z", "by": "page", "until": "2036-01-01T00:00:00Z", "seal": seal,
        }});
        std::fs::write(&file, known.to_string()).expect("written");
        let (value, is_error) = web.delete(BRANCH).await;
        assert!(is_error && error(&value)["kind"] == "requires_approval", "{value}");
    }
    assert_eq!(world.changes(), NOTHING);
}

#[tokio::test]
async fn a_page_that_can_not_decide_names_the_whole_command_that_can() {
    let world = World::start().await;
    for named in [false, true] {
        let web = Web::start_in(&world, "", &[], named).await;
        let page = web.wait_for_approval(BRANCH).await;
        let code = page.rsplit('/').next().expect("a code");
        // As a server puts a call down that has no page.
        let directory = web.state.join("neon-mcp");
        let file = directory.join(format!("approvals/{}.json", code.replace('-', "")));
        let mut known: Value = serde_json::from_str(&std::fs::read_to_string(&file).expect("a file")).expect("JSON");
        known["page_secret"] = Value::Null;
        std::fs::write(&file, known.to_string()).expect("written");
        let form = [("decision", "approve"), ("secret", "any")];
        let (status, html) = web.post(&page, &form, &[]).await;
        let place = if named {
            format!(" --state-dir {}", directory.display())
        } else {
            String::new()
        };
        let command = format!("<code>neon-mcp approve {code}{place}</code>");
        assert!(status == StatusCode::FORBIDDEN && html.contains(&command), "{html}");
    }
    assert_eq!(world.changes(), NOTHING);
}

#[tokio::test]
async fn a_link_from_elsewhere_shows_the_page() {
    let world = World::start().await;
    let web = Web::start(&world, "", &[]).await;
    let page = web.wait_for_approval(BRANCH).await;
    let linked = web.http.get(&page).header("sec-fetch-site", "cross-site");
    assert_eq!(linked.send().await.expect("an answer").status(), StatusCode::OK);
    let rebound = web.http.get(&page).header("host", "evil.example");
    assert_eq!(rebound.send().await.expect("an answer").status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn guessing_the_secret_ends_in_a_no() {
    let world = World::start().await;
    let mut web = Web::start(&world, "", &[]).await;
    let page = web.wait_for_approval(BRANCH).await;
    let secret = web.secret(&page).await;
    for guess in 0..5 {
        let guess = guess.to_string();
        let (status, _) = web
            .post(&page, &[("decision", "approve"), ("secret", &guess)], &[])
            .await;
        assert_eq!(status, StatusCode::FORBIDDEN);
    }
    let (status, html) = web
        .post(&page, &[("decision", "approve"), ("secret", &secret)], &[])
        .await;
    assert!(status == StatusCode::CONFLICT && html.contains("Rejected"), "{html}");
    // Nobody decided, and nobody is said to have.
    let (value, is_error) = web.delete(BRANCH).await;
    assert!(is_error && error(&value)["kind"] == "too_many_wrong_tries", "{value}");
    assert!(
        !error(&value)["message"]
            .as_str()
            .expect("a text")
            .contains("user rejected"),
        "{value}"
    );
    assert_eq!(world.changes(), NOTHING);
    let lines = std::fs::read_to_string(web.state.join("neon-mcp/audit.jsonl")).expect("a log");
    let rejected: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .filter(|line| line["outcome"] == "rejected")
        .collect();
    // At the last try, and when the call was repeated.
    assert_eq!(rejected.len(), 2, "{lines}");
    for line in &rejected {
        assert_eq!(
            (&line["channel"], &line["approver"]),
            (&json!("page"), &Value::Null),
            "{line}"
        );
        assert!(
            line["reason"].as_str().expect("a reason").contains("nobody decided"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn the_page_asks_for_the_name_and_takes_a_no() {
    let for_good = format!("{BRANCH}{FOR_GOOD}");
    let world = World::start().await;
    let mut web = Web::start(&world, "", &[]).await;
    let page = web.wait_for_approval(&for_good).await;
    let secret = web.secret(&page).await;
    assert!(web.get(&page).await.2.contains("name=\"name\""));
    for name in ["", "Main", "yes"] {
        let form = [("decision", "approve"), ("secret", secret.as_str()), ("name", name)];
        let (status, html) = web.post(&page, &form, &[]).await;
        assert!(
            status == StatusCode::UNPROCESSABLE_ENTITY && html.contains("the name"),
            "{html}"
        );
    }
    let form = [("decision", "approve"), ("secret", secret.as_str()), ("name", "dev")];
    assert_eq!(web.post(&page, &form, &[]).await.0, StatusCode::OK);
    assert!(!web.delete(&for_good).await.1);
    let page = web.wait_for_approval(BRANCH).await;
    let secret = web.secret(&page).await;
    let (_, html) = web
        .post(&page, &[("decision", "reject"), ("secret", &secret)], &[])
        .await;
    assert!(html.contains("Rejected"), "{html}");
    let (value, _) = web.delete(BRANCH).await;
    assert_eq!(error(&value)["kind"], "rejected", "{value}");
    assert_eq!(world.changes().len(), 1);
}

#[tokio::test]
async fn what_the_page_shows_is_text() {
    let world = World::with(|facts| {
        facts.branch()["name"] = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;".into();
    })
    .await;
    let web = Web::start(&world, "", &[]).await;
    let page = web.wait_for_approval(BRANCH).await;
    let (_, _, html) = web.get(&page).await;
    assert!(
        !html.contains("<script") && !html.contains("<img") && html.contains("&lt;script&gt;"),
        "{html}"
    );
    for path in [
        "/approve/",
        "/approve/%3Cscript%3E",
        "/approve/BBBB-BBBB",
        "/approve/..%2F..%2Fetc",
    ] {
        let (status, _, html) = web.get(&format!("{}{path}", web.origin)).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(!html.contains("<script"), "{html}");
    }
}

#[tokio::test]
async fn page_shows_every_character_that_is_sent() {
    let world = World::start().await;
    let web = Web::start(&world, "", &[]).await;
    let name = "a  b\u{202e}c\u{200b}\u{2800}\u{a0}<b>\\n\"d\" [2J";
    let mut addresses = vec!["203.0.113.77"; 90];
    addresses.push("0.0.0.0/0");
    let arguments = json!({"project_id": PROJECT, "name": name, "allowed_ips": addresses});
    let (value, _) = call(&web.client, "update_project", arguments).await;
    let page = error(&value)["approval_page"]
        .as_str()
        .unwrap_or_else(|| panic!("{value}"))
        .to_owned();
    let (_, _, html) = web.get(&page).await;
    let escaped = neon_mcp::neon::text::escaped(&Value::from(name).to_string());
    let in_html = escaped
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;");
    assert!(html.contains(&in_html), "{in_html}: {html}");
    assert!(
        html.contains("0.0.0.0/0") && html.matches("203.0.113.77").count() >= 90,
        "nothing is cut: {html}"
    );
    assert!(
        !html.chars().any(|c| c != '\n' && neon_mcp::neon::text::is_unseen(c)),
        "nothing is invisible: {html:?}"
    );
}

#[tokio::test]
async fn the_operators_own_secret_stays_out_of_the_log() {
    let world = World::start().await;
    let secret = "an operators own secret";
    let policy = "[approval]\nchannels = [\"page\"]\npage_secret_file = \"page.secret\"\n";
    let mut web = Web::start(&world, policy, &[("page.secret", secret)]).await;
    let (value, _) = web.delete(BRANCH).await;
    assert!(error(&value).get("code").is_none(), "no terminal counts: {value}");
    let page = error(&value)["approval_page"].as_str().expect("a page").to_owned();
    let (status, _) = web
        .post(&page, &[("decision", "approve"), ("secret", secret)], &[])
        .await;
    assert_eq!(status, StatusCode::OK);
    assert!(!web.delete(BRANCH).await.1);
    web.log.close();
    while let Some(line) = web.log.recv().await {
        assert!(!line.contains(secret), "{line}");
    }
}

#[tokio::test]
async fn operators_secret_cannot_be_guessed_by_asking_anew() {
    let world = World::start().await;
    let secret = "an operators own secret";
    let policy = "[approval]\nchannels = [\"page\"]\npage_secret_file = \"page.secret\"\n";
    let mut web = Web::start(&world, policy, &[("page.secret", secret)]).await;
    let calls = [BRANCH.to_owned(), format!("{BRANCH}{FOR_GOOD}")];
    let mut pages = Vec::new();
    for call in &calls {
        let (value, _) = web.delete(call).await;
        pages.push(error(&value)["approval_page"].as_str().expect("a page").to_owned());
    }
    // Fewer of each than refuse it.
    for (page, guesses) in pages.iter().zip([3, 2]) {
        for guess in 0..guesses {
            let form = [("decision", "approve"), ("secret", &*format!("guess {guess}"))];
            assert_eq!(web.post(page, &form, &[]).await.0, StatusCode::FORBIDDEN);
        }
    }
    let right = [("decision", "approve"), ("secret", secret)];
    let (status, html) = web.post(&pages[0], &right, &[]).await;
    assert!(
        status == StatusCode::TOO_MANY_REQUESTS && html.contains("1 seconds"),
        "{status} {html}"
    );
    assert_eq!(web.delete(BRANCH).await.0["error"]["kind"], "requires_approval");
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert_eq!(web.post(&pages[0], &right, &[]).await.0, StatusCode::OK);
    assert!(!web.delete(BRANCH).await.1);
    let lines = std::fs::read_to_string(web.state.join("neon-mcp/audit.jsonl")).expect("a log");
    assert_eq!(lines.matches("a wrong secret was given").count(), 5, "{lines}");
    assert!(
        lines.contains("from 127.0.0.1: 5 from there, 5 in all") && !lines.contains("guess 1"),
        "{lines}"
    );
    web.log.close();
    let mut warned = 0;
    while let Some(line) = web.log.recv().await {
        assert!(!line.contains("guess 1"), "{line}");
        warned += usize::from(line.contains("a wrong secret was given") && line.contains("127.0.0.1"));
    }
    assert_eq!(warned, 5);
}

#[tokio::test]
async fn operators_secret_is_read_again_at_a_signal_and_the_earlier_one_counts_no_more() {
    let world = World::start().await;
    let (first, second) = ("an operators own secret", "another of the operators");
    let policy = "[approval]\nchannels = [\"page\"]\npage_secret_file = \"page.secret\"\n";
    let web = Web::start(&world, policy, &[("page.secret", first)]).await;
    let (value, _) = web.delete(BRANCH).await;
    let page = error(&value)["approval_page"].as_str().expect("a page").to_owned();
    let post = async |secret: &str| {
        web.post(&page, &[("decision", "approve"), ("secret", secret)], &[])
            .await
            .0
    };
    std::fs::write(web.state.join("page.secret"), second).expect("written");
    hang_up(&web.child).await;
    // What waits already is decided by the one that is there now.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(post(second).await, StatusCode::OK);
    assert!(!web.delete(BRANCH).await.1);
    let (value, _) = web.delete(&format!("{BRANCH}{FOR_GOOD}")).await;
    let page = error(&value)["approval_page"].as_str().expect("a page").to_owned();
    let form = [("decision", "approve"), ("secret", first), ("name", "dev")];
    assert_eq!(web.post(&page, &form, &[]).await.0, StatusCode::FORBIDDEN);
    // A secret that can't be read leaves the one before.
    std::fs::write(web.state.join("page.secret"), "short").expect("written");
    hang_up(&web.child).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let form = [("decision", "approve"), ("secret", second), ("name", "dev")];
    assert_eq!(web.post(&page, &form, &[]).await.0, StatusCode::OK);
}

async fn hang_up(child: &tokio::process::Child) {
    let id = child.id().expect("an id").to_string();
    let killed = tokio::process::Command::new("kill").args(["-HUP", &id]).status().await;
    assert!(killed.expect("kill").success());
}

#[tokio::test]
async fn page_is_not_served_where_its_approval_would_not_count() {
    let world = World::start().await;
    let web = Web::start(&world, "[approval]\nchannels = [\"terminal\"]\n", &[]).await;
    let (value, _) = web.delete(BRANCH).await;
    let code = error(&value)["code"].as_str().expect("a code");
    assert!(error(&value).get("approval_page").is_none(), "{value}");
    assert_eq!(
        web.get(&format!("{}/approve/{code}", web.origin)).await.0,
        StatusCode::NOT_FOUND
    );
}
