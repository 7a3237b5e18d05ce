//! What a dump of a schema holds, object by object, and what differs between two dumps.
//!
//! Read is what `pg_dump --schema-only` writes: a comment before each object says what it is (`-- Name: t; Type: TABLE;
//! Schema: public; Owner: o`), and statements follow. Where that comment is missing, a statement is known by its first line.

use std::collections::BTreeMap;

use super::lex::{self, Kind, Token};
use super::name;
use super::split;

/// Words that begin a part of a table's definition that is no column. As columns' names `pg_dump` puts them in quotes.
const NO_COLUMN: [&str; 7] = ["constraint", "check", "foreign", "primary", "unique", "exclude", "like"];

/// Words that end a column's type.
const AFTER_TYPE: [&str; 6] = ["collate", "default", "not", "null", "generated", "constraint"];

/// The longest text by which an object without a comment is known, in characters.
const LONGEST_NAME: usize = 120;

/// A schema, as a dump shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dump {
    objects: BTreeMap<String, Object>,
}

/// One object of a schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Object {
    /// What it is: `TABLE`, `INDEX`, `FUNCTION`.
    kind: String,
    /// Its statements.
    text: String,
    /// Of a table: each column and its definition.
    columns: Vec<(String, String)>,
}

/// What differs between two schemas, from a base to another one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Objects that the base lacks: `TABLE public.t`.
    pub added: Vec<String>,
    /// Objects that are in both, and aren't the same.
    pub changed: Vec<Change>,
    /// Objects that only the base has.
    pub dropped: Vec<String>,
    /// What is lost where the base becomes the other one, each in a few words.
    pub losses: Vec<String>,
}

/// An object that differs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The object: `TABLE public.t`.
    pub object: String,
    /// Columns that the base lacks, with their definitions.
    pub added_columns: Vec<String>,
    /// Columns that only the base has.
    pub dropped_columns: Vec<String>,
    /// Columns that are in both, and aren't the same: name, definition in the base, definition in the other.
    pub changed_columns: Vec<(String, String, String)>,
}

impl Difference {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.dropped.is_empty()
    }
}

/// A dump without what differs between two dumps of one schema: the versions of the programs, and the random word of
/// newer ones.
#[must_use]
pub fn without_noise(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for line in text.lines() {
        let noise =
            line.starts_with("-- Dumped ") || line.starts_with("\\restrict") || line.starts_with("\\unrestrict");
        if !noise {
            clean.push_str(line);
            clean.push('\n');
        }
    }
    clean
}

impl Dump {
    /// Reads a dump. What can't be understood is an object all the same, known by its first line.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let text = &without_noise(text);
        let tokens = lex::lex(text);
        let mut objects: BTreeMap<String, Object> = BTreeMap::new();
        let mut header: Option<(String, String)> = None;
        let mut last = 0;
        for piece in split::split(text, &tokens) {
            let Some(first) = piece.tokens.first() else { continue };
            let comments = text.get(last..first.start).unwrap_or_default();
            header = comments.lines().rev().find_map(headed).or(header);
            last = piece.end;
            let own = text.get(first.start..piece.end).unwrap_or_default();
            if is_setting(piece.tokens) {
                continue;
            }
            let (key, kind) = header.clone().unwrap_or_else(|| unheaded(own, piece.tokens));
            let object = objects.entry(key).or_default();
            object.kind = kind;
            object.text.push_str(own);
            object.text.push_str(";\n");
            if let Some(columns) = columns(text, piece.tokens) {
                object.columns = columns;
            }
        }
        Self { objects }
    }

    /// What differs from this schema, as the base, to another.
    #[must_use]
    pub fn to(&self, other: &Self) -> Difference {
        let mut difference = Difference::default();
        for (name, object) in &self.objects {
            match other.objects.get(name) {
                None => {
                    if object.kind == "TABLE" {
                        difference.losses.push(format!("{name}: all of its rows"));
                    }
                    difference.dropped.push(name.clone());
                }
                Some(same) if same.text == object.text => {}
                Some(other) => {
                    let change = changed(name, object, other, &mut difference.losses);
                    difference.changed.push(change);
                }
            }
        }
        let added = other.objects.keys().filter(|name| !self.objects.contains_key(*name));
        difference.added = added.cloned().collect();
        difference
    }
}

fn changed(name: &str, base: &Object, other: &Object, losses: &mut Vec<String>) -> Change {
    let find = |columns: &[(String, String)], name: &str| {
        columns
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, definition)| definition.clone())
    };
    let mut change = Change {
        object: name.to_owned(),
        ..Change::default()
    };
    for (column, definition) in &base.columns {
        match find(&other.columns, column) {
            None => {
                losses.push(format!("{name}: all values of column {column}"));
                change.dropped_columns.push(column.clone());
            }
            Some(same) if same == *definition => {}
            Some(new) => {
                let (from, to) = (type_of(definition), type_of(&new));
                if from != to {
                    losses.push(format!(
                        "{name}: values of column {column} are converted from {from} to {to}"
                    ));
                }
                change.changed_columns.push((column.clone(), definition.clone(), new));
            }
        }
    }
    let added = other
        .columns
        .iter()
        .filter(|(column, _)| find(&base.columns, column).is_none());
    change.added_columns = added.map(|(_, definition)| definition.clone()).collect();
    change
}

/// What a comment before an object says: how it is called, and what it is.
fn headed(line: &str) -> Option<(String, String)> {
    let rest = line.strip_prefix("-- Name: ")?;
    let (name, rest) = rest.rsplit_once("; Type: ")?;
    let (kind, rest) = rest.split_once("; Schema: ")?;
    let schema = rest.split_once("; Owner: ").map_or(rest, |(schema, _)| schema);
    let key = match schema {
        "-" | "" => format!("{kind} {name}"),
        schema => format!("{kind} {schema}.{name}"),
    };
    Some((key, kind.to_owned()))
}

/// An object without a comment: known by its first line.
fn unheaded(text: &str, tokens: &[Token<'_>]) -> (String, String) {
    let line = text.lines().next().unwrap_or_default().trim_end_matches(['(', ' ']);
    let mut words = tokens.iter().filter(|token| token.kind == Kind::Word);
    let is_table =
        words.next().is_some_and(|word| word.is("create")) && words.next().is_some_and(|word| word.is("table"));
    let kind = if is_table { "TABLE" } else { "" };
    (line.chars().take(LONGEST_NAME).collect(), kind.to_owned())
}

/// A statement of the dump's own: `SET …`, `SELECT pg_catalog.set_config(…)`.
fn is_setting(tokens: &[Token<'_>]) -> bool {
    match tokens {
        [first, ..] if first.is("set") => true,
        [first, rest @ ..] if first.is("select") => rest.iter().any(|token| token.is("set_config")),
        _ => false,
    }
}

/// The columns of a `CREATE TABLE`, each with its definition.
fn columns(text: &str, tokens: &[Token<'_>]) -> Option<Vec<(String, String)>> {
    let open = tokens.iter().position(|token| token.kind == Kind::Open)?;
    let (before, inside) = tokens.split_at_checked(open)?;
    let creates = before.first().is_some_and(|word| word.is("create")) && before.iter().any(|word| word.is("table"));
    if !creates || before.iter().any(|word| word.is("partition")) {
        return None;
    }
    let mut columns = Vec::new();
    let mut depth = 0usize;
    let mut part: Vec<&Token<'_>> = Vec::new();
    for token in inside {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        let ends = (token.kind == Kind::Comma && depth == 1) || depth == 0;
        if ends {
            columns.extend(column(text, &part));
            part.clear();
        } else if !(token.kind == Kind::Open && depth == 1) {
            part.push(token);
        }
        if depth == 0 {
            break;
        }
    }
    Some(columns)
}

fn column(text: &str, part: &[&Token<'_>]) -> Option<(String, String)> {
    let (first, last) = (part.first()?, part.last()?);
    if first.is_any(&NO_COLUMN) {
        return None;
    }
    let name = name::named(first, &[])?;
    let definition = text.get(first.start..last.end())?;
    Some((name, definition.to_owned()))
}

/// The type in a column's definition.
fn type_of(definition: &str) -> String {
    let tokens = lex::lex(definition);
    let mut depth = 0usize;
    let mut ends = None;
    for token in tokens.iter().skip(1) {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && token.is_any(&AFTER_TYPE) {
            ends = Some(token.start);
            break;
        }
    }
    let begins = tokens.get(1).map_or(0, |token| token.start);
    definition
        .get(begins..ends.unwrap_or(definition.len()))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "\
--
-- PostgreSQL database dump
--
-- Dumped from database version 15.1
SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);
--
-- Name: users; Type: TABLE; Schema: public; Owner: o
--

CREATE TABLE public.users (
    id bigint NOT NULL,
    \"Full, name\" character varying(10) DEFAULT 'a,b (c'::character varying,
    age integer,
    price numeric(10,2) DEFAULT 0 NOT NULL,
    CONSTRAINT positive CHECK ((price > (0)::numeric))
);

ALTER TABLE public.users OWNER TO o;

SET default_tablespace = '';
--
-- Name: old; Type: TABLE; Schema: public; Owner: o
--
CREATE TABLE public.old (
    id bigint
);
--
-- Name: f(integer); Type: FUNCTION; Schema: public; Owner: o
--
CREATE FUNCTION public.f(a integer) RETURNS integer
    LANGUAGE sql
    AS $_$ SELECT 1; SELECT $1 $_$;
--
-- Name: users users_pkey; Type: CONSTRAINT; Schema: public; Owner: o
--
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);
";

    #[test]
    fn a_dump_is_read_object_by_object() {
        let dump = Dump::read(BASE);
        let names: Vec<&str> = dump.objects.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "CONSTRAINT public.users users_pkey",
                "FUNCTION public.f(integer)",
                "TABLE public.old",
                "TABLE public.users"
            ]
        );
        let columns = &dump.objects["TABLE public.users"].columns;
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["id", "Full, name", "age", "price"]);
        assert_eq!(type_of(&columns[1].1), "character varying(10)");
        assert_eq!(type_of(&columns[3].1), "numeric(10,2)");
    }

    #[test]
    fn what_differs_is_named_and_what_is_lost_is_marked() {
        let other = BASE
            .replace("    age integer,\n", "    age bigint,\n    email text,\n")
            .replace("    price numeric(10,2) DEFAULT 0 NOT NULL,\n", "")
            .replace("SELECT $1", "SELECT 2")
            .replace("CREATE TABLE public.old (\n    id bigint\n);", "")
            .replace("Name: old;", "Name: new;")
            .replace("Dumped from database version 15.1", "Dumped from database version 17.2")
            + "CREATE TABLE public.new (\n    id bigint\n);\n";
        let other = other.replace(
            "ALTER TABLE ONLY public.users\n    ADD CONSTRAINT users_pkey PRIMARY KEY (id);\n",
            "ALTER TABLE ONLY public.users\n    ADD CONSTRAINT users_pkey PRIMARY KEY (id);\n--\n-- Name: new; Type: TABLE; Schema: public; Owner: o\n--\n",
        );
        let difference = Dump::read(BASE).to(&Dump::read(&other));
        assert_eq!(difference.added, ["TABLE public.new"]);
        assert_eq!(difference.dropped, ["TABLE public.old"]);
        let changed: Vec<&str> = difference.changed.iter().map(|change| change.object.as_str()).collect();
        assert_eq!(changed, ["FUNCTION public.f(integer)", "TABLE public.users"]);
        let users = &difference.changed[1];
        assert_eq!(users.added_columns, ["email text"]);
        assert_eq!(users.dropped_columns, ["price"]);
        assert_eq!(users.changed_columns.len(), 1);
        assert_eq!(
            difference.losses,
            [
                "TABLE public.old: all of its rows",
                "TABLE public.users: values of column age are converted from integer to bigint",
                "TABLE public.users: all values of column price",
            ]
        );
        assert!(Dump::read(BASE).to(&Dump::read(BASE)).is_empty());
    }

    #[test]
    fn without_comments_a_statement_is_known_by_its_first_line() {
        let dump = Dump::read("CREATE TABLE public.t (\n a int\n);\nCREATE VIEW public.v AS SELECT 1;");
        let names: Vec<&str> = dump.objects.keys().map(String::as_str).collect();
        assert_eq!(names, ["CREATE TABLE public.t", "CREATE VIEW public.v AS SELECT 1"]);
        let less = Dump::read("CREATE VIEW public.v AS SELECT 1;");
        assert_eq!(
            dump.to(&less).losses.len(),
            1,
            "a table is one without its comment, too"
        );
    }
}
