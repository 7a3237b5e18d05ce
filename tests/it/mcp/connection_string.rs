//! `get_connection_string`: as a URI or as the lines of an `.env` file, by one request either way.

use harness::assert_worded;
use neon_mcp::sandbox::SandboxOptions;
use serde_json::{Value, json};

use super::{BRANCH, PROJECT};
use crate::examples::{Story, text};
use crate::support::fake_neon::{FakeNeon, Recorded, Reply};
use crate::support::server;
use crate::support::world::{ENDPOINT, World};

const PASSWORD: &str = "canary-S3cret";

/// The variables of an `.env` file, by their names.
fn variables(lines: &Value) -> Vec<(String, String)> {
    lines
        .as_str()
        .unwrap_or_else(|| panic!("no lines: {lines}"))
        .lines()
        .map(|line| line.split_once('=').expect("a variable"))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()))
        .collect()
}

fn value(variables: &[(String, String)], name: &str) -> String {
    let found = variables.iter().find(|(known, _)| known == name);
    found.unwrap_or_else(|| panic!("no {name} in {variables:?}")).1.clone()
}

#[tokio::test]
async fn env_lines_come_of_one_request_and_hold_both_hosts() {
    for pooled in [None, Some(false), Some(true)] {
        let upstream = FakeNeon::route(|request: &Recorded| {
            if request.path().ends_with("/connection_uri") {
                let pooler = if request.query().contains("pooled=true") { "-pooler" } else { "" };
                let uri = format!(
                    "postgresql://app:{PASSWORD}@ep-a{pooler}.c-2.us-east-2.aws.neon.tech/shop?sslmode=require&channel_binding=require"
                );
                return Reply::json(200, json!({"uri": uri}));
            }
            super::neon(request)
        })
        .await;
        let server = server::start(&["--toolsets", "projects"], &upstream.url()).await;
        let mut arguments = json!({
            "project_id": PROJECT, "branch_id": BRANCH, "database_name": "shop", "role_name": "app", "format": "env",
        });
        if let Some(pooled) = pooled {
            arguments["pooled"] = pooled.into();
        }
        let (answer, is_error) = server.call("get_connection_string", arguments).await;
        assert!(!is_error, "{answer}");
        assert!(answer["result"].get("uri").is_none(), "{answer}");
        let variables = variables(&answer["result"]["env"]);
        let names: Vec<&str> = variables.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "DATABASE_URL",
                "DATABASE_URL_UNPOOLED",
                "PGHOST",
                "PGHOST_UNPOOLED",
                "PGUSER",
                "PGDATABASE",
                "PGPASSWORD"
            ]
        );
        let host = "c-2.us-east-2.aws.neon.tech";
        let uri = |pooler: &str| {
            format!("postgresql://app:{PASSWORD}@ep-a{pooler}.{host}/shop?sslmode=require&channel_binding=require")
        };
        assert_eq!(value(&variables, "DATABASE_URL"), uri("-pooler"));
        assert_eq!(value(&variables, "DATABASE_URL_UNPOOLED"), uri(""));
        assert_eq!(value(&variables, "PGHOST"), format!("ep-a-pooler.{host}"));
        assert_eq!(value(&variables, "PGHOST_UNPOOLED"), format!("ep-a.{host}"));
        assert_eq!(value(&variables, "PGPASSWORD"), PASSWORD);
        assert_worded!("notes", "connection string in parts", answer["notes"]);
        let requests = upstream.requests();
        let sent: Vec<&Recorded> = requests
            .iter()
            .filter(|request| request.path().ends_with("/connection_uri"))
            .collect();
        assert_eq!(sent.len(), 1, "one is derived from the other");
        assert!(!sent[0].query().contains("format"), "{}", sent[0].target);
    }
}

#[tokio::test]
async fn env_lines_ask_as_the_uri_does_and_nothing_is_handed_over_before() {
    let world = World::start().await;
    let server = server::start(&["--toolsets", "projects"], &world.url()).await;
    // Without a branch it is the default one's password.
    for more in [json!({}), json!({"branch_id": BRANCH, "endpoint_id": ENDPOINT})] {
        for format in ["uri", "env"] {
            let mut arguments =
                json!({"project_id": PROJECT, "database_name": "d", "role_name": "owner", "format": format});
            arguments
                .as_object_mut()
                .expect("an object")
                .extend(more.as_object().expect("an object").clone());
            let (answer, is_error) = server.call("get_connection_string", arguments).await;
            assert!(
                is_error && answer["error"]["kind"] == "requires_approval",
                "{format}: {answer}"
            );
        }
    }
    let asked = |request: &Recorded| request.path().ends_with("/connection_uri");
    assert!(!world.upstream.requests().iter().any(asked));
}

#[tokio::test]
async fn what_cannot_be_split_is_shown_as_it_came() {
    let upstream = FakeNeon::route(|request: &Recorded| match request.path().ends_with("/connection_uri") {
        true => Reply::json(200, json!({"uri": "postgresql://nobody"})),
        false => super::neon(request),
    })
    .await;
    let server = server::start(&["--toolsets", "projects"], &upstream.url()).await;
    let arguments = json!({
        "project_id": PROJECT, "branch_id": BRANCH, "database_name": "d", "role_name": "r", "format": "env",
    });
    let (answer, is_error) = server.call("get_connection_string", arguments).await;
    assert!(
        !is_error && answer["result"]["uri"] == "postgresql://nobody",
        "{answer}"
    );
    assert_worded!("notes", "connection string that is none", answer["notes"]);
}

#[tokio::test]
async fn a_read_replica_is_chosen_by_its_compute_on_the_sandbox() {
    let story = Story::aside(SandboxOptions::default()).await;
    story.make_shop(json!({})).await;
    let new = json!({"branch_id": "main", "type": "read_only", "name": "reports"});
    let replica = story.shop("create_compute", new).await["endpoint"].take();
    let of = |more: Value| {
        let mut arguments = json!({"branch_id": "main", "database_name": "neondb", "role_name": "neondb_owner"});
        arguments
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        arguments
    };
    let asked = story.asked();
    let lines = story
        .shop(
            "get_connection_string",
            of(json!({"endpoint_id": "reports", "format": "env"})),
        )
        .await;
    assert_eq!(story.asked(), asked + 1, "a certain compute asks");
    let found = variables(&lines["env"]);
    assert_eq!(value(&found, "PGHOST_UNPOOLED"), text(&replica["host"]));
    let id = text(&replica["id"]);
    assert!(
        value(&found, "PGHOST").starts_with(&format!("{id}-pooler.")),
        "{found:?}"
    );
    // The same as Neon's own answers, pooled and direct.
    for (pooled, name) in [(false, "DATABASE_URL_UNPOOLED"), (true, "DATABASE_URL")] {
        let arguments = of(json!({"endpoint_id": "reports", "pooled": pooled}));
        let uri = text(&story.shop("get_connection_string", arguments).await["uri"]);
        assert_eq!(value(&found, name), uri);
    }
    let writer = story.shop("get_connection_string", of(json!({"format": "env"}))).await;
    assert_ne!(
        value(&variables(&writer["env"]), "PGHOST_UNPOOLED"),
        text(&replica["host"])
    );
}
