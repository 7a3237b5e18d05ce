//! What a declaration in `tools/*.json` may say: the types that `tools/schema.json` is made from.

use super::condition::Condition;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::catalog::Effect;
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

/// One tool, whole: what it is called, what it sends, what it does to the world, what comes back.
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
    /// The HTTP method.
    pub method: Method,
    /// The path below the API's base, with `{placeholders}` that are arguments.
    pub path: String,
    /// For a tool that is more than one request: which of the server's workflows it is. Method and path then say what it is
    /// about, and are not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<Workflow>,
    /// The argument with the SQL that decides what a call does: its effect is the statements', and `effect` is the most that
    /// it can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statements: Option<String>,
    /// For a tool that completes what another one prepared: the argument with the handle. What was prepared decides what a call
    /// does, and `effect` is the most that it can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completes: Option<String>,
    /// What is read after the answer and added to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adds: Option<Addition>,
    /// The tools that a workflow calls as its steps and that a yes to the workflow's own call covers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
    /// The tools without which a workflow does nothing: where the operator excludes one, the workflow isn't offered either.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_steps: Vec<String>,
    /// The tools that a workflow calls beside those, as far as the operator doesn't exclude them. It calls no others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub optional_steps: Vec<String>,
    /// What a call does, before any escalation.
    pub effect: Effect,
    /// Why the effect differs from what the method or the API reference suggests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect_because: Option<String>,
    /// What raises the effect of a particular call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub escalate: Vec<Escalation>,
    /// The answer hands over a secret, which is what the tool is for.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reveals: bool,
    /// Live connections drop.
    #[serde(default, skip_serializing_if = "is_false")]
    pub interrupts: bool,
    /// What is lost is on the branch alone: nobody is asked where that branch is a throwaway, which Neon deletes anyway.
    #[serde(default, skip_serializing_if = "is_false")]
    pub free_on_throwaway: bool,
    /// The call adds a branch, which the operator may have bounded.
    #[serde(default, skip_serializing_if = "is_false")]
    pub adds_branch: bool,
    /// How what the call destroys can be kept first, where the operator demands it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safety_copy: Option<SafetyCopy>,
    /// The argument that names what the call acts on, when it isn't the last id in the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What the call acts on (the last id in the path) can't be seen, for it is deleted or still somebody else's: only its
    /// id will do, for a name would find another one.
    #[serde(default, skip_serializing_if = "is_false")]
    pub target_is_deleted: bool,
    /// Calls look at no other project than the one that the operator fixed, though they take none: such a tool is offered
    /// there too.
    #[serde(default, skip_serializing_if = "is_false")]
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
    /// The arguments: a JSON Schema 2020-12 of an object. `{"$ref": "common.json#/NAME"}` takes a
    /// schema from `tools/common.json`; keywords beside it win over those there.
    pub input: Map<String, Value>,
    /// Arguments that the daily work doesn't need: left out where the tool is listed only because it is a default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub advanced: Vec<String>,
    /// Arguments that are texts of many lines, where their schema doesn't say so by a `contentMediaType`: SQL and its values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
    /// Arguments outside the path that hold the id or the name of something.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resolve: BTreeMap<String, Resource>,
    /// Where an argument goes when the method doesn't say it: see [`Place`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bind: BTreeMap<String, Place>,
    /// Values that the request carries without being arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<Constant>,
    /// How the body is written.
    #[serde(default, skip_serializing_if = "BodyForm::is_json")]
    pub body: BodyForm,
    /// What the published schema can't say: checked after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// What a human is shown before the call may run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanDeclaration>,
    /// The way back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
    /// The answer has operations to wait for.
    #[serde(default, skip_serializing_if = "is_false")]
    pub waits: bool,
    /// The answer is a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<Pages>,
    /// The tool whose answer tells whether this call's change happened, when its own was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// What an agent gets of the answer.
    pub returns: Returns,
    /// Listed when no toolset is chosen.
    #[serde(default, skip_serializing_if = "is_false")]
    pub default: bool,
}

impl Declaration {
    /// Whether the tool is a workflow that calls the other one as a step.
    #[must_use]
    pub fn may_call(&self, step: &str) -> bool {
        let declared = self.required_steps.iter().chain(&self.optional_steps);
        self.workflow.is_some() && declared.into_iter().any(|name| name == step)
    }

    /// The least that a call can do: what statements do is theirs to say.
    #[must_use]
    pub fn least_effect(&self) -> Effect {
        match self.statements {
            Some(_) => Effect::Read,
            None => self.effect,
        }
    }
}

/// A workflow: what is more than one request, written in Rust (`src/workflows`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Workflow {
    /// One SQL statement.
    RunSql,
    /// Several, in one transaction.
    RunSqlTransaction,
    /// The plan of a statement.
    ExplainSqlStatement,
    /// Tables with their sizes.
    GetDatabaseTables,
    /// A table with its columns, keys, indexes and constraints.
    DescribeTableSchema,
    /// The statements that take the most time.
    ListSlowQueries,
    /// Why a database is slow.
    InspectDatabase,
    /// A branch that is deleted by itself.
    CreateThrowawayBranch,
    /// Those that there are.
    ListThrowawayBranches,
    /// Their end.
    DeleteThrowawayBranches,
    /// A branch as its parent is now.
    ResetFromParent,
    /// Statements tried on a throwaway branch, to be applied later.
    PrepareDatabaseMigration,
    /// Their application.
    CompleteDatabaseMigration,
    /// Changes that should make a query faster, tried and measured on a throwaway branch.
    PrepareQueryTuning,
    /// Their application.
    CompleteQueryTuning,
    /// Organizations, projects and branches by words.
    Search,
    /// One of them, whole.
    Fetch,
    /// What the documentation has.
    ListDocsResources,
    /// A page of it.
    GetDocResource,
}

impl Workflow {
    /// Whether it reads the documentation rather than Neon.
    #[must_use]
    pub fn reads_docs(self) -> bool {
        matches!(self, Self::ListDocsResources | Self::GetDocResource)
    }
}

/// What is read after an answer and added to the result, beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Addition {
    /// Which objects of two schemas differ, and what is lost where one becomes the other.
    SchemaSummary,
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

/// Something of Neon's that has an id. Where it has a name too, an argument takes either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// A project: id or name.
    Project,
    /// A branch: id or name.
    Branch,
    /// A compute endpoint: id or name.
    Endpoint,
    /// A snapshot: id.
    Snapshot,
    /// An organization: id.
    Organization,
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
    /// Those that the workflow chooses: each of its steps names one, and is held to the bounds by itself.
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
    /// The effect that the call then has.
    pub effect: Effect,
    /// The plan asks for the name of what is lost.
    #[serde(default, skip_serializing_if = "is_false")]
    pub severe: bool,
    /// What is lost is on the branch alone: nobody is asked where that branch is a throwaway.
    #[serde(default, skip_serializing_if = "is_false")]
    pub free_on_throwaway: bool,
    /// It drops connections: on a default or protected branch that asks whatever else is allowed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub interrupts: bool,
    /// Why, as the end of a sentence that begins with "because it …".
    pub because: String,
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
    #[serde(default, skip_serializing_if = "is_false")]
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

/// Where an argument goes: `query:/name`, `query-comma:/name` (a list joined by commas),
/// `body:/pointer`, or `local` (used here, not sent).
///
/// Without one, a placeholder goes into the path, an argument of a GET or DELETE into the query, and
/// one of another method into the body, as a field of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A query parameter; a list is repeated.
    Query(String),
    /// A query parameter; a list is joined by commas.
    QueryComma(String),
    /// A JSON pointer into the body; a number is an index of an array. Empty is the whole body.
    Body(String),
    /// Not sent.
    Local,
}

impl std::str::FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is no place: write query:/name, query-comma:/name, body:/pointer or local");
        if text == "local" {
            return Ok(Self::Local);
        }
        let (kind, pointer) = text.split_once(':').ok_or_else(wrong)?;
        let name = || {
            pointer
                .strip_prefix('/')
                .filter(|name| !name.is_empty() && !name.contains('/'))
                .map(str::to_owned)
                .ok_or_else(wrong)
        };
        match kind {
            "query" => Ok(Self::Query(name()?)),
            "query-comma" => Ok(Self::QueryComma(name()?)),
            "body" if pointer.is_empty() || pointer.starts_with('/') => Ok(Self::Body(pointer.to_owned())),
            _ => Err(wrong()),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Query(name) => write!(formatter, "query:/{name}"),
            Self::QueryComma(name) => write!(formatter, "query-comma:/{name}"),
            Self::Body(pointer) => write!(formatter, "body:{pointer}"),
            Self::Local => formatter.write_str("local"),
        }
    }
}

impl Serialize for Place {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Place {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Place".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Where an argument goes: query:/name, query-comma:/name (a list joined by commas), body:/pointer, or local (used here, not sent).",
            "type": "string",
            "pattern": "^(local|query(-comma)?:/[^/]+|body:(/.*)?)$"
        })
    }
}

/// A value that the request carries without being an argument.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    /// Where it goes.
    pub at: Place,
    /// What goes there.
    pub value: Value,
    /// Only when the arguments fit this JSON Schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
}

/// How a body is written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum BodyForm {
    /// JSON.
    #[default]
    Json,
    /// `multipart/form-data`: each top-level field of the body is a part, a text as it is, all else as JSON.
    Multipart {
        /// The parts that are files, by field.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        files: BTreeMap<String, FileSource>,
    },
}

impl BodyForm {
    fn is_json(&self) -> bool {
        *self == Self::Json
    }

    /// The parts that are files.
    pub fn files(&self) -> impl Iterator<Item = (&str, &FileSource)> {
        match self {
            Self::Json => None,
            Self::Multipart { files } => Some(files),
        }
        .into_iter()
        .flatten()
        .map(|(field, source)| (field.as_str(), source))
    }
}

/// Where a file in a body comes from: two arguments, of which a call gives at most one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSource {
    /// The argument that names a file in the folder that the operator allowed (`--files-dir`), 32 MiB at most.
    pub path: String,
    /// The argument that holds the file itself in base64, 64 KiB at most.
    pub base64: String,
    /// The name that it is sent under.
    pub name: String,
    /// Its media type.
    pub content_type: String,
    /// The bytes that it begins with, in hexadecimal: what doesn't is no such file, and isn't sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins: Option<String>,
}

/// A rule over the arguments that the published schema doesn't carry.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The arguments must fit this JSON Schema.
    pub schema: Condition,
    /// What is said when they don't.
    pub message: String,
}

/// What a human is shown before a call that needs a yes.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanDeclaration {
    /// What would happen, in a sentence; `{argument}` stands for an argument's value.
    pub summary: String,
    /// The reading tool whose answer shows what is at stake.
    pub read: String,
    /// Arguments of the reading tool that aren't required there, with the arguments of the call that they take.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, String>,
    /// Which item of a list in that answer is the one at stake: what follows is about that item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pick: Option<Pick>,
    /// What to call it where it is shown: "snapshot".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Which parts of that answer (or of the item) to show: JSON pointers.
    pub show: Vec<String>,
    /// Where, in that answer (or item), the id of the branch stands that is lost, when the declared `target` isn't given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_branch: Option<String>,
    /// The name of what is lost must be typed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub severe: bool,
}

/// One item of a list.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pick {
    /// JSON pointer to the list; empty when the answer is the list.
    pub list: String,
    /// The field that tells the items apart: its name, or a JSON pointer to it.
    pub field: String,
    /// The argument that the field equals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argument: Option<String>,
    /// The value that the field equals, where it isn't an argument's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
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

/// The way back from a call.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Undo {
    /// There is one.
    Way(UndoWay),
    /// There is none.
    Never(UndoNever),
}

/// A call that undoes the call.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UndoWay {
    /// The tool to call.
    pub tool: String,
    /// Its arguments: `{name}` stands for an argument of this call, `{/pointer}` for a part of its answer,
    /// `{before:/pointer}` for a part of what the plan read, `{before?:/pointer}` for one that may have been missing, without
    /// which the argument is left out. A text that is one such template takes the value as it is, whatever its type. Lists
    /// and objects are filled within.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, Value>,
    /// Arguments that go back to what they were: those of them that this call gives, with JSON pointers to their former
    /// values in what the plan read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub former: BTreeMap<String, String>,
    /// Only when the arguments of this call fit this JSON Schema; otherwise the note says what is left to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// How long it works, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within_seconds: Option<u64>,
    /// What does not come back, or what else is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Nothing undoes the call.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UndoNever {
    /// Why not, and what is left to do.
    pub never: String,
}

/// A list in an answer, and how to get the rest of it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pages {
    /// JSON pointer to the list in the answer; empty when the answer is the list.
    pub items: String,
    /// JSON pointer to the list in an answer of the other format, which has nothing at `items`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_items: Option<String>,
    /// Fields of the answer with lists beside it, which each page has in part: they are put together, and a page that
    /// has only those isn't the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
    /// JSON pointer to the cursor of the next page. Without one, Neon gives the whole list at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Where the cursor goes (`query:/cursor`, or `body:/cursor`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Place>,
    /// Where the page size goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Place>,
    /// The largest page that Neon gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// Every page but the last is full, so that a shorter one is the last, whatever cursor comes with it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub full_pages: bool,
}

/// What an agent gets of an answer.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Returns {
    /// The parts that an agent uses next. Without it, everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
    /// Secrets that are masked: JSON pointers, `*` for every item or value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mask: Vec<String>,
    /// Secrets that the tool is there to hand over: JSON pointers, `*` for every item or value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reveal: Vec<String>,
    /// Texts of Neon's own that always hold blanks and that no user can write: JSON pointers, `*` for every item or value. They
    /// aren't fenced as what others wrote is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixed: Vec<String>,
    /// Where the connection string stands that an argument `format: env` turns into the lines of an `.env` file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// A workflow's result stands beside `service`, not in `result`: some clients look for its fields there.
    #[serde(default, skip_serializing_if = "is_false")]
    pub flat: bool,
    /// The name for an answer that is a bare list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrap: Option<String>,
    /// What is said when Neon answers without a body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<String>,
    /// What the answer is made of.
    #[serde(default, skip_serializing_if = "Content::is_json")]
    pub content: Content,
    /// The tool that gives a link to bytes that are too many for a result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// What an answer is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// JSON, or nothing.
    #[default]
    Json,
    /// Bytes of somebody else's, 64 KiB at most: handed over as text, or else as base64.
    Bytes,
}

impl Content {
    fn is_json(&self) -> bool {
        *self == Self::Json
    }
}

/// A part of a JSON value. Lists are looked through: what is said of a list holds for each item.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Keep {
    /// `true`: all of it.
    All(bool),
    /// These fields, each whole.
    Fields(Vec<String>),
    /// These fields, each in part.
    Tree(BTreeMap<String, Keep>),
}

// serde asks for a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(value: &bool) -> bool {
    !*value
}
