//! Neon Auth: its life on a branch, users, domains, keys, and what copies carry along.

use neon_sandbox::{ExtraKey, KeyKind, SandboxOptions};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Made, Rig, each, options, reference};

const OPERATIONS: [&str; 30] = [
    "getNeonAuth",
    "createNeonAuth",
    "disableNeonAuth",
    "listBranchNeonAuthTrustedDomains",
    "addBranchNeonAuthTrustedDomain",
    "deleteBranchNeonAuthTrustedDomain",
    "createBranchNeonAuthNewUser",
    "deleteBranchNeonAuthUser",
    "updateNeonAuthUserRole",
    "listBranchNeonAuthOauthProviders",
    "addBranchNeonAuthOauthProvider",
    "updateBranchNeonAuthOauthProvider",
    "deleteBranchNeonAuthOauthProvider",
    "getNeonAuthEmailAndPasswordConfig",
    "updateNeonAuthEmailAndPasswordConfig",
    "getNeonAuthEmailProvider",
    "updateNeonAuthEmailProvider",
    "sendNeonAuthEmailProviderTest",
    "getNeonAuthAllowLocalhost",
    "updateNeonAuthAllowLocalhost",
    "getNeonAuthPluginConfigs",
    "updateNeonAuthOrganizationPlugin",
    "updateNeonAuthMagicLinkPlugin",
    "getNeonAuthPhoneNumberPlugin",
    "updateNeonAuthPhoneNumberPlugin",
    "updateNeonAuthConfig",
    "getNeonAuthWebhookConfig",
    "updateNeonAuthWebhookConfig",
    "createNeonAuthProviderSDKKeys",
    "transferNeonAuthProviderProject",
];

/// A project with Neon Auth on its default branch.
pub async fn with_auth(rig: &Rig, provider: &str) -> (Made, Value) {
    let project = rig.project_with(json!({ "name": "shop" })).await;
    let made = rig
        .post(&project.main("/auth"), json!({ "auth_provider": provider }))
        .await
        .expect(201);
    (project, made)
}

/// An SMTP server of the app's own.
pub fn smtp() -> Value {
    json!({
        "type": "standard", "host": "smtp.example.com", "port": 587, "username": "mailer", "password": "s3cret",
        "sender_email": "no-reply@example.com", "sender_name": "Shop",
    })
}

async fn delete_with(rig: &Rig, path: &str, body: Value) -> super::Answer {
    rig.call(Method::DELETE, path, Some(body)).await
}

#[tokio::test]
pub async fn every_operation_answers_in_the_documented_shape() {
    let rig = Rig::start().await;
    let (project, _) = with_auth(&rig, "better_auth").await;
    let at = |rest: &str| project.main(&format!("/auth{rest}"));
    for rest in [
        "",
        "/domains",
        "/oauth_providers",
        "/email_and_password",
        "/email_provider",
        "/allow_localhost",
        "/plugins",
        "/plugins/phone-number",
        "/webhooks",
    ] {
        rig.get(&at(rest)).await.expect(200);
    }
    let domain = json!({ "domain": "https://shop.example.com", "auth_provider": "better_auth" });
    rig.post(&at("/domains"), domain).await.expect(201);
    rig.get(&at("/domains")).await.expect(200);
    let domains = json!({ "domains": [{ "domain": "https://shop.example.com" }], "auth_provider": "better_auth" });
    delete_with(&rig, &at("/domains"), domains).await.expect(200);
    let user = rig
        .post(&at("/users"), json!({ "email": "ann@example.com", "name": "Ann" }))
        .await
        .expect(201);
    let user = at(&format!("/users/{}", user["id"].as_str().unwrap()));
    rig.put(&format!("{user}/role"), json!({ "roles": ["admin"] }))
        .await
        .expect(200);
    rig.delete(&user).await.expect(204);
    let github = json!({ "id": "github", "client_id": "id-1", "client_secret": "s3cret" });
    rig.post(&at("/oauth_providers"), github).await.expect(200);
    rig.get(&at("/oauth_providers")).await.expect(200);
    let github = at("/oauth_providers/github");
    rig.patch(&github, json!({ "client_id": "id-2" })).await.expect(200);
    rig.delete(&github).await.expect(200);
    rig.patch(&at("/email_and_password"), json!({ "enabled": true }))
        .await
        .expect(200);
    rig.patch(&at("/email_provider"), smtp()).await.expect(200);
    rig.get(&at("/email_provider")).await.expect(200);
    let recipient = json!({ "recipient_email": "ann@example.com" });
    rig.post(&at("/email_provider/test"), recipient).await.expect(200);
    rig.patch(&at("/allow_localhost"), json!({ "allow_localhost": false }))
        .await
        .expect(200);
    rig.patch(&at("/plugins/organization"), json!({ "organization_limit": 3 }))
        .await
        .expect(200);
    rig.patch(&at("/plugins/magic-link"), json!({ "enabled": true }))
        .await
        .expect(200);
    rig.patch(&at("/plugins/phone-number"), json!({ "enabled": true }))
        .await
        .expect(200);
    rig.get(&at("/plugins")).await.expect(200);
    rig.patch(&at("/config"), json!({ "name": "Shop" })).await.expect(200);
    let hook = json!({ "enabled": true, "webhook_url": "https://example.com/hook", "enabled_events": ["send.otp"] });
    rig.put(&at("/webhooks"), hook).await.expect(200);
    rig.get(&at("/webhooks")).await.expect(200);
    let legacy = json!({ "project_id": project.id, "auth_provider": "better_auth" });
    rig.post("/projects/auth/keys", legacy.clone()).await.expect(201);
    rig.post("/projects/auth/transfer_ownership", legacy).await.expect(200);
    rig.get(&at("")).await.expect(200);
    rig.delete(&at("")).await.expect(200);
    assert_eq!(reference::not_asked(&OPERATIONS), [""; 0]);
}

#[tokio::test]
async fn it_is_turned_on_once_and_off_with_or_without_its_data() {
    let rig = Rig::start().await;
    let project = rig.project_with(json!({ "name": "shop" })).await;
    let auth = project.main("/auth");
    assert!(rig.get(&auth).await.refused(404).contains("not enabled"));
    let missing = json!({ "auth_provider": "better_auth", "database_name": "nope" });
    rig.post(&auth, missing).await.refused(404);
    rig.post(&auth, json!({ "auth_provider": "other" })).await.refused(400);
    let made = rig
        .post(
            &auth,
            json!({ "auth_provider": "better_auth", "database_name": "neondb" }),
        )
        .await
        .expect(201);
    assert_eq!(
        (&made["schema_name"], &made["table_name"]),
        (&json!("neon_auth"), &json!("users_sync"))
    );
    let shown = rig.get(&auth).await.expect(200);
    let base = shown["base_url"].as_str().unwrap();
    assert!(
        base.contains(&project.endpoint) && base.ends_with("/neondb/auth"),
        "{base}"
    );
    assert_eq!(shown["jwks_url"], format!("{base}/.well-known/jwks.json"));
    assert_eq!((&shown["name"], &shown["db_name"]), (&json!("shop"), &json!("neondb")));
    assert!(shown.get("secret_server_key").is_none(), "{shown}");
    let again = json!({ "auth_provider": "better_auth" });
    rig.post(&auth, again.clone()).await.refused(409);

    rig.delete(&auth).await.expect(200);
    rig.get(&auth).await.refused(404);
    rig.delete(&auth).await.refused(404);
    assert!(rig.post(&auth, again.clone()).await.refused(409).contains("neon_auth"));

    let other = rig.project().await;
    let auth = other.main("/auth");
    rig.post(&auth, again.clone()).await.expect(201);
    delete_with(&rig, &auth, json!({ "delete_data": true }))
        .await
        .expect(200);
    rig.post(&auth, again).await.expect(201);
}

#[tokio::test]
async fn every_part_is_404_where_it_is_off() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let at = |rest: &str| project.main(&format!("/auth{rest}"));
    for rest in [
        "/domains",
        "/oauth_providers",
        "/email_and_password",
        "/email_provider",
        "/allow_localhost",
        "/plugins",
        "/plugins/phone-number",
        "/webhooks",
    ] {
        rig.get(&at(rest)).await.refused(404);
    }
    rig.post(&at("/users"), json!({ "email": "ann@example.com" }))
        .await
        .refused(404);
    rig.patch(&at("/config"), json!({ "name": "Shop" })).await.refused(404);
    rig.put(&at("/webhooks"), json!({ "enabled": false }))
        .await
        .refused(404);
    let legacy = json!({ "project_id": project.id, "auth_provider": "stack" });
    rig.post("/projects/auth/keys", legacy).await.refused(404);
    rig.get("/projects/sandbox-none-1/branches/br-none/auth")
        .await
        .refused(404);
}

#[tokio::test]
async fn domains_are_trusted_until_they_are_not() {
    let rig = Rig::start().await;
    let (project, _) = with_auth(&rig, "better_auth").await;
    let domains = project.main("/auth/domains");
    let add = |domain: &str, provider: &str| json!({ "domain": domain, "auth_provider": provider });
    for wrong in ["shop.example.com", "https://", "https://a b"] {
        rig.post(&domains, add(wrong, "better_auth")).await.refused(400);
    }
    rig.post(&domains, add("https://a.example.com", "stack"))
        .await
        .refused(404);
    for domain in ["https://a.example.com", "https://*.b.example.com", "shop://callback"] {
        rig.post(&domains, add(domain, "better_auth")).await.expect(201);
    }
    rig.post(&domains, add("https://a.example.com", "better_auth"))
        .await
        .refused(409);
    let gone = json!({
        "auth_provider": "better_auth",
        "domains": [{ "domain": "https://a.example.com" }, { "domain": "https://never.example.com" }],
    });
    delete_with(&rig, &domains, gone).await.expect(200);
    let listed = rig.get(&domains).await.expect(200);
    assert_eq!(
        each(&listed["domains"], "domain"),
        ["https://*.b.example.com", "shop://callback"]
    );
    assert_eq!(listed["domains"][0]["auth_provider"], "better_auth");
}

#[tokio::test]
async fn users_have_one_address_each() {
    let rig = Rig::start().await;
    let (project, _) = with_auth(&rig, "better_auth").await;
    let users = project.main("/auth/users");
    for wrong in ["", "ann", "@example.com", "ann@", "a b@example.com"] {
        rig.post(&users, json!({ "email": wrong })).await.refused(400);
    }
    let ann = json!({ "email": "ann@example.com" });
    let made = rig.post(&users, ann.clone()).await.expect(201);
    rig.post(&users, json!({ "email": "ANN@example.com" }))
        .await
        .refused(409);
    let id = made["id"].as_str().unwrap();
    let one = format!("{users}/{id}");
    rig.put(&format!("{one}/role"), json!({ "roles": [] }))
        .await
        .refused(400);
    let roles = rig
        .put(&format!("{one}/role"), json!({ "roles": ["admin"] }))
        .await
        .expect(200);
    assert_eq!(roles["id"], id);
    rig.delete(&one).await.expect(204);
    rig.delete(&one).await.refused(404);
    rig.put(&format!("{one}/role"), json!({ "roles": ["admin"] }))
        .await
        .refused(404);
    rig.post(&users, ann).await.expect(201);
}

#[tokio::test]
async fn a_branch_takes_it_along_and_goes_its_own_way() {
    let rig = Rig::start().await;
    let (project, _) = with_auth(&rig, "better_auth").await;
    let ann = json!({ "email": "ann@example.com" });
    let user = rig.post(&project.main("/auth/users"), ann.clone()).await.expect(201);
    let user = user["id"].as_str().unwrap();
    rig.advance(10).await;
    let with_ann = rig.time(0).await;
    rig.advance(10).await;
    let child = rig
        .branch_with(
            &project,
            json!({ "branch": { "name": "dev" }, "endpoints": [{ "type": "read_write" }] }),
        )
        .await;
    let on_child = |rest: &str| project.branch(&child, &format!("/auth{rest}"));
    let (parent, copy) = (
        rig.get(&project.main("/auth")).await.expect(200),
        rig.get(&on_child("")).await.expect(200),
    );
    assert_eq!(copy["branch_id"], child.as_str());
    assert_ne!(copy["base_url"], parent["base_url"]);
    rig.post(&on_child("/users"), ann.clone()).await.refused(409);
    rig.delete(&on_child(&format!("/users/{user}"))).await.expect(204);
    rig.patch(&on_child("/allow_localhost"), json!({ "allow_localhost": false }))
        .await
        .expect(200);
    let above = rig.get(&project.main("/auth/allow_localhost")).await.expect(200);
    assert_eq!(above["allow_localhost"], true);

    // The past has who was deleted since, and a branch of the schema alone has nobody.
    rig.delete(&project.main(&format!("/auth/users/{user}")))
        .await
        .expect(204);
    let past = rig
        .branch_with(
            &project,
            json!({ "branch": { "name": "past", "parent_timestamp": with_ann } }),
        )
        .await;
    rig.post(&project.branch(&past, "/auth/users"), ann).await.refused(409);
    let empty = rig
        .branch_with(
            &project,
            json!({ "branch": { "name": "empty", "init_source": "schema-only" } }),
        )
        .await;
    rig.get(&project.branch(&empty, "/auth")).await.refused(404);

    rig.delete(&project.branch(&child, "")).await.expect(200);
    rig.settle().await;
    rig.get(&on_child("")).await.refused(404);
}

#[tokio::test]
async fn it_goes_with_its_database_and_follows_its_name() {
    let rig = Rig::start().await;
    let (project, _) = with_auth(&rig, "better_auth").await;
    let name = json!({ "database": { "name": "shop" } });
    rig.patch(&project.main("/databases/neondb"), name).await.expect(200);
    rig.settle().await;
    let shown = rig.get(&project.main("/auth")).await.expect(200);
    assert_eq!(shown["db_name"], "shop");
    rig.delete(&project.main("/databases/shop")).await.expect(200);
    rig.settle().await;
    rig.get(&project.main("/auth")).await.refused(404);
    let again = json!({ "auth_provider": "better_auth" });
    rig.post(&project.main("/auth"), again).await.refused(422);
}

#[tokio::test]
async fn keys_are_new_each_time_and_a_transfer_is_marked() {
    let foreign = "sandbox_foreign_key_0123456789abcdef";
    let rig = Rig::with(SandboxOptions {
        extra_keys: vec![ExtraKey {
            key: foreign.to_owned(),
            name: "ci".to_owned(),
            kind: KeyKind::Project {
                project_id: "sandbox-none-1".to_owned(),
            },
        }],
        ..options()
    })
    .await;
    let (project, made) = with_auth(&rig, "stack").await;
    let body = |provider: &str| json!({ "project_id": project.id, "auth_provider": provider });
    let keys = rig.post("/projects/auth/keys", body("stack")).await.expect(201);
    assert_ne!(keys["secret_server_key"], made["secret_server_key"]);
    assert_eq!(keys["auth_provider_project_id"], made["auth_provider_project_id"]);
    let again = rig.post("/projects/auth/keys", body("stack")).await.expect(201);
    assert_ne!(again["secret_server_key"], keys["secret_server_key"]);
    rig.post("/projects/auth/keys", body("mock")).await.refused(404);
    let wrong = json!({ "project_id": "NOT AN ID", "auth_provider": "stack" });
    rig.post("/projects/auth/keys", wrong).await.refused(400);
    let shown = rig.get(&project.main("/auth")).await.expect(200);
    assert!(shown.get("transfer_status").is_none(), "{shown}");
    let transfer = rig
        .post("/projects/auth/transfer_ownership", body("stack"))
        .await
        .expect(200);
    assert!(transfer["url"].as_str().unwrap().starts_with("https://"), "{transfer}");
    assert_eq!(
        rig.get(&project.main("/auth")).await.expect(200)["transfer_status"],
        "initiated"
    );

    let stranger = Rig {
        key: foreign.to_owned(),
        http: rig.http.clone(),
        sandbox: rig.sandbox,
    };
    stranger.post("/projects/auth/keys", body("stack")).await.refused(404);
    stranger.get(&project.main("/auth")).await.refused(404);
}
