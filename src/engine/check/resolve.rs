//! From the names that people use to the ids that Neon takes.

use serde_json::{Map, Value};

use crate::catalog::{Argument, Resource, Tool};
use crate::engine::check::organizations;
use crate::engine::check::reference;
use crate::engine::check::reference::Reference;
use crate::engine::context::CallContext;
use crate::engine::error::Failure;
use crate::neon::text::{one_line, trimmed};
use crate::neon::{AnyId, Changed, PageLimit, Paging, PathSegment, ProjectId, Read, pages};

/// How many items of a list are read for a name. A search narrows the list first, so one page is the rule.
const MAX_ITEMS: usize = 4_000;

/// Replaces names by ids in the arguments. Lists are read only where an argument isn't plainly an id.
pub(in crate::engine) async fn resolve(
    call: &CallContext<'_>,
    tool: &Tool,
    arguments: &mut Map<String, Value>,
) -> Result<(), Failure> {
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
        let deleted =
            tool.declaration.safety.target_is_deleted && tool.target().is_some_and(|(target, _)| target == name);
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
            Reference::Either(id) => find(call, arguments, &name, resource, id.as_str(), true).await?,
            Reference::Name(text) => match find(call, arguments, &name, resource, &text, false).await {
                Err(Failure::Reference { .. })
                    if resource == Resource::Branch && call.selected.fixed.contains_key(&name) =>
                {
                    return Err(Failure::no_such_pin(&text));
                }
                found => found?,
            },
        };
        // Nothing is looked up in a project that calls may not be about.
        if resource == Resource::Project && !is_admitted(call, id.as_str()) {
            arguments.insert(name, Value::String(id.into()));
            call.guards
                .policy
                .admits(tool, arguments, tool.declaration.safety.effect, chrono::Utc::now())?;
            continue;
        }
        arguments.insert(name, Value::String(id.into()));
    }
    Ok(())
}

struct Found {
    id: String,
    name: String,
}

impl Found {
    fn of(item: &Value) -> Self {
        let field = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            id: field("id"),
            name: field("name"),
        }
    }

    /// Its id.
    ///
    /// # Errors
    /// Where what Neon gives as one is none: it isn't passed on.
    fn id(&self) -> Result<AnyId, Failure> {
        AnyId::parse(self.id.as_str()).map_err(|_| Failure::Answer {
            message: format!(
                "Neon's list has no valid id of what is named `{}`, so the call wasn't made.",
                one_line(&self.name, 100)
            ),
            changed: Changed::No,
        })
    }

    /// Its id and name, for a sentence.
    fn shown(&self, call: &CallContext<'_>) -> String {
        format!(
            "{} ({})",
            call.fence.quote(&one_line(&self.id, 80)),
            call.fence.quote(&one_line(&self.name, 60))
        )
    }
}

/// Whether calls may be about a project of this id.
fn is_admitted(call: &CallContext<'_>, id: &str) -> bool {
    let id = ProjectId::parse(id).ok();
    call.guards.policy.admits_project(id.as_ref())
}

/// The most things that are told of whose name is like the one that isn't there.
const MAX_NEAR: usize = 3;

/// How many items are looked at for such names.
const MAX_LOOKED_AT: usize = 400;

/// How like a name another one must be, by Jaro and Winkler (1 is the same).
const LIKE_ENOUGH: f64 = 0.8;

/// What is there under nearly that name, the nearest first; nothing where that can't be looked up, or calls may not be about it.
async fn nearest(
    call: &CallContext<'_>,
    resource: Resource,
    reads: Vec<Read>,
    paging: &Paging,
    text: &str,
) -> Vec<Found> {
    let mut near: Vec<(f64, Found)> = Vec::new();
    let wanted = text.to_lowercase();
    for read in reads.into_iter().take(MAX_NEAR) {
        let read = read.without_query("search");
        let Ok(found) = pages::collect(call.client, read, paging, None, MAX_LOOKED_AT, &call.context).await else {
            continue;
        };
        for found in found.items.iter().map(Found::of) {
            let like = strsim::jaro_winkler(&found.name.to_lowercase(), &wanted);
            let admitted = resource != Resource::Project || is_admitted(call, &found.id);
            if like >= LIKE_ENOUGH && admitted && !found.id.is_empty() {
                near.push((like, found));
            }
        }
    }
    near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    near.into_iter().take(MAX_NEAR).map(|(_, found)| found).collect()
}

/// Looks one thing up, by id and by name. An id beats a name.
async fn find(
    call: &CallContext<'_>,
    arguments: &Map<String, Value>,
    argument: &str,
    resource: Resource,
    text: &str,
    may_be_id: bool,
) -> Result<AnyId, Failure> {
    let plain = trimmed(text);
    let Listing { read, paging, tool } = listing(resource, arguments, plain).map_err(Failure::Internal)?;
    let (mut items, mut more) = (Vec::new(), false);
    let reads = over_organizations(call, resource, arguments, read).await?;
    for read in reads.clone() {
        let found = pages::collect(call.client, read, &paging, None, MAX_ITEMS, &call.context).await?;
        more |= found.next.is_some();
        items.extend(found.items);
    }
    let mut matches: Vec<Found> = Vec::new();
    // A name with blanks around it beats the same name without them.
    let meant: &[&str] = if plain == text { &[text] } else { &[text, plain] };
    for text in meant.iter().copied() {
        for found in items.iter().map(Found::of) {
            if may_be_id && found.id == text {
                return found.id();
            }
            if found.name == text && !found.id.is_empty() && !matches.iter().any(|other| other.id == found.id) {
                matches.push(found);
            }
        }
        if !matches.is_empty() {
            break;
        }
    }
    if more {
        return Err(Failure::Reference {
            argument: argument.to_owned(),
            message: format!(
                "Too many things resemble `{}` to look the {} up. Nothing was changed.",
                one_line(text, 100),
                kind(resource)
            ),
            next: format!("Give the id: {tool} shows it."),
        });
    }
    match matches.as_slice() {
        [one] => one.id(),
        [] => Err(Failure::Reference {
            argument: argument.to_owned(),
            message: format!(
                "There is no {} with the id or the exact name `{}`. Nothing was changed.",
                kind(resource),
                one_line(text, 100)
            ),
            next: match nearest(call, resource, reads, &paging, plain).await.as_slice() {
                [] => format!("Call {tool} to see what there is."),
                near => format!(
                    "Call {tool} to see what there is; named like it: {}.",
                    near.iter()
                        .map(|found| found.shown(call))
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            },
        }),
        several => {
            let list: Vec<String> = several.iter().take(10).map(|found| found.shown(call)).collect();
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

/// A read for each organization that a project may be in, where a personal key has to name one.
async fn over_organizations(
    call: &CallContext<'_>,
    resource: Resource,
    arguments: &Map<String, Value>,
    read: Read,
) -> Result<Vec<Read>, Failure> {
    if resource != Resource::Project || arguments.get("org_id").is_some_and(Value::is_string) {
        return Ok(vec![read]);
    }
    let organizations = organizations::to_look_in(call).await?;
    let reads = organizations.into_iter().map(|organization| match organization {
        Some(id) => read.clone().with_query_replaced("org_id", id.as_str()),
        None => read.clone(),
    });
    Ok(reads.collect())
}

/// A list to look into.
struct Listing {
    read: Read,
    paging: Paging,
    /// The tool that shows it.
    tool: &'static str,
}

fn listing(resource: Resource, arguments: &Map<String, Value>, text: &str) -> Result<Listing, String> {
    let in_project = |route: &'static str| {
        let id = arguments
            .get("project_id")
            .and_then(Value::as_str)
            .ok_or("a name needs a project to look into")?;
        let id = PathSegment::id(id).map_err(|error| format!("project_id {error}"))?;
        Read::new(route, &[("project_id", id)]).map_err(|error| error.to_string())
    };
    Ok(match resource {
        Resource::Project => {
            let read = Read::new("/projects", &[]).map_err(|error| error.to_string())?;
            let mut read = read.with_query("search", text);
            if let Some(organization) = arguments.get("org_id").and_then(Value::as_str) {
                read = read.with_query("org_id", organization);
            }
            let mut paging = Paging::by_query("/projects", "/pagination/cursor");
            // Neon's largest page, and its last one comes with a cursor too.
            paging.limit = Some(PageLimit {
                name: "limit".to_owned(),
                max: 400,
                full_pages: true,
            });
            Listing {
                read,
                paging,
                tool: "list_projects",
            }
        }
        Resource::Branch => Listing {
            read: in_project("/projects/{project_id}/branches")?.with_query("search", text),
            paging: Paging::by_query("/branches", "/pagination/next"),
            tool: "list_branches",
        },
        // Neon gives all of them at once.
        Resource::Endpoint => Listing {
            read: in_project("/projects/{project_id}/endpoints")?,
            paging: Paging::by_query("/endpoints", "/pagination/next"),
            tool: "list_computes",
        },
        Resource::Snapshot | Resource::Organization => {
            return Err(format!("a {} has no name to look up", kind(resource)));
        }
    })
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
