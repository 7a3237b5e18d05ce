//! What every tool sends with valid arguments, for validation by others: `NEON_REQUESTS_FILE` names where to write it down.

use std::io::Write;

use base64::Engine as _;
use futures::future::join_all;
use neon_mcp::catalog::{Catalog, Tool};
use serde_json::{Value, json};

use crate::support::arguments::arguments;
use crate::support::fake_neon::Recorded;
use crate::support::human::{Human, Manner};
use crate::support::server::{Era, KEY, TestClient, TestServer, program};
use crate::support::world::World;

/// How many tools one server gets: each has Neon's rate limits for itself.
const AT_ONCE: usize = 8;

/// A request, and the tool that sent it.
struct Sent {
    /// Which call it was sent by.
    call: String,
    tool: String,
    operation: String,
    request: Recorded,
}

/// Whether a request is the one that the tool declares.
fn is_own(tool: &Tool, request: &Recorded) -> bool {
    let path = request.path().trim_start_matches("/api/v2");
    let template = &tool.declaration.request.path;
    let fits = |(wanted, given): (&str, &str)| wanted == given || (wanted.starts_with('{') && !given.is_empty());
    request.method == tool.declaration.request.method.as_str()
        && path.split('/').count() == template.split('/').count()
        && template.split('/').zip(path.split('/')).all(fits)
}

/// A call of a tool, with the required arguments alone or with all, and what it sent.
struct Called {
    tool: std::sync::Arc<Tool>,
    all: bool,
    given: Value,
    answer: Value,
    requests: Vec<Recorded>,
}

/// Calls each tool with the required arguments alone and with all, with such a human.
async fn called(tools: &[std::sync::Arc<Tool>], manner: Manner) -> Vec<Called> {
    let world = World::start().await;
    let human = Human::who(manner);
    let mut command = program(&["--toolsets", "all"], &world.url(), KEY);
    command.env("NEON_MCP_LOG", "error");
    let server = TestServer::run(command, TestClient::with(human), Era::Legacy).await;
    let mut calls = Vec::new();
    for tool in tools {
        for all in [false, true] {
            // What an earlier call made is in no later one's way.
            world.change(|facts| facts.branches.truncate(2));
            let before = world.upstream.requests().len();
            let given = Value::Object(arguments(tool, all));
            let (answer, _) = server.call(tool.name(), given.clone()).await;
            calls.push(Called {
                tool: tool.clone(),
                all,
                given,
                answer,
                requests: world.upstream.requests().split_off(before),
            });
        }
    }
    calls
}

/// What is sent where the human accepts. Each call sends its request, beside what it reads first.
async fn sent_by(tools: &[std::sync::Arc<Tool>]) -> Vec<Sent> {
    let mut sent = Vec::new();
    for call in called(tools, Manner::Accepts).await {
        let (tool, given, answer) = (&call.tool, &call.given, &call.answer);
        let own = call.requests.iter().filter(|request| is_own(tool, request)).count();
        assert!(own >= 1, "{} sent nothing with {given}: {answer}", tool.name());
        sent.extend(call.requests.into_iter().map(|request| Sent {
            call: format!("{} {}", tool.name(), if call.all { "all" } else { "required" }),
            tool: tool.name().to_owned(),
            operation: tool.declaration.operation.iter().next().unwrap_or_default().to_owned(),
            request,
        }));
    }
    sent
}

/// The tools that are one request: a workflow sends the requests of other tools.
fn of_one_request() -> Vec<std::sync::Arc<Tool>> {
    let catalog = Catalog::embedded().expect("the catalogue loads");
    let tools = catalog.tools().iter();
    tools
        .filter(|tool| tool.declaration.workflow.is_none())
        .cloned()
        .collect()
}

#[tokio::test]
async fn every_tool_sends_its_request_with_few_arguments_and_with_all() {
    let tools = of_one_request();
    let sent: Vec<Sent> = join_all(tools.chunks(AT_ONCE).map(sent_by))
        .await
        .into_iter()
        .flatten()
        .collect();
    assert!(sent.len() >= 2 * tools.len(), "{} requests", sent.len());
    let Some(path) = std::env::var_os("NEON_REQUESTS_FILE") else {
        return;
    };
    let drift: Value = serde_json::from_str(include_str!("../../tools/drift.json")).expect("tools/drift.json");
    let newer = drift["newer"].as_array().expect("a list");
    let mut file = std::fs::File::create(path).expect("a file");
    for Sent {
        call,
        tool,
        operation,
        request,
    } in sent
    {
        let of_newer = newer.iter().any(|entry| entry["operation"] == *operation);
        let line = json!({
            "call": call,
            "tool": tool,
            "newer": of_newer,
            "method": request.method,
            "target": request.target.trim_start_matches("/api/v2"),
            "headers": request.headers,
            "body": base64::engine::general_purpose::STANDARD.encode(&request.body),
        });
        writeln!(file, "{line}").expect("a line");
    }
}

/// What calls read more than once before they are declined, or run unasked.
async fn read_twice_by(tools: &[std::sync::Arc<Tool>]) -> Vec<String> {
    let mut twice = Vec::new();
    for call in called(tools, Manner::Declines).await {
        let mut seen = std::collections::BTreeSet::new();
        // Operations are looked at until they end.
        let reads = call
            .requests
            .iter()
            .filter(|request| request.method == "GET" && !request.path().contains("/operations"));
        for request in reads {
            if !seen.insert(&request.target) {
                twice.push(format!("{} ({}): {}", call.tool.name(), call.all, request.target));
            }
        }
    }
    twice
}

#[tokio::test]
async fn no_call_reads_an_address_twice_for_one_decision() {
    let tools = of_one_request();
    let twice: Vec<String> = join_all(tools.chunks(AT_ONCE * 3).map(read_twice_by))
        .await
        .into_iter()
        .flatten()
        .collect();
    assert!(twice.is_empty(), "{twice:#?}");
}
