//! Buckets of a branch.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Route;
use crate::{
    call::{Call, Reply},
    error::ApiError,
    state::{
        State,
        project::check_length,
        services::{Access, Bucket, Services},
    },
};

pub(crate) fn routes() -> Vec<Route> {
    const ALL: &str = "/projects/{project_id}/branches/{branch_id}/buckets";
    const ONE: &str = "/projects/{project_id}/branches/{branch_id}/buckets/{bucket_name}";
    vec![
        Route::get("listProjectBranchBuckets", ALL, list),
        Route::post("createProjectBranchBucket", ALL, create),
        Route::delete("deleteProjectBranchBucket", ONE, delete),
    ]
}

/// What the branch in the path has beside Postgres.
pub(crate) fn services<'a>(call: &Call, state: &'a State) -> Result<&'a Services, ApiError> {
    let project = state.project(&call.caller, call.project_id()?)?;
    Ok(&project.branch(call.branch_id()?)?.services)
}

/// The same, to be changed.
pub(crate) fn services_mut<'a>(call: &'a Call, state: &'a mut State) -> Result<&'a mut Services, ApiError> {
    let project = state.change(call)?.project;
    Ok(&mut project.branch_mut(call.branch_id()?)?.services)
}

/// The bucket in the path, or 404.
pub(crate) fn bucket<'a>(call: &Call, services: &'a Services) -> Result<&'a Bucket, ApiError> {
    let name = call.param("bucket_name")?;
    services.buckets.get(name).ok_or_else(|| not_found(name))
}

/// The bucket in the path, or 404.
pub(crate) fn bucket_mut<'a>(call: &Call, services: &'a mut Services) -> Result<&'a mut Bucket, ApiError> {
    let name = call.param("bucket_name")?;
    services.buckets.get_mut(name).ok_or_else(|| not_found(name))
}

fn not_found(name: &str) -> ApiError {
    ApiError::not_found(format!("bucket {name} not found"))
}

fn view(name: &str, bucket: &Bucket) -> Value {
    json!({ "name": name, "access_level": bucket.access, "created_at": bucket.created_at })
}

fn list(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let buckets: Vec<_> = services(call, state)?
        .buckets
        .iter()
        .map(|(name, bucket)| view(name, bucket))
        .collect();
    Reply::ok(json!({ "buckets": buckets }))
}

#[derive(Deserialize)]
struct CreateBody {
    name: String,
    #[serde(default)]
    access_level: Access,
}

fn create(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: CreateBody = call.json()?;
    check_length("bucket name", &input.name, 255)?;
    let id = call.project_id()?;
    let deleted = state
        .projects
        .iter()
        .any(|project| project.id == id && project.deleted_at.is_some() && call.caller.can_see(project));
    if deleted {
        return Err(ApiError::gone(format!("project {id} is deleted")));
    }
    let services = services_mut(call, state)?;
    if services.buckets.contains_key(&input.name) {
        return Err(ApiError::conflict(format!(
            "a bucket named {:?} already exists on the branch",
            input.name
        )));
    }
    let bucket = Bucket {
        access: input.access_level,
        created_at: call.now,
        objects: BTreeMap::new(),
    };
    let shown = view(&input.name, &bucket);
    services.buckets.insert(input.name, bucket);
    Reply::created(json!({ "bucket": shown }))
}

fn delete(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let services = services_mut(call, state)?;
    bucket(call, services)?;
    services.buckets.remove(call.param("bucket_name")?);
    Ok(Reply::gone())
}
