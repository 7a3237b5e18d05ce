//! One gate: nothing but the dispatch obtains a permit, and nothing else of the engine sends what was permitted. And one parse: the SQL
//! of a call is parsed where its arguments are checked. And one reading: what an absent or odd field of Neon's answers means is decided
//! in `src/neon/views`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// The sources of the product, with their texts; tests in them left out.
fn sources() -> Vec<(PathBuf, String)> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a text");
                found.push((path, without_tests(&text)));
            }
        }
    }
    assert!(found.len() > 100, "{} files", found.len());
    found
}

/// A source without what is for tests alone: an item behind `#[cfg(test)]`, to its end at the same depth.
fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut skipped: Option<&str> = None;
    for line in text.lines() {
        let indent = &line[..line.len() - line.trim_start().len()];
        match skipped {
            None if line.trim() == "#[cfg(test)]" => skipped = Some(indent),
            None => kept.push_str(&format!("{line}\n")),
            Some(depth) => {
                let ends = line.ends_with(';') || line.trim() == "}" || line.ends_with(" }");
                if indent == depth && ends {
                    skipped = None;
                }
            }
        }
    }
    kept
}

#[test]
fn source_is_looked_at_behind_its_tests() {
    let text = "a\n#[cfg(test)]\nmod tests {\n    x.permit();\n}\n#[cfg(test)]\nuse y;\nb\n";
    assert_eq!(without_tests(text), "a\nb\n");
}

/// The lines outside of comments in which a text stands.
fn places(text: &str) -> Vec<String> {
    let mut places = Vec::new();
    for (path, source) in sources() {
        for (number, line) in source.lines().enumerate() {
            if line.contains(text) && !line.trim_start().starts_with("//") {
                places.push(format!("{}:{}", path.display(), number + 1));
            }
        }
    }
    places
}

#[test]
fn dispatch_alone_obtains_permits() {
    for call in [".permit(", ".permit_page(", ".permit_statements("] {
        let places = places(call);
        assert_eq!(places.len(), 1, "{call} stands in {places:?}");
        assert!(places[0].contains("/dispatch.rs:"), "{places:?}");
    }
    // Not by the other way to write it, either.
    assert_eq!(places("AllowedCall::permit"), Vec::<String>::new());
}

#[test]
fn guard_alone_holds_the_right_to_issue_permits() {
    let places = places("Issuer::take");
    assert_eq!(places.len(), 1, "{places:?}");
    assert!(places[0].contains("/guard/decision.rs:"), "{places:?}");
}

#[test]
fn guard_alone_issues_permits() {
    for call in ["Permitted::issue(", "Permitted::issue_texts("] {
        for place in places(call) {
            assert!(place.contains("/src/guard/"), "{place}");
        }
    }
}

#[test]
fn sql_is_parsed_in_one_place() {
    for call in [
        "sql::parse(",
        "sql::parse_all(",
        "Reading::prove(",
        "Reading::explaining(",
    ] {
        for place in places(call) {
            let own = place.contains("/engine/check/sql.rs:") || place.contains("/engine/pipeline.rs:");
            assert!(own, "{call} stands in {place}");
        }
    }
    assert_eq!(places("crate::sql::parse_all(").len(), 1);
}

/// What rules decide by: fields of Neon's branches, computes and databases.
const DECIDING: [&str; 6] = [
    "protected",
    "default",
    "primary",
    "parent_id",
    "current_state",
    "owner_name",
];

/// Whether a line reads one of those fields out of a JSON value: by a call with its name or a pointer to it as the only argument, or
/// by indexing. `shown` is what hands a field over as it stands, for what is only shown.
fn reads_deciding_field(line: &str) -> bool {
    DECIDING.iter().any(|field| reads(line, field))
}

fn reads(line: &str, field: &str) -> bool {
    line.match_indices(&format!("{field}\"")).any(|(at, found)| {
        let Some((before, name)) = line[..at].rsplit_once('"') else {
            return false;
        };
        if !(name.is_empty() || (name.starts_with('/') && name.ends_with('/'))) {
            return false;
        }
        let after = &line[at + found.len()..];
        let called = |open: char| {
            before
                .strip_suffix(open)
                .map(|before| {
                    before
                        .rsplit(|one: char| !one.is_alphanumeric() && one != '_')
                        .next()
                        .unwrap_or_default()
                })
                .filter(|name| !name.is_empty())
        };
        let by_call = after.starts_with(')')
            && called('(').is_some_and(|name| !["shown", "Some", "shift_remove"].contains(&name));
        by_call || (after.starts_with(']') && called('[').is_some())
    })
}

#[test]
fn reading_of_a_deciding_field_is_recognized() {
    for line in [
        r#"about.pointer("/branch/parent_id").is_some()"#,
        r#"branch.get("default").and_then(Value::as_bool)"#,
        r#"flag("protected") == Some(false)"#,
        r#"let is = branch["primary"] == true;"#,
        r#"items.iter().any(|one| one.get("id") == id && one.get("current_state").is_none())"#,
    ] {
        assert!(reads_deciding_field(line), "{line}");
    }
    for line in [
        r#"Line::fact("default branch", [yes_or_no(about.is_default())]),"#,
        r#"json!({"parent_id": branch, "protected": true})"#,
        r#"text(arguments, "parent_id")"#,
        r#""default": shown("default"), "protected": branch.shown("protected"),"#,
        r#"matches!(field, "parent_id" | "default" | "protected")"#,
        r#"for name in ["default", "protected"] {"#,
        r#"key(&["protected_branches"])"#,
        r#"object.shift_remove("current_state");"#,
    ] {
        assert!(!reads_deciding_field(line), "{line}");
    }
}

#[test]
fn deciding_fields_are_read_in_the_views_alone() {
    // Schemas of tools and of the policy have a `default` of their own, and none of these reads answers of Neon's.
    let reads_no_answers = ["/src/catalog/", "/src/guard/policy/", "/src/settings/", "/src/cli/"];
    let mut in_views = HashSet::new();
    let mut elsewhere = Vec::new();
    for (path, source) in sources() {
        let path = path.display().to_string();
        if reads_no_answers.iter().any(|room| path.contains(room)) {
            continue;
        }
        let lines = source.lines().enumerate();
        for (number, line) in lines.filter(|(_, line)| !line.trim_start().starts_with("//")) {
            match (reads_deciding_field(line), path.contains("/src/neon/views/")) {
                (true, true) => in_views.extend(DECIDING.into_iter().filter(|field| reads(line, field))),
                (true, false) => elsewhere.push(format!("{path}:{}: {}", number + 1, line.trim())),
                (false, _) => {}
            }
        }
    }
    assert_eq!(in_views.len(), DECIDING.len(), "in src/neon/views: {in_views:?}");
    assert!(elsewhere.is_empty(), "read them by src/neon/views: {elsewhere:#?}");
}
