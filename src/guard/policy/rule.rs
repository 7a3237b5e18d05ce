//! What the policy decides about, and its decision.

use crate::catalog::{Effect, Tool};
use crate::guard::scopes::Scopes;

/// Why a call asks by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its effect.
    Effect,
    /// It drops connections.
    Interrupts,
    /// It hands over a secret.
    Reveals,
}

/// What the policy decides about.
#[derive(Debug)]
pub struct Occasion<'a> {
    /// The tool.
    pub tool: &'a Tool,
    /// What the call does.
    pub effect: Effect,
    /// Whether the name of what is lost must be typed.
    pub severe: bool,
    /// Why it asks by default; empty when it doesn't.
    pub causes: &'a [Cause],
}

/// The decision.
#[derive(Debug)]
pub enum Rule {
    /// It runs.
    Allow,
    /// A human must approve it first.
    RequireApproval,
    /// It doesn't run, whoever approves it.
    Deny(Denied),
}

/// A denial, for the agent and the log.
#[derive(Debug, Clone)]
pub struct Denied {
    /// The key of the policy that denies, dotted: `effects.destructive`, `tools.delete_project`, `caps.compute_cu`;
    /// `scope` where the caller lacks one.
    pub rule: String,
    /// What is denied and why.
    pub message: String,
    /// What the agent can do.
    pub next: String,
}

/// What an agent can do about a denial.
pub(super) const TELL: &str = "Tell the user: only the operator can change the policy.";

impl Denied {
    pub(super) fn new(rule: impl Into<String>, why: &str, next: &str) -> Self {
        Self {
            rule: rule.into(),
            message: format!("The operator's policy denies this call: {why}. Nothing was sent."),
            next: next.to_owned(),
        }
    }

    /// The denial of a call whose caller lacks these scopes: since the operator leaves them out, or since its token has them not.
    pub(super) fn scope(lacking: Scopes, is_operators: bool) -> Self {
        let names = lacking.text();
        Self {
            rule: "scope".to_owned(),
            message: format!(
                "This call needs scopes that its caller lacks: {}. Nothing was sent.",
                Self::lacking(lacking, is_operators)
            ),
            next: match is_operators {
                true => "Tell the user: the operator of this server bounds what they may do, and another token changes nothing.".to_owned(),
                false => format!("Tell the user: a token with {names} can be asked for where this one came from."),
            },
        }
    }

    /// Which scopes a caller lacks, and why.
    pub(super) fn lacking(lacking: Scopes, is_operators: bool) -> String {
        let names = lacking.text();
        match is_operators {
            true => format!("what the operator set up for this caller leaves out {names}"),
            false => format!("the token of this caller lacks {names}"),
        }
    }
}
