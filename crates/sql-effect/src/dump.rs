//! What a dump of a schema holds, object by object, and what differs between two dumps.
//!
//! Read is what `pg_dump --schema-only` writes: a comment before each object says what it is (`-- Name: t; Type: TABLE;
//! Schema: public; Owner: o`), and statements follow. Where that comment is missing, a statement is known by its first line.

use std::collections::BTreeMap;

use super::lex::{self, Kind, Token};
use super::name;
use super::split;

/// Words that begin a part of a table's definition that is no column. Postgres reserves them, so that as a column's name each
/// stands in quotes. `exclude` isn't reserved: a column can be called so, and `pg_dump` writes such a constraint with its name.
const NO_COLUMN: [&str; 6] = ["constraint", "check", "foreign", "primary", "unique", "like"];

/// Words that end a column's type.
const AFTER_TYPE: [&str; 6] = ["collate", "default", "not", "null", "generated", "constraint"];

/// The longest text by which an object without a comment is known, in characters.
const MAX_NAME: usize = 120;

/// A schema, as a dump shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dump {
    objects: BTreeMap<String, Object>,
}

/// One object of a schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Object {
    /// Its statements.
    text: String,
    /// It is a table with rows of its own: a partitioned table's are in its partitions, a foreign table's on another server, and
    /// a view has none.
    holds_rows: bool,
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
    /// Leaves out the losses of tables and columns that aren't lost, for someone who knows: a dump can't tell a rename from a drop and
    /// an addition. Asked with the table's name, and the column's where it is about one.
    pub fn keep_losses(&mut self, is_lost: impl Fn(&str, Option<&str>) -> bool) {
        self.losses.retain(|loss| {
            let Some((object, what)) = loss.split_once(": all ") else {
                return true;
            };
            let name = object
                .strip_prefix("TABLE ")
                .or_else(|| object.strip_prefix("MATERIALIZED VIEW "))
                .unwrap_or(object);
            match what.strip_prefix("values of column ") {
                Some(column) => is_lost(name, Some(column)),
                None => is_lost(name, None),
            }
        });
    }

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

/// The statements of a dump, without the comments that `pg_dump` writes between them: they say what the statement says. What looks
/// like a comment inside a string is the string's.
#[must_use]
pub fn without_comments(text: &str) -> String {
    let tokens = lex::lex(text);
    let mut clean = String::with_capacity(text.len());
    let mut last = 0;
    let ends = tokens.iter().map(|token| (token.start, token.end()));
    for (start, end) in ends.chain([(text.len(), text.len())]) {
        let between = text.get(last..start).unwrap_or_default();
        if between.contains("--") {
            let breaks = between.matches('\n').count().min(2);
            clean.push_str(if clean.is_empty() {
                ""
            } else {
                "\n\n".get(..breaks).unwrap_or_default()
            });
        } else {
            clean.push_str(between);
        }
        clean.push_str(text.get(start..end).unwrap_or_default());
        last = end;
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
        for section in sections(text, &tokens) {
            for piece in split::split(text, section.tokens, &[]) {
                let Some(first) = piece.tokens.first() else { continue };
                if is_setting(piece.tokens) {
                    continue;
                }
                let own = text.get(first.start..piece.end).unwrap_or_default();
                let key = section.name.clone().unwrap_or_else(|| unheaded(own));
                let object = objects.entry(key).or_default();
                object.text.push_str(own);
                object.text.push_str(";\n");
                if let Some(table) = Table::read(text, piece.tokens) {
                    object.holds_rows = table.holds_rows;
                    object.columns = table.columns;
                }
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
                    if object.holds_rows {
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
                if base.holds_rows {
                    losses.push(format!("{name}: all values of column {column}"));
                }
                change.dropped_columns.push(column.clone());
            }
            Some(same) if same == *definition => {}
            Some(new) => {
                let (from, to) = (type_of(definition), type_of(&new));
                if from != to && base.holds_rows {
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

/// The statements behind one comment that names an object.
struct Section<'a, 't> {
    /// How the object is called; nothing where no comment came yet.
    name: Option<String>,
    tokens: &'t [Token<'a>],
}

/// Cuts a dump at its comments. What looks like one inside a string is part of a token, and cuts nothing. No statement goes on
/// behind such a comment, whatever its own text makes of that.
fn sections<'a, 't>(text: &'a str, tokens: &'t [Token<'a>]) -> Vec<Section<'a, 't>> {
    let mut sections = Vec::new();
    let mut name = None;
    let (mut rest, mut length, mut last) = (tokens, 0, 0);
    for token in tokens {
        let between = text.get(last..token.start).unwrap_or_default();
        if let Some(next) = between.lines().rev().find_map(headed) {
            let (own, after) = rest.split_at(length);
            sections.push(Section { name, tokens: own });
            (name, rest, length) = (Some(next), after, 0);
        }
        length += 1;
        last = token.end();
    }
    sections.push(Section { name, tokens: rest });
    sections
}

/// What a comment before an object says: what it is, and how it is called.
fn headed(line: &str) -> Option<String> {
    let rest = line.strip_prefix("-- Name: ")?;
    let (name, rest) = rest.rsplit_once("; Type: ")?;
    let (kind, rest) = rest.split_once("; Schema: ")?;
    let schema = rest.rsplit_once("; Owner: ").map_or(rest, |(schema, _)| schema);
    Some(match schema {
        "-" | "" => format!("{kind} {name}"),
        schema => format!("{kind} {schema}.{name}"),
    })
}

/// An object without a comment: known by its first line.
fn unheaded(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim_end_matches(['(', ' ']);
    line.chars().take(MAX_NAME).collect()
}

/// A statement of the dump's own: `SET …`, `SELECT pg_catalog.set_config(…)`.
fn is_setting(tokens: &[Token<'_>]) -> bool {
    match tokens {
        [first, ..] if first.is("set") => true,
        [first, rest @ ..] if first.is("select") => rest.iter().any(|token| token.is("set_config")),
        _ => false,
    }
}

/// What a `CREATE TABLE` makes.
struct Table {
    holds_rows: bool,
    /// Each column that it lists, and the definition. A partition and a table of a type may list none: theirs are declared
    /// elsewhere.
    columns: Vec<(String, String)>,
}

impl Table {
    /// Reads a statement; nothing where it makes no table.
    fn read(text: &str, tokens: &[Token<'_>]) -> Option<Self> {
        let (first, rest) = tokens.split_first()?;
        let at = rest.iter().take(3).position(|token| token.is("table"))?;
        let (words, rest) = rest.split_at_checked(at)?;
        let manners = ["unlogged", "foreign", "temporary", "temp", "global", "local"];
        if !first.is("create") || !words.iter().all(|word| word.is_any(&manners)) {
            return None;
        }
        let open = rest.iter().position(|token| token.kind == Kind::Open);
        let (before, inside) = rest.split_at_checked(open.unwrap_or(rest.len()))?;
        // `PARTITION OF` and `OF`: a table can be called either, but not have `of` behind its name.
        let elsewhere =
            before.iter().skip(2).any(|word| word.is("of")) && !before.last().is_some_and(|name| name.is("of"));
        let (columns, after) = if elsewhere {
            (Vec::new(), inside)
        } else {
            columns(text, inside)
        };
        let partitioned = after
            .windows(2)
            .any(|pair| matches!(pair, [one, two] if one.is("partition") && two.is("by")));
        Some(Self {
            holds_rows: !partitioned && !words.iter().any(|word| word.is("foreign")),
            columns,
        })
    }
}

/// The columns between the brackets that a table's definition begins with, and what comes behind those.
fn columns<'a, 't>(text: &str, tokens: &'t [Token<'a>]) -> (Vec<(String, String)>, &'t [Token<'a>]) {
    let mut columns = Vec::new();
    let mut depth = 0usize;
    let mut part: Vec<&Token<'_>> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
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
            return (columns, tokens.get(at..).unwrap_or_default());
        }
    }
    (columns, &[])
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
    let mut qualified = false;
    for token in tokens.iter().skip(1) {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        // A type can be called `public.generated`.
        if depth == 0 && !qualified && token.is_any(&AFTER_TYPE) {
            ends = Some(token.start);
            break;
        }
        qualified = token.kind == Kind::Dot;
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
    fn comments_between_statements_are_left_out_and_those_in_strings_are_not() {
        let string = "CREATE FUNCTION public.g() RETURNS text LANGUAGE sql AS $$\n--\n-- Name: a; Type: TABLE; Schema: public; Owner: o\n--\n$$;";
        let text = format!("{BASE}{string}\n");
        let clean = without_comments(&text);
        assert_eq!(clean.matches("--").count(), 3, "{clean}");
        assert!(clean.starts_with("SET statement_timeout = 0;\nSELECT"), "{clean}");
        assert!(
            clean.contains("OWNER TO o;\n\nSET default_tablespace = '';\n\nCREATE TABLE public.old"),
            "{clean}"
        );
        assert!(clean.ends_with(&format!("{string}\n")), "{clean}");
        assert_eq!(without_comments(&clean), clean);
    }

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

    #[test]
    fn what_holds_no_rows_loses_none() {
        let base = "CREATE FOREIGN TABLE public.far (\n a int,\n b int\n) SERVER s;\n\
                    CREATE TABLE public.whole (\n a int,\n at date\n) PARTITION BY RANGE (at);\n\
                    CREATE MATERIALIZED VIEW public.m AS SELECT 1 AS one WITH NO DATA;\n";
        let less = Dump::read("CREATE TABLE public.whole (\n at date\n) PARTITION BY RANGE (at);\n");
        let difference = Dump::read(base).to(&less);
        assert_eq!(difference.losses, [""; 0]);
        assert_eq!(difference.dropped.len(), 2);
        assert_eq!(difference.changed[0].dropped_columns, ["a"]);
    }

    #[test]
    fn words_that_are_names_are_read_as_names() {
        let base = "CREATE TABLE public.partition (\n exclude int,\n generated public.generated DEFAULT 1,\n \"check\" int\n);\n\
                    CREATE UNLOGGED TABLE public.of (\n a int\n);\n\
                    CREATE FUNCTION public.\"table\"(a int) RETURNS TABLE(b int) LANGUAGE sql AS 'SELECT 1';\n";
        let dump = Dump::read(base);
        let columns = |name: &str| -> Vec<String> {
            let object = &dump.objects[name];
            object.columns.iter().map(|(name, _)| name.clone()).collect()
        };
        assert_eq!(
            columns("CREATE TABLE public.partition"),
            ["exclude", "generated", "check"]
        );
        assert_eq!(columns("CREATE UNLOGGED TABLE public.of"), ["a"]);
        assert_eq!(type_of("generated public.generated DEFAULT 1"), "public.generated");
        let other = Dump::read(
            &base
                .replace(" exclude int,\n", "")
                .replace("public.generated D", "public.made D"),
        );
        assert_eq!(dump.to(&other).losses.len(), 2, "{:?}", dump.to(&other).losses);
    }

    #[test]
    fn a_name_that_looks_like_the_end_of_a_comment_hides_no_table() {
        let base = "--\n-- Name: t; Type: VIEW; Schema: public; Owner: x; Type: TABLE; Schema: s; Owner: y; Type: INDEX; Schema: z\n--\n\n\
                    CREATE TABLE s.\"t; Type: VIEW; Schema: public; Owner: x\" (\n a int\n);\n";
        assert_eq!(Dump::read(base).to(&Dump::default()).losses.len(), 1);
    }

    #[test]
    fn a_routine_called_begin_swallows_nothing() {
        let base = "--\n-- Name: begin(); Type: FUNCTION; Schema: public; Owner: o\n--\n\n\
                    CREATE FUNCTION public.begin() RETURNS integer\n    LANGUAGE sql\n    AS 'SELECT 1';\n\n\
                    --\n-- Name: t; Type: TABLE; Schema: public; Owner: o\n--\n\nCREATE TABLE public.t (\n a int\n);\n";
        let names: Vec<String> = Dump::read(base).objects.into_keys().collect();
        assert_eq!(names, ["FUNCTION public.begin()", "TABLE public.t"]);
    }
}
