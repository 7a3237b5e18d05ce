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
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderMap, HeaderValue, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::guard::{Approval, Approvals, DecideError, Decider, Decision, State as Decided};
use crate::neon::text::one_line;

/// The largest form that is read, in bytes.
const MOST_FORM_BYTES: usize = 16 * 1024;

/// How it looks. The policy of the page allows this text as its style, and nothing else at all.
const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}\
pre{white-space:pre-wrap;overflow-wrap:anywhere;border:1px solid;border-radius:6px;padding:1rem;font-size:.9rem}\
label{display:block;margin:1rem 0}\
input{display:block;font:inherit;width:100%;box-sizing:border-box;padding:.5rem;margin-top:.25rem}\
button{font:inherit;padding:.5rem 1.5rem;margin:.5rem 1rem 0 0}\
.severe{border-left:6px solid #b00020;padding-left:1rem}\
.wrong{border:2px solid #b00020;border-radius:6px;padding:.5rem 1rem}";

static CONTENT_POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
});

/// What the page works on.
#[derive(Debug)]
struct Shared {
    approvals: Approvals,
    /// The origins that are this server's own.
    origins: Vec<String>,
}

/// The page, for an HTTP server with these origins: `/approve/CODE`.
pub(super) fn router(approvals: Approvals, origins: Vec<String>) -> Router {
    let shared = Arc::new(Shared { approvals, origins });
    Router::new()
        .route("/approve/{code}", get(show).post(decide))
        .layer(DefaultBodyLimit::max(MOST_FORM_BYTES))
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
    Refuse,
}

/// Lets only requests in that a human's browser makes for this page itself, and has nothing of it kept.
async fn guarded(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let mut response = if is_own_host(request.headers(), request.uri()) && is_own_page(&shared, request.headers()) {
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

/// Another name for this machine is how a page elsewhere would reach it (DNS rebinding).
fn is_own_host(headers: &HeaderMap, uri: &Uri) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| uri.authority().map(|authority| authority.as_str()));
    let name = host.and_then(|host| host.parse::<http::uri::Authority>().ok());
    name.is_some_and(|name| matches!(name.host(), "localhost" | "127.0.0.1" | "::1" | "[::1]"))
}

fn is_own_page(shared: &Shared, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let origin = text(ORIGIN.as_str()).is_none_or(|origin| shared.origins.iter().any(|own| own == origin));
    let site = text("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"));
    origin && site
}

async fn show(State(shared): State<Arc<Shared>>, Path(code): Path<String>) -> Response {
    match shared.approvals.get(&code, Utc::now()) {
        Ok(Some(approval)) if approval.waits() => page(StatusCode::OK, "Approve?", form(&approval, None)),
        Ok(Some(approval)) => page(StatusCode::OK, "Decided", decided(&approval.state)),
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
        Choice::Refuse => Decision::Refuse,
    };
    // It waits for a lock, for a moment.
    let (store, given, now) = (shared.clone(), code.clone(), Utc::now());
    let decided_now =
        tokio::task::spawn_blocking(move || store.approvals.decide_from_page(&given, &answer.secret, &decision, now));
    match decided_now.await {
        Ok(Ok(approval)) => page(StatusCode::OK, "Decided", decided(&approval.state)),
        Ok(Err(DecideError::Unknown)) => unknown(),
        Ok(Err(DecideError::Decided(state))) => page(StatusCode::CONFLICT, "Decided", decided(&state)),
        Ok(Err(error @ (DecideError::WrongName { .. } | DecideError::WrongSecret { .. }))) => {
            let status = match error {
                DecideError::WrongSecret { .. } => StatusCode::FORBIDDEN,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            };
            match shared.approvals.get(&code, now) {
                Ok(Some(approval)) if approval.waits() => page(
                    status,
                    "Approve?",
                    form(&approval, Some(&format!("Not decided: {error}."))),
                ),
                _ => page(
                    status,
                    "Decided",
                    html! { p.wrong { (format!("{error}.")) } (decided(&Decided::Refused { at: now, by: Decider::Page })) },
                ),
            }
        }
        Ok(Err(DecideError::NotHere(_))) => page(
            StatusCode::FORBIDDEN,
            "Not here",
            html! { p { "This call can't be decided on a page: use " code { "neon-mcp approve " (code) } " in a terminal." } },
        ),
        Ok(Err(DecideError::Approvals(error))) => broken(&error.to_string()),
        Err(error) => broken(&error.to_string()),
    }
}

/// The plan, and the form below it. It is the browser's to fill nothing in.
fn form(approval: &Approval, wrong: Option<&str>) -> Markup {
    let who = one_line(approval.client.as_deref().unwrap_or(&approval.caller), 60);
    html! {
        @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } }
        p { strong { (who) } " wants to call " strong { (approval.tool) } "." }
        div.severe[approval.severe] {
            pre { @for line in approval.text.lines() { (one_line(line, 1_000)) "\n" } }
        }
        p { "It waits until " (approval.expires_at.format("%H:%M:%S UTC")) "." }
        form method="post" autocomplete="off" {
            @if let Some(name) = &approval.type_name {
                label {
                    "To approve, type the name of the " (name.what) " exactly as it is shown above, without the quotes"
                    input type="text" name="name" autocomplete="off" spellcheck="false";
                }
            }
            label {
                "The secret that the server's log shows for " (approval.code)
                input type="password" name="secret" required autocomplete="off";
            }
            button type="submit" name="decision" value="refuse" { "Refuse" }
            button type="submit" name="decision" value="approve" { "Approve" }
        }
    }
}

fn decided(state: &Decided) -> Markup {
    match state {
        Decided::Approved { until, .. } => html! {
            p { strong { "Approved" } ", until " (until.format("%H:%M:%S UTC")) ", for one call." }
            p { "Tell the agent to repeat the call." }
        },
        Decided::Refused { .. } => html! { p { strong { "Refused" } ". Nothing was sent to Neon." } },
        Decided::Waiting => html! { p { "It waits." } },
    }
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
