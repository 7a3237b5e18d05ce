//! Every rule alone, and every pair of rules.

use neon_mcp::guard::{Effect, Policy};
use serde_json::json;

use super::{Call, End, OTHER, PROJECT, on, policy};

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
            ("effects", "write = \"require_approval\""),
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
            ("tools", "delete_branch = \"require_approval\""),
            create(json!({})),
            delete(),
            Asks,
            "",
        ),
        row(
            "",
            ("tools", "list_branches = \"require_approval\""),
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
