//! What people and agents read, pinned: a file an area, a section a text, so that a sentence is worded anew in that file alone
//! and the tests themselves check kinds, keys and names.
//!
//! `INSTA_UPDATE=always cargo test`, the switch of the other snapshots, writes what there is now.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

const BEGINS: &str = "## ";

/// A text, or the texts of a list, each in a paragraph.
pub trait Worded {
    /// What stands in the file, before what differs between runs is masked.
    fn text(&self) -> String;
}

impl Worded for str {
    fn text(&self) -> String {
        self.to_owned()
    }
}

impl Worded for String {
    fn text(&self) -> String {
        self.clone()
    }
}

impl Worded for Value {
    fn text(&self) -> String {
        match self {
            Value::String(text) => text.clone(),
            Value::Array(items) => items.iter().map(Worded::text).collect::<Vec<_>>().join("\n\n"),
            other => panic!("no text, nor a list of texts: {other}"),
        }
    }
}

impl<T: Worded + ?Sized> Worded for &T {
    fn text(&self) -> String {
        (**self).text()
    }
}

/// The first line of a text that has `part` in it: what a plan says of one thing.
pub fn line_with<'a>(text: &'a str, part: &str) -> &'a str {
    let found = text.lines().find(|line| line.contains(part));
    found.unwrap_or_else(|| panic!("no line with {part} in:\n{text}"))
}

/// The message of a line of the log, behind its time and level.
pub fn message_of(line: &str) -> &str {
    let behind = |level: &str| line.split_once(level).map(|(_, message)| message);
    ["ERROR", "WARN", "INFO"].into_iter().find_map(behind).unwrap_or(line)
}

/// A text, or the texts of a list, with `#` for each number: for what is measured.
pub fn without_numbers(text: &Value) -> String {
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b\d+(\.\d+)?\b").expect("an expression"));
    NUMBER.replace_all(&masked(&text.text()), "#").into_owned()
}

/// Checks a text against the section of that name in `tests/it/wording/AREA.txt` of the package that the test is in.
#[macro_export]
macro_rules! assert_worded {
    ($area:literal, $name:expr, $text:expr) => {
        $crate::wording::check(
            ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/tests/it/wording/", $area, ".txt"),
            $name,
            &$crate::wording::Worded::text(&$text),
        )
    };
}

/// The sections of a file of wordings.
pub fn sections(text: &str) -> BTreeMap<String, String> {
    let mut sections = BTreeMap::new();
    let mut name = None;
    for line in text.lines() {
        if let Some(begun) = line.strip_prefix(BEGINS) {
            name = Some(begun.to_owned());
            assert!(
                sections.insert(begun.to_owned(), String::new()).is_none(),
                "two sections are named {begun}"
            );
        } else if let Some(section) = name.as_ref().and_then(|name| sections.get_mut(name)) {
            section.push_str(line);
            section.push('\n');
        }
    }
    for section in sections.values_mut() {
        *section = section.trim().to_owned();
    }
    sections
}

/// What [`assert_worded`] does.
pub fn check(file: &str, name: &str, text: &str) {
    let text = masked(text);
    let text = text.trim();
    assert!(
        !text.lines().any(|line| line.starts_with(BEGINS)),
        "a line would begin a section: {text}"
    );
    if std::env::var("INSTA_UPDATE").is_ok_and(|value| value == "always") {
        return write(file, name, text);
    }
    let all = std::fs::read_to_string(file).unwrap_or_default();
    let sections = sections(&all);
    let pinned = sections.get(name).map_or("", String::as_str);
    assert!(
        pinned == text,
        "{file} has another wording of {name}; INSTA_UPDATE=always writes the new one\n--- pinned\n{pinned}\n--- now\n{text}\n---"
    );
}

/// Writes one section; tests run beside each other, in processes of their own too.
fn write(file: &str, name: &str, text: &str) {
    std::fs::create_dir_all(Path::new(file).parent().expect("a folder")).expect("a folder");
    let mut open: File = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(file)
        .expect("the file");
    open.lock().expect("the file alone");
    let mut all = String::new();
    open.read_to_string(&mut all).expect("a text");
    let mut sections = sections(&all);
    sections.insert(name.to_owned(), text.to_owned());
    let mut out = String::new();
    for (name, text) in &sections {
        let gap = if out.is_empty() { "" } else { "\n" };
        let _ = writeln!(out, "{gap}{BEGINS}{name}\n{text}");
    }
    open.rewind().expect("the start");
    open.set_len(0).expect("an empty file");
    open.write_all(out.as_bytes()).expect("written");
}

/// A text without what another run has otherwise: ids, times, ports, codes, digests and folders.
fn masked(text: &str) -> String {
    static MASKS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        [
            ("untrusted-data-[0-9a-f]{12}", "untrusted-data-[id]"),
            (r"\b(br|ep|snap|org|ws)(-[a-z0-9]+)+\b", "$1-[id]"),
            (r"\b[a-z]+-[a-z]+-[0-9]{8}\b", "[project-id]"),
            (
                r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
                "[uuid]",
            ),
            (
                r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|[+-]\d\d:\d\d)?",
                "[time]",
            ),
            (r"\b(127\.0\.0\.1|localhost):\d+", "$1:[port]"),
            // Trials of migrations, and handles with their tags.
            (r"\b(migration|tuning)-[0-9]{8}-[0-9]{6}-[0-9a-f]{4}\b", "$1-[id]"),
            (r"\b[0-9a-f]{16}\.[A-Za-z0-9_-]{22}", "[handle]"),
            (r"\b[0-9a-f]*[0-9][0-9a-f]*[a-f][0-9a-f]{10,}\b", "[hex]"),
            (r"\b[0-9a-f]{12,}\b", "[hex]"),
            (r"\x1b\[[0-9;]*m", ""),
            (r"(/[^\s/]+)*/\.?tmp[^\s:,'`]+", "[path]"),
            (r"\b[0-9A-F]+/[0-9A-F]{4,}\b", "[lsn]"),
            (r"\b\d+\.\d+ (ms|s)\b", "[n] $1"),
        ]
        .map(|(pattern, with)| (Regex::new(pattern).expect("an expression"), with))
        .into()
    });
    let mut text = text.to_owned();
    for (pattern, with) in MASKS.iter() {
        text = pattern.replace_all(&text, *with).into_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_keep_their_lines() {
        let read = sections("## a\none\n\ntwo\n\n## b\nthree\n");
        assert_eq!(read["a"], "one\n\ntwo");
        assert_eq!(read["b"], "three");
    }

    #[test]
    fn what_differs_between_runs_is_masked() {
        for (text, shown) in [
            (
                "main (br-cool-sun-a1b2c3d4) of quiet-sun-12345678",
                "main (br-[id]) of [project-id]",
            ),
            (
                "until 2026-01-01T00:00:00Z at http://127.0.0.1:4711/a",
                "until [time] at http://127.0.0.1:[port]/a",
            ),
            ("took 1.25 s of 30 s", "took [n] s of 30 s"),
            ("\u{1b}[33m WARN\u{1b}[0m lost", " WARN lost"),
            (
                "missing from /dev/shm/.tmpNFeyse/kept: 0/B01258",
                "missing from [path]: [lsn]",
            ),
        ] {
            assert_eq!(masked(text), shown);
        }
    }

    #[test]
    #[should_panic(expected = "has another wording")]
    fn other_wording_is_rejected() {
        check("/none", "a", "text");
    }

    #[test]
    #[should_panic(expected = "no text")]
    fn value_without_text_is_rejected() {
        let _ = Value::Null.text();
    }
}
