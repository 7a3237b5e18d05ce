//! An approval belongs to the session that asked, or to what was handed out with its code: a client's name is nothing.

use std::path::Path;

use rmcp::RoleClient;
use rmcp::model::{CallToolRequestParams, CallToolResponse, MetaObject, RequestMetaObject};
use rmcp::service::RunningService;
use serde_json::{Value, json};

use super::{NOTHING, error};
use crate::support::http::{OverHttp, plain};
use crate::support::human::{Human, Manner};
use crate::support::server::{Era, KEY, TestClient, TestServer, call, program, state_home};
use crate::support::world::{BRANCH, PROJECT, World};

type Client = RunningService<RoleClient, TestClient>;

const SECRET: &str = "a secret of the operator";

/// A server over HTTP on which `--yes` works, and the page has a secret that the test knows.
async fn over_http(world: &World) -> OverHttp {
    let state = state_home();
    std::fs::write(state.join("page.secret"), SECRET).expect("a secret");
    let policy = state.join("policy.toml");
    std::fs::write(
        &policy,
        "[approval]\nwithout_terminal = true\npage_secret_file = \"page.secret\"\n",
    )
    .expect("a policy");
    let policy = policy.to_str().expect("a path").to_owned();
    let arguments = [
        "http",
        "--listen",
        "127.0.0.1:0",
        "--toolsets",
        "all",
        "--policy",
        &policy,
    ];
    let mut command = program(&arguments, &world.url(), KEY);
    command.env("NEON_MCP_LOG", "error");
    OverHttp::start(command, &state).await
}

fn delete_branch() -> Value {
    json!({"project_id": PROJECT, "branch_id": BRANCH})
}

/// The call with what was handed out.
fn with(mut arguments: Value, approval: &str) -> Value {
    arguments["approval"] = approval.into();
    arguments
}

/// What a refused call hands out: the code, and the proof.
fn asked((value, is_error): (Value, bool)) -> (String, String) {
    assert!(is_error && error(&value)["kind"] == "requires_approval", "{value}");
    let text = |key: &str| error(&value)[key].as_str().expect("text").to_owned();
    (text("code"), text("approval"))
}

async fn delete(client: &Client) -> (Value, bool) {
    call(client, "delete_branch", delete_branch()).await
}

/// Approves a code, as a script that the policy lets.
async fn approve(state: &Path, code: &str) {
    let mut command = program(&["approve", code, "--yes"], "http://127.0.0.1:1/api/v2", KEY);
    let ended = command.env("XDG_STATE_HOME", state).output().await.expect("runs");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

/// Approves on the page.
async fn approve_on_page(server: &OverHttp, code: &str) {
    let page = format!("{}/approve/{code}", server.origin());
    let body = format!("decision=approve&secret={}", SECRET.replace(' ', "+"));
    let request = plain()
        .post(page)
        .header("content-type", "application/x-www-form-urlencoded");
    let answer = request.body(body).send().await.expect("an answer");
    assert!(answer.status().is_success(), "{}", answer.status());
}

#[tokio::test]
async fn approval_of_a_client_is_none_for_another_of_the_same_name_and_credential() {
    for era in [Era::Legacy, Era::Modern] {
        for on_page in [false, true] {
            let world = World::start().await;
            let server = over_http(&world).await;
            let (one, other) = (
                server.client(TestClient::alone(), era).await,
                server.client(TestClient::alone(), era).await,
            );
            let (code, approval) = asked(delete(&one).await);
            let (others, others_approval) = asked(delete(&other).await);
            assert_ne!(code, others, "{era:?}");
            if on_page {
                approve_on_page(&server, &code).await;
            } else {
                approve(&server.state, &code).await;
            }
            asked(delete(&other).await);
            let tag = |approval: &str| approval.split_once('.').expect("two parts").1.to_owned();
            for made_up in [
                code.clone(),
                format!("{code}."),
                format!("{code}.{}", tag(&others_approval)),
                format!("{code}.AAAAAAAAAAAAAAAAAAAAAA"),
                format!("{others}.{}", tag(&approval)),
                format!("{code}.{}", &tag(&approval)[..20]),
                others_approval.clone(),
                ".".to_owned(),
                "../x.y".to_owned(),
                "\u{0}".to_owned(),
                "x".repeat(100_000),
            ] {
                asked(call(&other, "delete_branch", with(delete_branch(), &made_up)).await);
            }
            assert_eq!(world.changes(), NOTHING, "{era:?}");
            // A request that stands alone says whose it is by what it was handed; a session need not.
            let again = match era {
                Era::Legacy => delete_branch(),
                Era::Modern => with(delete_branch(), &approval),
            };
            let (value, is_error) = call(&one, "delete_branch", again.clone()).await;
            assert!(!is_error, "{era:?}: {value}");
            asked(call(&one, "delete_branch", again).await);
            asked(delete(&other).await);
            assert_eq!(world.changes().len(), 1, "{era:?}");
        }
    }
}

#[tokio::test]
async fn what_was_handed_out_is_good_for_its_call_and_in_the_meta_data_too() {
    for era in [Era::Legacy, Era::Modern] {
        let world = World::start().await;
        let server = over_http(&world).await;
        let client = server.client(TestClient::alone(), era).await;
        let (code, approval) = asked(delete(&client).await);
        // It waits: the same code, and the same proof.
        let again = call(&client, "delete_branch", with(delete_branch(), &approval)).await;
        assert_eq!(asked(again), (code.clone(), approval.clone()));
        approve(&server.state, &code).await;
        let mut hard = delete_branch();
        hard["hard_delete"] = true.into();
        let mut soft = delete_branch();
        soft["hard_delete"] = false.into();
        for other in [hard, soft] {
            let (its, _) = asked(call(&client, "delete_branch", with(other, &approval)).await);
            assert_ne!(its, code);
        }
        // No text: an argument that no tool has.
        let mut wrong = delete_branch();
        wrong["approval"] = json!({"code": code});
        let (value, is_error) = call(&client, "delete_branch", wrong).await;
        assert!(is_error && error(&value)["kind"] == "invalid_arguments", "{value}");
        assert_eq!(world.changes(), NOTHING);
        // A client of its own that was told of it comes with the proof: it may be the same one, reconnected.
        let back = server.client(TestClient::alone(), era).await;
        let mut request = CallToolRequestParams::new("delete_branch");
        request.arguments = delete_branch().as_object().cloned();
        let meta = json!({"neon-mcp/approval": approval})
            .as_object()
            .cloned()
            .expect("an object");
        request.meta = Some(RequestMetaObject(MetaObject(meta)));
        let result = back.call_tool(request).await.expect("an answer");
        assert_ne!(result.is_error, Some(true), "{era:?}: {result:?}");
        assert_eq!(world.changes().len(), 1);
    }
}

#[tokio::test]
async fn a_question_is_for_the_client_whose_call_it_is() {
    // Up to 2025-11-25: each session's own human is asked, at the same time.
    let world = World::start().await;
    let server = over_http(&world).await;
    let (approver, rejecter) = (Human::who(Manner::Accepts), Human::who(Manner::Declines));
    let one = server.client(TestClient::with(approver.clone()), Era::Legacy).await;
    let other = server.client(TestClient::with(rejecter.clone()), Era::Legacy).await;
    let (ran, refused) = tokio::join!(delete(&one), delete(&other));
    assert!(!ran.1 && refused.1, "{ran:?} {refused:?}");
    assert!(approver.asked().len() == 1 && rejecter.asked().len() == 1);
    assert_eq!(world.changes().len(), 1);
    // 2026-07-28: the other's own question answers nothing of this one, and a call without one is asked.
    let world = World::start().await;
    let server = over_http(&world).await;
    let one = server.client(TestClient::with(approver), Era::Modern).await;
    let other = server.client(TestClient::with(rejecter), Era::Modern).await;
    let state = async |client: &Client, arguments: Value| {
        let mut request = CallToolRequestParams::new("delete_branch");
        request.arguments = arguments.as_object().cloned();
        match client.call_tool_once(request).await.expect("an answer") {
            CallToolResponse::InputRequired(required) => serde_json::to_value(&required).expect("JSON")["requestState"]
                .as_str()
                .expect("a seal")
                .to_owned(),
            answer => panic!("no question: {answer:?}"),
        }
    };
    let first = state(&one, delete_branch()).await;
    let second = state(&other, delete_branch()).await;
    assert_ne!(first, second);
    let (value, is_error) = delete(&other).await;
    assert!(is_error && error(&value)["kind"] == "rejected", "{value}");
    assert_eq!(world.changes(), NOTHING);
    assert!(!delete(&one).await.1);
    assert_eq!(world.changes().len(), 1);
}

/// A stdio server and what calls by hand, on one state directory with one seal key.
async fn sharing(world: &World, state: &Path) -> tokio::process::Command {
    let mut command = super::command(world, state, "[approval]\nwithout_terminal = true\n");
    share(&mut command, state);
    command
}

fn share(command: &mut tokio::process::Command, state: &Path) {
    let key = state.join("seal.key");
    std::fs::write(&key, "k".repeat(32)).expect("a key");
    command
        .env("XDG_STATE_HOME", state)
        .arg("--seal-key-file")
        .arg(&key)
        .arg("--state-dir")
        .arg(state.join("neon-mcp"));
}

#[tokio::test]
async fn another_process_takes_an_approval_only_with_what_was_handed_out() {
    for era in [Era::Legacy, Era::Modern] {
        let world = World::start().await;
        let state = state_home();
        let start = async || TestServer::run(sharing(&world, &state).await, TestClient::alone(), era).await;
        let one = start().await;
        let (code, approval) = asked(one.call("delete_branch", delete_branch()).await);
        approve(&state, &code).await;
        let other = start().await;
        asked(other.call("delete_branch", delete_branch()).await);
        assert_eq!(world.changes(), NOTHING);
        one.stop().await;
        let (value, is_error) = other.call("delete_branch", with(delete_branch(), &approval)).await;
        assert!(!is_error && value["approved_by"] == "terminal", "{value}");
        assert_eq!(world.changes().len(), 1);
    }
}

#[tokio::test]
async fn a_call_by_hand_is_repeated_by_hand_and_takes_no_approval_of_another() {
    let world = World::start().await;
    let state = state_home();
    let by_hand = async || {
        let mut command = program(
            &["call", "delete_branch", &delete_branch().to_string(), "--json"],
            &world.url(),
            KEY,
        );
        share(&mut command, &state);
        let policy = state.join("policy.toml");
        command.arg("--policy").arg(policy);
        let ended = command.output().await.expect("runs");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        let value = serde_json::from_slice(&ended.stdout).unwrap_or_else(|_| panic!("{said}"));
        (value, !ended.status.success())
    };
    let server = TestServer::run(sharing(&world, &state).await, TestClient::alone(), Era::Legacy).await;
    let (of_server, _) = asked(server.call("delete_branch", delete_branch()).await);
    approve(&state, &of_server).await;
    let (code, _) = asked(by_hand().await);
    assert_eq!(asked(by_hand().await).0, code, "it waits");
    approve(&state, &code).await;
    let (value, is_error) = by_hand().await;
    assert!(!is_error, "{value}");
    assert_eq!(world.changes().len(), 1);
    assert!(
        !server.call("delete_branch", delete_branch()).await.1,
        "its own is still there"
    );
}
