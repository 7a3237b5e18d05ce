//! What a tool sends, beside what the file says may be sent.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Comparison;
use super::report::Subject;
use super::schema::{self, Difference};
use neon_mcp::catalog::{Argument, Tool};
use neon_mcp::catalog::{BodyForm, Place};
use neon_openapi::{Operation, Parameter};

/// Something that a tool can send.
struct Offer<'a> {
    at: Place,
    what: What<'a>,
}

enum What<'a> {
    /// An argument.
    Argument {
        schema: &'a Value,
        required: bool,
        /// What isn't given is sent as the declaration's default.
        defaulted: bool,
        /// It may be a name here, and is an id when it is sent.
        resolved: bool,
    },
    /// A value of the declaration's.
    Constant { value: &'a Value, always: bool },
    /// A file, which may come from either of two arguments.
    File,
    /// A cursor, or the size of a page with the most that is asked for.
    Page(Option<u32>),
}

impl Comparison<'_> {
    /// Compares a tool's request with the operation's.
    pub(super) fn request(&mut self, tool: &Tool, operation: &Operation) {
        let (name, declaration) = (tool.name(), &tool.declaration);
        if declaration.request.method.as_str() != operation.method {
            let says = format!(
                "the method is {} here, {} there",
                declaration.request.method.as_str(),
                operation.method
            );
            self.find(Subject::Address, name, "", says);
        }
        if declaration.request.path != operation.path {
            let says = format!(
                "the path is {} here, {} there",
                declaration.request.path, operation.path
            );
            self.find(Subject::Address, name, "", says);
        }
        for placeholder in &tool.placeholders {
            let at = format!("path:/{placeholder}");
            let theirs = operation
                .parameters
                .iter()
                .find(|one| one.place == "path" && one.name == *placeholder);
            match (argument(tool, placeholder), theirs) {
                (Some(what), Some(theirs)) => self.offered(name, &at, &what, &theirs.schema),
                _ => self.find(Subject::Address, name, &at, "is no parameter of the path there"),
            }
        }
        let offers = offers(tool);
        self.query(name, &offers, operation);
        self.body(tool, &offers, operation);
    }

    fn query(&mut self, tool: &str, offers: &[Offer<'_>], operation: &Operation) {
        let at_name = |offer: &&Offer<'_>, name: &str| match &offer.at {
            Place::Query(at) | Place::QueryComma(at) => at == name,
            _ => false,
        };
        for parameter in operation
            .parameters
            .iter()
            .filter(|parameter| parameter.place != "path")
        {
            let at = format!("{}:/{}", parameter.place, parameter.name);
            let here = offers
                .iter()
                .find(|offer| parameter.place == "query" && at_name(offer, &parameter.name));
            match here {
                Some(offer) => self.parameter(tool, &at, offer, parameter),
                None if parameter.required => {
                    self.find(Subject::Required, tool, &at, "is required there, and not offered here");
                }
                None if parameter.deprecated => {}
                None => self.find(Subject::Arguments, tool, &at, "is not offered here"),
            }
        }
        for offer in offers {
            if let Place::Query(name) | Place::QueryComma(name) = &offer.at
                && !operation
                    .parameters
                    .iter()
                    .any(|one| one.place == "query" && one.name == *name)
            {
                self.find(
                    Subject::Arguments,
                    tool,
                    &format!("query:/{name}"),
                    "is not known there",
                );
            }
        }
    }

    fn parameter(&mut self, tool: &str, at: &str, offer: &Offer<'_>, theirs: &Parameter) {
        self.offered(tool, at, &offer.what, &theirs.schema);
        self.required(tool, at, &[&offer.what], theirs.required);
        let is_list = schema::kinds(&theirs.schema).is_some_and(|kinds| kinds.contains("array"));
        let repeats = matches!(offer.at, Place::Query(_));
        if is_list && repeats != theirs.repeats {
            let manner = |repeats| if repeats { "repeated" } else { "joined by commas" };
            let says = format!("a list is {} here, {} there", manner(repeats), manner(theirs.repeats));
            self.find(Subject::Values, tool, at, says);
        }
    }

    fn body(&mut self, tool: &Tool, offers: &[Offer<'_>], operation: &Operation) {
        let fields: Vec<(&str, &What<'_>)> = offers
            .iter()
            .filter_map(|offer| match &offer.at {
                Place::Body(pointer) => Some((pointer.as_str(), &offer.what)),
                _ => None,
            })
            .collect();
        let Some(body) = &operation.body else {
            for (pointer, _) in fields {
                self.find(
                    Subject::Arguments,
                    tool.name(),
                    &format!("body:{pointer}"),
                    "there is no body there",
                );
            }
            return;
        };
        let ours = match tool.declaration.request.body {
            BodyForm::Json => "application/json",
            BodyForm::Multipart { .. } => "multipart/form-data",
        };
        if ours != body.content_type {
            let says = format!("the body is {ours} here, {} there", body.content_type);
            self.find(Subject::Address, tool.name(), "", says);
        }
        self.field(tool.name(), "", &body.schema, body.required, &fields);
    }

    /// One place in the body, and what is below it. `required` says that a request without it is refused.
    fn field(&mut self, tool: &str, pointer: &str, theirs: &Value, required: bool, offers: &[(&str, &What<'_>)]) {
        let at = format!("body:{pointer}");
        let exact: Vec<&What<'_>> = offers
            .iter()
            .filter(|(place, _)| *place == pointer)
            .map(|(_, what)| *what)
            .collect();
        for what in &exact {
            self.offered(tool, &at, what, theirs);
        }
        if !exact.is_empty() {
            self.required(tool, &at, &exact, required);
        }
        if exact.iter().any(|what| !matches!(what, What::Constant { .. })) {
            return;
        }
        let below = |of: &str| {
            let prefix = format!("{of}/");
            offers
                .iter()
                .filter(move |(place, _)| place.starts_with(&prefix))
                .count()
        };
        let here = below(pointer);
        if here == 0 && !exact.is_empty() {
            return;
        }
        if here == 0 {
            let deprecated = theirs.get("deprecated") == Some(&Value::Bool(true));
            match (required, pointer.is_empty(), deprecated) {
                // A body that has no field that must be there may be an empty one.
                (_, true, _) => self.fields(tool, pointer, theirs, required, offers),
                (true, ..) => self.find(Subject::Required, tool, &at, "is required there, and not offered here"),
                (false, _, true) => {}
                (false, ..) => self.find(Subject::Arguments, tool, &at, "is not offered here"),
            }
            return;
        }
        self.fields(tool, pointer, theirs, required, offers);
    }

    fn fields(&mut self, tool: &str, pointer: &str, theirs: &Value, required: bool, offers: &[(&str, &What<'_>)]) {
        let theirs = schema::flat(theirs);
        let fields = schema::properties(&theirs);
        let prefix = format!("{pointer}/");
        let below: Vec<&str> = offers
            .iter()
            .filter_map(|(place, _)| place.strip_prefix(&prefix))
            .collect();
        let firsts: BTreeSet<&str> = below.iter().filter_map(|rest| rest.split('/').next()).collect();
        for (name, field) in &fields {
            // Where it is the only one that can be given, what holds it isn't sent without it.
            let alone = !firsts.is_empty() && firsts.iter().all(|first| first == name);
            let must = schema::requires(&theirs, name) && (required || (!alone && !firsts.is_empty()));
            self.field(tool, &format!("{pointer}/{name}"), field, must, offers);
        }
        for first in firsts.into_iter().filter(|first| !fields.contains_key(*first)) {
            let place = format!("{pointer}/{first}");
            let item = theirs.get("items").filter(|_| first.parse::<usize>().is_ok());
            let rest = theirs.get("additionalProperties").filter(|rest| rest.is_object());
            match item.or(rest) {
                Some(inner) => self.field(tool, &place, inner, false, offers),
                None if fields.is_empty() && theirs.get("items").is_none() => {}
                None => {
                    let lost = |(at, _): &&(&str, &What<'_>)| *at == place || at.starts_with(&format!("{place}/"));
                    for (at, _) in offers.iter().filter(lost) {
                        self.find(Subject::Arguments, tool, &format!("body:{at}"), "is not known there");
                    }
                }
            }
        }
    }

    /// What is offered at a place that both have.
    fn offered(&mut self, tool: &str, at: &str, what: &What<'_>, theirs: &Value) {
        self.report.places += 1;
        let differences = match what {
            What::Argument {
                schema, resolved: true, ..
            } => schema::compare_types(schema, theirs),
            What::Argument { schema, .. } => schema::compare(schema, theirs),
            What::Constant { value, .. } if schema::accepts(theirs, value) => Vec::new(),
            What::Constant { value, .. } => one(format!("the value {value} is sent here, and refused there")),
            What::Page(Some(max)) => match theirs.get("maximum").and_then(Value::as_u64) {
                Some(maximum) if maximum == u64::from(*max) => Vec::new(),
                Some(maximum) => one(format!("the largest page is {max} here, {maximum} there")),
                None => one(format!("the largest page is {max} here, not told there")),
            },
            What::Page(None) | What::File => Vec::new(),
        };
        for (below, says) in differences {
            let subject = match says.as_str() {
                "is not offered here" | "is not known there" => Subject::Arguments,
                _ if says.contains("required") => Subject::Required,
                _ => Subject::Values,
            };
            self.find(subject, tool, &format!("{at}{below}"), says);
        }
    }

    fn required(&mut self, tool: &str, at: &str, here: &[&What<'_>], there: bool) {
        let given = here.iter().any(|what| {
            matches!(
                what,
                What::Argument { required: true, .. }
                    | What::Argument { defaulted: true, .. }
                    | What::Constant { always: true, .. }
            )
        });
        let demanded = here
            .iter()
            .all(|what| matches!(what, What::Argument { required: true, .. }));
        if there && !given {
            self.find(Subject::Required, tool, at, "is optional here, required there");
        }
        if !there && demanded {
            self.find(Subject::Required, tool, at, "is required here, optional there");
        }
    }
}

fn one(says: String) -> Vec<Difference> {
    vec![(String::new(), says)]
}

/// An argument as it is offered.
fn argument<'a>(tool: &'a Tool, name: &str) -> Option<What<'a>> {
    let properties = tool.input.get("properties")?;
    let required = tool.input.get("required").and_then(Value::as_array);
    let resource = match tool.names(name) {
        Some(Argument::Resource(resource) | Argument::Item(resource)) => Some(resource),
        _ => None,
    };
    Some(What::Argument {
        schema: properties.get(name)?,
        required: required.is_some_and(|names| names.iter().any(|one| one == name)),
        defaulted: tool.declaration.request.defaults.contains_key(name),
        resolved: resource.is_some(),
    })
}

/// Everything that a tool can send beside the path.
fn offers(tool: &Tool) -> Vec<Offer<'_>> {
    let declaration = &tool.declaration;
    let mut offers = Vec::new();
    let properties = tool.input.get("properties").and_then(Value::as_object);
    for name in properties.into_iter().flatten().map(|(name, _)| name) {
        let at = tool.place(name);
        if tool.placeholders.contains(name) || at == Place::Local {
            continue;
        }
        offers.extend(argument(tool, name).map(|what| Offer { at, what }));
    }
    offers.extend(declaration.request.set.iter().map(|constant| Offer {
        at: constant.at.clone(),
        what: What::Constant {
            value: &constant.value,
            always: constant.when.is_none(),
        },
    }));
    offers.extend(declaration.request.body.files().map(|(field, _)| Offer {
        at: Place::Body(format!("/{field}")),
        what: What::File,
    }));
    if let Some(pages) = &declaration.output.pages {
        let cursor = pages.cursor.iter().map(|at| (at, None));
        let places = cursor.chain(pages.limit.iter().map(|at| (at, pages.max)));
        offers.extend(places.map(|(at, max)| Offer {
            at: at.clone(),
            what: What::Page(max),
        }));
    }
    offers
}
