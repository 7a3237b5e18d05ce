//! Lints of where arguments go in the request.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Linter;
use crate::catalog::Effect;
use crate::catalog::declaration::{Declaration, Place, Resource};
use crate::catalog::publish::Tense;
use crate::catalog::tool::{Argument, Tool};
use crate::neon::Method;

impl Linter {
    pub(super) fn places(&mut self, tool: &Tool) {
        let declaration = &tool.declaration;
        for (name, place) in &declaration.request.bind {
            let pointer = format!("/request/bind/{name}");
            self.require(tool.declares(name), &pointer, "is no argument");
            self.require(!tool.placeholders.contains(name), &pointer, "is in the path already");
            self.place(declaration, place, &pointer);
        }
        for (index, constant) in declaration.request.set.iter().enumerate() {
            let pointer = format!("/request/set/{index}/at");
            self.require(constant.at != Place::Local, &pointer, "a constant goes somewhere");
            self.place(declaration, &constant.at, &pointer);
        }
        let required = tool.input.get("required").and_then(Value::as_array);
        let is_required =
            |name: &String| required.is_some_and(|required| required.iter().any(|required| required == name));
        for (index, name) in declaration.listing.advanced.iter().enumerate() {
            let pointer = format!("/listing/advanced/{index}");
            self.require(tool.property(name).is_some(), &pointer, "is no argument");
            self.require(!is_required(name), &pointer, "is required");
        }
        for name in declaration.request.resolve.keys() {
            let pointer = format!("/request/resolve/{name}");
            self.require(tool.declares(name), &pointer, "is no argument");
            self.require(
                !tool.placeholders.contains(name) || Resource::of_placeholder(name).is_none(),
                &pointer,
                "this placeholder is known by its name",
            );
        }
        for (index, reach) in declaration.safety.reaches.iter().enumerate() {
            for name in &reach.unless {
                let pointer = format!("/safety/reaches/{index}/unless");
                self.require(tool.declares(name), &pointer, format!("`{name}` is no argument"));
            }
        }
        let named = declaration.safety.names.keys().map(|name| (name, "/safety/names"));
        for (name, pointer) in named.chain(
            declaration
                .safety
                .renames_branch
                .iter()
                .map(|name| (name, "/safety/renames_branch")),
        ) {
            self.require(tool.declares(name), pointer, format!("`{name}` is no argument"));
        }
        for (name, value) in &declaration.request.defaults {
            let pointer = format!("/request/defaults/{name}");
            self.require(tool.declares(name), &pointer, "is no argument");
            self.require(!is_required(name), &pointer, "is required");
            self.require(
                declaration.safety.effect == Effect::Read,
                &pointer,
                "of what reads: a change has no argument that nobody gave",
            );
            let Some(schema) = tool.property(name) else { continue };
            let said = schema.get("description").and_then(Value::as_str);
            self.require(
                said.is_some_and(|text| text.contains("default")),
                &pointer,
                "the description says it",
            );
            // A time is written as people say it, which its schema doesn't take.
            let fits = Tense::of(schema).is_some() || jsonschema::is_valid(&Value::Object(schema.clone()), value);
            self.require(fits, &pointer, "doesn't fit the argument");
        }
        if let Some(name) = &declaration.request.default_branch {
            let names = tool.names(name) == Some(Argument::Resource(Resource::Branch));
            let fills = names && declaration.safety.effect == Effect::Read;
            self.require(
                fills,
                "/request/default_branch",
                "names the branch of a tool that reads: a change falls back to none",
            );
        }
        self.require(
            !declaration.request.default_database || tool.declares("database_name"),
            "/request/default_database",
            "is of a tool that takes `database_name`",
        );
        if declaration.listing.read_by.is_some() {
            let reads = declaration.least_effect() == Effect::Read && declaration.safety.effect > Effect::Read;
            self.require(
                reads,
                "/listing/read_by",
                "is of tools whose statements say what they do",
            );
        }
        let properties = tool.input.get("properties").and_then(Value::as_object);
        for name in properties
            .into_iter()
            .flat_map(Map::keys)
            .filter(|name| name.ends_with("_id"))
        {
            let schema = tool.property(name);
            let checked = schema.is_some_and(|schema| {
                schema.contains_key("pattern")
                    || schema.contains_key("format")
                    || schema.get("type") == Some(&Value::from("integer"))
            });
            let known = tool.names(name).is_some() || checked;
            self.require(
                known,
                &format!("/input/properties/{name}"),
                "an id has a pattern, or stands in resolve",
            );
        }
        if let Some(target) = &declaration.safety.target {
            let names = matches!(tool.names(target), Some(Argument::Resource(_)));
            self.require(
                names,
                "/safety/target",
                "names no project, branch, compute, snapshot or organization",
            );
        }
        if let Some(key) = &declaration.safety.spares_own_key {
            self.require(tool.declares(key), "/safety/spares_own_key", "is no argument");
        }
        let mut taken: BTreeMap<String, String> = BTreeMap::new();
        let arguments = tool.input.get("properties").and_then(Value::as_object);
        for name in arguments
            .into_iter()
            .flat_map(Map::keys)
            .filter(|name| !tool.placeholders.contains(name))
        {
            let place = tool.place(name);
            if place == Place::Local {
                continue;
            }
            if let Some(other) = taken.insert(place.to_string(), name.clone()) {
                self.require(
                    false,
                    &format!("/request/bind/{name}"),
                    format!("goes where `{other}` goes"),
                );
            }
        }
    }

    pub(super) fn place(&mut self, declaration: &Declaration, place: &Place, pointer: &str) {
        let body = matches!(place, Place::Body(_));
        self.require(
            !(body && declaration.request.method == Method::Get),
            pointer,
            "a GET has no body",
        );
    }
}
