//! What the guard wants to know about the target of a call before it judges.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

use crate::catalog::{Resource, Tool};
use crate::engine::decide::seen::seen;
use crate::engine::decide::target::branch_of;
use crate::engine::error::Failure;
use crate::engine::snapshot::{ReadSnapshot, flags, string};
use crate::engine::values::{items, text};
use crate::guard::{BranchFacts, Facts, Needs, Policy};

/// The longest that a branch with an expiry lives after its creation: Neon's limit of 30 days, and a day for clocks that differ.
/// <https://neon.com/docs/guides/branch-expiration>
const MAX_LIFETIME: TimeDelta = TimeDelta::days(31);

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
    let (Some(project), Some((_, resource))) = (text(arguments, "project_id"), tool.target()) else {
        return Ok(facts);
    };
    if resource == Resource::Project && needs.present {
        facts.present = Some((*look.project(project).await?).clone());
    }
    let branch = branch_of(look, tool, arguments).await?;
    if resource == Resource::Endpoint
        && needs.present
        && let Some(id) = tool.target().and_then(|(argument, _)| text(arguments, argument))
    {
        facts.present = Some((*look.endpoint(project, id).await?).clone());
    }
    let looks = needs.branch || needs.running || (needs.present && resource == Resource::Branch);
    if let (Some(id), true) = (branch, looks) {
        let answer = look.branch(project, &id).await?;
        let branch = answer.get("branch").unwrap_or(&Value::Null);
        let name = string(&answer, "/branch/name")?;
        let (default, protected) = flags(branch);
        let protected = protected || policy.protects(&name);
        let expires = will_expire(branch);
        let mut about = BranchFacts {
            default,
            protected,
            running: false,
            throwaway: needs.children && expires && !default && !protected && !has_children(look, project, &id).await?,
            inherits_secret: false,
            name,
            id,
        };
        if needs.running {
            let computes = look.branch_computes(project, &about.id).await?;
            about.running =
                items(&computes).any(|compute| compute.get("current_state").and_then(Value::as_str) != Some("idle"));
        }
        if needs.role && !about.default && !about.protected {
            about.inherits_secret = inherits(look, policy, project, branch, text(arguments, "role_name")).await?;
        }
        if needs.present && resource == Resource::Branch {
            facts.present = Some((*answer).clone());
        }
        facts.branch = Some(about);
    }
    Ok(facts)
}

/// Whether Neon deletes the branch by itself: its expiry is a time, and one that Neon gives. What can't be one isn't taken for it,
/// whatever else it may mean. One that has passed is of a branch that is about to go.
pub(crate) fn will_expire(branch: &Value) -> bool {
    let time = |field: &str| -> Option<DateTime<Utc>> {
        let text = branch.get(field)?.as_str()?;
        DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
    };
    let (Some(created), Some(expires)) = (time("created_at"), time("expires_at")) else {
        return false;
    };
    let lifetime = expires.signed_duration_since(created);
    lifetime > TimeDelta::zero() && lifetime <= MAX_LIFETIME
}

async fn has_children(look: &ReadSnapshot<'_, '_>, project: &str, id: &str) -> Result<bool, Failure> {
    let branches = look.branches(project).await?;
    let parent = |branch: &Value| branch.get("parent_id").and_then(Value::as_str) == Some(id);
    Ok(items(&branches).any(parent))
}

/// Whether a branch may have the role's password from a default or protected branch. Every branch that it descends from is
/// looked at; one without a parent (restored from a snapshot, schema-only) doesn't say where its roles come from.
async fn inherits(
    look: &ReadSnapshot<'_, '_>,
    policy: &Policy,
    project: &str,
    branch: &Value,
    role: Option<&str>,
) -> Result<bool, Failure> {
    let Some(role) = role else { return Ok(true) };
    let parent = |branch: &Value| branch.get("parent_id").and_then(Value::as_str).map(str::to_owned);
    let Some(mut id) = parent(branch) else { return Ok(true) };
    for _ in 0..MAX_ANCESTORS {
        let answer = look.branch(project, &id).await?;
        let ancestor = answer.get("branch").unwrap_or(&Value::Null);
        let (default, protected) = flags(ancestor);
        let name = ancestor.get("name").and_then(Value::as_str);
        // A password that opens what calls may not reach is told to nobody unasked either.
        let is_beyond = policy.bounds_branches() && !is_admitted(policy, ancestor);
        if default || protected || is_beyond || name.is_none_or(|name| policy.protects(name)) {
            // Roles are few, and Neon gives them all at once.
            let roles = look.roles(project, &id).await?;
            if items(&roles).any(|one| one.get("name").and_then(Value::as_str) == Some(role)) {
                return Ok(true);
            }
        }
        match parent(ancestor) {
            Some(next) => id = next,
            None => return Ok(!default),
        }
    }
    Ok(true)
}

/// Whether calls may reach the branch, by what it is itself.
fn is_admitted(policy: &Policy, branch: &Value) -> bool {
    let Ok(branch) = seen(policy, branch) else {
        return false;
    };
    policy.spares_branch(&branch).is_ok() && policy.allows_branch(&branch).is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn expiry_counts_only_as_a_time_that_neon_gives() {
        let branch = |created: Value, expires: Value| json!({"created_at": created, "expires_at": expires});
        let created = "2026-03-01T12:00:00Z";
        for expires in [
            "2026-03-01T12:00:01Z",
            "2026-03-31T12:00:00Z",
            "2026-04-01T12:00:00Z",
            "2026-03-01T10:30:00-02:00",
            "2026-03-02t00:00:00.123456z",
        ] {
            assert!(will_expire(&branch(json!(created), json!(expires))), "{expires}");
        }
        for expires in [
            json!("never"),
            json!("9999-12-31T23:59:59Z"),
            json!("2026-04-01T12:00:01Z"),
            json!("2026-03-01T12:00:00Z"),
            json!("2026-02-28T12:00:00Z"),
            json!("2026-03-01T13:30:00+02:00"),
            json!("0000-00-00T00:00:00Z"),
            json!("-2026-03-02T00:00:00Z"),
            json!("+262142-12-31T23:59:59Z"),
            json!("2026-03-02"),
            json!("2026-03-02T12:00:00"),
            json!("2026-02-30T12:00:00Z"),
            json!("2026-03-02T12:00:00Z trailing"),
            json!(""),
            json!(" "),
            json!(null),
            json!(true),
            json!(1_772_452_800),
            json!(["2026-03-02T12:00:00Z"]),
            json!({"time": "2026-03-02T12:00:00Z"}),
        ] {
            assert!(!will_expire(&branch(json!(created), expires.clone())), "{expires}");
        }
        for created in [
            json!(null),
            json!(""),
            json!(0),
            json!("long ago"),
            json!("2026-03-03T00:00:00Z"),
        ] {
            assert!(
                !will_expire(&branch(created.clone(), json!("2026-03-02T12:00:00Z"))),
                "{created}"
            );
        }
        assert!(!will_expire(&json!({})) && !will_expire(&json!(null)));
    }
}
