//! What says who may call is read again: a removal counts, whatever else is wrong, and a mistake is about whom it is about.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use reqwest::StatusCode;
use serde_json::json;

use super::bearer::made;
use super::issuer::Issuer;
use super::oauth::ALL;
use super::{answered, ended, neon, serve};
use crate::support::fake_neon::FakeNeon;
use crate::support::http::OverHttp;
use crate::support::server::{KEY, program, state_home};

async fn hangs_up(server: &OverHttp) {
    let id = server.child.id().expect("an id").to_string();
    let killed = tokio::process::Command::new("kill").args(["-HUP", &id]).status().await;
    assert!(killed.expect("kill").success());
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
}

#[tokio::test]
async fn token_is_revoked_though_a_file_of_another_cannot_be_used() {
    let upstream = FakeNeon::route(neon).await;
    let state = state_home();
    let policy = state.join("policy.toml");
    std::fs::write(&policy, "read_only = true\n").expect("written");
    let alice = made(&["alice", "--policy", policy.to_str().expect("a path")], &state).await;
    let (bob, carol) = (made(&["bob"], &state).await, made(&["carol"], &state).await);
    let server = serve(&upstream, &["--auth", "bearer"], &state).await;
    for token in [&alice, &bob, &carol] {
        assert_eq!(answered(&server, token).await.0, StatusCode::OK);
    }
    std::fs::remove_file(&policy).expect("removed");
    let mut command = program(&["token", "revoke", "bob"], "http://127.0.0.1:1", KEY);
    let output = command.env("XDG_STATE_HOME", &state).output().await.expect("runs");
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("alice") && said.contains("policy.toml"), "{said}");
    assert_eq!(answered(&server, &bob).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(answered(&server, &carol).await.0, StatusCode::OK);
    // Of whom a file is gone, nobody knows how narrow they are.
    assert_eq!(answered(&server, &alice).await.0, StatusCode::SERVICE_UNAVAILABLE);
    std::fs::write(&policy, "read_only = true\n").expect("written");
    harness::wait::until_async("the policy", async || {
        answered(&server, &alice).await.0 == StatusCode::OK
    })
    .await;
    let said = ended(server).await;
    assert!(said.contains("alice") && said.contains("policy.toml"), "{said}");
}

#[tokio::test]
async fn tokens_are_read_again_when_their_mode_is_mended_and_at_a_signal() {
    let upstream = FakeNeon::route(neon).await;
    let state = state_home();
    let (alice, bob) = (made(&["alice"], &state).await, made(&["bob"], &state).await);
    let file = state.join("neon-mcp/tokens.toml");
    let server = serve(
        &upstream,
        &["--auth", "bearer", "--metrics-listen", "127.0.0.1:0"],
        &state,
    )
    .await;
    let text = std::fs::read_to_string(&file).expect("a text");
    let begin = text.find("[[token]]").expect("a token");
    let end = begin + text[begin + 1..].find("[[token]]").expect("another") + 1;
    let without_alice = format!("{}{}", &text[..begin], &text[end..]);
    std::fs::write(&file, without_alice).expect("written");
    mode(&file, 0o666);
    // What others may change says nothing.
    assert_eq!(answered(&server, &alice).await.0, StatusCode::OK);
    mode(&file, 0o600);
    assert_eq!(answered(&server, &alice).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(answered(&server, &bob).await.0, StatusCode::OK);
    hangs_up(&server).await;
    harness::wait::until_async("the stop of nothing", async || {
        answered(&server, &bob).await.0 == StatusCode::OK
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let said = ended(server).await;
    assert!(said.contains("reload=\"tokens\""), "{said}");
}

#[tokio::test]
async fn mapping_without_a_subject_counts_though_a_file_of_another_cannot_be_used() {
    let upstream = FakeNeon::route(neon).await;
    let issuer = Issuer::start().await;
    let state = state_home();
    let write = |name: &str, text: &str| std::fs::write(state.join(name), text).expect("written");
    write("policy.toml", "read_only = true\n");
    let ada = "[[subject]]\nsub = \"ada\"\n";
    let bob = "[[subject]]\nsub = \"bob\"\npolicy = \"policy.toml\"\n[[group]]\nname = \"dev\"\n";
    write("map.toml", &format!("default = \"deny\"\n{ada}{bob}"));
    let (origin, map) = (issuer.origin(), state.join("map.toml"));
    let map = map.to_str().expect("a path");
    let arguments = ["--auth", "oauth", "--oauth-issuer", &origin, "--oauth-map", map];
    let server = serve(&upstream, &arguments, &state).await;
    let token = |subject: &str| {
        let mut claims = issuer.claims(&server.url, ALL);
        claims["sub"] = subject.into();
        claims["groups"] = json!(["dev"]);
        issuer.token(&claims)
    };
    let (ada, bobs) = (token("ada"), token("bob"));
    for token in [&ada, &bobs] {
        assert_eq!(answered(&server, token).await.0, StatusCode::OK);
    }
    std::fs::remove_file(state.join("policy.toml")).expect("removed");
    write(
        "map.toml",
        &format!("default = \"deny\"\n{bob}").replace("dev", "staff"),
    );
    assert_eq!(answered(&server, &ada).await.0, StatusCode::FORBIDDEN);
    // No other entry stands in for one that can't be used.
    assert_eq!(answered(&server, &bobs).await.0, StatusCode::SERVICE_UNAVAILABLE);
    hangs_up(&server).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let said = ended(server).await;
    assert!(
        said.contains("reload=\"map\"") && said.contains("policy.toml"),
        "{said}"
    );
}
