//! From the names that people use to the ids that Neon takes.

use serde_json::{Map, Value};

use crate::catalog::{Argument, Resource, Tool};
use crate::engine::check::linked::Filled;
use crate::engine::check::lookup::{self, Wanted, is_admitted};
use crate::engine::check::organizations;
use crate::engine::check::reference::{self, Reference};
use crate::engine::context::CallContext;
use crate::engine::error::Failure;
use crate::engine::snapshot::ReadSnapshot;
use crate::neon::ProjectId;
use crate::neon::views::Project;

/// Replaces names by ids in the arguments, in lists of them too, and fills in the organization. Lists are read only where an argument isn't plainly an id.
pub(in crate::engine) async fn resolve(
    call: &CallContext<'_>,
    tool: &Tool,
    arguments: &mut Map<String, Value>,
    filled: &mut Filled,
) -> Result<(), Failure> {
    // Organizations first, then projects: the others are looked up in them.
    let mut named: Vec<(String, Resource)> = arguments
        .keys()
        .filter_map(|name| match tool.names(name) {
            Some(Argument::Resource(resource) | Argument::Item(resource)) => Some((name.clone(), resource)),
            _ => None,
        })
        .collect();
    named.sort_by_key(|(_, resource)| *resource);
    let (organizations, others): (Vec<_>, Vec<_>) = named
        .into_iter()
        .partition(|(_, resource)| *resource == Resource::Organization);
    each(call, tool, arguments, organizations).await?;
    organizations::fill(call, tool, arguments, filled).await?;
    each(call, tool, arguments, others).await
}

/// Replaces the names in these arguments.
async fn each(
    call: &CallContext<'_>,
    tool: &Tool,
    arguments: &mut Map<String, Value>,
    named: Vec<(String, Resource)>,
) -> Result<(), Failure> {
    for (name, resource) in named {
        let resolved = match arguments.get(&name) {
            Some(Value::String(text)) => one(call, tool, arguments, (&name, resource), text).await?,
            Some(Value::Array(items)) => {
                let mut ids = Vec::with_capacity(items.len());
                for item in items {
                    let id = match item {
                        Value::String(text) => one(call, tool, arguments, (&name, resource), text).await?,
                        other => other.clone(),
                    };
                    if !ids.contains(&id) {
                        ids.push(id);
                    }
                }
                Value::Array(ids)
            }
            _ => continue,
        };
        let beyond = resource == Resource::Project && names_beyond(call, &resolved);
        if resource == Resource::Project && !beyond {
            of_admitted_organization(call, tool, &name, &resolved).await?;
        }
        arguments.insert(name, resolved);
        // Nothing is looked up in a project that calls may not be about.
        if beyond {
            let effect = tool.declaration.safety.effect;
            call.guards.policy.admits(tool, arguments, effect, chrono::Utc::now())?;
        }
    }
    Ok(())
}

/// Refuses a project of another organization than calls may be about, before anything in it is looked up by name: the nearest names
/// would tell what there is.
async fn of_admitted_organization(
    call: &CallContext<'_>,
    tool: &Tool,
    argument: &str,
    project: &Value,
) -> Result<(), Failure> {
    let policy = &call.guards.policy;
    // Of a deleted project, or of one that isn't ours yet, Neon tells nothing.
    let is_told = !tool.declaration.safety.target_is_deleted && argument == "project_id";
    let id = project.as_str().and_then(|id| ProjectId::parse(id).ok());
    let (true, true, Some(id)) = (policy.wants_organization(), is_told, id) else {
        return Ok(());
    };
    let answer = ReadSnapshot::new(call).project(&id).await?;
    Ok(policy.check_organization(Project::in_answer(&answer).organization().as_ref())?)
}

fn names_beyond(call: &CallContext<'_>, resolved: &Value) -> bool {
    match resolved {
        Value::String(id) => !is_admitted(call, id),
        Value::Array(ids) => ids.iter().any(|id| names_beyond(call, id)),
        _ => false,
    }
}

/// The id that one text of an argument stands for.
async fn one(
    call: &CallContext<'_>,
    tool: &Tool,
    arguments: &Map<String, Value>,
    (name, resource): (&str, Resource),
    text: &str,
) -> Result<Value, Failure> {
    let request = &tool.declaration.request;
    let is_deleted = request.among_deleted.iter().any(|argument| argument == name);
    // What belongs to somebody else is in no list of ours.
    let is_foreign = !is_deleted
        && tool.declaration.safety.target_is_deleted
        && tool.target().is_some_and(|(target, _)| target == name);
    let reference = reference::parse(resource, text).map_err(|message| Failure::Reference {
        argument: name.to_owned(),
        message: format!("`{name}` {message}."),
        next: "Correct the argument and call again.".to_owned(),
    })?;
    let (text, may_be_id) = match &reference {
        Reference::Id(id) => return Ok(resource_id(resource, id)),
        Reference::Either(id) if is_foreign => return Ok(resource_id(resource, id)),
        Reference::Name(_) if is_foreign => {
            return Err(Failure::Reference {
                argument: name.to_owned(),
                message: format!("`{name}` is somebody else's, which only its id can name. Nothing was sent."),
                next: "Take the id from the link or the message that came with the request.".to_owned(),
            });
        }
        Reference::Either(id) => (id.as_str(), true),
        Reference::Name(name) => (name.as_str(), false),
    };
    if resource == Resource::Organization {
        return organizations::find(call, name, text, may_be_id).await.map(Value::from);
    }
    let wanted = Wanted {
        argument: name,
        resource,
        text,
        may_be_id,
        is_deleted,
    };
    let id = match lookup::find(call, arguments, wanted).await {
        Err(Failure::Reference { .. }) if resource == Resource::Branch && call.selected.fixed.contains_key(name) => {
            return Err(Failure::no_such_pin(text));
        }
        found => found?,
    };
    Ok(resource_id(resource, &id))
}

/// An id, as Neon writes it: those of API keys are numbers.
fn resource_id(resource: Resource, id: &str) -> Value {
    match (resource, id.parse::<i64>()) {
        (Resource::ApiKey | Resource::OrganizationApiKey, Ok(number)) => number.into(),
        _ => id.into(),
    }
}
