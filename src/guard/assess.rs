//! From a declaration, arguments and facts to an assessment: what the call does, and why a human may have to approve it.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::losses;
use super::policy::Cause;
use crate::catalog::Effect;
use crate::catalog::{Comparison, Condition, Escalation, Fact, Resource, Tool};
use crate::neon::sql::{Grade, Measured, Reaching, Unasked};
use crate::permit::JudgedTexts;

/// Why a statement outside of a transaction asks that evaluates what indexes hold.
const INDEX_CODE: &str = "builds indexes outside of a transaction, where nothing holds functions of the database's own, and its indexes, or what \
                          the statements make or run, call some or may";

/// Why statements ask that delete rows, however few.
const DELETES_PROTECTED: &str = "deletes rows on a protected branch";

/// What the guard wants to know before it can judge a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// The branch that the call acts on: default or protected?
    pub branch: bool,
    /// Whether one of that branch's computes runs.
    pub running: bool,
    /// The target's present state, for comparisons.
    pub present: bool,
    /// Whether the role that the call is about was inherited from a default or protected branch.
    pub role: bool,
    /// Whether that branch has children, without which it may be a throwaway.
    pub children: bool,
    /// Whether the session itself made what the call is about, minutes ago.
    pub made_here: bool,
}

/// What was read from Neon about the target of a call, at the time of the call.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The branch that the call acts on; nothing when the call leaves it to Neon (which then takes the
    /// default branch).
    pub branch: Option<BranchFacts>,
    /// Neon's answer to a GET of the target.
    pub present: Option<Value>,
    /// The session itself made what the call is about, minutes ago.
    pub made_here: bool,
}

/// What matters about a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchFacts {
    /// Its name.
    pub name: String,
    /// It is the project's default branch.
    pub default: bool,
    /// It is protected.
    pub protected: bool,
    /// One of its computes runs.
    pub running: bool,
    /// Neon will delete it anyway: it has an expiry, is neither default nor protected, and has no children.
    pub throwaway: bool,
    /// The role that the call is about is on a default or protected branch that this one descends from, or that can't be
    /// told: a child inherits its parent's passwords, so this branch's secret may be that branch's too.
    pub inherits_secret: bool,
}

/// What the statements of a call do: read from a parse of them, and in place of the declared effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementRisk {
    /// The most that one of them does.
    pub effect: Effect,
    /// The effect of one of them isn't bounded by the branch, so a human is asked on a throwaway branch too.
    pub leaves: bool,
    /// Why: each ends a sentence that begins with "because it …".
    pub reasons: Vec<String>,
    /// The statements, as they would be sent.
    pub texts: JudgedTexts,
    /// One of them deletes rows of what was there before, by its text or where it was tried.
    pub deletes: bool,
    /// They can be tried in a transaction that is rolled back: none acts outside of it.
    pub measurable: bool,
    /// One of them runs outside of a transaction and evaluates what indexes are made of: code of the database's own, if they call it.
    pub rebuilds_indexes: bool,
}

impl StatementRisk {
    /// What the statements do.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// The same, once it is known that the indexes that they build call code of the database's own, which nothing holds there.
    #[must_use]
    pub fn running_code(mut self) -> Self {
        self.effect = Effect::Destructive;
        self.reasons.insert(0, INDEX_CODE.to_owned());
        self
    }

    /// The same of statements that delete rows, once it is known that their branch is protected.
    #[must_use]
    pub fn on_protected(mut self) -> Self {
        self.effect = Effect::Destructive;
        self.reasons.push(DELETES_PROTECTED.to_owned());
        self
    }

    /// The same, once it is known that the statements reach a listed function under another name.
    #[must_use]
    pub fn reaching(self, reaching: &Reaching) -> Self {
        let destroys = reaching.grade >= Grade::Destroys;
        let mut reasons = vec![losses::reaching(reaching)];
        reasons.extend(self.reasons);
        Self {
            effect: self
                .effect
                .max(if destroys { Effect::Destructive } else { Effect::Write }),
            leaves: self.leaves || reaching.grade == Grade::Leaves,
            reasons,
            // What isn't seen here may act outside of a transaction.
            measurable: self.measurable && !destroys,
            ..self
        }
    }

    /// The same, once the measured commit has stopped the statements because they lose more than runs unasked.
    #[must_use]
    pub fn exceeding(self, measured: &Measured, unasked: impl Into<Unasked>) -> Self {
        let mut reasons = losses::reasons(measured, unasked.into());
        reasons.extend(
            self.reasons
                .into_iter()
                .filter(|reason| !reasons.contains(reason))
                .collect::<Vec<_>>(),
        );
        Self {
            effect: Effect::Destructive,
            reasons,
            deletes: self.deletes || measured.deletes(),
            ..self
        }
    }
}

/// A judgement under way.
#[derive(Debug)]
pub enum RiskAssessment<'a> {
    /// Declaration and arguments were enough.
    Done(Assessment),
    /// Facts decide.
    Looks(Pending<'a>),
}

/// A judgement that waits for facts.
#[derive(Debug)]
pub struct Pending<'a> {
    needs: Needs,
    tool: &'a Arc<Tool>,
    arguments: &'a Map<String, Value>,
    assessed: Option<StatementRisk>,
}

/// What a call does, and why a human must approve it first, if one must.
///
/// By itself it lets nothing through: the operator's policy rules over it ([`crate::guard::AwaitingApproval`],
/// [`crate::guard::AllowedCall`]).
#[derive(Debug, Clone)]
pub struct Assessment {
    effect: Effect,
    severe: bool,
    causes: Vec<Cause>,
    reasons: Vec<String>,
    summary: Option<String>,
    texts: JudgedTexts,
    /// It changes a branch by SQL, and the branch is protected.
    protected: bool,
    tool: Arc<Tool>,
}

impl<'a> RiskAssessment<'a> {
    /// Begins with what the declaration and the arguments say. Arguments are complete: what the operator
    /// fixed is filled in.
    #[must_use]
    pub fn begin(tool: &'a Arc<Tool>, arguments: &'a Map<String, Value>) -> Self {
        Self::begin_assessed(tool, arguments, None)
    }

    /// Begins with what the call's statements do, where it has some.
    #[must_use]
    pub fn begin_assessed(
        tool: &'a Arc<Tool>,
        arguments: &'a Map<String, Value>,
        assessed: Option<StatementRisk>,
    ) -> Self {
        let declaration = &tool.declaration;
        let mut raised = Raised::declared(tool, assessed.as_ref());
        let mut needs = Needs::default();
        for escalation in declaration
            .safety
            .escalate
            .iter()
            .filter(|escalation| fits(escalation.when.as_ref(), arguments))
        {
            // Whether that asks by itself is the branch's to say.
            needs.branch |= escalation.interrupts;
            needs.made_here |= escalation.unless_made_here;
            let compares = escalation
                .lowers
                .as_ref()
                .is_some_and(|lowers| arguments.contains_key(&lowers.argument));
            match (escalation.facts.is_empty(), &escalation.lowers) {
                (true, None) => raised.by(escalation),
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
        let reveals = declaration.safety.hands_over_a_secret(arguments);
        needs.branch |= declaration.safety.interrupts || (reveals && tool.is_about_a_branch());
        needs.made_here |= reveals && declaration.safety.made_here.is_some();
        // A role that the call makes, or gives another password, has one of its own; one that it names may have its parent's.
        needs.role = reveals && declaration.safety.effect == Effect::Read && tool.property("role_name").is_some();
        // On a protected branch no row is deleted unasked, by whoever the statements have do it.
        needs.branch |= changes_by_sql(tool, assessed.as_ref());
        if raised.effect == Effect::Destructive && acts_on_a_branch(tool) {
            // On a default or protected branch it is severe; on a throwaway nobody may have to be asked.
            needs.branch = true;
            needs.children = !raised.stays;
        }
        if needs == Needs::default() {
            return Self::Done(raised.assessment(tool, false));
        }
        Self::Looks(Pending {
            needs,
            tool,
            arguments,
            assessed,
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
    pub fn with(self, facts: &Facts) -> Assessment {
        let Self {
            tool,
            arguments,
            assessed,
            ..
        } = self;
        let declaration = &tool.declaration;
        let protected =
            changes_by_sql(tool, assessed.as_ref()) && facts.branch.as_ref().is_some_and(|branch| branch.protected);
        let assessed = assessed.map(|assessed| match protected && assessed.deletes {
            true => assessed.on_protected(),
            false => assessed,
        });
        let mut raised = Raised::declared(tool, assessed.as_ref());
        for escalation in &declaration.safety.escalate {
            let holds = !(escalation.unless_made_here && facts.made_here)
                && fits(escalation.when.as_ref(), arguments)
                && escalation
                    .lowers
                    .as_ref()
                    .is_none_or(|lowers| is_lower(lowers, arguments, facts))
                && (escalation.facts.is_empty() || escalation.facts.iter().any(|fact| is_fact(*fact, facts)));
            if holds {
                raised.by(escalation);
            }
        }
        let default_or_protected = match &facts.branch {
            Some(branch) => branch.default || branch.protected,
            // Left out means the default branch, whichever that is when Neon looks.
            None => true,
        };
        if default_or_protected && raised.effect == Effect::Destructive && acts_on_a_branch(tool) {
            raised.severe = true;
        }
        let interrupts = raised.interrupts;
        let throwaway = facts.branch.as_ref().is_some_and(|branch| branch.throwaway);
        let mut assessment = raised.assessment(tool, throwaway);
        assessment.protected = protected;
        let branch = match &facts.branch {
            Some(branch) if branch.default => "the default branch",
            Some(_) => "a protected branch",
            None if matches!(tool.target(), Some((_, Resource::Project))) => "the project's branches",
            None => "whichever branch is the default",
        };
        // What it made itself, it has the secret of.
        let reveals = declaration.safety.hands_over_a_secret(arguments) && !facts.made_here;
        if default_or_protected && reveals && tool.is_about_a_branch() {
            assessment.add(Cause::Reveals, format!("hands over a secret of {branch}"));
        }
        if default_or_protected && interrupts {
            assessment.add(Cause::Interrupts, format!("drops any live connections to {branch}"));
        }
        if reveals && facts.branch.as_ref().is_some_and(|branch| branch.inherits_secret) {
            assessment.add(
                Cause::Reveals,
                "hands over a password that may be inherited from a default or protected branch".to_owned(),
            );
        }
        assessment
    }
}

/// How far declaration and escalations raise a call.
struct Raised {
    effect: Effect,
    severe: bool,
    reasons: Vec<String>,
    /// What the first escalation that has one says of it.
    summary: Option<String>,
    /// Something in it asks on a throwaway branch too.
    stays: bool,
    /// It drops connections.
    interrupts: bool,
    texts: JudgedTexts,
}

impl Raised {
    fn declared(tool: &Tool, assessed: Option<&StatementRisk>) -> Self {
        let declaration = &tool.declaration;
        let effect = assessed.map_or(declaration.safety.effect, |assessed| assessed.effect);
        let asks = effect.needs_consent();
        Self {
            effect,
            severe: asks && declaration.safety.plan.as_ref().is_some_and(|plan| plan.severe),
            reasons: assessed.map(|assessed| assessed.reasons.clone()).unwrap_or_default(),
            summary: None,
            interrupts: declaration.safety.interrupts,
            texts: assessed.map(|assessed| assessed.texts.clone()).unwrap_or_default(),
            stays: asks
                && (assessed.is_some_and(|assessed| assessed.leaves)
                    || !(effect == Effect::Destructive && declaration.safety.free_on_throwaway)),
        }
    }

    fn by(&mut self, escalation: &Escalation) {
        self.effect = self.effect.max(escalation.effect);
        self.severe |= escalation.severe;
        self.interrupts |= escalation.interrupts;
        self.stays |= escalation.effect.needs_consent()
            && !(escalation.effect == Effect::Destructive && escalation.free_on_throwaway);
        if self.summary.is_none() {
            self.summary.clone_from(&escalation.summary);
        }
        if !self.reasons.contains(&escalation.because) {
            self.reasons.push(escalation.because.clone());
        }
    }

    fn assessment(self, tool: &Arc<Tool>, throwaway: bool) -> Assessment {
        let free = throwaway && !self.stays;
        let mut assessment = Assessment {
            effect: self.effect,
            severe: self.severe && !free,
            causes: if self.effect.needs_consent() && !free {
                vec![Cause::Effect]
            } else {
                Vec::new()
            },
            reasons: self.reasons,
            summary: self.summary,
            texts: self.texts,
            protected: false,
            tool: tool.clone(),
        };
        if tool.declaration.safety.reveals && !tool.is_about_a_branch() {
            // No fact about a branch can make such a secret harmless.
            assessment.add(
                Cause::Reveals,
                "hands over a secret that opens more than a branch".to_owned(),
            );
        }
        assessment
    }
}

/// Whether the call changes a branch by statements.
fn changes_by_sql(tool: &Tool, assessed: Option<&StatementRisk>) -> bool {
    assessed.is_some_and(|assessed| assessed.effect > Effect::Read) && acts_on_a_branch(tool)
}

/// Whether what the call acts on is a branch, or something on one.
fn acts_on_a_branch(tool: &Tool) -> bool {
    matches!(tool.target(), Some((_, Resource::Branch | Resource::Endpoint)))
}

impl Assessment {
    /// The tool that was judged.
    #[must_use]
    pub fn tool(&self) -> &Tool {
        &self.tool
    }

    /// What the call does.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// Why a human must approve the call first; empty when none must.
    #[must_use]
    pub fn causes(&self) -> &[Cause] {
        &self.causes
    }

    /// Whether a human must approve the call first, as long as no policy says otherwise.
    #[must_use]
    pub fn asks(&self) -> bool {
        !self.causes.is_empty()
    }

    /// Whether the name of what is lost must be typed.
    #[must_use]
    pub fn severe(&self) -> bool {
        self.severe
    }

    /// What would happen, where an escalation says it in place of the declaration.
    #[must_use]
    pub fn summary(&self) -> Option<&str> {
        self.summary.as_deref()
    }

    /// The same, where so little is lost that nobody has to type its name.
    #[must_use]
    pub fn lightened(self) -> Self {
        Self { severe: false, ..self }
    }

    /// Whether it was judged as one that runs functions of the database's own, unheld, by building indexes.
    #[must_use]
    pub fn runs_index_code(&self) -> bool {
        self.reasons().iter().any(|reason| reason == INDEX_CODE)
    }

    /// Why the call does more than its declaration says by itself: each ends a sentence that begins
    /// with "because it …".
    #[must_use]
    pub fn reasons(&self) -> &[String] {
        &self.reasons
    }

    /// Whether it changes a protected branch by SQL: no row is deleted there unasked.
    #[must_use]
    pub fn is_on_protected(&self) -> bool {
        self.protected
    }

    /// The statements that were judged: no others may be sent.
    pub(in crate::guard) fn texts(&self) -> &JudgedTexts {
        &self.texts
    }

    /// Whether the call may change something at Neon.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.effect != Effect::Read
    }

    /// Whether the audit log records the call: it changes something, asks, or hands over a secret.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.changes() || self.asks() || self.tool.declaration.safety.reveals
    }

    fn add(&mut self, cause: Cause, reason: String) {
        if !self.causes.contains(&cause) {
            self.causes.push(cause);
        }
        self.reasons.push(reason);
    }
}

/// Whether the arguments meet a condition. One that can't be compiled is met: caution wins.
pub(super) fn fits(condition: Option<&Condition>, arguments: &Map<String, Value>) -> bool {
    condition.is_none_or(|condition| condition.fits(arguments).unwrap_or(true))
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
            made_here: false,
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
