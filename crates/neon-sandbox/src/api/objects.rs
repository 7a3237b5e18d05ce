//! Objects in a bucket, and links to them.

use bytes::Bytes;
use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{
    Route,
    buckets::{bucket, bucket_mut, services, services_mut},
};
use crate::{
    call::{Call, Reply},
    error::ApiError,
    ids,
    pages::{SortOrder, Sorted, limit, page},
    state::{
        State,
        services::{Blob, Link, Object},
    },
};

pub(crate) fn routes() -> Vec<Route> {
    const ALL: &str = "/projects/{project_id}/branches/{branch_id}/buckets/{bucket_name}/objects";
    const BY_PREFIX: &str = "/projects/{project_id}/branches/{branch_id}/buckets/{bucket_name}/objects-by-prefix";
    const ONE: &str = "/projects/{project_id}/branches/{branch_id}/buckets/{bucket_name}/objects/{object_key}";
    const DOWNLOAD: &str =
        "/projects/{project_id}/branches/{branch_id}/buckets/{bucket_name}/objects/{object_key}/download";
    const PRESIGN: &str =
        "/projects/{project_id}/branches/{branch_id}/buckets/{bucket_name}/objects/{object_key}/presign";
    vec![
        Route::get("listProjectBranchBucketObjects", ALL, list),
        Route::delete("deleteProjectBranchBucketObject", ONE, delete),
        Route::delete("deleteProjectBranchBucketObjectsByPrefix", BY_PREFIX, delete_by_prefix),
        Route::get("getProjectBranchBucketObject", DOWNLOAD, download),
        Route::post("presignProjectBranchBucketObject", PRESIGN, presign),
    ]
}

fn not_found(key: &str) -> ApiError {
    ApiError::not_found(format!("object {key} not found"))
}

#[derive(Deserialize)]
struct ListQuery {
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    delimiter: String,
    cursor: Option<String>,
    limit: Option<i64>,
}

fn list(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let query: ListQuery = call.query()?;
    let bucket = bucket(call, services(call, state)?)?;
    // What stands in a listing by its name: an object, or a folder that holds some.
    let mut entries: Vec<(String, Option<&Object>)> = Vec::new();
    let below = bucket
        .objects
        .iter()
        .filter_map(|(key, object)| Some((key, key.strip_prefix(query.prefix.as_str())?, object)));
    for (key, rest, object) in below {
        let folder = rest
            .find(query.delimiter.as_str())
            .filter(|_| !query.delimiter.is_empty())
            .and_then(|at| rest.get(..at + query.delimiter.len()))
            .map(|folder| format!("{}{folder}", query.prefix));
        match folder {
            Some(folder) if entries.last().is_some_and(|(last, _)| *last == folder) => {}
            Some(folder) => entries.push((folder, None)),
            None => entries.push((key.clone(), Some(object))),
        }
    }
    let sorted = entries
        .into_iter()
        .map(|(name, object)| Sorted {
            key: name.clone(),
            id: String::new(),
            item: (name, object),
        })
        .collect();
    let place = format!("objects {} {}", call.uri.path(), query.prefix);
    let limit = limit(query.limit, 1_000, 1_000)?;
    let page = page(&place, sorted, SortOrder::Asc, query.cursor.as_deref(), limit)?;
    let mut objects = Vec::new();
    let mut folders = Vec::new();
    for (name, object) in page.items {
        match object {
            None => folders.push(name),
            Some(object) => objects.push(json!({
                "key": name,
                "size": object.content.0.len(),
                "last_modified": object.last_modified,
                "etag": object.etag,
            })),
        }
    }
    let mut answer = json!({
        "folders": folders,
        "objects": objects,
        "prefix": query.prefix,
        "is_truncated": page.next.is_some(),
    });
    if let (Some(next), Some(answer)) = (page.next, answer.as_object_mut()) {
        answer.insert("next_cursor".into(), next.into());
    }
    Reply::ok(answer)
}

fn download(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let key = call.param("object_key")?;
    let bucket = bucket(call, services(call, state)?)?;
    let object = bucket.objects.get(key).ok_or_else(|| not_found(key))?;
    Ok(Reply::bytes(object.content.0.clone()))
}

fn delete(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let key = call.param("object_key")?;
    let bucket = bucket_mut(call, services_mut(call, state)?)?;
    bucket.objects.remove(key).ok_or_else(|| not_found(key))?;
    Ok(Reply::gone())
}

#[derive(Deserialize)]
struct PrefixQuery {
    prefix: String,
}

fn delete_by_prefix(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let PrefixQuery { prefix } = call.query()?;
    if prefix.is_empty() || prefix.len() > 1_024 || !prefix.ends_with('/') || prefix.chars().any(char::is_control) {
        return Err(ApiError::bad_request(
            "prefix must end with /, have 1 to 1024 bytes, and no control characters",
        ));
    }
    let bucket = bucket_mut(call, services_mut(call, state)?)?;
    let before = bucket.objects.len();
    // What a branch has from its parent is not on the branch itself.
    bucket
        .objects
        .retain(|key, object| object.inherited || !key.starts_with(&prefix));
    Reply::ok(json!({ "deleted": before - bucket.objects.len() }))
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Operation {
    Upload,
    Download,
}

#[derive(Deserialize)]
struct PresignBody {
    operation: Operation,
    content_type: Option<String>,
    expires_in_seconds: Option<i64>,
}

fn presign(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: PresignBody = call.json()?;
    let key = call.param("object_key")?;
    let expires_in = input.expires_in_seconds.unwrap_or(900);
    if !(1..=604_800).contains(&expires_in) {
        return Err(ApiError::bad_request(
            "expires_in_seconds must lie between 1 and 604800",
        ));
    }
    if key.is_empty() || key.chars().count() > 1_024 {
        return Err(ApiError::bad_request("object_key must have 1 to 1024 characters"));
    }
    let uploads = matches!(input.operation, Operation::Upload);
    let bucket = bucket(call, services(call, state)?)?;
    if !uploads && !bucket.objects.contains_key(key) {
        return Err(not_found(key));
    }
    let link = Link {
        project_id: call.project_id()?.to_owned(),
        branch_id: call.branch_id()?.to_owned(),
        bucket_name: call.param("bucket_name")?.to_owned(),
        object_key: key.to_owned(),
        uploads,
        content_type: input.content_type.filter(|_| uploads),
        expires_at: call.now + TimeDelta::seconds(expires_in),
    };
    let token = ids::secret_key();
    let mut headers = serde_json::Map::new();
    if let Some(content_type) = &link.content_type {
        headers.insert("Content-Type".into(), content_type.as_str().into());
    }
    let answer = json!({
        "url": format!("http://{}/storage/{token}", call.host),
        "method": if uploads { "PUT" } else { "GET" },
        "headers": headers,
        "expires_at": link.expires_at,
    });
    state.links.insert(token, link);
    Reply::ok(answer)
}

/// The object that a link leads to, or 404.
pub(crate) fn find<'a>(state: &'a State, link: &Link) -> Result<&'a Object, ApiError> {
    let project = state
        .projects
        .iter()
        .find(|project| project.id == link.project_id && project.deleted_at.is_none());
    let branch = project.and_then(|project| project.branch(&link.branch_id).ok());
    branch
        .and_then(|branch| {
            branch
                .services
                .buckets
                .get(&link.bucket_name)?
                .objects
                .get(&link.object_key)
        })
        .ok_or_else(|| not_found(&link.object_key))
}

/// Puts an object where a link leads, or 404.
pub(crate) fn store(state: &mut State, link: &Link, content: Bytes, content_type: String) -> Result<(), ApiError> {
    let now = state.clock.now();
    state.room_for_objects(content.len())?;
    let gone = || ApiError::not_found(format!("bucket {} not found", link.bucket_name));
    let project = state
        .projects
        .iter_mut()
        .find(|project| project.id == link.project_id && project.deleted_at.is_none())
        .ok_or_else(gone)?;
    let services = &mut project.branch_mut(&link.branch_id)?.services;
    if !services.buckets.contains_key(&link.bucket_name) {
        return Err(gone());
    }
    let digest = Sha256::digest(&content);
    let etag = base16ct::lower::encode_string(digest.get(..16).unwrap_or_default());
    let object = Object {
        content: Blob(content),
        content_type,
        etag: format!("\"{etag}\""),
        last_modified: now,
        inherited: false,
    };
    services.upload(&link.bucket_name, &link.object_key, object);
    Ok(())
}
