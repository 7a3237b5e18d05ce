//! What is judged is what is sent: a statement's text, judged again by itself, is the same statement.

use super::only;
use proptest::prelude::*;
use sql_effect::{StatementEffect, parse};

/// That every statement of a text is one statement by itself, with the same judgement.
#[track_caller]
fn same_again(text: &str) {
    for statement in parse(text).statements {
        let mut again = only(&statement.text);
        assert_eq!(again.start, 0, "{text:?}");
        again.start = statement.start;
        assert_eq!(again, statement, "{text:?}");
    }
}

#[test]
fn hint_inside_a_comment_is_no_hint() {
    for text in [
        "/* /*+ x */ DROP TABLE t -- */ UPDATE t SET a = 1 WHERE id = 1",
        "/* a /*+ x */ */ update t set a = 1 where id = 1",
        "/*+ x */ /* drop table t */ update t set a = 1 where id = 1",
        "-- /*+ x */\nupdate t set a = 1 where id = 1",
        "/* '/*+' drop table t; */*/ update t set a = 1 where id = 1",
        "/*+ drop table t; */ -- c\nupdate t set a = 1 where id = 1",
        "/* + x */update t set a = 1 where id = 1",
    ] {
        let statement = only(text);
        assert!(
            statement.text.to_lowercase().starts_with("update t"),
            "{text}: {}",
            statement.text
        );
        assert_eq!(statement.effect, StatementEffect::Write, "{text}");
        same_again(text);
    }
}

#[test]
fn hint_right_before_a_statement_stays_with_it() {
    for (text, own) in [
        ("/*+ SeqScan(a) */ select 1", "/*+ SeqScan(a) */ select 1"),
        ("/* a */ /*+ b */\n select 1", "/*+ b */\n select 1"),
        ("/*+ a /* b */ c */select 1 -- d", "/*+ a /* b */ c */select 1"),
        ("/*+ a; b */ select 1", "/*+ a; b */ select 1"),
        ("/*+ $$ ' \" */ select 1", "/*+ $$ ' \" */ select 1"),
    ] {
        assert_eq!(only(text).text, own, "{text}");
        assert_eq!(only(text).effect, StatementEffect::Read, "{text}");
        same_again(text);
    }
    let script = parse("select 1 /*+ a */; /*+ b */ select 2; select '/*+ c */'");
    let texts: Vec<_> = script
        .statements
        .iter()
        .map(|statement| statement.text.as_str())
        .collect();
    assert_eq!(texts, ["select 1", "/*+ b */ select 2", "select '/*+ c */'"]);
    // What psql's own command took isn't the next statement's.
    let script = parse("\\d /*+ a */\nselect 1");
    assert_eq!(script.statements[1].text, "select 1");
}

/// Comments, white space and what looks like either.
fn between() -> impl Strategy<Value = String> {
    let pieces = [
        " ",
        "\n",
        "\t",
        "/* a */",
        "/*+ SeqScan(t) */",
        "/* /*+ x */ drop table t -- */",
        "/*+ /* b */ ' */",
        "/*/**/*/",
        "-- it's\n",
        "-- /*+ c */\r\n",
        "/* \" $$ */",
        "/*+ ; */",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..4).prop_map(|parts| format!(" {} ", parts.concat()))
}

/// Values with every kind of quotes.
fn value() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "1",
        "$1",
        "'a'",
        "'it''s'",
        "'/*+ a */'",
        "'a;b'",
        r"'C:\dir'",
        r"'a\'",
        r"E'it\'s'",
        r"E'a\\'",
        "E'a\\\\' \n '\\';'",
        r"E'ä\'b'",
        "'a' -- c\n 'b'",
        "$$a'b$$",
        "$a$ $$ ; -- $a$",
        "$ä$/*$ä$",
        r"U&'\0027;'",
        r"U&'!0027' uescape '!'",
        "B'1'",
        "X'1f'",
        "N'a;'",
        "\"a\"\"b;\"",
        r#"U&"d\0061t""#,
        "'--'",
        "lo_unlink(1)",
        "(select 1)",
    ])
    .prop_map(str::to_owned)
}

/// A statement around a value.
fn statement() -> impl Strategy<Value = String> {
    let frames = [
        ["select", "", ""],
        ["select", "from t where a =", ""],
        ["insert into t values (", "", ")"],
        ["update t set a =", "", "where id = 1"],
        ["delete from t where a =", "", ""],
        ["drop table t", "", ""],
        ["do $x$ begin perform", "", "; end $x$"],
        ["create function f() returns int begin atomic select", "", "; end"],
        ["explain analyze select", "", ""],
        ["nonsense", "", ""],
    ];
    (
        prop::sample::select(frames.to_vec()),
        value(),
        value(),
        between(),
        between(),
        between(),
    )
        .prop_map(|(frame, one, other, a, b, c)| {
            let second = if frame[1].is_empty() {
                String::new()
            } else {
                format!("{} {other}", frame[1])
            };
            format!("{a}{}{b}{one} {second}{c}{}", frame[0], frame[2])
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn text_judged_again_is_the_same_statement(statements in prop::collection::vec(statement(), 1..4), end in between()) {
        same_again(&format!("{}{end}", statements.join(";")));
    }

    #[test]
    fn pieces_of_text_judged_again_are_the_same(parts in prop::collection::vec(prop_oneof![value(), between(), statement()], 0..6)) {
        same_again(&parts.concat());
    }
}
