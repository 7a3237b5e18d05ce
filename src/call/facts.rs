//! Reading from Neon what the guard wants to know about the target of a call.

use serde_json::{Map, Value};

use super::failure::Failure;
use super::run::Call;
use crate::catalog::{Resource, Tool};
use crate::guard::{BranchFacts, Facts, Needs};
use crate::neon::{Changed, PathSegment, Read};

/// How many generations of branches are looked at; beyond that the answer is "may be".
const MOST_ANCESTORS: usize = 10;

/// Reads the facts. A target that isn't given is one that Neon chooses: there are no facts about it.
pub(super) async fn read(
    call: &Call<'_>,
    tool: &Tool,
    arguments: &Map<String, Value>,
    needs: Needs,
) -> Result<Facts, Failure> {
    let text = |name: &str| arguments.get(name).and_then(Value::as_str);
    let mut facts = Facts::default();
    let Some(project) = text("project_id") else {
        return Ok(facts);
    };
    let Some((argument, resource)) = tool.target() else {
        return Ok(facts);
    };
    let mut branch = None;
    match (resource, text(argument)) {
        (Resource::Project, Some(_)) if needs.present => {
            facts.present = Some(get(call, "/projects/{project_id}", project, &[]).await?);
        }
        (Resource::Branch, Some(id)) => branch = Some(id.to_owned()),
        (Resource::Endpoint, Some(id)) => {
            let answer = endpoint(call, project, id).await?;
            branch = Some(string(&answer, "/endpoint/branch_id")?);
            if needs.present {
                facts.present = Some(answer);
            }
        }
        // A compute can be named instead of the branch that it is on.
        (Resource::Branch, None) => {
            if let Some(id) = text("endpoint_id") {
                branch = Some(string(&endpoint(call, project, id).await?, "/endpoint/branch_id")?);
            }
        }
        _ => {}
    }
    let looks = needs.branch || needs.running || (needs.present && resource == Resource::Branch);
    if let (Some(id), true) = (branch, looks) {
        let answer = read_branch(call, project, &id).await?;
        let (default, protected) = flags(&answer);
        let mut branch = BranchFacts {
            name: string(&answer, "/branch/name")?,
            default,
            protected,
            running: false,
            inherits_secret: false,
            id,
        };
        if needs.running {
            let computes = get(
                call,
                "/projects/{project_id}/branches/{branch_id}/endpoints",
                project,
                &[("branch_id", &branch.id)],
            )
            .await?;
            let computes = computes.get("endpoints").and_then(Value::as_array);
            branch.running = computes.is_none_or(|computes| {
                computes
                    .iter()
                    .any(|compute| compute.get("current_state").and_then(Value::as_str) != Some("idle"))
            });
        }
        if needs.role && !branch.default && !branch.protected {
            branch.inherits_secret = inherits(call, project, &answer, text("role_name")).await?;
        }
        if needs.present && resource == Resource::Branch {
            facts.present = Some(answer);
        }
        facts.branch = Some(branch);
    }
    Ok(facts)
}

/// Whether a branch may have the role's password from a default or protected branch. Every branch that it descends from is
/// looked at; one without a parent (restored from a snapshot, schema-only) doesn't say where its roles come from.
async fn inherits(call: &Call<'_>, project: &str, branch: &Value, role: Option<&str>) -> Result<bool, Failure> {
    let Some(role) = role else { return Ok(true) };
    let parent = |branch: &Value| {
        branch
            .pointer("/branch/parent_id")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let Some(mut id) = parent(branch) else { return Ok(true) };
    for _ in 0..MOST_ANCESTORS {
        let ancestor = read_branch(call, project, &id).await?;
        let (default, protected) = flags(&ancestor);
        if default || protected {
            let roles = get(
                call,
                "/projects/{project_id}/branches/{branch_id}/roles",
                project,
                &[("branch_id", &id)],
            )
            .await?;
            let roles = roles.get("roles").and_then(Value::as_array);
            // Roles are few, and Neon gives them all at once. What can't be read counts as inherited.
            let named = |one: &Value| one.get("name").and_then(Value::as_str) == Some(role);
            if roles.is_none_or(|roles| roles.iter().any(named)) {
                return Ok(true);
            }
        }
        match parent(&ancestor) {
            Some(next) => id = next,
            None => return Ok(!default),
        }
    }
    Ok(true)
}

/// Whether a branch is the default, and whether it is protected. What isn't said counts as the dangerous case.
fn flags(answer: &Value) -> (bool, bool) {
    let flag = |name: &str| answer.pointer(&format!("/branch/{name}")).and_then(Value::as_bool);
    // `primary` is what older answers call the default.
    let default = flag("default").or_else(|| flag("primary")).unwrap_or(true);
    (default, flag("protected").unwrap_or(true))
}

async fn read_branch(call: &Call<'_>, project: &str, id: &str) -> Result<Value, Failure> {
    get(
        call,
        "/projects/{project_id}/branches/{branch_id}",
        project,
        &[("branch_id", id)],
    )
    .await
}

async fn endpoint(call: &Call<'_>, project: &str, id: &str) -> Result<Value, Failure> {
    get(
        call,
        "/projects/{project_id}/endpoints/{endpoint_id}",
        project,
        &[("endpoint_id", id)],
    )
    .await
}

async fn get(call: &Call<'_>, route: &'static str, project: &str, more: &[(&str, &str)]) -> Result<Value, Failure> {
    let segment =
        |id: &str| PathSegment::id(id).map_err(|error| Failure::Internal(format!("an id from Neon: {error}")));
    let mut segments = vec![("project_id", segment(project)?)];
    for (name, id) in more {
        segments.push((*name, segment(id)?));
    }
    let read = Read::new(route, &segments).map_err(|error| Failure::Internal(error.to_string()))?;
    let answer = call.client.read(read, &call.context).await?;
    Ok(answer.body.unwrap_or_default())
}

fn string(answer: &Value, pointer: &str) -> Result<String, Failure> {
    answer
        .pointer(pointer)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| Failure::Answer {
            message: format!("Neon's answer about the target of this call lacks {pointer}, so the call wasn't made."),
            changed: Changed::No,
        })
}
