//! What statements risk that run in no transaction.

use super::{only, rows, statements};
use sql_effect::{StatementEffect, Transaction, Unguarded};

const CASES: &[(Unguarded, &str)] = &[
    (Unguarded::Harmless, "create index concurrently i on t (a)"),
    (
        Unguarded::Harmless,
        "create unique index concurrently if not exists i on only s.t using btree (a desc nulls last, b)",
    ),
    (Unguarded::Harmless, "create index concurrently on t using gin (tags)"),
    (
        Unguarded::Harmless,
        "create index concurrently i on t (a) include (b, c) tablespace x",
    ),
    (
        Unguarded::Harmless,
        "create index concurrently i on t (a) nulls not distinct",
    ),
    (
        Unguarded::RebuildsIndexes,
        "create index concurrently i on t (lower(a))",
    ),
    (Unguarded::RebuildsIndexes, "create index concurrently i on t ((a + 1))"),
    (
        Unguarded::RebuildsIndexes,
        "create index concurrently i on t (a) where b",
    ),
    (Unguarded::RebuildsIndexes, "create index concurrently i on t (a, f(b))"),
    (
        Unguarded::RebuildsIndexes,
        "create index concurrently i on t (a my_ops)",
    ),
    (
        Unguarded::RebuildsIndexes,
        "create index concurrently i on t using my_method (a)",
    ),
    (Unguarded::MayLose, "create index concurrently i on t (lo_unlink(a))"),
    (Unguarded::RebuildsIndexes, "vacuum"),
    (Unguarded::RebuildsIndexes, "vacuum verbose t"),
    (Unguarded::RebuildsIndexes, "vacuum freeze t, s.u"),
    (Unguarded::RebuildsIndexes, "vacuum (full false, analyze 0, verbose) t"),
    (
        Unguarded::RebuildsIndexes,
        "vacuum (\"full\" 'off', skip_locked, parallel 2) t",
    ),
    (Unguarded::RebuildsIndexes, "vacuum full t"),
    (Unguarded::RebuildsIndexes, "vacuum analyze"),
    (Unguarded::RebuildsIndexes, "vacuum (full) t"),
    (Unguarded::RebuildsIndexes, "vacuum (full 1)"),
    (Unguarded::RebuildsIndexes, "vacuum (FULL false, \"full\" on) t"),
    (Unguarded::RebuildsIndexes, "vacuum (verbose, analyze true) t (a)"),
    (Unguarded::RebuildsIndexes, "vacuum (full nonsense)"),
    (Unguarded::MayLose, "vacuum (frobnicate) t"),
    (Unguarded::MayLose, "vacuum (u&\"f\\0075l\" off) t"),
    (Unguarded::Harmless, "create database d"),
    (Unguarded::Harmless, "create database d template e"),
    (Unguarded::RebuildsIndexes, "reindex table concurrently t"),
    (Unguarded::RebuildsIndexes, "reindex (concurrently) index i"),
    (Unguarded::RebuildsIndexes, "reindex database d"),
    (Unguarded::RebuildsIndexes, "reindex schema s"),
    (Unguarded::RebuildsIndexes, "cluster"),
    (Unguarded::RebuildsIndexes, "cluster verbose"),
    (Unguarded::MayLose, "drop database d"),
    (Unguarded::MayLose, "drop index concurrently i"),
    (Unguarded::MayLose, "alter system set a = 'b'"),
    (Unguarded::MayLose, "alter database d set tablespace s"),
    (Unguarded::MayLose, "alter table t detach partition p concurrently"),
    (Unguarded::MayLose, "create subscription s connection 'x' publication p"),
    (Unguarded::MayLose, "drop subscription s"),
    (Unguarded::MayLose, "create tablespace s location '/x'"),
    (Unguarded::MayLose, "discard all"),
    (Unguarded::MayLose, "do $$ begin commit; end $$"),
    (
        Unguarded::MayLose,
        "do $$ begin insert into t values (1); rollback; end $$",
    ),
    (Unguarded::No, "create index i on t (lower(a))"),
    (Unguarded::No, "reindex table t"),
    (Unguarded::No, "cluster t using i"),
    (Unguarded::No, "analyze t"),
    (Unguarded::No, "drop table t"),
    (Unguarded::No, "commit"),
    (Unguarded::No, "nonsense"),
];

#[test]
fn risk_outside_of_a_transaction_is_by_a_closed_list() {
    let wrong: Vec<_> = CASES
        .iter()
        .map(|(wanted, text)| (wanted, only(text)))
        .filter(|(wanted, statement)| statement.unguarded != **wanted)
        .map(|(wanted, statement)| format!("{wanted:?}: {}: {:?}", statement.text, statement.unguarded))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_what_runs_outside_has_a_risk_there() {
    for row in rows(statements::STATEMENTS) {
        let statement = only(statements::fields(row)[3]);
        let outside = statement.transaction == Transaction::Outside;
        assert_eq!(statement.unguarded != Unguarded::No, outside, "{}", statement.text);
        if outside && statement.effect == StatementEffect::Destructive {
            assert_eq!(statement.unguarded, Unguarded::MayLose, "{}", statement.text);
        }
    }
}

#[test]
fn explain_analyze_has_the_effect_of_what_it_runs() {
    use StatementEffect::{Destructive, Read, Write};
    let inner = [
        (Read, "select 1"),
        (Read, "values (1)"),
        (Read, "(select 1) union (select 2)"),
        (Write, "select * into x from t"),
        (Write, "create table x as select 1"),
        (Destructive, "create table x as execute p"),
        (Write, "create materialized view m as select 1"),
        (Destructive, "create table x as select lo_unlink(1)"),
        (Destructive, "execute p"),
        (Write, "declare c cursor for select 1"),
        (
            Destructive,
            "declare c cursor for with a as (delete from t returning 1) select 1",
        ),
        (Destructive, "refresh materialized view m"),
        (Write, "insert into t values (1)"),
        (Write, "update t set a = 1 where id = 1"),
        (Destructive, "update t set a = 1"),
        (Write, "delete from t where id = 1"),
        (Destructive, "delete from t"),
        (
            Write,
            "merge into t using s on t.id = s.id when matched then update set a = 1",
        ),
        (
            Destructive,
            "merge into t using s on t.id = s.id when matched then delete",
        ),
        (Destructive, "with a as (delete from t returning 1) select * from a"),
    ];
    let runs = [
        "explain analyze",
        "explain analyse verbose",
        "explain (analyze)",
        "explain (ANALYZE on)",
        "explain (\"analyze\" true)",
        "explain (u&\"\\0061nalyze\")",
        "explain (analyze 'on', verbose)",
        "explain (verbose, analyze 1)",
        "explain (analyze off, analyze)",
        "explain (analyze 'off', analyze yes)",
        "explain (frobnicate)",
    ];
    for (wanted, text) in inner {
        for explain in runs {
            let explained = format!("{explain} {text}");
            assert_eq!(
                only(&explained).effect,
                wanted,
                "{explained}: {:?}",
                only(&explained).reasons
            );
        }
    }
    for explain in [
        "explain",
        "explain verbose",
        "explain (analyze false)",
        "explain (costs off, analyze 0)",
    ] {
        let explained = format!("{explain} delete from t");
        assert_eq!(only(&explained).effect, Read, "{explained}");
        assert_eq!(only(&format!("{explain} select lo_unlink(1)")).effect, Destructive);
    }
}
