//! What is said of calls, where not all of it is true of each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::catalog::condition::Condition;

/// A text that is said of every call, or sentences that are each said of those that they are true of.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Said {
    /// Of every call.
    Always(String),
    /// One after the other, with a blank between them.
    Sentences(Vec<Sentence>),
}

/// A sentence.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sentence {
    /// Its text.
    pub say: String,
    /// It is said only of calls whose arguments fit this JSON Schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Box<Condition>>,
}

impl Said {
    /// All texts, whatever they are said of.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let (always, sentences) = match self {
            Self::Always(text) => (Some(text.as_str()), &[][..]),
            Self::Sentences(sentences) => (None, sentences.as_slice()),
        };
        always
            .into_iter()
            .chain(sentences.iter().map(|sentence| sentence.say.as_str()))
    }

    /// The conditions, each with the number of its sentence.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = (usize, &Condition)> {
        let sentences = match self {
            Self::Always(_) => &[][..],
            Self::Sentences(sentences) => sentences.as_slice(),
        };
        let conditions = sentences.iter().map(|sentence| sentence.when.as_deref()).enumerate();
        conditions.filter_map(|(index, when)| Some((index, when?)))
    }

    /// What is said of a call with these arguments. A condition that can't be compiled is met, which the lints see to.
    #[must_use]
    pub fn of(&self, arguments: &Map<String, Value>) -> String {
        let sentences = match self {
            Self::Always(text) => return text.clone(),
            Self::Sentences(sentences) => sentences,
        };
        let is_true = |sentence: &&Sentence| {
            let when = sentence.when.as_ref();
            when.is_none_or(|when| when.fits(arguments).unwrap_or(true))
        };
        let said: Vec<&str> = sentences
            .iter()
            .filter(is_true)
            .map(|sentence| sentence.say.as_str())
            .collect();
        said.join(" ")
    }
}
