//! The proof that a text is one statement that only reads.

use super::{Mentions, Statement, StatementEffect, parse};

/// One statement that a parse has found to read. There is no other way to one than through the parser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading(String);

impl Reading {
    /// Proves a text; `None` where it isn't one reading statement.
    #[must_use]
    pub fn prove(text: &str) -> Option<Self> {
        match parse(text).only() {
            Some(statement) if statement.effect == StatementEffect::Read => Some(Self(statement.text.clone())),
            _ => None,
        }
    }

    /// Proves a statement that was parsed before.
    #[must_use]
    pub fn of(statement: &Statement) -> Option<Self> {
        (statement.effect == StatementEffect::Read).then(|| Self(statement.text.clone()))
    }

    /// The statement that shows the plan of a parsed one. With `analyze` the statement itself is run and measured: `None` where that
    /// could change something, and where a statement has no plan.
    #[must_use]
    pub fn explaining(statement: &Statement, analyze: bool) -> Option<Self> {
        if analyze && !statement.explain_analyze_ok {
            return None;
        }
        // What comes out is proven like anything else.
        Self::prove(&format!("{}{}", Self::explaining_words(analyze), statement.text))
    }

    /// What stands before a statement that is explained.
    #[must_use]
    pub fn explaining_words(analyze: bool) -> &'static str {
        if analyze {
            "EXPLAIN (ANALYZE, BUFFERS) "
        } else {
            "EXPLAIN (COSTS) "
        }
    }

    /// What it mentions.
    #[must_use]
    pub fn mentions(&self) -> Mentions {
        super::mentions::of(&self.0)
    }

    /// The statement.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }
}
