//! An approval is for one call, by one caller, on one thing as it was shown, once.

use harness::{assert_worded, wording::line_with};
use rmcp::model::{CallToolRequestParams, CallToolResponse};
use serde_json::{Value, json};

use super::{NOTHING, Started, error, start};
use crate::support::arguments::ready;
use crate::support::human::{Human, Manner, filled};
use crate::support::server::{Era, TestClient, TestServer};
use crate::support::world::{BRANCH, ENDPOINT, PROJECT, World};

fn human() -> Human {
    Human::who(Manner::Accepts)
}

fn delete_branch() -> Value {
    json!({"project_id": PROJECT, "branch_id": BRANCH})
}

/// A question as the client got it.
struct Asked {
    message: String,
    schema: Value,
    seal: String,
}

/// Calls, and takes the question.
async fn ask(server: &TestServer, tool: &str, arguments: Value) -> Asked {
    match once(server, tool, arguments, None).await {
        CallToolResponse::InputRequired(required) => {
            let required = serde_json::to_value(&required).expect("JSON");
            let form = &required["inputRequests"]["approval"]["params"];
            Asked {
                message: form["message"].as_str().expect("a message").to_owned(),
                schema: form["requestedSchema"].clone(),
                seal: required["requestState"].as_str().expect("a seal").to_owned(),
            }
        }
        other => panic!("no question: {other:?}"),
    }
}

/// Calls once, with an answer or without.
async fn once(server: &TestServer, tool: &str, arguments: Value, answer: Option<(&str, Value)>) -> CallToolResponse {
    let mut request = CallToolRequestParams::new(tool.to_owned());
    request.arguments = arguments.as_object().cloned();
    if let Some((seal, response)) = answer {
        request.request_state = Some(seal.to_owned());
        request.input_responses = Some(serde_json::from_value(json!({"approval": response})).expect("input responses"));
    }
    server.client.call_tool_once(request).await.expect("an answer")
}

/// Approves a question, and gives the kind of the refusal; nothing when the call ran.
async fn answer(server: &TestServer, tool: &str, arguments: Value, asked: &Asked) -> Option<String> {
    let approved = json!({"action": "accept", "content": filled(&asked.message, &asked.schema)});
    refusal(once(server, tool, arguments, Some((&asked.seal, approved))).await)
}

fn refusal(response: CallToolResponse) -> Option<String> {
    match response {
        CallToolResponse::Complete(result) => {
            let value = result.structured_content.expect("structured content");
            result
                .is_error
                .unwrap_or(false)
                .then(|| error(&value)["kind"].as_str().expect("a kind").to_owned())
        }
        CallToolResponse::InputRequired(_) => Some("asked".to_owned()),
        other => panic!("{other:?}"),
    }
}

async fn modern(world: &World) -> Started {
    Started::asking(world, &human(), Era::Modern).await
}

#[tokio::test]
async fn an_accepted_question_is_good_once() {
    let world = World::start().await;
    let started = modern(&world).await;
    let asked = ask(&started.server, "delete_branch", delete_branch()).await;
    assert_eq!(
        answer(&started.server, "delete_branch", delete_branch(), &asked).await,
        None
    );
    let again = answer(&started.server, "delete_branch", delete_branch(), &asked).await;
    assert_eq!(again.as_deref(), Some("approval_used"));
    assert_eq!(world.changes().len(), 1);
}

#[tokio::test]
async fn of_many_that_use_it_at_once_one_is_sent() {
    let world = World::start().await;
    let started = modern(&world).await;
    let asked = ask(&started.server, "delete_branch", delete_branch()).await;
    let tries = (0..8).map(|_| answer(&started.server, "delete_branch", delete_branch(), &asked));
    let results = futures::future::join_all(tries).await;
    assert_eq!(
        results.iter().filter(|result| result.is_none()).count(),
        1,
        "{results:?}"
    );
    assert_eq!(world.changes().len(), 1);
}

#[tokio::test]
async fn a_changed_or_made_up_seal_is_none() {
    let world = World::start().await;
    let started = modern(&world).await;
    let asked = ask(&started.server, "delete_branch", delete_branch()).await;
    let (payload, mac) = asked.seal.rsplit_once('.').expect("two parts");
    let flipped = |text: &str| {
        // Not the last: it carries bits that decoding drops.
        let place = text.len() - 2;
        let other = if text[place..].starts_with('A') { "B" } else { "A" };
        let mut text = text.to_owned();
        text.replace_range(place..=place, other);
        text
    };
    for seal in [
        format!("{}.{mac}", flipped(payload)),
        format!("{payload}.{}", flipped(mac)),
        format!("{payload}."),
        payload.to_owned(),
        String::new(),
        ".".to_owned(),
        "x".repeat(100_000),
    ] {
        let asked = Asked {
            seal,
            message: asked.message.clone(),
            schema: asked.schema.clone(),
        };
        let kind = answer(&started.server, "delete_branch", delete_branch(), &asked).await;
        assert_eq!(kind.as_deref(), Some("approval_invalid"), "{}", asked.seal);
    }
    assert_eq!(world.changes(), NOTHING);
    assert_eq!(
        answer(&started.server, "delete_branch", delete_branch(), &asked).await,
        None
    );
}

#[tokio::test]
async fn approval_for_other_arguments_or_another_tool_is_rejected() {
    let world = World::start().await;
    let started = modern(&world).await;
    let asked = ask(&started.server, "delete_branch", delete_branch()).await;
    let mut hard = delete_branch();
    hard["hard_delete"] = true.into();
    let kind = answer(&started.server, "delete_branch", hard, &asked).await;
    assert_eq!(kind.as_deref(), Some("approval_invalid"));
    let other = json!({"project_id": PROJECT, "endpoint_id": ENDPOINT});
    let kind = answer(&started.server, "delete_compute", other, &asked).await;
    assert_eq!(kind.as_deref(), Some("approval_invalid"));
    let kind = answer(
        &started.server,
        "delete_project",
        json!({"project_id": PROJECT}),
        &asked,
    )
    .await;
    assert_eq!(kind.as_deref(), Some("approval_invalid"));
    assert_eq!(world.changes(), NOTHING);
}

#[tokio::test]
async fn the_same_thing_by_name_or_by_id_is_the_same_call() {
    let world = World::start().await;
    let started = modern(&world).await;
    let by_name = json!({"project_id": "shop", "branch_id": "dev"});
    let asked = ask(&started.server, "delete_branch", by_name).await;
    assert_eq!(
        answer(&started.server, "delete_branch", delete_branch(), &asked).await,
        None
    );
    assert_eq!(
        world.changes(),
        [format!("DELETE /projects/{PROJECT}/branches/{BRANCH}")]
    );
}

#[tokio::test]
async fn approval_of_another_caller_is_rejected() {
    let world = World::start().await;
    let state = crate::support::server::state_home();
    let key = state.join("seal.key");
    std::fs::write(&key, "k".repeat(32)).expect("a key");
    let server = async |name: &str| {
        let mut command = super::command(&world, &state, "");
        command
            .arg("--seal-key-file")
            .arg(&key)
            .arg("--state-dir")
            .arg(state.join("shared"));
        TestServer::run(command, TestClient::with(human()).called(name), Era::Modern).await
    };
    let (one, other) = (server("one").await, server("other").await);
    let asked = ask(&one, "delete_branch", delete_branch()).await;
    let kind = answer(&other, "delete_branch", delete_branch(), &asked).await;
    assert_eq!(kind.as_deref(), Some("approval_invalid"));
    assert_eq!(world.changes(), NOTHING);
    // With the same key and the same caller, another process takes it: once in all.
    let same = server("one").await;
    assert_eq!(answer(&same, "delete_branch", delete_branch(), &asked).await, None);
    let kind = answer(&one, "delete_branch", delete_branch(), &asked).await;
    assert_eq!(kind.as_deref(), Some("approval_used"));
    assert_eq!(world.changes().len(), 1);
}

#[tokio::test]
async fn a_restart_with_another_key_ends_every_question() {
    let world = World::start().await;
    let started = modern(&world).await;
    let asked = ask(&started.server, "delete_branch", delete_branch()).await;
    let state = started.state.clone();
    started.server.stop().await;
    let command = super::command(&world, &state, "");
    let again = TestServer::run(command, TestClient::with(human()), Era::Modern).await;
    let kind = answer(&again, "delete_branch", delete_branch(), &asked).await;
    assert_eq!(kind.as_deref(), Some("approval_invalid"));
    assert_eq!(world.changes(), NOTHING);
}

#[tokio::test]
async fn a_question_runs_out() {
    let world = World::start().await;
    let client = TestClient::with(human());
    let started = start(&world, client, Era::Modern, "[approval]\nquestion_seconds = 10\n").await;
    let asked = ask(&started.server, "delete_branch", delete_branch()).await;
    tokio::time::sleep(std::time::Duration::from_secs(12)).await;
    let kind = answer(&started.server, "delete_branch", delete_branch(), &asked).await;
    assert_eq!(kind.as_deref(), Some("approval_expired"));
    assert_eq!(world.changes(), NOTHING);
}

type Change = fn(&mut crate::support::world::Facts);

/// What may happen to the branch while a human reads.
fn happenings() -> Vec<(&'static str, Change)> {
    vec![
        ("renamed", |facts| facts.branch()["name"] = "other".into()),
        ("protected", |facts| facts.branch()["protected"] = true.into()),
        ("made the default", |facts| {
            facts.branches[0]["default"] = false.into();
            facts.branch()["default"] = true.into();
        }),
        ("moved to another parent", |facts| {
            facts.branch()["parent_id"] = Value::Null
        }),
        ("recreated", |facts| {
            facts.branch()["created_at"] = "2026-06-01T00:00:00Z".into()
        }),
        ("given a database", |facts| {
            facts.databases.push(json!({"name": "more", "owner_name": "abc"}))
        }),
        ("given a compute", |facts| {
            let mut another = facts.endpoints[0].clone();
            another["id"] = "ep-another".into();
            facts.endpoints.push(another);
        }),
        ("given a child", |facts| {
            facts.branches.push(json!({
                "id": "br-child", "project_id": PROJECT, "name": "child", "default": false, "protected": false,
                "parent_id": BRANCH,
            }));
        }),
        ("given an expiry that something needs", |facts| {
            facts.branch()["expires_at"] = "2036-01-01T00:00:00Z".into();
            facts.branches.push(json!({
                "id": "br-child", "project_id": PROJECT, "name": "child", "default": false, "protected": false,
                "parent_id": BRANCH,
            }));
        }),
    ]
}

/// Whether Neon refuses to delete a branch that this happened to.
fn is_refused(what: &str) -> bool {
    let refused = [
        "made the default",
        "protected",
        "given a child",
        "given an expiry that something needs",
    ];
    refused.contains(&what)
}

#[tokio::test]
async fn a_target_that_changed_is_asked_about_anew() {
    for (what, happens) in happenings() {
        let world = World::start().await;
        let started = modern(&world).await;
        let asked = ask(&started.server, "delete_branch", delete_branch()).await;
        world.change(happens);
        let kind = answer(&started.server, "delete_branch", delete_branch(), &asked).await;
        // Nobody is asked anew about what Neon would refuse by now.
        let expected = if is_refused(what) { "would_fail" } else { "asked" };
        assert_eq!(kind.as_deref(), Some(expected), "{what}");
        assert_eq!(world.changes(), NOTHING, "{what}");
    }
}

#[tokio::test]
async fn a_target_that_changes_while_the_human_reads_is_asked_about_anew() {
    for (what, happens) in happenings() {
        let world = World::start().await;
        let facts = world.facts();
        let mut first = true;
        let human = human().meanwhile(move || {
            if std::mem::take(&mut first) {
                happens(&mut facts.lock().expect("a lock"));
            }
        });
        let started = Started::asking(&world, &human, Era::Legacy).await;
        let (value, is_error) = started.call("delete_branch", delete_branch()).await;
        if is_refused(what) {
            assert!(is_error && error(&value)["kind"] == "would_fail", "{what}: {value}");
            assert_eq!(human.asked().len(), 1, "{what}");
            assert_eq!(world.changes(), NOTHING, "{what}");
            continue;
        }
        assert!(!is_error, "{what}: {value}");
        let asked = human.asked();
        assert_eq!(asked.len(), 2, "{what}");
        assert_worded!("approvals", &format!("asked again: {what}"), asked[1].0);
        assert_eq!(world.changes().len(), 1, "{what}");
    }
}

#[tokio::test]
async fn busy_target_can_be_approved() {
    let world = World::start().await;
    let started = modern(&world).await;
    let asked = ask(&started.server, "delete_branch", delete_branch()).await;
    world.change(|facts| {
        facts.branch()["logical_size"] = 99_000_000.into();
        facts.branch()["updated_at"] = "2026-11-01T00:00:00Z".into();
        facts.endpoints[0]["last_active"] = "2026-11-01T00:00:00Z".into();
    });
    assert_eq!(
        answer(&started.server, "delete_branch", delete_branch(), &asked).await,
        None
    );
}

#[tokio::test]
async fn a_target_that_never_rests_is_given_up() {
    let world = World::start().await;
    let facts = world.facts();
    let mut count = 0;
    let human = human().meanwhile(move || {
        count += 1;
        facts.lock().expect("a lock").branch()["name"] = format!("name {count}").into();
    });
    let started = Started::asking(&world, &human, Era::Legacy).await;
    let (value, is_error) = started.call("delete_branch", delete_branch()).await;
    assert!(is_error && error(&value)["kind"] == "target_changed", "{value}");
    assert!(human.asked().len() <= 3);
    assert_eq!(world.changes(), NOTHING);
}

#[tokio::test]
async fn a_target_that_is_gone_is_not_deleted() {
    let world = World::start().await;
    let started = modern(&world).await;
    let asked = ask(&started.server, "delete_branch", delete_branch()).await;
    world.change(|facts| facts.branches.truncate(1));
    let kind = answer(&started.server, "delete_branch", delete_branch(), &asked).await;
    assert_eq!(kind.as_deref(), Some("not_found"));
    assert_eq!(world.changes(), NOTHING);
}

#[tokio::test]
async fn the_plan_shows_what_the_call_sends_and_always_its_end() {
    let world = World::with(|facts| {
        // Enough to push everything else out of a plan that only cuts.
        let long = |number: usize| format!("{}{number}", "x".repeat(118));
        for number in 0..30 {
            facts.branches.push(json!({
                "id": format!("br-child-{number}"), "project_id": PROJECT, "name": long(number), "default": false,
                "protected": number == 29, "parent_id": BRANCH,
            }));
            facts.databases.push(json!({"name": long(number), "owner_name": "abc"}));
            facts.roles.push(json!({"name": "other", "protected": false}));
        }
    })
    .await;
    let human = Human::who(Manner::Declines);
    let started = Started::asking(&world, &human, Era::Legacy).await;
    started
        .call(
            "delete_role",
            json!({"project_id": PROJECT, "branch_id": BRANCH, "role_name": "other"}),
        )
        .await;
    let update = json!({
        "project_id": PROJECT, "allowed_ips": ["0.0.0.0/0"], "history_retention_seconds": 3_600, "name": "evil\u{202e} name",
    });
    started.call("update_project", update).await;
    let asked = human.asked();
    let deletion = &asked[0].0;
    assert!(deletion.contains("Request: DELETE"), "{deletion}");
    assert_worded!(
        "approvals",
        "way back of a deletion",
        line_with(deletion, "create_role")
    );
    let children = deletion
        .lines()
        .find(|line| line.starts_with("Children: "))
        .expect("a line");
    assert!(
        (0..30).all(|number| children.contains(&format!("(br-child-{number})"))) && !children.contains(" more"),
        "{children}"
    );
    assert!(deletion.chars().count() <= 16_000);
    let update = &asked[1].0;
    for line in [
        "Sends allowed_ips: [\"0.0.0.0/0\"]",
        "Sends history_retention_seconds: 3600 (now 86400)",
        "Sends name: \"evil\\u{202e} name\" (now \"shop\")",
    ] {
        assert!(update.contains(line), "{line}: {update}");
    }
}

#[tokio::test]
async fn every_argument_of_every_tool_that_asks_is_in_its_plan() {
    let catalog = super::catalog();
    let asking: Vec<_> = catalog
        .tools()
        .iter()
        .filter(|tool| tool.declaration.safety.effect.needs_consent())
        .collect();
    // Each server has Neon's rate limits for itself.
    let seen = futures::future::join_all(asking.chunks(10).map(async |tools| {
        let world = World::start().await;
        let human = Human::who(Manner::Declines);
        let started = Started::asking(&world, &human, Era::Legacy).await;
        let mut seen = 0;
        for tool in tools {
            let arguments = crate::support::arguments::arguments(tool, true);
            let arguments = ready(&world, tool, arguments, async |name, given| {
                started.call(name, given).await
            })
            .await;
            let (value, _) = started.call(tool.name(), Value::Object(arguments.clone())).await;
            let asked = human.asked().pop();
            let (plan, _) = asked.unwrap_or_else(|| panic!("{} asks nothing: {value}", tool.name()));
            for (name, value) in &arguments {
                if tool.injected.contains(&name.as_str()) {
                    continue;
                }
                let shown = match value {
                    Value::String(text) => plan.contains(text.as_str()),
                    Value::Array(_) | Value::Object(_) => plan.contains(&format!("Sends {name}: ")),
                    value if tool.placeholders.contains(name) => plan.contains(&value.to_string()),
                    value => plan.contains(&format!("Sends {name}: {value}")),
                };
                assert!(
                    shown || plan.contains("[masked]"),
                    "{}: {name} = {value} isn't in {plan}",
                    tool.name()
                );
                seen += 1;
            }
        }
        seen
    }))
    .await;
    assert!(seen.iter().sum::<usize>() > 200, "{seen:?}");
}

/// Characters that hide, reorder, steer a terminal, or are lost where blanks are folded.
const NASTY: &str = "a  b\u{202e}c\u{200b}\u{2800}\u{fe0f}\u{a0}<b>&amp;\\n\"d\"\u{fdd0}é 删 |";

#[tokio::test]
async fn every_character_of_every_argument_is_in_what_is_asked() {
    let catalog = super::catalog();
    let asking: Vec<_> = catalog
        .tools()
        .iter()
        .filter(|tool| tool.declaration.safety.effect.needs_consent())
        .collect();
    let escaped = neon_mcp::neon::text::escaped(&Value::from(NASTY).to_string()).replace('\u{fdd0}', "\\u{fdd0}");
    let seen = futures::future::join_all(asking.chunks(10).map(async |tools| {
        let world = World::start().await;
        let human = Human::who(Manner::Declines);
        let started = Started::asking(&world, &human, Era::Legacy).await;
        let mut seen = 0;
        for tool in tools {
            let arguments = crate::support::arguments::arguments(tool, true);
            let arguments = ready(&world, tool, arguments, async |name, given| {
                started.call(name, given).await
            })
            .await;
            let free = arguments.iter().filter(|(name, value)| {
                let schema = &tool.input["properties"][name.as_str()];
                let bound = ["enum", "pattern", "format", "writeOnly", "contentEncoding"];
                value.is_string()
                    && !tool.placeholders.contains(*name)
                    && bound.iter().all(|word| schema.get(word).is_none())
            });
            for (name, _) in free {
                let mut given = arguments.clone();
                given.insert(name.clone(), NASTY.into());
                let asked = human.asked().len();
                started.call(tool.name(), Value::Object(given)).await;
                // Some can't be given so: a name that isn't found, an address that isn't one.
                let Some((plan, _)) = human.asked().get(asked).cloned() else {
                    continue;
                };
                assert!(
                    plan.contains(&format!("Sends {name}: {escaped}")),
                    "{}: {name}: {plan}",
                    tool.name()
                );
                assert!(
                    !plan.chars().any(|c| c != '\n' && neon_mcp::neon::text::is_unseen(c)),
                    "{plan:?}"
                );
                seen += 1;
            }
        }
        seen
    }))
    .await;
    assert!(seen.iter().sum::<usize>() > 10, "{seen:?}");
}

#[tokio::test]
async fn what_no_question_can_show_is_not_asked() {
    let world = World::start().await;
    let human = Human::who(Manner::Accepts);
    let started = Started::asking(&world, &human, Era::Legacy).await;
    let update = |count: usize| {
        let mut addresses = vec!["203.0.113.77"; count];
        addresses.push("0.0.0.0/0");
        json!({"project_id": PROJECT, "allowed_ips": addresses})
    };
    let (value, is_error) = started.call("update_project", update(60)).await;
    assert!(!is_error && human.asked()[0].0.contains("0.0.0.0/0"), "{value}");
    let (value, is_error) = started.call("update_project", update(300)).await;
    assert!(is_error && error(&value)["kind"] == "requires_approval", "{value}");
    assert_worded!(
        "errors",
        "update that is too long to be approved",
        error(&value)["message"]
    );
    assert_eq!(human.asked().len(), 1);
    assert_eq!(world.changes().len(), 1);
}

#[tokio::test]
async fn a_severe_plan_takes_the_exact_name_only() {
    for era in [Era::Legacy, Era::Modern] {
        for (typed, kind) in [
            (json!({"name": "Dev"}), "wrong_name"),
            (json!({"name": "dev2"}), "wrong_name"),
            (json!({"name": ""}), "wrong_name"),
            (json!({"name": "yes"}), "wrong_name"),
            (json!({"name": "main"}), "wrong_name"),
            (json!({"name": BRANCH}), "wrong_name"),
            (json!({"name": true}), "approval_malformed"),
            (json!({"approve": true}), "approval_malformed"),
            (json!({}), "approval_malformed"),
            (json!([]), "approval_malformed"),
            (json!("dev"), "approval_malformed"),
            (Value::Null, "approval_malformed"),
        ] {
            let world = World::start().await;
            let human = Human::who(Manner::Fills(typed.clone()));
            let started = Started::asking(&world, &human, era).await;
            let arguments = json!({"project_id": PROJECT, "branch_id": BRANCH, "hard_delete": true});
            let (value, is_error) = started.call("delete_branch", arguments.clone()).await;
            assert!(is_error && error(&value)["kind"] == kind, "{typed}: {value}");
            assert_eq!(world.changes(), NOTHING, "{typed}");
            human.changes_to(Manner::Fills(json!({"name": "  dev "})));
            let (value, is_error) = started.call("delete_branch", arguments).await;
            assert!(!is_error, "{value}");
            assert_eq!(world.changes().len(), 1);
        }
    }
}

#[tokio::test]
async fn answers_that_are_none_are_no() {
    for (response, kind) in [
        (json!({"action": "accept"}), "approval_malformed"),
        (
            json!({"action": "accept", "content": {"approve": "true"}}),
            "approval_malformed",
        ),
        (
            json!({"action": "accept", "content": {"approve": 1}}),
            "approval_malformed",
        ),
        (
            json!({"action": "accept", "content": {"approve": false}}),
            "approval_malformed",
        ),
        (
            json!({"action": "accept", "content": {"yes": true}}),
            "approval_malformed",
        ),
        (json!({"action": "accept", "content": "approve"}), "approval_malformed"),
        (
            json!({"action": "yes", "content": {"approve": true}}),
            "approval_malformed",
        ),
        (json!({"content": {"approve": true}}), "approval_malformed"),
        (json!("accept"), "approval_malformed"),
        (json!({"action": "decline", "content": {"approve": true}}), "rejected"),
        (
            json!({"action": "cancel", "content": {"approve": true}}),
            "cancelled_by_user",
        ),
    ] {
        let world = World::start().await;
        let started = modern(&world).await;
        let asked = ask(&started.server, "delete_branch", delete_branch()).await;
        let answered = once(
            &started.server,
            "delete_branch",
            delete_branch(),
            Some((&asked.seal, response.clone())),
        )
        .await;
        assert_eq!(refusal(answered).as_deref(), Some(kind), "{response}");
        assert_eq!(world.changes(), NOTHING, "{response}");
    }
}

#[tokio::test]
async fn a_missing_answer_is_asked_for_again() {
    let world = World::start().await;
    let started = modern(&world).await;
    let asked = ask(&started.server, "delete_branch", delete_branch()).await;
    let mut request = CallToolRequestParams::new("delete_branch");
    request.arguments = delete_branch().as_object().cloned();
    request.request_state = Some(asked.seal.clone());
    let response = started.server.client.call_tool_once(request).await.expect("an answer");
    assert_eq!(refusal(response).as_deref(), Some("asked"));
    assert_eq!(world.changes(), NOTHING);
}

#[tokio::test]
async fn a_client_that_answers_with_an_error_said_no() {
    let world = World::start().await;
    let started = Started::asking(&world, &Human::who(Manner::Fails), Era::Legacy).await;
    let (value, is_error) = started.call("delete_branch", delete_branch()).await;
    assert!(is_error && error(&value)["kind"] == "approval_malformed", "{value}");
    assert_eq!(world.changes(), NOTHING);
}

#[tokio::test]
async fn each_no_says_so_in_its_own_words() {
    let mut told = std::collections::BTreeMap::new();
    for manner in [
        Manner::Declines,
        Manner::Cancels,
        Manner::AcceptsNothing,
        Manner::Fails,
        Manner::Fills(json!({"approve": false})),
    ] {
        let world = World::start().await;
        let started = Started::asking(&world, &Human::who(manner.clone()), Era::Legacy).await;
        let (value, _) = started.call("delete_branch", delete_branch()).await;
        let message = error(&value)["message"].as_str().expect("a message").to_owned();
        assert!(error(&value)["next"].is_string(), "{value}");
        assert!(told.insert(message.clone(), manner).is_none(), "said twice: {message}");
    }
}
