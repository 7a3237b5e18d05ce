//! What an approver finds who has no code, and what a caller is told whose call another must approve.

use reqwest::StatusCode;
use serde_json::json;

use super::provider::Browser;
use super::{DBA, Team};
use crate::support::human::{Human, Manner};
use crate::support::server::{TestClient, call};
use crate::support::world::{BRANCH, PROJECT};

#[tokio::test]
async fn list_has_what_an_approver_may_decide_and_nothing_else() {
    let team = Team::start(DBA, TestClient::alone()).await;
    let list = format!("{}/approve", team.origin());
    // Who isn't signed in learns nothing, and is brought back to the list.
    let mut ann = Browser::new();
    let first = ann.get(&list).await;
    assert_eq!(first.status, StatusCode::UNAUTHORIZED);
    let code = {
        let page = team.page().await;
        page.rsplit('/').next().expect("a code").to_owned()
    };
    assert_eq!(ann.get(&list).await.text, first.text);
    let link = first
        .text
        .split("href=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("a link");
    let begins = ann.get(&format!("{}{link}", team.origin())).await;
    let back = team.provider.signs_in(&begins.location.expect("a page"), "ann");
    let back = ann.get(back.as_str()).await;
    assert_eq!(
        (back.status, back.location.as_deref()),
        (StatusCode::SEE_OTHER, Some("/approve"))
    );
    for path in ["/approve", "/approve/"] {
        let shown = ann.get(&format!("{}{path}", team.origin())).await;
        assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
        assert!(
            shown.text.contains(&format!("/approve/{code}\"")) && shown.text.contains("delete_branch"),
            "{}",
            shown.text
        );
        assert!(
            !shown.text.contains("<script") && !shown.text.contains("<form"),
            "{}",
            shown.text
        );
    }
    // Who may decide nothing sees that nothing waits, as where that is so.
    for person in ["bob", "cleo"] {
        let mut other = Browser::new();
        other.signs_in(&team.provider, &format!("{list}/{code}"), person).await;
        let shown = other.get(&list).await;
        assert_eq!(shown.status, StatusCode::OK);
        assert!(
            !shown.text.contains(&code) && !shown.text.contains(BRANCH),
            "{}",
            shown.text
        );
    }
    // What was decided waits no more.
    let decided = team.decides(&mut ann, &format!("{list}/{code}"), "reject").await;
    assert_eq!(decided.status, StatusCode::SEE_OTHER, "{}", decided.text);
    let shown = ann.get(&list).await;
    assert!(!shown.text.contains(&code), "{}", shown.text);
}

#[tokio::test]
async fn caller_is_told_who_approves_where_the_policy_is_why_nobody_asks() {
    for (client, more, waits) in [
        (TestClient::with(Human::who(Manner::Accepts)), "", 1_800),
        (TestClient::alone(), "", 1_800),
        (TestClient::alone(), "approver_seconds = 7200\n", 7_200),
        (TestClient::alone(), "question_seconds = 60\n", 60),
    ] {
        let policy = DBA.replacen("[approval]\n", &format!("[approval]\n{more}"), 1);
        let team = Team::start(&policy, client).await;
        let arguments = json!({"project_id": PROJECT, "branch_id": BRANCH});
        let (value, is_error) = call(&team.client, "delete_branch", arguments).await;
        assert!(is_error && value["error"]["kind"] == "requires_approval", "{value}");
        for text in ["message", "next"] {
            let text = value["error"][text].as_str().expect("a text");
            assert!(text.contains("group dba"), "{text}");
        }
        let next = value["error"]["next"].as_str().expect("a text");
        let told: i64 = next
            .split(' ')
            .zip(next.split(' ').skip(1))
            .find_map(|(number, unit)| (unit == "s.").then(|| number.parse().ok())?)
            .unwrap_or_else(|| panic!("no time: {next}"));
        assert!((waits - 5..=waits).contains(&told), "{waits}: {next}");
        if waits == 7_200 {
            let page = value["error"]["approval_page"].as_str().expect("a page");
            let (message, next) = (&value["error"]["message"], next.replace(page, "PAGE"));
            harness::assert_worded!(
                "approvals",
                "message: another approves",
                message.as_str().expect("text")
            );
            harness::assert_worded!(
                "approvals",
                "next: another approves",
                next.replace(&told.to_string(), "7200")
            );
        }
    }
}

#[tokio::test]
async fn policy_that_leaves_nobody_to_ask_says_whom_it_means() {
    let policy =
        "[approval]\nchannels = [\"client\"]\nown_calls = false\n\n[[approval.approvers]]\ngroups = [\"dba\"]\n";
    let team = Team::start(policy, TestClient::alone()).await;
    let (value, _) = team.delete().await;
    assert_eq!(value["error"]["kind"], "requires_approval", "{value}");
    let message = value["error"]["message"].as_str().expect("a text");
    assert!(message.contains("group dba"), "{message}");
}
