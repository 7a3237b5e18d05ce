//! Ways out of a read-only transaction: none counts as a read.

use super::{is_read, rows};
use neon_mcp::sql::{Reading, parse};

/// A row's text: `\n`, `\r`, `\\` and `\u{…}` stand for characters.
pub fn text(row: &str) -> String {
    let mut text = String::new();
    let mut rest = row;
    while let Some((before, after)) = rest.split_once('\\') {
        text.push_str(before);
        rest = match after.chars().next() {
            Some('n') => {
                text.push('\n');
                &after[1..]
            }
            Some('r') => {
                text.push('\r');
                &after[1..]
            }
            Some('\\') => {
                text.push('\\');
                &after[1..]
            }
            Some('u') if after.starts_with("u{") => {
                let (code, after) = after[2..].split_once('}').unwrap();
                text.push(char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap());
                after
            }
            _ => {
                text.push('\\');
                after
            }
        };
    }
    text + rest
}

/// All of them.
pub fn all() -> Vec<String> {
    rows(include_str!("escapes.txt")).map(text).collect()
}

#[test]
fn none_is_taken_for_a_read() {
    let escapes = all();
    let passed: Vec<_> = escapes.iter().filter(|text| is_read(&parse(text))).collect();
    assert!(passed.is_empty(), "{passed:#?}");
    assert!(escapes.iter().all(|text| Reading::prove(text).is_none()));
    assert!(escapes.len() >= 150, "only {} escapes", escapes.len());
}

#[test]
fn none_is_hidden_by_what_stands_around_it() {
    for escape in rows(include_str!("escapes.txt")).map(text) {
        for around in [
            format!("/* a */ {escape}"),
            format!("-- a\n{escape}"),
            format!("\n\t\u{b}\u{c} {escape} \n"),
            format!("{escape};"),
            format!("; {escape}"),
            // A name in quotes means another function in capitals, and one that there isn't.
            if escape.contains('"') {
                escape.clone()
            } else {
                escape.to_uppercase()
            },
        ] {
            assert!(!is_read(&parse(&around)), "{around:?}");
        }
        let after = parse(&format!("select 1; {escape}"));
        assert!(!is_read(&after), "{escape:?}");
    }
}

#[test]
fn explaining_runs_nothing_that_writes() {
    for row in rows(super::statements::STATEMENTS) {
        let [.., text] = super::statements::fields(row);
        let Some(explained) = Reading::explaining(text, true) else {
            continue;
        };
        let statement = super::only(text);
        assert!(statement.explain_analyze_ok, "{text}");
        assert!(is_read(&parse(&explained.into_text())), "{text}");
    }
}
