//! The operator's policy: what each key stops, that the strictest wins, that nothing widens it, and what is refused.

mod random;
mod refused;
mod rows;

use chrono::{DateTime, Utc};
use neon_mcp::catalog::Tool;
use neon_mcp::guard::{Cause, Channel, Effect, Occasion, Policy, Rule};
use neon_mcp::neon::{OrganizationId, ProjectId};
use serde_json::{Map, Value, json};

use crate::support::catalog;

const NOW: &str = "2026-07-01T12:00:00Z";

fn now() -> DateTime<Utc> {
    NOW.parse().unwrap()
}

fn names() -> impl Iterator<Item = &'static str> {
    catalog().tools().iter().map(|tool| tool.name())
}

fn parse(text: &str) -> Result<Policy, String> {
    Policy::parse(text, names()).map_err(|error| error.to_string())
}

fn policy(text: &str) -> Policy {
    parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn tool(name: &str) -> &'static Tool {
    catalog().tool(name).unwrap()
}

/// How a call ends: the order is the order of strictness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Runs,
    Asks,
    Denied,
}

/// A call as the policy sees it.
#[derive(Debug, Clone)]
struct Call {
    tool: &'static str,
    arguments: Map<String, Value>,
    effect: Effect,
    severe: bool,
    causes: Vec<Cause>,
}

impl Call {
    /// A call that nothing makes ask, with its tool's own effect.
    fn new(name: &'static str, arguments: Value) -> Self {
        let Value::Object(arguments) = arguments else {
            panic!("{arguments}")
        };
        Self {
            tool: name,
            arguments,
            effect: tool(name).declaration.safety.effect,
            severe: false,
            causes: Vec::new(),
        }
    }

    fn asking(mut self, causes: &[Cause]) -> Self {
        self.causes = causes.to_vec();
        self
    }

    fn severe(mut self) -> Self {
        self.severe = true;
        self
    }

    fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// How it ends, and the key that denies it.
    fn end(&self, policy: &Policy) -> (End, String) {
        let tool = tool(self.tool);
        let admitted = policy
            .offers(tool)
            .and_then(|()| policy.admits(tool, &self.arguments, self.effect, now()));
        if let Err(denied) = admitted {
            assert!(denied.message.ends_with("was sent."), "{}", denied.message);
            assert!(!denied.next.is_empty());
            return (End::Denied, denied.rule);
        }
        let occasion = Occasion {
            tool,
            effect: self.effect,
            severe: self.severe,
            causes: &self.causes,
        };
        match policy.rule(&occasion) {
            Rule::Allow => (End::Runs, String::new()),
            Rule::RequireApproval => (End::Asks, String::new()),
            Rule::Deny(denied) => (End::Denied, denied.rule),
        }
    }
}

const PROJECT: &str = "quiet-sun-12345678";
const OTHER: &str = "red-moon-87654321";

fn on(project: &str, more: Value) -> Value {
    let mut arguments = json!({"project_id": project});
    if let Value::Object(more) = more {
        arguments.as_object_mut().unwrap().extend(more);
    }
    arguments
}

#[test]
fn an_allowance_lifts_what_it_says_and_no_more() {
    use Cause::{Interrupts, Reveals};
    let delete = || Call::new("delete_branch", on(PROJECT, json!({"branch_id": "br-a"}))).asking(&[Cause::Effect]);
    let by_effect = "[effects]\ndestructive = \"allow\"\n";
    let by_tool = "[tools]\ndelete_branch = \"allow\"\n";
    let suspend = || Call::new("suspend_compute", on(PROJECT, json!({"endpoint_id": "ep-a"}))).asking(&[Interrupts]);
    for (text, call, expected) in [
        ("", delete(), End::Asks),
        (by_effect, delete(), End::Runs),
        (by_effect, delete().severe(), End::Asks),
        (by_effect, delete().asking(&[Cause::Effect, Interrupts]), End::Asks),
        (by_effect, delete().asking(&[Reveals]), End::Asks),
        (by_effect, delete().effect(Effect::Access), End::Asks),
        (by_tool, delete(), End::Runs),
        (
            by_tool,
            delete().severe().asking(&[Cause::Effect, Interrupts, Reveals]),
            End::Runs,
        ),
        (
            "[tools]\ndelete_branch = \"allow\"\n[effects]\ndestructive = \"require_approval\"",
            delete(),
            End::Asks,
        ),
        (
            "[tools]\ndelete_branch = \"allow\"\n[effects]\ndestructive = \"deny\"",
            delete(),
            End::Denied,
        ),
        (
            "[tools]\ndelete_branch = \"require_approval\"\n[effects]\ndestructive = \"allow\"",
            delete(),
            End::Asks,
        ),
        ("[effects]\nwrite = \"allow\"", suspend(), End::Asks),
        ("[tools]\nsuspend_compute = \"allow\"", suspend(), End::Runs),
        (
            "freeze = \"no\"\n[tools]\ndelete_branch = \"allow\"",
            delete(),
            End::Denied,
        ),
    ] {
        assert_eq!(call.end(&policy(text)).0, expected, "{text}\n{call:?}");
    }
    // Whoever narrows can't lift, and what it says nothing about stays as it is.
    for text in [by_effect, by_tool] {
        assert_eq!(delete().end(&Policy::default().narrowed_by(policy(text))).0, End::Asks);
        assert_eq!(delete().end(&policy(text).narrowed_by(Policy::default())).0, End::Runs);
        let other = policy("[effects]\nwrite = \"deny\"");
        assert_eq!(delete().end(&policy(text).narrowed_by(other)).0, End::Runs);
        let other = policy("[effects]\ndestructive = \"require_approval\"");
        assert_eq!(delete().end(&policy(text).narrowed_by(other)).0, End::Asks);
    }
}

#[test]
fn a_tool_is_listed_unless_no_call_of_it_can_run() {
    for (text, name, listed) in [
        ("", "delete_project", true),
        ("freeze = \"no\"", "delete_project", true),
        ("read_only = true", "delete_project", false),
        ("read_only = true", "get_connection_string", false),
        ("read_only = true", "list_branches", true),
        ("[effects]\ndestructive = \"deny\"", "delete_project", false),
        ("[effects]\ndestructive = \"deny\"", "update_branch", true),
        ("[tools]\nlist_branches = \"deny\"", "list_branches", false),
        ("[tools]\nlist_branches = \"deny\"", "count_branches", true),
        ("allowed_projects = [\"a\"]", "create_project", false),
        ("allowed_projects = [\"a\"]", "list_regions", true),
        ("allowed_projects = [\"a\"]", "list_organizations", true),
        ("allowed_organizations = [\"org-a\"]", "create_project", true),
        ("allowed_organizations = [\"org-a\"]", "recover_branch", true),
    ] {
        assert_eq!(policy(text).lists(tool(name)), listed, "{text} {name}");
    }
    assert!(!Policy::default().with_read_only(true).lists(tool("create_branch")));
    assert!(
        !policy("read_only = true")
            .with_read_only(false)
            .lists(tool("create_branch"))
    );
}

#[test]
fn what_is_bounded_is_the_tightest_of_all_layers() {
    let one = policy(
        "protected_branches = [\"release/*\"]\nallowed_projects = [\"a\", \"b\"]\nallowed_organizations = [\"org-a\", \"org-b\"]
        [caps]\nthrowaway_lifetime_hours = 24\nbranches_per_project = 10\nchanges_per_minute = 60
        [approval]\nchannels = [\"client\", \"terminal\"]\nquestion_seconds = 60\nwithout_terminal = true\npage_secret_file = \"mine\"",
    );
    let other = policy(
        "dry_run = true\nfreeze = \" launch\\n day \"\nprotected_branches = [\"prod-?\"]\nallowed_projects = [\"b\", \"c\"]\nallowed_organizations = [\"org-b\"]
        [caps]\nthrowaway_lifetime_hours = 48\nbranches_per_project = 5\nchanges_per_minute = 600
        [approval]\nchannels = [\"terminal\", \"page\"]\napproval_seconds = 3600\npage_secret_file = \"theirs\"
        [safety_copy]\nbefore = \"destructive\"",
    );
    assert!(!one.dry_run() && one.frozen().is_none() && !one.safety_copy());
    let both = one.narrowed_by(other);
    assert!(both.dry_run() && both.safety_copy() && both.wants_organization());
    assert_eq!(both.frozen(), Some("launch day"));
    for (branch, protected) in [
        ("release/1", true),
        ("prod-1", true),
        ("Release/1", false),
        ("dev", false),
    ] {
        assert_eq!(both.protects(branch), protected, "{branch}");
    }
    for (project, admitted) in [("a", false), ("b", true), ("c", false)] {
        let project = ProjectId::parse(project).unwrap();
        assert_eq!(both.admits_project(Some(&project)), admitted, "{project}");
    }
    // What has no id that can be told is none of the allowed ones.
    assert!(!both.admits_project(None) && Policy::default().admits_project(None));
    for (organization, admitted) in [(Some("org-a"), false), (Some("org-b"), true), (None, false)] {
        let organization = organization.map(|id| OrganizationId::parse(id).unwrap());
        let checked = both.check_organization(organization.as_ref());
        assert_eq!(checked.is_ok(), admitted, "{organization:?}");
    }
    assert_eq!(both.throwaway_lifetime().as_secs(), 24 * 3600);
    assert_eq!(Policy::default().throwaway_lifetime().as_secs(), 720 * 3600);
    assert_eq!(both.branch_limit(), Some(5));
    assert!(both.check_branches(4).is_ok());
    assert_eq!(both.check_branches(5).unwrap_err().rule, "caps.branches_per_project");
    assert_eq!(both.changes_per_minute(), Some(60));
    let approval = both.approval();
    assert_eq!(approval.channels, [Channel::Terminal]);
    assert_eq!((approval.question_seconds, approval.approval_seconds), (60, 300));
    assert!(!approval.without_terminal);
    assert_eq!(approval.page_secret_file.as_deref(), Some("mine".as_ref()));
}

#[test]
fn a_freeze_shows_its_reason_on_one_line_and_short() {
    let long = format!("freeze = \"a\\u001b[2J\\nb{}\"", "x".repeat(300));
    let policy = policy(&long);
    let denied = policy
        .admits(tool("create_branch"), &Map::new(), Effect::Write, now())
        .unwrap_err();
    assert!(denied.message.contains("(a[2J bx"), "{}", denied.message);
    assert!(denied.message.chars().count() < 300 && !denied.message.chars().any(char::is_control));
}

#[test]
fn a_cap_names_the_latest_time() {
    let policy = policy("[caps]\nthrowaway_lifetime_hours = 24");
    let call = Call::new(
        "create_branch",
        on(PROJECT, json!({"expires_at": "2026-08-01T00:00:00Z"})),
    );
    let denied = policy
        .admits(tool("create_branch"), &call.arguments, Effect::Write, now())
        .unwrap_err();
    assert!(denied.message.contains("2026-07-02T12:00:00Z"), "{}", denied.message);
    assert!(denied.next.contains("2026-07-02T12:00:00Z"), "{}", denied.next);
}
