//! A bad declaration can't ship: what types don't say about `tools/*.json`, with file and JSON pointer.

mod answer;
mod bytes;
mod effect;
mod input;
mod places;
mod references;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::load::{Catalog, LoadError};
use super::publish::{published_problems, published_schema};
use super::tool::Tool;

/// Something wrong in a declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file in `tools/`.
    pub file: String,
    /// JSON pointer into it.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "tools/{}#{}: {}", self.file, self.pointer, self.message)
    }
}

/// Checks declarations (file names and texts, `common.json` among them) and returns what is wrong.
#[must_use]
pub fn lint(sources: &[(&str, &str)]) -> Vec<Problem> {
    let catalog = match Catalog::load(sources) {
        Ok(catalog) => catalog,
        Err(error) => return vec![load_problem(&error)],
    };
    let mut linter = Linter {
        problems: Vec::new(),
        file: String::new(),
        at: String::new(),
    };
    let mut tools = catalog.tools().iter();
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for tool in catalog.tools() {
        *names.entry(tool.name()).or_default() += 1;
    }
    let mut toolsets = BTreeSet::new();
    for ((file, text), toolset) in sources
        .iter()
        .filter(|(file, _)| *file != "common.json")
        .zip(catalog.toolsets())
    {
        linter.file = (*file).to_owned();
        linter.at = String::new();
        linter.require(
            toolsets.insert(toolset.name.clone()),
            "/toolset",
            "another file has this toolset",
        );
        linter.require(
            is_name(&toolset.name),
            "/toolset",
            "a name is ^[a-z][a-z0-9_]*$, at most 64 characters",
        );
        linter.require(!toolset.about.is_empty(), "/about", "say what the area is about");
        // The file was parsed above; how many tools it has tells which of the catalogue's are its own.
        let count = serde_json::from_str::<Value>(text)
            .ok()
            .and_then(|area| area.get("tools").and_then(Value::as_array).map(Vec::len))
            .unwrap_or_default();
        for index in 0..count {
            let Some(tool) = tools.next() else { break };
            linter.at = format!("/tools/{index}");
            linter.require(
                names.get(tool.name()) == Some(&1),
                "/name",
                "another tool has this name",
            );
            linter.tool(tool, &catalog);
        }
    }
    linter.problems
}

fn load_problem(error: &LoadError) -> Problem {
    let (file, message) = match error {
        LoadError::Parse { file, source } => (file.clone(), source.to_string()),
        LoadError::Reference { file, tool, reference } => {
            (file.clone(), format!("{tool}: `{reference}` is not in common.json"))
        }
    };
    Problem {
        file,
        pointer: String::new(),
        message,
    }
}

pub(super) struct Linter {
    problems: Vec<Problem>,
    file: String,
    at: String,
}

impl Linter {
    pub(super) fn require(&mut self, holds: bool, pointer: &str, message: impl Into<String>) {
        if !holds {
            self.problems.push(Problem {
                file: self.file.clone(),
                pointer: format!("{}{pointer}", self.at),
                message: message.into(),
            });
        }
    }

    fn tool(&mut self, tool: &Tool, catalog: &Catalog) {
        let declaration = &tool.declaration;
        self.require(
            is_name(&declaration.name),
            "/name",
            "a name is ^[a-z][a-z0-9_]*$, at most 64 characters",
        );
        self.require(!declaration.title.is_empty(), "/title", "a tool has a title");
        self.require(
            !declaration.description.is_empty(),
            "/description",
            "a tool has a description",
        );
        self.require(
            declaration.description.len() <= 1024,
            "/description",
            "over 1,024 bytes: clients cut there",
        );
        self.require(
            declaration.operation.iter().next().is_some() || declaration.workflow.is_some(),
            "/operation",
            "no operation is claimed",
        );
        self.input(tool);
        for (pointer, message) in published_problems(&published_schema(&tool.input)) {
            self.require(false, &format!("/input{pointer}"), message);
        }
        self.places(tool);
        self.effect(tool);
        self.references(tool, catalog);
        self.schemas(tool);
        self.answer(declaration);
        self.files(tool);
        self.bytes(tool, catalog);
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .chars()
            .all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_')
}
