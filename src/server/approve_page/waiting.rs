//! The list of what waits for an approver who signed in: `/approve`. What isn't theirs to see isn't in it.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};

use super::shared::{Shared, broken, unknown};
use super::sign_in::SignedIn;
use super::view::{listed, time};
use crate::guard::{Approval, ApprovalsError, Standing};
use crate::text::escaped;

/// The routes of the list.
pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/approve", get(show))
        .route("/approve/", get(show))
        .route("/approve/sign-in", get(begin_sign_in))
}

/// Sends the browser to the issuer, and back to the list.
async fn begin_sign_in(State(shared): State<Arc<Shared>>) -> Response {
    match &shared.approvers {
        Some(approvers) => approvers.begin(&shared.approval_flow(), "").await,
        None => unknown(),
    }
}

async fn show(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let signed_in = match shared.signed_in(&headers, "") {
        Ok(Some(signed_in)) => signed_in,
        Ok(None) => return unknown(),
        Err(response) => return *response,
    };
    let (store, who) = (shared.clone(), signed_in.clone());
    // A store of replicas is asked, which takes a moment.
    let waiting = tokio::task::spawn_blocking(move || waiting(&store, &who)).await;
    match waiting {
        Ok(Ok(waiting)) => listed(StatusCode::OK, body(&waiting, &signed_in)),
        Ok(Err(error)) => broken(&error.to_string()),
        Err(error) => broken(&error.to_string()),
    }
}

/// What waits that this human may decide, with how they stand to it.
fn waiting(shared: &Shared, signed_in: &SignedIn) -> Result<Vec<(Standing, Approval)>, ApprovalsError> {
    let flow = shared.approval_flow();
    let principal = signed_in.principal();
    let all = flow.waiting_on_page()?.into_iter();
    let all = all.map(|approval| (flow.standing_of(&approval, &principal), approval));
    Ok(all.filter(|(standing, _)| *standing != Standing::Stranger).collect())
}

fn body(waiting: &[(Standing, Approval)], signed_in: &SignedIn) -> Markup {
    let of = |wanted: Standing| {
        let fitting = waiting.iter().filter(move |(standing, _)| *standing == wanted);
        fitting.map(|(_, approval)| approval).collect::<Vec<_>>()
    };
    let (theirs, own) = (of(Standing::Approver), of(Standing::Caller));
    html! {
        h1 { "What waits for you" }
        p.hint { "You are signed in as " (escaped(signed_in.name())) ". This page looks again by itself." }
        @if theirs.is_empty() { p { "No call waits for your approval." } }
        (calls(&theirs))
        @if !own.is_empty() {
            h2 { "Your own calls, which another must approve" }
            (calls(&own))
        }
    }
}

fn calls(approvals: &[&Approval]) -> Markup {
    html! {
        @if !approvals.is_empty() {
            ul {
                @for approval in approvals {
                    li {
                        a href=(format!("/approve/{}", approval.code)) { (escaped(approval.text.lines().next().unwrap_or_default())) }
                        p.hint {
                            strong { (escaped(&approval.tool)) } ", " (escaped(&approval.effect))
                            @if approval.severe { ", severe" }
                            ", for " (approval.asker()) "; it waits until " (time(approval.expires_at)) "."
                        }
                    }
                }
            }
        }
    }
}
