//! What is meant to differ from Neon's file, each with its reason: `tools/drift.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is meant to differ.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intended {
    /// Where facts come from, by a short name.
    pub sources: BTreeMap<String, Source>,
    /// Operations that no tool stands for.
    pub left_out: Vec<LeftOut>,
    /// Operations that tools stand for and the file doesn't have yet.
    pub newer: Vec<Newer>,
    /// Differences of tools, by reason.
    pub differences: Vec<Reason>,
}

/// A published package.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its name in the npm registry.
    pub package: String,
    /// The version that was read.
    pub version: String,
}

/// An operation that no tool stands for: it is deprecated, or not for the public.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// Its id.
    pub operation: String,
    /// Why.
    pub because: String,
    /// The source that says that it is deprecated, where the file doesn't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated_in: Option<String>,
}

/// An operation that is newer than the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Newer {
    /// Its id.
    pub operation: String,
    /// Which source has it.
    pub source: String,
}

/// A reason, and the differences that it explains.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// The reason.
    pub because: String,
    /// The source that the reason is read from, where it isn't our own choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What the report says of each, word for word: what it says otherwise is another difference.
    pub says: String,
    /// Where: tools, and for each the places.
    pub of: BTreeMap<String, Vec<String>>,
}

impl Intended {
    /// Reads what `tools/drift.json` holds.
    ///
    /// # Errors
    /// When it isn't that.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// What this build means to differ.
    ///
    /// # Errors
    /// When its file can't be read; a test sees to it that this doesn't happen.
    pub fn embedded() -> Result<Self, serde_json::Error> {
        Self::parse(include_str!("../../../tools/drift.json"))
    }
}
