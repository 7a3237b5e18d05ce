//! Tokens that expire, are refused or revoked, by one process and by several at once.

use std::time::Duration;

use serde_json::json;

use super::issuer::{Issuer, project, tokens_in};
use super::{Era, Home, kind, whose};
use crate::support::server::TestServer;

/// Whose project each of several calls at once is shown.
async fn at_once(servers: &[&TestServer], calls: usize) -> Vec<String> {
    let calls = servers
        .iter()
        .flat_map(|server| (0..calls).map(move |_| whose(server, json!({}))));
    futures::future::join_all(calls).await
}

#[tokio::test]
async fn token_that_expired_is_renewed_once_by_all_processes_together() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    // Good for less than is left for it to arrive: every use needs a new one.
    issuer.state().lifetime = 10;
    home.signs_in(&[], &issuer, "ada").await;
    let renewals = issuer.state().renewals;
    issuer.state().lifetime = 3_600;
    issuer.state().slow = Duration::from_millis(300);
    let first = home.server(&[], &issuer, Era::Legacy).await;
    let second = home.server(&[], &issuer, Era::Modern).await;
    let seen = at_once(&[&first, &second], 4).await;
    assert!(seen.iter().all(|seen| *seen == project("ada")), "{seen:?}");
    assert_eq!(issuer.state().renewals - renewals, 1);
    assert_eq!(issuer.state().refused, 0, "a token was shown twice");
    for server in [first, second] {
        assert!(tokens_in(&server.stop().await).is_empty());
    }
}

#[tokio::test]
async fn token_that_neon_refuses_is_renewed_once_and_the_call_is_made() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    home.signs_in(&[], &issuer, "ada").await;
    let first = home.server(&[], &issuer, Era::Legacy).await;
    let second = home.server(&[], &issuer, Era::Legacy).await;
    at_once(&[&first, &second], 1).await;
    issuer.state().forget_access();
    issuer.state().slow = Duration::from_millis(100);
    let seen = at_once(&[&first, &second], 2).await;
    assert!(seen.iter().all(|seen| *seen == project("ada")), "{seen:?}");
    assert_eq!(issuer.counts(), (1, 0));
    // A change, too: what was refused did nothing.
    issuer.state().forget_access();
    let changed = json!({"project_id": project("ada"), "name": "other"});
    let (value, is_error) = first.call("update_project", changed).await;
    assert!(!is_error, "{value}");
    assert_eq!(issuer.state().renewals, 2);
}

#[tokio::test]
async fn sign_in_that_was_revoked_says_so_and_the_issuer_is_asked_once() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    home.signs_in(&[], &issuer, "ada").await;
    let server = home.server(&[], &issuer, Era::Legacy).await;
    at_once(&[&server], 1).await;
    issuer.state().forget_everybody();
    for _ in 0..3 {
        let (value, is_error) = server.call("list_projects", json!({})).await;
        assert!(is_error && kind(&value) == "not_signed_in", "{value}");
        assert_eq!(value["error"]["changed"], "no");
        assert!(tokens_in(&value.to_string()).is_empty(), "{value}");
    }
    assert_eq!(issuer.state().refused, 1);
    // Who signs in again goes on, without a restart.
    home.signs_in(&[], &issuer, "ada").await;
    assert_eq!(whose(&server, json!({})).await, project("ada"));
}

#[tokio::test]
async fn renewal_waits_for_an_issuer_that_is_away() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    issuer.state().lifetime = 10;
    home.signs_in(&[], &issuer, "ada").await;
    let kept = home.kept("DEFAULT");
    let server = home.server(&[], &issuer, Era::Legacy).await;
    issuer.state().is_away = true;
    let (value, is_error) = server.call("list_projects", json!({})).await;
    assert!(is_error && kind(&value) == "network", "{value}");
    assert_eq!(home.kept("DEFAULT"), kept, "the sign-in still counts");
    issuer.state().is_away = false;
    assert_eq!(whose(&server, json!({})).await, project("ada"));
    assert_eq!(issuer.state().refused, 0);
}

#[tokio::test]
async fn renewal_that_could_not_be_kept_is_not_begun() {
    use std::os::unix::fs::PermissionsExt as _;
    let (home, issuer) = (Home::new(), Issuer::start().await);
    issuer.state().lifetime = 10;
    home.signs_in(&[], &issuer, "ada").await;
    let renewals = issuer.state().renewals;
    // Something that isn't a file stands where the lock is: nobody could be alone.
    let lock = home.login("DEFAULT").with_extension("lock");
    std::fs::remove_file(&lock).expect("a lock");
    std::fs::create_dir(&lock).expect("a folder");
    let server = home.server(&[], &issuer, Era::Legacy).await;
    let (value, is_error) = server.call("list_projects", json!({})).await;
    assert!(is_error && kind(&value) == "not_signed_in", "{value}");
    assert_eq!(issuer.state().renewals, renewals);
    std::fs::remove_dir(&lock).expect("gone");
    assert_eq!(whose(&server, json!({})).await, project("ada"));
    // What others could read meanwhile is closed again.
    let login = home.login("DEFAULT");
    std::fs::set_permissions(&login, std::fs::Permissions::from_mode(0o644)).expect("set");
    whose(&server, json!({})).await;
    assert_eq!(login.metadata().expect("there").permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn login_that_somebody_else_left_is_no_login() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    home.signs_in(&[], &issuer, "ada").await;
    let server = home.server(&[], &issuer, Era::Legacy).await;
    let login = home.login("DEFAULT");
    let other = home.path().join("other.json");
    std::fs::copy(&login, &other).expect("a copy");
    for left in [
        "",
        "{",
        "[]",
        "{\"type\": \"later\"}",
        "{\"access_token\": 1}",
        &"x".repeat(300_000),
    ] {
        std::fs::write(&login, left).expect("written");
        let (value, is_error) = server.call("list_projects", json!({})).await;
        assert!(is_error && kind(&value) == "not_signed_in", "{value}");
    }
    std::fs::remove_file(&login).expect("gone");
    std::os::unix::fs::symlink(&other, &login).expect("a link");
    let (value, is_error) = server.call("list_projects", json!({})).await;
    assert!(is_error && kind(&value) == "not_signed_in", "{value}");
}

#[tokio::test]
async fn token_that_neon_refuses_though_it_is_new_is_not_renewed_for_ever() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    home.signs_in(&[], &issuer, "ada").await;
    issuer.state().takes_none = true;
    let server = home.server(&[], &issuer, Era::Legacy).await;
    let before = issuer.api_requests();
    let (value, is_error) = server.call("list_projects", json!({})).await;
    assert!(is_error && kind(&value) == "unauthorized", "{value}");
    assert!(
        value["error"]["next"]
            .as_str()
            .expect("a text")
            .contains("neon-mcp login")
    );
    assert_eq!(issuer.counts(), (1, 0));
    assert_eq!(issuer.api_requests() - before, 2);
}
