//! Functions of a branch and their deployments.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Route,
    buckets::{services, services_mut},
};
use crate::{
    call::{Call, Reply, nullable},
    clock::{Timestamp, delta},
    error::ApiError,
    hosts,
    pages::{SortOrder, Sorted, limit, page},
    state::{
        State,
        operation::Outcome,
        project::check_length,
        services::{Deployment, DeploymentStatus, Function, Record, Severity, Source},
    },
};

/// The only runtime there is.
const RUNTIME: &str = "nodejs24";

/// What every zip file begins with.
const ZIP: &[u8] = b"PK\x03\x04";

pub(crate) fn routes() -> Vec<Route> {
    const ALL: &str = "/projects/{project_id}/branches/{branch_id}/functions";
    const ONE: &str = "/projects/{project_id}/branches/{branch_id}/functions/{slug}";
    const DEPLOY: &str = "/projects/{project_id}/branches/{branch_id}/functions/{slug}/deployments";
    vec![
        Route::get("listProjectBranchFunctions", ALL, list),
        Route::get("getProjectBranchFunction", ONE, get),
        Route::patch("updateProjectBranchFunction", ONE, update),
        Route::delete("deleteProjectBranchFunction", ONE, delete),
        Route::post("createProjectBranchFunctionDeployment", DEPLOY, deploy),
    ]
}

/// The slug in the path.
fn slug(call: &Call) -> Result<&str, ApiError> {
    let slug = call.param("slug")?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if (1..=20).contains(&slug.len()) && slug.bytes().all(plain) {
        Ok(slug)
    } else {
        Err(ApiError::bad_request(
            "slug must be 1 to 20 lowercase letters or digits",
        ))
    }
}

fn not_found(slug: &str) -> ApiError {
    ApiError::not_found(format!("function {slug} not found"))
}

fn deployment_view(deployment: &Deployment, now: Timestamp) -> Value {
    let status = deployment.status(now);
    let mut view = json!({
        "id": deployment.id,
        "status": status,
        "memory_mib": 512,
        "runtime": deployment.runtime,
        "created_at": deployment.created_at,
        "environment": deployment.environment,
    });
    if let (DeploymentStatus::Failed, Some(failure), Some(view)) = (status, &deployment.failure, view.as_object_mut()) {
        view.insert("error".into(), failure.as_str().into());
    }
    view
}

fn view(call: &Call, slug: &str, function: &Function) -> Result<Value, ApiError> {
    let mut view = Map::new();
    view.insert("id".into(), function.id.as_str().into());
    view.insert("slug".into(), slug.into());
    view.insert("name".into(), function.name.as_deref().unwrap_or(slug).into());
    let host = format!("{slug}-{}.functions.{}", call.branch_id()?, hosts::DOMAIN);
    view.insert("invocation_url".into(), format!("https://{host}").into());
    let newest = function.deployments.last();
    let active = function
        .deployments
        .iter()
        .rev()
        .find(|deployment| deployment.status(call.now) == DeploymentStatus::Completed);
    for (name, deployment) in [("current_deployment", newest), ("active_deployment", active)] {
        if let Some(deployment) = deployment {
            view.insert(name.into(), deployment_view(deployment, call.now));
        }
    }
    view.insert("created_at".into(), json!(function.created_at));
    Ok(Value::Object(view))
}

#[derive(Deserialize)]
struct ListQuery {
    cursor: Option<String>,
    limit: Option<i64>,
}

fn list(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let query: ListQuery = call.query()?;
    let mut functions = Vec::new();
    for (slug, function) in &services(call, state)?.functions {
        functions.push(Sorted {
            key: slug.clone(),
            id: function.id.clone(),
            item: view(call, slug, function)?,
        });
    }
    let limit = limit(query.limit, 100, 1_000)?;
    let list = format!("functions {}", call.branch_id()?);
    let page = page(&list, functions, SortOrder::Asc, query.cursor.as_deref(), limit)?;
    let mut answer = json!({ "functions": page.items });
    if let (Some(next), Some(answer)) = (page.next, answer.as_object_mut()) {
        answer.insert("pagination".into(), json!({ "next": next }));
    }
    Reply::ok(answer)
}

fn get(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let slug = slug(call)?;
    let function = services(call, state)?
        .functions
        .get(slug)
        .ok_or_else(|| not_found(slug))?;
    Reply::ok(json!({ "function": view(call, slug, function)? }))
}

#[derive(Deserialize)]
struct UpdateBody {
    #[serde(default, deserialize_with = "nullable")]
    name: Option<Option<String>>,
}

fn update(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: UpdateBody = call.json()?;
    let name = input.name.ok_or_else(|| ApiError::bad_request("name is missing"))?;
    let name = name.map(|name| name.trim().to_owned());
    if let Some(name) = &name {
        check_length("function name", name, 256)?;
    }
    let slug = slug(call)?;
    let function = services_mut(call, state)?
        .functions
        .get_mut(slug)
        .filter(|function| !function.inherited)
        .ok_or_else(|| not_found(slug))?;
    function.name = name;
    Reply::ok(json!({ "function": view(call, slug, function)? }))
}

fn delete(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let slug = slug(call)?;
    let services = services_mut(call, state)?;
    services.functions.remove(slug).ok_or_else(|| not_found(slug))?;
    Ok(Reply::gone())
}

/// What a deployment brings.
struct Brought {
    has_zip: bool,
    runtime: Option<String>,
    environment: Option<BTreeMap<String, String>>,
}

fn read(call: &Call) -> Result<Brought, ApiError> {
    let parts = call.form()?;
    let text = |name: &str| {
        parts
            .get(name)
            .map(|bytes| String::from_utf8(bytes.to_vec()))
            .transpose()
            .map_err(|_| ApiError::bad_request(format!("{name} is no text")))
    };
    let zip = parts.get("zip");
    if zip.is_some_and(|zip| !zip.starts_with(ZIP)) {
        return Err(ApiError::bad_request("zip is no zip file"));
    }
    let runtime = text("runtime")?;
    if runtime.as_deref().is_some_and(|runtime| runtime != RUNTIME) {
        return Err(ApiError::bad_request(format!("runtime must be {RUNTIME}")));
    }
    let environment = text("environment")?
        .map(|text| serde_json::from_str(&text))
        .transpose()
        .map_err(|_| ApiError::bad_request("environment must be a JSON object of texts"))?;
    if zip.is_none() && runtime.is_none() && environment.is_none() {
        return Err(ApiError::bad_request(
            "a deployment needs at least one of zip, runtime, environment",
        ));
    }
    Ok(Brought {
        has_zip: zip.is_some(),
        runtime,
        environment,
    })
}

fn deploy(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let slug = slug(call)?;
    let brought = read(call)?;
    let time = delta(state.operation_time);
    let id = state.ids.uuid();
    let services = services_mut(call, state)?;
    if !services.functions.contains_key(slug) && !brought.has_zip {
        return Err(ApiError::bad_request("the first deployment of a function needs a zip"));
    }
    let function = services.functions.entry(slug.to_owned()).or_insert_with(|| Function {
        id,
        name: None,
        environment: BTreeMap::new(),
        runtime: RUNTIME.to_owned(),
        deployments: Vec::new(),
        created_at: call.now,
        inherited: false,
    });
    function.inherited = false;
    if let Some(runtime) = brought.runtime {
        function.runtime = runtime;
    }
    for (name, value) in brought.environment.unwrap_or_default() {
        if value.is_empty() {
            function.environment.remove(&name);
        } else {
            function.environment.insert(name, value);
        }
    }
    let last = function.deployments.last().map_or(0, |deployment| deployment.id);
    let deployment = Deployment {
        id: last + 1,
        runtime: function.runtime.clone(),
        environment: function.environment.keys().cloned().collect(),
        created_at: call.now,
        builds_at: Some(call.now + time),
        ends_at: (call.outcome != Outcome::Stuck).then(|| call.now + time + time),
        failure: match &call.outcome {
            Outcome::Failed(failure) => Some(failure.clone()),
            Outcome::Finished | Outcome::Stuck => None,
        },
    };
    let shown = deployment_view(&deployment, call.now);
    let message = format!("deployment {} accepted", deployment.id);
    function.deployments.push(deployment);
    services.log(Record {
        at: call.now,
        source: Source::Function,
        service_name: slug.to_owned(),
        severity: Severity::Info,
        message,
        attributes: BTreeMap::new(),
    });
    Reply::created(json!({ "deployment": shown }))
}
