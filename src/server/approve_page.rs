//! The approval page of an HTTP server: plain HTML for a human's yes or no to a call that waits.
//!
//! Whoever decides must have the secret that was told to the operator for this one call, so no other page can decide by
//! sending the form (CSRF), and no other program on this machine can by knowing the code, which the agent knows too.

use std::sync::{Arc, LazyLock};

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
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::http::from_here::{is_own_host, is_own_origin};
use crate::engine::Engine;
use crate::guard::{Approval, ApprovalFlow, ApprovalsError, DecideError, Decision, State as Decided};
use crate::neon::text::escaped;

/// The largest form that is read, in bytes.
const MAX_FORM_BYTES: usize = 16 * 1024;

/// How it looks. The policy of the page allows this text as its style, and nothing else at all.
const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}\
pre{white-space:pre-wrap;overflow-wrap:anywhere;border:1px solid;border-radius:6px;padding:1rem;font-size:.9rem}\
label{display:block;margin:1rem 0}\
input{display:block;font:inherit;width:100%;box-sizing:border-box;padding:.5rem;margin-top:.25rem}\
button{font:inherit;padding:.5rem 1.5rem;margin:.5rem 1rem 0 0}\
.severe{border-left:6px solid light-dark(#b00020,#ff6b81);padding-left:1rem}\
.danger{color:light-dark(#b00020,#ff6b81);font-weight:bold}\
.wrong{border:2px solid light-dark(#b00020,#ff6b81);border-radius:6px;padding:.5rem 1rem}";

static CONTENT_POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
});

/// What the page works on.
#[derive(Debug)]
struct Shared {
    engine: Engine,
    /// The origins that are this server's own.
    origins: Vec<String>,
}

/// The page, for an HTTP server with these origins: `/approve/CODE`.
pub(super) fn router(engine: Engine, origins: Vec<String>) -> Router {
    let shared = Arc::new(Shared { engine, origins });
    Router::new()
        .route("/approve/{code}", get(show).post(decide))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .layer(from_fn_with_state(shared.clone(), guarded))
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
    fn confirmations(&self) -> &ApprovalFlow {
        &self.engine.guards().confirmations
    }

    fn known(&self, code: &str) -> Result<Option<Approval>, ApprovalsError> {
        match self.confirmations().approvals() {
            Some(approvals) => approvals.get(code, Utc::now()),
            None => Ok(None),
        }
    }
}

/// Lets only requests in that a human's browser makes for this page itself, and has nothing of it kept. To look, a link from
/// elsewhere will do (a chat that shows it); to decide, it must be this page's own form.
async fn guarded(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let looks = request.method() == Method::GET;
    let is_own = looks || is_own_page(&shared, request.headers());
    let mut response = if is_own && is_own_host(request.headers(), request.uri()) {
        next.run(request).await
    } else {
        page(
            StatusCode::FORBIDDEN,
            "Not from here",
            html! { p { "This page answers only to itself, on this machine." } },
        )
    };
    let policy = HeaderValue::from_str(&CONTENT_POLICY).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, policy),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        // With `no-referrer` a browser would say `Origin: null` for our own form.
        (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    ] {
        response.headers_mut().insert(name, value);
    }
    response
}

fn is_own_page(shared: &Shared, headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(|value| value.to_str().unwrap_or("?"));
    let site = site.is_none_or(|site| matches!(site, "same-origin" | "none"));
    site && is_own_origin(headers, &shared.origins)
}

async fn show(State(shared): State<Arc<Shared>>, Path(code): Path<String>) -> Response {
    match shared.known(&code) {
        Ok(Some(approval)) if approval.waits() => page(StatusCode::OK, "Approve?", form(&shared, &approval, None)),
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
            return page(rejection.status(), "Not a form", html! { p { (text) } });
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
            .confirmations()
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
                Ok(Some(approval)) if approval.waits() => {
                    page(status, "Not decided yet", form(&shared, &approval, Some(&error)))
                }
                Ok(Some(approval)) => decided(status, &approval),
                _ => unknown(),
            }
        }
        Ok(Err(DecideError::NotHere(_))) => match (shared.known(&code), shared.confirmations().approvals()) {
            (Ok(Some(approval)), Some(approvals)) => page(
                StatusCode::FORBIDDEN,
                "Not here",
                html! {
                    p {
                        "This call can't be decided on a page: use "
                        code { (approvals.command(&approval.code)) } " in a terminal."
                    }
                },
            ),
            _ => unknown(),
        },
        Ok(Err(DecideError::Approvals(error))) => broken(&error.to_string()),
        Err(error) => broken(&error.to_string()),
    }
}

/// The plan, and the form below it. It is the browser's to fill nothing in, and Enter's to send nothing: a no or a yes is a
/// button that was meant.
fn form(shared: &Shared, approval: &Approval, wrong: Option<&DecideError>) -> Markup {
    let wrong_name = matches!(wrong, Some(DecideError::WrongName { .. })).then_some("true");
    let wrong_secret = matches!(wrong, Some(DecideError::WrongSecret { .. })).then_some("true");
    let minutes = (approval.expires_at - Utc::now()).num_minutes().max(0);
    html! {
           @if let Some(wrong) = wrong { p.wrong role="alert" { "Not decided: " (wrong) "." } }
           p { "It is " (approval.asker()) " that wants to call " strong { (approval.tool) } "." }
           div.severe[approval.severe] {
               pre { @for line in approval.text.split('\n') { (escaped(line)) "\n" } }
           }
    @if let Some(whole) = &approval.whole {
               details {
                   summary { "All statements, as they run; secrets are masked" }
                   pre { @for line in whole.split('\n') { (escaped(line)) "\n" } }
               }
           }
           p {
               "It waits until " (approval.expires_at.format("%H:%M:%S UTC")) ", "
               @match minutes { 0 => "less than a minute", 1 => "one more minute", minutes => { (minutes) " more minutes" } } "."
           }
           form method="post" autocomplete="off" {
               button type="submit" disabled hidden {}
               @if let Some(name) = &approval.type_name {
                   label {
                       "To approve, type the name of the " (name.what) " exactly as it is shown above, without the quotes"
                       input type="text" name="name" autocomplete="off" spellcheck="false" aria-invalid=[wrong_name];
                   }
               }
               label {
                   @if shared.confirmations().page_has_own_secret() { "The operator's secret" }
                   @else { "The secret that the server's log shows for " (approval.code) }
                   input type="password" name="secret" required autocomplete="off" aria-invalid=[wrong_secret];
               }
               button type="submit" name="decision" value="reject" { "Reject" }
               button.danger[approval.severe] type="submit" name="decision" value="approve" { "Approve" }
           }
       }
}

fn decided(status: StatusCode, approval: &Approval) -> Response {
    let what = escaped(approval.text.lines().next().unwrap_or_default());
    let (title, body) = match approval.state {
        Decided::Approved { until, .. } => (
            "Approved",
            html! {
                p { "It counts until " (until.format("%H:%M:%S UTC")) ", for one call." }
                p { "Tell the agent to repeat the call." }
            },
        ),
        Decided::Rejected { .. } => ("Rejected", html! { p { "Nothing was sent to Neon." } }),
        Decided::Waiting => ("It waits", html! {}),
    };
    page(
        status,
        title,
        html! { p { strong { (approval.tool) } ": " (what) } (body) },
    )
}

fn unknown() -> Response {
    page(
        StatusCode::NOT_FOUND,
        "Nothing waits here",
        html! { p { "No call waits under this code: it has run out, was used, or never was." } },
    )
}

fn broken(error: &str) -> Response {
    tracing::error!("the approval page: {error}");
    page(
        StatusCode::INTERNAL_SERVER_ERROR,
        "Not decided",
        html! { p { "What waits can't be read or written, so nothing was decided. The server's log says why." } },
    )
}

fn page(status: StatusCode, title: &str, body: Markup) -> Response {
    let html = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { "neon-mcp: " (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { h1 { (title) } (body) }
        }
    };
    (status, Html(html.into_string())).into_response()
}
