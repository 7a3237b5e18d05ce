//! Looking a name up in the list that has it. Which list that is, is said by the resource ([`Resource::lookup`]), and how it is
//! read by the declaration of the tool that lists it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::catalog::{Lookup, OutputDeclaration, Resource, Tool};
use crate::engine::check::organizations;
use crate::engine::context::CallContext;
use crate::engine::error::Failure;
use crate::neon::text::{one_line, trimmed};
use crate::neon::{AnyId, Changed, PageLimit, Paging, PathSegment, ProjectId, Read, pages};

/// How many items of a list are read for a name. A search narrows the list first, so one page is the rule.
const MAX_ITEMS: usize = 4_000;

/// The most things that are told of whose name is like the one that isn't there.
const MAX_NEAR: usize = 3;

/// How many items are looked at for such names.
const MAX_LOOKED_AT: usize = 400;

/// How many things of one name are told of.
const MAX_NAMESAKES: usize = 10;

/// How like a name another one must be, by Jaro and Winkler (1 is the same).
const LIKE_ENOUGH: f64 = 0.8;

/// A name that an argument gives.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Wanted<'a> {
    pub(in crate::engine) argument: &'a str,
    pub(in crate::engine) resource: Resource,
    pub(in crate::engine) text: &'a str,
    /// It could be an id as well.
    pub(in crate::engine) may_be_id: bool,
    /// It is looked for among what was deleted, where a living namesake doesn't count.
    pub(in crate::engine) is_deleted: bool,
}

struct Found {
    id: String,
    names: Vec<String>,
}

impl Found {
    fn of(lookup: &Lookup, item: &Value) -> Self {
        let field = |pointer: &str| match item.pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        Self {
            id: field(lookup.id),
            names: lookup.names.iter().map(|pointer| field(pointer)).collect(),
        }
    }

    fn name(&self) -> &str {
        self.names
            .iter()
            .map(String::as_str)
            .find(|name| !name.is_empty())
            .unwrap_or_default()
    }

    /// Its id.
    ///
    /// # Errors
    /// Where what Neon gives as one is none: it isn't passed on.
    fn id(&self, resource: Resource) -> Result<String, Failure> {
        let is_id = match resource.is_item() {
            true => PathSegment::name(&self.id).is_ok(),
            false => AnyId::parse(self.id.as_str()).is_ok(),
        };
        if is_id {
            return Ok(self.id.clone());
        }
        Err(Failure::Answer {
            message: format!(
                "Neon's list has no valid id of what is named `{}`, so the call wasn't made.",
                one_line(self.name(), 100)
            ),
            changed: Changed::No,
        })
    }

    /// Its id and name, for a sentence.
    fn shown(&self, call: &CallContext<'_>) -> String {
        format!(
            "{} ({})",
            call.fence.quote(&one_line(&self.id, 80)),
            call.fence.quote(&one_line(self.name(), 60))
        )
    }
}

/// Whether calls may be about a project of this id.
pub(in crate::engine) fn is_admitted(call: &CallContext<'_>, id: &str) -> bool {
    let id = ProjectId::parse(id).ok();
    call.guards.policy.admits_project(id.as_ref())
}

/// Looks one thing up, by id and by name. An id beats a name.
///
/// # Errors
/// Where there is none of that name, or more than one.
pub(in crate::engine) async fn find(
    call: &CallContext<'_>,
    arguments: &Map<String, Value>,
    wanted: Wanted<'_>,
) -> Result<String, Failure> {
    let Wanted {
        argument,
        resource,
        text,
        may_be_id,
        ..
    } = wanted;
    let lookup = resource.lookup();
    let plain = trimmed(text);
    let list = list(call, arguments, wanted, plain).await?;
    let (mut items, mut more) = (Vec::new(), false);
    for read in list.reads.clone() {
        let (found, has_more) = read_list(call, &list, read, MAX_ITEMS).await?;
        more |= has_more;
        items.extend(found);
    }
    let found: Vec<Found> = items
        .iter()
        .filter(|item| list.takes(item))
        .map(|item| Found::of(&lookup, item))
        .filter(|found| !found.id.is_empty())
        // Whether there is a project that a call mayn't be about is told by no name.
        .filter(|found| resource != Resource::Project || is_admitted(call, &found.id))
        .collect();
    let mut matches: Vec<&Found> = Vec::new();
    // A name with blanks around it beats the same name without them.
    let meant: &[&str] = if plain == text { &[text] } else { &[text, plain] };
    for text in meant.iter().copied() {
        if may_be_id && let Some(found) = found.iter().find(|found| found.id == text) {
            return found.id(resource);
        }
        for one in found.iter().filter(|found| found.is_named(resource, text)) {
            if !matches.iter().any(|other| other.id == one.id) {
                matches.push(one);
            }
        }
        if !matches.is_empty() {
            break;
        }
    }
    let noun = lookup.noun;
    let refused = |message: String, next: String| {
        Err(Failure::Reference {
            argument: argument.to_owned(),
            message,
            next,
        })
    };
    if more {
        return refused(
            format!(
                "Too many things resemble `{}` to look the {noun} up. Nothing was changed.",
                one_line(text, 100)
            ),
            format!("Give the id: {} shows it.", list.tool),
        );
    }
    match matches.as_slice() {
        [one] => one.id(resource),
        // Neon says it better than a list that may lack it.
        [] if may_be_id && resource.has_ids_of_any_form() && looks_made(text) => Ok(text.to_owned()),
        [] if resource == Resource::Endpoint
            && let Some(branch) = Box::pin(branch_named(call, arguments, wanted)).await =>
        {
            let computes: Vec<Found> = items
                .iter()
                .filter(|item| item.get("branch_id").and_then(Value::as_str) == Some(branch.as_str()))
                .map(|item| Found::of(&lookup, item))
                .collect();
            match computes.as_slice() {
                [one] => one.id(resource),
                [] => refused(
                    format!("Branch `{}` has no compute. Nothing was changed.", one_line(text, 100)),
                    "create_compute gives it one.".to_owned(),
                ),
                several => {
                    let shown: Vec<String> = several.iter().take(MAX_NAMESAKES).map(|one| one.shown(call)).collect();
                    refused(
                        format!(
                            "Branch `{}` has {} computes: {}. Nothing was changed.",
                            one_line(text, 100),
                            several.len(),
                            shown.join(", ")
                        ),
                        "Call again with the id of the one that is meant.".to_owned(),
                    )
                }
            }
        }
        [] => {
            let near = nearest(call, resource, &list, plain).await;
            let near: Vec<String> = near.iter().map(|found| found.shown(call)).collect();
            let like = match near.is_empty() {
                true => ".".to_owned(),
                false => format!("; named like it: {}.", near.join(", ")),
            };
            let deleted = if wanted.is_deleted { "deleted " } else { "" };
            // Said whatever is looked for, so it tells nothing of what is there.
            let among = match resource == Resource::Project && call.guards.policy.bounds_projects() {
                true => " among those that the policy allows (`allowed_projects`)",
                false => "",
            };
            refused(
                format!(
                    "There is no {deleted}{noun} with the id or the exact name `{}`{among}. Nothing was changed.",
                    one_line(text, 100)
                ),
                format!("Call {} to see what there is{like}", list.told()),
            )
        }
        several => {
            let shown: Vec<String> = several
                .iter()
                .take(MAX_NAMESAKES)
                .map(|found| found.shown(call))
                .collect();
            refused(
                format!(
                    "{} things are named `{}`: {}. Nothing was changed.",
                    several.len(),
                    one_line(text, 100),
                    shown.join(", ")
                ),
                "Call again with the id of the one that is meant.".to_owned(),
            )
        }
    }
}

/// The branch of that name, where a compute was looked for: people call the only compute of a branch by the branch's name.
async fn branch_named(call: &CallContext<'_>, arguments: &Map<String, Value>, wanted: Wanted<'_>) -> Option<String> {
    let wanted = Wanted {
        resource: Resource::Branch,
        is_deleted: false,
        ..wanted
    };
    find(call, arguments, wanted).await.ok()
}

/// Puts names beside the ids of a list's items, where the declaration wants them. Items whose names can't be read, or that nobody gave a
/// name, stay as they are.
pub(in crate::engine) async fn add_names(call: &CallContext<'_>, arguments: &Map<String, Value>, items: &mut [Value]) {
    for (field, resource) in &call.selected.tool.declaration.output.names {
        if items.iter().all(|item| item.get(field).is_none()) {
            continue;
        }
        let wanted = Wanted {
            argument: field,
            resource: *resource,
            text: "",
            may_be_id: true,
            is_deleted: false,
        };
        let Ok(list) = list(call, arguments, wanted, "").await else {
            continue;
        };
        let lookup = resource.lookup();
        let mut names = BTreeMap::new();
        for read in list.reads.iter().take(MAX_NEAR) {
            let read = read.clone().without_query("search");
            let Ok((found, _)) = read_list(call, &list, read, MAX_LOOKED_AT).await else {
                continue;
            };
            let found = found.iter().map(|item| Found::of(&lookup, item));
            names.extend(found.map(|found| (found.id.clone(), found.name().to_owned())));
        }
        let beside = OutputDeclaration::name_beside(field);
        for item in items.iter_mut().filter_map(Value::as_object_mut) {
            let name = item.get(field).and_then(Value::as_str).and_then(|id| names.get(id));
            let (Some(name), Some(index)) = (name.filter(|name| !name.is_empty()).cloned(), place_of(item, field))
            else {
                continue;
            };
            item.shift_insert(index + 1, beside.clone(), name.into());
        }
    }
}

/// Where a field stands in an object.
fn place_of(object: &Map<String, Value>, field: &str) -> Option<usize> {
    object.keys().position(|name| name == field)
}

/// Whether a text looks like an id that a program made.
fn looks_made(text: &str) -> bool {
    let in_path = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.bytes().all(in_path) && text.bytes().any(|byte| !byte.is_ascii_alphabetic())
}

impl Found {
    /// Whether people call it so. Addresses of e-mail are the same whatever their case.
    fn is_named(&self, resource: Resource, text: &str) -> bool {
        let by_mail = matches!(
            resource,
            Resource::OrganizationMember | Resource::ProjectMember | Resource::ProjectPermission
        );
        self.names.iter().any(|name| match by_mail {
            true => name.eq_ignore_ascii_case(text),
            false => name == text,
        })
    }
}

/// What is there under nearly that name, the nearest first; nothing where that can't be looked up, or calls may not be about it.
async fn nearest(call: &CallContext<'_>, resource: Resource, list: &List, text: &str) -> Vec<Found> {
    let lookup = resource.lookup();
    let mut near: Vec<(f64, Found)> = Vec::new();
    let wanted = text.to_lowercase();
    for read in list.reads.iter().take(MAX_NEAR) {
        let read = read.clone().without_query("search");
        let Ok((items, _)) = read_list(call, list, read, MAX_LOOKED_AT).await else {
            continue;
        };
        for found in items
            .iter()
            .filter(|item| list.takes(item))
            .map(|item| Found::of(&lookup, item))
        {
            let like = strsim::jaro_winkler(&found.name().to_lowercase(), &wanted);
            let admitted = resource != Resource::Project || is_admitted(call, &found.id);
            if like >= LIKE_ENOUGH && admitted && !found.id.is_empty() {
                near.push((like, found));
            }
        }
    }
    near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    near.into_iter().take(MAX_NEAR).map(|(_, found)| found).collect()
}

/// A list to look into.
struct List {
    reads: Vec<Read>,
    /// JSON pointer to the items; empty where the answer is the list.
    items: String,
    paging: Option<Paging>,
    /// The tool that shows it, as far as it is offered.
    tool: &'static str,
    /// How deleted things are asked for, where they are what is looked for.
    deleted: Option<crate::catalog::Deleted>,
}

impl List {
    fn takes(&self, item: &Value) -> bool {
        let mark = self.deleted.and_then(|deleted| deleted.mark);
        mark.is_none_or(|mark| item.pointer(mark).is_some_and(|value| !value.is_null()))
    }

    /// The tool, with the argument that it takes for deleted things.
    fn told(&self) -> String {
        match self.deleted {
            Some(deleted) => format!("{} with {}", self.tool, deleted.query),
            None => self.tool.to_owned(),
        }
    }
}

/// The items of a list, and whether there are more of them.
async fn read_list(
    call: &CallContext<'_>,
    list: &List,
    read: Read,
    most: usize,
) -> Result<(Vec<Value>, bool), Failure> {
    if let Some(paging) = &list.paging {
        let found = pages::collect(call.client, read, paging, None, most, &call.context).await?;
        return Ok((found.items, found.next.is_some()));
    }
    let mut body = call.client.read(read, &call.context).await?.body.unwrap_or_default();
    let items = body.pointer_mut(&list.items).map(Value::take);
    match items {
        Some(Value::Array(items)) => Ok((items, false)),
        _ => Ok((Vec::new(), false)),
    }
}

/// The list that has the name, as its tool reads it, with the arguments of the call.
async fn list(
    call: &CallContext<'_>,
    arguments: &Map<String, Value>,
    wanted: Wanted<'_>,
    text: &str,
) -> Result<List, Failure> {
    let lookup = wanted.resource.lookup();
    let internal = |message: String| Failure::Internal(message);
    let is_offered = |name: &str| call.selection.tool(name).is_some();
    let tool = call
        .catalog
        .tool(lookup.tool)
        .ok_or_else(|| internal(format!("there is no tool {}", lookup.tool)))?;
    let pages = tool.declaration.output.pages.as_ref();
    let items = pages.map(|pages| pages.items.clone()).unwrap_or_default();
    let paging = pages.and_then(|pages| {
        let mut paging = Paging::by_query(&items, pages.next.as_deref()?);
        paging.limit = pages.max.filter(|_| pages.full_pages).map(|max| PageLimit {
            name: "limit".to_owned(),
            max,
            full_pages: pages.full_pages,
        });
        Some(paging)
    });
    let deleted = lookup.deleted.filter(|_| wanted.is_deleted);
    let mut reads = Vec::new();
    for mut read in places(tool, arguments).map_err(internal)? {
        if lookup.searches {
            read = read.with_query("search", text);
        }
        if let Some(deleted) = deleted {
            read = read.with_query(deleted.query, "true");
        }
        reads.push(read);
    }
    if wanted.resource == Resource::Project {
        reads = over_organizations(call, arguments, reads).await?;
    }
    Ok(List {
        reads,
        items,
        paging,
        tool: lookup
            .narrower
            .filter(|narrower| !is_offered(lookup.tool) && is_offered(narrower))
            .unwrap_or(lookup.tool),
        deleted,
    })
}

/// The list's address, with the ids that the call names by now; one for each project where it names several.
fn places(tool: &Tool, arguments: &Map<String, Value>) -> Result<Vec<Read>, String> {
    let route = tool.declaration.request.path.as_str();
    let given = |name: &str| -> Vec<&str> {
        let several = arguments.get(&format!("{name}s")).and_then(Value::as_array);
        match arguments.get(name).and_then(Value::as_str) {
            Some(one) => vec![one],
            None => several.into_iter().flatten().filter_map(Value::as_str).collect(),
        }
    };
    let Some((last, fixed)) = tool.placeholders.split_last() else {
        return Ok(vec![Read::new(route, &[]).map_err(|error| error.to_string())?]);
    };
    let segment = |name: &str, text: &str| PathSegment::id(text).map_err(|error| format!("{name} {error}"));
    let mut segments = Vec::new();
    for name in fixed {
        let one = given(name)
            .first()
            .copied()
            .ok_or_else(|| format!("a name needs `{name}`"))?;
        segments.push((name.as_str(), segment(name, one)?));
    }
    let ids = given(last);
    if ids.is_empty() {
        return Err(format!("a name needs `{last}`"));
    }
    ids.into_iter()
        .map(|id| {
            let mut segments = segments.clone();
            segments.push((last.as_str(), segment(last, id)?));
            Read::new(route, &segments).map_err(|error| error.to_string())
        })
        .collect()
}

/// A read for each organization that a project may be in, where a personal key has to name one.
async fn over_organizations(
    call: &CallContext<'_>,
    arguments: &Map<String, Value>,
    reads: Vec<Read>,
) -> Result<Vec<Read>, Failure> {
    let named = ["org_id", "source_org_id"]
        .iter()
        .find_map(|name| arguments.get(*name)?.as_str());
    let organizations = match named {
        Some(named) => {
            let over = |read: Read| read.with_query_replaced("org_id", named);
            return Ok(reads.into_iter().map(over).collect());
        }
        None => organizations::to_look_in(call).await?,
    };
    let each = reads.into_iter().flat_map(|read| {
        organizations.iter().map(move |organization| match organization {
            Some(id) => read.clone().with_query_replaced("org_id", id.as_str()),
            None => read.clone(),
        })
    });
    Ok(each.collect())
}
