//! The approval page of an HTTP server: plain HTML for a human's decision about a call that waits.
//!
//! Whoever decides must have the secret that was told to the operator for this one call, so no other page can decide by
//! sending the form (CSRF), and no other program on this machine can by knowing the code, which the agent knows too.

mod view;

use std::sync::Arc;

use axum::Form;
use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use chrono::Utc;
use maud::html;
use serde::Deserialize;

use super::http::admission::Admission;
use super::http::place::Place;
use view::{Asking, decided, told};

use crate::engine::{Engine, Service};
use crate::guard::{Approval, ApprovalFlow, ApprovalsError, DecideError, Decision};

/// The largest form that is read, in bytes.
const MAX_FORM_BYTES: usize = 16 * 1024;

/// What the page works on.
#[derive(Debug)]
struct Shared {
    admission: Arc<Admission>,
    place: Arc<Place>,
}

/// The page, for an HTTP server at that place: `/approve/CODE`.
pub(super) fn router(admission: Arc<Admission>, place: Arc<Place>) -> Router {
    let shared = Arc::new(Shared { admission, place });
    Router::new()
        .route("/approve/{code}", get(show).post(decide))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .layer(from_fn_with_state(shared.clone(), check_origin))
        .with_state(shared)
}

/// The form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    secret: String,
    #[serde(default)]
    name: Option<String>,
    decision: Choice,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Choice {
    Approve,
    Reject,
}

impl Shared {
    /// The engine of this moment.
    fn engine(&self) -> Engine {
        self.admission.engine()
    }

    fn approval_flow(&self) -> ApprovalFlow {
        self.engine().guards().approval_flow.clone()
    }

    /// What is asked about a call, again where an answer was wrong.
    fn asking<'a>(&self, approval: &'a Approval, wrong: Option<&'a DecideError>) -> Asking<'a> {
        Asking {
            approval,
            sandbox: self.engine().service() == Service::Sandbox,
            own_secret: self.approval_flow().page_has_own_secret(),
            wrong,
        }
    }

    fn known(&self, code: &str) -> Result<Option<Approval>, ApprovalsError> {
        match self.approval_flow().approvals() {
            Some(approvals) => approvals.get(code, Utc::now()),
            None => Ok(None),
        }
    }
}

/// Lets only requests in that a human's browser makes for this page itself, and has nothing of it kept. To look, a link from
/// elsewhere will do (a chat that shows it); to decide, it must be this page's own form.
async fn check_origin(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let looks = request.method() == Method::GET;
    let is_own = looks || is_own_page(&shared, request.headers());
    let mut response = if is_own && shared.place.is_own_host(request.headers(), request.uri()) {
        next.run(request).await
    } else {
        told(
            StatusCode::FORBIDDEN,
            "Not from here",
            html! { p { "This page answers only to itself, and only by the server's own address." } },
        )
    };
    let headers = response.headers_mut();
    // A page has its own, which allows its style.
    if !headers.contains_key(CONTENT_SECURITY_POLICY) {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'"));
    }
    for (name, value) in [
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        // With `no-referrer` a browser would say `Origin: null` for our own form.
        (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    ] {
        headers.insert(name, value);
    }
    response
}

fn is_own_page(shared: &Shared, headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(|value| value.to_str().unwrap_or("?"));
    let site = site.is_none_or(|site| matches!(site, "same-origin" | "none"));
    site && shared.place.is_own_origin(headers)
}

async fn show(State(shared): State<Arc<Shared>>, Path(code): Path<String>) -> Response {
    match shared.known(&code) {
        Ok(Some(approval)) if approval.waits() => shared.asking(&approval, None).page(StatusCode::OK),
        Ok(Some(approval)) => decided(StatusCode::OK, &approval),
        Ok(None) => unknown(),
        Err(error) => broken(&error.to_string()),
    }
}

async fn decide(
    State(shared): State<Arc<Shared>>,
    Path(code): Path<String>,
    answer: Result<Form<Answer>, FormRejection>,
) -> Response {
    let answer = match answer {
        Ok(Form(answer)) => answer,
        Err(rejection) => {
            let text = "The form came back in a way that can't be read. Nothing was decided.";
            return told(rejection.status(), "Not a form", html! { p { (text) } });
        }
    };
    let decision = match answer.decision {
        Choice::Approve => Decision::Approve { typed: answer.name },
        Choice::Reject => Decision::Reject,
    };
    // It waits for a lock, for a moment.
    let (store, given, now) = (shared.clone(), code.clone(), Utc::now());
    let decided_now = tokio::task::spawn_blocking(move || {
        store
            .approval_flow()
            .decide_from_page(&given, &answer.secret, &decision, now)
    });
    match decided_now.await {
        // A reload then looks again, and decides nothing.
        Ok(Ok(approval)) => Redirect::to(&format!("/approve/{}", approval.code)).into_response(),
        Ok(Err(DecideError::Unknown)) => unknown(),
        Ok(Err(DecideError::Decided(_))) => match shared.known(&code) {
            Ok(Some(approval)) => decided(StatusCode::CONFLICT, &approval),
            _ => unknown(),
        },
        Ok(Err(error @ (DecideError::WrongName { .. } | DecideError::WrongSecret { .. }))) => {
            let status = match error {
                DecideError::WrongSecret { .. } => StatusCode::FORBIDDEN,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            };
            match shared.known(&code) {
                Ok(Some(approval)) if approval.waits() => shared.asking(&approval, Some(&error)).page(status),
                Ok(Some(approval)) => decided(status, &approval),
                _ => unknown(),
            }
        }
        Ok(Err(DecideError::NotHere(_))) => match (shared.known(&code), shared.approval_flow().approvals()) {
            (Ok(Some(approval)), Some(approvals)) => told(
                StatusCode::FORBIDDEN,
                "Not here",
                html! {
                    p {
                        "This call can't be decided on a page"
                        @if let Some(command) = approvals.command(&approval.code) {
                            ": use " code { (command) } " in a terminal"
                        }
                        "."
                    }
                },
            ),
            _ => unknown(),
        },
        Ok(Err(DecideError::Approvals(error))) => broken(&error.to_string()),
        Err(error) => broken(&error.to_string()),
    }
}

fn unknown() -> Response {
    told(
        StatusCode::NOT_FOUND,
        "Nothing waits here",
        html! { p { "No call waits under this code: it has run out, was used, or never was." } },
    )
}

fn broken(error: &str) -> Response {
    tracing::error!("the approval page: {error}");
    told(
        StatusCode::INTERNAL_SERVER_ERROR,
        "Not decided",
        html! { p { "What waits can't be read or written, so nothing was decided. The server's log says why." } },
    )
}
