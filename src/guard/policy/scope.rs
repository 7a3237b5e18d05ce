//! Bounds to projects and organizations.

use serde_json::{Map, Value};

use super::file::PolicyFile;
use super::rule::{Denied, TELL};
use crate::catalog::{Argument, Resource, Tool};
use crate::guard::Effect;
use crate::neon::OrganizationId;
use crate::text::one_line;

/// The most ids that a message names.
const MAX_NAMED: usize = 5;

/// Whether a call of the tool can stay in bounds at all: what its declaration alone decides.
pub(super) fn offers(file: &PolicyFile, tool: &Tool) -> Result<(), Denied> {
    file.offers_inside(tool)?;
    if !does_more_than_read(tool, tool.declaration.safety.effect) {
        return Ok(());
    }
    let takes = |wanted: Resource| {
        let properties = tool.input.get("properties").and_then(Value::as_object);
        properties.is_some_and(|properties| properties.keys().any(|name| names(tool, name) == Some(wanted)))
    };
    if file.allowed_projects.is_some() && !takes(Resource::Project) {
        return Err(beyond_projects(file));
    }
    if file.allowed_organizations.is_some() {
        if !takes(Resource::Project) && !takes(Resource::Organization) {
            return Err(beyond_organizations(file, "this call isn't about one of them"));
        }
        if is_of_a_deleted_project(tool) {
            return Err(beyond_organizations(file, "nobody can tell whose a deleted project is"));
        }
    }
    Ok(())
}

/// Whether every project and organization that the arguments name is in bounds.
pub(super) fn admits(
    file: &PolicyFile,
    tool: &Tool,
    arguments: &Map<String, Value>,
    effect: Effect,
) -> Result<(), Denied> {
    let given = |wanted: Resource| {
        arguments
            .iter()
            .filter(move |(name, value)| names_something(value) && names(tool, name) == Some(wanted))
    };
    let more = does_more_than_read(tool, effect);
    file.admits_names(tool, arguments, effect)?;
    if let Some(allowed) = &file.allowed_projects {
        for (name, value) in given(Resource::Project) {
            check(value, |id| allowed.iter().any(|one| one == id)).map_err(|id| {
                let why = format!("{name} {id} is none of the allowed projects ({})", listed(allowed));
                Denied::new("allowed_projects", &why, TELL)
            })?;
        }
        if more && given(Resource::Project).next().is_none() {
            return Err(beyond_projects(file));
        }
    }
    if let Some(allowed) = &file.allowed_organizations {
        for (name, value) in given(Resource::Organization) {
            check(value, |id| allowed.iter().any(|one| one == id)).map_err(|id| {
                let why = format!("{name} {id} is none of the allowed organizations ({})", listed(allowed));
                Denied::new("allowed_organizations", &why, TELL)
            })?;
        }
        if more && given(Resource::Organization).next().is_none() && given(Resource::Project).next().is_none() {
            let why = format!("it must name one of the allowed organizations ({})", listed(allowed));
            return Err(Denied::new("allowed_organizations", &why, "Call again with org_id."));
        }
    }
    Ok(())
}

/// Whether the organization that a project belongs to is in bounds; nothing when Neon doesn't tell it.
pub(super) fn check_organization(file: &PolicyFile, organization: Option<&OrganizationId>) -> Result<(), Denied> {
    let Some(allowed) = &file.allowed_organizations else {
        return Ok(());
    };
    match organization {
        Some(id) if allowed.iter().any(|one| one == id.as_str()) => Ok(()),
        Some(id) => {
            let why = format!(
                "the project belongs to {}, which isn't one of them",
                one_line(id.as_str(), 80)
            );
            Err(beyond_organizations(file, &why))
        }
        None => Err(beyond_organizations(
            file,
            "Neon doesn't tell which one the project belongs to",
        )),
    }
}

pub(super) fn does_more_than_read(tool: &Tool, effect: Effect) -> bool {
    effect != Effect::Read || tool.declaration.safety.reveals
}

fn is_of_a_deleted_project(tool: &Tool) -> bool {
    tool.declaration.safety.target_is_deleted && matches!(tool.target(), Some((_, Resource::Project)))
}

fn names_something(value: &Value) -> bool {
    !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty())
}

/// Checks each id of a value. The error is the first that isn't in bounds, or no id at all.
fn check(value: &Value, is_in: impl Fn(&str) -> bool + Copy) -> Result<(), String> {
    match value {
        Value::String(id) if is_in(id) => Ok(()),
        Value::Array(items) => items.iter().try_for_each(|item| check(item, is_in)),
        Value::String(id) => Err(one_line(id, 80)),
        _ => Err("(no id)".to_owned()),
    }
}

fn beyond_projects(file: &PolicyFile) -> Denied {
    let allowed = file.allowed_projects.as_deref().unwrap_or_default();
    let why = format!("it reaches beyond the allowed projects ({})", listed(allowed));
    Denied::new("allowed_projects", &why, TELL)
}

fn beyond_organizations(file: &PolicyFile, why: &str) -> Denied {
    let allowed = file.allowed_organizations.as_deref().unwrap_or_default();
    let why = format!(
        "it reaches no further than its organizations ({}), and {why}",
        listed(allowed)
    );
    Denied::new("allowed_organizations", &why, TELL)
}

pub(super) fn listed(ids: &[String]) -> String {
    let named: Vec<&str> = ids.iter().map(String::as_str).take(MAX_NAMED).collect();
    let named = named.join(", ");
    match ids.len().saturating_sub(MAX_NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// What an argument names, if that is a project or an organization. Where a declaration doesn't say it, the name does.
pub(super) fn names(tool: &Tool, argument: &str) -> Option<Resource> {
    let is = |word: &str| {
        [format!("{word}_id"), format!("{word}_ids")]
            .iter()
            .any(|name| argument == name || argument.ends_with(&format!("_{name}")))
    };
    match tool.names(argument) {
        Some(Argument::Resource(named) | Argument::Item(named)) => {
            matches!(named, Resource::Project | Resource::Organization).then_some(named)
        }
        _ if is("project") => Some(Resource::Project),
        _ if is("org") || is("organization") => Some(Resource::Organization),
        _ => None,
    }
}
