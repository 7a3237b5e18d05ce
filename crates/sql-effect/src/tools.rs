//! What the scripts of tools hold that no server runs: commands and variables of psql, rows behind `COPY`, placeholders; and
//! files that hold a migration with what takes it back.
//!
//! All of it is told at once, with what to write instead: nobody is asked about what can't be run.

use super::lex::{Kind, Token};
use super::name;
use squawk_syntax::{SyntaxKind, SyntaxNode};

use SyntaxKind as K;

/// Why a statement of this node is sent to no server.
pub(super) fn unrunnable(node: &SyntaxNode) -> Option<String> {
    if node.kind() != K::COPY {
        return None;
    }
    let has = |kind| node.descendants().any(|inner| inner.kind() == kind);
    if has(K::COPY_STDIN) {
        return Some(
            "takes its rows from a client (COPY … FROM stdin), which SQL over HTTP can't send: write the rows as INSERT statements of \
             several hundred rows each; of a dump, make it with pg_dump --inserts (or --rows-per-insert=500), or load it with psql"
                .to_owned(),
        );
    }
    has(K::COPY_STDOUT).then(|| {
        "hands its rows to a client (COPY … TO stdout), which SQL over HTTP can't take: read them with SELECT"
            .to_owned()
    })
}

/// Why a command of psql's is sent to no server, and what to do instead.
pub(super) fn of_psql(command: &str) -> (String, &'static str) {
    let name = command.trim_start_matches('\\').trim_end_matches('+');
    let instead = match name {
        "restrict" | "unrestrict" => "leave the lines \\restrict and \\unrestrict out, they only guard psql",
        "." => {
            "it ends the rows of COPY … FROM stdin, which SQL over HTTP can't send: write them as INSERT statements (pg_dump --inserts)"
        }
        "copy" => "write the rows as INSERT statements, read them with SELECT, or copy with psql",
        "c" | "connect" => "leave it out, and name the database and the role in the call (database_name, role_name)",
        "set" | "unset" | "gset" | "prompt" | "getenv" => {
            "leave it out, and write each value where the variable stands"
        }
        "gexec" => "run the query, then send the statements that it gives",
        "g" | "gx" | "gdesc" | "crosstabview" | "watch" | "bind" | "bind_named" | "parse" => {
            "leave it out, and end the statement with a semicolon"
        }
        "i" | "ir" | "include" | "include_relative" => "send what that file holds",
        "if" | "elif" | "else" | "endif" => "send only the statements that are meant",
        "q" | "quit" => "leave it out, and all that stands behind it",
        "sf" | "sv" | "ef" | "ev" => "read the definition with pg_get_functiondef or pg_get_viewdef",
        "l" | "list" => "read pg_catalog.pg_database, or list the branch's databases",
        name if name.starts_with('d') || name == "z" => {
            "read information_schema or pg_catalog with SELECT, or use the tools that list tables and describe one"
        }
        _ => "leave it out",
    };
    let why = format!(
        "holds {}, a command of psql's own that no server runs",
        name::excerpt(command)
    );
    (why, instead)
}

/// Why a text that can't be parsed is sent to no server, where that shows: it holds something that a tool puts values in for.
pub(super) fn of_placeholders(tokens: &[Token<'_>]) -> Option<String> {
    let next_to = |one: &Token<'_>, other: &Token<'_>| one.end() == other.start;
    let mut brackets = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| tokens.get(at));
        match token.kind {
            Kind::Open => brackets.push(token.text),
            Kind::Close => {
                brackets.pop();
            }
            Kind::Operator if token.text == ":" => {
                let joined = before.is_some_and(|before| before.text == ":" && next_to(before, token));
                let after = tokens.get(at + 1).filter(|after| next_to(token, after));
                let named = after.filter(|after| {
                    matches!(after.kind, Kind::Word | Kind::Quoted)
                        || (after.kind == Kind::String && after.text.starts_with('\''))
                });
                // `a[1:n]` is a slice, `x::int` a cast.
                if let Some(named) = named.filter(|_| !joined && brackets.last() != Some(&"[")) {
                    return Some(format!(
                        "holds :{}, a variable of psql's or of a library: write its value there, or $1 with params",
                        name::excerpt(named.text)
                    ));
                }
            }
            Kind::Broken if token.text == "$" || token.text == "{" => {
                let opens = |token: &Token<'_>| token.text == "{";
                let second = tokens.get(at + 1).filter(|after| next_to(token, after) && opens(after));
                if second.is_some() {
                    return Some(
                        "holds a placeholder such as ${name} or {{name}} that a tool puts a value in for: write the value there"
                            .to_owned(),
                    );
                }
            }
            _ => {}
        }
    }
    None
}

/// Where the rows end that stand behind a `COPY … FROM stdin`, from the start of the text behind it: after the line `\.`.
pub(super) fn end_of_rows(text: &str) -> Option<usize> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        at += line.len();
        if line.trim_end_matches(['\n', '\r']) == "\\." {
            return Some(at);
        }
    }
    None
}

/// Which way a statement of a tool's file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

/// Which ways the statements of a call went so far.
#[derive(Debug, Default)]
pub(super) struct Ways {
    there: bool,
    back: bool,
}

impl Ways {
    /// Why the statement that begins there is refused: it takes back what stands before it, or does again what was taken back.
    /// Statements are given in order, with the line comments of their text.
    pub(super) fn refuse(&mut self, text: &str, comments: &[Token<'_>], start: usize) -> Option<String> {
        let marker = comments
            .iter()
            .take_while(|comment| comment.start < start)
            .filter_map(|comment| Some((comment, way(comment.text)?)))
            .last();
        let way = marker.map_or(Way::There, |(_, way)| way);
        let both = match way {
            Way::There => self.back,
            Way::Back => self.there,
        };
        match way {
            Way::There => self.there = true,
            Way::Back => self.back = true,
        }
        let (comment, _) = marker.filter(|_| both)?;
        let line = text.get(..comment.start).unwrap_or_default().matches('\n').count() + 1;
        Some(format!(
            "stands behind \"{}\" (line {line}), so that the text holds a migration and what takes it back: give the statements of one \
             way alone",
            name::excerpt(comment.text)
        ))
    }
}

/// Which way a comment says that the statements behind it go. Known are goose, dbmate, sql-migrate, micrate, rambler,
/// node-pg-migrate, MyBatis, Play, tern, shmig, and bare words.
fn way(comment: &str) -> Option<Way> {
    let bare = comment.trim_matches(|c: char| c.is_whitespace() || "-=#*/:~".contains(c));
    let words: Vec<String> = bare.split_whitespace().map(str::to_ascii_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [
            "+goose" | "+migrate" | "+micrate" | "rambler" | "+gorp" | "migrate" | "migration",
            "up",
            ..,
        ]
        | ["migrate:up" | "+up" | "@up" | "!ups" | "up" | "ups", ..]
            if is_marker(&words, "up") =>
        {
            Some(Way::There)
        }
        [
            "+goose" | "+migrate" | "+micrate" | "rambler" | "+gorp" | "migrate" | "migration",
            "down",
            ..,
        ]
        | [
            "migrate:down" | "+down" | "@down" | "@undo" | "!downs" | "down" | "downs",
            ..,
        ] if is_marker(&words, "down") => Some(Way::Back),
        ["undo" | "rollback" | "revert"] => Some(Way::Back),
        ["create", "above", "/", "drop", "below"] => Some(Way::Back),
        _ => None,
    }
}

/// Whether a comment that begins so is a marker and not prose: a bare word stands alone, or before `migration`.
fn is_marker(words: &[&str], way: &str) -> bool {
    match words {
        [first, rest @ ..] if first.trim_end_matches('s') == way => {
            matches!(rest, [] | ["migration" | "script" | "migrations"])
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use crate::{Script, parse, parse_all};

    fn refusals(script: &Script) -> Vec<String> {
        script.statements.iter().filter_map(|one| one.refusal.clone()).collect()
    }

    #[test]
    fn what_no_server_runs_says_what_to_do_instead() {
        for (text, says) in [
            ("\\restrict abc", "leave the lines"),
            ("\\unrestrict abc", "leave the lines"),
            ("\\dt", "read information_schema"),
            ("\\d+ t", "read information_schema"),
            ("\\copy t FROM 'x.csv'", "INSERT"),
            ("\\connect other", "database_name"),
            ("\\set x 1", "write each value"),
            ("SELECT 'DROP TABLE t' \\gexec", "run the query"),
            ("\\i other.sql", "what that file holds"),
            ("\\timing", "leave it out"),
            ("SELECT 1 \\g", "semicolon"),
            ("SELECT :name", "a variable"),
            ("SELECT :'name'", "a variable"),
            ("INSERT INTO t VALUES (:id, 1)", "a variable"),
            ("SELECT * FROM :\"table\"", "a variable"),
            ("CREATE TABLE ${schema}.t (x int)", "placeholder"),
            ("SELECT * FROM {{ ref('t') }}", "placeholder"),
            ("COPY t FROM stdin", "--inserts"),
            ("copy t (a, b) from STDIN with (format csv)", "--inserts"),
            ("COPY (SELECT 1) TO STDOUT", "SELECT"),
        ] {
            let refused = refusals(&parse(text));
            assert!(
                refused.len() == 1 && refused.iter().all(|refusal| refusal.contains(says)),
                "{text}: {refused:?}"
            );
        }
        for text in [
            "SELECT a[1:2], x::int, '\\d', ':name' FROM t",
            "SELECT 'a' AS \":name\"",
            "COPY t TO '/tmp/x'",
            "COPY t FROM PROGRAM 'x'",
        ] {
            assert_eq!(refusals(&parse(text)), [""; 0], "{text}");
        }
    }

    #[test]
    fn rows_behind_copy_are_no_statements() {
        let script =
            parse("COPY public.t (a, b) FROM stdin;\n1\tit's; DROP TABLE t;\n2\t$$\n\\.\n\nSELECT 1;\nSELECT 2");
        let texts: Vec<&str> = script.statements.iter().map(|one| one.text.as_str()).collect();
        assert_eq!(texts, ["COPY public.t (a, b) FROM stdin", "SELECT 1", "SELECT 2"]);
        assert_eq!(refusals(&script).len(), 1);
        let script = parse("COPY t FROM stdin;\nDROP TABLE t");
        assert_eq!(script.statements.len(), 2, "without an end there are no rows");
    }

    #[test]
    fn files_with_both_ways_are_refused() {
        for (up, down) in [
            ("-- +goose Up", "-- +goose Down"),
            (
                "-- +goose Up\n-- +goose StatementBegin",
                "-- +goose StatementEnd\n-- +goose Down",
            ),
            ("-- migrate:up transaction:false", "-- migrate:down"),
            ("-- +migrate Up notransaction", "-- +migrate Down"),
            ("-- Up Migration", "-- Down Migration"),
            ("-- !Ups", "-- !Downs"),
            ("-- rambler up", "-- rambler down"),
            ("--- UP ---", "--- DOWN ---"),
            ("", "---- create above / drop below ----"),
            ("", "-- //@UNDO"),
            ("-- up", "-- down:"),
            ("", "-- Rollback"),
        ] {
            let both = format!("{up}\nCREATE TABLE t (x int);\n{down}\nDROP TABLE t;\nDROP TABLE u");
            assert_eq!(refusals(&parse(&both)).len(), 2, "{both}");
            let listed = parse_all(&[
                &format!("{up}\nCREATE TABLE t (x int)"),
                &format!("{down}\nDROP TABLE t"),
            ]);
            assert_eq!(listed.iter().flat_map(refusals).count(), 1, "{both}");
            for one in [
                format!("{up}\nCREATE TABLE t (x int);\n{down}\n"),
                format!("{down}\nDROP TABLE t;"),
            ] {
                assert_eq!(refusals(&parse(&one)), [""; 0], "{one}");
            }
        }
        for prose in [
            "-- up to here",
            "-- down with it",
            "-- rollback is by hand",
            "-- '-- +goose Down'",
        ] {
            let text = format!("CREATE TABLE t (x int);\n{prose}\nCREATE TABLE u (x int)");
            assert_eq!(refusals(&parse(&text)), [""; 0], "{text}");
        }
        let string = "CREATE TABLE t (x int); SELECT '\n-- +goose Down\n'; SELECT 1";
        assert_eq!(refusals(&parse(string)), [""; 0]);
    }

    #[test]
    fn drizzles_breakpoints_separate() {
        let text = "CREATE TABLE a (x int)\n--> statement-breakpoint\nCREATE TABLE b (x int);--> statement-breakpoint\n\
                    SELECT '--> statement-breakpoint';";
        let script = parse(text);
        let texts: Vec<&str> = script.statements.iter().map(|one| one.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "CREATE TABLE a (x int)",
                "CREATE TABLE b (x int)",
                "SELECT '--> statement-breakpoint'"
            ]
        );
        assert_eq!(refusals(&script), [""; 0]);
    }
}
