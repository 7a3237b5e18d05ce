//! The tests of all packages match kinds, keys and names; what people read is pinned in `tests/it/wording`.

#![allow(clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use xtask::Known;
use xtask::phrases::{phrases, phrases_of_unit_tests};

/// How many phrases tests may look for, each with its reason in the list: the number only goes down.
const MAX_KNOWN: usize = 194;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

/// The files of a kind below the folders that hold our code.
fn files(extension: &str) -> Vec<PathBuf> {
    let mut folders = ["src", "tests", "crates", "xtask"]
        .map(|name| root().join(name))
        .to_vec();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|own| own == extension) {
                found.push(path);
            }
        }
    }
    found
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a text")
}

/// Whether a file holds tests and nothing else.
fn is_of_tests(path: &Path) -> bool {
    path.iter().any(|part| part == "tests" || part == "tests.rs")
}

#[test]
fn tests_look_for_no_phrase_beyond_those_listed() {
    let mut found = BTreeSet::new();
    let mut read = 0;
    for path in files("rs") {
        let text = text(&path);
        let phrases = match is_of_tests(&path) {
            true => phrases(&text),
            false => phrases_of_unit_tests(&text),
        };
        let name = path.strip_prefix(root()).expect("below the root").display().to_string();
        read += 1;
        for phrase in phrases.unwrap_or_else(|error| panic!("{name}: {error}")) {
            found.insert(format!("{name}: {}", phrase.escape_debug()).trim_end().to_owned());
        }
    }
    assert!(read > 400, "{read} files");
    let known = Known::read_paragraphs(include_str!("../phrases.txt")).expect("a list");
    assert!(known.keys().count() <= MAX_KNOWN, "the list has grown");
    let new: Vec<&String> = found.iter().filter(|one| !known.has(one)).collect();
    assert!(
        new.is_empty(),
        "check a kind, a key or a name, or pin the wording with `harness::assert_worded!`; these {} are phrases:\n{}",
        new.len(),
        new.iter().map(|one| one.as_str()).collect::<Vec<_>>().join("\n")
    );
    let gone: Vec<&str> = known.keys().filter(|one| !found.contains(*one)).collect();
    assert!(gone.is_empty(), "gone, so take it off xtask/phrases.txt: {gone:?}");
}

#[test]
fn wording_that_no_test_names_is_rejected() {
    let sources = files("rs").into_iter().map(|path| text(&path));
    let sources: String = sources.filter(|text| text.contains("assert_worded!")).collect();
    let mut read = 0;
    for path in files("txt")
        .iter()
        .filter(|path| path.iter().any(|part| part == "wording"))
    {
        for name in text(path).lines().filter_map(|line| line.strip_prefix("## ")) {
            // A name that is made of what differs begins with words that stand in the test; forms have the names of their tools.
            let is_form = path.file_name().is_some_and(|file| file == "forms.txt");
            let named = is_form
                || name
                    .match_indices(' ')
                    .any(|(at, _)| sources.contains(&format!("\"{} {{", &name[..at])));
            read += 1;
            assert!(
                named || sources.contains(&format!("\"{name}\"")),
                "{}: no test has the wording {name}",
                path.display()
            );
        }
    }
    assert!(read > 50, "{read} wordings");
}

#[test]
fn phrases_are_found_wherever_tests_look() {
    for (text, count) in [
        (r#"assert!(said.contains("one two three"));"#, 1),
        (r#"assert!(said.starts_with(&"one two three"), "{said}");"#, 1),
        (r#"assert_eq!(said, "one two three", "four five six");"#, 1),
        (r#"assert!(said == "one two three");"#, 1),
        (r#"assert!(said != "one two three" && x);"#, 1),
        (
            r#"for part in ["one two three", "four"] { assert!(said.contains(part)); }"#,
            1,
        ),
        (
            r#"for (given, says) in [(1, "one two three"), (2, "a b c d ef gh")] { assert!(said.contains(says)); }"#,
            2,
        ),
        (r#"for part in ["one two three"] { call(part); }"#, 0),
        (
            r#"for (given, says) in [("one two three", "two")] { assert!(said.contains(says)); }"#,
            0,
        ),
        (r#"assert!(said.contains("one two"), "one two three");"#, 0),
        (r#"assert!(said.contains("SELECT count(*) FROM all the tables"));"#, 0),
        (r#"assert!(said.contains("a_key b_key c_key"));"#, 0),
        (r#"assert_eq!(count(said, "one two three"), 1);"#, 0),
    ] {
        assert_eq!(phrases(text).expect("Rust").len(), count, "{text}");
    }
}

#[test]
fn unit_tests_alone_are_read_of_a_source() {
    let text =
        r#"fn a() { b.contains("one two three"); } #[cfg(test)] mod tests { fn c() { d.contains("four five six"); } }"#;
    assert_eq!(phrases_of_unit_tests(text).expect("Rust"), ["four five six"]);
}
