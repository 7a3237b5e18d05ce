//! `fetch`: one organization, project or branch in full, by the id that `search` gave.
//!
//! All of it comes from Neon's API, by declared tools that only read: no compute is woken.

use futures::FutureExt as _;
use futures::future::{BoxFuture, join, join3};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::hit::{Id, title};
use crate::engine::{Failure, WorkflowCall, WorkflowContext, WorkflowOutput};
use crate::neon::ProjectId;
use crate::neon::views::{Branch, Project};

/// What `fetch` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::workflows) struct Fetch {
    id: String,
}

impl WorkflowCall for Fetch {
    fn run<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<WorkflowOutput, Failure>> {
        fetch(flow, self).boxed()
    }
}

/// `fetch`
async fn fetch(flow: &WorkflowContext<'_, '_>, input: &Fetch) -> Result<WorkflowOutput, Failure> {
    let id = Id::parse(&input.id)?;
    let bounds = flow.bounds();
    let mut notes = Vec::new();
    let (about, more, metadata) = match &id {
        Id::Organization(organization) => {
            bounds.check_project("id", None)?;
            bounds.check_organization("id", Some(organization))?;
            let about = flow
                .masked("describe_organization", json!({"org_id": organization}))
                .await?;
            (
                about,
                json!({}),
                json!({"kind": id.kind(), "organization_id": organization}),
            )
        }
        Id::Project(project) => {
            bounds.check_project("id", Some(project))?;
            let about = project_in_bounds(flow, project).await?;
            let count = flow.masked("count_branches", json!({"project_id": project})).await;
            let branches = count.map(|count| count.get("count").cloned().unwrap_or_default());
            let branches = readable(flow, branches, "the number of branches", &mut notes);
            let metadata = json!({
                "kind": id.kind(), "project_id": project, "organization_id": Project::of(&about).shown("org_id"), "branches": branches,
            });
            (about, json!({"branches": branches}), metadata)
        }
        Id::Branch { project, branch } => {
            bounds.check_project("id", Some(project))?;
            if bounds.wants_organization() {
                project_in_bounds(flow, project).await?;
            }
            let at = || json!({"project_id": project, "branch_id": branch});
            let about = flow.masked("describe_branch", at());
            let parts = join3(
                flow.masked("list_branch_computes", at()),
                flow.masked("list_databases", at()),
                flow.masked("list_roles", at()),
            );
            let (about, (computes, databases, roles)) = join(about, parts).await;
            let about = about?.get("branch").cloned().unwrap_or_default();
            let mut part = |read: Result<Value, Failure>, name: &str| {
                let list = read.map(|answer| answer.get(name).cloned().unwrap_or_default());
                readable(flow, list, name, &mut notes)
            };
            let more = json!({
                "computes": part(computes, "endpoints"),
                "databases": part(databases, "databases"),
                "roles": part(roles, "roles"),
            });
            let shown = |field: &str| Branch::of(&about).shown(field);
            let metadata = json!({
                "kind": id.kind(), "project_id": project, "branch_id": branch, "default": shown("default"),
                "protected": shown("protected"), "expires_at": shown("expires_at"),
            });
            (about, more, metadata)
        }
    };
    let mut whole = json!({ id.kind(): about });
    if let (Some(whole), Value::Object(more)) = (whole.as_object_mut(), more) {
        whole.extend(more);
    }
    let mut result = json!({
        "id": id.to_string(),
        "title": title(&about),
        "text": serde_json::to_string_pretty(&whole).unwrap_or_default(),
    });
    if let Some(object) = result.as_object_mut() {
        object.extend(
            flow.console(&id.console_path())
                .map(|url| ("url".to_owned(), url.into())),
        );
        object.insert("metadata".into(), without_nulls(metadata));
    }
    let ours = ["/id", "/url"]
        .iter()
        .filter_map(|place| result.pointer(place)?.as_str().map(str::to_owned));
    let ours = ours.collect();
    let mut ended = WorkflowOutput::with(result);
    ended.ours = ours;
    ended.notes = notes;
    Ok(ended)
}

/// A project, if its organization is one that calls may see.
async fn project_in_bounds(flow: &WorkflowContext<'_, '_>, project: &ProjectId) -> Result<Value, Failure> {
    let answer = flow.masked("describe_project", json!({"project_id": project})).await?;
    let organization = Project::in_answer(&answer).organization();
    flow.bounds().check_organization("id", organization.as_ref())?;
    Ok(answer.get("project").cloned().unwrap_or_default())
}

/// A part that may be missing: then the rest is shown all the same, and what is missing is said.
fn readable(
    flow: &WorkflowContext<'_, '_>,
    part: Result<Value, Failure>,
    what: &str,
    notes: &mut Vec<String>,
) -> Value {
    part.unwrap_or_else(|failure| {
        notes.push(format!("Not readable ({what}): {}", super::message(flow, failure)));
        Value::Null
    })
}

fn without_nulls(mut value: Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
    value
}
