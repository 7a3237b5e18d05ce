//! What declarations say of answers, beside what the file says comes back.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Comparison;
use super::report::Subject;
use super::schema;
use neon_mcp::catalog::{Content, Keep, Resource, Undo};
use neon_mcp::catalog::{Tool, output_schema, templates_within};
use neon_mcp::neon::Method;
use neon_openapi::Operation;

/// Parts of names of fields that hold what opens something.
const SECRET_NAMES: [&str; 15] = [
    "password",
    "passwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "private_key",
    "access_key",
    "credential",
    "connection_uri",
    "connection_string",
    "presigned",
    "signed_url",
    "signature",
    "bearer",
];

/// Names of fields that are such a thing by themselves.
const SECRET_FIELDS: [&str; 4] = ["key", "uri", "dsn", "jwt"];

const NOT_THERE: &str = "is not in the answer there";

impl Comparison<'_> {
    /// Compares what a tool says of its answer with what the operation answers.
    pub(super) fn answer(&mut self, tool: &Tool, operation: &Operation) {
        let (name, declaration) = (tool.name(), &tool.declaration);
        let output = &declaration.output;
        let answers: Vec<&Value> = operation.successes().collect();
        if let Some(keep) = &output.keep {
            self.keep(tool, keep, &answers, "");
        }
        self.published(tool, &answers);
        for pointer in output.mask.iter().chain(&output.reveal) {
            self.part(name, &answers, pointer);
        }
        if let Some(pages) = &declaration.output.pages {
            self.part(name, &answers, &pages.items);
            if let Some(next) = &pages.next {
                self.part(name, &answers, next);
            }
            for field in &pages.beside {
                self.part(name, &answers, &format!("/{field}"));
            }
        }
        let has = |field: &str| {
            answers
                .iter()
                .any(|answer| schema::properties(answer).contains_key(field))
        };
        let changes = declaration.request.method != Method::Get;
        if has("operations") && changes && !declaration.output.waits {
            self.find(
                Subject::Answers,
                name,
                "answer:/operations",
                "has operations there, and isn't waited for",
            );
        }
        if declaration.output.waits && !has("operations") {
            self.find(
                Subject::Answers,
                name,
                "answer:/operations",
                "is waited for, and has no operations there",
            );
        }
        let is_list = answers
            .iter()
            .any(|answer| schema::kinds(answer).is_some_and(|kinds| kinds.contains("array")));
        if is_list != output.wrap.is_some() {
            let (here, there) = if is_list {
                ("an object", "a bare list")
            } else {
                ("a bare list", "none")
            };
            self.find(
                Subject::Answers,
                name,
                "answer:",
                format!("is {here} here, {there} there"),
            );
        }
        let mut media = operation.media();
        let bytes = media.any(|media| media != "application/json");
        if bytes != (output.content == Content::Bytes) {
            let kind = |bytes| if bytes { "bytes" } else { "JSON" };
            let says = format!("is {} here, {} there", kind(!bytes), kind(bytes));
            self.find(Subject::Answers, name, "answer:", says);
        }
        if answers.is_empty() && output.done.is_none() {
            self.find(
                Subject::Answers,
                name,
                "answer:",
                "is empty there, and nothing is said when it is done",
            );
        }
        self.secrets(tool, &answers);
    }

    /// Every field that looks like a secret is masked, or is what the tool is there to hand over.
    fn secrets(&mut self, tool: &Tool, answers: &[&Value]) {
        let output = &tool.declaration.output;
        let covered = |pointer: &str| {
            output.mask.iter().chain(&output.reveal).any(|known| {
                pointer == known
                    || pointer
                        .strip_prefix(known.as_str())
                        .is_some_and(|rest| rest.starts_with('/'))
            })
        };
        let mut leaves = BTreeMap::new();
        for answer in answers {
            collect(answer, "", &mut leaves);
        }
        for (pointer, sensitive) in leaves {
            let name = pointer
                .rsplit('/')
                .find(|segment| *segment != "*")
                .unwrap_or_default()
                .to_lowercase();
            let by_name = SECRET_NAMES.iter().any(|part| name.contains(part)) || SECRET_FIELDS.contains(&name.as_str());
            if (by_name || sensitive) && !covered(&pointer) {
                self.find(
                    Subject::Secrets,
                    tool.name(),
                    &format!("answer:{pointer}"),
                    "looks like a secret, and isn't masked",
                );
            }
        }
    }

    fn keep(&mut self, tool: &Tool, keep: &Keep, answers: &[&Value], at: &str) {
        let mut each = |name: &str, keep: Option<&Keep>| {
            let at = format!("{at}/{name}");
            self.report.parts += 1;
            let found = field(answers, name);
            if found.is_empty() && tool.declaration.output.adds_name(name) {
                // It is read from another list.
            } else if found.is_empty() {
                self.find(Subject::Answers, tool.name(), &format!("answer:{at}"), NOT_THERE);
            } else if let Some(keep) = keep {
                let found: Vec<&Value> = found.iter().collect();
                self.keep(tool, keep, &found, &at);
            }
        };
        match keep {
            Keep::All(_) => {}
            Keep::Fields(fields) => fields.iter().for_each(|name| each(name, None)),
            Keep::Tree(tree) => tree.iter().for_each(|(name, keep)| each(name, Some(keep))),
        }
    }

    /// What clients are told of the types in a result is so there: of each field that the tool's schema of results names.
    fn published(&mut self, tool: &Tool, answers: &[&Value]) {
        let output = &tool.declaration.output;
        let schema = output_schema(tool);
        let result = schema.get("properties").and_then(|fields| fields.get("result"));
        // What stands around bytes is ours.
        let Some(result) = result.filter(|_| output.content == Content::Json) else {
            return;
        };
        // So is the name of a list that has none there.
        let ours = match &output.wrap {
            Some(name) => result.get("properties").and_then(|fields| fields.get(name)),
            None => Some(result),
        };
        let theirs: Vec<Value> = answers.iter().map(|answer| schema::flat(answer)).collect();
        if let (Some(ours), false) = (ours, theirs.is_empty()) {
            self.types(tool.name(), ours, &theirs, "");
        }
    }

    /// One place of a published schema, beside all that may stand there, and what is below it.
    fn types(&mut self, tool: &str, ours: &Value, theirs: &[Value], at: &str) {
        self.report.parts += 1;
        let Some(here) = ours.get("type").and_then(Value::as_str) else {
            return;
        };
        let there: BTreeSet<String> = theirs.iter().flat_map(answered).collect();
        let fits = |kind: &String| kind == here || (here == "number" && kind == "integer");
        if !there.iter().all(fits) {
            let there: Vec<&str> = there.iter().map(String::as_str).collect();
            let says = format!("the type is {here} here, {} there", there.join(" or "));
            self.find(Subject::Answers, tool, &format!("answer:{at}"), says);
            return;
        }
        if let Some(items) = ours.get("items") {
            let theirs: Vec<Value> = theirs.iter().flat_map(inner).collect();
            self.types(tool, items, &theirs, at);
        }
        let theirs: Vec<&Value> = theirs.iter().collect();
        for (name, ours) in schema::properties(ours) {
            let found = field(&theirs, &name);
            // What is gone there, the comparison of what is kept tells.
            if !found.is_empty() {
                self.types(tool, &ours, &found, &format!("{at}/{name}"));
            }
        }
    }

    fn part(&mut self, tool: &str, answers: &[&Value], pointer: &str) {
        self.report.parts += 1;
        if !has(answers, pointer) {
            self.find(Subject::Answers, tool, &format!("answer:{pointer}"), NOT_THERE);
        }
    }

    /// What plans, ways back and comparisons read of the answers of other tools.
    pub(super) fn references(&mut self, tool: &Tool) {
        let declaration = &tool.declaration;
        let own = declaration.operation.iter().next().map(str::to_owned);
        let read = declaration
            .safety
            .plan
            .as_ref()
            .and_then(|plan| self.operation_of(&plan.read));
        let item = declaration.safety.plan.as_ref().and_then(|plan| plan.pick.as_ref());
        let within = |pointer: &str| match item {
            Some(pick) => format!("{}/*{pointer}", pick.list),
            None => pointer.to_owned(),
        };
        let mut wanted: Vec<(Option<String>, String)> = Vec::new();
        if let Some(plan) = &declaration.safety.plan {
            wanted.extend(plan.show.iter().map(|pointer| (read.clone(), within(pointer))));
            wanted.extend(plan.lost_branch.iter().map(|pointer| (read.clone(), within(pointer))));
            wanted.extend(plan.pick.iter().map(|pick| {
                let field = if pick.field.starts_with('/') {
                    pick.field.clone()
                } else {
                    format!("/{}", pick.field)
                };
                (read.clone(), within(&field))
            }));
        }
        if let Some(Undo::Way(way)) = &declaration.safety.undo {
            wanted.extend(
                way.former
                    .values()
                    .map(|former| (read.clone(), within(former.pointer()))),
            );
            for template in way.arguments.values().flat_map(templates_within) {
                let before = template
                    .strip_prefix("before:")
                    .or_else(|| template.strip_prefix("before?:"));
                if let Some(pointer) = before {
                    wanted.push((read.clone(), within(pointer)));
                } else if template.starts_with('/') {
                    wanted.push((own.clone(), template.to_owned()));
                }
            }
        }
        for escalation in &declaration.safety.escalate {
            if let (Some(comparison), Some((_, resource))) = (&escalation.lowers, tool.target()) {
                let reader = match resource {
                    Resource::Project => "getProject",
                    Resource::Branch => "getProjectBranch",
                    Resource::Endpoint => "getProjectEndpoint",
                    _ => continue,
                };
                wanted.push((Some(reader.to_owned()), comparison.present.clone()));
            }
        }
        let document = self.document;
        for (operation, pointer) in wanted {
            // An operation that the file doesn't have is told elsewhere.
            let Some(operation) = operation.and_then(|id| document.operation(&id)) else {
                continue;
            };
            self.report.parts += 1;
            let answers: Vec<&Value> = operation.successes().collect();
            if !has(&answers, &pointer) {
                let says = format!("is not in the answer of {} there", operation.id);
                self.find(Subject::Answers, tool.name(), &format!("answer:{pointer}"), says);
            }
        }
    }

    fn operation_of(&self, tool: &str) -> Option<String> {
        self.catalog
            .tool(tool)?
            .declaration
            .operation
            .iter()
            .next()
            .map(str::to_owned)
    }
}

/// The types that may stand at a place of an answer. Nulls aren't among them: they are left out of what is kept.
fn answered(schema: &Value) -> BTreeSet<String> {
    let schema = schema::flat(schema);
    let mut kinds = schema::kinds(&schema).unwrap_or_else(|| {
        let kind = match (schema.get("properties"), schema.get("items")) {
            (Some(_), _) => "object",
            (None, Some(_)) => "array",
            (None, None) => "any",
        };
        BTreeSet::from([kind.to_owned()])
    });
    kinds.remove("null");
    kinds
}

/// Whether a pointer leads to something, `*` and numbers standing for items or any value.
fn has(answers: &[&Value], pointer: &str) -> bool {
    let mut present: Vec<Value> = answers.iter().map(|answer| schema::flat(answer)).collect();
    for segment in pointer.split('/').skip(1) {
        let within: Vec<&Value> = present.iter().collect();
        present = match segment.parse::<usize>().is_ok() || segment == "*" {
            true => within.iter().flat_map(|schema| inner(schema)).collect(),
            false => field(&within, segment),
        };
    }
    !present.is_empty()
}

/// The schemas of a field; lists are looked through.
fn field(schemas: &[&Value], name: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for schema in schemas {
        let schema = schema::flat(schema);
        if let Some(property) = schema.get("properties").and_then(|fields| fields.get(name)) {
            found.push(schema::flat(property));
        } else if let Some(items) = schema.get("items") {
            found.extend(field(&[items], name));
        } else if schema.get("properties").is_none()
            && schema::kinds(&schema).is_none_or(|kinds| kinds.contains("object"))
        {
            // Anything may be in an object of which nothing is told.
            let rest = schema.get("additionalProperties").filter(|rest| rest.is_object());
            found.push(rest.cloned().unwrap_or_default());
        }
    }
    found
}

/// The schemas of the items of a list, or of the values of an object that is a map.
fn inner(schema: &Value) -> Vec<Value> {
    let schema = schema::flat(schema);
    let values = schema
        .get("items")
        .or(schema.get("additionalProperties").filter(|rest| rest.is_object()));
    match values {
        Some(values) => vec![schema::flat(values)],
        None => schema::properties(&schema)
            .into_iter()
            .map(|(_, field)| field)
            .collect(),
    }
}

/// The texts in an answer, by pointer, with whether the file itself marks them.
fn collect(schema: &Value, at: &str, leaves: &mut BTreeMap<String, bool>) {
    let schema = schema::flat(schema);
    let fields = schema::properties(&schema);
    for (name, field) in &fields {
        collect(field, &format!("{at}/{name}"), leaves);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(key).filter(|inner| inner.is_object()) {
            collect(inner, &format!("{at}/*"), leaves);
        }
    }
    if schema::kinds(&schema).is_none_or(|kinds| kinds.contains("string")) && fields.is_empty() {
        let marked = schema.get("x-sensitive") == Some(&Value::Bool(true));
        leaves.insert(at.to_owned(), marked);
    }
}
