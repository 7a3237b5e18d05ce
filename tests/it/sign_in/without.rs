//! A server that nobody is signed in to: it starts all the same, says how to sign in, and goes on once somebody did.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt as _;
use rmcp::model::ElicitationAction;
use serde_json::json;

use super::issuer::{Issuer, project, tokens_in};
use super::{Era, Home, kind, whose};
use crate::support::http::OverHttp;
use crate::support::server::{TestClient, call};

const ERAS: [Era; 2] = [Era::Legacy, Era::Modern];

#[tokio::test]
async fn server_without_a_credential_starts_and_goes_on_after_a_login() {
    for era in ERAS {
        let (home, issuer) = (Home::new(), Issuer::start().await);
        let server = home.server(&["--toolsets", "default,docs"], &issuer, era).await;
        assert!(server.client.list_all_tools().await.expect("a list").len() > 30);
        let instructions = server.client.peer_info().and_then(|info| info.instructions.clone());
        assert!(instructions.expect("some").contains("neon-mcp login"));
        for (tool, arguments) in [
            ("list_projects", json!({})),
            ("describe_project", json!({"project_id": project("ada")})),
            ("delete_project", json!({"project_id": project("ada")})),
            (
                "query_database",
                json!({"project_id": project("ada"), "branch_id": "br-quiet-sun-a1b2c3d4", "sql": "SELECT 1"}),
            ),
        ] {
            let (value, is_error) = server.call(tool, arguments).await;
            assert!(is_error && kind(&value) == "not_signed_in", "{value}");
            assert_eq!(value["error"]["changed"], "no");
            assert!(
                value["error"]["next"]
                    .as_str()
                    .expect("a text")
                    .contains("neon-mcp login")
            );
            assert_eq!((&value["tool"], &value["service"]), (&json!(tool), &json!("neon")));
        }
        assert_eq!(issuer.upstream.count(), 0, "nobody was asked for anything");
        // What needs no account works: the host isn't there in tests, which is another error.
        let (value, _) = server.call("list_docs_resources", json!({})).await;
        assert_eq!(kind(&value), "docs_unreachable");
        // In another terminal.
        home.signs_in(&[], &issuer, "ada").await;
        assert_eq!(whose(&server, json!({})).await, project("ada"));
        assert!(tokens_in(&server.stop().await).is_empty());
    }
}

#[tokio::test]
async fn server_over_http_goes_on_after_a_login() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    let command = home.program(&["http", "--listen", "127.0.0.1:0"], &issuer);
    let http = OverHttp::start(command, &home.path().join("state")).await;
    let mut clients = Vec::new();
    for era in ERAS {
        let client = http.client(TestClient::alone(), era).await;
        let (value, is_error) = call(&client, "list_projects", json!({})).await;
        assert!(is_error && kind(&value) == "not_signed_in", "{value}");
        clients.push(client);
    }
    home.signs_in(&[], &issuer, "ada").await;
    for client in clients {
        let (value, is_error) = call(&client, "list_projects", json!({})).await;
        assert!(!is_error, "{value}");
        client.cancel().await.expect("ends");
    }
}

#[tokio::test]
async fn refused_change_of_nobody_is_recorded() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    let server = home.server(&[], &issuer, Era::Legacy).await;
    server
        .call("delete_project", json!({"project_id": project("ada")}))
        .await;
    server.call("list_projects", json!({})).await;
    server.stop().await;
    let log = std::fs::read_to_string(home.path().join("state/neon-mcp/audit.jsonl")).expect("a log");
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("delete_project") && log.contains("\"refused\""), "{log}");
}

#[tokio::test]
async fn client_that_takes_addresses_is_sent_to_the_page_and_the_call_goes_on() {
    for era in ERAS {
        let (home, issuer) = (Home::new(), Arc::new(Issuer::start().await));
        let asked = Arc::new(AtomicUsize::new(0));
        let (count, provider) = (asked.clone(), issuer.clone());
        let client = TestClient::visiting(move |page| {
            count.fetch_add(1, Ordering::SeqCst);
            let back = provider.signs_in(&page, "ada");
            // The client has opened the page; the person takes their time.
            tokio::spawn(async move {
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                back.arrive().await
            });
            async { ElicitationAction::Accept }.boxed()
        });
        let server = home.server_for(&[], &issuer, client, era).await;
        assert_eq!(whose(&server, json!({})).await, project("ada"));
        assert_eq!(whose(&server, json!({})).await, project("ada"));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert!(home.login("DEFAULT").exists());
        assert!(tokens_in(&server.stop().await).is_empty());
    }
}

#[tokio::test]
async fn human_who_declines_the_page_is_not_signed_in() {
    for era in ERAS {
        for action in [ElicitationAction::Decline, ElicitationAction::Cancel] {
            let (home, issuer) = (Home::new(), Issuer::start().await);
            let answer = action.clone();
            let client = TestClient::visiting(move |_| {
                let answer = answer.clone();
                async move { answer }.boxed()
            });
            let server = home.server_for(&[], &issuer, client, era).await;
            let (value, is_error) = server.call("list_projects", json!({})).await;
            assert!(is_error && kind(&value) == "not_signed_in", "{value}");
            assert!(!home.login("DEFAULT").exists());
        }
    }
}

#[tokio::test]
async fn page_is_not_offered_where_the_issuer_is_away() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    issuer.state().is_away = true;
    let client = TestClient::visiting(|_| panic!("there is no page"));
    let server = home.server_for(&[], &issuer, client, Era::Legacy).await;
    let (value, is_error) = server.call("list_projects", json!({})).await;
    assert!(is_error && kind(&value) == "not_signed_in", "{value}");
}
