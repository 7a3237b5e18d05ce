//! What holds for every text: nothing panics, nothing is lost between statements, and pieces judge as they do alone.

use super::{rows, statements};
use proptest::prelude::*;
use sql_effect::{StatementEffect, parse};

/// A statement of the table, an escape or a query.
fn known() -> impl Strategy<Value = String> {
    let mut texts: Vec<String> = rows(statements::STATEMENTS)
        .map(|row| statements::fields(row)[3].to_owned())
        .collect();
    texts.extend(harness::sql::escapes());
    texts.extend(harness::sql::written());
    prop::sample::select(texts)
}

/// Pieces that matter to a lexer, in any order.
fn noise() -> impl Strategy<Value = String> {
    let pieces = [
        "'",
        "''",
        "\"",
        "$$",
        "$a$",
        "E'",
        "U&'",
        "U&\"",
        "uescape",
        "--",
        "\n",
        "/*",
        "*/",
        ";",
        "(",
        ")",
        "[",
        "]",
        "\\",
        ".",
        "..",
        ",",
        "1",
        "$1",
        "::",
        "select ",
        "from ",
        "into ",
        "begin ",
        "end ",
        "atomic ",
        "case ",
        "create function ",
        "delete from t ",
        "with a as ",
        "explain analyze ",
        "do ",
        "\0",
        "ü",
        "\u{a0}",
        "\u{feff}",
        "🙂",
        "set_config",
        " ",
        "\r",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..40).prop_map(|parts| parts.concat())
}

/// That a script's statements lie in its text, in order and apart.
fn well_placed(text: &str) -> Result<(), TestCaseError> {
    let mut end = 0;
    for statement in parse(text).statements {
        prop_assert!(statement.start >= end, "{text:?}");
        end = statement.start + statement.text.len();
        prop_assert_eq!(text.get(statement.start..end), Some(statement.text.as_str()));
        prop_assert!(statement.effect == StatementEffect::Read || !statement.reasons.is_empty());
        prop_assert!(!statement.explain_analyze_ok || statement.effect == StatementEffect::Read);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_survived(text in any::<String>()) {
        well_placed(&text)?;
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        well_placed(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn what_breaks_lexers_is_survived(text in noise()) {
        well_placed(&text)?;
    }

    #[test]
    fn truncations_are_survived(text in known(), at in any::<prop::sample::Index>()) {
        let ends: Vec<_> = text.char_indices().map(|(end, _)| end).collect();
        if let Some(end) = ends.get(at.index(ends.len().max(1))) {
            well_placed(&text[..*end])?;
        }
    }

    #[test]
    fn mutations_are_survived(text in known(), noise in noise(), at in any::<prop::sample::Index>()) {
        let ends: Vec<_> = text.char_indices().map(|(end, _)| end).collect();
        if let Some(end) = ends.get(at.index(ends.len().max(1))) {
            well_placed(&format!("{}{noise}{}", &text[..*end], &text[*end..]))?;
        }
    }

    #[test]
    fn two_scripts_one_after_the_other_are_the_sum_of_both(one in known(), other in known()) {
        // A text that never ends, or one of psql's own commands, takes what follows with it.
        let alone = parse(&one).statements;
        let whole = |script: &[sql_effect::Statement]| {
            script.iter().all(|statement| statement.kind != "UNKNOWN" && !statement.kind.starts_with("psql"))
        };
        prop_assume!(whole(&alone));
        let both = parse(&format!("{one}\n;{other}")).statements;
        let after = parse(&other).statements;
        let judged = |statements: &[sql_effect::Statement]| {
            statements
                .iter()
                .map(|statement| (statement.text.clone(), statement.kind.clone(), statement.effect, statement.reasons.clone()))
                .collect::<Vec<_>>()
        };
        prop_assert_eq!(judged(&both), [judged(&alone), judged(&after)].concat());
    }

    #[test]
    fn nothing_makes_a_write_a_read_by_standing_beside_it(text in known(), noise in noise()) {
        let write = "delete from t";
        prop_assert!(!super::is_read(&parse(&format!("{write};{noise}"))), "{noise:?}");
        // What never ends would take the write into itself.
        let ended = parse(&text).statements.iter().all(|statement| statement.kind != "UNKNOWN");
        prop_assert!(!ended || !super::is_read(&parse(&format!("{text}\n;{write}"))), "{text:?}");
    }
}
