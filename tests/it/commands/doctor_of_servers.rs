//! `neon-mcp doctor` where clients call a server that runs elsewhere, and on such a server.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Ran, at_home, ran};
use crate::support::fake_neon::{FakeNeon, Recorded, Reply};
use crate::support::server::KEY;

/// The checks of a run.
struct Told(Ran, Value);

impl Told {
    fn new(ran: Ran) -> Self {
        let all = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.all()));
        Self(ran, all)
    }

    fn find(&self, name: &str) -> Option<&Value> {
        let checks = self.1["checks"].as_array().expect("a list");
        checks.iter().find(|check| check["check"] == name)
    }

    #[track_caller]
    fn is(&self, name: &str, state: &str) -> String {
        let check = self.find(name).unwrap_or_else(|| panic!("no {name}: {}", self.1));
        assert_eq!(check["state"], state, "{check}");
        check["message"].as_str().expect("a message").to_owned()
    }
}

/// A server that refuses whoever calls it, as that challenge says.
async fn refusing(challenge: &'static str) -> FakeNeon {
    FakeNeon::route(move |_: &Recorded| Reply::status(401).header("www-authenticate", challenge)).await
}

#[tokio::test]
async fn client_of_a_server_elsewhere_needs_no_credential_and_is_told_what_its_token_lacks() {
    let home = tempfile::tempdir().expect("a directory");
    let doctor = |token: &'static str, offline: bool| {
        let mut command = at_home(&home, &["doctor", "--json"], "http://127.0.0.1:1/api/v2", "");
        command.env("NEON_HTTP_TOKEN", token);
        if offline {
            command.arg("--offline");
        }
        ran(command)
    };
    let install = |url: String, more: &'static [&'static str]| {
        let arguments = [
            &["install", "cursor", "--yes", "--replace", "--url", url.as_str()],
            more,
        ]
        .concat();
        let command = at_home(&home, &arguments, "", "");
        async move { assert_eq!(ran(command).await.code, 0) }
    };
    let server = refusing("Bearer error=\"invalid_token\", error_description=\"the token was revoked\"").await;
    install(format!("{}/mcp", server.origin()), &[]).await;
    let told = Told::new(doctor("a-token-0123456789", false).await);
    for name in ["api", "clock", "credential", "sql"] {
        told.is(name, "skipped");
    }
    assert!(told.is("client", "warning").contains("revoked"), "{}", told.1);
    assert_eq!(told.0.code, 0, "{}", told.1);
    // Without one, the server says what else it wants.
    let server =
        refusing("Bearer resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\"").await;
    install(format!("{}/mcp", server.origin()), &["--no-token"]).await;
    let told = Told::new(doctor("", false).await);
    told.is("client", "ok");
    assert_eq!(told.0.code, 0, "{}", told.1);
    assert_eq!(Told::new(doctor("", true).await).0.code, 0);
    // Another that starts this program wants a credential here.
    let command = at_home(&home, &["install", "kiro", "--yes"], "", "");
    assert_eq!(ran(command).await.code, 0);
    let told = Told::new(doctor("", false).await);
    told.is("credential", "problem");
}

/// Looks at the server of a settings file.
async fn of_server(home: &TempDir, settings: &str, more: &[&str]) -> Told {
    let path = home.path().join("settings.toml");
    std::fs::write(&path, settings).expect("written");
    // A client's file is nothing to it.
    let cursor = home.path().join(".cursor");
    std::fs::create_dir_all(&cursor).expect("made");
    std::fs::write(cursor.join("mcp.json"), "{").expect("written");
    let arguments = [&["doctor", "--json", "--config", text(&path)], more].concat();
    Told::new(ran(at_home(home, &arguments, "http://127.0.0.1:1/api/v2", KEY)).await)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

#[tokio::test]
async fn server_is_looked_at_by_its_settings_and_no_client_is() {
    let home = tempfile::tempdir().expect("a directory");
    let issuer = FakeNeon::route(|request: &Recorded| match request.path() {
        "/.well-known/oauth-authorization-server" | "/.well-known/openid-configuration" => {
            let origin = format!("http://{}", request.header("host").expect("a host"));
            Reply::json(200, json!({"issuer": origin, "jwks_uri": format!("{origin}/keys")}))
        }
        _ => Reply::status(404),
    })
    .await;
    let at = |name: &str| home.path().join(name).display().to_string();
    let key = rcgen::KeyPair::generate().expect("a key");
    std::fs::write(at("key.pem"), key.serialize_pem()).expect("written");
    let certificate = |name: &str, year: i32| {
        let mut parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("parameters");
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
        std::fs::write(at(name), parameters.self_signed(&key).expect("signed").pem()).expect("written");
    };
    certificate("good.pem", 2090);
    certificate("ended.pem", 2021);
    std::fs::write(at("map.toml"), "default = \"allow\"\n# end\n").expect("written");
    let oauth = |issuer: &str, cert: &str, map: &str| {
        format!(
            "[http]\nauth = \"oauth\"\noauth_issuer = \"{issuer}\"\noauth_map = \"{}\"\npublic_url = \"http://127.0.0.1:1\"\n\
             tls_cert = \"{}\"\ntls_key = \"{}\"\nstore = \"dir:{}\"\n",
            at(map),
            at(cert),
            at("key.pem"),
            at("kept"),
        )
    };
    let told = of_server(&home, &oauth(&issuer.origin(), "good.pem", "map.toml"), &[]).await;
    for name in ["settings", "store", "issuer", "map", "certificate"] {
        told.is(name, "ok");
    }
    assert!(told.is("certificate", "ok").contains("2090"), "{}", told.1);
    // It doesn't run, and nobody can approve beside a client's dialog.
    told.is("public_url", "warning");
    told.is("approvals", "warning");
    assert!(
        told.find("client").is_none() && told.find("postgres").is_none(),
        "{}",
        told.1
    );
    // What is wrong is a problem each, and named.
    std::fs::write(at("kept"), "no directory").expect("written");
    std::fs::write(at("wrong.toml"), "default = \"perhaps\"\n").expect("written");
    let slash = format!("{}/", issuer.origin());
    let told = of_server(&home, &oauth(&slash, "ended.pem", "wrong.toml"), &[]).await;
    assert!(
        told.is("issuer", "problem").contains(&format!("`{}`", issuer.origin())),
        "{}",
        told.1
    );
    assert!(told.is("certificate", "problem").contains("2021"), "{}", told.1);
    assert!(told.is("map", "problem").contains("wrong.toml"), "{}", told.1);
    told.is("store", "problem");
    assert_eq!(told.0.code, 1);
    let offline = of_server(&home, &oauth(&slash, "good.pem", "map.toml"), &["--offline"]).await;
    for name in ["issuer", "public_url"] {
        offline.is(name, "skipped");
    }
}

#[tokio::test]
async fn tokens_of_a_server_are_read_with_all_that_they_name() {
    let home = tempfile::tempdir().expect("a directory");
    let settings = format!(
        "state_dir = \"{}\"\n[http]\nauth = \"bearer\"\n",
        home.path().join("state").display()
    );
    let told = of_server(&home, &settings, &["--offline"]).await;
    told.is("tokens", "problem");
    let policy = home.path().join("ci.toml");
    std::fs::write(&policy, "read_only = true\n# end\n").expect("written");
    let state = home.path().join("state");
    let arguments = [
        "token",
        "create",
        "ci",
        "--state-dir",
        text(&state),
        "--policy",
        text(&policy),
    ];
    assert_eq!(ran(at_home(&home, &arguments, "", "")).await.code, 0);
    of_server(&home, &settings, &["--offline"]).await.is("tokens", "ok");
    std::fs::write(&policy, "red_only = true\n# end\n").expect("written");
    let told = of_server(&home, &settings, &["--offline"]).await;
    assert!(told.find("tokens").is_some(), "{}", told.1);
}
