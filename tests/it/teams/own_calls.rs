//! Where another than the caller must approve: who is told from whom, and what becomes of callers that nobody can tell from approvers.

use std::path::{Path, PathBuf};

use reqwest::StatusCode;
use rmcp::RoleClient;
use rmcp::service::RunningService;
use serde_json::{Value, json};

use super::provider::{Browser, CLIENT, Provider, SECRET, hidden};
use crate::support::http::OverHttp;
use crate::support::server::{Era, KEY, TestClient, call, program, state_home};
use crate::support::world::{BRANCH, PROJECT, World};

/// Two who approve.
const PEOPLE: [(&str, &[&str]); 2] = [("ann", &["dba"]), ("dora", &["dba"])];

/// Another than the caller approves, on the page.
const ON_PAGE: &str =
    "[approval]\nchannels = [\"page\"]\nown_calls = false\n\n[[approval.approvers]]\ngroups = [\"dba\"]\n";

/// Another than the caller approves, in a terminal or from a script.
const IN_TERMINAL: &str = "[approval]\nchannels = [\"terminal\"]\nown_calls = false\nwithout_terminal = true\n";

/// A Neon, and people who approve.
struct Place {
    world: World,
    provider: Provider,
    state: PathBuf,
}

type Client = RunningService<RoleClient, TestClient>;

impl Place {
    async fn new(policy: &str) -> Self {
        let state = state_home();
        for (name, text) in [
            ("policy.toml", policy),
            ("client.secret", SECRET),
            ("seal.key", &"s".repeat(32)),
        ] {
            std::fs::write(state.join(name), text).expect("written");
        }
        Self {
            world: World::start().await,
            provider: Provider::start(&PEOPLE).await,
            state,
        }
    }

    fn file(&self, name: &str) -> String {
        self.state.join(name).to_str().expect("a path").to_owned()
    }

    /// A server where approvers sign in.
    async fn serve(&self, more: &[&str]) -> OverHttp {
        let (policy, secret, issuer) = (
            self.file("policy.toml"),
            self.file("client.secret"),
            self.provider.origin(),
        );
        let arguments = [
            &[
                "http",
                "--listen",
                "127.0.0.1:0",
                "--policy",
                &policy,
                "--oauth-issuer",
                &issuer,
            ],
            &["--oauth-client-id", CLIENT, "--oauth-client-secret-file", &secret][..],
            more,
        ];
        let command = program(&arguments.concat(), &self.world.url(), KEY);
        OverHttp::start(command, &self.state).await
    }

    /// The person signs in, with these claims in their identity, and approves what waits on that page.
    async fn approves(&self, page: &str, person: &str, claims: &Value) -> StatusCode {
        self.provider.state().claims = claims.as_object().expect("an object").clone();
        let mut browser = Browser::new();
        let signed_in = browser.signs_in(&self.provider, page, person).await;
        if !signed_in.status.is_redirection() {
            return signed_in.status;
        }
        let shown = browser.get(page).await;
        if shown.status != StatusCode::OK {
            return shown.status;
        }
        let (origin, _) = page.split_once("/approve/").expect("a page");
        let form = hidden(&shown.text);
        let answer = browser
            .post(page, origin, &[("decision", "approve"), ("form", &form)])
            .await;
        answer.status
    }

    fn audit(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.state.join("neon-mcp/audit.jsonl")).expect("a log");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }
}

async fn delete(client: &Client, approval: &Value) -> (Value, bool) {
    let mut arguments = json!({"project_id": PROJECT, "branch_id": BRANCH});
    if !approval.is_null() {
        arguments["approval"] = approval.clone();
    }
    call(client, "delete_branch", arguments).await
}

/// The page of a deletion that waits, and what proves that it was asked for.
async fn asks(client: &Client) -> (String, Value) {
    let (value, is_error) = delete(client, &Value::Null).await;
    assert!(is_error && value["error"]["kind"] == "requires_approval", "{value}");
    let page = value["error"]["approval_page"]
        .as_str()
        .unwrap_or_else(|| panic!("{value}"));
    (page.to_owned(), value["error"]["approval"].clone())
}

/// A token that is made with these arguments.
async fn token(state: &Path, arguments: &[&str]) -> String {
    let arguments = [&["token", "create"], arguments].concat();
    let mut command = program(&arguments, "http://127.0.0.1:1", KEY);
    let output = command.env("XDG_STATE_HOME", state).output().await.expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A server that tells its callers apart by their tokens, and a client with one.
async fn with_token(place: &Place, token: String, more: &[&str]) -> (OverHttp, Client) {
    let mut server = place.serve(more).await;
    server.token = Some(token);
    let client = server.client(TestClient::alone(), Era::Modern).await;
    (server, client)
}

#[tokio::test]
async fn person_with_two_subjects_approves_no_call_of_their_own() {
    let place = Place::new(ON_PAGE).await;
    let mut server = place.serve(&["--auth", "oauth", "--oauth-subject-claim", "uid"]).await;
    let claims = |uid: Option<&str>| match uid {
        // The access token calls its owner otherwise than the identity does.
        Some(uid) => json!({"sub": "ann@example.com", "uid": uid}),
        None => json!({"sub": "ann@example.com"}),
    };
    let access = |uid| place.provider.access(&[&server.url], &claims(uid));
    let (good, without) = (access(Some("u-ann")), access(None));
    server.token = Some(good);
    let client = server.client(TestClient::alone(), Era::Modern).await;
    let (page, approval) = asks(&client).await;
    assert_eq!(
        place.approves(&page, "ann", &json!({"uid": "u-ann"})).await,
        StatusCode::FORBIDDEN
    );
    // An identity that names nobody by that claim signs nobody in, and what isn't a text names nobody.
    for none in [json!({}), json!({"uid": ["u-dora"]})] {
        assert_eq!(
            place.approves(&page, "dora", &none).await,
            StatusCode::BAD_GATEWAY,
            "{none}"
        );
    }
    let (_, is_error) = delete(&client, &approval).await;
    assert!(is_error && place.world.changes().is_empty());
    assert_eq!(
        place.approves(&page, "dora", &json!({"uid": "u-dora"})).await,
        StatusCode::SEE_OTHER
    );
    let (value, is_error) = delete(&client, &approval).await;
    let name = format!("{} u-dora", place.provider.origin());
    assert!(!is_error && value["approver"] == name, "{value}");
    assert_eq!(place.world.changes().len(), 1);
    // Whose token doesn't say who they are is nobody.
    let request = crate::support::http::plain().post(&server.url).bearer_auth(without);
    assert_eq!(
        request.send().await.expect("an answer").status(),
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn own_call_is_known_at_every_replica() {
    let place = Place::new(ON_PAGE).await;
    let (store, key) = (format!("dir:{}", place.file("store")), place.file("seal.key"));
    let more = [
        "--auth",
        "oauth",
        "--oauth-subject-claim",
        "sub",
        "--store",
        &store,
        "--seal-key-file",
        &key,
    ];
    let (mut one, other) = (place.serve(&more).await, place.serve(&more).await);
    one.token = Some(place.provider.access(&[&one.url, &other.url], &json!({"sub": "ann"})));
    let client = one.client(TestClient::alone(), Era::Modern).await;
    let (page, approval) = asks(&client).await;
    let elsewhere = page.replace(one.origin(), other.origin());
    assert_eq!(
        place.approves(&elsewhere, "ann", &json!({})).await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        place.approves(&elsewhere, "dora", &json!({})).await,
        StatusCode::SEE_OTHER
    );
    let (value, is_error) = delete(&client, &approval).await;
    assert!(!is_error, "{value}");
}

#[tokio::test]
async fn token_that_names_no_person_has_nobody_to_ask_on_the_page() {
    let place = Place::new(ON_PAGE).await;
    // A name that the operator gave is no subject, even where both are written alike.
    let ann = token(&place.state, &["ann"]).await;
    let (server, client) = with_token(&place, ann, &["--auth", "bearer"]).await;
    let (value, is_error) = delete(&client, &Value::Null).await;
    assert!(is_error && value["error"]["kind"] == "requires_approval", "{value}");
    assert!(
        value["error"]["approval_page"].is_null() && value["error"]["code"].is_null(),
        "{value}"
    );
    harness::assert_worded!(
        "approvals",
        "caller that nobody can tell from approvers: a token",
        value["error"]["message"]
    );
    drop(client);
    let said = super::super::auth::ended(server).await;
    assert!(
        said.contains("own_calls") && said.contains("--person"),
        "the start says so, too: {said}"
    );
}

#[tokio::test]
async fn token_that_names_its_person_is_approved_by_another_and_noted() {
    let place = Place::new(ON_PAGE).await;
    let made = token(&place.state, &["ci", "--person", "ann"]).await;
    let mut command = program(&["token", "list", "--json"], "http://127.0.0.1:1", KEY);
    let listed = command
        .env("XDG_STATE_HOME", &place.state)
        .output()
        .await
        .expect("runs");
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(listed[0]["person"], "ann");
    let (state, key) = (place.file("neon-mcp"), place.file("seal.key"));
    let more = ["--auth", "bearer", "--state-dir", &state, "--seal-key-file", &key];
    // Before the issuer named anybody so, the name may be mistyped.
    let (server, client) = with_token(&place, made.clone(), &more).await;
    let (value, is_error) = delete(&client, &Value::Null).await;
    assert!(is_error && value["error"]["approval_page"].is_null(), "{value}");
    harness::assert_worded!(
        "approvals",
        "caller whose token names a person who never signed in",
        value["error"]["message"]
    );
    let place_of_page = format!("{}/approve/", server.origin());
    let signed_in = Browser::new().signs_in(&place.provider, &place_of_page, "ann").await;
    assert!(signed_in.status.is_redirection());
    asks(&client).await;
    drop(client);
    let said = super::super::auth::ended(server).await;
    assert!(said.contains("own_calls") && said.contains("sign in once"), "{said}");
    // It is remembered.
    let (server, client) = with_token(&place, made, &more).await;
    let (page, approval) = asks(&client).await;
    assert_eq!(place.approves(&page, "ann", &json!({})).await, StatusCode::FORBIDDEN);
    assert_eq!(place.approves(&page, "dora", &json!({})).await, StatusCode::SEE_OTHER);
    let (value, is_error) = delete(&client, &approval).await;
    assert!(!is_error && value["approved_by"] == "page", "{value}");
    let lines = place.audit();
    let done = lines.iter().find(|line| line["outcome"] == "done").expect("a line");
    assert_eq!((&done["caller"], &done["person"]), (&json!("token ci"), &json!("ann")));
    drop(client);
    let said = super::super::auth::ended(server).await;
    assert!(!said.contains("own_calls"), "{said}");
}

#[tokio::test]
async fn terminal_is_another_only_to_callers_that_come_as_themselves() {
    let place = Place::new(IN_TERMINAL).await;
    let ci = token(&place.state, &["ci"]).await;
    let (server, client) = with_token(&place, ci, &["--auth", "bearer"]).await;
    let (value, _) = delete(&client, &Value::Null).await;
    let code = value["error"]["code"]
        .as_str()
        .unwrap_or_else(|| panic!("{value}"))
        .to_owned();
    let mut command = program(&["approve", &code, "--yes"], "http://127.0.0.1:1", KEY);
    let approved = command
        .env("XDG_STATE_HOME", &place.state)
        .output()
        .await
        .expect("runs");
    assert!(
        approved.status.success(),
        "{}",
        String::from_utf8_lossy(&approved.stderr)
    );
    let (value, is_error) = delete(&client, &value["error"]["approval"]).await;
    assert!(!is_error && value["approver"] == "cli", "{value}");
    drop((server, client));
    // The one token of a server lies in a file of whoever has the terminal.
    let place = Place::new(IN_TERMINAL).await;
    let server = place.serve(&[]).await;
    let client = server.client(TestClient::alone(), Era::Modern).await;
    let (value, is_error) = delete(&client, &Value::Null).await;
    assert!(is_error && value["error"]["code"].is_null(), "{value}");
    harness::assert_worded!(
        "approvals",
        "caller that nobody can tell from approvers: of one token",
        value["error"]["message"]
    );
    drop(client);
    let said = super::super::auth::ended(server).await;
    assert!(said.contains("own_calls"), "{said}");
}

#[tokio::test]
async fn secret_of_a_page_says_nobodys_name() {
    let world = World::start().await;
    let state = state_home();
    let policy = state.join("policy.toml");
    std::fs::write(&policy, "[approval]\nchannels = [\"page\"]\nown_calls = false\n").expect("written");
    let policy = policy.to_str().expect("a path");
    let command = program(
        &["http", "--listen", "127.0.0.1:0", "--policy", policy],
        &world.url(),
        KEY,
    );
    let server = OverHttp::start(command, &state).await;
    let client = server.client(TestClient::alone(), Era::Modern).await;
    let (value, is_error) = delete(&client, &Value::Null).await;
    assert!(is_error && value["error"]["approval_page"].is_null(), "{value}");
    assert!(world.changes().is_empty());
}

#[tokio::test]
async fn page_that_never_decides_for_some_callers_is_told_at_the_start() {
    let place = Place::new("[approval]\nchannels = [\"client\", \"page\"]\n").await;
    crate::auth::made(&["alice"], &place.state).await;
    crate::auth::made(&["dora", "--person", "dora"], &place.state).await;
    let server = place.serve(&["--auth", "bearer"]).await;
    let said = crate::auth::ended(server).await;
    let line = said
        .lines()
        .find(|line| line.contains("approvers sign in on the approval page"));
    let line = line.unwrap_or_else(|| panic!("{said}"));
    assert!(line.contains("token alice") && !line.contains("token dora"), "{line}");
    // Where the policy names who approves, the page decides.
    let named = "[approval]\nchannels = [\"page\"]\n\n[[approval.approvers]]\ngroups = [\"dba\"]\n";
    std::fs::write(place.file("policy.toml"), named).expect("written");
    let said = crate::auth::ended(place.serve(&["--auth", "bearer"]).await).await;
    assert!(!said.contains("approvers sign in on the approval page"), "{said}");
}

#[tokio::test]
async fn subjects_of_a_claim_that_nobody_named_tell_nobody_apart() {
    let place = Place::new(ON_PAGE).await;
    let mut server = place.serve(&["--auth", "oauth"]).await;
    // As many issuers do: another subject in the access token than at the sign-in.
    server.token = Some(
        place
            .provider
            .access(&[&server.url], &json!({"sub": "ann@example.com"})),
    );
    let client = server.client(TestClient::alone(), Era::Modern).await;
    let (value, is_error) = delete(&client, &Value::Null).await;
    assert!(is_error && value["error"]["kind"] == "requires_approval", "{value}");
    assert!(
        value["error"]["approval_page"].is_null() && value["error"]["code"].is_null(),
        "{value}"
    );
    harness::assert_worded!(
        "approvals",
        "caller of a claim that nobody named",
        value["error"]["message"]
    );
    assert!(place.world.changes().is_empty());
    drop(client);
    let said = super::super::auth::ended(server).await;
    assert!(
        said.contains("own_calls") && said.contains("--oauth-subject-claim"),
        "{said}"
    );
}

#[tokio::test]
async fn subjects_that_are_written_nearly_alike_tell_nobody_apart() {
    let place = Place::new(ON_PAGE).await;
    let mut server = place.serve(&["--auth", "oauth", "--oauth-subject-claim", "uid"]).await;
    server.token = Some(
        place
            .provider
            .access(&[&server.url], &json!({"sub": "ann", "uid": "Straße Ann"})),
    );
    let client = server.client(TestClient::alone(), Era::Modern).await;
    let (page, approval) = asks(&client).await;
    for alike in [
        "straße ann",
        "STRASSE ANN",
        "Straße  Ann ",
        "Straße\u{200b} Ann",
        "Ｓtraße Ann",
    ] {
        let status = place.approves(&page, "dora", &json!({"uid": alike})).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{alike}");
    }
    assert_eq!(
        place.approves(&page, "dora", &json!({"uid": "Dora"})).await,
        StatusCode::SEE_OTHER
    );
    let (value, is_error) = delete(&client, &approval).await;
    assert!(!is_error, "{value}");
}
