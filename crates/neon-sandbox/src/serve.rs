//! The way of a request: id, log, key, rate limits, faults, handler, answer.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    admin,
    answer::{self, Damage},
    api::{self, Route},
    call::{Call, Fetched, Reply},
    compute::Asked,
    data_plane::Wanted,
    error::ApiError,
    faults::FaultKind,
    form::{self, Form},
    listener::Connection,
    log::{LoggedRequest, headers_without_key, shown_body},
    request::{MAX_BODY, REQUEST_ID, request_id},
    shared::Shared,
    sql,
    state::keys::Caller,
    state::operation::Outcome,
    storage,
};
use axum::{
    Router,
    body::to_bytes,
    extract::{ConnectInfo, FromRequestParts, RawPathParams, Request, State as Shares},
    middleware::{self, Next},
    response::Response,
    routing::{MethodFilter, on},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONTENT_TYPE, DATE, HOST},
    request::Parts,
};

/// The prefix of the Neon API.
pub(crate) const API_PREFIX: &str = "/api/v2";

/// The error text of operations that a fault lets fail.
const FAILURE: &str = "the sandbox was told to let this operation fail";

/// All routes.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let mut router = Router::new();
    for route in api::routes() {
        let Ok(filter) = MethodFilter::try_from(route.method.clone()) else {
            continue;
        };
        let path = format!("{API_PREFIX}{}", route.path);
        let shared = Arc::clone(&shared);
        router = router.route(
            &path,
            on(filter, move |request: Request| async move {
                serve(&shared, Some(route), request).await
            }),
        );
    }
    let not_served = {
        let shared = Arc::clone(&shared);
        move |request: Request| async move { serve(&shared, None, request).await }
    };
    router
        .fallback(not_served.clone())
        .method_not_allowed_fallback(not_served)
        .merge(sql::routes({
            let shared = Arc::clone(&shared);
            move |connection| {
                let shared = Arc::clone(&shared);
                let asked = Asked::of(connection);
                async move { shared.compute_for_sql(&asked).await }
            }
        }))
        .nest("/storage", storage::router(Arc::clone(&shared)))
        .nest("/sandbox", admin::router(Arc::clone(&shared)))
        .layer(middleware::from_fn_with_state(shared, keep))
}

/// Answers a request that may have changed something only when that is written.
async fn keep(Shares(shared): Shares<Arc<Shared>>, request: Request, next: Next) -> Response {
    // What SQL changes is PostgreSQL's to keep.
    let changes = !request.method().is_safe() && request.uri().path() != "/sql";
    let response = next.run(request).await;
    if changes {
        shared.saved().await;
    }
    response
}

/// A request, read as a whole.
struct Received {
    parts: Parts,
    body: Bytes,
    params: HashMap<String, String>,
    connection: Connection,
    request_id: String,
}

impl Received {
    /// Whether it may name a position of the log.
    fn names_a_position(&self) -> bool {
        let in_query = self.parts.uri.query().is_some_and(|query| query.contains("lsn="));
        in_query || self.body.windows(4).any(|part| part == b"lsn\"")
    }
}

/// Serves one request below `/api/v2`, or one that fits nowhere.
async fn serve(shared: &Shared, route: Option<Route>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let request_id = request_id(&parts.headers);
    let Some(ConnectInfo(connection)) = parts.extensions.get::<ConnectInfo<Connection>>().cloned() else {
        let error = ApiError::bad_request("the request came from nowhere");
        return answer::refuse(&error, &request_id);
    };
    let params = match RawPathParams::from_request_parts(&mut parts, &()).await {
        Ok(params) => params
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        Err(_) => HashMap::new(),
    };
    let (body, complete) = match to_bytes(body, MAX_BODY).await {
        Ok(body) => (body, true),
        Err(_) => (Bytes::new(), false),
    };
    let received = Received {
        parts,
        body,
        params,
        connection,
        request_id,
    };
    let Some(path) = received.parts.uri.path().strip_prefix(API_PREFIX) else {
        let error = ApiError::not_found("the sandbox serves the Neon API below /api/v2 only");
        return answer::refuse(&error, &received.request_id);
    };
    let path = path.to_owned();
    let number = shared.log().record(LoggedRequest {
        number: 0,
        at: shared.state().clock.now(),
        method: received.parts.method.to_string(),
        path: path.clone(),
        query: received.parts.uri.query().map(str::to_owned),
        request_id: received.request_id.clone(),
        operation: route.as_ref().map(|route| route.operation),
        headers: headers_without_key(&received.parts.headers),
        body: shown_body(&received.body),
        status: None,
    });
    let mut response = if complete {
        match admit(shared, route.as_ref(), &received) {
            Ok(caller) => {
                let fault = shared.faults().pick(&received.parts.method, &path);
                run(shared, route, &received, caller, fault).await
            }
            Err(error) => Some(answer::refuse(&error, &received.request_id)),
        }
    } else {
        Some(answer::refuse(&ApiError::too_large(), &received.request_id))
    };
    if let Some(response) = &mut response {
        shared.log().answered(number, response.status().as_u16());
    } else {
        received.connection.reset();
    }
    let mut response = response.unwrap_or_default();
    // The sandbox's time may be ahead of the machine's, and clients go by it.
    let date = shared
        .state()
        .clock
        .now()
        .format("%a, %d %b %Y %H:%M:%S GMT")
        .to_string();
    if let Ok(value) = HeaderValue::from_str(&date) {
        response.headers_mut().insert(DATE, value);
    }
    if let Ok(value) = HeaderValue::from_str(&received.request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Checks the key and the rate limits.
fn admit(shared: &Shared, route: Option<&Route>, received: &Received) -> Result<Caller, ApiError> {
    let caller = shared.authenticate(&received.parts.headers, &received.connection)?;
    if let Some(mut rates) = shared.rates() {
        let route = route.map_or("", |route| route.operation);
        rates
            .take(caller.account(), route, Instant::now())
            .map_err(ApiError::rate_limited)?;
    }
    Ok(caller)
}

/// Runs the handler under a fault, if there is one. `None`: the connection is to be reset.
async fn run(
    shared: &Shared,
    route: Option<Route>,
    received: &Received,
    caller: Caller,
    fault: Option<FaultKind>,
) -> Option<Response> {
    let mut outcome = Outcome::Finished;
    let mut damage = None;
    match fault {
        None => {}
        Some(FaultKind::Status {
            status,
            retry_after,
            code,
            message,
        }) => {
            let error = ApiError {
                status: http::StatusCode::from_u16(status).unwrap_or_default(),
                code,
                message,
                body: None,
                retry_after,
            };
            return Some(answer::refuse(&error, &received.request_id));
        }
        Some(FaultKind::ResetBefore) => return None,
        Some(FaultKind::Redirect { location }) => return Some(answer::redirect(&location)),
        Some(FaultKind::Delay { millis }) => shared.wait(millis).await,
        Some(FaultKind::FailedOperation) => outcome = Outcome::Failed(FAILURE.to_owned()),
        Some(FaultKind::StuckOperation) => outcome = Outcome::Stuck,
        Some(FaultKind::LostAnswer) => damage = Some(Damage::Lost),
        Some(FaultKind::CutBody) => damage = Some(Damage::Cut),
        Some(FaultKind::MalformedJson) => damage = Some(Damage::Malformed),
        Some(FaultKind::SlowBody { millis }) => {
            damage = Some(Damage::Slow(Duration::from_millis(millis)));
        }
    }
    let result = handle(shared, route, received, caller, outcome).await;
    answer::write(result, &received.request_id, damage)
}

/// Hands the call to its handler: once more where it needs something of PostgreSQL that has to be fetched first.
async fn handle(
    shared: &Shared,
    route: Option<Route>,
    received: &Received,
    caller: Caller,
    outcome: Outcome,
) -> Result<Reply, ApiError> {
    if received.names_a_position() {
        look(shared, received).await;
    }
    let form = form(received).await;
    let once = |fetched| {
        handle_once(
            shared,
            route.as_ref(),
            received,
            form.clone(),
            &caller,
            &outcome,
            fetched,
        )
    };
    let result = once(Fetched::default());
    match (result, shared.plane()) {
        (Err(HandleError::Needs(project_id, wanted)), Some(plane)) => {
            let mut fetched = Fetched::default();
            for wanted in wanted {
                let schema = plane.schema(&project_id, wanted.clone()).await;
                fetched.add(wanted, schema);
            }
            once(fetched).map_err(HandleError::into_api)
        }
        (result, _) => result.map_err(HandleError::into_api),
    }
}

/// The body as a form, where it was sent as one.
async fn form(received: &Received) -> Option<Result<Form, ApiError>> {
    let content_type = header(&received.parts.headers, &CONTENT_TYPE)?;
    if !content_type.starts_with("multipart/form-data") {
        return None;
    }
    Some(form::read(Some(&content_type), &received.body).await)
}

/// Reads from PostgreSQL how far the logs of the project in the path have come.
async fn look(shared: &Shared, received: &Received) {
    if let (Some(plane), Some(project_id)) = (shared.plane(), received.params.get("project_id")) {
        plane.look(project_id).await;
    }
}

/// Why a handler gave no answer.
enum HandleError {
    Refused(ApiError),
    /// These schemas of a project are needed first.
    Needs(String, Vec<Wanted>),
}

impl HandleError {
    fn into_api(self) -> ApiError {
        match self {
            Self::Refused(error) => error,
            Self::Needs(..) => ApiError::refused("the branch's schema can't be read"),
        }
    }
}

/// Hands the call to its handler, with the state settled.
fn handle_once(
    shared: &Shared,
    route: Option<&Route>,
    received: &Received,
    form: Option<Result<Form, ApiError>>,
    caller: &Caller,
    outcome: &Outcome,
    fetched: Fetched,
) -> Result<Reply, HandleError> {
    let Some(route) = route else {
        return Err(HandleError::Refused(ApiError::not_found(format!(
            "the sandbox doesn't serve {} {} yet",
            received.parts.method,
            received.parts.uri.path()
        ))));
    };
    let mut state = shared.state();
    let now = state.settle();
    let call = Call {
        caller: caller.clone(),
        now,
        outcome: outcome.clone(),
        fetched: std::cell::RefCell::new(fetched),
        params: received.params.clone(),
        uri: received.parts.uri.clone(),
        body: received.body.clone(),
        form,
        host: header(&received.parts.headers, &HOST)
            .or_else(|| received.parts.uri.authority().map(ToString::to_string))
            .unwrap_or_default(),
    };
    let result = (route.handler)(&call, &mut state);
    state.observe(now);
    let fetched = call.fetched.into_inner();
    if shared.plane().is_some() && fetched.lacks_something() {
        return Err(HandleError::Needs(
            received.params.get("project_id").cloned().unwrap_or_default(),
            fetched.into_wanted(),
        ));
    }
    shared.reconcile(&mut state, now);
    result.map_err(HandleError::Refused)
}

fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(value.to_owned())
}
