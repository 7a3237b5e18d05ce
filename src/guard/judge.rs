//! From a declaration, arguments and facts to a verdict: what the call does, and whether it may run unasked.

use serde_json::{Map, Value};
use thiserror::Error;

use super::effect::Effect;
use super::permit::Permitted;
use crate::catalog::{Comparison, Escalation, Fact, Tool};
use crate::neon::{Method, Request};

/// What the guard wants to know before it can judge a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// The branch that the call acts on: default or protected?
    pub branch: bool,
    /// Whether one of that branch's computes runs.
    pub running: bool,
    /// The target's present state, for comparisons.
    pub present: bool,
    /// Whether the role that the call is about was inherited from a guarded branch.
    pub role: bool,
}

/// What was read from Neon about the target of a call, at the time of the call.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The branch that the call acts on; nothing when the call leaves it to Neon (which then takes the
    /// default branch).
    pub branch: Option<BranchFacts>,
    /// Neon's answer to a GET of the target.
    pub present: Option<Value>,
}

/// What matters about a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchFacts {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// It is the project's default branch.
    pub default: bool,
    /// It is protected.
    pub protected: bool,
    /// One of its computes runs.
    pub running: bool,
    /// The role that the call is about is on a default or protected branch that this one descends from, or that can't be
    /// told: a child inherits its parent's passwords, so this branch's secret may be that branch's too.
    pub inherits_secret: bool,
}

/// A judgement under way.
#[derive(Debug)]
pub enum Judgement<'a> {
    /// Declaration and arguments were enough.
    Done(Verdict),
    /// Facts decide.
    Looks(Pending<'a>),
}

/// A judgement that waits for facts.
#[derive(Debug)]
pub struct Pending<'a> {
    verdict: Verdict,
    needs: Needs,
    tool: &'a Tool,
    arguments: &'a Map<String, Value>,
}

/// What a call does, and whether a human must say yes to it first.
///
/// It holds for the method and route of the declaration that was judged, and gives a permit for no other.
#[derive(Debug, Clone)]
pub struct Verdict {
    effect: Effect,
    asks: bool,
    severe: bool,
    reasons: Vec<String>,
    method: Method,
    route: String,
}

/// No permit.
#[derive(Debug, Error)]
pub enum Refused {
    /// A human must say yes first.
    #[error("a human must say yes first")]
    Asks,
    /// The request isn't the one that was judged.
    #[error("the request isn't the one that was judged")]
    Other,
}

impl<'a> Judgement<'a> {
    /// Begins with what the declaration and the arguments say. Arguments are complete: what the operator
    /// fixed is filled in.
    #[must_use]
    pub fn begin(tool: &'a Tool, arguments: &'a Map<String, Value>) -> Self {
        let declaration = &tool.declaration;
        let mut verdict = Verdict {
            effect: declaration.effect,
            asks: declaration.effect.needs_consent(),
            severe: declaration.effect.needs_consent() && declaration.plan.as_ref().is_some_and(|plan| plan.severe),
            reasons: Vec::new(),
            method: declaration.method,
            route: declaration.path.clone(),
        };
        let mut needs = Needs::default();
        for escalation in declaration
            .escalate
            .iter()
            .filter(|escalation| fits(escalation.when.as_ref(), arguments))
        {
            let compares = escalation
                .lowers
                .as_ref()
                .is_some_and(|lowers| arguments.contains_key(&lowers.argument));
            match (escalation.facts.is_empty(), &escalation.lowers) {
                (true, None) => verdict.escalate(escalation),
                (true, Some(_)) => needs.present |= compares,
                (false, lowers) => {
                    if lowers.is_none() || compares {
                        needs.branch = true;
                        needs.running |= escalation.facts.contains(&Fact::Running);
                        needs.present |= compares;
                    }
                }
            }
        }
        needs.branch |= declaration.interrupts || declaration.reveals;
        // A role that the call makes has a password of its own; one that it names may have its parent's.
        needs.role = declaration.reveals && tool.property("role_name").is_some();
        // A call that asks anyway needs no more reasons.
        if verdict.asks || needs == Needs::default() {
            return Self::Done(verdict);
        }
        Self::Looks(Pending {
            verdict,
            needs,
            tool,
            arguments,
        })
    }
}

impl Pending<'_> {
    /// What to read from Neon.
    #[must_use]
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// Ends the judgement with what was read.
    #[must_use]
    pub fn with(self, facts: &Facts) -> Verdict {
        let Self {
            mut verdict,
            tool,
            arguments,
            ..
        } = self;
        let declaration = &tool.declaration;
        for escalation in &declaration.escalate {
            let holds = fits(escalation.when.as_ref(), arguments)
                && escalation
                    .lowers
                    .as_ref()
                    .is_none_or(|lowers| is_lower(lowers, arguments, facts))
                && (escalation.facts.is_empty() || escalation.facts.iter().any(|fact| is_fact(*fact, facts)));
            if holds {
                verdict.escalate(escalation);
            }
        }
        let guarded = match &facts.branch {
            Some(branch) => branch.default || branch.protected,
            // Left out means the default branch, whichever that is when Neon looks.
            None => true,
        };
        if guarded && (declaration.interrupts || declaration.reveals) {
            let branch = match &facts.branch {
                Some(branch) if branch.default => "the default branch",
                Some(_) => "a protected branch",
                None => "whichever branch is the default",
            };
            let what = if declaration.reveals {
                "hands over a secret of"
            } else {
                "drops live connections to"
            };
            verdict.asks = true;
            verdict.reasons.push(format!("{what} {branch}"));
        }
        if declaration.reveals && facts.branch.as_ref().is_some_and(|branch| branch.inherits_secret) {
            verdict.asks = true;
            verdict
                .reasons
                .push("hands over a password that may be inherited from a default or protected branch".to_owned());
        }
        verdict
    }
}

impl Verdict {
    /// What the call does.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// Whether a human must say yes first.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.asks
    }

    /// Whether the name of what is lost must be typed.
    #[must_use]
    pub fn severe(&self) -> bool {
        self.severe
    }

    /// Why the call does more than its declaration says by itself: each ends a sentence that begins
    /// with "because it …".
    #[must_use]
    pub fn reasons(&self) -> &[String] {
        &self.reasons
    }

    /// A permit for a request.
    ///
    /// # Errors
    /// When a human must say yes first, or when the request has another method or route than the
    /// declaration that was judged.
    pub fn permit(&self, request: Request) -> Result<Permitted<Request>, Refused> {
        if self.asks || self.effect.needs_consent() {
            return Err(Refused::Asks);
        }
        if request.method() != self.method || **request.route() != *self.route {
            return Err(Refused::Other);
        }
        Ok(Permitted::issue(request, self.effect))
    }

    fn escalate(&mut self, escalation: &Escalation) {
        self.effect = self.effect.max(escalation.effect);
        self.asks |= escalation.effect.needs_consent();
        self.severe |= escalation.severe;
        if !self.reasons.contains(&escalation.because) {
            self.reasons.push(escalation.because.clone());
        }
    }
}

/// Whether the arguments fit a schema. A schema that can't be compiled fits: caution wins.
pub(super) fn fits(schema: Option<&Map<String, Value>>, arguments: &Map<String, Value>) -> bool {
    let Some(schema) = schema else { return true };
    match jsonschema::draft202012::new(&Value::Object(schema.clone())) {
        Ok(validator) => validator.is_valid(&Value::Object(arguments.clone())),
        Err(_) => true,
    }
}

fn is_fact(fact: Fact, facts: &Facts) -> bool {
    // Not known means the default branch, and caution.
    facts.branch.as_ref().is_none_or(|branch| match fact {
        Fact::Default => branch.default,
        Fact::Protected => branch.protected,
        Fact::Running => branch.running,
    })
}

fn is_lower(comparison: &Comparison, arguments: &Map<String, Value>, facts: &Facts) -> bool {
    let limit = |value: f64| {
        if comparison.zero_is_unlimited && value == 0.0 {
            f64::INFINITY
        } else {
            value
        }
    };
    let Some(wanted) = arguments.get(&comparison.argument).and_then(Value::as_f64).map(limit) else {
        return false;
    };
    let present = facts
        .present
        .as_ref()
        .and_then(|present| present.pointer(&comparison.present))
        .and_then(Value::as_f64);
    match present.or(comparison.absent).map(limit) {
        Some(present) => wanted < present,
        None if comparison.zero_is_unlimited => wanted.is_finite(),
        // Nothing to compare with: caution.
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn comparison(zero_is_unlimited: bool) -> Comparison {
        Comparison {
            argument: "limit".into(),
            present: "/project/limit".into(),
            absent: None,
            zero_is_unlimited,
        }
    }

    fn lower(comparison: &Comparison, wanted: i64, present: Option<i64>) -> bool {
        let Value::Object(arguments) = json!({"limit": wanted}) else {
            return false;
        };
        let facts = Facts {
            branch: None,
            present: present.map(|present| json!({"project": {"limit": present}})),
        };
        is_lower(comparison, &arguments, &facts)
    }

    #[test]
    fn lowering_is_told_from_raising_and_zero_can_mean_no_limit() {
        assert!(lower(&comparison(false), 5, Some(6)));
        assert!(!lower(&comparison(false), 6, Some(6)));
        assert!(
            lower(&comparison(false), 5, None),
            "nothing to compare with is a reason to ask"
        );
        assert!(!lower(&comparison(true), 0, Some(6)), "from a limit to none");
        assert!(lower(&comparison(true), 6, Some(0)), "from no limit to one");
        assert!(lower(&comparison(true), 6, None));
    }
}
