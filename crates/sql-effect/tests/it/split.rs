//! Where statements end.

use sql_effect::parse;

#[track_caller]
fn splits(text: &str, wanted: &[&str]) {
    let script = parse(text);
    let found: Vec<_> = script
        .statements
        .iter()
        .map(|statement| statement.text.as_str())
        .collect();
    assert_eq!(found, wanted, "{text}");
    for statement in &script.statements {
        let end = statement.start + statement.text.len();
        assert_eq!(&text[statement.start..end], statement.text, "{text}");
    }
}

#[test]
fn semicolons_end_statements_where_they_are_code() {
    splits("", &[]);
    splits(" ;; \n ; -- nothing\n /* nothing */ ", &[]);
    splits("select 1", &["select 1"]);
    splits("select 1;", &["select 1"]);
    splits("select 1 ; select 2;;select 3", &["select 1", "select 2", "select 3"]);
    splits("select ';'; select 2", &["select ';'", "select 2"]);
    splits("select 'it''s; fine'; select 2", &["select 'it''s; fine'", "select 2"]);
    splits("select \"a;b\"; select 2", &["select \"a;b\"", "select 2"]);
    splits("select \"a\"\";b\"; select 2", &["select \"a\"\";b\"", "select 2"]);
    splits(r"select 'a\'; select 2", &[r"select 'a\'", "select 2"]);
    splits(r"select E'a\';b'; select 2", &[r"select E'a\';b'", "select 2"]);
    splits(r"select e'a\\'; select 2", &[r"select e'a\\'", "select 2"]);
    splits(r"select U&'a\0027;b'; select 2", &[r"select U&'a\0027;b'", "select 2"]);
    splits(
        "select N';', B'1', X';'; select 2",
        &["select N';', B'1', X';'", "select 2"],
    );
    splits("select E'a'\n'\\';b'; select 2", &["select E'a'\n'\\';b'", "select 2"]);
    splits(
        "select 'a' -- c'\n';b'; select 2",
        &["select 'a' -- c'\n';b'", "select 2"],
    );
}

#[test]
fn comments_hide_semicolons_and_nest() {
    splits("select 1 -- a; b\n; select 2", &["select 1", "select 2"]);
    splits("select 1 -- a; b\r; select 2", &["select 1", "select 2"]);
    splits("select /* ; */ 1; select 2", &["select /* ; */ 1", "select 2"]);
    splits(
        "select /* /* ; */ ; */ 1; select 2",
        &["select /* /* ; */ ; */ 1", "select 2"],
    );
    splits(
        "-- first\nselect 1; /* second */ select 2 -- end",
        &["select 1", "select 2"],
    );
    splits("select 1 --;", &["select 1"]);
    splits("select '--'; select 2", &["select '--'", "select 2"]);
    splits("select 1 +/* ; */ 2; select 2", &["select 1 +/* ; */ 2", "select 2"]);
}

#[test]
fn a_planners_hint_stays_with_its_statement() {
    splits(
        "/*+ SeqScan(a) */ select 1; select 2",
        &["/*+ SeqScan(a) */ select 1", "select 2"],
    );
    splits("select 1; /*+ a */\nselect 2", &["select 1", "/*+ a */\nselect 2"]);
    splits("/* + a */ select 1", &["select 1"]);
}

#[test]
fn dollar_quotes_end_at_their_own_tag() {
    splits("select $$;$$; select 2", &["select $$;$$", "select 2"]);
    splits(
        "select $a$ $b$;$b$ ; $$ $a$; select 2",
        &["select $a$ $b$;$b$ ; $$ $a$", "select 2"],
    );
    splits("select $ä1$;$ä1$; select 2", &["select $ä1$;$ä1$", "select 2"]);
    splits(
        "select $1; select a$b$c; select 2",
        &["select $1", "select a$b$c", "select 2"],
    );
    splits("select $A$;$a$;$A$; select 2", &["select $A$;$a$;$A$", "select 2"]);
    splits(
        "do $$ begin perform 1; end; $$; select 2",
        &["do $$ begin perform 1; end; $$", "select 2"],
    );
}

#[test]
fn bodies_in_the_open_stay_whole() {
    let function = "create function f() returns int begin atomic select 1; select case when true then 1 end; end";
    splits(&format!("{function}; select 2"), &[function, "select 2"]);
    let procedure = "create or replace procedure p() begin atomic insert into t values (1); end";
    splits(&format!("{procedure}; select 2"), &[procedure, "select 2"]);
    let rule = "create rule r as on insert to t do (delete from a where b = 1; select 1)";
    splits(&format!("{rule}; select 2"), &[rule, "select 2"]);
    splits(
        "begin; select 1; end; select 2",
        &["begin", "select 1", "end", "select 2"],
    );
    splits(
        "select case when true then 1 end; select 2",
        &["select case when true then 1 end", "select 2"],
    );
}

#[test]
fn what_never_ends_takes_the_rest() {
    for open in [
        "'a; select 2",
        "\"a; select 2",
        "$$a; select 2",
        "$x$a; select 2 $$",
        "/* a; select 2",
        "E'a\\'; select 2",
    ] {
        let text = format!("select 1; select {open}");
        let script = parse(&text);
        assert_eq!(script.statements[0].text, "select 1");
        assert_eq!(script.statements.len(), 2, "{text}");
        assert!(script.statements[1].reasons[0].contains("parsed"), "{text}");
    }
    splits("select (1; select 2", &["select (1; select 2"]);
}

#[test]
fn commands_of_psqls_own_say_so() {
    let script = parse("\\d users\nselect 1;\n\\connect other; \nselect 2 \\gexec\nselect 3");
    let kinds: Vec<_> = script
        .statements
        .iter()
        .map(|statement| statement.kind.as_str())
        .collect();
    assert_eq!(
        kinds,
        ["psql \\d", "SELECT", "psql \\connect", "psql \\gexec", "SELECT"]
    );
    assert_eq!(
        script.statements[0].reasons,
        ["holds \\d, a command of psql's own that no server runs"]
    );
    assert_eq!(script.statements[3].text, "select 2 \\gexec");
}

#[test]
fn starts_are_bytes_of_the_source() {
    let text = "select 'ü'; -- ä\n  select 2;";
    let starts: Vec<_> = parse(text).statements.iter().map(|statement| statement.start).collect();
    assert_eq!(starts, [0, text.find("select 2").unwrap()]);
}
