//! Several accounts: which one a call is of, and that nothing of one is another's.

use serde_json::{Value, json};

use super::issuer::{Issuer, organization, project, tokens_in};
use super::{Era, Home, kind, whose};
use crate::support::human::{Human, Manner};
use crate::support::server::{TestClient, TestServer};

async fn two() -> (Home, Issuer) {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    home.signs_in(&["--profile", "a"], &issuer, "ada").await;
    home.signs_in(&["--profile", "b"], &issuer, "bob").await;
    (home, issuer)
}

/// A settings file with both accounts.
fn settings(home: &Home) -> String {
    let path = home.path().join("settings.toml");
    std::fs::write(&path, "profiles = [\"a\", \"b\"]\n").expect("written");
    path.to_str().expect("a path").to_owned()
}

async fn told(server: &TestServer, tool: &str, arguments: Value) -> Value {
    let (value, is_error) = server.call(tool, arguments).await;
    assert!(!is_error, "{value}");
    value
}

#[tokio::test]
async fn tools_take_an_account_only_where_there_are_several() {
    let (home, issuer) = two().await;
    for (arguments, several) in [(vec!["--profile", "a"], false), (vec!["--profiles", "a,b"], true)] {
        let server = home.server(&arguments, &issuer, Era::Modern).await;
        for tool in server.client.list_all_tools().await.expect("a list") {
            let account = tool.input_schema.get("properties").and_then(|all| all.get("account"));
            let is_ours = tool.name.contains("docs_resource")
                || tool.name.contains("doc_resource")
                || tool.name == "search_tools";
            match several && !is_ours {
                true => assert_eq!(account.expect("an account")["enum"], json!(["a", "b"]), "{}", tool.name),
                false => assert_eq!(account, None, "{}", tool.name),
            }
        }
        let instructions = server.client.peer_info().and_then(|info| info.instructions.clone());
        assert_eq!(instructions.expect("some").contains("`account`"), several);
    }
    let server = home.server(&["--profile", "a"], &issuer, Era::Modern).await;
    let (value, is_error) = server.call("list_projects", json!({"account": "a"})).await;
    assert!(is_error && kind(&value) == "invalid_arguments", "{value}");
}

#[tokio::test]
async fn account_is_named_or_told_by_what_belongs_to_one_alone() {
    let (home, issuer) = two().await;
    let config = settings(&home);
    for era in [Era::Legacy, Era::Modern] {
        let server = home
            .server(&["--config", &config, "--toolsets", "all"], &issuer, era)
            .await;
        assert_eq!(whose(&server, json!({"account": "a"})).await, project("ada"));
        assert_eq!(whose(&server, json!({"account": "b"})).await, project("bob"));
        assert_eq!(
            whose(&server, json!({"org_id": organization("bob")})).await,
            project("bob")
        );
        assert_eq!(whose(&server, json!({"org_id": "house of ada"})).await, project("ada"));
        for (person, account) in [("ada", "a"), ("bob", "b")] {
            let value = told(&server, "describe_project", json!({"project_id": project(person)})).await;
            assert_eq!(value["account"], account);
        }
        // By its name alone, too.
        let value = told(&server, "describe_project", json!({"project_id": "shop of bob"})).await;
        assert_eq!(
            (&value["account"], &value["result"]["project"]["id"]),
            (&json!("b"), &json!(project("bob")))
        );
        for (arguments, expected) in [
            (json!({}), "unresolved"),
            (json!({"org_id": organization("cyd")}), "unresolved"),
            (json!({"account": "c"}), "invalid_arguments"),
            (json!({"account": 1}), "invalid_arguments"),
        ] {
            let (value, is_error) = server.call("list_projects", arguments.clone()).await;
            assert!(is_error && kind(&value) == expected, "{arguments}: {value}");
        }
        // The one's token never opens the other's project.
        let (value, is_error) = server
            .call(
                "describe_project",
                json!({"project_id": project("ada"), "account": "b"}),
            )
            .await;
        assert!(is_error && kind(&value) == "not_found", "{value}");
        assert!(tokens_in(&server.stop().await).is_empty());
    }
}

#[tokio::test]
async fn calls_in_results_and_lines_of_the_log_name_the_account() {
    let (home, issuer) = two().await;
    let server = home.server(&["--profiles", "a,b"], &issuer, Era::Legacy).await;
    let change = json!({"project_id": project("bob"), "name": "other"});
    let value = told(&server, "update_project", change).await;
    assert_eq!(value["undo"]["arguments"]["account"], "b", "{value}");
    server.stop().await;
    let log = std::fs::read_to_string(home.path().join("state/neon-mcp/audit.jsonl")).expect("a log");
    let line: Value = serde_json::from_str(log.lines().last().expect("a line")).expect("JSON");
    assert_eq!(
        (&line["account"], &line["tool"]),
        (&json!("b"), &json!("update_project"))
    );
}

#[tokio::test]
async fn question_names_the_account() {
    let (home, issuer) = two().await;
    let human = Human::who(Manner::Declines);
    let client = TestClient::with(human.clone());
    let server = home
        .server_for(&["--profiles", "a,b"], &issuer, client, Era::Legacy)
        .await;
    let (value, _) = server
        .call("delete_project", json!({"project_id": project("bob")}))
        .await;
    assert_eq!(kind(&value), "rejected");
    harness::assert_worded!(
        "sign_in",
        "question_of_one_account",
        human.asked()[0].0.lines().next().expect("a line")
    );
}

/// Both accounts see the same project: what was approved for the one must not count for the other.
#[tokio::test]
async fn approval_for_one_account_is_none_for_another() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    home.signs_in(&["--profile", "a"], &issuer, "ada").await;
    home.signs_in(&["--profile", "b"], &issuer, "ada").await;
    // As another person of the same name to that API: one who may do the same.
    let mut other = home.kept("b");
    other["subject"] = "bob".into();
    std::fs::write(home.login("b"), other.to_string()).expect("written");
    let server = home.server(&["--profiles", "a,b"], &issuer, Era::Legacy).await;
    let call = |account: &str, approval: Option<&str>| {
        let mut call = json!({"project_id": project("ada"), "account": account});
        if let Some(approval) = approval {
            call["approval"] = approval.into();
        }
        call
    };
    let asked = async |account: &str, approval: Option<&str>| {
        let (value, is_error) = server.call("delete_project", call(account, approval)).await;
        assert!(is_error, "{value}");
        value["error"].clone()
    };
    let first = asked("a", None).await;
    let (code, approval) = (
        first["code"].as_str().expect("a code"),
        first["approval"].as_str().expect("a handle"),
    );
    let name = format!("shop of {}", "ada");
    let command = home.program(&["approve", code], &issuer).into_std();
    let ended = tokio::task::spawn_blocking(move || {
        let mut terminal = crate::support::terminal::AtTerminal::start(command);
        terminal.wait_for("to reject: ", 1);
        terminal.type_line(&name);
        terminal.end()
    });
    let (exit, _, screen) = ended.await.expect("ends");
    assert_eq!(exit, 0, "{screen}");
    assert_ne!(asked("b", Some(approval)).await["kind"], "done");
    let deleted = || {
        let requests = issuer.upstream.requests();
        requests.iter().filter(|request| request.method == "DELETE").count()
    };
    assert_eq!(deleted(), 0, "the other account's call was made");
    let (value, is_error) = server.call("delete_project", call("a", Some(approval))).await;
    assert!(!is_error, "{value}");
    assert_eq!(deleted(), 1);
}

#[tokio::test]
async fn approval_of_whoever_was_signed_in_before_is_none_for_the_next() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    home.signs_in(&[], &issuer, "ada").await;
    let server = home.server(&[], &issuer, Era::Legacy).await;
    let call = json!({"project_id": project("ada")});
    let (first, _) = server.call("delete_project", call.clone()).await;
    assert_eq!(kind(&first), "requires_approval");
    // Signed in anew, with new tokens: it is the same account, whose question still stands.
    home.signs_in(&[], &issuer, "ada").await;
    let (again, _) = server.call("delete_project", call.clone()).await;
    assert_eq!(again["error"]["code"], first["error"]["code"]);
    let mut other = home.kept("DEFAULT");
    other["subject"] = "bob".into();
    std::fs::write(home.login("DEFAULT"), other.to_string()).expect("written");
    let (other, _) = server.call("delete_project", call).await;
    assert_eq!(kind(&other), "requires_approval");
    assert_ne!(other["error"]["code"], first["error"]["code"]);
}

#[tokio::test]
async fn account_that_nobody_is_signed_in_to_says_which_it_is() {
    let (home, issuer) = (Home::new(), Issuer::start().await);
    home.signs_in(&["--profile", "a"], &issuer, "ada").await;
    let server = home.server(&["--profiles", "a,b"], &issuer, Era::Modern).await;
    assert_eq!(whose(&server, json!({"account": "a"})).await, project("ada"));
    let (value, is_error) = server.call("list_projects", json!({"account": "b"})).await;
    assert!(is_error && kind(&value) == "not_signed_in", "{value}");
    assert!(
        value["error"]["next"]
            .as_str()
            .expect("a text")
            .contains("--profile b`")
    );
    let (code, said, _) = home.run(&["whoami", "--json", "--profiles", "a,b"], &issuer).await;
    let told: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(code, Some(1));
    assert_eq!(told["accounts"][0]["user"]["id"], "ada");
    assert_eq!(told["accounts"][1]["error"]["kind"], "not_signed_in");
}

#[tokio::test]
async fn discovery_takes_the_account_too() {
    let (home, issuer) = two().await;
    let server = home
        .server(&["--profiles", "a,b", "--discovery"], &issuer, Era::Modern)
        .await;
    let call = json!({"name": "list_projects", "arguments": "{\"account\": \"b\"}"});
    let value = told(&server, "call_read_tool", call).await;
    assert_eq!(value["result"]["projects"][0]["id"], project("bob").as_str());
    let (found, _) = server.call("search_tools", json!({"query": "list projects"})).await;
    assert!(found.to_string().contains("\"enum\":[\"a\",\"b\"]"), "{found}");
}
