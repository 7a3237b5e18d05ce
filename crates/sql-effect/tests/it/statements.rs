//! The table of statements, and what is said of them.

use super::{only, rows};
use sql_effect::{StatementEffect, TableName, Transaction};

pub const STATEMENTS: &str = include_str!("statements.txt");

/// A row's effect, transaction, kind and statement.
pub fn fields(row: &str) -> [&str; 4] {
    let fields: Vec<_> = row.splitn(4, " | ").collect();
    fields.try_into().expect("a row has four fields")
}

#[test]
fn every_statement_is_classified_as_reviewed() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for row in rows(STATEMENTS) {
        let [effect, transaction, kind, text] = fields(row);
        let statement = only(text);
        let found = format!(
            "{:?} | {:?} | {} | {text}",
            statement.effect, statement.transaction, statement.kind
        );
        let wanted = format!("{effect} | {transaction} | {kind} | {text}");
        if !found.eq_ignore_ascii_case(&wanted) {
            wrong.push(format!("wanted {wanted}\n found {found} {:?}", statement.reasons));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 250, "only {count} statements");
}

#[test]
fn what_is_no_read_says_why_and_a_read_has_nothing_to_say() {
    for row in rows(STATEMENTS) {
        let [.., text] = fields(row);
        let statement = only(text);
        assert_eq!(
            statement.reasons.is_empty(),
            statement.effect == StatementEffect::Read,
            "{text}"
        );
        for reason in &statement.reasons {
            // "because it …": a verb in the third person, no sentence of its own.
            let verb = reason.split(' ').next().unwrap();
            assert!(
                verb.ends_with('s') || ["can't", "isn't"].contains(&verb),
                "{text}: {reason}"
            );
            assert!(!reason.ends_with('.') && !reason.contains('\n'), "{text}: {reason}");
        }
    }
}

#[test]
fn explain_analyze_is_for_proven_queries_alone() {
    for row in rows(STATEMENTS) {
        let [.., text] = fields(row);
        let statement = only(text);
        let queries = ["SELECT", "VALUES", "TABLE"].contains(&statement.kind.as_str());
        assert_eq!(
            statement.explain_analyze_ok,
            queries && statement.effect == StatementEffect::Read,
            "{text}"
        );
    }
}

#[test]
fn relations_are_named_as_postgres_would_look_them_up() {
    let cases: &[(&str, &[&str])] = &[
        ("DELETE FROM Users WHERE id = 1", &["users"]),
        ("update ONLY Crm.\"T\" set a = 1", &["crm.\"T\""]),
        ("insert into \"a.b\".\"c\"\"d\" values (1)", &["\"a.b\".\"c\"\"d\""]),
        ("truncate a, only b.c, \"D\" cascade", &["a", "b.c", "\"D\""]),
        ("drop table if exists A, s.B", &["a", "s.b"]),
        ("drop view v", &["v"]),
        ("drop materialized view s.m", &["s.m"]),
        ("alter table db.s.t drop column a", &["s.t"]),
        ("delete from U&\"\\0054able\" where id = 1", &["\"Table\""]),
        ("delete from U&\"!0054able\" uescape '!' where id = 1", &["\"Table\""]),
        ("delete from s . /* c */ t where id = 1", &["s.t"]),
        (
            "with a as (delete from x returning *), b as (update y set c = 1 returning *) insert into z select 1",
            &["z", "x", "y"],
        ),
        ("merge into t using s on true when matched then delete", &["t"]),
        ("do $$ begin delete from x; delete from y.z; end $$", &["x", "y.z"]),
        ("create index i on s.t (a)", &["s.t"]),
        ("refresh materialized view m", &["m"]),
        ("copy t (a) from stdin", &["t"]),
        ("select * from a, b", &[]),
        (
            "create function f() returns int language sql as 'delete from t; select 1'",
            &[],
        ),
        ("delete from t where a = (select 1 from u)", &["t"]),
    ];
    for (text, wanted) in cases {
        let names: Vec<_> = only(text).tables.iter().map(ToString::to_string).collect();
        assert_eq!(names, *wanted, "{text}");
    }
    let long = format!("delete from {}", "ä".repeat(40));
    assert_eq!(only(&long).tables[0].name, "ä".repeat(31), "cut where Postgres cuts it");
    let wanted = TableName {
        schema: Some("s".to_owned()),
        name: "T".to_owned(),
    };
    assert_eq!(only("drop table S.\"T\"").tables, [wanted]);
}

#[test]
fn reasons_name_what_is_lost() {
    let cases = [
        ("drop table public.users", "drops the table public.users"),
        ("drop table a, b", "drops the table a, b"),
        ("drop function f(int), g", "drops the function f(int), g"),
        ("drop trigger g on t", "drops the trigger g on t"),
        (
            "delete from t",
            "deletes all rows of t (there is no WHERE, or one that doesn't narrow)",
        ),
        ("truncate t", "empties t"),
        (
            "alter table t drop column a",
            "drops a column and what it holds (drop column a)",
        ),
        (
            "select pg_terminate_backend(1)",
            "calls pg_terminate_backend, which ends another session",
        ),
        (
            "create function f() returns void language sql as 'truncate t'",
            "makes a routine that empties t",
        ),
    ];
    for (text, reason) in cases {
        assert_eq!(only(text).reasons[0], reason, "{text}");
    }
}

#[test]
fn no_character_that_cannot_be_seen_gets_into_a_reason() {
    let hidden = ['\u{202e}', '\u{200b}', '\u{7}', '\u{1b}', '\u{2028}', '\u{e0041}'];
    for c in hidden {
        for text in [
            format!("drop table \"a{c}b\""),
            format!("drop function \"a{c}b\"(int)"),
            format!("alter table t drop column \"a{c}b\""),
            format!("frobnicate a{c}b"),
            format!("\\x{c}"),
        ] {
            let statement = only(&text);
            for reason in statement.reasons.iter().chain([&statement.kind]) {
                assert!(!reason.contains(c), "{text:?}: {reason:?}");
            }
        }
    }
}

#[test]
fn routines_count_by_what_their_bodies_do() {
    let body =
        |language: &str, body: &str| format!("create function f() returns void language {language} as $f$ {body} $f$");
    let effect = |text: &str| only(text).effect;
    assert_eq!(effect(&body("sql", "select 1")), StatementEffect::Write);
    assert_eq!(effect(&body("sql", "drop table t")), StatementEffect::Destructive);
    assert_eq!(effect(&body("PLPGSQL", "begin null; end")), StatementEffect::Write);
    assert_eq!(effect(&body("'sql'", "delete from t")), StatementEffect::Destructive);
    let loops = "begin for i in 1..3 loop if i > 1 then truncate t; end if; end loop; end";
    assert_eq!(effect(&body("plpgsql", loops)), StatementEffect::Destructive);
    let handler = "begin null; exception when others then drop table t; end";
    assert_eq!(effect(&body("plpgsql", handler)), StatementEffect::Destructive);
    let expression = "declare x int := lo_unlink(1); begin return; end";
    assert_eq!(effect(&body("plpgsql", expression)), StatementEffect::Destructive);
    // Variables that results go into, which are no tables.
    let into = "declare a int; r record; begin select 1 into a; select into strict r x, y from t where x = 1; \
        insert into t values (1) returning x, y into r.x, \"R\".y; execute_later(a); fetch c into a; end";
    let into = into.replace("execute_later(a);", "perform execute_later(a);");
    assert_eq!(effect(&body("plpgsql", &into)), StatementEffect::Write);
    let lost = into.replace("fetch c into a;", "delete from t returning x into a;");
    assert_eq!(effect(&body("plpgsql", &lost)), StatementEffect::Destructive);
    let called = into.replace("select 1 into a", "select lo_unlink(1) into a");
    assert_eq!(effect(&body("plpgsql", &called)), StatementEffect::Destructive);
    let nested = "begin do $d$ begin drop table t; end $d$; end";
    assert_eq!(effect(&body("plpgsql", nested)), StatementEffect::Destructive);
    let escaped = "do E'begin d\\145lete from t; end'";
    assert_eq!(effect(escaped), StatementEffect::Destructive);
    assert_eq!(only("do 'begin rollback; end'").transaction, Transaction::Outside);
}
