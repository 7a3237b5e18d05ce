//! What a human reads: every form of every tool that can ask, short, whole and without doubt.

use std::collections::BTreeSet;

use harness::assert_worded;
use neon_mcp::sandbox::SandboxOptions;
use serde_json::{Map, Value, json};

use super::{Started, catalog, error, start};
use crate::examples::{Story, in_shop};
use crate::support::arguments::{arguments, ready};
use crate::support::http::OverHttp;
use crate::support::human::{Human, Manner};
use crate::support::server::{Era, TestClient, call, program, state_home};
use crate::support::world::{BRANCH, PROJECT, ROOT, World};

/// A form: the tool with what was given, the text and the schema.
struct Form {
    name: String,
    text: String,
    schema: Value,
}

/// The forms of every tool that asks about such calls: with the required arguments, with all, and on the default branch.
async fn forms() -> Vec<Form> {
    let mut forms = Vec::new();
    let catalog = catalog();
    let asking = catalog
        .tools()
        .iter()
        .filter(|tool| tool.declaration.safety.plan.is_some());
    for tool in asking {
        for (variant, all, branch) in [
            ("required", false, None),
            ("all", true, None),
            ("default branch", true, Some(ROOT)),
        ] {
            let mut given: Map<String, Value> = arguments(tool, all);
            if let Some(branch) = branch {
                if !given.contains_key("branch_id") || tool.declaration.safety.effect.needs_consent() {
                    continue;
                }
                given.insert("branch_id".to_owned(), branch.into());
            }
            let world = World::with(|facts| {
                // What a call makes is no longer there, and what it completes is.
                if tool.name() == "finalize_restore_branch" {
                    facts.branch()["restore_status"] = "restored".into();
                }
            })
            .await;
            let human = Human::who(Manner::Declines);
            let started = Started::asking(&world, &human, Era::Legacy).await;
            let given = ready(&world, tool, given, async |name, given| started.call(name, given).await).await;
            started.call(tool.name(), Value::Object(given)).await;
            for (text, schema) in human.asked() {
                let name = format!("{} ({variant})", tool.name());
                forms.push(Form { name, text, schema });
            }
        }
    }
    forms
}

#[tokio::test]
async fn form_is_short_whole_and_says_what_is_lost() {
    let forms = forms().await;
    assert!(forms.len() >= 120, "{} forms", forms.len());
    for Form { name, text, schema } in &forms {
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() <= 12, "{name}: {} lines\n{text}", lines.len());
        let different: BTreeSet<&&str> = lines.iter().collect();
        assert_eq!(different.len(), lines.len(), "{name}: a line stands twice\n{text}");
        assert!(lines.iter().all(|line| !line.trim().is_empty()), "{name}: {text}");
        let is_template = |rest: &str| rest.starts_with(|first: char| first.is_ascii_lowercase());
        let left = text.contains("(not given") || lines[0].split('{').skip(1).any(is_template);
        assert!(!left, "{name}: a template is left over\n{text}");
        let verb = lines[0].split(' ').next().expect("a word");
        let known = VERBS.split_whitespace().any(|known| known == verb);
        assert!(known, "{name}: {verb} is no verb of what is done\n{text}");
        // What must be typed stands in the first line.
        if let Some(title) = schema["properties"]["name"]["title"].as_str() {
            let name_to_type = title.strip_prefix("Type ").expect("what to type");
            assert!(text.contains(name_to_type), "{name}: {title}\n{text}");
        }
        assert_worded!("forms", name.as_str(), text.as_str());
    }
}

/// What a first line begins with.
const VERBS: &str = "Add Apply Call Change Close Complete Create Delete Deploy Drop Give Hand Invite Issue Keep Let Lift Lower Make \
                     Move Offer Open Overwrite Put Refuse Remove Rename Replace Reset Restart Restore Restrict Revoke Run Send Serve \
                     Set Share Start Stop Suspend Switch Take Throw Trust Turn Warn";

#[tokio::test]
async fn wrong_name_is_asked_again_once_and_the_error_says_what_was_awaited() {
    for era in [Era::Legacy, Era::Modern] {
        let world = World::start().await;
        let human = Human::who(Manner::Fills(json!({"name": "mian"})));
        let started = Started::asking(&world, &human, era).await;
        let arguments = json!({"project_id": PROJECT, "branch_id": ROOT, "database_name": "abc"});
        let (value, is_error) = started.call("delete_database", arguments).await;
        assert!(is_error && error(&value)["kind"] == "wrong_name", "{era:?}: {value}");
        let asked = human.asked();
        assert_eq!(asked.len(), 2, "{era:?}");
        assert_eq!(asked[0].1["properties"]["name"]["title"], "Type abc");
        assert_eq!(asked[1].1, asked[0].1);
        assert!(
            asked[1].0.ends_with(&asked[0].0) && asked[1].0 != asked[0].0,
            "{asked:?}"
        );
        let awaited = error(&value)["message"].as_str().expect("a message").contains("abc");
        assert!(awaited, "{era:?}: {value}");
        assert_eq!(world.changes(), super::NOTHING);
    }
}

#[tokio::test]
async fn right_name_after_a_wrong_one_runs_the_call() {
    for era in [Era::Legacy, Era::Modern] {
        let world = World::start().await;
        let human = Human::who(Manner::Fills(json!({"name": "mian"})));
        let corrected = human.clone();
        let mut times = 0;
        let human = human.meanwhile(move || {
            times += 1;
            if times == 2 {
                corrected.changes_to(Manner::Accepts);
            }
        });
        let started = Started::asking(&world, &human, era).await;
        let arguments = json!({"project_id": PROJECT, "branch_id": ROOT, "database_name": "abc"});
        let (value, is_error) = started.call("delete_database", arguments).await;
        assert!(!is_error, "{era:?}: {value}");
        assert_eq!(world.changes().len(), 1, "{era:?}");
    }
}

/// What the form of a call asks for: a name, or a click.
async fn asks_for_a_name(world: &World, tool: &str, arguments: Value) -> bool {
    let human = Human::who(Manner::Declines);
    let started = start(world, TestClient::with(human.clone()), Era::Legacy, "").await;
    let (value, _) = started.call(tool, arguments).await;
    let asked = human.asked();
    let (_, schema) = asked.first().unwrap_or_else(|| panic!("{tool} asked nothing: {value}"));
    schema["properties"].get("name").is_some()
}

#[tokio::test]
async fn cheap_things_take_a_click_and_what_is_for_ever_a_name() {
    let compute = |kind: &str, name: Value| {
        let mut compute = json!({
            "id": "ep-other", "project_id": PROJECT, "branch_id": ROOT, "type": kind, "current_state": "idle",
            "host": "ep-other.example",
        });
        compute["name"] = name;
        compute
    };
    for (kind, name, typed) in [
        ("read_only", json!(""), false),
        ("read_only", json!("reports"), true),
        ("read_write", json!(""), true),
    ] {
        let world = World::with(|facts| facts.endpoints.push(compute(kind, name.clone()))).await;
        let arguments = json!({"project_id": PROJECT, "endpoint_id": "ep-other"});
        let asks = asks_for_a_name(&world, "delete_compute", arguments).await;
        assert_eq!(asks, typed, "{kind} {name}");
    }
    let world = World::start().await;
    for (tool, arguments) in [
        ("create_project", json!({"name": "health", "hipaa": true})),
        ("update_project", json!({"project_id": PROJECT, "hipaa": true})),
        (
            "update_project",
            json!({"project_id": PROJECT, "enable_logical_replication": true}),
        ),
    ] {
        assert!(
            asks_for_a_name(&world, tool, arguments.clone()).await,
            "{tool} {arguments}"
        );
    }
    // A role that nobody made here is somebody's.
    let role = json!({"project_id": PROJECT, "branch_id": ROOT, "role_name": "abc"});
    assert!(asks_for_a_name(&world, "delete_role", role).await);
    let branch = json!({"project_id": PROJECT, "branch_id": BRANCH, "role_name": "abc"});
    assert!(!asks_for_a_name(&world, "delete_role", branch).await);
}

#[tokio::test]
async fn of_what_this_session_made_minutes_ago_nobody_is_asked_what_could_have_been_so_from_the_beginning() {
    let story = Story::aside(SandboxOptions::default()).await;
    story.make_shop(json!({})).await;
    let other = story.client_with(story.sandbox().api_key()).await;
    let expiry = |name: &str| json!({"branch_id": name, "expires_at": "7d"});
    for name in ["ours", "theirs"] {
        story.shop("create_branch", json!({"name": name})).await;
    }
    let role = || json!({"branch_id": "main", "role_name": "app"});
    let rename = |from: &str, to: &str| json!({"branch_id": "main", "database_name": from, "name": to});
    let database = json!({"branch_id": "main", "name": "one", "owner_name": "neondb_owner"});
    story.shop("create_database", database).await;
    story
        .shop("create_role", json!({"branch_id": "main", "name": "app"}))
        .await;
    // Others may have put their rows into a branch meanwhile: an expiry is given when it is made.
    let before = story.asked();
    story.shop("update_branch", expiry("ours")).await;
    assert_eq!(story.asked(), before + 1);
    let before = story.asked();
    story.shop("update_database", rename("one", "two")).await;
    // It has the password since it made the role.
    let connection = story.shop("get_connection_string", role()).await;
    assert!(connection["uri"].is_string(), "{connection}");
    story.shop("get_role_password", role()).await;
    assert_eq!(story.asked(), before);

    // What it made has another name now, and who renamed it may use that. And of another session nothing is known.
    let asked = |what: &str, tool: &'static str, arguments: Value| {
        let (story, other, what) = (&story, &other, what.to_owned());
        async move {
            let before = story.asked();
            let (value, is_error) = other.call(tool, in_shop(arguments)).await;
            assert!(!is_error, "{value}");
            assert_eq!(story.asked(), before + 1, "{what}");
        }
    };
    asked("an expiry", "update_branch", expiry("theirs")).await;
    // What a session brought back, it didn't make.
    story.shop("create_branch", json!({"name": "back"})).await;
    let (gone, is_error) = other.call("delete_branch", in_shop(json!({"branch_id": "back"}))).await;
    assert!(!is_error, "{gone}");
    let back = gone["undo"]["arguments"].clone();
    let (back, is_error) = other.call("recover_branch", back).await;
    assert!(!is_error, "{back}");
    asked("an expiry of what came back", "update_branch", expiry("back")).await;
    asked("a name", "update_database", rename("two", "three")).await;
    asked("a connection string", "get_connection_string", role()).await;
    asked("a password", "get_role_password", role()).await;
    // The password that it is now isn't the one that the session was handed.
    story.advance(5).await;
    asked("a new password", "reset_role_password", role()).await;
    let before = story.asked();
    story.shop("get_connection_string", role()).await;
    story.shop("get_role_password", role()).await;
    assert_eq!(story.asked(), before + 2);
}

#[tokio::test]
async fn what_another_session_of_a_server_made_counts_as_found() {
    let story = Story::aside(SandboxOptions::default()).await;
    story.make_shop(json!({})).await;
    let (api, key) = (story.sandbox().api_url(), story.sandbox().api_key());
    let server = OverHttp::start(
        program(&["http", "--toolsets", "all", "--listen", "127.0.0.1:0"], &api, key),
        &state_home(),
    )
    .await;
    let one = server.client(TestClient::alone(), Era::Legacy).await;
    let other = server.client(TestClient::alone(), Era::Legacy).await;
    let database = json!({"branch_id": "main", "name": "new", "owner_name": "neondb_owner"});
    let (made, is_error) = call(&one, "create_database", in_shop(database)).await;
    assert!(!is_error, "{made}");
    let rename = || in_shop(json!({"branch_id": "main", "database_name": "new", "name": "renamed"}));
    let (refused, is_error) = call(&other, "update_database", rename()).await;
    assert!(is_error, "{refused}");
    assert_eq!(refused["error"]["kind"], "requires_approval");
    let (changed, is_error) = call(&one, "update_database", rename()).await;
    assert!(!is_error, "{changed}");
}

#[tokio::test]
async fn role_that_cannot_log_in_has_no_password_to_ask_about() {
    let story = Story::aside(SandboxOptions::default()).await;
    story.make_shop(json!({})).await;
    let role = |name: &str, no_login: bool| json!({"branch_id": "main", "name": name, "no_login": no_login});
    for (name, no_login) in [("reader", true), ("app", false)] {
        story.shop("create_role", role(name, no_login)).await;
        let question = story.question();
        assert_eq!(question.contains("password"), !no_login, "{question}");
    }
}

#[tokio::test]
async fn what_this_session_made_minutes_ago_takes_a_click_and_of_another_session_a_name() {
    let story = Story::aside(SandboxOptions::default()).await;
    story.make_shop(json!({})).await;
    let wants_a_name = || {
        let (_, schema) = story.human().asked().pop().expect("a question");
        schema["properties"].get("name").is_some()
    };
    for (make, made, delete, named) in [
        ("create_role", json!({"name": "new"}), "delete_role", "role_name"),
        (
            "create_database",
            json!({"name": "new", "owner_name": "neondb_owner"}),
            "delete_database",
            "database_name",
        ),
    ] {
        let on_main = |mut arguments: Value| {
            arguments["branch_id"] = "main".into();
            arguments
        };
        let gone = || on_main(json!({ named: "new" }));
        story.shop(make, on_main(made.clone())).await;
        story.shop(delete, gone()).await;
        assert!(!wants_a_name(), "{delete}");
        // Another session can't tell whose it is.
        story.shop(make, on_main(made)).await;
        let other = story.client_with(story.sandbox().api_key()).await;
        let (value, is_error) = other.call(delete, in_shop(gone())).await;
        assert!(!is_error, "{value}");
        assert!(wants_a_name(), "{delete}");
    }
}
