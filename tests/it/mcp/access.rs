//! Who may reach what, as an agent goes about it: a human approves, and what was given can be taken back.

use harness::assert_worded;
use neon_mcp::sandbox::{ExtraMember, Sandbox, SandboxOptions};
use serde_json::{Value, json};

use super::error;
use crate::support::human::{Human, Manner};
use crate::support::policy::write_policy;
use crate::support::sandbox;
use crate::support::server::{Era, TestClient, TestServer, program};

/// A sandbox with two organizations and a member, a project in it, and a server on it.
struct Scene {
    sandbox: Sandbox,
    server: TestServer,
    human: Human,
    org: String,
    annex: String,
    project: String,
}

impl Scene {
    async fn start(manner: Manner, policy: &str) -> Self {
        let sandbox = sandbox::start(SandboxOptions {
            require_org_id: false,
            extra_members: vec![ExtraMember {
                email: "ada@elsewhere.example".into(),
                role: "editor".into(),
            }],
            extra_organizations: vec!["Annex".into()],
            ..SandboxOptions::default()
        })
        .await;
        let human = Human::who(manner);
        let file = tempfile::NamedTempFile::new().expect("a file");
        write_policy(file.path(), policy);
        let mut command = program(
            &["--toolsets", "all", "--policy", file.path().to_str().expect("a path")],
            &sandbox.api_url(),
            sandbox.api_key(),
        );
        command.env("NEON_MCP_LOG", "trace");
        let server = TestServer::run(command, TestClient::with(human.clone()), Era::Legacy).await;
        let mut scene = Self {
            sandbox,
            server,
            human,
            org: String::new(),
            annex: String::new(),
            project: String::new(),
        };
        let organizations = scene.call("list_organizations", json!({})).await;
        let id = |at: usize| text(&organizations["result"]["organizations"][at]["id"]);
        (scene.org, scene.annex) = (id(0), id(1));
        let made = scene
            .call("create_project", json!({ "name": "shop", "org_id": scene.org }))
            .await;
        scene.project = text(&made["result"]["project"]["id"]);
        scene
    }

    /// Calls a tool that succeeds.
    async fn call(&self, tool: &str, arguments: Value) -> Value {
        let (value, is_error) = self.server.call(tool, arguments).await;
        assert!(!is_error, "{tool}: {value}");
        value
    }

    /// Calls a tool that doesn't, and returns its error.
    async fn fails(&self, tool: &str, arguments: Value) -> Value {
        let (value, is_error) = self.server.call(tool, arguments).await;
        assert!(is_error, "{tool}: {value}");
        error(&value).clone()
    }

    /// Takes the way back that an answer names, as it stands there.
    async fn undo(&self, done: &Value) -> Value {
        let undo = &done["undo"];
        self.call(undo["tool"].as_str().expect("a tool"), undo["arguments"].clone())
            .await
    }

    /// What the API answers to a key.
    async fn status(&self, key: &str) -> u16 {
        let url = format!("{}/projects", self.sandbox.api_url());
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let request = client.get(url).bearer_auth(key);
        request.send().await.expect("an answer").status().as_u16()
    }

    /// The last question that the human got.
    fn question(&self) -> String {
        self.human.asked().pop().expect("a question").0
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}

#[tokio::test]
async fn a_key_is_handed_over_once_works_and_dies_with_its_undo() {
    let scene = Scene::start(Manner::Accepts, "").await;
    let made = scene.call("create_api_key", json!({ "key_name": "laptop" })).await;
    assert!(
        scene.question().contains("owner@sandbox.example"),
        "{}",
        scene.question()
    );
    let personal = text(&made["result"]["key"]);
    let narrow = scene
        .call(
            "create_organization_api_key",
            json!({ "org_id": scene.org, "key_name": "ci", "project_id": "shop" }),
        )
        .await;
    assert_eq!(narrow["result"]["project_id"], scene.project.as_str());
    let key = text(&narrow["result"]["key"]);
    for key in [&personal, &key] {
        assert_eq!(scene.status(key).await, 200);
    }
    let listed = scene.call("list_api_keys", json!({})).await.to_string();
    assert!(listed.contains("laptop") && !listed.contains(&personal), "{listed}");
    for done in [&made, &narrow] {
        let gone = scene.undo(done).await;
        assert_eq!(gone["result"]["revoked"], true);
        assert!(gone["undo"].as_str().expect("a text").starts_with("none"), "{gone}");
    }
    assert!(scene.question().contains("ci"), "{}", scene.question());
    for key in [&personal, &key] {
        assert_eq!(scene.status(key).await, 401);
    }
    let log = scene.server.stop().await;
    assert!(!log.contains(&personal) && !log.contains(&key), "a key is in the log");
}

#[tokio::test]
async fn the_key_that_the_server_uses_is_never_revoked() {
    let scene = Scene::start(Manner::Accepts, "[effects]\ndestructive = \"allow\"\n").await;
    let asked = scene.human.asked().len();
    let listed = scene.call("list_api_keys", json!({})).await;
    let own = listed["result"]["api_keys"][0]["id"].clone();
    let refused = scene.fails("revoke_api_key", json!({ "key_id": own })).await;
    assert_eq!(refused["kind"], "invalid_arguments");
    assert_worded!("errors", "key of this server", refused["problems"][0]["message"]);
    assert_eq!(scene.human.asked().len(), asked);
    assert_eq!(scene.status(scene.sandbox.api_key()).await, 200);
}

#[tokio::test]
async fn an_allowance_of_access_is_none_to_hand_over_a_secret() {
    let scene = Scene::start(Manner::Declines, "[effects]\naccess = \"allow\"\n").await;
    let limit = json!({ "org_id": scene.org, "spending_limit_cents": 5000 });
    scene.call("set_organization_spending_limit", limit).await;
    assert!(scene.human.asked().is_empty());
    let refused = scene.fails("create_api_key", json!({ "key_name": "x" })).await;
    assert_eq!(refused["kind"], "rejected");
    assert!(scene.question().contains("secret"), "{}", scene.question());
    scene
        .fails("create_project_transfer_request", json!({ "project_id": "shop" }))
        .await;
    let keys = scene.call("list_api_keys", json!({})).await;
    assert_eq!(keys["result"]["api_keys"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn who_was_removed_is_invited_again_with_the_role_that_they_had() {
    let scene = Scene::start(Manner::Accepts, "").await;
    let org = json!({ "org_id": scene.org });
    let members = scene.call("list_organization_members", org.clone()).await;
    let members = members["result"]["members"].as_array().expect("members");
    let ada = members
        .iter()
        .find(|member| member["user"]["email"] == "ada@elsewhere.example")
        .expect("ada");
    let id = text(&ada["member"]["id"]);
    let arguments = json!({ "org_id": scene.org, "member_id": id });

    let mut promotion = arguments.clone();
    promotion["role"] = "admin".into();
    let promoted = scene.call("update_organization_member", promotion).await;
    assert!(
        scene.question().contains("ada@elsewhere.example"),
        "{}",
        scene.question()
    );
    assert_eq!(scene.undo(&promoted).await["result"]["role"], "editor");

    let removed = scene.call("remove_organization_member", arguments).await;
    assert_eq!(
        removed["undo"]["arguments"],
        json!({ "org_id": scene.org, "invitations": [{ "email": "ada@elsewhere.example", "role": "editor" }] })
    );
    scene.undo(&removed).await;
    let waiting = scene.call("list_organization_invitations", org).await;
    assert_eq!(waiting["result"]["invitations"][0]["email"], "ada@elsewhere.example");
}

#[tokio::test]
async fn trust_in_a_jwks_comes_back_as_narrow_as_it_was() {
    let scene = Scene::start(Manner::Accepts, "").await;
    let on_branch = json!({
        "project_id": "shop", "jwks_url": "https://id.example.com/keys", "provider_name": "Clerk", "branch_id": "main",
    });
    let everywhere = json!({
        "project_id": "shop", "jwks_url": "https://id.example.com/keys", "provider_name": "Clerk", "jwt_audience": "shop",
    });
    for (arguments, kept, left_out) in [
        (on_branch, "branch_id", "jwt_audience"),
        (everywhere, "jwt_audience", "branch_id"),
    ] {
        let added = scene.call("add_project_jwks", arguments).await;
        let removed = scene.undo(&added).await;
        let back = &removed["undo"]["arguments"];
        // What it is about stands once, above what was added.
        let told = added["result"]["jwks"].get(kept).unwrap_or(&added[kept]);
        assert!(told.is_string() && back[kept] == *told, "{removed}");
        assert!(back.get(left_out).is_none(), "{removed}");
        scene.undo(&removed).await;
    }
    let asked = scene.human.asked().len();
    for url in [
        "http://id.example.com/keys",
        "https://10.0.0.1/keys",
        "https://[::1]/keys",
        "https://localhost/keys",
        "https://printer.local/keys",
        "https://me@id.example.com/keys",
        "https://metadata.google.internal/keys",
    ] {
        let arguments = json!({ "project_id": "shop", "jwks_url": url, "provider_name": "x" });
        let refused = scene.fails("add_project_jwks", arguments).await;
        assert_eq!(refused["kind"], "invalid_arguments", "{url}");
    }
    assert_eq!(scene.human.asked().len(), asked, "nobody is asked about what can't be");
}

#[tokio::test]
async fn a_project_changes_hands_and_comes_back() {
    let scene = Scene::start(Manner::Accepts, "").await;
    let offer = json!({ "project_id": "shop", "ttl_seconds": 600 });
    let offered = scene.call("create_project_transfer_request", offer).await;
    assert!(
        offered["undo"].as_str().expect("a text").starts_with("none"),
        "{offered}"
    );
    let claim = text(&offered["result"]["id"]);
    let taken = json!({ "project_id": scene.project, "request_id": claim, "org_id": scene.annex });
    scene.call("accept_project_transfer_request", taken.clone()).await;
    let project = scene.call("describe_project", json!({ "project_id": "shop" })).await;
    assert_eq!(project["result"]["project"]["org_id"], scene.annex.as_str());
    let again = scene.fails("accept_project_transfer_request", taken).await;
    assert!(
        again.to_string().contains("404") || again["kind"] == "not_found",
        "{again}"
    );

    let moved = json!({
        "source_org_id": scene.annex, "destination_org_id": scene.org, "project_ids": [scene.project],
    });
    let moved = scene.call("transfer_projects", moved).await;
    assert!(scene.question().contains(&scene.project), "{}", scene.question());
    scene.undo(&moved).await;
    let project = scene.call("describe_project", json!({ "project_id": "shop" })).await;
    assert_eq!(project["result"]["project"]["org_id"], scene.annex.as_str());
}

#[tokio::test]
async fn shares_roles_networks_and_limits_are_undone_by_what_their_answers_name() {
    let scene = Scene::start(Manner::Accepts, "").await;
    let share = json!({ "project_id": "shop", "email": "friend@b.example" });
    let shared = scene.call("grant_project_permission", share).await;
    let revoked = scene.undo(&shared).await;
    scene.undo(&revoked).await;

    let members = scene
        .call("list_project_members", json!({ "project_id": "shop" }))
        .await;
    let ada = text(&members["result"]["project_members"][0]["member_id"]);
    let role = |role: &str| json!({ "project_id": "shop", "member_id": ada, "role": role });
    let first = scene.call("set_project_member_role", role("viewer")).await;
    assert!(
        first["undo"].to_string().contains("remove_project_member_role"),
        "{first}"
    );
    let second = scene.call("set_project_member_role", role("admin")).await;
    assert_eq!(scene.undo(&second).await["result"]["project_role"], "viewer");
    let removal = json!({ "project_id": "shop", "member_id": ada });
    let removed = scene.call("remove_project_member_role", removal).await;
    assert_eq!(scene.undo(&removed).await["result"]["project_role"], "viewer");

    let endpoint = json!({
        "org_id": scene.org, "region_id": "aws-us-east-1", "vpc_endpoint_id": "vpce-0a", "label": "office",
    });
    scene.call("assign_organization_vpc_endpoint", endpoint).await;
    let restriction = json!({ "project_id": "shop", "vpc_endpoint_id": "vpce-0a", "label": "office" });
    let restricted = scene.call("assign_project_vpc_endpoint", restriction).await;
    let lifted = scene.undo(&restricted).await;
    assert_eq!(lifted["undo"]["arguments"]["label"], "office");

    let limit = |cents: u32| json!({ "org_id": scene.org, "spending_limit_cents": cents });
    scene.call("set_organization_spending_limit", limit(5000)).await;
    let raised = scene.call("set_organization_spending_limit", limit(9000)).await;
    assert_eq!(scene.undo(&raised).await["result"]["spending_limit_cents"], 5000);
    let removed = scene
        .call("delete_organization_spending_limit", json!({ "org_id": scene.org }))
        .await;
    assert_eq!(scene.undo(&removed).await["result"]["spending_limit_cents"], 5000);
}
