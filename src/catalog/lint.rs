//! A bad declaration can't ship: what types don't say about `tools/*.json`, with file and JSON pointer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};

use super::declaration::{Declaration, Keep, Place, PlanDeclaration, Resource, SafetyCopy, Undo, UndoWay};
use super::load::{Catalog, LoadError};
use super::publish::{TIME, Tense, published_problems, published_schema};
use super::tool::{Argument, INJECTED, Tool, property, templates, templates_within};
use crate::catalog::Effect;
use crate::neon::Method;

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

    fn input(&mut self, tool: &Tool) {
        let input = &*tool.input;
        self.require(
            input.get("type") == Some(&Value::from("object")),
            "/input/type",
            "the arguments are an object",
        );
        self.require(
            input.get("additionalProperties") == Some(&Value::Bool(false)),
            "/input/additionalProperties",
            "must be false: unknown arguments are errors",
        );
        for key in ["anyOf", "oneOf", "allOf", "not", "if"] {
            self.require(
                !input.contains_key(key),
                &format!("/input/{key}"),
                "whole clients fail on this at the root: write a rule",
            );
        }
        let empty = Map::new();
        let properties = tool
            .input
            .get("properties")
            .and_then(Value::as_object)
            .unwrap_or(&empty);
        for (name, schema) in properties {
            let pointer = format!("/input/properties/{name}");
            let described = schema
                .get("description")
                .and_then(Value::as_str)
                .is_some_and(|text| !text.is_empty());
            self.require(described, &pointer, "an argument has a description");
            let is_time = matches!(schema.get("format").and_then(Value::as_str), Some("date-time" | "date"));
            let tense = schema.as_object().and_then(Tense::of);
            self.require(
                is_time == tense.is_some() && (is_time || schema.get(TIME).is_none()),
                &format!("{pointer}/{TIME}"),
                "what takes a time says whether a duration is meant in the past or the future, and nothing else does",
            );
            self.require(is_name(name), &pointer, "an argument is ^[a-z][a-z0-9_]*$");
            let injected = INJECTED.contains(&name.as_str()) && tool.declares(name);
            self.require(!injected, &pointer, "the loader adds this argument");
        }
        let required: Vec<&str> = tool
            .input
            .get("required")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        for name in &required {
            self.require(
                properties.contains_key(*name),
                "/input/required",
                format!("`{name}` is no property"),
            );
        }
        for segment in tool
            .declaration
            .request
            .path
            .split('/')
            .filter(|segment| segment.contains(['{', '}']))
        {
            let whole = segment.starts_with('{') && segment.ends_with('}');
            self.require(
                whole,
                "/request/path",
                format!("`{segment}`: a placeholder is a whole segment"),
            );
        }
        let mut seen = BTreeSet::new();
        for name in &tool.placeholders {
            self.require(
                seen.insert(name),
                "/request/path",
                format!("`{name}` stands in the path twice"),
            );
            self.require(
                properties.contains_key(name),
                "/request/path",
                format!("`{name}` is no argument"),
            );
            self.require(
                required.contains(&name.as_str()) || tool.declaration.request.fills_in(name),
                "/input/required",
                format!("`{name}` is in the path"),
            );
        }
    }

    fn places(&mut self, tool: &Tool) {
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
        for (index, name) in declaration.listing.advanced.iter().enumerate() {
            let pointer = format!("/listing/advanced/{index}");
            self.require(tool.property(name).is_some(), &pointer, "is no argument");
            let needed = required.is_some_and(|required| required.iter().any(|required| required == name));
            self.require(!needed, &pointer, "is required");
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
            !declaration.request.default_database || declaration.safety.effect == Effect::Read,
            "/request/default_database",
            "is of a tool that reads: a change falls back to none",
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

    fn place(&mut self, declaration: &Declaration, place: &Place, pointer: &str) {
        let body = matches!(place, Place::Body(_));
        self.require(
            !(body && declaration.request.method == Method::Get),
            pointer,
            "a GET has no body",
        );
    }

    fn effect(&mut self, tool: &Tool) {
        let declaration = &tool.declaration;
        let argued = declaration
            .safety
            .effect_because
            .as_ref()
            .is_some_and(|text| !text.is_empty());
        let changes = declaration.request.method != Method::Get;
        let reads = declaration.safety.effect == Effect::Read;
        self.require(
            changes != reads || argued,
            "/safety/effect",
            "a GET reads and nothing else does, or effect_because says why",
        );
        let deletes = declaration.request.method == Method::Delete;
        self.require(
            !deletes || declaration.safety.effect.needs_consent(),
            "/safety/effect",
            "a DELETE is destructive or access",
        );
        self.require(
            !declaration.output.waits || changes,
            "/output/waits",
            "a GET starts no operation",
        );
        self.require(
            !declaration.safety.interrupts || changes,
            "/safety/interrupts",
            "a GET drops no connection",
        );
        let branch = matches!(
            tool.target(),
            Some((_, Resource::Branch | Resource::Endpoint | Resource::Project))
        );
        let looks = declaration.safety.interrupts
            || (declaration.safety.reveals && tool.is_about_a_branch())
            || declaration
                .safety
                .escalate
                .iter()
                .any(|escalation| !escalation.facts.is_empty() || escalation.lowers.is_some());
        self.require(
            !looks || branch,
            "/safety/target",
            "the guard looks at a project, branch or compute: name it",
        );
        let on_a_branch = matches!(tool.target(), Some((_, Resource::Branch | Resource::Endpoint)));
        let destructive = declaration.safety.effect == Effect::Destructive;
        self.require(
            !declaration.safety.free_on_throwaway || (destructive && on_a_branch),
            "/safety/free_on_throwaway",
            "is about what is destroyed on a branch",
        );
        self.require(
            !declaration.safety.adds_branch || changes,
            "/safety/adds_branch",
            "a GET adds nothing",
        );
        let keeps = match declaration.safety.safety_copy {
            None => true,
            Some(SafetyCopy::Branch) => destructive && on_a_branch,
            Some(SafetyCopy::Preserve) => destructive && tool.declares("preserve_under_name"),
        };
        self.require(keeps, "/safety/safety_copy", "there is nothing that it could keep");
        for (index, escalation) in declaration.safety.escalate.iter().enumerate() {
            let pointer = format!("/safety/escalate/{index}");
            self.require(
                !escalation.free_on_throwaway || (escalation.effect == Effect::Destructive && on_a_branch),
                &format!("{pointer}/free_on_throwaway"),
                "is about what is destroyed on a branch",
            );
            let conditions = escalation.when.is_some() || escalation.lowers.is_some() || !escalation.facts.is_empty();
            self.require(conditions, &pointer, "has no condition");
            let raises = escalation.effect > declaration.safety.effect || escalation.severe;
            self.require(raises, &pointer, "raises nothing");
            self.require(!escalation.because.is_empty(), &pointer, "says no reason");
            if let Some(comparison) = &escalation.lowers {
                let known = tool.declares(&comparison.argument);
                self.require(known, &format!("{pointer}/lowers/argument"), "is no argument");
                let rooted = comparison.present.starts_with('/');
                self.require(rooted, &format!("{pointer}/lowers/present"), "is no JSON pointer");
            }
        }
        let asks = declaration.safety.effect.needs_consent()
            || declaration.safety.interrupts
            || declaration.safety.reveals
            || declaration
                .safety
                .escalate
                .iter()
                .any(|escalation| escalation.effect.needs_consent());
        self.require(
            !asks || declaration.safety.plan.is_some(),
            "/safety/plan",
            "a call that may ask has a plan",
        );
        self.require(
            !changes || reads || declaration.safety.undo.is_some(),
            "/safety/undo",
            "a change has a way back, or says that it has none",
        );
        self.require(
            !changes || reads || declaration.output.check.is_some() || declaration.workflow.is_some(),
            "/output/check",
            "a change names the tool that tells whether it happened",
        );
        self.require(
            !changes || reads || declaration.output.done.is_some() || declaration.workflow.is_some(),
            "/output/done",
            "a change says what was done",
        );
        let reveals = !declaration.output.reveal.is_empty();
        self.require(
            reveals == declaration.safety.reveals,
            "/output/reveal",
            "safety.reveals and output.reveal go together",
        );
    }

    fn references(&mut self, tool: &Tool, catalog: &Catalog) {
        let declaration = &tool.declaration;
        let reader = |name: &str| {
            catalog
                .tool(name)
                .is_some_and(|tool| tool.declaration.safety.effect == Effect::Read && !tool.declaration.safety.reveals)
        };
        if let Some(plan) = &declaration.safety.plan {
            self.require(reader(&plan.read), "/safety/plan/read", "is no reading tool");
            self.require(!plan.show.is_empty(), "/safety/plan/show", "shows nothing");
            self.pointers(&plan.show, "/safety/plan/show");
            self.plan(tool, plan, catalog);
            self.summary(tool, &plan.summary, "/safety/plan/summary");
        }
        for (index, escalation) in declaration.safety.escalate.iter().enumerate() {
            if let Some(summary) = &escalation.summary {
                self.summary(tool, summary, &format!("/safety/escalate/{index}/summary"));
            }
        }
        self.refusals(tool, catalog, &reader);
        if let Some(check) = &declaration.output.check {
            self.require(reader(check), "/output/check", "is no reading tool");
        }
        if let Some(state) = &declaration.output.state {
            self.require(reader(&state.read), "/output/state/read", "is no reading tool");
        }
        let filled = declaration.output.done.iter().chain(declaration.output.also.values());
        for name in filled
            .flat_map(|text| templates(text))
            .filter(|name| !name.starts_with('/'))
        {
            self.require(
                tool.declares(name),
                "/output/done",
                format!("`{{{name}}}` is no argument"),
            );
        }
        let Some(Undo::Way(way)) = &declaration.safety.undo else {
            return;
        };
        let Some(undo) = catalog.tool(&way.tool) else {
            self.require(false, "/safety/undo/tool", "is no tool");
            return;
        };
        for (name, value) in &way.arguments {
            let pointer = format!("/safety/undo/arguments/{name}");
            self.require(
                property(&undo.input, name).is_some(),
                &pointer,
                "is no argument of that tool",
            );
            for template in templates_within(value)
                .into_iter()
                .filter(|template| !template.starts_with('/'))
            {
                let before = template
                    .strip_prefix("before:")
                    .or_else(|| template.strip_prefix("before?:"));
                let known = match before {
                    Some(before) => before.starts_with('/') && declaration.safety.plan.is_some(),
                    None => tool.declares(template),
                };
                self.require(
                    known,
                    &pointer,
                    format!("`{{{template}}}` is no argument, nor a part of what the plan reads"),
                );
            }
        }
        for (name, former) in &way.former {
            let pointer = format!("/safety/undo/former/{name}");
            let both = tool.declares(name) && property(&undo.input, name).is_some();
            self.require(both, &pointer, "is no argument of both tools");
            let known = former.pointer().starts_with('/') && declaration.safety.plan.is_some();
            self.require(known, &pointer, "is no part of what the plan reads");
        }
        let required = undo
            .input
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        for name in required.filter_map(Value::as_str) {
            self.require(
                way.arguments.contains_key(name) || way.former.contains_key(name),
                "/safety/undo/arguments",
                format!("`{name}` is required"),
            );
        }
    }

    /// A summary names arguments, and those that may be left out stand in brackets.
    fn summary(&mut self, tool: &Tool, summary: &str, pointer: &str) {
        for name in templates(summary) {
            self.require(tool.declares(name), pointer, format!("`{{{name}}}` is no argument"));
        }
        let outside: String = summary
            .split('[')
            .map(|part| part.split_once(']').map_or(part, |(_, after)| after))
            .collect();
        let conditional = pointer.contains("/escalate/");
        for name in templates(&outside).filter(|_| !conditional) {
            let required = tool.input.get("required").and_then(Value::as_array);
            let required = required.is_some_and(|names| names.iter().any(|one| one == name));
            // What is filled in before anything is planned is there, too.
            let filled = tool.declaration.request.fills_in(name);
            self.require(
                required || filled,
                pointer,
                format!("`{{{name}}}` may be left out: put it in brackets"),
            );
        }
    }

    /// What is found out before a human is asked can be read, and its advice names tools that there are.
    fn refusals(&mut self, tool: &Tool, catalog: &Catalog, reader: &dyn Fn(&str) -> bool) {
        let safety = &tool.declaration.safety;
        let refused = safety.refuse.iter().enumerate();
        let refused = refused.map(|(index, refusal)| (format!("/safety/refuse/{index}"), refusal.finds.as_ref()));
        let light = safety.light.iter().enumerate();
        let light = light.map(|(index, light)| (format!("/safety/light/{index}"), light.finds.as_ref()));
        let findings: Vec<_> = refused.chain(light).collect();
        for (pointer, finding) in findings {
            let Some(finding) = finding else { continue };
            let pointer = format!("{pointer}/finds");
            let read = finding.read.as_deref();
            self.require(read.is_none_or(reader), &pointer, "is no reading tool");
            let pointers = finding.list.iter().chain(&finding.field);
            let rooted = pointers.into_iter().all(|one| one.is_empty() || one.starts_with('/'));
            self.require(rooted, &pointer, "has no JSON pointer");
            self.require(
                finding.field.is_some() == finding.argument.is_some(),
                &pointer,
                "a field equals an argument",
            );
            let own = finding.argument.iter().chain(finding.with.values());
            let known = own.into_iter().all(|name| tool.declares(name));
            self.require(known, &pointer, "names no argument");
        }
        for (index, refusal) in safety.refuse.iter().enumerate() {
            let words = refusal.next.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            for word in words.filter(|word| word.contains('_')) {
                let argument = catalog.tools().iter().any(|tool| tool.property(word).is_some());
                let known = catalog.tool(word).is_some() || argument || word == "restore_status";
                self.require(
                    known,
                    &format!("/safety/refuse/{index}/next"),
                    format!("`{word}` is no tool"),
                );
            }
        }
        for name in safety.moments.keys() {
            self.require(
                tool.declares(name),
                "/safety/moments",
                format!("`{name}` is no argument"),
            );
        }
    }

    /// A plan can be read with the arguments that the call has.
    fn plan(&mut self, tool: &Tool, plan: &PlanDeclaration, catalog: &Catalog) {
        if let Some(reader) = catalog.tool(&plan.read) {
            let required = reader.input.get("required").and_then(Value::as_array);
            for name in required.into_iter().flatten().filter_map(Value::as_str) {
                self.require(
                    tool.declares(name),
                    "/safety/plan/read",
                    format!("needs `{name}`, which the call doesn't have"),
                );
            }
        }
        for (theirs, ours) in &plan.with {
            let pointer = format!("/safety/plan/with/{theirs}");
            let known = catalog.tool(&plan.read).is_some_and(|reader| reader.declares(theirs));
            self.require(known, &pointer, "is no argument of the reading tool");
            self.require(tool.declares(ours), &pointer, format!("`{ours}` is no argument"));
        }
        if let Some(pick) = &plan.pick {
            let rooted = pick.list.is_empty() || pick.list.starts_with('/');
            self.require(rooted, "/safety/plan/pick/list", "is no JSON pointer");
            let one = match (&pick.argument, &pick.value) {
                (Some(argument), None) => tool.declares(argument),
                (None, Some(_)) => true,
                _ => false,
            };
            self.require(
                one,
                "/safety/plan/pick",
                "an item is picked by an argument of the call or by a value",
            );
        }
        if let Some(pointer) = &plan.lost_branch {
            self.require(
                pointer.starts_with('/'),
                "/safety/plan/lost_branch",
                "is no JSON pointer",
            );
        }
    }

    fn schemas(&mut self, tool: &Tool) {
        let declaration = &tool.declaration;
        if let Some(Undo::Way(UndoWay { when: Some(schema), .. })) = &declaration.safety.undo {
            self.schema(schema, "/safety/undo/when");
        }
        for (index, rule) in declaration.request.rules.iter().enumerate() {
            self.schema(&rule.schema, &format!("/request/rules/{index}/schema"));
            self.require(
                !rule.message.is_empty(),
                &format!("/request/rules/{index}/message"),
                "says nothing",
            );
        }
        for (index, escalation) in declaration.safety.escalate.iter().enumerate() {
            if let Some(schema) = &escalation.when {
                self.schema(schema, &format!("/safety/escalate/{index}/when"));
            }
        }
        for (index, constant) in declaration.request.set.iter().enumerate() {
            if let Some(schema) = &constant.when {
                self.schema(schema, &format!("/request/set/{index}/when"));
            }
        }
        self.schema(&tool.input, "/input");
    }

    fn schema(&mut self, schema: &Map<String, Value>, pointer: &str) {
        let schema = Value::Object(schema.clone());
        if let Err(error) = jsonschema::draft202012::meta::validate(&schema) {
            self.require(false, &format!("{pointer}{}", error.instance_path()), error.to_string());
        }
    }

    fn answer(&mut self, declaration: &Declaration) {
        let output = &declaration.output;
        self.pointers(&output.mask, "/output/mask");
        self.pointers(&output.reveal, "/output/reveal");
        self.pointers(&output.fixed, "/output/fixed");
        if let Some(keep) = &output.keep {
            self.keep(keep, "/output/keep");
        }
        let takes_format = declaration.request.bind.get("format") == Some(&Place::Local);
        self.require(
            output
                .env
                .as_ref()
                .is_none_or(|pointer| takes_format && output.reveal.contains(pointer)),
            "/output/env",
            "is about a connection string that is revealed, and `format` is local",
        );
        self.require(
            !output.flat || declaration.workflow.is_some(),
            "/output/flat",
            "is about a workflow's result",
        );
        self.require(
            !declaration.safety.stays_in_project || declaration.workflow.is_some(),
            "/safety/stays_in_project",
            "only a workflow can see to it",
        );
        let Some(pages) = &declaration.output.pages else { return };
        let rooted = pages.items.is_empty() || pages.items.starts_with('/');
        self.require(rooted, "/output/pages/items", "is no JSON pointer");
        self.require(
            pages.items.is_empty() == output.wrap.is_some(),
            "/output/wrap",
            "a bare list needs a name, nothing else does",
        );
        self.require(
            pages.next.is_some() == pages.cursor.is_some(),
            "/output/pages",
            "next and cursor go together",
        );
        self.require(
            pages.beside.is_empty() || pages.next.is_some(),
            "/output/pages/beside",
            "is about lists that come in pages",
        );
        self.require(
            pages.limit.is_some() == pages.max.is_some(),
            "/output/pages",
            "limit and max go together",
        );
        for (place, name) in [(&pages.cursor, "cursor"), (&pages.limit, "limit")] {
            if let Some(place) = place {
                self.require(*place != Place::Local, &format!("/output/pages/{name}"), "goes nowhere");
                self.place(declaration, place, &format!("/output/pages/{name}"));
            }
        }
    }

    fn keep(&mut self, keep: &Keep, pointer: &str) {
        match keep {
            Keep::All(all) => self.require(*all, pointer, "keeps nothing: leave it out"),
            Keep::Fields(fields) => self.require(!fields.is_empty(), pointer, "keeps nothing: leave it out"),
            Keep::Tree(tree) => {
                self.require(!tree.is_empty(), pointer, "keeps nothing: leave it out");
                for (name, keep) in tree {
                    self.keep(keep, &format!("{pointer}/{name}"));
                }
            }
        }
    }

    fn pointers(&mut self, pointers: &[String], at: &str) {
        for (index, pointer) in pointers.iter().enumerate() {
            let rooted = pointer.starts_with('/') && pointer.len() > 1;
            self.require(rooted, &format!("{at}/{index}"), "is no JSON pointer");
        }
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .chars()
            .all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_')
}
