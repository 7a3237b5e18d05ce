//! Having a client's human sign in on a page, in both protocol eras: by URL elicitation, where the client takes it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{
    CallToolRequestParams, ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction, InputRequest,
    InputRequiredResult,
};
use rmcp::service::{Peer, RequestContext};
use tokio_util::sync::CancellationToken;

use crate::engine::SignInPage;

/// The key of the question among the input requests of a result.
const KEY: &str = "sign_in";

/// How long a call waits for the human: within the time that it has in all.
const WAIT: Duration = Duration::from_secs(150);

/// What the human is told, beside the address.
const MESSAGE: &str =
    "Nobody is signed in to Neon here. Sign in on this page, in a browser on the machine that neon-mcp runs on.";

/// How a client's human can be sent to a page.
pub(super) enum Way {
    /// The client takes no address: the result says what to do.
    Told,
    /// While the call runs.
    InCall(Peer<RoleServer>),
    /// By a question for an answer, which came back with this call or didn't.
    InReturn(Option<ElicitationAction>),
}

/// What comes of a missing sign-in.
pub(super) enum Next {
    /// Somebody signed in: the call can be made again.
    Again,
    /// The client is asked to open the page and to repeat the call.
    Ask(InputRequiredResult),
    /// The result tells it.
    Tell,
}

/// By what the client declares, never by its name.
pub(super) fn way(context: &RequestContext<RoleServer>, request: &CallToolRequestParams, modern: bool) -> Way {
    let elicitation = context.client_capabilities().and_then(|client| client.elicitation);
    match (elicitation.is_some_and(|modes| modes.url.is_some()), modern) {
        (false, _) => Way::Told,
        (true, false) => Way::InCall(context.peer.clone()),
        (true, true) => {
            let responses = request.input_responses.as_ref();
            let response = responses.and_then(|responses| responses.get(KEY));
            Way::InReturn(response.map(|response| {
                serde_json::from_value::<ElicitResult>(response.clone())
                    .map_or(ElicitationAction::Cancel, |result| result.action)
            }))
        }
    }
}

impl Way {
    /// Whether anybody can be sent to a page.
    pub(super) fn leads(&self) -> bool {
        !matches!(self, Self::Told)
    }

    /// Sends the human to the page, and waits for them where the call can.
    pub(super) async fn lead(&self, page: &Arc<dyn SignInPage>, cancel: &CancellationToken) -> Next {
        if matches!(
            self,
            Self::Told | Self::InReturn(Some(ElicitationAction::Decline | ElicitationAction::Cancel))
        ) {
            return Next::Tell;
        }
        let (address, mut ends) = match page.open().await {
            Ok(opened) => opened,
            Err(why) => {
                tracing::warn!("there is no page to sign in on: {why}");
                return Next::Tell;
            }
        };
        let asked = ElicitRequestParams::UrlElicitationParams {
            meta: None,
            message: MESSAGE.to_owned(),
            url: address,
            elicitation_id: match self {
                // The later era has no such field, and leaves it out where it is empty.
                Self::InReturn(_) => String::new(),
                _ => uuid::Uuid::new_v4().to_string(),
            },
        };
        match self {
            Self::InReturn(None) => {
                let request = InputRequest::Elicitation(ElicitRequest::new(asked));
                let requests = BTreeMap::from([(KEY.to_owned(), request)]);
                return Next::Ask(InputRequiredResult::new(Some(requests), None));
            }
            Self::InCall(peer) => {
                let answered = tokio::select! {
                    // Whoever signed in has answered, whatever the client says.
                    ended = &mut ends => return next(ended),
                    answered = peer.create_elicitation_with_timeout(asked, Some(WAIT)) => answered,
                    () = cancel.cancelled() => return Next::Tell,
                };
                // Accepting means that the page was opened, not that anybody signed in.
                if !answered.is_ok_and(|result| result.action == ElicitationAction::Accept) {
                    return Next::Tell;
                }
            }
            Self::Told | Self::InReturn(Some(_)) => {}
        }
        tokio::select! {
            ended = ends => next(ended),
            () = cancel.cancelled() => Next::Tell,
            () = tokio::time::sleep(WAIT) => Next::Tell,
        }
    }
}

fn next(ended: Result<(), String>) -> Next {
    match ended {
        Ok(()) => Next::Again,
        Err(why) => {
            tracing::warn!("nobody signed in: {why}");
            Next::Tell
        }
    }
}
