//! Every tool that gives access or destroys, against every kind of client.

use std::sync::Arc;

use futures::future::join_all;
use neon_mcp::catalog::Tool;
use serde_json::{Map, Value};

use super::{NOTHING, catalog, error, start};
use crate::support::arguments::{arguments, ready};
use crate::support::human::{Human, Manner};
use crate::support::server::{Era, TestClient};
use crate::support::world::World;

/// How many calls one server gets: as many as one client may have waiting.
pub(super) const AT_ONCE: usize = 20;

/// Every call that asks by its declaration: with the required arguments alone, and with all.
pub(super) fn calls() -> Vec<(Arc<Tool>, Map<String, Value>)> {
    let catalog = catalog();
    let asking = catalog
        .tools()
        .iter()
        .filter(|tool| tool.declaration.safety.effect.needs_consent());
    let calls: Vec<_> = asking
        .flat_map(|tool| [false, true].map(|all| (tool.clone(), arguments(tool, all))))
        .collect();
    assert!(calls.len() >= 20, "{}", calls.len());
    calls
}

/// Makes every call, and sees to it that none reaches Neon. `kinds` are what a refusal may be called.
async fn nothing_is_sent(client: TestClient, era: Era, kinds: &[&str]) {
    // Each server has Neon's rate limits for itself.
    let calls = calls();
    join_all(
        calls
            .chunks(AT_ONCE)
            .map(|calls| none_of_these(calls, client.clone(), era, kinds)),
    )
    .await;
}

async fn none_of_these(calls: &[(Arc<Tool>, Map<String, Value>)], client: TestClient, era: Era, kinds: &[&str]) {
    let world = World::start().await;
    // Who never answers is waited for as briefly as may be.
    let silent = kinds == ["approval_timed_out"];
    let policy = if silent {
        "[approval]\nquestion_seconds = 10\n"
    } else {
        ""
    };
    let started = start(&world, client, era, policy).await;
    let mut ready_calls = Vec::new();
    for (tool, arguments) in calls {
        let arguments = ready(&world, tool, arguments.clone(), async |name, given| {
            started.call(name, given).await
        })
        .await;
        ready_calls.push((tool.clone(), arguments));
    }
    let calls = ready_calls;
    let results = join_all(
        calls
            .iter()
            .map(|(tool, arguments)| started.call(tool.name(), Value::Object(arguments.clone()))),
    );
    for ((tool, _), (value, is_error)) in calls.iter().zip(results.await) {
        assert!(is_error, "{} ran: {value}", tool.name());
        let error = error(&value);
        let kind = error["kind"].as_str().expect("a kind");
        assert!(kinds.contains(&kind), "{}: {value}", tool.name());
        assert_eq!(error["changed"], "no", "{value}");
        if kind == "requires_approval" {
            has_a_plan(tool, error);
        }
    }
    assert_eq!(world.changes(), NOTHING);
    // Without a client that asks, to ask is to refuse: both are the same line.
    let ended = |line: &Value| (line["outcome"] != "asked") == (kinds != ["requires_approval"]);
    let lines = started.audit();
    let prepared = |line: &Value| line["tool"].as_str().is_some_and(|tool| tool.starts_with("prepare_"));
    let lines = lines.iter().filter(|line| ended(line) && !prepared(line));
    assert_eq!(lines.count(), calls.len(), "each refusal has its line");
}

/// What a refusal shows, so that a human elsewhere can decide.
fn has_a_plan(tool: &Tool, error: &Value) {
    let plan = &error["plan"];
    assert_eq!(plan["tool"], tool.name());
    assert!(plan["summary"].is_string() && !plan["undo"].is_null(), "{error}");
    let request = plan["would_send"]["request"].as_str().expect("a request");
    assert!(request.starts_with(tool.declaration.request.method.as_str()), "{error}");
    assert!(error["code"].as_str().is_some_and(|code| code.len() == 9), "{error}");
    let bytes = error.to_string().len();
    assert!(bytes <= 5_000, "{}: {bytes} bytes", tool.name());
}

#[tokio::test]
async fn an_earlier_client_without_elicitation_changes_nothing() {
    nothing_is_sent(TestClient::alone(), Era::Legacy, &["requires_approval"]).await;
}

#[tokio::test]
async fn an_earlier_client_whose_human_declines_changes_nothing() {
    let client = TestClient::with(Human::who(Manner::Declines));
    nothing_is_sent(client, Era::Legacy, &["rejected"]).await;
}

#[tokio::test]
async fn an_earlier_client_whose_human_cancels_changes_nothing() {
    let client = TestClient::with(Human::who(Manner::Cancels));
    nothing_is_sent(client, Era::Legacy, &["cancelled_by_user"]).await;
}

#[tokio::test]
async fn an_earlier_client_whose_human_never_answers_changes_nothing() {
    let client = TestClient::with(Human::who(Manner::NeverAnswers));
    nothing_is_sent(client, Era::Legacy, &["approval_timed_out"]).await;
}

#[tokio::test]
async fn a_client_of_2026_without_the_capability_changes_nothing() {
    nothing_is_sent(TestClient::alone(), Era::Modern, &["requires_approval"]).await;
}

#[tokio::test]
async fn a_client_of_2026_whose_human_declines_changes_nothing() {
    let client = TestClient::with(Human::who(Manner::Declines));
    nothing_is_sent(client, Era::Modern, &["rejected"]).await;
}

#[tokio::test]
async fn accepted_form_without_approval_changes_nothing() {
    for era in [Era::Legacy, Era::Modern] {
        let client = TestClient::with(Human::who(Manner::AcceptsNothing));
        nothing_is_sent(client, era, &["approval_malformed"]).await;
    }
}

#[tokio::test]
async fn accepting_sends_exactly_one_request_of_each_tool() {
    for era in [Era::Legacy, Era::Modern] {
        for (tool, arguments) in calls() {
            let world = World::start().await;
            let human = Human::who(Manner::Accepts);
            let started = super::Started::asking(&world, &human, era).await;
            let arguments = ready(&world, &tool, arguments, async |name, given| {
                started.call(name, given).await
            })
            .await;
            let (value, _) = started.call(tool.name(), Value::Object(arguments)).await;
            let mut changes = world.changes();
            if tool.declaration.completes().is_some() {
                // It cleans up, too.
                assert!(
                    changes.pop().is_some_and(|last| last.contains("/branches/br-made-")),
                    "{value}"
                );
            }
            assert_eq!(changes.len(), 1, "{}: {changes:?} {value}", tool.name());
            // A workflow's own path says what it is about, and isn't sent.
            if tool.declaration.workflow.is_none() {
                let (method, path) = changes[0].split_once(' ').expect("a path");
                assert_eq!(method, tool.declaration.request.method.as_str());
                let length = |path: &str| path.split('/').count();
                assert_eq!(length(path), length(&tool.declaration.request.path), "{path}");
            }
            assert_eq!(human.asked().len(), 1, "one question, one approval");
            assert_eq!(value["approved_by"], "client", "{value}");
        }
    }
}

/// "(asks)" is what an agent knows before it calls. The world's branch is what `arguments` name, and an ordinary one: what asks on
/// a default branch alone is told by the declaration.
#[tokio::test]
async fn tool_that_asks_says_so_in_its_description_and_no_other() {
    let catalog = catalog();
    let by_sql = |tool: &Tool| tool.declaration.statements().is_some() || tool.declaration.completes().is_some();
    let tools: Vec<Arc<Tool>> = catalog.tools().iter().filter(|tool| !by_sql(tool)).cloned().collect();
    let checked = join_all(tools.chunks(AT_ONCE).map(async |tools| {
        let world = World::start().await;
        let started = start(&world, TestClient::alone(), Era::Legacy, "").await;
        let listed = started.server.client.list_all_tools().await.expect("a list");
        for tool in tools {
            let told = listed
                .iter()
                .find(|listed| listed.name == tool.name())
                .expect("it is listed");
            let says = told.description.as_ref().expect("a description").ends_with(" (asks)");
            assert_eq!(says, tool.declaration.plain_call_asks(), "{}", tool.name());
            let (value, _) = started.call(tool.name(), Value::Object(arguments(tool, false))).await;
            if value["error"]["kind"] == "requires_approval" {
                // The arguments that a rule wants may be more than a plain call has.
                let by_arguments = tool
                    .declaration
                    .safety
                    .escalate
                    .iter()
                    .any(|escalation| escalation.when.is_some());
                assert!(says || by_arguments, "{} asks and doesn't say so: {value}", tool.name());
            } else if says {
                let safety = &tool.declaration.safety;
                let elsewhere = safety.reveals || safety.interrupts || safety.free_on_throwaway;
                let by_fact = safety.escalate.iter().any(|escalation| !escalation.facts.is_empty());
                assert!(
                    elsewhere || by_fact || value["error"].is_object(),
                    "{} says that it asks: {value}",
                    tool.name()
                );
            }
        }
        tools.len()
    }))
    .await;
    assert!(checked.iter().sum::<usize>() > 150, "{checked:?}");
}
