//! One gate: nothing but the dispatch obtains a permit, and nothing else of the engine sends what was permitted. And one parse: the SQL
//! of a call is parsed where its arguments are checked.

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
                let text = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
                found.push((path, text));
            }
        }
    }
    assert!(found.len() > 100, "{} files", found.len());
    found
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
            assert!(place.contains("/guard/"), "{place}");
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
