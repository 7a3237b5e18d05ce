//! Which conditions narrow what a `DELETE` or `UPDATE` touches.

use super::{only, rows};
use sql_effect::StatementEffect;

#[track_caller]
fn effects(cases: &[(StatementEffect, &str)]) {
    let wrong: Vec<_> = cases
        .iter()
        .filter(|(wanted, text)| only(text).effect != *wanted)
        .map(|(_, text)| format!("{text}: {:?}", only(text).reasons))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn condition_narrows_only_by_what_is_not_of_its_row() {
    let mut wrong = Vec::new();
    let mut counts = [0, 0];
    for row in rows(include_str!("conditions.txt")) {
        let (wanted, condition) = row.split_once(" | ").expect("two fields");
        let narrows = wanted == "narrows";
        assert!(narrows || wanted == "all", "{row}");
        counts[usize::from(narrows)] += 1;
        for text in [
            format!("delete from t where {condition}"),
            format!("delete from t where ({condition})"),
            format!("update t set x = 1 where {}", condition.replace(' ', " /* and */ ")),
            format!("with a as (delete from t where {condition} returning 1) select 1"),
            format!("explain analyze delete from t where {condition}"),
        ] {
            // A string isn't the same with a comment in it.
            if text.contains("/* and */") && condition.contains(['\'', '"']) {
                continue;
            }
            let effect = if narrows {
                StatementEffect::Write
            } else {
                StatementEffect::Destructive
            };
            let statement = only(&text);
            if statement.effect != effect {
                wrong.push(format!("{wanted}: {text}: {:?}", statement.reasons));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(counts.iter().all(|count| *count >= 60), "{counts:?}");
}

#[test]
fn condition_too_deep_to_tell_does_not_narrow() {
    let nested = |n: usize| format!("delete from t where {}id = 1{}", "not (".repeat(n), ")".repeat(n));
    assert_eq!(only(&nested(8)).effect, StatementEffect::Write);
    assert_eq!(only(&nested(45)).effect, StatementEffect::Destructive);
    let hidden = format!("delete from t where {}true{}", "not not (".repeat(45), ")".repeat(45));
    assert_eq!(only(&hidden).effect, StatementEffect::Destructive);
    // Brackets and chains are no depth.
    let brackets = format!("delete from t where {}id = 1{}", "(".repeat(60), ")".repeat(60));
    assert_eq!(only(&brackets).effect, StatementEffect::Write);
    let chain = format!("delete from t where id = 1{}", " and id = 1".repeat(500));
    assert_eq!(only(&chain).effect, StatementEffect::Write);
    let chain = format!("delete from t where id = 1{} or true", " or id = 2".repeat(500));
    assert_eq!(only(&chain).effect, StatementEffect::Destructive);
}

#[test]
fn other_tables_narrow_only_where_they_are_linked() {
    use StatementEffect::{Destructive, Write};
    effects(&[
        (Write, "delete from t using u where u.t_id = t.id"),
        (Write, "delete from t as x using u y where y.t_id = x.id and y.a = 1"),
        (Write, "delete from s.t using u where t.id = u.t_id"),
        (Write, "update t set a = u.a from u where u.id = t.id"),
        (
            Write,
            "update t set a = v.a from (select 1 as id, 2 as a) as v where v.id = t.id",
        ),
        (
            Write,
            "update t set a = v.a from (values (1, 2)) v(id, a) where v.id = t.id",
        ),
        (
            Write,
            "update t set a = 1 from u join v on v.id = u.id where v.t_id = t.id",
        ),
        (Write, "delete from t using u where t.id = 1"),
        (
            Write,
            "delete from t using t as x where t.id > x.id and t.name = x.name",
        ),
        (Destructive, "delete from t using u"),
        (Destructive, "delete from t using u where u.id = 1"),
        (Destructive, "delete from t using u, v where u.id = v.id"),
        (Destructive, "delete from t using u where u.active"),
        (Destructive, "update t set a = u.a from u where u.id is not null"),
        (Destructive, "update t set a = u.a from u where true"),
        (
            Destructive,
            "update t x set a = 1 from u where x.id = x.id and u.id = 1",
        ),
        (Destructive, "delete from t using t x where t.id = x.id"),
        (Write, "delete from t where current of c"),
    ]);
}

#[test]
fn merge_and_upsert_count_by_how_much_they_can_update() {
    use StatementEffect::{Destructive, Write};
    effects(&[
        (
            Write,
            "merge into t using s on t.id = s.id when matched then update set a = s.a",
        ),
        (
            Write,
            "merge into t as x using s as y on y.id = x.id when matched then update set a = 1",
        ),
        (
            Write,
            "merge into t using s on true when matched and t.id = 1 then update set a = 1",
        ),
        (Write, "merge into t using s on true when matched then do nothing"),
        (
            Write,
            "merge into t using s on true when not matched then insert values (1)",
        ),
        (
            Destructive,
            "merge into t using s on true when matched then update set a = 1",
        ),
        (
            Destructive,
            "merge into t using s on 1 = 1 when matched then update set a = 1",
        ),
        (
            Destructive,
            "merge into t using s on s.id = 1 when matched then update set a = 1",
        ),
        (
            Destructive,
            "merge into t using s on t.id = t.id when matched and true then update set a = 1",
        ),
        (
            Destructive,
            "merge into t using t as s on t.id = s.id when matched then update set a = 1",
        ),
        (
            Destructive,
            "merge into t using s on t.id = s.id when matched then delete",
        ),
        (
            Destructive,
            "merge into t using s on t.id = s.id when not matched by source then update set a = 1",
        ),
        (
            Write,
            "insert into t values (1) on conflict (id) do update set a = excluded.a",
        ),
        (
            Write,
            "insert into t values (1) on conflict (id) do update set a = 1 where t.a = 2",
        ),
        (
            Write,
            "insert into t select * from u on conflict (id) do update set a = 1",
        ),
        (
            Write,
            "insert into t select * from t where id = 1 on conflict (id) do update set a = 1",
        ),
        (Write, "insert into t select * from t on conflict do nothing"),
        (
            Destructive,
            "insert into t select * from t on conflict (id) do update set a = 1",
        ),
        (
            Destructive,
            "insert into t as x select y.* from t y where true on conflict (id) do update set a = 1",
        ),
        (
            Destructive,
            "insert into t table t on conflict (id) do update set a = 1",
        ),
    ]);
}

#[test]
fn names_from_outside_of_a_routines_query_are_no_columns() {
    use StatementEffect::{Destructive, Write};
    let function = |parameters: &str, body: &str| {
        format!("create function f({parameters}) returns void language plpgsql as $f$ {body} $f$")
    };
    effects(&[
        (Write, &function("p_id int", "begin delete from t where id = p_id; end")),
        (
            Write,
            &function("", "declare v int; begin delete from t where id = v; end"),
        ),
        (
            Write,
            &function("", "begin for i in 1..3 loop delete from t where id = i; end loop; end"),
        ),
        (
            Write,
            &function(
                "",
                "declare r record; begin for r in select 1 loop delete from t where id = r.id; end loop; end",
            ),
        ),
        (Write, &function("id int", "begin delete from t where t.id = f.id; end")),
        (
            Write,
            "create function f() returns trigger language plpgsql as $$ begin delete from t where id = old.id; return new; end $$",
        ),
        (
            Write,
            "create function f(p_id int) returns void language sql as 'delete from t where id = p_id'",
        ),
        (
            Write,
            "create function f(p_id int) returns void language sql begin atomic delete from t where id = p_id; end",
        ),
        (
            Write,
            "create rule r as on delete to v do also delete from t where id = old.id",
        ),
        (
            Write,
            "do $$ declare v int := 1; begin update t set a = 1 where id = v; end $$",
        ),
        (
            Destructive,
            &function("id int", "begin delete from t where id = id; end"),
        ),
        (Destructive, &function("p int", "begin delete from t where p = p; end")),
        (Destructive, &function("p int", "begin delete from t where p = 1; end")),
        (
            Destructive,
            &function("p int", "begin delete from t where id = id or p = 1; end"),
        ),
        (
            Destructive,
            "create function f(p int) returns void language sql as 'delete from t where p > 0'",
        ),
        (Destructive, "delete from t where id = p_id"),
    ]);
}
