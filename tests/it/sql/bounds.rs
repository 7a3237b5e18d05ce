//! Texts that would exhaust the stack or the time of a parser: refused, or judged within bounds.

use super::only;
use neon_mcp::sql::{StatementEffect, parse};
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
