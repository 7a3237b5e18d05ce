//! Routes that only the sandbox has: schemas, faults, the request log, the clock, further keys.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{ConnectInfo, FromRequestParts, State as Shares},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use http::{StatusCode, request::Parts};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    answer,
    api::transfers,
    call::Call,
    clock,
    error::ApiError,
    faults::Fault,
    listener::Connection,
    options::KeyKind,
    request::request_id,
    shared::Shared,
    state::keys::Caller,
    state::{account::STRANGER, operation::Outcome},
};

/// The routes, to be nested under `/sandbox`.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/schema", put(set_schema))
        .route("/faults", get(list_faults).post(arm_faults).delete(clear_faults))
        .route("/requests", get(list_requests).delete(clear_requests))
        .route("/clock", get(read_clock).post(advance_clock))
        .route("/keys", post(create_key))
        .route("/shares", post(share_project))
        .fallback(unknown)
        .with_state(shared)
}

/// A refusal of an admin route, in the same shape as the API's.
struct Refusal(ApiError);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        answer::refuse(&self.0, &request_id(&http::HeaderMap::new()))
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

type Answer = Result<Json<Value>, Refusal>;

/// A caller who may use the admin routes: one with a personal key.
struct Admin(Caller);

impl FromRequestParts<Arc<Shared>> for Admin {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Self::Rejection> {
        let ConnectInfo(connection) = parts
            .extensions
            .get::<ConnectInfo<Connection>>()
            .cloned()
            .ok_or_else(|| ApiError::bad_request("the request came from nowhere"))?;
        let caller = shared.authenticate(&parts.headers, &connection)?;
        if !caller.is_personal() {
            return Err(ApiError::forbidden("the sandbox's own routes need a personal key").into());
        }
        Ok(Self(caller))
    }
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::bad_request(format!("the request body is wrong: {error}")))
}

async fn unknown() -> Refusal {
    Refusal(ApiError::not_found("the sandbox has no such route"))
}

async fn health() -> Json<Value> {
    Json(json!({ "status": "ok", "sandbox": true, "version": env!("CARGO_PKG_VERSION") }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSchema {
    project_id: String,
    branch_id: String,
    database_name: String,
    sql: String,
}

/// Gives a database another schema from now on, as statements on the branch would.
async fn set_schema(Shares(shared): Shares<Arc<Shared>>, admin: Admin, body: Bytes) -> Answer {
    let input: NewSchema = read(&body)?;
    if shared.plane().is_some() {
        return Err(ApiError::conflict("the sandbox's branches are PostgreSQL: change a schema with SQL").into());
    }
    let mut state = shared.state();
    let now = state.settle();
    let call = Call {
        caller: admin.0,
        now,
        outcome: Outcome::Finished,
        fetched: Default::default(),
        params: [("project_id".to_owned(), input.project_id)].into(),
        uri: http::Uri::default(),
        body,
        form: None,
        host: String::new(),
    };
    let mut change = state.change(&call)?;
    let mut contents = change.project.branch(&input.branch_id)?.contents().clone();
    let database = contents
        .databases
        .iter_mut()
        .find(|database| database.name == input.database_name)
        .ok_or_else(|| ApiError::not_found(format!("database {} not found", input.database_name)))?;
    database.schema = input.sql;
    change.write(&input.branch_id, contents)?;
    let head = change.project.branch(&input.branch_id)?.history.head();
    Ok(Json(json!({ "lsn": head.lsn, "at": head.at })))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NewFaults {
    Many(Vec<Value>),
    One(Value),
}

/// Arms one fault, or a list of them.
async fn arm_faults(Shares(shared): Shares<Arc<Shared>>, _: Admin, body: Bytes) -> Answer {
    let values = match read(&body)? {
        NewFaults::Many(values) => values,
        NewFaults::One(value) => vec![value],
    };
    let mut new = Vec::new();
    for value in values {
        new.push(Fault::read(value).map_err(ApiError::bad_request)?);
    }
    let mut faults = shared.faults();
    for fault in new {
        faults.arm(fault);
    }
    Ok(Json(json!({ "faults": faults.armed() })))
}

async fn list_faults(Shares(shared): Shares<Arc<Shared>>, _: Admin) -> Answer {
    Ok(Json(json!({ "faults": shared.faults().armed() })))
}

async fn clear_faults(Shares(shared): Shares<Arc<Shared>>, _: Admin) -> Answer {
    shared.faults().clear();
    Ok(Json(json!({ "faults": [] })))
}

async fn list_requests(Shares(shared): Shares<Arc<Shared>>, _: Admin) -> Answer {
    let log = shared.log();
    let requests: Vec<_> = log.entries().collect();
    Ok(Json(json!({ "requests": requests })))
}

async fn clear_requests(Shares(shared): Shares<Arc<Shared>>, _: Admin) -> Answer {
    shared.log().clear();
    Ok(Json(json!({ "requests": [] })))
}

async fn read_clock(Shares(shared): Shares<Arc<Shared>>, _: Admin) -> Answer {
    Ok(Json(json!({ "now": shared.state().clock.now() })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: u64,
}

/// Moves the sandbox's time ahead; what falls due happens.
async fn advance_clock(Shares(shared): Shares<Arc<Shared>>, _: Admin, body: Bytes) -> Answer {
    let told = |why: &dyn std::fmt::Display| {
        ApiError::bad_request(format!(
            "the clock isn't moved: {why}; write whole seconds, 0 to {}, e.g. {{\"advance_seconds\": 3600}}",
            clock::FURTHEST.num_seconds()
        ))
    };
    let input: Advance = serde_json::from_slice(&body).map_err(|error| told(&error))?;
    let ahead = i64::try_from(input.advance_seconds).ok().map(clock::seconds);
    let ahead = ahead.filter(|ahead| *ahead <= clock::FURTHEST);
    let ahead = ahead.ok_or_else(|| told(&"it goes at most 100 years ahead"))?;
    let mut state = shared.state();
    state.clock.advance(ahead);
    let now = state.settle();
    shared.reconcile(&mut state, now);
    Ok(Json(json!({ "now": now })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Share {
    project_id: String,
}

/// Gives a project to somebody else, who shares it with the user from now on.
async fn share_project(Shares(shared): Shares<Arc<Shared>>, admin: Admin, body: Bytes) -> Answer {
    let input: Share = read(&body)?;
    let mut state = shared.state();
    let now = state.settle();
    let id = state.project(&admin.0, &input.project_id)?.id.clone();
    transfers::hand_over(&mut state, &id, STRANGER, now);
    Ok(Json(json!({ "project_id": id, "org_id": STRANGER })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    name: String,
    kind: KeyKind,
}

/// Makes a further API key.
async fn create_key(
    Shares(shared): Shares<Arc<Shared>>,
    _: Admin,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let input: NewKey = read(&body)?;
    let mut state = shared.state();
    let now = state.clock.now();
    let home = state.account.home.id.clone();
    let (_, key) = state.keys.create(input.name, input.kind, &home, now);
    Ok((StatusCode::CREATED, Json(json!({ "key": key }))))
}
