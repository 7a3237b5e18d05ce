//! Where one statement ends and the next begins, by the rules that psql splits by.

use super::lex::{self, Kind, Token};

/// One statement's tokens, without the `;` that ended it.
pub(super) struct Piece<'a, 't> {
    pub tokens: &'t [Token<'a>],
    /// Where it begins in the source: at its first token, or at the planner's hint right before it.
    pub start: usize,
    /// Where it ends in the source.
    pub end: usize,
    /// The command of psql's that is in it: `\d`.
    pub meta: Option<&'a str>,
}

/// Splits a text that was lexed into these tokens and block comments. Empty statements are left out.
pub(super) fn split<'a, 't>(text: &'a str, tokens: &'t [Token<'a>], comments: &[Token<'a>]) -> Vec<Piece<'a, 't>> {
    let mut pieces: Vec<Piece<'a, 't>> = Vec::new();
    let mut rest = tokens;
    let mut comments = comments;
    // The end of what the statements before took.
    let mut taken = 0;
    while let Some(first) = rest.first() {
        let mut state = State::default();
        let stop = rest.iter().enumerate().position(|(at, token)| {
            token.kind == Kind::Backslash || state.ends(rest.get(..at).unwrap_or_default(), token)
        });
        let (mut body, mut after) = rest.split_at(stop.unwrap_or(rest.len()));
        let mut end = body.last().map_or(first.start, Token::end);
        let mut meta = None;
        if let Some(stopper) = after.first() {
            if stopper.kind == Kind::Backslash {
                // psql reads its own commands to the end of the line.
                let line = text
                    .get(stopper.start..)
                    .unwrap_or_default()
                    .lines()
                    .next()
                    .unwrap_or_default();
                end = stopper.start + line.trim_end().len();
                let length = rest
                    .iter()
                    .take_while(|token| token.start < end.max(stopper.end()))
                    .count();
                (body, after) = rest.split_at(length);
                meta = Some(line.split_whitespace().next().unwrap_or(line));
            } else {
                after = after.get(1..).unwrap_or_default();
            }
        }
        if !body.is_empty() {
            let before = comments.partition_point(|comment| comment.start < first.start);
            let hint = comments.get(..before).and_then(<[_]>::last);
            let hint = hint.filter(|hint| hint.start >= taken && is_hint(text, hint, first));
            comments = comments.get(before..).unwrap_or_default();
            taken = end;
            pieces.push(Piece {
                tokens: body,
                start: hint.map_or(first.start, |hint| hint.start),
                end,
                meta,
            });
        }
        rest = after;
    }
    pieces
}

/// Whether a comment is a planner's hint that stands right before a statement's first token: nothing but white space
/// lies between them.
fn is_hint(text: &str, comment: &Token<'_>, first: &Token<'_>) -> bool {
    comment.text.starts_with("/*+")
        && text
            .get(comment.end()..first.start)
            .is_some_and(|between| between.chars().all(lex::is_space))
}

#[derive(Default)]
struct State {
    /// Brackets that are open: `CREATE RULE` has `;` inside them.
    brackets: usize,
    /// `BEGIN`s and `CASE`s that are open in a routine's body of the SQL standard's form.
    blocks: usize,
}

impl State {
    /// Whether the token ends the statement that the earlier ones began.
    fn ends(&mut self, earlier: &[Token<'_>], token: &Token<'_>) -> bool {
        match token.kind {
            Kind::Open => self.brackets += 1,
            Kind::Close => self.brackets = self.brackets.saturating_sub(1),
            Kind::Semicolon => return self.brackets == 0 && self.blocks == 0,
            Kind::Word if self.brackets == 0 && makes_routine(earlier) => {
                // Only the word after BEGIN tells, and it isn't read yet: psql counts every BEGIN here, too.
                if token.is("begin") || (self.blocks > 0 && token.is("case")) {
                    self.blocks += 1;
                } else if token.is("end") {
                    self.blocks = self.blocks.saturating_sub(1);
                }
            }
            _ => {}
        }
        false
    }
}

fn makes_routine(tokens: &[Token<'_>]) -> bool {
    let rest = match tokens {
        [create, or, replace, rest @ ..] if create.is("create") && or.is("or") && replace.is("replace") => rest,
        [create, rest @ ..] if create.is("create") => rest,
        _ => return false,
    };
    rest.first().is_some_and(|word| word.is_any(&["function", "procedure"]))
}
