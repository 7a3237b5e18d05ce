//! The approval page of an HTTP server: plain HTML for a human's decision about a call that waits.
//!
//! Whoever decides must have the secret that was told to the operator for this one call, so no other page can decide by
//! sending the form (CSRF), and no other program on this machine can by knowing the code, which the agent knows too. Where approvers
//! sign in, that takes the secret's place, and the policy says who may decide what: to others the code is one that nothing waits under.

mod guesses;
mod shared;
mod sign_in;
mod view;
mod waiting;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::rejection::FormRejection;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderValue, REFERRER_POLICY, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use axum::{Extension, Form, Router};
use chrono::Utc;
use maud::html;
use serde::Deserialize;

use super::http::Peer;
use super::http::admission::Admission;
use super::http::place::Place;
use guesses::Guesses;
use shared::{Shared, broken, unknown};
use sign_in::{Approvers, CALLBACK, SignedIn, written};
use view::{Asking, SignedInAs, decided, told};

use crate::engine::Service;
use crate::guard::Effect;
use crate::guard::audit::{AuditOutcome, Entry};
use crate::guard::{Approval, ApprovalsError, DecideError, Decision, InTerminal, Standing, decision_entry};
use crate::sign_in::WebSignIn;

/// The largest form that is read, in bytes.
const MAX_FORM_BYTES: usize = 16 * 1024;

/// How long the answer takes that nothing waits under a code, to whoever signed in: what is another's takes longer to look at than what
/// isn't there, and nobody is to learn which of both it is.
const UNKNOWN_TAKES: Duration = Duration::from_millis(100);

/// The page, for an HTTP server at that place: `/approve/CODE`.
pub(super) fn router(admission: Arc<Admission>, place: Arc<Place>, sign_in: Option<WebSignIn>) -> Router {
    let approvers = sign_in.map(|web| Approvers::new(web, place.origin()));
    let shared = Arc::new(Shared {
        admission,
        place,
        approvers,
        guesses: Guesses::default(),
    });
    let mut router = Router::new()
        .route("/approve/{code}", get(show).post(decide))
        .layer(from_fn_with_state(shared.clone(), unhurried));
    if shared.approvers.is_some() {
        router = router
            .merge(waiting::router())
            .route("/approve/sign-in/{code}", get(begin_sign_in))
            .route(CALLBACK, get(finish_sign_in));
    }
    router
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .layer(from_fn_with_state(shared.clone(), check_origin))
        .with_state(shared)
}

/// The form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    #[serde(default)]
    secret: Option<String>,
    /// The tag of a form that was given to who signed in.
    #[serde(default)]
    form: Option<String>,
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
    /// What is asked about a call, again where an answer was wrong.
    fn asking<'a>(
        &self,
        approval: &'a Approval,
        (signed_in, wrong): (Option<&'a SignedIn>, Option<&'a DecideError>),
    ) -> Asking<'a> {
        let flow = self.approval_flow();
        Asking {
            signed_in: signed_in.map(|signed_in| SignedInAs {
                name: signed_in.name(),
                form: signed_in.form_tag(&flow, &approval.code),
                may_approve: flow.standing_of(approval, &signed_in.principal()) == Standing::Approver,
            }),
            approval,
            sandbox: self.engine().service() == Service::Sandbox,
            asks: flow.page_asks(),
            wrong,
        }
    }

    fn known(&self, code: &str) -> Result<Option<Approval>, ApprovalsError> {
        match self.approval_flow().approvals() {
            Some(approvals) => approvals.get(code, Utc::now()),
            None => Ok(None),
        }
    }

    /// The same to this human: what isn't theirs to see is unknown.
    fn known_to(&self, code: &str, signed_in: Option<&SignedIn>) -> Result<Option<Approval>, ApprovalsError> {
        let known = self.known(code)?;
        let Some(signed_in) = signed_in else { return Ok(known) };
        let principal = signed_in.principal();
        let is_theirs =
            |approval: &Approval| self.approval_flow().standing_of(approval, &principal) != Standing::Stranger;
        Ok(known.filter(is_theirs))
    }

    /// Takes a decision, and notes it in the audit log: one that can't be noted isn't taken.
    fn decide(&self, code: &str, by: &By, decision: &Decision) -> Result<Approval, Undecided> {
        let engine = self.engine();
        let audit = engine.guards().audit.as_ref();
        if let Some(audit) = audit {
            audit.check().map_err(|error| Undecided::NotNoted(error.to_string()))?;
        }
        let (flow, now) = (self.approval_flow(), Utc::now());
        let decided = match by {
            By::Secret(secret, peer) => {
                let guess = flow.page_has_own_secret();
                let begun = guess.then(|| self.guesses.begin(*peer, Instant::now()));
                let begun = begun.transpose().map_err(Undecided::Wait)?;
                let decided = flow.decide_from_page(code, secret, decision, now);
                match (&decided, begun) {
                    (Err(DecideError::WrongSecret { refused, .. }), Some(_)) => {
                        self.note_wrong_secret(code, *peer, refused.is_some());
                    }
                    (_, Some(begun)) => self.guesses.take_back(&begun),
                    (_, None) => {}
                }
                decided
            }
            By::SignedIn(signed_in) => flow.decide_signed_in(code, &signed_in.principal(), decision, now),
        };
        // A try that was one too many refuses the call, too.
        let about = decided.as_ref().map_or_else(DecideError::refused, Some);
        let entry = about.and_then(|approval| decision_entry(approval, engine.service().name()));
        if let (Some(audit), Some(entry)) = (audit, entry) {
            // It waits for its place then, and the log of the server has it.
            let _ = audit.write(&entry);
        }
        Ok(decided?)
    }

    /// Notes a wrong secret where one decides every call: whoever guesses it asks anew before five wrong ones refuse a call. What was
    /// refused has a line of its own.
    fn note_wrong_secret(&self, code: &str, peer: IpAddr, was_refused: bool) {
        let (of_one, in_all) = self.guesses.counted(peer);
        let code = written(code);
        tracing::warn!(%peer, of_address = of_one, in_all, "a wrong secret was given on the approval page, for {code}");
        let engine = self.engine();
        let (Some(audit), Ok(Some(approval)), false) = (engine.guards().audit.as_ref(), self.known(&code), was_refused)
        else {
            return;
        };
        let effect = serde_json::from_value(approval.effect.as_str().into()).unwrap_or(Effect::Destructive);
        let mut entry = Entry::new(approval.tool.as_str(), effect, AuditOutcome::Refused);
        engine.service().name().clone_into(&mut entry.service);
        entry.caller.clone_from(&approval.caller);
        entry.client.clone_from(&approval.client);
        entry.channel = Some("page".to_owned());
        entry.reason = Some(format!(
            "a wrong secret was given on the approval page from {peer}: {of_one} from there, {in_all} in all"
        ));
        let _ = audit.write(&entry);
    }
}

/// How whoever decides shows that they may.
enum By {
    Secret(String, IpAddr),
    SignedIn(SignedIn),
}

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
enum Undecided {
    #[error(transparent)]
    Decide(#[from] DecideError),
    #[error("{0}")]
    NotNoted(String),
    /// Too many wrong secrets came: the next one is looked at in so many seconds.
    #[error("wait {0} seconds")]
    Wait(u64),
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

/// Answers that something is unknown at one time after the request, whatever made it so.
async fn unhurried(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let until = tokio::time::Instant::now() + UNKNOWN_TAKES;
    let response = next.run(request).await;
    if response.status() == StatusCode::NOT_FOUND && shared.approvers.is_some() {
        tokio::time::sleep_until(until).await;
    }
    response
}

fn is_own_page(shared: &Shared, headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(|value| value.to_str().unwrap_or("?"));
    let site = site.is_none_or(|site| matches!(site, "same-origin" | "none"));
    site && shared.place.is_own_origin(headers)
}

async fn begin_sign_in(State(shared): State<Arc<Shared>>, Path(code): Path<String>) -> Response {
    match &shared.approvers {
        Some(approvers) => approvers.begin(&shared.approval_flow(), &written(&code)).await,
        None => unknown(),
    }
}

async fn finish_sign_in(
    State(shared): State<Arc<Shared>>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    match &shared.approvers {
        Some(approvers) => {
            let query = query.unwrap_or_default();
            let peer = peer.map(|Extension(Peer(peer))| peer);
            approvers.finish(&shared.approval_flow(), peer, &headers, &query).await
        }
        None => unknown(),
    }
}

async fn show(State(shared): State<Arc<Shared>>, headers: HeaderMap, Path(code): Path<String>) -> Response {
    let signed_in = match shared.signed_in(&headers, &code) {
        Ok(signed_in) => signed_in,
        Err(response) => return *response,
    };
    match shared.known_to(&code, signed_in.as_ref()) {
        Ok(Some(approval)) if approval.waits() => shared
            .asking(&approval, (signed_in.as_ref(), None))
            .page(StatusCode::OK),
        Ok(Some(approval)) => decided(StatusCode::OK, &approval),
        Ok(None) => unknown(),
        Err(error) => broken(&error.to_string()),
    }
}

async fn decide(
    State(shared): State<Arc<Shared>>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
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
    let signed_in = match shared.signed_in(&headers, &code) {
        Ok(signed_in) => signed_in,
        Err(response) => return *response,
    };
    let by = match (&signed_in, answer.secret) {
        (Some(signed_in), _) => {
            // Of what isn't theirs to see, no form says anything.
            let shown = match shared.known_to(&code, Some(signed_in)) {
                Ok(shown) => shown,
                // Whether the form is ours can't be told then.
                Err(error) => return broken(&error.to_string()),
            };
            let shown = shown.map(|approval| approval.code);
            let tag = answer.form.unwrap_or_default();
            let is_own_form = shown
                .as_ref()
                .is_none_or(|code| signed_in.gave(&shared.approval_flow(), code, &tag));
            if !is_own_form {
                return told(
                    StatusCode::FORBIDDEN,
                    "Not from here",
                    html! { p { "This page takes only its own form. Open it again: nothing was decided." } },
                );
            }
            By::SignedIn(signed_in.clone())
        }
        (None, Some(secret)) => {
            // Every connection has one; those that lack it would share one count.
            let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Extension(Peer(peer))| peer);
            By::Secret(secret, peer)
        }
        (None, None) => {
            let text = "The form came back without the secret. Nothing was decided.";
            return told(StatusCode::UNPROCESSABLE_ENTITY, "Not a form", html! { p { (text) } });
        }
    };
    // It waits for a lock, for a moment.
    let (store, given) = (shared.clone(), code.clone());
    let decided_now = tokio::task::spawn_blocking(move || store.decide(&given, &by, &decision));
    let decided_now = match decided_now.await {
        Ok(Ok(approval)) => Ok(Ok(approval)),
        Ok(Err(Undecided::Decide(error))) => Ok(Err(error)),
        Ok(Err(Undecided::NotNoted(error))) => return broken(&error),
        Ok(Err(Undecided::Wait(seconds))) => return wait(seconds),
        Err(error) => Err(error),
    };
    let known = |code: &str| shared.known_to(code, signed_in.as_ref());
    match decided_now {
        // A reload then looks again, and decides nothing.
        Ok(Ok(approval)) => Redirect::to(&format!("/approve/{}", approval.code)).into_response(),
        Ok(Err(DecideError::Unknown)) => unknown(),
        Ok(Err(DecideError::Decided(_))) => match known(&code) {
            Ok(Some(approval)) => decided(StatusCode::CONFLICT, &approval),
            _ => unknown(),
        },
        Ok(Err(error @ (DecideError::WrongName { .. } | DecideError::WrongSecret { .. } | DecideError::OwnCall))) => {
            let status = match error {
                DecideError::WrongName { .. } => StatusCode::UNPROCESSABLE_ENTITY,
                _ => StatusCode::FORBIDDEN,
            };
            match known(&code) {
                Ok(Some(approval)) if approval.waits() => shared
                    .asking(&approval, (signed_in.as_ref(), Some(&error)))
                    .page(status),
                Ok(Some(approval)) => decided(status, &approval),
                _ => unknown(),
            }
        }
        Ok(Err(DecideError::NotHere(_))) => match known(&code) {
            Ok(Some(approval)) => told(
                StatusCode::FORBIDDEN,
                "Not here",
                html! {
                    p {
                        "This call can't be decided on a page"
                        @match shared.approval_flow().in_terminal(&approval) {
                            Some(InTerminal::Own(command)) => { ": use " code { (command) } " in a terminal" }
                            Some(InTerminal::Operators) => { ": whoever runs the server decides it in a terminal" }
                            None => {}
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

fn wait(seconds: u64) -> Response {
    let text =
        format!("Too many wrong secrets were given on this page. Nothing was decided: try again in {seconds} seconds.");
    let mut response = told(StatusCode::TOO_MANY_REQUESTS, "Wait", html! { p { (text) } });
    response.headers_mut().insert(RETRY_AFTER, seconds.into());
    response
}
