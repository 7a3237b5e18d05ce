//! Neon Auth through a client on the sandbox: an app gets sign-in, grows, and loses it, with a human who is asked.

use harness::{assert_worded, wording::line_with};
use neon_mcp::sandbox::{Sandbox, SandboxOptions};
use serde_json::{Map, Value, json};

use super::error;
use crate::support::fence::bare_value;
use crate::support::human::{Human, Manner};
use crate::support::sandbox;
use crate::support::server::{Era, TestClient, TestServer, program};

/// A server with every tool on a sandbox of its own, a human behind it, and a project.
struct Shop {
    server: TestServer,
    human: Human,
    /// It ends when it is dropped.
    _sandbox: Sandbox,
    branch: String,
}

impl Shop {
    async fn open() -> Self {
        let sandbox = sandbox::start(SandboxOptions {
            require_org_id: false,
            ..SandboxOptions::default()
        })
        .await;
        let human = Human::who(Manner::Accepts);
        let mut command = program(&["--toolsets", "all"], &sandbox.api_url(), sandbox.api_key());
        command.env("NEON_MCP_LOG", "trace");
        let server = TestServer::run(command, TestClient::with(human.clone()), Era::Legacy).await;
        let (made, is_error) = server.call("create_project", json!({"name": "shop"})).await;
        assert!(!is_error, "{made}");
        Self {
            branch: made["result"]["branch"]["id"].as_str().expect("an id").to_owned(),
            server,
            human,
            _sandbox: sandbox,
        }
    }

    /// A call about the project's default branch: its value.
    async fn on_main(&self, tool: &str, arguments: Value) -> (Value, bool) {
        let mut given: Map<String, Value> = arguments.as_object().cloned().expect("an object");
        given.insert("project_id".into(), "shop".into());
        given.insert("branch_id".into(), self.branch.as_str().into());
        self.server.call(tool, Value::Object(given)).await
    }

    /// The same, where it must succeed.
    async fn does(&self, tool: &str, arguments: Value) -> Value {
        let (value, is_error) = self.on_main(tool, arguments).await;
        assert!(!is_error, "{tool}: {value}");
        value
    }

    /// Calls what a result named as the way back.
    async fn undo(&self, of: &Value) -> Value {
        let tool = of["undo"]["tool"]
            .as_str()
            .unwrap_or_else(|| panic!("no way back in {of}"));
        let (value, is_error) = self.server.call(tool, of["undo"]["arguments"].clone()).await;
        assert!(!is_error, "{tool}: {value}");
        value
    }

    /// How many questions the human got, and what the last one said.
    fn asked(&self) -> (usize, String) {
        let asked = self.human.asked();
        (
            asked.len(),
            asked.last().map(|(message, _)| message.clone()).unwrap_or_default(),
        )
    }
}

#[tokio::test]
async fn an_app_gets_sign_in_and_loses_it() {
    let shop = Shop::open().await;
    let (value, is_error) = shop.on_main("get_neon_auth", json!({})).await;
    assert!(is_error && error(&value)["status"] == 404, "{value}");

    let on = shop
        .does("provision_neon_auth", json!({"auth_provider": "better_auth"}))
        .await;
    assert_eq!(on["result"]["secret_server_key"], "[masked]", "{on}");
    assert_eq!(on["undo"]["tool"], "disable_neon_auth");
    let shown = shop.does("get_neon_auth", json!({})).await;
    assert_eq!(shown["result"]["base_url"], on["result"]["base_url"]);

    let domain = json!({"domain": "https://shop.example.com", "auth_provider": "better_auth"});
    let added = shop.does("add_auth_domain", domain.clone()).await;
    let domains = shop.does("list_auth_domains", json!({})).await;
    assert_eq!(
        domains["result"]["domains"][0]["domain"], "https://shop.example.com",
        "{domains}"
    );
    let removed = shop.undo(&added).await;
    assert_eq!(
        shop.does("list_auth_domains", json!({})).await["result"]["domains"],
        json!([])
    );
    shop.undo(&removed).await;
    shop.does("delete_auth_domain", domain).await;

    let questions = shop.asked().0;
    let made = shop.does("create_auth_user", json!({"email": "ann@example.com"})).await;
    assert_eq!(shop.asked().0, questions, "to add a user asks nobody");
    let id = made["result"]["id"].as_str().expect("an id");
    shop.does("set_auth_user_roles", json!({"auth_user_id": id, "roles": ["admin"]}))
        .await;
    assert!(shop.asked().1.contains("admin"), "{}", shop.asked().1);
    shop.undo(&made).await;
    let (value, is_error) = shop.on_main("delete_auth_user", json!({"auth_user_id": id})).await;
    assert!(is_error && error(&value)["status"] == 404, "{value}");

    // It is the default branch: the name of it is asked for.
    let off = shop.does("disable_neon_auth", json!({"delete_data": true})).await;
    assert!(shop.human.asked().last().expect("a question").1["properties"]["name"].is_object());
    assert!(
        off["undo"].as_str().is_some_and(|undo| undo.starts_with("none")),
        "{off}"
    );
    let (value, is_error) = shop.on_main("get_neon_auth", json!({})).await;
    assert!(is_error && error(&value)["status"] == 404, "{value}");
    shop.does("provision_neon_auth", json!({"auth_provider": "better_auth"}))
        .await;
}

#[tokio::test]
async fn who_declines_changes_nothing() {
    let shop = Shop::open().await;
    shop.does("provision_neon_auth", json!({"auth_provider": "better_auth"}))
        .await;
    shop.does(
        "update_auth_email_password",
        json!({"require_email_verification": true}),
    )
    .await;
    shop.human.changes_to(Manner::Declines);
    for (tool, arguments) in [
        ("disable_neon_auth", json!({})),
        (
            "add_auth_domain",
            json!({"domain": "https://evil.example.com", "auth_provider": "better_auth"}),
        ),
        ("delete_auth_oauth_provider", json!({"oauth_provider_id": "google"})),
        ("set_auth_localhost", json!({"allow_localhost": false})),
        ("update_auth_email_password", json!({"enabled": false})),
        (
            "update_auth_email_password",
            json!({"require_email_verification": false}),
        ),
        (
            "update_auth_email_provider",
            json!({"type": "shared", "sender_name": "x"}),
        ),
        (
            "set_auth_webhook",
            json!({"enabled": true, "webhook_url": "https://evil.example.com", "enabled_events": []}),
        ),
    ] {
        let (value, is_error) = shop.on_main(tool, arguments).await;
        assert!(is_error && error(&value)["kind"] == "rejected", "{tool}: {value}");
    }
    let settings = shop.does("get_auth_plugins", json!({})).await;
    let settings = &settings["result"];
    assert_eq!(settings["allow_localhost"], true, "{settings}");
    assert_eq!(settings["oauth_providers"], json!([{"id": "google", "type": "shared"}]));
    assert_eq!(settings["email_provider"], json!({"type": "shared"}));
    assert_eq!(
        shop.does("get_auth_webhook", json!({})).await["result"]["enabled"],
        false
    );
    assert_eq!(
        shop.does("list_auth_domains", json!({})).await["result"]["domains"],
        json!([])
    );
}

#[tokio::test]
async fn settings_change_and_go_back() {
    let shop = Shop::open().await;
    shop.does("provision_neon_auth", json!({"auth_provider": "better_auth"}))
        .await;
    let before = shop.does("get_auth_plugins", json!({})).await["result"].clone();
    let hook = shop.does("get_auth_webhook", json!({})).await["result"].clone();
    for (tool, arguments) in [
        ("update_auth_email_password", json!({"enabled": false})),
        ("set_auth_localhost", json!({"allow_localhost": false})),
        (
            "update_auth_organization_plugin",
            json!({"enabled": false, "organization_limit": 1}),
        ),
        (
            "add_auth_oauth_provider",
            json!({"oauth_provider_id": "github", "client_id": "id-1", "client_secret": "s3cret-canary"}),
        ),
        (
            "set_auth_webhook",
            json!({"enabled": true, "webhook_url": "https://example.com/hook", "enabled_events": ["send.otp"], "timeout_seconds": 3}),
        ),
    ] {
        let changed = shop.does(tool, arguments).await;
        assert!(!changed.to_string().contains("s3cret-canary"), "{changed}");
        shop.undo(&changed).await;
    }
    assert_eq!(shop.does("get_auth_plugins", json!({})).await["result"], before);
    let hook_now = shop.does("get_auth_webhook", json!({})).await["result"].clone();
    assert_eq!(
        (&hook_now["enabled"], &hook_now["enabled_events"]),
        (&hook["enabled"], &hook["enabled_events"])
    );

    // What doesn't ask is looked at before, too: the undo has what was there.
    let questions = shop.asked().0;
    let renamed = shop.does("update_auth_app_name", json!({"name": "The shop"})).await;
    let linked = shop
        .does(
            "update_auth_magic_link_plugin",
            json!({"enabled": true, "expires_in": 10}),
        )
        .await;
    shop.does("update_auth_phone_plugin", json!({"enabled": true})).await;
    assert_eq!(shop.asked().0, questions);
    assert!(renamed["undo"]["arguments"]["name"].is_string(), "{renamed}");
    assert_eq!(linked["undo"]["tool"], "update_auth_magic_link_plugin", "{linked}");
    assert_eq!(
        bare_value(&shop.does("get_neon_auth", json!({})).await["result"]["name"]),
        "The shop"
    );
    assert_eq!(
        shop.does("get_auth_phone_plugin", json!({})).await["result"]["enabled"],
        true
    );
    let (value, is_error) = shop
        .on_main("update_auth_magic_link_plugin", json!({"expires_in": 1441}))
        .await;
    assert!(is_error && error(&value)["kind"] == "invalid_arguments", "{value}");
}

#[tokio::test]
async fn secrets_stay_masked_but_where_they_are_handed_over() {
    let shop = Shop::open().await;
    const SECRET: &str = "s3cret-canary";
    shop.does("provision_neon_auth", json!({"auth_provider": "better_auth"}))
        .await;
    let server = json!({
        "type": "standard", "host": "smtp.example.com", "port": 587, "username": "mailer", "password": SECRET,
        "sender_email": "no-reply@example.com", "sender_name": "Shop",
    });
    let github = json!({"oauth_provider_id": "github", "client_id": "id-1", "client_secret": SECRET});
    for (tool, arguments) in [
        ("update_auth_email_provider", server),
        ("add_auth_oauth_provider", github),
        (
            "update_auth_oauth_provider",
            json!({"oauth_provider_id": "github", "client_secret": SECRET}),
        ),
        ("get_auth_email_provider", json!({})),
        ("list_auth_oauth_providers", json!({})),
        ("get_auth_plugins", json!({})),
        ("send_auth_test_email", json!({"recipient_email": "ann@example.com"})),
    ] {
        let value = shop.does(tool, arguments).await;
        assert!(!value.to_string().contains(SECRET), "{tool}: {value}");
    }
    for (message, _) in shop.human.asked() {
        assert!(!message.contains(SECRET), "{message}");
    }
    let listed = shop.does("list_auth_oauth_providers", json!({})).await;
    assert_eq!(
        listed["result"]["providers"][1]["client_secret"], "[masked]",
        "{listed}"
    );

    let project = json!({"project_id": "shop", "auth_provider": "better_auth"});
    let (keys, is_error) = shop.server.call("create_auth_provider_keys", project.clone()).await;
    assert!(!is_error, "{keys}");
    let key = keys["result"]["secret_server_key"].as_str().expect("a key").to_owned();
    assert!(key.starts_with("ssk_"), "{keys}");
    assert_worded!(
        "approvals",
        "keys of an auth provider",
        line_with(&shop.asked().1, "better_auth")
    );
    let (transfer, is_error) = shop.server.call("transfer_auth_provider_project", project).await;
    let url = transfer["result"]["url"].as_str().expect("a URL").to_owned();
    assert!(!is_error && url.starts_with("https://"), "{transfer}");
    assert!(
        shop.asked().1.contains("shop"),
        "the project is named: {}",
        shop.asked().1
    );
    let log = shop.server.stop().await;
    for secret in [SECRET, key.as_str(), url.as_str()] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
}

#[tokio::test]
async fn a_webhook_for_codes_and_a_wildcard_ask_for_the_branch_by_name() {
    let shop = Shop::open().await;
    shop.does("provision_neon_auth", json!({"auth_provider": "better_auth"}))
        .await;
    let hook = |events: Value| json!({"enabled": true, "webhook_url": "https://example.com", "enabled_events": events});
    let domain = |domain: &str| json!({"domain": domain, "auth_provider": "better_auth"});
    for (tool, arguments, by_name) in [
        ("set_auth_webhook", hook(json!(["user.created"])), false),
        (
            "set_auth_webhook",
            hook(json!(["user.created", "send.magic_link"])),
            true,
        ),
        ("add_auth_domain", domain("https://shop.example.com"), false),
        ("add_auth_domain", domain("https://*.example.com"), true),
    ] {
        shop.does(tool, arguments).await;
        let (message, form) = shop.human.asked().pop().expect("a question");
        assert_eq!(form["properties"]["name"].is_object(), by_name, "{tool}: {message}");
        assert!(message.contains("example.com"), "{message}");
    }
}

#[tokio::test]
async fn on_a_throwaway_branch_what_is_lost_asks_nobody() {
    let shop = Shop::open().await;
    shop.does("provision_neon_auth", json!({"auth_provider": "better_auth"}))
        .await;
    let expires = (chrono::Utc::now() + chrono::TimeDelta::hours(1)).to_rfc3339();
    let (made, is_error) = shop
        .server
        .call(
            "create_branch",
            json!({"project_id": "shop", "name": "try", "expires_at": expires}),
        )
        .await;
    assert!(!is_error, "{made}");
    let questions = shop.asked().0;
    let on = |more: Value| {
        let mut given = json!({"project_id": "shop", "branch_id": "try"});
        for (name, value) in more.as_object().expect("an object") {
            given[name] = value.clone();
        }
        given
    };
    for (tool, arguments) in [
        ("delete_auth_oauth_provider", on(json!({"oauth_provider_id": "google"}))),
        ("update_auth_email_password", on(json!({"enabled": false}))),
        ("disable_neon_auth", on(json!({"delete_data": true}))),
    ] {
        let (value, is_error) = shop.server.call(tool, arguments).await;
        assert!(!is_error, "{tool}: {value}");
    }
    assert_eq!(shop.asked().0, questions);
    // The parent has its own.
    let settings = shop.does("get_auth_email_password", json!({})).await;
    assert_eq!(settings["result"]["enabled"], true);
}
