//! What a call does to the world, and what decides whether it may.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::plan::PlanDeclaration;
use super::refusal::{Finding, Moment, Refusal};
use super::undo::Undo;
use crate::catalog::Effect;
use crate::catalog::condition::Condition;

/// What a call does to the world: what the policy, the guard and the approver decide by, and how it is undone.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SafetyDeclaration {
    /// What a call does, before any escalation.
    pub effect: Effect,
    /// Why the effect differs from what the method or the API reference suggests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect_because: Option<String>,
    /// What raises the effect of a particular call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub escalate: Vec<Escalation>,
    /// The answer hands over a secret, which is what the tool is for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reveals: bool,
    /// A JSON Schema: calls whose arguments fit it hand over none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reveals_unless: Option<Condition>,
    /// How it is known that the session itself made what the call is about, minutes ago. Where the call hands over a secret, the
    /// session was handed that one when it made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_here: Option<MadeHere>,
    /// Live connections drop.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupts: bool,
    /// What it takes away is what sessions are in or logged in as: they end with it. Statements that take the same away end none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ends_sessions: bool,
    /// A workflow whose plain call destroys something, though nobody is asked about it: a hint for clients.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub destroys: bool,
    /// A POST that sets a state: repeating the call changes nothing more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub idempotent: bool,
    /// What is lost is on the branch alone: nobody is asked where that branch is a throwaway, which Neon deletes anyway.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub free_on_throwaway: bool,
    /// The call adds a branch, which the operator may have bounded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adds_branch: bool,
    /// How what the call destroys can be kept first, where the operator demands it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safety_copy: Option<SafetyCopy>,
    /// The argument that names what the call acts on, when it isn't the last id in the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What the call acts on (the last id in the path) can't be seen, for it is deleted or still somebody else's: only its
    /// id will do, for a name would find another one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub target_is_deleted: bool,
    /// Calls look at no other project than the one that the operator fixed, though they take none: such a tool is offered
    /// there too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stays_in_project: bool,
    /// Branches that a call reaches without naming them: bounds on branches hold for those, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reaches: Vec<Reach>,
    /// The argument with the name that the branch has from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renames_branch: Option<String>,
    /// Arguments that name a role or a database of Postgres under a name that doesn't say so: of what the call makes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, Named>,
    /// The argument that names an API key: the call is refused where that is the key that this server uses itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spares_own_key: Option<String>,
    /// What Neon would refuse anyway: nobody is asked about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refuse: Vec<Refusal>,
    /// Arguments that are times, with what they must be.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub moments: BTreeMap<String, Moment>,
    /// Where one of these is found, so little is lost that a click is enough, and no name is typed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub light: Vec<Light>,
    /// What a human is shown before the call may run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanDeclaration>,
    /// The way back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
}

impl SafetyDeclaration {
    /// Whether a call with these arguments hands over a secret. A condition that can't be compiled isn't met, which the lints see to.
    #[must_use]
    pub fn hands_over_a_secret(&self, arguments: &Map<String, Value>) -> bool {
        let unless = self.reveals_unless.as_ref();
        self.reveals && !unless.is_some_and(|unless| unless.fits(arguments).unwrap_or(false))
    }
}

/// A branch that a call reaches without naming it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reach {
    /// Which one.
    pub branch: Reached,
    /// Not where one of these arguments is given: they name the branch then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unless: Vec<String>,
}

/// Which branch a call reaches without naming it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reached {
    /// The project's default branch.
    Default,
    /// The parent of the branch that the call acts on.
    Parent,
    /// All branches of the project.
    Every,
    /// Those that the workflow chooses: each of its steps names one, and is held to the bounds by itself. Or Neon does, in a list of
    /// figures that has nothing of what is on them.
    Chosen,
}

/// Something of Postgres' own that has a name and no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Named {
    /// A role.
    Role,
    /// A database.
    Database,
}

/// How it is known that the session itself made what a call is about, minutes ago: its call of the tool that makes such things would be
/// undone with arguments that this call has, too, and Neon says the same of the thing as it did then. What a session brought back, it
/// didn't make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MadeHere {
    /// The tool that makes such a thing.
    pub by: String,
    /// The reading tool that shows the thing, where it isn't the plan's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<String>,
    /// JSON pointer to the value that stays what it was in the answer to the call that made it: the time at which it was made, or, where
    /// nothing may have changed since, changed.
    pub stamp: String,
}

/// Of what so little is lost that a click is enough. Every condition that is given must hold.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Light {
    /// What is found at Neon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finds: Option<Finding>,
    /// The session itself made the target minutes ago (`made_here`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub made_here: bool,
}

/// Raises the effect of a call. Every condition that is given must hold.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Escalation {
    /// A JSON Schema that the arguments fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// An argument is lower than the present value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lowers: Option<Comparison>,
    /// One of these is true of the branch that the call acts on, at the time of the call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Fact>,
    /// Not where the session itself made what the call is about, minutes ago (`made_here`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unless_made_here: bool,
    /// The effect that the call then has.
    pub effect: Effect,
    /// The plan asks for the name of what is lost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub severe: bool,
    /// What is lost is on the branch alone: nobody is asked where that branch is a throwaway.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub free_on_throwaway: bool,
    /// It drops connections: on a default or protected branch that asks whatever else is allowed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupts: bool,
    /// Why, as the end of a sentence that begins with "because it …".
    pub because: String,
    /// What would happen then, in place of the plan's summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

/// A comparison of an argument with what Neon has now.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// The argument.
    pub argument: String,
    /// JSON pointer to the present value, in the answer of a GET of the target
    /// (for a project `/project/…`, for a branch `/branch/…`, for a compute `/endpoint/…`).
    pub present: String,
    /// What the present value counts as when Neon gives none, or gives a zero that means "no limit".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent: Option<f64>,
    /// A zero means "no limit", on both sides.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub zero_is_unlimited: bool,
}

/// Something that is true or false of a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// It is the project's default branch.
    Default,
    /// It is protected.
    Protected,
    /// One of its computes is running.
    Running,
}

/// How what a call destroys can be kept first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SafetyCopy {
    /// A copy of the branch that the call acts on: a snapshot of a root branch, a child of any other.
    Branch,
    /// Neon keeps it itself, under the name in `preserve_under_name`.
    Preserve,
}
