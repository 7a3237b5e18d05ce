//! From the names that people use to the ids that Neon takes.

use serde_json::{Map, Value};

use super::failure::Failure;
use super::reference::{self, Reference};
use super::run::Call;
use crate::catalog::{Argument, Resource, Tool};
use crate::neon::text::one_line;
use crate::neon::{PathSegment, Read};

/// How many pages of a list are read for a name. A search narrows the list first, so one is the rule.
const PAGES: usize = 10;

/// Replaces names by ids in the arguments. Lists are read only where an argument isn't plainly an id.
pub(super) async fn resolve(call: &Call<'_>, tool: &Tool, arguments: &mut Map<String, Value>) -> Result<(), Failure> {
    // The project first: branches and computes are looked up in it.
    let mut named: Vec<(String, Resource)> = arguments
        .keys()
        .filter_map(|name| match tool.names(name) {
            Some(Argument::Resource(resource)) => Some((name.clone(), resource)),
            _ => None,
        })
        .collect();
    named.sort_by_key(|(_, resource)| *resource);
    for (name, resource) in named {
        let Some(Value::String(text)) = arguments.get(&name) else {
            continue;
        };
        let reference = reference::parse(resource, text).map_err(|message| Failure::Reference {
            argument: name.clone(),
            message: format!("`{name}` {message}."),
            next: "Correct the argument and call again.".to_owned(),
        })?;
        let deleted = tool.declaration.target_is_deleted && tool.target().is_some_and(|(target, _)| target == name);
        let id = match reference {
            Reference::Id(id) => id,
            // Names of deleted things aren't looked up: a living namesake would be found instead.
            Reference::Either(id) if deleted => id,
            Reference::Name(_) if deleted => {
                return Err(Failure::Reference {
                    message: format!("`{name}` names something deleted, which only its id can do. Nothing was sent."),
                    argument: name,
                    next: "Find the id: list_branches with include_deleted, or list_projects with recoverable."
                        .to_owned(),
                });
            }
            Reference::Either(text) => find(call, arguments, &name, resource, &text, true).await?,
            Reference::Name(text) => find(call, arguments, &name, resource, &text, false).await?,
        };
        arguments.insert(name, Value::String(id));
    }
    Ok(())
}

struct Found {
    id: String,
    name: String,
}

/// Looks one thing up, by id and by name. An id beats a name.
async fn find(
    call: &Call<'_>,
    arguments: &Map<String, Value>,
    argument: &str,
    resource: Resource,
    text: &str,
    may_be_id: bool,
) -> Result<String, Failure> {
    let (read, list, tool) = lists(resource, arguments, text).map_err(Failure::Internal)?;
    let mut matches: Vec<Found> = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES {
        let request = match &cursor {
            Some(cursor) => read.clone().with_query_replaced("cursor", cursor.as_str()),
            None => read.clone(),
        };
        let answer = call.client.read(request, &call.context).await?;
        let body = answer.body.unwrap_or_default();
        let items = body
            .get(list)
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        for item in items {
            let field = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let found = Found {
                id: field("id"),
                name: field("name"),
            };
            if may_be_id && found.id == text {
                return Ok(found.id);
            }
            if found.name == text && !found.id.is_empty() && !matches.iter().any(|other| other.id == found.id) {
                matches.push(found);
            }
        }
        let next = ["/pagination/cursor", "/pagination/next"]
            .into_iter()
            .find_map(|pointer| body.pointer(pointer))
            .and_then(Value::as_str)
            .filter(|next| !next.is_empty() && Some(*next) != cursor.as_deref());
        match next {
            Some(next) if !items.is_empty() => cursor = Some(next.to_owned()),
            _ => {
                cursor = None;
                break;
            }
        }
    }
    if cursor.is_some() {
        return Err(Failure::Reference {
            argument: argument.to_owned(),
            message: format!(
                "Too many {list} resemble `{}` to look the name up. Nothing was changed.",
                one_line(text, 100)
            ),
            next: format!("Give the id: {tool} shows it."),
        });
    }
    match matches.as_slice() {
        [one] => Ok(one.id.clone()),
        [] => Err(Failure::Reference {
            argument: argument.to_owned(),
            message: format!(
                "There is no {} with the id or the exact name `{}`. Nothing was changed.",
                kind(resource),
                one_line(text, 100)
            ),
            next: format!("Call {tool} to see what there is."),
        }),
        several => {
            let list: Vec<String> = several
                .iter()
                .take(10)
                .map(|found| format!("{} ({})", found.id, one_line(&found.name, 60)))
                .collect();
            Err(Failure::Reference {
                argument: argument.to_owned(),
                message: format!(
                    "{} things are named `{}`: {}. Nothing was changed.",
                    several.len(),
                    one_line(text, 100),
                    list.join(", ")
                ),
                next: "Call again with the id of the one that is meant.".to_owned(),
            })
        }
    }
}

/// The list to look into, the field that holds it, and the tool that shows it.
fn lists(
    resource: Resource,
    arguments: &Map<String, Value>,
    text: &str,
) -> Result<(Read, &'static str, &'static str), String> {
    let project = || {
        let id = arguments
            .get("project_id")
            .and_then(Value::as_str)
            .ok_or("a name needs a project to look into")?;
        PathSegment::id(id).map_err(|error| format!("project_id {error}"))
    };
    let read = |route: &'static str, segments: &[(&str, PathSegment)]| {
        Read::new(route, segments).map_err(|error| error.to_string())
    };
    match resource {
        Resource::Project => {
            let mut read = read("/projects", &[])?
                .with_query("search", text)
                .with_query("limit", "400");
            if let Some(organization) = arguments.get("org_id").and_then(Value::as_str) {
                read = read.with_query("org_id", organization);
            }
            Ok((read, "projects", "list_projects"))
        }
        Resource::Branch => Ok((
            read("/projects/{project_id}/branches", &[("project_id", project()?)])?.with_query("search", text),
            "branches",
            "list_branches",
        )),
        Resource::Endpoint => Ok((
            read("/projects/{project_id}/endpoints", &[("project_id", project()?)])?,
            "endpoints",
            "list_computes",
        )),
        Resource::Snapshot | Resource::Organization => Err(format!("a {} has no name to look up", kind(resource))),
    }
}

fn kind(resource: Resource) -> &'static str {
    match resource {
        Resource::Project => "project",
        Resource::Branch => "branch",
        Resource::Endpoint => "compute",
        Resource::Snapshot => "snapshot",
        Resource::Organization => "organization",
    }
}
