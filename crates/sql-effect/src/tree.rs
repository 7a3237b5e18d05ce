//! The parse itself, kept within bounds: text from a model mustn't be able to exhaust the stack, hang or bring down the
//! server, and where the parser and our own lexer disagree nothing is believed.

use super::budget::{self, Budget};
use super::lex::{self, Kind, Token};
use super::name;
use squawk_syntax::{SourceFile, SyntaxKind, SyntaxNode};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The longest statement that is parsed, in bytes.
pub(super) const LONGEST: usize = 1 << 20;
/// Why a longer one isn't.
pub(super) const TOO_LONG: &str = "is longer than 1 MiB, so it wasn't parsed and what it does isn't known";
/// The deepest nesting of brackets.
const DEEPEST: usize = 100;
/// The longest stretch of tokens without a comma, semicolon or bracket around it: the parser takes time that grows with
/// the square of a chain's length.
const MAX_STRETCH: usize = 4_000;
/// Tokens that can open a level of the tree without a bracket, over one statement.
const MAX_OPENERS: usize = 8_000;
/// Texts of fewer bytes are parsed where they are: they can't nest deeply enough to need a stack of their own.
const SHORT: usize = 400;
/// The stack that longer ones get. It costs memory only as far as it is used.
const STACK: usize = 256 << 20;

/// How deep bodies may stand in bodies.
const NESTED: usize = 8;

/// Words that open a level of the tree by themselves.
const OPENERS: [&str; 11] = [
    "not", "case", "join", "begin", "loop", "if", "declare", "explain", "select", "array", "prepare",
];

/// Runs what parses these texts where there is stack enough for it; `None` where there is none to be had.
pub(super) fn with_stack<T: Send>(texts: &[&str], run: impl FnOnce() -> T + Send) -> Option<T> {
    if texts.iter().map(|text| text.len()).sum::<usize>() <= SHORT {
        return Some(run());
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, run);
        thread.ok().and_then(|thread| thread.join().ok())
    })
}

/// Parses one statement and hands its node to `read`. What it says instead ends a sentence that begins "because it …".
pub(super) fn with_statement<T>(
    text: &str,
    tokens: &[Token<'_>],
    budget: &mut Budget,
    read: impl FnOnce(&SyntaxNode) -> T,
) -> Result<T, String> {
    let cost = bounded(text, tokens)?;
    if !budget.parses(cost) {
        return Err(budget::EXCEEDED.to_owned());
    }
    catch_unwind(AssertUnwindSafe(|| statement(text, tokens).map(|node| read(&node))))
        .unwrap_or_else(|_| Err("can't be parsed, so what it does isn't known".to_owned()))
}

/// The one statement of a text, if the parser took all of it for exactly one.
fn statement(text: &str, tokens: &[Token<'_>]) -> Result<SyntaxNode, String> {
    let parse = SourceFile::parse(text);
    if let Some(error) = parse.errors().first() {
        return Err(format!(
            "can't be parsed ({}), so what it does isn't known",
            name::excerpt(error.message())
        ));
    }
    let root = parse.syntax_node();
    if root.descendants().any(|node| node.kind() == SyntaxKind::ERROR) || !same_strings(&root, tokens) {
        return Err("can't be parsed, so what it does isn't known".to_owned());
    }
    let mut statements = root.children();
    match (statements.next(), statements.next()) {
        (Some(only), None) => Ok(only),
        _ => Err("isn't one statement, so what it does isn't known".to_owned()),
    }
}

/// Whether the parser's lexer found the same strings and quoted names at the same places as ours: a difference in where
/// a string ends is how code hides in data.
fn same_strings(root: &SyntaxNode, tokens: &[Token<'_>]) -> bool {
    let quoted = |text: &str| text.contains(['\'', '"']) || text.starts_with('$');
    let theirs = root
        .descendants_with_tokens()
        .filter_map(|element| element.into_token())
        .filter(|token| !matches!(token.kind(), SyntaxKind::COMMENT | SyntaxKind::WHITESPACE) && quoted(token.text()))
        .map(|token| (usize::from(token.text_range().start()), token.text().len()));
    let ours = tokens
        .iter()
        .filter(|token| quoted(token.text))
        .map(|token| (token.start, token.text.len()));
    theirs.eq(ours)
}

/// Refuses what could make the parser run out of stack, in the statement and in the bodies in its strings; what parsing
/// them costs else.
fn bounded(text: &str, tokens: &[Token<'_>]) -> Result<u64, String> {
    if text.len() > LONGEST {
        return Err(TOO_LONG.to_owned());
    }
    if let Some(token) = tokens.iter().find(|token| token.kind == Kind::Broken) {
        // Where, and not what: a string that never ends may hold a secret.
        let before = token
            .start
            .saturating_sub(tokens.first().map_or(0, |first| first.start));
        let at = text.get(..before).unwrap_or(text).chars().count() + 1;
        return Err(format!(
            "can't be parsed (at character {at}), so what it does isn't known"
        ));
    }
    shallow(tokens)?;
    let mut cost = budget::cost(tokens);
    // The parser reads the bodies of routines, too, and those that stand in them.
    if tokens.first().is_some_and(|word| word.is_any(&["create", "do"])) {
        for body in strings(tokens) {
            cost = cost.saturating_add(body_cost(&body, NESTED)?);
        }
    }
    Ok(cost)
}

/// What parsing a body costs, and those that stand in it.
fn body_cost(body: &str, depth: usize) -> Result<u64, String> {
    let tokens = lex::lex(body);
    shallow(&tokens)?;
    // Once to see whether it is sound, and once to be judged.
    let mut cost = budget::cost(&tokens).saturating_mul(2);
    let holds_code = tokens.iter().any(|word| word.is_any(&["create", "do"]));
    if holds_code {
        let depth = depth
            .checked_sub(1)
            .ok_or("is nested or chained too deeply to be parsed, so what it does isn't known")?;
        for inner in strings(&tokens) {
            cost = cost.saturating_add(body_cost(&inner, depth)?);
        }
    }
    Ok(cost)
}

/// What the strings of a statement mean; neighbours are one string to Postgres.
pub(super) fn strings(tokens: &[Token<'_>]) -> Vec<String> {
    let mut strings: Vec<String> = Vec::new();
    let mut continues = false;
    for (at, token) in tokens.iter().enumerate() {
        let meaning = name::string(token, tokens.get(at + 1..).unwrap_or_default())
            .or_else(|| matches!(token.kind, Kind::String | Kind::Dollar).then(|| token.text.to_owned()));
        let Some(meaning) = meaning else {
            continues = false;
            continue;
        };
        match strings.last_mut() {
            Some(last) if continues => last.push_str(&meaning),
            _ => strings.push(meaning),
        }
        continues = true;
    }
    strings
}

/// Refuses tokens that nest or chain too deeply.
pub(super) fn shallow(tokens: &[Token<'_>]) -> Result<(), String> {
    let (mut depth, mut openers) = (0usize, 0usize);
    let mut stretches = vec![0usize];
    let mut operator = false;
    for token in tokens {
        match token.kind {
            Kind::Open => {
                depth += 1;
                stretches.push(0);
            }
            Kind::Close => {
                depth = depth.saturating_sub(1);
                if stretches.len() > 1 {
                    stretches.pop();
                }
            }
            Kind::Comma | Kind::Semicolon => {
                if let Some(stretch) = stretches.last_mut() {
                    *stretch = 0;
                }
            }
            _ => {}
        }
        // A sign in front of a sign nests; one behind a value doesn't.
        openers += usize::from(token.is_any(&OPENERS) || (token.kind == Kind::Operator && operator));
        operator = token.kind == Kind::Operator;
        if let Some(stretch) = stretches.last_mut() {
            *stretch += 1;
            if depth > DEEPEST || *stretch > MAX_STRETCH || openers > MAX_OPENERS {
                return Err("is nested or chained too deeply to be parsed, so what it does isn't known".to_owned());
            }
        }
    }
    Ok(())
}
