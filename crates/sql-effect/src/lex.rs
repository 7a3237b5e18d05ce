//! Tokens of SQL by the rules of Postgres' own scanner: where strings, names and comments begin and end.
//!
//! The parser has a lexer of its own. This one is a second opinion on it, finds where statements end before anything is
//! parsed, and is what functions are looked for in. Strings are read with `standard_conforming_strings` on, as every
//! Postgres since 9.1 has it; what a text would be with it off is another reading of it (`ambiguity`).

use std::iter::Peekable;
use std::str::CharIndices;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or a name without quotes.
    Word,
    /// `"a name"`.
    Quoted,
    /// `U&"a name"`.
    Unicode,
    /// A string of any kind; every piece of a continued string is one.
    String,
    /// `$tag$ … $tag$`.
    Dollar,
    /// Digits and what clings to them.
    Number,
    /// `$1`.
    Parameter,
    /// `(` or `[`.
    Open,
    /// `)` or `]`.
    Close,
    /// `;`.
    Semicolon,
    /// `,`.
    Comma,
    /// `.`.
    Dot,
    /// One character of an operator.
    Operator,
    /// `\`, which only psql knows.
    Backslash,
    /// `/* a comment */`. It stands among the comments, never among the tokens.
    Comment,
    /// A string, name or comment that never ends, or a character that SQL doesn't have.
    Broken,
}

/// One token and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub kind: Kind,
    pub start: usize,
    pub text: &'a str,
}

impl Token<'_> {
    /// Where the token ends.
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Whether it is this keyword; names in quotes never are.
    pub fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    /// Whether it is one of these keywords.
    pub fn is_any(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }
}

/// What a text is made of.
pub(super) struct Lexed<'a> {
    /// Its tokens; white space and comments are left out.
    pub tokens: Vec<Token<'a>>,
    /// Its block comments of the outermost level, each with those inside it. None of them is a token, whatever it holds.
    pub comments: Vec<Token<'a>>,
    /// Its comments of one line, in order.
    pub lines: Vec<Token<'a>>,
}

/// All tokens of a text; white space and comments are left out.
pub(super) fn lex(text: &str) -> Vec<Token<'_>> {
    lexed(text).tokens
}

/// All tokens of a text, read so that a backslash in a plain string escapes or doesn't.
pub(super) fn lex_as(text: &str, escaping: bool) -> Vec<Token<'_>> {
    run(text, escaping).tokens
}

/// All tokens and block comments of a text.
pub(super) fn lexed(text: &str) -> Lexed<'_> {
    run(text, false)
}

fn run(text: &str, escaping: bool) -> Lexed<'_> {
    let mut lexer = Lexer {
        text,
        chars: text.char_indices().peekable(),
        comments: Vec::new(),
        lines: Vec::new(),
        escaping,
    };
    let mut tokens = Vec::new();
    while lexer.blanks(&mut tokens) {
        lexer.token(&mut tokens);
    }
    Lexed {
        tokens,
        comments: lexer.comments,
        lines: lexer.lines,
    }
}

/// The comment by which Drizzle cuts its files into statements, with a `;` before it or without one.
const BREAKPOINT: &str = "--> statement-breakpoint";

struct Lexer<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
    comments: Vec<Token<'a>>,
    lines: Vec<Token<'a>>,
    /// Whether a backslash in a plain string escapes: `standard_conforming_strings` is off.
    escaping: bool,
}

impl<'a> Lexer<'a> {
    /// Where the next character stands.
    fn at(&mut self) -> usize {
        self.chars.peek().map_or(self.text.len(), |(at, _)| *at)
    }

    fn rest(&mut self) -> &'a str {
        let at = self.at();
        self.text.get(at..).unwrap_or_default()
    }

    fn peek(&mut self) -> Option<char> {
        self.chars.peek().map(|(_, c)| *c)
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            self.chars.next();
        }
    }

    fn skip_while(&mut self, fits: impl Fn(char) -> bool) {
        while self.chars.next_if(|(_, c)| fits(*c)).is_some() {}
    }

    fn push(&mut self, tokens: &mut Vec<Token<'a>>, kind: Kind, start: usize) {
        let end = self.at();
        tokens.push(Token {
            kind,
            start,
            text: self.text.get(start..end).unwrap_or_default(),
        });
    }

    /// Skips white space and comments; false at the end. A comment that never ends is a broken token.
    fn blanks(&mut self, tokens: &mut Vec<Token<'a>>) -> bool {
        loop {
            let rest = self.rest();
            if rest.starts_with("--") {
                let start = self.at();
                self.skip_while(|c| c != '\n' && c != '\r');
                let comment = Token {
                    kind: Kind::Comment,
                    start,
                    text: self.text.get(start..self.at()).unwrap_or_default(),
                };
                if comment.text.starts_with(BREAKPOINT) {
                    self.push(tokens, Kind::Semicolon, start);
                }
                self.lines.push(comment);
            } else if rest.starts_with("/*") {
                let start = self.at();
                if self.block_comment() {
                    let end = self.at();
                    self.comments.push(Token {
                        kind: Kind::Comment,
                        start,
                        text: self.text.get(start..end).unwrap_or_default(),
                    });
                } else {
                    self.push(tokens, Kind::Broken, start);
                }
            } else {
                match self.peek() {
                    None => return false,
                    Some(c) if is_space(c) => self.skip(1),
                    Some(_) => return true,
                }
            }
        }
    }

    /// Skips a comment and those in it; false where it never ends.
    fn block_comment(&mut self) -> bool {
        let mut depth = 0usize;
        loop {
            let rest = self.rest();
            if rest.starts_with("/*") {
                depth += 1;
                self.skip(2);
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.skip(2);
                if depth == 0 {
                    return true;
                }
            } else if self.chars.next().is_none() {
                return false;
            }
        }
    }

    fn token(&mut self, tokens: &mut Vec<Token<'a>>) {
        let start = self.at();
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return };
        let mut ahead = rest.chars().skip(1);
        let (second, third) = (ahead.next(), ahead.next());
        let kind = match (first, second, third) {
            ('\'', ..) => return self.string(tokens, start, 1, self.escaping),
            ('e' | 'E', Some('\''), _) => return self.string(tokens, start, 2, true),
            ('n' | 'N', Some('\''), _) => return self.string(tokens, start, 2, self.escaping),
            ('b' | 'B' | 'x' | 'X', Some('\''), _) => return self.string(tokens, start, 2, false),
            ('u' | 'U', Some('&'), Some('\'')) => return self.string(tokens, start, 3, false),
            ('u' | 'U', Some('&'), Some('"')) => self.quoted(3, Kind::Unicode),
            ('"', ..) => self.quoted(1, Kind::Quoted),
            (c, ..) if is_name_start(c) => {
                self.skip_while(is_name);
                Kind::Word
            }
            ('0'..='9', ..) | ('.', Some('0'..='9'), _) => {
                self.number();
                Kind::Number
            }
            ('$', ..) => self.dollar(rest),
            _ => {
                self.skip(1);
                match first {
                    '(' | '[' => Kind::Open,
                    ')' | ']' => Kind::Close,
                    ';' => Kind::Semicolon,
                    ',' => Kind::Comma,
                    '.' => Kind::Dot,
                    '\\' => Kind::Backslash,
                    c if "~!@#^&|`?+-*/%<>=:".contains(c) => Kind::Operator,
                    _ => Kind::Broken,
                }
            }
        };
        self.push(tokens, kind, start);
    }

    /// A string and, after a line break, its continuations, to which the same escapes apply.
    fn string(&mut self, tokens: &mut Vec<Token<'a>>, start: usize, opening: usize, escapes: bool) {
        self.skip(opening);
        let mut start = start;
        loop {
            let ended = self.string_rest(escapes);
            self.push(tokens, if ended { Kind::String } else { Kind::Broken }, start);
            let Some(blanks) = self.continuation() else { return };
            self.skip(blanks);
            start = self.at();
            self.skip(1);
        }
    }

    /// The rest of a string after its opening quote; false where it never ends.
    fn string_rest(&mut self, escapes: bool) -> bool {
        while let Some((_, c)) = self.chars.next() {
            match c {
                '\\' if escapes => self.skip(1),
                '\'' if self.peek() == Some('\'') => self.skip(1),
                '\'' => return true,
                _ => {}
            }
        }
        false
    }

    /// How many characters lie between a string's end and the quote that continues it: white space with a line break
    /// in it, and `--` comments.
    fn continuation(&mut self) -> Option<usize> {
        let mut count = 0;
        let mut broken = false;
        let mut chars = self.rest().chars().peekable();
        loop {
            match chars.next()? {
                '\'' => return broken.then_some(count),
                c if is_space(c) => broken |= c == '\n' || c == '\r',
                '-' if chars.peek() == Some(&'-') => {
                    while chars.next_if(|c| *c != '\n' && *c != '\r').is_some() {
                        count += 1;
                    }
                }
                _ => return None,
            }
            count += 1;
        }
    }

    fn quoted(&mut self, opening: usize, kind: Kind) -> Kind {
        self.skip(opening);
        while let Some((_, c)) = self.chars.next() {
            match c {
                '"' if self.peek() == Some('"') => self.skip(1),
                '"' => return kind,
                _ => {}
            }
        }
        Kind::Broken
    }

    fn number(&mut self) {
        self.skip(1);
        loop {
            self.skip_while(is_name);
            // `1..2` is a range of PL/pgSQL, not a number.
            if !self.rest().starts_with('.') || self.rest().starts_with("..") {
                return;
            }
            self.skip(1);
        }
    }

    fn dollar(&mut self, rest: &str) -> Kind {
        let inner = rest.get(1..).unwrap_or_default();
        if inner.starts_with(|c: char| c.is_ascii_digit()) {
            self.skip(1);
            self.skip_while(is_name);
            return Kind::Parameter;
        }
        let tag = inner
            .find('$')
            .and_then(|end| inner.get(..end))
            .filter(|tag| tag.is_empty() || (tag.starts_with(is_name_start) && tag.chars().all(is_name)));
        let Some(tag) = tag else {
            self.skip(1);
            return Kind::Broken;
        };
        let fence = tag.len() + 2;
        let body = rest.get(fence..).unwrap_or_default();
        let closing = rest.get(..fence).unwrap_or_default();
        let (kind, length) = match body.find(closing) {
            Some(at) => (Kind::Dollar, fence + at + fence),
            None => (Kind::Broken, rest.len()),
        };
        self.skip(rest.get(..length).unwrap_or_default().chars().count());
        kind
    }
}

/// What Postgres takes for white space: nothing beyond ASCII.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
}

fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

fn is_name(c: char) -> bool {
    is_name_start(c) || c.is_ascii_digit() || c == '$'
}
