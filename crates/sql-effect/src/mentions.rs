//! The names and operators that stand in a statement, so that the database can be asked what they are there.

use super::functions::{READS_NAMED, outliving};
use super::lex::{self, Kind, Token};
use super::{ambiguity, name, tree};
use std::collections::BTreeSet;

/// Names and operators of a statement. Both are what could be meant rather than what is: keywords are among the names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mentions {
    /// Every part of every name, folded to lower case unless it was quoted, quotes and escapes undone, cut at 63 bytes.
    /// Of a statement that makes something, what its strings hold counts, too: functions can be named there, and the
    /// bodies of routines are strings. So it does beside a function that reads the table that a string names.
    pub identifiers: BTreeSet<String>,
    /// Every operator as Postgres' scanner cuts them, `!=` as `<>`, and those that keywords stand for: `LIKE` is `~~`.
    pub operators: BTreeSet<String>,
}

impl Mentions {
    /// The names and operators as JSON, for a look in the catalogue.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({"identifiers": self.identifiers, "operators": self.operators})
    }

    /// Whether a function is named whose work outlives a rollback: it ends a backend, drops a replication slot, sets a sequence.
    #[must_use]
    pub fn outlive_rollback(&self) -> bool {
        self.outliving().next().is_some()
    }

    /// Those functions, as the list names them.
    pub fn outliving(&self) -> impl Iterator<Item = &'static str> {
        outliving(self.identifiers.iter().map(String::as_str))
    }

    /// What several statements mention together.
    #[must_use]
    pub fn all(several: impl Iterator<Item = Self>) -> Self {
        several.fold(Self::default(), |mut all, one| {
            all.identifiers.extend(one.identifiers);
            all.operators.extend(one.operators);
            all
        })
    }
}

/// What a statement's text mentions, however it is read.
pub(super) fn of(text: &str) -> Mentions {
    let mut mentions = Mentions::default();
    add(&mut mentions, text, DEEPEST);
    mentions
}

/// How deep strings in strings are looked into.
const DEEPEST: usize = 3;

fn add(mentions: &mut Mentions, text: &str, depth: usize) {
    let tokens = lex::lex(text);
    collect(mentions, &tokens);
    for reading in ambiguity::readings(text) {
        collect(mentions, &lex::lex(&reading));
    }
    let defines = tokens
        .first()
        .is_some_and(|word| word.is_any(&["create", "alter", "do"]));
    // A table's name in a string is what `table_to_xml` reads.
    let reads_named = READS_NAMED.iter().any(|name| mentions.identifiers.contains(*name));
    let Some(depth) = depth.checked_sub(1) else { return };
    if defines || reads_named || depth + 1 < DEEPEST {
        let other = ambiguity::escaping(text);
        let other = other.as_deref().map(lex::lex).unwrap_or_default();
        for inner in tree::strings(&tokens).iter().chain(&tree::strings(&other)) {
            add(mentions, inner, depth);
        }
    }
}

fn collect(mentions: &mut Mentions, tokens: &[Token<'_>]) {
    for (at, token) in tokens.iter().enumerate() {
        if let Some(name) = name::named(token, tokens.get(at + 1..).unwrap_or_default()) {
            if token.kind == Kind::Word {
                mentions
                    .operators
                    .extend(stood_for(&name).iter().map(|operator| (*operator).to_owned()));
            }
            mentions.identifiers.insert(name);
        }
    }
    let mut rest = tokens;
    while let Some((first, after)) = rest.split_first() {
        if !is_operator(first) {
            rest = after;
            continue;
        }
        let mut run = String::new();
        let mut end = first.start;
        let mut count = 0;
        for token in rest.iter().take_while(|token| is_operator(token)) {
            if token.start != end {
                break;
            }
            run.push_str(token.text);
            end = token.end();
            count += 1;
        }
        cut(&run, &mut mentions.operators);
        rest = rest.get(count.max(1)..).unwrap_or_default();
    }
}

/// Whether a token is a character of an operator; `:` isn't, though it is lexed as one.
fn is_operator(token: &Token<'_>) -> bool {
    token.kind == Kind::Operator && token.text != ":"
}

/// Cuts a run of an operator's characters as Postgres' scanner does: one of more than one character ends in `+` or `-`
/// only if it holds a character that SQL's own operators don't have.
fn cut(run: &str, operators: &mut BTreeSet<String>) {
    const OWN: [char; 9] = ['~', '!', '@', '#', '^', '&', '|', '`', '?'];
    let mut rest = run;
    while !rest.is_empty() {
        let mut operator = rest;
        while operator.len() > 1 && operator.ends_with(['+', '-']) {
            let kept = operator.get(..operator.len() - 1).unwrap_or_default();
            if kept.contains(OWN) || kept.contains('%') {
                break;
            }
            operator = kept;
        }
        operators.insert(if operator == "!=" { "<>" } else { operator }.to_owned());
        rest = rest.get(operator.len()..).unwrap_or_default();
    }
}

/// The operators that a keyword stands for, which Postgres looks up by their names.
fn stood_for(word: &str) -> &'static [&'static str] {
    match word {
        "like" => &["~~", "!~~"],
        "ilike" => &["~~*", "!~~*"],
        "similar" => &["~", "!~"],
        "between" => &[">=", "<=", "<", ">"],
        "in" => &["=", "<>"],
        "distinct" | "case" | "nullif" | "using" | "natural" => &["="],
        _ => &[],
    }
}
