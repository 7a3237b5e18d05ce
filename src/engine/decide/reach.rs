//! Which branches a call reaches, and whether the operator lets it: those that it names, by a branch, a compute or a snapshot, and
//! those that it reaches without naming them. What they are is read at the time of the call; what can't be told is denied.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::catalog::{Argument, BranchPin, Reached, Resource, Tool};
use crate::engine::context::CallContext;
use crate::engine::decide::seen::seen;
use crate::engine::decide::target::branch_of;
use crate::engine::error::Failure;
use crate::engine::snapshot::{ReadSnapshot, unread};
use crate::engine::values::{id, items, text};
use crate::guard::{NewBranch, Policy};
use crate::neon::views::{Branch, Endpoint, Parent};
use crate::neon::{BranchId, Changed, EndpointId, ErrorKind, InvalidId, ProjectId};
use crate::sql::Script;

/// How many generations of throwaway branches are looked at.
const MAX_ANCESTORS: usize = 10;

/// Holds a call, a step or a copy to the branches that the operator lets it reach. Nothing is read where there is no such bound.
///
/// # Errors
/// The denial, or what Neon says about a branch that isn't there.
pub(in crate::engine) async fn check(
    call: &CallContext<'_>,
    look: &ReadSnapshot<'_, '_>,
    tool: &Tool,
    arguments: &Map<String, Value>,
) -> Result<(), Failure> {
    let policy = &call.guards.policy;
    if !policy.bounds_branches() || !tool.reaches_branches() {
        return Ok(());
    }
    let Some(project) = project_of(arguments)? else {
        // What lists branches of several projects has nothing of what is on them; whatever else names none is denied.
        return match tool.declaration.request.method.changes() || names_a_branch(tool, arguments) {
            true => Ok(policy.admits_every_branch()?),
            false => Ok(()),
        };
    };
    for branch in reached(call, look, tool, arguments, &project).await? {
        admit(call, look, &project, &branch).await?;
    }
    Ok(())
}

/// The project that a call is about: the one that it names, by itself or as the only one of a list.
fn project_of(arguments: &Map<String, Value>) -> Result<Option<ProjectId>, Failure> {
    if let Some(project) = id(arguments, "project_id")? {
        return Ok(Some(project));
    }
    match arguments
        .get("project_ids")
        .map(|ids| texts(ids).collect::<Vec<_>>())
        .as_deref()
    {
        Some([one]) => parsed(one).map(Some),
        _ => Ok(None),
    }
}

/// Whether a call names a branch, or something on one.
fn names_a_branch(tool: &Tool, arguments: &Map<String, Value>) -> bool {
    let on_a_branch = |name: &str| {
        matches!(
            tool.names(name),
            Some(
                Argument::Resource(Resource::Branch | Resource::Endpoint | Resource::Snapshot)
                    | Argument::Item(Resource::Branch | Resource::Endpoint | Resource::Snapshot)
            )
        )
    };
    arguments.keys().any(|name| on_a_branch(name))
}

/// Refuses to make a branch that no call could reach afterwards, or to give one a name under which none could.
///
/// # Errors
/// The denial.
pub(in crate::engine) fn check_new_branch(
    policy: &Policy,
    tool: &Tool,
    arguments: &Map<String, Value>,
) -> Result<(), Failure> {
    let renamed = tool.declaration.safety.renames_branch.as_deref();
    if let Some(name) = renamed.and_then(|argument| text(arguments, argument)) {
        policy.admits_new_branch(Some(name), NewBranch::Renamed)?;
    }
    let makes_one = tool.declaration.safety.adds_branch && !tool.declaration.safety.target_is_deleted;
    if !makes_one || !policy.bounds_branches() {
        return Ok(());
    }
    // A workflow that makes one gives it an end.
    let has_end = tool.declaration.workflow.is_some() || text(arguments, "expires_at").is_some();
    let schema_only = arguments.get("schema_only") == Some(&Value::Bool(true));
    let end = if schema_only || text(arguments, "init_source") == Some("schema-only") {
        NewBranch::Rootless
    } else if has_end {
        NewBranch::Throwaway
    } else {
        NewBranch::Stays
    };
    policy.admits_new_branch(text(arguments, "name"), end)?;
    Ok(())
}

/// Refuses SQL that takes another role, could do so by code that isn't seen, or changes roles, where the operator bounds them. What a
/// function of the database's own leaves behind, the database stops; what it does in itself is bounded by what the role may do there.
///
/// # Errors
/// The denial.
pub(in crate::engine) fn check_sql(policy: &Policy, scripts: &[Script]) -> Result<(), Failure> {
    if !policy.bounds_roles() {
        return Ok(());
    }
    for statement in scripts.iter().flat_map(|script| &script.statements) {
        if let Some(kind) = statement.reaches_roles() {
            policy.admits_roles_in_sql(&kind)?;
        }
    }
    Ok(())
}

/// A branch that a call reaches.
struct Named {
    id: BranchId,
    /// It was deleted: only the list of all branches tells of it.
    deleted: bool,
}

async fn reached(
    call: &CallContext<'_>,
    look: &ReadSnapshot<'_, '_>,
    tool: &Tool,
    arguments: &Map<String, Value>,
    project: &ProjectId,
) -> Result<Vec<Named>, Failure> {
    // Each once.
    let mut found: BTreeMap<BranchId, bool> = BTreeMap::new();
    let target = tool.target().map(|(argument, _)| argument);
    for (name, value) in arguments {
        let Some(Argument::Resource(resource) | Argument::Item(resource)) = tool.names(name) else {
            continue;
        };
        let deleted = tool.declaration.safety.target_is_deleted && target == Some(name.as_str());
        for text in texts(value) {
            match resource {
                Resource::Branch => {
                    found.insert(parsed(text)?, deleted);
                }
                Resource::Endpoint => {
                    let answer = look.endpoint(project, &parsed::<EndpointId>(text)?).await?;
                    found.insert(Endpoint::in_answer(&answer).branch().map_err(unread)?, false);
                }
                Resource::Snapshot => {
                    found.insert(source_of(look, project, text).await?, false);
                }
                // A credential or a trigger is named beside its branch; the others are on none.
                Resource::Project
                | Resource::Organization
                | Resource::ApiKey
                | Resource::OrganizationApiKey
                | Resource::OrganizationMember
                | Resource::ProjectMember
                | Resource::ProjectPermission
                | Resource::OrganizationVpcEndpoint
                | Resource::ProjectVpcEndpoint
                | Resource::Jwks
                | Resource::Credential
                | Resource::Trigger => {}
            }
        }
    }
    let lost = tool
        .declaration
        .safety
        .plan
        .as_ref()
        .is_some_and(|plan| plan.lost_branch.is_some());
    if lost && let Some(id) = branch_of(look, tool, arguments).await? {
        found.insert(id, false);
    }
    for reach in &tool.declaration.safety.reaches {
        if reach.unless.iter().any(|argument| arguments.contains_key(argument)) {
            continue;
        }
        match reach.branch {
            Reached::Default => {
                let branches = look.branches(project).await?;
                let default = Branch::all(&branches).find(|branch| branch.is_default());
                let default = default.ok_or_else(|| unknown("Neon doesn't say which branch is the default"))?;
                found.insert(default.id().map_err(unread)?, false);
            }
            Reached::Parent => {
                let Some(branch) = id::<BranchId>(arguments, "branch_id")? else {
                    return Err(unknown("the call names no branch"));
                };
                let answer = look.branch(project, &branch).await?;
                match Branch::in_answer(&answer).parent() {
                    Parent::Root => {}
                    Parent::Branch(parent) => {
                        found.insert(parent, false);
                    }
                    Parent::Unknown => return Err(unknown("Neon doesn't say which branch its parent is")),
                }
            }
            Reached::Every => call.guards.policy.admits_every_branch()?,
            Reached::Chosen => {}
        }
    }
    Ok(found.into_iter().map(|(id, deleted)| Named { id, deleted }).collect())
}

/// The id that an argument holds: names were replaced by ids before.
fn parsed<T: std::str::FromStr<Err = InvalidId>>(text: &str) -> Result<T, Failure> {
    text.parse()
        .map_err(|error: InvalidId| Failure::Internal(format!("a reference is {error}")))
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let one = value.as_str();
    let several = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    one.into_iter().chain(several)
}

/// The branch that a snapshot was taken of.
async fn source_of(look: &ReadSnapshot<'_, '_>, project: &ProjectId, id: &str) -> Result<BranchId, Failure> {
    let snapshots = look.snapshots(project).await?;
    let snapshot = items(&snapshots).find(|snapshot| snapshot.get("id").and_then(Value::as_str) == Some(id));
    let source = snapshot.and_then(|snapshot| snapshot.get("source_branch_id"));
    let source = source.and_then(Value::as_str).and_then(|id| id.parse().ok());
    source.ok_or_else(|| unknown("Neon doesn't say of which branch the snapshot is"))
}

fn unknown(why: &str) -> Failure {
    Failure::Answer {
        message: format!("{why}, and this server is bounded to some branches, so the call wasn't made."),
        changed: Changed::No,
    }
}

/// Whether a call may reach the branch.
async fn admit(
    call: &CallContext<'_>,
    look: &ReadSnapshot<'_, '_>,
    project: &ProjectId,
    branch: &Named,
) -> Result<(), Failure> {
    let policy = &call.guards.policy;
    // What this very call made, it made of a branch that it may reach.
    let own = call.left_behind.list();
    if own
        .iter()
        .any(|left| left.project.as_ref() == Some(project) && left.id.as_deref() == Some(branch.id.as_str()))
    {
        return Ok(());
    }
    let about = if branch.deleted {
        let deleted = look.with_deleted_branches(project).await?;
        let about = items(&deleted).find(|one| one.get("id").and_then(Value::as_str) == Some(branch.id.as_str()));
        about
            .cloned()
            .ok_or_else(|| unknown("Neon doesn't tell of the deleted branch"))?
    } else {
        let answer = look.branch(project, &branch.id).await;
        let answer = answer.map_err(|failure| about_the_pin(policy, branch.id.as_str(), failure))?;
        answer.get("branch").cloned().unwrap_or_default()
    };
    admit_seen(policy, look, project, Branch::of(&about)).await
}

/// Whether a call may reach a branch that was read: one that is allowed, or a throwaway branch that was made of one.
pub(in crate::engine) async fn admit_seen(
    policy: &Policy,
    look: &ReadSnapshot<'_, '_>,
    project: &ProjectId,
    branch: Branch<'_>,
) -> Result<(), Failure> {
    let mut is = seen(policy, branch)?;
    policy.spares_branch(&is)?;
    let Err(denied) = policy.allows_branch(&is) else {
        return Ok(());
    };
    let (mut expires, mut parent) = (branch.will_expire(), branch.parent());
    for _ in 0..MAX_ANCESTORS {
        let Some(id) = parent.known().filter(|_| expires && !is.default && !is.protected) else {
            break;
        };
        let answer = look.branch(project, &id).await?;
        let branch = Branch::in_answer(&answer);
        is = seen(policy, branch)?;
        policy.spares_branch(&is)?;
        if policy.allows_branch(&is).is_ok() {
            return Ok(());
        }
        (expires, parent) = (branch.will_expire(), branch.parent());
    }
    Err(denied.into())
}

/// Names the flag where it is the operator's branch that isn't there.
fn about_the_pin(policy: &Policy, id: &str, failure: Failure) -> Failure {
    let pinned = policy.pins().branch.as_ref();
    let is_pinned = matches!(pinned, Some(BranchPin::Id(pin)) if pin.as_str() == id);
    match failure {
        Failure::Neon { error, .. } if is_pinned && error.kind() == ErrorKind::NotFound => Failure::no_such_pin(id),
        other => other,
    }
}
