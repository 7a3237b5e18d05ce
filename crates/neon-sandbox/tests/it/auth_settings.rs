//! Settings of Neon Auth: OAuth providers, ways to sign in, plugins, the mail server, the webhook.

use serde_json::json;

use super::{
    Rig,
    auth::{smtp, with_auth},
    each,
};

#[tokio::test]
async fn oauth_providers_are_neons_or_the_apps_own() {
    let rig = Rig::start().await;
    let (project, _) = with_auth(&rig, "better_auth").await;
    let all = project.main("/auth/oauth_providers");
    let one = |id: &str| format!("{all}/{id}");
    let listed = rig.get(&all).await.expect(200);
    assert_eq!(listed["providers"], json!([{ "id": "google", "type": "shared" }]));
    rig.post(&all, json!({ "id": "github" })).await.refused(400);
    rig.post(&all, json!({ "id": "github", "client_id": "a" }))
        .await
        .refused(400);
    rig.post(&all, json!({ "id": "myspace" })).await.refused(400);
    let own = json!({ "id": "microsoft", "client_id": "a", "client_secret": "b", "microsoft_tenant_id": "common" });
    let added = rig.post(&all, own.clone()).await.expect(200);
    let expected = json!({ "id": "microsoft", "type": "standard", "client_id": "a", "client_secret": "b" });
    assert_eq!(added, expected);
    rig.post(&all, own).await.expect(200);
    let updated = rig
        .patch(&one("microsoft"), json!({ "client_id": "c" }))
        .await
        .expect(200);
    assert_eq!(
        (&updated["client_id"], &updated["client_secret"]),
        (&json!("c"), &json!("b"))
    );
    rig.patch(&one("google"), json!({ "client_id": "c" }))
        .await
        .refused(400);
    let google = rig
        .patch(&one("google"), json!({ "client_id": "c", "client_secret": "d" }))
        .await
        .expect(200);
    assert_eq!(google["type"], "standard");
    rig.patch(&one("vercel"), json!({ "client_id": "c" }))
        .await
        .refused(404);
    rig.patch(&one("myspace"), json!({ "client_id": "c" }))
        .await
        .refused(400);
    rig.delete(&one("microsoft")).await.expect(200);
    rig.delete(&one("microsoft")).await.expect(200);
    let listed = rig.get(&all).await.expect(200);
    assert_eq!(each(&listed["providers"], "id"), ["google"]);
}

#[tokio::test]
async fn settings_keep_what_an_update_leaves_out() {
    let rig = Rig::start().await;
    let (project, _) = with_auth(&rig, "better_auth").await;
    let at = |rest: &str| project.main(&format!("/auth{rest}"));
    let before = rig.get(&at("/plugins")).await.expect(200);
    assert_eq!(before["allow_localhost"], true);
    assert_eq!(before["email_provider"], json!({ "type": "shared" }));

    let wants = json!({ "require_email_verification": true, "email_verification_method": "link", "enabled": null });
    let after = rig.patch(&at("/email_and_password"), wants).await.expect(200);
    let mut expected = before["email_and_password"].clone();
    expected["require_email_verification"] = true.into();
    expected["email_verification_method"] = "link".into();
    assert_eq!(after, expected);
    for wrong in [
        json!({ "email_verification_method": "pigeon" }),
        json!({ "enabled": "yes" }),
    ] {
        rig.patch(&at("/email_and_password"), wrong).await.refused(400);
    }
    rig.patch(&at("/plugins/organization"), json!({ "creator_role": "admin" }))
        .await
        .expect(200);
    rig.patch(
        &at("/plugins/magic-link"),
        json!({ "enabled": true, "expires_in": 1440 }),
    )
    .await
    .expect(200);
    rig.patch(&at("/plugins/phone-number"), json!({ "otp_expires_in": 60 }))
        .await
        .expect(200);
    for (rest, wrong) in [
        ("/plugins/organization", json!({ "membership_limit": 0 })),
        ("/plugins/magic-link", json!({ "expires_in": 4 })),
        ("/plugins/magic-link", json!({ "expires_in": 1441 })),
        ("/plugins/phone-number", json!({ "otp_expires_in": 601 })),
    ] {
        rig.patch(&at(rest), wrong).await.refused(400);
    }
    rig.patch(&at("/allow_localhost"), json!({ "allow_localhost": false }))
        .await
        .expect(200);
    let after = rig.get(&at("/plugins")).await.expect(200);
    assert_eq!(after["email_and_password"], expected);
    assert_eq!(after["organization"]["creator_role"], "admin");
    assert_eq!(
        after["organization"]["membership_limit"],
        before["organization"]["membership_limit"]
    );
    assert_eq!(after["magic_link"]["expires_in"], 1440);
    assert_eq!(after["phone_number"], json!({ "enabled": false, "otp_expires_in": 60 }));
    assert_eq!(after["allow_localhost"], false);
    rig.patch(&at("/config"), json!({ "name": "" })).await.refused(400);
    rig.patch(&at("/config"), json!({ "name": "The shop" }))
        .await
        .expect(200);
    assert_eq!(rig.get(&at("")).await.expect(200)["name"], "The shop");
}

#[tokio::test]
async fn mails_go_by_neons_server_or_an_own_one() {
    let rig = Rig::start().await;
    let (project, _) = with_auth(&rig, "better_auth").await;
    let server = project.main("/auth/email_provider");
    let test = project.main("/auth/email_provider/test");
    let recipient = json!({ "recipient_email": "ann@example.com" });
    rig.post(&test, recipient.clone()).await.refused(400);
    rig.patch(&server, json!({ "type": "standard", "host": "smtp.example.com" }))
        .await
        .refused(400);
    let set = rig.patch(&server, smtp()).await.expect(200);
    assert_eq!((&set["password"], &set["port"]), (&json!(""), &json!(587)));
    assert_eq!(rig.get(&server).await.expect(200), smtp());
    rig.patch(&server, json!({ "type": "standard", "port": 2525 }))
        .await
        .expect(200);
    let shown = rig.get(&server).await.expect(200);
    assert_eq!((&shown["password"], &shown["port"]), (&json!("s3cret"), &json!(2525)));
    rig.post(&test, json!({ "recipient_email": "ann" })).await.refused(400);
    assert_eq!(rig.post(&test, recipient.clone()).await.expect(200)["success"], true);
    rig.patch(&server, json!({ "type": "standard", "host": "smtp.invalid" }))
        .await
        .expect(200);
    let failed = rig.post(&test, recipient.clone()).await.expect(200);
    assert!(
        failed["success"] == false && failed["error_message"].is_string(),
        "{failed}"
    );
    let shared = json!({ "type": "shared", "sender_name": "Shop" });
    assert_eq!(rig.patch(&server, shared.clone()).await.expect(200), shared);
    rig.patch(&server, json!({ "type": "standard", "port": 25 }))
        .await
        .refused(400);

    let (project, _) = with_auth(&rig, "stack").await;
    let server = project.main("/auth/email_provider");
    rig.patch(&server, smtp()).await.expect(200);
    rig.patch(&server, json!({ "type": "standard", "port": 25 }))
        .await
        .refused(400);
    rig.post(&project.main("/auth/email_provider/test"), recipient)
        .await
        .refused(400);
}

#[tokio::test]
async fn a_webhook_is_replaced_whole() {
    let rig = Rig::start().await;
    let (project, _) = with_auth(&rig, "better_auth").await;
    let hook = project.main("/auth/webhooks");
    let off = json!({ "enabled": false, "enabled_events": [], "timeout_seconds": 5 });
    assert_eq!(rig.get(&hook).await.expect(200), off);
    for wrong in [
        json!({ "enabled": true }),
        json!({ "webhook_url": "https://example.com" }),
        json!({ "enabled": true, "webhook_url": "example.com" }),
        json!({ "enabled": true, "webhook_url": "https://example.com", "enabled_events": ["user.deleted"] }),
        json!({ "enabled": true, "webhook_url": "https://example.com", "timeout_seconds": 11 }),
    ] {
        rig.put(&hook, wrong).await.refused(400);
    }
    let on = json!({
        "enabled": true, "webhook_url": "https://example.com/hook",
        "enabled_events": ["user.created", "send.magic_link"], "timeout_seconds": 3,
    });
    assert_eq!(rig.put(&hook, on.clone()).await.expect(200), on);
    assert_eq!(rig.get(&hook).await.expect(200), on);
    rig.put(&hook, json!({ "enabled": false })).await.expect(200);
    assert_eq!(rig.get(&hook).await.expect(200), off);
}
