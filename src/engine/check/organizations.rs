//! The organizations that the key reaches. A personal key has to name one where projects are listed or made (Neon answers 400
//! otherwise); a key of an organization or of a project can't list any, and names none.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::catalog::Tool;
use crate::engine::check::known::Organization;
use crate::engine::check::linked::Filled;
use crate::engine::context::CallContext;
use crate::engine::error::Failure;
use crate::neon::text::one_line;
use crate::neon::{ErrorKind, OrganizationId, Read};

/// How many organizations a message names.
const NAMED: usize = 20;

/// The argument that names one.
const ARGUMENT: &str = "org_id";

/// Those of a personal key; none for any other key.
async fn of_key(call: &CallContext<'_>) -> Result<Arc<[Organization]>, Failure> {
    call.organizations.known_or(read(call)).await
}

async fn read(call: &CallContext<'_>) -> Result<Arc<[Organization]>, Failure> {
    let read = Read::new("/users/me/organizations", &[]).map_err(|error| Failure::Internal(error.to_string()))?;
    match call.client.read(read, &call.context).await {
        Ok(answer) => {
            let body = answer.body.unwrap_or_default();
            let list = body.get("organizations").and_then(Value::as_array);
            Ok(list.into_iter().flatten().filter_map(read_one).collect())
        }
        // A route of users alone: the key is an organization's or a project's, and stands for its own.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::Forbidden | ErrorKind::Refused
            ) =>
        {
            Ok(Arc::from([]))
        }
        Err(error) => Err(error.into()),
    }
}

fn read_one(organization: &Value) -> Option<Organization> {
    let text = |field: &str| organization.get(field).and_then(Value::as_str).unwrap_or_default();
    Some(Organization {
        id: OrganizationId::parse(text("id")).ok()?,
        name: text("name").to_owned(),
    })
}

/// Those over which projects are looked for, in Neon's order: the one that the operator fixed, else all that the key reaches and the
/// policy allows. `None` stands for the key's own, which needs no name.
pub(in crate::engine) async fn to_look_in(call: &CallContext<'_>) -> Result<Vec<Option<OrganizationId>>, Failure> {
    if let Some(fixed) = &call.selected.organization {
        return Ok(vec![Some(fixed.clone())]);
    }
    let all = of_key(call).await?;
    if all.is_empty() {
        return Ok(vec![None]);
    }
    let admitted = all.iter().filter(|organization| is_admitted(call, organization));
    Ok(admitted.map(|organization| Some(organization.id.clone())).collect())
}

fn is_admitted(call: &CallContext<'_>, organization: &Organization) -> bool {
    call.guards.policy.check_organization(Some(&organization.id)).is_ok()
}

/// Whether a tool lists projects, or makes one: where a personal key has to name an organization.
pub(in crate::engine) fn are_wanted(tool: &Tool, arguments: &Map<String, Value>) -> bool {
    tool.declaration.request.path == "/projects"
        && tool.property(ARGUMENT).is_some()
        && !arguments.contains_key(ARGUMENT)
}

/// Fills in the organization where the key reaches exactly one. A list goes over all of several; what is made needs one that is
/// named.
///
/// # Errors
/// Where something would be made and there are several: which they are.
pub(in crate::engine) async fn fill(
    call: &CallContext<'_>,
    tool: &Tool,
    arguments: &mut Map<String, Value>,
    filled: &mut Filled,
) -> Result<(), Failure> {
    if !are_wanted(tool, arguments) {
        return Ok(());
    }
    if tool.declaration.request.method.changes() {
        filled.organization(arguments);
        if arguments.contains_key(ARGUMENT) {
            return Ok(());
        }
    }
    let all = of_key(call).await?;
    let admitted: Vec<&Organization> = all.iter().filter(|one| is_admitted(call, one)).collect();
    match admitted.as_slice() {
        [] => Ok(()),
        [one] => {
            arguments.insert(ARGUMENT.to_owned(), one.id.as_str().into());
            Ok(())
        }
        _ if !tool.declaration.request.method.changes() => Ok(()),
        several => {
            // The one that is meant may be new.
            call.organizations.forget().await;
            let more = several.len().saturating_sub(NAMED);
            let mut list: Vec<String> = several
                .iter()
                .take(NAMED)
                .map(|one| {
                    let id = call.fence.quote(&one_line(one.id.as_str(), 80));
                    format!("{id} ({})", call.fence.quote(&one_line(&one.name, 60)))
                })
                .collect();
            if more > 0 {
                list.push(format!("and {more} more, which list_organizations shows"));
            }
            Err(Failure::Reference {
                argument: ARGUMENT.to_owned(),
                message: format!(
                    "The key reaches {} organizations: {}. Nothing was changed.",
                    several.len(),
                    list.join(", ")
                ),
                next: format!("Call again with {ARGUMENT}: the id of the one that it is for."),
            })
        }
    }
}
