//! The operator's policy: what each key stops, that the strictest wins, that nothing widens it, and what is refused.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use neon_mcp::catalog::{Catalog, Tool};
use neon_mcp::guard::{Cause, Channel, Effect, Occasion, Policy, Rule, policy_reference};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| Catalog::embedded().unwrap());

const NOW: &str = "2026-07-01T12:00:00Z";

fn now() -> DateTime<Utc> {
    NOW.parse().unwrap()
}

fn names() -> impl Iterator<Item = &'static str> {
    CATALOG.tools().iter().map(|tool| tool.name())
}

fn parse(text: &str) -> Result<Policy, String> {
    Policy::parse(text, names()).map_err(|error| error.to_string())
}

fn policy(text: &str) -> Policy {
    parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn tool(name: &str) -> &'static Tool {
    CATALOG.tool(name).unwrap()
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
            effect: tool(name).declaration.effect,
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
            assert!(denied.message.ends_with("Nothing was sent."), "{}", denied.message);
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
            Rule::Confirm => (End::Asks, String::new()),
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

/// A rule alone: a call that it lets through, one that it stops, how it ends, and the key that stops it.
struct Row {
    /// The lines above the first table.
    top: &'static str,
    /// A table and its line.
    table: (&'static str, &'static str),
    runs: Call,
    stops: Call,
    end: End,
    rule: &'static str,
}

fn row(
    top: &'static str,
    table: (&'static str, &'static str),
    runs: Call,
    stops: Call,
    end: End,
    rule: &'static str,
) -> Row {
    Row {
        top,
        table,
        runs,
        stops,
        end,
        rule,
    }
}

fn rows() -> Vec<Row> {
    use End::{Asks, Denied};
    let none = ("", "");
    let read = || Call::new("list_branches", on(PROJECT, json!({})));
    let create = |more| Call::new("create_branch", on(PROJECT, more));
    let delete = || Call::new("delete_branch", on(PROJECT, json!({"branch_id": "br-a"})));
    let reveal = Call::new(
        "get_connection_string",
        on(PROJECT, json!({"database_name": "d", "role_name": "r"})),
    );
    let orgs = "allowed_organizations = [\"org-a\"]";
    let projects = "allowed_projects = [\"quiet-sun-12345678\"]";
    let made = |more| Call::new("create_project", more);
    vec![
        row("read_only = true", none, read(), create(json!({})), Denied, "read_only"),
        row("read_only = true", none, read(), reveal.clone(), Denied, "read_only"),
        row(
            "read_only = true",
            none,
            read(),
            read().effect(Effect::Access),
            Denied,
            "read_only",
        ),
        row(
            "freeze = \"launch day\"",
            none,
            reveal.clone(),
            create(json!({})),
            Denied,
            "freeze",
        ),
        row(
            "freeze = \"launch day\"",
            none,
            reveal.clone(),
            reveal.effect(Effect::Access),
            Denied,
            "freeze",
        ),
        row(
            projects,
            none,
            create(json!({})),
            Call::new("create_branch", on(OTHER, json!({}))),
            Denied,
            "allowed_projects",
        ),
        row(
            projects,
            none,
            Call::new("list_projects", json!({})),
            made(json!({"org_id": "org-a"})),
            Denied,
            "allowed_projects",
        ),
        row(
            orgs,
            none,
            made(json!({"org_id": "org-a"})),
            made(json!({"org_id": "org-b"})),
            Denied,
            "allowed_organizations",
        ),
        row(
            orgs,
            none,
            Call::new("list_projects", json!({})),
            made(json!({})),
            Denied,
            "allowed_organizations",
        ),
        row(
            orgs,
            none,
            Call::new("list_organization_members", json!({"org_id": "org-a"})),
            Call::new("list_organization_members", json!({"org_id": "org-b"})),
            Denied,
            "allowed_organizations",
        ),
        row(
            orgs,
            none,
            delete(),
            Call::new("recover_project", on(PROJECT, json!({}))),
            Denied,
            "allowed_organizations",
        ),
        row(
            "",
            ("effects", "read = \"deny\""),
            create(json!({})),
            read(),
            Denied,
            "effects.read",
        ),
        row(
            "",
            ("effects", "write = \"confirm\""),
            read(),
            create(json!({})),
            Asks,
            "",
        ),
        row(
            "",
            ("effects", "access = \"deny\""),
            create(json!({})),
            create(json!({})).effect(Effect::Access),
            Denied,
            "effects.access",
        ),
        row(
            "",
            ("effects", "destructive = \"deny\""),
            create(json!({})),
            delete(),
            Denied,
            "effects.destructive",
        ),
        row(
            "",
            ("effects", "destructive = \"deny\""),
            create(json!({})),
            create(json!({})).effect(Effect::Destructive),
            Denied,
            "effects.destructive",
        ),
        row(
            "",
            ("tools", "delete_branch = \"deny\""),
            create(json!({})),
            delete(),
            Denied,
            "tools.delete_branch",
        ),
        row(
            "",
            ("tools", "delete_branch = \"confirm\""),
            create(json!({})),
            delete(),
            Asks,
            "",
        ),
        row(
            "",
            ("tools", "list_branches = \"confirm\""),
            create(json!({})),
            read(),
            Asks,
            "",
        ),
        row(
            "",
            ("caps", "throwaway_lifetime_hours = 24"),
            create(json!({"expires_at": "2026-07-02T12:00:00Z"})),
            create(json!({"expires_at": "2026-07-02T14:00:01+02:00"})),
            Denied,
            "caps.throwaway_lifetime_hours",
        ),
        row(
            "",
            ("caps", "throwaway_lifetime_hours = 720"),
            create(json!({})),
            create(json!({"expires_at": "whenever"})),
            Denied,
            "caps.throwaway_lifetime_hours",
        ),
        row(
            "",
            ("caps", "compute_cu = 2"),
            create(json!({"autoscaling_limit_max_cu": 2})),
            create(json!({"autoscaling_limit_max_cu": 2.25})),
            Denied,
            "caps.compute_cu",
        ),
        row(
            "",
            ("caps", "compute_cu = 0.5"),
            Call::new("update_project", on(PROJECT, json!({"default_max_cu": 0.5}))),
            Call::new(
                "update_project",
                on(
                    PROJECT,
                    json!({"default_endpoint_settings": [{"autoscaling_limit_min_cu": 1}]}),
                ),
            ),
            Denied,
            "caps.compute_cu",
        ),
    ]
}

/// A file of several rows: the lines above the first table first, then each table once.
fn file(rows: &[&Row]) -> Option<String> {
    let mut tops: Vec<&str> = rows.iter().map(|row| row.top).collect();
    tops.dedup();
    let mut text = tops.join("\n");
    let mut tables: Vec<(&str, &str)> = rows.iter().map(|row| row.table).collect();
    tables.dedup();
    for table in ["effects", "tools", "caps"] {
        let lines: Vec<&str> = tables
            .iter()
            .filter(|(name, _)| *name == table)
            .map(|(_, line)| *line)
            .collect();
        if !lines.is_empty() {
            text += &format!("\n[{table}]\n{}", lines.join("\n"));
        }
    }
    // Two rows of one key have no file of their own.
    let key = |line: &str| line.split(" =").next().unwrap().to_owned();
    let twice = |lines: &[&str]| {
        let keys: Vec<String> = lines
            .iter()
            .filter(|line| !line.is_empty())
            .map(|line| key(line))
            .collect();
        keys.len() == 2 && keys[0] == keys[1]
    };
    let lines: Vec<&str> = tables.iter().map(|(_, line)| *line).collect();
    (!twice(&tops) && !twice(&lines)).then_some(text)
}

#[test]
fn every_rule_alone_lets_one_call_through_and_stops_another() {
    for row in rows() {
        let text = file(&[&row]).unwrap();
        let policy = policy(&text);
        assert_eq!(row.runs.end(&policy).0, End::Runs, "{text}\n{:?}", row.runs);
        assert_eq!(
            row.stops.end(&policy),
            (row.end, row.rule.to_owned()),
            "{text}\n{:?}",
            row.stops
        );
        assert_eq!(
            row.stops.end(&Policy::default()).0,
            End::Runs,
            "without the rule it runs: {:?}",
            row.stops
        );
    }
}

#[test]
fn of_every_pair_of_rules_the_stricter_wins_in_one_file_and_in_two_layers() {
    let rows = rows();
    let mut files = 0;
    for one in &rows {
        for other in &rows {
            let (alone, second) = (policy(&file(&[one]).unwrap()), policy(&file(&[other]).unwrap()));
            let layered = alone.clone().narrowed_by(second.clone());
            let whole = file(&[one, other]);
            files += usize::from(whole.is_some());
            for call in [&one.runs, &one.stops, &other.runs, &other.stops] {
                let expected = call.end(&alone).0.max(call.end(&second).0);
                assert_eq!(
                    call.end(&layered).0,
                    expected,
                    "{:?} in layers, {call:?}",
                    (one.table, other.table)
                );
                if let Some(text) = &whole {
                    assert_eq!(call.end(&policy(text)).0, expected, "{text}\n{call:?}");
                }
            }
        }
    }
    assert!(files > 300, "{files}");
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
            "[tools]\ndelete_branch = \"allow\"\n[effects]\ndestructive = \"confirm\"",
            delete(),
            End::Asks,
        ),
        (
            "[tools]\ndelete_branch = \"allow\"\n[effects]\ndestructive = \"deny\"",
            delete(),
            End::Denied,
        ),
        (
            "[tools]\ndelete_branch = \"confirm\"\n[effects]\ndestructive = \"allow\"",
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
        let other = policy("[effects]\ndestructive = \"confirm\"");
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
        [confirm]\nchannels = [\"client\", \"terminal\"]\nquestion_seconds = 60\nterminal_yes = true\npage_secret_file = \"mine\"",
    );
    let other = policy(
        "dry_run = true\nfreeze = \" launch\\n day \"\nprotected_branches = [\"prod-?\"]\nallowed_projects = [\"b\", \"c\"]\nallowed_organizations = [\"org-b\"]
        [caps]\nthrowaway_lifetime_hours = 48\nbranches_per_project = 5\nchanges_per_minute = 600
        [confirm]\nchannels = [\"terminal\", \"page\"]\napproval_seconds = 3600\npage_secret_file = \"theirs\"
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
        assert_eq!(both.admits_project(project), admitted, "{project}");
    }
    for (organization, admitted) in [(Some("org-a"), false), (Some("org-b"), true), (None, false)] {
        let checked = both.check_organization(organization);
        assert_eq!(checked.is_ok(), admitted, "{organization:?}");
    }
    assert_eq!(both.throwaway_lifetime().as_secs(), 24 * 3600);
    assert_eq!(Policy::default().throwaway_lifetime().as_secs(), 720 * 3600);
    assert_eq!(both.branch_limit(), Some(5));
    assert!(both.check_branches(4).is_ok());
    assert_eq!(both.check_branches(5).unwrap_err().rule, "caps.branches_per_project");
    assert_eq!(both.changes_per_minute(), Some(60));
    let confirm = both.confirm();
    assert_eq!(confirm.channels, [Channel::Terminal]);
    assert_eq!((confirm.question_seconds, confirm.approval_seconds), (60, 300));
    assert!(!confirm.terminal_yes);
    assert_eq!(confirm.page_secret_file.as_deref(), Some("mine".as_ref()));
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

#[test]
fn what_is_not_understood_is_refused_with_where_and_what_instead() {
    for (text, expected) in [
        (
            "reed_only = true",
            "line 1, column 1: there is no key `reed_only`: did you mean `read_only`?",
        ),
        (
            "\n[efects]\nread = \"deny\"",
            "line 2, column 2: there is no key `efects`: did you mean `effects`?",
        ),
        (
            "[effects]\nwrites = \"deny\"",
            "line 2, column 1: there is no key `effects.writes`: did you mean `effects.write`?",
        ),
        ("[caps]\ncompute = 2", "did you mean `caps.compute_cu`?"),
        ("compute_cu = 2", "did you mean `caps.compute_cu`?"),
        (
            "[caps]\nread_only = true",
            "did you mean `read_only`, which stands above the first `[table]`?",
        ),
        ("[confirm]\nchanels = []", "did you mean `confirm.channels`?"),
        ("[safety_copy]\nbefor = \"none\"", "did you mean `safety_copy.before`?"),
        ("xyzzy = 1", "`neon-mcp policy reference` lists the keys"),
        (
            "[tools]\n\n  delete_projct = \"deny\"",
            "line 3, column 3: there is no tool `delete_projct`: did you mean `delete_project`?",
        ),
        (
            "[tools]\nxyzzy = \"deny\"",
            "`neon-mcp tools --toolsets all` lists them",
        ),
        ("[effects]\nread = \"maybe\"", "`effects.read`"),
        ("[effects]\nread = \"Allow\"", "\"allow\""),
        ("[tools]\ndelete_branch = true", "`tools.delete_branch`"),
        (
            "read_only = \"true\"",
            "`read_only`: \"true\" is not of type \"boolean\"",
        ),
        ("read_only = 1", "`read_only`"),
        ("dry_run = []", "`dry_run`"),
        ("freeze = \"\"", "`freeze`"),
        ("freeze = \" \\u0007 \"", "`freeze`"),
        ("freeze = true", "`freeze`"),
        ("freeze = 2026-07-01", "`freeze`"),
        ("allowed_projects = []", "`allowed_projects`"),
        ("allowed_projects = \"a\"", "`allowed_projects`"),
        ("allowed_projects = [\"\"]", "`allowed_projects.0`"),
        (
            "allowed_projects = [\"a\",\n \"A/b\"]",
            "line 2, column 2: `allowed_projects.1`",
        ),
        ("allowed_organizations = []", "`allowed_organizations`"),
        ("allowed_organizations = [1]", "`allowed_organizations.0`"),
        ("protected_branches = [\"\"]", "`protected_branches.0`"),
        ("protected_branches = [\" \"]", "empty pattern"),
        ("protected_branches = \"main\"", "`protected_branches`"),
        ("effects = 1", "`effects`"),
        ("tools = []", "`tools`"),
        ("caps = true", "`caps`"),
        ("[caps]\nthrowaway_lifetime_hours = 0", "less than the minimum of 1"),
        (
            "[caps]\nthrowaway_lifetime_hours = 721",
            "greater than the maximum of 720",
        ),
        (
            "[caps]\nthrowaway_lifetime_hours = 1.5",
            "`caps.throwaway_lifetime_hours`",
        ),
        ("[caps]\nbranches_per_project = 0", "`caps.branches_per_project`"),
        ("[caps]\nbranches_per_project = -1", "`caps.branches_per_project`"),
        ("[caps]\nbranches_per_project = \"9\"", "`caps.branches_per_project`"),
        ("[caps]\nbranches_per_project = 99999999999999999999", "line 2"),
        ("[caps]\ncompute_cu = 0.2", "`caps.compute_cu`"),
        ("[caps]\ncompute_cu = 56.1", "`caps.compute_cu`"),
        ("[caps]\ncompute_cu = nan", "`caps.compute_cu`"),
        ("[caps]\ncompute_cu = inf", "`caps.compute_cu`"),
        ("[caps]\ncompute_cu = \"2\"", "`caps.compute_cu`"),
        ("[caps]\nchanges_per_minute = 0", "`caps.changes_per_minute`"),
        ("[caps]\nchanges_per_minute = 601", "`caps.changes_per_minute`"),
        ("[confirm]\nchannels = [\"mail\"]", "`confirm.channels.0`"),
        ("[confirm]\nchannels = \"client\"", "`confirm.channels`"),
        ("[confirm]\nquestion_seconds = 9", "`confirm.question_seconds`"),
        ("[confirm]\nquestion_seconds = 3601", "`confirm.question_seconds`"),
        ("[confirm]\napproval_seconds = 9", "`confirm.approval_seconds`"),
        ("[confirm]\napproval_seconds = \"60\"", "`confirm.approval_seconds`"),
        ("[confirm]\nterminal_yes = \"yes\"", "`confirm.terminal_yes`"),
        ("[confirm]\npage_secret_file = \"\"", "`confirm.page_secret_file`"),
        ("[confirm]\npage_secret_file = 1", "`confirm.page_secret_file`"),
        ("[safety_copy]\nbefore = \"always\"", "`safety_copy.before`"),
        ("[safety_copy]\nbefore = true", "`safety_copy.before`"),
        ("read_only = true\nread_only = true", "line 2"),
        ("read_only", "line 1"),
        ("[caps", "line 1"),
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.contains(expected), "{text}\n{error}");
        assert!(
            !error.contains('\n') && error.starts_with("the policy text, line "),
            "{error}"
        );
    }
}

#[test]
fn a_file_is_read_whole_or_not_at_all() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("policy.toml");
    let read = || Policy::read(&path, names());
    assert!(read().unwrap_err().to_string().contains("can't read the policy"));
    std::fs::write(&path, "[confirm]\npage_secret_file = \"secret\"").unwrap();
    let policy = read().unwrap();
    assert_eq!(
        policy.confirm().page_secret_file.as_deref(),
        Some(&*place.path().join("secret"))
    );
    std::fs::write(&path, b"read_only = true\n# \xff").unwrap();
    let error = read().unwrap_err().to_string();
    assert!(error.contains("line 2, column 3: this is no UTF-8 text"), "{error}");
    assert!(Policy::read(place.path(), names()).is_err());
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_change_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("policy.toml");
    std::fs::write(&path, "").unwrap();
    for (mode, good) in [
        (0o600, true),
        (0o644, true),
        (0o444, true),
        (0o664, false),
        (0o646, false),
        (0o666, false),
    ] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        match Policy::read(&path, names()) {
            Ok(_) => assert!(good, "{mode:o}"),
            Err(error) => assert!(!good && error.to_string().contains("chmod go-w"), "{mode:o} {error}"),
        }
    }
}

#[test]
fn the_examples_of_the_reference_are_policies() {
    let reference = policy_reference();
    let examples: Vec<&str> = reference
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert_eq!(examples.len(), 3);
    for example in examples {
        policy(example);
    }
}

fn action() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["allow", "confirm", "deny"])
}

const TOOLS: [&str; 8] = [
    "list_projects",
    "list_branches",
    "create_branch",
    "create_project",
    "delete_branch",
    "suspend_compute",
    "get_connection_string",
    "recover_project",
];

/// A random policy file.
fn text() -> impl Strategy<Value = String> {
    let ids = |values: Vec<&'static str>| prop::option::weighted(0.3, prop::sample::subsequence(values, 1..=2));
    let line = |key: &'static str, max: u32| {
        prop::option::weighted(0.3, 1..=max).prop_map(move |value| value.map(|value| format!("{key} = {value}\n")))
    };
    let tops = (
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
        ids(vec![PROJECT, OTHER]),
        ids(vec!["org-a", "org-b"]),
    );
    let effects = prop::collection::btree_map(
        prop::sample::select(vec!["read", "write", "access", "destructive"]),
        action(),
        0..3,
    );
    let tools = prop::collection::btree_map(prop::sample::select(TOOLS.to_vec()), action(), 0..4);
    let caps = (line("throwaway_lifetime_hours", 720), line("compute_cu", 10));
    (tops, effects, tools, caps).prop_map(|((read_only, frozen, projects, organizations), effects, tools, caps)| {
        let mut text = String::new();
        if read_only {
            text += "read_only = true\n";
        }
        if frozen {
            text += "freeze = \"no\"\n";
        }
        if let Some(ids) = projects {
            text += &format!("allowed_projects = {ids:?}\n");
        }
        if let Some(ids) = organizations {
            text += &format!("allowed_organizations = {ids:?}\n");
        }
        for (name, rules) in [("effects", &effects), ("tools", &tools)] {
            text += &format!("[{name}]\n");
            for (key, action) in rules {
                text += &format!("{key} = \"{action}\"\n");
            }
        }
        text + "[caps]\n" + &caps.0.unwrap_or_default() + &caps.1.unwrap_or_default()
    })
}

fn call() -> impl Strategy<Value = Call> {
    let effects = vec![Effect::Read, Effect::Write, Effect::Access, Effect::Destructive];
    let causes = prop::sample::subsequence(vec![Cause::Effect, Cause::Interrupts, Cause::Reveals], 0..=3);
    let project = prop::option::of(prop::sample::select(vec![PROJECT, OTHER]));
    let organization = prop::option::of(prop::sample::select(vec!["org-a", "org-b"]));
    let hours = prop::option::of(0_i64..800);
    let size = prop::option::of(0_u8..12);
    (
        prop::sample::select(TOOLS.to_vec()),
        prop::sample::select(effects),
        any::<bool>(),
        causes,
        project,
        organization,
        hours,
        size,
    )
        .prop_map(|(tool, effect, severe, causes, project, organization, hours, size)| {
            let expires = hours.map(|hours| (now() + chrono::TimeDelta::hours(hours)).to_rfc3339());
            let mut call = Call::new(tool, json!({}));
            let values = [
                ("project_id", project.map(Value::from)),
                ("org_id", organization.map(Value::from)),
                ("expires_at", expires.map(Value::from)),
                ("autoscaling_limit_max_cu", size.map(Value::from)),
            ];
            for (name, value) in values {
                call.arguments.extend(value.map(|value| (name.to_owned(), value)));
            }
            // A call does at least what its tool declares.
            call.effect = call.effect.max(effect);
            call.severe = severe;
            call.causes = causes;
            call
        })
}

/// Whether a file has a rule of its own for a call, so that its ruling isn't the default.
fn speaks(text: &str, call: &Call) -> bool {
    text.contains(&format!("\n{} = ", call.tool)) || text.contains(&format!("\n{} = ", call.effect))
}

proptest! {
    #[test]
    fn narrowing_never_widens(base in text(), narrowings in prop::collection::vec(text(), 1..3), calls in prop::collection::vec(call(), 20)) {
        let mut narrowed = policy(&base);
        for narrowing in &narrowings {
            narrowed = narrowed.narrowed_by(policy(narrowing));
        }
        let base = policy(&base);
        for call in &calls {
            let end = call.end(&narrowed).0;
            prop_assert!(end >= call.end(&base).0, "{:?}", call);
            for text in &narrowings {
                let alone = call.end(&policy(text)).0;
                // What a narrowing file says nothing about asks by default only where it stands alone.
                prop_assert!(end >= alone || (alone == End::Asks && !speaks(text, call)), "{text}\n{:?}", call);
            }
            // Grouping makes no difference.
            let grouped = narrowings.iter().map(|text| policy(text)).reduce(Policy::narrowed_by).unwrap();
            prop_assert_eq!(call.end(&base.clone().narrowed_by(grouped)).0, end);
            prop_assert!(call.end(&base.clone().with_read_only(true)).0 >= call.end(&base).0);
        }
    }

    #[test]
    fn a_corrupted_file_allows_nothing_that_it_does_not_spell_out(
        text in text(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..5_u8, any::<u8>()), 1..6),
        calls in prop::collection::vec(call(), 10),
    ) {
        let mut bytes = text.into_bytes();
        for (at, kind, byte) in changes {
            let at = at.index(bytes.len() + 1);
            match kind {
                0 => bytes.insert(at, byte),
                1 if at < bytes.len() => { bytes.remove(at); }
                2 if at < bytes.len() => bytes[at] = byte,
                3 => bytes.truncate(at),
                4 => {
                    let line = bytes[at..].split(|byte| *byte == b'\n').next().unwrap_or_default().to_vec();
                    bytes.extend(line);
                }
                _ => {}
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(policy) = parse(&text) {
            for call in &calls {
                let lax = call.end(&policy).0 < call.end(&Policy::default()).0;
                prop_assert!(!lax || text.contains("\"allow\"") || text.contains("'allow'"), "{text}\n{:?}", call);
            }
        }
    }

    #[test]
    fn garbage_is_refused_or_harmless(bytes in prop::collection::vec(any::<u8>(), 0..200), line in "[\\[\\]a-z_=\"' .#\\n0-9{}]{0,60}") {
        for text in [String::from_utf8_lossy(&bytes).into_owned(), line] {
            if let Ok(policy) = parse(&text) {
                let call = Call::new("delete_branch", json!({})).asking(&[Cause::Effect]);
                prop_assert!(call.end(&policy).0 >= End::Asks || text.contains("allow"));
            }
        }
    }
}

#[test]
fn deep_nesting_is_refused_without_a_crash() {
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        let text = format!("protected_branches = {}{}", open.repeat(50_000), close.repeat(50_000));
        assert!(parse(&text).is_err());
    }
    assert!(parse(&format!("{} = 1", vec!["a"; 20_000].join("."))).is_err());
}
