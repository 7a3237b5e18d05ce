//! What runs a branch's functions by itself: schedules and uploads.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Route,
    buckets::{services, services_mut},
};
use crate::{
    call::{Call, Reply},
    clock::Timestamp,
    error::ApiError,
    state::{
        State,
        cron::Cron,
        project::check_length,
        services::{Cause, Services, Trigger},
    },
};

pub(crate) fn routes() -> Vec<Route> {
    const ALL: &str = "/projects/{project_id}/branches/{branch_id}/triggers";
    const ONE: &str = "/projects/{project_id}/branches/{branch_id}/triggers/{trigger_id}";
    vec![
        Route::get("listProjectBranchTriggers", ALL, list),
        Route::post("createProjectBranchTrigger", ALL, create),
        Route::get("getProjectBranchTrigger", ONE, get),
        Route::patch("updateProjectBranchTrigger", ONE, update),
        Route::delete("deleteProjectBranchTrigger", ONE, delete),
    ]
}

fn not_found(id: &str) -> ApiError {
    ApiError::not_found(format!("trigger {id} not found"))
}

fn view(id: &str, trigger: &Trigger, now: Timestamp) -> Value {
    let mut view = json!({
        "trigger_id": id,
        "function_slug": trigger.function_slug,
        "name": trigger.name,
        "function_path": trigger.function_path,
        "enabled": trigger.enabled,
        "version": trigger.version,
        "inherited": trigger.inherited,
    });
    let fields = match &trigger.cause {
        Cause::Schedule(cron) => vec![
            ("type", json!("schedule")),
            ("schedule", json!({ "cron": cron.text() })),
            ("next_run_at", json!(cron.next(now).filter(|_| trigger.enabled))),
        ],
        Cause::ObjectCreated { bucket_name, prefix } => {
            let mut watched = json!({ "bucket_name": bucket_name });
            if let (Some(prefix), Some(watched)) = (prefix, watched.as_object_mut()) {
                watched.insert("prefix".into(), prefix.as_str().into());
            }
            vec![
                ("type", json!("storage_object_created")),
                ("storage_object_created", watched),
            ]
        }
    };
    if let Some(view) = view.as_object_mut() {
        view.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
    view
}

fn list(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let triggers: Vec<_> = services(call, state)?
        .triggers
        .iter()
        .map(|(id, trigger)| view(id, trigger, call.now))
        .collect();
    Reply::ok(json!({ "triggers": triggers }))
}

fn get(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let id = call.param("trigger_id")?;
    let trigger = services(call, state)?.triggers.get(id).ok_or_else(|| not_found(id))?;
    Reply::ok(json!({ "trigger": view(id, trigger, call.now) }))
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Schedule,
    StorageObjectCreated,
}

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "type")]
    kind: Kind,
    function_slug: Option<String>,
    name: Option<String>,
    function_path: Option<String>,
    schedule: Option<Schedule>,
    storage_object_created: Option<Watched>,
    enabled: Option<bool>,
}

#[derive(Deserialize)]
struct Schedule {
    cron: String,
}

#[derive(Deserialize)]
struct Watched {
    bucket_name: String,
    prefix: Option<String>,
}

impl Body {
    /// The cause that the body gives, if it gives one of its type and none of the other.
    fn cause(&self, services: &Services) -> Result<Option<Cause>, ApiError> {
        match (self.kind, &self.schedule, &self.storage_object_created) {
            (Kind::Schedule, _, Some(_)) | (Kind::StorageObjectCreated, Some(_), _) => {
                Err(ApiError::bad_request("the trigger has fields of the other type"))
            }
            (Kind::Schedule, Some(schedule), None) => {
                let cron: Cron = schedule.cron.parse().map_err(ApiError::bad_request)?;
                Ok(Some(Cause::Schedule(cron)))
            }
            (Kind::StorageObjectCreated, None, Some(watched)) => {
                if watched.prefix.as_ref().is_some_and(|prefix| prefix.len() > 1_024) {
                    return Err(ApiError::bad_request("prefix must have at most 1024 bytes"));
                }
                if !services.buckets.contains_key(&watched.bucket_name) {
                    let name = &watched.bucket_name;
                    return Err(ApiError::not_found(format!("bucket {name} not found")));
                }
                Ok(Some(Cause::ObjectCreated {
                    bucket_name: watched.bucket_name.clone(),
                    prefix: watched.prefix.clone(),
                }))
            }
            (_, None, None) => Ok(None),
        }
    }

    /// Refuses what no trigger can have.
    fn check(&self, services: &Services, own: Option<&str>) -> Result<(), ApiError> {
        if let Some(slug) = &self.function_slug
            && !services.functions.contains_key(slug)
        {
            return Err(ApiError::not_found(format!("function {slug} not found")));
        }
        if self.function_path.as_ref().is_some_and(|path| !path.starts_with('/')) {
            return Err(ApiError::bad_request("function_path must begin with /"));
        }
        if let Some(name) = &self.name {
            check_length("trigger name", name, 256)?;
            let taken = services
                .triggers
                .iter()
                .any(|(id, trigger)| Some(id.as_str()) != own && trigger.name == *name);
            if taken {
                return Err(ApiError::conflict(format!(
                    "a trigger named {name:?} already exists on the branch"
                )));
            }
        }
        Ok(())
    }
}

fn create(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: Body = call.json()?;
    let id = state.ids.uuid();
    let services = services_mut(call, state)?;
    let missing = |name: &str| ApiError::bad_request(format!("{name} is missing"));
    let cause = input.cause(services)?;
    let cause = cause.ok_or_else(|| missing("schedule or storage_object_created"))?;
    input.check(services, None)?;
    let trigger = Trigger {
        name: input.name.ok_or_else(|| missing("name"))?,
        function_slug: input.function_slug.ok_or_else(|| missing("function_slug"))?,
        function_path: input.function_path.unwrap_or_else(|| "/".to_owned()),
        cause,
        enabled: input.enabled.unwrap_or(true),
        version: 1,
        inherited: false,
    };
    let shown = view(&id, &trigger, call.now);
    services.triggers.insert(id, trigger);
    Reply::created(json!({ "trigger": shown }))
}

fn update(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: Body = call.json()?;
    let id = call.param("trigger_id")?;
    let services = services_mut(call, state)?;
    let mut trigger = services.triggers.get(id).ok_or_else(|| not_found(id))?.clone();
    let kind = match trigger.cause {
        Cause::Schedule(_) => Kind::Schedule,
        Cause::ObjectCreated { .. } => Kind::StorageObjectCreated,
    };
    if input.kind != kind {
        return Err(ApiError::bad_request("the type of a trigger cannot change"));
    }
    let cause = input.cause(services)?;
    input.check(services, Some(id))?;
    let before = (trigger.cause.clone(), trigger.enabled);
    // What was inherited becomes the branch's own, off unless this request enables it.
    trigger.inherited = false;
    trigger.enabled = input.enabled.unwrap_or(trigger.enabled);
    trigger.cause = cause.unwrap_or(trigger.cause);
    trigger.name = input.name.unwrap_or(trigger.name);
    trigger.function_slug = input.function_slug.unwrap_or(trigger.function_slug);
    trigger.function_path = input.function_path.unwrap_or(trigger.function_path);
    if before != (trigger.cause.clone(), trigger.enabled) {
        trigger.version += 1;
    }
    let shown = view(id, &trigger, call.now);
    services.triggers.insert(id.to_owned(), trigger);
    Reply::ok(json!({ "trigger": shown }))
}

fn delete(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let id = call.param("trigger_id")?;
    let services = services_mut(call, state)?;
    services.triggers.remove(id).ok_or_else(|| not_found(id))?;
    Ok(Reply::gone())
}
