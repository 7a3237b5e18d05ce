//! A tool as the rest of the program sees it: its declaration with everything looked up.

use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use super::declaration::{Declaration, FileSource, Named, Place, Resource, SHARED_ALIASES};
use crate::neon::Method;

/// A tool of the catalogue: its declaration, with references resolved and common arguments added.
#[derive(Debug)]
pub struct Tool {
    /// What the file says. Its `input` is moved out: [`Self::input`] is what it became.
    pub declaration: Declaration,
    /// The toolset that it belongs to.
    pub toolset: Arc<str>,
    /// The schema of the arguments, as published when nothing is fixed.
    pub input: Arc<Map<String, Value>>,
    /// The arguments that the loader added.
    pub injected: Vec<&'static str>,
    /// The arguments in the path, in its order.
    pub placeholders: Vec<String>,
    /// The compiled schema, once it was needed.
    pub validator: Validator,
}

/// A schema that is compiled when it is first needed.
#[derive(Debug, Clone, Default)]
pub struct Validator(OnceLock<Result<jsonschema::Validator, String>>);

impl Validator {
    /// The compiled schema.
    ///
    /// # Errors
    /// When it can't be compiled; the lints see to it that this doesn't happen.
    pub fn of(&self, schema: &Map<String, Value>) -> Result<&jsonschema::Validator, &str> {
        self.0
            .get_or_init(|| {
                jsonschema::draft202012::options()
                    .should_validate_formats(true)
                    .build(&Value::Object(schema.clone()))
                    .map_err(|error| error.to_string())
            })
            .as_ref()
            .map_err(String::as_str)
    }
}

/// What an argument that names something is, and so how it is checked before any request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// An id, or where the resource has names, a name.
    Resource(Resource),
    /// The id or the name of what is only an item of a list here.
    Item(Resource),
    /// A UUID.
    Uuid,
    /// A whole number.
    Integer,
    /// A name, which is one path segment whatever it holds.
    Name,
}

/// The names of the arguments that the loader adds.
pub(super) const INJECTED: [&str; 5] = ["limit", "cursor", "detail", "wait", "from_byte"];

impl Tool {
    /// The compiled schema of the arguments, where nothing is fixed.
    ///
    /// # Errors
    /// When it can't be compiled.
    pub fn validator(&self) -> Result<&jsonschema::Validator, &str> {
        self.validator.of(&self.input)
    }

    /// The tool's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.declaration.name
    }

    /// The schema of one argument.
    #[must_use]
    pub fn property(&self, argument: &str) -> Option<&Map<String, Value>> {
        property(&self.input, argument)
    }

    /// Whether an argument is one that is only ever written: a secret.
    #[must_use]
    pub fn is_write_only(&self, argument: &str) -> bool {
        self.property(argument).and_then(|schema| schema.get("writeOnly")) == Some(&Value::Bool(true))
    }

    /// Other names of arguments, each with the argument's own: the tool's before those of all.
    pub fn aliases(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = self.declaration.request.aliases.iter();
        own.map(|(alias, name)| (alias.as_str(), name.as_str()))
            .chain(SHARED_ALIASES)
    }

    /// What an argument names, if it names something.
    #[must_use]
    pub fn names(&self, argument: &str) -> Option<Argument> {
        if let Some(resource) = self.declaration.request.resolve.get(argument) {
            return Some(match resource.is_item() {
                true => Argument::Item(*resource),
                false => Argument::Resource(*resource),
            });
        }
        if !self.placeholders.iter().any(|placeholder| placeholder == argument) {
            let is_name = matches!(argument, "database_name" | "role_name" | "owner_name");
            return is_name.then_some(Argument::Name);
        }
        if let Some(resource) = Resource::of_placeholder(argument) {
            return Some(Argument::Resource(resource));
        }
        let schema = self.property(argument);
        let is =
            |key: &str, value: &str| schema.and_then(|schema| schema.get(key)).and_then(Value::as_str) == Some(value);
        Some(if is("type", "integer") {
            Argument::Integer
        } else if is("format", "uuid") {
            Argument::Uuid
        } else {
            Argument::Name
        })
    }

    /// Whether a call must give the argument, where nothing is fixed.
    #[must_use]
    pub fn requires(&self, argument: &str) -> bool {
        let required = self.input.get("required").and_then(Value::as_array);
        required.is_some_and(|names| names.iter().any(|name| name == argument))
    }

    /// The role or database that an argument names: by its own name, or where the declaration says so.
    #[must_use]
    pub fn names_in_postgres(&self, argument: &str) -> Option<Named> {
        match argument {
            "role_name" | "owner_name" | "db_anon_role" => Some(Named::Role),
            "database_name" | "db_name" => Some(Named::Database),
            _ => self.declaration.safety.names.get(argument).copied(),
        }
    }

    /// Whether it has an argument of that name.
    #[must_use]
    pub fn takes(&self, argument: &str) -> bool {
        let properties = self.input.get("properties").and_then(Value::as_object);
        properties.is_some_and(|properties| properties.contains_key(argument))
    }

    /// Whether a call says, or its declaration does, which branches it reaches: by a branch, a compute or a snapshot.
    #[must_use]
    pub fn reaches_branches(&self) -> bool {
        let properties = self.input.get("properties").and_then(Value::as_object);
        let mut names = properties.into_iter().flat_map(Map::keys);
        !self.declaration.safety.reaches.is_empty()
            || names.any(|argument| {
                let branches = [Resource::Branch, Resource::Endpoint, Resource::Snapshot];
                let named = self.names(argument);
                matches!(named, Some(Argument::Resource(resource) | Argument::Item(resource)) if branches.contains(&resource))
            })
    }

    /// Whether the tool can be about a branch or a compute. What it reveals is then a secret of that branch's.
    #[must_use]
    pub fn is_about_a_branch(&self) -> bool {
        let properties = self.input.get("properties").and_then(Value::as_object);
        properties.into_iter().flat_map(Map::keys).any(|argument| {
            matches!(
                self.names(argument),
                Some(Argument::Resource(Resource::Branch | Resource::Endpoint))
            )
        })
    }

    /// Where an argument goes when it isn't in the path.
    #[must_use]
    pub fn place(&self, argument: &str) -> Place {
        if let Some(place) = self.declaration.request.bind.get(argument) {
            return place.clone();
        }
        let is_file = |source: &FileSource| argument == source.path || argument == source.base64;
        if self.injected.contains(&argument) || self.declaration.request.body.files().any(|(_, source)| is_file(source))
        {
            return Place::Local;
        }
        match matches!(
            self.declaration.request.method,
            Method::Post | Method::Put | Method::Patch
        ) {
            true => Place::Body(format!("/{argument}")),
            false => Place::Query(argument.to_owned()),
        }
    }

    /// Whether the file itself declares the argument.
    #[must_use]
    pub fn declares(&self, argument: &str) -> bool {
        !self.injected.contains(&argument) && self.property(argument).is_some()
    }

    /// The argument that names what the call acts on, and what it is: the one declared, else the last
    /// id in the path.
    #[must_use]
    pub fn target(&self) -> Option<(&str, Resource)> {
        let resource = |argument: &str| match self.names(argument) {
            Some(Argument::Resource(resource)) => Some(resource),
            _ => None,
        };
        if let Some(argument) = &self.declaration.safety.target {
            return resource(argument).map(|resource| (argument.as_str(), resource));
        }
        self.placeholders
            .iter()
            .rev()
            .find_map(|argument| Some((argument.as_str(), resource(argument)?)))
    }
}

/// The schema of one property of an object schema.
pub(super) fn property<'a>(schema: &'a Map<String, Value>, name: &str) -> Option<&'a Map<String, Value>> {
    schema.get("properties")?.get(name)?.as_object()
}

/// The placeholders of a path template, in order.
pub(super) fn placeholders(path: &str) -> Vec<String> {
    path.split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .map(str::to_owned)
        .collect()
}
