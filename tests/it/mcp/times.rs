//! Times as people say them, in every argument of every tool that takes one.

use chrono::{DateTime, Duration, Timelike as _, Utc};
use futures::future::join_all;
use neon_mcp::catalog::{Tense, Tool};
use rmcp::model::{CallToolRequestParams, CallToolResponse};
use serde_json::{Map, Value, json};

use super::{catalog, error};
use crate::support::arguments::arguments;
use crate::support::human::{Human, Manner, filled};
use crate::support::server::{self, Era, KEY, TestClient, TestServer};
use crate::support::world::{BRANCH, PROJECT, World};

/// A world whose branch is a root with a month of history, so that no time of the last days lies outside of it.
async fn world() -> World {
    World::with(|facts| {
        facts.branch()["parent_id"] = Value::Null;
        facts.branch()["created_at"] = "2020-01-01T00:00:00Z".into();
        facts.project["history_retention_seconds"] = 2_592_000.into();
    })
    .await
}

/// A server that shows what it would change and changes nothing.
async fn dry(world: &World) -> (TestServer, tempfile::TempDir) {
    let place = tempfile::tempdir().expect("a directory");
    let policy = place.path().join("policy.toml");
    std::fs::write(&policy, "dry_run = true\n").expect("a policy");
    let policy = policy.to_str().expect("a path");
    let server = server::start(&["--toolsets", "all", "--policy", policy], &world.url()).await;
    (server, place)
}

/// Every argument that takes a time.
fn times() -> Vec<(&'static Tool, &'static str, Tense)> {
    let mut all = Vec::new();
    for tool in catalog().tools() {
        let properties = tool.input["properties"].as_object().expect("properties");
        for (name, schema) in properties {
            if let Some(tense) = schema.as_object().and_then(Tense::of) {
                all.push((&**tool, name.as_str(), tense));
            }
        }
    }
    assert!(all.len() >= 18, "{}", all.len());
    all
}

/// Arguments with a time in them, and nothing that excludes it.
fn with(tool: &Tool, name: &str, time: &str) -> Map<String, Value> {
    let mut given = arguments(tool, false);
    given.retain(|other, _| !other.ends_with("lsn"));
    given.insert(name.to_owned(), time.into());
    if tool.name() == "restore_branch" {
        given.insert("source_branch_id".to_owned(), BRANCH.into());
        given.insert("preserve_under_name".to_owned(), "before".into());
    }
    given
}

/// What the call would send, or sent.
async fn sent(world: &World, server: &TestServer, tool: &Tool, given: Map<String, Value>) -> String {
    let (value, is_error) = server.call(tool.name(), given.clone().into()).await;
    assert!(!is_error, "{} {given:?}: {value}", tool.name());
    let requests: Vec<String> = world
        .upstream
        .requests()
        .iter()
        .map(|request| format!("{} {}", request.target, String::from_utf8_lossy(&request.body)))
        .collect();
    format!("{} {}", value["would_send"], requests.join(" "))
}

/// The times in a text that lie near this one.
fn holds(text: &str, near: DateTime<Utc>) -> bool {
    let text = text.replace("%3A", ":");
    let starts = text.char_indices().map(|(at, _)| at);
    let times = starts.filter_map(|at| DateTime::parse_from_rfc3339(text.get(at..at + 20)?).ok());
    times
        .into_iter()
        .any(|time| (time.to_utc() - near).num_seconds().abs() <= 120)
}

#[tokio::test]
async fn duration_is_taken_by_every_argument_that_takes_a_time() {
    let world = world().await;
    let (server, _place) = dry(&world).await;
    for (tool, name, tense) in times() {
        for (said, distance) in [("2d", Duration::days(2)), ("1h30m", Duration::minutes(90))] {
            let now = Utc::now();
            let meant = match tense {
                Tense::Past => now - distance,
                Tense::Future => now + distance,
            };
            let sent = sent(&world, &server, tool, with(tool, name, said)).await;
            assert!(holds(&sent, meant), "{} {name} {said}: {sent}", tool.name());
            assert!(!sent.contains(said), "{} {name}: {sent}", tool.name());
        }
    }
}

#[tokio::test]
async fn day_and_time_with_an_offset_are_taken_by_every_argument() {
    let world = world().await;
    let (server, _place) = dry(&world).await;
    for (tool, name, tense) in times() {
        let day = match tense {
            Tense::Past => Utc::now() - Duration::days(3),
            Tense::Future => Utc::now() + Duration::days(3),
        };
        let day = day.format("%Y-%m-%d").to_string();
        for (said, meant) in [
            (day.clone(), format!("{day}T00:00:00Z")),
            (format!("{day} 10:00+02"), format!("{day}T08:00:00Z")),
        ] {
            let sent = sent(&world, &server, tool, with(tool, name, &said)).await;
            let meant = DateTime::parse_from_rfc3339(&meant).expect("a time").to_utc();
            assert!(holds(&sent, meant), "{} {name} {said}: {sent}", tool.name());
        }
    }
}

#[tokio::test]
async fn what_is_no_time_is_refused_by_every_argument_before_anything_is_sent() {
    let world = world().await;
    let (server, _place) = dry(&world).await;
    for (tool, name, _) in times() {
        let (value, is_error) = server.call(tool.name(), with(tool, name, "soon").into()).await;
        assert!(is_error, "{} {name}: {value}", tool.name());
        assert_eq!(error(&value)["kind"], "invalid_arguments", "{value}");
        assert_eq!(
            error(&value)["problems"][0]["argument"],
            name,
            "{}: {value}",
            tool.name()
        );
        harness::assert_worded!("errors", "no time", error(&value)["problems"][0]["message"]);
    }
    assert_eq!(world.upstream.count(), 0);
}

#[tokio::test]
async fn published_time_has_no_format_that_a_client_would_hold_against_a_duration() {
    let world = world().await;
    let server = server::start(&["--toolsets", "all"], &world.url()).await;
    let listed = server.client.list_all_tools().await.expect("tools");
    for (tool, name, _) in times() {
        let tool = listed.iter().find(|listed| listed.name == tool.name()).expect("listed");
        let schema = &tool.input_schema["properties"][name];
        assert_eq!(schema["type"], "string", "{} {name}: {schema}", tool.name);
        assert!(schema.get("format").is_none(), "{} {name}: {schema}", tool.name);
    }
}

#[tokio::test]
async fn each_result_says_what_time_it_is() {
    let world = world().await;
    let server = server::start(&["--toolsets", "all"], &world.url()).await;
    for (tool, given) in [
        ("describe_project", json!({"project_id": PROJECT})),
        ("list_branches", json!({"project_id": PROJECT})),
        ("describe_project", json!({})),
        ("delete_branch", json!({"project_id": PROJECT, "branch_id": BRANCH})),
    ] {
        let (value, _) = server.call(tool, given).await;
        let now = value["now"].as_str().unwrap_or_else(|| panic!("{tool}: {value}"));
        let now = DateTime::parse_from_rfc3339(now).expect("a time").to_utc();
        assert!((Utc::now() - now).num_seconds().abs() < 60, "{value}");
    }
}

#[tokio::test]
async fn repeated_call_with_a_duration_is_the_one_that_was_approved() {
    let world = world().await;
    let server = server::start(&["--toolsets", "all"], &world.url()).await;
    let given = json!({
        "project_id": PROJECT, "branch_id": BRANCH, "source_branch_id": BRANCH, "source_timestamp": "90m",
        "preserve_under_name": "before",
    });
    let (first, _) = server.call("restore_branch", given.clone()).await;
    let approval = error(&first)["approval"].as_str().unwrap_or_else(|| panic!("{first}"));
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let mut again = given;
    again["approval"] = approval.into();
    let (second, _) = server.call("restore_branch", again).await;
    // It waits for the same approval: with a later time it would be another call, with a code of its own.
    assert_eq!(error(&second)["code"], error(&first)["code"], "{second}");
    assert_eq!(
        error(&second)["plan"]["would_send"],
        error(&first)["plan"]["would_send"],
        "{second}"
    );
}

/// A time as a call says it, and when that was.
struct Said {
    tool: &'static Tool,
    arguments: Map<String, Value>,
    /// Between which moments it lies that is meant.
    meant: (DateTime<Utc>, DateTime<Utc>),
    /// What came back: the question and its seal, or the error.
    first: Value,
}

impl Said {
    /// Whether a text has a time that is what was meant when it was said.
    fn is_in(&self, text: &str) -> bool {
        let text = text.replace("%3A", ":");
        let times = text.char_indices().filter_map(|(at, _)| text.get(at..at + 20));
        let mut times = times.filter_map(|time| Some(DateTime::parse_from_rfc3339(time).ok()?.to_utc()));
        let (from, to) = self.meant;
        times.any(|time| from <= time && time <= to)
    }
}

/// Every argument that takes a time, with each way of saying one that depends on now. As many to a list as one client may have
/// waiting.
fn said() -> Vec<Vec<(&'static Tool, &'static str, &'static str, Duration)>> {
    const WAITING: usize = 16;
    let mut all = Vec::new();
    for (tool, name, tense) in times() {
        match tense {
            Tense::Past => {
                all.push((tool, name, "90m", Duration::minutes(-90)));
                all.push((tool, name, "now", Duration::zero()));
            }
            Tense::Future => all.push((tool, name, "2d", Duration::days(2))),
        }
    }
    all.chunks(WAITING).map(<[_]>::to_vec).collect()
}

/// A server that asks about every call, whatever it does.
async fn asking(world: &World, client: TestClient, era: Era) -> (TestServer, tempfile::TempDir) {
    let place = tempfile::tempdir().expect("a directory");
    let policy = place.path().join("policy.toml");
    let all = "[effects]\nread = \"require_approval\"\nwrite = \"require_approval\"\n";
    std::fs::write(&policy, all).expect("a policy");
    let policy = policy.to_str().expect("a path");
    let mut command = server::program(&["--toolsets", "all", "--policy", policy], &world.url(), KEY);
    command.env("NEON_MCP_LOG", "error");
    (TestServer::run(command, client, era).await, place)
}

/// Says each of these, and takes what comes back.
async fn say(
    server: &TestServer,
    all: &[(&'static Tool, &'static str, &'static str, Duration)],
    call: impl AsyncFn(&TestServer, &Tool, &Map<String, Value>) -> Value,
) -> Vec<Said> {
    let mut asked = Vec::new();
    for (tool, name, said, distance) in all {
        let arguments = with(tool, name, said);
        let from = Utc::now().with_nanosecond(0).expect("a second") + *distance;
        let first = call(server, tool, &arguments).await;
        let meant = (from, Utc::now() + *distance);
        asked.push(Said {
            tool,
            arguments,
            meant,
            first,
        });
    }
    asked
}

/// One round of a client of the newer protocol, which keeps the state of a question itself.
async fn round(
    server: &TestServer,
    tool: &Tool,
    arguments: &Map<String, Value>,
    answer: Option<(Value, Value)>,
) -> Value {
    let mut request = CallToolRequestParams::new(tool.name().to_owned()).with_arguments(arguments.clone());
    if let Some((seal, response)) = answer {
        request.request_state = seal.as_str().map(str::to_owned);
        request.input_responses = Some(serde_json::from_value(json!({"approval": response})).expect("input responses"));
    }
    match server.client.call_tool_once(request).await.expect("an answer") {
        CallToolResponse::InputRequired(required) => serde_json::to_value(&required).expect("JSON"),
        CallToolResponse::Complete(result) => result.structured_content.expect("structured content"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn time_of_a_sealed_question_is_the_one_that_was_asked_about() {
    let chunks = said();
    let of_one_client = async |all: &Vec<_>| {
        let world = world().await;
        let client = TestClient::with(Human::who(Manner::Accepts));
        let (server, _place) = asking(&world, client, Era::Modern).await;
        let asked = say(&server, all, async |server, tool, arguments| {
            round(server, tool, arguments, None).await
        })
        .await;
        tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
        for said in &asked {
            let form = &said.first["inputRequests"]["approval"]["params"];
            let message = form["message"].as_str().unwrap_or_else(|| panic!("{}", said.first));
            assert!(said.is_in(message), "{}: {message}", said.tool.name());
            let approved = json!({"action": "accept", "content": filled(message, &form["requestedSchema"])});
            let before = world.upstream.count();
            let seal = said.first["requestState"].clone();
            let done = round(&server, said.tool, &said.arguments, Some((seal, approved))).await;
            let requests = world.upstream.requests();
            let sent: Vec<String> = requests[before..]
                .iter()
                .map(|request| format!("{} {}", request.target, String::from_utf8_lossy(&request.body)))
                .collect();
            assert!(
                said.is_in(&sent.join(" ")),
                "{} {:?}: {sent:?} {done}",
                said.tool.name(),
                said.arguments
            );
        }
    };
    join_all(chunks.iter().map(of_one_client)).await;
}

#[tokio::test]
async fn time_of_a_call_that_waits_for_a_code_is_the_one_that_was_asked_about() {
    let chunks = said();
    let of_one_client = async |(all, era): (&Vec<_>, Era)| {
        let world = world().await;
        let (server, _place) = asking(&world, TestClient::alone(), era).await;
        let asked = say(&server, all, async |server, tool, arguments| {
            server.call(tool.name(), arguments.clone().into()).await.0
        })
        .await;
        tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
        for said in &asked {
            let first = error(&said.first);
            let plan = first["plan"].to_string();
            assert!(said.is_in(&plan), "{}: {plan}", said.tool.name());
            let mut again = said.arguments.clone();
            again.insert("approval".to_owned(), first["approval"].clone());
            let (second, _) = server.call(said.tool.name(), again.into()).await;
            // It waits for the same approval: with a later time it would be another call, with a code of its own.
            assert_eq!(error(&second)["code"], first["code"], "{second}");
            assert_eq!(
                error(&second)["plan"]["would_send"],
                first["plan"]["would_send"],
                "{second}"
            );
        }
    };
    let calls = chunks
        .iter()
        .flat_map(|all| [Era::Legacy, Era::Modern].map(|era| (all, era)));
    join_all(calls.map(of_one_client)).await;
}
