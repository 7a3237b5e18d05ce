//! What people say for what the catalogue says: `tools/synonyms.json`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Deserialize;

use super::words::{is_empty, stem, stems, stems_as_they_stand};
use crate::catalog::load::{Catalog, LoadError};

/// The file, and its text as the binary carries it.
const FILE: (&str, &str) = ("synonyms.json", include_str!("../../../tools/synonyms.json"));

/// The words after which a project, a branch and the like say where, not what.
const PREPOSITIONS: [&str; 12] = [
    "in", "on", "for", "of", "from", "at", "to", "with", "inside", "under", "against", "by",
];

/// What things are in.
const CONTAINERS: [&str; 4] = ["branch", "project", "database", "organization"];

/// How many words back a preposition makes a container say where.
const REACH: usize = 4;

/// What a call does, as far as people's verbs tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Read,
    Create,
    Update,
    Delete,
    /// Anything else: starting, restoring, sending.
    Act,
}

impl Kind {
    pub(super) const ALL: [Self; 5] = [Self::Read, Self::Create, Self::Update, Self::Delete, Self::Act];
}

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// Things, and what people call them.
    concepts: BTreeMap<String, Vec<String>>,
    /// What is to be done, and how people say so.
    verbs: BTreeMap<Kind, Vec<String>>,
    /// What people ask for and nothing here does.
    absent: BTreeMap<String, Absent>,
    /// Of each tool, how people ask for it.
    tools: BTreeMap<String, Vec<String>>,
}

/// A task that no tool does.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Absent {
    /// A question is no request to change something: `which version is it` isn't `upgrade it`.
    pub(super) asks: Asks,
    /// How people ask for it.
    pub(super) requests: Vec<String>,
    /// Why there is none, and what to do in its place: sentences.
    pub(super) instead: String,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Asks {
    ToRead,
    ToChange,
}

/// Concepts and verbs by the stems of the words that mean them.
#[derive(Debug)]
pub(super) struct Synonyms {
    concepts: HashMap<Vec<String>, BTreeSet<String>>,
    verbs: HashMap<Vec<String>, BTreeSet<Kind>>,
    longest: usize,
    absent: BTreeMap<String, Absent>,
    tools: BTreeMap<String, Vec<String>>,
}

/// A word of a text, or a few that mean one thing together.
#[derive(Debug, Clone, Default)]
pub(super) struct Unit {
    /// Its stems, without those that say nothing.
    pub(super) own: Vec<String>,
    /// What it means.
    pub(super) concepts: BTreeSet<String>,
    /// What it asks to be done.
    pub(super) verbs: BTreeSet<Kind>,
    /// It says where, not what.
    pub(super) is_place: bool,
}

impl Synonyms {
    /// Those that the binary carries.
    pub(super) fn embedded() -> Result<Self, LoadError> {
        let (file, text) = FILE;
        let written: Written = serde_json::from_str(text).map_err(|source| LoadError::Parse {
            file: file.to_owned(),
            source,
        })?;
        let mut concepts: HashMap<Vec<String>, BTreeSet<String>> = HashMap::new();
        for (concept, words) in &written.concepts {
            for word in words.iter().chain([concept]) {
                // Told from a word by a sign that no word has.
                concepts
                    .entry(stems_as_they_stand(word))
                    .or_default()
                    .insert(format!("#{concept}"));
            }
        }
        let mut verbs: HashMap<Vec<String>, BTreeSet<Kind>> = HashMap::new();
        for (kind, words) in &written.verbs {
            for word in words {
                verbs.entry(stems_as_they_stand(word)).or_default().insert(*kind);
            }
        }
        let longest = concepts.keys().chain(verbs.keys()).map(Vec::len).max().unwrap_or(1);
        Ok(Self {
            concepts,
            verbs,
            longest,
            absent: written.absent,
            tools: written.tools,
        })
    }

    /// How people ask for a tool.
    pub(super) fn requests(&self, tool: &str) -> &[String] {
        self.tools.get(tool).map_or(&[], Vec::as_slice)
    }

    /// The tasks that no tool does.
    pub(super) fn absent(&self) -> impl Iterator<Item = &Absent> {
        self.absent.values()
    }

    /// What a text says, unit by unit: the longest words that mean something first.
    pub(super) fn units(&self, text: &str) -> Vec<Unit> {
        let stems = stems(text);
        let mut units = Vec::new();
        let mut at = 0;
        while let Some(rest) = stems.get(at..).filter(|rest| !rest.is_empty()) {
            let known = (1..=self.longest.min(rest.len())).rev().find_map(|length| {
                let key = rest.get(..length)?;
                (self.concepts.contains_key(key) || self.verbs.contains_key(key)).then_some(key)
            });
            let taken = known.unwrap_or(rest.get(..1).unwrap_or_default());
            let own: Vec<String> = taken.iter().filter(|stem| !is_empty(stem)).cloned().collect();
            if known.is_some() || !own.is_empty() {
                let concepts = self.concepts.get(taken).cloned().unwrap_or_default();
                let before = stems.get(at.saturating_sub(REACH)..at).unwrap_or_default();
                let is_container = concepts
                    .iter()
                    .any(|concept| CONTAINERS.contains(&concept.trim_start_matches('#')));
                units.push(Unit {
                    own,
                    is_place: is_container && before.iter().any(|word| PREPOSITIONS.contains(&word.as_str())),
                    verbs: self.verbs.get(taken).cloned().unwrap_or_default(),
                    concepts,
                });
            }
            at += taken.len().max(1);
        }
        units
    }
}

/// The words of a unit, and what they mean.
pub(super) fn features(unit: &Unit) -> impl Iterator<Item = &String> {
    unit.own.iter().chain(&unit.concepts)
}

/// What a unit of a name says: what it means, else its words, unless it is a verb.
pub(super) fn meaning(unit: &Unit) -> Vec<String> {
    match (unit.concepts.is_empty(), unit.verbs.is_empty()) {
        (false, _) => unit.concepts.iter().cloned().collect(),
        (true, true) => unit.own.clone(),
        (true, false) => Vec::new(),
    }
}

/// What tells the toolset: words, what they mean, and which follow each other.
pub(super) fn toolset_parts(units: &[Unit]) -> BTreeSet<String> {
    let label = |unit: &Unit| {
        let first = unit.concepts.first().or(unit.own.first());
        first.cloned().unwrap_or_default()
    };
    let pairs = units.iter().zip(units.iter().skip(1));
    let pairs = pairs.map(|(one, next)| format!("{} {}", label(one), label(next)));
    units.iter().flat_map(features).cloned().chain(pairs).collect()
}

/// Something that is wrong with the synonyms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tools/synonyms.json: {0}")]
pub struct SynonymProblem(String);

/// What is wrong with the synonyms that the binary carries, for that catalogue.
#[must_use]
pub fn synonym_problems(catalog: &Catalog) -> Vec<SynonymProblem> {
    let synonyms = match Synonyms::embedded() {
        Ok(synonyms) => synonyms,
        Err(error) => return vec![SynonymProblem(error.to_string())],
    };
    let mut problems = Vec::new();
    for tool in catalog.tools() {
        if synonyms.requests(tool.name()).is_empty() {
            problems.push(format!("/tools/{}: how do people ask for it?", tool.name()));
        }
    }
    for (name, requests) in &synonyms.tools {
        if catalog.tool(name).is_none() {
            problems.push(format!("/tools/{name}: there is no such tool"));
        }
        let mut said = BTreeSet::new();
        for request in requests {
            if !said.insert(request) {
                problems.push(format!("/tools/{name}: `{request}` stands there twice"));
            }
            if synonyms.units(request).is_empty() {
                problems.push(format!("/tools/{name}: `{request}` says nothing"));
            }
        }
    }
    for (task, absent) in &synonyms.absent {
        if absent.requests.len() < 2 || absent.requests.iter().any(|request| synonyms.units(request).is_empty()) {
            problems.push(format!(
                "/absent/{task}: how do people ask for it, in two ways at least?"
            ));
        }
        // What is Postgres's own begins so: `pg_dump`, `pg_cancel_backend`.
        let named = absent
            .instead
            .split(|character: char| !character.is_ascii_lowercase() && character != '_')
            .filter(|word| word.contains('_') && !word.starts_with("pg_"));
        for name in named.filter(|name| catalog.tool(name).is_none()) {
            problems.push(format!("/absent/{task}: there is no tool {name}"));
        }
    }
    if synonyms.concepts.keys().chain(synonyms.verbs.keys()).any(Vec::is_empty) {
        problems.push("a concept or a verb has an empty word".to_owned());
    }
    for kind in [Kind::Read, Kind::Create, Kind::Update, Kind::Delete] {
        if !synonyms.verbs.values().any(|kinds| kinds.contains(&kind)) {
            problems.push(format!("/verbs: none for {kind:?}"));
        }
    }
    for container in CONTAINERS {
        if !synonyms.concepts.contains_key(&vec![stem(container)]) {
            problems.push(format!("/concepts/{container}: it is wanted"));
        }
    }
    problems.into_iter().map(SynonymProblem).collect()
}
