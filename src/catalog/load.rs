//! Reading the declarations: parse, resolve references, add the common arguments.

use std::sync::Arc;

use serde_json::{Map, Value};
use thiserror::Error;

use super::declaration::{Area, Content, Declaration};
use super::tool::{Tool, Validator, placeholders};
use crate::neon::Method;

/// The files of `tools/`, as the binary carries them: the order is the order of the list.
const FILES: [(&str, &str); 27] = [
    ("projects.json", include_str!("../../tools/projects.json")),
    ("branches.json", include_str!("../../tools/branches.json")),
    ("computes.json", include_str!("../../tools/computes.json")),
    ("databases.json", include_str!("../../tools/databases.json")),
    ("roles.json", include_str!("../../tools/roles.json")),
    ("operations.json", include_str!("../../tools/operations.json")),
    ("snapshots.json", include_str!("../../tools/snapshots.json")),
    ("schemas.json", include_str!("../../tools/schemas.json")),
    ("sql.json", include_str!("../../tools/sql.json")),
    ("throwaway.json", include_str!("../../tools/throwaway.json")),
    ("search.json", include_str!("../../tools/search.json")),
    ("docs.json", include_str!("../../tools/docs.json")),
    ("organizations.json", include_str!("../../tools/organizations.json")),
    ("api_keys.json", include_str!("../../tools/api_keys.json")),
    ("buckets.json", include_str!("../../tools/buckets.json")),
    ("functions.json", include_str!("../../tools/functions.json")),
    ("triggers.json", include_str!("../../tools/triggers.json")),
    ("logs.json", include_str!("../../tools/logs.json")),
    ("custom_domains.json", include_str!("../../tools/custom_domains.json")),
    ("access.json", include_str!("../../tools/access.json")),
    ("vpc.json", include_str!("../../tools/vpc.json")),
    ("regions.json", include_str!("../../tools/regions.json")),
    ("auth.json", include_str!("../../tools/auth.json")),
    ("data_api.json", include_str!("../../tools/data_api.json")),
    ("anonymization.json", include_str!("../../tools/anonymization.json")),
    ("consumption.json", include_str!("../../tools/consumption.json")),
    ("credentials.json", include_str!("../../tools/credentials.json")),
];

/// The schemas that declarations share.
const COMMON: (&str, &str) = ("common.json", include_str!("../../tools/common.json"));

/// The declarations that the binary carries: file name and text. The last is `common.json`.
#[must_use]
pub fn sources() -> Vec<(&'static str, &'static str)> {
    FILES.into_iter().chain([COMMON]).collect()
}

/// Every tool that there is.
#[derive(Debug)]
pub struct Catalog {
    toolsets: Vec<Toolset>,
    tools: Vec<Arc<Tool>>,
}

/// A toolset: what `--toolsets` takes.
#[derive(Debug, Clone)]
pub struct Toolset {
    /// Its name.
    pub name: Arc<str>,
    /// Its name for people.
    pub title: String,
    /// What it is about.
    pub about: String,
}

/// A file of declarations that can't be used. It is a defect of the build that carries it.
#[derive(Debug, Error)]
pub enum LoadError {
    /// Not JSON, or not the JSON that a declaration is made of.
    #[error("tools/{file}: {source}")]
    Parse {
        /// The file.
        file: String,
        /// What is wrong, and where.
        source: serde_json::Error,
    },
    /// A `$ref` that leads nowhere.
    #[error("tools/{file}: {tool}: `{reference}` is not in common.json")]
    Reference {
        /// The file.
        file: String,
        /// The tool.
        tool: String,
        /// The reference.
        reference: String,
    },
}

impl Catalog {
    /// Loads the declarations that the binary carries.
    ///
    /// # Errors
    /// When one can't be parsed; the tests see to it that this doesn't happen.
    pub fn embedded() -> Result<Self, LoadError> {
        Self::load(&sources())
    }

    /// Loads declarations: file names and texts, of which `common.json` is the one that others refer to.
    ///
    /// # Errors
    /// When a text isn't a declaration, or refers to something that isn't there.
    pub fn load(sources: &[(&str, &str)]) -> Result<Self, LoadError> {
        let parse_error = |file: &str| {
            let file = file.to_owned();
            move |source| LoadError::Parse { file, source }
        };
        let mut common = Map::new();
        for (file, text) in sources.iter().filter(|(file, _)| *file == COMMON.0) {
            common = serde_json::from_str(text).map_err(parse_error(file))?;
        }
        let mut catalog = Self {
            toolsets: Vec::new(),
            tools: Vec::new(),
        };
        for (file, text) in sources.iter().filter(|(file, _)| *file != COMMON.0) {
            let area: Area = serde_json::from_str(text).map_err(parse_error(file))?;
            let toolset: Arc<str> = area.toolset.into();
            for declaration in area.tools {
                let tool =
                    resolve(declaration, &toolset, &common).map_err(|(tool, reference)| LoadError::Reference {
                        file: (*file).to_owned(),
                        tool,
                        reference,
                    })?;
                catalog.tools.push(Arc::new(tool));
            }
            catalog.toolsets.push(Toolset {
                name: toolset,
                title: area.title,
                about: area.about,
            });
        }
        Ok(catalog)
    }

    /// The tools, in the order in which they are listed.
    #[must_use]
    pub fn tools(&self) -> &[Arc<Tool>] {
        &self.tools
    }

    /// The toolsets, in the order in which they are listed.
    #[must_use]
    pub fn toolsets(&self) -> &[Toolset] {
        &self.toolsets
    }

    /// The tool of that name.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&Arc<Tool>> {
        self.tools.iter().find(|tool| tool.name() == name)
    }
}

/// The schema of the files in `tools/`, made from the types: `tools/schema.json` holds it.
#[must_use]
pub fn format_schema() -> Value {
    schemars::schema_for!(Area).to_value()
}

/// Looks up references and adds the common arguments. The error is the tool and the reference.
fn resolve(
    mut declaration: Declaration,
    toolset: &Arc<str>,
    common: &Map<String, Value>,
) -> Result<Tool, (String, String)> {
    let name = declaration.name.clone();
    let lost = |reference: String| (name.clone(), reference);
    let mut input = std::mem::take(&mut declaration.input);
    for value in input.values_mut() {
        references(value, common).map_err(lost)?;
    }
    let mut injected: Vec<&str> = Vec::new();
    if declaration.output.pages.is_some() {
        injected.extend(["limit", "cursor"]);
    }
    let is_reduced = declaration.output.keep.is_some() || declaration.output.figures.is_some();
    if is_reduced && declaration.request.method == Method::Get {
        injected.push("detail");
    }
    if declaration.output.waits {
        injected.push("wait");
    }
    if declaration.output.content == Content::Bytes {
        injected.push("from_byte");
    }
    let properties = input.entry("properties").or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(properties) = properties {
        // A file that declares one itself is a defect that the lints find: its own stays.
        injected.retain(|name| !properties.contains_key(*name));
        for name in &injected {
            let schema = common.get(*name).ok_or_else(|| lost((*name).to_owned()))?;
            properties.insert((*name).to_owned(), schema.clone());
        }
    }
    let placeholders = placeholders(&declaration.request.path);
    Ok(Tool {
        declaration,
        toolset: toolset.clone(),
        input: Arc::new(input),
        injected,
        placeholders,
        validator: Validator::default(),
    })
}

/// Replaces every `$ref` by what it refers to; keywords beside it win. The error is the reference that is lost.
fn references(value: &mut Value, common: &Map<String, Value>) -> Result<(), String> {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                let shared = reference
                    .strip_prefix("common.json#/")
                    .and_then(|name| common.get(name))
                    .and_then(Value::as_object)
                    .ok_or_else(|| reference.clone())?;
                let mut resolved = shared.clone();
                resolved.extend(std::mem::take(object).into_iter().filter(|(key, _)| key != "$ref"));
                *object = resolved;
            }
            object.values_mut().try_for_each(|value| references(value, common))
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| references(item, common)),
        _ => Ok(()),
    }
}
