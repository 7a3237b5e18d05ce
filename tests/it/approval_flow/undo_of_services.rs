//! The ways back of what isn't a branch, a compute or a database: access, authentication, the Data API, functions, money, networks.

use std::collections::BTreeSet;

use harness::fence::bare_value;
use neon_mcp::sandbox::{ExtraMember, SandboxOptions};
use serde_json::{Value, json};

use super::undo::{all_of, comes_back, state};
use crate::examples::{Story, in_shop};

fn on_main(arguments: Value) -> Value {
    let mut arguments = in_shop(arguments);
    arguments["branch_id"] = "main".into();
    arguments
}

/// The tools of this file whose way back was run.
struct Ways<'a> {
    story: &'a Story,
    seen: BTreeSet<String>,
}

impl Ways<'_> {
    async fn back(&mut self, tool: &str, arguments: Value, read: (&str, Value)) {
        comes_back(self.story, &mut self.seen, tool, arguments, read).await;
    }

    /// On branch `main` of `shop`, with a tool that reads the branch.
    async fn main(&mut self, tool: &str, arguments: Value, read: &str) {
        self.back(tool, on_main(arguments), (read, on_main(json!({})))).await;
    }
}

#[tokio::test]
async fn way_back_of_authentication_takes_back_what_the_call_did() {
    let story = Story::aside(SandboxOptions::default()).await;
    story.make_shop(json!({})).await;
    let mut ways = Ways {
        story: &story,
        seen: BTreeSet::new(),
    };
    let better = |more: Value| {
        let mut given = more;
        given["auth_provider"] = "better_auth".into();
        given
    };
    story.call("provision_neon_auth", on_main(better(json!({})))).await;
    let domain = better(json!({"domain": "https://a.example"}));
    ways.main("add_auth_domain", domain.clone(), "list_auth_domains").await;
    story.call("add_auth_domain", on_main(domain.clone())).await;
    ways.main("delete_auth_domain", domain, "list_auth_domains").await;
    let github = json!({"oauth_provider_id": "github"});
    let own = json!({"oauth_provider_id": "github", "client_id": "mine", "client_secret": "s"});
    ways.main("add_auth_oauth_provider", own.clone(), "list_auth_oauth_providers")
        .await;
    story.call("add_auth_oauth_provider", on_main(own.clone())).await;
    let other = json!({"oauth_provider_id": "github", "client_id": "theirs", "client_secret": "t"});
    ways.main("update_auth_oauth_provider", other, "list_auth_oauth_providers")
        .await;
    story.call("delete_auth_oauth_provider", on_main(github.clone())).await;
    let google = json!({"oauth_provider_id": "google"});
    ways.main("delete_auth_oauth_provider", google, "list_auth_oauth_providers")
        .await;
    let stricter = json!({"require_email_verification": true, "disable_sign_up": true});
    ways.main("update_auth_email_password", stricter, "get_auth_email_password")
        .await;
    let mail = |sender: &str| {
        json!({
            "type": "standard", "host": "mail.a.example", "port": 587, "username": "u", "password": "p",
            "sender_email": sender, "sender_name": "Shop",
        })
    };
    story
        .call("update_auth_email_provider", on_main(mail("a@a.example")))
        .await;
    let sender = json!({"type": "standard", "host": "mail.b.example", "port": 25, "username": "v", "password": "q",
        "sender_email": "b@b.example", "sender_name": "Store"});
    ways.main("update_auth_email_provider", sender, "get_auth_email_provider")
        .await;
    let localhost = bare_value(&story.call("get_auth_localhost", on_main(json!({}))).await["allow_localhost"]);
    let turned = json!({"allow_localhost": localhost != json!(true)});
    ways.main("set_auth_localhost", turned, "get_auth_localhost").await;
    let organizations = json!({"enabled": true, "organization_limit": 3, "membership_limit": 7});
    ways.main("update_auth_organization_plugin", organizations, "get_auth_plugins")
        .await;
    let link = json!({"enabled": true, "expires_in": 120});
    ways.main("update_auth_magic_link_plugin", link, "get_auth_plugins")
        .await;
    let phone = json!({"enabled": true, "otp_expires_in": 120});
    ways.main("update_auth_phone_plugin", phone, "get_auth_phone_plugin")
        .await;
    ways.main("update_auth_app_name", json!({"name": "Shop"}), "get_neon_auth")
        .await;
    let hook = |url: &str| json!({"enabled": true, "webhook_url": url, "enabled_events": ["user.created"], "timeout_seconds": 5});
    story
        .call("set_auth_webhook", on_main(hook("https://a.example/hook")))
        .await;
    ways.main("set_auth_webhook", hook("https://b.example/hook"), "get_auth_webhook")
        .await;
    // Users are rows of the branch, which no tool lists: the answer of the call that takes one away says that it was there.
    let user = story
        .done("create_auth_user", on_main(json!({"email": "a@a.example"})))
        .await;
    story.undo(&user).await;
    ways.seen.insert("create_auth_user".to_owned());
    let provisioned = state(&story, &("get_neon_auth", on_main(json!({})))).await;
    assert_ne!(provisioned, Value::Null);
    story
        .call("disable_neon_auth", on_main(json!({"delete_data": true})))
        .await;
    let absent = story.answer("get_neon_auth", on_main(json!({}))).await.1;
    let again = story.done("provision_neon_auth", on_main(better(json!({})))).await;
    // What comes with it is said, so that nobody turns it on once more.
    assert!(again["state"]["providers"].to_string().contains("google"), "{again}");
    assert_eq!(again["state"]["allow_localhost"], true, "{again}");
    story.undo(&again).await;
    assert!(absent && story.answer("get_neon_auth", on_main(json!({}))).await.1);
    ways.seen.insert("provision_neon_auth".to_owned());
    all_of("auth", &ways.seen);
}

#[tokio::test]
async fn way_back_of_a_branchs_services_takes_back_what_the_call_did() {
    let story = Story::aside(SandboxOptions::default()).await;
    story.make_shop(json!({})).await;
    let mut ways = Ways {
        story: &story,
        seen: BTreeSet::new(),
    };
    story
        .call(
            "deploy_function",
            on_main(json!({"slug": "hello", "archive_base64": "UEsDBHh4"})),
        )
        .await;
    story
        .call("update_function", on_main(json!({"slug": "hello", "name": "Hello"})))
        .await;
    ways.main(
        "update_function",
        json!({"slug": "hello", "name": "Bye"}),
        "list_functions",
    )
    .await;
    all_of("functions", &ways.seen);
    let domain = json!({"domain": "www.a.example", "function_slug": "hello"});
    ways.main("add_custom_domain", domain.clone(), "list_custom_domains")
        .await;
    story.call("add_custom_domain", on_main(domain)).await;
    let gone = json!({"domain": "www.a.example"});
    ways.main("remove_custom_domain", gone, "list_custom_domains").await;
    all_of("custom_domains", &ways.seen);
    let nightly = json!({"name": "nightly", "type": "schedule", "function_slug": "hello", "cron": "0 3 * * *"});
    ways.main("create_trigger", nightly.clone(), "list_triggers").await;
    story.call("create_trigger", on_main(nightly)).await;
    let later = json!({"trigger_id": "nightly", "type": "schedule", "cron": "0 5 * * *", "enabled": false});
    ways.main("update_trigger", later, "list_triggers").await;
    all_of("triggers", &ways.seen);
    let scopes = json!({"name": "ci", "scopes": ["storage:read"]});
    ways.main("create_credential", scopes, "list_credentials").await;
    all_of("credentials", &ways.seen);
    let neondb = |more: Value| {
        let mut given = on_main(more);
        given["database_name"] = "neondb".into();
        given
    };
    let api = || ("get_data_api", neondb(json!({})));
    ways.back("provision_neon_data_api", neondb(json!({})), api()).await;
    story.call("provision_neon_data_api", neondb(json!({}))).await;
    story.call("update_data_api", neondb(json!({"db_max_rows": 50}))).await;
    ways.back("update_data_api", neondb(json!({"db_max_rows": 100})), api())
        .await;
    story.call("delete_data_api", neondb(json!({}))).await;
    story.call("provision_neon_data_api", neondb(json!({}))).await;
    ways.back("delete_data_api", neondb(json!({})), api()).await;
    all_of("data_api", &ways.seen);
    let rule = |column: &str| {
        json!([{
            "database_name": "neondb", "schema_name": "public", "table_name": "people", "column_name": column,
            "masking_value": "'x'",
        }])
    };
    let masked = in_shop(json!({"name": "masked", "masking_rules": rule("email")}));
    ways.back(
        "create_anonymized_branch",
        masked.clone(),
        ("list_branches", in_shop(json!({}))),
    )
    .await;
    let masked = {
        let mut masked = masked;
        masked["name"] = "hidden".into();
        masked
    };
    story.call("create_anonymized_branch", masked).await;
    let hidden = |more: Value| {
        let mut given = in_shop(more);
        given["branch_id"] = "hidden".into();
        given
    };
    ways.back(
        "update_masking_rules",
        hidden(json!({"masking_rules": rule("phone")})),
        ("list_masking_rules", hidden(json!({}))),
    )
    .await;
    all_of("anonymization", &ways.seen);
}

#[tokio::test]
async fn way_back_of_access_takes_back_what_the_call_did() {
    let story = Story::aside(SandboxOptions {
        extra_members: vec![ExtraMember {
            email: "ada@elsewhere.example".to_owned(),
            role: "member".to_owned(),
        }],
        ..SandboxOptions::default()
    })
    .await;
    story.make_shop(json!({})).await;
    let mut ways = Ways {
        story: &story,
        seen: BTreeSet::new(),
    };
    let project = in_shop(json!({}));
    let org = json!({"org_id": story.org});
    let in_org = |more: Value| {
        let mut given = more;
        given["org_id"] = story.org.as_str().into();
        given
    };
    let friend = in_shop(json!({"email": "friend@b.example"}));
    let permissions = ("list_project_permissions", project.clone());
    ways.back("grant_project_permission", friend.clone(), permissions.clone())
        .await;
    story.call("grant_project_permission", friend).await;
    let held = bare_value(&story.call("list_project_permissions", project.clone()).await);
    let permission = in_shop(json!({"permission_id": held["project_permissions"][0]["id"]}));
    ways.back("revoke_project_permission", permission, permissions).await;
    let keys = in_shop(json!({"jwks_url": "https://id.example.com/jwks.json", "provider_name": "id"}));
    let jwks = ("list_project_jwks", project.clone());
    ways.back("add_project_jwks", keys.clone(), jwks.clone()).await;
    story.call("add_project_jwks", keys).await;
    let listed = bare_value(&story.call("list_project_jwks", project.clone()).await);
    let jwks_id = in_shop(json!({"jwks_id": listed["jwks"][0]["id"]}));
    ways.back("delete_project_jwks", jwks_id, jwks).await;

    let limit = ("get_organization_spending_limit", org.clone());
    story
        .call(
            "set_organization_spending_limit",
            in_org(json!({"spending_limit_cents": 4_000})),
        )
        .await;
    let raised = in_org(json!({"spending_limit_cents": 5_000}));
    ways.back("set_organization_spending_limit", raised, limit.clone())
        .await;
    ways.back("delete_organization_spending_limit", org.clone(), limit)
        .await;

    let all = bare_value(&story.call("list_organization_members", org.clone()).await);
    let members = all["members"].as_array().expect("members");
    let ada = members
        .iter()
        .find(|one| one["user"]["email"] == "ada@elsewhere.example")
        .expect("ada");
    let admin = in_org(json!({"member_id": ada["member"]["id"], "role": "admin"}));
    let read = ("list_organization_members", org.clone());
    ways.back("update_organization_member", admin, read).await;
    let members = bare_value(&story.call("list_project_members", project.clone()).await);
    let member = &members["project_members"][0]["member_id"];
    let of = |more: Value| {
        let mut given = in_shop(more);
        given["member_id"] = member.clone();
        given
    };
    let roles = ("list_project_members", project.clone());
    story
        .call("set_project_member_role", of(json!({"role": "viewer"})))
        .await;
    let editor = of(json!({"role": "editor"}));
    ways.back("set_project_member_role", editor, roles.clone()).await;
    ways.back("remove_project_member_role", of(json!({})), roles).await;

    let office = in_org(json!({"region_id": "aws-us-east-1", "vpc_endpoint_id": "vpce-1", "label": "Office"}));
    let endpoints = ("list_organization_vpc_endpoints", org.clone());
    ways.back("assign_organization_vpc_endpoint", office, endpoints).await;
    let other = in_org(json!({"region_id": "aws-us-east-1", "vpc_endpoint_id": "vpce-2", "label": "Home"}));
    story.call("assign_organization_vpc_endpoint", other).await;
    let restriction = in_shop(json!({"vpc_endpoint_id": "vpce-2", "label": "Home"}));
    let restrictions = ("list_project_vpc_endpoints", project.clone());
    ways.back("assign_project_vpc_endpoint", restriction.clone(), restrictions.clone())
        .await;
    story.call("assign_project_vpc_endpoint", restriction).await;
    let lifted = in_shop(json!({"vpc_endpoint_id": "vpce-2"}));
    ways.back("delete_project_vpc_endpoint", lifted, restrictions).await;
    for toolset in ["access", "organizations", "vpc"] {
        all_of(toolset, &ways.seen);
    }
}
