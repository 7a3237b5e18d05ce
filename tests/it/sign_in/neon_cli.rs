//! What the neon command line keeps: read in place, and renewed so that it goes on.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::issuer::{Issuer, project, tokens_in};
use super::{Era, Home, kind, whose};

/// Writes a file of that program's.
fn write(home: &Home, name: &str, value: &Value) -> PathBuf {
    let path = home.path().join(".config").join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(&path, value.to_string()).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("set");
    path
}

fn read(path: &PathBuf) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("there")).expect("JSON")
}

async fn called(home: &Home, issuer: &Issuer, arguments: &[&str]) -> Value {
    let arguments = [&["call", "--json", "list_projects"], arguments].concat();
    let (_, said, log) = home.run(&arguments, issuer).await;
    assert!(tokens_in(&said).is_empty() && tokens_in(&log).is_empty(), "{log}");
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said} {log}"))
}

fn shown(value: &Value) -> &str {
    value["result"]["projects"][0]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("no project in {value}"))
}

#[tokio::test]
async fn profile_is_used_where_it_lies() {
    let (home, issuer) = (Home::at_neon(), Issuer::start().await);
    assert_eq!(kind(&called(&home, &issuer, &[]).await), "not_signed_in");
    // From before the program's name changed.
    write(&home, "neonctl/credentials.json", &issuer.tokens("ada"));
    assert_eq!(shown(&called(&home, &issuer, &[]).await), project("ada"));
    write(&home, "neon/credentials.json", &issuer.tokens("bob"));
    assert_eq!(shown(&called(&home, &issuer, &[]).await), project("bob"));
    write(
        &home,
        "neon/c.json",
        &json!({"type": "api_key", "api_key": "napi_cyd", "key_id": 1}),
    );
    let list = json!({"version": 1, "profiles": {
        "DEFAULT": {"credentials": "../neonctl/credentials.json"}, "c": {"credentials": "c.json", "label": "x"},
        "k": {"credentials": "keyring"}, "gone": {"credentials": "gone.json"},
    }});
    write(&home, "neon/profiles.json", &list);
    assert_eq!(shown(&called(&home, &issuer, &[]).await), project("ada"));
    assert_eq!(
        shown(&called(&home, &issuer, &["--profile", "c"]).await),
        project("cyd")
    );
    for profile in ["k", "gone", "unknown"] {
        let value = called(&home, &issuer, &["--profile", profile]).await;
        assert_eq!(kind(&value), "not_signed_in", "{profile}");
        let next = value["error"]["next"].as_str().expect("a text");
        assert!(next.contains(&format!("neon-mcp login --profile {profile}")), "{next}");
    }
    let (code, said, _) = home.run(&["whoami", "--json", "--profile", "c"], &issuer).await;
    let told: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((code, &told["accounts"][0]["credential"]), (Some(0), &json!("api_key")));
    assert!(!said.contains("napi_"), "{said}");
    // Ours comes first, and leaves that one as it is.
    home.signs_in(&[], &issuer, "dan").await;
    assert_eq!(shown(&called(&home, &issuer, &[]).await), project("dan"));
    assert_eq!(home.run(&["logout"], &issuer).await.0, Some(0));
    assert_eq!(shown(&called(&home, &issuer, &[]).await), project("ada"));
    // There is none of ours to end now.
    assert_eq!(home.run(&["logout"], &issuer).await.0, Some(0));
    assert_eq!(shown(&called(&home, &issuer, &[]).await), project("ada"));
}

#[tokio::test]
async fn folder_that_a_variable_names_is_the_only_one() {
    let (home, issuer) = (Home::at_neon(), Issuer::start().await);
    write(&home, "neon/credentials.json", &issuer.tokens("ada"));
    write(&home, "elsewhere/credentials.json", &issuer.tokens("bob"));
    for (variable, folder, person) in [
        ("NEON_CONFIG_DIR", "elsewhere", Some("bob")),
        ("NEONCTL_CONFIG_DIR", "elsewhere", Some("bob")),
        ("NEON_CONFIG_DIR", "nowhere", None),
    ] {
        let mut command = home.program(&["call", "--json", "list_projects"], &issuer);
        command.env(variable, home.path().join(".config").join(folder));
        let output = command.output().await.expect("runs");
        let value: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        match person {
            Some(person) => assert_eq!(shown(&value), project(person)),
            None => assert_eq!(kind(&value), "not_signed_in"),
        }
    }
}

#[tokio::test]
async fn renewal_keeps_what_that_program_wrote_and_waits_for_its_lock() {
    let (home, issuer) = (Home::at_neon(), Issuer::start().await);
    issuer.state().lifetime = 5;
    let mut tokens = issuer.tokens("ada");
    tokens["later"] = json!({"kept": true});
    let path = write(&home, "neon/credentials.json", &tokens);
    issuer.state().lifetime = 3_600;
    // As that program names it.
    let digest = Sha256::digest(path.to_str().expect("a path"));
    let id: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let lock = path.with_file_name(format!(".refresh-{id}.lock"));
    std::fs::write(&lock, "").expect("a lock");
    let first = home.server(&[], &issuer, Era::Legacy).await;
    let second = home.server(&[], &issuer, Era::Legacy).await;
    let calls = async { tokio::join!(whose(&first, json!({})), whose(&second, json!({}))) };
    let waits = tokio::time::timeout(Duration::from_millis(1_500), calls).await;
    assert!(waits.is_err() && issuer.state().renewals == 0, "somebody else renews");
    std::fs::remove_file(&lock).expect("gone");
    assert_eq!(whose(&first, json!({})).await, project("ada"));
    assert_eq!(whose(&second, json!({})).await, project("ada"));
    assert_eq!(issuer.counts(), (1, 0));
    let kept = read(&path);
    assert_eq!(kept["later"], tokens["later"]);
    assert_eq!(kept["user_id"], "ada");
    assert_eq!(kept["type"], "oauth");
    assert_ne!(kept["refresh_token"], tokens["refresh_token"]);
    assert!(
        issuer
            .state()
            .refresh
            .contains_key(kept["refresh_token"].as_str().expect("a token"))
    );
    assert!(kept["expires_at"].as_i64().expect("a number") > chrono::Utc::now().timestamp_millis());
    assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, 0o600);
    assert!(!lock.exists());
    let left: Vec<_> = std::fs::read_dir(path.parent().expect("a folder"))
        .expect("read")
        .collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(!home.login("DEFAULT").exists(), "it is that program's login, not ours");
}

#[tokio::test]
async fn file_behind_a_link_stays_behind_it() {
    let (home, issuer) = (Home::at_neon(), Issuer::start().await);
    issuer.state().lifetime = 5;
    let real = write(&home, "dotfiles/credentials.json", &issuer.tokens("ada"));
    let link = home.path().join(".config/neon/credentials.json");
    std::fs::create_dir_all(link.parent().expect("a folder")).expect("a folder");
    std::os::unix::fs::symlink(&real, &link).expect("a link");
    let before = read(&real);
    assert_eq!(shown(&called(&home, &issuer, &[]).await), project("ada"));
    assert!(link.symlink_metadata().expect("there").is_symlink());
    assert_ne!(read(&real)["refresh_token"], before["refresh_token"]);
}

#[tokio::test]
async fn file_that_is_broken_or_open_to_others_is_no_login() {
    let (home, issuer) = (Home::at_neon(), Issuer::start().await);
    let path = write(&home, "neon/credentials.json", &json!({}));
    for left in [
        json!([]),
        json!({}),
        json!({"type": "later", "access_token": "x"}),
        json!({"type": "api_key"}),
    ] {
        std::fs::write(&path, left.to_string()).expect("written");
        assert_eq!(kind(&called(&home, &issuer, &[]).await), "not_signed_in", "{left}");
        assert_eq!(read(&path), left, "it is left as it is");
    }
    std::fs::write(&path, issuer.tokens("ada").to_string()).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).expect("set");
    assert_eq!(kind(&called(&home, &issuer, &[]).await), "not_signed_in");
    assert_eq!(issuer.api_requests(), 0);
}

#[tokio::test]
async fn login_of_neons_goes_neither_to_another_issuer_nor_to_another_api() {
    let (home, issuer) = (Home::at_neon(), Issuer::start().await);
    let evil = ("NEON_MCP_LOGIN_ISSUER", "https://evil.example");
    let evils = ("NEON_API_HOST", "https://evil.example/api/v2");
    // Good for long, and to be renewed first.
    for lifetime in [3_600, 5] {
        issuer.state().lifetime = lifetime;
        write(&home, "neon/credentials.json", &issuer.tokens("ada"));
        for variables in [vec![evils], vec![evil, evils]] {
            let mut command = home.program(&["call", "--json", "list_projects"], &issuer);
            let output = command.envs(variables.clone()).output().await.expect("runs");
            let value: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            assert_eq!(kind(&value), "not_signed_in", "{variables:?}: {value}");
        }
    }
    let mut command = home.program(&["call", "--json", "list_projects"], &issuer);
    let output = command.envs([evil]).output().await.expect("runs");
    let value: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(kind(&value), "not_signed_in", "{value}");
    assert_eq!(issuer.upstream.count(), 0);
    // This machine is not Neon either: whoever sets one address sets the other.
    let elsewhere = Home::new();
    for lifetime in [3_600, 5] {
        issuer.state().lifetime = lifetime;
        let path = write(&elsewhere, "neon/credentials.json", &issuer.tokens("ada"));
        let before = read(&path);
        assert_eq!(kind(&called(&elsewhere, &issuer, &[]).await), "not_signed_in");
        assert_eq!(read(&path), before);
    }
    write(
        &elsewhere,
        "neon/credentials.json",
        &json!({"type": "api_key", "api_key": "napi_cyd"}),
    );
    assert_eq!(kind(&called(&elsewhere, &issuer, &[]).await), "not_signed_in");
    assert_eq!(issuer.upstream.count(), 0);
}
