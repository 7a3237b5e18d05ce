//! Approvals of a team: who may approve what, on a page where approvers sign in, and what is noted of it.

mod own_calls;
mod provider;
mod waiting;

use std::path::PathBuf;

use reqwest::StatusCode;
use rmcp::RoleClient;
use rmcp::service::RunningService;
use serde_json::{Value, json};

use crate::support::http::{OverHttp, plain};
use crate::support::human::{Human, Manner};
use crate::support::server::{Era, KEY, TestClient, call, program, state_home};
use crate::support::world::{BRANCH, PROJECT, World};
use provider::{Browser, CLIENT, NEVER_ANSWERED, Page, Provider, SECRET, hidden};

const PEOPLE: [(&str, &[&str]); 3] = [("ann", &["dba", "dev"]), ("bob", &["dev"]), ("cleo", &[])];

/// Those of a group approve what destroys, on the page.
const DBA: &str = "[approval]\nchannels = [\"client\", \"page\"]\n\n[[approval.approvers]]\ngroups = [\"dba\"]\nchannels = [\"page\"]\n\
    effects = [\"destructive\"]\n\n[[approval.approvers]]\nprincipals = [\"http\"]\nchannels = [\"client\"]\ntools = [\"create_api_key\"]\n";

/// A server whose approvers sign in, with a client.
struct Team {
    world: World,
    provider: Provider,
    server: OverHttp,
    client: RunningService<RoleClient, TestClient>,
    approval: std::sync::Mutex<Option<String>>,
}

impl Team {
    async fn start(policy: &str, client: TestClient) -> Self {
        let (world, provider) = (World::start().await, Provider::start(&PEOPLE).await);
        let state = state_home();
        for (name, text) in [("policy.toml", policy), ("client.secret", SECRET)] {
            std::fs::write(state.join(name), text).expect("written");
        }
        let file = |name: &str| state.join(name).to_str().expect("a path").to_owned();
        let (policy, secret, issuer) = (file("policy.toml"), file("client.secret"), provider.origin());
        let arguments = [
            "http",
            "--listen",
            "127.0.0.1:0",
            "--toolsets",
            "all",
            "--policy",
            &policy,
            "--oauth-issuer",
            &issuer,
            "--oauth-client-id",
            CLIENT,
            "--oauth-client-secret-file",
            &secret,
        ];
        let mut command = program(&arguments, &world.url(), KEY);
        command.env("NEON_MCP_LOG", "error");
        let server = OverHttp::start(command, &state).await;
        let client = server.client(client, Era::Modern).await;
        Self {
            world,
            provider,
            server,
            client,
            approval: std::sync::Mutex::default(),
        }
    }

    fn origin(&self) -> String {
        self.server.origin().to_owned()
    }

    async fn delete(&self) -> (Value, bool) {
        let mut arguments = json!({"project_id": PROJECT, "branch_id": BRANCH});
        if let Some(approval) = &*self.approval.lock().expect("a lock") {
            arguments["approval"] = approval.clone().into();
        }
        let (value, is_error) = call(&self.client, "delete_branch", arguments).await;
        if let Some(approval) = value["error"]["approval"].as_str() {
            *self.approval.lock().expect("a lock") = Some(approval.to_owned());
        }
        (value, is_error)
    }

    /// The page of a deletion that waits.
    async fn page(&self) -> String {
        let (value, is_error) = self.delete().await;
        assert!(is_error && value["error"]["kind"] == "requires_approval", "{value}");
        assert!(
            value["error"].get("code").is_none_or(Value::is_null),
            "the terminal is no channel: {value}"
        );
        value["error"]["approval_page"].as_str().expect("a page").to_owned()
    }

    async fn decides(&self, browser: &mut Browser, page: &str, decision: &str) -> Page {
        let form = hidden(&browser.get(page).await.text);
        browser
            .post(page, &self.origin(), &[("decision", decision), ("form", &form)])
            .await
    }

    fn log(&self) -> PathBuf {
        self.server.state.join("neon-mcp/audit.jsonl")
    }

    fn audit(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }
}

#[tokio::test]
async fn approver_of_the_team_signs_in_and_the_call_runs_once() {
    let team = Team::start(DBA, TestClient::alone()).await;
    let page = team.page().await;
    let mut browser = Browser::new();
    // Who isn't signed in learns nothing, not even whether something waits.
    let first = browser.get(&page).await;
    let other = browser.get(&format!("{}/approve/BCDF-GHJK", team.origin())).await;
    let without_code = |page: &Page, code: &str| page.text.replace(code, "CODE");
    let code = page.rsplit('/').next().expect("a code").to_owned();
    assert_eq!(first.status, StatusCode::UNAUTHORIZED);
    assert_eq!(without_code(&first, &code), without_code(&other, "BCDF-GHJK"));
    assert!(
        !first.text.contains(BRANCH) && !first.text.contains("secret"),
        "{}",
        first.text
    );
    let back = browser.signs_in(&team.provider, &page, "ann").await;
    assert_eq!(
        (back.status, back.location.as_deref()),
        (StatusCode::SEE_OTHER, Some(&*format!("/approve/{code}")))
    );
    let cookie = back
        .given
        .iter()
        .find(|cookie| cookie.contains("approver="))
        .expect("a cookie");
    for wanted in ["; HttpOnly", "; SameSite=Lax", "; Path=/approve", "; Max-Age=900"] {
        assert!(cookie.contains(wanted), "{cookie}");
    }
    assert!(!cookie.contains("ann") && !cookie.contains("; Secure"), "{cookie}");
    let shown = browser.get(&page).await;
    assert!(
        shown.status == StatusCode::OK && shown.text.contains(BRANCH),
        "{}",
        shown.text
    );
    assert!(
        shown.text.contains("ann of the team") && !shown.text.contains("name=\"secret\""),
        "{}",
        shown.text
    );
    let decided = team.decides(&mut browser, &page, "approve").await;
    assert_eq!(decided.status, StatusCode::SEE_OTHER, "{}", decided.text);
    assert_eq!(team.world.changes().len(), 0);
    let (value, is_error) = team.delete().await;
    let name = format!("{} ann", team.provider.origin());
    assert!(
        !is_error && value["approved_by"] == "page" && value["approver"] == name,
        "{value}"
    );
    assert_eq!(team.world.changes().len(), 1);
    let (value, is_error) = team.delete().await;
    assert!(is_error && value["error"]["kind"] == "requires_approval", "{value}");
    assert_eq!(team.world.changes().len(), 1);
    // Who and how stands at the decision, and at the call.
    let lines = team.audit();
    let of = |outcome: &str| {
        lines
            .iter()
            .find(|line| line["outcome"] == outcome)
            .unwrap_or_else(|| panic!("{lines:?}"))
    };
    let (approved, done) = (of("approved"), of("done"));
    for line in [approved, done] {
        assert_eq!(
            (&line["channel"], &line["approver"]),
            (&json!("page"), &json!(name)),
            "{line}"
        );
        assert_eq!(
            (&line["tool"], &line["caller"]),
            (&json!("delete_branch"), &json!("http")),
            "{line}"
        );
    }
    assert_eq!(approved["plan"], done["plan"]);
    let mut command = program(&["log", "--outcome", "approved"], "http://127.0.0.1:1", KEY);
    let told = command.arg("--file").arg(team.log()).output().await.expect("runs");
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(
        told.contains(&format!("decided by {name}")) && told.contains("through page"),
        "{told}"
    );
    // No token or secret of the sign-in is kept.
    let kept = std::fs::read_to_string(team.log()).expect("a log");
    assert!(!kept.contains("canary"), "{kept}");
}

#[tokio::test]
async fn call_is_unknown_to_who_may_not_approve_it() {
    let team = Team::start(DBA, TestClient::alone()).await;
    let page = team.page().await;
    for person in ["bob", "cleo"] {
        let mut browser = Browser::new();
        browser.signs_in(&team.provider, &page, person).await;
        let strangers = browser.get(&page).await;
        let nobodys = browser.get(&format!("{}/approve/BCDF-GHJK", team.origin())).await;
        assert_eq!(
            (strangers.status, &strangers.text),
            (StatusCode::NOT_FOUND, &nobodys.text)
        );
        for decision in ["approve", "reject"] {
            let form = [("decision", decision), ("form", "made-up")];
            let mut answers = Vec::new();
            for address in [page.clone(), format!("{}/approve/BCDF-GHJK", team.origin())] {
                let answer = browser.post(&address, &team.origin(), &form).await;
                answers.push((answer.status, answer.text));
            }
            assert_eq!(answers[0], answers[1], "{person} {decision}");
            assert_eq!(answers[0].0, StatusCode::NOT_FOUND, "{person} {decision}");
        }
    }
    assert_eq!(team.page().await, page, "it waits as before");
    assert!(
        team.audit().iter().all(|line| line["outcome"] == "asked"),
        "{:?}",
        team.audit()
    );
}

#[tokio::test]
async fn code_of_another_is_answered_no_sooner_or_later_than_an_unknown_one() {
    let team = Team::start(DBA, TestClient::alone()).await;
    let page = team.page().await;
    let mut browser = Browser::new();
    browser.signs_in(&team.provider, &page, "bob").await;
    for address in [page, format!("{}/approve/BCDF-GHJK", team.origin())] {
        let began = std::time::Instant::now();
        assert_eq!(browser.get(&address).await.status, StatusCode::NOT_FOUND);
        assert!(began.elapsed() >= std::time::Duration::from_millis(100), "{address}");
    }
}

#[tokio::test]
async fn rejection_of_the_team_is_final_and_says_whose_it_is() {
    let team = Team::start(DBA, TestClient::alone()).await;
    let page = team.page().await;
    let mut browser = Browser::new();
    browser.signs_in(&team.provider, &page, "ann").await;
    let decided = team.decides(&mut browser, &page, "reject").await;
    assert_eq!(decided.status, StatusCode::SEE_OTHER, "{}", decided.text);
    let (value, is_error) = team.delete().await;
    assert!(is_error && value["error"]["kind"] == "rejected", "{value}");
    assert_eq!(team.world.changes().len(), 0);
    let name = format!("{} ann", team.provider.origin());
    let lines = team.audit();
    let rejected: Vec<&Value> = lines.iter().filter(|line| line["outcome"] == "rejected").collect();
    // At the decision, and when the call was repeated.
    assert_eq!(rejected.len(), 2, "{lines:?}");
    assert!(
        rejected
            .iter()
            .all(|line| line["channel"] == "page" && line["approver"] == name),
        "{lines:?}"
    );
}

#[tokio::test]
async fn form_of_another_page_or_browser_decides_nothing() {
    let team = Team::start(DBA, TestClient::alone()).await;
    let page = team.page().await;
    let mut browser = Browser::new();
    browser.signs_in(&team.provider, &page, "ann").await;
    let form = hidden(&browser.get(&page).await.text);
    let mut again = Browser::new();
    again.signs_in(&team.provider, &page, "ann").await;
    let others = hidden(&again.get(&page).await.text);
    assert_ne!(form, others);
    for (origin, form, cookies) in [
        (team.origin(), "", true),
        (team.origin(), others.as_str(), true),
        ("https://evil.example".to_owned(), form.as_str(), true),
        (team.origin(), form.as_str(), false),
    ] {
        let mut other = Browser::new();
        if cookies {
            other.cookies().extend(browser.cookies().clone());
        }
        let answer = other
            .post(&page, &origin, &[("decision", "approve"), ("form", form)])
            .await;
        assert!(answer.status.is_client_error(), "{origin} {form} {}", answer.status);
    }
    // A cookie that somebody changed, or put there a second time, is none.
    let (name, value) = browser
        .cookies()
        .iter()
        .next()
        .map(|(name, value)| (name.clone(), value.clone()))
        .expect("one");
    for changed in [
        format!("{value}A"),
        value[1..].to_owned(),
        format!("{value}; {name}={value}"),
    ] {
        let mut other = Browser::new();
        other.cookies().insert(name.clone(), changed);
        assert_eq!(other.get(&page).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(team.page().await, page);
    assert_eq!(team.world.changes().len(), 0);
}

#[tokio::test]
async fn sign_ins_of_strangers_neither_flood_the_issuer_nor_keep_approvers_out() {
    let team = Team::start(DBA, TestClient::alone()).await;
    let page = team.page().await;
    let begin = format!("{}/approve/sign-in/BCDF-GHJK", team.origin());
    let before = team.provider.metadata_asked();
    // Anybody can begin one: they are sent to the issuer's page, and it isn't asked for each.
    let begun = futures::future::join_all((0..40).map(async |_| Browser::new().get(&begin).await.status));
    assert!(begun.await.iter().all(|status| *status == StatusCode::SEE_OTHER));
    assert!(team.provider.metadata_asked() <= before + 1);
    // And come back with anything, which the issuer may take long to refuse.
    let mut strangers = Vec::new();
    for _ in 0..6 {
        let mut browser = Browser::new();
        let address = browser.get(&begin).await.location.expect("a page");
        let mut back = team.provider.signs_in(&address, "ann");
        let state = back.query_pairs().find(|(name, _)| name == "state").expect("one").1;
        let query = format!("code={NEVER_ANSWERED}&state={state}&iss={}", team.provider.origin());
        back.set_query(Some(&query));
        strangers.push(tokio::spawn(async move { browser.get(back.as_str()).await.status }));
    }
    let (first, _, others) = futures::future::select_all(strangers).await;
    let (second, _, others) = futures::future::select_all(others).await;
    let refused = [first, second].map(|status| status.expect("an answer"));
    assert_eq!(
        refused,
        [StatusCode::SERVICE_UNAVAILABLE; 2],
        "four of one address at once"
    );
    others.iter().for_each(tokio::task::JoinHandle::abort);
    drop(others);
    let mut ann = Browser::new();
    assert!(ann.signs_in(&team.provider, &page, "ann").await.status.is_redirection());
}

#[tokio::test]
async fn answer_to_another_sign_in_signs_nobody_in() {
    let team = Team::start(DBA, TestClient::alone()).await;
    let page = team.page().await;
    let begin = format!("{}/approve/sign-in/BCDF-GHJK", team.origin());
    let signed_in = |browser: &mut Browser| browser.cookies().keys().any(|name| name.contains("approver"));
    // Without the cookie of the one who began: somebody else's link.
    let mut ann = Browser::new();
    let address = ann.get(&begin).await.location.expect("a page");
    let back = team.provider.signs_in(&address, "ann");
    let mut victim = Browser::new();
    assert_eq!(victim.get(back.as_str()).await.status, StatusCode::BAD_REQUEST);
    assert!(!signed_in(&mut victim));
    // With the cookie of another sign-in.
    victim.get(&begin).await;
    assert!(!victim.get(back.as_str()).await.status.is_redirection());
    assert!(!signed_in(&mut victim));
    // Twice: the code was used.
    assert!(ann.get(back.as_str()).await.status.is_redirection());
    assert!(signed_in(&mut ann));
    // Of an identity that isn't the answer, or of another's access token.
    for (claim, value) in [
        ("nonce", json!("other")),
        ("aud", json!("other")),
        ("iss", json!("https://evil.example")),
        ("exp", json!(1)),
    ] {
        team.provider.state().claims = [(claim.to_owned(), value)].into_iter().collect();
        let mut browser = Browser::new();
        let answer = browser.signs_in(&team.provider, &page, "ann").await;
        assert!(
            answer.status == StatusCode::BAD_GATEWAY && !signed_in(&mut browser),
            "{claim}"
        );
    }
    team.provider.state().claims.clear();
    team.provider.state().says = Some("bob".to_owned());
    let mut browser = Browser::new();
    assert_eq!(
        browser.signs_in(&team.provider, &page, "ann").await.status,
        StatusCode::BAD_GATEWAY
    );
    assert!(!signed_in(&mut browser));
}

#[tokio::test]
async fn client_asks_its_human_only_where_the_policy_has_callers_approve() {
    let human = Human::who(Manner::Accepts);
    let team = Team::start(DBA, TestClient::with(human.clone())).await;
    // Not of this effect: it waits for the team, and the client's human isn't asked.
    team.page().await;
    assert_eq!(human.asked().len(), 0);
    let (value, is_error) = call(&team.client, "create_api_key", json!({"key_name": "k"})).await;
    assert!(!is_error && value["approved_by"] == "client", "{value}");
    assert_eq!(human.asked().len(), 1);
    // Nor where one's own calls are another's to approve.
    let human = Human::who(Manner::Accepts);
    let own = format!(
        "{}own_calls = false\n\n{}",
        &DBA[..DBA.find("channels").expect("there")],
        &DBA[DBA.find("channels").expect("there")..]
    );
    let team = Team::start(&own, TestClient::with(human.clone())).await;
    let (value, is_error) = call(&team.client, "create_api_key", json!({"key_name": "k"})).await;
    assert!(is_error && value["error"]["kind"] == "requires_approval", "{value}");
    assert_eq!(human.asked().len(), 0);
    assert_eq!(team.world.changes().len(), 0);
}

#[tokio::test]
async fn page_without_an_issuer_asks_for_its_secret_as_before() {
    let world = World::start().await;
    let server = OverHttp::start(
        program(&["http", "--listen", "127.0.0.1:0"], &world.url(), KEY),
        &state_home(),
    )
    .await;
    for path in ["sign-in/BCDF-GHJK", "callback?code=a&state=b"] {
        let answer = plain().get(format!("{}/approve/{path}", server.origin())).send().await;
        assert_eq!(answer.expect("an answer").status(), StatusCode::NOT_FOUND, "{path}");
    }
}
