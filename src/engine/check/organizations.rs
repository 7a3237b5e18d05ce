//! The organizations that the key reaches. A personal key has to name one where projects are listed or made (Neon answers 400
//! otherwise); a key of an organization or of a project can't list any, and names none.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::catalog::Tool;
use crate::engine::check::known::Organization;
use crate::engine::check::linked::Filled;
use crate::engine::context::CallContext;
use crate::engine::error::Failure;
use crate::neon::text::{one_line, trimmed};
use crate::neon::{Client, Context, ErrorKind, OrganizationId, Read};

/// How many organizations a message names.
const NAMED: usize = 20;

/// The argument that names one.
const ARGUMENT: &str = "org_id";

/// Those of a personal key; none for any other key.
async fn of_key(call: &CallContext<'_>) -> Result<Arc<[Organization]>, Failure> {
    call.organizations.known_or(read(call.client, &call.context)).await
}

/// Those that a client's key lists.
pub(in crate::engine) async fn read(client: &Client, context: &Context) -> Result<Arc<[Organization]>, Failure> {
    let read = Read::new("/users/me/organizations", &[]).map_err(|error| Failure::Internal(error.to_string()))?;
    match client.read(read, context).await {
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

/// The id of an organization that is named. An id beats a name.
///
/// # Errors
/// Where the key reaches none of that name, or several.
pub(in crate::engine) async fn find(
    call: &CallContext<'_>,
    argument: &str,
    text: &str,
    may_be_id: bool,
) -> Result<String, Failure> {
    let all = of_key(call).await?;
    if may_be_id && (all.is_empty() || all.iter().any(|one| one.id.as_str() == text)) {
        // A key that can't list any has its own, whose id is as good as any.
        return Ok(text.to_owned());
    }
    let named: Vec<&Organization> = all
        .iter()
        .filter(|one| one.name == text || one.name == trimmed(text))
        .collect();
    if let [one] = named.as_slice() {
        return Ok(one.id.as_str().to_owned());
    }
    // The one that is meant may be new.
    call.organizations.forget().await;
    let text = one_line(text, 100);
    let refused = |message: String, next: &str| {
        Err(Failure::Reference {
            argument: argument.to_owned(),
            message,
            next: next.to_owned(),
        })
    };
    match (named.as_slice(), all.is_empty()) {
        ([], true) => refused(
            format!("This key can't list organizations, so `{text}` can't be looked up by name. Nothing was changed."),
            "Give the organization's id (org-…): list_projects shows it with each project.",
        ),
        ([], false) => refused(
            format!(
                "There is no organization with the id or the exact name `{text}`: the key reaches {}. Nothing was changed.",
                told(call, &all.iter().collect::<Vec<_>>())
            ),
            "Call again with one of them; list_organizations shows them.",
        ),
        (several, _) => refused(
            format!(
                "{} things are named `{text}`: {}. Nothing was changed.",
                several.len(),
                told(call, several)
            ),
            "Call again with the id of the one that is meant.",
        ),
    }
}

/// Fills in the organization where the key reaches exactly one. A list of projects goes over all of several; everything else needs
/// one that is named.
///
/// # Errors
/// Where there are several: which they are.
pub(in crate::engine) async fn fill(
    call: &CallContext<'_>,
    tool: &Tool,
    arguments: &mut Map<String, Value>,
    filled: &mut Filled,
) -> Result<(), Failure> {
    let Some(argument) = tool.declaration.request.fills.as_deref() else {
        return Ok(());
    };
    if arguments.contains_key(argument) {
        return Ok(());
    }
    if are_wanted(tool, arguments) && tool.declaration.request.method.changes() {
        filled.organization(arguments);
        if arguments.contains_key(argument) {
            return Ok(());
        }
    }
    let all = of_key(call).await?;
    let admitted: Vec<&Organization> = all.iter().filter(|one| is_admitted(call, one)).collect();
    match admitted.as_slice() {
        // Neon knows it by the key.
        [] if are_wanted(tool, arguments) => Ok(()),
        [] => match own(call).await? {
            Some(id) => {
                arguments.insert(argument.to_owned(), id.into());
                Ok(())
            }
            None => Err(Failure::Reference {
                argument: argument.to_owned(),
                message: "The call needs an organization, and this key tells of none. Nothing was changed.".to_owned(),
                next: format!("Call again with {argument}: the organization's id (org-…)."),
            }),
        },
        [one] => {
            arguments.insert(argument.to_owned(), one.id.as_str().into());
            Ok(())
        }
        _ if are_wanted(tool, arguments) && !tool.declaration.request.method.changes() => Ok(()),
        several => {
            // The one that is meant may be new.
            call.organizations.forget().await;
            Err(Failure::Reference {
                argument: argument.to_owned(),
                message: format!(
                    "The key reaches {} organizations: {}. Nothing was changed.",
                    several.len(),
                    told(call, several)
                ),
                next: format!("Call again with {argument}: the id or the name of the one that it is for."),
            })
        }
    }
}

/// Organizations, for a sentence: ids and names.
fn told(call: &CallContext<'_>, organizations: &[&Organization]) -> String {
    let more = organizations.len().saturating_sub(NAMED);
    let mut list: Vec<String> = organizations
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
    list.join(", ")
}

/// The organization that a key belongs to which is no person's.
async fn own(call: &CallContext<'_>) -> Result<Option<String>, Failure> {
    let read = Read::new("/auth", &[]).map_err(|error| Failure::Internal(error.to_string()))?;
    let answer = call.client.read(read, &call.context).await?.body.unwrap_or_default();
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
    let id = OrganizationId::parse(text("account_id")).ok();
    Ok(id
        .filter(|_| text("auth_method") == "api_key_org")
        .map(|id| id.as_str().to_owned()))
}
