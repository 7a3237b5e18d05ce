//! Hostile ids cause no request at all.

use serde_json::Value;

use super::{catalog, error, neon};
use crate::support::arguments::arguments;
use crate::support::fake_neon::FakeNeon;
use crate::support::server;

/// What no id is. Names of databases and roles may hold a slash: it is encoded, and stays one segment.
const NEVER: [&str; 17] = [
    "",
    ".",
    "..",
    "%2e%2e",
    "%2E",
    ".%2e",
    "%252e%252e",
    "\u{2024}\u{2024}",
    "\u{FF0E}\u{FF0E}",
    "\u{2025}",
    "a\r\nb",
    "a\nb",
    "a\0b",
    "a\u{7f}b",
    "a\u{202e}b",
    "a\u{200b}b",
    "a\u{85}b",
];
const NEVER_AN_ID: [&str; 10] = [
    "a%2Fb",
    "a/b%2Fc",
    "x?y",
    "x#y",
    "a\\b",
    "../projects",
    "a/../b",
    "a//b",
    "/a",
    "a/",
];

#[tokio::test]
async fn no_hostile_id_of_any_tool_causes_a_request() {
    let upstream = FakeNeon::route(neon).await;
    let server = server::start(&["--toolsets", "all"], &upstream.url()).await;
    let (mut tried, mut arguments_seen) = (0, 0);
    for tool in catalog().tools() {
        let valid = arguments(tool, true);
        for name in tool.input["properties"].as_object().expect("properties").keys() {
            let is_id = name.ends_with("_id");
            let is_name = tool.names(name).is_some();
            if !(is_id || is_name) || name == "key_id" {
                continue;
            }
            arguments_seen += 1;
            let more: &[&str] = if is_id { &NEVER_AN_ID } else { &[] };
            let required = tool.input.get("required").and_then(Value::as_array);
            let required = required.is_some_and(|all| all.contains(&name.as_str().into()));
            for hostile in NEVER.iter().chain(more) {
                // An empty text for what is optional means that it isn't given.
                if hostile.is_empty() && !required {
                    continue;
                }
                let mut given = valid.clone();
                given.insert(name.clone(), Value::from(*hostile));
                let before = upstream.count();
                let (value, is_error) = server.call(tool.name(), Value::Object(given)).await;
                assert!(is_error, "{} {name}={hostile:?} was taken", tool.name());
                assert_eq!(
                    error(&value)["kind"],
                    "invalid_arguments",
                    "{} {name}={hostile:?}: {value}",
                    tool.name()
                );
                assert_eq!(
                    upstream.count(),
                    before,
                    "{} {name}={hostile:?} caused a request",
                    tool.name()
                );
                tried += 1;
            }
            if !is_id {
                continue;
            }
            // Words between slashes may be a name, which is looked for in a list and stands in no path.
            let mut given = valid.clone();
            given.insert(name.clone(), Value::from("a/b"));
            let before = upstream.count();
            let (value, is_error) = server.call(tool.name(), Value::Object(given)).await;
            assert!(is_error, "{} {name}=\"a/b\" was taken: {value}", tool.name());
            for request in &upstream.requests()[before..] {
                let is_look = request.method == "GET" && !request.path().contains("a/b");
                assert!(
                    is_look && !request.path().contains("a%2Fb"),
                    "{} {name}: {}",
                    tool.name(),
                    request.path()
                );
            }
        }
    }
    assert!(
        arguments_seen > 90,
        "only {arguments_seen} arguments that name something"
    );
    assert!(tried > 1_500, "only {tried} hostile values");
}

#[tokio::test]
async fn a_name_with_a_slash_stays_one_encoded_segment() {
    let upstream = FakeNeon::route(neon).await;
    let server = server::start(&["--toolsets", "all"], &upstream.url()).await;
    for (name, encoded) in [
        ("a/b", "a%2Fb"),
        ("a%2Fb", "a%252Fb"),
        ("x?y#z", "x%3Fy%23z"),
        ("ü b", "%C3%BC%20b"),
    ] {
        let given =
            serde_json::json!({"project_id": super::PROJECT, "branch_id": super::BRANCH, "database_name": name});
        let (_, is_error) = server.call("describe_database", given).await;
        assert!(!is_error);
        let path = upstream.requests().last().expect("a request").path().to_owned();
        assert!(path.ends_with(&format!("/databases/{encoded}")), "{path}");
    }
}
