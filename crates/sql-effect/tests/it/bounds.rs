//! Texts that would exhaust the stack or the time of a parser: refused, or judged within bounds.

use super::only;
use sql_effect::{StatementEffect, parse, parse_all};
use std::time::{Duration, Instant};

/// How long the judgement of one text may take, on a slow machine that does other things, too.
const PATIENCE: Duration = Duration::from_secs(20);

#[track_caller]
fn judged(text: &str) -> StatementEffect {
    let started = Instant::now();
    // The small stack is that of the server's own threads.
    let text = text.to_owned();
    let effect = std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(move || parse(&text).effect())
        .unwrap()
        .join()
        .unwrap();
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    effect
}

#[test]
fn nesting_without_end_is_refused() {
    let n = 50_000;
    for (open, close) in [
        ("(", ")"),
        ("(select ", ")"),
        ("[", "]"),
        ("case when true then ", " end"),
        ("not ", ""),
        ("- ", ""),
        ("with a as (select 1) select (", ")"),
        ("array[", "]"),
        ("f(", ")"),
    ] {
        let text = format!("select {}1{}", open.repeat(n), close.repeat(n));
        assert_eq!(judged(&text), StatementEffect::Destructive, "{open}");
    }
    for word in [
        "explain ",
        "join ",
        "begin ",
        "do ",
        "create function f() begin atomic ",
        "prepare p as ",
    ] {
        assert_eq!(judged(&word.repeat(n)), StatementEffect::Destructive, "{word}");
    }
    let body = "(".repeat(n);
    for text in [
        format!("create function f() returns int language sql as 'select {body}'"),
        format!(
            "create function f() returns int language sql as E'select {}'",
            "\\050".repeat(n)
        ),
        format!("do $$ begin perform {body}; end $$"),
        format!("do 'begin {} end'", "loop ".repeat(n)),
        format!(
            "create function f() returns int language sql as 'select {0}'\n'{0}'",
            "(".repeat(90)
        ),
    ] {
        assert_eq!(judged(&text), StatementEffect::Destructive);
    }
}

#[test]
fn chains_without_end_are_refused() {
    let n = 50_000;
    for link in ["+1", "::int", " or true", " union select 1", ".a", "[1]", " and a = b"] {
        assert_eq!(
            judged(&format!("select a{}", link.repeat(n))),
            StatementEffect::Destructive,
            "{link}"
        );
    }
    assert!(only(&"x".repeat(2 << 20)).reasons[0].contains("1 MiB"));
}

#[test]
fn what_people_and_programs_write_at_length_is_judged() {
    let rows = format!("insert into t values (1, 'a'){}", ", (1, 'a')".repeat(5_000));
    assert_eq!(judged(&rows), StatementEffect::Write);
    let list = format!("select * from t where id in (1{})", ", 1".repeat(20_000));
    assert_eq!(judged(&list), StatementEffect::Read);
    let nested = format!("select {}1{}", "(select ".repeat(60), ")".repeat(60));
    assert_eq!(judged(&nested), StatementEffect::Read);
    let chain = format!("select * from t where a = 1{}", " or a = 1".repeat(900));
    assert_eq!(judged(&chain), StatementEffect::Read);
    let script = "select 1;\n".repeat(2_000);
    assert_eq!(parse(&script).statements.len(), 2_000);
}

#[test]
fn large_insert_is_understood_whole() {
    let values = (0..5_000).map(|n| format!("({n}, 'name {n}', 'a text that is longer {n}', 12.5, '2024-01-01')"));
    let rows = format!(
        "insert into t (a, b, c, d, e) values {}",
        values.collect::<Vec<_>>().join(",\n")
    );
    assert_eq!(judged(&rows), StatementEffect::Write);
    let statements = "insert into t (a, b) values (1, 'a');\n".repeat(2_000);
    assert_eq!(judged(&statements), StatementEffect::Write);
}

/// Statements that together are more than one call's budget, whatever they are.
const SMALL: &str = "delete from t where id = 1;";

#[test]
fn call_of_many_statements_is_read_within_one_budget() {
    for (text, least) in [
        (SMALL.repeat(28_000), 5_000),
        ("do $$ begin delete from t where id = 1; end $$;".repeat(16_000), 2_000),
    ] {
        let statements = parse(&text).statements;
        let known = statements
            .iter()
            .take_while(|statement| statement.kind != "UNKNOWN")
            .count();
        assert!(
            known >= least && known < statements.len(),
            "{known} of {}",
            statements.len()
        );
        // What is beyond it isn't understood, and nothing after it is.
        for statement in &statements[known..] {
            assert!(statement.leaves);
            assert!(statement.reasons[0].contains("at once"));
        }
    }
}

#[test]
fn nesting_counts_by_its_square() {
    let known = |depth: usize| {
        let text = format!("select {}1;", "not ".repeat(depth)).repeat(120_000 / depth);
        let statements = parse(&text).statements;
        let known = statements
            .iter()
            .filter(|statement| statement.kind != "UNKNOWN")
            .count();
        (known, statements.len())
    };
    let (known_deep, deep) = known(3_000);
    assert!(known_deep >= 1 && known_deep < deep, "{known_deep} of {deep}");
    let (known_flat, flat) = known(30);
    assert_eq!(known_flat, flat);
}

#[test]
fn texts_of_one_call_share_its_budget() {
    let text = SMALL.repeat(7_000);
    let scripts = parse_all(&[text.as_str(); 6]);
    let effects: Vec<_> = scripts.iter().map(sql_effect::Script::effect).collect();
    assert_eq!(scripts.len(), 6);
    assert_eq!(
        (effects[0], effects[5]),
        (StatementEffect::Write, StatementEffect::Destructive)
    );
    // Bytes count, too, before anything is lexed.
    let large = "x".repeat(1 << 20);
    let scripts = parse_all(&["select 1", &large, &large, "select 2"]);
    let last = scripts[3].only().unwrap();
    assert_eq!(
        (scripts[0].effect(), last.text.as_str()),
        (StatementEffect::Read, "select 2")
    );
    assert!(last.leaves && scripts[2].leaves(), "{:?}", last.reasons);
    assert!(parse_all(&[]).is_empty() && parse_all(&[""])[0].statements.is_empty());
}

#[test]
fn many_names_and_reasons_take_no_time_that_grows_with_their_square() {
    let tables = (0..40_000).map(|n| format!("t{n}")).collect::<Vec<_>>().join(", ");
    let columns = (0..10_000)
        .map(|n| format!("drop column a{n}"))
        .collect::<Vec<_>>()
        .join(", ");
    let body = (0..4_000)
        .map(|n| format!("delete from t{n} where id = 1;"))
        .collect::<String>();
    let into = "select 1 into a;".repeat(4_000);
    let nested = (0..9).fold("select 1".to_owned(), |inner, n| {
        format!("create function f() returns int language sql as $a{n}${inner}$a{n}$")
    });
    for text in [
        format!("drop table {tables}"),
        format!("drop function {tables}"),
        format!("alter table t {columns}"),
        format!("do $$ begin {body} end $$"),
        format!("do $$ declare a int; begin {into} end $$"),
        nested,
    ] {
        judged(&text);
    }
}
