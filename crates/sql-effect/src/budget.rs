//! How much SQL is read at once: one call mustn't hold up all others.
//!
//! Work is counted before it is done, in units of two to five nanoseconds of a release build on a small server. What
//! grows is the tokens and, where a statement nests or chains, the square of its depth: the parser hashes each part of
//! its tree with all parts below it.
//!
//! Measured over sixty worst inputs of 760 kB and 1.5 MB on two shared cores, the slowest call takes 0.6 s in a release
//! build; a debug build takes many times that. `INSERT`s of 30,000 rows of 5 values fit the budget, as do lists of 400,000
//! numbers and eight chains of 900 comparisons (`a = 1 OR …`). `tests/it/sql/bounds.rs` holds both sides.

use super::lex::{Kind, Token};

/// What the texts of one call may cost together.
const UNITS: u64 = 120_000_000;
/// What is lexed of them at all, in bytes.
const BYTES: usize = 3 << 19;

/// Why what is beyond the budget counts as not understood.
pub(super) const EXCEEDED: &str = "is more than is read at once, so what it does isn't known";

/// What a token costs.
const TOKEN: u64 = 250;
/// What a byte costs.
const BYTE: u64 = 2;
/// What a statement costs.
const STATEMENT: u64 = 3_000;
/// How deep a bracket nests what is in it: a query in brackets is a tree of several levels.
const BRACKET: u64 = 15;

/// What is left for the rest of a call.
pub(super) struct Budget {
    units: u64,
    bytes: usize,
}

impl Budget {
    /// The budget of a call.
    pub fn new() -> Self {
        Self {
            units: UNITS,
            bytes: BYTES,
        }
    }

    /// Takes what lexing a text costs; false where that is more than is left. Then nothing is left.
    pub fn lexes(&mut self, text: &str) -> bool {
        let left = self.bytes.checked_sub(text.len());
        self.bytes = left.unwrap_or_default();
        left.is_some()
    }

    /// Takes what parsing costs; false where that is more than is left. Then nothing is left.
    pub fn parses(&mut self, cost: u64) -> bool {
        let left = self.units.checked_sub(cost);
        self.units = left.unwrap_or_default();
        left.is_some()
    }

    /// Whether not even the shortest statement is parsed any more.
    pub fn is_spent(&self) -> bool {
        self.units < STATEMENT
    }
}

/// What parsing these tokens costs.
pub(super) fn cost(tokens: &[Token<'_>]) -> u64 {
    /// What stands between two brackets.
    #[derive(Default, Clone, Copy)]
    struct Group {
        tokens: u64,
        /// The tokens since the last comma or semicolon, which can chain.
        stretch: u64,
        longest: u64,
    }
    impl Group {
        fn cost(self) -> u64 {
            self.tokens.saturating_mul(self.longest.max(self.stretch) + BRACKET)
        }
    }
    let mut groups = vec![Group::default()];
    let mut units = STATEMENT;
    for token in tokens {
        units += TOKEN + BYTE * u64::try_from(token.text.len()).unwrap_or(u64::MAX);
        match token.kind {
            Kind::Open => groups.push(Group::default()),
            Kind::Close if groups.len() > 1 => {
                let inner = groups.pop().unwrap_or_default();
                units = units.saturating_add(inner.cost());
                if let Some(outer) = groups.last_mut() {
                    outer.tokens += inner.tokens;
                }
            }
            Kind::Comma | Kind::Semicolon => {
                if let Some(group) = groups.last_mut() {
                    group.longest = group.longest.max(group.stretch);
                    group.stretch = 0;
                }
            }
            _ => {}
        }
        if let Some(group) = groups.last_mut() {
            group.tokens += 1;
            group.stretch += 1;
        }
    }
    // Brackets that are never closed hold what the later ones do.
    let mut within = 0;
    for group in groups.iter().rev() {
        within += group.tokens;
        let whole = Group {
            tokens: within,
            ..*group
        };
        units = units.saturating_add(whole.cost());
    }
    units
}
