//! What a call acts on.

use serde_json::{Map, Value};

use crate::catalog::{Argument, PlanDeclaration, Resource, Tool};
use crate::engine::error::{ArgumentProblem, Failure};
use crate::engine::snapshot::{ReadSnapshot, unread};
use crate::engine::values::{id, items, text};
use crate::guard::Effect;
use crate::neon::text::one_line;
use crate::neon::views::Endpoint;
use crate::neon::{BranchId, Changed, EndpointId, ProjectId};

/// The id of the branch that a call is about: what it loses, where a plan says so, else what it acts on, or what the
/// compute that it acts on belongs to. Nothing when the call leaves it to Neon.
pub(in crate::engine) async fn branch_of(
    look: &ReadSnapshot<'_, '_>,
    tool: &Tool,
    arguments: &Map<String, Value>,
) -> Result<Option<BranchId>, Failure> {
    let Some(project) = id::<ProjectId>(arguments, "project_id")? else {
        return Ok(None);
    };
    if let Some(lost) = lost_branch(look, tool, arguments).await? {
        return Ok(Some(lost));
    }
    let Some((argument, resource)) = tool.target() else {
        return Ok(None);
    };
    let endpoint: Option<EndpointId> = match (resource, text(arguments, argument)) {
        (Resource::Branch, Some(_)) => {
            let Some(branch) = id::<BranchId>(arguments, argument)? else {
                return Ok(None);
            };
            // Both named: the compute decides where the call goes, so they must agree.
            if let (Some(endpoint), Some(Argument::Resource(Resource::Endpoint))) =
                (id(arguments, "endpoint_id")?, tool.names("endpoint_id"))
            {
                let answer = look.endpoint(&project, &endpoint).await?;
                let of = Endpoint::in_answer(&answer).branch().map_err(unread)?;
                if of != branch {
                    return Err(Failure::Arguments(vec![ArgumentProblem {
                        argument: "endpoint_id".to_owned(),
                        message: format!("is a compute of branch {}, not of branch_id", one_line(of.as_str(), 80)),
                    }]));
                }
            }
            return Ok(Some(branch));
        }
        (Resource::Endpoint, Some(_)) => id(arguments, argument)?,
        // A compute can be named instead of the branch that it is on.
        (Resource::Branch, None) => id(arguments, "endpoint_id")?,
        _ => None,
    };
    match endpoint {
        Some(endpoint) => {
            let answer = look.endpoint(&project, &endpoint).await?;
            Endpoint::in_answer(&answer).branch().map(Some).map_err(unread)
        }
        None => Ok(None),
    }
}

/// The branch that is lost where that is another than the target: declared by the plan.
async fn lost_branch(
    look: &ReadSnapshot<'_, '_>,
    tool: &Tool,
    arguments: &Map<String, Value>,
) -> Result<Option<BranchId>, Failure> {
    let Some(plan) = &tool.declaration.safety.plan else {
        return Ok(None);
    };
    let Some(pointer) = &plan.lost_branch else {
        return Ok(None);
    };
    let given = tool
        .declaration
        .safety
        .target
        .as_deref()
        .and_then(|target| text(arguments, target));
    if given.is_some() {
        return Ok(None);
    }
    let seen = shown(look, plan, arguments).await?;
    let lost = seen.pointer(pointer).and_then(Value::as_str);
    match lost.and_then(|id| BranchId::parse(id).ok()) {
        Some(id) => Ok(Some(id)),
        // Of what else is lost nobody could be asked.
        None if tool.declaration.safety.effect == Effect::Destructive => Err(unknown_loss(pointer)),
        None => Ok(None),
    }
}

/// Neon doesn't say which branch a call would replace.
pub(in crate::engine) fn unknown_loss(pointer: &str) -> Failure {
    Failure::Answer {
        message: format!(
            "Neon doesn't say which branch would be replaced ({pointer} is missing), so the call wasn't made."
        ),
        changed: Changed::No,
    }
}

/// What the plan's own read shows: the answer, or the picked item of a list in it (null when there is none).
pub(in crate::engine) async fn shown(
    look: &ReadSnapshot<'_, '_>,
    plan: &PlanDeclaration,
    arguments: &Map<String, Value>,
) -> Result<Value, Failure> {
    let answer = look.tool(&plan.read, &plan.with, arguments).await?;
    let Some(pick) = &plan.pick else {
        return Ok((*answer).clone());
    };
    let wanted = match &pick.argument {
        Some(argument) => arguments.get(argument),
        None => pick.value.as_ref(),
    };
    let list = answer.pointer(&pick.list).unwrap_or(&Value::Null);
    let field = |item: &Value| match pick.field.starts_with('/') {
        true => item.pointer(&pick.field).cloned(),
        false => item.get(&pick.field).cloned(),
    };
    let found = items(list).find(|item| wanted.is_some() && field(item).as_ref() == wanted);
    Ok(found.cloned().unwrap_or_default())
}
