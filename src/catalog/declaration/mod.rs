//! What a declaration in `tools/*.json` may say: the types that `tools/schema.json` is made from, a file for each group.

mod listing;
mod lookup;
mod output;
mod place;
mod plan;
mod refusal;
mod request;
mod safety;
mod said;
mod undo;
mod workflow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use listing::ListingDeclaration;
pub use lookup::{Deleted, Lookup};
pub use output::{Addition, Content, Keep, OutputDeclaration, Pages, StateDeclaration};
pub use place::Place;
pub use plan::{Pick, PlanDeclaration};
pub use refusal::{Finding, Moment, Refusal};
pub use request::{BodyForm, Constant, FileSource, RequestDeclaration, Resource, Rule, SHARED_ALIASES};
pub use safety::{Comparison, Escalation, Fact, Light, MadeHere, Named, Reach, Reached, SafetyCopy, SafetyDeclaration};
pub use said::Said;
pub use undo::{Former, Undo, UndoNever, UndoWay};
pub use workflow::{Workflow, WorkflowDeclaration};

use crate::catalog::Effect;
use crate::catalog::condition::Condition;
use crate::neon::Method;

/// One file of `tools/`: the tools of one area of the API.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Area {
    /// Where editors find the schema of this file: always `schema.json`.
    #[serde(rename = "$schema")]
    pub schema: String,
    /// The name that `--toolsets` takes.
    pub toolset: String,
    /// The area's name for people.
    pub title: String,
    /// What the area is about, in one sentence.
    pub about: String,
    /// The tools, in the order in which they are listed.
    pub tools: Vec<Declaration>,
}

/// One tool, whole: what it is called, what it takes and sends, what it does to the world, what comes back.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    /// The tool's name: `^[a-z][a-z0-9_]*$`, at most 64 characters.
    pub name: String,
    /// The name for people.
    pub title: String,
    /// What it does, what comes back and what to call next: at most 1,024 bytes.
    pub description: String,
    /// The API operation (or operations) that it stands for.
    pub operation: Operations,
    /// For a tool that is more than one request: what it is instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<WorkflowDeclaration>,
    /// The arguments: a JSON Schema 2020-12 of an object. `{"$ref": "common.json#/NAME"}` takes a
    /// schema from `tools/common.json`; keywords beside it win over those there.
    pub input: Map<String, Value>,
    /// What a call sends.
    pub request: RequestDeclaration,
    /// What a call does to the world, and what decides whether it may.
    pub safety: SafetyDeclaration,
    /// What comes back.
    pub output: OutputDeclaration,
    /// When the tool is listed, and how much of it.
    #[serde(default, skip_serializing_if = "ListingDeclaration::is_plain")]
    pub listing: ListingDeclaration,
}

impl Declaration {
    /// The workflow that the tool is, if it is one.
    #[must_use]
    pub fn workflow(&self) -> Option<Workflow> {
        self.workflow.as_ref().map(|workflow| workflow.name)
    }

    /// The argument with the SQL that decides what a call does.
    #[must_use]
    pub fn statements(&self) -> Option<&str> {
        self.workflow.as_ref()?.statements.as_deref()
    }

    /// The argument with the handle of what another tool prepared, which decides what a call does.
    #[must_use]
    pub fn completes(&self) -> Option<&str> {
        self.workflow.as_ref()?.completes.as_deref()
    }

    /// Whether the tool is a workflow that calls the other one as a step.
    #[must_use]
    pub fn may_call(&self, step: &str) -> bool {
        self.workflow.as_ref().is_some_and(|workflow| workflow.may_call(step))
    }

    /// Whether the tool is a workflow whose approval covers the other one, which it calls as a step.
    #[must_use]
    pub fn covers(&self, step: &str) -> bool {
        self.workflow.as_ref().is_some_and(|workflow| workflow.covers(step))
    }

    /// Whether a plain call requires approval: one with its required arguments alone, on a default branch. What SQL does is told by
    /// the SQL.
    #[must_use]
    pub fn plain_call_asks(&self) -> bool {
        if self.statements().is_some() || self.completes().is_some() {
            return false;
        }
        let none = Map::new();
        let always = |escalation: &Escalation| {
            let applies = |condition: &Condition| condition.fits(&none) == Some(true);
            escalation.effect.needs_consent()
                && escalation.lowers.is_none()
                && escalation.when.as_ref().is_none_or(applies)
        };
        let safety = &self.safety;
        safety.effect.needs_consent() || safety.reveals || safety.interrupts || safety.escalate.iter().any(always)
    }

    /// Whether some of the arguments that are offered have a call require approval that a plain one doesn't. What SQL does is told by the
    /// SQL.
    #[must_use]
    pub fn may_ask(&self, is_offered: impl Fn(&str) -> bool) -> bool {
        let can_apply = |when: &Condition| when.properties().iter().any(|name| is_offered(name));
        let raises = |escalation: &Escalation| {
            let applies = escalation.when.as_ref().is_none_or(can_apply);
            escalation.effect.needs_consent() && escalation.lowers.is_none() && applies
        };
        self.statements().is_none() && !self.plain_call_asks() && self.safety.escalate.iter().any(raises)
    }

    /// Whether repeating a call changes nothing more: what reads, sets values or takes something away does so by its method.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        self.request.method != Method::Post || self.safety.effect == Effect::Read || self.safety.idempotent
    }

    /// The least that a call can do: what statements do is theirs to say.
    #[must_use]
    pub fn least_effect(&self) -> Effect {
        match self.statements() {
            Some(_) => Effect::Read,
            None => self.safety.effect,
        }
    }
}

/// One operation id of the API, or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Operations {
    /// One.
    One(String),
    /// Several, for a tool that is more than one request.
    Many(Vec<String>),
}

impl Operations {
    /// The operation ids.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::One(id) => std::slice::from_ref(id).iter().map(String::as_str),
            Self::Many(ids) => ids.as_slice().iter().map(String::as_str),
        }
    }
}
