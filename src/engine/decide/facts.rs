//! What the guard wants to know about the target of a call before it judges.

use serde_json::{Map, Value};

use crate::catalog::{Resource, Tool};
use crate::engine::decide::seen::seen;
use crate::engine::decide::target::branch_of;
use crate::engine::error::Failure;
use crate::engine::snapshot::{ReadSnapshot, unread};
use crate::engine::values::{id, text};
use crate::guard::{BranchFacts, Facts, Needs, Policy};
use crate::neon::views::{Branch, Endpoint, Parent, Role};
use crate::neon::{BranchId, ProjectId};

/// How many generations of branches are looked at; beyond that the answer is "may be".
const MAX_ANCESTORS: usize = 10;

/// Reads the facts. A target that isn't given is one that Neon chooses: there are no facts about it.
pub(in crate::engine) async fn read(
    look: &ReadSnapshot<'_, '_>,
    policy: &Policy,
    tool: &Tool,
    arguments: &Map<String, Value>,
    needs: Needs,
) -> Result<Facts, Failure> {
    let mut facts = Facts::default();
    let (Some(project), Some((_, resource))) = (id::<ProjectId>(arguments, "project_id")?, tool.target()) else {
        return Ok(facts);
    };
    if resource == Resource::Project && needs.present {
        facts.present = Some((*look.project(&project).await?).clone());
    }
    let branch = branch_of(look, tool, arguments).await?;
    if resource == Resource::Endpoint
        && needs.present
        && let Some((argument, _)) = tool.target()
        && let Some(endpoint) = id(arguments, argument)?
    {
        facts.present = Some((*look.endpoint(&project, &endpoint).await?).clone());
    }
    let looks = needs.branch || needs.running || (needs.present && resource == Resource::Branch);
    if let (Some(branch_id), true) = (branch, looks) {
        let answer = look.branch(&project, &branch_id).await?;
        let branch = Branch::in_answer(&answer);
        let name = branch.name().map_err(unread)?.to_owned();
        let default = branch.is_default();
        let protected = branch.is_protected() || policy.protects(&name);
        let expires = branch.will_expire();
        let mut about = BranchFacts {
            default,
            protected,
            running: false,
            throwaway: needs.children
                && expires
                && !default
                && !protected
                && !has_children(look, &project, &branch_id).await?,
            inherits_secret: false,
            name,
        };
        if needs.running {
            let computes = look.branch_computes(&project, &branch_id).await?;
            about.running = Endpoint::all(&computes).any(Endpoint::runs);
        }
        if needs.role && !about.default && !about.protected {
            about.inherits_secret = inherits(look, policy, &project, branch, text(arguments, "role_name")).await?;
        }
        if needs.present && resource == Resource::Branch {
            facts.present = Some((*answer).clone());
        }
        facts.branch = Some(about);
    }
    Ok(facts)
}

async fn has_children(look: &ReadSnapshot<'_, '_>, project: &ProjectId, id: &BranchId) -> Result<bool, Failure> {
    let branches = look.branches(project).await?;
    Ok(Branch::all(&branches).any(|branch| branch.may_be_child_of(id)))
}

/// Whether a branch may have the role's password from a default or protected branch. Every branch that it descends from is
/// looked at; one without a parent (restored from a snapshot, schema-only) doesn't say where its roles come from.
async fn inherits(
    look: &ReadSnapshot<'_, '_>,
    policy: &Policy,
    project: &ProjectId,
    branch: Branch<'_>,
    role: Option<&str>,
) -> Result<bool, Failure> {
    let Some(role) = role else { return Ok(true) };
    let Some(mut id) = branch.parent().known() else {
        return Ok(true);
    };
    for _ in 0..MAX_ANCESTORS {
        let answer = look.branch(project, &id).await?;
        let ancestor = Branch::in_answer(&answer);
        // A password that opens what calls may not reach is told to nobody unasked either.
        let is_beyond = policy.bounds_branches() && !is_admitted(policy, ancestor);
        if ancestor.is_default_or_protected() || is_beyond || ancestor.name().map_or(true, |name| policy.protects(name))
        {
            // Roles are few, and Neon gives them all at once.
            let roles = look.roles(project, &id).await?;
            if Role::all(&roles).any(|one| one.may_be(role)) {
                return Ok(true);
            }
        }
        match ancestor.parent() {
            Parent::Branch(next) => id = next,
            Parent::Root => return Ok(!ancestor.is_default()),
            Parent::Unknown => return Ok(true),
        }
    }
    Ok(true)
}

/// Whether calls may reach the branch, by what it is itself.
fn is_admitted(policy: &Policy, branch: Branch<'_>) -> bool {
    let Ok(branch) = seen(policy, branch) else {
        return false;
    };
    policy.spares_branch(&branch).is_ok() && policy.allows_branch(&branch).is_ok()
}
