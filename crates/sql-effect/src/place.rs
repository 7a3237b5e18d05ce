//! Places in a text as Postgres tells them, in characters, and the names that stand there.

use super::lex::{Kind, Token, lex};
use super::name::{TableName, named};

/// A place in a text. All counts begin at 1 and count characters, as Postgres does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// How many characters into the text.
    pub position: usize,
    /// The line.
    pub line: usize,
    /// How many characters into the line.
    pub column: usize,
}

impl Place {
    /// The place of a character of a text; `None` behind its end. The end itself is a place, too.
    #[must_use]
    pub fn of(text: &str, position: usize) -> Option<Self> {
        let before = position.checked_sub(1)?;
        let (mut line, mut column) = (1, 1);
        let mut characters = text.chars();
        for _ in 0..before {
            match characters.next()? {
                '\n' => (line, column) = (line + 1, 1),
                _ => column += 1,
            }
        }
        Some(Self { position, line, column })
    }
}

/// The name that begins at a place of a statement, part by part as Postgres would look it up: `s."T".c` has three.
#[must_use]
pub fn name_at(text: &str, position: usize) -> Vec<String> {
    let Some((start, _)) = position
        .checked_sub(1)
        .and_then(|before| text.char_indices().nth(before))
    else {
        return Vec::new();
    };
    parts_at(&lex(text), start)
}

/// The parts of the name whose first token begins at that byte.
fn parts_at(tokens: &[Token<'_>], start: usize) -> Vec<String> {
    let Some(first) = tokens.iter().position(|token| token.start == start) else {
        return Vec::new();
    };
    let mut parts = Vec::new();
    let mut at = first;
    while let Some((token, after)) = tokens.get(at..).and_then(<[_]>::split_first) {
        let Some(part) = named(token, after) else { break };
        parts.push(part);
        if after.first().is_none_or(|dot| dot.kind != Kind::Dot) {
            break;
        }
        at += 2;
    }
    parts
}

/// A name that stands by itself, such as `s."T"`, part by part as Postgres would look it up; `None` where the text isn't one.
#[must_use]
pub fn dotted(text: &str) -> Option<Vec<String>> {
    let tokens = lex(text);
    let mut parts = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match index % 2 {
            0 => parts.push(named(token, &[])?),
            _ if token.kind == Kind::Dot => {}
            _ => return None,
        }
    }
    (tokens.len() % 2 == 1).then_some(parts)
}

/// Whether a statement means a table alone, without what is below it: `ONLY` stands before its name, wherever the statement has it as a
/// relation so many times.
#[must_use]
pub fn is_only(text: &str, table: &TableName, times: usize) -> bool {
    let tokens = lex(text);
    let alone = tokens.iter().enumerate().filter(|(index, token)| {
        if !token.is("only") {
            return false;
        }
        let name = match tokens.get(index + 1) {
            Some(open) if open.kind == Kind::Open => tokens.get(index + 2),
            name => name,
        };
        let parts = name.map(|name| parts_at(&tokens, name.start)).unwrap_or_default();
        match parts.as_slice() {
            [name] => table.schema.is_none() && *name == table.name,
            [.., schema, name] => table.schema.as_ref() == Some(schema) && *name == table.name,
            [] => false,
        }
    });
    alone.count() >= times.max(1)
}

/// Whether what stands at a place of a statement is a name in double quotes.
#[must_use]
pub fn is_quoted_at(text: &str, position: usize) -> bool {
    kind_at(text, position).is_some_and(|kind| matches!(kind, Kind::Quoted | Kind::Unicode))
}

/// Whether what stands at a place of a statement is an operator.
#[must_use]
pub fn is_operator_at(text: &str, position: usize) -> bool {
    kind_at(text, position) == Some(Kind::Operator)
}

fn kind_at(text: &str, position: usize) -> Option<Kind> {
    let (start, _) = text.char_indices().nth(position.checked_sub(1)?)?;
    lex(text)
        .iter()
        .find(|token| token.start == start)
        .map(|token| token.kind)
}

/// Whether a parameter stands in the brackets of an `IN` wherever it stands, as in `id IN ($1)` and `id IN (1, $1::int)`.
#[must_use]
pub fn is_in_list(text: &str, parameter: usize) -> bool {
    let name = format!("${parameter}");
    let tokens = lex(text);
    let mut brackets: Vec<bool> = Vec::new();
    let (mut found, mut all) = (false, true);
    for (index, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Open => {
                let before = index.checked_sub(1).and_then(|before| tokens.get(before));
                let first = tokens.get(index + 1);
                let is_query = first.is_some_and(|first| first.is_any(&["select", "values", "with", "table"]));
                brackets.push(before.is_some_and(|word| word.is("in")) && !is_query);
            }
            Kind::Close => {
                brackets.pop();
            }
            Kind::Parameter if token.text == name => {
                found = true;
                all &= brackets.last() == Some(&true);
            }
            _ => {}
        }
    }
    found && all
}

/// Whether a statement has a parameter in it: `$1`.
#[must_use]
pub fn takes_parameters(text: &str) -> bool {
    lex(text).iter().any(|token| token.kind == Kind::Parameter)
}

/// What a text opens and never closes, by the character that opens it: `'`, `"`, `$` or the `/` of a comment.
#[must_use]
pub fn never_closed(text: &str) -> Option<char> {
    let tokens = super::lex::lex(text);
    let last = tokens.last().filter(|token| token.kind == super::lex::Kind::Broken)?;
    let opens = last.text.chars().find(|c| matches!(c, '\'' | '"' | '$' | '/'))?;
    (matches!(opens, '\'' | '"') || last.text.len() > 1).then_some(opens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_counts_characters_and_lines() {
        let text = "SELECT 'ä€😀',\n  größe\nFROM t";
        let place = |position| Place::of(text, position).map(|place| (place.line, place.column));
        assert_eq!(place(1), Some((1, 1)));
        assert_eq!(place(17), Some((2, 3)), "größe");
        assert_eq!(place(text.chars().count() + 1), Some((3, 7)), "the end");
        assert_eq!(place(text.chars().count() + 2), None);
        assert_eq!(place(0), None);
    }

    #[test]
    fn name_is_read_where_it_stands() {
        let text = "SELECT 'ä', S.\"T\".größe, f(1)";
        assert_eq!(name_at(text, 13), ["s", "T", "größe"]);
        assert_eq!(name_at(text, 26), ["f"]);
        assert_eq!(name_at(text, 8), [""; 0], "a string");
        assert_eq!(name_at(text, 900), [""; 0]);
    }

    #[test]
    fn what_stands_at_a_place_is_told() {
        let text = "SELECT 'ä', \"Ann\" || n";
        assert!(is_quoted_at(text, 13) && !is_quoted_at(text, 8) && !is_quoted_at(text, 22));
        assert!(is_operator_at(text, 19) && !is_operator_at(text, 13) && !is_operator_at(text, 900));
    }

    #[test]
    fn parameter_in_the_brackets_of_in_is_found() {
        for (text, parameter, is) in [
            ("SELECT 1 WHERE id IN ($1)", 1, true),
            ("SELECT 1 WHERE id NOT IN (5, $2::int)", 2, true),
            ("SELECT 1 WHERE id in ($1) AND n = $1", 1, false),
            ("SELECT 1 WHERE id IN (f($1))", 1, false),
            ("SELECT 1 WHERE id IN (SELECT $1)", 1, false),
            ("SELECT 1 WHERE id = ANY ($1)", 1, false),
            ("SELECT 'IN ($1)', ($1)", 1, false),
            ("SELECT 1 WHERE id IN ($10)", 1, false),
        ] {
            assert_eq!(is_in_list(text, parameter), is, "{text}");
        }
    }

    #[test]
    fn only_means_the_table_alone() {
        let table = |schema: Option<&str>| TableName {
            schema: schema.map(str::to_owned),
            name: "t".to_owned(),
        };
        for (text, times, only) in [
            ("TRUNCATE ONLY t", 1, true),
            ("DELETE FROM only (T) WHERE true", 1, true),
            ("TRUNCATE ONLY a, t", 1, false),
            ("TRUNCATE ONLY t, t", 2, false),
            ("TRUNCATE t", 1, false),
            ("TRUNCATE \"only\", t", 1, false),
            ("TRUNCATE ONLY s.t", 1, false),
        ] {
            assert_eq!(is_only(text, &table(None), times), only, "{text}");
        }
        assert!(is_only("TRUNCATE ONLY s.t", &table(Some("s")), 1));
    }

    #[test]
    fn dotted_name_is_read_as_sql_reads_it() {
        let parts = |text| dotted(text);
        assert_eq!(
            parts("Public.\"Deal.Log\""),
            Some(vec!["public".to_owned(), "Deal.Log".to_owned()])
        );
        assert_eq!(parts(" t "), Some(vec!["t".to_owned()]));
        for no in ["", "a b", "a.", ".a", "a..b", "a;b", "'a'", "a.*"] {
            assert_eq!(parts(no), None, "{no}");
        }
    }

    #[test]
    fn what_is_never_closed_is_told_by_what_opens_it() {
        for (text, opens) in [
            ("SELECT 'it's'", Some('\'')),
            ("INSERT INTO x VALUES ('don't')", Some('\'')),
            ("SELECT E'a\\'", Some('\'')),
            ("SELECT \"abc", Some('"')),
            ("DO $body$ BEGIN END $boby$", Some('$')),
            ("SELECT 1 /* open", Some('/')),
            ("SELECT 'it''s', \"a\"\"b\", $$'$$ /* ' */ -- '", None),
            ("SELECT $", None),
        ] {
            assert_eq!(never_closed(text), opens, "{text}");
        }
    }
}
