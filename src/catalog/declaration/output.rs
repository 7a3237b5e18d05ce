//! What comes back from a call.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::place::Place;
use super::request::Resource;
use super::said::Said;

/// What comes back: what the answer is, what is read after it, and what an agent gets of it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutputDeclaration {
    /// The answer has operations to wait for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits: bool,
    /// The answer is a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<Pages>,
    /// The tool whose answer tells whether this call's change happened, when its own was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// What is read after the answer and added to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adds: Option<Addition>,
    /// The parts that an agent uses next. Without it, everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
    /// Where figures over time stand in each item of the list, as a JSON pointer with `*` for every item: they become rows, without
    /// what is zero. In place of `keep`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figures: Option<String>,
    /// Fields of the list's items that are ids, and of what: each item gets the name beside it (`branch_name` beside `branch_id`), where
    /// the list that has the name can be read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, Resource>,
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
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flat: bool,
    /// The name for an answer that is a bare list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrap: Option<String>,
    /// What was done, as a sentence: `{argument}` stands for an argument, `{/pointer}` for a part of the answer, and of
    /// `[this|that]` the first is said where all that it names is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<Said>,
    /// What is said instead when Neon answers without a body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<String>,
    /// What is so now, read after the call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub state: Vec<StateDeclaration>,
    /// Texts that are added to the result by name, filled as `done` is: links that people open.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub also: BTreeMap<String, String>,
    /// The result says whose password it holds, and where the branch has it from.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub password_of_role: bool,
    /// What the answer is made of.
    #[serde(default, skip_serializing_if = "Content::is_json")]
    pub content: Content,
    /// The tool that gives a link to bytes that are too many for a result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

impl OutputDeclaration {
    /// What the name beside an id is called: `branch_name` beside `branch_id`.
    #[must_use]
    pub fn name_beside(id: &str) -> String {
        format!("{}_name", id.strip_suffix("_id").unwrap_or(id))
    }

    /// Whether a field is such a name, which Neon's answer doesn't have.
    #[must_use]
    pub fn adds_name(&self, field: &str) -> bool {
        self.names.keys().any(|id| Self::name_beside(id) == field)
    }
}

/// What is so after a call.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StateDeclaration {
    /// The reading tool.
    pub read: String,
    /// What of its answer is shown, by the name that it is shown under: JSON pointers.
    pub show: BTreeMap<String, String>,
}

/// What is read after an answer and added to the result, beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Addition {
    /// Which objects of two schemas differ, and what is lost where one becomes the other.
    SchemaSummary,
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
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub full_pages: bool,
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
