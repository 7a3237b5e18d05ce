//! What says who may call is read again: a removal counts, whatever else is wrong, and a mistake is about whom it is about.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;

use super::bearer::{made, token};
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
    std::fs::write(&policy, "read_only = true\n# end\n").expect("written");
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
    std::fs::write(&policy, "read_only = true\n# end\n").expect("written");
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

/// How many errors of a log name that file.
fn errors(said: &str, file: &str) -> usize {
    let lines = said.lines().filter(|line| line.contains("ERROR"));
    lines.filter(|line| line.contains(file)).count()
}

#[tokio::test]
async fn tokens_of_a_file_that_is_gone_are_refused_until_it_is_there_again() {
    let upstream = FakeNeon::route(neon).await;
    let state = state_home();
    let alice = made(&["alice"], &state).await;
    let server = serve(&upstream, &["--auth", "bearer"], &state).await;
    assert_eq!(answered(&server, &alice).await.0, StatusCode::OK);
    let file = state.join("neon-mcp/tokens.toml");
    let away = state.join("neon-mcp/away.toml");
    std::fs::rename(&file, &away).expect("moved");
    let unknown = answered(&server, &format!("nmcp_{}", "x".repeat(43))).await;
    assert_eq!(unknown.0, StatusCode::UNAUTHORIZED);
    for _ in 0..3 {
        assert_eq!(answered(&server, &alice).await, unknown);
        // It is looked for each second, and told once.
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    // The command says the same of it.
    for arguments in [
        &["list"][..],
        &["list", "--json"],
        &["revoke", "alice"],
        &["rotate", "alice"],
    ] {
        let (listed, said, is_done) = token(arguments, &state).await;
        assert_eq!(is_done, arguments[0] == "list", "{said}");
        assert!(!listed.contains("alice"), "{listed}");
        assert!(said.contains("tokens.toml") && said.contains("servers"), "{said}");
    }
    std::fs::rename(&away, &file).expect("moved");
    assert_eq!(answered(&server, &alice).await.0, StatusCode::OK);
    let (_, said, _) = token(&["list"], &state).await;
    assert_eq!(said, "");
    let said = ended(server).await;
    assert_eq!(errors(&said, "tokens.toml"), 1, "{said}");
}

#[tokio::test]
async fn broken_file_of_tokens_takes_away_and_gives_nothing() {
    let upstream = FakeNeon::route(neon).await;
    let state = state_home();
    let mut tokens = Vec::new();
    for name in ["alice", "bob", "carol"] {
        let made = made(&[name, "--scopes", "neon:read"], &state).await;
        tokens.push(made);
    }
    let server = serve(&upstream, &["--auth", "bearer"], &state).await;
    let statuses = async || {
        let mut statuses = Vec::new();
        for token in &tokens {
            statuses.push(answered(&server, token).await.0.as_u16());
        }
        statuses
    };
    assert_eq!(statuses().await, [200, 200, 200]);
    let file = state.join("neon-mcp/tokens.toml");
    let whole = std::fs::read_to_string(&file).expect("a text");
    let places: Vec<usize> = whole.match_indices("[[token]]").map(|(place, _)| place).collect();
    let (head, alice, carol) = (&whole[..places[0]], &whole[places[0]..places[1]], &whole[places[2]..]);
    let both = whole.replace("\n# end\n", "\n");
    // Bob is taken out, and half of what bounds Carol is there.
    let half = carol.find("scopes").expect("a bound") + 12;
    std::fs::write(&file, format!("{head}{alice}{}", &carol[..half])).expect("written");
    assert_eq!(statuses().await, [200, 401, 503]);
    for arguments in [
        &["list"][..],
        &["revoke", "alice"],
        &["rotate", "alice"],
        &["create", "dan"],
    ] {
        let (_, said, is_done) = token(arguments, &state).await;
        assert!(
            !is_done && said.contains("tokens.toml") && said.contains("servers"),
            "{said}"
        );
    }
    // A name that is there twice says nothing of whose it is.
    std::fs::write(&file, format!("{both}{alice}\n# end\n")).expect("written");
    assert_eq!(statuses().await, [503, 200, 200]);
    // Nor does what nobody can read as text.
    std::fs::write(&file, [whole.as_bytes(), b"# \xff\n# end\n"].concat()).expect("written");
    assert_eq!(statuses().await, [200, 200, 200]);
    std::fs::write(&file, [head.as_bytes(), alice.as_bytes(), b"# \xff\n# end\n"].concat()).expect("written");
    assert_eq!(statuses().await, [200, 401, 401]);
    // The last one may lack what would narrow it, where the text doesn't say that it ends there.
    std::fs::write(&file, whole.trim_end().trim_end_matches("# end")).expect("written");
    assert_eq!(statuses().await, [200, 200, 503]);
    std::fs::write(&file, &whole).expect("written");
    assert_eq!(statuses().await, [200, 200, 200]);
    let said = ended(server).await;
    assert!(said.contains("carol") && errors(&said, "tokens.toml") == 5, "{said}");
}

#[tokio::test]
async fn map_that_is_gone_denies_and_one_that_is_broken_takes_away_and_gives_nothing() {
    let upstream = FakeNeon::route(neon).await;
    let issuer = Issuer::start().await;
    let state = state_home();
    let path = state.join("map.toml");
    let write = |text: &str| std::fs::write(&path, text).expect("written");
    let (ada, bob) = ("[[subject]]\nsub = \"ada\"\n", "[[subject]]\nsub = \"bob\"\n");
    let dev = "[[group]]\nname = \"dev\"\n";
    let whole = format!("default = \"allow\"\n{ada}{bob}{dev}# end\n");
    write(&whole);
    let (origin, map) = (issuer.origin(), path.to_str().expect("a path"));
    let arguments = ["--auth", "oauth", "--oauth-issuer", &origin, "--oauth-map", map];
    let server = serve(&upstream, &arguments, &state).await;
    // Two subjects, one in a group, and one of whom nothing is said.
    let tokens = [("ada", &[][..]), ("bob", &[]), ("eve", &["dev"]), ("joe", &[])].map(|(subject, groups)| {
        let mut claims = issuer.claims(&server.url, ALL);
        claims["sub"] = subject.into();
        claims["groups"] = json!(groups);
        issuer.token(&claims)
    });
    let statuses = async || {
        let mut statuses = Vec::new();
        for token in &tokens {
            statuses.push(answered(&server, token).await.0.as_u16());
        }
        statuses
    };
    assert_eq!(statuses().await, [200, 200, 200, 200]);
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(statuses().await, [403, 403, 403, 403]);
    // What is broken opens nothing that was closed.
    write(&format!("{whole}x"));
    assert_eq!(statuses().await, [503, 503, 503, 503]);
    write(&whole);
    assert_eq!(statuses().await, [200, 200, 200, 200]);
    // What is cut off after a line widens nothing, and neither does nothing at all.
    write("default = \"allow\"\n");
    assert_eq!(statuses().await, [503, 503, 503, 200]);
    write("");
    assert_eq!(statuses().await, [503, 503, 503, 503]);
    // Ada is taken out, and the group has half a line.
    write(&format!("default = \"allow\"\n{bob}{dev}scop"));
    assert_eq!(statuses().await, [503, 200, 503, 200]);
    write(&format!("default = \"deny\"\n{ada}{bob}{bob}{dev}"));
    assert_eq!(statuses().await, [200, 503, 503, 503]);
    write(&whole.replace("allow", "deny"));
    assert_eq!(statuses().await, [200, 200, 200, 403]);
    let said = ended(server).await;
    assert_eq!(errors(&said, "map.toml"), 6, "{said}");
}

#[tokio::test]
async fn mapping_without_a_subject_counts_though_a_file_of_another_cannot_be_used() {
    let upstream = FakeNeon::route(neon).await;
    let issuer = Issuer::start().await;
    let state = state_home();
    let write = |name: &str, text: &str| std::fs::write(state.join(name), text).expect("written");
    write("policy.toml", "read_only = true\n# end\n");
    let ada = "[[subject]]\nsub = \"ada\"\n";
    let bob = "[[subject]]\nsub = \"bob\"\npolicy = \"policy.toml\"\n[[group]]\nname = \"dev\"\n";
    write("map.toml", &format!("default = \"deny\"\n{ada}{bob}# end\n"));
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
        &format!("default = \"deny\"\n{bob}# end\n").replace("dev", "staff"),
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

#[cfg(target_os = "linux")]
#[tokio::test]
async fn revoked_token_does_not_go_on_while_no_descriptor_is_left() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};

    let upstream = FakeNeon::route(neon).await;
    let state = state_home();
    let thief = format!("Bearer {}", made(&["thief"], &state).await);
    let server = serve(&upstream, &["--auth", "bearer"], &state).await;
    // One connection, which is kept.
    let client = crate::support::http::plain();
    let asks = async || {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
        let asked = client.post(&server.url).header("authorization", &thief);
        let asked = asked
            .header("accept", "application/json, text/event-stream")
            .json(&body);
        let answer = asked.send().await.expect("an answer");
        let status = answer.status();
        answer.bytes().await.expect("it is read");
        status
    };
    assert_eq!(asks().await, StatusCode::OK);
    let pid = server
        .child
        .id()
        .and_then(|id| Pid::from_raw(i32::try_from(id).expect("an id")));
    let bound = |current: Option<u64>| {
        let now = prlimit(
            pid,
            Resource::Nofile,
            Rlimit {
                current,
                maximum: Some(4_096),
            },
        );
        now.expect("set").current
    };
    let before = bound(Some(4));
    assert_eq!(asks().await, StatusCode::OK, "nothing is read that didn't change");
    let (_, said, is_done) = token(&["revoke", "thief"], &state).await;
    assert!(is_done, "{said}");
    for _ in 0..3 {
        assert_eq!(asks().await, StatusCode::SERVICE_UNAVAILABLE);
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    bound(before.map(|before| before.min(4_096)));
    assert_eq!(asks().await, StatusCode::UNAUTHORIZED);
}
