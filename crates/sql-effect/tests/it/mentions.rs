//! What stands in a statement by name, and the list of functions.

use super::only;
use sql_effect::{StatementEffect, listed_functions};

fn identifiers(text: &str) -> Vec<String> {
    only(text).mentions().identifiers.into_iter().collect()
}

fn operators(text: &str) -> Vec<String> {
    only(text).mentions().operators.into_iter().collect()
}

#[test]
fn identifiers_are_folded_and_their_quotes_and_escapes_undone() {
    assert_eq!(
        identifiers("select A.\"B c\" from X"),
        ["B c", "a", "from", "select", "x"]
    );
    assert_eq!(identifiers(r#"select U&"lo\005funlink"(1)"#), ["lo_unlink", "select"]);
    let escaped = identifiers(r#"select U&"lo!005funlink" uescape '!' (1)"#);
    assert!(escaped.contains(&"lo_unlink".to_owned()), "{escaped:?}");
    assert_eq!(identifiers("select /* a */ 'b', $$c$$ -- d"), ["select"]);
    assert!(identifiers(&format!("select {}", "x".repeat(80))).contains(&"x".repeat(63)));
}

#[test]
fn bodies_and_names_in_strings_of_definitions_are_mentioned() {
    for text in [
        "do $$ begin perform wanted(1); end $$",
        "create function f() returns int language sql as 'select wanted(1)'",
        r"create function f() returns int language sql as E'select w\141nted(1)'",
        r"create function f() returns int language sql as 'select w\141nted(1)'",
        "create function f() returns int language sql as 'select wan'\n'ted(1)'",
        "do $a$ begin do $b$ begin perform wanted(1); end $b$; end $a$",
        "create operator === (rightarg = oid, function = 'wanted')",
        "create function f() returns int language internal as 'wanted'",
        "create function f() returns int language plv8 as $$ plv8.execute('select wanted()') $$",
    ] {
        assert!(identifiers(text).contains(&"wanted".to_owned()), "{text}");
    }
}

#[test]
fn other_readings_are_mentioned() {
    assert!(identifiers(r"select '\' || ' || wanted(1) --'").contains(&"wanted".to_owned()));
    assert!(operators(r"select '\' || ' <-> 1 --'").contains(&"<->".to_owned()));
}

#[test]
fn operators_are_cut_as_postgres_cuts_them() {
    for (text, wanted) in [
        ("select 1 === 2", &["==="] as &[&str]),
        ("select 1 =-2", &["-", "="]),
        ("select 1 @-2", &["@-"]),
        ("select 1 +-+ 2", &["+", "-"]),
        ("select 1 <%- 2", &["<%-"]),
        ("select 1 +/* a */- 2", &["+", "-"]),
        ("select 1 *--a\n- 2", &["*", "-"]),
        ("select a::int, b!=c, d:e", &["<>"]),
        ("select 1 operator(public.<->) 2", &["<->"]),
        ("select 1 = - 2", &["-", "="]),
        ("select a like b", &["!~~", "~~"]),
        ("select a not ilike b", &["!~~*", "~~*"]),
        ("select a between b and c", &["<", "<=", ">", ">="]),
        ("select a in (b)", &["<>", "="]),
        ("select case a when b then c end", &["="]),
        ("select '===', $$<->$$, \"+\" /* - */", &[]),
    ] {
        assert_eq!(operators(text), wanted, "{text}");
    }
}

#[test]
fn every_listed_function_counts_where_it_is_called() {
    let mut count = 0;
    for function in listed_functions() {
        let name = format!("{}{}", function.pattern, if function.prefix { "x" } else { "" });
        let call = match function.schema {
            Some(schema) => format!("select {schema}.{name}('app.a', 1)"),
            None => format!("select {name}('app.a', 1)"),
        };
        let statement = only(&call);
        let wanted = if function.destructive {
            StatementEffect::Destructive
        } else {
            StatementEffect::Write
        };
        // An earlier entry may fit, too, and be worse.
        assert!(statement.effect >= wanted, "{call}: {:?}", statement.reasons);
        assert!(statement.leaves >= function.leaves, "{call}: {:?}", statement.reasons);
        assert!(
            !function.pattern.contains(['*', '.']) && !function.reason.is_empty(),
            "{call}"
        );
        assert!(function.destructive || !function.leaves, "{call}");
        count += 1;
    }
    assert!(count >= 150, "only {count}");
}
