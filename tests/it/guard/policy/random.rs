//! Random policies: narrowing never widens, and what is broken allows nothing that it doesn't spell out.

use neon_mcp::guard::{Cause, Effect, Policy};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Call, End, OTHER, PROJECT, now, parse, policy};

fn action() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["allow", "require_approval", "deny"])
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

/// Whether a file has a rule that sends a call to a human, so that it doesn't only ask by default.
fn requires_approval(text: &str, call: &Call) -> bool {
    let has = |key: &str| text.contains(&format!("\n{key} = \"require_approval\""));
    has(call.tool) || has(call.effect.name())
}

proptest! {
    #[test]
    fn narrowing_never_widens(base in text(), narrowings in prop::collection::vec(text(), 1..3), calls in prop::collection::vec(call(), 20)) {
        let mut narrowed = policy(&base);
        for narrowing in &narrowings {
            narrowed = narrowed.narrowed_by(policy(narrowing));
        }
        let base = policy(&base);
        let alone: Vec<Policy> = narrowings.iter().map(|text| policy(text)).collect();
        let grouped = base.clone().narrowed_by(alone.iter().cloned().reduce(Policy::narrowed_by).unwrap());
        for call in &calls {
            let end = call.end(&narrowed).0;
            prop_assert!(end >= call.end(&base).0, "{:?}", call);
            for (text, alone) in narrowings.iter().zip(&alone) {
                let alone = call.end(alone).0;
                // What a narrowing file says nothing about asks by default only where it stands alone.
                prop_assert!(end >= alone || (alone == End::Asks && !requires_approval(text, call)), "{text}\n{:?}", call);
            }
            // Grouping makes no difference.
            prop_assert_eq!(call.end(&grouped).0, end);
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
