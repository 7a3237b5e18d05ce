//! Ways out of a read-only transaction: none counts as a read.

use super::is_read;
use harness::sql::{escapes, rows};
use sql_effect::{Reading, parse};

#[test]
fn none_is_taken_for_a_read() {
    let escapes = escapes();
    let passed: Vec<_> = escapes.iter().filter(|text| is_read(&parse(text))).collect();
    assert!(passed.is_empty(), "{passed:#?}");
    assert!(escapes.iter().all(|text| Reading::prove(text).is_none()));
    assert!(escapes.len() >= 150, "only {} escapes", escapes.len());
}

#[test]
fn none_is_hidden_by_what_stands_around_it() {
    for escape in escapes().into_iter() {
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
        let statement = super::only(text);
        let Some(explained) = Reading::explaining(&statement, true) else {
            continue;
        };
        assert!(statement.explain_analyze_ok, "{text}");
        assert!(is_read(&parse(&explained.into_text())), "{text}");
    }
}
